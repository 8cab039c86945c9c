//! The core of the chunk workspace: lazy arrays, byte budgets and the run that joins them.
//!
//! Everything lazy is a [`ChunkSource`]: a dataset of a file, an array in memory, a Fourier transform of either. It
//! answers two questions: what are you ([`DatasetInfo`]), and fill this buffer with that [`Slab`]. Every effect is
//! one [`Run`] over a [`Plan`] whose memory was counted beforehand: it copies a source into a [`ChunkSink`], folds
//! it, or calls a function with each slab.
//!
//! ```
//! use chunk_core::{Element, Error, MemorySource, Run};
//!
//! let source = MemorySource::new([1000, 8], &vec![0.5_f64; 8000])?.with_chunk_shape([100, 8])?;
//! let halves = std::sync::atomic::AtomicU64::new(0);
//! Run::new().budget("64K".parse()?).visit::<Error>(&source, |slab, bytes| {
//!     assert!(f64::from_bytes(bytes)?.iter().all(|element| *element == 0.5));
//!     halves.fetch_add(slab.elements(), std::sync::atomic::Ordering::Relaxed);
//!     Ok(())
//! })?;
//! assert_eq!(halves.into_inner(), 8000);
//! # Ok::<(), Error>(())
//! ```
//!
//! Formats are [`Backend`]s, collected in a [`Registry`]; this crate knows only arrays in memory
//! ([`MemoryBackend`]) and pulls no C.
//!
//! # Features
//! * `ndarray` (default): [`ChunkSourceExt::read_array`].
//! * `half` (default): `f16`, the Rust type of elements of half precision.

#![forbid(unsafe_code)]

mod append;
mod attribute;
mod backend;
mod budget;
mod buffer;
mod bytes;
mod cast;
mod casting;
mod checksum;
mod chunks;
mod conversion;
mod cost;
mod data_file;
mod dataset;
mod dispatch;
mod dtype;
mod element;
mod error;
mod execute;
mod graph;
mod grid;
mod growing;
mod identity;
mod job;
mod location;
mod memory;
mod new_file;
mod number;
mod operation;
mod plan;
mod planner;
mod policy;
mod record_log;
mod reduction;
mod registry;
mod rows;
mod run;
mod scalar;
mod shape;
mod shard;
mod shard_file;
mod sink;
mod slab;
mod source;
mod space;
mod spans;
mod steps;
mod tile_file;
mod window;
mod worker;

#[cfg(feature = "half")]
pub use half::f16;
pub use num_complex::Complex;

pub use crate::append::AppendPlan;
pub use crate::attribute::{Attribute, Elements};
pub use crate::backend::{Backend, CreateOptions, DatasetEntry, Entry, EntryKind, Sources};
pub use crate::budget::Budget;
pub use crate::buffer::Buffer;
pub use crate::bytes::Bytes;
pub use crate::cast::{CastSource, cast, cast_if_needed};
pub use crate::casting::{Casting, result_type};
pub use crate::checksum::Checksum;
pub use crate::chunks::{Chunk, Chunks};
pub use crate::conversion::Conversion;
pub use crate::cost::{Calibration, Cost, Work};
pub use crate::data_file::{DataFile, FileCursor};
pub use crate::dataset::DatasetInfo;
pub use crate::dispatch::{ElementVisitor, NumberVisitor};
pub use crate::dtype::{DType, EnumType, Field, StructType, TimeStep, TimeUnit};
pub use crate::element::Element;
pub use crate::error::{Cause, Error, Result};
pub use crate::graph::{read_node, total_cost, total_held_bytes};
pub use crate::grid::{Grid, Positions};
pub use crate::growing::Growing;
pub use crate::identity::{Identity, IdentityBuilder};
pub use crate::job::{Job, JobFolder, JobStatus, Output, Part, StageStatus, Worked};
pub use crate::location::Location;
pub use crate::memory::{MemoryBackend, MemoryOutput, MemorySink, MemorySource, chunked_bytes};
pub use crate::new_file::{LazyFile, NewFile};
pub use crate::number::{ComplexNumber, Float, Integer, Number, RealNumber};
pub use crate::operation::{Apply, Need, Operation, Packed, Stepper, check_inputs, inputs_of};
pub use crate::plan::{Plan, Tiling};
pub use crate::planner::Planner;
pub use crate::policy::{FilledCount, Missing, OpenPolicy, check_inside};
pub use crate::record_log::{LogHeader, RecordLog};
pub use crate::reduction::{Blocks, Reduce, Reduction};
pub use crate::registry::Registry;
pub use crate::rows::{Rows, rows};
pub use crate::run::{Done, Progress, Run};
pub use crate::scalar::Scalar;
pub use crate::shape::Shape;
pub use crate::shard::{Shard, Sharding};
pub use crate::shard_file::ShardFile;
pub use crate::sink::{ChunkSink, ChunkSinkExt};
pub use crate::slab::Slab;
pub use crate::source::{ChunkSource, ChunkSourceExt};
pub use crate::spans::{Span, Spans, copy_region};
pub use crate::steps::{Steps, reverse_rows, steps};
pub use crate::tile_file::{TileFile, TileSink, TileSource};
pub use crate::window::Window;
pub use crate::worker::{CancelToken, Scratch, Worker};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
