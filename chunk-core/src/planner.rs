//! Byte-budget planning.
//!
//! A slab shape is sought whose real cost, output and scratch of the whole graph and of the sink, times the workers,
//! fits the budget, and that reads and writes whole chunks where it can. The search knows nothing of formats: it
//! asks the source and the sink what a slab costs.

use crate::plan::{Plan, Share};
use crate::{Budget, Bytes, ChunkSink, ChunkSource, DatasetInfo, Error, Grid, Result, Shape, Slab};

/// Larger slabs gain nothing, each is several calls to the system already, and fall out of the caches: 2 GiB of Blosc
/// LZ4 in chunks of 128 MiB were read in 1.7 s chunk by chunk, in 1.0 s by slabs of 1 to 4 MiB.
const PREFERRED_SLAB_BYTES: u64 = 2 << 20;
/// Slabs that a candidate is judged by.
const SAMPLES: u64 = 48;
/// Up to this many slabs, each is looked at before a plan is handed out.
const VERIFIED: u64 = 1 << 16;
/// So many slabs a thread even out that some take longer than others.
const SLABS_PER_THREAD: u64 = 4;
/// Chunks below this size cost more in bookkeeping than they save in memory.
const LEAST_CHUNK_BYTES: u64 = 256 << 10;
/// Chunks above this size are halved even if they fit.
const MOST_CHUNK_BYTES: u64 = 1 << 30;
/// The most a chunk has where nobody asked for a shape.
const DEFAULT_CHUNK_BYTES: u64 = 4 << 20;

/// Seconds that one thread takes for a GiB: Blosc LZ4 decoded, transformed, encoded. What counts is their ratio.
const DECODE: f64 = 0.5;
const COMPUTE: f64 = 0.2;
const ENCODE: f64 = 0.8;

/// Makes plans within a byte budget.
#[derive(Clone, Debug)]
pub struct Planner {
    budget: Budget,
    threads: usize,
}

/// What is planned: a source, and the sink if there is one.
struct Job<'a> {
    source: &'a dyn ChunkSource,
    sink: Option<&'a dyn ChunkSink>,
    /// Slabs must be multiples of this: the sink's chunks.
    least: Shape,
    /// Slabs should be multiples of this: the chunks of both.
    unit: Shape,
    /// Slabs must be contiguous pieces of the row-major order.
    contiguous: bool,
}

/// A slab shape with its workers, judged.
#[derive(Clone, Debug)]
struct Candidate {
    slab_shape: Shape,
    workers: usize,
    threads: usize,
    share: Share,
    read_bytes: u64,
}

impl Planner {
    /// A planner for `budget` and as many threads as there are processors.
    #[must_use]
    pub fn new(budget: Budget) -> Self {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        Planner { budget, threads }
    }

    /// With so many threads, at least one.
    #[must_use]
    pub fn threads(mut self, threads: usize) -> Self {
        self.threads = threads.max(1);
        self
    }

    /// Plans to read all of `source`, in slabs of any shape.
    ///
    /// # Errors
    /// [`Error::BudgetTooSmall`].
    pub fn read(&self, source: &dyn ChunkSource) -> Result<Plan> {
        self.plan(&Job::new(source, None, false)).map(|(plan, _)| plan)
    }

    /// Plans to read all of `source` in slabs that follow one another in its row-major order.
    ///
    /// # Errors
    /// [`Error::BudgetTooSmall`].
    pub fn read_contiguous(&self, source: &dyn ChunkSource) -> Result<Plan> {
        self.plan(&Job::new(source, None, true)).map(|(plan, _)| plan)
    }

    /// Plans to copy `source` into `sink`: no two slabs share a chunk of the sink.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] or [`Error::DTypeMismatch`] if the two differ in shape or dtype;
    /// [`Error::BudgetTooSmall`].
    pub fn copy(&self, source: &dyn ChunkSource, sink: &dyn ChunkSink) -> Result<Plan> {
        check_alike(source.info(), sink.info())?;
        self.plan(&Job::new(source, Some(sink), false)).map(|(plan, _)| plan)
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
        let mut best: Option<(f64, Plan, Box<dyn ChunkSink>)> = None;
        let mut refused = None;
        for chunk_shape in chunk_candidates(output) {
            let sink = build(output.clone().with_chunk_shape(chunk_shape))?;
            check_alike(source.info(), sink.info())?;
            let (plan, time) = match self.plan(&Job::new(source, Some(&*sink), false)) {
                Ok(planned) => planned,
                Err(error @ Error::BudgetTooSmall { .. }) => {
                    refused = Some(error);
                    continue;
                }
                Err(error) => return Err(error),
            };
            // A smaller chunk than the wanted one must pay.
            if best.as_ref().is_none_or(|(least, ..)| time < 0.9 * least) {
                best = Some((time, plan, sink));
            }
        }
        match (best, refused) {
            (Some((_, plan, sink)), _) => Ok((plan, sink)),
            (None, Some(error)) => Err(error),
            (None, None) => unreachable!("there is always a candidate"),
        }
    }

    /// The best plan, and the time that it takes in arbitrary units.
    fn plan(&self, job: &Job) -> Result<(Plan, f64)> {
        let mut budget = self.budget.bytes();
        loop {
            let candidate = self.search(job, budget)?;
            let plan = job.plan_of(&candidate, self.budget);
            let peak = plan.peak_bytes();
            if peak <= self.budget.bytes() {
                return Ok((plan, self.time(job, &candidate)));
            }
            // The sample missed a heavier slab: plan again for less.
            budget -= (peak - self.budget.bytes()).min(budget / 2).max(1);
        }
    }

    fn search(&self, job: &Job, budget: u64) -> Result<Candidate> {
        let candidates = self.teams().filter_map(|(workers, threads)| job.fit(workers, threads, budget, self.threads));
        let best = candidates.min_by(|a, b| self.time(job, a).total_cmp(&self.time(job, b)));
        best.ok_or_else(|| self.refusal(job))
    }

    /// Workers and threads of each: every way to use the threads, fewer workers last.
    fn teams(&self) -> impl Iterator<Item = (usize, usize)> + '_ {
        (1..=self.threads).rev().map(|workers| (workers, self.threads / workers)).chain([(1, 1)])
    }

    fn refusal(&self, job: &Job) -> Error {
        let smallest = job.smallest();
        let needed = job.peak(&smallest);
        Error::BudgetTooSmall {
            budget: Bytes(self.budget.bytes()),
            needed: Bytes(needed),
            dataset: job.source.info().name.clone(),
            detail: format!("{} for {}", smallest.share.arithmetic(1, job.held()), smallest.slab_shape),
        }
    }

    /// Time that a candidate takes, in arbitrary units: decoding what is read, computing and encoding, over the threads
    /// at work. Those that share a slab are a little less busy, and no more of them encode than it has chunks.
    fn time(&self, job: &Job, candidate: &Candidate) -> f64 {
        let info = job.source.info();
        let slabs = Grid::new(info.shape.clone(), candidate.slab_shape.clone()).len();
        let (workers, threads) = (candidate.workers as u64, candidate.threads as u64);
        let busy = |sharing: u64| {
            let inside = 1.0 + 0.85 * (sharing.max(1) - 1) as f64;
            (workers as f64 * inside).min(self.threads as f64)
        };
        let chunks = Grid::new(candidate.slab_shape.clone(), job.least.clone()).len();
        let bytes = info.bytes() as f64;
        let reading = (DECODE * candidate.read_bytes as f64 + COMPUTE * bytes) / busy(threads);
        let writing = if job.sink.is_some() { ENCODE * bytes / busy(threads.min(chunks)) } else { 0.0 };
        let rounds = slabs.div_ceil(workers).max(1);
        let idle = rounds.saturating_mul(workers) as f64 / slabs.max(1) as f64;
        (reading + writing) * idle
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

impl<'a> Job<'a> {
    fn new(source: &'a dyn ChunkSource, sink: Option<&'a dyn ChunkSink>, contiguous: bool) -> Self {
        let info = source.info();
        let least = granule(&info.shape, sink.and_then(|sink| sink.info().chunk_shape.as_ref()));
        let native = granule(&info.shape, info.chunk_shape.as_ref());
        let unit = (0..info.shape.len()).map(|axis| common_multiple(least[axis], native[axis], info.shape[axis]));
        let unit = unit.collect();
        Job { source, sink, least, unit, contiguous }
    }

    fn held(&self) -> u64 {
        self.source.held_bytes() + self.sink.map_or(0, ChunkSink::held_bytes)
    }

    fn peak(&self, candidate: &Candidate) -> u64 {
        candidate.share.total().saturating_mul(candidate.workers as u64).saturating_add(self.held())
    }

    fn share(&self, slab: &Slab, threads: usize) -> (Share, u64) {
        let read = self.source.cost(slab, threads);
        let writing = self.sink.map_or(0, |sink| sink.cost(slab, threads).scratch_bytes);
        let slab = slab.bytes(self.source.info().dtype.size());
        (Share { slab, reading: read.scratch_bytes, writing }, read.moved_bytes)
    }

    /// Judges a slab shape by some of its slabs, spread over the dataset.
    fn judge(&self, slab_shape: Shape, workers: usize, threads: usize) -> Candidate {
        let grid = Grid::new(self.source.info().shape.clone(), slab_shape.clone());
        let total = grid.len();
        let (share, sampled, elements) = self.heaviest(&grid, sample(total), threads);
        let all = self.source.info().shape.elements();
        let read_bytes = u128::from(sampled) * u128::from(all) / u128::from(elements.max(1));
        Candidate { slab_shape, workers, threads, share, read_bytes: read_bytes.min(u128::from(u64::MAX)) as u64 }
    }

    fn heaviest(&self, grid: &Grid, numbers: impl Iterator<Item = u64>, threads: usize) -> (Share, u64, u64) {
        let (mut heaviest, mut moved, mut elements) = (Share::default(), 0_u64, 0_u64);
        for number in numbers {
            let slab = grid.slab(&grid.position(number));
            let (share, bytes) = self.share(&slab, threads);
            moved = moved.saturating_add(bytes);
            elements = elements.saturating_add(slab.elements());
            if share.total() > heaviest.total() {
                heaviest = share;
            }
        }
        (heaviest, moved, elements)
    }

    /// The best slab shape for so many workers, if any fits.
    fn fit(&self, workers: usize, threads: usize, budget: u64, all_threads: usize) -> Option<Candidate> {
        let fits = |candidate: &Candidate| self.peak(candidate) <= budget;
        let preferred =
            (self.source.info().bytes() / (all_threads as u64 * SLABS_PER_THREAD)).min(PREFERRED_SLAB_BYTES);
        let judge = |shape: Shape| self.judge(shape, workers, threads);
        let found = if self.contiguous {
            self.contiguous_shapes(preferred).map(judge).find(fits)?
        } else {
            let start = self.shrink(judge(self.unit.clone()), &fits)?;
            self.grow(self.refine(start, preferred), preferred, &judge, &fits)
        };
        let slabs = Grid::new(self.source.info().shape.clone(), found.slab_shape.clone()).len();
        (workers == 1 || slabs >= workers as u64).then_some(found)
    }

    /// Halves one axis after the other, each time the one that costs least reading, until the slab fits.
    fn shrink(&self, mut candidate: Candidate, fits: &dyn Fn(&Candidate) -> bool) -> Option<Candidate> {
        while !fits(&candidate) {
            let before = candidate.clone();
            candidate = self.smaller(&before)?;
            if fits(&candidate) {
                return Some(self.widest_between(candidate, &before, fits));
            }
        }
        Some(candidate)
    }

    /// Cuts chunks as long as the slab is larger than `preferred` and nothing is decoded twice for it: sources that
    /// decode by blocks serve part of a chunk as cheaply as all of it, and small slabs stay in the caches.
    fn refine(&self, mut candidate: Candidate, preferred: u64) -> Candidate {
        let most = candidate.read_bytes.saturating_add(candidate.read_bytes / 64);
        while candidate.share.slab > preferred {
            match self.smaller(&candidate).filter(|smaller| smaller.read_bytes <= most) {
                Some(smaller) => candidate = smaller,
                None => break,
            }
        }
        candidate
    }

    fn smaller(&self, candidate: &Candidate) -> Option<Candidate> {
        let halved = (0..candidate.slab_shape.len()).filter_map(|axis| {
            let (extent, least) = (candidate.slab_shape[axis], self.least[axis]);
            let half = (extent.div_ceil(2)).next_multiple_of(least).min(extent.saturating_sub(1) / least * least);
            (half > 0).then(|| candidate.slab_shape.clone().with_axis(axis, half))
        });
        let judged = halved.map(|shape| self.judge(shape, candidate.workers, candidate.threads));
        let lighter = judged.filter(|smaller| smaller.share.total() < candidate.share.total());
        lighter.min_by_key(|smaller| (smaller.read_bytes, smaller.share.total()))
    }

    /// The largest shape between one that fits and one that does not: they differ along one axis.
    fn widest_between(
        &self,
        fitting: Candidate,
        too_large: &Candidate,
        fits: &dyn Fn(&Candidate) -> bool,
    ) -> Candidate {
        let differs = |axis: &usize| fitting.slab_shape[*axis] != too_large.slab_shape[*axis];
        let Some(axis) = (0..fitting.slab_shape.len()).find(differs) else { return fitting };
        let least = self.least[axis];
        let (mut low, mut high) = (fitting.slab_shape[axis] / least, too_large.slab_shape[axis].div_ceil(least));
        let mut best = fitting;
        while high - low > 1 {
            let middle = low.midpoint(high);
            let shape = best.slab_shape.clone().with_axis(axis, middle * least);
            let judged = self.judge(shape, best.workers, best.threads);
            if fits(&judged) {
                (low, best) = (middle, judged);
            } else {
                high = middle;
            }
        }
        best
    }

    /// Widens a slab that fits, innermost axis first, while it stays within `preferred` bytes.
    fn grow(
        &self,
        mut best: Candidate,
        preferred: u64,
        judge: &dyn Fn(Shape) -> Candidate,
        fits: &dyn Fn(&Candidate) -> bool,
    ) -> Candidate {
        let shape = &self.source.info().shape;
        for axis in (0..shape.len()).rev() {
            let step = best.slab_shape[axis];
            let bytes = best.share.slab.max(1);
            let most = (preferred / bytes).min(shape[axis].div_ceil(step));
            let mut times = most;
            while times > 1 {
                let judged = judge(best.slab_shape.clone().with_axis(axis, (step * times).min(shape[axis].max(1))));
                if fits(&judged) && judged.read_bytes <= best.read_bytes {
                    best = judged;
                    break;
                }
                times /= 2;
            }
            if best.slab_shape[axis] < shape[axis] {
                break;
            }
        }
        best
    }

    /// Shapes whose slabs follow one another in row-major order, the preferred first, then ever smaller ones.
    fn contiguous_shapes(&self, preferred: u64) -> impl Iterator<Item = Shape> + '_ {
        let shape: Shape = self.source.info().shape.iter().map(|extent| (*extent).max(1)).collect();
        let size = self.source.info().dtype.size() as u64;
        let ndim = shape.len();
        let axes = (0..ndim).flat_map(move |axis| {
            let row = shape[axis + 1..].iter().product::<u64>() * size;
            let unit = self.unit[axis];
            let whole = (preferred / row.max(1) / unit * unit).clamp(unit, shape[axis].next_multiple_of(unit));
            let shape = shape.clone();
            halvings(whole.min(shape[axis])).map(move |count| {
                (0..ndim)
                    .map(|other| match other.cmp(&axis) {
                        std::cmp::Ordering::Less => 1,
                        std::cmp::Ordering::Equal => count,
                        std::cmp::Ordering::Greater => shape[other],
                    })
                    .collect()
            })
        });
        axes.chain((ndim == 0).then(Shape::default))
    }

    /// The lightest slab there is, with one worker of one thread.
    fn smallest(&self) -> Candidate {
        let mut candidate = self.judge(self.unit.clone(), 1, 1);
        if self.contiguous {
            let judged = self.contiguous_shapes(1).map(|shape| self.judge(shape, 1, 1));
            return judged.min_by_key(|candidate| candidate.share.total()).unwrap_or(candidate);
        }
        while let Some(smaller) = self.smaller(&candidate) {
            candidate = smaller;
        }
        candidate
    }

    fn plan_of(&self, candidate: &Candidate, budget: Budget) -> Plan {
        let info = self.source.info();
        let grid = Grid::new(info.shape.clone(), candidate.slab_shape.clone());
        let (mut share, mut read_bytes) = (candidate.share, candidate.read_bytes);
        if grid.len() <= VERIFIED {
            (share, read_bytes, _) = self.heaviest(&grid, 0..grid.len(), candidate.threads);
        }
        Plan {
            source: info.name.clone(),
            dtype: info.dtype.to_string(),
            shape: info.shape.clone(),
            element_size: info.dtype.size(),
            grid,
            workers: candidate.workers,
            threads: candidate.threads,
            budget,
            held: self.held(),
            share,
            read_bytes,
        }
    }
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

/// Numbers spread evenly over `0..total` without following any period, the first and the last among them.
fn sample(total: u64) -> Box<dyn Iterator<Item = u64>> {
    if total <= SAMPLES {
        return Box::new(0..total);
    }
    let golden = 0.618_033_988_749_894_9;
    let spread = (1..SAMPLES - 1).map(move |i| {
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
