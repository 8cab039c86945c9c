//! Where the chunks of a dataset are in its file, read once.

use chunk_core::{Grid, Result};
use hdf5::Dataset;

use crate::error::Place;

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
        let visited = dataset.chunks_visit(|info| {
            let Some(number) = number(info.offset, grid.chunk_shape(), &counts) else {
                wrong = Some(info.offset.to_vec());
                return 1;
            };
            let (address, stored, filter_mask) = (info.addr, info.size, info.filter_mask);
            chunks.push(Chunk { number, address, stored, filter_mask });
            0
        });
        visited.map_err(|error| place.library("read the chunk index", &error))?;
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
