//! Many datasets of one kind in files, in little memory.

use std::path::Path;
use std::sync::Arc;

use chunk_core::{
    ChunkSource, Cost, DatasetInfo, Identity, Location, Operation, Result, Shape, Slab, Worker, check_inside,
    total_cost,
};

use crate::pool::{Expected, Lease};
use crate::stamp::Stamp;
use crate::{SourcePool, VirtualSource};

/// Scratch of a thread that the model of a group may not show: files differ in how well their chunks are compressed.
const UNSHOWN: u64 = 128 << 10;

/// Datasets of files that differ in their paths and along one axis only: columns, not structures.
///
/// Holds for each its path below the common folder, 4 bytes, 32 if identities are known, and 16 if the files were looked
/// at.
#[derive(Clone, Debug)]
pub(crate) struct Files {
    pool: Arc<SourcePool>,
    /// The number of these files in the pool.
    group: u64,
    /// What all have: dtype, chunk shape, fill value; the shape is that of the first.
    pub(crate) first: DatasetInfo,
    scheme: Option<String>,
    dataset: Option<String>,
    /// The folder of the first file. Paths below it are kept without it.
    root: String,
    /// The folder that no file may be outside of, by a symbolic link.
    folder: Option<Arc<Path>>,
    paths: String,
    /// Where in `paths` each ends.
    ends: Vec<u32>,
    /// One for each file, or none at all.
    identities: Vec<Identity>,
    /// One for each file, or none at all.
    stamps: Vec<Stamp>,
}

/// How many files, and the rest that makes it possible to go back to them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mark {
    files: usize,
    bytes: usize,
}

impl Files {
    /// The first file, if it can be kept in columns.
    pub(crate) fn new(source: &VirtualSource) -> Option<Self> {
        let location = source.location();
        let root = location.path().parent().and_then(Path::to_str).unwrap_or_default().to_owned();
        let place = (location.scheme().map(str::to_owned), location.dataset().map(str::to_owned));
        let mut files = Files::empty(source.pool(), source.info().clone(), place, root, source.folder().cloned());
        files.push(source).then_some(files)
    }

    /// Adds a file that differs from the first in nothing but its path, its identity and its extent along an axis;
    /// `false` if it does.
    pub(crate) fn push(&mut self, source: &VirtualSource) -> bool {
        let (location, info) = (source.location(), source.info());
        let alike = Arc::ptr_eq(&self.pool, source.pool())
            && source.folder() == self.folder.as_ref()
            && location.scheme() == self.scheme.as_deref()
            && location.dataset() == self.dataset.as_deref()
            && info.dtype == self.first.dtype
            && info.chunk_shape == self.first.chunk_shape
            && info.fill == self.first.fill
            && info.identity.is_some() == self.first.identity.is_some()
            && (self.ends.is_empty() || source.stamp().is_some() != self.stamps.is_empty());
        let Some(path) = location.path().to_str().filter(|_| alike) else { return false };
        let kept = Path::new(path).strip_prefix(&self.root).ok().and_then(Path::to_str).filter(|kept| !kept.is_empty());
        let kept = if self.root.is_empty() { path } else { kept.unwrap_or(path) };
        let Ok(end) = u32::try_from(self.paths.len() + kept.len()) else { return false };
        self.paths.push_str(kept);
        self.ends.push(end);
        self.identities.extend(info.identity);
        self.stamps.extend(source.stamp());
        true
    }

    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    pub(crate) fn mark(&self) -> Mark {
        Mark { files: self.ends.len(), bytes: self.paths.len() }
    }

    /// Forgets what was added since `mark`.
    pub(crate) fn truncate(&mut self, mark: Mark) {
        self.paths.truncate(mark.bytes);
        self.ends.truncate(mark.files);
        self.identities.truncate(mark.files);
        self.stamps.truncate(mark.files);
    }

    pub(crate) fn pool(&self) -> &Arc<SourcePool> {
        &self.pool
    }

    pub(crate) fn identity(&self, index: usize) -> Option<Identity> {
        self.identities.get(index).copied()
    }

    /// What the file was when it was looked at, if it was.
    pub(crate) fn stamp(&self, index: usize) -> Option<Stamp> {
        self.stamps.get(index).copied()
    }

    /// No file yet: they are added by [`Files::push_path`].
    pub(crate) fn empty(
        pool: &Arc<SourcePool>,
        first: DatasetInfo,
        (scheme, dataset): (Option<String>, Option<String>),
        root: String,
        folder: Option<Arc<Path>>,
    ) -> Self {
        let (paths, ends, identities, stamps) = (String::new(), Vec::new(), Vec::new(), Vec::new());
        let pool = Arc::clone(pool);
        Files { group: pool.new_group(), pool, first, scheme, dataset, root, folder, paths, ends, identities, stamps }
    }

    /// Adds a file by its path below the root; `false` if there is no room.
    pub(crate) fn push_path(&mut self, path: &str, stamp: Stamp) -> bool {
        let Ok(end) = u32::try_from(self.paths.len() + path.len()) else { return false };
        self.paths.push_str(path);
        self.ends.push(end);
        self.stamps.push(stamp);
        true
    }

    /// What all files have in their locations.
    pub(crate) fn place(&self) -> (Option<&str>, Option<&str>) {
        (self.scheme.as_deref(), self.dataset.as_deref())
    }

    /// Bytes that the columns take.
    pub(crate) fn bytes(&self) -> u64 {
        let columns = self.paths.capacity()
            + self.ends.capacity() * size_of::<u32>()
            + self.identities.capacity() * size_of::<Identity>()
            + self.stamps.capacity() * size_of::<Stamp>();
        (columns + size_of::<Files>()) as u64
    }

    pub(crate) fn location(&self, index: usize) -> Location {
        let start = index.checked_sub(1).map_or(0, |before| self.ends[before]) as usize;
        let path = Path::new(&self.root).join(&self.paths[start..self.ends[index] as usize]);
        let mut location = Location::new(path);
        if let Some(scheme) = &self.scheme {
            location = location.with_scheme(scheme);
        }
        if let Some(dataset) = &self.dataset {
            location = location.with_dataset(dataset);
        }
        location
    }

    /// One of the files, of `shape`, as a source of its own that shares what is open of it.
    pub(crate) fn virtual_source(&self, index: usize, shape: Shape) -> VirtualSource {
        let FileSource { location, info, .. } = self.source(index, shape);
        let key = (self.group, index as u64);
        VirtualSource::of_many(&self.pool, key, location, info, (self.stamp(index), self.folder.clone()))
    }

    /// Checks that a file is in the folder that it may not leave.
    pub(crate) fn check_place(&self, location: &Location) -> Result<()> {
        self.folder.as_ref().map_or(Ok(()), |folder| check_inside(location.path(), folder))
    }

    /// One of the files as a source, of `shape`.
    pub(crate) fn source(&self, index: usize, shape: Shape) -> FileSource<'_> {
        let location = self.location(index);
        let mut info = self.first.clone().with_name(location.to_string());
        (info.shape, info.identity) = (shape, self.identity(index));
        FileSource { files: self, index, location, info }
    }
}

/// One of many files.
#[derive(Debug)]
pub(crate) struct FileSource<'a> {
    files: &'a Files,
    index: usize,
    location: Location,
    info: DatasetInfo,
}

impl FileSource<'_> {
    /// Whether it can be opened and is what was described.
    pub(crate) fn check(&self) -> Result<()> {
        self.lease().map(drop)
    }

    fn lease(&self) -> Result<Lease> {
        let key = (self.files.group, self.index as u64);
        let (stamp, folder) = (self.files.stamp(self.index), self.files.folder.as_deref());
        self.files.pool.lease(key, &self.location, Expected { info: Some(&self.info), stamp, folder })
    }

    /// Returns what the first file costs for a slab like this one, as far as it reaches: the others
    /// are not opened to plan, unless the first is not there.
    fn model(&self, slab: &Slab, threads: usize) -> Result<Cost> {
        let first = self.files.source(0, self.files.first.shape.clone());
        let Ok(model) = first.lease() else { return total_cost(&*self.lease()?, slab, threads) };
        let start = |axis: usize| slab.start()[axis].min(model.info().shape[axis]);
        let count = |axis: usize| slab.count()[axis].min(model.info().shape[axis] - start(axis));
        let axes = 0..slab.ndim();
        let alike = Slab::new(axes.clone().map(start).collect::<Shape>(), axes.map(count).collect::<Shape>());
        let alike = if alike.is_empty() { Slab::whole(&model.info().shape) } else { alike };
        let mut cost = total_cost(&*model, &alike, threads)?;
        // A larger file may hold more of itself.
        let times = self.info.bytes().div_ceil(model.info().bytes().max(1)).max(1);
        cost.scratch_bytes = cost.scratch_bytes.saturating_mul(times);
        if alike.count() != slab.count() {
            cost.work = cost.work.times(slab.elements().div_ceil(alike.elements().max(1)));
        }
        Ok(cost)
    }
}

impl ChunkSource for FileSource<'_> {
    fn info(&self) -> &DatasetInfo {
        &self.info
    }

    fn operation(&self) -> Option<&dyn Operation> {
        None
    }

    fn held_bytes(&self) -> u64 {
        self.files.pool.held_bytes()
    }

    fn cost(&self, slab: &Slab, threads: usize) -> Result<Cost> {
        let mut cost = self.model(slab, threads)?;
        cost.scratch_bytes = cost.scratch_bytes.saturating_add(cost.scratch_bytes / 4).saturating_add(unshown(threads));
        Ok(cost)
    }

    fn read_into(&self, slab: &Slab, out: &mut [u8], worker: &Worker) -> Result<()> {
        slab.check(&self.info, out.len())?;
        let source = self.lease()?;
        let needed = total_cost(&*source, slab, worker.threads())?.scratch_bytes;
        // The model is looked at only where it matters.
        let enough = needed <= unshown(worker.threads());
        let promised = if enough { needed } else { self.cost(slab, worker.threads())?.scratch_bytes };
        let beyond = needed.saturating_sub(promised);
        let _reserved = (beyond > 0).then(|| self.files.pool.reserve(beyond, &self.info.name)).transpose()?;
        source.read_into(slab, out, worker)
    }
}

fn unshown(threads: usize) -> u64 {
    UNSHOWN * threads as u64
}
