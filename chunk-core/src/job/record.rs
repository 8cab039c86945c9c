//! A job as data: what a folder keeps of it, and by what another process tells that it is the same.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::graph::{Graph, same};
use crate::{ChunkSource, Error, IdentityBuilder, Operation, Result, Shape};

use super::stage::{Kind, Stage};
use super::{Job, Output};

/// The layout of records; others are refused.
const VERSION: u32 = 1;

/// A job's stages, portable: all that does not follow from the graph and its outputs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct JobRecord {
    pub(crate) version: u32,
    pub(crate) stages: Vec<StageRecord>,
    /// By name: what must be the same for the record to fit.
    pub(crate) fingerprint: Vec<(String, String)>,
    pub(crate) why: String,
}

/// One stage.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct StageRecord {
    pub(crate) targets: Vec<TargetRecord>,
    pub(crate) slab_shape: Vec<u64>,
    pub(crate) tasks: u64,
    /// The tiles of a result that lies in tiles; none where tasks are tiles.
    pub(crate) tile_shape: Option<Vec<u64>>,
    /// Whether tasks are slabs of what is reduced.
    pub(crate) is_reduced: bool,
    pub(crate) why: String,
}

/// One result of a stage.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct TargetRecord {
    /// The name, for people.
    pub(crate) name: String,
    /// Which node of the graph.
    pub(crate) node: usize,
    /// Which output of the job, if it is one, and its chunk shape.
    pub(crate) output: Option<usize>,
    pub(crate) chunk_shape: Option<Vec<u64>>,
}

impl JobRecord {
    pub(crate) fn of(job: &Job) -> Self {
        let stages: Vec<StageRecord> = job.stages.iter().map(StageRecord::of).collect();
        let mut fingerprint = job.fingerprint.clone();
        fingerprint.push(("tiling".to_owned(), tiling(&stages)));
        JobRecord { version: VERSION, stages, fingerprint, why: job.why.clone() }
    }

    /// Checks that a job of these outputs is the one that was recorded.
    pub(crate) fn check(&self, outputs: &[Output<'_>]) -> Result<()> {
        let dataset = outputs[0].source.info().name.clone();
        let mismatch = |difference: String| Err(Error::PlanMismatch { dataset: dataset.clone(), difference });
        if self.version != VERSION {
            return mismatch(format!("record version {}, not {VERSION}", self.version));
        }
        let found = fingerprint(outputs)?;
        for (name, value) in &self.fingerprint {
            match found.iter().find(|(other, _)| other == name) {
                Some((_, other)) if other != value => return mismatch(format!("{name}: {other}, not {value}")),
                _ => {}
            }
        }
        let tiled = self.fingerprint.iter().find(|(name, _)| name == "tiling");
        if tiled.is_none_or(|(_, value)| *value != tiling(&self.stages)) {
            return mismatch("tiling: it was changed".to_owned());
        }
        Ok(())
    }
}

impl StageRecord {
    fn of(stage: &Stage) -> Self {
        let tile_shape = match &stage.kind {
            Kind::Disk { tile_shape, .. } => Some(tile_shape.to_vec()),
            // In a folder every result is on disk.
            Kind::Memory { .. } => Some(super::draft::row(stage.targets[0].source.info()).to_vec()),
            Kind::Output if stage.blocks.is_some() => Some(super::draft::row(stage.targets[0].source.info()).to_vec()),
            Kind::Output => None,
        };
        let targets = stage.targets.iter().map(|target| TargetRecord {
            name: target.source.info().name.clone(),
            node: target.node,
            output: target.output,
            chunk_shape: target.sink.info().chunk_shape.as_ref().map(|shape| shape.to_vec()),
        });
        StageRecord {
            targets: targets.collect(),
            slab_shape: stage.plan.slab_shape().to_vec(),
            tasks: stage.plan.len(),
            tile_shape,
            is_reduced: stage.blocks.is_some(),
            why: stage.why.clone(),
        }
    }
}

fn tiling(stages: &[StageRecord]) -> String {
    let shape = |extents: &[u64]| Shape::from(extents).to_string();
    let stage = |stage: &StageRecord| {
        let tiles = stage.tile_shape.as_deref().map_or(String::new(), |tile| format!(" tiles {}", shape(tile)));
        let nodes: Vec<String> = stage.targets.iter().map(|target| target.node.to_string()).collect();
        format!("{} of {} for {}{tiles}", stage.tasks, shape(&stage.slab_shape), nodes.join("+"))
    };
    stages.iter().map(stage).collect::<Vec<_>>().join(", ")
}

/// By name, what the bytes of a job's outputs depend on, apart from its tiling.
///
/// # Errors
/// [`Error::Unidentified`] if something has no identity: nobody could tell whether it is the same.
pub(crate) fn fingerprint(outputs: &[Output<'_>]) -> Result<Vec<(String, String)>> {
    let roots: Vec<&dyn ChunkSource> = outputs.iter().map(|output| &*output.source).collect();
    let graph = Graph::of(&roots)?;
    let (mut inputs, mut computations) = (IdentityBuilder::default(), IdentityBuilder::default());
    let mut names = Vec::new();
    for node in graph.nodes() {
        let info = node.source.info();
        let Some(identity) = &info.identity else {
            return Err(Error::Unidentified { dataset: info.name.clone() });
        };
        match node.source.operation() {
            None => {
                inputs = inputs.input(identity);
                names.push(format!("{} {}", info.shape, info.dtype));
            }
            Some(_) => computations = computations.input(identity),
        }
    }
    let described = outputs.iter().map(|output| {
        let info = &output.info;
        let chunk = info.chunk_shape.as_ref().map_or("none".to_owned(), ToString::to_string);
        format!("{} {} chunks {chunk}", info.shape, info.dtype)
    });
    let operations = roots.iter().map(|root| operations_of(*root));
    Ok(vec![
        ("operations".to_owned(), operations.collect::<Vec<_>>().join("; ")),
        ("inputs".to_owned(), names.join("; ")),
        ("contents of the inputs".to_owned(), short(inputs)),
        ("outputs".to_owned(), described.collect::<Vec<_>>().join("; ")),
        ("parameters and kernels of the operations".to_owned(), short(computations)),
    ])
}

fn short(builder: IdentityBuilder) -> String {
    builder.finish().to_string()[..16].to_owned()
}

/// The operations from a result down along its first inputs, as text.
fn operations_of(root: &dyn ChunkSource) -> String {
    let mut names = Vec::new();
    let mut node = root;
    while let Some(operation) = node.operation() {
        names.push(operation.name().to_owned());
        match operation.inputs().first() {
            Some(input) => node = &**input,
            None => break,
        }
    }
    if names.is_empty() { "copy".to_owned() } else { names.join(" of ") }
}

/// The node of this number, over what stages before it have kept.
pub(crate) fn node_of(outputs: &[Output<'_>], number: usize) -> Result<Arc<dyn ChunkSource>> {
    let roots: Vec<&dyn ChunkSource> = outputs.iter().map(|output| &*output.source).collect();
    let graph = Graph::of(&roots)?;
    let Some(wanted) = graph.nodes().get(number) else {
        let dataset = outputs[0].source.info().name.clone();
        return Err(Error::PlanMismatch { dataset, difference: format!("there is no operation {number}") });
    };
    let inputs = graph.nodes().iter().filter_map(|node| node.source.operation()).flat_map(Operation::inputs);
    let mut owned = outputs.iter().map(|output| &output.source).chain(inputs);
    let found = owned.find(|source| same(&***source, wanted.source)).map(Arc::clone);
    Ok(found.unwrap_or_else(|| unreachable!("a node is an output or an input")))
}
