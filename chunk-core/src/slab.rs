//! Dense pieces of an array.

use std::fmt;
use std::ops::Range;

use crate::{DatasetInfo, Error, Result, Shape};

/// A dense piece of an array: where it begins and how far it reaches along each axis.
///
/// ```
/// use chunk_core::Slab;
///
/// let slab = Slab::new([10, 0], [5, 100]);
/// assert_eq!(slab.elements(), 500);
/// assert_eq!(slab.to_string(), "[10:15, 0:100]");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Slab {
    start: Shape,
    count: Shape,
}

impl Slab {
    /// The piece of `count` elements along each axis from `start` on.
    ///
    /// # Panics
    /// If the two have different numbers of axes, or an end overflows `u64`: both are faults of the program.
    #[must_use]
    pub fn new(start: impl Into<Shape>, count: impl Into<Shape>) -> Self {
        let (start, count) = (start.into(), count.into());
        assert_eq!(start.len(), count.len(), "start and count of a slab have as many axes");
        let fits = start.iter().zip(count.iter()).all(|(s, c)| s.checked_add(*c).is_some());
        assert!(fits, "the end of a slab fits u64");
        Slab { start, count }
    }

    /// The whole of an array of `shape`.
    #[must_use]
    pub fn whole(shape: &[u64]) -> Self {
        Slab { start: vec![0; shape.len()].into(), count: shape.into() }
    }

    /// First element along each axis.
    #[must_use]
    pub fn start(&self) -> &[u64] {
        &self.start
    }

    /// Number of elements along each axis: the slab's shape.
    #[must_use]
    pub fn count(&self) -> &Shape {
        &self.count
    }

    /// One past the last element along `axis`.
    #[must_use]
    pub fn end(&self, axis: usize) -> u64 {
        self.start[axis] + self.count[axis]
    }

    /// Number of axes.
    #[must_use]
    pub fn ndim(&self) -> usize {
        self.start.len()
    }

    /// Number of elements, saturating.
    #[must_use]
    pub fn elements(&self) -> u64 {
        self.count.elements()
    }

    /// Bytes of the slab, packed, for elements of `size` bytes; saturating.
    #[must_use]
    pub fn bytes(&self, size: usize) -> u64 {
        self.elements().saturating_mul(size as u64)
    }

    /// Whether no element is inside.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count.contains(&0)
    }

    /// The slab with `range` along `axis`.
    #[must_use]
    pub fn with_axis(&self, axis: usize, range: Range<u64>) -> Self {
        Slab {
            start: self.start.clone().with_axis(axis, range.start),
            count: self.count.clone().with_axis(axis, range.end - range.start),
        }
    }

    /// The slab moved by so many elements along each axis.
    ///
    /// # Panics
    /// As [`Slab::new`].
    #[must_use]
    pub fn shifted(&self, by: &[u64]) -> Self {
        let start: Shape = self.start.iter().zip(by).map(|(start, by)| start.saturating_add(*by)).collect();
        Slab::new(start, self.count.clone())
    }

    /// What both slabs hold, or `None` if nothing.
    #[must_use]
    pub fn intersection(&self, other: &Slab) -> Option<Slab> {
        let mut start = Vec::with_capacity(self.ndim());
        let mut count = Vec::with_capacity(self.ndim());
        for axis in 0..self.ndim() {
            let first = self.start[axis].max(other.start[axis]);
            let end = self.end(axis).min(other.end(axis));
            if first >= end {
                return None;
            }
            start.push(first);
            count.push(end - first);
        }
        Some(Slab { start: start.into(), count: count.into() })
    }

    /// Whether the slab lies inside an array of `shape`.
    #[must_use]
    pub fn is_within(&self, shape: &[u64]) -> bool {
        self.ndim() == shape.len() && (0..self.ndim()).all(|axis| self.end(axis) <= shape[axis])
    }

    /// The axis along which a packed buffer of this slab can be cut into contiguous parts: the first of more than
    /// one element, or `None` for a single element.
    #[must_use]
    pub fn outermost_axis(&self) -> Option<usize> {
        self.count.iter().position(|&extent| extent > 1)
    }

    /// Checks what every `read_into` and `write_from` must check before any I/O: the slab is inside the dataset,
    /// and the buffer of `length` bytes is as long as the slab.
    pub fn check(&self, info: &DatasetInfo, length: usize) -> Result<()> {
        if !self.is_within(&info.shape) {
            return Err(self.out_of_bounds(info));
        }
        self.check_length(info, length)
    }

    fn out_of_bounds(&self, info: &DatasetInfo) -> Error {
        Error::SlabOutOfBounds { slab: self.clone(), shape: info.shape.clone(), dataset: info.name.clone() }
    }

    /// Checks that the slab lies past the end of `info` along `axis`, as far as that may grow, and inside along the
    /// others, and that a buffer of `length` bytes holds it: what a sink that appends begins with.
    ///
    /// # Errors
    /// [`Error::SlabOutOfBounds`], [`Error::BufferLength`].
    pub fn check_appended(&self, info: &DatasetInfo, axis: usize, length: usize) -> Result<()> {
        let most = info.max_shape.as_ref().and_then(|most| most.get(axis).copied().flatten()).unwrap_or(u64::MAX);
        let room = info.shape.clone().with_axis(axis, most);
        if self.is_within(&room) && self.start[axis] >= info.shape[axis] {
            return self.check_length(info, length);
        }
        Err(self.out_of_bounds(info))
    }

    /// The second half of [`Slab::check`], for a sink that grows.
    pub fn check_length(&self, info: &DatasetInfo, length: usize) -> Result<()> {
        let expected = self.bytes(info.dtype.size());
        if expected == length as u64 {
            return Ok(());
        }
        Err(Error::BufferLength { expected, actual: length as u64, dataset: info.name.clone() })
    }
}

impl fmt::Display for Slab {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[")?;
        for axis in 0..self.ndim() {
            let separator = if axis == 0 { "" } else { ", " };
            write!(f, "{separator}{}:{}", self.start[axis], self.end(axis))?;
        }
        f.write_str("]")
    }
}
