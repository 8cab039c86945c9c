//! The Blosc2 filter (number 32026): a contiguous frame around one chunk of blocks, each of which decodes alone.
//!
//! A frame is a header with the place of its metadata, the chunk, an index and a trailer. Data of several axes may be
//! cut into blocks of several axes (b2nd), which then lie one after another, padded at the edges. Written by us from
//! the format's description; every number that a frame states is checked before it is used.

use std::ops::Range;

use super::error::{expect_len, in_range, known};
use super::stream::Format;
use super::{CodecError, shuffle};

/// A frame that is in memory as a whole, checked.
#[derive(Debug, Clone)]
pub(crate) struct Frame<'data> {
    chunk: Chunk<'data>,
    /// The shapes of the chunk and of a block, if blocks have several axes.
    axes: Option<Axes>,
    type_size: usize,
}

/// A chunk of blocks.
#[derive(Debug, Clone)]
struct Chunk<'data> {
    contents: Contents,
    stored: &'data [u8],
    decoded_len: usize,
    block_len: usize,
    type_size: usize,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Contents {
    /// The data as it is, behind the header.
    Copied,
    /// One element, again and again.
    Repeated(Vec<u8>),
    /// Blocks, each where the table behind the header says.
    Blocks { format: Format, split: bool, filters: Vec<u8>, old_bits: bool },
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Axes {
    chunk: Vec<usize>,
    block: Vec<usize>,
}

const MAGIC: &[u8; 8] = b"b2frame\0";
/// Where in a frame's header its fields are, each a big-endian number.
const HEADER_LEN_AT: usize = 11;
const TYPE_AT: usize = 26;
const DATA_LEN_AT: usize = 30;
const STORED_LEN_AT: usize = 39;
const TYPE_SIZE_AT: usize = 48;
const CHUNK_LEN_AT: usize = 58;
const LAYERS_AT: usize = 87;
/// The shortest header, and that of a chunk.
const SHORTEST: usize = 87;
const CHUNK_HEADER: usize = 32;
const POSITION_LEN: usize = 4;
const MOST_AXES: usize = 16;
/// Lengths are signed numbers of 32 bits.
const LONGEST_DATA: usize = i32::MAX as usize;
/// The newest version of chunks that is known, and the last whose bits were shuffled as Blosc 1 does.
const NEWEST_CHUNK: u8 = 5;
const OLD_BITS: u8 = 2;
/// Numbers of filters inside a chunk.
const SHUFFLE: u8 = 1;
const BIT_SHUFFLE: u8 = 2;
const TRUNCATED_PRECISION: u8 = 4;
/// Flags of a chunk: its second header is there, it is a copy, blocks are not split.
const FLAGS_EXTENDED: u8 = 0x5;
const FLAG_COPIED: u8 = 0x2;
const FLAG_NOT_SPLIT: u8 = 0x10;
/// Flag of the second header: the codec needs a dictionary.
const FLAG_DICTIONARY: u8 = 0x1;
/// What all elements of a chunk without blocks are.
const ZEROS: u8 = 1;
const NANS: u8 = 2;
const VALUE: u8 = 3;

impl<'data> Frame<'data> {
    /// Reads a frame that has to decode to at most `most` bytes.
    pub(crate) fn parse(stored: &'data [u8], most: usize) -> Result<Self, CodecError> {
        if stored.len() < SHORTEST || stored[2..10] != *MAGIC {
            return Err(CodecError::Truncated { part: "a Blosc2 frame", needed: SHORTEST, found: stored.len() });
        }
        known("frame type", stored[TYPE_AT], stored[TYPE_AT] == 0)?;
        let header_len = in_range("header length", big(stored, HEADER_LEN_AT, 4)?, SHORTEST, stored.len())?;
        let stored_len = in_range("stored length", big(stored, STORED_LEN_AT, 8)?, 0, stored.len() - header_len)?;
        let data_len = big(stored, DATA_LEN_AT, 8)?;
        let type_size = in_range("type size", big(stored, TYPE_SIZE_AT, 4)?, 1, 255.max(most))?;
        let one_chunk = big(stored, CHUNK_LEN_AT, 4)?;
        in_range("data length", data_len, 0, one_chunk)?;
        let axes = axes(stored, header_len)?;
        let body = &stored[header_len..];
        let chunk = if stored_len > 0 {
            Chunk::parse(&body[..stored_len])?
        } else {
            Chunk::special(body, data_len, type_size)?
        };
        let frame = Self { chunk, axes, type_size };
        if frame.decoded_len() > most {
            return Err(CodecError::TooLong { limit: most });
        }
        frame.check_axes()?;
        Ok(frame)
    }

    /// Bytes that the frame decodes to.
    pub(crate) fn decoded_len(&self) -> usize {
        match &self.axes {
            // Cannot overflow: `axes` has checked it.
            Some(axes) => axes.chunk.iter().product::<usize>() * self.type_size,
            None => self.chunk.decoded_len,
        }
    }

    /// Whether block `i` decodes to bytes `i * block length ..` of the data.
    pub(crate) fn is_linear(&self) -> bool {
        self.axes.is_none()
    }

    /// Decoded bytes of each block but the last, which may hold fewer.
    pub(crate) fn block_len(&self) -> usize {
        self.chunk.block_len
    }

    /// Where in the data the bytes of block `index` go, if blocks are linear.
    pub(crate) fn decoded_range(&self, index: usize) -> Range<usize> {
        self.chunk.decoded_range(index)
    }

    /// Bytes of `temporary` that decoding a block needs.
    pub(crate) fn temporary_len(&self) -> usize {
        let of_block = match &self.chunk.contents {
            Contents::Blocks { filters, .. } if !filters.is_empty() => 2 * self.chunk.block_len,
            _ => 0,
        };
        of_block + if self.axes.is_some() { self.chunk.block_len } else { 0 }
    }

    /// Decodes block `index` into `out`, as long as its range.
    pub(crate) fn decode_block(&self, index: usize, out: &mut [u8], temporary: &mut [u8]) -> Result<(), CodecError> {
        self.chunk.decode_block(index, out, temporary)
    }

    /// Decodes the whole frame; `out` is [`Frame::decoded_len`] bytes, `temporary` at least
    /// [`Frame::temporary_len`].
    pub(crate) fn decode(&self, out: &mut [u8], temporary: &mut [u8]) -> Result<(), CodecError> {
        let (needed, found) = (self.temporary_len(), temporary.len());
        if found < needed {
            return Err(CodecError::ScratchTooSmall { needed, found });
        }
        let Some(axes) = &self.axes else {
            for index in 0..self.chunk.blocks() {
                let range = self.chunk.decoded_range(index);
                self.chunk.decode_block(index, &mut out[range], temporary)?;
            }
            return Ok(());
        };
        let (block, temporary) = temporary.split_at_mut(self.chunk.block_len);
        for index in 0..self.chunk.blocks() {
            self.chunk.decode_block(index, block, temporary)?;
            axes.place(index, block, out, self.type_size);
        }
        Ok(())
    }

    /// That blocks of several axes fill the chunk.
    fn check_axes(&self) -> Result<(), CodecError> {
        let Some(axes) = &self.axes else { return Ok(()) };
        let block_len = axes.block.iter().product::<usize>() * self.type_size;
        expect_len(block_len, self.chunk.block_len)?;
        let blocks: usize = axes.grid().product();
        expect_len(blocks * block_len, self.chunk.decoded_len)
    }
}

impl Axes {
    /// How many blocks there are along each axis.
    fn grid(&self) -> impl Iterator<Item = usize> {
        self.chunk.iter().zip(&self.block).map(|(chunk, block)| chunk.div_ceil(*block))
    }

    /// Copies what a block holds of the chunk to where it belongs.
    fn place(&self, index: usize, block: &[u8], out: &mut [u8], type_size: usize) {
        let ndim = self.chunk.len();
        let grid: Vec<usize> = self.grid().collect();
        let mut start = vec![0; ndim];
        let mut rest = index;
        for axis in (0..ndim).rev() {
            start[axis] = rest % grid[axis] * self.block[axis];
            rest /= grid[axis];
        }
        let count: Vec<usize> = (0..ndim).map(|axis| self.block[axis].min(self.chunk[axis] - start[axis])).collect();
        let row = count[ndim - 1] * type_size;
        let rows: usize = count[..ndim - 1].iter().product();
        for number in 0..rows {
            let (mut from, mut to, mut rest) = (0, 0, number);
            let (mut block_stride, mut chunk_stride) = (self.block[ndim - 1], self.chunk[ndim - 1]);
            for axis in (0..ndim - 1).rev() {
                let inside = rest % count[axis];
                rest /= count[axis];
                from += inside * block_stride;
                to += (start[axis] + inside) * chunk_stride;
                block_stride *= self.block[axis];
                chunk_stride *= self.chunk[axis];
            }
            let (from, to) = (from * type_size, (to + start[ndim - 1]) * type_size);
            out[to..to + row].copy_from_slice(&block[from..from + row]);
        }
    }
}

impl<'data> Chunk<'data> {
    fn parse(stored: &'data [u8]) -> Result<Self, CodecError> {
        let Some(head) = stored.first_chunk::<CHUNK_HEADER>() else {
            return Err(CodecError::Truncated { part: "a Blosc2 chunk", needed: CHUNK_HEADER, found: stored.len() });
        };
        let [version, _, flags, type_size, ..] = *head;
        known("chunk version", version, version <= NEWEST_CHUNK)?;
        known("chunk flags", flags, flags & FLAGS_EXTENDED == FLAGS_EXTENDED)?;
        let type_size = in_range("type size", type_size.into(), 1, 255)?;
        let decoded_len = in_range("chunk length", little(head, 4), 0, LONGEST_DATA)?;
        let block_len = in_range("block length", little(head, 8), 1, decoded_len.max(1))?;
        let stored_len = in_range("stored length", little(head, 12), CHUNK_HEADER, stored.len())?;
        let stored = &stored[..stored_len];
        let (filters, second) = (&head[16..22], head[31]);
        let special = second >> 4 & 7;
        let contents = if special > 0 {
            let element = stored.get(CHUNK_HEADER..CHUNK_HEADER + type_size);
            Contents::Repeated(repeated(special, type_size, element)?)
        } else if flags & FLAG_COPIED != 0 {
            expect_len(CHUNK_HEADER + decoded_len, stored_len)?;
            Contents::Copied
        } else {
            known("dictionary", second, second & FLAG_DICTIONARY == 0)?;
            let code = flags >> 5;
            let format = Format::from_code(code).filter(|format| *format != Format::Snappy);
            let format = format.ok_or(CodecError::UnknownFrame { field: "codec", stated: code.into() })?;
            let filters: Vec<u8> =
                filters.iter().copied().filter(|&filter| filter != 0 && filter != TRUNCATED_PRECISION).collect();
            for &filter in &filters {
                known("filter", filter, filter == SHUFFLE || filter == BIT_SHUFFLE)?;
            }
            Contents::Blocks { format, split: flags & FLAG_NOT_SPLIT == 0, filters, old_bits: version <= OLD_BITS }
        };
        let chunk = Self { contents, stored, decoded_len, block_len, type_size };
        let table = CHUNK_HEADER + POSITION_LEN * chunk.blocks();
        if matches!(chunk.contents, Contents::Blocks { .. }) && stored_len < table {
            return Err(CodecError::Truncated { part: "a Blosc2 table of blocks", needed: table, found: stored_len });
        }
        Ok(chunk)
    }

    /// A chunk that is not stored: the index says what it would hold.
    fn special(index: &'data [u8], decoded_len: usize, type_size: usize) -> Result<Self, CodecError> {
        let index = Self::parse(index)?;
        expect_len(8, index.decoded_len)?;
        let mut offset = [0; 8];
        for block in 0..index.blocks() {
            index.decode_block(block, &mut offset[index.decoded_range(block)], &mut [0; 16])?;
        }
        let kind = offset[7];
        known("chunk offset", kind, kind & 0x80 != 0)?;
        let contents = Contents::Repeated(repeated(kind & 7, type_size, None)?);
        Ok(Self { contents, stored: &[], decoded_len, block_len: decoded_len.max(1), type_size })
    }

    fn blocks(&self) -> usize {
        self.decoded_len.div_ceil(self.block_len)
    }

    fn decoded_range(&self, index: usize) -> Range<usize> {
        let start = index * self.block_len;
        start..self.decoded_len.min(start + self.block_len)
    }

    fn decode_block(&self, index: usize, out: &mut [u8], temporary: &mut [u8]) -> Result<(), CodecError> {
        let range = self.decoded_range(index);
        expect_len(range.len(), out.len())?;
        match &self.contents {
            Contents::Copied => out.copy_from_slice(&self.stored[CHUNK_HEADER + range.start..CHUNK_HEADER + range.end]),
            Contents::Repeated(element) => {
                for part in out.chunks_mut(element.len()) {
                    part.copy_from_slice(&element[..part.len()]);
                }
            }
            Contents::Blocks { format, split, filters, old_bits } => {
                let position = little(self.stored, CHUNK_HEADER + POSITION_LEN * index);
                let position = in_range("block position", position, CHUNK_HEADER, self.stored.len())?;
                let streams = if *split && out.len() == self.block_len { self.type_size } else { 1 };
                let stored = &self.stored[position..];
                if filters.is_empty() {
                    return decode_streams(*format, streams, stored, out);
                }
                let (needed, found) = (2 * out.len(), temporary.len());
                let split = temporary.split_at_mut_checked(out.len()).filter(|_| found >= needed);
                let (shuffled, spare) = split.ok_or(CodecError::ScratchTooSmall { needed, found })?;
                decode_streams(*format, streams, stored, shuffled)?;
                // Applied first to last, undone last to first; what is undone last is in `out`.
                for (number, filter) in filters.iter().rev().enumerate() {
                    if number > 0 {
                        shuffled.copy_from_slice(out);
                    }
                    if *filter == SHUFFLE {
                        shuffle::unshuffle(self.type_size, shuffled, out)?;
                    } else {
                        self.bit_unshuffle(*old_bits, shuffled, out, spare)?;
                    }
                }
            }
        }
        Ok(())
    }

    /// Old chunks leave a block as it is whose elements do not make eights, new ones only those that are over.
    fn bit_unshuffle(&self, old: bool, data: &[u8], out: &mut [u8], spare: &mut [u8]) -> Result<(), CodecError> {
        let body = if old { data.len() } else { data.len() / (8 * self.type_size) * 8 * self.type_size };
        out[body..].copy_from_slice(&data[body..]);
        shuffle::bit_unshuffle(self.type_size, &data[..body], &mut out[..body], spare)
    }
}

/// The element that a chunk without blocks repeats.
fn repeated(special: u8, type_size: usize, element: Option<&[u8]>) -> Result<Vec<u8>, CodecError> {
    match (special, type_size) {
        (ZEROS, _) => Ok(vec![0; type_size]),
        (NANS, 4) => Ok(f32::NAN.to_le_bytes().to_vec()),
        (NANS, 8) => Ok(f64::NAN.to_le_bytes().to_vec()),
        (VALUE, _) if element.is_some() => Ok(element.unwrap_or_default().to_vec()),
        _ => Err(CodecError::UnknownFrame { field: "special value", stated: special.into() }),
    }
}

/// Decodes `count` streams, each behind its length, into equal parts of `out`. Lengths of 0 and below stand for runs
/// of one byte.
fn decode_streams(format: Format, count: usize, stored: &[u8], out: &mut [u8]) -> Result<(), CodecError> {
    if !out.len().is_multiple_of(count) {
        return Err(CodecError::FrameField { field: "streams", stated: count, least: 1, most: out.len() });
    }
    let cut = |found: usize, needed| CodecError::Truncated { part: "a Blosc2 block", needed, found };
    let mut rest = stored;
    for part in out.chunks_exact_mut(out.len() / count) {
        let (length, behind) = rest.split_first_chunk::<4>().ok_or(cut(rest.len(), 4))?;
        rest = behind;
        match i32::from_le_bytes(*length) {
            0 => part.fill(0),
            length @ -255..0 => {
                let (token, behind) = rest.split_first().ok_or(cut(0, 1))?;
                known("run", *token, token & 1 != 0)?;
                part.fill(length.unsigned_abs() as u8);
                rest = behind;
            }
            length => {
                let length = usize::try_from(length).map_err(|_| cut(rest.len(), usize::MAX))?;
                let (stream, behind) = rest.split_at_checked(length).ok_or(cut(rest.len(), length))?;
                rest = behind;
                if length == part.len() {
                    part.copy_from_slice(stream);
                } else {
                    format.decode(stream, part)?;
                }
            }
        }
    }
    Ok(())
}

/// The shapes that the layer `b2nd` of the metadata states, if there is one.
fn axes(frame: &[u8], header_len: usize) -> Result<Option<Axes>, CodecError> {
    let header = &frame[..header_len];
    let layers = if header_len > LAYERS_AT + 6 { big(header, LAYERS_AT + 5, 2)? } else { 0 };
    let mut position = LAYERS_AT + 7;
    for _ in 0..layers {
        let cut = CodecError::Truncated { part: "a Blosc2 header", needed: position + 1, found: header_len };
        let name_len = usize::from(header.get(position).ok_or(cut)? & 0x1f);
        let name = header.get(position + 1..position + 1 + name_len).unwrap_or_default();
        let content = big(header, position + 1 + name_len + 1, 4)?;
        position += 1 + name_len + 5;
        if name == b"b2nd" {
            return parse_axes(header, content).map(Some);
        }
    }
    Ok(None)
}

/// A list of the version, the number of axes, and three lists of extents: of all, of a chunk, of a block.
fn parse_axes(header: &[u8], content: usize) -> Result<Axes, CodecError> {
    // Behind the kind of the content and its length.
    let start = content.saturating_add(5);
    let ndim = in_range("axes", big(header, start.saturating_add(2), 1)?, 1, MOST_AXES)?;
    let chunk_at = start + 3 + 1 + 9 * ndim;
    let block_at = chunk_at + 1 + 5 * ndim;
    let extents = |at: usize| -> Result<Vec<usize>, CodecError> {
        let mut product = 1_usize;
        (0..ndim)
            .map(|axis| {
                let extent = big(header, at + 1 + 5 * axis + 1, 4)?;
                product = product.checked_mul(extent).filter(|&product| product <= LONGEST_DATA).unwrap_or(0);
                in_range("extent", extent, 1, if product == 0 { 0 } else { LONGEST_DATA })
            })
            .collect()
    };
    Ok(Axes { chunk: extents(chunk_at)?, block: extents(block_at)? })
}

/// The big-endian number of `length` bytes at `position`.
fn big(bytes: &[u8], position: usize, length: usize) -> Result<usize, CodecError> {
    let end = position.saturating_add(length);
    let cut = CodecError::Truncated { part: "a Blosc2 header", needed: end, found: bytes.len() };
    let number = bytes.get(position..end).ok_or(cut)?;
    let number = number.iter().fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
    Ok(usize::try_from(number).unwrap_or(usize::MAX))
}

/// The little-endian number at `position`, which the caller has checked to be there.
fn little(bytes: &[u8], position: usize) -> usize {
    let number = bytes[position..].first_chunk().expect("the caller has checked the length");
    u32::from_le_bytes(*number) as usize
}

#[cfg(test)]
mod tests {
    use super::super::samples::from_hex;
    use super::*;

    /// What hdf5plugin 7.1, and of two axes PyTables 3.11, stored.
    const LZ4_SHUFFLED: &str = "\
        9ea862326672616d6500d200000061cf0000000000000144a412005103d30000000000000190d30000000000000098d2\
        00000004d200000190d200000190d10000d10001c2d8060000000000010100000000000000000093cd0007de0000dc00\
        000501250490010000900100009800000000000000000101000000000000000000240000006400000000010409101924\
        31405103182f48021f3e5f21460c35602c5b2b5e3208411b583616593d230b5642302012065d554f4b49494b4f555d06\
        12203042560b233d591636581b4108325e2b5b2c60350c46215f3e1f02482f1803514031241910090401000104000000\
        000000000000000000050107080800000008000000280000000000000000010000000000000000000000000000000000\
        00940193cd0006de0000dc0000ce00000023d80000000000000000000000000000000000";
    const ZSTD_BITS: &str = "\
        9ea862326672616d6500d200000061cf000000000000014fa412005503d3000000000000019cd300000000000000a3d2\
        00000004d20000019cd20000019cd10000d10001c2d8060000000000020500000000000000000093cd0007de0000dc00\
        00050195049c0100009c010000a300000000000000000205000000000000000000240000007b00000028b52ffd609c00\
        8d03006406aa9626633cf03ff01893a55500d40b4ff3cccc3ccb43af004490bb044b7878488374278828b893d72cd02f\
        d0ac277750b08a23cd4f35b0cacf124735c010e50a19030063429d220c00234aa5c4f03f8c944a110300010400000009\
        000000100000001900000002002b8654282a300305010708080000000800000028000000000000000001000000000000\
        000000000000000000000000940193cd0006de0000dc0000ce00000023d80000000000000000000000000000000000";
    const BLOSCLZ: &str = "\
        9ea862326672616d6500d200000061cf0000000000000224a412005003d300000000000004b0d30000000000000178d2\
        00000004d2000004b0d2000004b0d10000d10001c2d8060000000000000000000000000000000093cd0007de0000dc00\
        0005011504b0040000b0040000780100000000000000000000000000000000000024000000500100003f000000000100\
        00000400000009000000100000001900000024000000310000001f400000005100000003000000180000002f00000048\
        000000020000001f0000001f3e0000005f00000021000000460000000c00000035000000600000002c0000001f5b0000\
        002b0000005e0000003200000008000000410000001b000000580000001f3600000016000000590000003d0000002300\
        00000b00000056000000420000001f300000002000000012000000060000005d000000550000004f0000004b00000000\
        49800301004b8013010055802301000680330100208043010042805301000b806301003d807301001680830100588093\
        01004180a301003280b301002b80c301002c80d301003580e301004680f301005f810301001f81130100488123010018\
        81330100518143010031815301001981630100098173050001000000008007e1ffffff1c830200000005010708080000\
        000800000028000000000000000001000000000000000000000000000000000000940193cd0006de0000dc0000ce0000\
        0023d80000000000000000000000000000000000";
    const ZLIB: &str = "\
        9ea862326672616d6500d200000061cf0000000000000144a412005403d30000000000000190d30000000000000098d2\
        00000004d200000190d200000190d10000d10001c2d8060000000000010400000000000000000093cd0007de0000dc00\
        0005017504900100009001000098000000000000000001040000000000000000002400000070000000785e636064e114\
        90543174086496d0f76092b78b5774e3314dd089d68e33e270948e30138bb455e60e73325010628b0df5f7f6f4f4f60f\
        8d65135230700ae356b68d14338b9076e4308ad38ed64930e571538cb79367f2d097600e7430549114e0646164606461\
        180544030001d11236050107080800000008000000280000000000000000010000000000000000000000000000000000\
        00940193cd0006de0000dc0000ce00000023d80000000000000000000000000000000000";
    const ZEROS: &str = "\
        9ea862326672616d6500d200000061cf00000000000000aca412005103d300000000000004b0d30000000000000000d2\
        00000004d2000004b0d2000004b0d10000d10001c2d8060000000000010100000000000000000093cd0007de0000dc00\
        0005010708080000000800000028000000000000000001000000000000000000000000000000000081940193cd0006de\
        0000dc0000ce00000023d80000000000000000000000000000000000";
    const SEVENS: &str = "\
        9ea862326672616d6500d200000061cf00000000000000e4a412005103d300000000000004b0d30000000000000038d2\
        00000004d2000004b0d2000004b0d10000d10001c2d8060000000000010100000000000000000093cd0007de0000dc00\
        0005012504b0040000b0040000380000000000000000010100000000000000000024000000f9ffffff01f9ffffff01f9\
        ffffff01f9ffffff01050107080800000008000000280000000000000000010000000000000000000000000000000000\
        00940193cd0006de0000dc0000ce00000023d80000000000000000000000000000000000";
    const TWO_AXES: &str = "\
        9ea862326672616d6500d2000000a5cf000000000000018fa412005103d300000000000001d4d3000000000000009fd2\
        00000004d2000001d4d2000001d4d10000d10001c2d8060000000000010100000000000000000093cd0011de0001a462\
        326e64d20000006bdc0001c60000003597000292d30000000000000009d3000000000000000d92d200000009d2000000\
        0d92d200000009d20000000d00db000000037c563405012504d4010000d40100009f0000000000000000010100000000\
        0000000000240000006b000000fb520001040910192431405103182f48021f3e5f21460c35602c5b2b5e3208411b5836\
        16593d230b5642302012065d554f4b49494b4f555d0612203042560b233d591636581b4108325e2b5b2c60350c46215f\
        3e1f02482f18035140312419100904016100501f3e5f2146000000000000000000000000050107080800000008000000\
        28000000000000000001000000000000000000000000000000000000940193cd0006de0000dc0000ce00000023d80000\
        000000000000000000000000000000";

    fn samples() -> [(Vec<u8>, Vec<u8>); 7] {
        [
            (from_hex(LZ4_SHUFFLED), numbers(100)),
            (from_hex(ZSTD_BITS), numbers(103)),
            (from_hex(BLOSCLZ), numbers(300)),
            (from_hex(ZLIB), numbers(100)),
            (from_hex(ZEROS), vec![0; 1200]),
            (from_hex(SEVENS), vec![7; 1200]),
            (from_hex(TWO_AXES), numbers(117)),
        ]
    }

    fn decode(stored: &[u8], most: usize) -> Result<Vec<u8>, CodecError> {
        let frame = Frame::parse(stored, most)?;
        let mut out = vec![0x5a; frame.decoded_len()];
        frame.decode(&mut out, &mut vec![0xa5; frame.temporary_len()])?;
        Ok(out)
    }

    fn numbers(count: u32) -> Vec<u8> {
        (0..count).flat_map(|i| (i * i % 97).to_le_bytes()).collect()
    }

    #[test]
    fn decodes_what_hdf5plugin_stored() {
        for (stored, expected) in samples() {
            assert_eq!(decode(&stored, expected.len()), Ok(expected));
        }
    }

    #[test]
    fn refuses_more_than_the_chunk_holds() {
        for (stored, expected) in samples() {
            let result = decode(&stored, expected.len() - 1);
            assert!(matches!(result, Err(CodecError::TooLong { .. })), "{result:?}");
        }
    }

    #[test]
    fn every_cut_and_every_damaged_byte_is_an_error_or_other_data() {
        for (stored, expected) in samples() {
            for length in 0..stored.len() {
                let _ = decode(&stored[..length], expected.len());
            }
            for position in 0..stored.len() {
                for byte in [0, 1, 2, 0x7f, 0x80, 0xff, stored[position] ^ 1, stored[position].wrapping_add(1)] {
                    let mut damaged = stored.clone();
                    damaged[position] = byte;
                    let _ = decode(&damaged, expected.len());
                }
            }
        }
    }
}
