//! The lines of a slab: gathered, transformed and put back, by several threads.
//!
//! Along the last axis a line is contiguous. Along another axis it is a column of a block, and a tile of neighbouring
//! columns is copied to memory of its own, transformed there and copied back: so each row of the block is touched in
//! pieces of several cache lines, and the transform sees contiguous numbers.

use std::ops::Range;

use chunk_core::{DType, Result, Scratch, Shape, Slab, Worker};
use num_complex::Complex;

use crate::kernel::{Kernel, Place};
use crate::real::{Number, Real, elements_mut};

/// Bytes of a row that are copied at once: four cache lines. Measured along the first axis of 16384 x 512 and of
/// 1024 x 8192 complex128: half as much takes 15 % longer, twice as much gains nothing and holds more.
const TILE_ROW: usize = 256;
/// A larger tile has narrower rows, down to one cache line.
const TILE_MOST: usize = 16 << 20;
const CACHE_LINE: usize = 64;
/// What buffers are rounded up to.
const WORD: usize = 16;
/// Parts of the work for each thread, so that one which is slowed down does not hold up the rest.
const PARTS: usize = 4;

/// A slab as columns along the transformed axis: in memory, `blocks` times `rows` times `columns` elements.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Layout {
    pub(crate) blocks: usize,
    pub(crate) rows: usize,
    pub(crate) columns: usize,
}

impl Layout {
    pub(crate) fn new(slab: &Slab, axis: usize) -> Self {
        let elements = |extents: &[u64]| Shape::from(extents).elements() as usize;
        let count = slab.count();
        Layout { blocks: elements(&count[..axis]), rows: count[axis] as usize, columns: elements(&count[axis + 1..]) }
    }

    fn block(self) -> usize {
        self.rows * self.columns
    }

    /// Whether threads share the columns of each block rather than the blocks.
    fn shares_columns(self, threads: usize) -> bool {
        threads > 1 && self.blocks < threads * PARTS && self.columns >= threads
    }
}

impl<T: Real> Kernel<T> {
    /// Bytes that each thread takes for contiguous lines, with or without a slot.
    fn line_bytes(&self, with_slot: bool) -> usize {
        let slot = if with_slot { self.slot() } else { 0 };
        (slot + self.workspace()) * size_of::<Complex<T>>()
    }

    /// Bytes that `threads` threads take for contiguous lines.
    pub(crate) fn lines_bytes(&self, layout: Layout, threads: usize, with_slot: bool) -> usize {
        threads.min(layout.blocks) * self.line_bytes(with_slot).next_multiple_of(WORD)
    }

    /// Bytes that `threads` threads take for the columns of a slab.
    pub(crate) fn columns_bytes(&self, layout: Layout, threads: usize) -> usize {
        let tile = |columns| (self.tile_columns(columns) * self.pitch() + self.workspace()) * size_of::<Complex<T>>();
        if layout.shares_columns(threads) {
            let pieces = layout.rows * size_of::<&mut [T]>();
            return threads * (tile(layout.columns.div_ceil(threads)).next_multiple_of(WORD) + pieces);
        }
        threads.min(layout.blocks) * tile(layout.columns).next_multiple_of(WORD)
    }

    /// Columns of a tile, of so many in a row.
    fn tile_columns(&self, columns: usize) -> usize {
        let size = size_of::<Complex<T>>();
        let fitting = TILE_MOST / (self.pitch() * size);
        fitting.clamp(CACHE_LINE / size, TILE_ROW / size).min(columns)
    }

    /// Numbers from slot to slot of a tile: an odd count of cache lines, so that numbers of one index spread over
    /// all sets of a cache.
    fn pitch(&self) -> usize {
        let line = CACHE_LINE / size_of::<Complex<T>>();
        (self.slot().div_ceil(line) | 1) * line
    }

    /// Transforms complex lines where they are.
    pub(crate) fn in_place(&self, out: &mut [Complex<T>], worker: &Worker) -> Result<()> {
        let length = self.slot();
        let lines = (out.len() / length).div_ceil(worker.threads() * PARTS);
        worker.for_each(out.chunks_mut(lines * length).collect(), |lines, worker| {
            let mut scratch = worker.scratch(self.line_bytes(false))?;
            let workspace = elements_mut(&mut scratch)?;
            for line in lines.chunks_exact_mut(length) {
                worker.check()?;
                self.transform(line, workspace);
            }
            Ok(())
        })
    }

    /// Transforms contiguous lines from `input` to `out`: of each result, the numbers from `first` on.
    pub(crate) fn lines<I: Number<T>, O: Number<T>>(
        &self,
        input: &[I],
        out: &mut [O],
        lines: usize,
        first: usize,
        worker: &Worker,
    ) -> Result<()> {
        let (from, to) = (input.len() / lines, out.len() / lines);
        let part = lines.div_ceil(worker.threads() * PARTS);
        let parts = input.chunks(part * from).zip(out.chunks_mut(part * to));
        worker.for_each(parts.collect(), |(input, out), worker| {
            let mut scratch = worker.scratch(self.line_bytes(true))?;
            let (slot, workspace) = elements_mut(&mut scratch)?.split_at_mut(self.slot());
            for (line, out) in input.chunks_exact(from).zip(out.chunks_exact_mut(to)) {
                worker.check()?;
                self.put(line, slot);
                self.pad(slot, from);
                self.transform(slot, workspace);
                self.copy_to(slot, first, out);
            }
            Ok(())
        })
    }

    /// Transforms the real lines of `dtype` at the end of `out` to complex lines, which fill it. As many lines as
    /// there is room for before those still to be read are transformed at once.
    pub(crate) fn lines_from_tail(&self, dtype: &DType, out: &mut [u8], worker: &Worker) -> Result<()> {
        let length = self.length;
        let (narrow, wide) = (length * dtype.size(), length * size_of::<Complex<T>>());
        let mut rest = out;
        while !rest.is_empty() {
            let lines = rest.len() / wide;
            let (front, tail) = rest.split_at_mut(rest.len() - lines * narrow);
            let ready = front.len() / wide;
            if ready >= worker.threads() {
                self.lines_between(dtype, &tail[..ready * narrow], &mut front[..ready * wide], worker)?;
                rest = &mut rest[ready * wide..];
            } else {
                let some = lines.min(worker.threads());
                self.lines_at_once(dtype, rest, some, worker)?;
                rest = &mut rest[some * wide..];
            }
        }
        Ok(())
    }

    fn lines_between(&self, dtype: &DType, input: &[u8], out: &mut [u8], worker: &Worker) -> Result<()> {
        let length = self.length;
        let (narrow, wide) = (length * dtype.size(), length * size_of::<Complex<T>>());
        let part = (out.len() / wide).div_ceil(worker.threads() * PARTS);
        let parts = input.chunks(part * narrow).zip(out.chunks_mut(part * wide));
        worker.for_each(parts.collect(), |(input, out), worker| {
            let mut scratch = worker.scratch(self.line_bytes(true))?;
            for (line, out) in input.chunks_exact(narrow).zip(out.chunks_exact_mut(wide)) {
                worker.check()?;
                self.read_line(dtype, line, &mut scratch)?;
                self.transform_to(&mut scratch, out)?;
            }
            Ok(())
        })
    }

    /// Reads the first `lines` lines at the end of `out` before the first result overwrites them.
    fn lines_at_once(&self, dtype: &DType, out: &mut [u8], lines: usize, worker: &Worker) -> Result<()> {
        let length = self.length;
        let (narrow, wide) = (length * dtype.size(), length * size_of::<Complex<T>>());
        let input = out.len() - out.len() / wide * narrow;
        let read = |line: &[u8]| {
            let mut scratch = worker.scratch(self.line_bytes(true))?;
            self.read_line(dtype, line, &mut scratch)?;
            Ok(scratch)
        };
        let slots: Vec<Scratch> = out[input..].chunks_exact(narrow).take(lines).map(read).collect::<Result<_>>()?;
        let items = slots.into_iter().zip(out.chunks_exact_mut(wide));
        worker.for_each(items.collect(), |(mut scratch, out), _| self.transform_to(&mut scratch, out))
    }

    fn read_line(&self, dtype: &DType, line: &[u8], scratch: &mut [u8]) -> Result<()> {
        T::read(dtype, line, self.reals(elements_mut(scratch)?), |value| value);
        Ok(())
    }

    fn transform_to(&self, scratch: &mut [u8], out: &mut [u8]) -> Result<()> {
        let (slot, workspace) = elements_mut(scratch)?.split_at_mut(self.slot());
        self.transform(slot, workspace);
        self.copy_to(slot, 0, elements_mut::<Complex<T>>(out)?);
        Ok(())
    }

    /// Transforms the columns of a slab: from `input`, whose layout differs from `layout` in its rows, to `out`, of
    /// each result the numbers from `first` on; or in place if there is no input.
    pub(crate) fn columns<I: Number<T>, O: Number<T>>(
        &self,
        input: Option<&[I]>,
        out: &mut [O],
        layout: Layout,
        first: usize,
        worker: &Worker,
    ) -> Result<()> {
        let from = input.map_or(0, |input| input.len() / layout.blocks);
        let input_of = |block: usize| {
            input.map(|input| Block { elements: &input[block * from..][..from], columns: layout.columns })
        };
        if layout.shares_columns(worker.threads()) {
            for (block, out) in out.chunks_exact_mut(layout.block()).enumerate() {
                self.share_columns(input_of(block), out, layout.columns, first, worker)?;
            }
            return Ok(());
        }
        let part = layout.blocks.div_ceil(worker.threads() * PARTS);
        let parts = out.chunks_mut(part * layout.block()).enumerate();
        worker.for_each(parts.collect(), |(number, out), worker| {
            for (block, out) in out.chunks_exact_mut(layout.block()).enumerate() {
                let rows = Block { elements: out, columns: layout.columns };
                self.tiles(input_of(number * part + block), rows, 0..layout.columns, first, worker)?;
            }
            Ok(())
        })
    }

    /// Gives each thread a range of the columns of one block: of each row its piece.
    fn share_columns<I: Number<T>, O: Number<T>>(
        &self,
        input: Option<Block<&[I]>>,
        out: &mut [O],
        columns: usize,
        first: usize,
        worker: &Worker,
    ) -> Result<()> {
        let threads = worker.threads();
        let ranges: Vec<Range<usize>> =
            (0..threads).map(|part| part * columns / threads..(part + 1) * columns / threads).collect();
        let mut shares: Vec<Vec<&mut [O]>> = ranges.iter().map(|_| Vec::with_capacity(out.len() / columns)).collect();
        for mut row in out.chunks_exact_mut(columns) {
            for (range, share) in ranges.iter().zip(&mut shares) {
                let (piece, rest) = row.split_at_mut(range.len());
                share.push(piece);
                row = rest;
            }
        }
        let items = ranges.into_iter().zip(shares);
        worker.for_each(items.collect(), |(range, share), worker| self.tiles(input, share, range, first, worker))
    }

    /// Transforms tile after tile: the columns of `rows`, which are those of `range` in the block of the input.
    fn tiles<I: Number<T>, O: Number<T>>(
        &self,
        input: Option<Block<&[I]>>,
        mut rows: impl RowsMut<O>,
        range: Range<usize>,
        first: usize,
        worker: &Worker,
    ) -> Result<()> {
        let most = self.tile_columns(range.len());
        let numbers = most * self.pitch();
        let mut scratch = worker.scratch((numbers + self.workspace()) * size_of::<Complex<T>>())?;
        let (tile, workspace) = elements_mut(&mut scratch)?.split_at_mut(numbers);
        for column in (0..range.len()).step_by(most) {
            worker.check()?;
            let width = most.min(range.len() - column);
            let tile = &mut tile[..width * self.pitch()];
            match &input {
                Some(block) => self.gather(block, range.start + column, tile),
                None => self.gather(&rows, column, tile),
            }
            tile.chunks_exact_mut(self.pitch()).for_each(|slot| self.transform(&mut slot[..self.slot()], workspace));
            self.scatter(tile, first, &mut rows, column);
        }
        Ok(())
    }

    /// Copies columns from number `column` on into the slots of a tile.
    fn gather<E: Number<T>>(&self, rows: &impl Rows<E>, column: usize, tile: &mut [Complex<T>]) {
        let pitch = self.pitch();
        let width = tile.len() / pitch;
        for row in 0..rows.count() {
            let from = &rows.row(row)[column..][..width];
            match self.input_place(row) {
                Place::Complex(index) | Place::Mirror(index) => {
                    let slots = tile.chunks_exact_mut(pitch);
                    slots.zip(from).for_each(|(slot, value)| slot[index] = value.complex());
                }
                Place::Real(index) => {
                    let slots = bytemuck::cast_slice_mut::<_, T>(tile).chunks_exact_mut(2 * pitch);
                    slots.zip(from).for_each(|(slot, value)| slot[index] = value.re());
                }
            }
        }
        tile.chunks_exact_mut(pitch).for_each(|slot| self.pad(slot, rows.count()));
    }

    /// Copies the results in the slots of a tile, from number `first` on, to columns from number `column` on.
    fn scatter<E: Number<T>>(&self, tile: &[Complex<T>], first: usize, rows: &mut impl RowsMut<E>, column: usize) {
        let pitch = self.pitch();
        let width = tile.len() / pitch;
        for row in 0..rows.count() {
            let to = &mut rows.row_mut(row)[column..][..width];
            let slots = tile.chunks_exact(pitch);
            match self.output_place(first + row) {
                Place::Complex(index) => {
                    to.iter_mut().zip(slots).for_each(|(out, slot)| *out = E::from_complex(slot[index]));
                }
                Place::Mirror(index) => {
                    to.iter_mut().zip(slots).for_each(|(out, slot)| *out = E::from_complex(slot[index].conj()));
                }
                Place::Real(index) => {
                    let slots = bytemuck::cast_slice::<_, T>(tile).chunks_exact(2 * pitch);
                    to.iter_mut().zip(slots).for_each(|(out, slot)| *out = E::from_re(slot[index]));
                }
            }
        }
    }
}

/// The rows of a block, or a range of columns of them.
trait Rows<E> {
    fn count(&self) -> usize;
    fn row(&self, row: usize) -> &[E];
}

/// Rows that may be written to.
trait RowsMut<E>: Rows<E> {
    fn row_mut(&mut self, row: usize) -> &mut [E];
}

/// A block in one piece.
#[derive(Clone, Copy)]
struct Block<B> {
    elements: B,
    columns: usize,
}

impl<E> Rows<E> for Block<&[E]> {
    fn count(&self) -> usize {
        self.elements.len() / self.columns
    }

    fn row(&self, row: usize) -> &[E] {
        &self.elements[row * self.columns..][..self.columns]
    }
}

impl<E> Rows<E> for Block<&mut [E]> {
    fn count(&self) -> usize {
        self.elements.len() / self.columns
    }

    fn row(&self, row: usize) -> &[E] {
        &self.elements[row * self.columns..][..self.columns]
    }
}

impl<E> RowsMut<E> for Block<&mut [E]> {
    fn row_mut(&mut self, row: usize) -> &mut [E] {
        &mut self.elements[row * self.columns..][..self.columns]
    }
}

impl<E> Rows<E> for Vec<&mut [E]> {
    fn count(&self) -> usize {
        self.len()
    }

    fn row(&self, row: usize) -> &[E] {
        self[row]
    }
}

impl<E> RowsMut<E> for Vec<&mut [E]> {
    fn row_mut(&mut self, row: usize) -> &mut [E] {
        self[row]
    }
}
