//! Sources and sinks that fail when they are told to.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use chunk_core::{
    ChunkSink, ChunkSource, Cost, DatasetInfo, Error, Operation, Result, Slab, Worker, total_cost, total_held_bytes,
};

/// One error, due at one call.
#[derive(Debug)]
struct Fault {
    call: u64,
    calls: AtomicU64,
    error: Mutex<Option<Error>>,
}

impl Fault {
    fn new(call: u64, error: Error) -> Self {
        Fault { call, calls: AtomicU64::new(0), error: Mutex::new(Some(error)) }
    }

    /// Counts a call; the error, if it is due.
    fn pass(&self) -> Result<()> {
        if self.calls.fetch_add(1, Ordering::SeqCst) + 1 != self.call {
            return Ok(());
        }
        let error = self.error.lock().unwrap_or_else(PoisonError::into_inner).take();
        error.map_or(Ok(()), Err)
    }

    fn happened(&self) -> bool {
        self.error.lock().unwrap_or_else(PoisonError::into_inner).is_none()
    }
}

/// A source whose n-th read fails; all others are another source's.
///
/// A plan does not look into it: it is a leaf, which states all that the other takes.
///
/// ```
/// use chunk_core::{ChunkSourceExt, Error, MemorySource, Slab};
/// use chunk_testkit::FaultySource;
///
/// let source = FaultySource::new(MemorySource::new([2], &[1_u8, 2])?, 2, Error::Cancelled);
/// let slab = Slab::whole(&[2]);
/// assert!(source.read_vec::<u8>(&slab).is_ok());
/// assert!(matches!(source.read_vec::<u8>(&slab), Err(Error::Cancelled)));
/// assert!(source.read_vec::<u8>(&slab).is_ok());
/// # Ok::<(), chunk_core::Error>(())
/// ```
#[derive(Debug)]
pub struct FaultySource<S> {
    inner: S,
    fault: Fault,
}

impl<S: ChunkSource> FaultySource<S> {
    /// `inner`, but read number `call`, counted from one, returns `error` and leaves the buffer as it is.
    #[must_use]
    pub fn new(inner: S, call: u64, error: Error) -> Self {
        FaultySource { inner, fault: Fault::new(call, error) }
    }

    /// Whether the error was returned.
    #[must_use]
    pub fn has_failed(&self) -> bool {
        self.fault.happened()
    }
}

#[deny(clippy::missing_trait_methods)]
impl<S: ChunkSource> ChunkSource for FaultySource<S> {
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
        self.fault.pass()?;
        self.inner.read_into(slab, out, worker)
    }
}

/// A sink whose n-th write fails; all others are another sink's.
///
/// ```
/// use chunk_core::{ChunkSink, ChunkSinkExt, DType, DatasetInfo, Error, MemorySink, Slab};
/// use chunk_testkit::FaultySink;
///
/// let inner = MemorySink::new(DatasetInfo::new([2], DType::U8))?;
/// let sink = FaultySink::new(inner, 1, Error::Cancelled);
/// assert!(sink.write_slice(&Slab::whole(&[2]), &[1_u8, 2]).is_err());
/// assert!(sink.write_slice(&Slab::whole(&[2]), &[1_u8, 2]).is_ok());
/// # Ok::<(), chunk_core::Error>(())
/// ```
#[derive(Debug)]
pub struct FaultySink<S> {
    inner: S,
    fault: Fault,
}

impl<S: ChunkSink> FaultySink<S> {
    /// `inner`, but write number `call`, counted from one, returns `error` and writes nothing.
    #[must_use]
    pub fn new(inner: S, call: u64, error: Error) -> Self {
        FaultySink { inner, fault: Fault::new(call, error) }
    }
}

#[deny(clippy::missing_trait_methods)]
impl<S: ChunkSink> ChunkSink for FaultySink<S> {
    fn info(&self) -> &DatasetInfo {
        self.inner.info()
    }

    fn held_bytes(&self) -> u64 {
        self.inner.held_bytes()
    }

    fn cost(&self, slab: &Slab, threads: usize) -> Cost {
        self.inner.cost(slab, threads)
    }

    fn write_from(&self, slab: &Slab, data: &[u8], worker: &Worker) -> Result<()> {
        self.fault.pass()?;
        self.inner.write_from(slab, data, worker)
    }

    fn prepare(&self) -> Result<()> {
        self.inner.prepare()
    }

    fn finish(self: Box<Self>) -> Result<()> {
        Box::new(self.inner).finish()
    }
}
