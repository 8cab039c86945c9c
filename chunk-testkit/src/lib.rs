#![doc = include_str!("../README.md")]
#![deny(unsafe_code)]

mod alone;
pub mod backend_rules;
mod bad_files;
mod case;
mod counting;
mod description;
mod failure;
mod faulty;
mod folder;
mod growing;
mod measured;
mod node_rules;
mod nodes;
mod outputs;
mod pattern;
mod peak_alloc;
mod random;
mod rule;
mod sharding;
mod slabs;
pub mod source_rules;
mod threads;
mod throttled;
mod writing;

pub use crate::alone::alone;
#[doc(hidden)]
pub use crate::alone::alone_if;
pub use crate::case::SourceCase;
pub use crate::counting::CountingSource;
pub use crate::description::Description;
pub use crate::failure::{Failure, Outcome};
pub use crate::faulty::{FaultySink, FaultySource};
pub use crate::pattern::{pattern, structured_dtypes};
pub use crate::peak_alloc::{Held, PeakAlloc};
pub use crate::rule::Rule;
#[doc(hidden)]
pub use crate::rule::assert_rule;
pub use crate::slabs::slabs;
pub use crate::throttled::ThrottledSource;
