//! A source that remembers what was read of it, and where to.

use std::sync::{Mutex, PoisonError};

use chunk_core::{ChunkSource, Cost, DatasetInfo, Grid, Operation, Result, Slab, Worker, total_cost, total_held_bytes};

#[derive(Debug)]
pub(crate) struct Recording<S> {
    inner: S,
    reads: Mutex<Vec<(Slab, usize)>>,
}

impl<S: ChunkSource> Recording<S> {
    pub(crate) fn new(inner: S) -> Self {
        Recording { inner, reads: Mutex::default() }
    }

    /// The slabs that were read since the last call, each with the address that it was read to.
    pub(crate) fn take(&self) -> Vec<(Slab, usize)> {
        std::mem::take(&mut self.reads.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[deny(clippy::missing_trait_methods)]
impl<S: ChunkSource> ChunkSource for Recording<S> {
    fn info(&self) -> &DatasetInfo {
        self.inner.info()
    }

    fn operation(&self) -> Option<&dyn Operation> {
        None
    }

    fn held_bytes(&self) -> u64 {
        total_held_bytes(&self.inner)
    }

    fn cost(&self, slab: &Slab, threads: usize) -> Result<Cost> {
        total_cost(&self.inner, slab, threads)
    }

    fn read_into(&self, slab: &Slab, out: &mut [u8], worker: &Worker) -> Result<()> {
        self.reads.lock().unwrap_or_else(PoisonError::into_inner).push((slab.clone(), out.as_ptr() as usize));
        self.inner.read_into(slab, out, worker)
    }
}

/// The chunks that these reads touched, each as often as it was.
pub(crate) fn chunks_touched(info: &DatasetInfo, reads: &[(Slab, usize)]) -> Vec<Vec<u64>> {
    let chunk_shape = info.chunk_shape.clone().expect("the source has chunks");
    let grid = Grid::new(info.shape.clone(), chunk_shape);
    reads.iter().flat_map(|(slab, _)| grid.touched(slab).positions()).collect()
}
