//! Copying a region between packed buffers of two slabs.

use crate::Slab;

/// The contiguous spans that copy a region from the packed buffer of one slab to that of another, in the order of
/// both buffers. Neighbouring spans are joined, so a copy between equal slabs is one span.
///
/// A backend that decodes a chunk piece by piece takes from the spans what each piece holds, without decoding more.
///
/// ```
/// use chunk_core::{Slab, Span, Spans};
///
/// let chunk = Slab::new([0, 0], [2, 4]);
/// let wanted = Slab::new([0, 1], [2, 2]);
/// let spans: Vec<Span> = Spans::new(&wanted, &chunk, &wanted, 1).collect();
/// assert_eq!(spans, [Span { from: 1, to: 0, length: 2 }, Span { from: 5, to: 2, length: 2 }]);
/// ```
#[derive(Clone, Debug)]
pub struct Spans {
    /// Axes that spans are counted along, outermost first: how many, and the step in each buffer.
    axes: Vec<Axis>,
    length: usize,
    from: usize,
    to: usize,
    left: u64,
}

#[derive(Clone, Debug)]
struct Axis {
    count: u64,
    done: u64,
    from_step: usize,
    to_step: usize,
}

/// A run of bytes to copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// Where it begins in the buffer it is read from.
    pub from: usize,
    /// Where it begins in the buffer it is written to.
    pub to: usize,
    /// Its length in bytes.
    pub length: usize,
}

impl Spans {
    /// The spans that copy `region` from the packed buffer of `from` to that of `to`, for elements of `size` bytes.
    ///
    /// # Panics
    /// If `region` does not lie in both slabs, or a buffer would not fit the address space.
    #[must_use]
    pub fn new(region: &Slab, from: &Slab, to: &Slab, size: usize) -> Self {
        let (from_steps, from_offset) = layout(region, from, size);
        let (to_steps, to_offset) = layout(region, to, size);
        let mut length = size;
        let mut axes: Vec<Axis> = Vec::new();
        for axis in (0..region.ndim()).rev() {
            let count = region.count()[axis];
            if axes.is_empty() && from_steps[axis] == length && to_steps[axis] == length {
                length *= usize_of(count);
            } else if count != 1 {
                axes.push(Axis { count, done: 0, from_step: from_steps[axis], to_step: to_steps[axis] });
            }
        }
        axes.reverse();
        let left = if length == 0 { 0 } else { axes.iter().map(|axis| axis.count).product() };
        Spans { axes, length, from: from_offset, to: to_offset, left }
    }

    fn advance(&mut self) {
        for axis in self.axes.iter_mut().rev() {
            axis.done += 1;
            self.from += axis.from_step;
            self.to += axis.to_step;
            if axis.done < axis.count {
                return;
            }
            self.from -= axis.from_step * usize_of(axis.count);
            self.to -= axis.to_step * usize_of(axis.count);
            axis.done = 0;
        }
    }
}

impl Iterator for Spans {
    type Item = Span;

    fn next(&mut self) -> Option<Span> {
        if self.left == 0 {
            return None;
        }
        let span = Span { from: self.from, to: self.to, length: self.length };
        self.left -= 1;
        self.advance();
        Some(span)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = usize_of(self.left);
        (left, Some(left))
    }
}

impl ExactSizeIterator for Spans {}

/// Copies `region` from `source`, the packed buffer of slab `from`, to `target`, that of slab `to`.
///
/// # Panics
/// If `region` does not lie in both slabs, or a buffer is shorter than its slab.
pub fn copy_region(region: &Slab, source: &[u8], from: &Slab, target: &mut [u8], to: &Slab, size: usize) {
    for span in Spans::new(region, from, to, size) {
        target[span.to..span.to + span.length].copy_from_slice(&source[span.from..span.from + span.length]);
    }
}

/// Step in bytes along each axis of `slab`'s packed buffer, and where `region` begins in it.
fn layout(region: &Slab, slab: &Slab, size: usize) -> (Vec<usize>, usize) {
    let mut steps = vec![0; slab.ndim()];
    let mut step = size;
    let mut offset = 0;
    for axis in (0..slab.ndim()).rev() {
        let inside = region.start()[axis] >= slab.start()[axis] && region.end(axis) <= slab.end(axis);
        assert!(inside || region.is_empty(), "region {region} lies in slab {slab}");
        steps[axis] = step;
        offset += usize_of(region.start()[axis].saturating_sub(slab.start()[axis])) * step;
        step = step.checked_mul(usize_of(slab.count()[axis])).expect("a buffer fits the address space");
    }
    (steps, offset)
}

fn usize_of(extent: u64) -> usize {
    usize::try_from(extent).expect("a buffer fits the address space")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spans(region: &Slab, from: &Slab, to: &Slab) -> usize {
        Spans::new(region, from, to, 4).count()
    }

    #[test]
    fn joins_whole_axes() {
        let whole = Slab::whole(&[3, 4, 5]);
        assert_eq!(spans(&whole, &whole, &whole), 1);
        let rows = Slab::new([1, 0, 0], [2, 4, 5]);
        assert_eq!(spans(&rows, &whole, &rows), 1);
        let columns = Slab::new([0, 0, 1], [3, 4, 3]);
        assert_eq!(spans(&columns, &whole, &columns), 12);
    }

    #[test]
    fn empty_regions_and_scalars() {
        let whole = Slab::whole(&[3, 4]);
        let none = Slab::new([1, 1], [0, 2]);
        assert_eq!(spans(&none, &whole, &none), 0);
        assert_eq!(spans(&Slab::whole(&[]), &Slab::whole(&[]), &Slab::whole(&[])), 1);
    }

    #[test]
    fn copies_what_the_naive_formula_says() {
        let from = Slab::new([2, 1, 0], [3, 4, 5]);
        let to = Slab::new([3, 0, 1], [2, 4, 6]);
        let region = Slab::new([3, 1, 2], [2, 3, 3]);
        let offset = |slab: &Slab, p: &[u64]| {
            (0..3).fold(0, |sum, axis| sum * slab.count()[axis] + p[axis] - slab.start()[axis]) as usize
        };
        let source: Vec<u8> = (0..60).collect();
        let mut target = vec![255; 48];
        let mut expected = target.clone();
        copy_region(&region, &source, &from, &mut target, &to, 1);
        for position in region.positions() {
            expected[offset(&to, &position)] = source[offset(&from, &position)];
        }
        assert_eq!(target, expected);
    }
}
