//! The two precisions, and reading numbers of any real dtype as one of them.

use std::marker::PhantomData;

use bytemuck::Pod;
use chunk_core::{ComplexNumber, DType, Element, ElementVisitor, Error, Float, Integer, RealNumber, Result};
use num_complex::Complex;
use rustfft::FftNum;

/// The precision that a transform computes in.
pub(crate) trait Real: FftNum + Pod {
    /// Its dtype.
    const DTYPE: DType;

    /// Rounds `number` to this precision. 64-bit integers lose digits, as with NumPy.
    fn nearest<N: RealNumber>(number: N) -> Self;

    /// Returns the reciprocal of a length.
    fn reciprocal(length: usize) -> Self;

    /// Reads packed elements of `dtype`, a real one, into `out`, each passed through `wrap`, as many
    /// as both hold.
    fn read<E>(dtype: &DType, bytes: &[u8], out: &mut [E], wrap: impl Fn(Self) -> E) {
        let read = dtype.dispatch(Read { bytes, out, wrap, precision: PhantomData::<Self> });
        read.unwrap_or_else(|| unreachable!("{dtype} is no number"));
    }
}

impl Real for f32 {
    const DTYPE: DType = DType::F32;

    fn nearest<N: RealNumber>(number: N) -> Self {
        number.to_f32()
    }

    fn reciprocal(length: usize) -> Self {
        1.0 / length as f32
    }
}

impl Real for f64 {
    const DTYPE: DType = DType::F64;

    fn nearest<N: RealNumber>(number: N) -> Self {
        number.to_f64()
    }

    fn reciprocal(length: usize) -> Self {
        1.0 / length as f64
    }
}

/// Reads elements of the visited type in the precision `T`.
struct Read<'a, T, E, F> {
    bytes: &'a [u8],
    out: &'a mut [E],
    wrap: F,
    precision: PhantomData<T>,
}

impl<T: Real, E, F: Fn(T) -> E> Read<'_, T, E, F> {
    fn each<N: Element>(self, nearest: impl Fn(N) -> T) {
        for (number, place) in N::iter_unaligned(self.bytes).zip(self.out) {
            *place = (self.wrap)(nearest(number));
        }
    }
}

impl<T: Real, E, F: Fn(T) -> E> ElementVisitor for Read<'_, T, E, F> {
    type Output = ();

    fn visit_bool(self) {
        self.each(|number: bool| T::nearest(u8::from(number)));
    }

    fn visit_integer<N: Integer>(self) {
        self.each(T::nearest::<N>);
    }

    fn visit_float<N: Float>(self) {
        self.each(T::nearest::<N>);
    }

    fn visit_complex<N: ComplexNumber>(self) {
        unreachable!("{} is not read as real", N::DTYPE);
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
