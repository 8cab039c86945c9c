//! Reductions: results that every element of an input, or of some of its axes, goes into.
//!
//! Partial results are those of blocks which follow from the input's description alone, and they are
//! merged as binary trees over the numbers of the blocks. So a result is the same to the last bit
//! whatever the budget, the threads and the order in which blocks are read, also where merging rounds.

use std::collections::BTreeMap;
use std::fmt;

use crate::graph::Tally;
use crate::{Buffer, DatasetInfo, Error, Grid, Result, Shape, Slab, Work, Worker, copy_region};

/// How a node reduces its one input along some of its axes.
///
/// The axes of the result are those that are kept, or all of them, of one element where they are
/// reduced.
///
/// Given by [`Operation::reduction`](crate::Operation::reduction). Core reads the input block by block;
/// each block goes into accumulators of its own, one for each element of the result that it has part
/// in, and those are merged. Accumulators are bytes, so that a job can keep them.
pub trait Reduction: fmt::Debug + Send + Sync {
    /// The axes of the input that are reduced, ascending.
    fn axes(&self) -> &[usize];

    /// Bytes of the accumulators of so many elements of the result.
    fn accumulator_bytes(&self, elements: u64) -> u64;

    /// Sets accumulators, whose bytes hold anything, to those of no elements.
    fn start(&self, accumulators: &mut [u8]);

    /// Adds the elements of `piece`, which are `data`: packed, in the order of the input's axes.
    ///
    /// # Errors
    /// Elements that cannot be reduced.
    fn update(&self, accumulators: &mut [u8], piece: &Slab, data: &[u8], worker: &Worker) -> Result<()>;

    /// Adds what `later` holds, the accumulators of blocks that come after.
    ///
    /// # Errors
    /// What cannot be merged.
    fn merge(&self, accumulators: &mut [u8], later: &[u8]) -> Result<()>;

    /// Writes the elements `slab` of the result that the accumulators have.
    ///
    /// # Errors
    /// A result that does not exist, such as the minimum of no elements.
    fn finish(&self, accumulators: &[u8], slab: &Slab, out: &mut [u8]) -> Result<()>;
}

/// Chunks that are smaller are taken several at a time, and an array without chunks in pieces of about
/// this size.
const LEAST_GROUP_BYTES: u64 = 1 << 20;
/// Blocks are no larger, unless one element is, so that any budget has room for one.
const MOST_BLOCK_BYTES: u64 = 256 << 10;

/// An array cut along its reduced axes, by its description alone: into groups, which are chunks or
/// several of them, and each group into blocks.
///
/// Blocks of a group are numbered in row-major order, and so are groups.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blocks {
    axes: Vec<usize>,
    shape: Shape,
    group: Shape,
    block: Shape,
}

impl Blocks {
    /// The blocks of `input` along `axes`; along its other axes a block has any extent.
    #[must_use]
    pub fn new(input: &DatasetInfo, axes: &[usize]) -> Self {
        let size = input.dtype.size().max(1) as u64;
        let natural = natural_group(input, size);
        let of_axes = |shape: &Shape| -> Shape { axes.iter().map(|axis| shape[*axis]).collect() };
        let (shape, group) = (of_axes(&input.shape), of_axes(&natural));
        let mut block = group.clone();
        for axis in 0..block.len() {
            let inner = block[axis + 1..].iter().product::<u64>().saturating_mul(size);
            let most = (MOST_BLOCK_BYTES / inner.max(1)).clamp(1, block[axis]);
            block = block.clone().with_axis(axis, part_of(block[axis], most));
            if block.elements().saturating_mul(size) <= MOST_BLOCK_BYTES {
                break;
            }
        }
        Blocks { axes: axes.to_vec(), shape, group, block }
    }

    /// The axes that are cut.
    pub(crate) fn axes(&self) -> &[usize] {
        &self.axes
    }

    /// Extents of a group along the axes that are cut.
    pub(crate) fn group_shape(&self) -> &Shape {
        &self.group
    }

    /// Extents of a block along the axes that are cut.
    pub(crate) fn block_shape(&self) -> &Shape {
        &self.block
    }

    /// How many groups there are along the axes from number `first` of those that are cut on.
    pub(crate) fn groups_inside(&self, first: usize) -> u64 {
        self.groups().counts()[first..].iter().product()
    }

    fn groups(&self) -> Grid {
        Grid::new(self.shape.clone(), self.group.clone())
    }

    /// The blocks of a group, in coordinates of the group.
    fn blocks_of(&self, group: &Slab) -> Grid {
        Grid::new(group.count().clone(), self.block.clone())
    }

    /// The most accumulators that wait for others while blocks come in the order of their numbers.
    pub(crate) fn waiting(&self) -> u64 {
        let levels = |leaves: u64| u64::from(leaves.max(1).ilog2()) + 1;
        let group = Slab::whole(&self.group);
        levels(self.groups().len()) + levels(self.blocks_of(&group).len())
    }

    /// Calls `visit` with each block that `slab` of the input has, which has whole blocks: its place,
    /// and the part of `slab` that is in it.
    fn for_each(&self, slab: &Slab, visit: &mut dyn FnMut(BlockNumber, &Slab) -> Result<()>) -> Result<()> {
        let part: Slab = Slab::new(
            self.axes.iter().map(|axis| slab.start()[*axis]).collect::<Shape>(),
            self.axes.iter().map(|axis| slab.count()[*axis]).collect::<Shape>(),
        );
        let groups = self.groups();
        for position in groups.touched(&part).positions() {
            let group = groups.slab(&position);
            let Some(inside) = group.intersection(&part) else { continue };
            let blocks = self.blocks_of(&group);
            let shifted = Slab::new(
                inside.start().iter().zip(group.start()).map(|(at, from)| at - from).collect::<Shape>(),
                inside.count().clone(),
            );
            for at in blocks.touched(&shifted).positions() {
                let block = blocks.slab(&at).shifted(group.start());
                let number = BlockNumber {
                    group: groups.number(&position),
                    groups: groups.len(),
                    block: blocks.number(&at),
                    blocks: blocks.len(),
                };
                let mut piece = slab.clone();
                for (index, axis) in self.axes.iter().enumerate() {
                    piece = piece.with_axis(*axis, block.start()[index]..block.end(index));
                }
                visit(number, &piece)?;
            }
        }
        Ok(())
    }
}

/// The largest extent up to `most` that divides `extent`, or `most` if those are all much smaller.
fn part_of(extent: u64, most: u64) -> u64 {
    let divisor = (most / 8 + 1..=most).rev().find(|part| extent.is_multiple_of(*part));
    divisor.unwrap_or(most)
}

/// Extents of what is read at once, by the description alone: a chunk, or several up to about a
/// mebibyte, innermost axis first.
fn natural_group(input: &DatasetInfo, size: u64) -> Shape {
    let extent = |axis: usize| input.shape[axis].max(1);
    let ndim = input.shape.len();
    let mut group: Shape = match &input.chunk_shape {
        Some(chunk) => (0..ndim).map(|axis| chunk[axis].min(extent(axis))).collect(),
        None => vec![1; ndim].into(),
    };
    for axis in (0..ndim).rev() {
        let bytes = group.elements().saturating_mul(size);
        let times = (LEAST_GROUP_BYTES / bytes.max(1)).max(1);
        let reach = group[axis].saturating_mul(times).min(extent(axis));
        group = group.with_axis(axis, reach);
        if reach < extent(axis) {
            break;
        }
    }
    group
}

/// Which block of which group, and of how many.
#[derive(Clone, Copy, Debug)]
struct BlockNumber {
    group: u64,
    groups: u64,
    block: u64,
    blocks: u64,
}

/// Partial results on their way up a binary tree over `leaves` numbered ones.
#[derive(Debug)]
struct Tree<A> {
    leaves: u64,
    /// By level and number: those whose neighbour is not there yet.
    waiting: BTreeMap<(u32, u64), A>,
}

impl<A> Tree<A> {
    fn new(leaves: u64) -> Self {
        Tree { leaves, waiting: BTreeMap::new() }
    }

    /// Puts a leaf in; gives the result once all are there.
    fn put<E>(
        &mut self,
        leaf: u64,
        mut value: A,
        merge: &mut dyn FnMut(&mut A, A) -> std::result::Result<(), E>,
    ) -> std::result::Result<Option<A>, E> {
        let (mut level, mut number, mut count) = (0, leaf, self.leaves);
        while count > 1 {
            let neighbour = number ^ 1;
            if neighbour < count {
                let Some(mut other) = self.waiting.remove(&(level, neighbour)) else {
                    self.waiting.insert((level, number), value);
                    return Ok(None);
                };
                if neighbour < number {
                    merge(&mut other, value)?;
                    value = other;
                } else {
                    merge(&mut value, other)?;
                }
            }
            (level, number, count) = (level + 1, number / 2, count.div_ceil(2));
        }
        Ok(Some(value))
    }
}

/// The trees of one result: one over the groups, and one for each group that is not complete.
#[derive(Debug)]
pub(crate) struct Forest<A> {
    groups: Option<Tree<A>>,
    blocks: BTreeMap<u64, Tree<A>>,
}

impl<A> Forest<A> {
    pub(crate) fn new() -> Self {
        Forest { groups: None, blocks: BTreeMap::new() }
    }

    fn put<E>(
        &mut self,
        at: BlockNumber,
        value: A,
        merge: &mut dyn FnMut(&mut A, A) -> std::result::Result<(), E>,
    ) -> std::result::Result<Option<A>, E> {
        let blocks = self.blocks.entry(at.group).or_insert_with(|| Tree::new(at.blocks));
        let Some(value) = blocks.put(at.block, value, merge)? else { return Ok(None) };
        self.blocks.remove(&at.group);
        self.groups.get_or_insert_with(|| Tree::new(at.groups)).put(at.group, value, merge)
    }
}

/// Computes the partial result of a block.
type Partial<'p, A, E> = dyn FnMut(&Slab, &[u8]) -> std::result::Result<A, E> + 'p;

/// Splits what a task read into its blocks: partial results of them, in the order of their numbers.
pub(crate) fn partials<A, E: From<Error>>(
    blocks: &Blocks,
    (slab, data): (&Slab, &[u8]),
    size: usize,
    worker: &Worker,
    partial: &mut Partial<'_, A, E>,
    put: &mut dyn FnMut(Placed<A>) -> std::result::Result<(), E>,
) -> std::result::Result<(), E> {
    let mut failed = None;
    let visited = blocks.for_each(slab, &mut |number, piece| {
        worker.check()?;
        let done = packed_piece(piece, slab, data, size, worker, &mut |packed| partial(piece, packed));
        let done = done.and_then(|value| put(Placed { number, value }));
        done.map_err(|error| {
            failed = Some(error);
            Error::Cancelled
        })
    });
    match (failed, visited) {
        (Some(error), _) => Err(error),
        (None, visited) => Ok(visited?),
    }
}

/// A partial result with the number of its block.
#[derive(Debug)]
pub(crate) struct Placed<A> {
    number: BlockNumber,
    value: A,
}

impl<A> Placed<A> {
    /// Puts it where it belongs; gives the result once all blocks are there.
    pub(crate) fn put_into<E>(
        self,
        forest: &mut Forest<A>,
        merge: &mut dyn FnMut(&mut A, A) -> std::result::Result<(), E>,
    ) -> std::result::Result<Option<A>, E> {
        forest.put(self.number, self.value, merge)
    }
}

/// Calls `work` with the bytes of `piece`, packed: where they lie, or copied.
fn packed_piece<T, E: From<Error>>(
    piece: &Slab,
    slab: &Slab,
    data: &[u8],
    size: usize,
    worker: &Worker,
    work: &mut dyn FnMut(&[u8]) -> std::result::Result<T, E>,
) -> std::result::Result<T, E> {
    if let Some(offset) = offset_inside(piece, slab) {
        let (from, bytes) = (offset as usize * size, piece.bytes(size) as usize);
        return work(&data[from..from + bytes]);
    }
    let mut copy = worker.scratch(piece.bytes(size) as usize)?;
    copy_region(piece, data, slab, &mut copy, piece, size);
    work(&copy)
}

/// Where in the packed buffer of `slab` the bytes of `piece` lie, if they lie in one piece: in elements.
fn offset_inside(piece: &Slab, slab: &Slab) -> Option<u64> {
    let cut = (0..slab.ndim()).rev().find(|axis| piece.count()[*axis] != slab.count()[*axis]);
    let whole_before = cut.is_none_or(|cut| (0..cut).all(|axis| piece.count()[axis] == 1));
    whole_before.then(|| {
        (0..slab.ndim()).fold(0, |offset, axis| offset * slab.count()[axis] + piece.start()[axis] - slab.start()[axis])
    })
}

/// Bytes that cutting a slab of `slab_bytes` into its blocks may hold.
pub(crate) fn copy_bytes(blocks: &Blocks, slab: &Slab, size: usize) -> u64 {
    let mut most = 0;
    let looked = blocks.for_each(slab, &mut |_, piece| {
        most = if offset_inside(piece, slab).is_some() { 0 } else { piece.bytes(size) };
        // The first is as large as any.
        Err(Error::Cancelled)
    });
    drop(looked);
    most
}

/// The piece of `input` that `slab` of a result comes from: whole along the reduced axes.
pub(crate) fn input_of(input: &DatasetInfo, axes: &[usize], slab: &Slab) -> Slab {
    let whole = Slab::whole(&input.shape);
    let keeps_all = slab.ndim() == whole.ndim();
    let kept = (0..whole.ndim()).filter(|axis| !axes.contains(axis)).enumerate();
    kept.fold(whole.clone(), |region, (index, axis)| {
        let from = if keeps_all { axis } else { index };
        region.with_axis(axis, slab.start()[from]..slab.end(from))
    })
}

/// The part of a result that `slab` of the input has part in.
pub(crate) fn output_of(slab: &Slab, axes: &[usize], result: &DatasetInfo) -> Slab {
    let keeps_all = result.shape.len() == slab.ndim();
    let along = |axis: usize| match (axes.contains(&axis), keeps_all) {
        (true, true) => Some((0, 1)),
        (true, false) => None,
        (false, _) => Some((slab.start()[axis], slab.count()[axis])),
    };
    let axes: Vec<(u64, u64)> = (0..slab.ndim()).filter_map(along).collect();
    let (start, count): (Vec<u64>, Vec<u64>) = axes.into_iter().unzip();
    Slab::new(start, count)
}

/// Where a read outside a job goes through its input: group by group.
fn group_slabs(input: &DatasetInfo, blocks: &Blocks, region: &Slab) -> impl Iterator<Item = Slab> {
    let mut chunk: Vec<u64> = input.shape.iter().map(|extent| (*extent).max(1)).collect();
    for (axis, extent) in blocks.axes.iter().zip(blocks.group.iter()) {
        chunk[*axis] = *extent;
    }
    let grid = Grid::new(input.shape.clone(), chunk);
    let region = region.clone();
    let positions = grid.touched(&region).positions();
    positions.filter_map(move |position| grid.slab(&position).intersection(&region))
}

/// Reduces what `slab` of a result needs, outside a job: the input is read group by group.
pub(crate) fn reduce_slab(
    input: &DatasetInfo,
    reduction: &dyn Reduction,
    slab: &Slab,
    out: &mut [u8],
    worker: &Worker,
    read: &dyn Fn(&Slab, &mut [u8]) -> Result<()>,
) -> Result<()> {
    let blocks = Blocks::new(input, reduction.axes());
    let (size, length) = (input.dtype.size(), reduction.accumulator_bytes(slab.elements()) as usize);
    let region = input_of(input, reduction.axes(), slab);
    if region.is_empty() {
        let mut none = Buffer::zeroed(length)?;
        reduction.start(&mut none);
        return reduction.finish(&none, slab, out);
    }
    let mut forest = Forest::new();
    let mut result = None;
    for piece in group_slabs(input, &blocks, &region) {
        let mut data = worker.scratch(piece.bytes(size) as usize)?;
        read(&piece, &mut data)?;
        let mut partial = |piece: &Slab, packed: &[u8]| {
            let mut accumulators = Buffer::zeroed(length)?;
            reduction.start(&mut accumulators);
            reduction.update(&mut accumulators, piece, packed, worker)?;
            Ok(accumulators)
        };
        let mut put = |placed: Placed<Buffer>| {
            let merged = placed.put_into(&mut forest, &mut |sum, later| reduction.merge(sum, &later))?;
            result = merged.or(result.take());
            Ok::<(), Error>(())
        };
        partials(&blocks, (&piece, &data), size, worker, &mut partial, &mut put)?;
    }
    match result {
        Some(accumulators) => reduction.finish(&accumulators, slab, out),
        None => unreachable!("all blocks were read"),
    }
}

/// Counts what [`reduce_slab`] takes.
pub(crate) fn count(
    tally: &mut Tally,
    input: (usize, &DatasetInfo),
    reduction: &dyn Reduction,
    slab: &Slab,
    scratch: u64,
) -> Result<()> {
    let (number, info) = input;
    let blocks = Blocks::new(info, reduction.axes());
    let accumulators = reduction.accumulator_bytes(slab.elements()).saturating_mul(blocks.waiting() + 2);
    let region = input_of(info, reduction.axes(), slab);
    let mut pieces = group_slabs(info, &blocks, &region);
    let Some(first) = pieces.next() else {
        tally.momentarily(accumulators);
        return Ok(());
    };
    let copies = copy_bytes(&blocks, &first, info.dtype.size());
    let held = first.bytes(info.dtype.size()).saturating_add(accumulators).saturating_add(copies);
    tally.momentarily(held.saturating_add(scratch));
    // All but the last are alike.
    let rest = pieces.count() as u64;
    tally.beside(held, 1 + rest, number, &first)
}

/// A reduction of all elements to one value, of any type.
///
/// [`Run::reduce`](crate::Run::reduce) reads a source and calls this from several threads. Blocks of the
/// source, which follow from its description alone, each get an accumulator of their own, and those are
/// merged in a fixed order: the result depends neither on the budget nor on the threads.
///
/// ```
/// use chunk_core::{Element, Error, MemorySource, Reduce, Run, Slab, Work};
///
/// struct Largest;
///
/// impl Reduce for Largest {
///     type Accumulator = f64;
///     type Output = f64;
///     type Error = Error;
///
///     fn held_bytes(&self) -> u64 {
///         size_of::<f64>() as u64
///     }
///
///     fn work(&self, elements: u64) -> Work {
///         Work::computing(elements)
///     }
///
///     fn is_exact(&self) -> bool {
///         true
///     }
///
///     fn start(&self) -> f64 {
///         f64::NEG_INFINITY
///     }
///
///     fn update(&self, largest: &mut f64, _piece: &Slab, data: &[u8]) -> Result<(), Error> {
///         *largest = f64::from_bytes(data)?.iter().fold(*largest, |a, b| a.max(*b));
///         Ok(())
///     }
///
///     fn merge(&self, largest: &mut f64, later: f64) -> Result<(), Error> {
///         *largest = largest.max(later);
///         Ok(())
///     }
///
///     fn finish(&self, largest: f64) -> Result<f64, Error> {
///         Ok(largest)
///     }
/// }
///
/// let x = MemorySource::new([4], &[1.0, 7.0, 3.0, 2.0])?;
/// assert_eq!(Run::new().reduce(&x, &Largest)?, 7.0);
/// # Ok::<(), Error>(())
/// ```
pub trait Reduce: Sync {
    /// A partial result.
    type Accumulator: Send;
    /// The result.
    type Output;
    /// What may go wrong, [`Error`] included.
    type Error: From<Error> + Send;

    /// Bytes that one accumulator holds at most: counted in the plan.
    fn held_bytes(&self) -> u64;

    /// Returns the work of adding so many elements: for the expected time of a plan.
    fn work(&self, elements: u64) -> Work;

    /// Returns whether the result is the same however elements are grouped and in whatever order groups
    /// are merged: a count, an extreme, an exact sum. Slabs of any shape then serve as blocks.
    fn is_exact(&self) -> bool;

    /// Returns the accumulator of no elements.
    fn start(&self) -> Self::Accumulator;

    /// Adds the elements of `piece`, which are `data`: packed, row-major, in native byte order.
    ///
    /// # Errors
    /// Elements that cannot be reduced.
    fn update(
        &self,
        accumulator: &mut Self::Accumulator,
        piece: &Slab,
        data: &[u8],
    ) -> std::result::Result<(), Self::Error>;

    /// Adds what `later` holds, the accumulator of blocks that come after.
    ///
    /// # Errors
    /// What cannot be merged.
    fn merge(
        &self,
        accumulator: &mut Self::Accumulator,
        later: Self::Accumulator,
    ) -> std::result::Result<(), Self::Error>;

    /// Returns the result of all elements.
    ///
    /// # Errors
    /// A result that does not exist.
    fn finish(&self, accumulator: Self::Accumulator) -> std::result::Result<Self::Output, Self::Error>;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::DType;

    /// What a tree makes of its leaves, as text.
    fn merged(leaves: u64, order: impl Iterator<Item = u64>) -> String {
        let mut tree = Tree::new(leaves);
        let mut result = None;
        for leaf in order {
            let merge = &mut |a: &mut String, b: String| {
                *a = format!("({a} {b})");
                Ok::<(), Error>(())
            };
            result = tree.put(leaf, leaf.to_string(), merge).unwrap().or(result);
        }
        assert!(tree.waiting.is_empty());
        result.unwrap()
    }

    #[test]
    fn a_tree_is_the_same_for_every_order() {
        assert_eq!(merged(5, 0..5), "(((0 1) (2 3)) 4)");
        assert_eq!(merged(5, (0..5).rev()), "(((0 1) (2 3)) 4)");
        assert_eq!(merged(7, [3, 6, 0, 5, 2, 1, 4].into_iter()), "(((0 1) (2 3)) ((4 5) 6))");
        assert_eq!(merged(1, 0..1), "0");
    }

    #[test]
    fn blocks_follow_from_the_description() {
        let info = DatasetInfo::new([8192, 8192], DType::F64).with_chunk_shape([256, 2048]);
        let blocks = Blocks::new(&info, &[0, 1]);
        assert_eq!((blocks.group_shape(), blocks.block_shape()), (&[256, 2048].into(), &[16, 2048].into()));
        assert_eq!(Blocks::new(&info, &[0]).block_shape(), &Shape::from([256]));
        let rows = DatasetInfo::new([8192, 8192], DType::F64);
        assert_eq!(Blocks::new(&rows, &[0]).group_shape(), &Shape::from([16]));
        assert_eq!(Blocks::new(&rows, &[0, 1]).block_shape(), &Shape::from([4, 8192]));
    }

    #[test]
    fn every_element_is_in_one_block() {
        let info = DatasetInfo::new([37, 300_000], DType::U8).with_chunk_shape([5, 100_000]);
        let blocks = Blocks::new(&info, &[0, 1]);
        let mut elements = 0;
        let whole = Slab::whole(&info.shape);
        blocks
            .for_each(&whole, &mut |_, piece| {
                assert!(piece.elements() <= MOST_BLOCK_BYTES);
                elements += piece.elements();
                Ok(())
            })
            .unwrap();
        assert_eq!(elements, info.shape.elements());
    }
}
