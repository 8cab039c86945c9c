//! What is wanted of a source and where it goes, in dense pieces: each a step of an operation.

use chunk_core::{
    Apply, ChunkSource, Cost, DatasetInfo, Need, Packed, Result, Slab, Stepper, Work, Worker, total_cost,
};

use crate::along::{Along, Part, Places, cut, slab_of};
use crate::gather::Copies;
use crate::selection::{Axis, Pick, Selection, Steps};

/// Dense pieces of a part that a node reads itself which are looked at for what they cost.
const PIECES_LOOKED_AT: u64 = 4096;

/// What is wanted of a source, and where in a packed buffer it goes. Not empty.
pub(crate) struct Reading {
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

impl Reading {
    /// `slab` of a selection of `input`, to its packed buffer.
    pub(crate) fn of_selection(input: &DatasetInfo, selection: &Selection, slab: &Slab, threads: usize) -> Self {
        let size = input.dtype.size();
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
        Reading { size, axes, loops, base: 0, window: 0 }.cut(input, threads)
    }

    /// `from` of `input`, to the place of `to`, which has the same shape, in the packed buffer of `slab`.
    pub(crate) fn of_region(input: &DatasetInfo, from: &Slab, to: &Slab, slab: &Slab, threads: usize) -> Self {
        let each = (0..from.ndim()).map(|axis| (axis, 1));
        Reading::of_spread(input, from, to.start(), each, slab, threads)
    }

    /// `from` of `input`, to the packed buffer of `slab`: its first element to the position `to`, and axis by axis
    /// along an axis of the buffer, with a step.
    pub(crate) fn of_spread(
        input: &DatasetInfo,
        from: &Slab,
        to: &[u64],
        axes: impl Iterator<Item = (usize, u64)>,
        slab: &Slab,
        threads: usize,
    ) -> Self {
        let size = input.dtype.size();
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
            size,
            axes: (0..from.ndim()).map(along).collect(),
            loops: axes.enumerate().map(turn).collect(),
            base: (0..slab.ndim()).map(before).sum(),
            window: 0,
        }
        .cut(input, threads)
    }

    fn cut(mut self, input: &DatasetInfo, threads: usize) -> Self {
        self.window = cut(&mut self.axes, input, threads);
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

    /// Returns the dense piece that these parts are, and from which byte on it lies in the output, if
    /// it lies there as it is.
    fn straight(&self, parts: &[Part]) -> Option<(Slab, usize)> {
        let (piece, copies) = (slab_of(parts), self.copies(parts));
        copies.is_straight(piece.bytes(self.size)).then(|| (piece, copies.start()))
    }

    /// Takes a step for each dense piece of input number `input`, or for a sample of at most
    /// `most`, each of which stands for `times` as many.
    pub(crate) fn step(&self, input: usize, most: Option<u64>, times: u64, steps: &mut dyn Stepper) -> Result<()> {
        let whole = self.whole();
        if let Some((piece, start)) = self.straight(&whole) {
            steps.stands_for(times);
            return steps.step(&[Need::inside(input, piece, start)], &mut |_, _, _| Ok(()));
        }
        let total = self.axes.iter().fold(1, |pieces: u64, along| pieces.saturating_mul(along.parts()));
        let sample = Sample::new(total, most);
        steps.stands_for(times.saturating_mul(sample.times));
        let mut parts = whole;
        for number in sample.numbers() {
            self.find_piece(number, &mut parts);
            self.step_piece(input, &parts, steps)?;
        }
        Ok(())
    }

    /// The parts of piece `number`, in the order of the source.
    fn find_piece(&self, mut number: u64, parts: &mut [Part]) {
        for (along, part) in self.axes.iter().zip(parts).rev() {
            *part = along.part(number % along.parts());
            number /= along.parts();
        }
    }

    fn step_piece(&self, input: usize, parts: &[Part], steps: &mut dyn Stepper) -> Result<()> {
        let (piece, copies) = (slab_of(parts), self.copies(parts));
        if copies.is_straight(piece.bytes(self.size)) {
            return steps.step(&[Need::inside(input, piece, copies.start())], &mut |_, _, _| Ok(()));
        }
        steps.step(&[Need::apart(input, piece)], &mut |inputs, out, _| {
            copies.copy(inputs[0].data, out);
            Ok(())
        })
    }

    /// Returns what the steps take, without the pieces of the input that they need.
    pub(crate) fn own_cost(&self) -> Cost {
        if self.straight(&self.whole()).is_some() {
            return Cost::default();
        }
        let longest: Vec<Part> = self.axes.iter().map(Along::longest).collect();
        let lists: u64 = self.axes.iter().map(Along::bytes).sum();
        if self.straight(&longest).is_some() {
            return Cost::new(lists, Work::default());
        }
        // A longer piece than those that were looked at is counted here: none is larger than the
        // window.
        let beyond = self.window.saturating_sub(slab_of(&longest).bytes(self.size));
        let elements = self.loops.iter().fold(1, |elements: u64, turn| elements.saturating_mul(turn.count));
        Cost::new(lists.saturating_add(beyond), Work::copying(elements.saturating_mul(self.size as u64)))
    }

    /// Reads from `source` to the buffer.
    pub(crate) fn read(&self, source: &dyn ChunkSource, out: &mut [u8], worker: &Worker) -> Result<()> {
        self.step(0, None, 1, &mut Direct { source, out, worker })
    }

    /// Returns what [`Reading::read`] of `source` costs with a worker of `threads` threads.
    pub(crate) fn cost(&self, source: &dyn ChunkSource, threads: usize) -> Result<Cost> {
        let mut counted = Counted { source, threads, times: 1, cost: Cost::default() };
        self.step(0, Some(PIECES_LOOKED_AT), 1, &mut counted)?;
        let (mut cost, own) = (counted.cost, self.own_cost());
        cost.scratch_bytes = cost.scratch_bytes.saturating_add(own.scratch_bytes);
        cost.work += own.work;
        Ok(cost)
    }
}

/// Numbers spread over `0..total`.
pub(crate) struct Sample {
    total: u64,
    looked_at: u64,
    /// How many numbers each of them stands for.
    pub(crate) times: u64,
}

impl Sample {
    /// Takes all of them, or `most`.
    pub(crate) fn new(total: u64, most: Option<u64>) -> Self {
        let looked_at = most.map_or(total, |most| most.clamp(1, total.max(1)).min(total));
        Sample { total, looked_at, times: total.div_ceil(looked_at.max(1)) }
    }

    /// Returns how many there are.
    pub(crate) fn len(&self) -> u64 {
        self.looked_at
    }

    pub(crate) fn numbers(&self) -> impl Iterator<Item = u64> + use<> {
        let (total, looked_at) = (u128::from(self.total), self.looked_at);
        // A stride of the golden section follows no period of the pieces.
        let stride = if u128::from(looked_at) == total { 1 } else { (total * 618_034 / 1_000_000) | 1 };
        (0..looked_at).map(move |number| (u128::from(number) * stride % total.max(1)) as u64)
    }
}

/// Carries the steps out that read one source which a node reads itself.
struct Direct<'a> {
    source: &'a dyn ChunkSource,
    out: &'a mut [u8],
    worker: &'a Worker,
}

impl Stepper for Direct<'_> {
    fn step(&mut self, needs: &[Need], apply: &mut Apply<'_>) -> Result<()> {
        let Direct { source, out, worker } = self;
        worker.check()?;
        needs.iter().try_for_each(|Need { slab, offset, .. }| {
            let length = slab.bytes(source.info().dtype.size()) as usize;
            if let Some(offset) = offset {
                return source.read_into(slab, &mut out[*offset..offset + length], worker);
            }
            let mut window = worker.scratch(length)?;
            source.read_into(slab, &mut window, worker)?;
            apply(&[Packed::new(slab, &window)], out, worker)
        })
    }

    fn sample(&self) -> Option<u64> {
        None
    }

    fn stands_for(&mut self, _: u64) {}
}

/// Counts what those steps take.
struct Counted<'a> {
    source: &'a dyn ChunkSource,
    threads: usize,
    times: u64,
    cost: Cost,
}

impl Stepper for Counted<'_> {
    fn step(&mut self, needs: &[Need], _: &mut Apply<'_>) -> Result<()> {
        needs.iter().try_for_each(|Need { slab, offset, .. }| {
            let mut read = total_cost(self.source, slab, self.threads)?;
            let window = if offset.is_none() { slab.bytes(self.source.info().dtype.size()) } else { 0 };
            read.scratch_bytes = read.scratch_bytes.saturating_add(window);
            after(&mut self.cost, &read, self.times);
            Ok(())
        })
    }

    fn sample(&self) -> Option<u64> {
        Some(PIECES_LOOKED_AT)
    }

    fn stands_for(&mut self, times: u64) {
        self.times = times;
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

/// Returns what it costs to read `shares` on so many threads, as many at once as there are threads
/// for; `cost` says what one costs with its part of the threads.
pub(crate) fn cost_of_shares(
    shares: &[Slab],
    threads: usize,
    cost: impl Fn(&Slab, usize) -> Result<Cost>,
) -> Result<Cost> {
    let at_once = shares.len().min(threads).max(1);
    let mut all = Cost::default();
    for share in shares {
        after(&mut all, &cost(share, threads / at_once)?, 1);
    }
    all.scratch_bytes = all.scratch_bytes.saturating_mul(at_once as u64);
    all.wanted_bytes = all.wanted_bytes.saturating_mul(at_once as u64);
    Ok(all)
}

/// Adds what is done next: the larger scratch counts, and all of the work, so often.
pub(crate) fn after(before: &mut Cost, next: &Cost, times: u64) {
    before.scratch_bytes = before.scratch_bytes.max(next.scratch_bytes);
    before.wanted_bytes = before.wanted_bytes.max(next.wanted_bytes);
    before.work += next.work.times(times);
}
