//! Hyperslabs as evenly spaced positions, axis by axis.

use chunk_hdf5::{Hyperslab, Region};

use crate::selection::Steps;

/// Blocks of one axis that are looked at one by one.
const MOST_BLOCKS: u64 = 1 << 20;

/// The positions along each axis, in order, as runs that are evenly spaced. `extents` end what is without end and are
/// what all of it is. Errors say what is not done.
pub(super) fn runs(region: &Region, extents: &[u64]) -> Result<Vec<Vec<Steps>>, String> {
    match region {
        Region::All => Ok(extents.iter().map(|&count| vec![Steps { start: 0, step: 1, count }]).collect()),
        Region::Nothing => Ok(vec![Vec::new(); extents.len()]),
        Region::Hyperslab(slab) if slab.start.len() == extents.len() => {
            extents.iter().enumerate().map(|(axis, extent)| along(slab, axis, *extent)).collect()
        }
        Region::Hyperslab(_) => Err("a selection has another number of axes than its dataset".to_owned()),
        Region::Points => Err("a selection is of points one by one".to_owned()),
        _ => Err("a selection is not of evenly spaced blocks".to_owned()),
    }
}

fn along(slab: &Hyperslab, axis: usize, extent: u64) -> Result<Vec<Steps>, String> {
    let (start, stride) = (slab.start[axis], slab.stride[axis].max(1));
    let room = extent.saturating_sub(start);
    let block = slab.block[axis].unwrap_or(room);
    if block == 0 {
        return Ok(Vec::new());
    }
    let count = slab.count[axis].unwrap_or_else(|| room.div_ceil(stride));
    let reach = count.checked_sub(1).and_then(|last| last.checked_mul(stride)?.checked_add(block)?.checked_add(start));
    if count > 0 && reach.is_none() {
        return Err("a selection reaches farther than can be counted".to_owned());
    }
    let endless = slab.count[axis].is_none() || slab.block[axis].is_none();
    let step = i64::try_from(stride).map_err(|_| "a stride is too long".to_owned())?;
    let cut = |first: u64, length: u64| if endless { length.min(extent.saturating_sub(first)) } else { length };
    let runs = match (count, block) {
        (0, _) => Vec::new(),
        (1, _) => vec![Steps { start, step: 1, count: cut(start, block) }],
        (_, 1) => vec![Steps { start, step, count }],
        _ if stride == block => vec![Steps { start, step: 1, count: cut(start, count * block) }],
        _ if count > MOST_BLOCKS => return Err(format!("a selection has {count} blocks")),
        _ => (0..count)
            .map(|number| start + number * stride)
            .map(|first| Steps { start: first, step: 1, count: cut(first, block) })
            .collect(),
    };
    Ok(runs.into_iter().filter(|run| run.count > 0).collect())
}

/// Two lists of runs with as many positions, cut so that run by run they are as long.
pub(super) fn pairs(a: &[Steps], b: &[Steps]) -> Vec<(Steps, Steps)> {
    let mut pairs = Vec::new();
    let (mut a, mut b) = (a.iter().copied(), b.iter().copied());
    let (mut left_a, mut left_b) = (a.next(), b.next());
    while let (Some(x), Some(y)) = (left_a, left_b) {
        let count = x.count.min(y.count);
        let first = Steps { start: 0, step: 1, count };
        pairs.push((x.steps(first), y.steps(first)));
        let rest = |steps: Steps| {
            let rest = Steps { start: count, step: 1, count: steps.count - count };
            (rest.count > 0).then(|| steps.steps(rest))
        };
        left_a = rest(x).or_else(|| a.next());
        left_b = rest(y).or_else(|| b.next());
    }
    pairs
}

/// Where the last of `count` elements of a selection without end lies along `axis`, plus one.
pub(super) fn reach(slab: &Hyperslab, axis: usize, count: u64) -> Option<u64> {
    let Some(last) = count.checked_sub(1) else { return Some(0) };
    let block = slab.block[axis].unwrap_or(u64::MAX).max(1);
    let before = (last / block).checked_mul(slab.stride[axis].max(1))?;
    slab.start[axis].checked_add(before)?.checked_add(last % block)?.checked_add(1)
}

pub(super) fn total(runs: &[Steps]) -> u64 {
    runs.iter().map(|run| run.count).sum()
}
