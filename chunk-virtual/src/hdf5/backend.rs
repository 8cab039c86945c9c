//! HDF5 with its virtual datasets as a backend.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use chunk_core::{
    Attribute, Backend, Bytes, ChunkSink, ChunkSource, CreateOptions, DatasetInfo, Entry, EntryKind, Error, Growing,
    Location, Missing, OpenPolicy, Registry, Result, Sharding,
};
use chunk_hdf5::{Hdf5, Opened, ReadOptions, VirtualDataset};

use super::open::{OpenOptions, open};
use crate::{Fill, SourcePool};

/// Virtual datasets of virtual datasets end here.
const MOST_DEPTH: usize = 32;
const SOURCE_MEMORY: u64 = 2 << 20;

/// HDF5 files, virtual datasets included: [`Hdf5`], which refuses those, with [`open`](super::open()) for them.
///
/// Sources of a virtual dataset may be virtual themselves, to a depth of 32; one that is its own source is refused.
///
/// ```
/// use chunk_core::Registry;
/// use chunk_virtual::hdf5::{OpenOptions, VirtualHdf5};
///
/// let backend = VirtualHdf5::default().with_opening(OpenOptions::default().with_outside(true));
/// assert!(Registry::new().with(backend).open(&"missing.h5".parse()?).is_err());
/// # Ok::<(), chunk_core::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct VirtualHdf5 {
    inner: Hdf5,
    opening: OpenOptions,
    source_memory: u64,
    /// The virtual datasets that this one is a source of, outermost first.
    above: Vec<(PathBuf, String)>,
}

impl Default for VirtualHdf5 {
    fn default() -> Self {
        let (inner, opening) = (Hdf5::default(), OpenOptions::default());
        VirtualHdf5 { inner, opening, source_memory: SOURCE_MEMORY, above: Vec::new() }
    }
}

impl VirtualHdf5 {
    /// With so much memory for what the open sources of a virtual dataset hold, 2 MiB by default; sources that are
    /// virtual themselves have a quarter of it.
    #[must_use]
    pub fn with_source_memory(mut self, memory: Bytes) -> Self {
        self.source_memory = memory.0;
        self
    }

    /// With these options for virtual datasets.
    #[must_use]
    pub fn with_opening(mut self, opening: OpenOptions) -> Self {
        self.opening = opening;
        self
    }

    /// With these options for reading files.
    #[must_use]
    pub fn with_reading(mut self, reading: ReadOptions) -> Self {
        self.inner = self.inner.with_reading(reading);
        self
    }

    /// The format `pytables`, with the same options: as [`Hdf5::to_pytables`].
    #[must_use]
    pub fn to_pytables(&self) -> Hdf5 {
        self.inner.to_pytables()
    }

    fn open_virtual(&self, path: &Path, dataset: &VirtualDataset) -> Result<Arc<dyn ChunkSource>> {
        let canonical = path.canonicalize().map_err(|cause| Error::io(path, "open", cause))?;
        let own = (canonical, dataset.name.clone());
        let refused = |what: &str| Error::Corrupt {
            path: path.to_path_buf(),
            dataset: dataset.name.clone(),
            what: what.to_owned(),
        };
        if self.above.contains(&own) {
            return Err(refused("the virtual dataset is a source of itself"));
        }
        if self.above.len() == MOST_DEPTH {
            return Err(refused("virtual datasets are nested too deep"));
        }
        let mut below = self.clone();
        below.above.push(own);
        below.source_memory /= 4;
        let pool = SourcePool::new(Registry::new().with(below)).with_memory(Bytes(self.source_memory));
        let pool = Arc::new(pool);
        Ok(Arc::new(open(path, dataset, &pool, &self.opening)?))
    }
}

#[deny(clippy::missing_trait_methods)]
impl Backend for VirtualHdf5 {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn extensions(&self) -> &[&str] {
        self.inner.extensions()
    }

    fn recognises(&self, head: &[u8]) -> bool {
        self.inner.recognises(head)
    }

    fn list(&self, path: &Path) -> Result<Vec<Entry>> {
        let mut entries = self.inner.list(path)?;
        for Entry { name, kind, .. } in &mut entries {
            let EntryKind::Dataset(entry) = kind else { continue };
            let endless = entry.info.max_shape.as_ref().is_some_and(|most| most.contains(&None));
            // How far such a dataset reaches its sources say. Where they do not, it is as long as its file says.
            if entry.sources.is_some()
                && endless
                && let Ok(source) = self.open(&Location::new(path).with_dataset(name.clone()))
            {
                entry.info.shape.clone_from(&source.info().shape);
            }
        }
        Ok(entries)
    }

    fn open(&self, location: &Location) -> Result<Arc<dyn ChunkSource>> {
        match self.inner.open_any(location)? {
            Opened::Own(source) => Ok(Arc::from(source as Box<dyn ChunkSource>)),
            Opened::Virtual(dataset) => self.open_virtual(location.path(), &dataset),
            _ => self.inner.open(location),
        }
    }

    fn create(&self, location: &Location, info: DatasetInfo, options: &CreateOptions) -> Result<Box<dyn ChunkSink>> {
        self.inner.create(location, info, options)
    }

    fn attributes(&self, location: &Location) -> Result<Vec<(String, Attribute)>> {
        self.inner.attributes(location)
    }

    fn growing(&self) -> Option<&dyn Growing> {
        self.inner.growing()
    }

    fn sharding(&self) -> Option<&dyn Sharding> {
        self.inner.sharding()
    }

    fn opening(&self, policy: &OpenPolicy) -> Option<Arc<dyn Backend>> {
        let mut opening = self.opening.clone().with_outside(self.opening.outside || policy.outside);
        if let Missing::Fill(filled) = &policy.missing {
            opening = opening.with_fill(Fill::stated().also_missing()).with_filled_count(filled.clone());
        }
        let inner = self.inner.clone().with_policy(policy);
        Some(Arc::new(VirtualHdf5 { inner, opening, ..self.clone() }))
    }
}
