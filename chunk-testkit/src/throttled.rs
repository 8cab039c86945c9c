//! A source as slow as a disk or a network.

use std::thread;
use std::time::Duration;

use chunk_core::{ChunkSource, Cost, DatasetInfo, Operation, Result, Slab, Worker, total_cost, total_held_bytes};

/// A source that takes its time: so long a byte, on the thread that reads.
///
/// A plan does not look into it: it is a leaf, which states all that the other takes.
///
/// ```
/// use std::time::{Duration, Instant};
///
/// use chunk_core::{ChunkSourceExt, MemorySource};
/// use chunk_testkit::ThrottledSource;
///
/// let slow = ThrottledSource::new(MemorySource::new([1000], &[0_u8; 1000])?, Duration::from_micros(5));
/// let start = Instant::now();
/// slow.read_vec::<u8>(&chunk_core::Slab::whole(&[1000]))?;
/// assert!(start.elapsed() >= Duration::from_millis(5));
/// # Ok::<(), chunk_core::Error>(())
/// ```
#[derive(Debug)]
pub struct ThrottledSource<S> {
    inner: S,
    per_byte: Duration,
}

impl<S: ChunkSource> ThrottledSource<S> {
    /// `inner`, with `per_byte` of sleep for each byte that is read.
    #[must_use]
    pub fn new(inner: S, per_byte: Duration) -> Self {
        ThrottledSource { inner, per_byte }
    }
}

#[deny(clippy::missing_trait_methods)]
impl<S: ChunkSource> ChunkSource for ThrottledSource<S> {
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
        thread::sleep(self.per_byte.saturating_mul(u32::try_from(out.len()).unwrap_or(u32::MAX)));
        self.inner.read_into(slab, out, worker)
    }
}
