//! Fixed-point numbers that sums are kept in without rounding.

use super::natural::{Natural, bits};
use super::saved::Saved;

/// A sum of numbers, each an integer of up to 128 bits times a power of two.
///
/// `BELOW` of its `LIMBS` are below one. A limb counts 64 bits and holds 128, so that carrying
/// waits for the end.
#[derive(Clone, Debug)]
pub(super) struct FixedPoint<const BELOW: usize, const LIMBS: usize>(Box<[i128; LIMBS]>);

/// Limbs below one that the smallest double needs.
pub(super) const BELOW: usize = 17;

/// Sums of as many of the largest doubles as a `u64` counts.
pub(super) type Sum = FixedPoint<BELOW, { BELOW + 18 }>;

/// Sums of as many of their squares.
pub(super) type Squares = FixedPoint<{ 2 * BELOW }, { 2 * BELOW + 36 }>;

impl<const BELOW: usize, const LIMBS: usize> Default for FixedPoint<BELOW, LIMBS> {
    fn default() -> Self {
        FixedPoint(Box::new([0; LIMBS]))
    }
}

impl<const BELOW: usize, const LIMBS: usize> PartialEq for FixedPoint<BELOW, LIMBS> {
    fn eq(&self, other: &Self) -> bool {
        self.carried() == other.carried()
    }
}

impl<const BELOW: usize, const LIMBS: usize> FixedPoint<BELOW, LIMBS> {
    /// The power of two that the lowest bit is worth.
    pub(super) const LOWEST: i32 = -bits(BELOW);

    /// Bytes that a number holds.
    pub(super) const BYTES: usize = size_of::<[i128; LIMBS]>();

    /// Adds `magnitude` times 2 to the power of `exponent`, or subtracts it.
    pub(super) fn add(&mut self, negative: bool, magnitude: u128, exponent: i32) {
        let place = exponent.abs_diff(Self::LOWEST) as usize;
        let (limb, shift) = (place / 64, place % 64);
        let low = magnitude << shift;
        let high = if shift == 0 { 0 } else { magnitude >> (128 - shift) };
        let parts = [low & u128::from(u64::MAX), low >> 64, high];
        for (limb, part) in self.0[limb..].iter_mut().zip(parts) {
            let part = part.cast_signed();
            *limb += if negative { -part } else { part };
        }
    }

    pub(super) fn merge(&mut self, other: &Self) {
        self.0.iter_mut().zip(other.0.iter()).for_each(|(limb, other)| *limb += other);
    }

    /// Returns whether the number is negative, and its magnitude in units of the lowest bit.
    pub(super) fn carried(&self) -> (bool, Natural) {
        let mut carry = 0_i128;
        let mut digits: Vec<u64> = Vec::with_capacity(LIMBS + 1);
        for limb in self.0.iter() {
            let total = limb + carry;
            digits.push(total.cast_unsigned() as u64);
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
        (negative, Natural::new(digits))
    }

    /// Appends the number: equal ones as equal bytes, whatever they were added from.
    pub(super) fn save(&self, bytes: &mut Vec<u8>) {
        let (negative, magnitude) = self.carried();
        let digits = magnitude.digits();
        let first = digits.iter().position(|digit| *digit != 0).unwrap_or(0);
        let end = digits.iter().rposition(|digit| *digit != 0).map_or(first, |last| last + 1);
        bytes.extend([u8::from(negative), first as u8, (end - first) as u8]);
        digits[first..end].iter().for_each(|digit| bytes.extend(digit.to_le_bytes()));
    }

    /// Reads what [`FixedPoint::save`] appended.
    pub(super) fn load(saved: &mut Saved) -> Option<Self> {
        let (negative, first, count) = (saved.flag()?, saved.byte()?, saved.byte()?);
        let mut number = FixedPoint::default();
        let limbs = number.0.get_mut(usize::from(first)..usize::from(first) + usize::from(count))?;
        for limb in limbs {
            let digit = i128::from(saved.u64()?);
            *limb = if negative { -digit } else { digit };
        }
        Some(number)
    }
}
