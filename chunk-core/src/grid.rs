//! Regular chunk grids.

use crate::{Shape, Slab};

/// An array cut into chunks of one shape; the last chunk along an axis may reach past the end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grid {
    shape: Shape,
    chunk_shape: Shape,
}

impl Grid {
    /// The grid of `chunk_shape` over `shape`.
    ///
    /// # Panics
    /// If the ranks differ or a chunk extent is zero; [`DatasetInfo::check`](crate::DatasetInfo::check) refuses
    /// both.
    #[must_use]
    pub fn new(shape: impl Into<Shape>, chunk_shape: impl Into<Shape>) -> Self {
        let (shape, chunk_shape) = (shape.into(), chunk_shape.into());
        assert_eq!(shape.len(), chunk_shape.len(), "a chunk has as many axes as its array");
        assert!(!chunk_shape.contains(&0), "a chunk has at least one element");
        Grid { shape, chunk_shape }
    }

    /// Shape of a whole chunk.
    #[must_use]
    pub fn chunk_shape(&self) -> &Shape {
        &self.chunk_shape
    }

    /// Number of chunks along each axis.
    #[must_use]
    pub fn counts(&self) -> Shape {
        self.shape.iter().zip(self.chunk_shape.iter()).map(|(extent, chunk)| extent.div_ceil(*chunk)).collect()
    }

    /// Number of chunks, saturating.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.counts().elements()
    }

    /// Whether there is no chunk.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Position of the chunk with this row-major number.
    ///
    /// # Panics
    /// If there is no such chunk.
    #[must_use]
    pub fn position(&self, mut number: u64) -> Vec<u64> {
        assert!(number < self.len(), "chunk {number} of {}", self.len());
        let counts = self.counts();
        let mut position = vec![0; counts.len()];
        for axis in (0..counts.len()).rev() {
            position[axis] = number % counts[axis];
            number /= counts[axis];
        }
        position
    }

    /// Row-major number of the chunk at `position`, which must be inside the grid.
    #[must_use]
    pub fn number(&self, position: &[u64]) -> u64 {
        position.iter().zip(self.counts().iter()).fold(0, |number, (at, count)| number * count + at)
    }

    /// The part of the array that the chunk at `position` holds, clipped at the array's end.
    ///
    /// # Panics
    /// If the position is outside the grid.
    #[must_use]
    pub fn slab(&self, position: &[u64]) -> Slab {
        let start: Shape = position.iter().zip(self.chunk_shape.iter()).map(|(p, c)| p * c).collect();
        let count: Shape =
            (0..start.len()).map(|axis| self.chunk_shape[axis].min(self.shape[axis] - start[axis])).collect();
        Slab::new(start, count)
    }

    /// The chunk at `position`, not clipped: what a file stores for it.
    #[must_use]
    pub fn whole_slab(&self, position: &[u64]) -> Slab {
        let start: Shape = position.iter().zip(self.chunk_shape.iter()).map(|(p, c)| p * c).collect();
        Slab::new(start, self.chunk_shape.clone())
    }

    /// The chunk positions that `slab` touches, as a slab of the grid.
    #[must_use]
    pub fn touched(&self, slab: &Slab) -> Slab {
        if slab.is_empty() {
            return Slab::new(vec![0; slab.ndim()], vec![0; slab.ndim()]);
        }
        let first = |axis: usize| slab.start()[axis] / self.chunk_shape[axis];
        let end = |axis: usize| slab.end(axis).div_ceil(self.chunk_shape[axis]);
        let start: Shape = (0..slab.ndim()).map(first).collect();
        let count: Shape = (0..slab.ndim()).map(|axis| end(axis) - first(axis)).collect();
        Slab::new(start, count)
    }

    /// Number of elements in the chunks that `slab` touches, each clipped at the array's end; saturating.
    #[must_use]
    pub fn touched_elements(&self, slab: &Slab) -> u64 {
        let touched = self.touched(slab);
        let extents = (0..slab.ndim()).map(|axis| {
            let end = (touched.end(axis).saturating_mul(self.chunk_shape[axis])).min(self.shape[axis]);
            // A slab past the end, of a dataset that will grow, touches nothing yet.
            end.saturating_sub(touched.start()[axis] * self.chunk_shape[axis])
        });
        extents.collect::<Shape>().elements()
    }
}

/// The positions inside a slab, in row-major order.
#[derive(Clone, Debug)]
pub struct Positions {
    slab: Slab,
    next: Option<Vec<u64>>,
}

impl Slab {
    /// The positions inside, in row-major order; none for an empty slab, one for a slab without axes.
    #[must_use]
    pub fn positions(&self) -> Positions {
        let next = (!self.is_empty()).then(|| self.start().to_vec());
        Positions { slab: self.clone(), next }
    }
}

impl Iterator for Positions {
    type Item = Vec<u64>;

    fn next(&mut self) -> Option<Vec<u64>> {
        let position = self.next.take()?;
        let mut following = position.clone();
        for axis in (0..following.len()).rev() {
            following[axis] += 1;
            if following[axis] < self.slab.end(axis) {
                self.next = Some(following);
                break;
            }
            following[axis] = self.slab.start()[axis];
        }
        Some(position)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clips_chunks_at_the_edge() {
        let grid = Grid::new([5, 4], [2, 3]);
        assert_eq!(grid.len(), 6);
        assert_eq!(grid.position(5), [2, 1]);
        assert_eq!((grid.number(&[2, 1]), grid.number(&[1, 0])), (5, 2));
        assert_eq!(grid.slab(&[2, 1]), Slab::new([4, 3], [1, 1]));
        assert_eq!(grid.whole_slab(&[2, 1]), Slab::new([4, 3], [2, 3]));
    }

    #[test]
    fn counts_what_a_slab_touches() {
        let grid = Grid::new([5, 4], [2, 3]);
        let slab = Slab::new([1, 3], [2, 1]);
        assert_eq!(grid.touched(&slab), Slab::new([0, 1], [2, 1]));
        assert_eq!(grid.touched_elements(&slab), 4);
        assert_eq!(grid.touched_elements(&Slab::whole(&[5, 4])), 20);
        assert_eq!(grid.touched_elements(&Slab::new([3, 2], [0, 1])), 0);
        assert_eq!(grid.touched_elements(&Slab::new([6, 0], [2, 4])), 0);
    }

    #[test]
    fn a_slab_without_axes_is_one_position() {
        let whole = Slab::whole(&[]);
        assert_eq!(whole.positions().collect::<Vec<_>>(), [Vec::<u64>::new()]);
        assert_eq!(Grid::new([], []).len(), 1);
    }

    #[test]
    fn walks_positions_in_row_major_order() {
        let positions: Vec<_> = Slab::new([1, 5], [2, 2]).positions().collect();
        assert_eq!(positions, [[1, 5], [1, 6], [2, 5], [2, 6]]);
        assert_eq!(Slab::new([1, 5], [2, 0]).positions().count(), 0);
    }
}
