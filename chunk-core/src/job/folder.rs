//! A job in a folder: what is done stays, and any number of processes may do a part.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::execute::Tasks;
use crate::graph::{Graph, rebuild_with, same};
use crate::run::Done;
use crate::worker::lock;
use crate::{
    Checksum, ChunkSource, DatasetInfo, Error, LogHeader, NewFile, Progress, RecordLog, Result, Run, Shape, Shard,
    Slab, Tiling, Worker,
};

use super::draft::plan_targets;
use super::record::{JobRecord, StageRecord, TargetRecord, node_of};
use super::stage::{Conditions, Kind, Stage, Target};
use super::store::{Files, Gathered, Published, Summing, Sums, TileShard};
use super::{Job, Output, Part};

/// Marks are written in groups: so many, or what there is after so long.
const GROUP: usize = 64;
const GROUP_TIME: Duration = Duration::from_millis(100);

/// A job in a folder: what is done of it outlives its processes, and any number of them may share it.
///
/// The folder holds the job's record (`job.json`: the caller's command, the stages and the fingerprint),
/// a shard of each result for each part, and marks of the tasks that are done. Nothing outside of it is
/// touched before the job is complete.
#[derive(Debug)]
pub struct JobFolder {
    files: Files,
    manifest: Manifest,
}

/// What `job.json` holds.
#[derive(Debug, Serialize, Deserialize)]
struct Manifest {
    command: Value,
    job: JobRecord,
}

/// How far a job in a folder is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct JobStatus {
    /// Its stages, in their order.
    pub stages: Vec<StageStatus>,
}

/// How far a stage is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct StageStatus {
    /// What it makes.
    pub name: String,
    /// Its tasks.
    pub tasks: u64,
    /// The tasks that are marked as done.
    pub done: u64,
    /// The first tasks that are not, as ranges, the end excluded.
    pub missing: Vec<(u64, u64)>,
}

/// What one process did of a job.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Worked {
    /// Tasks done by this process.
    pub done: u64,
    /// Tasks that were done before and are sound.
    pub kept: u64,
    /// Tasks that were marked and had to be done again: what is stored is not what was marked.
    pub redone: u64,
    /// Tasks that others have not done yet; 0 once all stages are complete.
    pub missing: u64,
    /// Whether the outputs were published.
    pub published: bool,
}

impl JobStatus {
    /// Whether all tasks are done.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.stages.iter().all(|stage| stage.done == stage.tasks)
    }
}

impl JobFolder {
    /// Begins a job in the folder `path`, made if it is not there, which holds no other job. `command`
    /// is the caller's, by which another process makes the same outputs.
    ///
    /// # Errors
    /// [`Error::Unidentified`] if something that the job reads or computes has no identity;
    /// [`Error::AlreadyExists`] if the folder has a job; [`Error::Io`].
    pub fn begin(path: &Path, job: &Job, command: Value) -> Result<Self> {
        if let Some(unidentified) = &job.unidentified {
            return Err(Error::Unidentified { dataset: unidentified.clone() });
        }
        let files = Files::new(path);
        fs::create_dir_all(path).map_err(|cause| Error::io(path, "create", cause))?;
        let manifest = Manifest { command, job: JobRecord::of(job) };
        let record = files.record();
        NewFile::check(&record, false)?;
        let new = NewFile::beside(&record)?;
        let text = serde_json::to_vec_pretty(&manifest).map_err(|error| Error::io(&record, "write", error.into()))?;
        new.file().write_at(&text, 0)?;
        new.publish(false)?;
        Ok(JobFolder { files, manifest })
    }

    /// Opens the job in the folder `path`.
    ///
    /// # Errors
    /// [`Error::FileNotFound`] if there is none; [`Error::Corrupt`] for a record that is not one.
    pub fn open(path: &Path) -> Result<Self> {
        let files = Files::new(path);
        let record = files.record();
        let text = fs::read(&record).map_err(|cause| Error::io(&record, "open", cause))?;
        let manifest = serde_json::from_slice(&text).map_err(|error| Error::corrupt(&record, error.to_string()))?;
        Ok(JobFolder { files, manifest })
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.files.folder()
    }

    /// The command that the job was begun with.
    #[must_use]
    pub fn command(&self) -> &Value {
        &self.manifest.command
    }

    /// Checks that `outputs` are those that the job was begun with.
    ///
    /// # Errors
    /// [`Error::PlanMismatch`] with the difference; [`Error::Unidentified`].
    pub fn check(&self, outputs: &[Output<'_>]) -> Result<()> {
        self.manifest.job.check(outputs)
    }

    /// Tells how far the job is, by its marks.
    ///
    /// # Errors
    /// [`Error::Io`]; a mark file that is another's.
    pub fn status(&self) -> Result<JobStatus> {
        let marks = self.marks()?;
        let stages = self.manifest.job.stages.iter().enumerate().map(|(number, stage)| {
            let name = stage.targets.iter().map(|target| target.name.as_str()).collect::<Vec<_>>().join("; ");
            let done = (0..stage.tasks).filter(|task| marks.owner(number, *task).is_some()).count() as u64;
            StageStatus { name, tasks: stage.tasks, done, missing: marks.missing(number, stage.tasks) }
        });
        Ok(JobStatus { stages: stages.collect() })
    }

    /// Removes all that the job has in its folder, and the folder if nothing else is in it.
    ///
    /// # Errors
    /// [`Error::Locked`] while a process works on the job; [`Error::Io`].
    pub fn clear(self) -> Result<()> {
        for label in self.files.labels()? {
            RecordLog::open(&self.files.marks(&label), &self.header(), &mut |_| {})?;
        }
        self.files.clear()
    }

    /// Does the tasks of `part` that are not done yet, stage by stage, as far as others have come; the
    /// only part then publishes the outputs and clears the folder.
    ///
    /// # Errors
    /// As [`JobFolder::check`]; [`Error::BudgetTooSmall`] if the job's slabs do not fit the budget of
    /// `run`; [`Error::Locked`] while another process does this part; the first that reading or writing
    /// meets: what was done stays.
    pub fn work(&self, run: &Run, outputs: &[Output<'_>], part: Part) -> Result<Worked> {
        self.check(outputs)?;
        let mut work = Work::begin(self, run, outputs, part)?;
        if work.is_over() {
            // A process was stopped between publishing and clearing.
            let kept = self.manifest.job.stages.iter().map(|stage| stage.tasks).sum();
            drop(work.log);
            self.files.clear()?;
            return Ok(Worked { kept, published: true, ..Worked::default() });
        }
        work.check_outputs()?;
        if !work.stages()? {
            return Ok(work.worked);
        }
        if part.count() == 1 {
            work.publish()?;
            work.worked.published = true;
            drop(work.log);
            self.files.clear()?;
        }
        Ok(work.worked)
    }

    /// Publishes the outputs of a job whose tasks are all done, and clears the folder.
    ///
    /// # Errors
    /// [`Error::JobIncomplete`] if a task is missing; as [`JobFolder::work`].
    pub fn finish(&self, run: &Run, outputs: &[Output<'_>]) -> Result<()> {
        self.check(outputs)?;
        let status = self.status()?;
        if published_outputs(self, outputs, &Worker::new().with_cancel(&run.stop()))?.len() == outputs.len() {
            drop(Work::begin(self, run, outputs, Part::WHOLE)?);
            return self.files.clear();
        }
        if let Some(stage) = status.stages.iter().find(|stage| stage.done < stage.tasks) {
            let (path, missing, of) = (self.path().to_path_buf(), stage.tasks - stage.done, stage.tasks);
            return Err(Error::JobIncomplete { path, stage: stage.name.clone(), missing, of });
        }
        let mut work = Work::begin(self, run, outputs, Part::WHOLE)?;
        work.stages()?;
        work.publish()?;
        drop(work.log);
        self.files.clear()
    }

    fn header(&self) -> LogHeader {
        let fingerprint = self.manifest.job.fingerprint.iter();
        fingerprint.fold(LogHeader::new("marks of a job, 1"), |header, (name, value)| header.with(name, value))
    }

    /// The marks of all parts.
    fn marks(&self) -> Result<Marks> {
        let mut marks = Marks { labels: self.files.labels()?, done: HashMap::new(), published: HashMap::new() };
        for (number, label) in marks.labels.clone().iter().enumerate() {
            let mut visit = |record: &[u8]| marks.add(record, number as u16);
            match RecordLog::peek(&self.files.marks(label), &self.header(), &mut visit) {
                Ok(()) | Err(Error::FileNotFound { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(marks)
    }
}

/// Which tasks are done, and by whom.
#[derive(Debug, Default)]
struct Marks {
    labels: Vec<String>,
    /// By stage and task: the part, and the checksums of what it made.
    done: HashMap<(u32, u64), (u16, Vec<u64>)>,
    /// Outputs that are being published, or are, if that is true.
    published: HashMap<u64, bool>,
}

/// The stage that marks of publishing have.
const PUBLISHING: u32 = u32::MAX;

/// The mark before an output is published, and the one afterwards.
fn publishing(output: usize) -> Vec<u8> {
    mark(PUBLISHING, output as u64, &[])
}

fn published(output: usize) -> Vec<u8> {
    mark(PUBLISHING, output as u64, &[1])
}

impl Marks {
    fn add(&mut self, record: &[u8], part: u16) {
        let Some((stage, rest)) = record.split_first_chunk() else { return };
        let words: Vec<u64> = rest.as_chunks().0.iter().map(|word| u64::from_le_bytes(*word)).collect();
        let Some((task, sums)) = words.split_first() else { return };
        match u32::from_le_bytes(*stage) {
            PUBLISHING => *self.published.entry(*task).or_default() |= !sums.is_empty(),
            stage => drop(self.done.insert((stage, *task), (part, sums.to_vec()))),
        }
    }

    fn owner(&self, stage: usize, task: u64) -> Option<u16> {
        self.done.get(&(stage as u32, task)).map(|(part, _)| *part)
    }

    /// The first tasks that are not done, as ranges.
    fn missing(&self, stage: usize, tasks: u64) -> Vec<(u64, u64)> {
        let mut ranges: Vec<(u64, u64)> = Vec::new();
        for task in (0..tasks).filter(|task| self.owner(stage, *task).is_none()) {
            let told = ranges.len();
            match ranges.last_mut() {
                Some((_, end)) if *end == task => *end += 1,
                _ if told == MOST_RANGES => break,
                _ => ranges.push((task, task + 1)),
            }
        }
        ranges
    }
}

/// Ranges of missing tasks that are told.
const MOST_RANGES: usize = 100;

fn mark(stage: u32, task: u64, sums: &[u64]) -> Vec<u8> {
    let words = [task].into_iter().chain(sums.iter().copied()).flat_map(u64::to_le_bytes);
    stage.to_le_bytes().into_iter().chain(words).collect()
}

/// Marks on their way to the log.
struct Marker<'w> {
    log: &'w RecordLog,
    waiting: Vec<Vec<u8>>,
    since: Instant,
}

impl Marker<'_> {
    fn add(&mut self, record: Vec<u8>) -> Result<()> {
        self.waiting.push(record);
        if self.waiting.len() >= GROUP || self.since.elapsed() >= GROUP_TIME { self.write() } else { Ok(()) }
    }

    fn write(&mut self) -> Result<()> {
        let records = std::mem::take(&mut self.waiting);
        self.since = Instant::now();
        if records.is_empty() { Ok(()) } else { self.log.append(records.iter().map(Vec::as_slice)) }
    }
}

/// Tasks of these numbers.
struct Listed {
    numbers: Vec<u64>,
    next: AtomicUsize,
}

impl Tasks for Listed {
    fn next(&self) -> Option<u64> {
        self.numbers.get(self.next.fetch_add(1, Ordering::Relaxed)).copied()
    }
}

/// A part's shards of the results of a stage.
type Shards = Vec<Arc<Box<dyn Shard>>>;

/// One process at work on a job.
struct Work<'w, 'o> {
    folder: &'w JobFolder,
    run: &'w Run,
    outputs: &'w [Output<'o>],
    part: Part,
    label: String,
    log: RecordLog,
    held: u64,
    /// Results of stages that are complete, by the number of their node.
    kept: HashMap<usize, Arc<dyn ChunkSource>>,
    /// This part's shards of the outputs, by the number of the output.
    shards: HashMap<usize, Box<dyn Shard>>,
    /// The outputs that had their names before this process began.
    published: HashSet<usize>,
    worked: Worked,
}

impl<'w, 'o> Work<'w, 'o> {
    fn begin(folder: &'w JobFolder, run: &'w Run, outputs: &'w [Output<'o>], part: Part) -> Result<Self> {
        let label = label_of(part);
        let (path, header) = (folder.files.marks(&label), folder.header());
        let log = match RecordLog::open(&path, &header, &mut |_| {})? {
            Some(log) => log,
            None => RecordLog::create(&path, &header)?,
        };
        let roots: Vec<&dyn ChunkSource> = outputs.iter().map(|output| &*output.source).collect();
        let held = Graph::of(&roots)?.held_bytes();
        let (kept, shards, worked) = (HashMap::new(), HashMap::new(), Worked::default());
        let published = published_outputs(folder, outputs, &Worker::new().with_cancel(&run.stop()))?;
        Ok(Work { folder, run, outputs, part, label, log, held, kept, shards, published, worked })
    }

    /// Whether all outputs have their names.
    fn is_over(&self) -> bool {
        self.published.len() == self.outputs.len()
    }

    /// Refuses before any work what publishing would be refused for.
    fn check_outputs(&self) -> Result<()> {
        let targets = self.folder.manifest.job.stages.iter().flat_map(|stage| &stage.targets);
        for (output, target) in targets.filter_map(|target| Some((target.output?, target))) {
            if !self.published.contains(&output) {
                // A sink makes nothing before it is written to.
                drop(self.outputs[output].sink(target.chunk_shape.as_deref())?);
            }
        }
        Ok(())
    }

    /// Goes through the stages; `false` where others must come along first.
    fn stages(&mut self) -> Result<bool> {
        let record = &self.folder.manifest.job;
        for (number, stage) in record.stages.iter().enumerate() {
            if !self.stage(number, stage)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn stage(&mut self, number: usize, record: &StageRecord) -> Result<bool> {
        let marks = self.folder.marks()?;
        let sources = self.sources(record)?;
        let (stage, opened) = self.open_stage(number, record, &sources)?;
        let todo = match stage.blocks {
            None => self.todo(number, record, (&stage, &opened), &marks)?,
            Some(_) => self.todo_reduced(number, record, &marks),
        };
        self.carry_out(number, &stage, &opened, &todo)?;
        drop(stage);
        self.close(record, opened)?;
        let marks = self.folder.marks()?;
        let missing = (0..record.tasks).filter(|task| marks.owner(number, *task).is_none()).count() as u64;
        self.worked.missing = missing;
        if missing > 0 {
            return Ok(false);
        }
        self.keep(number, record, &sources, &marks)?;
        Ok(true)
    }

    /// What a stage computes, over what stages before have kept.
    fn sources(&self, record: &StageRecord) -> Result<Vec<Arc<dyn ChunkSource>>> {
        let mut made = HashMap::new();
        let roots: Vec<&dyn ChunkSource> = self.outputs.iter().map(|output| &*output.source).collect();
        let graph = Graph::of(&roots)?;
        record
            .targets
            .iter()
            .map(|target| {
                // An output that another result is computed from: it is copied.
                if let Some(kept) = self.kept.get(&target.node) {
                    return Ok(Arc::clone(kept));
                }
                let node = node_of(self.outputs, target.node)?;
                let replace = |source: &dyn ChunkSource| {
                    let number = graph.nodes().iter().position(|node| same(node.source, source))?;
                    self.kept.get(&number).cloned()
                };
                rebuild_with(&node, &replace, &mut made)
            })
            .collect()
    }

    /// The stage with this part's shards as its sinks.
    fn open_stage(
        &mut self,
        number: usize,
        record: &StageRecord,
        sources: &[Arc<dyn ChunkSource>],
    ) -> Result<(Stage, Vec<Opened>)> {
        let (mut targets, mut opened) = (Vec::new(), Vec::new());
        for (index, (target, source)) in record.targets.iter().zip(sources).enumerate() {
            let shard = Arc::new(self.shard((number, index), record, source.info(), &self.label)?);
            let sink = Summing::new(Arc::clone(&shard));
            opened.push(Opened { shard, sums: sink.sums() });
            let source = Arc::clone(source);
            targets.push(Target { source, node: target.node, sink: Box::new(sink), output: target.output });
        }
        let planner = self.run.planner();
        let plan = plan_targets(&targets, self.held, &|pass| {
            planner.schedule(pass, pass.tiling(Shape::from(&record.slab_shape[..])))
        })?;
        if plan.len() != record.tasks {
            let dataset = record.targets[0].name.clone();
            let difference = format!("{} tasks, not {}", plan.len(), record.tasks);
            return Err(Error::PlanMismatch { dataset, difference });
        }
        let blocks = targets[0].blocks();
        Ok((Stage { targets, plan, blocks, kind: Kind::Output, why: record.why.clone() }, opened))
    }

    /// What the part of this label has of a result.
    fn shard(
        &self,
        (number, index): (usize, usize),
        record: &StageRecord,
        info: &DatasetInfo,
        label: &str,
    ) -> Result<Box<dyn Shard>> {
        let target = &record.targets[index];
        let path = self.folder.files.shard(number, index, label);
        let is_published = target.output.is_some_and(|output| self.published.contains(&output));
        Ok(match self.native(record, target) {
            _ if is_published => Box::new(Published(info.derived(&target.name))),
            Some(output) => self.outputs[output].shard(target.chunk_shape.as_deref(), &path)?,
            None => Box::new(TileShard::open(info.derived(&target.name), tiles_of(record), &path)?),
        })
    }

    /// The output that a result is, if its format has shards of its own: those hold whole chunks, which
    /// tasks of a reduction do not make.
    fn native(&self, record: &StageRecord, target: &TargetRecord) -> Option<usize> {
        target.output.filter(|output| !record.is_reduced && self.outputs[*output].sharding().is_some())
    }

    /// This part's tasks that are not done, or not soundly.
    fn todo(
        &mut self,
        number: usize,
        record: &StageRecord,
        (stage, opened): (&Stage, &[Opened]),
        marks: &Marks,
    ) -> Result<Vec<u64>> {
        let worker = self.worker();
        let infos: Vec<&DatasetInfo> = stage.targets.iter().map(|target| target.source.info()).collect();
        // The shards of the parts: this one's are open.
        let mut shards: HashMap<u16, Option<Shards>> = HashMap::new();
        if let Some(own) = marks.labels.iter().position(|label| *label == self.label) {
            shards.insert(own as u16, Some(opened.iter().map(|opened| Arc::clone(&opened.shard)).collect()));
        }
        let mut todo = Vec::new();
        for task in 0..stage.plan.len() {
            match marks.done.get(&(number as u32, task)) {
                Some((part, sums)) => {
                    if !shards.contains_key(part) {
                        let label = &marks.labels[usize::from(*part)];
                        shards.insert(*part, self.others(number, record, &infos, label)?);
                    }
                    let is_sound = match &shards[part] {
                        Some(shards) => is_sound(&stage.plan.slab(task), shards, sums, &worker)?,
                        None => true,
                    };
                    if is_sound {
                        self.worked.kept += u64::from(self.part.has(task));
                    } else {
                        self.worked.redone += 1;
                        todo.push(task);
                    }
                }
                None if self.part.has(task) => todo.push(task),
                None => {}
            }
        }
        Ok(todo)
    }

    /// The shards of another part, for a process that does all that is left: it alone looks at what others
    /// did. None while that part has a process of its own.
    fn others(
        &self,
        number: usize,
        record: &StageRecord,
        infos: &[&DatasetInfo],
        label: &str,
    ) -> Result<Option<Shards>> {
        if self.part != Part::WHOLE {
            return Ok(None);
        }
        let mut shards = Vec::new();
        for (index, info) in infos.iter().enumerate() {
            match self.shard((number, index), record, info, label) {
                Ok(shard) => shards.push(Arc::new(shard)),
                Err(Error::Locked { .. }) => return Ok(None),
                Err(error) => return Err(error),
            }
        }
        Ok(Some(shards))
    }

    /// A reduction is done by one part, from its beginning: the first.
    fn todo_reduced(&mut self, number: usize, record: &StageRecord, marks: &Marks) -> Vec<u64> {
        let is_done = (0..record.tasks).all(|task| marks.owner(number, task).is_some());
        if is_done {
            self.worked.kept += record.tasks;
        }
        if is_done || self.part.index() > 0 { Vec::new() } else { (0..record.tasks).collect() }
    }

    fn carry_out(&mut self, number: usize, stage: &Stage, opened: &[Opened], todo: &[u64]) -> Result<()> {
        let marker = Mutex::new(Marker { log: &self.log, waiting: Vec::new(), since: Instant::now() });
        let is_map = stage.blocks.is_none();
        let mut count = 0;
        let mut finished = |task: u64| {
            count += 1;
            if !is_map {
                return Ok(());
            }
            let slab = stage.plan.slab(task);
            let taken: Option<Vec<u64>> = opened.iter().map(|opened| opened.sums.take(&slab)).collect();
            let Some(taken) = taken else { unreachable!("each task writes its slab to each result") };
            lock(&marker).add(mark(number as u32, task, &taken))
        };
        let total = todo.iter().map(|task| stage.plan.slab(*task).bytes(stage.plan.tiling.dtype.size())).sum();
        let done = Done { total_slabs: todo.len() as u64, total_bytes: total, ..Done::default() };
        let tasks = Listed { numbers: todo.to_vec(), next: AtomicUsize::new(0) };
        let progress = self.run.watcher().cloned();
        let conditions = Conditions {
            tasks: &tasks,
            stop: self.run.stop(),
            progress: progress.as_deref().map(|progress| progress as &dyn Progress),
            done,
            finished: &mut finished,
        };
        let ran = if todo.is_empty() && (is_map || !stage.plan.is_empty()) { Ok(()) } else { stage.run(conditions) };
        // What was done stays, also where something failed.
        lock(&marker).write()?;
        self.worked.done += count;
        ran?;
        if !is_map && !todo.is_empty() {
            // Marked as a whole, once it is durable: there are no checksums of it.
            stage.targets.iter().try_for_each(|target| target.sink.prepare())?;
            let records: Vec<Vec<u8>> = todo.iter().map(|task| mark(number as u32, *task, &[])).collect();
            self.log.append(records.iter().map(Vec::as_slice))?;
        }
        Ok(())
    }

    /// Keeps the shards of outputs open, and syncs what other processes will read.
    fn close(&mut self, record: &StageRecord, opened: Vec<Opened>) -> Result<()> {
        for (target, Opened { shard, .. }) in record.targets.iter().zip(opened) {
            let Ok(shard) = Arc::try_unwrap(shard) else { unreachable!("the stage that wrote it is dropped") };
            if self.part.count() > 1 {
                shard.sync()?;
            }
            if let Some(output) = self.native(record, target) {
                self.shards.insert(output, shard);
            }
        }
        if self.part.count() > 1 { self.log.sync() } else { Ok(()) }
    }

    /// Makes the results of a complete stage those that later stages read.
    fn keep(
        &mut self,
        number: usize,
        record: &StageRecord,
        sources: &[Arc<dyn ChunkSource>],
        marks: &Marks,
    ) -> Result<()> {
        for (index, (target, source)) in record.targets.iter().zip(sources).enumerate() {
            if self.native(record, target).is_none() {
                let gathered = self.gathered((number, index), record, source.info(), marks)?;
                self.kept.insert(target.node, Arc::new(gathered));
            }
        }
        Ok(())
    }

    /// What all parts have of a result that lies in tiles.
    fn gathered(
        &self,
        (stage, target): (usize, usize),
        record: &StageRecord,
        info: &DatasetInfo,
        marks: &Marks,
    ) -> Result<Gathered> {
        let info = info.derived(&record.targets[target].name);
        let (slab_shape, tasks) = if record.is_reduced {
            // One part has all of it.
            (info.shape.iter().map(|extent| (*extent).max(1)).collect(), record.tasks.min(1))
        } else {
            (Shape::from(&record.slab_shape[..]), record.tasks)
        };
        let owners = (0..tasks).map(|task| marks.owner(stage, task).unwrap_or_default()).collect();
        let (mut paths, owners) = used(&self.paths(stage, target, marks), owners);
        if paths.is_empty() {
            paths.push(self.folder.files.shard(stage, target, &self.label));
        }
        Gathered::open(&info, &tiles_of(record), &paths, Tiling::new(&info, slab_shape), owners)
    }

    fn paths(&self, stage: usize, target: usize, marks: &Marks) -> Vec<PathBuf> {
        marks.labels.iter().map(|label| self.folder.files.shard(stage, target, label)).collect()
    }

    /// Publishes all outputs: each from this part's shard if that has everything, else from all shards.
    fn publish(&mut self) -> Result<()> {
        let marks = self.folder.marks()?;
        let record = &self.folder.manifest.job;
        if self.outputs.len() > 1 {
            self.shards.values().try_for_each(|shard| shard.prepare())?;
        }
        for (number, stage) in record.stages.iter().enumerate() {
            for (index, target) in stage.targets.iter().enumerate() {
                let Some(output) = target.output else { continue };
                if !self.published.contains(&output) {
                    self.publish_one((number, index), output, &marks)?;
                }
            }
        }
        Ok(())
    }

    fn publish_one(&mut self, (number, index): (usize, usize), output: usize, marks: &Marks) -> Result<()> {
        let stage = &self.folder.manifest.job.stages[number];
        let target = &stage.targets[index];
        let to = &self.outputs[output];
        if self.native(stage, target).is_none() {
            let gathered = self.gathered((number, index), stage, &to.info, marks)?;
            let sink = to.sink(target.chunk_shape.as_deref())?;
            self.log.append([publishing(output).as_slice()])?;
            self.run.copy(&gathered, sink)?;
            return self.log.append([published(output).as_slice()]);
        }
        let owners: Vec<u16> = (0..stage.tasks).map(|task| marks.owner(number, task).unwrap_or_default()).collect();
        let own = marks.labels.iter().position(|label| *label == self.label);
        let shard = self.shards.remove(&output);
        if let Some(shard) = shard.filter(|_| owners.iter().all(|owner| Some(usize::from(*owner)) == own)) {
            // Before: the shard is gone once it is published.
            self.log.append([publishing(output).as_slice()])?;
            shard.finish()?;
            return self.log.append([published(output).as_slice()]);
        }
        let tiling = Tiling::new(&to.info, Shape::from(&stage.slab_shape[..]));
        let (paths, owners) = used(&self.paths(number, index, marks), owners);
        let mut pieces = owners.iter().enumerate().map(|(task, owner)| (usize::from(*owner), tiling.slab(task as u64)));
        self.log.append([publishing(output).as_slice()])?;
        to.join(target.chunk_shape.as_deref(), &paths, &mut pieces, &self.worker())?;
        self.log.append([published(output).as_slice()])
    }

    fn worker(&self) -> Worker {
        Worker::new().with_cancel(&self.run.stop())
    }
}

fn label_of(part: Part) -> String {
    format!("{}-of-{}", part.index(), part.count())
}

/// The outputs that have their names: as marks say, and as they are there.
fn published_outputs(folder: &JobFolder, outputs: &[Output<'_>], worker: &Worker) -> Result<HashSet<usize>> {
    let marks = folder.marks()?;
    let mut found = HashSet::new();
    for (number, stage) in folder.manifest.job.stages.iter().enumerate() {
        for (index, target) in stage.targets.iter().enumerate() {
            let Some(output) = target.output else { continue };
            let Some(is_certain) = marks.published.get(&(output as u64)) else { continue };
            let Some(there) = outputs[output].found() else { continue };
            // Where the process was stopped over publishing, what is there may be another's.
            if *is_certain || holds_all(&*there, (number, index), stage, &marks, worker)? {
                found.insert(output);
            }
        }
    }
    Ok(found)
}

/// Whether a dataset holds what the tasks of a stage made, by the checksums in their marks.
fn holds_all(
    there: &dyn ChunkSource,
    (number, index): (usize, usize),
    stage: &StageRecord,
    marks: &Marks,
    worker: &Worker,
) -> Result<bool> {
    let tiling = Tiling::new(there.info(), Shape::from(&stage.slab_shape[..]));
    for task in 0..stage.tasks {
        let sums = marks.done.get(&(number as u32, task)).map(|(_, sums)| sums);
        let Some(sum) = sums.and_then(|sums| sums.get(index)) else { return Ok(false) };
        let slab = tiling.slab(task);
        let mut data = worker.scratch(slab.bytes(there.info().dtype.size()) as usize)?;
        there.read_into(&slab, &mut data, worker)?;
        if Checksum::of(&data) != *sum {
            return Ok(false);
        }
    }
    Ok(true)
}

/// This part's shard of one result, while its stage runs.
struct Opened {
    shard: Arc<Box<dyn Shard>>,
    sums: Sums,
}

/// Whether the shards of a stage hold the slab of a task as it was marked.
fn is_sound(slab: &Slab, shards: &[Arc<Box<dyn Shard>>], sums: &[u64], worker: &Worker) -> Result<bool> {
    for (shard, sum) in shards.iter().zip(sums) {
        if !shard.holds(slab, *sum, worker)? {
            return Ok(false);
        }
    }
    Ok(sums.len() == shards.len())
}

/// The files that hold some task, and the owners by their numbers.
fn used(paths: &[PathBuf], owners: Vec<u16>) -> (Vec<PathBuf>, Vec<u16>) {
    let mut numbers: HashMap<u16, u16> = HashMap::new();
    let mut kept: Vec<PathBuf> = Vec::new();
    let mut number_of = |owner: u16| {
        *numbers.entry(owner).or_insert_with(|| {
            kept.extend(paths.get(usize::from(owner)).cloned());
            kept.len().saturating_sub(1) as u16
        })
    };
    let owners = owners.into_iter().map(&mut number_of).collect();
    (kept, owners)
}

fn tiles_of(record: &StageRecord) -> Shape {
    Shape::from(record.tile_shape.as_deref().unwrap_or(&record.slab_shape))
}
