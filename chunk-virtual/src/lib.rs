#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod along;
mod any_source;
mod casted;
mod ends;
mod files;
mod fill;
mod gather;
#[cfg(feature = "hdf5")]
pub mod hdf5;
mod index;
mod layout;
mod manifest;
mod manifest_backend;
#[cfg(feature = "hdf5")]
mod mapped;
mod place;
mod pool;
mod reading;
mod selected;
mod selection;
mod source;
mod stack;
mod stamp;

pub use crate::any_source::AnySource;
pub use crate::fill::Fill;
pub use crate::index::{Index, Indices};
pub use crate::layout::{FilledMask, VirtualLayout};
pub use crate::manifest::ManifestOptions;
pub use crate::manifest_backend::ManifestBackend;
pub use crate::pool::SourcePool;
pub use crate::selected::Selected;
pub use crate::selection::Selection;
pub use crate::source::VirtualSource;
pub use crate::stack::VirtualStack;
