//! HDF5 as a backend.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use chunk_core::{
    Attribute, Backend, ChunkSink, ChunkSource, CreateOptions, DatasetInfo, Entry, Growing, Location, OpenPolicy,
    Result, Shard, Sharding, Slab, Worker,
};

use crate::append::AppendSink;
use crate::attributes;
use crate::file::{self, FileLocking};
use crate::filter::Filter;
use crate::links;
use crate::listing;
use crate::locks::Locks;
use crate::options::ReadOptions;
use crate::recover;
use crate::shard::{self, Hdf5Shard};
use crate::sink::Hdf5Sink;
use crate::source::Hdf5Source;
use crate::virtual_dataset::Opened;

/// HDF5 files: `run.h5::/group/dataset`.
///
/// ```
/// use chunk_core::{Backend, Registry};
/// use chunk_hdf5::{FileLocking, Hdf5};
///
/// let registry = Registry::new().with(Hdf5::default().with_locking(FileLocking::Off));
/// assert!(registry.open(&"missing.h5".parse()?).is_err());
/// # Ok::<(), chunk_core::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Hdf5 {
    reading: ReadOptions,
    pytables: bool,
    locks: Locks,
}

impl Hdf5 {
    /// The format `pytables`, with the same options: HDF5 files whose new datasets PyTables sees as its own, as
    /// [`Hdf5Sink::with_pytables`] has it. Behind this backend in a registry it is chosen by its scheme,
    /// `pytables:run.h5::/group/dataset`. Its sinks may write to files that sources of this backend read.
    ///
    /// ```
    /// use chunk_core::{CreateOptions, DType, DatasetInfo, Registry};
    /// use chunk_hdf5::Hdf5;
    ///
    /// let hdf5 = Hdf5::default();
    /// let registry = Registry::new().with(hdf5.clone()).with(hdf5.to_pytables());
    /// let info = DatasetInfo::new([100], "datetime64[s]".parse::<DType>()?);
    /// let refused = registry.create(&"pytables:run.h5::/times".parse()?, info, &CreateOptions::default());
    /// assert!(refused.unwrap_err().to_string().contains("PyTables"));
    /// # Ok::<(), chunk_core::Error>(())
    /// ```
    #[must_use]
    pub fn to_pytables(&self) -> Self {
        Hdf5 { pytables: true, ..self.clone() }
    }

    /// With a policy for links and elements in other files, as [`ReadOptions::with_policy`]. It shares files with the
    /// backend that it is made of.
    #[must_use]
    pub fn with_policy(self, policy: &OpenPolicy) -> Self {
        let reading = self.reading.with_policy(policy);
        self.with_reading(reading)
    }

    /// With file locks, or without.
    #[must_use]
    pub fn with_locking(self, locking: FileLocking) -> Self {
        let reading = self.reading.with_locking(locking);
        self.with_reading(reading)
    }

    /// With these options for reading, the locking among them.
    #[must_use]
    pub fn with_reading(mut self, reading: ReadOptions) -> Self {
        if reading.locking != self.reading.locking {
            self.locks = Locks::new(reading.locking);
        }
        self.reading = reading;
        self
    }

    /// Opens a dataset as it is found: one with elements of its own, or a virtual one. A sink of this backend may change
    /// its file meanwhile.
    ///
    /// ```
    /// use chunk_core::Error;
    /// use chunk_hdf5::Hdf5;
    ///
    /// let opened = Hdf5::default().open_any(&"missing.h5::/d".parse()?);
    /// assert!(matches!(opened, Err(Error::FileNotFound { .. })));
    /// # Ok::<(), chunk_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Hdf5Source::open`].
    pub fn open_any(&self, location: &Location) -> Result<Opened> {
        let opened = Opened::open(location.path(), location.dataset(), self.reading_of(location))?;
        if let Opened::Own(source) = &opened {
            self.locks.reads(source.file());
        }
        Ok(opened)
    }

    /// How a dataset is read, by what else this backend does with its file.
    fn reading_of(&self, location: &Location) -> ReadOptions {
        self.reading.with_locking(self.locks.to_read(location.path()))
    }

    fn sink(&self, location: &Location, info: DatasetInfo, options: &CreateOptions) -> Result<Hdf5Sink> {
        let filter = options.filter.as_deref().map_or(Ok(Filter::default()), str::parse)?;
        let (path, name) = (location.path(), location.dataset());
        let mut sink = Hdf5Sink::create_with(path, name, info, filter, options.overwrite, &self.locks)?;
        for (name, value) in &options.attributes {
            sink = sink.with_attribute(name, value.clone())?;
        }
        if self.pytables { sink.with_pytables() } else { Ok(sink) }
    }
}

impl Backend for Hdf5 {
    fn name(&self) -> &'static str {
        if self.pytables { "pytables" } else { "hdf5" }
    }

    fn extensions(&self) -> &[&str] {
        &["h5", "hdf5", "he5", "hdf", "nc", "nc4", "h5ad", "mat"]
    }

    fn recognises(&self, head: &[u8]) -> bool {
        file::has_signature(head)
    }

    fn list(&self, path: &Path) -> Result<Vec<Entry>> {
        let (_own, library_file) = file::open(path, self.locks.to_read(path))?;
        listing::entries(&library_file, path)
    }

    fn open(&self, location: &Location) -> Result<Arc<dyn ChunkSource>> {
        let source = Hdf5Source::open_with(location.path(), location.dataset(), self.reading_of(location))?;
        self.locks.reads(source.file());
        Ok(Arc::new(source))
    }

    fn create(&self, location: &Location, info: DatasetInfo, options: &CreateOptions) -> Result<Box<dyn ChunkSink>> {
        Ok(Box::new(self.sink(location, info, options)?))
    }

    fn attributes(&self, location: &Location) -> Result<Vec<(String, Attribute)>> {
        let links::Opened { dataset, place, .. } = links::open(location.path(), location.dataset(), self.reading)?;
        attributes::read_for_copy(&dataset, &place)
    }

    fn growing(&self) -> Option<&dyn Growing> {
        Some(self)
    }

    fn sharding(&self) -> Option<&dyn Sharding> {
        Some(self)
    }

    fn opening(&self, policy: &OpenPolicy) -> Option<Arc<dyn Backend>> {
        Some(Arc::new(self.clone().with_policy(policy)))
    }
}

impl Growing for Hdf5 {
    fn append(&self, location: &Location, axis: usize) -> Result<Box<dyn ChunkSink>> {
        Ok(Box::new(AppendSink::open(location.path(), location.dataset(), axis, &self.locks)?))
    }

    fn problems(&self, path: &Path) -> Result<Vec<String>> {
        recover::find(path, self.reading.locking)
    }

    fn recover(&self, path: &Path) -> Result<Vec<String>> {
        recover::recover(path, self.reading.locking)
    }
}

impl Sharding for Hdf5 {
    fn shard(
        &self,
        location: &Location,
        info: DatasetInfo,
        options: &CreateOptions,
        path: &Path,
    ) -> Result<Box<dyn Shard>> {
        Ok(Box::new(Hdf5Shard::open(self.sink(location, info, options)?, path)?))
    }

    fn join(
        &self,
        location: &Location,
        info: DatasetInfo,
        options: &CreateOptions,
        shards: &[PathBuf],
        pieces: &mut dyn Iterator<Item = (usize, Slab)>,
        worker: &Worker,
    ) -> Result<()> {
        shard::join(self.sink(location, info, options)?, shards, pieces, worker)
    }
}
