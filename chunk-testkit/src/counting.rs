//! A source that counts what is read from it.

use std::sync::atomic::{AtomicU64, Ordering};

use chunk_core::{ChunkSource, Cost, DatasetInfo, Operation, Result, Slab, Worker, total_cost, total_held_bytes};

/// A source that counts the reads of another.
///
/// A plan does not look into it: it is a leaf, which states all that the other takes.
///
/// ```
/// use chunk_core::{ChunkSourceExt, MemorySource, Slab};
/// use chunk_testkit::CountingSource;
///
/// let source = CountingSource::new(MemorySource::new([4], &[1.0, 2.0, 3.0, 4.0])?);
/// source.read_vec::<f64>(&Slab::new([1], [2]))?;
/// assert_eq!((source.calls(), source.bytes()), (1, 16));
/// # Ok::<(), chunk_core::Error>(())
/// ```
#[derive(Debug)]
pub struct CountingSource<S> {
    inner: S,
    calls: AtomicU64,
    bytes: AtomicU64,
}

impl<S: ChunkSource> CountingSource<S> {
    /// Counts the reads of `inner`. Put it into an `Arc` to keep hold of it beside the node that reads it.
    #[must_use]
    pub fn new(inner: S) -> Self {
        CountingSource { inner, calls: AtomicU64::new(0), bytes: AtomicU64::new(0) }
    }

    /// How often it was read; reads that it refused do not count.
    #[must_use]
    pub fn calls(&self) -> u64 {
        self.calls.load(Ordering::SeqCst)
    }

    /// How many bytes were read in all.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::SeqCst)
    }
}

#[deny(clippy::missing_trait_methods)]
impl<S: ChunkSource> ChunkSource for CountingSource<S> {
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
        self.inner.read_into(slab, out, worker)?;
        self.calls.fetch_add(1, Ordering::SeqCst);
        self.bytes.fetch_add(out.len() as u64, Ordering::SeqCst);
        Ok(())
    }
}
