//! Numbers of any width, one bit after the other, as the filters n-bit, scale-offset and szip store them.

use super::CodecError;

/// Reads bits from the highest of each byte on.
pub(crate) struct Bits<'data> {
    bytes: &'data [u8],
    /// Bits that were read.
    position: usize,
}

impl<'data> Bits<'data> {
    pub(crate) fn new(bytes: &'data [u8]) -> Self {
        Self { bytes, position: 0 }
    }

    /// The next number of `width` bits, 1 to 128, its highest bit first.
    pub(crate) fn take(&mut self, width: usize) -> Result<u128, CodecError> {
        let end = self.position + width;
        if end > 8 * self.bytes.len() {
            return Err(self.cut(end));
        }
        if width <= IN_SIGHT {
            let number = self.peek() >> (64 - width);
            self.position = end;
            return Ok(number.into());
        }
        let mut number = 0;
        while self.position < end {
            let left = 8 - self.position % 8;
            let width = left.min(end - self.position);
            let byte = u128::from(self.bytes[self.position / 8]) >> (left - width);
            number = number << width | (byte & ((1 << width) - 1));
            self.position += width;
        }
        Ok(number)
    }

    /// How many zeros there are before the next one, which is taken too.
    pub(crate) fn zeros(&mut self) -> Result<usize, CodecError> {
        let start = self.position;
        loop {
            let zeros = (self.peek().leading_zeros() as usize).min(IN_SIGHT);
            self.position += zeros;
            if self.position >= 8 * self.bytes.len() {
                return Err(self.cut(self.position + 1));
            }
            if zeros < IN_SIGHT {
                self.position += 1;
                return Ok(self.position - start - 1);
            }
        }
    }

    /// The next bits from the highest on, [`IN_SIGHT`] of them at least; zeros behind the last.
    fn peek(&self) -> u64 {
        let rest = self.bytes.get(self.position / 8..).unwrap_or_default();
        let word = rest.first_chunk().copied().unwrap_or_else(|| {
            let mut word = [0; 8];
            word[..rest.len()].copy_from_slice(rest);
            word
        });
        u64::from_be_bytes(word) << (self.position % 8)
    }

    fn cut(&self, end: usize) -> CodecError {
        CodecError::Truncated { part: "a row of bits", needed: end.div_ceil(8), found: self.bytes.len() }
    }
}

/// Bits that are seen at once, wherever in a byte they begin.
const IN_SIGHT: usize = 57;

/// Puts the low bytes of `number` into `out`, in this byte order.
pub(crate) fn put(number: u128, little: bool, out: &mut [u8]) {
    let bytes = number.to_le_bytes();
    out.copy_from_slice(&bytes[..out.len()]);
    if !little {
        out.reverse();
    }
}

/// Bytes of the largest number.
pub(crate) const WIDEST: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_numbers_of_any_width_and_no_more_than_there_are() {
        let mut bits = Bits::new(&[0b1010_1100, 0xff, 0x01]);
        assert_eq!(bits.take(3).unwrap(), 0b101);
        assert_eq!(bits.take(7).unwrap(), 0b011_0011);
        assert_eq!(bits.take(14).unwrap(), 0b11_1111_0000_0001);
        assert!(bits.take(1).is_err());
    }

    #[test]
    fn counts_zeros_before_a_one() {
        let mut long = vec![0; 20];
        long.extend([0b0001_0100, 0]);
        let mut bits = Bits::new(&long);
        assert_eq!(bits.zeros().unwrap(), 163);
        assert_eq!(bits.zeros().unwrap(), 1);
        assert!(bits.zeros().is_err());
        assert!(Bits::new(&[]).zeros().is_err());
    }

    #[test]
    fn puts_either_byte_order() {
        let mut out = [0; 3];
        put(0x01_0203, true, &mut out);
        assert_eq!(out, [3, 2, 1]);
        put(0x01_0203, false, &mut out);
        assert_eq!(out, [1, 2, 3]);
    }
}
