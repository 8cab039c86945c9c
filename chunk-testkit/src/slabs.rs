//! The slabs that rules read: systematic ones first, then random ones.

use chunk_core::{DatasetInfo, Shape, Slab};

use crate::random::Random;

const RANDOM_SLABS: usize = 24;
/// Along an axis of up to this extent every index is tried, else the edges and those around the chunks' bounds.
const SHORT_AXIS: u64 = 12;

/// Slabs of `info`, each inside it: the whole, rows, columns and planes, single elements, empty ones, those that
/// straddle chunks, and random ones; the same in every run.
///
/// ```
/// use chunk_core::{DType, DatasetInfo, Slab};
///
/// let slabs = chunk_testkit::slabs(&DatasetInfo::new([5, 4], DType::F64).with_chunk_shape([2, 3]));
/// assert!(slabs.contains(&Slab::new([4, 0], [1, 4])) && slabs.contains(&Slab::new([1, 2], [2, 2])));
/// ```
#[must_use]
pub fn slabs(info: &DatasetInfo) -> Vec<Slab> {
    let whole = Slab::whole(&info.shape);
    let mut slabs = vec![whole.clone()];
    slabs.extend(empty(&whole));
    if !whole.is_empty() {
        slabs.extend(thin(info, &whole));
        slabs.extend(corners(&whole));
        slabs.extend(straddling(info, &whole));
        let mut random = Random::new(whole.elements());
        slabs.extend((0..RANDOM_SLABS).map(|_| random_slab(&info.shape, &mut random)));
    }
    slabs
}

/// Every row, column, plane: one index along an axis, everything along the others.
fn thin<'a>(info: &'a DatasetInfo, whole: &'a Slab) -> impl Iterator<Item = Slab> + 'a {
    (0..whole.ndim())
        .flat_map(move |axis| indices(info, axis).into_iter().map(move |i| whole.with_axis(axis, i..i + 1)))
}

fn indices(info: &DatasetInfo, axis: usize) -> Vec<u64> {
    let extent = info.shape[axis];
    if extent <= SHORT_AXIS {
        return (0..extent).collect();
    }
    let chunk = info.chunk_shape.as_ref().map_or(extent / 3, |chunk_shape| chunk_shape[axis]);
    let mut indices = vec![0, 1, extent / 2, extent - 2, extent - 1];
    let bounds = [chunk.saturating_sub(1), chunk, chunk.saturating_add(1), (extent - 1) / chunk.max(1) * chunk];
    indices.extend(bounds.into_iter().filter(|index| *index < extent));
    indices.sort_unstable();
    indices.dedup();
    indices
}

/// The first and the last element along each axis, as single elements.
fn corners(whole: &Slab) -> impl Iterator<Item = Slab> + '_ {
    (0..1_usize << whole.ndim().min(6)).map(|corner| {
        let last = |axis: usize| if corner >> axis & 1 == 1 { whole.count()[axis] - 1 } else { 0 };
        Slab::new((0..whole.ndim()).map(last).collect::<Shape>(), vec![1; whole.ndim()])
    })
}

/// Nothing, at the beginning and at the very end of each axis.
fn empty(whole: &Slab) -> impl Iterator<Item = Slab> + '_ {
    (0..whole.ndim()).flat_map(|axis| {
        let extent = whole.count()[axis];
        [whole.with_axis(axis, 0..0), whole.with_axis(axis, extent..extent)]
    })
}

/// Two elements around the first bound between chunks: along each axis, and along all.
fn straddling(info: &DatasetInfo, whole: &Slab) -> Vec<Slab> {
    let Some(chunk_shape) = &info.chunk_shape else { return Vec::new() };
    let axes: Vec<usize> = (0..whole.ndim()).filter(|&axis| chunk_shape[axis] < info.shape[axis]).collect();
    let across = |slab: &Slab, axis: usize| slab.with_axis(axis, chunk_shape[axis] - 1..chunk_shape[axis] + 1);
    let mut slabs: Vec<Slab> = axes.iter().map(|&axis| across(whole, axis)).collect();
    slabs.push(axes.iter().fold(whole.clone(), |slab, &axis| across(&slab, axis)));
    slabs
}

fn random_slab(shape: &[u64], random: &mut Random) -> Slab {
    let start: Vec<u64> = shape.iter().map(|&extent| random.below(extent)).collect();
    let count: Shape = shape.iter().zip(&start).map(|(extent, start)| 1 + random.below(extent - start)).collect();
    Slab::new(start, count)
}

#[cfg(test)]
mod tests {
    use chunk_core::DType;

    use super::*;

    #[test]
    fn all_lie_inside() {
        for (shape, chunk) in
            [(vec![5, 4], vec![2, 3]), (vec![300, 7], vec![64, 7]), (vec![], vec![]), (vec![0, 3], vec![1, 1])]
        {
            let info = DatasetInfo::new(shape.clone(), DType::U8).with_chunk_shape(chunk);
            assert!(slabs(&info).iter().all(|slab| slab.is_within(&shape)), "{shape:?}");
        }
    }
}
