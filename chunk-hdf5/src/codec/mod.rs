//! Filter pipelines on chunk bytes, undone and applied on any thread without the HDF5 library.
//!
//! [`Pipeline`] decodes whole chunks through deflate, shuffle, Fletcher32, LZF, Blosc 1 and 2, LZ4, bitshuffle,
//! Zstandard, n-bit, scale-offset and szip, and encodes through some of them. Where a chunk went through Blosc alone, [`Frame`] decodes it block by
//! block, and where through LZ4 or bitshuffle alone, [`Sequence`] does, which a reader of part of a chunk saves time
//! and memory by. The caller owns all memory that grows with the data; beyond that, a thread that
//! decodes zlib or Zstandard keeps 47 or 94 KiB until it ends, one that encodes zlib 371 KiB, and
//! encoding through Blosc allocates [`Pipeline::hidden_bytes`] while it runs.

mod bits;
mod blosc;
mod blosc2;
mod deflate;
mod error;
mod fletcher32;
mod frame;
mod lzf;
mod nbit;
mod pipeline;
mod registry;
#[cfg(test)]
mod samples;
mod scale_offset;
mod sequence;
mod shuffle;
mod shuffled;
mod stream;
mod szip;

pub(crate) use blosc::{Codec, Settings, Shuffle, version as blosc_version};
pub(crate) use blosc2::Frame as Blosc2Frame;
pub(crate) use error::CodecError;
pub(crate) use frame::{Frame, HEADER_LEN, Header};
pub(crate) use pipeline::{Pipeline, StoredFilter};
pub(crate) use registry::registered_name;
pub(crate) use sequence::{Blocks as SequenceBlocks, HEADER_LEN as SEQUENCE_HEADER_LEN, Sequence};
pub(crate) use shuffled::Shuffled;
