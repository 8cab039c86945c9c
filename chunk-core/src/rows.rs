//! A dataset row by row.

use std::iter::FusedIterator;

use crate::{Bytes, ChunkSource, ChunkSourceExt, Element, Error, Result, Slab, Steps, reverse_rows, steps};

/// The rows of a dataset one after another along axis 0, from either end: see [`rows`].
#[derive(Debug)]
pub struct Rows<'a, T> {
    source: &'a dyn ChunkSource,
    blocks: Steps,
    /// Elements of a row.
    row: usize,
    /// What is left of the blocks that were read from the start and from the end; the next row is the last of each.
    front: Vec<T>,
    back: Vec<T>,
    failed: bool,
}

/// The rows of `source` along axis 0, each with its elements row-major. They are read some at a time: as many as a chunk
/// has, but no more than fit into `most`, and one at least.
///
/// ```
/// use chunk_core::{Bytes, MemorySource, rows};
///
/// let source = MemorySource::new([3, 2], &[1, 2, 3, 4, 5, 6])?;
/// let sums = rows::<i32>(&source, Bytes(1 << 20))?.map(|row| Ok(row?.iter().sum::<i32>()));
/// assert_eq!(sums.collect::<chunk_core::Result<Vec<_>>>()?, [3, 7, 11]);
/// # Ok::<(), chunk_core::Error>(())
/// ```
///
/// # Errors
/// [`Error::DTypeMismatch`] if `source` is not of `T`; [`Error::AxisOutOfRange`] if it has no axes;
/// [`Error::InvalidArgument`] if its rows have no elements. A row is an error if reading it is one, and the last then.
pub fn rows<T: Element>(source: &dyn ChunkSource, most: Bytes) -> Result<Rows<'_, T>> {
    let info = source.info();
    info.check_dtype(&T::DTYPE)?;
    info.check_axis(0)?;
    let row: u64 = info.shape[1..].iter().product();
    if row == 0 {
        return Err(Error::InvalidArgument(format!("the rows of {} have no elements", info.name)));
    }
    let fit = most.0 / row.saturating_mul(size_of::<T>() as u64);
    let chunk = info.chunk_shape.as_ref().map_or(u64::MAX, |chunk| chunk[0]);
    let blocks = steps(&[source], Some(fit.min(chunk).max(1)))?;
    let row =
        usize::try_from(row).map_err(|_| Error::InvalidArgument(format!("a row of {} is too long", info.name)))?;
    Ok(Rows { source, blocks, row, front: Vec::new(), back: Vec::new(), failed: false })
}

impl<T: Element> Rows<'_, T> {
    /// The rows of a block, the first one last.
    fn reversed(&self, slabs: &[Slab]) -> Result<Vec<T>> {
        let mut block = self.source.read_vec(&slabs[0])?;
        reverse_rows(&mut block, self.row);
        Ok(block)
    }

    fn fail<R>(&mut self, error: Error) -> Result<R> {
        self.failed = true;
        Err(error)
    }
}

fn last_row<T>(block: &mut Vec<T>, row: usize) -> Option<Vec<T>> {
    let start = block.len().checked_sub(row)?;
    Some(block.split_off(start))
}

impl<T: Element> Iterator for Rows<'_, T> {
    type Item = Result<Vec<T>>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        if self.front.is_empty()
            && let Some(slabs) = self.blocks.next()
        {
            match self.reversed(&slabs) {
                Ok(block) => self.front = block,
                Err(error) => return Some(self.fail(error)),
            }
        }
        if let Some(row) = last_row(&mut self.front, self.row) {
            return Some(Ok(row));
        }
        // The last block was begun from the end.
        let rest = self.back.split_off(self.row.min(self.back.len()));
        let first = std::mem::replace(&mut self.back, rest);
        (!first.is_empty()).then_some(Ok(first))
    }
}

impl<T: Element> DoubleEndedIterator for Rows<'_, T> {
    fn next_back(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        if self.back.is_empty()
            && let Some(slabs) = self.blocks.next_back()
        {
            match self.source.read_vec(&slabs[0]) {
                Ok(block) => self.back = block,
                Err(error) => return Some(self.fail(error)),
            }
        }
        if let Some(row) = last_row(&mut self.back, self.row) {
            return Some(Ok(row));
        }
        // The last block was begun from the start, and its rows are in reverse.
        let rest = self.front.split_off(self.row.min(self.front.len()));
        let last = std::mem::replace(&mut self.front, rest);
        (!last.is_empty()).then_some(Ok(last))
    }
}

impl<T: Element> FusedIterator for Rows<'_, T> {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::MemorySource;

    fn source() -> MemorySource {
        MemorySource::new([7, 2], &(0..14).collect::<Vec<i32>>()).unwrap().with_chunk_shape([3, 1]).unwrap()
    }

    #[test]
    fn rows_are_the_dataset_from_either_end_and_from_both() {
        let source = source();
        let expected: Vec<Vec<i32>> = (0..7).map(|row| vec![2 * row, 2 * row + 1]).collect();
        for most in [0, 16, 1 << 20] {
            let all = || rows::<i32>(&source, Bytes(most)).unwrap();
            assert_eq!(all().collect::<Result<Vec<_>>>().unwrap(), expected);
            let mut backwards = all().rev().collect::<Result<Vec<_>>>().unwrap();
            backwards.reverse();
            assert_eq!(backwards, expected);
            // Every way to take some from the start and some from the end.
            for pattern in 0..1_u32 << 7 {
                let (mut first, mut last, mut rows) = (Vec::new(), Vec::new(), all());
                for step in 0..7 {
                    let row = if pattern >> step & 1 == 0 { rows.next() } else { rows.next_back() };
                    if pattern >> step & 1 == 0 { &mut first } else { &mut last }.push(row.unwrap().unwrap());
                }
                assert!(rows.next().is_none() && rows.next_back().is_none());
                last.reverse();
                assert_eq!([first, last].concat(), expected, "{pattern:b}");
            }
        }
    }

    #[test]
    fn refuses_what_has_no_rows() {
        let most = Bytes(1 << 20);
        assert!(matches!(rows::<u8>(&source(), most), Err(Error::DTypeMismatch { .. })));
        let scalar = MemorySource::new([], &[1_i32]).unwrap();
        assert!(matches!(rows::<i32>(&scalar, most), Err(Error::AxisOutOfRange { .. })));
        assert!(rows::<i32>(&MemorySource::new::<i32>([3, 0], &[]).unwrap(), most).is_err());
        assert_eq!(rows::<i32>(&MemorySource::new::<i32>([0, 3], &[]).unwrap(), most).unwrap().count(), 0);
    }
}
