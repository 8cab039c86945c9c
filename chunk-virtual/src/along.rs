//! What a read wants along one axis of the source, and the dense parts in which it is read.

use chunk_core::{DatasetInfo, Shape, Slab};

use crate::selection::{Pick, Steps};

/// Bytes of the dense parts that are read at a time, for each thread. More only where one chunk has more.
const WINDOW: u64 = 2 << 20;
/// Without chunks, a gap of more bytes than this is not read.
const LONGEST_GAP: u64 = 16 << 10;
/// Parts of evenly spaced positions that are looked at for the longest.
const PARTS_LOOKED_AT: u64 = 64;

/// The positions that a read wants along one axis of the source, ascending, and how it is cut into parts.
#[derive(Debug)]
pub(crate) struct Along {
    wanted: Wanted,
    /// Extent of the native chunks; 1 without.
    chunk: u64,
    /// How many chunks a part may reach over.
    chunks: u64,
    /// The most positions that may be skipped inside a part; `None` is any number, within the chunks.
    gap: Option<u64>,
    /// The number of the first wanted position of each part, where they are not evenly spaced.
    firsts: Vec<u64>,
}

#[derive(Debug)]
enum Wanted {
    /// Ascending; asked for in the opposite order if `reversed`.
    Even { steps: Steps, reversed: bool },
    /// Position and number in the order asked for.
    Any(Vec<(u64, u64)>),
}

/// How evenly spaced positions are cut into parts.
enum Spacing {
    /// So many positions each.
    Positions(u64),
    /// Those in `reach` elements each, from `origin` on: whole chunks.
    Chunks { origin: u64, reach: u64 },
}

/// A dense part along one axis.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Part {
    /// Where it begins in the source.
    pub(crate) start: u64,
    /// How far it reaches.
    pub(crate) length: u64,
    /// The number of the first wanted position in it, in the order of the source.
    pub(crate) first: u64,
    /// How many wanted positions it holds.
    pub(crate) count: u64,
}

/// Where the wanted positions of a part lie in it, and where they go.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Places<'a> {
    /// The first is that of the part's first element; then so many elements further, each, in the part and the output.
    Even { count: u64, to: u64, from_step: u64, to_step: i64 },
    /// Position in the source, and number in the output.
    Any(&'a [(u64, u64)]),
}

impl Along {
    /// `count` positions of `pick` from number `first` on. Nothing is cut yet.
    pub(crate) fn new(pick: &Pick, first: u64, count: u64) -> Self {
        let wanted = match pick.steps(Steps { start: first, step: 1, count }) {
            Pick::Range(steps) if steps.step < 0 => {
                let ascending = Steps { start: steps.at(steps.count - 1), step: -steps.step, count };
                Wanted::Even { steps: ascending, reversed: true }
            }
            Pick::Range(steps) => Wanted::Even { steps, reversed: false },
            Pick::List(positions) => {
                let mut wanted: Vec<_> = positions.iter().copied().zip(0..).collect();
                wanted.sort_unstable();
                Wanted::Any(wanted)
            }
        };
        Along { wanted, chunk: 1, chunks: u64::MAX, gap: None, firsts: Vec::new() }
    }

    /// How many positions are wanted; one at least.
    pub(crate) fn count(&self) -> u64 {
        match &self.wanted {
            Wanted::Even { steps, .. } => steps.count,
            Wanted::Any(wanted) => wanted.len() as u64,
        }
    }

    /// Bytes that the lists of positions and parts take.
    pub(crate) fn bytes(&self) -> u64 {
        match &self.wanted {
            Wanted::Even { .. } => 0,
            Wanted::Any(wanted) => {
                (wanted.capacity() * size_of::<(u64, u64)>() + self.firsts.capacity() * size_of::<u64>()) as u64
            }
        }
    }

    fn position(&self, number: u64) -> u64 {
        match &self.wanted {
            Wanted::Even { steps, .. } => steps.at(number),
            Wanted::Any(wanted) => wanted[number as usize].0,
        }
    }

    /// All wanted positions, as one part.
    pub(crate) fn whole(&self) -> Part {
        self.part_to(0, self.count())
    }

    fn part_to(&self, first: u64, end: u64) -> Part {
        let start = self.position(first);
        Part { start, length: self.position(end - 1) - start + 1, first, count: end - first }
    }

    /// Returns how many parts there are.
    pub(crate) fn parts(&self) -> u64 {
        match &self.wanted {
            Wanted::Any(_) => self.firsts.len() as u64,
            Wanted::Even { steps, .. } => match self.spacing(steps) {
                Spacing::Positions(each) => steps.count.div_ceil(each),
                Spacing::Chunks { origin, reach } => (steps.at(steps.count - 1) - origin) / reach + 1,
            },
        }
    }

    /// Returns part `number`, in the order of the source.
    pub(crate) fn part(&self, number: u64) -> Part {
        self.part_to(self.first(number), self.first(number + 1))
    }

    /// Returns about the longest part.
    pub(crate) fn longest(&self) -> Part {
        let looked_at = match &self.wanted {
            Wanted::Even { .. } => PARTS_LOOKED_AT,
            Wanted::Any(_) => u64::MAX,
        };
        let longest = (0..self.parts().min(looked_at)).map(|number| self.part(number)).max_by_key(|part| part.length);
        longest.unwrap_or_else(|| self.whole())
    }

    /// Returns the number of the first wanted position of part `number`; past the last part, how
    /// many are wanted.
    fn first(&self, number: u64) -> u64 {
        let Wanted::Even { steps, .. } = &self.wanted else {
            return self.firsts.get(number as usize).copied().unwrap_or_else(|| self.count());
        };
        let first = match self.spacing(steps) {
            Spacing::Positions(each) => number.saturating_mul(each),
            Spacing::Chunks { origin, reach } => {
                let from = origin.saturating_add(number.saturating_mul(reach));
                from.saturating_sub(steps.start).div_ceil(steps.step.unsigned_abs())
            }
        };
        first.min(steps.count)
    }

    /// Returns how evenly spaced positions are cut.
    fn spacing(&self, steps: &Steps) -> Spacing {
        let step = steps.step.unsigned_abs();
        match self.gap {
            Some(gap) if step <= gap + 1 => Spacing::Positions((self.chunks - 1) / step + 1),
            None if step <= self.chunk => {
                let origin = steps.start / self.chunk * self.chunk;
                Spacing::Chunks { origin, reach: self.chunk.saturating_mul(self.chunks) }
            }
            _ => Spacing::Positions(1),
        }
    }

    /// Finds where the parts of a list begin.
    fn find_firsts(&mut self) {
        let Wanted::Any(wanted) = &self.wanted else { return };
        let mut firsts = Vec::new();
        let mut last_chunk = 0;
        for (number, (position, _)) in wanted.iter().enumerate() {
            let chunk = position / self.chunk;
            let joins = number.checked_sub(1).is_some_and(|before| {
                let before = wanted[before].0;
                let near = match self.gap {
                    Some(gap) => position - before <= gap + 1,
                    None => chunk - before / self.chunk <= 1,
                };
                chunk == before / self.chunk || (near && chunk <= last_chunk)
            });
            if !joins {
                firsts.push(number as u64);
                last_chunk = chunk.saturating_add(self.chunks - 1);
            }
        }
        firsts.shrink_to_fit();
        self.firsts = firsts;
    }

    /// Where the wanted positions of `part` lie in it, and where they go.
    pub(crate) fn places(&self, part: Part) -> Places<'_> {
        match &self.wanted {
            Wanted::Any(wanted) => Places::Any(&wanted[part.first as usize..(part.first + part.count) as usize]),
            Wanted::Even { steps, reversed } => {
                let (to, to_step) = if *reversed { (steps.count - 1 - part.first, -1) } else { (part.first, 1) };
                Places::Even { count: part.count, to, from_step: steps.step.unsigned_abs(), to_step }
            }
        }
    }
}

/// Says how the axes are cut, so that no chunk is in two parts, and parts are not much larger than the window of
/// `threads` threads. Gives the most bytes that a part can have.
pub(crate) fn cut(axes: &mut [Along], info: &DatasetInfo, threads: usize) -> u64 {
    let size = info.dtype.size() as u64;
    let window = WINDOW.saturating_mul(threads as u64);
    let lengths: Shape = axes.iter().map(|along| along.whole().length).collect();
    let mut longest: Vec<u64> = Vec::with_capacity(axes.len());
    for (axis, along) in axes.iter_mut().enumerate() {
        along.chunk = info.chunk_shape.as_ref().map_or(1, |chunk_shape| chunk_shape[axis]);
        longest.push(along.chunk.min(lengths[axis]));
    }
    let mut row = size;
    for axis in (0..axes.len()).rev() {
        let along = &mut axes[axis];
        let now = longest.iter().fold(size, |bytes, length| bytes.saturating_mul(*length)).max(1);
        along.chunks = (window / now).max(1);
        longest[axis] = along.chunk.saturating_mul(along.chunks).min(lengths[axis]);
        along.gap = info.chunk_shape.is_none().then(|| LONGEST_GAP / row.max(1));
        along.find_firsts();
        row = row.saturating_mul(info.shape[axis]);
    }
    longest.iter().fold(size, |bytes, length| bytes.saturating_mul(*length))
}

/// The dense piece of the source that these parts are, one for each axis.
pub(crate) fn slab_of(parts: &[Part]) -> Slab {
    let start: Shape = parts.iter().map(|part| part.start).collect();
    let length: Shape = parts.iter().map(|part| part.length).collect();
    Slab::new(start, length)
}
