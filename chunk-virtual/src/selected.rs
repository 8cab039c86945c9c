//! A selection of another source, as a source.

use std::fmt;
use std::sync::Arc;

use chunk_core::{
    ChunkSource, Cost, DatasetInfo, Error, Identity, Operation, Reduction, Result, Shape, Slab, Stepper, Worker,
    inputs_of, read_node,
};

use crate::reading::Reading;
use crate::selection::{Axis, Pick};
use crate::stack::summary;
use crate::{Indices, Selection};

/// A selection of another source, read lazily.
///
/// A slab is read in dense pieces, none of which shares a native chunk with another: no chunk is read twice for it.
/// Where a piece lies in the output as it is, it is read there: a selection without steps, lists or moved axes costs
/// nothing beside its input. The others are copied from a buffer.
///
/// # Memory
/// A buffer of up to 2 MiB a thread, or of what is wanted of one chunk where that is more; up to 24
/// bytes for each position of a list.
///
/// # Examples
/// ```
/// use std::sync::Arc;
///
/// use chunk_core::{ChunkSource, ChunkSourceExt, MemorySource};
/// use chunk_virtual::{Selected, select};
///
/// let x = MemorySource::new([3, 4], &[0, 1, 2, 3, 10, 11, 12, 13, 20, 21, 22, 23])?;
/// let rows = Selected::new(Arc::new(x), &select![..; -1])?;
/// let corner = rows.select(&select![..2, [3, 0, 0]])?;
/// assert_eq!(corner.read_all::<i32>()?, [23, 20, 20, 13, 10, 10]);
/// assert_eq!(corner.info().name, "memory[2:0:-1, [3, 0, 0]]");
/// # Ok::<(), chunk_core::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Selected {
    input: [Arc<dyn ChunkSource>; 1],
    selection: Selection,
    info: DatasetInfo,
}

impl Selected {
    /// What `indices` leave of `input`, by NumPy's rules.
    ///
    /// # Errors
    /// As [`Selection::select`].
    pub fn new(input: Arc<dyn ChunkSource>, indices: &Indices) -> Result<Self> {
        let selection = Selection::new(input.info().shape.clone()).select(indices)?;
        Selected::with_selection(input, selection)
    }

    /// What `selection` takes of `input`.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] if the selection is one of an array of another shape.
    pub fn with_selection(input: Arc<dyn ChunkSource>, selection: Selection) -> Result<Self> {
        let from = input.info();
        if from.shape != *selection.source_shape() {
            let what = format!("a selection of shape {} for {}", selection.source_shape(), from.name);
            return Err(Error::InvalidArgument(format!("{what}, whose shape is {}", from.shape)));
        }
        let mut info = from.derived(format!("{}{selection}", from.name));
        info.shape = selection.shape();
        info.fill.clone_from(&from.fill);
        info.chunk_shape = from.chunk_shape.as_ref().map(|chunk_shape| granule(&selection, chunk_shape, &info.shape));
        info.identity = from.identity.as_ref().map(|input| identity(input, &selection));
        Ok(Selected { input: [input], selection, info })
    }

    /// What `indices` leave of this selection.
    ///
    /// # Errors
    /// As [`Selection::select`].
    pub fn select(&self, indices: &Indices) -> Result<Self> {
        Selected::with_selection(Arc::clone(self.input()), self.selection.select(indices)?)
    }

    /// What is selected.
    #[must_use]
    pub fn selection(&self) -> &Selection {
        &self.selection
    }

    /// What it is selected from.
    #[must_use]
    pub fn input(&self) -> &Arc<dyn ChunkSource> {
        &self.input[0]
    }

    fn reading(&self, slab: &Slab, threads: usize) -> Reading {
        Reading::of_selection(self.input().info(), &self.selection, slab, threads)
    }
}

/// The shape in which a selection is best read: as many positions as lie in a chunk, on average.
fn granule(selection: &Selection, chunk_shape: &Shape, shape: &Shape) -> Shape {
    let extent = |axis: &Axis| match *axis {
        Axis::New(_) => 1,
        Axis::Source(axis) => match &selection.picks()[axis] {
            Pick::Range(steps) => chunk_shape[axis].div_ceil(steps.step.unsigned_abs()),
            Pick::List(positions) => {
                let spread = positions.iter().max().zip(positions.iter().min()).map_or(1, |(max, min)| max - min + 1);
                let in_chunk = u128::from(chunk_shape[axis]) * positions.len() as u128 / u128::from(spread);
                u64::try_from(in_chunk).unwrap_or(u64::MAX)
            }
        },
    };
    let axes = selection.axes().iter().zip(shape.iter());
    axes.map(|(axis, most)| extent(axis).min(*most).max(1)).collect()
}

fn identity(input: &Identity, selection: &Selection) -> Identity {
    let mut builder = Identity::builder("selection").input(input);
    for pick in selection.picks() {
        builder = match pick {
            Pick::Range(steps) => builder.field("range", format!("{steps:?}")),
            Pick::List(positions) => {
                builder.field("list", positions.iter().flat_map(|at| at.to_le_bytes()).collect::<Vec<_>>())
            }
        };
    }
    builder.field("axes", format!("{:?}", selection.axes())).finish()
}

/// The name, shape, dtype and size.
impl fmt::Display for Selected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        summary(&self.info, f)
    }
}

impl ChunkSource for Selected {
    fn info(&self) -> &DatasetInfo {
        &self.info
    }

    fn operation(&self) -> Option<&dyn Operation> {
        Some(self)
    }

    fn held_bytes(&self) -> u64 {
        self.selection.held_bytes()
    }

    fn cost(&self, slab: &Slab, threads: usize) -> Result<Cost> {
        if slab.is_empty() {
            return Ok(Cost::default());
        }
        Ok(self.reading(slab, threads).own_cost())
    }

    fn read_into(&self, slab: &Slab, out: &mut [u8], worker: &Worker) -> Result<()> {
        read_node(self, slab, out, worker)
    }
}

impl Operation for Selected {
    fn name(&self) -> &'static str {
        "getitem"
    }

    fn inputs(&self) -> &[Arc<dyn ChunkSource>] {
        &self.input
    }

    fn over(&self, inputs: Vec<Arc<dyn ChunkSource>>) -> Result<Arc<dyn ChunkSource>> {
        let [input] = inputs_of(self, inputs)?;
        Ok(Arc::new(Selected::with_selection(input, self.selection.clone())?))
    }

    fn reduction(&self) -> Option<&dyn Reduction> {
        None
    }

    fn compute(&self, slab: &Slab, threads: usize, steps: &mut dyn Stepper) -> Result<()> {
        let most = steps.sample();
        self.reading(slab, threads).step(0, most, 1, steps)
    }
}
