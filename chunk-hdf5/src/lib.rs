#![doc = include_str!("../README.md")]

mod append;
mod appender;
mod assembly;
mod attributes;
mod backend;
mod cache;
mod changing;
mod chunked;
mod codec;
mod compact;
mod conversion;
mod destination;
mod dtype;
mod editor;
mod error;
mod external;
mod file;
mod filter;
mod heap;
mod index;
mod journal;
mod library;
mod links;
mod listing;
mod locks;
mod metadata;
mod options;
mod pytables;
mod recover;
mod scales;
mod session;
mod shard;
mod sink;
mod source;
mod staged;
mod streaming;
mod superblock;
mod tree;
mod variable;
mod variable_writer;
mod virtual_dataset;
mod writer;

pub use crate::appender::Hdf5Appender;
pub use crate::backend::Hdf5;
pub use crate::editor::Hdf5Editor;
pub use crate::file::FileLocking;
pub use crate::filter::Filter;
pub use crate::metadata::Hdf5Metadata;
pub use crate::options::ReadOptions;
pub use crate::scales::{Axis, Scale};
pub use crate::sink::Hdf5Sink;
pub use crate::source::Hdf5Source;
pub use crate::streaming::{Hdf5Stream, Tee};
pub use crate::variable::{Hdf5References, Hdf5Sequences, Hdf5Strings};
pub use crate::variable_writer::{Hdf5SequenceWriter, Hdf5StringWriter};
pub use crate::virtual_dataset::{Block, Hyperslab, Opened, Region, VirtualDataset, VirtualMapping};

/// The versions of the C libraries inside, for people.
///
/// ```
/// assert!(chunk_hdf5::library_versions().starts_with("HDF5 2."));
/// ```
#[must_use]
pub fn library_versions() -> String {
    let (major, minor, release) = library::version();
    format!("HDF5 {major}.{minor}.{release}, Blosc {}", codec::blosc_version())
}
