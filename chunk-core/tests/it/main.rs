//! Tests of chunk-core from outside, one module a subject.

mod appends;
mod common;
mod plans;
mod runs;
