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

/// References look for three bytes that are equal to where this many bits of their hash were last seen.
const HASH_BITS: u32 = 13;
/// Bytes that encoding takes beside its input and output.
pub(crate) const ENCODER_BYTES: usize = size_of::<usize>() << HASH_BITS;
const LONGEST: usize = SHORTEST + LONG + 255;
const FARTHEST: usize = 1 << 13;
const MOST_LITERALS: usize = 32;

/// Encodes `data` into the start of `out`: the number of bytes written, or nothing if `out` does not hold them all.
///
/// Greedy: the longest reference to where the next three bytes were last seen is taken wherever there is one.
pub(crate) fn compress(data: &[u8], out: &mut [u8]) -> Option<usize> {
    let mut seen = vec![0_usize; 1 << HASH_BITS]; // one more than the position, 0 for none
    let mut output = Output { out, written: 0 };
    let (mut position, mut literals) = (0, 0);
    while position + SHORTEST < data.len() {
        let slot = &mut seen[hash(&data[position..position + 3])];
        let last = slot.checked_sub(1).filter(|last| position - last <= FARTHEST);
        *slot = position + 1;
        let length = last.map_or(0, |last| common(&data[last..], &data[position..]));
        let (Some(last), true) = (last, length > SHORTEST) else {
            position += 1;
            continue;
        };
        output.literals(&data[literals..position])?;
        output.reference(length, position - last - 1)?;
        position += length;
        literals = position;
    }
    output.literals(&data[literals..])?;
    Some(output.written)
}

fn hash(bytes: &[u8]) -> usize {
    let value = u32::from(bytes[0]) | u32::from(bytes[1]) << 8 | u32::from(bytes[2]) << 16;
    (value.wrapping_mul(0x9e37_79b1) >> (32 - HASH_BITS)) as usize
}

/// How many bytes are equal, as far as a reference reaches.
fn common(earlier: &[u8], later: &[u8]) -> usize {
    earlier.iter().zip(later).take(LONGEST).take_while(|(one, other)| one == other).count()
}

struct Output<'data> {
    out: &'data mut [u8],
    written: usize,
}

impl Output<'_> {
    fn put(&mut self, bytes: &[u8]) -> Option<()> {
        self.out.get_mut(self.written..self.written + bytes.len())?.copy_from_slice(bytes);
        self.written += bytes.len();
        Some(())
    }

    fn literals(&mut self, literals: &[u8]) -> Option<()> {
        for run in literals.chunks(MOST_LITERALS) {
            self.put(&[run.len() as u8 - 1])?;
            self.put(run)?;
        }
        Some(())
    }

    fn reference(&mut self, length: usize, back: usize) -> Option<()> {
        let (length, high, low) = (length - SHORTEST, (back >> 8) as u8, back as u8);
        if length < LONG {
            self.put(&[(length as u8) << 5 | high, low])
        } else {
            self.put(&[0xe0 | high, (length - LONG) as u8, low])
        }
    }
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
    use super::super::samples::{KINDS, data};
    use super::*;

    #[test]
    fn decodes_what_it_encodes() {
        for kind in KINDS {
            for length in [0, 1, 2, 3, 4, 31, 32, 33, 264, 265, 1000, 8191, 8195, 70_001] {
                let data = data(kind, length);
                let mut stored = vec![0; length + length / 32 + 1];
                let written = compress(&data, &mut stored).unwrap();
                let mut out = vec![7; length];
                assert_eq!(decompress(&stored[..written], &mut out), Ok(length), "{kind:?} {length}");
                assert!(out == data, "{kind:?} {length}");
                for room in [0, 1, written / 2, written.saturating_sub(1)] {
                    assert_eq!(compress(&data, &mut stored[..room]).is_some(), room >= written, "{kind:?} {length}");
                }
            }
        }
    }

    #[test]
    fn encodes_references_of_every_length_and_distance() {
        for length in (3..300).step_by(7) {
            for distance in [1_u32, 2, 31, 255, 256, 257, 8190, 8191, 8192, 8193] {
                let mut data: Vec<u8> = (0..distance).map(|i| (i.wrapping_mul(2_654_435_761) >> 21) as u8).collect();
                (0..length).for_each(|i| data.push(data[i]));
                let mut stored = vec![0; 2 * data.len() + 8];
                let written = compress(&data, &mut stored).unwrap();
                let mut out = vec![0; data.len()];
                assert_eq!(decompress(&stored[..written], &mut out), Ok(data.len()));
                assert!(out == data, "{length} {distance}");
            }
        }
    }

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
