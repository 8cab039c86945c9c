//! Extents of an array.

use std::fmt;
use std::ops::Deref;

use smallvec::SmallVec;

use crate::{Error, Result};

/// The extents of an array, in elements, outermost axis first.
///
/// Reads as a slice of `u64`; prints as NumPy prints shapes. No axes is a single element.
///
/// ```
/// use chunk_core::Shape;
///
/// let shape = Shape::from([1024, 8192]);
/// assert_eq!(shape.len(), 2);
/// assert_eq!(shape.elements(), 1024 * 8192);
/// assert_eq!(shape.to_string(), "(1024, 8192)");
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Shape(SmallVec<[u64; INLINE]>);

/// Extents that lie in the shape itself: planning makes millions of them.
const INLINE: usize = 4;

impl Shape {
    /// No axes.
    pub(crate) const fn single() -> Self {
        Shape(SmallVec::new_const())
    }

    /// Number of elements, saturating: a shape whose product overflows is larger than any budget.
    #[must_use]
    pub fn elements(&self) -> u64 {
        if self.0.contains(&0) {
            return 0;
        }
        self.0.iter().fold(1, |product, &extent| product.saturating_mul(extent))
    }

    /// The shape with `axis` of extent `extent`.
    #[must_use]
    pub fn with_axis(mut self, axis: usize, extent: u64) -> Self {
        self.0[axis] = extent;
        self
    }

    /// Checks that `other`, called `what` in the message, has as many axes.
    pub(crate) fn check_rank(&self, other: &[u64], what: &str) -> Result<()> {
        if self.len() == other.len() {
            return Ok(());
        }
        Err(Error::InvalidArgument(format!(
            "{what} {} has {} axes, the shape {self} has {}",
            Shape::from(other),
            other.len(),
            self.len()
        )))
    }
}

impl Deref for Shape {
    type Target = [u64];

    fn deref(&self) -> &[u64] {
        &self.0
    }
}

impl From<Vec<u64>> for Shape {
    fn from(extents: Vec<u64>) -> Self {
        Shape(extents.into())
    }
}

impl From<&[u64]> for Shape {
    fn from(extents: &[u64]) -> Self {
        Shape(SmallVec::from_slice(extents))
    }
}

impl<const N: usize> From<[u64; N]> for Shape {
    fn from(extents: [u64; N]) -> Self {
        Shape(SmallVec::from_slice(&extents))
    }
}

impl FromIterator<u64> for Shape {
    fn from_iter<I: IntoIterator<Item = u64>>(extents: I) -> Self {
        Shape(extents.into_iter().collect())
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(")?;
        for (axis, extent) in self.0.iter().enumerate() {
            write!(f, "{}{extent}", if axis == 0 { "" } else { ", " })?;
        }
        f.write_str(if self.0.len() == 1 { ",)" } else { ")" })
    }
}
