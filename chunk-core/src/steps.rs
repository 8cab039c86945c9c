//! Datasets a few rows at a time, forwards and backwards, alone and in step.

use std::iter::FusedIterator;
use std::ops::Range;

use crate::{ChunkSource, Error, Result, Slab};

/// Slabs of whole rows, one after another along axis 0, of datasets that have equally many rows: see [`steps`].
///
/// Can be walked from either end: `steps(..)?.rev()` begins with the last rows, whose slab is the short one.
#[derive(Clone, Debug)]
pub struct Steps {
    wholes: Vec<Slab>,
    rows: u64,
    step: u64,
    left: Range<u64>,
}

/// The slabs by which to read `sources` in step: `rows` rows of each at a time, the last slab having what is left.
/// Without `rows` they are as many as a chunk of the first source has, or all if it has no chunks.
///
/// ```
/// use chunk_core::{ChunkSource, ChunkSourceExt, MemorySource, steps};
///
/// let (a, b) = (MemorySource::new([5], &[1, 2, 3, 4, 5])?, MemorySource::new([5, 2], &[0_u8; 10])?);
/// for slabs in steps(&[&a, &b], Some(2))? {
///     let (x, y) = (a.read_vec::<i32>(&slabs[0])?, b.read_vec::<u8>(&slabs[1])?);
///     assert_eq!(2 * x.len(), y.len());
/// }
/// # Ok::<(), chunk_core::Error>(())
/// ```
///
/// # Errors
/// [`Error::InvalidArgument`] for no sources, for rows of 0, and for sources whose numbers of rows differ: nothing is
/// cut to the shortest. [`Error::AxisOutOfRange`] for a source without axes.
pub fn steps(sources: &[&dyn ChunkSource], rows: Option<u64>) -> Result<Steps> {
    let Some(first) = sources.first() else {
        return Err(Error::InvalidArgument("there is nothing to read in step".to_owned()));
    };
    if rows == Some(0) {
        return Err(Error::InvalidArgument(format!("steps of 0 rows through {}", first.info().name)));
    }
    for source in sources {
        let info = source.info();
        if info.shape.is_empty() {
            return Err(Error::AxisOutOfRange { axis: 0, ndim: 0, dataset: info.name.clone() });
        }
        if info.shape[0] != first.info().shape[0] {
            let (one, other) = (first.info(), info);
            return Err(Error::InvalidArgument(format!(
                "{} has {} rows and {} has {}: they cannot be read in step",
                one.name, one.shape[0], other.name, other.shape[0]
            )));
        }
    }
    let all = first.info().shape[0];
    let own = first.info().chunk_shape.as_ref().map_or(all, |chunk| chunk[0]);
    let step = rows.unwrap_or(own).max(1);
    let wholes = sources.iter().map(|source| Slab::whole(&source.info().shape)).collect();
    Ok(Steps { wholes, rows: all, step, left: 0..all.div_ceil(step) })
}

impl Steps {
    fn slabs(&self, number: u64) -> Vec<Slab> {
        let start = number * self.step;
        let end = self.rows.min(start.saturating_add(self.step));
        self.wholes.iter().map(|whole| whole.with_axis(0, start..end)).collect()
    }
}

impl Iterator for Steps {
    type Item = Vec<Slab>;

    fn next(&mut self) -> Option<Vec<Slab>> {
        self.left.next().map(|number| self.slabs(number))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.left.size_hint()
    }
}

impl DoubleEndedIterator for Steps {
    fn next_back(&mut self) -> Option<Vec<Slab>> {
        self.left.next_back().map(|number| self.slabs(number))
    }
}

impl FusedIterator for Steps {}

/// Reverses the order of the rows of a packed buffer, each of `row` elements: with [`Steps`] from the end, a dataset
/// is read backwards.
///
/// ```
/// use chunk_core::reverse_rows;
///
/// let mut rows = [1, 2, 3, 4, 5, 6];
/// reverse_rows(&mut rows, 2);
/// assert_eq!(rows, [5, 6, 3, 4, 1, 2]);
/// ```
///
/// # Panics
/// If `elements` is not a whole number of rows, or rows have no elements.
pub fn reverse_rows<T>(elements: &mut [T], row: usize) {
    assert!(row > 0 && elements.len().is_multiple_of(row), "a buffer holds whole rows");
    elements.reverse();
    elements.chunks_exact_mut(row).for_each(<[T]>::reverse);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::MemorySource;

    fn source(shape: &[u64]) -> MemorySource {
        let count: u64 = shape.iter().product();
        MemorySource::new(shape, &(0..count).collect::<Vec<_>>()).unwrap()
    }

    fn rows(slabs: impl Iterator<Item = Vec<Slab>>) -> Vec<(u64, u64)> {
        slabs.map(|slabs| (slabs[0].start()[0], slabs[0].end(0))).collect()
    }

    #[test]
    fn steps_are_the_dataset_from_either_end() {
        let source = source(&[7, 2]);
        let forwards = rows(steps(&[&source], Some(3)).unwrap());
        assert_eq!(forwards, [(0, 3), (3, 6), (6, 7)]);
        let backwards = rows(steps(&[&source], Some(3)).unwrap().rev());
        assert_eq!(backwards, [(6, 7), (3, 6), (0, 3)]);
        assert_eq!(rows(steps(&[&source], Some(u64::MAX)).unwrap()), [(0, 7)]);
    }

    #[test]
    fn the_first_source_chooses_the_rows() {
        let chunked = source(&[7, 2]).with_chunk_shape([4, 1]).unwrap();
        assert_eq!(rows(steps(&[&chunked, &source(&[7])], None).unwrap()), [(0, 4), (4, 7)]);
        assert_eq!(rows(steps(&[&source(&[7]), &chunked], None).unwrap()), [(0, 7)]);
        assert_eq!(rows(steps(&[&source(&[0, 3])], None).unwrap()), []);
    }

    #[test]
    fn refuses_what_chunkiter_passes_over_in_silence() {
        let error = steps(&[&source(&[7]), &source(&[6])], None).unwrap_err();
        assert!(error.to_string().contains("7 rows") && error.to_string().contains("has 6"), "{error}");
        assert!(steps(&[&source(&[7])], Some(0)).is_err());
        assert!(steps(&[], None).is_err());
        let scalar = MemorySource::new([], &[1_u8]).unwrap();
        assert!(matches!(steps(&[&scalar], None), Err(Error::AxisOutOfRange { .. })));
    }
}
