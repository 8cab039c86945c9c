//! Blocks one behind the other, each behind its length: what the filters LZ4 (number 32004) and bitshuffle (32008)
//! store.
//!
//! A frame is the length of the data and of a block, both big-endian, then the blocks. Bitshuffle without a codec has
//! no header and no lengths. Blocks decode alone, but where one begins only the one before it says.

use std::ops::Range;

use super::stream::Format;
use super::{CodecError, shuffle};

/// What the blocks of a filter are made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Blocks {
    /// LZ4, or a copy where that is as long.
    Lz4,
    /// Transposed bits, compressed or not; elements that do not make eight are behind the last block as they are.
    Bitshuffle {
        /// Bytes of an element, not 0.
        element_size: usize,
        /// Elements of a block where the data do not say; 0 is the filter's own choice.
        block_elements: usize,
        /// The codec; without one the data have no header.
        format: Option<Format>,
    },
}

/// The start of a frame, checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sequence {
    blocks: Blocks,
    decoded_len: usize,
    block_len: usize,
}

/// A walk from block to block.
#[derive(Debug)]
pub(crate) struct Walk<'data> {
    sequence: Sequence,
    stored: &'data [u8],
    /// Where in `stored` the next block begins.
    position: usize,
    /// Where in the data the next block goes.
    decoded: usize,
}

/// Bytes at the start of a frame that [`Sequence::parse`] reads.
pub(crate) const HEADER_LEN: usize = 12;
const LENGTH_LEN: usize = 4;
/// Elements are transposed by eight.
const GROUP: usize = 8;
/// Bytes that bitshuffle aims at for a block, and the fewest elements.
const TARGET_BLOCK: usize = 8192;
const LEAST_ELEMENTS: usize = 128;

impl Blocks {
    /// Bitshuffle's parameters: its version in two numbers, bytes of an element, elements of a block, the codec.
    pub(crate) fn bitshuffle(values: &[u32]) -> Result<Self, CodecError> {
        let parsed = (|| {
            let number = |index: usize| usize::try_from(values.get(index).copied().unwrap_or(0)).ok();
            let format = match number(4)? {
                0 => None,
                2 => Some(Format::Lz4),
                3 => Some(Format::Zstd),
                _ => return None,
            };
            let (element_size, block_elements) = (number(2)?, number(3)?);
            let sound = element_size > 0 && block_elements.is_multiple_of(GROUP);
            sound.then_some(Self::Bitshuffle { element_size, block_elements, format })
        })();
        parsed.ok_or_else(|| CodecError::Parameters { filter: "bitshuffle", values: values.to_vec() })
    }

    /// Whether the data say how long they are.
    pub(crate) fn has_header(self) -> bool {
        !matches!(self, Self::Bitshuffle { format: None, .. })
    }
}

impl Sequence {
    /// Reads the start of a frame that has to decode to at most `most` bytes, and to just as many if the frame does
    /// not say.
    pub(crate) fn parse(blocks: Blocks, start: &[u8], most: usize) -> Result<Self, CodecError> {
        let (decoded_len, stated) = if blocks.has_header() {
            let Some((head, _)) = start.split_first_chunk::<HEADER_LEN>() else {
                let part = if blocks == Blocks::Lz4 { "an LZ4 header" } else { "a bitshuffle header" };
                return Err(CodecError::Truncated { part, needed: HEADER_LEN, found: start.len() });
            };
            let (length, block) = head.split_first_chunk().expect("the header is longer");
            let decoded = usize::try_from(u64::from_be_bytes(*length)).ok().filter(|&length| length <= most);
            (decoded.ok_or(CodecError::TooLong { limit: most })?, number(block) as usize)
        } else {
            (most, 0)
        };
        let block_len = match blocks {
            Blocks::Lz4 => stated.min(decoded_len),
            Blocks::Bitshuffle { element_size, block_elements, .. } => {
                bitshuffle_block(element_size, block_elements, stated)?
            }
        };
        if block_len == 0 && decoded_len > 0 {
            return Err(CodecError::FrameField { field: "block length", stated, least: 1, most: decoded_len });
        }
        if let Blocks::Bitshuffle { element_size, .. } = blocks
            && !decoded_len.is_multiple_of(element_size)
        {
            return Err(CodecError::Length { expected: decoded_len / element_size * element_size, found: decoded_len });
        }
        Ok(Self { blocks, decoded_len, block_len })
    }

    /// Bytes that the frame decodes to.
    pub(crate) fn decoded_len(self) -> usize {
        self.decoded_len
    }

    /// Decoded bytes of each block, the last of which may hold fewer.
    pub(crate) fn block_len(self) -> usize {
        self.block_len.min(self.decoded_len)
    }

    /// Bytes of `temporary` that decoding a block needs.
    pub(crate) fn temporary_len(self) -> usize {
        match self.blocks {
            Blocks::Lz4 => 0,
            Blocks::Bitshuffle { format: None, .. } => self.block_len(),
            Blocks::Bitshuffle { .. } => 2 * self.block_len(),
        }
    }

    /// The blocks of a frame that is in memory as a whole, in order.
    pub(crate) fn walk(self, stored: &[u8]) -> Walk<'_> {
        let position = if self.blocks.has_header() { HEADER_LEN } else { 0 };
        Walk { sequence: self, stored, position, decoded: 0 }
    }

    /// Decodes the whole frame; `out` is [`Sequence::decoded_len`] bytes, `temporary` at least
    /// [`Sequence::temporary_len`].
    pub(crate) fn decode(self, stored: &[u8], out: &mut [u8], temporary: &mut [u8]) -> Result<(), CodecError> {
        for step in self.walk(stored) {
            let (block, bytes) = step?;
            self.decode_block(bytes, &mut out[block], temporary)?;
        }
        Ok(())
    }

    /// Decodes one block from its bytes, as [`Walk`] gives them, into `out`, which is as long as it says.
    pub(crate) fn decode_block(self, bytes: &[u8], out: &mut [u8], temporary: &mut [u8]) -> Result<(), CodecError> {
        match self.blocks {
            Blocks::Lz4 if bytes.len() == out.len() => {
                out.copy_from_slice(bytes);
                Ok(())
            }
            Blocks::Lz4 => Format::Lz4.decode(bytes, out),
            Blocks::Bitshuffle { element_size, format, .. } => {
                let body = self.body(out.len());
                let (out, tail) = out.split_at_mut(body);
                let (bytes, raw) = bytes.split_at(bytes.len() - tail.len());
                tail.copy_from_slice(raw);
                unshuffle_block(element_size, format, bytes, out, temporary)
            }
        }
    }

    /// Bytes of a block of `length` that are transposed.
    fn body(self, length: usize) -> usize {
        match self.blocks {
            Blocks::Lz4 => length,
            Blocks::Bitshuffle { element_size, .. } => length / (element_size * GROUP) * (element_size * GROUP),
        }
    }
}

/// Bytes of a block: as the frame states, else as the parameters do, else as the filter chooses.
fn bitshuffle_block(element_size: usize, elements: usize, stated: usize) -> Result<usize, CodecError> {
    let group = element_size.saturating_mul(GROUP);
    if stated > 0 {
        if stated.is_multiple_of(group) {
            return Ok(stated);
        }
        return Err(CodecError::FrameField { field: "block length", stated, least: group, most: usize::MAX });
    }
    let own = (TARGET_BLOCK / element_size / GROUP * GROUP).max(LEAST_ELEMENTS);
    let elements = if elements > 0 { elements } else { own };
    let length = elements.checked_mul(element_size);
    length.ok_or(CodecError::FrameField { field: "block length", stated: elements, least: GROUP, most: usize::MAX })
}

/// The big-endian number that `bytes` are.
fn number(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0, |number, byte| number << 8 | u32::from(*byte))
}

fn unshuffle_block(
    element_size: usize,
    format: Option<Format>,
    bytes: &[u8],
    out: &mut [u8],
    temporary: &mut [u8],
) -> Result<(), CodecError> {
    if out.is_empty() {
        return Ok(());
    }
    let Some(format) = format else {
        return shuffle::bit_unshuffle(element_size, bytes, out, temporary);
    };
    let (needed, found) = (2 * out.len(), temporary.len());
    let Some((shuffled, temporary)) = temporary.split_at_mut_checked(out.len()).filter(|_| found >= needed) else {
        return Err(CodecError::ScratchTooSmall { needed, found });
    };
    format.decode(bytes, shuffled)?;
    shuffle::bit_unshuffle(element_size, shuffled, out, temporary)
}

/// Where in the data a block goes, and its stored bytes.
type Step<'data> = (Range<usize>, &'data [u8]);

impl<'data> Iterator for Walk<'data> {
    type Item = Result<Step<'data>, CodecError>;

    fn next(&mut self) -> Option<Self::Item> {
        let Sequence { blocks, decoded_len, block_len } = self.sequence;
        if self.decoded >= decoded_len {
            return None;
        }
        let block = self.decoded..decoded_len.min(self.decoded + block_len);
        let body = self.sequence.body(block.len());
        let raw = block.len() - body;
        let bytes = (|| {
            let stored = match blocks {
                Blocks::Bitshuffle { format: None, .. } => body,
                _ if body == 0 => 0,
                _ => number(self.take(LENGTH_LEN)?) as usize,
            };
            self.take(stored.saturating_add(raw))
        })();
        self.decoded = block.end;
        Some(bytes.map(|bytes| (block, bytes)))
    }
}

impl<'data> Walk<'data> {
    fn take(&mut self, length: usize) -> Result<&'data [u8], CodecError> {
        let end = self.position.saturating_add(length);
        let bytes = self.stored.get(self.position..end).ok_or(CodecError::Truncated {
            part: if self.sequence.blocks == Blocks::Lz4 { "an LZ4 block" } else { "a bitshuffle block" },
            needed: end,
            found: self.stored.len(),
        })?;
        self.position = end;
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::super::samples::from_hex;
    use super::*;

    /// What hdf5plugin 7.1 stored of the 100 four-byte numbers `i * i % 97`, in blocks of 32 elements.
    const LZ4: &str = "\
        000000000000019000000080000000800000000001000000040000000900000010000000190000002400000031000000\
        400000005100000003000000180000002f00000048000000020000001f0000003e0000005f0000002100000046000000\
        0c00000035000000600000002c0000005b0000002b0000005e0000003200000008000000410000001b00000058000000\
        00000072f3323600000016000000590000003d000000230000000b000000560000004200000030000000200000001200\
        0000060000005d000000550000004f0000004b000000490400000c00001400001c00002400002c00003400003c000044\
        00004c00005400005c00006400803d00000059000000000000801600000036000000580000001b000000410000000800\
        0000320000005e0000002b0000005b0000002c00000060000000350000000c00000046000000210000005f0000003e00\
        00001f00000002000000480000002f000000180000000300000051000000400000003100000024000000190000001000\
        000009000000040000000000000e2201000100800100000004000000";
    const BITSHUFFLE_LZ4: &str = "\
        00000000000001900000008000000028ff0eaa96266300d40b4f4490bb0428b893d7b08a23cdc010e50a00234aa50001\
        004b50000000000000000028ff0e3cf03ff0f3cccc3c4b7878482cd02fd04f35b0ca19030063c4f03f8c0001004b5000\
        0000000000000028ff0e1893a555cb43af0083742788ac277750cf124735429d220c944a11030001004b500000000000\
        01000000000000000100000004000000";
    const BITSHUFFLE_ZSTD: &str = "\
        0000000000000190000000800000002d28b52ffd2080250100e8aa96266300d40b4f4490bb0428b893d7b08a23cdc010\
        e50a00234aa5000100811438010000002d28b52ffd2080250100e83cf03ff0f3cccc3c4b7878482cd02fd04f35b0ca19\
        030063c4f03f8c000100811438010000002d28b52ffd2080250100e81893a555cb43af0083742788ac277750cf124735\
        429d220c944a11030001008114380101000000000000000100000004000000";
    const BITSHUFFLE: &str = "\
        aa96266300d40b4f4490bb0428b893d7b08a23cdc010e50a00234aa50000000000000000000000000000000000000000\
        000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000\
        00000000000000000000000000000000000000000000000000000000000000003cf03ff0f3cccc3c4b7878482cd02fd0\
        4f35b0ca19030063c4f03f8c000000000000000000000000000000000000000000000000000000000000000000000000\
        000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000\
        000000000000000000000000000000001893a555cb43af0083742788ac277750cf124735429d220c944a110300000000\
        000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000\
        000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000\
        01000000000000000100000004000000";

    fn samples() -> [(Blocks, Vec<u8>); 4] {
        let bits = |codec: u32| Blocks::bitshuffle(&[0, 4, 4, 32, codec]).unwrap();
        [
            (Blocks::Lz4, from_hex(LZ4)),
            (bits(2), from_hex(BITSHUFFLE_LZ4)),
            (bits(3), from_hex(BITSHUFFLE_ZSTD)),
            (bits(0), from_hex(BITSHUFFLE)),
        ]
    }

    fn decoded() -> Vec<u8> {
        (0..100_u32).flat_map(|i| (i * i % 97).to_le_bytes()).collect()
    }

    fn decode(blocks: Blocks, stored: &[u8]) -> Result<Vec<u8>, CodecError> {
        let sequence = Sequence::parse(blocks, stored, 400)?;
        let mut out = vec![0x5a; sequence.decoded_len()];
        sequence.decode(stored, &mut out, &mut vec![0xa5; sequence.temporary_len()])?;
        Ok(out)
    }

    #[test]
    fn decodes_what_the_filters_stored() {
        for (blocks, stored) in samples() {
            assert_eq!(decode(blocks, &stored), Ok(decoded()), "{blocks:?}");
        }
    }

    #[test]
    fn a_block_decodes_alone() {
        for (blocks, stored) in samples() {
            let sequence = Sequence::parse(blocks, &stored, 400).unwrap();
            let mut walk = sequence.walk(&stored);
            walk.next();
            let (range, bytes) = walk.next().unwrap().unwrap();
            let mut out = vec![0x5a; range.len()];
            sequence.decode_block(bytes, &mut out, &mut vec![0xa5; sequence.temporary_len()]).unwrap();
            assert_eq!(out, decoded()[range], "{blocks:?}");
        }
    }

    #[test]
    fn fewer_elements_than_make_a_group_are_stored_as_they_are() {
        let stored = from_hex("000000000000000c00002000000000000100000002000000");
        let blocks = Blocks::bitshuffle(&[0, 4, 4, 0, 2]).unwrap();
        assert_eq!(decode(blocks, &stored), Ok(vec![0, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0]));
    }

    #[test]
    fn every_cut_is_an_error() {
        for (blocks, stored) in samples() {
            for length in 0..stored.len() {
                assert!(decode(blocks, &stored[..length]).is_err(), "{blocks:?} cut to {length} bytes");
            }
        }
    }

    #[test]
    fn damage_anywhere_is_an_error_or_other_data() {
        for (blocks, stored) in samples() {
            for position in 0..stored.len() {
                for byte in [0, 1, 0x7f, 0x80, 0xff, stored[position] ^ 1] {
                    let mut damaged = stored.clone();
                    damaged[position] = byte;
                    let _ = decode(blocks, &damaged);
                }
            }
        }
    }

    #[test]
    fn refuses_lengths_that_contradict_each_other() {
        let frame = |length: u64, block: u32| [&length.to_be_bytes()[..], &block.to_be_bytes()].concat();
        let [lz4, bits] = [Blocks::Lz4, Blocks::bitshuffle(&[0, 4, 4, 0, 2]).unwrap()];
        let parse = |blocks, length, block| Sequence::parse(blocks, &frame(length, block), 400);
        assert_eq!(parse(lz4, 401, 128), Err(CodecError::TooLong { limit: 400 }));
        assert_eq!(parse(lz4, u64::MAX, 128), Err(CodecError::TooLong { limit: 400 }));
        assert!(matches!(parse(lz4, 400, 0), Err(CodecError::FrameField { .. })));
        assert!(matches!(parse(bits, 400, 100), Err(CodecError::FrameField { .. })));
        assert!(matches!(parse(bits, 399, 128), Err(CodecError::Length { .. })));
        for values in [&[][..], &[0, 4], &[0, 4, 0, 0, 2], &[0, 4, 4, 12, 2], &[0, 4, 4, 0, 1], &[0, 4, 4, 0, 9]] {
            assert!(Blocks::bitshuffle(values).is_err(), "{values:?}");
        }
        assert!(Blocks::bitshuffle(&[0, 4, u32::MAX, 0xffff_fff8, 0]).is_ok());
    }
}
