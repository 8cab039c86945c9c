//! The HDF5 scale-offset filter (number 6): numbers as their distance from the least one, in as few bits as that
//! takes; floats rounded to a decimal place first.

use super::CodecError;
use super::bits::{Bits, put};

/// What is in a chunk, as the parameters say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ScaleOffset {
    elements: usize,
    size: usize,
    little: bool,
    /// Decimal places of floats; integers otherwise.
    places: Option<i32>,
    /// All bits are kept: the data are stored as they are.
    is_copy: bool,
    /// The bytes of what stands for the highest number, if anything does.
    fill: Option<u64>,
}

const PARAMETERS: usize = 20;
const FIRST_FILL: usize = 8;
const INTEGERS: u32 = 2;
/// Bytes in front of the numbers: their width, the length of the least number, that number.
const HEADER: usize = 21;

impl ScaleOffset {
    pub(crate) fn from_values(values: &[u32]) -> Result<Self, CodecError> {
        let parsed = (|| {
            let (head, fill) = values.split_at_checked(FIRST_FILL).filter(|_| values.len() == PARAMETERS)?;
            let &[scaling, factor, elements, class, size, _, order, has_fill] = head else { return None };
            let (factor, size) = (factor.cast_signed(), size as usize);
            let places = match (class, scaling) {
                (0, INTEGERS) if matches!(size, 1 | 2 | 4 | 8) => None,
                (1, 0) if matches!(size, 4 | 8) => Some(factor),
                _ => return None,
            };
            let bits = 8 * i64::try_from(size).ok()?;
            let is_copy = places.is_none() && i64::from(factor) == bits;
            let too_many = places.is_none() && i64::from(factor) > bits;
            let fill = u64::from(fill[0]) | u64::from(fill[1]) << 32;
            let fill = (has_fill == 1).then_some(fill);
            let sound = order <= 1 && !too_many;
            let little = order == 0;
            sound.then_some(Self { elements: elements as usize, size, little, places, is_copy, fill })
        })();
        parsed.ok_or_else(|| CodecError::Parameters { filter: "scale-offset", values: values.to_vec() })
    }

    /// Decodes a chunk into the start of `out`: the number of bytes written.
    pub(crate) fn decode(&self, stored: &[u8], out: &mut [u8]) -> Result<usize, CodecError> {
        let limit = out.len();
        let length = if self.is_copy { Some(stored.len()) } else { self.elements.checked_mul(self.size) };
        let out = length.and_then(|length| out.get_mut(..length)).ok_or(CodecError::TooLong { limit })?;
        if self.is_copy {
            out.copy_from_slice(stored);
            return Ok(out.len());
        }
        let cut = CodecError::Truncated { part: "scale-offset data", needed: HEADER, found: stored.len() };
        let (head, numbers) = stored.split_at_checked(HEADER).ok_or(cut)?;
        let width = u32::from_le_bytes(*head.first_chunk().expect("the header is longer")) as usize;
        let most = 8 * self.size;
        if width > most {
            return Err(CodecError::FrameField { field: "bits of a number", stated: width, least: 0, most });
        }
        if width == most {
            return self.copy(numbers, out);
        }
        let least_len = usize::from(head[4]).min(8);
        let least = head[5..5 + least_len].iter().rev().fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
        let highest = (1_u64 << width) - 1;
        let mut bits = Bits::new(numbers);
        for element in out.chunks_exact_mut(self.size) {
            let distance = if width == 0 { 0 } else { bits.take(width)? as u64 };
            let number = match self.fill {
                Some(fill) if distance == highest => fill,
                _ => self.number(distance, least),
            };
            put(number.into(), self.little, element);
        }
        Ok(out.len())
    }

    /// Numbers in this machine's byte order when they were written, which is taken to be little-endian.
    fn copy(&self, numbers: &[u8], out: &mut [u8]) -> Result<usize, CodecError> {
        let (needed, found) = (out.len(), numbers.len());
        let cut = CodecError::Truncated { part: "scale-offset data", needed, found };
        out.copy_from_slice(numbers.get(..needed).ok_or(cut)?);
        if !self.little {
            out.chunks_exact_mut(self.size).for_each(<[u8]>::reverse);
        }
        Ok(needed)
    }

    /// The bits of the number at this distance from the least.
    #[expect(clippy::cast_possible_wrap, reason = "the library takes the distance of floats to be signed")]
    fn number(&self, distance: u64, least: u64) -> u64 {
        match (self.places, self.size) {
            (None, _) => distance.wrapping_add(least),
            (Some(places), 4) => {
                let least = f32::from_bits(least as u32);
                let scaled = distance as u32 as i32 as f32 / 10_f32.powf(places as f32);
                (scaled + least).to_bits().into()
            }
            (Some(places), _) => {
                let scaled = distance as i64 as f64 / 10_f64.powf(places.into());
                (scaled + f64::from_bits(least)).to_bits()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(size: u32, order: u32, has_fill: u32, fill: u32) -> [u32; 20] {
        let mut values = [0; 20];
        values[..9].copy_from_slice(&[2, 0, 4, 0, size, 1, order, has_fill, fill]);
        values
    }

    fn stored(width: u32, least: i64, numbers: &[u8]) -> Vec<u8> {
        [&width.to_le_bytes()[..], &[8], &least.to_le_bytes(), &[0; 8], numbers].concat()
    }

    #[test]
    fn adds_the_least_number_and_puts_in_the_fill_value() {
        let coded = ScaleOffset::from_values(&values(2, 0, 1, 77)).unwrap();
        let mut out = [0x5a; 8];
        assert_eq!(coded.decode(&stored(4, -10, &[0x0f, 0x3e]), &mut out), Ok(8));
        assert_eq!(out.as_chunks().0, [-10_i16, 77, -7, 4].map(i16::to_le_bytes));
        let big = ScaleOffset::from_values(&values(2, 1, 0, 0)).unwrap();
        assert_eq!(big.decode(&stored(4, -10, &[0x0f, 0x3e]), &mut out), Ok(8));
        assert_eq!(out.as_chunks().0, [-10_i16, 5, -7, 4].map(i16::to_be_bytes));
    }

    #[test]
    fn numbers_that_are_all_equal_take_no_bits() {
        let coded = ScaleOffset::from_values(&values(4, 0, 0, 0)).unwrap();
        let mut out = [0x5a; 16];
        assert_eq!(coded.decode(&stored(0, 9, &[]), &mut out), Ok(16));
        assert_eq!(out.as_chunks().0, [9_i32; 4].map(i32::to_le_bytes));
    }

    #[test]
    fn refuses_parameters_that_make_no_sense_and_short_data() {
        for (index, value) in [(0, 0), (0, 1), (1, 17), (3, 1), (3, 2), (4, 3), (4, 0), (6, 2)] {
            let mut values = values(2, 0, 1, 7);
            values[index] = value;
            assert!(ScaleOffset::from_values(&values).is_err(), "{values:?}");
        }
        assert!(ScaleOffset::from_values(&values(2, 0, 1, 7)[..19]).is_err());
        let coded = ScaleOffset::from_values(&values(2, 0, 0, 0)).unwrap();
        assert!(coded.decode(&stored(4, 0, &[0]), &mut [0; 8]).is_err());
        assert!(coded.decode(&stored(17, 0, &[0; 20]), &mut [0; 8]).is_err());
        assert!(coded.decode(&stored(16, 0, &[0; 7]), &mut [0; 8]).is_err());
        assert!(coded.decode(&[0; 20], &mut [0; 8]).is_err());
        assert_eq!(coded.decode(&stored(4, 0, &[0; 2]), &mut [0; 7]), Err(CodecError::TooLong { limit: 7 }));
    }
}
