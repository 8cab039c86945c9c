//! What a dataset is.

use crate::{DType, Error, Identity, Result, Scalar, Shape};

/// What a dataset is: plain data, cheap to look at, fixed for the life of a source.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DatasetInfo {
    /// What messages call it: `run.h5::/velocity`, `fft(run.h5::/velocity, axis 1)`.
    pub name: String,
    /// Extents, in elements.
    pub shape: Shape,
    /// Type of the elements.
    pub dtype: DType,
    /// Native granule: reading or writing whole multiples of it, aligned to it, is cheapest. `None`: contiguous.
    pub chunk_shape: Option<Shape>,
    /// How far each axis may grow; an inner `None` is without end. `None`: not at all.
    pub max_shape: Option<Vec<Option<u64>>>,
    /// What elements hold that were never written. `None`: not known, or zero.
    pub fill: Option<Scalar>,
    /// Changes when the content may have changed. `None`: not known, so never cached.
    pub identity: Option<Identity>,
}

/// Characters of a name that is not abbreviated, and of its ends if it is.
const LONG_NAME: usize = 300;
const NAME_ENDS: usize = 100;

fn abbreviated(name: String) -> String {
    if name.len() <= LONG_NAME {
        return name;
    }
    let head: String = name.chars().take(NAME_ENDS).collect();
    let tail: Vec<char> = name.chars().rev().take(NAME_ENDS).collect();
    head + " .. " + &tail.into_iter().rev().collect::<String>()
}

impl DatasetInfo {
    /// A dataset of this shape and dtype: contiguous, of fixed size, without name, fill value or identity.
    #[must_use]
    pub fn new(shape: impl Into<Shape>, dtype: DType) -> Self {
        DatasetInfo {
            name: "dataset".to_owned(),
            shape: shape.into(),
            dtype,
            chunk_shape: None,
            max_shape: None,
            fill: None,
            identity: None,
        }
    }

    /// The description of what an operation makes of this dataset: of the same shape, dtype and
    /// chunks, under `name`, and no more.
    ///
    /// Identity, fill value and maximal shape are this dataset's own: a node that has them says so
    /// itself, and cannot forward its input's by accident. A long name is abbreviated: names are made of
    /// those of the inputs, and with each input that is read twice they would double.
    #[must_use]
    pub fn derived(&self, name: impl Into<String>) -> Self {
        let info = DatasetInfo::new(self.shape.clone(), self.dtype.clone()).with_name(abbreviated(name.into()));
        DatasetInfo { chunk_shape: self.chunk_shape.clone(), ..info }
    }

    /// With `name` in messages.
    #[must_use]
    pub fn with_name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// With chunks of this shape.
    #[must_use]
    pub fn with_chunk_shape(mut self, chunk_shape: impl Into<Shape>) -> Self {
        self.chunk_shape = Some(chunk_shape.into());
        self
    }

    /// With axes that may grow.
    #[must_use]
    pub fn with_max_shape(mut self, max_shape: impl Into<Vec<Option<u64>>>) -> Self {
        self.max_shape = Some(max_shape.into());
        self
    }

    /// With a fill value.
    #[must_use]
    pub fn with_fill(mut self, fill: impl Into<Scalar>) -> Self {
        self.fill = Some(fill.into());
        self
    }

    /// With an identity.
    #[must_use]
    pub fn with_identity(mut self, identity: Identity) -> Self {
        self.identity = Some(identity);
        self
    }

    /// Bytes of all elements, packed; saturating.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.shape.elements().saturating_mul(self.dtype.size() as u64)
    }

    /// Checks that the parts agree: ranks, chunk extents above zero, maximal extents not below the extents, a fill
    /// value of the dtype.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] or [`Error::DTypeMismatch`].
    pub fn check(&self) -> Result<()> {
        if let Some(chunk_shape) = &self.chunk_shape {
            self.shape.check_rank(chunk_shape, "the chunk shape")?;
            if chunk_shape.contains(&0) {
                return Err(Error::InvalidArgument(format!("the chunk shape {chunk_shape} has an extent of zero")));
            }
        }
        if let Some(max_shape) = &self.max_shape {
            let least: Shape = max_shape.iter().map(|extent| extent.unwrap_or(u64::MAX)).collect();
            self.shape.check_rank(&least, "the maximal shape")?;
            if self.shape.iter().zip(least.iter()).any(|(extent, most)| extent > most) {
                return Err(Error::InvalidArgument(format!("the shape {} exceeds its maximal shape", self.shape)));
            }
        }
        match &self.fill {
            Some(fill) if fill.dtype() != &self.dtype => Err(Error::DTypeMismatch {
                dataset: format!("the fill value of {}", self.name),
                stored: fill.dtype().to_string(),
                requested: self.dtype.to_string(),
            }),
            _ => Ok(()),
        }
    }

    /// Checks that `axis` is one of the dataset's.
    ///
    /// # Errors
    /// [`Error::AxisOutOfRange`].
    pub fn check_axis(&self, axis: usize) -> Result<()> {
        let ndim = self.shape.len();
        if axis < ndim {
            return Ok(());
        }
        Err(Error::AxisOutOfRange { axis, ndim, dataset: self.name.clone() })
    }

    /// Checks that a caller's `requested` dtype is the dataset's: nothing is cast.
    ///
    /// # Errors
    /// [`Error::DTypeMismatch`].
    pub fn check_dtype(&self, requested: &DType) -> Result<()> {
        if &self.dtype == requested {
            return Ok(());
        }
        Err(Error::DTypeMismatch {
            dataset: self.name.clone(),
            stored: self.dtype.to_string(),
            requested: requested.to_string(),
        })
    }
}
