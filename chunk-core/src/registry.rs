//! The backends that a program has.

use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use crate::{
    Attribute, Backend, ChunkSink, ChunkSource, CreateOptions, DataFile, DatasetInfo, Entry, Error, Location,
    OpenPolicy, Result,
};

/// The backends of a program, asked in the order in which they were added.
///
/// A location's scheme chooses the backend; without one the file's first bytes do, then its ending.
///
/// ```
/// use chunk_core::{Location, MemoryBackend, MemorySource, Registry, ChunkSourceExt};
///
/// let memory = MemoryBackend::new();
/// memory.insert("x", MemorySource::new([2], &[1.0, 2.0])?);
/// let registry = Registry::new().with(memory);
/// let source = registry.open(&"memory:x".parse()?)?;
/// assert_eq!(source.read_all::<f64>()?, [1.0, 2.0]);
/// # Ok::<(), chunk_core::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Registry {
    backends: Vec<Arc<dyn Backend>>,
}

const HEAD_BYTES: u64 = 4096;

impl Registry {
    /// No backends.
    #[must_use]
    pub fn new() -> Self {
        Registry::default()
    }

    /// With `backend`, asked after those that are there.
    #[must_use]
    pub fn with(mut self, backend: impl Backend + 'static) -> Self {
        self.backends.push(Arc::new(backend));
        self
    }

    /// Without the backend of this name.
    #[must_use]
    pub fn without(mut self, name: &str) -> Self {
        self.backends.retain(|backend| backend.name() != name);
        self
    }

    /// The same backends, with this policy for what their datasets have in other files.
    #[must_use]
    pub fn opening(&self, policy: &OpenPolicy) -> Self {
        let backends = self.backends.iter().map(|backend| backend.opening(policy).unwrap_or_else(|| backend.clone()));
        Registry { backends: backends.collect() }
    }

    /// The backends, in order.
    pub fn backends(&self) -> impl Iterator<Item = &dyn Backend> {
        self.backends.iter().map(|backend| &**backend)
    }

    /// The backend for a location that is read.
    ///
    /// # Errors
    /// [`Error::FileNotFound`] or [`Error::Io`] if the file must be looked at and cannot; [`Error::NoBackend`].
    pub fn backend_to_read(&self, location: &Location) -> Result<&dyn Backend> {
        if location.scheme().is_some() {
            return self.backend_to_write(location);
        }
        let head = read_head(location.path())?;
        match self.backends().find(|backend| backend.recognises(&head)) {
            Some(backend) => Ok(backend),
            None => self.backend_to_write(location),
        }
    }

    /// The backend for a location that is created: by scheme or ending.
    ///
    /// # Errors
    /// [`Error::NoBackend`].
    pub fn backend_to_write(&self, location: &Location) -> Result<&dyn Backend> {
        let found = match location.scheme() {
            Some(scheme) => self.backends().find(|backend| backend.name() == scheme),
            None => self.backends().find(|backend| has_extension(*backend, location.path())),
        };
        found.ok_or_else(|| Error::NoBackend {
            location: location.to_string(),
            known: self.backends().map(Backend::name).collect::<Vec<_>>().join(", "),
        })
    }

    /// Opens a dataset for reading.
    ///
    /// # Errors
    /// Those of [`Registry::backend_to_read`] and [`Backend::open`].
    pub fn open(&self, location: &Location) -> Result<Arc<dyn ChunkSource>> {
        self.backend_to_read(location)?.open(location)
    }

    /// What a file holds.
    ///
    /// # Errors
    /// Those of [`Registry::backend_to_read`] and [`Backend::list`].
    pub fn list(&self, location: &Location) -> Result<Vec<Entry>> {
        self.backend_to_read(location)?.list(location.path())
    }

    /// The attributes of a dataset that a copy of it is to have.
    ///
    /// # Errors
    /// Those of [`Registry::backend_to_read`] and [`Backend::attributes`].
    pub fn attributes(&self, location: &Location) -> Result<Vec<(String, Attribute)>> {
        self.backend_to_read(location)?.attributes(location)
    }

    /// Makes a sink for a new dataset; creates nothing yet.
    ///
    /// # Errors
    /// Those of [`Registry::backend_to_write`] and [`Backend::create`].
    pub fn create(
        &self,
        location: &Location,
        info: DatasetInfo,
        options: &CreateOptions,
    ) -> Result<Box<dyn ChunkSink>> {
        self.backend_to_write(location)?.create(location, info, options)
    }
}

fn has_extension(backend: &dyn Backend, path: &Path) -> bool {
    let extension = path.extension().and_then(|extension| extension.to_str()).map(str::to_ascii_lowercase);
    extension.is_some_and(|extension| backend.extensions().contains(&extension.as_str()))
}

fn read_head(path: &Path) -> Result<Vec<u8>> {
    let file = DataFile::open(path)?;
    let mut head = Vec::new();
    file.cursor(0).take(HEAD_BYTES).read_to_end(&mut head).map_err(|cause| Error::io(path, "read", cause))?;
    Ok(head)
}
