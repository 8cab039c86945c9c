//! The filters of a dataset in the order applied on writing, and whole chunks through them.

use std::fmt;

use super::blosc::{self, Codec, Settings};
use super::blosc2;
use super::frame::Header;
use super::nbit::NBit;
use super::registry::{self, registered_name};
use super::scale_offset::ScaleOffset;
use super::sequence::{Blocks, Sequence};
use super::stream::{pack_zstd, unpack_zstd, zstd_encoder_bytes};
use super::szip::Szip;
use super::{CodecError, deflate, fletcher32, lzf, shuffle};

/// A filter as a file states it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StoredFilter {
    pub(crate) id: u32,
    /// Bit 0: optional, a chunk may skip the filter.
    pub(crate) flags: u32,
    /// The file's own name for the filter, or nothing.
    pub(crate) name: String,
    /// The filter's parameters, which HDF5 calls client data.
    pub(crate) values: Vec<u32>,
}

/// A filter that this crate does not carry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct UnsupportedFilter {
    pub(crate) id: u32,
    /// The registered name, or the file's own.
    pub(crate) name: Option<String>,
}

/// What [`Pipeline::encode`] wrote.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Encoded {
    /// Bytes at the start of the output.
    pub(crate) len: usize,
    /// Bit `i` is set where the chunk skips filter `i`.
    pub(crate) filter_mask: u32,
}

/// Filters in the order applied on writing; decoding undoes them last to first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pipeline {
    filters: Vec<Filter>,
}

impl StoredFilter {
    /// Deflate at `level` 0 to 9.
    pub(crate) fn deflate(level: u32) -> Self {
        Self::optional(registry::DEFLATE, vec![level])
    }

    /// Byte shuffle of elements of `element_size` bytes.
    pub(crate) fn shuffle(element_size: u32) -> Self {
        Self::optional(registry::SHUFFLE, vec![element_size])
    }

    /// Fletcher32, which no chunk skips.
    pub(crate) fn fletcher32() -> Self {
        Self { flags: 0, ..Self::optional(registry::FLETCHER32, Vec::new()) }
    }

    /// Blosc for chunks of `chunk_len` bytes.
    pub(crate) fn blosc(settings: Settings, chunk_len: u32) -> Self {
        Self::optional(registry::BLOSC, settings.to_values(chunk_len).to_vec())
    }

    /// LZF for chunks of `chunk_len` bytes, with the parameters that h5py states: its version, LZF's, the length.
    pub(crate) fn lzf(chunk_len: u32) -> Self {
        Self::optional(registry::LZF, vec![4, 0x0105, chunk_len])
    }

    /// Zstandard at `level`.
    pub(crate) fn zstd(level: u32) -> Self {
        Self::optional(registry::ZSTD, vec![level])
    }

    fn optional(id: u32, values: Vec<u32>) -> Self {
        let name = if id == registry::BLOSC { "blosc" } else { registered_name(id).unwrap_or_default() };
        Self { id, flags: OPTIONAL, name: name.to_owned(), values }
    }
}

impl fmt::Display for UnsupportedFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.name {
            Some(name) => write!(f, "HDF5 filter {} ({name}) is not supported", self.id),
            None => write!(f, "HDF5 filter {} is not supported", self.id),
        }
    }
}

impl std::error::Error for UnsupportedFilter {}

impl Pipeline {
    /// The pipeline that a file states, if all of its filters are carried. Parameters that a filter does not
    /// know are an error where they matter: when the filter is applied or undone.
    pub(crate) fn new(filters: &[StoredFilter]) -> Result<Self, UnsupportedFilter> {
        Ok(Self { filters: filters.iter().map(Filter::new).collect::<Result<_, _>>()? })
    }

    /// Whether a chunk with this mask is stored as it is in memory.
    pub(crate) fn is_identity(&self, filter_mask: u32) -> bool {
        self.applied(filter_mask).next().is_none()
    }

    /// Operations a byte that decoding takes beyond Blosc with LZ4, for
    /// [`Work`](chunk_core::Work).
    pub(crate) fn decode_operations(&self) -> u64 {
        self.filters.iter().map(|filter| filter.operations().0).sum()
    }

    /// Operations a byte that encoding takes beyond Blosc with LZ4 at level 5.
    pub(crate) fn encode_operations(&self) -> u64 {
        self.filters.iter().map(|filter| filter.operations().1).sum()
    }

    /// Whether a chunk with this mask is a Blosc frame and nothing else, which [`super::Frame`] decodes block
    /// by block.
    pub(crate) fn is_blosc_only(&self, filter_mask: u32) -> bool {
        let mut applied = self.applied(filter_mask);
        matches!((applied.next(), applied.next()), (Some(Filter::Blosc(_)), None))
    }

    /// Whether a chunk with this mask is a Blosc2 frame and nothing else.
    pub(crate) fn is_blosc2_only(&self, filter_mask: u32) -> bool {
        let mut applied = self.applied(filter_mask);
        matches!((applied.next(), applied.next()), (Some(Filter::Blosc2), None))
    }

    /// How the blocks of a chunk with this mask are made, if it is [`Sequence`] and nothing else.
    pub(crate) fn sequence_only(&self, filter_mask: u32) -> Option<Blocks> {
        let mut applied = self.applied(filter_mask);
        match (applied.next(), applied.next()) {
            (Some(Filter::Lz4), None) => Some(Blocks::Lz4),
            (Some(Filter::Bitshuffle(Ok(blocks))), None) => Some(*blocks),
            _ => None,
        }
    }

    /// Bytes of scratch that [`Pipeline::decode`] needs at most for a chunk of `decoded_len` bytes, whatever
    /// its mask; 0 for a lone filter other than Blosc and bitshuffle.
    ///
    /// Holds for blocks of up to 1 MiB, the most that c-blosc chooses by itself. A frame with larger
    /// blocks is [`CodecError::ScratchTooSmall`], which states what it needs: try again with that much.
    pub(crate) fn decode_scratch(&self, decoded_len: usize) -> usize {
        let has_blocks = self.filters.iter().any(|filter| matches!(filter, Filter::Blosc(_) | Filter::Bitshuffle(_)));
        let (count, len) = self.intermediates(0, decoded_len);
        let blocks = if has_blocks { 2 * len.min(blosc::LARGEST_BLOCK) } else { 0 };
        // Its blocks may be as large as the chunk.
        let blocks = if self.filters.contains(&Filter::Blosc2) { 3 * len } else { blocks };
        count * len + blocks
    }

    /// Decodes a whole chunk: undoes the filters that its mask does not skip, last to first. `out` is as long
    /// as the decoded chunk, and overwritten; after an error it holds anything. A lone filter decodes from
    /// `stored` straight into `out`.
    ///
    /// # Errors
    /// Any [`CodecError`], if the chunk is damaged or does not decode to just the length of `out`.
    pub(crate) fn decode(
        &self,
        stored: &[u8],
        filter_mask: u32,
        out: &mut [u8],
        scratch: &mut [u8],
    ) -> Result<(), CodecError> {
        let (count, len) = self.intermediates(filter_mask, out.len());
        let (held, found) = (count * len, scratch.len());
        let Some((buffers, temporary)) = scratch.split_at_mut_checked(held) else {
            return Err(CodecError::ScratchTooSmall { needed: self.decode_scratch(out.len()), found });
        };
        let (first, second) = buffers.split_at_mut(len.min(held));
        let mut relay = Relay::new(stored, first, second);
        let mut filters = self.applied(filter_mask);
        let into_out = filters.clone().next().filter(|filter| filter.moves());
        if into_out.is_some() {
            filters.next();
        }
        for filter in filters.rev() {
            relay.undo(filter, temporary).map_err(|error| with_held(error, held, found))?;
        }
        let Some(filter) = into_out else {
            expect_len(out.len(), relay.input().len())?;
            out.copy_from_slice(relay.input());
            return Ok(());
        };
        let decoded = filter.undo(relay.input(), out, temporary).map_err(|error| with_held(error, held, found))?;
        expect_len(out.len(), decoded)
    }

    /// Whether chunks can be encoded, too.
    ///
    /// # Errors
    /// [`CodecError::Parameters`] and [`CodecError::ReadOnly`].
    pub(crate) fn check_encodes(&self) -> Result<(), CodecError> {
        let mut out = vec![0; self.encode_bound(0)];
        let mut scratch = vec![0; self.encode_scratch(0)];
        self.encode(&[], &mut out, &mut scratch).map(|_| ())
    }

    /// Bytes of output that [`Pipeline::encode`] needs for a chunk of `decoded_len` bytes.
    pub(crate) fn encode_bound(&self, decoded_len: usize) -> usize {
        self.filters.iter().fold(decoded_len, |len, filter| len + filter.growth())
    }

    /// Bytes of scratch that [`Pipeline::encode`] needs for a chunk of `decoded_len` bytes.
    pub(crate) fn encode_scratch(&self, decoded_len: usize) -> usize {
        if self.encode_stages() > 1 { self.encode_bound(decoded_len) } else { 0 }
    }

    /// Bytes that encoding a chunk of `decoded_len` bytes takes at most beside output and scratch, inside the
    /// codecs' own libraries. Blosc's are freed before `encode` returns; zlib's stay with the thread.
    pub(crate) fn hidden_bytes(&self, decoded_len: usize) -> usize {
        let hidden = self.filters.iter().map(|filter| match filter {
            Filter::Blosc(Ok(settings)) => blosc::hidden_bytes(*settings, decoded_len),
            Filter::Deflate(_) => deflate::ENCODER_BYTES,
            Filter::Zstd { level } => zstd_encoder_bytes(*level, decoded_len),
            Filter::Lzf => lzf::ENCODER_BYTES,
            _ => 0,
        });
        hidden.max().unwrap_or(0)
    }

    /// Encodes a whole chunk into the start of `out`. A filter that cannot shrink the chunk is skipped and
    /// has its bit set in the mask, as the HDF5 library does with optional filters. The same chunk gives the
    /// same bytes, always.
    ///
    /// # Errors
    /// [`CodecError::OutputTooSmall`] and [`CodecError::ScratchTooSmall`] if less memory is handed over than
    /// `encode_bound` and `encode_scratch` ask for; [`CodecError::Parameters`] and [`CodecError::ReadOnly`].
    pub(crate) fn encode(&self, data: &[u8], out: &mut [u8], scratch: &mut [u8]) -> Result<Encoded, CodecError> {
        let (needed, found) = (self.encode_bound(data.len()), out.len());
        if found < needed {
            return Err(CodecError::OutputTooSmall { needed, found });
        }
        let (needed, found) = (self.encode_scratch(data.len()), scratch.len());
        if found < needed {
            return Err(CodecError::ScratchTooSmall { needed, found });
        }
        let mut relay = Relay::ending_in_first(data, out, scratch, self.encode_stages());
        let mut filter_mask = 0;
        for (index, filter) in self.filters.iter().enumerate() {
            if *filter == Filter::Fletcher32 {
                let checksum = fletcher32::checksum(relay.input());
                relay.append(&checksum.to_le_bytes());
                continue;
            }
            let (input, output) = relay.stage();
            match filter.apply(input, output)? {
                Some(len) => relay.advance(len),
                None => filter_mask |= mask_bit(index),
            }
        }
        Ok(Encoded { len: relay.end_in_first(), filter_mask })
    }

    /// The filters that a chunk with this mask went through.
    fn applied(&self, filter_mask: u32) -> impl DoubleEndedIterator<Item = &Filter> + Clone {
        let kept = move |&(index, _): &(usize, _)| filter_mask & mask_bit(index) == 0;
        self.filters.iter().enumerate().filter(kept).map(|(_, filter)| filter)
    }

    /// How many buffers decoding needs beside input and output, and of which length. The filter undone last
    /// writes into the output, unless it is a checksum.
    fn intermediates(&self, filter_mask: u32, decoded_len: usize) -> (usize, usize) {
        let moving = self.applied(filter_mask).filter(|filter| filter.moves()).count();
        let into_out = self.applied(filter_mask).next().is_some_and(Filter::moves);
        let stages = moving - usize::from(into_out);
        let len = self.applied(filter_mask).fold(decoded_len, |len, filter| len + filter.most_growth(len));
        (stages.min(2), len)
    }

    /// How many times encoding moves the data, a checksum in front of everything else being one of them.
    fn encode_stages(&self) -> usize {
        let moving = self.filters.iter().filter(|filter| filter.moves()).count();
        moving + usize::from(self.filters.first() == Some(&Filter::Fletcher32))
    }
}

/// Flag of a filter that a chunk may skip.
const OPTIONAL: u32 = 1;

/// A filter with the parameters that it needs. Those that encoding alone needs are judged when it does.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Filter {
    /// Level 0 to 9.
    Deflate(Result<u32, CodecError>),
    /// Bytes of an element, not 0.
    Shuffle(Result<usize, CodecError>),
    Fletcher32,
    Blosc(Result<Settings, CodecError>),
    Lzf,
    Lz4,
    Bitshuffle(Result<Blocks, CodecError>),
    Zstd {
        level: u32,
    },
    Blosc2,
    NBit(Result<NBit, CodecError>),
    ScaleOffset(Result<ScaleOffset, CodecError>),
    Szip(Result<Szip, CodecError>),
}

impl Filter {
    /// Operations a byte to decode and to encode, beyond LZ4: from the rates of one thread that the
    /// authors of the codecs state, at 3.5 G operations a second. Plans need their order of magnitude.
    fn operations(&self) -> (u64, u64) {
        let deflate = |level: u64| (7, 10 + 10 * level);
        match self {
            Filter::Deflate(level) => deflate(u64::from(*level.as_ref().unwrap_or(&6))),
            Filter::Shuffle(_) | Filter::Fletcher32 => (1, 1),
            Filter::Blosc(Ok(Settings { codec: Codec::Zlib, level, .. })) => deflate(u64::from(*level)),
            Filter::Blosc(Ok(Settings { codec: Codec::Zstd, level, .. })) => (1, 4 + 4 * u64::from(*level)),
            Filter::Blosc(Ok(Settings { codec: Codec::Lz4Hc, .. })) => (0, 20),
            Filter::Zstd { level } => (1, 4 + 4 * u64::from(*level).min(22)),
            Filter::NBit(_) | Filter::ScaleOffset(_) | Filter::Szip(_) => (15, 15),
            Filter::Blosc(_) | Filter::Lzf | Filter::Lz4 | Filter::Bitshuffle(_) | Filter::Blosc2 => (0, 1),
        }
    }

    fn new(stored: &StoredFilter) -> Result<Self, UnsupportedFilter> {
        let StoredFilter { id, name, values, .. } = stored;
        let bad = |filter| CodecError::Parameters { filter, values: values.clone() };
        let value = values.first().copied();
        match *id {
            registry::DEFLATE => Ok(Self::Deflate(value.filter(|&level| level <= 9).ok_or_else(|| bad("deflate")))),
            registry::SHUFFLE => {
                let size = value.and_then(|size| usize::try_from(size).ok()).filter(|&size| size > 0);
                Ok(Self::Shuffle(size.ok_or_else(|| bad("shuffle"))))
            }
            registry::FLETCHER32 => Ok(Self::Fletcher32),
            registry::BLOSC => Ok(Self::Blosc(Settings::from_values(values))),
            registry::LZF => Ok(Self::Lzf),
            registry::LZ4 => Ok(Self::Lz4),
            registry::BITSHUFFLE => Ok(Self::Bitshuffle(Blocks::bitshuffle(values))),
            registry::ZSTD => Ok(Self::Zstd { level: value.unwrap_or(3).clamp(1, 22) }),
            registry::BLOSC2 => Ok(Self::Blosc2),
            registry::NBIT => Ok(Self::NBit(NBit::from_values(values))),
            registry::SCALE_OFFSET => Ok(Self::ScaleOffset(ScaleOffset::from_values(values))),
            registry::SZIP => Ok(Self::Szip(Szip::from_values(values))),
            id => {
                let own = || Some(name.clone()).filter(|name| !name.is_empty());
                let name = registered_name(id).map(str::to_owned).or_else(own);
                Err(UnsupportedFilter { id, name })
            }
        }
    }

    /// Whether the filter writes its data elsewhere, rather than looking at it in place.
    fn moves(&self) -> bool {
        *self != Self::Fletcher32
    }

    /// Bytes that applying the filter here adds at most: compressors that would add any are skipped.
    fn growth(&self) -> usize {
        if *self == Self::Fletcher32 { fletcher32::CHECKSUM_LEN } else { 0 }
    }

    /// Bytes that any writer's filter adds at most to `len`: zlib's and Zstandard's `compressBound`, a Blosc header,
    /// a length and LZ4's own bytes for each block.
    fn most_growth(&self, len: usize) -> usize {
        match self {
            Self::Deflate(_) => (len >> 10) + 64,
            Self::Shuffle(_) | Self::Lzf => 0,
            Self::NBit(_) | Self::ScaleOffset(_) => 64,
            Self::Zstd { .. } => (len >> 7) + 128,
            Self::Lz4 | Self::Bitshuffle(_) | Self::Szip(_) => (len >> 2) + 64,
            Self::Blosc2 => (len >> 2) + 1024,
            Self::Fletcher32 => fletcher32::CHECKSUM_LEN,
            Self::Blosc(_) => super::HEADER_LEN,
        }
    }

    /// Undoes the filter: the number of bytes written to the start of `output`.
    fn undo(&self, input: &[u8], output: &mut [u8], temporary: &mut [u8]) -> Result<usize, CodecError> {
        match self {
            Self::Deflate(_) => deflate::inflate(input, output),
            Self::Shuffle(Ok(size)) => {
                let limit = output.len();
                let output = output.get_mut(..input.len()).ok_or(CodecError::TooLong { limit })?;
                shuffle::unshuffle(*size, input, output)?;
                Ok(input.len())
            }
            Self::NBit(Ok(nbit)) => nbit.decode(input, output),
            Self::ScaleOffset(Ok(scale_offset)) => scale_offset.decode(input, output),
            Self::Szip(Ok(szip)) => szip.decode(input, output),
            Self::Shuffle(Err(error))
            | Self::Szip(Err(error))
            | Self::Bitshuffle(Err(error))
            | Self::NBit(Err(error))
            | Self::ScaleOffset(Err(error)) => Err(error.clone()),
            Self::Fletcher32 => unreachable!("checksums are verified in place"),
            Self::Blosc(_) => {
                let header = Header::parse(input, input.len())?;
                let limit = output.len();
                let output = output.get_mut(..header.decoded_len()).ok_or(CodecError::TooLong { limit })?;
                header.decode(input, output, temporary)?;
                Ok(header.decoded_len())
            }
            Self::Lzf => lzf::decompress(input, output),
            Self::Zstd { .. } => unpack_zstd(input, output),
            Self::Blosc2 => {
                let frame = blosc2::Frame::parse(input, output.len())?;
                frame.decode(&mut output[..frame.decoded_len()], temporary)?;
                Ok(frame.decoded_len())
            }
            Self::Lz4 => undo_sequence(Blocks::Lz4, input, output, temporary),
            Self::Bitshuffle(Ok(blocks)) => undo_sequence(*blocks, input, output, temporary),
        }
    }

    /// Applies the filter: the number of bytes written to the start of `output`, or nothing if the filter
    /// cannot shrink the input.
    fn apply(&self, input: &[u8], output: &mut [u8]) -> Result<Option<usize>, CodecError> {
        match self {
            Self::Deflate(Ok(level)) => {
                let shorter = input.len().saturating_sub(1);
                deflate::deflate(*level, input, &mut output[..shorter])
            }
            Self::Shuffle(Ok(size)) => {
                shuffle::shuffle(*size, input, &mut output[..input.len()])?;
                Ok(Some(input.len()))
            }
            // A frame as long as the data is not kept: the library takes a chunk that is overwritten by one of the same
            // length for one that skips the same filters.
            Self::Blosc(Ok(settings)) => {
                Ok(blosc::compress(*settings, input, output)?.filter(|&len| len < input.len() || input.is_empty()))
            }
            Self::Fletcher32 => unreachable!("checksums are appended in place"),
            Self::Deflate(Err(error)) | Self::Shuffle(Err(error)) | Self::Blosc(Err(error)) => Err(error.clone()),
            Self::Lzf => Ok(lzf::compress(input, &mut output[..input.len().saturating_sub(1)])),
            Self::Zstd { level } => pack_zstd(*level, input, &mut output[..input.len().saturating_sub(1)]),
            Self::Lz4 => Err(CodecError::ReadOnly { codec: "LZ4" }),
            Self::Bitshuffle(_) => Err(CodecError::ReadOnly { codec: "bitshuffle" }),
            Self::Blosc2 => Err(CodecError::ReadOnly { codec: "Blosc2" }),
            Self::Szip(_) => Err(CodecError::ReadOnly { codec: "szip" }),
            Self::NBit(_) => Err(CodecError::ReadOnly { codec: "n-bit" }),
            Self::ScaleOffset(_) => Err(CodecError::ReadOnly { codec: "scale-offset" }),
        }
    }
}

fn undo_sequence(blocks: Blocks, input: &[u8], output: &mut [u8], temporary: &mut [u8]) -> Result<usize, CodecError> {
    let limit = output.len();
    let sequence = Sequence::parse(blocks, input, if blocks.has_header() { limit } else { input.len() })?;
    let output = output.get_mut(..sequence.decoded_len()).ok_or(CodecError::TooLong { limit })?;
    sequence.decode(input, output, temporary)?;
    Ok(sequence.decoded_len())
}

/// Data that stages hand on: the first reads `source`, each writes into that of two buffers that it does
/// not read from.
struct Relay<'data> {
    source: &'data [u8],
    buffers: [&'data mut [u8]; 2],
    /// The buffer that holds the data; none before the first stage.
    holder: Option<usize>,
    /// The buffer that the next stage writes into.
    target: usize,
    len: usize,
}

impl<'data> Relay<'data> {
    fn new(source: &'data [u8], first: &'data mut [u8], second: &'data mut [u8]) -> Self {
        Self { source, buffers: [first, second], holder: None, target: 0, len: source.len() }
    }

    /// A relay whose last stage of `stages` writes into `first`, unless a stage is skipped.
    fn ending_in_first(source: &'data [u8], first: &'data mut [u8], second: &'data mut [u8], stages: usize) -> Self {
        Self { target: usize::from(stages > 0 && stages.is_multiple_of(2)), ..Self::new(source, first, second) }
    }

    fn input(&self) -> &[u8] {
        match self.holder {
            None => &self.source[..self.len],
            Some(holder) => &self.buffers[holder][..self.len],
        }
    }

    /// The data, and the buffer to write its successor into.
    fn stage(&mut self) -> (&[u8], &mut [u8]) {
        let [first, second] = &mut self.buffers;
        let (target, other) = if self.target == 0 { (first, second) } else { (second, first) };
        match self.holder {
            None => (&self.source[..self.len], target),
            Some(_) => (&other[..self.len], target),
        }
    }

    /// The stage has written `len` bytes.
    fn advance(&mut self, len: usize) {
        self.holder = Some(self.target);
        self.target = 1 - self.target;
        self.len = len;
    }

    /// Undoes one filter; a checksum is taken off in place.
    fn undo(&mut self, filter: &Filter, temporary: &mut [u8]) -> Result<(), CodecError> {
        if *filter == Filter::Fletcher32 {
            self.len = fletcher32::verified(self.input())?.len();
            return Ok(());
        }
        let (input, output) = self.stage();
        let decoded = filter.undo(input, output, temporary)?;
        self.advance(decoded);
        Ok(())
    }

    fn append(&mut self, bytes: &[u8]) {
        if self.holder.is_none() {
            self.copy();
        }
        let holder = 1 - self.target;
        self.buffers[holder][self.len..self.len + bytes.len()].copy_from_slice(bytes);
        self.len += bytes.len();
    }

    /// Sees to it that the first buffer holds the data: its length.
    fn end_in_first(mut self) -> usize {
        if self.holder != Some(0) {
            self.target = 0;
            self.copy();
        }
        self.len
    }

    fn copy(&mut self) {
        let (input, output) = self.stage();
        let len = input.len();
        output[..len].copy_from_slice(input);
        self.advance(len);
    }
}

/// Filters beyond 32 have no bit, and are never skipped.
fn mask_bit(index: usize) -> u32 {
    u32::try_from(index).ok().and_then(|index| 1_u32.checked_shl(index)).unwrap_or(0)
}

/// Turns a filter's own need of scratch into the whole pipeline's.
fn with_held(error: CodecError, held: usize, found: usize) -> CodecError {
    match error {
        CodecError::ScratchTooSmall { needed, .. } => CodecError::ScratchTooSmall { needed: held + needed, found },
        error => error,
    }
}

fn expect_len(expected: usize, found: usize) -> Result<(), CodecError> {
    if expected == found { Ok(()) } else { Err(CodecError::Length { expected, found }) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::samples::{Kind, REQUEST, Request, c_data, c_frame, data};
    use super::super::{Codec, Shuffle};
    use super::*;

    fn pipeline(filters: &[StoredFilter]) -> Pipeline {
        Pipeline::new(filters).unwrap()
    }

    fn blosc(codec: Codec) -> StoredFilter {
        StoredFilter::blosc(Settings::new(codec, 5, Shuffle::Byte, 8), 0)
    }

    fn encode(pipeline: &Pipeline, data: &[u8]) -> (Vec<u8>, u32) {
        let mut out = vec![0x5a; pipeline.encode_bound(data.len())];
        let mut scratch = vec![0xa5; pipeline.encode_scratch(data.len())];
        let Encoded { len, filter_mask } = pipeline.encode(data, &mut out, &mut scratch).unwrap();
        out.truncate(len);
        (out, filter_mask)
    }

    fn decode(pipeline: &Pipeline, stored: &[u8], mask: u32, len: usize) -> Result<Vec<u8>, CodecError> {
        let mut out = vec![0x5a; len];
        let mut scratch = vec![0xa5; pipeline.decode_scratch(len)];
        pipeline.decode(stored, mask, &mut out, &mut scratch).map(|()| out)
    }

    #[test]
    fn decodes_what_the_hdf5_library_stored() {
        let filters = [StoredFilter::shuffle(2), StoredFilter::deflate(6), StoredFilter::fletcher32()];
        let stored = [
            120, 156, 99, 96, 97, 98, 100, 100, 98, 97, 192, 78, 225, 150, 1, 81, 0, 14, 104, 0, 120, 106, 135, 249,
            135,
        ];
        let data: Vec<u8> = (0..60_u32).map(|i| u8::try_from(i * i % 7).unwrap()).collect();
        assert_eq!(decode(&pipeline(&filters), &stored, 0, 60), Ok(data));
    }

    #[test]
    fn decodes_data_that_the_hdf5_library_deflated_to_more_bytes() {
        let filters = [StoredFilter::shuffle(2), StoredFilter::deflate(6), StoredFilter::fletcher32()];
        let stored = [
            120, 156, 1, 64, 0, 191, 255, 220, 101, 31, 29, 218, 172, 30, 19, 121, 253, 255, 175, 29, 172, 29, 43, 120,
            58, 223, 174, 8, 209, 57, 203, 149, 204, 41, 255, 182, 46, 60, 53, 4, 170, 173, 90, 229, 27, 95, 112, 108,
            16, 25, 96, 4, 180, 2, 70, 115, 242, 95, 183, 89, 238, 16, 72, 181, 137, 17, 6, 98, 223, 249, 253, 189,
            250, 29, 131, 81, 189, 31, 117,
        ];
        assert_eq!(decode(&pipeline(&filters), &stored, 0, 64), Ok(c_data(64)));
    }

    #[test]
    fn names_the_filter_that_it_does_not_carry() {
        let filter = |id, name: &str| StoredFilter { id, flags: 0, name: name.to_owned(), values: vec![] };
        let refusal = |id, name| Pipeline::new(&[StoredFilter::shuffle(4), filter(id, name)]).unwrap_err().to_string();
        assert_eq!(refusal(32013, ""), "HDF5 filter 32013 (ZFP) is not supported");
        assert_eq!(refusal(40000, "ours"), "HDF5 filter 40000 (ours) is not supported");
        assert_eq!(refusal(40000, ""), "HDF5 filter 40000 is not supported");
    }

    #[test]
    fn says_what_a_masked_pipeline_amounts_to() {
        let shuffled = pipeline(&[StoredFilter::shuffle(8), blosc(Codec::Lz4)]);
        assert!(!shuffled.is_blosc_only(0) && shuffled.is_blosc_only(1) && !shuffled.is_blosc_only(2));
        assert!(!shuffled.is_identity(0) && !shuffled.is_identity(1) && shuffled.is_identity(3));
        assert!(pipeline(&[]).is_identity(0) && !pipeline(&[]).is_blosc_only(0));
    }

    #[test]
    fn a_lone_filter_takes_no_scratch() {
        for filter in [StoredFilter::shuffle(8), StoredFilter::deflate(6), StoredFilter::fletcher32()] {
            let pipeline = pipeline(&[filter]);
            assert_eq!((pipeline.decode_scratch(1 << 20), pipeline.encode_scratch(1 << 20)), (0, 0));
        }
        assert_eq!(pipeline(&[blosc(Codec::Lz4)]).decode_scratch(64 << 20), 2 << 20);
        assert_eq!(pipeline(&[blosc(Codec::Lz4)]).encode_scratch(64 << 20), 0);
    }

    #[test]
    fn skips_filters_that_cannot_shrink_the_chunk() {
        let noise = data(Kind::Random, 5000);
        let lz4 = pipeline(&[blosc(Codec::Lz4)]);
        assert_eq!(encode(&lz4, &noise), (noise.clone(), 1));
        let filters = [StoredFilter::shuffle(8), StoredFilter::deflate(6), StoredFilter::fletcher32()];
        let (stored, mask) = encode(&pipeline(&filters), &noise);
        assert_eq!((stored.len(), mask), (5004, 0b010));
        assert_eq!(decode(&pipeline(&filters), &stored, mask, 5000), Ok(noise));
    }

    #[test]
    fn skips_what_the_mask_says() {
        let filters = [StoredFilter::shuffle(4), StoredFilter::deflate(6), StoredFilter::fletcher32()];
        let whole = pipeline(&filters);
        let data = data(Kind::Ramp, 4000);
        for mask in 0..8_u32 {
            let kept = filters.iter().enumerate().filter(|(index, _)| mask & (1 << index) == 0);
            let (stored, _) = encode(&pipeline(&kept.map(|(_, filter)| filter.clone()).collect::<Vec<_>>()), &data);
            assert_eq!(decode(&whole, &stored, mask, 4000), Ok(data.clone()), "mask {mask:03b}");
        }
    }

    #[test]
    fn refuses_chunks_of_another_length() {
        let data = data(Kind::Ramp, 4000);
        for filters in [
            vec![],
            vec![StoredFilter::shuffle(4)],
            vec![StoredFilter::deflate(6)],
            vec![StoredFilter::fletcher32()],
            vec![blosc(Codec::Lz4)],
            vec![StoredFilter::fletcher32(), blosc(Codec::Lz4)],
        ] {
            let pipeline = pipeline(&filters);
            let (stored, mask) = encode(&pipeline, &data);
            for len in [0, 3999, 4001, 8000] {
                assert!(decode(&pipeline, &stored, mask, len).is_err(), "{filters:?} as {len} bytes");
            }
        }
    }

    #[test]
    fn states_the_scratch_that_large_blocks_need() {
        let data = data(Kind::Ramp, 3 << 20);
        let stored = c_frame(Request { block_len: 3 << 20, type_size: 17, shuffle: 2, ..REQUEST }, &data);
        let pipeline = pipeline(&[blosc(Codec::Lz4)]);
        let Err(CodecError::ScratchTooSmall { needed, found }) = decode(&pipeline, &stored, 0, data.len()) else {
            panic!("blocks of 3 MiB were decoded with too little scratch");
        };
        assert_eq!(found, 2 << 20);
        let mut out = vec![0; data.len()];
        pipeline.decode(&stored, 0, &mut out, &mut vec![0; needed]).unwrap();
        assert_eq!(out, data);
    }

    #[test]
    fn refuses_too_little_memory() {
        let pipeline = pipeline(&[StoredFilter::shuffle(4), StoredFilter::deflate(6), StoredFilter::fletcher32()]);
        let data = data(Kind::Ramp, 4000);
        let (bound, scratch) = (pipeline.encode_bound(4000), pipeline.encode_scratch(4000));
        let short_out = pipeline.encode(&data, &mut vec![0; bound - 1], &mut vec![0; scratch]);
        assert!(matches!(short_out, Err(CodecError::OutputTooSmall { .. })));
        let short_scratch = pipeline.encode(&data, &mut vec![0; bound], &mut vec![0; scratch - 1]);
        assert!(matches!(short_scratch, Err(CodecError::ScratchTooSmall { .. })));
        let (stored, mask) = encode(&pipeline, &data);
        let decoded = pipeline.decode(&stored, mask, &mut [0; 4000], &mut [0; 3999]);
        assert!(matches!(decoded, Err(CodecError::ScratchTooSmall { .. })));
    }

    #[test]
    fn judges_parameters_when_they_matter() {
        let with = |id, values: &[u32]| {
            let filter = StoredFilter { id, flags: 0, name: String::new(), values: values.to_vec() };
            pipeline(&[filter])
        };
        let (frame, _) = encode(&pipeline(&[blosc(Codec::Lz4)]), &[7; 1000]);
        let strange = with(registry::BLOSC, &[2, 2, 8, 0, 99]);
        assert_eq!(decode(&strange, &frame, 0, 1000), Ok(vec![7; 1000]));
        let refused = |pipeline: &Pipeline| pipeline.encode(&[7; 1000], &mut [0; 2000], &mut []);
        assert!(matches!(refused(&strange), Err(CodecError::Parameters { filter: "Blosc", .. })));
        assert!(matches!(refused(&with(registry::DEFLATE, &[10])), Err(CodecError::Parameters { .. })));
        assert!(matches!(refused(&with(registry::SHUFFLE, &[0])), Err(CodecError::Parameters { .. })));
        assert!(matches!(decode(&with(registry::SHUFFLE, &[]), &frame, 0, 1000), Err(CodecError::Parameters { .. })));
        assert_eq!(decode(&with(registry::SHUFFLE, &[]), &[7; 9], 1, 9), Ok(vec![7; 9]));
    }

    fn any_filter() -> impl Strategy<Value = StoredFilter> {
        prop_oneof![
            (0..=9_u32).prop_map(StoredFilter::deflate),
            prop_oneof![1..20_u32, Just(300)].prop_map(StoredFilter::shuffle),
            Just(StoredFilter::fletcher32()),
            Just(blosc(Codec::Lz4)),
            Just(StoredFilter::blosc(Settings::new(Codec::BloscLz, 5, Shuffle::Bit, 1), 0)),
        ]
    }

    fn any_data() -> impl Strategy<Value = Vec<u8>> {
        let kind = prop_oneof![Just(Kind::Zeros), Just(Kind::Ramp), Just(Kind::Random), Just(Kind::Mixed)];
        (kind, 1..6000_usize).prop_map(|(kind, len)| data(kind, len))
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(200) })]

        #[test]
        fn any_chain_decodes_what_it_encoded(
            filters in proptest::collection::vec(any_filter(), 0..6),
            data in any_data(),
        ) {
            let pipeline = pipeline(&filters);
            let (stored, mask) = encode(&pipeline, &data);
            prop_assert_eq!(encode(&pipeline, &data), (stored.clone(), mask));
            prop_assert!(decode(&pipeline, &stored, mask, data.len()) == Ok(data));
        }

        #[test]
        fn damaged_chunks_of_any_chain_do_no_harm(
            filters in proptest::collection::vec(any_filter(), 0..6),
            data in any_data(),
            damage in proptest::collection::vec((any::<usize>(), any::<u8>()), 1..5),
            mask in 0..64_u32,
            cut in any::<usize>(),
        ) {
            let pipeline = pipeline(&filters);
            let (mut stored, _) = encode(&pipeline, &data);
            for (position, byte) in damage {
                let position = position % stored.len();
                stored[position] = byte;
            }
            let _ = decode(&pipeline, &stored, mask, data.len());
            let _ = decode(&pipeline, &stored[..cut % stored.len()], 0, data.len());
        }
    }
}
