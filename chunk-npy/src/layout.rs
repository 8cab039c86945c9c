//! How the elements of an array lie in a file: slabs of it read and written, whatever their order and byte order.

use chunk_core::{Cost, DataFile, Grid, Result, Shape, Slab, Spans, Work, Worker};

use crate::data::Data;
use crate::dtype::FileType;
use crate::header::Header;
use crate::inflate::DECODER_BYTES;

/// What is put into row-major order at once: small enough for a cache, large enough for long reads.
const BLOCK: u64 = 1 << 20;
/// Reading less than this at once costs as much.
const PAGE: u64 = 4096;
/// [`DataFile::read_spans`] reads over gaps that are shorter.
const SHORT_GAP: u64 = 64 << 10;

/// The order of elements in a file.
#[derive(Clone, Debug)]
pub(crate) struct Layout {
    /// Where they begin.
    pub(crate) base: u64,
    pub(crate) kind: FileType,
    /// Whether the first axis varies fastest. Never for less than two axes, where it makes no difference.
    fortran: bool,
}

impl Layout {
    pub(crate) fn new(header: &Header) -> Self {
        let fortran = header.fortran && header.shape.len() > 1;
        Layout { base: header.length(), kind: header.kind.clone(), fortran }
    }

    fn size(&self) -> usize {
        self.kind.dtype.size()
    }

    /// `slab` with its axes in the order of the file, slowest first.
    fn in_file(&self, slab: &Slab) -> Slab {
        if !self.fortran {
            return slab.clone();
        }
        let reversed = |extents: &[u64]| extents.iter().rev().copied().collect::<Shape>();
        Slab::new(reversed(slab.start()), reversed(slab.count()))
    }

    /// The chunks that are best read whole: none of a file in row-major order. Of one in the other order, blocks whose
    /// stretches are long both in the file and in row-major order.
    pub(crate) fn chunk_shape(&self, shape: &Shape) -> Option<Shape> {
        self.fortran.then(|| block_shape(shape, self.size() as u64, 2 * BLOCK))
    }

    /// What reading `slab` of an array of `shape` takes.
    pub(crate) fn cost(&self, data: &Data, shape: &Shape, slab: &Slab, threads: usize) -> Cost {
        let size = self.size() as u64;
        let bytes = slab.bytes(self.size());
        if data.is_sequential() {
            let scratch = DECODER_BYTES + if self.fortran { bytes } else { 0 };
            let stretch = self.stretch(shape, slab);
            // A deflated member is decoded from where the last read ended, by zlib.
            return Cost::new(scratch, Work::decoding(stretch) + Work::computing(stretch.saturating_mul(7)));
        }
        let all = shape.elements().saturating_mul(size);
        let gathered = DataFile::spans_scratch(all);
        let transposed = if self.fortran { bytes.min(BLOCK.max(size)) } else { 0 };
        let moved = if self.fortran { self.moved(shape, slab) } else { bytes };
        let copied = if self.fortran { Work::copying(bytes) } else { Work::default() };
        Cost::new((gathered + transposed) * threads as u64, Work::reading(moved) + copied)
    }

    /// Bytes from the first to the last of `slab` in the file.
    fn stretch(&self, shape: &Shape, slab: &Slab) -> u64 {
        if slab.is_empty() {
            return 0;
        }
        let (slab, whole) = (self.in_file(slab), self.in_file(&Slab::whole(shape)));
        let last = (0..slab.ndim()).fold(0, |sum: u64, axis| sum * whole.count()[axis] + slab.count()[axis] - 1);
        (last + 1).saturating_mul(self.size() as u64)
    }

    /// Bytes that are read for `slab`: gaps that are read over, and the pages of short pieces.
    fn moved(&self, shape: &Shape, slab: &Slab) -> u64 {
        let size = self.size() as u64;
        let (slab, whole) = (self.in_file(slab), self.in_file(&Slab::whole(shape)));
        let (mut run, mut period) = (size, size);
        let mut outer = slab.ndim();
        while outer > 0 && run == period {
            outer -= 1;
            run *= slab.count()[outer];
            period = period.saturating_mul(whole.count()[outer]);
        }
        let pieces = slab.count()[..outer].iter().fold(1_u64, |pieces, count| pieces.saturating_mul(*count));
        let each = if period - run <= SHORT_GAP { period } else { run.max(PAGE) };
        pieces.saturating_mul(each).max(slab.bytes(self.size()))
    }

    /// Fills `out` with `slab` of an array of `shape`.
    pub(crate) fn read(&self, data: &Data, shape: &Shape, slab: &Slab, out: &mut [u8], worker: &Worker) -> Result<()> {
        if data.is_sequential() {
            return self.read_part(data, shape, slab, out, worker);
        }
        let read = |part: &Slab, out: &mut [u8], worker: &Worker| self.read_part(data, shape, part, out, worker);
        worker.for_each_part(slab, out, self.size(), 1, read)
    }

    fn read_part(&self, data: &Data, shape: &Shape, slab: &Slab, out: &mut [u8], worker: &Worker) -> Result<()> {
        let size = self.size();
        let extent = (self.base, shape.elements().saturating_mul(size as u64));
        let whole = self.in_file(&Slab::whole(shape));
        if self.fortran {
            let most = if data.is_sequential() { u64::MAX } else { BLOCK };
            for block in blocks(slab, size as u64, most) {
                let stored = self.in_file(&block);
                let mut buffer = worker.scratch(block.bytes(size) as usize)?;
                data.read_spans(extent, Spans::new(&stored, &whole, &stored, size), &mut buffer, worker)?;
                let steps = Steps { from: column_major(block.count(), size), to: row_major(slab.count(), size) };
                let start = offset_of(&block, slab, &steps.to);
                steps.copy(block.count(), size, &buffer, &mut out[start..]);
            }
        } else {
            data.read_spans(extent, Spans::new(slab, &whole, slab, size), out, worker)?;
        }
        self.kind.order.swap(&self.kind.dtype, out);
        Ok(())
    }

    /// Scratch that [`Layout::write`] takes.
    pub(crate) fn write_scratch(&self, slab: &Slab) -> u64 {
        if self.is_memorys() { 0 } else { slab.bytes(self.size()).min(BLOCK.max(self.size() as u64)) }
    }

    /// Whether the bytes of items in the file are those in memory.
    pub(crate) fn is_memorys(&self) -> bool {
        !self.fortran && self.kind.order.is_native()
    }

    /// Writes `data`, the bytes of `slab`, to its place in an array of `shape`.
    pub(crate) fn write(
        &self,
        file: &DataFile,
        shape: &Shape,
        slab: &Slab,
        data: &[u8],
        worker: &Worker,
    ) -> Result<()> {
        let size = self.size();
        let whole = self.in_file(&Slab::whole(shape));
        let put = |bytes: &[u8], spans: Spans| {
            spans.into_iter().try_for_each(|span| {
                worker.check()?;
                file.write_at(&bytes[span.from..span.from + span.length], self.base + span.to as u64)
            })
        };
        if self.is_memorys() {
            return put(data, Spans::new(slab, slab, &whole, size));
        }
        for block in blocks(slab, size as u64, BLOCK) {
            let mut buffer = worker.scratch(block.bytes(size) as usize)?;
            self.encode(data, slab, &block, &mut buffer);
            let stored = self.in_file(&block);
            put(&buffer, Spans::new(&stored, &stored, &whole, size))?;
        }
        Ok(())
    }

    /// Puts `block` of `slab`, whose bytes are `data`, into the order of the file.
    pub(crate) fn encode(&self, data: &[u8], slab: &Slab, block: &Slab, out: &mut [u8]) {
        let size = self.size();
        let to = if self.fortran { column_major(block.count(), size) } else { row_major(block.count(), size) };
        let steps = Steps { from: row_major(slab.count(), size), to };
        let start = offset_of(block, slab, &steps.from);
        steps.copy(block.count(), size, &data[start.min(data.len())..], out);
        self.kind.order.swap(&self.kind.dtype, out);
    }
}

/// A block of at most about `most` bytes, or one element: its stretches along the first and along the last axis are
/// both long, those along the last of a page at first.
fn block_shape(shape: &Shape, size: u64, most: u64) -> Shape {
    let mut block = vec![1; shape.len()];
    let mut left = (most / size.max(1)).max(1);
    let page = (PAGE / size.max(1)).max(1);
    let mut take = |axis: usize, limit: u64| {
        let extent = shape[axis].max(1).min(left).min(limit).max(block[axis]);
        left /= (extent / block[axis]).max(1);
        block[axis] = extent;
    };
    let last = shape.len() - 1;
    take(last, page);
    take(0, page);
    for axis in 1..last {
        take(axis, u64::MAX);
    }
    // What is left makes both longer.
    let extent = |block: u64, left: u64, axis: usize| shape[axis].max(1).min(block.saturating_mul(left));
    let longer = extent(block[0], left, 0);
    left /= (longer / block[0]).max(1);
    block[0] = longer;
    block[last] = extent(block[last], left, last);
    block.into()
}

/// Pieces of `slab` of at most about `most` bytes.
fn blocks(slab: &Slab, size: u64, most: u64) -> impl Iterator<Item = Slab> {
    let shape = match slab.count().len() {
        0 | 1 => slab.count().iter().map(|count| (most / size.max(1)).clamp(1, (*count).max(1))).collect(),
        _ if slab.is_empty() => vec![1; slab.ndim()].into(),
        _ => block_shape(slab.count(), size, most),
    };
    let grid = Grid::new(slab.count().clone(), shape);
    let start = slab.start().to_vec();
    (0..grid.len()).map(move |number| {
        let piece = grid.slab(&grid.position(number));
        let start: Shape = piece.start().iter().zip(&start).map(|(inside, start)| inside + start).collect();
        Slab::new(start, piece.count().clone())
    })
}

/// Bytes from one element to the next along each axis, in both buffers of a copy.
struct Steps {
    from: Vec<usize>,
    to: Vec<usize>,
}

fn row_major(counts: &[u64], size: usize) -> Vec<usize> {
    let mut steps = column_major(&counts.iter().rev().copied().collect::<Vec<_>>(), size);
    steps.reverse();
    steps
}

fn column_major(counts: &[u64], size: usize) -> Vec<usize> {
    let mut step = size;
    let steps = counts.iter().map(|count| {
        let this = step;
        step *= *count as usize;
        this
    });
    steps.collect()
}

/// Where `block` begins in the buffer of `slab`.
fn offset_of(block: &Slab, slab: &Slab, steps: &[usize]) -> usize {
    let inside = block.start().iter().zip(slab.start()).map(|(block, slab)| (block - slab) as usize);
    inside.zip(steps).map(|(position, step)| position * step).sum()
}

/// Rows and columns that are copied together, so that both buffers are walked in whole cache lines.
const TILE: usize = 16;

impl Steps {
    fn copy(&self, counts: &[u64], size: usize, from: &[u8], to: &mut [u8]) {
        match size {
            1 => self.copy_sized::<1>(counts, from, to),
            2 => self.copy_sized::<2>(counts, from, to),
            4 => self.copy_sized::<4>(counts, from, to),
            8 => self.copy_sized::<8>(counts, from, to),
            16 => self.copy_sized::<16>(counts, from, to),
            _ => self.planes(counts, |plane| plane.copy_any(size, from, to)),
        }
    }

    fn copy_sized<const N: usize>(&self, counts: &[u64], from: &[u8], to: &mut [u8]) {
        self.planes(counts, |plane| {
            if plane.rows.1 == N && plane.columns.2 == N {
                plane.copy_tiles::<N>(from, to);
            } else {
                plane.copy_any(N, from, to);
            }
        });
    }

    /// Calls `copy` for each plane of the axis along which `from` is densest and that along which `to` is.
    fn planes(&self, counts: &[u64], mut copy: impl FnMut(&Plane)) {
        if counts.contains(&0) {
            return;
        }
        let long = || (0..counts.len()).filter(|axis| counts[*axis] > 1);
        let row = long().min_by_key(|axis| self.from[*axis]);
        let column = long().filter(|axis| Some(*axis) != row).min_by_key(|axis| self.to[*axis]);
        let along = |axis: Option<usize>| {
            axis.map_or((1, 0, 0), |axis| (counts[axis] as usize, self.from[axis], self.to[axis]))
        };
        let others: Shape = (0..counts.len())
            .map(|axis| if Some(axis) == row || Some(axis) == column { 1 } else { counts[axis] })
            .collect();
        for position in Slab::whole(&others).positions() {
            let offset = |steps: &[usize]| position.iter().zip(steps).map(|(at, step)| *at as usize * step).sum();
            copy(&Plane { rows: along(row), columns: along(column), from: offset(&self.from), to: offset(&self.to) });
        }
    }
}

/// A plane of a copy: along each axis the count, the step in `from`, and that in `to`.
struct Plane {
    rows: (usize, usize, usize),
    columns: (usize, usize, usize),
    from: usize,
    to: usize,
}

impl Plane {
    /// `from` is dense along rows, `to` along columns.
    fn copy_tiles<const N: usize>(&self, from: &[u8], to: &mut [u8]) {
        let ((rows, _, row_to), (columns, column_from, _)) = (self.rows, self.columns);
        for first_row in (0..rows).step_by(TILE) {
            for first_column in (0..columns).step_by(TILE) {
                let width = TILE.min(columns - first_column);
                for row in first_row..rows.min(first_row + TILE) {
                    let at = self.to + row * row_to + first_column * N;
                    let mut source = self.from + row * N + first_column * column_from;
                    for element in to[at..at + width * N].as_chunks_mut::<N>().0 {
                        element.copy_from_slice(&from[source..source + N]);
                        source += column_from;
                    }
                }
            }
        }
    }

    fn copy_any(&self, size: usize, from: &[u8], to: &mut [u8]) {
        for row in 0..self.rows.0 {
            for column in 0..self.columns.0 {
                let source = self.from + row * self.rows.1 + column * self.columns.1;
                let target = self.to + row * self.rows.2 + column * self.columns.2;
                to[target..target + size].copy_from_slice(&from[source..source + size]);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_between_orders_as_the_naive_formula_says() {
        for size in [1, 3, 4, 16] {
            for counts in [vec![], vec![5], vec![40, 33], vec![3, 1, 4], vec![2, 3, 4, 5], vec![1, 7, 1]] {
                let elements = counts.iter().product::<u64>() as usize;
                let from: Vec<u8> = (0..elements * size).map(|i| (i * 7 % 251) as u8).collect();
                let steps = Steps { from: column_major(&counts, size), to: row_major(&counts, size) };
                let mut to = vec![0; from.len()];
                steps.copy(&counts, size, &from, &mut to);
                for position in Slab::whole(&counts).positions() {
                    let at = |steps: &[usize]| {
                        position.iter().zip(steps).map(|(at, step)| *at as usize * step).sum::<usize>()
                    };
                    let (source, target) = (at(&steps.from), at(&steps.to));
                    assert_eq!(from[source..source + size], to[target..target + size], "{counts:?} at {position:?}");
                }
            }
        }
    }

    #[test]
    fn blocks_fit_and_are_long_both_ways() {
        assert_eq!(block_shape(&[1 << 20, 1 << 20].into(), 8, 2 << 20), Shape::from([512, 512]));
        assert_eq!(block_shape(&[1 << 20, 4].into(), 8, 2 << 20), Shape::from([1 << 16, 4]));
        assert_eq!(block_shape(&[4, 1 << 20].into(), 8, 2 << 20), Shape::from([4, 1 << 16]));
        assert_eq!(block_shape(&[10, 10].into(), 8 << 20, 2 << 20), Shape::from([1, 1]));
        for shape in [[1000, 7, 300], [3, 5, 100_000], [100_000, 1, 2]] {
            let block = block_shape(&Shape::from(shape), 8, 1 << 20);
            assert!(block.elements() * 8 <= 1 << 20, "{block}");
        }
        let slab = Slab::new([3, 0, 9], [1000, 7, 300]);
        assert_eq!(blocks(&slab, 8, 1 << 20).map(|block| block.elements()).sum::<u64>(), slab.elements());
    }
}
