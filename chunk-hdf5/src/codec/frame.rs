//! Blosc 1 frames: what a compressed chunk says about itself, and its blocks, each of which decodes alone.
//!
//! A frame is a header of 16 bytes, a table of the positions of its blocks, and the blocks. Block `i` decodes
//! to bytes `i * block length ..` of the chunk. Frames that several threads wrote hold their blocks in the
//! order in which they were finished. A frame whose data did not compress has no table: the data follows the
//! header as it is.
//!
//! Every length that a frame states is checked against the others, and against the chunk, before it is used.

use std::ops::Range;

use super::error::{expect_len, in_range, known};
use super::stream::Format;
use super::{CodecError, shuffle};

/// Bytes at the start of a frame that [`Header::parse`] reads.
pub(crate) const HEADER_LEN: usize = 16;

/// The first 16 bytes of a frame, checked. Enough to decode a frame that is in memory as a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Header {
    contents: Contents,
    type_size: usize,
    decoded_len: usize,
    block_len: usize,
    stored_len: usize,
}

/// A frame with the place of each of its blocks, so that blocks can be read and decoded one by one.
///
/// ```text
/// let header = Header::parse(first_bytes, stored_len)?;
/// let frame = Frame::parse(&bytes[..header.head_len()], stored_len, decoded_len)?;
/// for block in 0..header.blocks() {
///     read(frame.stored_range(block)) -> stored
///     frame.decode_block(block, stored, out, temporary)?   // out: frame.decoded_range(block)
/// }
/// ```
#[derive(Debug, Clone)]
pub(crate) struct Frame {
    header: Header,
    /// Position and end of each block; empty for a copied frame.
    places: Vec<(u32, u32)>,
}

impl Header {
    /// Reads the start of a frame that is stored in `stored_len` bytes.
    pub(crate) fn parse(start: &[u8], stored_len: usize) -> Result<Self, CodecError> {
        let Some(start) = start.first_chunk::<HEADER_LEN>() else {
            return Err(truncated("a Blosc header", HEADER_LEN, start.len()));
        };
        let [version, format_version, flags, type_size, ..] = *start;
        known("version", version, version == FRAME_VERSION)?;
        known("flags", flags, flags & FLAG_RESERVED == 0)?;
        let contents = Contents::parse(flags, format_version, type_size)?;
        let type_size = in_range("type size", type_size.into(), 1, 255)?;
        let decoded_len = in_range("decoded length", number_at(start, 4), 0, LONGEST_DATA)?;
        let block_len = in_range("block length", number_at(start, 8), 1, decoded_len.clamp(1, LONGEST_BLOCK))?;
        let most = stored_len.min(LONGEST_DATA + HEADER_LEN);
        let stored_len = in_range("stored length", number_at(start, 12), HEADER_LEN, most)?;
        let header = Self { contents, type_size, decoded_len, block_len, stored_len };
        header.check_lengths()?;
        Ok(header)
    }

    /// Bytes from the start of the frame that [`Frame::parse`] needs: header and table.
    pub(crate) fn head_len(&self) -> usize {
        match self.contents {
            Contents::Copied => HEADER_LEN,
            Contents::Compressed { .. } => HEADER_LEN + POSITION_LEN * self.blocks(),
        }
    }

    /// Bytes that the frame decodes to.
    pub(crate) fn decoded_len(&self) -> usize {
        self.decoded_len
    }

    /// The number of blocks.
    pub(crate) fn blocks(&self) -> usize {
        self.decoded_len.div_ceil(self.block_len)
    }

    /// Decoded bytes of each block but the last, which may hold fewer.
    pub(crate) fn block_len(&self) -> usize {
        self.block_len
    }

    /// Bytes of heap that [`Frame::parse`] takes at most.
    pub(crate) fn frame_bytes(&self) -> usize {
        match self.contents {
            Contents::Copied => 0,
            Contents::Compressed { .. } => (size_of::<(u32, u32)>() + size_of::<u32>()) * self.blocks(),
        }
    }

    /// Bytes of `temporary` that decoding a block needs at most.
    pub(crate) fn temporary_len(&self) -> usize {
        match self.contents {
            Contents::Copied | Contents::Compressed { shuffle: Shuffle::None, .. } => 0,
            Contents::Compressed { shuffle: Shuffle::Byte, .. } => self.block_len,
            Contents::Compressed { shuffle: Shuffle::Bit, .. } => 2 * self.block_len,
        }
    }

    /// Where in the chunk the data of block `index` goes.
    pub(crate) fn decoded_range(&self, index: usize) -> Range<usize> {
        let start = index * self.block_len;
        start..self.decoded_len.min(start + self.block_len)
    }

    /// Decodes a frame that is in memory as a whole. `out` is [`Header::decoded_len`] bytes, `temporary` at
    /// least [`Header::temporary_len`].
    pub(crate) fn decode(&self, frame: &[u8], out: &mut [u8], temporary: &mut [u8]) -> Result<(), CodecError> {
        expect_len(self.decoded_len, out.len())?;
        let Some(frame) = frame.get(..self.stored_len) else {
            return Err(truncated("a Blosc frame", self.stored_len, frame.len()));
        };
        for (index, out) in out.chunks_mut(self.block_len).enumerate() {
            let position = match self.contents {
                Contents::Copied => HEADER_LEN + index * self.block_len,
                Contents::Compressed { .. } => self.block_position(frame, index)?,
            };
            self.decode_block(index, &frame[position..], out, temporary)?;
        }
        Ok(())
    }

    /// Decodes block `index` from the bytes that start with it; what follows the block is not looked at.
    /// `out` is as long as [`Header::decoded_range`] of the block and is overwritten.
    pub(crate) fn decode_block(
        &self,
        index: usize,
        stored: &[u8],
        out: &mut [u8],
        temporary: &mut [u8],
    ) -> Result<(), CodecError> {
        expect_len(self.decoded_range(index).len(), out.len())?;
        let Contents::Compressed { format, shuffle, split } = self.contents else {
            return copy_block(stored, out);
        };
        let streams = self.streams(split, out.len());
        let len = out.len();
        if shuffle == Shuffle::None || (shuffle == Shuffle::Bit && len < self.type_size) {
            return decode_streams(format, streams, stored, out);
        }
        let found = temporary.len();
        let needed = if shuffle == Shuffle::Bit { 2 * len } else { len };
        let Some((shuffled, temporary)) = temporary.split_at_mut_checked(len).filter(|_| found >= needed) else {
            return Err(CodecError::ScratchTooSmall { needed, found });
        };
        decode_streams(format, streams, stored, shuffled)?;
        match shuffle {
            Shuffle::Bit => shuffle::bit_unshuffle(self.type_size, shuffled, out, temporary),
            _ => shuffle::unshuffle(self.type_size, shuffled, out),
        }
    }

    /// Whether blocks are shuffled by bytes, so that [`Header::decode_shuffled`] leaves the shuffling to be undone for
    /// a part alone.
    pub(crate) fn is_byte_shuffled(&self) -> bool {
        matches!(self.contents, Contents::Compressed { shuffle: Shuffle::Byte, .. })
    }

    /// Decodes a block from the bytes that start with it, but leaves it shuffled. `out` is as long as the block.
    pub(crate) fn decode_shuffled(&self, stored: &[u8], out: &mut [u8]) -> Result<(), CodecError> {
        let Contents::Compressed { format, split, .. } = self.contents else { return copy_block(stored, out) };
        decode_streams(format, self.streams(split, out.len()), stored, out)
    }

    /// The bytes of an element, as the shuffling takes it.
    pub(crate) fn element_size(&self) -> usize {
        self.type_size
    }

    /// What the header's lengths say about each other.
    fn check_lengths(&self) -> Result<(), CodecError> {
        match self.contents {
            Contents::Copied => {
                let expected = self.decoded_len + HEADER_LEN;
                in_range("stored length", self.stored_len, expected, expected).map(drop)
            }
            Contents::Compressed { split, .. } => {
                let streams = self.streams(split, self.block_len);
                known("block length", self.block_len, self.block_len.is_multiple_of(streams))?;
                in_range("stored length", self.stored_len, self.head_len(), LONGEST_DATA).map(drop)
            }
        }
    }

    /// How many streams a block of `len` decoded bytes is split into: one for each byte of an element, or
    /// one. The sizes repeat c-blosc's condition from before frames had a flag for it; a shorter last block
    /// is never split.
    fn streams(&self, split: bool, len: usize) -> usize {
        let worth_it = self.type_size <= MOST_STREAMS && self.block_len / self.type_size >= LEAST_ELEMENTS;
        if split && worth_it && len == self.block_len { self.type_size } else { 1 }
    }

    /// The table's entry for block `index`, in a frame or a head that holds the whole table.
    fn block_position(&self, head: &[u8], index: usize) -> Result<usize, CodecError> {
        let position = number_at(head, HEADER_LEN + POSITION_LEN * index);
        in_range("block position", position, self.head_len(), self.stored_len)
    }
}

impl Frame {
    /// Reads header and table from the first [`Header::head_len`] bytes, or more, of a frame that is stored in
    /// `stored_len` bytes and has to decode to `decoded_len`.
    pub(crate) fn parse(head: &[u8], stored_len: usize, decoded_len: usize) -> Result<Self, CodecError> {
        let header = Header::parse(head, stored_len)?;
        expect_len(decoded_len, header.decoded_len)?;
        if head.len() < header.head_len() {
            return Err(truncated("a Blosc table of blocks", header.head_len(), head.len()));
        }
        let places = match header.contents {
            Contents::Copied => Vec::new(),
            Contents::Compressed { .. } => places(&header, head)?,
        };
        Ok(Self { header, places })
    }

    /// What the frame's first 16 bytes say.
    pub(crate) fn header(&self) -> &Header {
        &self.header
    }

    /// Where in the chunk the data of block `index` goes.
    pub(crate) fn decoded_range(&self, index: usize) -> Range<usize> {
        self.header.decoded_range(index)
    }

    /// Where in the frame block `index` is. Blocks need not be in order.
    pub(crate) fn stored_range(&self, index: usize) -> Range<usize> {
        if self.header.contents == Contents::Copied {
            let decoded = self.decoded_range(index);
            return HEADER_LEN + decoded.start..HEADER_LEN + decoded.end;
        }
        let (start, end) = self.places[index];
        start as usize..end as usize
    }

    /// Decodes block `index` from its stored bytes; `out` is as long as its decoded range and is overwritten,
    /// `temporary` at least [`Header::temporary_len`] bytes.
    pub(crate) fn decode_block(
        &self,
        index: usize,
        stored: &[u8],
        out: &mut [u8],
        temporary: &mut [u8],
    ) -> Result<(), CodecError> {
        self.header.decode_block(index, stored, out, temporary)
    }
}

const FRAME_VERSION: u8 = 2;
/// The version of every codec's format.
const FORMAT_VERSION: u8 = 1;
const FLAG_BYTE_SHUFFLE: u8 = 0x1;
const FLAG_COPIED: u8 = 0x2;
const FLAG_BIT_SHUFFLE: u8 = 0x4;
const FLAG_RESERVED: u8 = 0x8;
const FLAG_NOT_SPLIT: u8 = 0x10;
/// Bytes of an entry in the table of blocks, and of the length in front of a stream.
const POSITION_LEN: usize = 4;
/// c-blosc's `BLOSC_MAX_BUFFERSIZE` and `BLOSC_MAX_BLOCKSIZE`.
const LONGEST_DATA: usize = i32::MAX as usize - HEADER_LEN;
const LONGEST_BLOCK: usize = (i32::MAX as usize - 255 * 4) / 3;
/// c-blosc's `MAX_SPLITS` and `MIN_BUFFERSIZE`.
const MOST_STREAMS: usize = 16;
const LEAST_ELEMENTS: usize = 128;

/// What is behind the header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Contents {
    /// The data as it is.
    Copied,
    /// A table of blocks, and blocks.
    Compressed { format: Format, shuffle: Shuffle, split: bool },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shuffle {
    None,
    Byte,
    Bit,
}

impl Contents {
    fn parse(flags: u8, format_version: u8, type_size: u8) -> Result<Self, CodecError> {
        if flags & FLAG_COPIED != 0 {
            return Ok(Self::Copied);
        }
        let code = flags >> 5;
        let Some(format) = Format::from_code(code) else {
            return Err(CodecError::UnknownFrame { field: "codec", stated: code.into() });
        };
        known("codec format version", format_version, format_version == FORMAT_VERSION)?;
        let shuffle = match (flags & FLAG_BYTE_SHUFFLE, flags & FLAG_BIT_SHUFFLE) {
            (1.., _) if type_size > 1 => Shuffle::Byte,
            (_, 1..) => Shuffle::Bit,
            _ => Shuffle::None,
        };
        Ok(Self::Compressed { format, shuffle, split: flags & FLAG_NOT_SPLIT == 0 })
    }
}

/// Position and end of every block: a block ends where the next one in the frame starts, or with the frame.
fn places(header: &Header, head: &[u8]) -> Result<Vec<(u32, u32)>, CodecError> {
    let end = narrow(header.stored_len);
    let mut places = Vec::with_capacity(header.blocks());
    for index in 0..header.blocks() {
        places.push((narrow(header.block_position(head, index)?), end));
    }
    let mut sorted: Vec<u32> = places.iter().map(|place| place.0).collect();
    sorted.sort_unstable();
    for (start, block_end) in &mut places {
        let next = sorted.partition_point(|other| other <= start);
        *block_end = sorted.get(next).copied().unwrap_or(end);
    }
    Ok(places)
}

fn copy_block(stored: &[u8], out: &mut [u8]) -> Result<(), CodecError> {
    let Some(stored) = stored.get(..out.len()) else {
        return Err(truncated("a copied Blosc block", out.len(), stored.len()));
    };
    out.copy_from_slice(stored);
    Ok(())
}

/// Decodes `count` streams, each behind its length, into equal parts of `out`. A stream as long as what it
/// decodes to is a copy.
fn decode_streams(format: Format, count: usize, stored: &[u8], out: &mut [u8]) -> Result<(), CodecError> {
    let mut rest = stored;
    for part in out.chunks_exact_mut(out.len() / count) {
        let Some((len, behind)) = rest.split_first_chunk::<POSITION_LEN>() else {
            return Err(truncated("a Blosc block", POSITION_LEN, rest.len()));
        };
        let len = u32::from_le_bytes(*len) as usize;
        let Some((stream, behind)) = behind.split_at_checked(len) else {
            return Err(truncated("a Blosc block", len, behind.len()));
        };
        if len == part.len() {
            part.copy_from_slice(stream);
        } else {
            format.decode(stream, part)?;
        }
        rest = behind;
    }
    Ok(())
}

/// The little-endian number at `position`, which the caller has checked to be there.
fn number_at(bytes: &[u8], position: usize) -> usize {
    let number = bytes[position..].first_chunk().expect("the caller has checked the length");
    u32::from_le_bytes(*number) as usize
}

fn narrow(position: usize) -> u32 {
    u32::try_from(position).expect("positions were read from 32 bits")
}

fn truncated(part: &'static str, needed: usize, found: usize) -> CodecError {
    CodecError::Truncated { part, needed, found }
}

#[cfg(test)]
mod tests {
    use std::ffi::c_int;

    use super::super::samples::{KINDS, Kind, Numbers, REQUEST, Request, c_decode, c_frame, data, from_hex};
    use super::*;

    const CODECS: [&str; 5] = ["blosclz", "lz4", "lz4hc", "zlib", "zstd"];
    const TYPE_SIZES: [usize; 8] = [1, 2, 3, 4, 8, 16, 17, 255];

    /// A frame by hdf5plugin 7 with its Snappy, of 512 four-byte numbers `i * i % 97 + 1000`.
    const SNAPPY: &str = "\
        0201410400080000000800002e010000140000007b0000008004f061e8e9ecf1f8010c192839eb001730ea072647092e\
        f41d48144313461af02903401efe41250bf33e2a1808faee453d3733313133373d45eefa08182a3ef30b2541fe1e4003\
        29f01a46134314481df42e09472607ea301700eb3928190c01f8f1ece9e8fe6100fe6100fe6100fe6100fe6100fe6100\
        76610057000000800400030101000401010106010400040d060d080113010404040305060901090c0111010409051131\
        050e05170004015c0501011d0514190a0101050e010501040d550901fe6100fe6100fe6100fe6100fe6100a261001c00\
        000080040000fe0100fe0100fe0100fe0100fe0100fe0100fe0100fa01001c00000080040000fe0100fe0100fe0100fe\
        0100fe0100fe0100fe0100fa0100";

    fn snappy_data() -> Vec<u8> {
        (0..512_u32).flat_map(|i| (i * i % 97 + 1000).to_le_bytes()).collect()
    }

    /// Decodes as a whole, and block by block, last to first, from just a block's bytes, into dirty memory.
    fn decode_both_ways(stored: &[u8], decoded_len: usize) -> Result<Vec<u8>, CodecError> {
        let header = Header::parse(stored, stored.len())?;
        let head = stored.get(..header.head_len()).unwrap_or(stored);
        let frame = Frame::parse(head, stored.len(), decoded_len)?;
        let mut temporary = vec![0x5a; header.temporary_len()];
        let mut blocks = vec![0xa5; decoded_len];
        for block in (0..frame.header().blocks()).rev() {
            let block_bytes = stored[frame.stored_range(block)].to_vec();
            let out = &mut blocks[frame.decoded_range(block)];
            frame.decode_block(block, &block_bytes, out, &mut temporary)?;
        }
        let mut whole = vec![0xc3; decoded_len];
        header.decode(stored, &mut whole, &mut temporary)?;
        assert_eq!(whole, blocks);
        Ok(whole)
    }

    fn check(request: Request, kind: Kind, len: usize) {
        let data = data(kind, len);
        let frame = c_frame(request, &data);
        let decoded = decode_both_ways(&frame, len);
        assert!(decoded.as_deref() == Ok(&data), "{request:?} {kind:?} {len}: {:?}", decoded.err());
    }

    fn requests(levels: &[c_int]) -> impl Iterator<Item = Request> {
        let codecs = CODECS.iter().flat_map(move |codec| levels.iter().map(move |level| (*codec, *level)));
        let shuffles = codecs.flat_map(|request| [0, 1, 2].map(|shuffle| (request, shuffle)));
        shuffles.flat_map(|((codec, level), shuffle)| {
            TYPE_SIZES.map(|type_size| Request { codec, level, shuffle, type_size, ..REQUEST })
        })
    }

    #[test]
    fn decodes_short_frames_of_c_blosc() {
        for request in requests(&[0, 1, 5, 9]) {
            for len in [1, 15, 16, 17, 127, 128, 1000] {
                for kind in KINDS {
                    check(request, kind, len);
                }
            }
        }
    }

    #[test]
    fn decodes_many_small_blocks_and_a_shorter_last_one() {
        for request in requests(&[5]) {
            // Where c-blosc splits blocks it makes them 64 KiB at least.
            for (block_len, len) in [(128, 10_007), (2100, 200_003)] {
                for kind in [Kind::Ramp, Kind::Mixed] {
                    check(Request { block_len, ..request }, kind, len);
                }
            }
        }
    }

    #[test]
    fn decodes_frames_around_64_kib() {
        for request in requests(&[1]) {
            for len in [65_535, 65_536, 65_537] {
                check(request, Kind::Mixed, len);
            }
        }
    }

    #[test]
    fn decodes_frames_of_several_blocks_of_c_blosc_s_choice() {
        for codec in CODECS {
            for (shuffle, type_size) in [(0, 4), (1, 16), (1, 8), (2, 8)] {
                check(Request { codec, level: 1, shuffle, type_size, ..REQUEST }, Kind::Ramp, 3 << 20);
            }
        }
        check(Request { level: 9, ..REQUEST }, Kind::Mixed, (3 << 20) + 5);
    }

    #[test]
    fn decodes_frames_that_several_threads_wrote() {
        for codec in CODECS {
            for shuffle in [0, 1, 2] {
                for type_size in [8, 17] {
                    let request = Request { codec, shuffle, type_size, block_len: 4096, threads: 4, ..REQUEST };
                    check(request, Kind::Mixed, 400_001);
                }
            }
        }
    }

    #[test]
    fn finds_blocks_that_are_not_in_order() {
        let data = data(Kind::Mixed, 500_001);
        let frame = c_frame(Request { block_len: 4096, ..REQUEST }, &data);
        let places = Frame::parse(&frame, frame.len(), data.len()).unwrap();
        let head_len = places.header().head_len();
        assert_eq!(places.header().blocks(), 8);
        let mut reversed = frame[..head_len].to_vec();
        for block in (0..places.header().blocks()).rev() {
            let position = u32::try_from(reversed.len()).unwrap().to_le_bytes();
            reversed[HEADER_LEN + 4 * block..][..4].copy_from_slice(&position);
            reversed.extend_from_slice(&frame[places.stored_range(block)]);
        }
        assert_eq!(c_decode(&reversed, data.len()), data);
        assert_eq!(decode_both_ways(&reversed, data.len()), Ok(data));
    }

    #[test]
    fn decodes_snappy() {
        assert_eq!(decode_both_ways(&from_hex(SNAPPY), 2048), Ok(snappy_data()));
    }

    #[test]
    fn a_copied_frame_has_its_data_behind_the_header() {
        let data = data(Kind::Random, 10_000);
        let stored = c_frame(Request { level: 0, block_len: 4096, ..REQUEST }, &data);
        let frame = Frame::parse(&stored[..HEADER_LEN], stored.len(), data.len()).unwrap();
        assert_eq!(frame.header().head_len(), HEADER_LEN);
        assert_eq!(frame.header().temporary_len(), 0);
        assert_eq!(frame.stored_range(1), HEADER_LEN + 4096..HEADER_LEN + 8192);
        assert_eq!(decode_both_ways(&stored, data.len()), Ok(data));
    }

    #[test]
    fn refuses_another_decoded_length_than_the_chunk_s() {
        let frame = c_frame(REQUEST, &data(Kind::Ramp, 1000));
        for expected in [0, 999, 1001, usize::MAX] {
            let result = Frame::parse(&frame, frame.len(), expected);
            assert_eq!(result.err(), Some(CodecError::Length { expected, found: 1000 }));
        }
    }

    #[test]
    fn refuses_headers_that_contradict_themselves() {
        let frame = c_frame(Request { block_len: 256, ..REQUEST }, &data(Kind::Ramp, 1000));
        let changed = |position: usize, bytes: &[u8]| {
            let mut frame = frame.clone();
            frame[position..position + bytes.len()].copy_from_slice(bytes);
            decode_both_ways(&frame, 1000)
        };
        let over = (u32::try_from(frame.len()).unwrap() + 1).to_le_bytes();
        assert!(matches!(changed(0, &[3]), Err(CodecError::UnknownFrame { field: "version", .. })));
        assert!(matches!(changed(1, &[2]), Err(CodecError::UnknownFrame { field: "codec format version", .. })));
        assert!(matches!(changed(2, &[0x29]), Err(CodecError::UnknownFrame { field: "flags", .. })));
        assert!(matches!(changed(2, &[0xa1]), Err(CodecError::UnknownFrame { field: "codec", .. })));
        assert!(matches!(changed(3, &[0]), Err(CodecError::FrameField { field: "type size", .. })));
        assert!(matches!(changed(4, &[0; 4]), Err(CodecError::FrameField { field: "block length", .. })));
        assert!(matches!(changed(7, &[0x80]), Err(CodecError::FrameField { field: "decoded length", .. })));
        assert!(matches!(changed(8, &[0; 4]), Err(CodecError::FrameField { field: "block length", .. })));
        assert!(matches!(changed(8, &[1, 4, 0, 0]), Err(CodecError::FrameField { field: "block length", .. })));
        assert!(matches!(changed(12, &over), Err(CodecError::FrameField { field: "stored length", .. })));
        assert!(matches!(changed(12, &[15, 0]), Err(CodecError::FrameField { field: "stored length", .. })));
        assert!(matches!(changed(16, &[0; 4]), Err(CodecError::FrameField { field: "block position", .. })));
        assert!(matches!(changed(16, &over), Err(CodecError::FrameField { field: "block position", .. })));
    }

    #[test]
    fn refuses_buffers_of_other_lengths() {
        let data = data(Kind::Ramp, 1000);
        let stored = c_frame(REQUEST, &data);
        let header = Header::parse(&stored, stored.len()).unwrap();
        let (mut out, mut temporary) = (vec![0; 1000], vec![0; header.temporary_len()]);
        assert!(header.decode(&stored, &mut out[..999], &mut temporary).is_err());
        assert!(header.decode(&stored[..stored.len() - 1], &mut out, &mut temporary).is_err());
        let short = header.decode(&stored, &mut out, &mut temporary[1..]);
        assert_eq!(short, Err(CodecError::ScratchTooSmall { needed: 1000, found: 999 }));
        assert_eq!(header.decode(&stored, &mut out, &mut temporary), Ok(()));
        assert_eq!(out, data);
    }

    /// Frames of every codec, small enough to damage them everywhere.
    fn victims() -> Vec<(Vec<u8>, usize)> {
        let layouts = [0, 1, 2].into_iter().flat_map(|shuffle| [(shuffle, 500), (shuffle, 0)]);
        let requests = CODECS.iter().flat_map(|codec| {
            layouts.clone().map(|(shuffle, block_len)| Request { codec, shuffle, type_size: 4, block_len, ..REQUEST })
        });
        let mut victims: Vec<_> = requests.map(|request| (c_frame(request, &data(Kind::Mixed, 2000)), 2000)).collect();
        victims.push((c_frame(Request { level: 0, ..REQUEST }, &data(Kind::Mixed, 300)), 300));
        victims.push((from_hex(SNAPPY), 2048));
        victims
    }

    #[test]
    fn every_cut_is_an_error() {
        for (frame, decoded_len) in victims() {
            for len in 0..frame.len() {
                assert!(decode_both_ways(&frame[..len], decoded_len).is_err());
            }
        }
    }

    #[test]
    fn damage_anywhere_is_an_error_or_other_data_but_never_more() {
        let mut numbers = Numbers::new(1);
        for (frame, decoded_len) in victims() {
            for _ in 0..3000 {
                let mut damaged = frame.clone();
                for _ in 0..=numbers.below(3) {
                    // Half of the damage goes to header, table, and the first lengths.
                    let reach = if numbers.below(2) == 0 { 40 } else { frame.len() };
                    damaged[numbers.below(reach)] = numbers.byte();
                }
                if let Ok(decoded) = decode_both_ways(&damaged, decoded_len) {
                    assert_eq!(decoded.len(), decoded_len);
                }
            }
        }
    }

    #[test]
    fn noise_behind_a_sound_header_is_an_error() {
        let mut numbers = Numbers::new(2);
        for (frame, decoded_len) in victims() {
            let head_len = Header::parse(&frame, frame.len()).unwrap().head_len() + POSITION_LEN;
            for _ in 0..300 {
                let mut damaged = frame.clone();
                damaged[head_len..].fill_with(|| numbers.byte());
                let _ = decode_both_ways(&damaged, decoded_len);
            }
        }
    }
}
