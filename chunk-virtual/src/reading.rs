//! Reading what is wanted of a source to where it goes, in dense pieces.

use chunk_core::{ChunkSource, Cost, Result, Slab, Worker};

use crate::along::{Along, Part, Places, cut, slab_of};
use crate::gather::Copies;
use crate::selection::{Axis, Pick, Selection, Steps};

/// Dense pieces that [`Reading::cost`] looks at one by one.
const PIECES_LOOKED_AT: u64 = 4096;

/// What is wanted of a source, and where in a packed buffer it goes. Not empty.
pub(crate) struct Reading<'a> {
    input: &'a dyn ChunkSource,
    size: usize,
    /// For each axis of the source.
    axes: Vec<Along>,
    /// The axes of the output, outermost first.
    loops: Vec<Loop>,
    /// Where in the buffer the first element goes, in bytes.
    base: usize,
    /// The most bytes of a dense piece.
    window: u64,
}

/// One axis of the output.
struct Loop {
    /// The axis of the source, unless it is a new one.
    source: Option<usize>,
    count: u64,
    /// Bytes from one element to the next.
    step: usize,
}

impl<'a> Reading<'a> {
    /// `slab` of a selection of `input`, to its packed buffer.
    pub(crate) fn of_selection(
        input: &'a dyn ChunkSource,
        selection: &Selection,
        slab: &Slab,
        threads: usize,
    ) -> Reading<'a> {
        let size = input.info().dtype.size();
        let mut axes: Vec<Along> = selection.picks().iter().map(|pick| Along::new(pick, 0, 1)).collect();
        let mut loops = Vec::with_capacity(slab.ndim());
        let out_steps = steps(slab.count().iter().copied(), size);
        for (number, axis) in selection.axes().iter().enumerate() {
            let count = slab.count()[number];
            let source = match *axis {
                Axis::New(_) => None,
                Axis::Source(axis) => {
                    axes[axis] = Along::new(&selection.picks()[axis], slab.start()[number], count);
                    Some(axis)
                }
            };
            loops.push(Loop { source, count, step: out_steps[number] });
        }
        Reading { input, size, axes, loops, base: 0, window: 0 }.cut(threads)
    }

    /// `from` of `input`, to the place of `to`, which has the same shape, in the packed buffer of `slab`.
    pub(crate) fn of_region(
        input: &'a dyn ChunkSource,
        from: &Slab,
        to: &Slab,
        slab: &Slab,
        threads: usize,
    ) -> Reading<'a> {
        let each = (0..from.ndim()).map(|axis| (axis, 1));
        Reading::of_spread(input, from, to.start(), each, slab, threads)
    }

    /// `from` of `input`, to the packed buffer of `slab`: its first element to the position `to`, and axis by axis
    /// along an axis of the buffer, with a step.
    pub(crate) fn of_spread(
        input: &'a dyn ChunkSource,
        from: &Slab,
        to: &[u64],
        axes: impl Iterator<Item = (usize, u64)>,
        slab: &Slab,
        threads: usize,
    ) -> Reading<'a> {
        let size = input.info().dtype.size();
        let out_steps = steps(slab.count().iter().copied(), size);
        let along = |axis: usize| {
            let (start, count) = (from.start()[axis], from.count()[axis]);
            Along::new(&Pick::Range(Steps { start, step: 1, count }), 0, count)
        };
        let turn = |(axis, (out, step)): (usize, (usize, u64))| {
            let step = out_steps[out].saturating_mul(step as usize);
            Loop { source: Some(axis), count: from.count()[axis], step }
        };
        let before = |axis: usize| (to[axis] - slab.start()[axis]) as usize * out_steps[axis];
        Reading {
            input,
            size,
            axes: (0..from.ndim()).map(along).collect(),
            loops: axes.enumerate().map(turn).collect(),
            base: (0..slab.ndim()).map(before).sum(),
            window: 0,
        }
        .cut(threads)
    }

    fn cut(mut self, threads: usize) -> Self {
        self.window = cut(&mut self.axes, self.input.info(), threads);
        self
    }

    /// What the dense piece of these parts is wanted for.
    fn copies(&self, parts: &[Part]) -> Copies<'_> {
        let from_steps = steps(parts.iter().map(|part| part.length), self.size);
        let mut copies = Copies::new(self.size, self.base);
        for turn in self.loops.iter().rev() {
            if let Some(axis) = turn.source {
                let places = self.axes[axis].places(parts[axis]);
                copies.add(places, parts[axis].start, from_steps[axis], turn.step);
            } else {
                let places = Places::Even { count: turn.count, to: 0, from_step: 0, to_step: 1 };
                copies.add(places, 0, 0, turn.step);
            }
        }
        copies
    }

    fn whole(&self) -> Vec<Part> {
        self.axes.iter().map(Along::whole).collect()
    }

    /// The one dense piece that lies in the output as it is, and where, if that is all.
    fn straight(&self) -> Option<(Slab, Copies<'_>)> {
        let parts = self.whole();
        let (piece, copies) = (slab_of(&parts), self.copies(&parts));
        copies.is_straight(piece.bytes(self.size)).then_some((piece, copies))
    }

    /// Calls `visit` with the parts of each dense piece, in the order of the source, until it gives `false`.
    fn for_each_piece(&self, mut visit: impl FnMut(&[Part]) -> Result<bool>) -> Result<()> {
        self.pieces_from(&mut Vec::with_capacity(self.axes.len()), &mut visit).map(drop)
    }

    fn pieces_from(&self, parts: &mut Vec<Part>, visit: &mut impl FnMut(&[Part]) -> Result<bool>) -> Result<bool> {
        let Some(along) = self.axes.get(parts.len()) else { return visit(parts) };
        for part in along.parts() {
            parts.push(part);
            let goes_on = self.pieces_from(parts, visit);
            parts.pop();
            if !goes_on? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Reads to the buffer.
    pub(crate) fn read(&self, out: &mut [u8], worker: &Worker) -> Result<()> {
        if let Some((piece, copies)) = self.straight() {
            return self.input.read_into(&piece, copies.place(out), worker);
        }
        let mut window = None;
        self.for_each_piece(|parts| {
            worker.check()?;
            let (piece, copies) = (slab_of(parts), self.copies(parts));
            let bytes = piece.bytes(self.size);
            if copies.is_straight(bytes) {
                self.input.read_into(&piece, copies.place(out), worker)?;
                return Ok(true);
            }
            let window = match &mut window {
                Some(window) => window,
                None => window.insert(worker.scratch(self.window as usize)?),
            };
            let window = &mut window[..bytes as usize];
            self.input.read_into(&piece, window, worker)?;
            copies.copy(window, out);
            Ok(true)
        })
    }

    /// What [`Reading::read`] costs with a worker of `threads` threads.
    pub(crate) fn cost(&self, threads: usize) -> Cost {
        if let Some((piece, _)) = self.straight() {
            return self.input.cost(&piece, threads);
        }
        let lists: u64 = self.axes.iter().map(Along::bytes).sum();
        let (mut scratch, mut moved, mut window, mut looked_at) = (0, 0_u64, 0, 0);
        let looked = self.for_each_piece(|parts| {
            looked_at += 1;
            let piece = slab_of(parts);
            let cost = self.input.cost(&piece, threads);
            scratch = cost.scratch_bytes.max(scratch);
            moved = moved.saturating_add(cost.moved_bytes);
            if !self.copies(parts).is_straight(piece.bytes(self.size)) {
                window = self.window;
            }
            Ok(looked_at < PIECES_LOOKED_AT)
        });
        if looked.is_err() || looked_at == PIECES_LOOKED_AT {
            // More than are worth looking at: no less than what all of them need.
            let all = self.input.cost(&slab_of(&self.whole()), threads);
            (scratch, moved, window) = (all.scratch_bytes.max(scratch), all.moved_bytes.max(moved), self.window);
        }
        Cost::new(scratch.saturating_add(window).saturating_add(lists), moved)
    }
}

/// Bytes from one element to the next along each axis of a packed buffer.
fn steps(lengths: impl DoubleEndedIterator<Item = u64>, size: usize) -> Vec<usize> {
    let mut step = size;
    let each = |length: u64| {
        let this = step;
        step = step.saturating_mul(length as usize);
        this
    };
    let mut steps: Vec<usize> = lengths.rev().map(each).collect();
    steps.reverse();
    steps
}

/// What it costs to read `shares` on so many threads, as many at once as there are threads for; `cost` says what one
/// costs with its part of the threads.
pub(crate) fn cost_of_shares(shares: &[Slab], threads: usize, cost: impl Fn(&Slab, usize) -> Cost) -> Cost {
    let at_once = shares.len().min(threads).max(1);
    let each = shares.iter().map(|share| cost(share, threads / at_once));
    let (scratch, moved) =
        each.fold((0, 0_u64), |(most, sum), cost| (cost.scratch_bytes.max(most), sum.saturating_add(cost.moved_bytes)));
    Cost::new(scratch.saturating_mul(at_once as u64), moved)
}
