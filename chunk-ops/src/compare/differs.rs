//! Where two arrays differ, as a source.

use std::sync::Arc;

use chunk_core::{
    ChunkSource, Cost, DType, DatasetInfo, Error, Identity, Need, Operation, Reduce, Reduction, Result, Run, Slab,
    Stepper, Work, Worker, inputs_of, read_node,
};

use super::comparison::{Comparison, Tolerance};
use super::differences::Differences;

/// A lazy array of bools: true where two arrays differ.
///
/// Both arrays have one shape, which is also that of the result. Elements are compared if both are
/// numbers, whatever their dtypes, or if both are of one dtype: structures field by field without
/// their padding, enumerations by their values, all else by its bytes. Numbers of different dtypes
/// are compared by their exact values, within a [`Tolerance`].
///
/// # Memory
/// A read holds the slab of both arrays, beside what reading them holds.
///
/// # Source
/// The negation of `numpy.isclose` with `equal_nan`, exact where the tolerance is zero; tested
/// against NumPy.
///
/// # Examples
/// ```
/// use std::sync::Arc;
///
/// use chunk_core::{ChunkSourceExt, MemorySource, Run};
/// use chunk_ops::{Differs, Tolerance};
///
/// let a = Arc::new(MemorySource::new([2, 2], &[1.0, f64::NAN, 3.0, 4.0])?);
/// let b = Arc::new(MemorySource::new([2, 2], &[1.0_f32, f32::NAN, 3.5, 4.5])?);
/// let differs = Differs::new(a, b, Tolerance::default().with_relative(0.125))?;
/// assert_eq!(differs.read_all::<bool>()?, [false, false, true, false]);
/// let found = differs.find(1, &Run::new())?;
/// assert_eq!((found.count(), found.first()), (1, &[vec![1, 0]][..]));
/// # Ok::<(), chunk_core::Error>(())
/// ```
#[derive(Debug)]
pub struct Differs {
    inputs: [Arc<dyn ChunkSource>; 2],
    comparison: Comparison,
    tolerance: Tolerance,
    info: DatasetInfo,
}

impl Differs {
    /// Creates the comparison of `a` and `b`.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] if the shapes differ or a tolerance is negative, infinite or NaN;
    /// [`Error::DTypeMismatch`] if the elements cannot be compared.
    pub fn new(a: Arc<dyn ChunkSource>, b: Arc<dyn ChunkSource>, tolerance: Tolerance) -> Result<Self> {
        tolerance.check()?;
        let (info_a, info_b) = (a.info(), b.info());
        if info_a.shape != info_b.shape {
            return Err(Error::InvalidArgument(format!(
                "arrays of different shapes cannot be compared: {} has {}, {} has {}",
                info_a.name, info_a.shape, info_b.name, info_b.shape
            )));
        }
        let comparison = Comparison::new(&info_a.dtype, &info_b.dtype, tolerance);
        let comparison = comparison.ok_or_else(|| Error::DTypeMismatch {
            dataset: info_b.name.clone(),
            stored: info_b.dtype.to_string(),
            requested: info_a.dtype.to_string(),
        })?;
        let name = format!("diff({}, {})", info_a.name, info_b.name);
        let mut info = info_a.derived(name);
        info.dtype = DType::Bool;
        info.chunk_shape = info_a.chunk_shape.clone().or_else(|| info_b.chunk_shape.clone());
        info.identity = info_a.identity.as_ref().zip(info_b.identity.as_ref()).map(|(a, b)| {
            let inputs = Identity::builder("differs").input(a).input(b);
            inputs.field("tolerance", format!("{tolerance:?}")).finish()
        });
        Ok(Differs { inputs: [a, b], comparison, tolerance, info })
    }

    /// Counts all differences in one pass of `run`, and finds the first `limit` in row-major order.
    ///
    /// The result does not depend on the budget or the threads of the run.
    ///
    /// # Errors
    /// Those of [`Run::reduce`].
    pub fn find(&self, limit: usize, run: &Run) -> Result<Differences> {
        run.reduce(self, &Find { limit, ndim: self.info.shape.len() })
    }
}

/// The reduction that finds differences.
struct Find {
    limit: usize,
    ndim: usize,
}

impl Reduce for Find {
    type Accumulator = Differences;
    type Output = Differences;
    type Error = Error;

    fn held_bytes(&self) -> u64 {
        // Two lists are there while one is merged into the other.
        let each = size_of::<Vec<u64>>() + self.ndim * size_of::<u64>();
        (size_of::<Differences>() + 2 * self.limit.min(MOST_COUNTED) * each) as u64
    }

    fn work(&self, elements: u64) -> Work {
        Work::computing(elements)
    }

    fn is_exact(&self) -> bool {
        true
    }

    fn start(&self) -> Differences {
        Differences::new(self.limit)
    }

    fn update(&self, found: &mut Differences, piece: &Slab, differs: &[u8]) -> Result<()> {
        found.update(piece, differs);
        Ok(())
    }

    fn merge(&self, found: &mut Differences, later: Differences) -> Result<()> {
        found.merge(later);
        Ok(())
    }

    fn finish(&self, found: Differences) -> Result<Differences> {
        Ok(found)
    }
}

/// Longer lists grow as differences are found, and are not counted beforehand.
const MOST_COUNTED: usize = 1 << 10;

impl ChunkSource for Differs {
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
        Ok(Cost::new(0, Work::computing(slab.elements())))
    }

    fn read_into(&self, slab: &Slab, out: &mut [u8], worker: &Worker) -> Result<()> {
        read_node(self, slab, out, worker)
    }
}

impl Operation for Differs {
    fn name(&self) -> &'static str {
        "differs"
    }

    fn inputs(&self) -> &[Arc<dyn ChunkSource>] {
        &self.inputs
    }

    fn over(&self, inputs: Vec<Arc<dyn ChunkSource>>) -> Result<Arc<dyn ChunkSource>> {
        let [a, b] = inputs_of(self, inputs)?;
        Ok(Arc::new(Differs::new(a, b, self.tolerance)?))
    }

    fn reduction(&self) -> Option<&dyn Reduction> {
        None
    }

    fn compute(&self, slab: &Slab, _threads: usize, stepper: &mut dyn Stepper) -> Result<()> {
        let needs = [Need::apart(0, slab.clone()), Need::apart(1, slab.clone())];
        stepper.step(&needs, &mut |inputs, out, _| {
            self.comparison.mark(inputs[0].data, inputs[1].data, out);
            Ok(())
        })
    }
}

#[cfg(test)]
mod tests {
    use chunk_core::{Element, MemorySource};

    use super::*;

    fn source<T: Element>(shape: impl Into<chunk_core::Shape>, elements: &[T]) -> Arc<dyn ChunkSource> {
        Arc::new(MemorySource::new(shape, elements).unwrap())
    }

    #[test]
    fn refuses_what_cannot_be_compared() {
        let numbers = source([2], &[1.0, 2.0]);
        let error = Differs::new(numbers.clone(), source([1, 2], &[1.0, 2.0]), Tolerance::default()).unwrap_err();
        assert!(error.to_string().contains("(2,)") && error.to_string().contains("(1, 2)"), "{error}");
        let text = DatasetInfo::new([2], "S1".parse().unwrap());
        let text = Arc::new(MemorySource::from_bytes(text, *b"ab").unwrap());
        let error = Differs::new(numbers.clone(), text, Tolerance::default()).unwrap_err();
        assert!(matches!(error, Error::DTypeMismatch { .. }), "{error}");
        for tolerance in [-1.0, f64::NAN, f64::INFINITY] {
            let refused = |tolerance| Differs::new(numbers.clone(), numbers.clone(), tolerance).is_err();
            assert!(refused(Tolerance::default().with_relative(tolerance)), "{tolerance}");
            assert!(refused(Tolerance::default().with_absolute(tolerance)), "{tolerance}");
        }
    }

    #[test]
    fn finds_the_first_whatever_the_plan() {
        let numbers: Vec<i32> = (0..600).collect();
        let others: Vec<i32> = numbers.iter().map(|x| if x % 70 == 31 { -x } else { *x }).collect();
        let expected: Vec<Vec<u64>> = (0..600).filter(|x| x % 70 == 31).map(|x| vec![x / 30, x % 30]).collect();
        for (chunk, budget, threads) in [([20, 30], "1M", 1), ([7, 4], "32K", 3), ([1, 30], "64K", 2)] {
            let a = MemorySource::new([20, 30], &numbers).unwrap().with_chunk_shape(chunk).unwrap();
            let differs = Differs::new(Arc::new(a), source([20, 30], &others), Tolerance::default()).unwrap();
            let run = Run::new().budget(budget.parse().unwrap()).threads(threads);
            for limit in [0, 3, 100] {
                let found = differs.find(limit, &run).unwrap();
                assert_eq!(found.count(), expected.len() as u64);
                assert_eq!(found.first(), &expected[..limit.min(expected.len())], "{budget}");
            }
        }
    }

    #[test]
    fn arrays_without_elements_do_not_differ() {
        let none = source::<f64>([0, 3], &[]);
        let found = Differs::new(none.clone(), none, Tolerance::default()).unwrap().find(5, &Run::new()).unwrap();
        assert_eq!((found.count(), found.first().len()), (0, 0));
    }
}
