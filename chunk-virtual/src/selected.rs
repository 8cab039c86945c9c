//! A selection of another source, as a source.

use std::sync::Arc;

use chunk_core::{ChunkSource, Cost, DatasetInfo, Error, Identity, Result, Shape, Slab, Worker};

use crate::along::{Along, Part, Places, cut, slab_of};
use crate::gather::Copies;
use crate::selection::{Axis, Pick};
use crate::{Indices, Selection};

/// Dense pieces that [`ChunkSource::cost`] looks at one by one.
const PIECES_LOOKED_AT: u64 = 4096;

/// A selection of another source, read lazily.
///
/// A slab is read in dense pieces, none of which shares a native chunk with another: no chunk is read twice for it.
/// Where a piece lies in the output as it is, it is read there: a selection without steps, lists or moved axes costs
/// nothing beside its input. The others are copied from a buffer.
///
/// # Memory
/// A buffer of up to 2 MiB a thread, or of what is wanted of one chunk where that is more; 16 bytes for each position
/// of a list.
///
/// # Examples
/// ```
/// use std::sync::Arc;
///
/// use chunk_core::{ChunkSource, ChunkSourceExt, MemorySource};
/// use chunk_virtual::{Selected, select};
///
/// let x = MemorySource::new([3, 4], &[0, 1, 2, 3, 10, 11, 12, 13, 20, 21, 22, 23])?;
/// let rows = Selected::new(Arc::new(x), &select![..; -1])?;
/// let corner = rows.select(&select![..2, [3, 0, 0]])?;
/// assert_eq!(corner.read_all::<i32>()?, [23, 20, 20, 13, 10, 10]);
/// assert_eq!(corner.info().name, "memory[2:0:-1, [3, 0, 0]]");
/// # Ok::<(), chunk_core::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Selected {
    input: Arc<dyn ChunkSource>,
    selection: Selection,
    info: DatasetInfo,
}

impl Selected {
    /// What `indices` leave of `input`, by NumPy's rules.
    ///
    /// # Errors
    /// As [`Selection::select`].
    pub fn new(input: Arc<dyn ChunkSource>, indices: &Indices) -> Result<Self> {
        let selection = Selection::new(input.info().shape.clone()).select(indices)?;
        Selected::with_selection(input, selection)
    }

    /// What `selection` takes of `input`.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] if the selection is one of an array of another shape.
    pub fn with_selection(input: Arc<dyn ChunkSource>, selection: Selection) -> Result<Self> {
        let from = input.info();
        if from.shape != *selection.source_shape() {
            let what = format!("a selection of shape {} for {}", selection.source_shape(), from.name);
            return Err(Error::InvalidArgument(format!("{what}, whose shape is {}", from.shape)));
        }
        let mut info = DatasetInfo::new(selection.shape(), from.dtype.clone());
        info.name = format!("{}{selection}", from.name);
        info.fill.clone_from(&from.fill);
        info.chunk_shape = from.chunk_shape.as_ref().map(|chunk_shape| granule(&selection, chunk_shape, &info.shape));
        info.identity = from.identity.as_ref().map(|input| identity(input, &selection));
        Ok(Selected { input, selection, info })
    }

    /// What `indices` leave of this selection.
    ///
    /// # Errors
    /// As [`Selection::select`].
    pub fn select(&self, indices: &Indices) -> Result<Self> {
        Selected::with_selection(Arc::clone(&self.input), self.selection.select(indices)?)
    }

    /// What is selected.
    #[must_use]
    pub fn selection(&self) -> &Selection {
        &self.selection
    }

    /// What it is selected from.
    #[must_use]
    pub fn input(&self) -> &Arc<dyn ChunkSource> {
        &self.input
    }

    /// How `slab`, which is not empty, is read.
    fn reading<'a>(&'a self, slab: &'a Slab, threads: usize) -> Reading<'a> {
        let mut axes: Vec<Along> = self.selection.picks().iter().map(|pick| Along::new(pick, 0, 1)).collect();
        for (number, axis) in self.selection.axes().iter().enumerate() {
            if let Axis::Source(axis) = *axis {
                let pick = &self.selection.picks()[axis];
                axes[axis] = Along::new(pick, slab.start()[number], slab.count()[number]);
            }
        }
        let window = cut(&mut axes, self.input.info(), threads);
        Reading { selected: self, slab, axes, window }
    }
}

/// A slab of a selection being read.
struct Reading<'a> {
    selected: &'a Selected,
    slab: &'a Slab,
    /// For each axis of the source.
    axes: Vec<Along>,
    /// The most bytes of a dense piece.
    window: u64,
}

impl Reading<'_> {
    /// What the dense piece of these parts is wanted for.
    fn copies(&self, parts: &[Part]) -> Copies<'_> {
        let size = self.selected.info.dtype.size();
        let from_steps = steps(parts.iter().map(|part| part.length), size);
        let to_steps = steps(self.slab.count().iter().copied(), size);
        let mut copies = Copies::new(size);
        for (number, axis) in self.selected.selection.axes().iter().enumerate().rev() {
            match *axis {
                Axis::Source(axis) => {
                    let places = self.axes[axis].places(parts[axis]);
                    copies.add(places, parts[axis].start, from_steps[axis], to_steps[number]);
                }
                Axis::New(_) => {
                    let count = self.slab.count()[number];
                    let places = Places::Even { count, to: 0, from_step: 0, to_step: 1 };
                    copies.add(places, 0, 0, to_steps[number]);
                }
            }
        }
        copies
    }

    /// The one dense piece that lies in the output as it is, if that is all.
    fn straight(&self) -> Option<Slab> {
        let parts: Vec<Part> = self.axes.iter().map(Along::whole).collect();
        let piece = slab_of(&parts);
        let copies = self.copies(&parts);
        copies.is_straight(piece.bytes(self.selected.info.dtype.size())).then_some(piece)
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

    fn read(&self, out: &mut [u8], worker: &Worker) -> Result<()> {
        let input = &self.selected.input;
        if let Some(piece) = self.straight() {
            return input.read_into(&piece, out, worker);
        }
        let size = self.selected.info.dtype.size();
        let mut window = None;
        self.for_each_piece(|parts| {
            worker.check()?;
            let (piece, copies) = (slab_of(parts), self.copies(parts));
            if copies.is_straight(piece.bytes(size)) {
                input.read_into(&piece, &mut out[copies.to..copies.to + copies.run], worker)?;
                return Ok(true);
            }
            let window = match &mut window {
                Some(window) => window,
                None => window.insert(worker.scratch(self.window as usize)?),
            };
            let window = &mut window[..piece.bytes(size) as usize];
            input.read_into(&piece, window, worker)?;
            copies.copy(window, out);
            Ok(true)
        })
    }

    fn cost(&self, threads: usize) -> Cost {
        let input = &self.selected.input;
        let lists: u64 = self.axes.iter().map(Along::bytes).sum();
        if let Some(piece) = self.straight() {
            return input.cost(&piece, threads);
        }
        let size = self.selected.info.dtype.size();
        let (mut scratch, mut moved, mut window, mut looked_at) = (0, 0_u64, 0, 0);
        let _ = self.for_each_piece(|parts| {
            looked_at += 1;
            let piece = slab_of(parts);
            let cost = input.cost(&piece, threads);
            scratch = cost.scratch_bytes.max(scratch);
            moved = moved.saturating_add(cost.moved_bytes);
            if !self.copies(parts).is_straight(piece.bytes(size)) {
                window = self.window;
            }
            Ok(looked_at < PIECES_LOOKED_AT)
        });
        if looked_at == PIECES_LOOKED_AT {
            // More than are worth looking at: no less than what all of them need.
            let parts: Vec<Part> = self.axes.iter().map(Along::whole).collect();
            let all = input.cost(&slab_of(&parts), threads);
            (scratch, moved, window) = (all.scratch_bytes.max(scratch), all.moved_bytes.max(moved), self.window);
        }
        Cost::new(scratch.saturating_add(window).saturating_add(lists), moved)
    }
}

/// Bytes from one element to the next along each axis of a packed buffer.
fn steps(lengths: impl DoubleEndedIterator<Item = u64>, size: usize) -> Vec<usize> {
    let mut step = size;
    let mut steps: Vec<usize> = lengths
        .rev()
        .map(|length| {
            let this = step;
            step = step.saturating_mul(length as usize);
            this
        })
        .collect();
    steps.reverse();
    steps
}

/// The shape in which a selection is best read: as many positions as lie in a chunk, on average.
fn granule(selection: &Selection, chunk_shape: &Shape, shape: &Shape) -> Shape {
    let extent = |axis: &Axis| match *axis {
        Axis::New(_) => 1,
        Axis::Source(axis) => match &selection.picks()[axis] {
            Pick::Range(steps) => chunk_shape[axis].div_ceil(steps.step.unsigned_abs()),
            Pick::List(positions) => {
                let spread = positions.iter().max().zip(positions.iter().min()).map_or(1, |(max, min)| max - min + 1);
                let in_chunk = u128::from(chunk_shape[axis]) * positions.len() as u128 / u128::from(spread);
                u64::try_from(in_chunk).unwrap_or(u64::MAX)
            }
        },
    };
    let axes = selection.axes().iter().zip(shape.iter());
    axes.map(|(axis, most)| extent(axis).min(*most).max(1)).collect()
}

fn identity(input: &Identity, selection: &Selection) -> Identity {
    let mut builder = Identity::builder("selection").input(input);
    for pick in selection.picks() {
        builder = match pick {
            Pick::Range(steps) => builder.field("range", format!("{steps:?}")),
            Pick::List(positions) => {
                builder.field("list", positions.iter().flat_map(|at| at.to_le_bytes()).collect::<Vec<_>>())
            }
        };
    }
    builder.field("axes", format!("{:?}", selection.axes())).finish()
}

impl ChunkSource for Selected {
    fn info(&self) -> &DatasetInfo {
        &self.info
    }

    fn held_bytes(&self) -> u64 {
        self.input.held_bytes().saturating_add(self.selection.held_bytes())
    }

    fn cost(&self, slab: &Slab, threads: usize) -> Cost {
        if slab.is_empty() { Cost::default() } else { self.reading(slab, threads).cost(threads) }
    }

    fn read_into(&self, slab: &Slab, out: &mut [u8], worker: &Worker) -> Result<()> {
        slab.check(&self.info, out.len())?;
        if out.is_empty() { Ok(()) } else { self.reading(slab, worker.threads()).read(out, worker) }
    }
}
