//! Natural numbers of any size, and how they are rounded to doubles.

/// A natural number of any size, the lowest 64 bits first. What falls off below is remembered in
/// its lowest bit, which nothing but rounding sees.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Natural(Vec<u64>);

impl Natural {
    /// Creates the number with these digits, the lowest first.
    pub(super) fn new(digits: impl Into<Vec<u64>>) -> Self {
        Natural(digits.into())
    }

    /// Returns the digits, the lowest first.
    pub(super) fn digits(&self) -> &[u64] {
        &self.0
    }

    /// Multiplies by 2 to the power of 64, so many times.
    pub(super) fn shifted(mut self, limbs: usize) -> Self {
        self.0.splice(0..0, std::iter::repeat_n(0, limbs));
        self
    }

    pub(super) fn plus(&self, other: &Natural) -> Self {
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

    /// Subtracts `other`, which is no larger.
    pub(super) fn minus(&self, other: &Natural) -> Self {
        let mut borrow = false;
        let digits = (0..self.0.len().max(other.0.len())).map(|place| {
            let (rest, first) = self.digit(place).overflowing_sub(other.digit(place));
            let (rest, second) = rest.overflowing_sub(u64::from(borrow));
            borrow = first || second;
            rest
        });
        Natural(digits.collect())
    }

    pub(super) fn times(&self, other: &Natural) -> Self {
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

    /// Divides by `divisor`; a remainder sets the lowest bit.
    pub(super) fn divided(&self, divisor: u64) -> Self {
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

    /// Returns the 64 highest bits of the number times 2 to the power of `exponent`. The lowest of
    /// them is set if any bit below is.
    pub(super) fn rounded(&self, exponent: i32) -> Rounded {
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
pub(super) struct Rounded {
    mantissa: u64,
    exponent: i32,
}

impl Rounded {
    /// Returns the nearest double: infinite if the value is too large.
    pub(super) fn value(self) -> f64 {
        // Bits below the smallest double. The eleven that no double has room for are rounded when
        // it is made.
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

    pub(super) fn square_root(self) -> Rounded {
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

/// Multiplies `x` by 2 to the power of `exponent`. The result is a double, or infinite.
fn scaled(x: f64, exponent: i32) -> f64 {
    let half = exponent / 2;
    x * 2_f64.powi(half) * 2_f64.powi(exponent - half)
}

/// Returns the bits of so many limbs.
#[expect(clippy::cast_possible_wrap, reason = "numbers here have few limbs")]
pub(super) const fn bits(limbs: usize) -> i32 {
    64 * limbs as i32
}
