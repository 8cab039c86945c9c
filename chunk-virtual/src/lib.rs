#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod along;
mod gather;
mod index;
mod selected;
mod selection;

pub use crate::index::{Index, Indices};
pub use crate::selected::Selected;
pub use crate::selection::Selection;
