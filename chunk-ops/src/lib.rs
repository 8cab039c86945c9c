#![doc = include_str!("../README.md")]
//!
//! # A guide
//! [`fft`], [`ifft`], [`rfft`] and [`irfft`] make an [`Fft`], which is a [`ChunkSource`](chunk_core::ChunkSource) like
//! any other: read slabs of it, hand it to a [`Run`](chunk_core::Run), or put the next operation on top. Each thread
//! works on lines of its own, gathered in tiles where they are not contiguous.
//!
//! Along an axis that the input's chunks cut, a run over a small budget needs the same chunks for several slabs.
//! A [`Job`](chunk_core::Job) weighs that against an intermediate on disk, anywhere in a graph.
//! [`output_info`] describes the dataset for a result: with the input's chunks and growth.
//!
//! [`moments`] computes count, extremes, mean and variance in one pass. Its accumulator, [`Moments`], merges, and is
//! made of [`ExactSum`]s, which do not round. [`Differs`] compares two arrays within a [`Tolerance`], and finds their
//! first [`Differences`].

#![forbid(unsafe_code)]

mod compare;
mod fft;
mod kernel;
mod lines;
mod map;
mod output;
mod real;
mod reduce;
mod widen;

pub use crate::compare::{Differences, Differs, Tolerance};
pub use crate::fft::{Fft, fft, ifft, irfft, rfft};
pub use crate::map::{Map, map};
pub use crate::output::{AxisOrigin, output_info};
pub use crate::reduce::{ExactSum, Moments, moments, plan_moments};
