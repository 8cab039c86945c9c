//! Many sources end to end.

use std::fmt;
use std::sync::Arc;

use chunk_core::{
    Bytes, Casting, ChunkSource, Cost, DType, DatasetInfo, Error, Identity, IdentityBuilder, Operation, Reduction,
    Result, Shape, Slab, Stepper, Worker, cast_if_needed, check_inputs, read_node, result_type,
};

use crate::casted::Casted;
use crate::ends::Ends;
use crate::files::{Files, Mark};
use crate::reading::{Reading, Sample, after, cost_of_shares};
use crate::{AnySource, SourcePool};

/// More kinds of files than this are not looked through for one that a new file is of.
const KINDS_LOOKED_AT: usize = 8;
/// Shares of the parts for each thread, so that none waits long for another.
const SHARES: usize = 4;

/// Sources end to end along one axis, as one source.
///
/// The sources may be of any kind: [`VirtualSource`](crate::VirtualSource)s, arrays in memory, selections, other stacks,
/// mixed as one likes. They have the same shape but along the axis, and the same dtype, unless the stack is to promote.
/// It is sliced as every source is, by [`Selected`](crate::Selected).
///
/// Reading shares the sources among the worker's threads, each into its part of the buffer. Sources
/// that are computed, such as selections, are inputs of the stack: a plan looks into them. It reads
/// all others itself.
///
/// # Memory
/// 12 bytes for each source and 8 where extents differ. A [`VirtualSource`](crate::VirtualSource)
/// is taken apart: it adds its path below the folder of the first, 4 bytes, and 32 if its identity
/// is known.
///
/// # Examples
/// ```
/// use std::sync::Arc;
///
/// use chunk_core::{ChunkSource, ChunkSourceExt, MemorySource};
/// use chunk_virtual::{Selected, VirtualStack, select};
///
/// let parts = [[1, 2, 3, 4], [5, 6, 7, 8]].map(|rows| Arc::new(MemorySource::new([2, 2], &rows).unwrap()));
/// let stack = VirtualStack::new(parts, 0)?;
/// assert_eq!(stack.info().shape, [4, 2].into());
/// let every_second = Selected::new(Arc::new(stack), &select![..; -2])?;
/// assert_eq!(every_second.read_all::<i32>()?, [7, 8, 3, 4]);
/// # Ok::<(), chunk_core::Error>(())
/// ```
#[derive(Clone)]
pub struct VirtualStack {
    pub(crate) axis: usize,
    pub(crate) promote: bool,
    pub(crate) info: DatasetInfo,
    pub(crate) ends: Ends,
    pub(crate) parts: Vec<Part>,
    pub(crate) files: Vec<Files>,
    /// Sources that read their elements themselves, and are no files.
    leaves: Vec<Arc<dyn ChunkSource>>,
    computed: Computed,
    /// The identity of the sources so far but for those that are computed, unless one has none.
    identity: Option<IdentityBuilder>,
}

/// Where a source of a stack is kept.
#[derive(Clone, Copy)]
pub(crate) enum Part {
    Leaf(u32),
    Computed(u32),
    File { kind: u32, index: u32 },
}

/// The sources of a stack that are computed.
#[derive(Clone)]
struct Computed {
    sources: Vec<Arc<dyn ChunkSource>>,
    /// The same, cast to the stack's dtype.
    inputs: Vec<Arc<dyn ChunkSource>>,
    /// The identity of the inputs, unless one has none.
    identity: Option<IdentityBuilder>,
}

impl Computed {
    fn new(sources: Vec<Arc<dyn ChunkSource>>) -> Self {
        Computed { sources, inputs: Vec::new(), identity: Some(Identity::builder("computed")) }
    }

    /// Casts the sources that were added, or all if the stack has another dtype than before.
    fn cast(&mut self, dtype: &DType) -> Result<()> {
        if self.inputs.len() > self.sources.len() || self.inputs.first().is_some_and(|x| x.info().dtype != *dtype) {
            *self = Computed::new(std::mem::take(&mut self.sources));
        }
        for source in &self.sources[self.inputs.len()..] {
            let input = cast_if_needed(Arc::clone(source), dtype, Casting::Safe)?;
            let hashed = self.identity.take().zip(input.info().identity.as_ref());
            self.identity = hashed.map(|(builder, identity)| builder.input(identity));
            self.inputs.push(input);
        }
        Ok(())
    }
}

impl VirtualStack {
    /// `sources` end to end along `axis`; -1 is their last. One at least.
    ///
    /// # Errors
    /// [`Error::AxisOutOfRange`]; [`Error::InvalidArgument`] without sources, or if their shapes differ elsewhere;
    /// [`Error::DTypeMismatch`].
    pub fn new<S: Into<AnySource>>(sources: impl IntoIterator<Item = S>, axis: isize) -> Result<Self> {
        VirtualStack::made(sources, axis, false)
    }

    /// The same of sources of different dtypes: the stack has the smallest that all may safely become, by NumPy's
    /// [`result_type`], and casts what it reads.
    ///
    /// # Errors
    /// As [`VirtualStack::new`]; [`Error::DTypeMismatch`] if there is no such dtype.
    pub fn promoting<S: Into<AnySource>>(sources: impl IntoIterator<Item = S>, axis: isize) -> Result<Self> {
        VirtualStack::made(sources, axis, true)
    }

    fn made<S: Into<AnySource>>(sources: impl IntoIterator<Item = S>, axis: isize, promote: bool) -> Result<Self> {
        let mut sources = sources.into_iter().map(Into::into);
        let Some(first) = sources.next() else {
            return Err(Error::InvalidArgument("a stack needs a source: without one it has no shape".to_owned()));
        };
        let info = first.info();
        let ndim = info.shape.len();
        let wrapped = if axis < 0 { axis + ndim.cast_signed() } else { axis };
        let axis = usize::try_from(wrapped).map_err(|_| {
            Error::InvalidArgument(format!("axis {axis} is out of range for {}, which has {ndim} axes", info.name))
        })?;
        info.check_axis(axis)?;
        let mut stacked = DatasetInfo::new(info.shape.clone().with_axis(axis, 0), info.dtype.clone());
        stacked.chunk_shape.clone_from(&info.chunk_shape);
        stacked.fill.clone_from(&info.fill);
        stacked.name = format!("stack of {}", info.name);
        let identity = Some(Identity::builder("stack").field("axis", axis.to_string()));
        let (ends, parts, files, leaves) = (Ends::new(), Vec::new(), Vec::new(), Vec::new());
        let computed = Computed::new(Vec::new());
        let mut stack = VirtualStack { axis, promote, info: stacked, ends, parts, files, leaves, computed, identity };
        stack.extend(std::iter::once(first).chain(sources))?;
        Ok(stack)
    }

    /// A stack of `files`, whose parts and their ends are known to be right.
    pub(crate) fn of_files(
        (axis, promote): (usize, bool),
        (ends, parts, files): (Ends, Vec<Part>, Vec<Files>),
        identity: IdentityBuilder,
    ) -> Result<Self> {
        let Some(first) = files.first().map(|files| files.first.clone()) else {
            return Err(Error::InvalidArgument("a stack needs a source: without one it has no shape".to_owned()));
        };
        let mut info = DatasetInfo::new(first.shape.clone(), first.dtype.clone());
        info.chunk_shape.clone_from(&first.chunk_shape);
        let (leaves, computed, identity) = (Vec::new(), Computed::new(Vec::new()), Some(identity));
        let mut stack = VirtualStack { axis, promote, info, ends, parts, files, leaves, computed, identity };
        for kind in 0..stack.files.len() {
            let info = stack.files[kind].first.clone();
            stack.check(&info)?;
            stack.info.dtype = stack.joint_dtype(&info)?;
            stack.info.chunk_shape = joint_chunk_shape(stack.info.chunk_shape.take(), info.chunk_shape.as_ref());
        }
        stack.describe()?;
        Ok(stack)
    }

    /// Adds a source at the end. If it does not fit, the stack is unchanged.
    ///
    /// # Errors
    /// As [`VirtualStack::new`].
    pub fn append(&mut self, source: impl Into<AnySource>) -> Result<()> {
        self.extend([source])
    }

    /// Adds sources at the end. If one does not fit, the stack is unchanged.
    ///
    /// # Errors
    /// As [`VirtualStack::new`].
    pub fn extend<S: Into<AnySource>>(&mut self, sources: impl IntoIterator<Item = S>) -> Result<()> {
        let before = (self.info.clone(), self.identity.clone());
        let marks: Vec<Mark> = self.files.iter().map(Files::mark).collect();
        let (parts, leaves, computed) = (self.parts.len(), self.leaves.len(), self.computed.sources.len());
        let added = sources.into_iter().try_for_each(|source| self.push(source.into()));
        let added = added.and_then(|()| self.describe());
        if added.is_err() {
            self.parts.truncate(parts);
            self.leaves.truncate(leaves);
            self.computed.sources.truncate(computed);
            self.ends.truncate(parts);
            self.files.truncate(marks.len());
            self.files.iter_mut().zip(marks).for_each(|(files, mark)| files.truncate(mark));
            (self.info, self.identity) = before;
            // As they were: they were cast to this dtype before.
            self.computed.cast(&self.info.dtype)?;
        }
        added
    }

    /// How many sources there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.parts.len()
    }

    /// Whether there is no source: never.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }

    /// The axis along which the sources stand.
    #[must_use]
    pub fn axis(&self) -> usize {
        self.axis
    }

    /// Where source number `part` begins and ends along the axis.
    ///
    /// # Panics
    /// If there is no such source.
    #[must_use]
    pub fn range(&self, part: usize) -> std::ops::Range<u64> {
        self.ends.start(part)..self.ends.end(part)
    }

    /// Source number `part`, as it was before it was cast to the stack's dtype.
    ///
    /// # Panics
    /// If there is no such source.
    #[must_use]
    pub fn source(&self, part: usize) -> AnySource {
        match self.parts[part] {
            Part::Leaf(leaf) => AnySource::Source(Arc::clone(&self.leaves[leaf as usize])),
            Part::Computed(number) => AnySource::Source(Arc::clone(&self.computed.sources[number as usize])),
            Part::File { kind, index } => {
                let files = &self.files[kind as usize];
                let shape = files.first.shape.clone().with_axis(self.axis, self.ends.extent(part));
                files.virtual_source(index as usize, shape).into()
            }
        }
    }

    /// The sources, in order. None is opened.
    #[must_use]
    pub fn sources(&self) -> impl ExactSizeIterator<Item = AnySource> {
        (0..self.len()).map(|part| self.source(part))
    }

    /// With `name` in messages, until sources are added.
    #[must_use]
    pub fn with_name(mut self, name: impl Into<String>) -> Self {
        self.info.name = name.into();
        self
    }

    /// With axes that may grow, which is said of the virtual dataset that is written of it (`hdf5::Pieces`): it then
    /// grows with its last source, or, along another axis, with all.
    ///
    /// # Errors
    /// What [`DatasetInfo::check`] finds.
    pub fn with_max_shape(mut self, max_shape: impl Into<Vec<Option<u64>>>) -> Result<Self> {
        self.info = self.info.with_max_shape(max_shape);
        self.info.check()?;
        Ok(self)
    }

    fn push(&mut self, source: AnySource) -> Result<()> {
        let info = source.info();
        self.check(info)?;
        let dtype = self.joint_dtype(info)?;
        let extent = info.shape[self.axis];
        if !self.ends.push(extent) {
            return Err(Error::InvalidArgument(format!("with {} the stack is longer than can be counted", info.name)));
        }
        self.info.dtype = dtype;
        self.info.chunk_shape = joint_chunk_shape(self.info.chunk_shape.take(), info.chunk_shape.as_ref());
        self.info.fill = self.info.fill.take().filter(|fill| info.fill.as_ref() == Some(fill));
        let (builder, identity) = (self.identity.take(), info.identity);
        let part = self.part(source)?;
        self.identity = match part {
            // Its own goes in with those of all that are computed.
            Part::Computed(_) => builder.map(|builder| builder.field("part", "computed")),
            _ => builder.zip(identity).map(|(builder, identity)| builder.input(&identity)),
        };
        self.parts.push(part);
        Ok(())
    }

    /// The source as it is kept.
    fn part(&mut self, source: AnySource) -> Result<Part> {
        let file = match source {
            AnySource::Source(source) if source.operation().is_some() => {
                let number = next_number(&self.computed.sources)?;
                self.computed.sources.push(source);
                return Ok(Part::Computed(number));
            }
            AnySource::Source(source) => return self.leaf(source),
            AnySource::File(file) => file,
        };
        let looked_at = self.files.len().saturating_sub(KINDS_LOOKED_AT);
        let known = (looked_at..self.files.len()).rev().find(|kind| self.files[*kind].push(&file));
        let kind = match known {
            Some(kind) => kind,
            None => match Files::new(&file) {
                Some(files) => {
                    self.files.push(files);
                    self.files.len() - 1
                }
                None => return self.leaf(Arc::new(*file)),
            },
        };
        // Each file takes a byte of 4 GiB of paths at least, and each kind a file.
        Ok(Part::File { kind: kind as u32, index: (self.files[kind].len() - 1) as u32 })
    }

    fn leaf(&mut self, source: Arc<dyn ChunkSource>) -> Result<Part> {
        let number = next_number(&self.leaves)?;
        self.leaves.push(source);
        Ok(Part::Leaf(number))
    }

    fn check(&self, info: &DatasetInfo) -> Result<()> {
        let (own, other) = (&self.info.shape, &info.shape);
        if own.len() != other.len() {
            let what = format!("{} has {} axes, the stack has {}", info.name, other.len(), own.len());
            return Err(Error::InvalidArgument(what));
        }
        match (0..own.len()).find(|&at| at != self.axis && own[at] != other[at]) {
            None => Ok(()),
            Some(at) => Err(Error::InvalidArgument(format!(
                "{} has extent {} along axis {at}, the stack has {}; they may differ along axis {} only",
                info.name, other[at], own[at], self.axis
            ))),
        }
    }

    fn joint_dtype(&self, info: &DatasetInfo) -> Result<DType> {
        let own = &self.info.dtype;
        let joint =
            if self.promote { result_type(own, &info.dtype) } else { (*own == info.dtype).then(|| own.clone()) };
        joint.ok_or_else(|| Error::DTypeMismatch {
            dataset: info.name.clone(),
            stored: info.dtype.to_string(),
            requested: format!("{own} like the rest of its stack"),
        })
    }

    /// Brings what the stack says of itself up to its sources.
    fn describe(&mut self) -> Result<()> {
        self.computed.cast(&self.info.dtype)?;
        let (axis, total) = (self.axis, self.ends.total());
        self.info.shape = std::mem::take(&mut self.info.shape).with_axis(axis, total);
        let first = self.with_own(0, |source| source.info().name.clone());
        self.info.name = format!("stack of {} along axis {axis} ({first}, ..)", self.len());
        if self.info.fill.as_ref().is_some_and(|fill| *fill.dtype() != self.info.dtype) {
            self.info.fill = None;
        }
        self.identify();
        if let (Some(chunk_shape), Some(each)) = (&mut self.info.chunk_shape, self.ends.each().filter(|each| *each > 0))
        {
            // Chunks that do not end with their source make no grid; sources do.
            let chunk = chunk_shape[axis];
            if !each.is_multiple_of(chunk) && chunk > each / 2 {
                *chunk_shape = std::mem::take(chunk_shape).with_axis(axis, each);
            }
        }
        self.info.check()
    }

    fn identify(&mut self) {
        let own = self.identity.clone().map(|builder| builder.field("dtype", self.info.dtype.to_string()));
        self.info.identity = match &self.computed.identity {
            _ if self.computed.inputs.is_empty() => own.map(IdentityBuilder::finish),
            None => None,
            Some(computed) => own.map(|builder| builder.input(&computed.clone().finish()).finish()),
        };
    }

    /// Calls `work` with a part.
    pub(crate) fn with_own<T>(&self, part: usize, work: impl FnOnce(&dyn ChunkSource) -> T) -> T {
        match self.parts[part] {
            Part::Leaf(leaf) => work(&*self.leaves[leaf as usize]),
            Part::Computed(number) => work(&*self.computed.sources[number as usize]),
            Part::File { kind, index } => {
                let files = &self.files[kind as usize];
                let shape = files.first.shape.clone().with_axis(self.axis, self.ends.extent(part));
                work(&files.source(index as usize, shape))
            }
        }
    }

    /// Calls `work` with a part, cast to the stack's dtype.
    fn with_part<T>(&self, part: usize, work: impl FnOnce(&dyn ChunkSource) -> Result<T>) -> Result<T> {
        self.with_own(part, |source| {
            if source.info().dtype == self.info.dtype {
                return work(source);
            }
            work(&Casted::new(source, &self.info.dtype)?)
        })
    }

    /// The parts that hold some of `slab`, which is not empty.
    fn touched(&self, slab: &Slab) -> std::ops::Range<usize> {
        let (first, last) = (slab.start()[self.axis], slab.end(self.axis) - 1);
        self.ends.find(first)..self.ends.find(last) + 1
    }

    /// What `slab` has of `part`: in the part, and in the stack; `None` if nothing.
    fn regions(&self, part: usize, slab: &Slab) -> Option<(Slab, Slab)> {
        let axis = self.axis;
        let start = self.ends.start(part);
        let (first, end) = (slab.start()[axis].max(start), slab.end(axis).min(self.ends.end(part)));
        (first < end).then(|| (slab.with_axis(axis, first - start..end - start), slab.with_axis(axis, first..end)))
    }

    /// How `slab` is shared among `threads`: pieces that lie one after another in its buffer, and threads for each.
    fn shares(&self, slab: &Slab, threads: usize) -> Vec<Slab> {
        let touched = self.touched(slab);
        if touched.len() == 1 || threads == 1 {
            return vec![slab.clone()];
        }
        let Some(outermost) = slab.outermost_axis() else { return vec![slab.clone()] };
        if outermost != self.axis {
            let align = self.info.chunk_shape.as_ref().map_or(1, |chunk_shape| chunk_shape[outermost]);
            return slab.split(threads as u64, align);
        }
        let shares = touched.len().min(threads * SHARES);
        let bound = |share: usize| touched.start + touched.len() * share / shares;
        let (start, end) = (slab.start()[outermost], slab.end(outermost));
        let cut = |part: usize| if part >= self.len() { end } else { self.ends.start(part).clamp(start, end) };
        let ranges = (0..shares).map(|share| cut(bound(share))..cut(bound(share + 1)));
        ranges.filter(|range| !range.is_empty()).map(|range| slab.with_axis(outermost, range)).collect()
    }

    /// Reads the parts of `slab` that are not computed.
    fn read_own(&self, slab: &Slab, out: &mut [u8], worker: &Worker) -> Result<()> {
        let (shares, size) = (self.shares(slab, worker.threads()), self.info.dtype.size());
        worker.for_each_slab(shares, out, size, |share, bytes, worker| self.read_share(share, bytes, worker))
    }

    fn read_share(&self, share: &Slab, out: &mut [u8], worker: &Worker) -> Result<()> {
        for part in self.touched(share).filter(|part| self.is_own(*part)) {
            worker.check()?;
            let Some((from, to)) = self.regions(part, share) else { continue };
            self.with_part(part, |source| {
                Reading::of_region(source.info(), &from, &to, share, worker.threads()).read(source, out, worker)
            })?;
        }
        Ok(())
    }

    fn share_cost(&self, share: &Slab, threads: usize) -> Result<Cost> {
        let mut cost = Cost::default();
        let touched = self.touched(share);
        let mut part = touched.start;
        while part < touched.end {
            let alike = self.alike(part, touched.end);
            if let Some((from, to)) = self.regions(part, share).filter(|_| self.is_own(part)) {
                let each = self.with_part(part, |source| {
                    Reading::of_region(source.info(), &from, &to, share, threads).cost(source, threads)
                })?;
                after(&mut cost, &each, alike);
            }
            part += alike as usize;
        }
        Ok(cost)
    }

    /// Returns whether the stack reads a part itself.
    fn is_own(&self, part: usize) -> bool {
        !matches!(self.parts[part], Part::Computed(_))
    }

    /// How many parts from `part` on, before `end`, cost the same: files of a kind between the first and the last.
    fn alike(&self, part: usize, end: usize) -> u64 {
        let Part::File { kind, .. } = self.parts[part] else { return 1 };
        if self.ends.each().is_none() || part == 0 {
            return 1;
        }
        let same = |other: &Part| matches!(other, Part::File { kind: other, .. } if *other == kind);
        let inner = end.saturating_sub(1).min(self.len() - 1).max(part);
        let count = self.parts[part..inner].iter().take_while(|other| same(other)).count();
        count.max(1) as u64
    }
}

fn next_number(sources: &[Arc<dyn ChunkSource>]) -> Result<u32> {
    u32::try_from(sources.len())
        .map_err(|_| Error::InvalidArgument("a stack has room for 2^32 sources that are no files".to_owned()))
}

/// The chunk shape that suits both: sources without chunks suit any.
fn joint_chunk_shape(own: Option<Shape>, other: Option<&Shape>) -> Option<Shape> {
    match (own, other) {
        (Some(own), Some(other)) => Some(own.iter().zip(other.iter()).map(|(a, b)| *a.max(b)).collect()),
        (own, other) => own.or_else(|| other.cloned()),
    }
}

impl fmt::Debug for VirtualStack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stack = &mut f.debug_struct("VirtualStack");
        stack.field("info", &self.info).field("axis", &self.axis).field("sources", &self.len()).finish_non_exhaustive()
    }
}

/// The name, shape, dtype and size.
impl fmt::Display for VirtualStack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        summary(&self.info, f)
    }
}

pub(crate) fn summary(info: &DatasetInfo, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let (elements, bytes) = (info.shape.elements(), Bytes(info.bytes()));
    write!(f, "{}: {} {}, {elements} elements, {bytes}", info.name, info.shape, info.dtype)
}

impl ChunkSource for VirtualStack {
    fn info(&self) -> &DatasetInfo {
        &self.info
    }

    /// A stack of files and other leaves is a leaf.
    fn operation(&self) -> Option<&dyn Operation> {
        if self.computed.inputs.is_empty() { None } else { Some(self) }
    }

    fn held_bytes(&self) -> u64 {
        let mut pools: Vec<&Arc<SourcePool>> = Vec::new();
        for files in &self.files {
            if !pools.iter().any(|pool| Arc::ptr_eq(pool, files.pool())) {
                pools.push(files.pool());
            }
        }
        let vectors = self.leaves.capacity() + self.computed.sources.capacity() + self.computed.inputs.capacity();
        let vectors = vectors * size_of::<Arc<dyn ChunkSource>>();
        let columns = (self.parts.capacity() * size_of::<Part>() + vectors) as u64 + self.ends.bytes();
        let files = self.files.iter().map(Files::bytes).chain(pools.iter().map(|pool| pool.held_bytes()));
        files.chain(self.leaves.iter().map(ChunkSource::held_bytes)).fold(columns, u64::saturating_add)
    }

    fn cost(&self, slab: &Slab, threads: usize) -> Result<Cost> {
        if slab.is_empty() {
            return Ok(Cost::default());
        }
        cost_of_shares(&self.shares(slab, threads), threads, |share, threads| self.share_cost(share, threads))
    }

    fn read_into(&self, slab: &Slab, out: &mut [u8], worker: &Worker) -> Result<()> {
        if self.operation().is_some() {
            return read_node(self, slab, out, worker);
        }
        slab.check(&self.info, out.len())?;
        if out.is_empty() { Ok(()) } else { self.read_own(slab, out, worker) }
    }
}

impl Operation for VirtualStack {
    fn name(&self) -> &'static str {
        "concatenate"
    }

    fn inputs(&self) -> &[Arc<dyn ChunkSource>] {
        &self.computed.inputs
    }

    fn over(&self, inputs: Vec<Arc<dyn ChunkSource>>) -> Result<Arc<dyn ChunkSource>> {
        check_inputs(self, &inputs)?;
        let mut stack = VirtualStack { computed: Computed::new(inputs), ..self.clone() };
        stack.computed.cast(&self.info.dtype)?;
        stack.identify();
        Ok(Arc::new(stack))
    }

    fn reduction(&self) -> Option<&dyn Reduction> {
        None
    }

    fn compute(&self, slab: &Slab, threads: usize, steps: &mut dyn Stepper) -> Result<()> {
        let touched = self.touched(slab);
        if touched.clone().any(|part| self.is_own(part)) {
            steps.step(&[], &mut |_, out, worker| self.read_own(slab, out, worker))?;
        }
        let computed: Vec<(usize, usize)> = touched
            .filter_map(|part| match self.parts[part] {
                Part::Computed(input) => Some((part, input as usize)),
                _ => None,
            })
            .collect();
        let sample = Sample::new(computed.len() as u64, steps.sample());
        let most = steps.sample().map(|most| most / sample.len().max(1));
        for number in sample.numbers() {
            let (part, input) = computed[number as usize];
            let Some((from, to)) = self.regions(part, slab) else { continue };
            let info = self.computed.inputs[input].info();
            Reading::of_region(info, &from, &to, slab, threads).step(input, most, sample.times, steps)?;
        }
        Ok(())
    }
}
