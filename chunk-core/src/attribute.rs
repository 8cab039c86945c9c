//! Values of attributes.

use std::borrow::Cow;

use crate::{Buffer, DType, Element, Error, Result, Scalar, Shape};

/// The value of an attribute: what a file says of a dataset or a group beside its elements, such as a unit.
///
/// Made from numbers, bools, text, slices and lists of them, and [`Scalar`]s:
///
/// ```
/// use chunk_core::{Attribute, DType, Shape};
///
/// let rate = Attribute::from(1000.0);
/// assert_eq!(rate.dtype(), Some(&DType::F64));
/// assert_eq!(rate.value::<f64>()?, 1000.0);
/// assert_eq!(Attribute::from([1_i32, 2, 3]).values::<i32>()?, [1, 2, 3]);
/// assert_eq!(Attribute::from("m/s").text().as_deref(), Some("m/s"));
/// assert_eq!(Attribute::from(["x", "y"]).shape(), &Shape::from([2]));
/// # Ok::<(), chunk_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Attribute {
    /// Elements of one size: numbers, text of fixed length, structures.
    Elements(Elements),
    /// One text of any length.
    Text(String),
    /// Texts of any length, row-major.
    Texts {
        /// Extents; one axis or more.
        shape: Shape,
        /// As many texts as the shape has elements.
        texts: Vec<String>,
    },
    /// No value, of elements of a dtype, or of text of any length.
    Empty(Option<DType>),
    /// A value that is not carried, and why: references, sequences, what is malformed. It cannot be written.
    Other(String),
}

/// Elements of one dtype.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Elements {
    dtype: DType,
    shape: Shape,
    bytes: Vec<u8>,
}

impl Elements {
    /// What they are.
    #[must_use]
    pub fn dtype(&self) -> &DType {
        &self.dtype
    }

    /// Extents; no axes is a single element.
    #[must_use]
    pub fn shape(&self) -> &Shape {
        &self.shape
    }

    /// Packed, row-major, in native byte order.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

impl Attribute {
    /// Elements of a dtype: packed, row-major, in native byte order.
    ///
    /// # Errors
    /// [`Error::BufferLength`] if there are not as many bytes as the shape has elements.
    pub fn elements(dtype: DType, shape: impl Into<Shape>, bytes: impl Into<Vec<u8>>) -> Result<Self> {
        let (shape, bytes) = (shape.into(), bytes.into());
        let expected = shape.elements().saturating_mul(dtype.size() as u64);
        if expected != bytes.len() as u64 {
            return Err(Error::BufferLength {
                expected,
                actual: bytes.len() as u64,
                dataset: "an attribute".to_owned(),
            });
        }
        Ok(Attribute::Elements(Elements { dtype, shape, bytes }))
    }

    /// Texts of any length, row-major.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] if there are not as many as the shape has elements, or the shape has no axes: one text
    /// alone is [`Attribute::Text`].
    pub fn texts(shape: impl Into<Shape>, texts: impl IntoIterator<Item = impl Into<String>>) -> Result<Self> {
        let (shape, texts) = (shape.into(), texts.into_iter().map(Into::into).collect::<Vec<String>>());
        if shape.is_empty() || shape.elements() != texts.len() as u64 {
            let what = format!("{} texts do not make an attribute of shape {shape}", texts.len());
            return Err(Error::InvalidArgument(what));
        }
        Ok(Attribute::Texts { shape, texts })
    }

    /// The dtype of the elements, if they are of one size.
    #[must_use]
    pub fn dtype(&self) -> Option<&DType> {
        match self {
            Attribute::Elements(elements) => Some(&elements.dtype),
            Attribute::Empty(dtype) => dtype.as_ref(),
            _ => None,
        }
    }

    /// Extents; no axes for a single value, and where there is none.
    #[must_use]
    pub fn shape(&self) -> &Shape {
        static SINGLE: Shape = Shape::single();
        match self {
            Attribute::Elements(elements) => &elements.shape,
            Attribute::Texts { shape, .. } => shape,
            _ => &SINGLE,
        }
    }

    /// The one text, of any or of fixed length, without the zeros that pad it; `None` if it is not one text.
    #[must_use]
    pub fn text(&self) -> Option<Cow<'_, str>> {
        match self {
            Attribute::Text(text) => Some(text.into()),
            Attribute::Texts { texts, .. } => match texts.as_slice() {
                [only] => Some(only.into()),
                _ => None,
            },
            Attribute::Elements(elements) if elements.shape.elements() == 1 => match &elements.dtype {
                DType::Bytes(_) | DType::Utf8(_) => {
                    let end = elements.bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
                    Some(String::from_utf8_lossy(&elements.bytes[..end]))
                }
                _ => None,
            },
            _ => None,
        }
    }

    /// The one element, as `T`; an array of one element is one, too.
    ///
    /// # Errors
    /// [`Error::DTypeMismatch`] if it is of another dtype, for nothing is cast; [`Error::InvalidArgument`] if there is not
    /// exactly one.
    pub fn value<T: Element>(&self) -> Result<T> {
        match *self.values::<T>()? {
            [value] => Ok(value),
            ref values => Err(Error::InvalidArgument(format!("an attribute has {} values, not one", values.len()))),
        }
    }

    /// The elements, as `T`.
    ///
    /// # Errors
    /// [`Error::DTypeMismatch`] if they are of another dtype, for nothing is cast.
    pub fn values<T: Element>(&self) -> Result<Vec<T>> {
        match self {
            Attribute::Elements(elements) if elements.dtype == T::DTYPE => {
                let mut aligned = Buffer::zeroed(elements.bytes.len())?;
                aligned.copy_from_slice(&elements.bytes);
                aligned.elements::<T>().map(<[T]>::to_vec)
            }
            other => Err(Error::DTypeMismatch {
                dataset: "an attribute".to_owned(),
                stored: other.kind(),
                requested: T::DTYPE.to_string(),
            }),
        }
    }

    fn kind(&self) -> String {
        match self {
            Attribute::Elements(elements) => elements.dtype.to_string(),
            Attribute::Text(_) | Attribute::Texts { .. } => "text".to_owned(),
            Attribute::Empty(_) => "empty".to_owned(),
            Attribute::Other(what) => what.clone(),
        }
    }
}

impl From<Scalar> for Attribute {
    fn from(value: Scalar) -> Self {
        let (dtype, bytes) = (value.dtype().clone(), value.bytes().to_vec());
        Attribute::Elements(Elements { dtype, shape: Shape::single(), bytes })
    }
}

impl<T: Element> From<T> for Attribute {
    fn from(value: T) -> Self {
        Scalar::from(value).into()
    }
}

impl<T: Element> From<&[T]> for Attribute {
    fn from(values: &[T]) -> Self {
        let shape = [values.len() as u64].into();
        Attribute::Elements(Elements { dtype: T::DTYPE, shape, bytes: T::as_bytes(values).to_vec() })
    }
}

impl<T: Element, const N: usize> From<[T; N]> for Attribute {
    fn from(values: [T; N]) -> Self {
        values.as_slice().into()
    }
}

impl<T: Element> From<Vec<T>> for Attribute {
    fn from(values: Vec<T>) -> Self {
        values.as_slice().into()
    }
}

impl From<&str> for Attribute {
    fn from(text: &str) -> Self {
        Attribute::Text(text.to_owned())
    }
}

impl From<String> for Attribute {
    fn from(text: String) -> Self {
        Attribute::Text(text)
    }
}

impl From<&[&str]> for Attribute {
    fn from(texts: &[&str]) -> Self {
        let shape = [texts.len() as u64].into();
        Attribute::Texts { shape, texts: texts.iter().map(|text| (*text).to_owned()).collect() }
    }
}

impl<const N: usize> From<[&str; N]> for Attribute {
    fn from(texts: [&str; N]) -> Self {
        texts.as_slice().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_cast() {
        assert!(Attribute::from(1_i32).value::<i64>().is_err());
        assert!(Attribute::from([1_i32, 2]).value::<i32>().is_err());
        assert!(Attribute::from("1").value::<u8>().is_err());
        assert_eq!(Attribute::from([7_u64]).value::<u64>().unwrap(), 7);
    }

    #[test]
    fn lengths_must_fit() {
        assert!(Attribute::elements(DType::I16, [2], vec![0; 3]).is_err());
        assert!(Attribute::elements(DType::I16, [u64::MAX, 2], vec![0; 4]).is_err());
        assert!(Attribute::texts([2], ["a"]).is_err());
        assert!(Attribute::texts(Shape::default(), ["a"]).is_err());
    }

    #[test]
    fn text_of_fixed_length_is_text() {
        let units = Attribute::elements(DType::Bytes(5), [1], *b"m/s\0\0").unwrap();
        assert_eq!(units.text().as_deref(), Some("m/s"));
        assert_eq!(Attribute::from(["a", "b"]).text(), None);
        assert_eq!(Attribute::from(1.5).text(), None);
    }
}
