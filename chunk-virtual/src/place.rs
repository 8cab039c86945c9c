//! Where in a layout a source is placed.

use chunk_core::{Error, Result, Shape, Slab};

use crate::selection::{Axis, Pick, Steps};
use crate::{Indices, Selection};

/// Evenly spaced positions along each axis of a layout, and the axes of the source that stand there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// Along each axis of the layout; ascending.
    pub(crate) steps: Vec<Steps>,
    /// The axis of the layout for each of the source's.
    pub(crate) axes: Vec<usize>,
}

impl Place {
    /// Where `indices` lead to in a layout of `shape`.
    pub(crate) fn new(shape: &Shape, indices: &Indices) -> Result<Self> {
        let refused =
            |what: &str| Err(Error::InvalidArgument(format!("a source cannot be placed at {indices}: {what}")));
        let selection = Selection::new(shape.clone()).outer(indices)?;
        let mut steps = Vec::with_capacity(shape.len());
        for pick in selection.picks() {
            match pick {
                Pick::Range(range) if range.step > 0 => steps.push(*range),
                Pick::Range(_) => return refused("its step is negative; reverse the source instead"),
                Pick::List(_) => return refused("a list is not evenly spaced; place the source in several pieces"),
            }
        }
        let mut axes = Vec::with_capacity(selection.axes().len());
        for axis in selection.axes() {
            match axis {
                Axis::Source(axis) => axes.push(*axis),
                Axis::New(_) => return refused("a layout gets no new axes"),
            }
        }
        Ok(Place { steps, axes })
    }

    /// All of `shape`, but `range` along `axis`.
    pub(crate) fn along(shape: &Shape, axis: usize, range: std::ops::Range<u64>) -> Self {
        let mut steps: Vec<Steps> = shape.iter().map(|&count| Steps { start: 0, step: 1, count }).collect();
        steps[axis] = Steps { start: range.start, step: 1, count: range.end - range.start };
        Place { steps, axes: (0..shape.len()).collect() }
    }

    /// The shape of a source that goes there.
    pub(crate) fn shape(&self) -> Shape {
        self.axes.iter().map(|axis| self.steps[*axis].count).collect()
    }

    /// Whether all between its ends is covered.
    pub(crate) fn is_dense(&self) -> bool {
        self.steps.iter().all(|steps| steps.step == 1)
    }

    /// From its first element to its last, along `axis`.
    pub(crate) fn range(&self, axis: usize) -> std::ops::Range<u64> {
        let steps = self.steps[axis];
        let end = steps.count.checked_sub(1).map_or(steps.start, |last| steps.at(last) + 1);
        steps.start..end
    }

    /// Returns whether some position may be in both: between the ends of both along each axis.
    pub(crate) fn meets(&self, other: &Place) -> bool {
        (0..self.steps.len()).all(|axis| {
            let (own, other) = (self.range(axis), other.range(axis));
            own.start < other.end && other.start < own.end
        })
    }

    /// What a place that is dense covers.
    pub(crate) fn slab(&self) -> Slab {
        let start: Shape = self.steps.iter().map(|steps| steps.start).collect();
        let count: Shape = self.steps.iter().map(|steps| steps.count).collect();
        Slab::new(start, count)
    }

    /// The numbers of its positions inside `slab` along each axis: first and one past the last; `None` if there are
    /// none along one.
    fn numbers(&self, slab: &Slab) -> Option<Vec<(u64, u64)>> {
        let numbers = self.steps.iter().enumerate().map(|(axis, steps)| {
            let step = steps.step.unsigned_abs();
            let up_to = |position: u64| position.saturating_sub(steps.start).div_ceil(step).min(steps.count);
            (up_to(slab.start()[axis]), up_to(slab.end(axis)))
        });
        let numbers: Vec<_> = numbers.collect();
        numbers.iter().all(|(first, end)| first < end).then_some(numbers)
    }

    /// What `slab` has of it: a piece of the source, and the position of that piece's first element.
    pub(crate) fn within(&self, slab: &Slab) -> Option<(Slab, Vec<u64>)> {
        let numbers = self.numbers(slab)?;
        let first = self.steps.iter().zip(&numbers).map(|(steps, (first, _))| steps.at(*first)).collect();
        let start: Shape = self.axes.iter().map(|axis| numbers[*axis].0).collect();
        let count: Shape = self.axes.iter().map(|axis| numbers[*axis].1 - numbers[*axis].0).collect();
        Some((Slab::new(start, count), first))
    }

    /// For each axis of the source, the axis of the layout and the step.
    pub(crate) fn spread(&self) -> impl Iterator<Item = (usize, u64)> + '_ {
        self.axes.iter().map(|axis| (*axis, self.steps[*axis].step.unsigned_abs()))
    }
}
