//! How many elements differ, and which are the first.

use chunk_core::Slab;

/// The number of differences between two arrays, and the positions of the first.
///
/// An accumulator: [update](Differences::update) it with slabs, [merge](Differences::merge) others
/// into it. The result does not depend on the order.
///
/// # Memory
/// The positions, at most as many as asked for.
///
/// # Examples
/// ```
/// use chunk_core::Slab;
/// use chunk_ops::Differences;
///
/// let mut found = Differences::new(2);
/// found.update(&Slab::new([1, 0], [1, 3]), &[1, 0, 1]);
/// found.update(&Slab::new([0, 0], [1, 3]), &[0, 0, 1]);
/// assert_eq!((found.count(), found.first()), (3, &[vec![0, 2], vec![1, 0]][..]));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Differences {
    limit: usize,
    count: u64,
    first: Vec<Vec<u64>>,
}

impl Differences {
    /// Creates the differences of no elements, which will keep the first `limit`.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Differences { limit, count: 0, first: Vec::new() }
    }

    /// Adds those of a slab: `differs` is its packed bools.
    pub fn update(&mut self, slab: &Slab, differs: &[u8]) {
        let count: u64 = differs.iter().map(|differs| u64::from(*differs != 0)).sum();
        if count == 0 {
            return;
        }
        // The elements of a slab are in the order of the dataset's, so its first are among these.
        let numbers = differs.iter().zip(0..).filter(|(differs, _)| **differs != 0);
        let first = numbers.take(self.limit).map(|(_, number)| position(number, slab)).collect();
        self.merge(Differences { limit: self.limit, count, first });
    }

    /// Adds the differences of other slabs.
    pub fn merge(&mut self, other: Differences) {
        self.count += other.count;
        self.first.extend(other.first);
        self.first.sort_unstable();
        self.first.truncate(self.limit);
    }

    /// Returns the number of elements that differ.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Returns the indices of the first elements that differ, in row-major order.
    #[must_use]
    pub fn first(&self) -> &[Vec<u64>] {
        &self.first
    }
}

/// Returns the index in the dataset of the element with this row-major number in a slab.
fn position(mut number: u64, slab: &Slab) -> Vec<u64> {
    let mut index = slab.start().to_vec();
    for (index, extent) in index.iter_mut().zip(slab.count().iter()).rev() {
        *index += number % extent;
        number /= extent;
    }
    index
}
