//! Rust types that stand for dtypes.

use num_complex::Complex;

use crate::{DType, Error, Result};

/// A Rust type that holds one element of a dtype.
///
/// Implemented for `bool`, the integers of 8 to 64 bits, `f32`, `f64`, [`Complex`] of both, and `half::f16` with
/// the feature `half`. Nobody else needs to implement it, so nobody else can.
pub trait Element: Copy + Default + Send + Sync + PartialEq + std::fmt::Debug + sealed::Sealed + 'static {
    /// The dtype whose elements this type holds.
    const DTYPE: DType;

    /// The elements as the bytes a sink takes.
    fn as_bytes(elements: &[Self]) -> &[u8];

    /// `bytes` as elements, without a copy.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] if the length or the alignment do not fit, or a `bool` is neither 0 nor 1. A
    /// [`Buffer`](crate::Buffer) is aligned for every element.
    fn from_bytes(bytes: &[u8]) -> Result<&[Self]>;

    /// Lets `fill` write the bytes of `elements`, as a source gives them.
    #[doc(hidden)]
    fn fill_bytes(elements: &mut [Self], fill: impl FnOnce(&mut [u8]) -> Result<()>) -> Result<()>;
}

/// An [`Element`] that every pattern of bytes is a value of: all but `bool`.
pub trait Number: Element {
    /// `bytes` as elements to write to, without a copy.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] if the length or the alignment do not fit.
    fn from_bytes_mut(bytes: &mut [u8]) -> Result<&mut [Self]>;
}

mod sealed {
    pub trait Sealed {}
}

macro_rules! plain_elements {
    ($($(#[$attribute:meta])* $type:ty => $dtype:ident,)*) => {$(
        $(#[$attribute])*
        impl sealed::Sealed for $type {}

        $(#[$attribute])*
        impl Element for $type {
            const DTYPE: DType = DType::$dtype;

            fn as_bytes(elements: &[Self]) -> &[u8] {
                bytemuck::cast_slice(elements)
            }

            fn from_bytes(bytes: &[u8]) -> Result<&[Self]> {
                bytemuck::try_cast_slice(bytes).map_err(|cause| cast_error::<Self>(cause, bytes.len()))
            }

            fn fill_bytes(elements: &mut [Self], fill: impl FnOnce(&mut [u8]) -> Result<()>) -> Result<()> {
                fill(bytemuck::cast_slice_mut(elements))
            }
        }

        $(#[$attribute])*
        impl Number for $type {
            fn from_bytes_mut(bytes: &mut [u8]) -> Result<&mut [Self]> {
                let length = bytes.len();
                bytemuck::try_cast_slice_mut(bytes).map_err(|cause| cast_error::<Self>(cause, length))
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
    f32 => F32,
    f64 => F64,
    Complex<f32> => ComplexF32,
    Complex<f64> => ComplexF64,
    #[cfg(feature = "half")]
    half::f16 => F16,
}

impl sealed::Sealed for bool {}

impl Element for bool {
    const DTYPE: DType = DType::Bool;

    fn as_bytes(elements: &[Self]) -> &[u8] {
        bytemuck::cast_slice(elements)
    }

    fn from_bytes(bytes: &[u8]) -> Result<&[Self]> {
        bytemuck::checked::try_cast_slice(bytes).map_err(|cause| cast_error::<Self>(cause, bytes.len()))
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

fn cast_error<T: Element>(cause: impl std::fmt::Display, length: usize) -> Error {
    Error::InvalidArgument(format!("{length} bytes are not elements of {}: {cause}", T::DTYPE))
}
