//! Count, extremes, sum, mean and variance of elements, in one pass.

use chunk_core::{
    ChunkSource, Complex, ComplexNumber, DType, Element, ElementVisitor, Error, Float, Integer, Plan, Reduce, Result,
    Run, Scalar, Slab, Work,
};

use super::buckets::{Buckets, FEWEST, MOST, Parts};
use super::exact_sum::{ExactSum, GUARD};
use super::fixed_point::{Squares, Sum};
use super::natural::{Natural, Rounded, bits};
use super::saved::Saved;
use super::seen::{NOT_A_TIME, Seen, order, real, real_and_imaginary};

/// Count, least and greatest value, sum, mean and variance of some elements.
///
/// An accumulator: [update](Moments::update) it with elements, [merge](Moments::merge) others into
/// it, then ask for results. Sums are exact, so results have the same bits whatever the order of
/// the elements and however they were cut into pieces, and nothing cancels.
///
/// # Elements
/// * Numbers and bools, those inside of fixed arrays and enumerations included.
/// * NaN, and complex numbers with a part that is NaN, are counted and left out of everything else.
/// * Complex numbers are ordered by their real parts, then by their imaginary parts, as NumPy
///   orders them. Of zeros, -0.0 is the lesser.
/// * Times have extremes and a count of what is not a time, but no sum.
///
/// # Memory
/// [`Moments::held_bytes`]: 2 KiB for real numbers, 4 KiB for complex ones. An update takes 64 KiB
/// or 128 KiB for its own time if it is given many numbers at once.
///
/// # Source
/// [`ExactSum`]s of the elements and of their squares. Mean and variance are fractions of these,
/// rounded once; tested against exact fractions and NumPy.
///
/// # Examples
/// ```
/// use chunk_core::DType;
/// use chunk_ops::Moments;
///
/// let mut moments = Moments::new(&DType::F64, "x.npy")?;
/// moments.update(&[1e15 + 1.0, f64::NAN])?;
/// let mut others = Moments::new(&DType::F64, "x.npy")?;
/// others.update(&[1e15 + 3.0])?;
/// moments.merge(&others)?;
/// assert_eq!((moments.count(), moments.nan_count()), (2, 1));
/// assert_eq!(moments.mean(), Some((1e15 + 2.0).into()));
/// assert_eq!((moments.std(0), moments.variance(1)), (Some(1.0), Some(2.0)));
/// # Ok::<(), chunk_core::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Moments {
    /// The dtype of the numbers or times.
    dtype: DType,
    dataset: String,
    count: u64,
    nan: u64,
    extremes: Option<Extremes>,
    /// One for real numbers, two for complex ones, none for times.
    parts: Vec<Part>,
}

/// The least and the greatest of some values.
#[derive(Clone, Debug)]
struct Extremes {
    min: Scalar,
    max: Scalar,
}

/// Sums of the real or of the imaginary parts.
#[derive(Clone, Debug, Default)]
struct Part {
    sum: ExactSum,
    /// The sum of the squares of what is finite.
    squares: Squares,
}

/// Computes the moments of all elements of `source` in one pass of `run`.
///
/// The result does not depend on the budget or the threads of the run.
///
/// # Errors
/// [`Error::UnsupportedDType`] before anything is read; else those of [`Run::reduce`].
///
/// # Examples
/// ```
/// use chunk_core::{MemorySource, Run};
/// use chunk_ops::moments;
///
/// let x = MemorySource::new([2, 2], &[1_i16, -2, 3, 4])?;
/// let moments = moments(&x, &Run::new())?;
/// assert_eq!(moments.min(), Some(&(-2_i16).into()));
/// assert_eq!(moments.mean(), Some(1.5.into()));
/// # Ok::<(), chunk_core::Error>(())
/// ```
pub fn moments(source: &dyn ChunkSource, run: &Run) -> Result<Moments> {
    let info = source.info();
    let none = Moments::new(&info.dtype, &info.name)?;
    run.reduce(source, &OfMoments(none))
}

/// Plans what [`moments`] does, and reads nothing.
///
/// # Errors
/// As [`moments`], but for what reading meets.
pub fn plan_moments(source: &dyn ChunkSource, run: &Run) -> Result<Plan> {
    let info = source.info();
    run.planner().reduce(source, &OfMoments(Moments::new(&info.dtype, &info.name)?))
}

/// Operations that a real number takes.
const OPERATIONS: u64 = 75;
/// Bytes of the moments of complex numbers, whose parts have two sums each: less than that.
const MOST_HELD: u64 = 4 << 10;

/// The reduction to moments; it holds those of no elements.
struct OfMoments(Moments);

impl Reduce for OfMoments {
    type Accumulator = Moments;
    type Output = Moments;
    type Error = Error;

    fn held_bytes(&self) -> u64 {
        MOST_HELD
    }

    fn work(&self, elements: u64) -> Work {
        // Measured: an element takes as long as so many steps of a Fourier transform.
        Work::computing(elements.saturating_mul(OPERATIONS * self.0.parts.len().max(1) as u64))
    }

    fn is_exact(&self) -> bool {
        true
    }

    fn start(&self) -> Moments {
        self.0.clone()
    }

    fn update(&self, moments: &mut Moments, _piece: &Slab, data: &[u8]) -> Result<()> {
        moments.update_bytes(data)
    }

    fn merge(&self, moments: &mut Moments, later: Moments) -> Result<()> {
        moments.merge(&later)
    }

    fn finish(&self, moments: Moments) -> Result<Moments> {
        Ok(moments)
    }
}

impl Moments {
    /// Creates the moments of no elements of `dtype`; errors name `dataset`.
    ///
    /// # Errors
    /// [`Error::UnsupportedDType`] for elements that are neither numbers nor times.
    pub fn new(dtype: &DType, dataset: &str) -> Result<Self> {
        let inner = innermost(dtype);
        let parts = match inner {
            DType::DateTime64(_) | DType::TimeDelta64(_) => 0,
            inner if inner.is_complex() => 2,
            inner if inner.is_numeric() => 1,
            _ => {
                let (dataset, dtype) = (dataset.to_owned(), dtype.to_string());
                return Err(Error::UnsupportedDType { dataset, dtype, operation: "moments".to_owned() });
            }
        };
        let parts = vec![Part::default(); parts];
        Ok(Moments { dtype: inner.clone(), dataset: dataset.to_owned(), count: 0, nan: 0, extremes: None, parts })
    }

    /// Adds `elements`, of the dtype that the moments are made for.
    ///
    /// # Errors
    /// [`Error::DTypeMismatch`] if they are of another dtype.
    pub fn update<T: Element>(&mut self, elements: &[T]) -> Result<()> {
        if T::DTYPE != self.dtype {
            return Err(self.mismatch(&T::DTYPE));
        }
        self.update_bytes(T::as_bytes(elements))
    }

    /// Adds packed elements of the dtype that the moments are made for, as a source gives them.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] if `bytes` is not aligned, or a bool is neither 0 nor 1.
    pub fn update_bytes(&mut self, bytes: &[u8]) -> Result<()> {
        let dtype = self.dtype.clone();
        let updated = match dtype {
            DType::DateTime64(_) | DType::TimeDelta64(_) => {
                i64::from_bytes(bytes).and_then(|times| self.add_times(times))
            }
            dtype => dtype.dispatch(Update { moments: self, bytes }).unwrap_or(Ok(())),
        };
        updated.map_err(|error| match error {
            Error::InvalidArgument(what) => Error::InvalidArgument(format!("{}: {what}", self.dataset)),
            error => error,
        })
    }

    /// Adds the elements that `other` has seen.
    ///
    /// # Errors
    /// [`Error::DTypeMismatch`] if they are of another dtype.
    pub fn merge(&mut self, other: &Moments) -> Result<()> {
        if self.dtype != other.dtype {
            return Err(self.mismatch(&other.dtype));
        }
        self.count = self.count.saturating_add(other.count);
        self.nan = self.nan.saturating_add(other.nan);
        if let Some(Extremes { min, max }) = &other.extremes {
            self.widen(min.bytes(), max.bytes())?;
        }
        self.parts.iter_mut().zip(&other.parts).for_each(|(part, other)| part.merge(other));
        Ok(())
    }

    /// Returns the number of elements, without those that are NaN or not a time.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Returns the number of elements that are NaN or not a time.
    #[must_use]
    pub fn nan_count(&self) -> u64 {
        self.nan
    }

    /// Returns the least value, of the elements' dtype; `None` if there are no values.
    #[must_use]
    pub fn min(&self) -> Option<&Scalar> {
        self.extremes.as_ref().map(|extremes| &extremes.min)
    }

    /// Returns the greatest value, of the elements' dtype; `None` if there are no values.
    #[must_use]
    pub fn max(&self) -> Option<&Scalar> {
        self.extremes.as_ref().map(|extremes| &extremes.max)
    }

    /// Returns the sum, rounded once: `float64`, or `complex128` of complex numbers.
    ///
    /// Zero if there are no values; `None` for times, which do not add.
    #[must_use]
    pub fn sum(&self) -> Option<Scalar> {
        self.of_parts(ExactSum::value)
    }

    /// Returns the mean, rounded once: `float64`, or `complex128` of complex numbers.
    ///
    /// `None` if there are no values, and for times.
    #[must_use]
    pub fn mean(&self) -> Option<Scalar> {
        self.of_parts(|sum| sum.mean(self.count)).filter(|_| self.count > 0)
    }

    /// Returns the variance, rounded once: the sum of the squared distances from the mean over
    /// `count - ddof`. Distances of complex numbers are those in the plane.
    ///
    /// NaN if a value is infinite. `None` if there are not more than `ddof` values, and for times.
    #[must_use]
    pub fn variance(&self, ddof: u64) -> Option<f64> {
        self.spread(ddof, Rounded::value)
    }

    /// Returns the standard deviation: the square root of the [variance](Moments::variance).
    ///
    /// It exists where the variance is too large or too small for a double.
    #[must_use]
    pub fn std(&self, ddof: u64) -> Option<f64> {
        self.spread(ddof, |variance| variance.square_root().value())
    }

    /// Returns the bytes of memory that the moments hold.
    #[must_use]
    pub fn held_bytes(&self) -> u64 {
        let part = |part: &Part| part.sum.held_bytes() + (size_of::<Squares>() + Squares::BYTES) as u64;
        let extremes = 2 * self.dtype.size() + self.dataset.len();
        (size_of::<Self>() + extremes) as u64 + self.parts.iter().map(part).sum::<u64>()
    }

    /// Returns the moments as bytes. [`Moments::from_bytes`] restores them on any machine.
    ///
    /// Moments that are equal give equal bytes, whatever pieces they were made of.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        bytes.extend(self.count.to_le_bytes());
        bytes.extend(self.nan.to_le_bytes());
        bytes.push(self.extremes.is_some().into());
        for scalar in self.min().into_iter().chain(self.max()) {
            bytes.extend(self.little_endian(scalar.bytes()));
        }
        for part in &self.parts {
            part.sum.save(&mut bytes);
            part.squares.save(&mut bytes);
        }
        bytes
    }

    /// Restores moments of elements of `dtype` from their bytes; errors name `dataset`.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] if they are not those of moments of this dtype; those of
    /// [`Moments::new`].
    pub fn from_bytes(dtype: &DType, dataset: &str, bytes: &[u8]) -> Result<Self> {
        let mut moments = Moments::new(dtype, dataset)?;
        Saved::read_all(bytes, |saved| {
            (moments.count, moments.nan) = (saved.u64()?, saved.u64()?);
            if saved.flag()? {
                let min = moments.load_scalar(saved)?;
                moments.extremes = Some(Extremes { min, max: moments.load_scalar(saved)? });
            }
            for part in &mut moments.parts {
                *part = Part { sum: ExactSum::load(saved)?, squares: Squares::load(saved)? };
            }
            Some(moments)
        })
    }

    fn load_scalar(&self, saved: &mut Saved) -> Option<Scalar> {
        let bytes = self.little_endian(saved.bytes(self.dtype.size())?);
        Scalar::from_bytes(self.dtype.clone(), bytes).ok()
    }

    /// Converts an element between native and little-endian byte order.
    fn little_endian(&self, element: &[u8]) -> Vec<u8> {
        let mut bytes = element.to_vec();
        if cfg!(target_endian = "big") {
            self.dtype.swap_bytes(&mut bytes);
        }
        bytes
    }

    fn mismatch(&self, requested: &DType) -> Error {
        let (stored, requested) = (self.dtype.to_string(), requested.to_string());
        Error::DTypeMismatch { dataset: self.dataset.clone(), stored, requested }
    }

    /// Returns a result of each part as one scalar.
    fn of_parts(&self, result: impl Fn(&ExactSum) -> f64) -> Option<Scalar> {
        match self.parts.as_slice() {
            [] => None,
            [real] => Some(result(&real.sum).into()),
            [real, imaginary, ..] => Some(Complex::new(result(&real.sum), result(&imaginary.sum)).into()),
        }
    }

    fn spread(&self, ddof: u64, result: impl Fn(Rounded) -> f64) -> Option<f64> {
        let over = self.count.checked_sub(ddof).filter(|over| *over > 0 && !self.parts.is_empty())?;
        if self.parts.iter().any(|part| !part.sum.is_finite()) {
            return Some(f64::NAN);
        }
        // count times the sum of squared distances is count times the sum of squares, less the
        // square of the sum: exact, and never negative.
        let total = self.parts.iter().fold(Natural::new([]), |total, part| {
            let sum = part.sum.finite().carried().1;
            let squares = part.squares.carried().1.times(&Natural::new([self.count]));
            total.plus(&squares.minus(&sum.times(&sum)))
        });
        let variance = total.shifted(GUARD).divided(self.count).divided(over);
        const { assert!(Squares::LOWEST == 2 * Sum::LOWEST, "squares of sums have the units of sums of squares") };
        Some(result(variance.rounded(Squares::LOWEST - bits(GUARD))))
    }

    /// Widens the extremes to include `min` and `max`, elements of the dtype.
    fn widen(&mut self, min: &[u8], max: &[u8]) -> Result<()> {
        let scalar = |bytes: &[u8]| Scalar::from_bytes(self.dtype.clone(), bytes);
        match &mut self.extremes {
            None => self.extremes = Some(Extremes { min: scalar(min)?, max: scalar(max)? }),
            Some(extremes) => {
                if order(&self.dtype, min, extremes.min.bytes()).is_lt() {
                    extremes.min = scalar(min)?;
                }
                if order(&self.dtype, max, extremes.max.bytes()).is_gt() {
                    extremes.max = scalar(max)?;
                }
            }
        }
        Ok(())
    }

    fn add_seen<T: Element>(&mut self, seen: &Seen<T>) -> Result<()> {
        self.count = self.count.saturating_add(seen.count);
        self.nan = self.nan.saturating_add(seen.nan);
        match seen.extremes {
            Some((min, max)) => self.widen(T::as_bytes(&[min]), T::as_bytes(&[max])),
            None => Ok(()),
        }
    }

    fn add_integers<T: Element + Ord + Into<i128>>(&mut self, integers: &[T]) -> Result<()> {
        let Some(first) = integers.first() else { return Ok(()) };
        let (mut min, mut max) = (*first, *first);
        // A square has 128 bits: its halves are summed apart, so that neither sum overflows.
        let (mut sum, mut low, mut high) = (0_i128, 0_u128, 0_u128);
        for integer in integers {
            (min, max) = (min.min(*integer), max.max(*integer));
            let integer: i128 = (*integer).into();
            let square = integer.wrapping_mul(integer).cast_unsigned();
            sum += integer;
            low += square & u128::from(u64::MAX);
            high += square >> 64;
        }
        let part = &mut self.parts[0];
        part.sum.add_integer(sum);
        part.squares.add(false, low, 0);
        part.squares.add(false, high, 64);
        self.add_seen(&Seen { count: integers.len() as u64, nan: 0, extremes: Some((min, max)) })
    }

    /// Adds numbers that are made of `PARTS` floats.
    fn add_floats<T: Element, const PARTS: usize>(
        &mut self,
        numbers: &[T],
        split: impl Fn(T) -> [f64; PARTS],
    ) -> Result<()> {
        for block in numbers.chunks(MOST) {
            let seen = if block.len() < FEWEST {
                Seen::of(block, &split, |part, x| self.parts[part].add(x))
            } else {
                let mut buckets = [(); PARTS].map(|()| Buckets::<true>::new());
                let seen = Seen::of(block, &split, |part, x| match Parts::of(x) {
                    Some(x) => buckets[part].add(x),
                    None => self.parts[part].sum.add_not_finite(x),
                });
                self.parts.iter_mut().zip(&buckets).for_each(|(part, buckets)| part.add_buckets(buckets));
                seen
            };
            self.add_seen(&seen)?;
        }
        Ok(())
    }

    fn add_times(&mut self, times: &[i64]) -> Result<()> {
        let known = || times.iter().copied().filter(|time| *time != NOT_A_TIME);
        let count = known().count() as u64;
        let extremes = known().min().zip(known().max());
        self.add_seen(&Seen { count, nan: times.len() as u64 - count, extremes })
    }
}

/// Returns the dtype of the numbers inside of arrays and enumerations.
fn innermost(dtype: &DType) -> &DType {
    match dtype {
        DType::Enum(kind) => innermost(&kind.base),
        DType::Array { element, .. } => innermost(element),
        other => other,
    }
}

impl Part {
    /// Adds one number, which is not NaN.
    fn add(&mut self, x: f64) {
        match Parts::of(x) {
            Some(parts) => {
                self.sum.add_parts(parts);
                let mantissa = u128::from(parts.mantissa);
                self.squares.add(false, mantissa * mantissa, 2 * parts.exponent());
            }
            None => self.sum.add_not_finite(x),
        }
    }

    fn add_buckets(&mut self, buckets: &Buckets<true>) {
        for (exponent, sum, squares) in buckets.sums() {
            self.sum.add_scaled(sum, exponent);
            self.squares.add(false, squares, 2 * exponent);
        }
    }

    fn merge(&mut self, other: &Part) {
        self.sum.merge(&other.sum);
        self.squares.merge(&other.squares);
    }
}

/// Adds packed elements of the visited type to moments.
struct Update<'a> {
    moments: &'a mut Moments,
    bytes: &'a [u8],
}

impl ElementVisitor for Update<'_> {
    type Output = Result<()>;

    fn visit_bool(self) -> Result<()> {
        self.moments.add_integers(bool::from_bytes(self.bytes)?)
    }

    fn visit_integer<T: Integer>(self) -> Result<()> {
        self.moments.add_integers(T::from_bytes(self.bytes)?)
    }

    fn visit_float<T: Float>(self) -> Result<()> {
        self.moments.add_floats(T::from_bytes(self.bytes)?, real::<T>)
    }

    fn visit_complex<T: ComplexNumber>(self) -> Result<()> {
        self.moments.add_floats(T::from_bytes(self.bytes)?, real_and_imaginary::<T>)
    }
}

#[cfg(test)]
#[allow(clippy::float_cmp, reason = "results are rounded once: every bit is known")]
mod tests {
    use chunk_core::{Field, StructType};
    use proptest::prelude::*;

    use super::*;

    fn of<T: Element>(elements: &[T]) -> Moments {
        let mut moments = Moments::new(&T::DTYPE, "x").unwrap();
        moments.update(elements).unwrap();
        moments
    }

    fn mean(moments: &Moments) -> f64 {
        moments.mean().unwrap().value().unwrap()
    }

    fn scattered(count: i32) -> Vec<f64> {
        (0..count).map(|i| (f64::from(i) * 0.1).sin() * 10_f64.powi(i % 40 - 20)).collect()
    }

    #[test]
    fn merging_is_seeing_all_at_once() {
        let values = scattered(3000);
        let whole = of(&values);
        for cut in [0, 1, 50, 700, 2999] {
            let mut merged = of(&values[cut..]);
            merged.merge(&of(&values[..cut])).unwrap();
            assert_eq!(merged.to_bytes(), whole.to_bytes(), "{cut}");
            assert_eq!((merged.mean(), merged.std(0)), (whole.mean(), whole.std(0)));
        }
    }

    #[test]
    fn the_way_of_cutting_does_not_matter() {
        let values = scattered(3000);
        let whole = of(&values);
        for length in [1, 7, FEWEST - 1, FEWEST, 2000] {
            let mut moments = of::<f64>(&[]);
            values.chunks(length).rev().for_each(|piece| moments.update(piece).unwrap());
            assert_eq!(moments.to_bytes(), whole.to_bytes(), "{length}");
        }
    }

    #[test]
    fn integers_are_exact() {
        let moments = of(&[u64::MAX, u64::MAX - 2]);
        assert_eq!(moments.min(), Some(&(u64::MAX - 2).into()));
        assert_eq!(moments.max(), Some(&u64::MAX.into()));
        assert_eq!((moments.std(0), moments.variance(1)), (Some(1.0), Some(2.0)));
        assert_eq!(of(&[i64::MIN, i64::MAX]).sum(), Some((-1.0).into()));
    }

    #[test]
    fn nan_is_counted_and_left_out() {
        let moments = of(&[f64::NAN, 1.0, 3.0]);
        assert_eq!((moments.count(), moments.nan_count(), mean(&moments), moments.std(0)), (2, 1, 2.0, Some(1.0)));
        let moments = of(&[f64::NAN]);
        assert_eq!((moments.min(), moments.mean(), moments.std(0)), (None, None, None));
        assert_eq!(moments.sum(), Some(0.0.into()));
        let moments = of(&[Complex::new(f64::NAN, 1.0), Complex::new(1.0, -2.0)]);
        assert_eq!((moments.nan_count(), moments.mean()), (1, Some(Complex::new(1.0, -2.0).into())));
    }

    #[test]
    fn infinities_are_as_in_any_sum() {
        for padding in [0, FEWEST] {
            let of = |values: &[f64]| of(&[values, &vec![0.5; padding]].concat());
            assert_eq!(mean(&of(&[f64::INFINITY, 1.0])), f64::INFINITY);
            assert!(mean(&of(&[f64::INFINITY, f64::NEG_INFINITY])).is_nan());
            let infinite = of(&[f64::NEG_INFINITY]);
            assert!(infinite.std(0).is_some_and(f64::is_nan));
            assert_eq!(infinite.min(), Some(&f64::NEG_INFINITY.into()));
        }
    }

    #[test]
    fn complex_numbers_are_ordered_by_their_real_parts_first() {
        let moments = of(&[[1.0, 2.0], [1.0, -2.0], [-1.0, 5.0], [-1.0, 4.0]].map(|[re, im]| Complex::new(re, im)));
        assert_eq!(moments.min(), Some(&Complex::new(-1.0, 4.0).into()));
        assert_eq!(moments.max(), Some(&Complex::new(1.0, 2.0).into()));
        assert_eq!(moments.variance(0), Some(1.0 + 7.1875));
        let zeros = of(&[0.0, -0.0]).min().unwrap().value::<f64>().unwrap();
        assert!(zeros.is_sign_negative());
    }

    #[test]
    fn large_numbers_that_differ_little_keep_their_deviation() {
        assert_eq!(of(&[1e15 + 1.0, 1e15 + 3.0]).std(0), Some(1.0));
        assert_eq!(of(&[1.0, 2.0, 3.0, 4.0]).std(0), Some(1.25_f64.sqrt()));
        assert_eq!(of(&[f64::MAX, -f64::MAX]).std(0), Some(f64::MAX));
        assert_eq!(of(&[f64::MAX, -f64::MAX]).variance(0), Some(f64::INFINITY));
        assert_eq!(of(&[5e-324, 0.0, 5e-324, 1e-323]).std(0), Some(5e-324));
    }

    proptest! {
        /// Of small integers, numerator and denominator of the variance are doubles, whose quotient
        /// is rounded once. A power of two changes nothing but the exponent.
        #[test]
        fn variances_are_the_nearest_doubles(
            integers in prop::collection::vec(-1000_i64..1000, 2..700),
            scale in -400..400,
        ) {
            let scale = 2_f64.powi(scale);
            let count = i64::try_from(integers.len()).unwrap();
            let (sum, squares) = integers.iter().fold((0, 0), |(sum, squares), x| (sum + x, squares + x * x));
            let floats: Vec<f64> = integers.iter().map(|x| *x as f64 * scale).collect();
            for ddof in [0, 1] {
                let variance = (count * squares - sum * sum) as f64 / (count * (count - ddof)) as f64;
                let ddof = ddof.unsigned_abs();
                prop_assert_eq!(of(&integers).variance(ddof), Some(variance));
                prop_assert_eq!(of(&floats).variance(ddof), Some(variance * scale * scale));
            }
            prop_assert_eq!(mean(&of(&floats)), sum as f64 / count as f64 * scale);
        }
    }

    #[test]
    fn degrees_of_freedom_are_taken_from_the_count() {
        let moments = of(&[1_u8, 2, 3, 4]);
        assert_eq!([0, 1, 2, 3].map(|ddof| moments.variance(ddof).unwrap()), [1.25, 5.0 / 3.0, 2.5, 5.0]);
        assert_eq!((moments.variance(4), moments.std(5)), (None, None));
    }

    #[test]
    fn times_have_extremes_and_no_sum() {
        let dtype: DType = "datetime64[s]".parse().unwrap();
        let mut moments = Moments::new(&dtype, "x").unwrap();
        moments.update_bytes(i64::as_bytes(&[5, i64::MIN, -3])).unwrap();
        assert_eq!((moments.count(), moments.nan_count()), (2, 1));
        let time = |count: i64| Scalar::from_bytes(dtype.clone(), i64::as_bytes(&[count])).unwrap();
        assert_eq!((moments.min(), moments.max()), (Some(&time(-3)), Some(&time(5))));
        assert_eq!((moments.sum(), moments.mean(), moments.std(0)), (None, None, None));
        let restored = Moments::from_bytes(&dtype, "x", &moments.to_bytes()).unwrap();
        assert_eq!(restored.to_bytes(), moments.to_bytes());
    }

    #[test]
    fn numbers_inside_of_arrays_are_counted() {
        let dtype = DType::Array { element: DType::I16.into(), shape: [2].into() };
        let mut moments = Moments::new(&dtype, "x").unwrap();
        moments.update_bytes(i16::as_bytes(&[1, 2, 3, 4])).unwrap();
        assert_eq!((moments.count(), moments.mean()), (4, Some(2.5.into())));
    }

    #[test]
    fn refuses_what_does_not_add() {
        let field = Field { name: "a".to_owned(), dtype: DType::F64, offset: 0 };
        let structure = DType::Struct(StructType { fields: vec![field], size: 8 }.into());
        for dtype in [structure, "S3".parse().unwrap()] {
            let error = Moments::new(&dtype, "x.npy").unwrap_err();
            assert!(matches!(&error, Error::UnsupportedDType { dataset, .. } if dataset == "x.npy"), "{error}");
        }
        let mut moments = of(&[1_i8]);
        assert!(matches!(moments.update(&[1_u8]), Err(Error::DTypeMismatch { .. })));
        assert!(matches!(moments.merge(&of(&[1_u8])), Err(Error::DTypeMismatch { .. })));
        let mut bools = of(&[true]);
        assert!(bools.update_bytes(&[2]).unwrap_err().to_string().starts_with("x: "));
    }

    #[test]
    fn restores_what_was_saved() {
        let values = scattered(100);
        let moments = of(&values);
        let mut restored = Moments::from_bytes(&DType::F64, "x", &moments.to_bytes()).unwrap();
        assert_eq!((restored.min(), restored.std(1)), (moments.min(), moments.std(1)));
        restored.update(&values).unwrap();
        assert_eq!(restored.to_bytes(), of(&[&values[..], &values].concat()).to_bytes());
    }

    #[test]
    fn refuses_to_restore_other_bytes() {
        let saved = of(&[1.5, -2.0]).to_bytes();
        for length in 0..saved.len() {
            assert!(Moments::from_bytes(&DType::F64, "x", &saved[..length]).is_err(), "{length}");
        }
        assert!(Moments::from_bytes(&DType::F64, "x", &[&saved[..], &[0]].concat()).is_err());
        for place in 0..saved.len() {
            let mut damaged = saved.clone();
            damaged[place] = 0xff;
            // Whatever comes of it, nothing panics.
            if let Ok(moments) = Moments::from_bytes(&DType::F64, "x", &damaged) {
                let _ = (moments.mean(), moments.std(0));
            }
        }
    }
}
