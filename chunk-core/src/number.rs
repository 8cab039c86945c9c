//! Kinds of numbers, and casts from one number type to another.

use std::fmt::Display;

use half::f16;
use num_complex::Complex;

use crate::{Element, Result};

/// An [`Element`] that every pattern of bytes is a value of: all but `bool`.
///
/// It is a [`RealNumber`], that is an [`Integer`] or a [`Float`], or a [`ComplexNumber`].
pub trait Number: Element + Display + FromNumber {
    /// Returns `bytes` as elements to write to, without a copy.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`](crate::Error::InvalidArgument) if the length or the alignment do
    /// not fit.
    fn from_bytes_mut(bytes: &mut [u8]) -> Result<&mut [Self]>;

    /// Casts to `T`, or returns `None` if `T` has no such value.
    ///
    /// The rules are those of [`Conversion`](crate::Conversion): integers round to the nearest
    /// float, floats lose what is behind the point as integers, complex numbers lose their
    /// imaginary part as real ones.
    ///
    /// ```
    /// use chunk_core::Number;
    ///
    /// assert_eq!((-1.5_f64).cast::<i8>(), Some(-1));
    /// assert_eq!(300_i32.cast::<u8>(), None);
    /// ```
    fn cast<T: Number>(self) -> Option<T>;

    /// Tells if this is not a number, or a complex number with such a part.
    fn is_nan(self) -> bool;
}

/// A number that is not complex: an [`Integer`] or a [`Float`].
pub trait RealNumber: Number + PartialOrd {
    /// Returns the nearest value in single precision, maybe an infinity.
    fn to_f32(self) -> f32;

    /// Returns the nearest value in double precision: the value itself, but for long integers.
    fn to_f64(self) -> f64;

    /// Returns the nearest value in half precision, maybe an infinity.
    #[doc(hidden)]
    fn to_f16(self) -> f16;
}

/// An integer of 8 to 64 bits.
pub trait Integer: RealNumber + Ord + Into<i128> {
    /// The least value: zero for unsigned integers.
    const MIN: Self;
    /// The greatest value.
    const MAX: Self;
}

/// A float of half, single or double precision.
pub trait Float: RealNumber {
    /// The quiet NaN that arithmetic gives.
    const NAN: Self;

    /// Tells if this is neither infinite nor NaN.
    fn is_finite(self) -> bool;
}

/// A complex number of two floats.
pub trait ComplexNumber: Number {
    /// The type of the real and of the imaginary part.
    type Part: Float;

    /// Returns the number with these parts.
    fn from_parts(re: Self::Part, im: Self::Part) -> Self;

    /// Returns the real part.
    fn re(self) -> Self::Part;

    /// Returns the imaginary part.
    fn im(self) -> Self::Part;
}

/// The other side of [`Number::cast`]: the value of another number as one of this type.
#[doc(hidden)]
pub trait FromNumber: Sized {
    fn from_integer<I: Integer>(integer: I) -> Option<Self>;
    fn from_float<F: Float>(float: F) -> Option<Self>;
    fn from_complex<C: ComplexNumber>(complex: C) -> Option<Self>;
}

macro_rules! number {
    ($type:ty, $from:ident, $is_nan:expr) => {
        impl Number for $type {
            #[inline]
            fn from_bytes_mut(bytes: &mut [u8]) -> Result<&mut [Self]> {
                crate::element::cast_slice_mut(bytes)
            }

            fn cast<T: Number>(self) -> Option<T> {
                T::$from(self)
            }

            #[inline]
            fn is_nan(self) -> bool {
                let is_nan: fn(Self) -> bool = $is_nan;
                is_nan(self)
            }
        }
    };
}

macro_rules! real_number {
    ($type:ty, $to_f16:expr, $to_f32:expr, $to_f64:expr) => {
        #[allow(clippy::cast_lossless, reason = "all integers are written alike")]
        impl RealNumber for $type {
            #[inline]
            fn to_f32(self) -> f32 {
                let convert: fn(Self) -> f32 = $to_f32;
                convert(self)
            }

            #[inline]
            fn to_f64(self) -> f64 {
                let convert: fn(Self) -> f64 = $to_f64;
                convert(self)
            }

            #[inline]
            fn to_f16(self) -> f16 {
                let convert: fn(Self) -> f16 = $to_f16;
                convert(self)
            }
        }
    };
}

macro_rules! integers {
    ($($type:ty),*) => {$(
        number!($type, from_integer, |_| false);
        // An integer that half precision has room for is exact in single precision.
        real_number!($type, |x| f16::from_f32(x as f32), |x| x as f32, |x| x as f64);

        impl Integer for $type {
            const MIN: Self = <$type>::MIN;
            const MAX: Self = <$type>::MAX;
        }

        #[allow(clippy::cast_lossless, clippy::cast_sign_loss, reason = "the ranges are checked")]
        impl FromNumber for $type {
            fn from_integer<I: Integer>(integer: I) -> Option<Self> {
                // All integers fit an i128, but its comparisons are slower than those of 64 bits.
                let wide: i128 = integer.into();
                if I::MIN < I::default() {
                    (wide as i64).try_into().ok()
                } else {
                    (wide as u64).try_into().ok()
                }
            }

            fn from_float<F: Float>(float: F) -> Option<Self> {
                let whole = float.to_f64().trunc();
                // Both bounds are powers of two, or zero: exact.
                let (least, end) = (<$type>::MIN as f64, 2.0 * ((<$type>::MAX / 2 + 1) as f64));
                (least..end).contains(&whole).then_some(whole as $type)
            }

            fn from_complex<C: ComplexNumber>(complex: C) -> Option<Self> {
                Self::from_float(complex.re())
            }
        }
    )*};
}

macro_rules! floats {
    ($($type:ty, $to:ident: $to_f16:expr, $to_f32:expr, $to_f64:expr;)*) => {$(
        number!($type, from_float, <$type>::is_nan);
        real_number!($type, $to_f16, $to_f32, $to_f64);

        impl Float for $type {
            const NAN: Self = <$type>::NAN;

            #[inline]
            fn is_finite(self) -> bool {
                <$type>::is_finite(self)
            }
        }

        impl FromNumber for $type {
            fn from_integer<I: Integer>(integer: I) -> Option<Self> {
                Some(integer.$to()).filter(|number| number.is_finite())
            }

            fn from_float<F: Float>(float: F) -> Option<Self> {
                let number = float.$to();
                (number.is_finite() || !float.is_finite()).then_some(number)
            }

            fn from_complex<C: ComplexNumber>(complex: C) -> Option<Self> {
                Self::from_float(complex.re())
            }
        }
    )*};
}

macro_rules! complex_numbers {
    ($($part:ty),*) => {$(
        number!(Complex<$part>, from_complex, |x| x.re.is_nan() || x.im.is_nan());

        impl ComplexNumber for Complex<$part> {
            type Part = $part;

            #[inline]
            fn from_parts(re: $part, im: $part) -> Self {
                Complex::new(re, im)
            }

            #[inline]
            fn re(self) -> $part {
                self.re
            }

            #[inline]
            fn im(self) -> $part {
                self.im
            }
        }

        impl FromNumber for Complex<$part> {
            fn from_integer<I: Integer>(integer: I) -> Option<Self> {
                Some(Complex::new(FromNumber::from_integer(integer)?, 0.0))
            }

            fn from_float<F: Float>(float: F) -> Option<Self> {
                Some(Complex::new(FromNumber::from_float(float)?, 0.0))
            }

            fn from_complex<C: ComplexNumber>(complex: C) -> Option<Self> {
                let re = FromNumber::from_float(complex.re())?;
                Some(Complex::new(re, FromNumber::from_float(complex.im())?))
            }
        }
    )*};
}

integers!(i8, i16, i32, i64, u8, u16, u32, u64);

floats! {
    f16, to_f16: |x| x, f16::to_f32, f16::to_f64;
    f32, to_f32: f16::from_f32, |x| x, f64::from;
    f64, to_f64: f16::from_f64, |x| x as f32, |x| x;
}

complex_numbers!(f32, f64);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn casts_round_to_the_nearest_float() {
        assert_eq!((i64::MAX - 1).cast::<f64>(), Some(9_223_372_036_854_775_807.0));
        assert_eq!(16_777_217_i32.cast::<f32>(), Some(16_777_216.0));
        assert_eq!(u64::MAX.cast::<f32>(), Some(18_446_744_073_709_551_615.0));
        assert_eq!(2049_u16.cast::<f16>(), Some(f16::from_f32(2048.0)));
        assert_eq!(65_520_i32.cast::<f16>(), None);
    }

    #[test]
    fn casts_keep_infinities_and_nan() {
        assert_eq!(f64::INFINITY.cast::<f16>(), Some(f16::INFINITY));
        assert_eq!(f64::MAX.cast::<f32>(), None);
        assert!(f32::NAN.cast::<f16>().is_some_and(f16::is_nan));
        assert_eq!(f64::NAN.cast::<i64>(), None);
    }

    #[test]
    fn casts_of_complex_numbers_drop_the_imaginary_part() {
        let number = Complex::new(-3.5_f32, f32::NAN);
        assert_eq!((number.cast::<i8>(), number.cast::<u8>()), (Some(-3), None));
        assert_eq!(7_u8.cast::<Complex<f64>>(), Some(Complex::new(7.0, 0.0)));
        assert_eq!(Complex::new(0.0, f64::MAX).cast::<Complex<f32>>(), None);
    }

    #[test]
    fn signedness_is_in_the_least_value() {
        fn is_signed<T: Integer>() -> bool {
            T::MIN.into() < 0
        }
        assert!(is_signed::<i64>() && !is_signed::<u64>());
        assert_eq!(u64::MAX.cast::<i64>(), None);
        assert_eq!((-1_i8).cast::<u64>(), None);
    }
}
