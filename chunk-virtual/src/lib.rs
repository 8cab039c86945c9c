#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod index;
mod selection;

pub use crate::index::{Index, Indices};
pub use crate::selection::Selection;
