//! What is done with a source within a budget: copied, visited, reduced.

use std::marker::PhantomData;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use crate::execute::{Consecutive, Delivery, Execution};
use crate::graph::Graph;
use crate::reduction::{Blocks, Forest, Placed, partials};
use crate::worker::lock;
use crate::{
    Budget, Calibration, CancelToken, ChunkSink, ChunkSource, Error, Plan, Planner, Reduce, Result, Slab, Work, Worker,
};

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
    calibration: Calibration,
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
            calibration: Calibration::default(),
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

    /// With choices and expected times by how fast this machine is.
    #[must_use]
    pub fn calibration(mut self, calibration: Calibration) -> Self {
        self.calibration = calibration;
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
        Planner::new(self.budget).threads(self.threads).calibration(self.calibration)
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
    /// [`Error::PlanMismatch`] for a plan of another source; the first that reading or writing meets.
    pub fn copy_planned(&self, plan: &Plan, source: &dyn ChunkSource, sink: Box<dyn ChunkSink + '_>) -> Result<()> {
        self.copy_part(plan, 0..plan.len(), source, &*sink)?;
        sink.finish()
    }

    /// Copies the slabs of `plan` with these numbers from `source` into `sink`, and does not finish it.
    ///
    /// # Errors
    /// As [`Run::copy_planned`].
    pub fn copy_part(
        &self,
        plan: &Plan,
        slabs: Range<u64>,
        source: &dyn ChunkSource,
        sink: &dyn ChunkSink,
    ) -> Result<()> {
        let work = |slab: &Slab, data: &[u8], worker: &Worker| sink.write_from(slab, data, worker);
        self.drive((plan, slabs, source), &work, Delivery::AnyOrder(&mut |_, _, _, ()| Ok(())))
    }

    /// Calls `visit` with each slab and its bytes, in any order, from several threads at once.
    ///
    /// # Errors
    /// Those of [`Planner::read`], then the first that reading or `visit` meets.
    pub fn visit<E: From<Error> + Send>(
        &self,
        source: &dyn ChunkSource,
        visit: impl Fn(&Slab, &[u8]) -> std::result::Result<(), E> + Sync,
    ) -> std::result::Result<Plan, E> {
        let plan = self.planner().read(source)?;
        let work = |slab: &Slab, data: &[u8], _: &Worker| visit(slab, data);
        self.drive((&plan, 0..plan.len(), source), &work, Delivery::AnyOrder(&mut |_, _, _, ()| Ok(())))?;
        Ok(plan)
    }

    /// Calls `visit` with all bytes of `source` in row-major order, one slab after the other, while the next ones
    /// are being read.
    ///
    /// # Errors
    /// Those of [`Planner::read_contiguous`], then the first that reading or `visit` meets.
    pub fn visit_in_order<E: From<Error> + Send>(
        &self,
        source: &dyn ChunkSource,
        mut visit: impl FnMut(&Slab, &[u8]) -> std::result::Result<(), E> + Send,
    ) -> std::result::Result<Plan, E> {
        let plan = self.planner().read_contiguous(source)?;
        self.visit_planned(&plan, source, &mut visit)?;
        Ok(plan)
    }

    /// Calls `visit` with the slabs of `plan`, one after the other.
    pub(crate) fn visit_planned<E: From<Error> + Send>(
        &self,
        plan: &Plan,
        source: &dyn ChunkSource,
        mut visit: impl FnMut(&Slab, &[u8]) -> std::result::Result<(), E> + Send,
    ) -> std::result::Result<(), E> {
        let mut deliver = |_: u64, slab: &Slab, data: &[u8], ()| visit(slab, data);
        self.drive((plan, 0..plan.len(), source), &|_, _, _| Ok(()), Delivery::InOrder(0, &mut deliver))
    }

    /// Computes `map` of each slab on several threads, and calls `deliver` with what came of it, in the
    /// order of the slabs, one at a time. Which slabs there are depends on the budget.
    ///
    /// # Errors
    /// Those of [`Planner::read`], then the first that reading, `map` or `deliver` meets.
    pub fn map_in_order<A: Send, E: From<Error> + Send>(
        &self,
        source: &dyn ChunkSource,
        map: impl Fn(&Slab, &[u8]) -> std::result::Result<A, E> + Sync,
        mut deliver: impl FnMut(&Slab, A) -> std::result::Result<(), E> + Send,
    ) -> std::result::Result<Plan, E> {
        let plan = self.planner().read(source)?;
        let work = |slab: &Slab, data: &[u8], _: &Worker| map(slab, data);
        let mut deliver = |_: u64, slab: &Slab, _: &[u8], value| deliver(slab, value);
        self.drive((&plan, 0..plan.len(), source), &work, Delivery::InOrder(0, &mut deliver))?;
        Ok(plan)
    }

    /// Computes `map` of blocks of `source` and merges the results, `None` if there are no elements.
    ///
    /// Blocks follow from the description of `source` alone, and are merged as a fixed binary tree, the
    /// earlier block first: the result depends neither on the budget nor on the threads. What `A` holds
    /// beyond its own size is not counted; [`Run::reduce`] counts it.
    ///
    /// ```
    /// use chunk_core::{Element, Error, MemorySource, Run};
    ///
    /// let x = MemorySource::new([4], &[0.1, 0.2, 0.3, 0.4])?;
    /// let sum = Run::new().fold(
    ///     &x,
    ///     |_, bytes| Ok::<_, Error>(f64::from_bytes(bytes)?.iter().sum::<f64>()),
    ///     |a, b| Ok(a + b),
    /// )?;
    /// assert_eq!(sum, Some(1.0));
    /// # Ok::<(), Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Run::reduce`].
    pub fn fold<A: Send, E: From<Error> + Send>(
        &self,
        source: &dyn ChunkSource,
        map: impl Fn(&Slab, &[u8]) -> std::result::Result<A, E> + Sync,
        merge: impl Fn(A, A) -> std::result::Result<A, E> + Sync,
    ) -> std::result::Result<Option<A>, E> {
        self.reduce(source, &Fold { map, merge, types: PhantomData })
    }

    /// Reduces all of `source` to one value: see [`Reduce`].
    ///
    /// The result depends neither on the budget nor on the threads, also where merging rounds.
    ///
    /// # Errors
    /// Those of [`Planner::reduce`], then the first that reading or `reduce` meets.
    pub fn reduce<R: Reduce>(&self, source: &dyn ChunkSource, reduce: &R) -> std::result::Result<R::Output, R::Error> {
        let plan = self.planner().reduce(source, reduce)?;
        let accumulate = |piece: &Slab, data: &[u8]| -> std::result::Result<_, R::Error> {
            let mut accumulator = reduce.start();
            reduce.update(&mut accumulator, piece, data)?;
            Ok(accumulator)
        };
        let result = if reduce.is_exact() {
            self.reduce_exactly(&plan, source, reduce, &accumulate)?
        } else {
            self.reduce_by_blocks(&plan, source, reduce, &accumulate)?
        };
        reduce.finish(result.unwrap_or_else(|| reduce.start()))
    }

    /// Merges the results of slabs as they come.
    fn reduce_exactly<R: Reduce>(
        &self,
        plan: &Plan,
        source: &dyn ChunkSource,
        reduce: &R,
        accumulate: &Accumulate<R>,
    ) -> std::result::Result<Option<R::Accumulator>, R::Error> {
        let sum = Mutex::new(None);
        let work = |slab: &Slab, data: &[u8], _: &Worker| {
            let value = accumulate(slab, data)?;
            match &mut *lock(&sum) {
                Some(sum) => reduce.merge(sum, value),
                none => {
                    *none = Some(value);
                    Ok(())
                }
            }
        };
        self.drive((plan, 0..plan.len(), source), &work, Delivery::AnyOrder(&mut |_, _, _, ()| Ok(())))?;
        Ok(sum.into_inner().unwrap_or_else(PoisonError::into_inner))
    }

    /// Merges the results of blocks as a fixed tree.
    fn reduce_by_blocks<R: Reduce>(
        &self,
        plan: &Plan,
        source: &dyn ChunkSource,
        reduce: &R,
        accumulate: &Accumulate<R>,
    ) -> std::result::Result<Option<R::Accumulator>, R::Error> {
        let axes: Vec<usize> = (0..source.info().shape.len()).collect();
        let blocks = Blocks::new(source.info(), &axes);
        let size = source.info().dtype.size();
        let state = Mutex::new((Forest::new(), None));
        let put = |placed: Placed<R::Accumulator>| -> std::result::Result<(), R::Error> {
            let (forest, result) = &mut *lock(&state);
            let merged = placed.put_into(forest, &mut |sum, later| reduce.merge(sum, later))?;
            *result = merged.or(result.take());
            Ok(())
        };
        let work = |slab: &Slab, data: &[u8], worker: &Worker| {
            let mut partial = |piece: &Slab, packed: &[u8]| accumulate(piece, packed);
            partials(&blocks, (slab, data), size, worker, &mut partial, &mut |placed| put(placed))
        };
        self.drive((plan, 0..plan.len(), source), &work, Delivery::AnyOrder(&mut |_, _, _, ()| Ok(())))?;
        let (_, result) = state.into_inner().unwrap_or_else(PoisonError::into_inner);
        Ok(result)
    }

    /// Reads the slabs with these numbers and does `work` with each on several threads, then delivers
    /// what came of it.
    fn drive<R: Send, E: From<Error> + Send>(
        &self,
        (plan, slabs, source): (&Plan, Range<u64>, &dyn ChunkSource),
        work: &SlabWork<'_, R, E>,
        delivery: Delivery<'_, R, E>,
    ) -> std::result::Result<(), E> {
        plan.check(source)?;
        let graph = Graph::new(source)?;
        let root = graph.number(source);
        let work = |_: usize, slab: &Slab, data: &[u8], worker: &Worker| work(slab, data, worker);
        let execution = Execution {
            plan,
            graph: &graph,
            roots: &[root],
            tasks: &Consecutive::new(slabs.clone()),
            work: &work,
            stop: self.stop(),
            progress: self.progress.as_deref(),
            done: Done::of(plan, &slabs),
        };
        execution.run(delivery)
    }

    /// A token of a pass: cancelled with the run, or alone.
    pub(crate) fn stop(&self) -> CancelToken {
        self.cancel.child()
    }
}

impl Done {
    fn of(plan: &Plan, slabs: &Range<u64>) -> Self {
        let total_slabs = slabs.end - slabs.start;
        let total_bytes = if total_slabs == plan.len() {
            plan.bytes()
        } else {
            slabs.clone().map(|number| plan.slab(number).bytes(plan.tiling.dtype.size())).sum()
        };
        Done { slabs: 0, total_slabs, bytes: 0, total_bytes }
    }
}

/// What several threads do with a slab, each with its own.
type SlabWork<'w, R, E> = dyn Fn(&Slab, &[u8], &Worker) -> std::result::Result<R, E> + Sync + 'w;

/// Computes the accumulator of a piece alone.
type Accumulate<'r, R> =
    dyn Fn(&Slab, &[u8]) -> std::result::Result<<R as Reduce>::Accumulator, <R as Reduce>::Error> + Sync + 'r;

/// A fold by two functions, as a reduction.
struct Fold<M, G, A, E> {
    map: M,
    merge: G,
    types: PhantomData<fn() -> (A, E)>,
}

impl<M, G, A, E> Reduce for Fold<M, G, A, E>
where
    M: Fn(&Slab, &[u8]) -> std::result::Result<A, E> + Sync,
    G: Fn(A, A) -> std::result::Result<A, E> + Sync,
    A: Send,
    E: From<Error> + Send,
{
    type Accumulator = Option<A>;
    type Output = Option<A>;
    type Error = E;

    fn held_bytes(&self) -> u64 {
        size_of::<Option<A>>() as u64
    }

    fn work(&self, elements: u64) -> Work {
        Work::computing(elements)
    }

    fn is_exact(&self) -> bool {
        false
    }

    fn start(&self) -> Option<A> {
        None
    }

    fn update(&self, accumulator: &mut Option<A>, piece: &Slab, data: &[u8]) -> std::result::Result<(), E> {
        let value = (self.map)(piece, data)?;
        self.merge(accumulator, Some(value))
    }

    fn merge(&self, accumulator: &mut Option<A>, later: Option<A>) -> std::result::Result<(), E> {
        *accumulator = match (accumulator.take(), later) {
            (Some(a), Some(b)) => Some((self.merge)(a, b)?),
            (a, b) => a.or(b),
        };
        Ok(())
    }

    fn finish(&self, accumulator: Option<A>) -> std::result::Result<Option<A>, E> {
        Ok(accumulator)
    }
}
