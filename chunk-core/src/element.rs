//! Rust types that stand for dtypes.

use bytemuck::Pod;
use half::f16;
use num_complex::Complex;

use crate::{DType, Error, Result};

/// A Rust type that holds one element of a dtype.
///
/// Implemented for `bool`, the integers of 8 to 64 bits, `half::f16`, `f32`, `f64`, and [`Complex`]
/// of the last two. Nobody else needs to implement it, so nobody else can. [`DType::dispatch`]
/// leads from a dtype known at run time to its type.
pub trait Element: Copy + Default + Send + Sync + PartialEq + std::fmt::Debug + sealed::Sealed + 'static {
    /// The dtype whose elements this type holds.
    const DTYPE: DType;

    /// Returns the elements as the bytes that a sink takes.
    fn as_bytes(elements: &[Self]) -> &[u8];

    /// Returns `bytes` as elements, without a copy.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] if the length or the alignment do not fit, or a `bool` is neither
    /// 0 nor 1. A [`Buffer`](crate::Buffer) is aligned for every element.
    fn from_bytes(bytes: &[u8]) -> Result<&[Self]>;

    /// Returns the elements of packed `bytes` one by one, whatever their alignment.
    ///
    /// Every byte but 0 is a true `bool`. A part of an element at the end is left out.
    fn iter_unaligned(bytes: &[u8]) -> impl ExactSizeIterator<Item = Self>;

    /// Lets `fill` write the bytes of `elements`, as a source gives them.
    #[doc(hidden)]
    fn fill_bytes(elements: &mut [Self], fill: impl FnOnce(&mut [u8]) -> Result<()>) -> Result<()>;
}

mod sealed {
    pub trait Sealed {}
}

macro_rules! plain_elements {
    ($($type:ty => $dtype:ident,)*) => {$(
        impl sealed::Sealed for $type {}

        impl Element for $type {
            const DTYPE: DType = DType::$dtype;

            #[inline]
            fn as_bytes(elements: &[Self]) -> &[u8] {
                bytemuck::cast_slice(elements)
            }

            fn from_bytes(bytes: &[u8]) -> Result<&[Self]> {
                bytemuck::try_cast_slice(bytes).map_err(|cause| cast_error::<Self>(cause, bytes.len()))
            }

            #[inline]
            fn iter_unaligned(bytes: &[u8]) -> impl ExactSizeIterator<Item = Self> {
                bytes.as_chunks::<{ size_of::<$type>() }>().0.iter().map(|bytes| bytemuck::pod_read_unaligned(bytes))
            }

            fn fill_bytes(elements: &mut [Self], fill: impl FnOnce(&mut [u8]) -> Result<()>) -> Result<()> {
                fill(bytemuck::cast_slice_mut(elements))
            }
        }
    )*};
}

plain_elements! {
    i8 => I8,
    i16 => I16,
    i32 => I32,
    i64 => I64,
    u8 => U8,
    u16 => U16,
    u32 => U32,
    u64 => U64,
    f16 => F16,
    f32 => F32,
    f64 => F64,
    Complex<f32> => ComplexF32,
    Complex<f64> => ComplexF64,
}

impl sealed::Sealed for bool {}

impl Element for bool {
    const DTYPE: DType = DType::Bool;

    #[inline]
    fn as_bytes(elements: &[Self]) -> &[u8] {
        bytemuck::cast_slice(elements)
    }

    fn from_bytes(bytes: &[u8]) -> Result<&[Self]> {
        bytemuck::checked::try_cast_slice(bytes).map_err(|cause| cast_error::<Self>(cause, bytes.len()))
    }

    #[inline]
    fn iter_unaligned(bytes: &[u8]) -> impl ExactSizeIterator<Item = Self> {
        bytes.iter().map(|byte| *byte != 0)
    }

    /// Not every byte is a `bool`, so the bytes are taken in a buffer of their own and looked at.
    fn fill_bytes(elements: &mut [Self], fill: impl FnOnce(&mut [u8]) -> Result<()>) -> Result<()> {
        let mut bytes = vec![0; elements.len()];
        fill(&mut bytes)?;
        for (element, byte) in elements.iter_mut().zip(bytes) {
            *element = match byte {
                0 => false,
                1 => true,
                other => return Err(Error::InvalidArgument(format!("a bool holds the byte {other}, not 0 or 1"))),
            };
        }
        Ok(())
    }
}

/// Returns `bytes` as elements to write to.
pub(crate) fn cast_slice_mut<T: Element + Pod>(bytes: &mut [u8]) -> Result<&mut [T]> {
    let length = bytes.len();
    bytemuck::try_cast_slice_mut(bytes).map_err(|cause| cast_error::<T>(cause, length))
}

fn cast_error<T: Element>(cause: impl std::fmt::Display, length: usize) -> Error {
    Error::InvalidArgument(format!("{length} bytes are not elements of {}: {cause}", T::DTYPE))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_elements_at_any_alignment() {
        let mut bytes = vec![0];
        bytes.extend(f64::as_bytes(&[1.5, -2.5]));
        bytes.push(9);
        assert_eq!(f64::iter_unaligned(&bytes[1..]).collect::<Vec<_>>(), [1.5, -2.5]);
        assert_eq!(u16::iter_unaligned(&[]).len(), 0);
    }

    #[test]
    fn every_byte_but_zero_is_true() {
        assert_eq!(bool::iter_unaligned(&[0, 1, 7]).collect::<Vec<_>>(), [false, true, true]);
        assert!(bool::from_bytes(&[7]).is_err());
    }
}
