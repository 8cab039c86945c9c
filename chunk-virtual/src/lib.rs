#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod along;
mod ends;
mod files;
mod gather;
mod index;
mod pool;
mod reading;
mod selected;
mod selection;
mod source;
mod stack;

pub use crate::index::{Index, Indices};
pub use crate::pool::SourcePool;
pub use crate::selected::Selected;
pub use crate::selection::Selection;
pub use crate::source::VirtualSource;
pub use crate::stack::{StackPart, VirtualStack};
