//! Byte-budget planning of one pass.
//!
//! A slab shape is sought whose real cost, output and scratch of the whole graph and of the sinks, times
//! the workers, fits the budget, and that reads and writes whole chunks where it can. The search knows
//! nothing of formats: it asks the graph and the sinks what a slab costs. Slabs follow from those and the
//! budget alone; only then workers and threads are chosen for this machine.

use std::cell::RefCell;
use std::collections::HashMap;

use crate::cost::{Cost, Work};
use crate::graph::Graph;
use crate::plan::{NOMINAL_THREADS, Plan, Schedule, Share, SlabCost, Tiling, seconds_of};
use crate::reduction::{Blocks, copy_bytes};
use crate::{
    Budget, Bytes, Calibration, ChunkSink, ChunkSource, DatasetInfo, Error, Grid, Reduce, Result, Shape, Slab,
};

/// Larger slabs gain nothing, each is several calls to the system already, and fall out of the caches: 2 GiB of Blosc
/// LZ4 in chunks of 128 MiB were read in 1.7 s chunk by chunk, in 1.0 s by slabs of 1 to 4 MiB.
const PREFERRED_SLAB_BYTES: u64 = 2 << 20;
/// Slabs that a candidate is judged by, of a graph of few nodes, and of one of any size.
const SAMPLES: u64 = 48;
const LEAST_SAMPLES: u64 = 3;
/// Up to this many slabs, each is looked at before a plan is handed out; of larger graphs, as many fewer.
const VERIFIED: u64 = 1 << 16;
/// So many slabs a thread even out that some take longer than others.
const SLABS_PER_THREAD: u64 = 4;
/// Chunks below this size cost more in bookkeeping than they save in memory.
const LEAST_CHUNK_BYTES: u64 = 256 << 10;
/// Chunks above this size are halved even if they fit.
const MOST_CHUNK_BYTES: u64 = 1 << 30;
/// The most a chunk has where nobody asked for a shape.
const DEFAULT_CHUNK_BYTES: u64 = 4 << 20;
/// A smaller chunk than the wanted one must take less than so much of its time.
const PAYS: f64 = 0.9;
/// Up to this many times the data, chunks are read once.
const ONCE: f64 = 1.02;
/// Parts of a group that are tried: of more, the larger ones are left out.
const MOST_PARTS: u64 = 64;
/// How busy each further thread is that shares a slab, as a part of one with a slab of its own.
const SHARED_THREAD: f64 = 0.85;

/// Makes plans within a byte budget.
#[derive(Clone, Debug)]
pub struct Planner {
    budget: Budget,
    threads: usize,
    calibration: Calibration,
}

/// What is planned: roots of a graph that are read slab by slab of one grid, each into its sink if it
/// has one.
pub(crate) struct Pass<'a> {
    pub(crate) graph: Graph<'a>,
    roots: Vec<usize>,
    sinks: Vec<Option<&'a dyn ChunkSink>>,
    info: &'a DatasetInfo,
    /// Slabs must be multiples of this: the sinks' chunks.
    least: Shape,
    /// Slabs should be multiples of this: the chunks of all.
    unit: Shape,
    /// Slabs must be contiguous pieces of the row-major order.
    contiguous: bool,
    /// Each slab is copied to a buffer of its own, and handed on.
    hands_on: bool,
    /// Slabs are of whole blocks, if what is read is reduced.
    reduced: Option<Reduced<'a>>,
    /// What others hold during the pass.
    beside: u64,
    /// Slab shapes that were judged, by the threads that share a slab: workers do not matter.
    judged: RefCell<HashMap<(Shape, usize), Candidate>>,
}

/// What a pass that reduces takes besides.
pub(crate) struct Reduced<'a> {
    /// What partial results are of; any slab if merging is exact.
    pub(crate) blocks: Option<&'a Blocks>,
    /// Bytes of the accumulators that a slab of the input goes into, and of what updating them takes.
    pub(crate) accumulators: &'a dyn Fn(&Slab) -> (u64, Cost),
}

/// A slab shape with its workers, judged.
#[derive(Clone, Debug)]
struct Candidate {
    slab_shape: Shape,
    workers: usize,
    threads: usize,
    share: Share,
    wanted: u64,
    /// What all slabs take.
    reading: Work,
    writing: Work,
    read_bytes: u64,
    held: u64,
}

impl Candidate {
    fn peak(&self) -> u64 {
        self.share.total().saturating_mul(self.workers as u64).saturating_add(self.held)
    }
}

impl Planner {
    /// A planner for `budget` and as many threads as there are processors.
    #[must_use]
    pub fn new(budget: Budget) -> Self {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        Planner { budget, threads, calibration: Calibration::default() }
    }

    /// With so many threads, at least one.
    #[must_use]
    pub fn threads(mut self, threads: usize) -> Self {
        self.threads = threads.max(1);
        self
    }

    /// With expected times by `calibration`.
    #[must_use]
    pub fn calibration(mut self, calibration: Calibration) -> Self {
        self.calibration = calibration;
        self
    }

    pub(crate) fn budget_bytes(&self) -> u64 {
        self.budget.bytes()
    }

    /// Plans to read all of `source`, in slabs of any shape.
    ///
    /// # Errors
    /// [`Error::BudgetTooSmall`]; [`ChunkSource::cost`] that fails.
    pub fn read(&self, source: &dyn ChunkSource) -> Result<Plan> {
        self.plan(&Pass::new(&[(source, None)])?)
    }

    /// Plans to read all of `source` in slabs that follow one another in its row-major order.
    ///
    /// # Errors
    /// As [`Planner::read`].
    pub fn read_contiguous(&self, source: &dyn ChunkSource) -> Result<Plan> {
        self.plan(&Pass { contiguous: true, ..Pass::new(&[(source, None)])? })
    }

    /// Plans to read all of `source` in its row-major order, each slab into a buffer that is handed on.
    pub(crate) fn read_owned(&self, source: &dyn ChunkSource) -> Result<Plan> {
        self.plan(&Pass { contiguous: true, hands_on: true, ..Pass::new(&[(source, None)])? })
    }

    /// Plans to copy `source` into `sink`: no two slabs share a chunk of the sink.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] or [`Error::DTypeMismatch`] if the two differ in shape or dtype; as
    /// [`Planner::read`].
    pub fn copy(&self, source: &dyn ChunkSource, sink: &dyn ChunkSink) -> Result<Plan> {
        self.plan(&Pass::new(&[(source, Some(sink))])?)
    }

    /// Plans to reduce all of `source` to one value.
    ///
    /// # Errors
    /// As [`Planner::read`].
    pub fn reduce<R: Reduce>(&self, source: &dyn ChunkSource, reduce: &R) -> Result<Plan> {
        let axes: Vec<usize> = (0..source.info().shape.len()).collect();
        let blocks = Blocks::new(source.info(), &axes);
        let held = reduce.held_bytes();
        let accumulators = |slab: &Slab| (held, Cost::new(0, reduce.work(slab.elements())));
        let blocks = (!reduce.is_exact()).then_some(&blocks);
        self.plan(&Pass::reducing(source, Reduced { blocks, accumulators: &accumulators })?)
    }

    /// Plans to copy `source` into a sink that `build` makes of a description, and chooses its chunk shape: the one
    /// of `output` if it fits the budget with all threads at work, else the nearest smaller one that does.
    ///
    /// # Errors
    /// As [`Planner::copy`], and those of `build`.
    pub fn create(
        &self,
        source: &dyn ChunkSource,
        output: &DatasetInfo,
        build: &dyn Fn(DatasetInfo) -> Result<Box<dyn ChunkSink>>,
    ) -> Result<(Plan, Box<dyn ChunkSink>)> {
        let graph_of = |sink: &dyn ChunkSink| -> Result<(Plan, f64)> {
            let pass = Pass::new(&[(source, Some(sink))])?;
            self.plan_timed(&pass)
        };
        choose_chunks(output, build, &graph_of)
    }

    /// The best plan of a pass.
    pub(crate) fn plan(&self, pass: &Pass) -> Result<Plan> {
        self.plan_timed(pass).map(|(plan, _)| plan)
    }

    /// The best plan, and the seconds that it would take on the machine that all plans are made for.
    pub(crate) fn plan_timed(&self, pass: &Pass) -> Result<(Plan, f64)> {
        let (tiling, nominal) = self.tile(pass)?;
        Ok((self.schedule(pass, tiling)?, nominal))
    }

    /// Cuts a pass into slabs, by the budget alone.
    fn tile(&self, pass: &Pass) -> Result<(Tiling, f64)> {
        let mut budget = self.budget.bytes();
        loop {
            let candidate = Planner::search(pass, budget)?.ok_or_else(|| self.refusal(pass))?;
            let peak = pass.verified(&candidate)?.peak();
            if peak <= self.budget.bytes() {
                let seconds = pass.seconds(&candidate, &Calibration::default(), NOMINAL_THREADS);
                return Ok((pass.tiling(candidate.slab_shape), seconds));
            }
            // The sample missed a heavier slab: plan again for less.
            budget -= (peak - self.budget.bytes()).min(budget / 2).max(1);
        }
    }

    /// Plans a pass whose slabs are settled for this machine.
    ///
    /// # Errors
    /// [`Error::BudgetTooSmall`] if not even one worker fits.
    pub(crate) fn schedule(&self, pass: &Pass, tiling: Tiling) -> Result<Plan> {
        tiling.check(pass.info)?;
        let shape = tiling.slab_shape();
        let mut best: Option<(f64, Candidate)> = None;
        for (workers, threads) in teams(self.threads) {
            let candidate = pass.judge(shape.clone(), workers, threads)?;
            let enough = workers == 1 || tiling.len() >= workers as u64;
            if enough && candidate.peak() <= self.budget.bytes() {
                let seconds = pass.seconds(&candidate, &self.calibration, self.threads);
                if best.as_ref().is_none_or(|(least, _)| seconds < *least) {
                    let verified = pass.verified(&candidate)?;
                    if verified.peak() <= self.budget.bytes() {
                        best = Some((seconds, verified));
                    }
                }
            }
        }
        let Some((seconds, candidate)) = best else {
            return Err(self.too_small(pass, &pass.judge(shape.clone(), 1, 1)?));
        };
        let room = (self.budget.bytes() - candidate.peak()) / candidate.workers as u64;
        let schedule = Schedule {
            workers: candidate.workers,
            threads: candidate.threads,
            budget: self.budget,
            held: candidate.held,
            share: candidate.share,
            granted: candidate.wanted.min(room),
            reading: candidate.reading,
            writing: candidate.writing,
            read_bytes: candidate.read_bytes,
            least_bytes: pass.least_bytes()?,
            seconds,
            stack: pass.graph.stack_bytes(),
        };
        Ok(Plan { tiling, schedule })
    }

    fn search(pass: &Pass, budget: u64) -> Result<Option<Candidate>> {
        let mut best: Option<(f64, Candidate)> = None;
        for (workers, threads) in teams(NOMINAL_THREADS) {
            let Some(candidate) = pass.fit(workers, threads, budget)? else { continue };
            let seconds = pass.seconds(&candidate, &Calibration::default(), NOMINAL_THREADS);
            if best.as_ref().is_none_or(|(least, _)| seconds < *least) {
                best = Some((seconds, candidate));
            }
        }
        Ok(best.map(|(_, candidate)| candidate))
    }

    fn refusal(&self, pass: &Pass) -> Error {
        match pass.smallest() {
            Ok(smallest) => self.too_small(pass, &smallest),
            Err(error) => error,
        }
    }

    fn too_small(&self, pass: &Pass, smallest: &Candidate) -> Error {
        Error::BudgetTooSmall {
            budget: Bytes(self.budget.bytes()),
            needed: Bytes(smallest.peak()),
            dataset: pass.info.name.clone(),
            detail: format!("{} for {}", smallest.share.arithmetic(1, smallest.held), smallest.slab_shape),
        }
    }
}

/// Workers and threads of each: every way to use so many threads, fewer workers last.
fn teams(threads: usize) -> impl Iterator<Item = (usize, usize)> {
    // Ways with more than so many workers are tried by powers of two.
    let tried = move |workers: &usize| *workers <= 8 || *workers == threads || workers.is_power_of_two();
    (1..=threads).rev().filter(tried).map(move |workers| (workers, threads / workers)).chain([(1, 1)])
}

/// Plans for a sink, and tells the seconds that it would take on the machine that plans are made for.
type PlanFor<'p> = dyn Fn(&dyn ChunkSink) -> Result<(Plan, f64)> + 'p;

/// Chooses the chunk shape of an output: the one of `output`, or a smaller one that must pay.
pub(crate) fn choose_chunks(
    output: &DatasetInfo,
    build: &dyn Fn(DatasetInfo) -> Result<Box<dyn ChunkSink>>,
    plan: &PlanFor<'_>,
) -> Result<(Plan, Box<dyn ChunkSink>)> {
    let mut best: Option<(f64, Plan, Box<dyn ChunkSink>)> = None;
    let mut refused = None;
    for chunk_shape in chunk_candidates(output) {
        let sink = build(output.clone().with_chunk_shape(chunk_shape))?;
        match plan(&*sink) {
            Ok((plan, time)) => {
                let is_best = best.as_ref().is_none_or(|(least, ..)| time < PAYS * least);
                let cannot_pay = plan.amplification() < ONCE && plan.least_seconds() >= PAYS * time;
                if is_best {
                    best = Some((time, plan, sink));
                }
                if cannot_pay {
                    break;
                }
            }
            Err(error @ Error::BudgetTooSmall { .. }) => refused = Some(error),
            Err(error) => return Err(error),
        }
    }
    match (best, refused) {
        (Some((_, plan, sink)), _) => Ok((plan, sink)),
        (None, Some(error)) => Err(error),
        (None, None) => unreachable!("there is always a candidate"),
    }
}

fn check_alike(source: &DatasetInfo, sink: &DatasetInfo) -> Result<()> {
    sink.check_dtype(&source.dtype)?;
    if source.shape != sink.shape {
        return Err(Error::InvalidArgument(format!(
            "{} of shape {} does not fit {} of shape {}",
            source.name, source.shape, sink.name, sink.shape
        )));
    }
    Ok(())
}

impl<'a> Pass<'a> {
    /// A pass over roots of one shape, each into its sink.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] or [`Error::DTypeMismatch`] if a root and its sink differ in shape or
    /// dtype.
    pub(crate) fn new(targets: &[(&'a dyn ChunkSource, Option<&'a dyn ChunkSink>)]) -> Result<Self> {
        let info = targets[0].0.info();
        for (source, sink) in targets {
            debug_assert_eq!(source.info().shape, info.shape, "roots of a pass have one shape");
            sink.map_or(Ok(()), |sink| check_alike(source.info(), sink.info()))?;
        }
        let sources: Vec<&dyn ChunkSource> = targets.iter().map(|(source, _)| *source).collect();
        let graph = Graph::of(&sources)?;
        let roots = sources.iter().map(|source| graph.number(*source)).collect();
        let sinks: Vec<_> = targets.iter().map(|(_, sink)| *sink).collect();
        let chunks = sinks.iter().flatten().map(|sink| sink.info().chunk_shape.as_ref());
        let least = joint(&info.shape, chunks);
        let native = joint(&info.shape, sources.iter().map(|source| source.info().chunk_shape.as_ref()));
        let unit = (0..least.len()).map(|axis| common_multiple(least[axis], native[axis], info.shape[axis])).collect();
        Ok(Pass {
            graph,
            roots,
            sinks,
            info,
            least,
            unit,
            contiguous: false,
            hands_on: false,
            reduced: None,
            beside: 0,
            judged: RefCell::default(),
        })
    }

    /// A pass that reduces `source`.
    pub(crate) fn reducing(source: &'a dyn ChunkSource, reduced: Reduced<'a>) -> Result<Self> {
        Ok(Pass { reduced: Some(reduced), ..Pass::new(&[(source, None)])? })
    }

    /// Counting `bytes` that others hold during the pass.
    pub(crate) fn beside(self, bytes: u64) -> Self {
        Pass { beside: bytes, ..self }
    }

    /// The pass cut into slabs of this shape.
    pub(crate) fn tiling(&self, slab_shape: Shape) -> Tiling {
        let tiling = Tiling::new(self.info, slab_shape);
        match self.blocks() {
            Some(blocks) => tiling.innermost(blocks.axes()),
            None => tiling,
        }
    }

    /// What slabs are made of, if what is read is reduced block by block.
    fn blocks(&self) -> Option<&'a Blocks> {
        self.reduced.as_ref().and_then(|reduced| reduced.blocks)
    }

    fn held(&self) -> u64 {
        let sinks = self.sinks.iter().flatten().map(|sink| sink.held_bytes());
        sinks.fold(self.graph.held_bytes().saturating_add(self.beside), u64::saturating_add)
    }

    /// What one slab takes: reading all roots, and writing them, one after another.
    fn slab_cost(&self, slab: &Slab, threads: usize) -> Result<SlabCost> {
        let mut tally = self.graph.tally(threads);
        let wanted: Vec<(usize, &Slab)> = self.roots.iter().map(|root| (*root, slab)).collect();
        tally.count(&wanted)?;
        let (mut largest, mut writing) = (0, Cost::default());
        for (root, sink) in self.roots.iter().zip(&self.sinks) {
            tally.node(*root, slab)?;
            largest = largest.max(slab.bytes(self.graph.nodes()[*root].source.info().dtype.size()));
            if let Some(sink) = sink {
                let cost = sink.cost(slab, threads);
                writing.scratch_bytes = writing.scratch_bytes.max(cost.scratch_bytes);
                writing.work += cost.work;
            }
        }
        if let Some(reduced) = &self.reduced {
            let (accumulators, cost) = (reduced.accumulators)(slab);
            let size = self.info.dtype.size();
            let copies = reduced.blocks.map_or(0, |blocks| copy_bytes(blocks, slab, size));
            // One that is filled, and one that waits to be merged.
            writing.scratch_bytes = cost.scratch_bytes.saturating_add(copies).saturating_add(2 * accumulators);
            writing.work = cost.work;
        }
        if self.hands_on {
            writing = Cost::new(largest, Work::copying(largest));
        }
        let leaves = self.graph.nodes().iter().enumerate().filter(|(_, node)| node.source.operation().is_none());
        let moved = leaves.fold(0, |moved: u64, (leaf, _)| moved.saturating_add(tally.work_of(leaf).moved_bytes()));
        Ok(SlabCost::new(largest, tally.cost(), writing, moved))
    }

    /// Bytes that the leaves handle if all is read at once.
    fn least_bytes(&self) -> Result<u64> {
        let whole = Slab::whole(&self.info.shape);
        if whole.is_empty() { Ok(0) } else { Ok(self.slab_cost(&whole, 1)?.moved) }
    }

    /// Judges a slab shape by some of its slabs, spread over the dataset.
    fn judge(&self, slab_shape: Shape, workers: usize, threads: usize) -> Result<Candidate> {
        let key = (slab_shape, threads);
        if let Some(judged) = self.judged.borrow().get(&key) {
            return Ok(Candidate { workers, ..judged.clone() });
        }
        let samples = (SAMPLES * 16 / self.graph.nodes().len() as u64).clamp(LEAST_SAMPLES, SAMPLES);
        let candidate = self.judge_by(key.0.clone(), workers, threads, samples)?;
        self.judged.borrow_mut().insert(key, candidate.clone());
        Ok(candidate)
    }

    /// The same by as many slabs as can be looked at.
    fn verified(&self, candidate: &Candidate) -> Result<Candidate> {
        let most = (VERIFIED / self.graph.nodes().len() as u64).max(LEAST_SAMPLES);
        let slabs = Grid::new(self.info.shape.clone(), candidate.slab_shape.clone()).len();
        if slabs > most && most >= SAMPLES && self.graph.nodes().len() <= 16 {
            return Ok(candidate.clone());
        }
        self.judge_by(candidate.slab_shape.clone(), candidate.workers, candidate.threads, most.min(slabs.max(1)))
    }

    fn judge_by(&self, slab_shape: Shape, workers: usize, threads: usize, samples: u64) -> Result<Candidate> {
        let grid = Grid::new(self.info.shape.clone(), slab_shape.clone());
        let mut sum = SlabCost::default();
        let (mut elements, mut waiting) = (0_u64, 0);
        for number in sample(grid.len(), samples) {
            let slab = grid.slab(&grid.position(number));
            let cost = self.slab_cost(&slab, threads)?;
            if cost.share.total() > sum.share.total() {
                sum.share = cost.share;
            }
            sum.wanted = sum.wanted.max(cost.wanted);
            sum.reading += cost.reading;
            sum.writing += cost.writing;
            sum.moved = sum.moved.saturating_add(cost.moved);
            elements = elements.saturating_add(slab.elements());
            if let Some(reduced) = &self.reduced {
                waiting = waiting.max((reduced.accumulators)(&slab).0.saturating_mul(reduced.waiting(&slab_shape)));
            }
        }
        let all = self.info.shape.elements();
        Ok(Candidate {
            slab_shape,
            workers,
            threads,
            share: sum.share,
            wanted: sum.wanted,
            reading: sum.reading.scaled(all, elements),
            writing: sum.writing.scaled(all, elements),
            read_bytes: Work::copying(sum.moved).scaled(all, elements).copied,
            held: self.held().saturating_add(waiting),
        })
    }

    /// Seconds that a candidate takes on so many threads: reading and computing, then writing, over the
    /// threads at work. Those that share a slab are a little less busy, and no more of them encode than
    /// it has chunks.
    fn seconds(&self, candidate: &Candidate, calibration: &Calibration, threads: usize) -> f64 {
        let slabs = Grid::new(self.info.shape.clone(), candidate.slab_shape.clone()).len();
        let workers = candidate.workers as u64;
        let busy = |sharing: u64| {
            let inside = 1.0 + SHARED_THREAD * (sharing.max(1) - 1) as f64;
            (workers as f64 * inside).min(threads as f64)
        };
        let chunks = Grid::new(candidate.slab_shape.clone(), self.least.clone()).len();
        let sharing = candidate.threads as u64;
        let reading = seconds_of(calibration, &candidate.reading, busy(sharing));
        let writing = seconds_of(calibration, &candidate.writing, busy(sharing.min(chunks)));
        let rounds = slabs.div_ceil(workers).max(1);
        let idle = rounds.saturating_mul(workers) as f64 / slabs.max(1) as f64;
        (reading + writing) * idle
    }

    /// The best slab shape for so many workers, if any fits.
    fn fit(&self, workers: usize, threads: usize, budget: u64) -> Result<Option<Candidate>> {
        let team = Team { pass: self, workers, threads, budget };
        let preferred = (self.info.bytes() / (NOMINAL_THREADS as u64 * SLABS_PER_THREAD)).min(PREFERRED_SLAB_BYTES);
        let found = if self.blocks().is_some() {
            team.first(self.reduced_shapes(preferred))?
        } else if self.contiguous {
            team.first(self.contiguous_shapes(preferred))?
        } else {
            match team.shrink(team.judge(self.unit.clone())?)? {
                Some(start) => Some(team.grow(team.refine(start, preferred)?, preferred)?),
                None => None,
            }
        };
        let enough = |found: &Candidate| {
            let slabs = Grid::new(self.info.shape.clone(), found.slab_shape.clone()).len();
            workers == 1 || slabs >= workers as u64
        };
        Ok(found.filter(enough))
    }

    /// Shapes whose slabs follow one another in row-major order, the preferred first, then ever smaller ones.
    fn contiguous_shapes(&self, preferred: u64) -> Vec<Shape> {
        let shape: Shape = self.info.shape.iter().map(|extent| (*extent).max(1)).collect();
        let size = self.info.dtype.size() as u64;
        let ndim = shape.len();
        let mut shapes = Vec::new();
        for axis in 0..ndim {
            let row = shape[axis + 1..].iter().product::<u64>() * size;
            let unit = self.unit[axis];
            let whole = (preferred / row.max(1) / unit * unit).clamp(unit, shape[axis].next_multiple_of(unit));
            for count in halvings(whole.min(shape[axis])) {
                let extent = |other: usize| match other.cmp(&axis) {
                    std::cmp::Ordering::Less => 1,
                    std::cmp::Ordering::Equal => count,
                    std::cmp::Ordering::Greater => shape[other],
                };
                shapes.push((0..ndim).map(extent).collect());
            }
        }
        if ndim == 0 {
            shapes.push(Shape::default());
        }
        shapes
    }

    /// Shapes of whole blocks, the preferred first: several groups, one, ever smaller parts of one; and
    /// along the axes that are not reduced from wide to narrow.
    fn reduced_shapes(&self, preferred: u64) -> Vec<Shape> {
        let Some(blocks) = self.blocks() else { return Vec::new() };
        let extent = |axis: usize| self.info.shape[axis].max(1);
        let size = self.info.dtype.size().max(1) as u64;
        let axes = blocks.axes();
        let (group, block) = (blocks.group_shape(), blocks.block_shape());
        let mut along: Vec<Shape> = Vec::new();
        // Several groups along the innermost axis; their results wait for nobody.
        if let Some(last) = group.len().checked_sub(1) {
            let bytes = group.elements().saturating_mul(size).max(1);
            let most = extent(axes[last]).div_ceil(group[last]);
            let times = (preferred / bytes).clamp(1, most);
            along.extend(
                halvings(times)
                    .filter(|times| *times > 1)
                    .map(|times| group.clone().with_axis(last, (group[last] * times).min(extent(axes[last])))),
            );
        }
        along.push(group.clone());
        // Parts of a group, of whole blocks, along the first axis that blocks cut, and then the next.
        let mut part = group.clone();
        for axis in 0..group.len() {
            // Slabs begin where groups do: so a part divides its group, unless there is one group only.
            let (whole, blocks) = (part[axis], part[axis].div_ceil(block[axis]));
            let is_only = whole >= extent(axes[axis]);
            let fits = |count: &u64| is_only || whole.is_multiple_of(count * block[axis]);
            let counts: Vec<u64> = (1..blocks.min(MOST_PARTS)).rev().filter(fits).collect();
            along.extend(counts.iter().map(|count| part.clone().with_axis(axis, count * block[axis])));
            if !counts.contains(&1) {
                break;
            }
            part = part.with_axis(axis, block[axis]);
        }
        let free: Vec<usize> = (0..self.info.shape.len()).filter(|axis| !axes.contains(axis)).collect();
        let mut shapes = Vec::new();
        for along in along {
            let mut shape = self.unit.clone();
            for (index, axis) in axes.iter().enumerate() {
                shape = shape.with_axis(*axis, along[index]);
            }
            // Wider along the innermost free axis, up to the preferred size.
            if let Some(axis) = free.last() {
                let times = (preferred / shape.elements().saturating_mul(size).max(1)).max(1);
                shape = shape.clone().with_axis(*axis, (shape[*axis] * times).min(extent(*axis)));
            }
            shapes.push(shape.clone());
            for axis in &free {
                for count in halvings(shape[*axis]).skip(1) {
                    shapes.push(shape.clone().with_axis(*axis, count));
                }
                shape = shape.with_axis(*axis, 1);
            }
        }
        shapes
    }

    /// The lightest slab there is, with one worker of one thread.
    fn smallest(&self) -> Result<Candidate> {
        let team = Team { pass: self, workers: 1, threads: 1, budget: 0 };
        let is_reduced = self.blocks().is_some();
        let shapes = if is_reduced { self.reduced_shapes(1) } else { self.contiguous_shapes(1) };
        if is_reduced || self.contiguous {
            let mut lightest = team.judge(shapes[0].clone())?;
            for shape in shapes {
                let judged = team.judge(shape)?;
                if judged.peak() < lightest.peak() {
                    lightest = judged;
                }
            }
            return Ok(lightest);
        }
        let mut candidate = team.judge(self.unit.clone())?;
        while let Some(smaller) = team.smaller(&candidate)? {
            candidate = smaller;
        }
        Ok(candidate)
    }
}

impl Reduced<'_> {
    /// Accumulators that wait for others, with slabs of this shape: those on their way up, twice since
    /// two results may be under way, and those of groups that slabs cut.
    fn waiting(&self, slab_shape: &Shape) -> u64 {
        let Some(blocks) = self.blocks else { return 1 };
        let (axes, group) = (blocks.axes(), blocks.group_shape());
        let cuts = axes.iter().zip(group.iter()).position(|(axis, extent)| slab_shape[*axis] < *extent);
        let beside = cuts.map_or(1, |cut| blocks.groups_inside(cut + 1));
        2 * blocks.waiting().saturating_mul(beside)
    }
}

/// A search for slabs, for so many workers.
struct Team<'p, 'a> {
    pass: &'p Pass<'a>,
    workers: usize,
    threads: usize,
    budget: u64,
}

impl Team<'_, '_> {
    fn judge(&self, shape: Shape) -> Result<Candidate> {
        self.pass.judge(shape, self.workers, self.threads)
    }

    fn fits(&self, candidate: &Candidate) -> bool {
        candidate.peak() <= self.budget
    }

    /// The first shape that fits.
    fn first(&self, shapes: Vec<Shape>) -> Result<Option<Candidate>> {
        for shape in shapes {
            let judged = self.judge(shape)?;
            if self.fits(&judged) {
                return Ok(Some(judged));
            }
        }
        Ok(None)
    }

    /// Halves one axis after the other, each time the one that costs least reading, until the slab fits.
    fn shrink(&self, mut candidate: Candidate) -> Result<Option<Candidate>> {
        while !self.fits(&candidate) {
            let before = candidate.clone();
            let Some(smaller) = self.smaller(&before)? else { return Ok(None) };
            candidate = smaller;
            if self.fits(&candidate) {
                return self.widest_between(candidate, &before).map(Some);
            }
        }
        Ok(Some(candidate))
    }

    /// Cuts chunks as long as the slab is larger than `preferred` and nothing is decoded twice for it: sources that
    /// decode by blocks serve part of a chunk as cheaply as all of it, and small slabs stay in the caches.
    fn refine(&self, mut candidate: Candidate, preferred: u64) -> Result<Candidate> {
        let most = candidate.read_bytes.saturating_add(candidate.read_bytes / 64);
        while candidate.share.slab > preferred {
            match self.smaller(&candidate)?.filter(|smaller| smaller.read_bytes <= most) {
                Some(smaller) => candidate = smaller,
                None => break,
            }
        }
        Ok(candidate)
    }

    fn smaller(&self, candidate: &Candidate) -> Result<Option<Candidate>> {
        let mut best: Option<Candidate> = None;
        for axis in 0..candidate.slab_shape.len() {
            let (extent, least) = (candidate.slab_shape[axis], self.pass.least[axis]);
            let half = (extent.div_ceil(2)).next_multiple_of(least).min(extent.saturating_sub(1) / least * least);
            if half == 0 {
                continue;
            }
            let judged = self.judge(candidate.slab_shape.clone().with_axis(axis, half))?;
            let rank = |candidate: &Candidate| (candidate.read_bytes, candidate.share.total());
            let lighter = judged.share.total() < candidate.share.total();
            if lighter && best.as_ref().is_none_or(|best| rank(&judged) < rank(best)) {
                best = Some(judged);
            }
        }
        Ok(best)
    }

    /// The largest shape between one that fits and one that does not: they differ along one axis.
    fn widest_between(&self, fitting: Candidate, too_large: &Candidate) -> Result<Candidate> {
        let differs = |axis: &usize| fitting.slab_shape[*axis] != too_large.slab_shape[*axis];
        let Some(axis) = (0..fitting.slab_shape.len()).find(differs) else { return Ok(fitting) };
        let least = self.pass.least[axis];
        let (mut low, mut high) = (fitting.slab_shape[axis] / least, too_large.slab_shape[axis].div_ceil(least));
        let mut best = fitting;
        while high - low > 1 {
            let middle = low.midpoint(high);
            let judged = self.judge(best.slab_shape.clone().with_axis(axis, middle * least))?;
            if self.fits(&judged) {
                (low, best) = (middle, judged);
            } else {
                high = middle;
            }
        }
        Ok(best)
    }

    /// Widens a slab that fits, innermost axis first, while it stays within `preferred` bytes.
    fn grow(&self, mut best: Candidate, preferred: u64) -> Result<Candidate> {
        let shape = &self.pass.info.shape;
        for axis in (0..shape.len()).rev() {
            let step = best.slab_shape[axis];
            let bytes = best.share.slab.max(1);
            let mut times = (preferred / bytes).min(shape[axis].div_ceil(step));
            while times > 1 {
                let extent = (step * times).min(shape[axis].max(1));
                let judged = self.judge(best.slab_shape.clone().with_axis(axis, extent))?;
                if self.fits(&judged) && judged.read_bytes <= best.read_bytes {
                    best = judged;
                    break;
                }
                times /= 2;
            }
            if best.slab_shape[axis] < shape[axis] {
                break;
            }
        }
        Ok(best)
    }
}

/// The common multiple of several chunk shapes, each clipped to the array.
fn joint<'c>(shape: &Shape, chunks: impl Iterator<Item = Option<&'c Shape>>) -> Shape {
    let single: Shape = vec![1; shape.len()].into();
    chunks.fold(single, |joint, chunk| {
        let other = granule(shape, chunk);
        (0..shape.len()).map(|axis| common_multiple(joint[axis], other[axis], shape[axis])).collect()
    })
}

/// The chunk shape clipped to the array, or one element where there are no chunks.
fn granule(shape: &Shape, chunk_shape: Option<&Shape>) -> Shape {
    match chunk_shape {
        Some(chunk_shape) => {
            chunk_shape.iter().zip(shape.iter()).map(|(chunk, extent)| *chunk.min(&(*extent).max(1))).collect()
        }
        None => vec![1; shape.len()].into(),
    }
}

/// The least common multiple, or the whole axis if that is shorter; `least` alone must divide the result or reach
/// the end.
fn common_multiple(least: u64, native: u64, extent: u64) -> u64 {
    let (mut a, mut b) = (least, native);
    while b > 0 {
        (a, b) = (b, a % b);
    }
    let multiple = (least / a).saturating_mul(native);
    if multiple >= extent.max(1) { extent.max(1) } else { multiple }
}

/// `most` numbers spread evenly over `0..total` without following any period, the first and the last among them.
fn sample(total: u64, most: u64) -> Box<dyn Iterator<Item = u64>> {
    if total <= most {
        return Box::new(0..total);
    }
    let golden = 0.618_033_988_749_894_9;
    let spread = (1..most - 1).map(move |i| {
        #[expect(clippy::cast_sign_loss, reason = "a fraction of a length")]
        let number = ((i as f64 * golden).fract() * total as f64) as u64;
        number.min(total - 1)
    });
    Box::new([0, total - 1].into_iter().chain(spread))
}

fn halvings(from: u64) -> impl Iterator<Item = u64> {
    std::iter::successors(Some(from), |extent| (*extent > 1).then(|| extent.div_ceil(2)))
}

/// The chunk shape of `output` and smaller ones: halved along the outermost axis, and along the longest.
fn chunk_candidates(output: &DatasetInfo) -> Vec<Shape> {
    let size = output.dtype.size() as u64;
    let grows = |axis: usize| output.max_shape.as_ref().is_some_and(|most| most[axis] != Some(output.shape[axis]));
    let extent = |axis: usize| output.shape[axis].max(1);
    let clipped = |axis: usize, chunk: u64| if grows(axis) { chunk } else { chunk.min(extent(axis)) };
    let wanted: Shape = match &output.chunk_shape {
        Some(chunk_shape) => chunk_shape.iter().enumerate().map(|(axis, chunk)| clipped(axis, *chunk)).collect(),
        None => (0..output.shape.len()).map(extent).collect(),
    };
    let bytes = |shape: &Shape| shape.elements().saturating_mul(size);
    let outermost = |shape: &Shape| shape.iter().position(|extent| *extent > 1);
    let longest = |shape: &Shape| (0..shape.len()).filter(|axis| shape[*axis] > 1).max_by_key(|axis| shape[*axis]);
    let halve = |axis_of: &dyn Fn(&Shape) -> Option<usize>| -> Vec<Shape> {
        let next = |shape: &Shape| {
            let axis = axis_of(shape).filter(|_| bytes(shape) / 2 >= LEAST_CHUNK_BYTES)?;
            Some(shape.clone().with_axis(axis, shape[axis].div_ceil(2)))
        };
        std::iter::successors(Some(wanted.clone()), next).collect()
    };
    let mut candidates = halve(&outermost);
    candidates.extend(halve(&longest).into_iter().skip(1));
    let most = if output.chunk_shape.is_some() { MOST_CHUNK_BYTES } else { DEFAULT_CHUNK_BYTES };
    let usable: Vec<Shape> = candidates.iter().filter(|shape| bytes(shape) <= most).cloned().collect();
    if usable.is_empty() { candidates } else { usable }
}
