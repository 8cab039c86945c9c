#![doc = include_str!("../README.md")]

mod append;
mod appender;
mod attributes;
mod backend;
mod cache;
mod chunked;
mod codec;
mod conversion;
mod dtype;
mod error;
mod external;
mod file;
mod filter;
mod index;
mod journal;
mod library;
mod links;
mod options;
mod recover;
mod session;
mod sink;
mod source;
mod staged;
mod superblock;
mod untrusted;
mod variable;
mod virtual_dataset;
mod writer;

pub use crate::appender::Hdf5Appender;
pub use crate::backend::Hdf5;
pub use crate::file::FileLocking;
pub use crate::filter::Filter;
pub use crate::options::ReadOptions;
pub use crate::sink::Hdf5Sink;
pub use crate::source::Hdf5Source;
pub use crate::variable::{Hdf5References, Hdf5Sequences, Hdf5Strings};
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
