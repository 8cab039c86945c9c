//! A dense piece of a source, as a source of its own.

use std::sync::Arc;

use crate::operation::inputs_of;
use crate::{
    ChunkSource, Cost, DatasetInfo, Error, Identity, Need, Operation, Reduction, Result, Shape, Slab, Stepper, Worker,
    read_node,
};

/// A dense piece of a source.
///
/// It keeps the chunk shape of the source: chunks begin at its origin only if the piece begins at one of the source's,
/// but reading by whole chunks is still the cheapest.
///
/// ```
/// use std::sync::Arc;
///
/// use chunk_core::{ChunkSourceExt, MemorySource, Slab, Window};
///
/// let source = MemorySource::new([2, 3], &[1, 2, 3, 4, 5, 6])?;
/// let window = Window::new(Arc::new(source), Slab::new([0, 1], [2, 2]))?;
/// assert_eq!(window.read_all::<i32>()?, [2, 3, 5, 6]);
/// # Ok::<(), chunk_core::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Window {
    input: [Arc<dyn ChunkSource>; 1],
    start: Shape,
    info: DatasetInfo,
}

impl Window {
    /// The piece `slab` of `source`.
    ///
    /// # Errors
    /// [`Error::SlabOutOfBounds`].
    pub fn new(source: Arc<dyn ChunkSource>, slab: Slab) -> Result<Self> {
        let whole = source.info();
        if !slab.is_within(&whole.shape) {
            let (shape, dataset) = (whole.shape.clone(), whole.name.clone());
            return Err(Error::SlabOutOfBounds { slab, shape, dataset });
        }
        let identity =
            |whole: &Identity| Identity::builder("window").input(whole).field("slab", slab.to_string()).finish();
        let info = DatasetInfo {
            shape: slab.count().clone(),
            fill: whole.fill.clone(),
            identity: whole.identity.as_ref().map(identity),
            ..whole.derived(format!("{}{slab}", whole.name))
        };
        Ok(Window { start: slab.start().into(), input: [source], info })
    }
}

impl ChunkSource for Window {
    fn info(&self) -> &DatasetInfo {
        &self.info
    }

    fn operation(&self) -> Option<&dyn Operation> {
        Some(self)
    }

    fn held_bytes(&self) -> u64 {
        0
    }

    fn cost(&self, _slab: &Slab, _threads: usize) -> Result<Cost> {
        Ok(Cost::default())
    }

    fn read_into(&self, slab: &Slab, out: &mut [u8], worker: &Worker) -> Result<()> {
        read_node(self, slab, out, worker)
    }
}

impl Operation for Window {
    fn name(&self) -> &'static str {
        "window"
    }

    fn inputs(&self) -> &[Arc<dyn ChunkSource>] {
        &self.input
    }

    fn over(&self, inputs: Vec<Arc<dyn ChunkSource>>) -> Result<Arc<dyn ChunkSource>> {
        let [input] = inputs_of(self, inputs)?;
        Ok(Arc::new(Window::new(input, Slab::new(self.start.clone(), self.info.shape.clone()))?))
    }

    fn reduction(&self) -> Option<&dyn Reduction> {
        None
    }

    fn compute(&self, slab: &Slab, _threads: usize, steps: &mut dyn Stepper) -> Result<()> {
        steps.step(&[Need::inside(0, slab.shifted(&self.start), 0)], &mut |_, _, _| Ok(()))
    }
}
