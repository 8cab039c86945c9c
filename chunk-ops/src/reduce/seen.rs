//! What one look at some elements finds: how many there are, and their extremes.

use std::cmp::Ordering;

use chunk_core::{ComplexNumber, DType, Element, ElementVisitor, Float, Integer, RealNumber};

/// The count of units that stands for "not a time".
pub(super) const NOT_A_TIME: i64 = i64::MIN;

/// The count and the extremes of some elements.
pub(super) struct Seen<T> {
    pub(super) count: u64,
    pub(super) nan: u64,
    pub(super) extremes: Option<(T, T)>,
}

impl<T: Element> Seen<T> {
    /// Looks at numbers made of floats, and calls `add` with the number of each part and its value.
    pub(super) fn of<const PARTS: usize>(
        numbers: &[T],
        split: impl Fn(T) -> [f64; PARTS],
        mut add: impl FnMut(usize, f64),
    ) -> Self {
        let mut extremes: Option<[([f64; PARTS], T); 2]> = None;
        let mut nan = 0;
        for number in numbers {
            let parts = split(*number);
            if parts.iter().any(|part| part.is_nan()) {
                nan += 1;
                continue;
            }
            let seen = (parts, *number);
            let [min, max] = extremes.get_or_insert([seen, seen]);
            if float_order(&parts, &min.0).is_lt() {
                *min = seen;
            }
            if float_order(&parts, &max.0).is_gt() {
                *max = seen;
            }
            parts.into_iter().enumerate().for_each(|(part, x)| add(part, x));
        }
        let extremes = extremes.map(|[min, max]| (min.1, max.1));
        Seen { count: numbers.len() as u64 - nan, nan, extremes }
    }
}

/// Returns the order of two numbers by their first part that differs.
fn float_order<const PARTS: usize>(a: &[f64; PARTS], b: &[f64; PARTS]) -> Ordering {
    let orders = a.iter().zip(b).map(|(a, b)| a.total_cmp(b));
    orders.into_iter().find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
}

/// Returns a float as its only part.
pub(super) fn real<T: Float>(x: T) -> [f64; 1] {
    [x.to_f64()]
}

/// Returns the parts of a complex number.
pub(super) fn real_and_imaginary<T: ComplexNumber>(x: T) -> [f64; 2] {
    [x.re().to_f64(), x.im().to_f64()]
}

/// Returns the order of two elements of `dtype`, a number or a time, neither of them NaN.
pub(super) fn order(dtype: &DType, a: &[u8], b: &[u8]) -> Ordering {
    let elements = Order { a, b };
    match dtype {
        DType::DateTime64(_) | DType::TimeDelta64(_) => elements.visit_integer::<i64>(),
        dtype => dtype.dispatch(elements).unwrap_or(Ordering::Equal),
    }
}

/// Compares two elements of the visited type.
struct Order<'a> {
    a: &'a [u8],
    b: &'a [u8],
}

impl Order<'_> {
    fn by<T: Element>(self, order: impl Fn(T, T) -> Ordering) -> Ordering {
        let elements = T::iter_unaligned(self.a).zip(T::iter_unaligned(self.b));
        elements.fold(Ordering::Equal, |before, (a, b)| before.then_with(|| order(a, b)))
    }
}

impl ElementVisitor for Order<'_> {
    type Output = Ordering;

    fn visit_bool(self) -> Ordering {
        self.by(|a: bool, b| a.cmp(&b))
    }

    fn visit_integer<T: Integer>(self) -> Ordering {
        self.by(|a: T, b| a.cmp(&b))
    }

    fn visit_float<T: Float>(self) -> Ordering {
        self.by(|a: T, b| float_order(&real(a), &real(b)))
    }

    fn visit_complex<T: ComplexNumber>(self) -> Ordering {
        self.by(|a: T, b| float_order(&real_and_imaginary(a), &real_and_imaginary(b)))
    }
}
