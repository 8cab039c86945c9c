//! Tests of chunk-ops from outside, one module a subject.

mod common;
mod staged;
mod tiles;
mod transforms;
