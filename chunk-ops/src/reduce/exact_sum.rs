//! Sums without rounding.

use chunk_core::{Float, Result};

use super::buckets::{Buckets, FEWEST, MOST, Parts};
use super::fixed_point::Sum;
use super::natural::bits;
use super::saved::Saved;

/// A sum of numbers without rounding: the result has the same bits whatever the order.
///
/// The sum is a fixed-point number wide enough for as many of the largest doubles as a `u64`
/// counts. It is rounded once, when its value is asked for. Merging two sums is as if one had been
/// given all numbers; NaN and infinities count as in any sum.
///
/// # Memory
/// [`ExactSum::held_bytes`], about 600 bytes. [`ExactSum::update`] takes 64 KiB for its own time if
/// it is given many numbers at once.
///
/// # Source
/// U. Kulisch's long accumulator, filled by exponents as in R. M. Neal, "Fast exact summation using
/// small and large superaccumulators", arXiv:1505.05571 (2015). Tested against exact fractions.
///
/// # Examples
/// ```
/// use chunk_ops::ExactSum;
///
/// let mut sum = ExactSum::new();
/// sum.update(&[1e300, 1.0, -1e300]);
/// let mut other = ExactSum::new();
/// other.update(&[0.1_f32; 10]);
/// sum.merge(&other);
/// assert_eq!(sum.value(), 1.0 + 10.0 * f64::from(0.1_f32));
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ExactSum {
    finite: Sum,
    plus_infinity: bool,
    minus_infinity: bool,
    nan: bool,
}

impl ExactSum {
    /// Creates the sum of no numbers: zero.
    #[must_use]
    pub fn new() -> Self {
        ExactSum::default()
    }

    /// Adds one number.
    pub fn add(&mut self, x: f64) {
        match Parts::of(x) {
            Some(parts) => self.add_parts(parts),
            None => self.add_not_finite(x),
        }
    }

    /// Adds an integer.
    pub fn add_integer(&mut self, integer: i128) {
        self.add_scaled(integer, 0);
    }

    /// Adds all `numbers`, many at a time faster than one by one.
    pub fn update<T: Float>(&mut self, numbers: &[T]) {
        for block in numbers.chunks(MOST) {
            if block.len() < FEWEST {
                for x in block {
                    self.add(x.to_f64());
                }
                continue;
            }
            let mut buckets = Buckets::<false>::new();
            for x in block.iter().map(|x| x.to_f64()) {
                match Parts::of(x) {
                    Some(parts) => buckets.add(parts),
                    None => self.add_not_finite(x),
                }
            }
            buckets.sums().for_each(|(exponent, sum, _)| self.add_scaled(sum, exponent));
        }
    }

    /// Adds the numbers of another sum.
    pub fn merge(&mut self, other: &ExactSum) {
        self.finite.merge(&other.finite);
        self.plus_infinity |= other.plus_infinity;
        self.minus_infinity |= other.minus_infinity;
        self.nan |= other.nan;
    }

    /// Returns the sum, rounded once: the nearest double, or an infinity beyond the largest.
    #[must_use]
    pub fn value(&self) -> f64 {
        self.mean(1)
    }

    /// Returns the sum divided by `count`, rounded once: the mean of so many numbers. NaN for none.
    #[must_use]
    pub fn mean(&self, count: u64) -> f64 {
        match (self.plus_infinity, self.minus_infinity) {
            _ if self.nan || count == 0 => f64::NAN,
            (true, true) => f64::NAN,
            (true, false) => f64::INFINITY,
            (false, true) => f64::NEG_INFINITY,
            (false, false) => {
                let (negative, magnitude) = self.finite.carried();
                let mean = magnitude.shifted(GUARD).divided(count).rounded(Sum::LOWEST - bits(GUARD)).value();
                if negative { -mean } else { mean }
            }
        }
    }

    /// Returns the bytes of memory that the sum holds.
    #[must_use]
    pub fn held_bytes(&self) -> u64 {
        (size_of::<Self>() + Sum::BYTES) as u64
    }

    /// Returns the sum as bytes, from which [`ExactSum::from_bytes`] restores it on any machine.
    ///
    /// Sums that are equal give equal bytes, whatever numbers they were made of.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.save(&mut bytes);
        bytes
    }

    /// Restores a sum from its bytes.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`](chunk_core::Error::InvalidArgument) if they are not a sum's.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        Saved::read_all(bytes, ExactSum::load)
    }

    /// Adds `integer` times 2 to the power of `exponent`.
    pub(super) fn add_scaled(&mut self, integer: i128, exponent: i32) {
        self.finite.add(integer < 0, integer.unsigned_abs(), exponent);
    }

    pub(super) fn add_parts(&mut self, x: Parts) {
        self.finite.add(x.negative, x.mantissa.into(), x.exponent());
    }

    pub(super) fn add_not_finite(&mut self, x: f64) {
        self.nan |= x.is_nan();
        self.plus_infinity |= x > 0.0;
        self.minus_infinity |= x < 0.0;
    }

    /// The sum of what is finite.
    pub(super) fn finite(&self) -> &Sum {
        &self.finite
    }

    pub(super) fn is_finite(&self) -> bool {
        !(self.nan || self.plus_infinity || self.minus_infinity)
    }

    pub(super) fn save(&self, bytes: &mut Vec<u8>) {
        bytes.extend([self.plus_infinity, self.minus_infinity, self.nan].map(u8::from));
        self.finite.save(bytes);
    }

    pub(super) fn load(saved: &mut Saved) -> Option<Self> {
        let [plus_infinity, minus_infinity, nan] = [saved.flag()?, saved.flag()?, saved.flag()?];
        Some(ExactSum { finite: Sum::load(saved)?, plus_infinity, minus_infinity, nan })
    }
}

/// Limbs that are put below a number before it is divided, so that the quotient has enough digits.
pub(super) const GUARD: usize = 4;

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "results are rounded once: every bit is known")]
mod tests {
    use super::*;

    fn sum(values: &[f64]) -> ExactSum {
        let mut sum = ExactSum::new();
        sum.update(values);
        sum
    }

    #[test]
    fn a_sum_of_one_is_that_number() {
        for x in [0.0, 1.5, -0.1, f64::MAX, f64::MIN, f64::MIN_POSITIVE, 5e-324, -5e-324, 3e-320, 1e-310] {
            assert_eq!(sum(&[x]).value(), x);
        }
        assert_eq!(ExactSum::new().value(), 0.0);
    }

    #[test]
    fn nothing_is_lost_between_large_and_small() {
        assert_eq!(sum(&[1e300, 1.0, -1e300]).value(), 1.0);
        assert_eq!(sum(&[f64::MAX, f64::MAX]).mean(2), f64::MAX);
        assert_eq!(sum(&[f64::MAX, f64::MAX]).value(), f64::INFINITY);
        assert_eq!(sum(&[5e-324, 5e-324, 0.0]).mean(2), 5e-324);
        assert_eq!(sum(&[1e16, 1.0, 1.0]).mean(3), 3_333_333_333_333_334.0);
    }

    #[test]
    fn many_at_once_are_as_one_by_one() {
        let values: Vec<f64> = (0..5000).map(|i| (f64::from(i) * 0.7).sin() * 10_f64.powi(i % 600 - 300)).collect();
        let mut one_by_one = ExactSum::new();
        values.iter().rev().for_each(|x| one_by_one.add(*x));
        assert_eq!(sum(&values), one_by_one);
        assert_eq!(sum(&values).to_bytes(), one_by_one.to_bytes());
    }

    #[test]
    fn integers_count_as_they_are() {
        let mut total = sum(&[0.5]);
        total.add_integer(i128::from(u64::MAX));
        total.add_integer(-i128::from(u64::MAX) - 2);
        assert_eq!(total.value(), -1.5);
    }

    #[test]
    fn what_is_not_finite_is_as_in_any_sum() {
        for padding in [0, FEWEST] {
            let sum = |values: &[f64]| sum(&[values, &vec![1.0; padding]].concat());
            assert_eq!(sum(&[f64::INFINITY, 1.0]).value(), f64::INFINITY);
            assert!(sum(&[f64::INFINITY, f64::NEG_INFINITY]).value().is_nan());
            assert!(sum(&[f64::NAN, f64::INFINITY]).value().is_nan());
        }
        assert!(ExactSum::new().mean(0).is_nan());
    }

    #[test]
    fn restores_what_was_saved_and_nothing_else() {
        for sum in [ExactSum::new(), sum(&[-1e300, 0.1]), sum(&[5e-324]), sum(&[f64::NAN, f64::INFINITY])] {
            let saved = sum.to_bytes();
            assert_eq!(ExactSum::from_bytes(&saved).unwrap(), sum);
            assert!((0..saved.len()).all(|length| ExactSum::from_bytes(&saved[..length]).is_err()));
            assert!(ExactSum::from_bytes(&[&saved[..], &[0]].concat()).is_err());
        }
    }
}
