//! Tests of the public interface, one module a subject.

#![allow(clippy::cast_possible_wrap, clippy::cast_sign_loss, reason = "test arrays are small")]

mod flat;
mod layouts;
mod manifests;
mod naive;
mod recording;
mod selected;
mod selections;
mod stacks;
