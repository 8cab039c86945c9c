//! Adding sources to a dataset, one after another along an axis.

use std::sync::Arc;

use crate::{
    ChunkSink, ChunkSource, Cost, DatasetInfo, Done, Error, Plan, Planner, Progress, Result, Run, Shape, Slab, Window,
    Worker,
};

/// What [`Run::append`] will do: which piece of which source goes where, and the plan of each.
///
/// Two slabs that are written at once must not share a chunk of the sink. So where a source begins inside a chunk, what
/// completes that chunk is a piece of its own, done before the rest, which then begins with a chunk.
#[derive(Debug)]
pub struct AppendPlan {
    pieces: Vec<Piece>,
}

#[derive(Debug)]
struct Piece {
    window: Window,
    /// Where the piece begins in the sink.
    offset: Shape,
    plan: Plan,
}

impl Planner {
    /// Plans to write `sources` into `sink`, one after another along `axis` from `start` on: from the end, for a sink
    /// of [`Growing::append`](crate::Growing::append), or from 0 for a new dataset that has room for them. Nothing is
    /// read or written.
    ///
    /// # Errors
    /// [`Error::AxisOutOfRange`], [`Error::DTypeMismatch`]; [`Error::InvalidArgument`] for a source whose other
    /// extents are not the sink's, and for more than the sink may hold; [`Error::BudgetTooSmall`].
    pub fn append(
        &self,
        sources: &[Arc<dyn ChunkSource>],
        sink: &dyn ChunkSink,
        axis: usize,
        start: u64,
    ) -> Result<AppendPlan> {
        sink.info().check_axis(axis)?;
        sources.iter().try_for_each(|source| check_fits(source.info(), sink.info(), axis))?;
        check_room(sources, sink.info(), axis, start)?;
        let chunk = sink.info().chunk_shape.as_ref().map_or(1, |chunk_shape| chunk_shape[axis]);
        let mut pieces = Vec::new();
        let mut place = start;
        for source in sources {
            let whole = Slab::whole(&source.info().shape);
            let extent = source.info().shape[axis];
            let first = extent.min(place.next_multiple_of(chunk) - place);
            for part in [0..first, first..extent].into_iter().filter(|part| !part.is_empty()) {
                let window = Window::new(source.clone(), whole.with_axis(axis, part.clone()))?;
                let offset = Shape::from(vec![0; whole.ndim()]).with_axis(axis, place + part.start);
                let plan = self.copy(&window, &Region::new(sink, &offset, &window.info().shape))?;
                pieces.push(Piece { window, offset, plan });
            }
            place += extent;
        }
        Ok(AppendPlan { pieces })
    }
}

fn check_fits(source: &DatasetInfo, sink: &DatasetInfo, axis: usize) -> Result<()> {
    let fits = source.shape.len() == sink.shape.len()
        && (0..sink.shape.len()).all(|other| other == axis || source.shape[other] == sink.shape[other]);
    if !fits {
        return Err(Error::InvalidArgument(format!(
            "{} of shape {} does not fit {} of shape {} along axis {axis}",
            source.name, source.shape, sink.name, sink.shape
        )));
    }
    source.check_dtype(&sink.dtype)
}

/// That there is room for all sources from `start` on: within the shape, or as far as it may grow.
fn check_room(sources: &[Arc<dyn ChunkSource>], sink: &DatasetInfo, axis: usize, start: u64) -> Result<()> {
    let end = sources.iter().try_fold(start, |end, source| end.checked_add(source.info().shape[axis]));
    let most = match &sink.max_shape {
        Some(most) => most[axis].unwrap_or(u64::MAX),
        None => sink.shape[axis],
    };
    match end {
        Some(end) if end <= most => Ok(()),
        _ => Err(Error::InvalidArgument(format!(
            "{}: axis {axis} holds no more than {most}, which is too little for what is appended from {start} on",
            sink.name
        ))),
    }
}

impl AppendPlan {
    /// Bytes that are written.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.pieces.iter().fold(0, |sum, piece| sum.saturating_add(piece.plan.bytes()))
    }

    /// The most bytes that the run holds at once.
    #[must_use]
    pub fn peak_bytes(&self) -> u64 {
        self.pieces.iter().map(|piece| piece.plan.peak_bytes()).max().unwrap_or(0)
    }

    /// The plan of each piece for people, in the order in which they are done.
    #[must_use]
    pub fn describe(&self) -> String {
        let pieces = self.pieces.iter().map(|piece| piece.plan.describe());
        pieces.collect::<Vec<_>>().join("\n\n")
    }

    fn total(&self) -> Done {
        let total_slabs = self.pieces.iter().map(|piece| piece.plan.len()).sum();
        Done { total_slabs, total_bytes: self.bytes(), ..Done::default() }
    }
}

impl Run {
    /// Writes `sources` into `sink`, one after another along `axis` from `start` on, and finishes it: see
    /// [`Planner::append`].
    ///
    /// ```
    /// use std::sync::Arc;
    ///
    /// use chunk_core::{Backend, ChunkSource, ChunkSourceExt, DatasetInfo, DType, MemoryBackend, MemorySource, Run};
    ///
    /// let memory = MemoryBackend::new();
    /// let info = DatasetInfo::new([1, 2], DType::U8).with_max_shape([None, Some(2)]);
    /// memory.insert("log", MemorySource::from_bytes(info, [1, 2])?);
    ///
    /// let day: Arc<dyn ChunkSource> = Arc::new(MemorySource::new([2, 2], &[3_u8, 4, 5, 6])?);
    /// let sink = memory.growing().expect("memory grows").append(&"log".parse()?, 0)?;
    /// let end = sink.info().shape[0];
    /// Run::new().append(&[day], sink, 0, end)?;
    /// assert_eq!(memory.open(&"log".parse()?)?.read_all::<u8>()?, [1, 2, 3, 4, 5, 6]);
    /// # Ok::<(), chunk_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`Planner::append`], before anything is read or written; then the first that reading or writing meets:
    /// the sink is then dropped unfinished.
    pub fn append(
        &self,
        sources: &[Arc<dyn ChunkSource>],
        sink: Box<dyn ChunkSink>,
        axis: usize,
        start: u64,
    ) -> Result<AppendPlan> {
        let plan = self.planner().append(sources, &*sink, axis, start)?;
        self.append_planned(&plan, sink)?;
        Ok(plan)
    }

    /// Does what was planned for `sink`, and finishes it.
    ///
    /// # Errors
    /// The first that reading or writing meets.
    pub fn append_planned(&self, plan: &AppendPlan, sink: Box<dyn ChunkSink>) -> Result<()> {
        let mut done = plan.total();
        for Piece { window, offset, plan } in &plan.pieces {
            let run = match self.watcher() {
                Some(progress) => self.clone().progress(Arc::new(Rest { progress: progress.clone(), before: done })),
                None => self.clone(),
            };
            let region = Region::new(&*sink, offset, &window.info().shape);
            if plan.is_empty() {
                // Nothing to write, and yet the dataset is longer by it.
                region.write_from(&Slab::whole(&region.info.shape), &[], &Worker::new())?;
            }
            run.copy_planned(plan, window, Box::new(region))?;
            done.slabs += plan.len();
            done.bytes += plan.bytes();
        }
        sink.finish()
    }
}

/// Tells of one piece as of a part of the whole.
struct Rest {
    progress: Arc<dyn Progress>,
    before: Done,
}

impl Progress for Rest {
    fn update(&self, done: Done) {
        let (slabs, bytes) = (self.before.slabs + done.slabs, self.before.bytes + done.bytes);
        self.progress.update(Done { slabs, bytes, ..self.before });
    }
}

/// The part of a sink that a piece fills, as a sink. The sink itself is finished by whoever has it.
#[derive(Debug)]
struct Region<'a> {
    sink: &'a dyn ChunkSink,
    offset: &'a Shape,
    info: DatasetInfo,
}

impl<'a> Region<'a> {
    fn new(sink: &'a dyn ChunkSink, offset: &'a Shape, shape: &Shape) -> Self {
        let info = DatasetInfo { shape: shape.clone(), max_shape: None, ..sink.info().clone() };
        Region { sink, offset, info }
    }
}

impl ChunkSink for Region<'_> {
    fn info(&self) -> &DatasetInfo {
        &self.info
    }

    fn held_bytes(&self) -> u64 {
        self.sink.held_bytes()
    }

    fn cost(&self, slab: &Slab, threads: usize) -> Cost {
        self.sink.cost(&slab.shifted(self.offset), threads)
    }

    fn write_from(&self, slab: &Slab, data: &[u8], worker: &Worker) -> Result<()> {
        self.sink.write_from(&slab.shifted(self.offset), data, worker)
    }

    fn prepare(&self) -> Result<()> {
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<()> {
        Ok(())
    }
}
