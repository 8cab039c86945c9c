//! Raw binary files as a chunk backend: an example to copy.
//!
//! `x.raw` holds the elements of one array, packed, row-major, little-endian. `x.raw.json` beside it says what they are:
//! `{"dtype":"float32","shape":[1000,8]}`.

#![forbid(unsafe_code)]

mod backend;
mod sink;
mod source;

pub use crate::backend::Raw;

#[cfg(target_endian = "big")]
compile_error!("left out for brevity: `DType::swap_bytes` after reading and before writing");
