//! When two elements are equal.

use chunk_core::DType;
use half::f16;

/// How far apart numbers may be that count as equal.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tolerance {
    /// Relative to the second number.
    pub(super) relative: f64,
    pub(super) absolute: f64,
    /// Whether NaN, or "not a time", differs from itself.
    pub(super) nan_differs: bool,
}

/// Compares the elements of two dtypes.
#[derive(Clone, Debug)]
pub(super) struct Comparison {
    sizes: (usize, usize),
    parts: Vec<Part>,
    tolerance: Tolerance,
    /// Whether elements of the same bytes are equal.
    by_bytes: bool,
}

/// Numbers, or bytes, that lie one after another in an element.
#[derive(Clone, Debug)]
struct Part {
    offset: usize,
    count: usize,
    dtypes: (DType, DType),
}

/// Bytes that are compared at once before each element is looked at.
const BLOCK_BYTES: usize = 4096;

impl Comparison {
    /// `None` if elements of the two cannot be compared: both are numbers, or both of one dtype.
    pub(super) fn new(a: &DType, b: &DType, tolerance: Tolerance) -> Option<Self> {
        let sizes = (a.size(), b.size());
        let (a, b) = (base(a), base(b));
        let mut parts = Vec::new();
        if a == b {
            add_parts(a, 0, &mut parts);
        } else if a.is_numeric() && b.is_numeric() {
            parts.push(Part { offset: 0, count: 1, dtypes: (a.clone(), b.clone()) });
        } else {
            return None;
        }
        let exact = tolerance.nan_differs;
        Some(Comparison { sizes, parts, tolerance, by_bytes: a == b && !exact })
    }

    /// Sets a byte of `differs` for each element of two packed buffers: 1 where they differ, 0 where not.
    pub(super) fn mark(&self, a: &[u8], b: &[u8], differs: &mut [u8]) {
        let (size_a, size_b) = (self.sizes.0.max(1), self.sizes.1.max(1));
        if self.by_bytes {
            let elements = (BLOCK_BYTES / size_a).max(1);
            let blocks = a.chunks(elements * size_a).zip(b.chunks(elements * size_b));
            for ((a, b), differs) in blocks.zip(differs.chunks_mut(elements)) {
                if a == b {
                    differs.fill(0);
                } else {
                    self.mark_each(a.chunks_exact(size_a).zip(b.chunks_exact(size_b)), differs);
                }
            }
        } else {
            self.mark_each(a.chunks_exact(size_a).zip(b.chunks_exact(size_b)), differs);
        }
        if self.sizes.0 == 0 {
            differs.fill(0);
        }
    }

    fn mark_each<'a>(&self, elements: impl Iterator<Item = (&'a [u8], &'a [u8])>, differs: &mut [u8]) {
        for ((a, b), differs) in elements.zip(differs) {
            *differs =
                u8::from(!(self.by_bytes && a == b || self.parts.iter().all(|part| part.equal(a, b, self.tolerance))));
        }
    }
}

impl Part {
    fn equal(&self, a: &[u8], b: &[u8], tolerance: Tolerance) -> bool {
        let (size_a, size_b) = (self.dtypes.0.size(), self.dtypes.1.size());
        (0..self.count).all(|number| {
            let a = &a[self.offset + number * size_a..][..size_a];
            let b = &b[self.offset + number * size_b..][..size_b];
            match (Number::read(&self.dtypes.0, a), Number::read(&self.dtypes.1, b)) {
                (Some(a), Some(b)) => a.equals(b, tolerance),
                _ => a == b,
            }
        })
    }
}

/// Enumerations are compared by their values.
fn base(dtype: &DType) -> &DType {
    match dtype {
        DType::Enum(kind) => &kind.base,
        other => other,
    }
}

fn add_parts(dtype: &DType, offset: usize, parts: &mut Vec<Part>) {
    match dtype {
        DType::Struct(kind) => {
            kind.fields.iter().for_each(|field| add_parts(&field.dtype, offset + field.offset, parts));
        }
        DType::Array { element, shape } if matches!(**element, DType::Struct(_) | DType::Array { .. }) => {
            let count = shape.elements() as usize;
            (0..count).for_each(|number| add_parts(element, offset + number * element.size(), parts));
        }
        DType::Array { element, shape } => {
            let dtype = base(element).clone();
            parts.push(Part { offset, count: shape.elements() as usize, dtypes: (dtype.clone(), dtype) });
        }
        other => parts.push(Part { offset, count: 1, dtypes: (base(other).clone(), base(other).clone()) }),
    }
}

/// The value of an element.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Number {
    Integer(i128),
    Float(f64),
    Complex(f64, f64),
    NotATime,
}

impl Number {
    /// The value of an element of `dtype`, `None` for what is no number.
    fn read(dtype: &DType, bytes: &[u8]) -> Option<Number> {
        fn array<const N: usize>(bytes: &[u8]) -> Option<[u8; N]> {
            bytes.first_chunk().copied()
        }
        Some(match dtype {
            DType::Bool | DType::U8 => Number::Integer(bytes[0].into()),
            DType::I8 => Number::Integer(i8::from_ne_bytes(array(bytes)?).into()),
            DType::I16 => Number::Integer(i16::from_ne_bytes(array(bytes)?).into()),
            DType::I32 => Number::Integer(i32::from_ne_bytes(array(bytes)?).into()),
            DType::I64 => Number::Integer(i64::from_ne_bytes(array(bytes)?).into()),
            DType::U16 => Number::Integer(u16::from_ne_bytes(array(bytes)?).into()),
            DType::U32 => Number::Integer(u32::from_ne_bytes(array(bytes)?).into()),
            DType::U64 => Number::Integer(u64::from_ne_bytes(array(bytes)?).into()),
            DType::F16 => Number::Float(f16::from_ne_bytes(array(bytes)?).into()),
            DType::F32 => Number::Float(f32::from_ne_bytes(array(bytes)?).into()),
            DType::F64 => Number::Float(f64::from_ne_bytes(array(bytes)?)),
            DType::ComplexF32 => Number::Complex(
                f32::from_ne_bytes(array(bytes)?).into(),
                f32::from_ne_bytes(array(&bytes[4..])?).into(),
            ),
            DType::ComplexF64 => {
                Number::Complex(f64::from_ne_bytes(array(bytes)?), f64::from_ne_bytes(array(&bytes[8..])?))
            }
            DType::DateTime64(_) | DType::TimeDelta64(_) => match i64::from_ne_bytes(array(bytes)?) {
                i64::MIN => Number::NotATime,
                count => Number::Integer(count.into()),
            },
            _ => return None,
        })
    }

    fn is_nan(self) -> bool {
        match self {
            Number::Integer(_) => false,
            Number::Float(x) => x.is_nan(),
            Number::Complex(re, im) => re.is_nan() || im.is_nan(),
            Number::NotATime => true,
        }
    }

    /// As `numpy.isclose` has it: no further apart than absolute + relative |b|.
    fn equals(self, b: Number, tolerance: Tolerance) -> bool {
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

    /// Whether two numbers are equal, whatever their types.
    #[expect(clippy::float_cmp, reason = "equal is meant")]
    fn is_same(self, other: Number) -> bool {
        match (self, other) {
            (Number::Integer(integer), Number::Float(x)) | (Number::Float(x), Number::Integer(integer)) => {
                is_integer(x, integer)
            }
            (Number::Integer(integer), Number::Complex(re, im))
            | (Number::Complex(re, im), Number::Integer(integer)) => im == 0.0 && is_integer(re, integer),
            (Number::Float(x), Number::Complex(re, im)) | (Number::Complex(re, im), Number::Float(x)) => {
                im == 0.0 && x == re
            }
            (a, b) => a == b,
        }
    }

    fn distance(self, other: Number) -> f64 {
        if let (Number::Integer(a), Number::Integer(b)) = (self, other) {
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
            Number::Integer(x) => (x as f64, 0.0),
            Number::Float(x) => (x, 0.0),
            Number::Complex(re, im) => (re, im),
            Number::NotATime => (f64::NAN, 0.0),
        }
    }
}

fn is_integer(x: f64, integer: i128) -> bool {
    // Integers of elements have up to 64 bits: a float that is one of them converts exactly.
    x.abs() < 1e20 && x.fract() == 0.0 && x as i128 == integer
}

#[cfg(test)]
mod tests {
    use super::*;
    use chunk_core::{Element, Field, StructType};

    const EXACT: Tolerance = Tolerance { relative: 0.0, absolute: 0.0, nan_differs: false };

    fn marks<A: Element, B: Element>(a: &[A], b: &[B], tolerance: Tolerance) -> Vec<u8> {
        let comparison = Comparison::new(&A::DTYPE, &B::DTYPE, tolerance).unwrap();
        let mut differs = vec![9; a.len()];
        comparison.mark(A::as_bytes(a), B::as_bytes(b), &mut differs);
        differs
    }

    #[test]
    fn exact_unless_told_otherwise() {
        assert_eq!(marks(&[1.0, f64::NAN, -0.0, 1.0], &[1.0, -f64::NAN, 0.0, 1.0 + 1e-15], EXACT), [0, 0, 0, 1]);
        let nan_differs = Tolerance { nan_differs: true, ..EXACT };
        assert_eq!(marks(&[f64::NAN, 1.0], &[f64::NAN, 1.0], nan_differs), [1, 0]);
        assert_eq!(marks(&[u64::MAX, 3], &[-1_i64, 3], EXACT), [1, 0]);
        assert_eq!(marks(&[(1_i64 << 53) + 1, 2], &[2_f64.powi(53), 2.0], EXACT), [1, 0]);
    }

    #[test]
    fn tolerances_are_those_of_isclose() {
        let loose = Tolerance { relative: 0.1, absolute: 0.5, ..EXACT };
        assert_eq!(marks(&[10.0, 8.5, 0.5, -0.6], &[8.6, 10.0, 0.0, 0.0], loose), [1, 0, 0, 1]);
        let (infinity, most) = (f64::INFINITY, f64::MAX);
        assert_eq!(marks(&[infinity, infinity, 1.0], &[infinity, -infinity, infinity], loose), [0, 1, 1]);
        assert_eq!(marks(&[most], &[infinity], loose), [1]);
        assert_eq!(marks(&[100_u8], &[109_u8], loose), [0]);
    }

    #[test]
    fn padding_does_not_count() {
        let field = |name: &str, dtype, offset| Field { name: name.to_owned(), dtype, offset };
        let fields = vec![field("a", DType::U8, 0), field("b", DType::F32, 4)];
        let dtype = DType::Struct(StructType { fields, size: 8 }.into());
        let comparison = Comparison::new(&dtype, &dtype, EXACT).unwrap();
        let element = |pad: u8, x: f32| [&[7, pad, pad, pad][..], &x.to_ne_bytes()].concat();
        let mut differs = [9; 2];
        let a = [element(0, 1.5), element(0, 1.5)].concat();
        comparison.mark(&a, &[element(1, 1.5), element(0, 2.5)].concat(), &mut differs);
        assert_eq!(differs, [0, 1]);
    }

    #[test]
    fn only_numbers_are_compared_across_dtypes() {
        let text: DType = "S3".parse().unwrap();
        assert!(Comparison::new(&text, &DType::U8, EXACT).is_none());
        assert!(Comparison::new(&text, &text, EXACT).is_some());
    }
}
