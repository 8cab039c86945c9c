//! Comparison of arrays: where two of them differ, how often, and where first.

mod comparison;
mod differences;
mod differs;
mod value;

pub use comparison::Tolerance;
pub use differences::Differences;
pub use differs::Differs;
