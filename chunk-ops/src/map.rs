//! A function of the caller's, element by element.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use chunk_core::{
    ChunkSource, Cost, DatasetInfo, Element, Identity, Need, Operation, Reduction, Result, Slab, Stepper, Work, Worker,
    inputs_of, read_node,
};

/// Elements that are computed at a time, so that they stay in the first-level cache.
const BLOCK: usize = 1024;

/// A source whose elements are a function of another's: what [`map`] makes.
///
/// # Memory
/// The bytes of its slab in the input's dtype, and one block of 1024 elements for each thread.
pub struct Map<I, O, F> {
    input: [Arc<dyn ChunkSource>; 1],
    function: Arc<F>,
    /// The name and the version of the function.
    named: Option<(String, u64)>,
    info: DatasetInfo,
    types: PhantomData<fn(I) -> O>,
}

/// Maps each element of `x` by `function`. Lazy: nothing is read until the result is.
///
/// The result has the shape and the chunks of `x`. A function has no identity, since nobody can tell
/// what it computes: what depends on one is neither cached nor resumed, unless [`Map::named`] vouches
/// for it.
///
/// # Errors
/// [`Error::DTypeMismatch`](chunk_core::Error::DTypeMismatch) if `x` does not hold elements of `I`.
///
/// # Examples
/// ```
/// use std::sync::Arc;
///
/// use chunk_core::{ChunkSourceExt, MemorySource};
/// use chunk_ops::map;
///
/// let x = Arc::new(MemorySource::new([3], &[1_i32, 4, 9])?);
/// let roots = map(x, |x: i32| f64::from(x).sqrt())?;
/// assert_eq!(roots.read_all::<f64>()?, [1.0, 2.0, 3.0]);
/// # Ok::<(), chunk_core::Error>(())
/// ```
pub fn map<I: Element, O: Element, F: Fn(I) -> O + Send + Sync + 'static>(
    x: Arc<dyn ChunkSource>,
    function: F,
) -> Result<Map<I, O, F>> {
    Map::new(x, Arc::new(function), None)
}

impl<I: Element, O: Element, F: Fn(I) -> O + Send + Sync + 'static> Map<I, O, F> {
    fn new(x: Arc<dyn ChunkSource>, function: Arc<F>, named: Option<(String, u64)>) -> Result<Self> {
        let from = x.info();
        from.check_dtype(&I::DTYPE)?;
        let name = named.as_ref().map_or("map", |(name, _)| name);
        let mut info = from.derived(format!("{name}({})", from.name));
        info.dtype = O::DTYPE;
        info.identity = from.identity.as_ref().zip(named.as_ref()).map(|(input, (name, version))| {
            let builder = Identity::builder("map").input(input).field("name", name);
            builder.field("version", version.to_le_bytes()).field("dtype", O::DTYPE.to_string()).finish()
        });
        Ok(Map { input: [x], function, named, info, types: PhantomData })
    }

    /// Gives the function an identity: whoever changes what it computes changes `version`.
    ///
    /// # Errors
    /// None that [`map`] did not have.
    pub fn named(self, name: impl Into<String>, version: u64) -> Result<Self> {
        let [input] = self.input;
        Map::new(input, self.function, Some((name.into(), version)))
    }

    fn apply(&self, input: &[u8], out: &mut [u8], worker: &Worker) -> Result<()> {
        let (from, to) = (size_of::<I>(), size_of::<O>());
        let each = (out.len() / to).div_ceil(worker.threads()).next_multiple_of(BLOCK).max(BLOCK);
        let parts = input.chunks(each * from).zip(out.chunks_mut(each * to));
        worker.for_each(parts.collect(), |(input, out), worker| {
            let mut block = [O::default(); BLOCK];
            for (input, out) in input.chunks(BLOCK * from).zip(out.chunks_mut(BLOCK * to)) {
                worker.check()?;
                let elements = I::from_bytes(input)?;
                let block = &mut block[..elements.len()];
                block.iter_mut().zip(elements).for_each(|(place, element)| *place = (self.function)(*element));
                out.copy_from_slice(O::as_bytes(block));
            }
            Ok(())
        })
    }
}

impl<I, O, F> fmt::Debug for Map<I, O, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Map").field("input", &self.input[0]).field("named", &self.named).finish_non_exhaustive()
    }
}

impl<I: Element, O: Element, F: Fn(I) -> O + Send + Sync + 'static> ChunkSource for Map<I, O, F> {
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
        // Blocks lie on the threads' stacks.
        Ok(Cost::new(0, Work::computing(slab.elements().saturating_mul(4))))
    }

    fn read_into(&self, slab: &Slab, out: &mut [u8], worker: &Worker) -> Result<()> {
        read_node(self, slab, out, worker)
    }
}

impl<I: Element, O: Element, F: Fn(I) -> O + Send + Sync + 'static> Operation for Map<I, O, F> {
    fn name(&self) -> &str {
        self.named.as_ref().map_or("map", |(name, _)| name)
    }

    fn inputs(&self) -> &[Arc<dyn ChunkSource>] {
        &self.input
    }

    fn over(&self, inputs: Vec<Arc<dyn ChunkSource>>) -> Result<Arc<dyn ChunkSource>> {
        let [input] = inputs_of(self, inputs)?;
        Ok(Arc::new(Map::new(input, Arc::clone(&self.function), self.named.clone())?))
    }

    fn reduction(&self) -> Option<&dyn Reduction> {
        None
    }

    fn compute(&self, slab: &Slab, _threads: usize, stepper: &mut dyn Stepper) -> Result<()> {
        stepper
            .step(&[Need::apart(0, slab.clone())], &mut |inputs, out, worker| self.apply(inputs[0].data, out, worker))
    }
}
