//! Nodes that the rules put below and above the node that is checked.

use std::sync::Arc;

use chunk_core::{
    ChunkSource, Cost, DatasetInfo, Error, Identity, Need, Operation, Reduction, Result, Slab, Stepper, Work, Worker,
    check_inputs, inputs_of, read_node,
};

/// Its input as it is, with what is said of it: costs, an identity.
#[derive(Debug)]
pub(crate) struct Said {
    input: [Arc<dyn ChunkSource>; 1],
    info: DatasetInfo,
    bytes: u64,
}

impl Said {
    /// Takes the input as a node that costs nothing beyond it, and has no identity.
    pub(crate) fn of(input: &Arc<dyn ChunkSource>) -> Self {
        let mut info = input.info().clone();
        info.identity = None;
        Said { input: [Arc::clone(input)], info, bytes: 0 }
    }

    /// Says that it holds so many bytes, takes as many to read, and as many operations.
    pub(crate) fn costing(self, bytes: u64) -> Self {
        Said { bytes, ..self }
    }

    pub(crate) fn identified(mut self, identity: Option<Identity>) -> Self {
        self.info.identity = identity;
        self
    }
}

impl ChunkSource for Said {
    fn info(&self) -> &DatasetInfo {
        &self.info
    }

    fn operation(&self) -> Option<&dyn Operation> {
        Some(self)
    }

    fn held_bytes(&self) -> u64 {
        self.bytes
    }

    fn cost(&self, _slab: &Slab, _threads: usize) -> Result<Cost> {
        Ok(Cost::new(self.bytes, Work::computing(self.bytes)))
    }

    fn read_into(&self, slab: &Slab, out: &mut [u8], worker: &Worker) -> Result<()> {
        read_node(self, slab, out, worker)
    }
}

impl Operation for Said {
    fn name(&self) -> &'static str {
        "said"
    }

    fn inputs(&self) -> &[Arc<dyn ChunkSource>] {
        &self.input
    }

    fn over(&self, inputs: Vec<Arc<dyn ChunkSource>>) -> Result<Arc<dyn ChunkSource>> {
        let input = inputs_of(self, inputs)?;
        Ok(Arc::new(Said { input, info: self.info.clone(), bytes: self.bytes }))
    }

    fn reduction(&self) -> Option<&dyn Reduction> {
        None
    }

    fn compute(&self, slab: &Slab, _threads: usize, steps: &mut dyn Stepper) -> Result<()> {
        steps.step(&[Need::inside(0, slab.clone(), 0)], &mut |_, _, _| Ok(()))
    }
}

/// The first of two inputs, read together with the other.
#[derive(Debug)]
pub(crate) struct Both {
    inputs: Vec<Arc<dyn ChunkSource>>,
    info: DatasetInfo,
}

impl Both {
    pub(crate) fn of(one: &Arc<dyn ChunkSource>, other: &Arc<dyn ChunkSource>) -> Self {
        let info = one.info().derived(format!("{} twice", one.info().name));
        Both { inputs: vec![Arc::clone(one), Arc::clone(other)], info }
    }
}

impl ChunkSource for Both {
    fn info(&self) -> &DatasetInfo {
        &self.info
    }

    fn operation(&self) -> Option<&dyn Operation> {
        Some(self)
    }

    fn held_bytes(&self) -> u64 {
        0
    }

    fn cost(&self, slab: &Slab, _threads: usize) -> Result<Cost> {
        Ok(Cost::new(0, Work::copying(slab.bytes(self.info.dtype.size()))))
    }

    fn read_into(&self, slab: &Slab, out: &mut [u8], worker: &Worker) -> Result<()> {
        read_node(self, slab, out, worker)
    }
}

impl Operation for Both {
    fn name(&self) -> &'static str {
        "both"
    }

    fn inputs(&self) -> &[Arc<dyn ChunkSource>] {
        &self.inputs
    }

    fn over(&self, inputs: Vec<Arc<dyn ChunkSource>>) -> Result<Arc<dyn ChunkSource>> {
        check_inputs(self, &inputs)?;
        Ok(Arc::new(Both::of(&inputs[0], &inputs[1])))
    }

    fn reduction(&self) -> Option<&dyn Reduction> {
        None
    }

    fn compute(&self, slab: &Slab, _threads: usize, steps: &mut dyn Stepper) -> Result<()> {
        let needs = [Need::apart(0, slab.clone()), Need::apart(1, slab.clone())];
        steps.step(&needs, &mut |inputs, out, _| {
            out.copy_from_slice(inputs[0].data);
            Ok(())
        })
    }
}

/// A source that can only be described.
#[derive(Debug)]
pub(crate) struct Described(pub(crate) DatasetInfo);

impl ChunkSource for Described {
    fn info(&self) -> &DatasetInfo {
        &self.0
    }

    fn operation(&self) -> Option<&dyn Operation> {
        None
    }

    fn held_bytes(&self) -> u64 {
        0
    }

    fn cost(&self, _slab: &Slab, _threads: usize) -> Result<Cost> {
        Ok(Cost::default())
    }

    fn read_into(&self, _slab: &Slab, _out: &mut [u8], _worker: &Worker) -> Result<()> {
        Err(Error::InvalidArgument(format!("{} is there to be described", self.0.name)))
    }
}
