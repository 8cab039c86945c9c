//! Reductions: accumulators whose result depends neither on the order of the elements nor on how
//! they were cut into pieces.

mod buckets;
mod exact_sum;
mod fixed_point;
mod moments;
mod natural;
mod saved;
mod seen;

pub use exact_sum::ExactSum;
pub use moments::{Moments, moments, plan_moments};
