//! Floats added by their exponents.

/// A finite double: its sign, and a mantissa times 2 to the power of an exponent.
#[derive(Clone, Copy, Debug)]
pub(super) struct Parts {
    pub(super) negative: bool,
    pub(super) mantissa: u64,
    /// As the bits of a double have it: subnormal numbers have 0.
    biased: usize,
}

/// Biased exponents of finite doubles.
const EXPONENTS: usize = 0x7ff;

impl Parts {
    /// Splits a double, or returns `None` if it is not finite.
    pub(super) fn of(x: f64) -> Option<Self> {
        let bits = x.to_bits();
        let (biased, fraction) = ((bits >> 52 & 0x7ff) as usize, bits & ((1 << 52) - 1));
        let mantissa = if biased == 0 { fraction } else { fraction | 1 << 52 };
        (biased < EXPONENTS).then_some(Parts { negative: x.is_sign_negative(), mantissa, biased })
    }

    pub(super) fn exponent(self) -> i32 {
        exponent(self.biased)
    }
}

#[expect(clippy::cast_possible_wrap, reason = "a biased exponent has 11 bits")]
fn exponent(biased: usize) -> i32 {
    biased.max(1) as i32 - 1075
}

/// Finite floats being added, those of one exponent together, so that no mantissa is shifted.
///
/// With `SQUARES`, their squares are added as well.
pub(super) struct Buckets<const SQUARES: bool>(Vec<Bucket>);

/// The sums of mantissas and of their squares.
#[derive(Clone, Copy, Default)]
struct Bucket {
    sum: i128,
    squares: u128,
}

/// How many floats buckets have room for: so many squares of 106 bits fit 128 bits.
pub(super) const MOST: usize = 1 << 21;

/// How many floats make it worthwhile to fill and to empty all buckets. Measured: below about 1000,
/// shifting each mantissa is faster.
pub(super) const FEWEST: usize = 1024;

impl<const SQUARES: bool> Buckets<SQUARES> {
    pub(super) fn new() -> Self {
        Buckets(vec![Bucket::default(); EXPONENTS])
    }

    /// Adds one of at most [`MOST`] floats.
    pub(super) fn add(&mut self, x: Parts) {
        let bucket = &mut self.0[x.biased];
        let mantissa = i128::from(x.mantissa);
        bucket.sum += if x.negative { -mantissa } else { mantissa };
        if SQUARES {
            bucket.squares += u128::from(x.mantissa) * u128::from(x.mantissa);
        }
    }

    /// Returns the exponent of each bucket that is not empty, its sum and its sum of squares.
    pub(super) fn sums(&self) -> impl Iterator<Item = (i32, i128, u128)> {
        let filled = self.0.iter().enumerate().filter(|(_, bucket)| bucket.sum != 0 || bucket.squares != 0);
        filled.map(|(biased, bucket)| (exponent(biased), bucket.sum, bucket.squares))
    }
}
