//! What is read where nothing is.

use chunk_core::{
    ChunkSource, ComplexNumber, Cost, DType, DatasetInfo, Element, ElementVisitor, Error, Float, Integer, Operation,
    Result, Scalar, Slab, Worker,
};

/// What a [`VirtualLayout`](crate::VirtualLayout) holds where no source is placed.
///
/// Without it reading there is an error. Filled elements cannot be told from data by their value, whatever it is:
/// [`VirtualLayout::mask`](crate::VirtualLayout::mask) tells them.
#[derive(Clone, Debug, PartialEq)]
pub struct Fill {
    value: Value,
    missing: bool,
}

#[derive(Clone, Debug, PartialEq)]
enum Value {
    Given(Scalar),
    ByDType,
    Stated,
}

impl Fill {
    /// This value.
    #[must_use]
    pub fn with(value: impl Into<Scalar>) -> Self {
        Fill { value: Value::Given(value.into()), missing: false }
    }

    /// A value by dtype: not-a-number for floats and complex numbers, the least signed and the largest unsigned
    /// integer, not-a-time, zero bytes for all else.
    #[must_use]
    pub fn by_dtype() -> Self {
        Fill { value: Value::ByDType, missing: false }
    }

    /// The fill value that the description of the dataset states, or zeros: what other readers of HDF5 see.
    #[must_use]
    pub fn stated() -> Self {
        Fill { value: Value::Stated, missing: false }
    }

    /// Also for all of a source that is a [`VirtualSource`](crate::VirtualSource) whose file or dataset is missing, or
    /// of another shape or dtype than was described. Files that cannot be read stay errors.
    #[must_use]
    pub fn also_missing(mut self) -> Self {
        self.missing = true;
        self
    }

    pub(crate) fn fills_missing(&self) -> bool {
        self.missing
    }

    /// The value for a dataset, of its dtype.
    pub(crate) fn value(&self, info: &DatasetInfo) -> Result<Scalar> {
        let dtype = &info.dtype;
        let value = match &self.value {
            Value::Given(value) => value.clone(),
            Value::ByDType => by_dtype(dtype),
            Value::Stated => info.fill.clone().unwrap_or_else(|| Scalar::zero(dtype.clone())),
        };
        if value.dtype() == dtype {
            return Ok(value);
        }
        let (stored, requested) = (value.dtype().to_string(), dtype.to_string());
        Err(Error::DTypeMismatch { dataset: "the fill value".to_owned(), stored, requested })
    }
}

fn by_dtype(dtype: &DType) -> Scalar {
    match dtype {
        // The least integer is not a time.
        DType::DateTime64(_) | DType::TimeDelta64(_) => of_bytes(dtype, i64::as_bytes(&[i64::MIN])),
        dtype => dtype.dispatch(ByDType).unwrap_or_else(|| Scalar::zero(dtype.clone())),
    }
}

/// Returns the value by dtype for the visited type.
struct ByDType;

impl ElementVisitor for ByDType {
    type Output = Scalar;

    fn visit_bool(self) -> Scalar {
        false.into()
    }

    fn visit_integer<T: Integer>(self) -> Scalar {
        let is_signed = T::MIN < T::default();
        Scalar::from(if is_signed { T::MIN } else { T::MAX })
    }

    fn visit_float<T: Float>(self) -> Scalar {
        T::NAN.into()
    }

    fn visit_complex<T: ComplexNumber>(self) -> Scalar {
        T::from_parts(T::Part::NAN, T::Part::NAN).into()
    }
}

fn of_bytes(dtype: &DType, bytes: &[u8]) -> Scalar {
    Scalar::from_bytes(dtype.clone(), bytes).unwrap_or_else(|_| Scalar::zero(dtype.clone()))
}

/// One value over and over.
#[derive(Debug)]
pub(crate) struct Constant {
    info: DatasetInfo,
    value: Scalar,
}

impl Constant {
    /// In the shape and the chunks of another dataset, so that it is read in the same pieces.
    pub(crate) fn like(other: &DatasetInfo, value: Scalar) -> Self {
        let mut info = DatasetInfo::new(other.shape.clone(), value.dtype().clone());
        info.chunk_shape.clone_from(&other.chunk_shape);
        Constant { info, value }
    }
}

impl ChunkSource for Constant {
    fn info(&self) -> &DatasetInfo {
        &self.info
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

    fn read_into(&self, slab: &Slab, out: &mut [u8], _worker: &Worker) -> Result<()> {
        slab.check(&self.info, out.len())?;
        self.value.fill(out);
        Ok(())
    }
}
