//! The LZF filter (number 32000), as h5py writes it: literals, and references to what was decoded before.

use super::CodecError;

/// A control byte below this is followed by literals, one more than it says.
const LITERALS: u8 = 32;
/// The length in a control byte that is continued in the next one.
const LONG: usize = 7;
/// Bytes that every reference copies beyond the length it states.
const SHORTEST: usize = 2;

/// Decodes all of `stored` into the start of `out`: the number of bytes written.
pub(crate) fn decompress(stored: &[u8], out: &mut [u8]) -> Result<usize, CodecError> {
    let limit = out.len();
    let mut input = Input { stored, position: 0 };
    let mut written = 0;
    while let Some(control) = input.take() {
        if control < LITERALS {
            let length = usize::from(control) + 1;
            let literals = input.take_slice(length)?;
            let target = out.get_mut(written..written + length).ok_or(CodecError::TooLong { limit })?;
            target.copy_from_slice(literals);
            written += length;
            continue;
        }
        let mut length = usize::from(control >> 5);
        if length == LONG {
            length += usize::from(input.expect()?);
        }
        length += SHORTEST;
        let back = (usize::from(control & 0x1f) << 8 | usize::from(input.expect()?)) + 1;
        let damaged = CodecError::Damaged { codec: "LZF", stored: stored.len(), expected: limit };
        let from = written.checked_sub(back).ok_or(damaged)?;
        if limit - written < length {
            return Err(CodecError::TooLong { limit });
        }
        repeat(out, from, written, length);
        written += length;
    }
    Ok(written)
}

/// Copies `length` bytes from `from` to `to`, behind it: what was just copied is repeated where they overlap.
fn repeat(out: &mut [u8], from: usize, to: usize, length: usize) {
    let mut copied = 0;
    while copied < length {
        let part = (to + copied - from).min(length - copied);
        out.copy_within(from..from + part, to + copied);
        copied += part;
    }
}

struct Input<'data> {
    stored: &'data [u8],
    position: usize,
}

impl<'data> Input<'data> {
    fn take(&mut self) -> Option<u8> {
        let byte = self.stored.get(self.position).copied()?;
        self.position += 1;
        Some(byte)
    }

    fn expect(&mut self) -> Result<u8, CodecError> {
        self.take().ok_or(self.cut(1))
    }

    fn take_slice(&mut self, length: usize) -> Result<&'data [u8], CodecError> {
        let end = self.position + length;
        let slice = self.stored.get(self.position..end).ok_or(self.cut(length))?;
        self.position = end;
        Ok(slice)
    }

    fn cut(&self, length: usize) -> CodecError {
        CodecError::Truncated { part: "LZF data", needed: self.position + length, found: self.stored.len() }
    }
}

#[cfg(test)]
mod tests {
    use super::super::samples::from_hex;
    use super::*;

    /// What h5py 3.16 stored of 120 bytes `i * i % 7`.
    const STORED: &str = "070001040202040100e06506010100";

    fn decoded() -> Vec<u8> {
        (0..120_u32).map(|i| u8::try_from(i * i % 7).unwrap()).collect()
    }

    #[test]
    fn decodes_what_h5py_stored() {
        let mut out = vec![0x5a; 120];
        assert_eq!(decompress(&from_hex(STORED), &mut out), Ok(120));
        assert_eq!(out, decoded());
    }

    #[test]
    fn references_that_overlap_repeat() {
        let mut out = [0x5a; 12];
        assert_eq!(decompress(&[0, 7, 7 << 5, 2, 0], &mut out), Ok(12));
        assert_eq!(out, [7; 12]);
    }

    #[test]
    fn every_cut_and_every_damaged_byte_is_an_error_or_other_data() {
        let stored = from_hex(STORED);
        for length in 0..stored.len() {
            let result = decompress(&stored[..length], &mut [0; 120]);
            assert!(result != Ok(120), "cut to {length} bytes");
        }
        for position in 0..stored.len() {
            for byte in 0..=255 {
                let mut damaged = stored.clone();
                damaged[position] = byte;
                let _ = decompress(&damaged, &mut [0; 120]);
            }
        }
    }

    #[test]
    fn refuses_to_write_past_the_end_and_to_look_before_the_start() {
        for length in 0..120 {
            let result = decompress(&from_hex(STORED), &mut vec![0; length]);
            assert_eq!(result, Err(CodecError::TooLong { limit: length }));
        }
        let before = decompress(&[0, 7, 1 << 5, 1], &mut [0; 12]);
        assert!(matches!(before, Err(CodecError::Damaged { codec: "LZF", .. })));
    }
}
