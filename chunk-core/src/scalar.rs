//! One element of a dtype known at run time.

use std::fmt;

use crate::{DType, Element, Error, Number, NumberVisitor, Result};

/// One element: a fill value, say.
///
/// ```
/// use chunk_core::{DType, Scalar};
///
/// let fill = Scalar::from(-1.5_f32);
/// assert_eq!(fill.dtype(), &DType::F32);
/// assert_eq!(fill.to_string(), "-1.5");
/// assert_eq!(fill.value::<f32>()?, -1.5);
/// # Ok::<(), chunk_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scalar {
    dtype: DType,
    bytes: Vec<u8>,
}

impl Scalar {
    /// The element of `dtype` with these bytes, in native order.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] if there are more or fewer bytes than an element has.
    pub fn from_bytes(dtype: DType, bytes: impl Into<Vec<u8>>) -> Result<Self> {
        let bytes = bytes.into();
        if bytes.len() != dtype.size() {
            return Err(Error::InvalidArgument(format!(
                "an element of {dtype} has {} bytes, not {}",
                dtype.size(),
                bytes.len()
            )));
        }
        Ok(Scalar { dtype, bytes })
    }

    /// The element whose bytes are all zero.
    #[must_use]
    pub fn zero(dtype: DType) -> Self {
        let bytes = vec![0; dtype.size()];
        Scalar { dtype, bytes }
    }

    /// Its dtype.
    #[must_use]
    pub fn dtype(&self) -> &DType {
        &self.dtype
    }

    /// Its bytes, in native order.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Its value as `T`.
    ///
    /// # Errors
    /// [`Error::DTypeMismatch`] if it is of another dtype: nothing is cast.
    pub fn value<T: Element>(&self) -> Result<T> {
        if self.dtype != T::DTYPE {
            return Err(Error::DTypeMismatch {
                dataset: "the scalar".to_owned(),
                stored: self.dtype.to_string(),
                requested: T::DTYPE.to_string(),
            });
        }
        let mut value = [T::default()];
        T::fill_bytes(&mut value, |bytes| {
            bytes.copy_from_slice(&self.bytes);
            Ok(())
        })?;
        Ok(value[0])
    }

    /// Repeats the element over all of `out`, whose length is a whole number of elements.
    pub fn fill(&self, out: &mut [u8]) {
        match self.bytes.as_slice() {
            [] => {}
            bytes if bytes.iter().all(|byte| *byte == bytes[0]) => out.fill(bytes[0]),
            bytes => out.chunks_exact_mut(bytes.len()).for_each(|element| element.copy_from_slice(bytes)),
        }
    }
}

impl<T: Element> From<T> for Scalar {
    fn from(value: T) -> Self {
        Scalar { dtype: T::DTYPE, bytes: T::as_bytes(&[value]).to_vec() }
    }
}

impl fmt::Display for Scalar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(number) = self.dtype.dispatch_number(Show(&self.bytes)) {
            return f.write_str(&number);
        }
        let shown = match self.dtype {
            DType::Bool => self.bytes[0].to_string(),
            DType::Bytes(_) | DType::Utf8(_) => show_text(&self.bytes),
            DType::Ucs4(_) => {
                let letter =
                    |code: &[u8; 4]| char::from_u32(u32::from_ne_bytes(*code)).unwrap_or(char::REPLACEMENT_CHARACTER);
                let text: String = self.bytes.as_chunks().0.iter().map(letter).collect();
                show_text(text.as_bytes())
            }
            _ => show_hexadecimal(&self.bytes),
        };
        f.write_str(&shown)
    }
}

/// Prints the number that has these bytes.
struct Show<'a>(&'a [u8]);

impl NumberVisitor for Show<'_> {
    type Output = String;

    fn visit<T: Number>(self) -> String {
        T::iter_unaligned(self.0).map(|number| number.to_string()).collect()
    }
}

fn show_text(bytes: &[u8]) -> String {
    format!("{:?}", String::from_utf8_lossy(bytes).trim_end_matches('\0'))
}

fn show_hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold("0x".to_owned(), |text, byte| text + &format!("{byte:02x}"))
}

#[cfg(test)]
mod tests {
    use num_complex::Complex;

    use super::*;

    #[test]
    fn fills_with_every_pattern() {
        let mut out = [9; 6];
        Scalar::from(0x0102_i16.to_le()).fill(&mut out);
        assert_eq!(out, [2, 1, 2, 1, 2, 1]);
        Scalar::zero(DType::I16).fill(&mut out);
        assert_eq!(out, [0; 6]);
        Scalar::zero(DType::Bytes(0)).fill(&mut []);
    }

    #[test]
    fn never_casts() {
        assert!(Scalar::from(1_i32).value::<i64>().is_err());
        assert!(Scalar::from_bytes(DType::Bool, [2]).unwrap().value::<bool>().is_err());
    }

    #[test]
    fn prints_values() {
        assert_eq!(Scalar::from(Complex::new(1.0, -2.0)).to_string(), "1-2i");
        assert_eq!(Scalar::from_bytes(DType::Bytes(3), *b"ab\0").unwrap().to_string(), "\"ab\"");
        let wide: Vec<u8> = ['ß', '\0'].into_iter().flat_map(|letter| u32::from(letter).to_ne_bytes()).collect();
        assert_eq!(Scalar::from_bytes(DType::Ucs4(2), wide).unwrap().to_string(), "\"ß\"");
        assert_eq!(Scalar::zero(DType::Opaque { size: 2, tag: None }).to_string(), "0x0000");
    }
}
