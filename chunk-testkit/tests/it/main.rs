//! The suite on what is known to be right, and on what is known to be wrong.

mod broken_backends;
mod broken_sources;
mod conformance;
mod small_backend;
mod small_shards;
mod tools;

chunk_testkit::measure_memory!();
