//! One stage of a job: a pass over a graph, or a reduction of one.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex};

use crate::execute::{Deliver, Delivery, Execution, Tasks, Work};
use crate::graph::Graph;
use crate::reduction::{Blocks, Forest, Placed, output_of, partials};
use crate::run::Done;
use crate::worker::lock;
use crate::{
    Buffer, Bytes, CancelToken, ChunkSink, ChunkSource, Error, Operation, Plan, Progress, Reduction, Result, Shape,
    Slab, Worker,
};

/// A part of a job whose tasks do not wait for one another.
pub(crate) struct Stage {
    /// What is computed, each into its sink: of one shape, and all reduced along the same axes or none.
    pub(crate) targets: Vec<Target>,
    pub(crate) plan: Plan,
    /// How results are reduced, if they are.
    pub(crate) blocks: Option<Blocks>,
    pub(crate) kind: Kind,
    /// Why it is there.
    pub(crate) why: String,
}

/// What comes of a stage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Outputs of the job.
    Output,
    /// An array on disk for later stages.
    Disk { bytes: u64, tile_shape: Shape },
    /// An array in memory for later stages.
    Memory { bytes: u64 },
}

/// A result of a stage and where it goes.
pub(crate) struct Target {
    pub(crate) source: Arc<dyn ChunkSource>,
    /// The number of the node in the graph of the job's outputs.
    pub(crate) node: usize,
    pub(crate) sink: Box<dyn ChunkSink>,
    /// Which of the job's outputs it is, if it is one.
    pub(crate) output: Option<usize>,
}

impl Target {
    /// How the result is reduced, if it is.
    pub(crate) fn reduction(&self) -> Option<&dyn Reduction> {
        self.source.operation().and_then(Operation::reduction)
    }

    /// How what is reduced is cut, if the result is.
    pub(crate) fn blocks(&self) -> Option<Blocks> {
        self.reduction().map(|reduction| Blocks::new(self.read().info(), reduction.axes()))
    }

    /// What a task reads: the result, or the input that is reduced.
    pub(crate) fn read(&self) -> &dyn ChunkSource {
        read_of(&*self.source)
    }
}

/// What a pass for this result reads: itself, or the input that it reduces.
pub(crate) fn read_of(source: &dyn ChunkSource) -> &dyn ChunkSource {
    match source.operation() {
        Some(operation) if operation.reduction().is_some() => &*operation.inputs()[0],
        _ => source,
    }
}

/// With what a stage is carried out.
pub(crate) struct Conditions<'c> {
    pub(crate) tasks: &'c dyn Tasks,
    pub(crate) stop: CancelToken,
    pub(crate) progress: Option<&'c dyn Progress>,
    pub(crate) done: Done,
    /// Called after each task, one at a time, with its number.
    pub(crate) finished: &'c mut (dyn FnMut(u64) -> Result<()> + Send),
}

impl Stage {
    /// Carries the tasks out and does not finish the sinks.
    pub(crate) fn run(&self, conditions: Conditions) -> Result<()> {
        match &self.blocks {
            None => self.map(conditions),
            Some(blocks) => self.reduce(blocks, conditions),
        }
    }

    fn map(&self, conditions: Conditions) -> Result<()> {
        let work = |index: usize, slab: &Slab, data: &[u8], worker: &Worker| {
            self.targets[index].sink.write_from(slab, data, worker)
        };
        let sources: Vec<&dyn ChunkSource> = self.targets.iter().map(|target| &*target.source).collect();
        self.execute(&sources, &work, conditions)
    }

    fn execute(&self, sources: &[&dyn ChunkSource], work: &Work<'_, (), Error>, conditions: Conditions) -> Result<()> {
        let graph = Graph::of(sources)?;
        let roots: Vec<usize> = sources.iter().map(|source| graph.number(*source)).collect();
        let Conditions { tasks, stop, progress, done, finished } = conditions;
        let execution = Execution { plan: &self.plan, graph: &graph, roots: &roots, tasks, work, stop, progress, done };
        let mut deliver = |number: u64, _: &Slab, _: &[u8], ()| finished(number);
        let deliver: &mut Deliver<(), Error> = &mut deliver;
        execution.run(Delivery::AnyOrder(deliver))
    }

    fn reduce(&self, blocks: &Blocks, conditions: Conditions) -> Result<()> {
        let read = self.targets[0].read();
        let states: Vec<_> = self.targets.iter().map(|_| Mutex::new(Results::default())).collect();
        // Results of several tasks may share a chunk of their sink.
        let writing = Mutex::new(());
        let size = read.info().dtype.size();
        let work = |_: usize, slab: &Slab, data: &[u8], worker: &Worker| {
            self.targets.iter().zip(&states).try_for_each(|(target, results)| {
                let Some(reduction) = target.reduction() else { unreachable!("all targets are reduced") };
                let output = output_of(slab, reduction.axes(), target.source.info());
                let length = reduction.accumulator_bytes(output.elements()) as usize;
                let mut partial = |piece: &Slab, packed: &[u8]| {
                    let mut accumulators = Buffer::zeroed(length)?;
                    reduction.start(&mut accumulators);
                    reduction.update(&mut accumulators, piece, packed, worker)?;
                    Ok(accumulators)
                };
                let mut put = |placed: Placed<Buffer>| {
                    let merged = lock(results).put(&output, placed, reduction)?;
                    let Some(merged) = merged else { return Ok(()) };
                    let _one_at_a_time = lock(&writing);
                    finish(target, reduction, &merged, &output, worker)
                };
                partials::<_, Error>(blocks, (slab, data), size, worker, &mut partial, &mut put)
            })
        };
        if self.plan.is_empty() {
            return self.reduce_nothing();
        }
        self.execute(&[read], &work, conditions)
    }

    /// Results that no element goes into.
    fn reduce_nothing(&self) -> Result<()> {
        self.targets.iter().try_for_each(|target| {
            let Some(reduction) = target.reduction() else { unreachable!("all targets are reduced") };
            let whole = Slab::whole(&target.source.info().shape);
            if whole.is_empty() {
                return Ok(());
            }
            let mut none = Buffer::zeroed(reduction.accumulator_bytes(whole.elements()) as usize)?;
            reduction.start(&mut none);
            finish(target, reduction, &none, &whole, &Worker::new())
        })
    }

    /// The stage for people.
    pub(crate) fn describe(&self, number: usize, of: usize) -> String {
        let mut text = String::new();
        if of > 1 {
            let _ = writeln!(text, "stage {number}  {}", self.why);
        }
        if let Kind::Disk { bytes, tile_shape } = &self.kind {
            let _ = writeln!(text, "disk     {} in tiles of {tile_shape}", Bytes(*bytes));
        }
        if self.targets.len() > 1 {
            let names: Vec<_> = self.targets.iter().map(|target| target.source.info().name.as_str()).collect();
            let _ = writeln!(text, "results  {}", names.join("; "));
        }
        text + &self.plan.describe()
    }
}

fn finish(target: &Target, reduction: &dyn Reduction, merged: &[u8], output: &Slab, worker: &Worker) -> Result<()> {
    let mut out = Buffer::zeroed(output.bytes(target.source.info().dtype.size()) as usize)?;
    reduction.finish(merged, output, &mut out)?;
    target.sink.write_from(output, &out, worker)
}

/// Partial results by where the elements that they are of begin.
#[derive(Default)]
struct Results(BTreeMap<Vec<u64>, Forest<Buffer>>);

impl Results {
    /// Puts a partial result in; gives that of `output` once all are there.
    fn put(&mut self, output: &Slab, placed: Placed<Buffer>, reduction: &dyn Reduction) -> Result<Option<Buffer>> {
        let forest = self.0.entry(output.start().to_vec()).or_insert_with(Forest::new);
        let merged = placed.put_into(forest, &mut |sum, later| reduction.merge(sum, &later))?;
        if merged.is_some() {
            self.0.remove(output.start());
        }
        Ok(merged)
    }
}
