//! Tests of chunk-core from outside, one module a subject.

mod common;
mod plans;
mod runs;
