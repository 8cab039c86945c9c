//! Sums without rounding: whatever the order in which numbers are added, the result has the same bits.
//!
//! A sum is a fixed-point number wide enough for every float and for the square of every float. Only the mean and the
//! deviation that are made of it in the end are rounded, so that values which are large but differ little lose nothing.

/// The value of the lowest bit is 2 to the power of this: below the square of the smallest double.
const LOWEST: i32 = -bits(BELOW);
/// Limbs below one.
const BELOW: usize = 34;
/// Limbs in all: up to the squares of the largest doubles, as many of them as fit a `u64`.
const LIMBS: usize = BELOW + 36;

#[expect(clippy::cast_possible_wrap, reason = "numbers here have few limbs")]
const fn bits(limbs: usize) -> i32 {
    64 * limbs as i32
}

/// A sum of numbers, each an integer of up to 128 bits times a power of two.
///
/// A limb counts 64 bits, and holds 128, so that carrying waits for the end.
#[derive(Clone, Debug)]
pub(super) struct ExactSum(Box<[i128; LIMBS]>);

impl Default for ExactSum {
    fn default() -> Self {
        ExactSum(Box::new([0; LIMBS]))
    }
}

impl ExactSum {
    /// Adds `magnitude` times 2 to the power of `exponent`, or subtracts it.
    pub(super) fn add(&mut self, negative: bool, magnitude: u128, exponent: i32) {
        let place = exponent.abs_diff(LOWEST) as usize;
        let (limb, shift) = (place / 64, place % 64);
        let low = magnitude << shift;
        let high = if shift == 0 { 0 } else { magnitude >> (128 - shift) };
        let parts = [low & u128::from(u64::MAX), low >> 64, high];
        for (limb, part) in self.0[limb..].iter_mut().zip(parts) {
            #[expect(clippy::cast_possible_wrap, reason = "a part has 64 bits")]
            let part = part as i128;
            *limb += if negative { -part } else { part };
        }
    }

    pub(super) fn merge(&mut self, other: &ExactSum) {
        self.0.iter_mut().zip(other.0.iter()).for_each(|(limb, other)| *limb += other);
    }

    /// Its sign and magnitude, in units of the lowest bit.
    fn carried(&self) -> (bool, Natural) {
        let mut carry = 0_i128;
        let mut digits: Vec<u64> = Vec::with_capacity(LIMBS + 1);
        for limb in self.0.iter() {
            let total = limb + carry;
            #[expect(clippy::cast_sign_loss, reason = "the low 64 bits are meant")]
            digits.push(total as u64);
            carry = total >> 64;
        }
        let negative = carry < 0;
        if negative {
            let mut borrow = true;
            for digit in &mut digits {
                let (negated, over) = (!*digit).overflowing_add(u64::from(borrow));
                (*digit, borrow) = (negated, over);
            }
        }
        (negative, Natural(digits))
    }
}

/// The sum of `count` numbers over `count`, rounded once.
pub(super) fn mean(sum: &ExactSum, count: u64) -> f64 {
    let (negative, magnitude) = sum.carried();
    let mean = magnitude.shifted(GUARD).divided(count).rounded(LOWEST - bits(GUARD));
    if negative { -mean.value() } else { mean.value() }
}

/// Limbs that are put below a number before it is divided, so that the quotient has digits enough.
const GUARD: usize = 4;

/// The square root of the mean square distance of `count` numbers from their mean, in as many dimensions as there are
/// pairs of a sum and a sum of squares.
pub(super) fn deviation(sums: &[(&ExactSum, &ExactSum)], count: u64) -> f64 {
    // count² times the variance is count times the sum of squares, less the square of the sum: exact, and never negative.
    let mut total = Natural(Vec::new());
    for (sum, squares) in sums {
        let sum = sum.carried().1;
        let scaled = squares.carried().1.times(&Natural(vec![count])).shifted(BELOW);
        total = total.plus(&scaled.minus(&sum.times(&sum)));
    }
    let variance = total.shifted(GUARD).divided(count).divided(count);
    variance.rounded(2 * LOWEST - bits(GUARD)).square_root().value()
}

/// A natural number of any size, the lowest 64 bits first. What falls off below is remembered in its lowest bit, which
/// nothing but rounding sees.
#[derive(Clone, Debug)]
struct Natural(Vec<u64>);

impl Natural {
    fn shifted(mut self, limbs: usize) -> Self {
        self.0.splice(0..0, std::iter::repeat_n(0, limbs));
        self
    }

    fn plus(&self, other: &Natural) -> Self {
        let mut carry = false;
        let digits = (0..self.0.len().max(other.0.len())).map(|place| {
            let (sum, first) = self.digit(place).overflowing_add(other.digit(place));
            let (sum, second) = sum.overflowing_add(u64::from(carry));
            carry = first || second;
            sum
        });
        let mut digits: Vec<u64> = digits.collect();
        digits.push(u64::from(carry));
        Natural(digits)
    }

    /// Less `other`, which is no larger.
    fn minus(&self, other: &Natural) -> Self {
        let mut borrow = false;
        let digits = (0..self.0.len().max(other.0.len())).map(|place| {
            let (rest, first) = self.digit(place).overflowing_sub(other.digit(place));
            let (rest, second) = rest.overflowing_sub(u64::from(borrow));
            borrow = first || second;
            rest
        });
        Natural(digits.collect())
    }

    fn times(&self, other: &Natural) -> Self {
        let mut digits = vec![0_u64; self.0.len() + other.0.len()];
        for (place, digit) in self.0.iter().enumerate().filter(|(_, digit)| **digit != 0) {
            let mut carry = 0;
            for (target, factor) in digits[place..].iter_mut().zip(other.0.iter().chain([&0])) {
                let product = u128::from(*digit) * u128::from(*factor) + u128::from(*target) + carry;
                *target = product as u64;
                carry = product >> 64;
            }
        }
        Natural(digits)
    }

    fn divided(&self, divisor: u64) -> Self {
        let mut quotient = vec![0; self.0.len()];
        let mut rest = 0_u128;
        for place in (0..self.0.len()).rev() {
            let dividend = rest << 64 | u128::from(self.0[place]);
            quotient[place] = (dividend / u128::from(divisor)) as u64;
            rest = dividend % u128::from(divisor);
        }
        if rest > 0 {
            quotient[0] |= 1;
        }
        Natural(quotient)
    }

    fn digit(&self, place: usize) -> u64 {
        self.0.get(place).copied().unwrap_or(0)
    }

    /// The number times 2 to the power of `exponent`, with its 64 highest bits and whether anything is below them.
    fn rounded(&self, exponent: i32) -> Rounded {
        let Some(top) = self.0.iter().rposition(|digit| *digit != 0) else { return Rounded::default() };
        let shift = self.0[top].leading_zeros();
        let below = if top == 0 { 0 } else { self.0[top - 1] };
        let pair = u128::from(self.0[top]) << 64 | u128::from(below);
        let pair = pair << shift;
        let mut mantissa = (pair >> 64) as u64;
        let rest = pair as u64 != 0 || self.0[..top.saturating_sub(1)].iter().any(|digit| *digit != 0);
        mantissa |= u64::from(rest);
        Rounded { mantissa, exponent: exponent + bits(top) - shift.cast_signed() }
    }
}

/// The smallest double is 2 to the power of this.
const SMALLEST: i32 = -1074;

/// A mantissa whose highest bit is set, or zero, times 2 to the power of an exponent.
#[derive(Clone, Copy, Debug, Default)]
struct Rounded {
    mantissa: u64,
    exponent: i32,
}

impl Rounded {
    /// The nearest double; infinite if it is too large.
    fn value(self) -> f64 {
        // Bits below the smallest double. The eleven that no double has room for are rounded when it is made.
        let excess = SMALLEST - self.exponent;
        if excess <= 11 {
            return scaled(self.mantissa as f64, self.exponent);
        }
        if excess > 64 {
            return 0.0;
        }
        let units = u128::from(self.mantissa);
        let (whole, dropped, half) = (units >> excess, units & ((1 << excess) - 1), 1 << (excess - 1));
        let up = dropped > half || dropped == half && whole % 2 == 1;
        f64::from_bits(whole as u64 + u64::from(up))
    }

    fn square_root(self) -> Rounded {
        if self.mantissa == 0 {
            return self;
        }
        // An even exponent halves; the root of 126 bits has 63.
        let odd = self.exponent.rem_euclid(2).unsigned_abs();
        let root = (u128::from(self.mantissa) << (62 + odd)).isqrt() as u64;
        let shift = root.leading_zeros();
        Rounded {
            mantissa: root << shift,
            exponent: (self.exponent - (62 + odd.cast_signed())) / 2 - shift.cast_signed(),
        }
    }
}

/// `x` times 2 to the power of `exponent`, which it is a double for, or infinite.
fn scaled(x: f64, exponent: i32) -> f64 {
    let half = exponent / 2;
    x * 2_f64.powi(half) * 2_f64.powi(exponent - half)
}

#[cfg(test)]
#[allow(clippy::float_cmp, reason = "results are rounded once: every bit is known")]
mod tests {
    use super::*;

    fn sum(values: &[f64]) -> ExactSum {
        let mut sum = ExactSum::default();
        for x in values {
            sum.add(*x < 0.0, mantissa(*x), exponent(*x));
        }
        sum
    }

    fn squares(values: &[f64]) -> ExactSum {
        let mut sum = ExactSum::default();
        for x in values {
            sum.add(false, mantissa(*x) * mantissa(*x), 2 * exponent(*x));
        }
        sum
    }

    fn mantissa(x: f64) -> u128 {
        let bits = x.to_bits() & ((1 << 52) - 1);
        u128::from(if x.is_subnormal() {
            bits
        } else if x == 0.0 {
            0
        } else {
            bits | 1 << 52
        })
    }

    fn exponent(x: f64) -> i32 {
        ((x.to_bits() >> 52 & 0x7ff).max(1)) as i32 - 1075
    }

    fn deviation_of(values: &[f64]) -> f64 {
        deviation(&[(&sum(values), &squares(values))], values.len() as u64)
    }

    #[test]
    fn a_sum_of_one_is_that_number() {
        for x in [0.0, 1.5, -0.1, f64::MAX, f64::MIN, f64::MIN_POSITIVE, 5e-324, -5e-324, 3e-320, 1e-310] {
            assert_eq!(mean(&sum(&[x]), 1), x);
            assert_eq!(deviation_of(&[x]), 0.0);
        }
    }

    #[test]
    fn nothing_is_lost_between_large_and_small() {
        assert_eq!(mean(&sum(&[1e300, 1.0, -1e300]), 1), 1.0);
        assert_eq!(mean(&sum(&[f64::MAX, f64::MAX]), 2), f64::MAX);
        assert_eq!(mean(&sum(&[5e-324, 5e-324, 0.0]), 2), 5e-324);
        assert_eq!(mean(&sum(&[1e16, 1.0, 1.0]), 3), 3_333_333_333_333_334.0);
    }

    #[test]
    fn the_deviation_of_large_numbers_that_differ_little() {
        assert_eq!(deviation_of(&[1e15 + 1.0, 1e15 + 3.0]), 1.0);
        assert_eq!(deviation_of(&[1.0, 2.0, 3.0, 4.0]), 1.25_f64.sqrt());
        assert_eq!(deviation_of(&[f64::MAX, -f64::MAX]), f64::MAX);
        assert_eq!(deviation_of(&[5e-324, 0.0, 5e-324, 1e-323]), 5e-324);
    }
}
