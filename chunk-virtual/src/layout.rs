//! Sources placed anywhere in a shape.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use chunk_core::{
    Casting, ChunkSource, Cost, DType, DatasetInfo, Error, FilledCount, Identity, IdentityBuilder, Operation,
    Reduction, Result, Scalar, Shape, Slab, Stepper, Work, Worker, cast_if_needed, check_inputs, read_node,
};

use crate::fill::Constant;
#[cfg(feature = "hdf5")]
use crate::mapped::Mapped;
use crate::place::Place;
use crate::reading::{Reading, Sample, after, cost_of_shares};
use crate::stack::summary;
use crate::{AnySource, Fill, Indices, Selected, Selection, SourcePool, VirtualSource, VirtualStack};

/// Elements that are looked at together where regions are not dense.
#[cfg(feature = "hdf5")]
const LOOKED_AT_ONCE: u64 = 1 << 24;

/// Sources placed in regions of a shape, as one source.
///
/// A region is what indices of positive step lead to, integers included: `select![10..20, .., 3]`, or every fourth row
/// by `select![1..; 4]`. The source has the region's shape. Where regions overlap, the one placed last is read.
///
/// Sources that are computed, such as selections, are inputs of the layout: a plan looks into them.
/// It reads files and all others itself, several at once.
///
/// Reading where nothing is placed is [`Error::NotCovered`], unless [`Fill`] was asked for; [`mask`](VirtualLayout::mask)
/// then tells what was filled.
///
/// # Memory
/// Each source with its place; see [`ChunkSource::held_bytes`]. A read takes what its sources take, and a byte for each
/// element where regions are not dense, to see that all is covered.
///
/// # Examples
/// ```
/// use std::sync::Arc;
///
/// use chunk_core::{ChunkSourceExt, DType, MemorySource};
/// use chunk_virtual::{Fill, VirtualLayout, select};
///
/// let mut layout = VirtualLayout::new([2, 3], DType::I32);
/// layout.place(&select![0], Arc::new(MemorySource::new([3], &[1, 2, 3])?))?;
/// assert!(layout.read_all::<i32>().is_err());
/// let filled = layout.with_fill(Fill::with(-1))?;
/// assert_eq!(filled.read_all::<i32>()?, [1, 2, 3, -1, -1, -1]);
/// assert_eq!(filled.mask().read_all::<bool>()?, [false, false, false, true, true, true]);
/// # Ok::<(), chunk_core::Error>(())
/// ```
#[derive(Clone)]
pub struct VirtualLayout {
    info: DatasetInfo,
    fill: Option<Fill>,
    /// Where filled elements are counted when they are read.
    filled: Option<FilledCount>,
    regions: Arc<Regions>,
    /// The sources that are computed, in the order in which they were placed.
    inputs: Vec<Arc<dyn ChunkSource>>,
    /// The identity of the sources so far, unless one has none.
    identity: Option<IdentityBuilder>,
}

/// Which elements of a [`VirtualLayout`] are filled: bools of its shape.
#[derive(Clone)]
pub struct FilledMask {
    info: DatasetInfo,
    fills_missing: bool,
    regions: Arc<Regions>,
}

/// All that was placed, in that order.
#[derive(Clone, Default)]
struct Regions {
    placed: Vec<Region>,
    /// Numbers of the regions, by their start along the first axis.
    by_start: Vec<u32>,
    /// The farthest end along the first axis of this region and those before it, in the same order.
    reach: Vec<u64>,
}

#[derive(Clone)]
pub(crate) struct Region {
    pub(crate) place: Place,
    source: Arc<dyn ChunkSource>,
    /// Which of the layout's inputs it is, if it is computed.
    input: Option<u32>,
    pub(crate) origin: Origin,
}

/// Where a source comes from, as far as that is known.
#[derive(Clone)]
pub(crate) enum Origin {
    /// All of a file's dataset, or what is selected of it.
    File(Arc<VirtualSource>, #[cfg_attr(not(feature = "hdf5"), allow(dead_code))] Option<Selection>),
    /// Positions of a dataset of which no more is known.
    #[cfg(feature = "hdf5")]
    Mapped(Arc<Mapped>),
    Other,
}

impl Origin {
    /// Whether it is there, or nothing that could be missing; an error if that cannot be told.
    fn is_there(&self) -> Result<bool> {
        match self {
            Origin::File(file, _) => file.is_there(),
            #[cfg(feature = "hdf5")]
            Origin::Mapped(mapped) => mapped.is_there(),
            Origin::Other => Ok(true),
        }
    }

    /// What opens it, if something does.
    fn pool(&self) -> Option<&Arc<SourcePool>> {
        match self {
            Origin::File(file, _) => Some(file.pool()),
            #[cfg(feature = "hdf5")]
            Origin::Mapped(mapped) => Some(mapped.pool()),
            Origin::Other => None,
        }
    }
}

impl VirtualLayout {
    /// A layout of `shape` in which nothing is placed yet.
    #[must_use]
    pub fn new(shape: impl Into<Shape>, dtype: DType) -> Self {
        let info = DatasetInfo::new(shape, dtype).with_name("layout");
        let identity = Some(begin_identity(&info));
        let (regions, inputs) = (Arc::default(), Vec::new());
        let mut layout = VirtualLayout { info, fill: None, filled: None, regions, inputs, identity };
        layout.identify();
        layout
    }

    /// The sources of a stack, of which those that are files can be filled where they are missing.
    pub(crate) fn of_stack(stack: &VirtualStack) -> Result<Self> {
        let info = stack.info();
        let mut layout = VirtualLayout::new(info.shape.clone(), info.dtype.clone()).with_name(&info.name);
        layout.info.fill.clone_from(&info.fill);
        for part in (0..stack.len()).filter(|part| !stack.range(*part).is_empty()) {
            let place = Place::along(&info.shape, stack.axis(), stack.range(part));
            let (source, origin): (Arc<dyn ChunkSource>, _) = match stack.source(part) {
                AnySource::Source(source) => (source, Origin::Other),
                AnySource::File(file) => {
                    let file = Arc::new(*file);
                    (Arc::clone(&file) as _, Origin::File(file, None))
                }
            };
            layout.add(place, cast_if_needed(source, &info.dtype, Casting::Safe)?, origin)?;
        }
        Ok(layout)
    }

    /// With `name` in messages.
    #[must_use]
    pub fn with_name(mut self, name: impl Into<String>) -> Self {
        self.info.name = name.into();
        self
    }

    /// With axes that may grow, which is said of the virtual dataset that is written of it (`hdf5::Pieces`): it then
    /// grows with the sources that end where it ends.
    ///
    /// # Errors
    /// What [`DatasetInfo::check`] finds.
    pub fn with_max_shape(mut self, max_shape: impl Into<Vec<Option<u64>>>) -> Result<Self> {
        self.info = self.info.with_max_shape(max_shape);
        self.info.check()?;
        Ok(self)
    }

    /// With filling of what has no source.
    ///
    /// # Errors
    /// [`Error::DTypeMismatch`] if the value is of another dtype.
    pub fn with_fill(mut self, fill: Fill) -> Result<Self> {
        self.info.fill = Some(fill.value(&self.info)?);
        self.fill = Some(fill);
        self.identify();
        Ok(self)
    }

    /// With the fill value that a file states of it.
    #[cfg(feature = "hdf5")]
    pub(crate) fn with_stated_fill(mut self, fill: Option<Scalar>) -> Self {
        self.info.fill = fill;
        self
    }

    /// With every filled element that is read being counted, which takes a byte more for each element of a read.
    #[must_use]
    pub fn with_filled_count(mut self, filled: FilledCount) -> Self {
        self.filled = Some(filled);
        self
    }

    /// Places `source` where `at` leads. If it does not fit, the layout is unchanged.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for another shape than that of the place, negative steps, lists and new axes;
    /// [`Error::IndexOutOfBounds`]; [`Error::DTypeMismatch`]: see [`chunk_core::cast`].
    pub fn place(&mut self, at: &Indices, source: impl Into<AnySource>) -> Result<()> {
        match source.into() {
            AnySource::Source(source) => self.add(Place::new(&self.info.shape, at)?, source, Origin::Other),
            AnySource::File(file) => {
                let file = Arc::new(*file);
                self.add(Place::new(&self.info.shape, at)?, Arc::clone(&file) as _, Origin::File(file, None))
            }
        }
    }

    /// Places what `of` leaves of a file's dataset where `at` leads. If it does not fit, the layout is unchanged.
    ///
    /// Unlike a [`Selected`] it can be filled if it is missing.
    ///
    /// # Errors
    /// As [`VirtualLayout::place`] and [`Selected::new`].
    pub fn place_selected(&mut self, at: &Indices, file: VirtualSource, of: &Indices) -> Result<()> {
        let file = Arc::new(file);
        let selected = Selected::new(Arc::clone(&file) as _, of)?;
        let origin = Origin::File(file, Some(selected.selection().clone()));
        self.add(Place::new(&self.info.shape, at)?, Arc::new(selected), origin)
    }

    fn add(&mut self, place: Place, source: Arc<dyn ChunkSource>, origin: Origin) -> Result<()> {
        let (own, info) = (&self.info, source.info());
        if info.dtype != own.dtype {
            return Err(Error::DTypeMismatch {
                dataset: info.name.clone(),
                stored: info.dtype.to_string(),
                requested: format!("{} as the layout", own.dtype),
            });
        }
        if info.shape != place.shape() {
            let what = format!("{} has shape {}, its place in the layout {}", info.name, info.shape, place.shape());
            return Err(Error::InvalidArgument(what));
        }
        if self.regions.placed.len() == u32::MAX as usize {
            return Err(Error::InvalidArgument("a layout has room for 2^32 sources".to_owned()));
        }
        if let (None, Some(chunk_shape)) = (&own.chunk_shape, &info.chunk_shape)
            && place.is_dense()
        {
            let mut wanted = Shape::from(vec![1; own.shape.len()]);
            for (from, to) in place.axes.iter().enumerate() {
                wanted = wanted.with_axis(*to, chunk_shape[from]);
            }
            self.info.chunk_shape = Some(wanted);
        }
        // A file is read by the layout, which may fill it; what is taken of it, too.
        let is_input = matches!(origin, Origin::Other) && source.operation().is_some();
        let input = is_input.then_some(self.inputs.len() as u32);
        self.inputs.extend(is_input.then(|| Arc::clone(&source)));
        let region = Region { place, source, input, origin };
        self.identity = region.identify(self.identity.take());
        Arc::make_mut(&mut self.regions).push(region);
        self.identify();
        Ok(())
    }

    /// Places positions of a dataset of which no more is known.
    #[cfg(feature = "hdf5")]
    pub(crate) fn place_mapped(&mut self, place: Place, mapped: Mapped) -> Result<()> {
        let mapped = Arc::new(mapped);
        self.add(place, Arc::clone(&mapped) as _, Origin::Mapped(mapped))
    }

    #[cfg(feature = "hdf5")]
    pub(crate) fn regions(&self) -> &[Region] {
        &self.regions.placed
    }

    #[cfg(feature = "hdf5")]
    pub(crate) fn fill(&self) -> Option<&Fill> {
        self.fill.as_ref()
    }

    /// Some piece that has no source.
    #[cfg(feature = "hdf5")]
    pub(crate) fn uncovered(&self) -> Result<Option<Slab>> {
        let whole = Slab::whole(&self.info.shape);
        for part in whole.split(whole.elements().div_ceil(LOOKED_AT_ONCE), 1) {
            let touching = self.regions.touching(&part);
            if let Some(slab) = self.regions.uncovered(&part, &touching, &Worker::new())? {
                return Ok(Some(slab));
            }
        }
        Ok(None)
    }

    /// How many sources were placed.
    #[must_use]
    pub fn len(&self) -> usize {
        self.regions.placed.len()
    }

    /// Whether nothing was placed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.regions.placed.is_empty()
    }

    /// Which elements are filled, as the layout is now; without [`Fill`], those are the elements that cannot be read.
    #[must_use]
    pub fn mask(&self) -> FilledMask {
        let mut info = DatasetInfo::new(self.info.shape.clone(), DType::Bool);
        info.name = format!("mask of {}", self.info.name);
        info.chunk_shape.clone_from(&self.info.chunk_shape);
        let fills_missing = self.fill.as_ref().is_some_and(Fill::fills_missing);
        FilledMask { info, fills_missing, regions: Arc::clone(&self.regions) }
    }

    /// Brings the identity up to the sources and the filling.
    fn identify(&mut self) {
        let fill = format!("{:?}", self.fill);
        self.info.identity = self.identity.clone().map(|builder| builder.field("fill", fill).finish());
    }

    /// The parts that are read at once: each with its own threads.
    fn shares(&self, slab: &Slab, threads: usize) -> Vec<Slab> {
        let align = |axis: usize| self.info.chunk_shape.as_ref().map_or(1, |chunk_shape| chunk_shape[axis]);
        match slab.outermost_axis() {
            Some(axis) if self.regions.touching(slab).len() > 1 => slab.split(threads as u64, align(axis)),
            _ => vec![slab.clone()],
        }
    }

    /// How many elements of `share` are filled.
    fn count_filled(&self, share: &Slab, has_gaps: bool, worker: &Worker) -> Result<u64> {
        let touching = self.regions.touching(share);
        let missing = |number: &u32| {
            let there = self.regions.placed[*number as usize].origin.is_there();
            there.map(|there| !there)
        };
        let fills_missing = self.fill.as_ref().is_some_and(Fill::fills_missing);
        let any_missing = fills_missing && touching.iter().map(missing).collect::<Result<Vec<_>>>()?.contains(&true);
        if !has_gaps && !any_missing {
            return Ok(0);
        }
        let mut mask = worker.scratch(share.elements() as usize)?;
        self.mask().read_into(share, &mut mask, worker)?;
        Ok(mask.iter().map(|filled| u64::from(*filled)).sum())
    }

    /// Fills and reads what the layout reads itself of `slab`, several parts at once: all regions,
    /// or those of a layer, of which the first begins the buffer.
    fn read_own(&self, slab: &Slab, layers: Option<(&Layers, usize)>, out: &mut [u8], worker: &Worker) -> Result<()> {
        let (shares, size) = (self.shares(slab, worker.threads()), self.info.dtype.size());
        worker.for_each_slab(shares, out, size, |share, bytes, worker| {
            let touching = self.regions.touching(share);
            if layers.is_none_or(|(_, layer)| layer == 0) {
                self.begin(share, &touching, bytes, worker)?;
            }
            let is_read = |number: &u32| {
                self.regions.is_own(*number) && layers.is_none_or(|(layers, layer)| layers.of[number] == layer)
            };
            let own: Vec<u32> = touching.into_iter().filter(is_read).collect();
            self.paint(share, &own, bytes, worker)
        })
    }

    /// Checks that all of `share` has a source, or fills it.
    fn begin(&self, share: &Slab, touching: &[u32], out: &mut [u8], worker: &Worker) -> Result<()> {
        let uncovered = self.regions.uncovered(share, touching, worker)?;
        let Some(fill) = &self.fill else {
            return match uncovered {
                Some(slab) => Err(Error::NotCovered { dataset: self.info.name.clone(), slab }),
                None => Ok(()),
            };
        };
        if uncovered.is_some() {
            fill.value(&self.info)?.fill(out);
        }
        if let Some(filled) = &self.filled {
            filled.add(self.count_filled(share, uncovered.is_some(), worker)?);
        }
        Ok(())
    }

    /// Reads these regions of `share`, filling those that are missing if that is asked for.
    fn paint(&self, share: &Slab, regions: &[u32], out: &mut [u8], worker: &Worker) -> Result<()> {
        self.regions.read(share, regions, out, worker, |region| match &self.fill {
            Some(fill) if fill.fills_missing() && !region.origin.is_there()? => {
                Ok(Paint::Value(fill.value(&self.info)?))
            }
            _ => Ok(Paint::Source(&region.source)),
        })
    }
}

/// Begins the identity of a layout, which has no sources yet.
fn begin_identity(info: &DatasetInfo) -> IdentityBuilder {
    let identity = Identity::builder("layout").field("shape", info.shape.to_string());
    identity.field("dtype", info.dtype.to_string())
}

/// In which order regions are read, where some are computed: those of layer 0, the first that is
/// computed, those of layer 1, the next, and so on. A region that meets no computed one which was
/// placed before it is of layer 0: so all files are read at once, unless they lie over something
/// that is computed.
struct Layers {
    computed: Vec<u32>,
    /// The layer of each region that the layout reads itself.
    of: BTreeMap<u32, usize>,
}

/// What a region is painted with.
enum Paint<'a> {
    Source(&'a Arc<dyn ChunkSource>),
    Value(Scalar),
}

impl Region {
    #[cfg(feature = "hdf5")]
    pub(crate) fn name(&self) -> String {
        self.source.info().name.clone()
    }

    /// Returns what is read of it where it is missing, as far as costs go.
    fn constant(&self) -> Constant {
        let info = self.source.info();
        Constant::like(info, Scalar::zero(info.dtype.clone()))
    }

    /// Adds it to the identity of a layout.
    fn identify(&self, builder: Option<IdentityBuilder>) -> Option<IdentityBuilder> {
        let (builder, identity) = builder.zip(self.source.info().identity)?;
        Some(builder.input(&identity).field("at", format!("{:?}", self.place)))
    }

    /// Where it begins and ends along the first axis.
    fn along_first(&self) -> std::ops::Range<u64> {
        if self.place.steps.is_empty() { 0..1 } else { self.place.range(0) }
    }
}

impl Regions {
    fn push(&mut self, region: Region) {
        let range = region.along_first();
        let number = self.placed.len() as u32;
        let start_of = |number: u32| self.placed[number as usize].along_first().start;
        let at = self.by_start.partition_point(|number| start_of(*number) <= range.start);
        self.by_start.insert(at, number);
        self.reach.insert(at, 0);
        self.placed.push(region);
        let mut reach = at.checked_sub(1).map_or(0, |before| self.reach[before]);
        for place in at..self.by_start.len() {
            let region = &self.placed[self.by_start[place] as usize];
            reach = reach.max(region.along_first().end);
            if place > at && self.reach[place] == reach {
                break;
            }
            self.reach[place] = reach;
        }
    }

    /// The regions that have something in `slab`, in the order in which they were placed.
    fn touching(&self, slab: &Slab) -> Vec<u32> {
        let (start, end) = if slab.ndim() == 0 { (0, 1) } else { (slab.start()[0], slab.end(0)) };
        let first_after =
            self.by_start.partition_point(|number| self.placed[*number as usize].along_first().start < end);
        let first = self.reach.partition_point(|reach| *reach <= start);
        let near = self.by_start[first.min(first_after)..first_after].iter().copied();
        let mut touching: Vec<u32> =
            near.filter(|number| self.placed[*number as usize].place.within(slab).is_some()).collect();
        touching.sort_unstable();
        touching
    }

    /// Some of `slab` that none of the `touching` regions covers.
    fn uncovered(&self, slab: &Slab, touching: &[u32], worker: &Worker) -> Result<Option<Slab>> {
        if slab.is_empty() {
            return Ok(None);
        }
        let mut places = touching.iter().map(|number| &self.placed[*number as usize].place);
        if places.all(Place::is_dense) {
            let mut left = vec![slab.clone()];
            for number in touching {
                let covered = self.placed[*number as usize].place.slab();
                left = left.iter().flat_map(|piece| without(piece, &covered)).collect();
            }
            return Ok(left.into_iter().next());
        }
        let mut filled = worker.scratch(slab.elements() as usize)?;
        filled.fill(1);
        self.read(slab, touching, &mut filled, worker, |_| Ok(Paint::Value(Scalar::from(false))))?;
        let Some(first) = filled.iter().position(|filled| *filled == 1) else { return Ok(None) };
        let position = slab.positions().nth(first).unwrap_or_default();
        Ok(Some(Slab::new(position, vec![1; slab.ndim()])))
    }

    /// Scratch of [`Regions::uncovered`].
    fn uncovered_scratch(&self, slab: &Slab, touching: &[u32]) -> u64 {
        let dense = touching.iter().all(|number| self.placed[*number as usize].place.is_dense());
        if dense { 0 } else { slab.elements() }
    }

    /// Paints the regions over the buffer of `slab`, one after another.
    fn read<'a>(
        &'a self,
        slab: &Slab,
        touching: &[u32],
        out: &mut [u8],
        worker: &Worker,
        paint: impl Fn(&'a Region) -> Result<Paint<'a>>,
    ) -> Result<()> {
        for number in touching {
            worker.check()?;
            let region = &self.placed[*number as usize];
            let Some((from, to)) = region.place.within(slab) else { continue };
            let read = |source: &dyn ChunkSource, out: &mut [u8]| {
                let spread = region.place.spread();
                let reading = Reading::of_spread(source.info(), &from, &to, spread, slab, worker.threads());
                reading.read(source, out, worker)
            };
            match paint(region)? {
                Paint::Source(source) => read(&**source, out)?,
                Paint::Value(value) => read(&Constant::like(region.source.info(), value), out)?,
            }
        }
        Ok(())
    }

    /// Returns what reading those regions costs that a layout reads itself; `absent` says which are
    /// not read.
    fn cost(&self, slab: &Slab, threads: usize, absent: impl Fn(&Region) -> Result<bool>) -> Result<Cost> {
        let touching = self.touching(slab);
        let mut cost = Cost::default();
        for number in touching.iter().filter(|number| self.is_own(**number)) {
            let region = &self.placed[*number as usize];
            let Some((from, to)) = region.place.within(slab) else { continue };
            let spread = region.place.spread();
            let reading = Reading::of_spread(region.source.info(), &from, &to, spread, slab, threads);
            match reading.cost(&*region.source, threads) {
                Ok(each) => after(&mut cost, &each, 1),
                Err(_) if absent(region)? => after(&mut cost, &reading.cost(&region.constant(), threads)?, 1),
                Err(error) => return Err(error),
            }
        }
        // Painting the mask of what is covered takes a window, too.
        let covering = self.uncovered_scratch(slab, &touching).saturating_mul(2);
        cost.scratch_bytes = cost.scratch_bytes.saturating_add(covering);
        Ok(cost)
    }

    /// Returns whether a layout reads this region itself.
    fn is_own(&self, number: u32) -> bool {
        self.placed[number as usize].input.is_none()
    }

    fn layers(&self, touching: &[u32]) -> Layers {
        let mut layers = Layers { computed: Vec::new(), of: BTreeMap::new() };
        for number in touching {
            if !self.is_own(*number) {
                layers.computed.push(*number);
                continue;
            }
            let place = &self.placed[*number as usize].place;
            let below = layers.computed.iter().rposition(|other| self.placed[*other as usize].place.meets(place));
            layers.of.insert(*number, below.map_or(0, |below| below + 1));
        }
        layers
    }
}

/// What is left of `piece` without `hole`.
fn without(piece: &Slab, hole: &Slab) -> Vec<Slab> {
    let Some(common) = piece.intersection(hole) else { return vec![piece.clone()] };
    let mut left = Vec::new();
    let mut core = piece.clone();
    for axis in 0..piece.ndim() {
        let (start, end) = (core.start()[axis], core.end(axis));
        for range in [start..common.start()[axis], common.end(axis)..end] {
            if !range.is_empty() {
                left.push(core.with_axis(axis, range));
            }
        }
        core = core.with_axis(axis, common.start()[axis]..common.end(axis));
    }
    left
}

impl fmt::Debug for VirtualLayout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let layout = &mut f.debug_struct("VirtualLayout");
        layout.field("info", &self.info).field("fill", &self.fill).field("sources", &self.len()).finish_non_exhaustive()
    }
}

impl fmt::Debug for FilledMask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FilledMask").field("info", &self.info).finish_non_exhaustive()
    }
}

/// The name, shape, dtype and size.
impl fmt::Display for VirtualLayout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        summary(&self.info, f)
    }
}

impl ChunkSource for VirtualLayout {
    fn info(&self) -> &DatasetInfo {
        &self.info
    }

    /// A layout of files and other leaves is a leaf.
    fn operation(&self) -> Option<&dyn Operation> {
        if self.inputs.is_empty() { None } else { Some(self) }
    }

    fn held_bytes(&self) -> u64 {
        let mut pools: Vec<&Arc<SourcePool>> = Vec::new();
        let mut held = self.regions.bytes() + (self.inputs.capacity() * size_of::<Arc<dyn ChunkSource>>()) as u64;
        for region in self.regions.placed.iter().filter(|region| region.input.is_none()) {
            if region.origin.pool().is_none() || region.source.operation().is_some() {
                // Of what is taken of a file, the lists; the file is its pool's.
                held = held.saturating_add(region.source.held_bytes());
            }
            pools.extend(region.origin.pool().filter(|pool| !pools.iter().any(|known| Arc::ptr_eq(known, pool))));
        }
        pools.iter().fold(held, |held, pool| held.saturating_add(pool.held_bytes()))
    }

    fn cost(&self, slab: &Slab, threads: usize) -> Result<Cost> {
        if slab.is_empty() {
            return Ok(Cost::default());
        }
        let fills_missing = self.fill.as_ref().is_some_and(Fill::fills_missing);
        let absent = |region: &Region| Ok(fills_missing && !region.origin.is_there()?);
        cost_of_shares(&self.shares(slab, threads), threads, |share, threads| {
            let mut cost = self.regions.cost(share, threads, absent)?;
            // The mask of what is filled, and the window that it is painted from.
            let counting = if self.filled.is_some() { share.elements().saturating_mul(2) } else { 0 };
            cost.scratch_bytes = cost.scratch_bytes.saturating_add(counting);
            Ok(cost)
        })
    }

    fn read_into(&self, slab: &Slab, out: &mut [u8], worker: &Worker) -> Result<()> {
        if self.operation().is_some() {
            return read_node(self, slab, out, worker);
        }
        slab.check(&self.info, out.len())?;
        if out.is_empty() { Ok(()) } else { self.read_own(slab, None, out, worker) }
    }
}

impl Operation for VirtualLayout {
    fn name(&self) -> &'static str {
        "block"
    }

    fn inputs(&self) -> &[Arc<dyn ChunkSource>] {
        &self.inputs
    }

    fn over(&self, inputs: Vec<Arc<dyn ChunkSource>>) -> Result<Arc<dyn ChunkSource>> {
        check_inputs(self, &inputs)?;
        let mut layout = self.clone();
        for region in &mut Arc::make_mut(&mut layout.regions).placed {
            if let Some(input) = region.input {
                region.source = Arc::clone(&inputs[input as usize]);
            }
        }
        let begun = Some(begin_identity(&self.info));
        layout.identity = layout.regions.placed.iter().fold(begun, |builder, region| region.identify(builder));
        layout.inputs = inputs;
        layout.identify();
        Ok(Arc::new(layout))
    }

    fn reduction(&self) -> Option<&dyn Reduction> {
        None
    }

    fn compute(&self, slab: &Slab, threads: usize, steps: &mut dyn Stepper) -> Result<()> {
        let layers = self.regions.layers(&self.regions.touching(slab));
        let read_layer = |layer: usize, steps: &mut dyn Stepper| {
            steps.step(&[], &mut |_, out, worker| self.read_own(slab, Some((&layers, layer)), out, worker))
        };
        let used: BTreeSet<usize> = layers.of.values().copied().collect();
        read_layer(0, steps)?;
        let sample = Sample::new(layers.computed.len() as u64, steps.sample());
        let most = steps.sample().map(|most| most / sample.len().max(1));
        for computed in sample.numbers() {
            let region = &self.regions.placed[layers.computed[computed as usize] as usize];
            if let (Some(input), Some((from, to))) = (region.input, region.place.within(slab)) {
                let spread = region.place.spread();
                let reading = Reading::of_spread(region.source.info(), &from, &to, spread, slab, threads);
                reading.step(input as usize, most, sample.times, steps)?;
            }
            let above = computed as usize + 1;
            if used.contains(&above) {
                read_layer(above, steps)?;
            }
        }
        Ok(())
    }
}

impl Regions {
    /// Bytes of the lists.
    fn bytes(&self) -> u64 {
        let axes = self.placed.first().map_or(0, |region| region.place.steps.len());
        let each = size_of::<Region>() + axes * (size_of::<crate::selection::Steps>() + size_of::<usize>()) + 12;
        (self.placed.capacity() * each) as u64
    }
}

impl ChunkSource for FilledMask {
    fn info(&self) -> &DatasetInfo {
        &self.info
    }

    /// It reads nothing of the sources.
    fn operation(&self) -> Option<&dyn Operation> {
        None
    }

    fn held_bytes(&self) -> u64 {
        self.regions.bytes()
    }

    fn cost(&self, slab: &Slab, _threads: usize) -> Result<Cost> {
        // Where regions are not dense they are painted from a window.
        Ok(Cost::new(slab.elements(), Work::copying(slab.elements())))
    }

    fn read_into(&self, slab: &Slab, out: &mut [u8], worker: &Worker) -> Result<()> {
        slab.check(&self.info, out.len())?;
        out.fill(1);
        let touching = self.regions.touching(slab);
        self.regions.read(slab, &touching, out, worker, |region| {
            let missing = self.fills_missing && !region.origin.is_there()?;
            Ok(Paint::Value(Scalar::from(missing)))
        })
    }
}
