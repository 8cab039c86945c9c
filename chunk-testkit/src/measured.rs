//! What one read or write holds, measured inside a run of just that.
//!
//! A run limits the scratch that its workers keep; a worker outside any run does not, and would show what it keeps.

use std::sync::{Arc, Mutex, PoisonError};

use chunk_core::{
    Budget, ChunkSink, ChunkSource, Cost, DatasetInfo, Error, MemorySource, Operation, Result as CoreResult, Run, Slab,
    Work, Worker, total_cost, total_held_bytes,
};

use crate::failure::{Failure, Outcome, ensure, works};
use crate::peak_alloc::{Held, PeakAlloc};

/// What a call was stated to need beside its data, and what it held.
type Measured = (u64, Held);

pub(crate) fn ensure_measuring(subject: &str) -> Outcome {
    ensure(PeakAlloc::is_installed(), || {
        let expected = "memory measured: `chunk_testkit::measure_memory!();` once in this test binary, or \
                        `without_measuring()` in the case";
        Failure::new(subject, expected, "another allocator")
    })
}

/// What reading `slab` holds.
pub(crate) fn read(source: &dyn ChunkSource, slab: &Slab, threads: usize) -> Result<Measured, Failure> {
    let one = OneSlab::new(source, slab);
    let bytes = slab.bytes(source.info().dtype.size());
    let stated = |threads| total_cost(source, slab, threads).map(|cost| cost.scratch_bytes);
    let stated = (1..=planned_for(threads)).try_fold(0, |most, threads| Ok(stated(threads)?.max(most)));
    let stated = works(stated, &source.info().name, "`total_cost`")?;
    let run = run(bytes + stated + total_held_bytes(source), threads);
    works(run.visit::<Error>(&one, |_, _| Ok(())), &source.info().name, "a run of one slab")?;
    one.seen.take().ok_or_else(|| Failure::new(&source.info().name, "a run that reads its one slab", "no read"))
}

/// Slabs are planned for four threads and scheduled on those that there are: what the most of them
/// takes must fit.
fn planned_for(threads: usize) -> usize {
    threads.max(4)
}

fn run(bytes: u64, threads: usize) -> Run {
    Run::new().threads(threads).budget(Budget::new(bytes.max(1)).expect("more than no bytes"))
}

/// One slab of another source, as a source that can only be read whole.
#[derive(Debug)]
struct OneSlab<'a> {
    inner: &'a dyn ChunkSource,
    slab: &'a Slab,
    info: DatasetInfo,
    seen: Seen,
}

impl<'a> OneSlab<'a> {
    fn new(inner: &'a dyn ChunkSource, slab: &'a Slab) -> Self {
        let info = DatasetInfo::new(slab.count().clone(), inner.info().dtype.clone()).with_name(&inner.info().name);
        // Of one chunk: a plan begins with that.
        let info = info.with_chunk_shape(slab.count().clone());
        OneSlab { inner, slab, info, seen: Seen::default() }
    }
}

#[deny(clippy::missing_trait_methods)]
impl ChunkSource for OneSlab<'_> {
    fn info(&self) -> &DatasetInfo {
        &self.info
    }

    fn operation(&self) -> Option<&dyn Operation> {
        None
    }

    fn held_bytes(&self) -> u64 {
        total_held_bytes(self.inner)
    }

    fn cost(&self, slab: &Slab, threads: usize) -> CoreResult<Cost> {
        // No plan takes a part of it.
        if *slab == Slab::whole(&self.info.shape) {
            total_cost(self.inner, self.slab, threads)
        } else {
            Ok(Cost::new(u64::MAX, Work::default()))
        }
    }

    fn read_into(&self, _slab: &Slab, out: &mut [u8], worker: &Worker) -> CoreResult<()> {
        let stated = total_cost(self.inner, self.slab, worker.threads())?.scratch_bytes;
        let (read, held) = PeakAlloc::measure(|| self.inner.read_into(self.slab, out, worker));
        self.seen.keep((stated, held));
        read
    }
}

/// What writing `array` whole into `sink` holds, and what is left of it.
pub(crate) fn write(sink: Box<dyn ChunkSink>, array: &MemorySource, threads: usize) -> Result<Measured, Failure> {
    let (info, seen) = (sink.info().clone(), Seen::default());
    let whole = Slab::whole(&info.shape);
    let stated = (1..=planned_for(threads)).map(|threads| sink.cost(&whole, threads).scratch_bytes).max();
    let bytes = array.bytes().len() as u64 + stated.unwrap_or(0) + sink.held_bytes();
    let chunk_shape: Vec<u64> = info.shape.iter().map(|extent| (*extent).max(1)).collect();
    let one = OneChunk { info: info.clone().with_chunk_shape(chunk_shape), inner: sink, seen: seen.clone() };
    works(run(bytes, threads).copy(array, Box::new(one)), &info.name, "a run of one slab")?;
    seen.take().ok_or_else(|| Failure::new(&info.name, "a run that writes its one slab", "no write"))
}

/// Another sink, as one that can only be written whole.
#[derive(Debug)]
struct OneChunk {
    inner: Box<dyn ChunkSink>,
    info: DatasetInfo,
    seen: Seen,
}

#[deny(clippy::missing_trait_methods)]
impl ChunkSink for OneChunk {
    fn info(&self) -> &DatasetInfo {
        &self.info
    }

    fn held_bytes(&self) -> u64 {
        self.inner.held_bytes()
    }

    fn cost(&self, slab: &Slab, threads: usize) -> Cost {
        self.inner.cost(slab, threads)
    }

    fn write_from(&self, slab: &Slab, data: &[u8], worker: &Worker) -> CoreResult<()> {
        let stated = self.inner.cost(slab, worker.threads()).scratch_bytes;
        let (written, held) = PeakAlloc::measure(|| self.inner.write_from(slab, data, worker));
        self.seen.keep((stated, held));
        written
    }

    fn prepare(&self) -> CoreResult<()> {
        self.inner.prepare()
    }

    fn finish(self: Box<Self>) -> CoreResult<()> {
        self.inner.finish()
    }
}

/// Where a call leaves what it held.
#[derive(Clone, Debug, Default)]
struct Seen(Arc<Mutex<Option<Measured>>>);

impl Seen {
    fn keep(&self, measured: Measured) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(measured);
    }

    fn take(&self) -> Option<Measured> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}
