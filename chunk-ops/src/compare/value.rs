//! Values of elements, whatever their dtypes, and when two are equal.

use chunk_core::{ComplexNumber, DType, Element, ElementVisitor, Float, Integer, RealNumber};

use super::comparison::Tolerance;

/// Reads the value of an element from its bytes.
pub(super) type Read = fn(&[u8]) -> Value;

/// Returns what reads elements of `dtype`, or `None` if they are neither numbers nor times.
pub(super) fn reader(dtype: &DType) -> Option<Read> {
    match dtype {
        DType::DateTime64(_) | DType::TimeDelta64(_) => Some(|bytes| match first(bytes) {
            i64::MIN => Value::NotATime,
            count => Value::Integer(count.into()),
        }),
        dtype => dtype.dispatch(FindReader),
    }
}

fn first<T: Element>(bytes: &[u8]) -> T {
    T::iter_unaligned(bytes).next().unwrap_or_default()
}

/// Finds what reads elements of the visited type.
struct FindReader;

impl ElementVisitor for FindReader {
    type Output = Read;

    /// Bools that are neither 0 nor 1 are compared as they are.
    fn visit_bool(self) -> Read {
        self.visit_integer::<u8>()
    }

    fn visit_integer<T: Integer>(self) -> Read {
        |bytes| Value::Integer(first::<T>(bytes).into())
    }

    fn visit_float<T: Float>(self) -> Read {
        |bytes| Value::Float(first::<T>(bytes).to_f64())
    }

    fn visit_complex<T: ComplexNumber>(self) -> Read {
        |bytes| {
            let number = first::<T>(bytes);
            Value::Complex(number.re().to_f64(), number.im().to_f64())
        }
    }
}

/// The value of an element that is a number or a time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Value {
    Integer(i128),
    Float(f64),
    Complex(f64, f64),
    NotATime,
}

impl Value {
    fn is_nan(self) -> bool {
        match self {
            Value::Integer(_) => false,
            Value::Float(x) => x.is_nan(),
            Value::Complex(re, im) => re.is_nan() || im.is_nan(),
            Value::NotATime => true,
        }
    }

    /// Tells if two values are no further apart than absolute + relative |b|.
    pub(super) fn equals(self, b: Value, tolerance: Tolerance) -> bool {
        if self.is_nan() || b.is_nan() {
            return self.is_nan() && b.is_nan() && !tolerance.nan_differs;
        }
        if self.is_same(b) {
            return true;
        }
        let (distance, size) = (self.distance(b), b.size());
        let most = tolerance.absolute + tolerance.relative * size;
        // Infinities are equal to themselves alone; without a tolerance nothing is that was not equal above.
        distance.is_finite() && size.is_finite() && most > 0.0 && distance <= most
    }

    /// Tells if two values are equal, whatever their types.
    #[expect(clippy::float_cmp, reason = "equal is meant")]
    fn is_same(self, other: Value) -> bool {
        match (self, other) {
            (Value::Integer(integer), Value::Float(x)) | (Value::Float(x), Value::Integer(integer)) => {
                is_integer(x, integer)
            }
            (Value::Integer(integer), Value::Complex(re, im)) | (Value::Complex(re, im), Value::Integer(integer)) => {
                im == 0.0 && is_integer(re, integer)
            }
            (Value::Float(x), Value::Complex(re, im)) | (Value::Complex(re, im), Value::Float(x)) => {
                im == 0.0 && x == re
            }
            (a, b) => a == b,
        }
    }

    fn distance(self, other: Value) -> f64 {
        if let (Value::Integer(a), Value::Integer(b)) = (self, other) {
            return (a - b).unsigned_abs() as f64;
        }
        let (a, b) = (self.parts(), other.parts());
        (a.0 - b.0).hypot(a.1 - b.1)
    }

    fn size(self) -> f64 {
        let (re, im) = self.parts();
        re.hypot(im)
    }

    fn parts(self) -> (f64, f64) {
        match self {
            Value::Integer(x) => (x as f64, 0.0),
            Value::Float(x) => (x, 0.0),
            Value::Complex(re, im) => (re, im),
            Value::NotATime => (f64::NAN, 0.0),
        }
    }
}

fn is_integer(x: f64, integer: i128) -> bool {
    // Integers of elements have up to 64 bits: a float that is one of them converts exactly.
    x.abs() < 1e20 && x.fract() == 0.0 && x as i128 == integer
}
