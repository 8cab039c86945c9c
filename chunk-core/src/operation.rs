//! What a lazy node is made of: the part of a graph that planning can look into.

use std::fmt;
use std::sync::Arc;

use crate::{ChunkSource, Error, Reduction, Result, Slab, Worker};

/// How a lazy source computes its elements from those of other sources, its inputs.
///
/// Given by [`ChunkSource::operation`]. A node reads nothing itself: core reads what
/// [`Operation::compute`] asks for and hands it over. So core sees the whole computation: each shared
/// node once, memory as what is live at one time, and edges where an intermediate pays.
///
/// ```
/// use std::sync::Arc;
///
/// use chunk_core::{
///     ChunkSource, ChunkSourceExt, Cost, DatasetInfo, Element, MemorySource, Need, Number, Operation, Packed,
///     Reduction, Result, Slab, Stepper, Work, Worker, read_node,
/// };
///
/// /// The sum of two arrays of float64.
/// #[derive(Debug)]
/// struct Sum {
///     inputs: Vec<Arc<dyn ChunkSource>>,
///     info: DatasetInfo,
/// }
///
/// impl Sum {
///     fn new(inputs: Vec<Arc<dyn ChunkSource>>) -> Self {
///         let info = inputs[0].info().derived("sum");
///         Sum { inputs, info }
///     }
/// }
///
/// impl ChunkSource for Sum {
///     fn info(&self) -> &DatasetInfo {
///         &self.info
///     }
///
///     fn operation(&self) -> Option<&dyn Operation> {
///         Some(self)
///     }
///
///     fn held_bytes(&self) -> u64 {
///         0
///     }
///
///     fn cost(&self, slab: &Slab, _threads: usize) -> Result<Cost> {
///         Ok(Cost::new(0, Work::computing(slab.elements())))
///     }
///
///     fn read_into(&self, slab: &Slab, out: &mut [u8], worker: &Worker) -> Result<()> {
///         read_node(self, slab, out, worker)
///     }
/// }
///
/// impl Operation for Sum {
///     fn name(&self) -> &str {
///         "sum"
///     }
///
///     fn inputs(&self) -> &[Arc<dyn ChunkSource>] {
///         &self.inputs
///     }
///
///     fn over(&self, inputs: Vec<Arc<dyn ChunkSource>>) -> Result<Arc<dyn ChunkSource>> {
///         Ok(Arc::new(Sum::new(inputs)))
///     }
///
///     fn reduction(&self) -> Option<&dyn Reduction> {
///         None
///     }
///
///     fn compute(&self, slab: &Slab, _threads: usize, steps: &mut dyn Stepper) -> Result<()> {
///         let needs = [Need::apart(0, slab.clone()), Need::apart(1, slab.clone())];
///         steps.step(&needs, &mut |inputs, out, _| {
///             let (a, b) = (f64::from_bytes(inputs[0].data)?, f64::from_bytes(inputs[1].data)?);
///             for (sum, (a, b)) in f64::from_bytes_mut(out)?.iter_mut().zip(a.iter().zip(b)) {
///                 *sum = a + b;
///             }
///             Ok(())
///         })
///     }
/// }
///
/// let x: Arc<dyn ChunkSource> = Arc::new(MemorySource::new([3], &[1.0, 2.0, 3.0])?);
/// assert_eq!(Sum::new(vec![x.clone(), x]).read_all::<f64>()?, [2.0, 4.0, 6.0]);
/// # Ok::<(), chunk_core::Error>(())
/// ```
pub trait Operation: fmt::Debug + Send + Sync {
    /// The name of the operation, as NumPy spells it.
    fn name(&self) -> &str;

    /// What it computes from. What a node reads itself, such as the files of a stack, is not here.
    fn inputs(&self) -> &[Arc<dyn ChunkSource>];

    /// The same operation on other inputs, which have the dtypes and shapes of its own.
    ///
    /// With inputs of the same identities the result has this one's identity and bytes.
    ///
    /// # Errors
    /// Inputs of other dtypes or shapes.
    fn over(&self, inputs: Vec<Arc<dyn ChunkSource>>) -> Result<Arc<dyn ChunkSource>>;

    /// How it reduces its one input, if it does: [`Operation::compute`] is then not called.
    fn reduction(&self) -> Option<&dyn Reduction>;

    /// Says step by step how `slab` is computed by a worker of `threads` threads: which pieces of the
    /// inputs a step needs, and what it does with them.
    ///
    /// Planning calls this too, and then no step is carried out: so this must not read, and what it
    /// asks for must follow from the operation, `slab` and `threads` alone. Steps that are carried out
    /// come one after another, on one thread; together they write every byte of the output.
    ///
    /// # Errors
    /// The first error of a step. Whoever calls checked `slab` and the output's length beforehand.
    fn compute(&self, slab: &Slab, threads: usize, steps: &mut dyn Stepper) -> Result<()>;
}

/// What carries the steps of an operation out, or counts what they take.
pub trait Stepper {
    /// Takes one step: `needs` are read, and `apply` is called with them, in their order, with the
    /// whole output buffer. When planning, `apply` is not called.
    ///
    /// # Errors
    /// The first error of reading or of `apply`.
    fn step(&mut self, needs: &[Need], apply: &mut Apply<'_>) -> Result<()>;

    /// The most steps that are looked at, where this only counts; none where all are carried out. An
    /// operation with more of them then steps through a sample, each by [`Stepper::stands_for`].
    fn sample(&self) -> Option<u64>;

    /// Says that each step from here on stands for `times` alike, for counting.
    fn stands_for(&mut self, times: u64);
}

/// What a step does: the pieces that it needs, the output, and the worker to do it with.
pub type Apply<'a> = dyn FnMut(&[Packed<'_>], &mut [u8], &Worker) -> Result<()> + 'a;

/// A dense piece of an input that a step needs.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Need {
    /// Which of the inputs.
    pub input: usize,
    /// Which piece of it.
    pub slab: Slab,
    /// Where its bytes go in the output's buffer, if they are to be there.
    pub offset: Option<usize>,
}

impl Need {
    /// The piece `slab` of input number `input`, in a buffer of its own.
    #[must_use]
    pub fn apart(input: usize, slab: Slab) -> Self {
        Need { input, slab, offset: None }
    }

    /// The piece, in the output's buffer from byte `offset` on. A step may have one such need.
    #[must_use]
    pub fn inside(input: usize, slab: Slab, offset: usize) -> Self {
        Need { input, slab, offset: Some(offset) }
    }
}

/// A piece of an input: packed, row-major, in native byte order, aligned for its dtype.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Packed<'a> {
    /// Which piece.
    pub slab: &'a Slab,
    /// Its bytes; empty where they are inside of the output's buffer.
    pub data: &'a [u8],
}

impl<'a> Packed<'a> {
    /// Takes the piece `slab` with its bytes: for whoever carries steps out.
    #[must_use]
    pub fn new(slab: &'a Slab, data: &'a [u8]) -> Self {
        Packed { slab, data }
    }
}

/// Takes the inputs that a node is rebuilt [over](Operation::over): as many as its own, of the same
/// dtypes and shapes.
///
/// # Errors
/// [`Error::InvalidArgument`] or [`Error::DTypeMismatch`].
pub fn inputs_of<const N: usize>(
    operation: &dyn Operation,
    inputs: Vec<Arc<dyn ChunkSource>>,
) -> Result<[Arc<dyn ChunkSource>; N]> {
    check_inputs(operation, &inputs)?;
    let count = inputs.len();
    inputs.try_into().map_err(|_| wrong_count(operation, count))
}

/// Checks the inputs that a node is rebuilt [over](Operation::over): as many as its own, of the same
/// dtypes and shapes.
///
/// # Errors
/// [`Error::InvalidArgument`] or [`Error::DTypeMismatch`].
pub fn check_inputs(operation: &dyn Operation, inputs: &[Arc<dyn ChunkSource>]) -> Result<()> {
    let own = operation.inputs();
    if own.len() != inputs.len() {
        return Err(wrong_count(operation, inputs.len()));
    }
    own.iter().zip(inputs).try_for_each(|(own, new)| {
        let (own, new) = (own.info(), new.info());
        new.check_dtype(&own.dtype)?;
        if own.shape == new.shape {
            return Ok(());
        }
        Err(Error::InvalidArgument(format!(
            "{} of {} has shape {}, and {} has shape {}",
            operation.name(),
            own.name,
            own.shape,
            new.name,
            new.shape
        )))
    })
}

fn wrong_count(operation: &dyn Operation, count: usize) -> Error {
    let own = operation.inputs().len();
    Error::InvalidArgument(format!("{} has {own} inputs, not {count}", operation.name()))
}
