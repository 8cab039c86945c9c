//! The two precisions, and reading numbers of any real dtype as one of them.

use bytemuck::Pod;
use chunk_core::{DType, Error, Result};
use half::f16;
use num_complex::Complex;
use rustfft::FftNum;

/// The precision that a transform computes in.
pub(crate) trait Real: FftNum + Pod {
    /// Its dtype.
    const DTYPE: DType;

    /// Reads packed elements of `dtype`, each passed through `wrap`, into `out`, as many as both hold.
    fn read<E>(dtype: &DType, bytes: &[u8], out: &mut [E], wrap: impl Fn(Self) -> E);

    /// The reciprocal of a length.
    fn reciprocal(length: usize) -> Self;
}

impl Real for f32 {
    const DTYPE: DType = DType::F32;

    fn read<E>(dtype: &DType, bytes: &[u8], out: &mut [E], wrap: impl Fn(Self) -> E) {
        match dtype {
            DType::F16 => each(bytes, out, |number| wrap(f16::from_ne_bytes(number).to_f32())),
            DType::F32 => each(bytes, out, |number| wrap(f32::from_ne_bytes(number))),
            other => unreachable!("{other} is not computed in single precision"),
        }
    }

    fn reciprocal(length: usize) -> Self {
        1.0 / length as f32
    }
}

/// 64-bit integers lose digits, as with NumPy.
impl Real for f64 {
    const DTYPE: DType = DType::F64;

    fn read<E>(dtype: &DType, bytes: &[u8], out: &mut [E], wrap: impl Fn(Self) -> E) {
        match dtype {
            DType::Bool => each(bytes, out, |[byte]| wrap(f64::from(u8::from(byte != 0)))),
            DType::I8 => each(bytes, out, |number| wrap(f64::from(i8::from_ne_bytes(number)))),
            DType::I16 => each(bytes, out, |number| wrap(f64::from(i16::from_ne_bytes(number)))),
            DType::I32 => each(bytes, out, |number| wrap(f64::from(i32::from_ne_bytes(number)))),
            DType::I64 => each(bytes, out, |number| wrap(i64::from_ne_bytes(number) as f64)),
            DType::U8 => each(bytes, out, |[number]| wrap(f64::from(number))),
            DType::U16 => each(bytes, out, |number| wrap(f64::from(u16::from_ne_bytes(number)))),
            DType::U32 => each(bytes, out, |number| wrap(f64::from(u32::from_ne_bytes(number)))),
            DType::U64 => each(bytes, out, |number| wrap(u64::from_ne_bytes(number) as f64)),
            DType::F64 => each(bytes, out, |number| wrap(f64::from_ne_bytes(number))),
            other => unreachable!("{other} is not computed in double precision"),
        }
    }

    fn reciprocal(length: usize) -> Self {
        1.0 / length as f64
    }
}

fn each<E, const N: usize>(bytes: &[u8], out: &mut [E], value: impl Fn([u8; N]) -> E) {
    for (number, place) in bytes.as_chunks::<N>().0.iter().zip(out) {
        *place = value(*number);
    }
}

/// An element of an array that lines are gathered from or scattered to: a real or a complex number.
pub(crate) trait Number<T>: Pod + Send + Sync {
    fn re(self) -> T;
    fn complex(self) -> Complex<T>;
    fn from_re(re: T) -> Self;
    fn from_complex(value: Complex<T>) -> Self;
}

impl<T: Real> Number<T> for T {
    fn re(self) -> T {
        self
    }

    fn complex(self) -> Complex<T> {
        Complex::new(self, T::zero())
    }

    fn from_re(re: T) -> Self {
        re
    }

    fn from_complex(value: Complex<T>) -> Self {
        value.re
    }
}

impl<T: Real> Number<T> for Complex<T> {
    fn re(self) -> T {
        self.re
    }

    fn complex(self) -> Complex<T> {
        self
    }

    fn from_re(re: T) -> Self {
        Complex::new(re, T::zero())
    }

    fn from_complex(value: Complex<T>) -> Self {
        value
    }
}

/// `bytes` as elements, which their owner has aligned.
pub(crate) fn elements<E: Pod>(bytes: &[u8]) -> Result<&[E]> {
    bytemuck::try_cast_slice(bytes).map_err(unaligned)
}

/// `bytes` as elements to write to, which their owner has aligned.
pub(crate) fn elements_mut<E: Pod>(bytes: &mut [u8]) -> Result<&mut [E]> {
    bytemuck::try_cast_slice_mut(bytes).map_err(unaligned)
}

fn unaligned(cause: bytemuck::PodCastError) -> Error {
    Error::InvalidArgument(format!("the buffer does not hold elements: {cause}"))
}
