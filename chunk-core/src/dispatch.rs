//! From a dtype known at run time to code compiled for its Rust type.

use half::f16;
use num_complex::Complex;

use crate::{ComplexNumber, DType, Float, Integer, Number};

/// Code that is compiled for each Rust type of an element, one method for each kind.
///
/// [`DType::dispatch`] calls the method that fits a dtype. A visitor is a value that holds the
/// arguments; where the code is the same for all numbers, [`NumberVisitor`] has one method.
///
/// Dtypes that are no single number, such as text, times and structures, have no method. The caller
/// looks at those itself: a time is an `i64`, an enumeration has a base dtype.
///
/// ```
/// use chunk_core::{ComplexNumber, DType, ElementVisitor, Float, Integer, RealNumber};
///
/// /// Adds the squared magnitudes of the elements of a packed buffer.
/// struct Energy<'a>(&'a [u8]);
///
/// impl ElementVisitor for Energy<'_> {
///     type Output = f64;
///
///     fn visit_bool(self) -> f64 {
///         self.visit_integer::<u8>()
///     }
///
///     fn visit_integer<T: Integer>(self) -> f64 {
///         T::iter_unaligned(self.0).map(|x| x.to_f64().powi(2)).sum()
///     }
///
///     fn visit_float<T: Float>(self) -> f64 {
///         T::iter_unaligned(self.0).map(|x| x.to_f64().powi(2)).sum()
///     }
///
///     fn visit_complex<T: ComplexNumber>(self) -> f64 {
///         let energy = |x: T| x.re().to_f64().powi(2) + x.im().to_f64().powi(2);
///         T::iter_unaligned(self.0).map(energy).sum()
///     }
/// }
///
/// assert_eq!(DType::I8.dispatch(Energy(&[3, 4])), Some(25.0));
/// assert_eq!("S2".parse::<DType>()?.dispatch(Energy(b"no")), None);
/// # Ok::<(), chunk_core::Error>(())
/// ```
pub trait ElementVisitor: Sized {
    /// The result of every method.
    type Output;

    /// Visits elements that are `bool`, one byte each.
    fn visit_bool(self) -> Self::Output;

    /// Visits elements that are integers of 8 to 64 bits.
    fn visit_integer<T: Integer>(self) -> Self::Output;

    /// Visits elements that are floats of half, single or double precision.
    fn visit_float<T: Float>(self) -> Self::Output;

    /// Visits elements that are complex numbers of single or double precision.
    fn visit_complex<T: ComplexNumber>(self) -> Self::Output;
}

/// Code that is compiled for each number type alike.
///
/// ```
/// use chunk_core::{DType, Element, Number, NumberVisitor, Result};
///
/// /// Replaces all zeros of a packed buffer with ones.
/// struct ZerosToOnes<'a>(&'a mut [u8]);
///
/// impl NumberVisitor for ZerosToOnes<'_> {
///     type Output = Result<()>;
///
///     fn visit<T: Number>(self) -> Result<()> {
///         let one = 1_i8.cast().expect("every number type has a one");
///         let zeros = T::from_bytes_mut(self.0)?.iter_mut().filter(|x| **x == T::default());
///         zeros.for_each(|zero| *zero = one);
///         Ok(())
///     }
/// }
///
/// let mut numbers = [7, 0, 255];
/// DType::U8.dispatch_number(ZerosToOnes(&mut numbers)).transpose()?;
/// assert_eq!(numbers, [7, 1, 255]);
/// # Ok::<(), chunk_core::Error>(())
/// ```
pub trait NumberVisitor: Sized {
    /// The result of the visit.
    type Output;

    /// Visits elements that are numbers of type `T`.
    fn visit<T: Number>(self) -> Self::Output;
}

impl DType {
    /// Calls the method of `visitor` for elements of this dtype, with their Rust type.
    ///
    /// Returns `None` if the dtype is not [numeric](DType::is_numeric). Dispatch once for a buffer,
    /// not once for an element: the visitor's loop is then compiled for the type.
    pub fn dispatch<V: ElementVisitor>(&self, visitor: V) -> Option<V::Output> {
        Some(match self {
            DType::Bool => visitor.visit_bool(),
            DType::I8 => visitor.visit_integer::<i8>(),
            DType::I16 => visitor.visit_integer::<i16>(),
            DType::I32 => visitor.visit_integer::<i32>(),
            DType::I64 => visitor.visit_integer::<i64>(),
            DType::U8 => visitor.visit_integer::<u8>(),
            DType::U16 => visitor.visit_integer::<u16>(),
            DType::U32 => visitor.visit_integer::<u32>(),
            DType::U64 => visitor.visit_integer::<u64>(),
            DType::F16 => visitor.visit_float::<f16>(),
            DType::F32 => visitor.visit_float::<f32>(),
            DType::F64 => visitor.visit_float::<f64>(),
            DType::ComplexF32 => visitor.visit_complex::<Complex<f32>>(),
            DType::ComplexF64 => visitor.visit_complex::<Complex<f64>>(),
            DType::Bytes(_)
            | DType::Utf8(_)
            | DType::Ucs4(_)
            | DType::DateTime64(_)
            | DType::TimeDelta64(_)
            | DType::Opaque { .. }
            | DType::Enum(_)
            | DType::Struct(_)
            | DType::Array { .. } => return None,
        })
    }

    /// Calls `visitor` with the number type of this dtype.
    ///
    /// Returns `None` if the dtype is `bool` or not [numeric](DType::is_numeric).
    pub fn dispatch_number<V: NumberVisitor>(&self, visitor: V) -> Option<V::Output> {
        self.dispatch(AnyNumber(visitor)).flatten()
    }
}

/// Lets a [`NumberVisitor`] visit every kind but `bool`.
struct AnyNumber<V>(V);

impl<V: NumberVisitor> ElementVisitor for AnyNumber<V> {
    type Output = Option<V::Output>;

    fn visit_bool(self) -> Self::Output {
        None
    }

    fn visit_integer<T: Integer>(self) -> Self::Output {
        Some(self.0.visit::<T>())
    }

    fn visit_float<T: Float>(self) -> Self::Output {
        Some(self.0.visit::<T>())
    }

    fn visit_complex<T: ComplexNumber>(self) -> Self::Output {
        Some(self.0.visit::<T>())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The dtype of the type that is visited.
    struct Visited;

    impl ElementVisitor for Visited {
        type Output = DType;

        fn visit_bool(self) -> DType {
            DType::Bool
        }

        fn visit_integer<T: Integer>(self) -> DType {
            T::DTYPE
        }

        fn visit_float<T: Float>(self) -> DType {
            T::DTYPE
        }

        fn visit_complex<T: ComplexNumber>(self) -> DType {
            assert_eq!(size_of::<T>(), 2 * size_of::<T::Part>());
            T::DTYPE
        }
    }

    impl NumberVisitor for Visited {
        type Output = DType;

        fn visit<T: Number>(self) -> DType {
            assert_eq!(T::DTYPE.size(), size_of::<T>());
            T::DTYPE
        }
    }

    #[test]
    fn visits_the_type_of_each_numeric_dtype() {
        for dtype in DType::numeric() {
            assert_eq!(dtype.dispatch(Visited), Some(dtype.clone()));
            let number = Some(dtype.clone()).filter(|dtype| *dtype != DType::Bool);
            assert_eq!(dtype.dispatch_number(Visited), number);
        }
    }

    #[test]
    fn visits_nothing_for_other_dtypes() {
        for name in ["S3", "utf8[9]", "U5", "V7", "datetime64[us]", "timedelta64"] {
            let dtype: DType = name.parse().unwrap();
            assert_eq!((dtype.dispatch(Visited), dtype.dispatch_number(Visited)), (None, None));
        }
    }
}
