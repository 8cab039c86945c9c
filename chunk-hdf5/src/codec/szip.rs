//! The HDF5 szip filter (number 4): adaptive entropy coding as in CCSDS 121.0-B, as libaec codes it.
//!
//! Numbers of 32 and 64 bits are coded as byte planes. A scan line, whose length the writer chooses, is coded in whole
//! blocks, each in the way that is shortest for it; what fills the last block up is dropped.

use super::CodecError;
use super::bits::{Bits, put};

/// What is in a chunk, as the parameters say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Szip {
    /// Bits of a number, as it is coded.
    bits: usize,
    /// Bytes of a number, as it is coded.
    size: usize,
    /// Byte planes that numbers are coded as.
    planes: usize,
    /// Numbers in a block.
    block: usize,
    /// Numbers in a scan line.
    line: usize,
    little: bool,
    /// Numbers are coded as their distance from the one before.
    predicts: bool,
}

const BIG_ENDIAN: u32 = 16;
const NEAREST_NEIGHBOUR: u32 = 32;
const MOST_BLOCK: usize = 32;
const MOST_LINE: usize = 4096;
const MOST_BLOCKS: usize = 128;
/// In front of the coded data: how many bytes they decode to.
const LENGTH: usize = 4;

impl Szip {
    pub(crate) fn from_values(values: &[u32]) -> Result<Self, CodecError> {
        let parsed = (|| {
            let &[options, block, bits, line, ..] = values else { return None };
            let (block, line) = (block as usize, line as usize);
            let (bits, size, planes) = match bits {
                1..=8 => (bits as usize, 1, 1),
                9..=16 => (bits as usize, 2, 1),
                17..=24 => (bits as usize, 4, 1),
                32 | 64 => (8, 1, bits as usize / 8),
                _ => return None,
            };
            let sound = block.is_multiple_of(2)
                && (2..=MOST_BLOCK).contains(&block)
                && (block..=MOST_LINE).contains(&line)
                && line.div_ceil(block) <= MOST_BLOCKS;
            let (little, predicts) = (options & BIG_ENDIAN == 0, options & NEAREST_NEIGHBOUR != 0);
            sound.then_some(Szip { bits, size, planes, block, line, little, predicts })
        })();
        parsed.ok_or_else(|| CodecError::Parameters { filter: "szip", values: values.to_vec() })
    }

    /// Decodes a chunk into the start of `out`: the number of bytes written.
    pub(crate) fn decode(&self, stored: &[u8], out: &mut [u8]) -> Result<usize, CodecError> {
        let cut = CodecError::Truncated { part: "szip data", needed: LENGTH, found: stored.len() };
        let (length, coded) = stored.split_first_chunk::<LENGTH>().ok_or(cut)?;
        let length = u32::from_le_bytes(*length) as usize;
        let limit = out.len();
        let out = out.get_mut(..length).ok_or(CodecError::TooLong { limit })?;
        let damaged = CodecError::Damaged { codec: "szip", stored: stored.len(), expected: length };
        if !length.is_multiple_of(self.size * self.planes) {
            return Err(damaged);
        }
        let (numbers, elements) = (length / self.size, length / self.size / self.planes);
        let mut bits = Bits::new(coded);
        let mut line = Vec::with_capacity(self.line + MOST_BLOCK);
        for first in (0..numbers).step_by(self.line) {
            let wanted = self.line.min(numbers - first);
            self.decode_line(&mut bits, wanted, &mut line)?.ok_or_else(|| damaged.clone())?;
            for (place, number) in (first..).zip(&line[..wanted]) {
                // In a row of elements, or plane after plane.
                let place = if self.planes == 1 { place } else { place % elements * self.planes + place / elements };
                put((*number).into(), self.little, &mut out[place * self.size..][..self.size]);
            }
        }
        Ok(length)
    }

    /// Decodes the blocks that the first `wanted` numbers of a line are in; nothing if they say what cannot be.
    fn decode_line(&self, bits: &mut Bits, wanted: usize, line: &mut Vec<u32>) -> Result<Option<()>, CodecError> {
        let highest = (1 << self.bits) - 1;
        line.clear();
        while line.len() < wanted {
            let begun = line.len();
            if self.decode_block(bits, line)?.is_none() || line[begun..].iter().any(|number| *number > highest) {
                return Ok(None);
            }
        }
        if self.predicts {
            undo_prediction(line, highest);
        }
        Ok(Some(()))
    }

    /// Adds the numbers of the next block, or of several that are zero.
    fn decode_block(&self, bits: &mut Bits, line: &mut Vec<u32>) -> Result<Option<()>, CodecError> {
        let identifier_bits = match self.bits {
            ..=8 => 3,
            9..=16 => 4,
            _ => 5,
        };
        let not_coded = (1 << identifier_bits) - 1;
        let identifier = bits.take(identifier_bits)? as usize;
        if identifier == not_coded {
            for _ in 0..self.block {
                line.push(bits.take(self.bits)? as u32);
            }
            return Ok(Some(()));
        }
        let is_in_pairs = identifier == 0 && bits.take(1)? == 1;
        // The first number of a line is what the others are predicted from.
        let end = line.len() + self.block;
        if self.predicts && line.is_empty() {
            line.push(bits.take(self.bits)? as u32);
        }
        match identifier {
            0 if is_in_pairs => decode_pairs(bits, end, line),
            0 => self.decode_zeros(bits, end - self.block, line),
            _ => decode_split(bits, identifier - 1, end, line),
        }
    }

    /// A run of blocks of zeros, the first of which begins at `start`.
    fn decode_zeros(&self, bits: &mut Bits, start: usize, line: &mut Vec<u32>) -> Result<Option<()>, CodecError> {
        /// To the end of the line, or of so many blocks.
        const TO_THE_END: usize = 4;
        const SEGMENT: usize = 64;
        let (before, all) = (start / self.block, self.line.div_ceil(self.block));
        let blocks = match bits.zeros()? {
            TO_THE_END => (all - before).min(SEGMENT - before % SEGMENT),
            more @ TO_THE_END.. => more,
            fewer => fewer + 1,
        };
        let fits = blocks <= all - before;
        if fits {
            line.resize(start + blocks * self.block, 0);
        }
        Ok(fits.then_some(()))
    }
}

/// High parts of all numbers, each as a run of zeros, and then the low parts, `low` bits each.
fn decode_split(bits: &mut Bits, low: usize, end: usize, line: &mut Vec<u32>) -> Result<Option<()>, CodecError> {
    let start = line.len();
    for _ in start..end {
        let Some(high) = u32::try_from(bits.zeros()?).ok().filter(|high| high.leading_zeros() as usize >= low) else {
            return Ok(None);
        };
        line.push(high << low);
    }
    if low > 0 {
        for number in &mut line[start..] {
            *number |= bits.take(low)? as u32;
        }
    }
    Ok(Some(()))
}

/// Two small numbers as one: the pairs are counted along the diagonals of their sums. Of the first pair of a line the
/// second number alone is there.
fn decode_pairs(bits: &mut Bits, end: usize, line: &mut Vec<u32>) -> Result<Option<()>, CodecError> {
    const MOST_SUM: usize = 12;
    while line.len() < end {
        let pair = bits.zeros()?;
        let Some(sum) = (0..=MOST_SUM).find(|sum| pair < (sum + 1) * (sum + 2) / 2) else { return Ok(None) };
        let second = pair - sum * (sum + 1) / 2;
        if line.len().is_multiple_of(2) {
            line.push((sum - second) as u32);
        }
        line.push(second as u32);
    }
    Ok(Some(()))
}

/// From the first number and distances to numbers. A distance counts up and down in turn as far as both are possible,
/// then onwards in the direction that is left.
fn undo_prediction(line: &mut [u32], highest: u32) {
    let Some((first, distances)) = line.split_first_mut() else { return };
    let mut last = *first;
    for number in distances {
        let distance = *number;
        let both = last.min(highest - last);
        last = match distance {
            _ if distance.div_ceil(2) > both => {
                if last == both {
                    distance
                } else {
                    highest - distance
                }
            }
            _ if distance.is_multiple_of(2) => last + distance / 2,
            _ => last - distance.div_ceil(2),
        };
        *number = last;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_outside_of_the_filter_s_bounds_are_errors() {
        assert!(Szip::from_values(&[169, 8, 64, 50]).is_ok());
        let bad: [&[u32]; 8] = [
            &[],
            &[169, 8, 64],
            &[169, 7, 64, 50],
            &[169, 64, 64, 128],
            &[169, 8, 48, 50],
            &[169, 8, 0, 50],
            &[169, 8, 8, 4],
            &[169, 2, 8, 4096],
        ];
        for values in bad {
            assert!(matches!(Szip::from_values(values), Err(CodecError::Parameters { .. })), "{values:?}");
        }
    }

    /// Small numbers of 8 bits, predicted: a pair block, and one that is not coded.
    #[test]
    fn decodes_by_the_definition() {
        let szip = Szip::from_values(&[32, 2, 8, 4]).unwrap();
        // 000 1: pairs; the first number 5; the pair (0, 1), of which the 1 alone counts. 111: 7 and 2 as they are.
        let text = "0001 00000101 001 111 00000111 00000010";
        let digits: Vec<u8> = text.bytes().filter(|digit| *digit != b' ').collect();
        let byte =
            |digits: &[u8]| digits.iter().fold(0, |byte, digit| byte << 1 | (digit - b'0')) << (8 - digits.len());
        let mut stored = 4_u32.to_le_bytes().to_vec();
        stored.extend(digits.chunks(8).map(byte));
        let mut out = [0; 4];
        assert_eq!(szip.decode(&stored, &mut out), Ok(4));
        // 5; 1: one below; 7: four below; 2: nothing is below 0, so two above.
        assert_eq!(out, [5, 4, 0, 2]);
    }

    #[test]
    fn every_cut_and_every_damaged_byte_is_an_error_or_other_data() {
        for values in [[169, 8, 32, 10], [137, 2, 16, 20], [32, 16, 24, 16], [169, 8, 3, 8]] {
            let szip = Szip::from_values(&values).unwrap();
            let mut stored = vec![0; 64];
            stored[..4].copy_from_slice(&80_u32.to_le_bytes());
            (4..).zip(&mut stored[4..]).for_each(|(place, byte)| *byte = (place * 89_usize % 251) as u8);
            let mut out = vec![7; 80];
            for place in 0..stored.len() {
                let _ = szip.decode(&stored[..place], &mut out);
                for bit in 0..8 {
                    let mut changed = stored.clone();
                    changed[place] ^= 1 << bit;
                    let _ = szip.decode(&changed, &mut out);
                }
            }
            assert!(szip.decode(&stored[..3], &mut [0; 80]).is_err());
            assert!(szip.decode(&stored, &mut [0; 79]).is_err());
            assert!(szip.decode(&stored[..4], &mut [0; 80]).is_err());
        }
    }
}
