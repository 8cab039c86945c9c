//! When two elements are equal.

use chunk_core::{DType, Error, Result};

use super::value::{Read, reader};

/// How far apart numbers may be that count as equal: by default, not at all.
///
/// `a` and `b` are equal if `|a - b| <= absolute + relative * |b|`. Infinities are equal to
/// themselves alone, NaN is equal to NaN. Distances and magnitudes of complex numbers are those in
/// the plane. Integers and times are subtracted exactly.
///
/// # Source
/// `numpy.isclose`, whose `rtol` and `atol` these are, with `equal_nan`.
///
/// # Examples
/// ```
/// use chunk_ops::Tolerance;
///
/// let tolerance = Tolerance::default().with_relative(1e-6);
/// assert_eq!((tolerance.relative, tolerance.absolute, tolerance.nan_differs), (1e-6, 0.0, false));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Tolerance {
    /// The distance allowed relative to the magnitude of the second number.
    pub relative: f64,
    /// The distance allowed whatever the numbers.
    pub absolute: f64,
    /// Whether NaN differs from NaN, and "not a time" from itself.
    pub nan_differs: bool,
}

impl Tolerance {
    /// Allows a distance relative to the magnitude of the second number.
    #[must_use]
    pub fn with_relative(mut self, relative: f64) -> Self {
        self.relative = relative;
        self
    }

    /// Allows a distance whatever the numbers.
    #[must_use]
    pub fn with_absolute(mut self, absolute: f64) -> Self {
        self.absolute = absolute;
        self
    }

    /// Chooses whether NaN differs from NaN, and "not a time" from itself.
    #[must_use]
    pub fn with_nan_differs(mut self, nan_differs: bool) -> Self {
        self.nan_differs = nan_differs;
        self
    }

    /// Checks that the tolerances are finite and not negative.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`].
    pub(super) fn check(self) -> Result<()> {
        for (name, tolerance) in [("relative", self.relative), ("absolute", self.absolute)] {
            if !(tolerance >= 0.0 && tolerance.is_finite()) {
                let what = format!("the {name} tolerance must be finite and not negative: it is {tolerance}");
                return Err(Error::InvalidArgument(what));
            }
        }
        Ok(())
    }
}

/// The comparison of elements of two dtypes.
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
    sizes: (usize, usize),
    /// Reads the values of numbers; `None` for what is compared by its bytes.
    values: Option<(Read, Read)>,
}

/// Bytes that are compared at once before each element is looked at.
const BLOCK_BYTES: usize = 4096;

impl Comparison {
    /// Creates the comparison, or returns `None` if elements of the two cannot be compared: they are
    /// if both are numbers, or both of one dtype.
    pub(super) fn new(a: &DType, b: &DType, tolerance: Tolerance) -> Option<Self> {
        let sizes = (a.size(), b.size());
        let (a, b) = (base(a), base(b));
        let mut parts = Vec::new();
        if a == b {
            add_parts(a, 0, &mut parts);
        } else if a.is_numeric() && b.is_numeric() {
            parts.push(Part::new(0, 1, (a, b)));
        } else {
            return None;
        }
        let exact = tolerance.nan_differs;
        Some(Comparison { sizes, parts, tolerance, by_bytes: a == b && !exact })
    }

    /// Sets a byte of `differs` for each element of two packed buffers: 1 where they differ, else 0.
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
    fn new(offset: usize, count: usize, (a, b): (&DType, &DType)) -> Self {
        Part { offset, count, sizes: (a.size(), b.size()), values: reader(a).zip(reader(b)) }
    }

    fn equal(&self, a: &[u8], b: &[u8], tolerance: Tolerance) -> bool {
        let (size_a, size_b) = self.sizes;
        (0..self.count).all(|number| {
            let a = &a[self.offset + number * size_a..][..size_a];
            let b = &b[self.offset + number * size_b..][..size_b];
            match self.values {
                Some((value_a, value_b)) => value_a(a).equals(value_b(b), tolerance),
                None => a == b,
            }
        })
    }
}

/// Returns the dtype that elements are compared as: enumerations by their values.
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
            let dtype = base(element);
            parts.push(Part::new(offset, shape.elements() as usize, (dtype, dtype)));
        }
        other => parts.push(Part::new(offset, 1, (base(other), base(other)))),
    }
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
