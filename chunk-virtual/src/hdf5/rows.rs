//! Selections that are not evenly spaced, row by row.

use chunk_hdf5::{Block, Region};

use super::regular::runs;
use crate::selection::Steps;

/// Elements that lie side by side along the last axis.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Row {
    start: Vec<u64>,
    count: u64,
}

/// A dense piece of one dataset that is a dense piece of another: start and count along each axis of both.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pair {
    pub(super) at: Vec<Steps>,
    pub(super) of: Vec<Steps>,
}

/// The rows of a region in the order of its dataset, `most` of them. Errors say what is not done.
pub(super) fn rows(region: &Region, extents: &[u64], most: usize) -> Result<Vec<Row>, String> {
    let many = || format!("a selection has more than {most} rows");
    let mut rows = Vec::new();
    match region {
        Region::Blocks(blocks) => {
            for Block { start, count } in blocks {
                let each: Vec<Vec<Steps>> =
                    start.iter().zip(count).map(|(&start, &count)| vec![Steps { start, step: 1, count }]).collect();
                push_rows(&each, most, &mut rows).ok_or_else(many)?;
            }
        }
        region => push_rows(&runs(region, extents)?, most, &mut rows).ok_or_else(many)?,
    }
    rows.sort_unstable();
    Ok(rows)
}

/// Adds what the runs along each axis have in common; nothing if there is no room.
fn push_rows(axes: &[Vec<Steps>], most: usize, rows: &mut Vec<Row>) -> Option<()> {
    let (last, outer) = axes.split_last()?;
    let dense = last.iter().all(|run| run.step == 1);
    let ends: Vec<Steps> = if dense {
        last.clone()
    } else {
        let single = |start| Steps { start, step: 1, count: 1 };
        last.iter().flat_map(|run| (0..run.count).map(|number| single(run.at(number)))).take(most + 1).collect()
    };
    let outer_positions = outer.iter().map(|runs| runs.iter().map(|run| run.count).sum::<u64>());
    let count = outer_positions.chain([ends.len() as u64]).try_fold(1_u64, u64::checked_mul)?;
    if count > (most - rows.len().min(most)) as u64 {
        return None;
    }
    let mut starts = vec![Vec::with_capacity(axes.len())];
    for runs in outer {
        let positions: Vec<u64> = runs.iter().flat_map(|run| (0..run.count).map(|number| run.at(number))).collect();
        let with = |start: &Vec<u64>, position: &u64| [start.as_slice(), &[*position]].concat();
        starts =
            starts.iter().flat_map(|start| positions.iter().map(|at| with(start, at)).collect::<Vec<_>>()).collect();
    }
    for start in starts {
        rows.extend(ends.iter().map(|end| Row { start: [start.as_slice(), &[end.start]].concat(), count: end.count }));
    }
    Some(())
}

/// Two lists of rows with as many elements, element by element; neighbours are one piece.
pub(super) fn pairs(at: &[Row], of: &[Row]) -> Vec<Pair> {
    let mut pairs = Vec::new();
    let (mut at, mut of) = (at.iter().cloned(), of.iter().cloned());
    let (mut left_at, mut left_of) = (at.next(), of.next());
    while let (Some(x), Some(y)) = (&mut left_at, &mut left_of) {
        let count = x.count.min(y.count);
        pairs.push(Pair { at: x.take(count), of: y.take(count) });
        if x.count == 0 {
            left_at = at.next();
        }
        if y.count == 0 {
            left_of = of.next();
        }
    }
    let ranks = pairs.first().map_or((0, 0), |pair| (pair.at.len(), pair.of.len()));
    if ranks.0 == ranks.1 {
        for axis in (0..ranks.0).rev() {
            pairs.dedup_by(|next, before| before.join(next, axis));
        }
    }
    pairs
}

pub(super) fn elements(rows: &[Row]) -> u64 {
    rows.iter().map(|row| row.count).sum()
}

impl Row {
    /// Its first `count` elements, which it then no longer has.
    fn take(&mut self, count: u64) -> Vec<Steps> {
        let mut taken: Vec<Steps> = self.start.iter().map(|&start| Steps { start, step: 1, count: 1 }).collect();
        if let (Some(last), Some(start)) = (taken.last_mut(), self.start.last_mut()) {
            last.count = count;
            *start += count;
        }
        self.count -= count;
        taken
    }
}

impl Pair {
    /// Adds a piece that continues this one along `axis` in both.
    fn join(&mut self, next: &Pair, axis: usize) -> bool {
        let continues = |own: &[Steps], other: &[Steps]| {
            let alike = (0..own.len()).all(|at| at == axis || own[at] == other[at]);
            alike && own[axis].start + own[axis].count == other[axis].start
        };
        let joined = continues(&self.at, &next.at) && continues(&self.of, &next.of);
        if joined {
            self.at[axis].count += next.at[axis].count;
            self.of[axis].count += next.of[axis].count;
        }
        joined
    }
}
