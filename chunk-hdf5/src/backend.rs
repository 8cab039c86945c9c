//! HDF5 as a backend.

use std::path::Path;
use std::sync::Arc;

use chunk_core::{
    Backend, ChunkSink, ChunkSource, CreateOptions, DatasetInfo, Entry, EntryKind, Growing, Location, OpenPolicy,
    Result,
};

use crate::append::AppendSink;
use crate::attributes;
use crate::error::Place;
use crate::file::{self, FileLocking, Found};
use crate::filter::Filter;
use crate::options::ReadOptions;
use crate::recover;
use crate::sink::Hdf5Sink;
use crate::source::{self, Hdf5Source};

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
}

impl Hdf5 {
    /// With file locks, or without.
    #[must_use]
    pub fn with_locking(mut self, locking: FileLocking) -> Self {
        self.reading.locking = locking;
        self
    }

    /// With these options for reading, the locking among them.
    #[must_use]
    pub fn with_reading(mut self, reading: ReadOptions) -> Self {
        self.reading = reading;
        self
    }
}

impl Backend for Hdf5 {
    fn name(&self) -> &'static str {
        "hdf5"
    }

    fn extensions(&self) -> &[&str] {
        &["h5", "hdf5", "he5", "hdf", "nc", "nc4", "h5ad", "mat"]
    }

    fn recognises(&self, head: &[u8]) -> bool {
        file::has_signature(head)
    }

    fn list(&self, path: &Path) -> Result<Vec<Entry>> {
        let (_own, library_file) = file::open(path, self.reading.locking)?;
        let place = Place::new(path, "");
        let found = file::walk(&library_file, &place)?;
        Ok(found.into_iter().map(|(name, found)| entry(&library_file, path, name, &found)).collect())
    }

    fn open(&self, location: &Location) -> Result<Arc<dyn ChunkSource>> {
        Ok(Arc::new(Hdf5Source::open_with(location.path(), location.dataset(), self.reading)?))
    }

    fn create(&self, location: &Location, info: DatasetInfo, options: &CreateOptions) -> Result<Box<dyn ChunkSink>> {
        let filter = options.filter.as_deref().map_or(Ok(Filter::default()), str::parse)?;
        let (path, name) = (location.path(), location.dataset());
        Ok(Box::new(Hdf5Sink::create_with(path, name, info, filter, options.overwrite, self.reading.locking)?))
    }

    fn growing(&self) -> Option<&dyn Growing> {
        Some(self)
    }

    fn opening(&self, policy: &OpenPolicy) -> Option<Arc<dyn Backend>> {
        let reading = self.reading.with_policy(policy);
        Some(Arc::new(Hdf5 { reading }))
    }
}

impl Growing for Hdf5 {
    fn append(&self, location: &Location, axis: usize) -> Result<Box<dyn ChunkSink>> {
        Ok(Box::new(AppendSink::open(location.path(), location.dataset(), axis, self.reading.locking)?))
    }

    fn problems(&self, path: &Path) -> Result<Vec<String>> {
        recover::find(path, self.reading.locking)
    }

    fn recover(&self, path: &Path) -> Result<Vec<String>> {
        recover::recover(path, self.reading.locking)
    }
}

/// What stands under a name. Something that cannot be read is listed with the reason.
fn entry(library_file: &hdf5::File, path: &Path, name: String, found: &Found) -> Entry {
    let place = Place::new(path, &name);
    let kind = match found {
        Found::Group => EntryKind::Group,
        Found::Other(what) => EntryKind::Other((*what).to_owned()),
        Found::Dataset => {
            let opened = library_file.dataset(&name).map_err(|error| place.library("open", &error));
            match opened.and_then(|dataset| source::entry(&dataset, &place)) {
                Ok(entry) => EntryKind::Dataset(Box::new(entry)),
                Err(error) => EntryKind::Other(error.report()),
            }
        }
    };
    let mut entry = Entry::new(name, kind);
    entry.attributes = attributes::read(library_file, &entry.name, found);
    entry
}
