//! The only executor: slabs of a plan, read, computed and written by workers.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;

use crate::worker::lock;
use crate::{Budget, Buffer, CancelToken, ChunkSink, ChunkSource, Error, Plan, Planner, Result, Slab, Worker};

/// How far a run has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Done {
    /// Slabs finished.
    pub slabs: u64,
    /// Slabs of the plan.
    pub total_slabs: u64,
    /// Bytes of the result finished.
    pub bytes: u64,
    /// Bytes of the result.
    pub total_bytes: u64,
}

/// Hears how far a run has come, from any of its threads, after each slab.
pub trait Progress: Send + Sync {
    /// `done` so far; calls may overtake one another.
    fn update(&self, done: Done);
}

/// Reads a source within a byte budget, on several threads, and does something with it.
///
/// Results do not depend on the number of threads nor on the budget. The first error, a panic in a caller's code
/// and a cancelled token all stop the run cleanly; the target of a copy is then absent.
///
/// ```
/// use chunk_core::{ChunkSink, ChunkSource, ChunkSourceExt, MemorySink, MemorySource, Run};
///
/// let source = MemorySource::new([4, 2], &[1, 2, 3, 4, 5, 6, 7, 8])?;
/// let sink = MemorySink::new(source.info().clone())?;
/// let output = sink.output();
/// Run::new().budget("1M".parse()?).threads(2).copy(&source, Box::new(sink))?;
/// assert_eq!(output.source().expect("the copy is finished").read_all::<i32>()?, [1, 2, 3, 4, 5, 6, 7, 8]);
/// # Ok::<(), chunk_core::Error>(())
/// ```
#[derive(Clone)]
pub struct Run {
    budget: Budget,
    threads: usize,
    progress: Option<Arc<dyn Progress>>,
    cancel: CancelToken,
}

impl std::fmt::Debug for Run {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Run").field("budget", &self.budget).field("threads", &self.threads).finish_non_exhaustive()
    }
}

impl Default for Run {
    fn default() -> Self {
        Run::new()
    }
}

impl Run {
    /// A run with the default budget, one thread a processor, and nobody watching.
    #[must_use]
    pub fn new() -> Self {
        Run {
            budget: Budget::default(),
            threads: thread::available_parallelism().map_or(1, usize::from),
            progress: None,
            cancel: CancelToken::new(),
        }
    }

    /// Within this budget.
    #[must_use]
    pub fn budget(mut self, budget: Budget) -> Self {
        self.budget = budget;
        self
    }

    /// On so many threads, at least one.
    #[must_use]
    pub fn threads(mut self, threads: usize) -> Self {
        self.threads = threads.max(1);
        self
    }

    /// Telling `progress`.
    #[must_use]
    pub fn progress(mut self, progress: Arc<dyn Progress>) -> Self {
        self.progress = Some(progress);
        self
    }

    /// Who is told, if anybody.
    pub(crate) fn watcher(&self) -> Option<&Arc<dyn Progress>> {
        self.progress.as_ref()
    }

    /// Until `token` is cancelled.
    #[must_use]
    pub fn cancel(mut self, token: CancelToken) -> Self {
        self.cancel = token;
        self
    }

    /// The planner with this run's budget and threads.
    #[must_use]
    pub fn planner(&self) -> Planner {
        Planner::new(self.budget).threads(self.threads)
    }

    /// Copies `source` into `sink` and finishes it.
    ///
    /// # Errors
    /// Those of [`Planner::copy`], before anything is read or created; then the first that reading or writing
    /// meets.
    pub fn copy(&self, source: &dyn ChunkSource, sink: Box<dyn ChunkSink>) -> Result<Plan> {
        let plan = self.planner().copy(source, &*sink)?;
        self.copy_planned(&plan, source, sink)?;
        Ok(plan)
    }

    /// Copies `source` into `sink` by a plan made for both, and finishes it.
    ///
    /// # Errors
    /// The first that reading or writing meets.
    pub fn copy_planned(&self, plan: &Plan, source: &dyn ChunkSource, sink: Box<dyn ChunkSink + '_>) -> Result<()> {
        let work = |slab: &Slab, data: &[u8], worker: &Worker| sink.write_from(slab, data, worker);
        self.drive(plan, source, &work, Delivery::AnyOrder(&mut |_, _, ()| Ok(())))?;
        sink.finish()
    }

    /// Calls `visit` with each slab and its bytes, in any order, from several threads at once.
    ///
    /// # Errors
    /// Those of [`Planner::read`], then the first that reading or `visit` meets.
    pub fn visit(&self, source: &dyn ChunkSource, visit: impl Fn(&Slab, &[u8]) -> Result<()> + Sync) -> Result<Plan> {
        let plan = self.planner().read(source)?;
        let work = |slab: &Slab, data: &[u8], _: &Worker| visit(slab, data);
        self.drive(&plan, source, &work, Delivery::AnyOrder(&mut |_, _, ()| Ok(())))?;
        Ok(plan)
    }

    /// Calls `visit` with all bytes of `source` in row-major order, one slab after the other, while the next ones
    /// are being read.
    ///
    /// # Errors
    /// Those of [`Planner::read_contiguous`], then the first that reading or `visit` meets.
    pub fn visit_in_order(
        &self,
        source: &dyn ChunkSource,
        mut visit: impl FnMut(&Slab, &[u8]) -> Result<()> + Send,
    ) -> Result<Plan> {
        let plan = self.planner().read_contiguous(source)?;
        let mut deliver = |slab: &Slab, data: &[u8], ()| visit(slab, data);
        self.drive(&plan, source, &|_, _, _| Ok(()), Delivery::InOrder(&mut deliver))?;
        Ok(plan)
    }

    /// Computes `map` of each slab on several threads and merges the results in the order of the slabs, `None` if
    /// there are no slabs.
    ///
    /// # Errors
    /// Those of [`Planner::read`], then the first that reading, `map` or `merge` meets.
    pub fn fold<A: Send>(
        &self,
        source: &dyn ChunkSource,
        map: impl Fn(&Slab, &[u8]) -> Result<A> + Sync,
        mut merge: impl FnMut(A, A) -> Result<A> + Send,
    ) -> Result<Option<A>> {
        let plan = self.planner().read(source)?;
        let mut merged = None;
        let mut deliver = |_: &Slab, _: &[u8], value| {
            merged = Some(match merged.take() {
                Some(before) => merge(before, value)?,
                None => value,
            });
            Ok(())
        };
        self.drive(&plan, source, &|slab, data, _| map(slab, data), Delivery::InOrder(&mut deliver))?;
        Ok(merged)
    }

    /// Reads each slab and does `work` with it on several threads, then delivers what came of it.
    fn drive<'run, R: Send>(
        &'run self,
        plan: &'run Plan,
        source: &'run dyn ChunkSource,
        work: &'run Work<'run, R>,
        delivery: Delivery<'run, R>,
    ) -> Result<()> {
        let shared = Shared {
            plan,
            source,
            work,
            stop: self.cancel.child(),
            next: AtomicU64::new(0),
            turn: Mutex::new(Turn { delivery, done: Done::of(plan) }),
            turned: Condvar::new(),
            progress: self.progress.as_deref(),
            failed: Mutex::new(None),
        };
        if let Some(progress) = shared.progress {
            progress.update(Done::of(plan));
        }
        let serve = || shared.serve();
        thread::scope(|scope| {
            for _ in 1..plan.workers.min(plan.len().max(1) as usize) {
                scope.spawn(serve);
            }
            serve();
        });
        match shared.failed.into_inner().unwrap_or_else(PoisonError::into_inner) {
            Some((_, error)) => Err(error),
            None => Ok(()),
        }
    }
}

impl Done {
    fn of(plan: &Plan) -> Self {
        Done { slabs: 0, total_slabs: plan.len(), bytes: 0, total_bytes: plan.bytes() }
    }
}

/// What several threads do with a slab, each with its own.
type Work<'run, R> = dyn Fn(&Slab, &[u8], &Worker) -> Result<R> + Sync + 'run;
/// What is done with the result, one slab at a time.
type Deliver<'run, R> = dyn FnMut(&Slab, &[u8], R) -> Result<()> + Send + 'run;

/// What the workers of one run share.
struct Shared<'run, R> {
    plan: &'run Plan,
    source: &'run dyn ChunkSource,
    work: &'run Work<'run, R>,
    stop: CancelToken,
    next: AtomicU64,
    turn: Mutex<Turn<'run, R>>,
    turned: Condvar,
    progress: Option<&'run dyn Progress>,
    /// The error of the earliest slab that failed; an error counts for more than having been cancelled by one.
    failed: Mutex<Option<(u64, Error)>>,
}

/// What happens, one slab at a time, with what came of a slab.
enum Delivery<'run, R> {
    /// As it comes.
    AnyOrder(&'run mut Deliver<'run, R>),
    /// In the order of the slabs: workers that are ahead wait.
    InOrder(&'run mut Deliver<'run, R>),
}

/// Who may deliver, and what was delivered.
struct Turn<'run, R> {
    delivery: Delivery<'run, R>,
    done: Done,
}

impl<R> Turn<'_, R> {
    fn is_for(&self, number: u64) -> bool {
        matches!(self.delivery, Delivery::AnyOrder(_)) || self.done.slabs == number
    }

    fn deliver(&mut self, slab: &Slab, data: &[u8], result: R) -> Result<Done> {
        let (Delivery::AnyOrder(deliver) | Delivery::InOrder(deliver)) = &mut self.delivery;
        deliver(slab, data, result)?;
        self.done.slabs += 1;
        self.done.bytes += data.len() as u64;
        Ok(self.done)
    }
}

impl<R: Send> Shared<'_, R> {
    /// Takes slab after slab until there are no more or the run is to stop.
    fn serve(&self) {
        let scratch = self.plan.share.reading + self.plan.share.writing;
        let worker = Worker::in_run(self.plan.threads, scratch, self.stop.clone());
        let mut buffer = Buffer::default();
        loop {
            let number = self.next.fetch_add(1, Ordering::Relaxed);
            if number >= self.plan.len() {
                return;
            }
            let served = catch_unwind(AssertUnwindSafe(|| self.serve_slab(number, &mut buffer, &worker)));
            if let Err(error) = served.unwrap_or_else(|panic| Err(self.panicked(&*panic))) {
                self.fail(number, error);
                return;
            }
        }
    }

    fn serve_slab(&self, number: u64, buffer: &mut Buffer, worker: &Worker) -> Result<()> {
        worker.check()?;
        let slab = self.plan.slab(number);
        let length = slab.bytes(self.plan.element_size) as usize;
        if buffer.capacity() < length {
            *buffer = Buffer::default();
            *buffer = Buffer::zeroed(length)?;
        }
        buffer.set_len(length);
        self.source.read_into(&slab, buffer, worker)?;
        worker.check()?;
        let result = (self.work)(&slab, buffer, worker)?;
        self.deliver(number, &slab, buffer, result)
    }

    fn deliver(&self, number: u64, slab: &Slab, data: &[u8], result: R) -> Result<()> {
        let mut turn = lock(&self.turn);
        while !turn.is_for(number) {
            if self.stop.is_cancelled() {
                return Err(Error::Cancelled);
            }
            turn = self.turned.wait(turn).unwrap_or_else(PoisonError::into_inner);
        }
        let done = turn.deliver(slab, data, result)?;
        drop(turn);
        self.turned.notify_all();
        if let Some(progress) = self.progress {
            progress.update(done);
        }
        Ok(())
    }

    fn fail(&self, number: u64, error: Error) {
        let mut failed = lock(&self.failed);
        let rank = |number: u64, error: &Error| (matches!(error, Error::Cancelled), number);
        if failed.as_ref().is_none_or(|(earliest, kept)| rank(number, &error) < rank(*earliest, kept)) {
            *failed = Some((number, error));
        }
        self.stop.cancel();
        drop(failed);
        // A worker that is about to wait holds the turn while it looks at the token: so it hears this.
        drop(lock(&self.turn));
        self.turned.notify_all();
    }

    fn panicked(&self, panic: &(dyn Any + Send)) -> Error {
        let text = panic.downcast_ref::<&str>().map(ToString::to_string);
        let message = text.or_else(|| panic.downcast_ref::<String>().cloned());
        Error::Panicked {
            dataset: self.plan.source.clone(),
            message: message.unwrap_or_else(|| "without a message".to_owned()),
        }
    }
}
