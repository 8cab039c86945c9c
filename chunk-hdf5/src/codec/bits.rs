//! Numbers of any width, one bit after the other, as the filters n-bit and scale-offset store them.

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
            let needed = end.div_ceil(8);
            return Err(CodecError::Truncated { part: "a row of bits", needed, found: self.bytes.len() });
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
}

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
    fn puts_either_byte_order() {
        let mut out = [0; 3];
        put(0x01_0203, true, &mut out);
        assert_eq!(out, [3, 2, 1]);
        put(0x01_0203, false, &mut out);
        assert_eq!(out, [1, 2, 3]);
    }
}
