//! Tests of chunk-hdf5 from outside, one module a subject.

mod adding;
mod bad_input;
mod common;
mod iteration;
mod links;
mod round_trip;
mod shards;
