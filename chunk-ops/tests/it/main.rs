//! Tests of chunk-ops from outside, one module a subject.

mod common;
mod jobs;
mod tiles;
mod transforms;
