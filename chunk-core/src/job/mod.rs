//! Jobs: results of one graph, planned together within a budget, as stages.

mod draft;
mod folder;
mod output;
mod part;
mod record;
mod slot;
mod stage;
mod store;

pub use self::folder::{JobFolder, JobStatus, StageStatus, Worked};
pub use self::output::Output;
pub use self::part::Part;

use std::fmt::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::execute::Consecutive;
use crate::run::Done;
use crate::{Bytes, ChunkSink, DatasetInfo, Error, Plan, Progress, Result, Run};

use self::draft::Drafting;
use self::record::JobRecord;
use self::stage::{Conditions, Kind, Stage};

/// Several results of one graph, planned within a budget: stages, each a pass whose tasks do not wait
/// for one another.
///
/// Reading an input again is weighed against keeping it once in the tiles in which it is read, for every
/// edge of the graph; results that can share a pass do; what is reduced is a stage of its own. All
/// outputs are complete before any of them appears.
///
/// ```
/// use std::sync::Arc;
///
/// use chunk_core::{
///     Casting, ChunkSource, ChunkSourceExt, CreateOptions, DType, Job, MemoryBackend, MemorySource, Output, Registry, Run,
///     cast,
/// };
///
/// let memory = MemoryBackend::new();
/// let registry = Registry::new().with(memory.clone());
/// let x: Arc<dyn ChunkSource> = Arc::new(MemorySource::new([64, 64], &vec![1.5; 4096])?.with_chunk_shape([8, 64])?);
/// let single: Arc<dyn ChunkSource> = Arc::new(cast(x, &DType::F32, Casting::SameKind)?);
///
/// let info = single.info().clone();
/// let output = Output::at(single, info, &registry, "memory:single".parse()?, CreateOptions::default())?;
/// let run = Run::new().budget("1M".parse()?);
/// let job = Job::plan(&run, &[output], &std::env::temp_dir())?;
/// println!("{}", job.describe());
/// job.execute(&run)?;
/// assert_eq!(registry.open(&"memory:single".parse()?)?.read_all::<f32>()?, vec![1.5; 4096]);
/// # Ok::<(), chunk_core::Error>(())
/// ```
pub struct Job {
    stages: Vec<Stage>,
    scratch: PathBuf,
    /// What was decided about the whole, for people.
    why: String,
    /// By name, what its outputs depend on; what has no identity, if something has none.
    fingerprint: Vec<(String, String)>,
    unidentified: Option<String>,
    progress: Option<Arc<dyn Progress>>,
}

impl Job {
    /// Plans to make `outputs` within the budget of `run`, with intermediates in the folder `scratch`.
    /// Nothing is read or created.
    ///
    /// # Errors
    /// [`Error::BudgetTooSmall`](crate::Error::BudgetTooSmall) if no way fits the budget;
    /// [`Error::Io`](crate::Error::Io) if only one with an intermediate does and there is no space for
    /// it; an output and its sink that differ; [`ChunkSource::cost`](crate::ChunkSource::cost) or building a sink that fails.
    pub fn plan(run: &Run, outputs: &[Output<'_>], scratch: &Path) -> Result<Self> {
        let (fingerprint, unidentified) = match record::fingerprint(outputs) {
            Ok(fingerprint) => (fingerprint, None),
            Err(Error::Unidentified { dataset }) => (Vec::new(), Some(dataset)),
            Err(error) => return Err(error),
        };
        let drafting = Drafting::new(run.planner(), scratch, outputs)?;
        let (stages, why) = drafting.stages(outputs)?;
        Ok(Job { stages, scratch: scratch.to_owned(), why, fingerprint, unidentified, progress: None })
    }

    /// Telling `progress` of all stages as one, in place of what the run tells.
    #[must_use]
    pub fn progress(mut self, progress: Arc<dyn Progress>) -> Self {
        self.progress = Some(progress);
        self
    }

    /// The plans of the stages, in their order.
    pub fn plans(&self) -> impl Iterator<Item = &Plan> {
        self.stages.iter().map(|stage| &stage.plan)
    }

    /// Number of stages.
    #[must_use]
    pub fn stages(&self) -> usize {
        self.stages.len()
    }

    /// Bytes of intermediates on disk.
    #[must_use]
    pub fn scratch_bytes(&self) -> u64 {
        let on_disk = |stage: &Stage| if let Kind::Disk { bytes, .. } = stage.kind { bytes } else { 0 };
        self.stages.iter().map(on_disk).sum()
    }

    /// What output `number` will be: its chunk shape is settled.
    ///
    /// # Panics
    /// If there are not so many.
    #[must_use]
    pub fn output(&self, number: usize) -> &DatasetInfo {
        let mut targets = self.stages.iter().flat_map(|stage| &stage.targets);
        let found = targets.find(|target| target.output == Some(number));
        found.unwrap_or_else(|| panic!("the job has no output {number}")).sink.info()
    }

    /// The most bytes that the run holds at once.
    #[must_use]
    pub fn peak_bytes(&self) -> u64 {
        self.plans().map(Plan::peak_bytes).max().unwrap_or(0)
    }

    /// Seconds that the job is expected to take.
    #[must_use]
    pub fn seconds(&self) -> f64 {
        self.plans().map(Plan::seconds).sum()
    }

    /// The plan for people: the stages and why they are, what is put on disk and where, and each pass.
    #[must_use]
    pub fn describe(&self) -> String {
        let count = self.stages.len();
        let mut text = format!("strategy {}", self.why);
        if self.scratch_bytes() > 0 {
            let (bytes, folder) = (Bytes(self.scratch_bytes()), self.scratch.display());
            let _ = write!(text, "\ndisk     {bytes} in {folder}, gone when the program ends");
        }
        for (number, stage) in self.stages.iter().enumerate() {
            text.push('\n');
            text += &stage.describe(number + 1, count);
        }
        text
    }

    /// What its outputs and its stages depend on, by name: equal for jobs whose tasks are the same.
    ///
    /// # Errors
    /// [`Error::Unidentified`] if something that the job reads or computes has no identity.
    pub fn fingerprint(&self) -> Result<Vec<(String, String)>> {
        match &self.unidentified {
            Some(dataset) => Err(Error::Unidentified { dataset: dataset.clone() }),
            None => Ok(JobRecord::of(self).fingerprint),
        }
    }

    /// The portable part of the plan as JSON: stages, slabs, tiles, the nodes and outputs that they make,
    /// the fingerprint.
    ///
    /// # Panics
    /// Never: all of it is text and numbers.
    #[must_use]
    pub fn to_json(&self) -> serde_json::Value {
        serde_json::to_value(JobRecord::of(self))
            .unwrap_or_else(|error| unreachable!("a record is plain data: {error}"))
    }

    /// Carries the job out, on the threads of `run`, and finishes the outputs.
    ///
    /// # Errors
    /// The first that reading, writing or an intermediate meets; the outputs are then absent.
    pub fn execute(self, run: &Run) -> Result<()> {
        let mut done = self.total();
        let progress = self.progress.clone().or_else(|| run.watcher().cloned());
        let mut finished = Vec::new();
        for stage in self.stages {
            let share = progress.clone().map(|whole| Share { whole, before: done });
            let conditions = Conditions {
                tasks: &Consecutive::new(0..stage.plan.len()),
                stop: run.stop(),
                progress: share.as_ref().map(|share| share as &dyn Progress),
                done: Done { total_slabs: stage.plan.len(), total_bytes: stage.plan.bytes(), ..Done::default() },
                finished: &mut |_| Ok(()),
            };
            stage.run(conditions)?;
            done.slabs += stage.plan.len();
            done.bytes += stage.plan.bytes();
            for target in stage.targets {
                match target.output {
                    Some(_) => finished.push(target.sink),
                    None => target.sink.finish()?,
                }
            }
        }
        // A single output is prepared by its `finish`.
        if finished.len() > 1 {
            finished.iter().try_for_each(ChunkSink::prepare)?;
        }
        finished.into_iter().try_for_each(ChunkSink::finish)
    }

    fn total(&self) -> Done {
        let total_slabs = self.plans().map(Plan::len).sum();
        let total_bytes = self.plans().fold(0, |sum: u64, plan| sum.saturating_add(plan.bytes()));
        Done { total_slabs, total_bytes, ..Done::default() }
    }
}

impl fmt::Debug for Job {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Job").field("why", &self.why).field("stages", &self.stages.len()).finish_non_exhaustive()
    }
}

/// Tells of one stage as of a part of the whole.
struct Share {
    whole: Arc<dyn Progress>,
    before: Done,
}

impl Progress for Share {
    fn update(&self, done: Done) {
        let (slabs, bytes) = (self.before.slabs + done.slabs, self.before.bytes + done.bytes);
        self.whole.update(Done { slabs, bytes, ..self.before });
    }
}
