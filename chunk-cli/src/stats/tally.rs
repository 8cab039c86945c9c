//! What is counted of the elements of a dataset, slab by slab.

use std::cmp::Ordering;

use chunk_core::{Buffer, Complex, DType, Element, Error, Result, Scalar};
use half::f16;

use super::exact::{ExactSum, deviation, mean};

/// What was seen of some elements. Merging two is as if all were seen at once, whatever the order.
#[derive(Clone, Debug, Default)]
pub(super) struct Tally {
    /// Elements that are values.
    pub(super) count: u64,
    /// Elements that are not a number, or not a time.
    pub(super) nan: u64,
    /// The least and the greatest value, with the dtype of the elements.
    pub(super) extremes: Option<Extremes>,
    /// Real part and imaginary part; the second is empty for real numbers, both are for times.
    parts: [Part; 2],
}

/// The least and the greatest of some values.
#[derive(Clone, Debug)]
pub(super) struct Extremes {
    pub(super) min: Scalar,
    pub(super) max: Scalar,
}

/// What mean and deviation are made of.
#[derive(Clone, Debug, Default)]
struct Part {
    sums: Option<(ExactSum, ExactSum)>,
    plus_infinity: bool,
    minus_infinity: bool,
}

impl Tally {
    /// What there is to see of a packed buffer of `dtype`, the numbers inside of arrays and enumerations included.
    ///
    /// # Errors
    /// [`Error::UnsupportedDType`] for what has no order.
    pub(super) fn of(dtype: &DType, bytes: &[u8], dataset: &str) -> Result<Self> {
        Ok(match dtype {
            DType::Bool => integers(bool::from_bytes(bytes)?),
            DType::I8 => integers(i8::from_bytes(bytes)?),
            DType::I16 => integers(i16::from_bytes(bytes)?),
            DType::I32 => integers(i32::from_bytes(bytes)?),
            DType::I64 => integers(i64::from_bytes(bytes)?),
            DType::U8 => integers(u8::from_bytes(bytes)?),
            DType::U16 => integers(u16::from_bytes(bytes)?),
            DType::U32 => integers(u32::from_bytes(bytes)?),
            DType::U64 => integers(u64::from_bytes(bytes)?),
            DType::F16 => floats(f16::from_bytes(bytes)?)?,
            DType::F32 => floats(f32::from_bytes(bytes)?)?,
            DType::F64 => floats(f64::from_bytes(bytes)?)?,
            DType::ComplexF32 => complex(Complex::<f32>::from_bytes(bytes)?)?,
            DType::ComplexF64 => complex(Complex::<f64>::from_bytes(bytes)?)?,
            DType::DateTime64(_) | DType::TimeDelta64(_) => times(dtype, i64::from_bytes(bytes)?)?,
            DType::Enum(kind) => Tally::of(&kind.base, bytes, dataset)?,
            DType::Array { element, .. } => Tally::of(element, bytes, dataset)?,
            _ => return Err(unsupported(dtype.to_string(), dataset.to_owned())),
        })
    }

    pub(super) fn merge(mut self, other: Tally) -> Result<Tally> {
        self.count += other.count;
        self.nan += other.nan;
        if let Some(theirs) = other.extremes {
            self.extremes = Some(match self.extremes.take() {
                Some(ours) => Extremes { min: least(ours.min, theirs.min)?, max: greatest(ours.max, theirs.max)? },
                None => theirs,
            });
        }
        self.parts.iter_mut().zip(other.parts).for_each(|(part, other)| part.merge(other));
        Ok(self)
    }

    /// The mean, of the real and the imaginary parts; none where there are no values, or none that add.
    pub(super) fn mean(&self) -> Vec<f64> {
        self.parts.iter().filter_map(|part| part.mean(self.count)).collect()
    }

    /// The standard deviation, as of the distances from the mean in the plane for complex numbers.
    pub(super) fn deviation(&self) -> Option<f64> {
        if self.count == 0 || self.parts[0].sums.is_none() {
            return None;
        }
        if self.parts.iter().any(|part| part.plus_infinity || part.minus_infinity) {
            return Some(f64::NAN);
        }
        let sums: Vec<_> = self.parts.iter().filter_map(|part| part.sums.as_ref()).map(|(a, b)| (a, b)).collect();
        Some(deviation(&sums, self.count))
    }
}

/// That elements of `dtype` can be counted.
pub(super) fn check(dtype: &DType, dataset: &str) -> Result<()> {
    let none = Buffer::default();
    Tally::of(dtype, &none, dataset).map(|_| ()).map_err(|_| unsupported(dtype.to_string(), dataset.to_owned()))
}

pub(super) fn unsupported(dtype: String, dataset: String) -> Error {
    Error::UnsupportedDType { dataset, dtype, operation: "stats".to_owned() }
}

impl Part {
    fn merge(&mut self, other: Part) {
        match (&mut self.sums, other.sums) {
            (Some((sum, squares)), Some((other_sum, other_squares))) => {
                sum.merge(&other_sum);
                squares.merge(&other_squares);
            }
            (None, sums) => self.sums = sums,
            (Some(_), None) => {}
        }
        self.plus_infinity |= other.plus_infinity;
        self.minus_infinity |= other.minus_infinity;
    }

    fn mean(&self, count: u64) -> Option<f64> {
        let (sum, _) = self.sums.as_ref().filter(|_| count > 0)?;
        Some(match (self.plus_infinity, self.minus_infinity) {
            (false, false) => mean(sum, count),
            (true, false) => f64::INFINITY,
            (false, true) => f64::NEG_INFINITY,
            (true, true) => f64::NAN,
        })
    }
}

/// Floats being added, those of one exponent together: so that no mantissa has to be shifted for each.
struct Buckets {
    by_exponent: Vec<Bucket>,
    plus_infinity: bool,
    minus_infinity: bool,
}

/// Mantissas and their squares, summed.
#[derive(Clone, Copy, Default)]
struct Bucket {
    sum: i128,
    squares: u128,
}

/// So many squares of 106 bits fit 128 bits.
const MOST_IN_BUCKETS: usize = 1 << 21;
const EXPONENTS: usize = 0x7ff;

impl Buckets {
    fn new() -> Self {
        Buckets { by_exponent: vec![Bucket::default(); EXPONENTS], plus_infinity: false, minus_infinity: false }
    }

    /// Adds a number, at most [`MOST_IN_BUCKETS`] of them.
    fn add(&mut self, x: f64) {
        let bits = x.to_bits();
        let (exponent, fraction) = ((bits >> 52 & 0x7ff) as usize, bits & ((1 << 52) - 1));
        let Some(bucket) = self.by_exponent.get_mut(exponent) else {
            self.plus_infinity |= x > 0.0;
            self.minus_infinity |= x < 0.0;
            return;
        };
        let mantissa = if exponent == 0 { fraction } else { fraction | 1 << 52 };
        bucket.sum += i128::from(if x.is_sign_negative() { -mantissa.cast_signed() } else { mantissa.cast_signed() });
        bucket.squares += u128::from(mantissa) * u128::from(mantissa);
    }

    fn part(&self) -> Part {
        let (mut sum, mut squares) = (ExactSum::default(), ExactSum::default());
        for (bucket, biased) in self.by_exponent.iter().zip(0..).filter(|(bucket, _)| bucket.squares != 0) {
            let exponent = i32::max(biased, 1) - 1075;
            sum.add(bucket.sum < 0, bucket.sum.unsigned_abs(), exponent);
            squares.add(false, bucket.squares, 2 * exponent);
        }
        Part { sums: Some((sum, squares)), plus_infinity: self.plus_infinity, minus_infinity: self.minus_infinity }
    }
}

fn least(a: Scalar, b: Scalar) -> Result<Scalar> {
    Ok(if compare(&a, &b)? == Ordering::Greater { b } else { a })
}

fn greatest(a: Scalar, b: Scalar) -> Result<Scalar> {
    Ok(if compare(&a, &b)? == Ordering::Less { b } else { a })
}

/// The order of two values of one dtype.
fn compare(a: &Scalar, b: &Scalar) -> Result<Ordering> {
    fn by<T: Element>(a: &Scalar, b: &Scalar, order: impl Fn(T, T) -> Ordering) -> Result<Ordering> {
        Ok(order(a.value()?, b.value()?))
    }
    match a.dtype() {
        DType::Bool => by(a, b, |a: bool, b: bool| a.cmp(&b)),
        DType::I8 => by(a, b, |a: i8, b| a.cmp(&b)),
        DType::I16 => by(a, b, |a: i16, b| a.cmp(&b)),
        DType::I32 => by(a, b, |a: i32, b| a.cmp(&b)),
        DType::I64 => by(a, b, |a: i64, b| a.cmp(&b)),
        DType::U8 => by(a, b, |a: u8, b| a.cmp(&b)),
        DType::U16 => by(a, b, |a: u16, b| a.cmp(&b)),
        DType::U32 => by(a, b, |a: u32, b| a.cmp(&b)),
        DType::U64 => by(a, b, |a: u64, b| a.cmp(&b)),
        DType::F16 => by(a, b, |a: f16, b| a.total_cmp(&b)),
        DType::F32 => by(a, b, |a: f32, b| a.total_cmp(&b)),
        DType::F64 => by(a, b, |a: f64, b| a.total_cmp(&b)),
        DType::ComplexF32 => by(a, b, complex_order::<f32>),
        DType::ComplexF64 => by(a, b, complex_order::<f64>),
        _ => Ok(i64_of(a).cmp(&i64_of(b))),
    }
}

fn i64_of(time: &Scalar) -> i64 {
    time.bytes().try_into().map_or(0, i64::from_ne_bytes)
}

/// Real parts first, then imaginary parts, as NumPy orders complex numbers.
fn complex_order<T: Copy + Into<f64>>(a: Complex<T>, b: Complex<T>) -> Ordering {
    let (a, b) = ((a.re.into(), a.im.into()), (b.re.into(), b.im.into()));
    a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1))
}

/// Elements that are integers.
trait Integer: Element + Ord {
    fn sign_and_magnitude(self) -> (bool, u64);
}

macro_rules! integer {
    ($($type:ty: $convert:expr,)*) => {$(
        impl Integer for $type {
            fn sign_and_magnitude(self) -> (bool, u64) {
                let convert: fn(Self) -> (bool, u64) = $convert;
                convert(self)
            }
        }
    )*};
}

integer! {
    bool: |x| (false, x.into()),
    i8: |x| (x < 0, x.unsigned_abs().into()),
    i16: |x| (x < 0, x.unsigned_abs().into()),
    i32: |x| (x < 0, x.unsigned_abs().into()),
    i64: |x| (x < 0, x.unsigned_abs()),
    u8: |x| (false, x.into()),
    u16: |x| (false, x.into()),
    u32: |x| (false, x.into()),
    u64: |x| (false, x),
}

fn integers<T: Integer>(elements: &[T]) -> Tally {
    let extremes = elements.iter().min().zip(elements.iter().max());
    let extremes = extremes.map(|(min, max)| Extremes { min: Scalar::from(*min), max: Scalar::from(*max) });
    // A square has 128 bits: its halves are summed apart, so that neither sum overflows.
    let (mut sum, mut low, mut high) = (0_i128, 0_u128, 0_u128);
    for element in elements {
        let (negative, magnitude) = element.sign_and_magnitude();
        sum += if negative { -i128::from(magnitude) } else { i128::from(magnitude) };
        let square = u128::from(magnitude) * u128::from(magnitude);
        low += square & u128::from(u64::MAX);
        high += square >> 64;
    }
    let (mut exact, mut squares) = (ExactSum::default(), ExactSum::default());
    exact.add(sum < 0, sum.unsigned_abs(), 0);
    squares.add(false, low, 0);
    squares.add(false, high, 64);
    let part = Part { sums: Some((exact, squares)), ..Part::default() };
    Tally { count: elements.len() as u64, nan: 0, extremes, parts: [part, Part::default()] }
}

fn floats<T: Element + Into<f64>>(elements: &[T]) -> Result<Tally> {
    blocks(elements, |elements| {
        let mut buckets = Buckets::new();
        let mut extremes: Option<((f64, T), (f64, T))> = None;
        let mut nan = 0;
        for element in elements {
            let x: f64 = (*element).into();
            if x.is_nan() {
                nan += 1;
                continue;
            }
            let (min, max) = extremes.get_or_insert(((x, *element), (x, *element)));
            if x.total_cmp(&min.0).is_lt() {
                *min = (x, *element);
            }
            if x.total_cmp(&max.0).is_gt() {
                *max = (x, *element);
            }
            buckets.add(x);
        }
        let extremes = extremes.map(|((_, min), (_, max))| Extremes { min: Scalar::from(min), max: Scalar::from(max) });
        Tally { count: elements.len() as u64 - nan, nan, extremes, parts: [buckets.part(), Part::default()] }
    })
}

fn complex<T>(elements: &[Complex<T>]) -> Result<Tally>
where
    T: Copy + Into<f64>,
    Complex<T>: Element,
{
    blocks(elements, |elements| {
        let (mut real, mut imaginary) = (Buckets::new(), Buckets::new());
        let mut extremes: Option<(Complex<T>, Complex<T>)> = None;
        let mut nan = 0;
        for element in elements {
            let (re, im): (f64, f64) = (element.re.into(), element.im.into());
            if re.is_nan() || im.is_nan() {
                nan += 1;
                continue;
            }
            let (min, max) = extremes.get_or_insert((*element, *element));
            if complex_order(*element, *min).is_lt() {
                *min = *element;
            }
            if complex_order(*element, *max).is_gt() {
                *max = *element;
            }
            real.add(re);
            imaginary.add(im);
        }
        let extremes = extremes.map(|(min, max)| Extremes { min: Scalar::from(min), max: Scalar::from(max) });
        Tally { count: elements.len() as u64 - nan, nan, extremes, parts: [real.part(), imaginary.part()] }
    })
}

/// The tally of elements that are counted so many at a time.
fn blocks<T>(elements: &[T], count: impl Fn(&[T]) -> Tally) -> Result<Tally> {
    elements.chunks(MOST_IN_BUCKETS).try_fold(Tally::default(), |tally, block| tally.merge(count(block)))
}

/// Times have no mean: NumPy adds moments neither.
fn times(dtype: &DType, counts: &[i64]) -> Result<Tally> {
    let known = || counts.iter().filter(|count| **count != i64::MIN);
    let scalar = |count: &i64| Scalar::from_bytes(dtype.clone(), count.to_ne_bytes());
    let extremes = match known().min().zip(known().max()) {
        Some((min, max)) => Some(Extremes { min: scalar(min)?, max: scalar(max)? }),
        None => None,
    };
    let count = known().count() as u64;
    Ok(Tally { count, nan: counts.len() as u64 - count, extremes, ..Tally::default() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally<T: Element>(elements: &[T]) -> Tally {
        Tally::of(&T::DTYPE, T::as_bytes(elements), "x").unwrap()
    }

    #[test]
    fn merging_is_seeing_all_at_once() {
        let values: Vec<f64> = (0..100).map(|i| (f64::from(i) * 0.1).sin() * 10_f64.powi(i % 40 - 20)).collect();
        let whole = tally(&values);
        for cut in [0, 1, 50, 99] {
            let merged = tally(&values[cut..]).merge(tally(&values[..cut])).unwrap();
            assert_eq!((merged.mean(), merged.deviation()), (whole.mean(), whole.deviation()));
        }
    }

    #[test]
    fn integers_are_exact() {
        let tally = tally(&[u64::MAX, u64::MAX - 2]);
        let extremes = tally.extremes.as_ref().unwrap();
        assert_eq!(extremes.min.value::<u64>().unwrap(), u64::MAX - 2);
        assert_eq!(extremes.max.value::<u64>().unwrap(), u64::MAX);
        assert_eq!(tally.deviation(), Some(1.0));
    }

    #[test]
    fn what_is_not_a_number_is_counted_and_left_out() {
        let found = tally(&[f64::NAN, 1.0, 3.0]);
        assert_eq!((found.count, found.nan, found.mean(), found.deviation()), (2, 1, vec![2.0], Some(1.0)));
        let found = tally(&[f64::NAN]);
        assert!(found.extremes.is_none() && found.mean().is_empty() && found.deviation().is_none());
        assert_eq!(tally(&[f64::INFINITY, 1.0]).mean(), [f64::INFINITY]);
        assert!(tally(&[f64::INFINITY, f64::NEG_INFINITY]).mean()[0].is_nan());
        let zeros = tally(&[0.0, -0.0]).extremes.unwrap();
        assert!(zeros.min.value::<f64>().unwrap().is_sign_negative());
    }
}
