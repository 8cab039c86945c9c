//! NumPy's indexing of an array of positions, element by element: slow, and nothing of the crate's own arithmetic.

use chunk_virtual::Index;

/// An array in which each element is the number of an element of the first array.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Naive {
    pub(crate) shape: Vec<usize>,
    pub(crate) elements: Vec<u64>,
}

impl Naive {
    pub(crate) fn whole(shape: &[usize]) -> Self {
        Naive { shape: shape.to_vec(), elements: (0..shape.iter().product::<usize>() as u64).collect() }
    }

    /// The array of `shape` whose element at each position is this array's at `position(..)`.
    fn gather(&self, shape: Vec<usize>, position: impl Fn(&[usize]) -> Vec<usize>) -> Naive {
        let mut elements = Vec::new();
        for number in 0..shape.iter().product::<usize>() {
            let from = position(&unravel(number, &shape));
            let offset = from.iter().zip(&self.shape).fold(0, |offset, (at, extent)| offset * extent + at);
            elements.push(self.elements[offset]);
        }
        Naive { shape, elements }
    }

    /// One index for one axis; `None` where NumPy raises.
    pub(crate) fn index_axis(&self, axis: usize, index: &Index) -> Option<Naive> {
        let extent = self.shape[axis] as i64;
        let wrap = |i: i64| {
            let i = if i < 0 { i + extent } else { i };
            (0 <= i && i < extent).then_some(i as usize)
        };
        let positions: Vec<usize> = match index {
            Index::At(i) => vec![wrap(*i)?],
            Index::List(list) => list.iter().map(|i| wrap(*i)).collect::<Option<_>>()?,
            Index::Mask(mask) if mask.len() as i64 == extent => (0..mask.len()).filter(|i| mask[*i]).collect(),
            Index::Slice { start, stop, step } if *step != 0 => walk(*start, *stop, *step, extent),
            _ => return None,
        };
        let mut shape = self.shape.clone();
        shape[axis] = positions.len();
        let mut taken = self.gather(shape, |at| {
            let mut from = at.to_vec();
            from[axis] = positions[at[axis]];
            from
        });
        if matches!(index, Index::At(_)) {
            taken.shape.remove(axis);
        }
        Some(taken)
    }

    pub(crate) fn new_axis(mut self, axis: usize) -> Naive {
        self.shape.insert(axis, 1);
        self
    }

    pub(crate) fn to_front(&self, axis: usize) -> Naive {
        let mut shape = self.shape.clone();
        let extent = shape.remove(axis);
        shape.insert(0, extent);
        self.gather(shape, |at| {
            let mut from = at[1..].to_vec();
            from.insert(axis, at[0]);
            from
        })
    }
}

/// The positions of a slice: begin somewhere, step until the stop is reached or the axis is left.
fn walk(start: Option<i64>, stop: Option<i64>, step: i64, extent: i64) -> Vec<usize> {
    let wrap = |i: i64| if i < 0 { i + extent } else { i };
    let mut at = match start.map(wrap) {
        Some(start) if step > 0 => start.max(0),
        Some(start) => start.min(extent - 1),
        None if step > 0 => 0,
        None => extent - 1,
    };
    let stop = stop.map(wrap);
    let mut positions = Vec::new();
    while (0..extent).contains(&at) && stop.is_none_or(|stop| if step > 0 { at < stop } else { at > stop }) {
        positions.push(at as usize);
        at += step;
    }
    positions
}

pub(crate) fn unravel(mut number: usize, shape: &[usize]) -> Vec<usize> {
    let mut position = vec![0; shape.len()];
    for axis in (0..shape.len()).rev() {
        position[axis] = number % shape[axis];
        number /= shape[axis];
    }
    position
}
