//! A dataset of a file that is opened when it is read.

use std::fmt;
use std::path::{Path, absolute};
use std::sync::{Arc, OnceLock};

use chunk_core::{
    ChunkSource, Cost, DatasetInfo, Error, Location, Operation, Result, Slab, Worker, total_cost, total_held_bytes,
};

use crate::SourcePool;
use crate::pool::{Expected, Key, Lease};
use crate::stack::summary;
use crate::stamp::Stamp;

/// A dataset known by its location and description, opened when it is read, by the backends of a [`SourcePool`].
///
/// Any number of them can be there at once. What is opened must be what was described: another shape, another dtype,
/// or a file that was written to since (if the description has an identity), is [`Error::SourceChanged`].
///
/// A file's path is made absolute when the source is made: the working directory may change afterwards.
///
/// # Examples
/// ```
/// use std::sync::Arc;
///
/// use chunk_core::{ChunkSourceExt, DType, DatasetInfo, MemoryBackend, MemorySource, Registry};
/// use chunk_virtual::{SourcePool, VirtualSource};
///
/// let memory = MemoryBackend::new();
/// let pool = Arc::new(SourcePool::new(Registry::new().with(memory.clone())));
/// let x = VirtualSource::new(&pool, "memory:x".parse()?, DatasetInfo::new([2], DType::I32))?;
/// assert!(x.read_all::<i32>().is_err()); // it is not there yet
/// memory.insert("x", MemorySource::new([2], &[3, 4])?);
/// assert_eq!(x.read_all::<i32>()?, [3, 4]);
/// # Ok::<(), chunk_core::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct VirtualSource {
    pool: Arc<SourcePool>,
    key: Key,
    location: Location,
    info: DatasetInfo,
    /// What the file was when it was looked at.
    stamp: Option<Stamp>,
    /// The folder that the file may not be outside of, by a symbolic link.
    folder: Option<Arc<Path>>,
    /// What it holds while it is open, once that is known; clones share it.
    held: Arc<OnceLock<u64>>,
}

impl VirtualSource {
    /// The dataset at `location`, which is what `info` says: shape, dtype, and chunk shape and identity if they are
    /// known. Nothing is opened. Its name becomes the location.
    ///
    /// # Errors
    /// What [`DatasetInfo::check`] finds; [`Error::Io`] without a working directory.
    pub fn new(pool: &Arc<SourcePool>, location: Location, info: DatasetInfo) -> Result<Self> {
        info.check()?;
        let location = with_absolute_path(location)?;
        let mut info = info.with_name(location.to_string());
        info.max_shape = None;
        Ok(VirtualSource {
            pool: Arc::clone(pool),
            key: (pool.new_group(), 0),
            location,
            info,
            stamp: None,
            folder: None,
            held: Arc::default(),
        })
    }

    /// The dataset at `location`, which is opened to see what it is.
    ///
    /// # Errors
    /// As [`Registry::open`](chunk_core::Registry::open).
    pub fn open(pool: &Arc<SourcePool>, location: Location) -> Result<Self> {
        // Before it is opened: a change while it is described is then noticed when it is read.
        let stamp = Stamp::of(location.path()).ok();
        let info = pool.registry().open(&location)?.info().clone();
        Ok(VirtualSource { stamp, ..VirtualSource::new(pool, location, info)? })
    }

    /// Where it is.
    #[must_use]
    pub fn location(&self) -> &Location {
        &self.location
    }

    /// What it is opened by.
    #[must_use]
    pub fn pool(&self) -> &Arc<SourcePool> {
        &self.pool
    }

    /// Whether it can be opened and is what was described; an error if that cannot be told.
    pub(crate) fn is_there(&self) -> Result<bool> {
        is_there(self.lease().map(drop))
    }

    pub(crate) fn stamp(&self) -> Option<Stamp> {
        self.stamp
    }

    /// One of many files, which the pool knows by `key`.
    pub(crate) fn of_many(
        pool: &Arc<SourcePool>,
        key: Key,
        location: Location,
        info: DatasetInfo,
        (stamp, folder): (Option<Stamp>, Option<Arc<Path>>),
    ) -> Self {
        VirtualSource { pool: Arc::clone(pool), key, location, info, stamp, folder, held: Arc::default() }
    }

    pub(crate) fn folder(&self) -> Option<&Arc<Path>> {
        self.folder.as_ref()
    }

    fn lease(&self) -> Result<Lease> {
        let expected = Expected { info: Some(&self.info), stamp: self.stamp, folder: self.folder.as_deref() };
        self.pool.lease(self.key, &self.location, expected)
    }
}

/// Whether what was looked for is there and what was described; an error if that cannot be told.
pub(crate) fn is_there(looked: Result<()>) -> Result<bool> {
    match looked {
        Ok(()) => Ok(true),
        Err(
            Error::FileNotFound { .. }
            | Error::DatasetNotFound { .. }
            | Error::NotADataset { .. }
            | Error::SourceChanged { .. },
        ) => Ok(false),
        Err(error) => Err(error),
    }
}

pub(crate) fn with_absolute_path(location: Location) -> Result<Location> {
    if location.path().is_absolute() || location.scheme() == Some("memory") {
        return Ok(location);
    }
    let path = absolute(location.path()).map_err(|cause| Error::io(location.path(), "find", cause))?;
    Ok(at_path(&location, path))
}

/// The same in another file.
fn at_path(location: &Location, path: impl Into<std::path::PathBuf>) -> Location {
    let mut moved = Location::new(path);
    if let Some(scheme) = location.scheme() {
        moved = moved.with_scheme(scheme);
    }
    if let Some(dataset) = location.dataset() {
        moved = moved.with_dataset(dataset);
    }
    moved
}

/// The name, shape, dtype and size.
impl fmt::Display for VirtualSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        summary(&self.info, f)
    }
}

impl ChunkSource for VirtualSource {
    fn info(&self) -> &DatasetInfo {
        &self.info
    }

    fn operation(&self) -> Option<&dyn Operation> {
        None
    }

    /// Opens the source to ask it, the first time. If it cannot be opened, all that its pool may
    /// hold.
    fn held_bytes(&self) -> u64 {
        if let Some(held) = self.held.get() {
            return *held;
        }
        match self.lease() {
            Ok(source) => *self.held.get_or_init(|| total_held_bytes(&*source)),
            Err(_) => self.pool.held_bytes(),
        }
    }

    /// Opens the source to ask it, unless it is open.
    fn cost(&self, slab: &Slab, threads: usize) -> Result<Cost> {
        total_cost(&*self.lease()?, slab, threads)
    }

    fn read_into(&self, slab: &Slab, out: &mut [u8], worker: &Worker) -> Result<()> {
        slab.check(&self.info, out.len())?;
        self.lease()?.read_into(slab, out, worker)
    }
}
