//! Where the chunks of a dataset are in its file, read once.

use chunk_core::{Grid, Result};
use hdf5::Dataset;

use crate::error::Place;
use crate::library;

/// A stored chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Chunk {
    /// Number of the chunk in the row-major order of the grid.
    number: u64,
    /// Where its bytes begin in the file.
    pub(crate) address: u64,
    /// How many bytes are stored.
    pub(crate) stored: u64,
    /// Bit `i`: filter `i` was not applied to it.
    pub(crate) filter_mask: u32,
}

impl Chunk {
    /// Its number in the row-major order of the grid.
    pub(crate) fn number(self) -> u64 {
        self.number
    }
}

/// The stored chunks of a dataset, sorted by their number. Chunks that were never written are not in it.
#[derive(Debug)]
pub(crate) struct Index {
    chunks: Vec<Chunk>,
    counts: Vec<u64>,
    most_stored: u64,
}

impl Index {
    /// Reads the index of `dataset` and holds it against the file's length and the grid.
    ///
    /// Asking the library for one chunk takes time in proportion to the number of chunks; walking them once does
    /// not.
    pub(crate) fn read(dataset: &Dataset, grid: &Grid, file_length: u64, place: &Place) -> Result<Self> {
        let counts = grid.counts().to_vec();
        let mut chunks = Vec::new();
        let mut wrong = None;
        let fail = |error: hdf5::Error| place.library("read the chunk index", &error);
        let order = ArrayOrder::of(dataset, grid).map_err(fail)?;
        let visited = dataset.chunks_visit(|info| {
            let start = order.as_ref().map_or_else(|| info.offset.to_vec(), |order| order.start(info.offset));
            let Some(number) = number(&start, grid.chunk_shape(), &counts) else {
                wrong = Some(start);
                return 1;
            };
            let (address, stored, filter_mask) = (info.addr, info.size, info.filter_mask);
            chunks.push(Chunk { number, address, stored, filter_mask });
            0
        });
        visited.map_err(fail)?;
        if let Some(offset) = wrong {
            return Err(place.corrupt(format!("the chunk index has a chunk at {offset:?}, outside the dataset")));
        }
        chunks.sort_unstable_by_key(|chunk| chunk.number);
        if let Some(chunk) = chunks.iter().find(|chunk| chunk.address.saturating_add(chunk.stored) > file_length) {
            return Err(place.corrupt(format!(
                "chunk {:?} at file offset {} ({} bytes) ends after the file, which has {file_length} bytes",
                grid.position(chunk.number),
                chunk.address,
                chunk.stored
            )));
        }
        let most_stored = chunks.iter().map(|chunk| chunk.stored).max().unwrap_or(0);
        chunks.shrink_to_fit();
        Ok(Index { chunks, counts, most_stored })
    }

    /// The chunk at a position of the grid, if it is stored.
    pub(crate) fn find(&self, position: &[u64]) -> Option<Chunk> {
        let number = position.iter().zip(&self.counts).fold(0, |number, (p, count)| number * count + p);
        let found = self.chunks.binary_search_by_key(&number, |chunk| chunk.number).ok()?;
        Some(self.chunks[found])
    }

    /// All stored chunks, in the order of the grid.
    pub(crate) fn chunks(&self) -> &[Chunk] {
        &self.chunks
    }

    /// The most bytes that any chunk takes in the file.
    pub(crate) fn most_stored(&self) -> u64 {
        self.most_stored
    }

    /// Memory that the index takes.
    pub(crate) fn bytes(&self) -> u64 {
        (self.chunks.capacity() * size_of::<Chunk>()) as u64
    }
}

/// The order of chunks in an extensible array whose unlimited axis is not the first.
///
/// Such an array has the chunks in the row-major order of the axes with the unlimited one moved to the front, but the
/// library's walk counts positions as if it had not been moved: of a dataset that grows along its second axis it gives
/// nearly all chunks wrong positions, inside the dataset or outside. The order is all it takes to put them right.
#[derive(Debug)]
struct ArrayOrder {
    axis: usize,
    chunk_shape: Vec<u64>,
    /// The most chunks along each axis; none counts for the unlimited one.
    counts: Vec<u64>,
}

impl ArrayOrder {
    fn of(dataset: &Dataset, grid: &Grid) -> std::result::Result<Option<Self>, hdf5::Error> {
        let Some((_, most)) = library::extents(dataset)? else { return Ok(None) };
        let axis = most.iter().position(Option::is_none).unwrap_or(0);
        if axis == 0 || !library::has_extensible_array(dataset)? {
            return Ok(None);
        }
        let chunk_shape = grid.chunk_shape().to_vec();
        let counts = most.iter().zip(&chunk_shape).map(|(most, chunk)| most.unwrap_or(1).div_ceil(*chunk).max(1));
        Ok(Some(ArrayOrder { axis, counts: counts.collect(), chunk_shape }))
    }

    /// Where a chunk begins that the library says begins at `stated`.
    fn start(&self, stated: &[u64]) -> Vec<u64> {
        // Its number in the array, counted as the library counts: the axes before the unlimited one never move.
        let position = |axis: usize| stated[axis] / self.chunk_shape[axis];
        let after: u64 = self.counts[self.axis + 1..].iter().product();
        let number = (self.axis + 1..stated.len()).fold(position(self.axis), |number, axis| {
            number.saturating_mul(self.counts[axis]).saturating_add(position(axis))
        });
        let before: u64 = self.counts[..self.axis].iter().product();
        let mut rest = number % before.saturating_mul(after);
        let mut start = vec![0; stated.len()];
        for axis in (0..stated.len()).rev().filter(|axis| *axis != self.axis) {
            start[axis] = rest % self.counts[axis] * self.chunk_shape[axis];
            rest /= self.counts[axis];
        }
        start[self.axis] = (number / before.saturating_mul(after)).saturating_mul(self.chunk_shape[self.axis]);
        start
    }
}

/// Row-major number of the chunk whose first element is at `start`, if the grid has it.
fn number(start: &[u64], chunk_shape: &[u64], counts: &[u64]) -> Option<u64> {
    let mut number = 0_u64;
    for axis in 0..counts.len() {
        let position = start[axis] / chunk_shape[axis];
        if position >= counts[axis] || !start[axis].is_multiple_of(chunk_shape[axis]) {
            return None;
        }
        number = number * counts[axis] + position;
    }
    Some(number)
}
