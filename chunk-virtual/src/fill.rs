//! What is read where nothing is.

use chunk_core::{
    ChunkSource, Complex, Cost, DType, DatasetInfo, Element, Error, Operation, Result, Scalar, Slab, Worker,
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
        DType::I8 => i8::MIN.into(),
        DType::I16 => i16::MIN.into(),
        DType::I32 => i32::MIN.into(),
        DType::I64 => i64::MIN.into(),
        DType::U8 => u8::MAX.into(),
        DType::U16 => u16::MAX.into(),
        DType::U32 => u32::MAX.into(),
        DType::U64 => u64::MAX.into(),
        DType::F32 => f32::NAN.into(),
        DType::F64 => f64::NAN.into(),
        DType::ComplexF32 => Complex::new(f32::NAN, f32::NAN).into(),
        DType::ComplexF64 => Complex::new(f64::NAN, f64::NAN).into(),
        // The quiet NaN of half precision, and the least integer, which is not a time.
        DType::F16 => of_bytes(dtype, &0x7e00_u16.to_ne_bytes()),
        DType::DateTime64(_) | DType::TimeDelta64(_) => of_bytes(dtype, i64::as_bytes(&[i64::MIN])),
        other => Scalar::zero(other.clone()),
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
