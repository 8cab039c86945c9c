//! Line operations along a chunked axis: the input several times, or once and an intermediate on disk.
//!
//! A line along an axis that chunks cut needs all chunks on its way. Where the budget cannot hold as many lines as a
//! chunk has, each chunk is needed by several slabs. Either it is decoded once for each of them, or the input is
//! copied once to tiles that are the slabs of the second pass.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use chunk_core::{
    Bytes, ChunkSink, ChunkSource, DatasetInfo, Done, Error, Plan, Planner, Progress, Result, Run, Shape,
};

use crate::space::free_bytes;
use crate::tiles::{TileFile, TileSink};

/// A lazy array each slab of which needs whole lines of its input along one axis.
pub trait LineOperation: ChunkSource {
    /// What it reads.
    fn input(&self) -> &Arc<dyn ChunkSource>;

    /// The axis of the lines.
    fn axis(&self) -> usize;

    /// The same operation on another source of the same elements.
    ///
    /// # Errors
    /// Those of making the operation, if `input` differs after all.
    fn over(&self, input: Arc<dyn ChunkSource>) -> Result<Arc<dyn ChunkSource>>;
}

/// How a [`Staged`] run goes about it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Strategy {
    /// One pass, which may read chunks several times.
    Direct,
    /// Two passes, with an intermediate of so many bytes in that directory.
    Intermediate {
        /// Bytes on disk.
        bytes: u64,
        /// Where.
        directory: PathBuf,
    },
}

/// Seconds that one thread takes for a GiB, and nothing finer than that is decided by them: decoding Blosc (0.27 s
/// on two threads), reading and writing raw bytes through the page cache (writes to one file do not gain from a
/// second thread), and what becomes of the data then: transformed, encoded, written. From a prototype on two cores of
/// 2.5 GHz; what counts is their ratio.
const DECODE: f64 = 0.54;
const RAW_READ: f64 = 0.17;
const RAW_WRITE: f64 = 0.35;
const COMPUTE: f64 = 1.0;
/// An intermediate must save so much of the time, as it takes space and its estimate is rough.
const WORTH_IT: f64 = 0.9;
/// Up to this many times the data, an intermediate cannot pay.
const ONCE: f64 = 1.05;
/// Columns of an output's chunk, tried in turn where no chunk of its own shape fits the budget.
const NARROW: [u64; 5] = [256, 64, 16, 4, 1];
/// The most bytes of such a chunk.
const NARROW_CHUNK_BYTES: u64 = 1 << 20;

/// A line operation into a new dataset, planned within a budget: in one pass or in two, whichever is quicker.
///
/// ```
/// use std::sync::Arc;
///
/// use chunk_core::{ChunkSink, ChunkSource, MemorySink, MemorySource, Run};
/// use chunk_ops::{Staged, fft};
///
/// let x = MemorySource::new([64, 64], &vec![1.0; 4096])?.with_chunk_shape([8, 64])?;
/// let node = Arc::new(fft(Arc::new(x), 0)?);
/// let output = node.info().clone();
/// let run = Run::new().budget("1M".parse()?);
/// let build = |info| MemorySink::new(info).map(|sink| Box::new(sink) as Box<dyn ChunkSink>);
/// let staged = Staged::plan(node, &run, &std::env::temp_dir(), &output, &build)?;
/// println!("{}", staged.describe());
/// staged.execute(&run)?;
/// # Ok::<(), chunk_core::Error>(())
/// ```
pub struct Staged {
    /// What precedes the pass that writes the output.
    copy: Option<CopyPass>,
    last: Pass,
    strategy: Strategy,
    why: String,
    progress: Option<Arc<dyn Progress>>,
}

/// The pass that writes the output.
struct Pass {
    node: Arc<dyn ChunkSource>,
    plan: Plan,
    sink: Box<dyn ChunkSink>,
}

/// The pass that writes the intermediate.
struct CopyPass {
    input: Arc<dyn ChunkSource>,
    plan: Plan,
    tiles: TileSink,
}

type Build<'a> = &'a dyn Fn(DatasetInfo) -> Result<Box<dyn ChunkSink>>;

impl Staged {
    /// Plans to write `node` to the sink that `build` makes of `output`, with a chunk shape that suits the slabs: the
    /// one of `output` where it can be. An intermediate, if any, goes to `directory`. Nothing is read or created.
    ///
    /// # Errors
    /// [`Error::BudgetTooSmall`] if neither way fits the budget of `run`; [`Error::Io`] if only the intermediate does
    /// and there is no space for it; those of `build`.
    pub fn plan(
        node: Arc<dyn LineOperation>,
        run: &Run,
        directory: &Path,
        output: &DatasetInfo,
        build: Build,
    ) -> Result<Self> {
        let job = Job { node, planner: run.planner(), directory, output, build };
        let direct = match job.create(job.node.clone()) {
            Err(error @ Error::BudgetTooSmall { .. }) => Err(error),
            Err(error) => return Err(error),
            Ok(pass) if job.times_read(&pass.plan) <= ONCE => {
                return Ok(Staged::one(pass, "each chunk is read once".to_owned()));
            }
            Ok(pass) => Ok(pass),
        };
        let staged = match job.intermediate() {
            Err(error @ Error::BudgetTooSmall { .. }) => Err(error),
            Err(error) => return Err(error),
            Ok(staged) => Ok(staged),
        };
        match (direct, staged) {
            (Err(error), Err(_)) => Err(error),
            (Ok(pass), Err(_)) => {
                Ok(Staged::one(pass, "the budget has no room for an intermediate's tiles".to_owned()))
            }
            (Err(_), Ok(two)) => {
                job.check_space(&two)?;
                Ok(two.because(
                    "whole lines do not fit the budget beside what reading them from the input takes".to_owned(),
                ))
            }
            (Ok(pass), Ok(two)) => Ok(job.cheaper(pass, two)),
        }
    }

    fn one(pass: Pass, why: String) -> Self {
        Staged { copy: None, last: pass, strategy: Strategy::Direct, why, progress: None }
    }

    fn because(self, why: String) -> Self {
        Staged { why, ..self }
    }

    /// Telling `progress` of both passes as one, in place of what the run tells, which is each pass in turn.
    #[must_use]
    pub fn progress(mut self, progress: Arc<dyn Progress>) -> Self {
        self.progress = Some(progress);
        self
    }

    /// How it will be done.
    #[must_use]
    pub fn strategy(&self) -> &Strategy {
        &self.strategy
    }

    /// The plans of the passes, in their order.
    pub fn plans(&self) -> impl Iterator<Item = &Plan> {
        self.copy.iter().map(|copy| &copy.plan).chain([&self.last.plan])
    }

    /// What the output will be: its chunk shape is settled.
    #[must_use]
    pub fn output(&self) -> &DatasetInfo {
        self.last.sink.info()
    }

    /// The most bytes that the run holds at once.
    #[must_use]
    pub fn peak_bytes(&self) -> u64 {
        self.plans().map(Plan::peak_bytes).max().unwrap_or(0)
    }

    /// The plan for people: which way and why, what is put on disk and where, and each pass.
    #[must_use]
    pub fn describe(&self) -> String {
        let (Some(copy), Strategy::Intermediate { bytes, directory }) = (&self.copy, &self.strategy) else {
            return format!("strategy direct: {}\n{}", self.why, self.last.plan.describe());
        };
        format!(
            "strategy intermediate on disk: {}\n\
             disk     {} in {}, gone when the program ends\n\
             pass 1   the input to tiles of {}\n{}\n\
             pass 2   the tiles to the output\n{}",
            self.why,
            Bytes(*bytes),
            directory.display(),
            copy.tiles.tile_shape(),
            copy.plan.describe(),
            self.last.plan.describe(),
        )
    }

    /// Does it, on the threads of `run`, and finishes the output.
    ///
    /// # Errors
    /// The first that reading, writing or the intermediate meets; the output is then absent.
    pub fn execute(self, run: &Run) -> Result<()> {
        let watched = |pass: usize| match &self.progress {
            Some(progress) => run.clone().progress(Arc::new(Share::new(progress.clone(), self.plans(), pass))),
            None => run.clone(),
        };
        let (first, last) = (watched(0), watched(usize::from(self.copy.is_some())));
        if let Some(CopyPass { input, plan, tiles }) = self.copy {
            first.copy_planned(&plan, &input, Box::new(tiles))?;
        }
        let Pass { node, plan, sink } = self.last;
        last.copy_planned(&plan, &node, sink)
    }
}

/// What is to be planned.
struct Job<'a> {
    node: Arc<dyn LineOperation>,
    planner: Planner,
    directory: &'a Path,
    output: &'a DatasetInfo,
    build: Build<'a>,
}

impl Job<'_> {
    /// Plans one pass of `node` to the output, whose chunks may have to be long and narrow.
    fn create(&self, node: Arc<dyn ChunkSource>) -> Result<Pass> {
        let mut refused = None;
        for output in [self.output.clone()].into_iter().chain(self.narrow_outputs()) {
            match self.planner.create(&node, &output, self.build) {
                Ok((plan, sink)) => return Ok(Pass { node, plan, sink }),
                Err(error @ Error::BudgetTooSmall { .. }) => refused = refused.or(Some(error)),
                Err(error) => return Err(error),
            }
        }
        Err(refused.unwrap_or_else(|| unreachable!("the output's own chunk shape was tried")))
    }

    /// The output with chunks that reach far along the axis of the lines, and ever less across.
    fn narrow_outputs(&self) -> impl Iterator<Item = DatasetInfo> + '_ {
        let (axis, shape) = (self.node.axis(), &self.output.shape);
        let across = (0..shape.len()).rev().find(|other| *other != axis);
        let chunk_shape = move |columns: u64| {
            let columns = across.map_or(1, |across| columns.min(shape[across].max(1)));
            let most = NARROW_CHUNK_BYTES / (columns * self.output.dtype.size() as u64).max(1);
            let chunk_shape = Shape::from(vec![1; shape.len()]).with_axis(axis, shape[axis].clamp(1, most.max(1)));
            across.map_or(chunk_shape.clone(), |across| chunk_shape.with_axis(across, columns))
        };
        NARROW.into_iter().map(move |columns| self.output.clone().with_chunk_shape(chunk_shape(columns)))
    }

    /// Plans two passes: the second decides the tiles, which the first then writes.
    fn intermediate(&self) -> Result<Staged> {
        let input = self.node.input().clone();
        let x = input.info();
        // What the whole run holds in both passes.
        let (tables, index) = (self.node.held_bytes() - input.held_bytes(), input.held_bytes());
        let over = |tile_shape: Shape| -> Result<(TileFile, Arc<dyn ChunkSource>)> {
            let tiles = TileFile::new(x.clone(), tile_shape, self.directory)?;
            let node = self.node.over(Arc::new(tiles.source().beside(index)))?;
            Ok((tiles, node))
        };
        let axis = self.node.axis();
        let line = Shape::from(vec![1; x.shape.len()]).with_axis(axis, x.shape[axis].max(1));
        let then = self.create(over(line)?.1)?;
        // A slab costs the same whatever the tiles are, so the plan holds for tiles that are its slabs.
        let tile_shape = then.plan.slab_shape().clone().with_axis(axis, x.shape[axis].max(1));
        let (tiles, node) = over(tile_shape)?;
        let sink = tiles.sink().beside(tables + then.sink.held_bytes());
        let plan = self.planner.copy(&input, &sink)?;
        let strategy = Strategy::Intermediate { bytes: tiles.bytes(), directory: self.directory.to_owned() };
        let copy = Some(CopyPass { input, plan, tiles: sink });
        Ok(Staged { copy, last: Pass { node, ..then }, strategy, why: String::new(), progress: None })
    }

    fn cheaper(&self, pass: Pass, two: Staged) -> Staged {
        let times = self.times_read(&pass.plan);
        let (direct, staged) = (self.direct_time(&pass.plan), self.staged_time(&two));
        let against = format!("(estimated {staged:.1} s with it, {direct:.1} s without)");
        if staged > WORTH_IT * direct {
            let why = format!("reading the input {times:.1} times is no slower than an intermediate {against}");
            return Staged::one(pass, why);
        }
        if let Err(error) = self.check_space(&two) {
            let why = format!("the input is read {times:.1} times, for want of an intermediate: {}", error.report());
            return Staged::one(pass, why);
        }
        two.because(format!("reading the input {times:.1} times would be slower {against}"))
    }

    /// How many times the input's bytes are read.
    fn times_read(&self, plan: &Plan) -> f64 {
        let bytes = self.node.input().info().bytes();
        if bytes == 0 { 1.0 } else { plan.read_bytes() as f64 / bytes as f64 }
    }

    fn decode(&self) -> f64 {
        if self.node.input().info().chunk_shape.is_some() { DECODE } else { RAW_READ }
    }

    fn direct_time(&self, plan: &Plan) -> f64 {
        (self.decode() * gibibytes(plan.read_bytes()) + COMPUTE * gibibytes(plan.bytes())) / busy(plan)
    }

    fn staged_time(&self, staged: &Staged) -> f64 {
        let (last, copied) = (&staged.last.plan, gibibytes(self.node.input().info().bytes()));
        let copying =
            staged.copy.iter().map(|copy| self.decode() * gibibytes(copy.plan.read_bytes()) / busy(&copy.plan));
        let transforming = (RAW_READ * copied + COMPUTE * gibibytes(last.bytes())) / busy(last);
        copying.sum::<f64>() + RAW_WRITE * copied + transforming
    }

    /// Checks that the directory is there, and that its file system has room.
    fn check_space(&self, staged: &Staged) -> Result<()> {
        let Strategy::Intermediate { bytes, .. } = staged.strategy else { return Ok(()) };
        let free = free_bytes(self.directory).map_err(|cause| Error::io(self.directory, "open", cause))?;
        let Some(free) = free.filter(|free| *free < bytes) else { return Ok(()) };
        let what = format!("it takes {}, and {} are free", Bytes(bytes), Bytes(free));
        let cause = io::Error::new(io::ErrorKind::StorageFull, what);
        Err(Error::io(self.directory, "hold an intermediate", cause))
    }
}

fn gibibytes(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 30)
}

/// Threads at work; those inside a slab are a little less so.
fn busy(plan: &Plan) -> f64 {
    plan.workers() as f64 * (1.0 + 0.85 * (plan.threads_per_worker() as f64 - 1.0))
}

/// One pass of several as a part of the whole.
struct Share {
    whole: Arc<dyn Progress>,
    slabs_before: u64,
    bytes_before: u64,
    slabs: u64,
    bytes: u64,
}

impl Share {
    fn new<'a>(whole: Arc<dyn Progress>, plans: impl Iterator<Item = &'a Plan>, pass: usize) -> Self {
        let mut share = Share { whole, slabs_before: 0, bytes_before: 0, slabs: 0, bytes: 0 };
        for (number, plan) in plans.enumerate() {
            if number == pass {
                (share.slabs_before, share.bytes_before) = (share.slabs, share.bytes);
            }
            share.slabs += plan.len();
            share.bytes += plan.bytes();
        }
        share
    }
}

impl Progress for Share {
    fn update(&self, mut done: Done) {
        done.slabs += self.slabs_before;
        done.bytes += self.bytes_before;
        (done.total_slabs, done.total_bytes) = (self.slabs, self.bytes);
        self.whole.update(done);
    }
}

impl fmt::Debug for Staged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Staged").field("strategy", &self.strategy).field("why", &self.why).finish_non_exhaustive()
    }
}
