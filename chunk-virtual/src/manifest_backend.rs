//! Manifests as a backend.

use std::path::Path;
use std::sync::Arc;

use chunk_core::{
    Attribute, Backend, Bytes, ChunkSink, ChunkSource, CreateOptions, DatasetEntry, DatasetInfo, Entry, EntryKind,
    Error, Growing, Location, Missing, OpenPolicy, Registry, Result, Sharding, Sources,
};

use crate::manifest::FIRST_LINE;
use crate::{Fill, ManifestOptions, SourcePool, VirtualLayout, VirtualStack};

/// Manifests, `all.chunks`, as datasets: the stacks that [`VirtualStack::save_manifest`] saved.
///
/// They are read only. The files of a manifest are opened by the backends of a registry that has no manifests: none
/// can be a part of itself.
///
/// ```
/// use chunk_core::{MemoryBackend, Registry};
/// use chunk_virtual::ManifestBackend;
///
/// let formats = Registry::new().with(MemoryBackend::new());
/// let registry = formats.clone().with(ManifestBackend::new(formats));
/// assert!(registry.open(&"all.chunks".parse()?).is_err()); // there is no such file
/// # Ok::<(), chunk_core::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct ManifestBackend {
    registry: Registry,
    options: ManifestOptions,
    missing: Missing,
    source_memory: Option<Bytes>,
}

impl ManifestBackend {
    /// What the backend is called.
    pub const NAME: &'static str = "manifest";

    /// Manifests of files of these formats.
    #[must_use]
    pub fn new(registry: Registry) -> Self {
        let registry = registry.without(ManifestBackend::NAME);
        ManifestBackend { registry, options: ManifestOptions::default(), missing: Missing::Error, source_memory: None }
    }

    /// With these options.
    #[must_use]
    pub fn with_options(mut self, options: ManifestOptions) -> Self {
        self.options = options;
        self
    }

    /// With so much memory for what the open files of a manifest hold, instead of what a [`SourcePool`] takes.
    #[must_use]
    pub fn with_source_memory(mut self, memory: Bytes) -> Self {
        self.source_memory = Some(memory);
        self
    }

    /// The stack of the manifest at `path`, called as that.
    ///
    /// # Errors
    /// As [`VirtualStack::open_manifest`].
    pub fn stack(&self, path: &Path) -> Result<VirtualStack> {
        let pool = SourcePool::new(self.registry.clone());
        let pool = self.source_memory.iter().fold(pool, |pool, memory| pool.with_memory(*memory));
        let stack = VirtualStack::open_manifest(path, &Arc::new(pool), &self.options)?;
        Ok(stack.with_name(path.display().to_string()))
    }
}

#[deny(clippy::missing_trait_methods)]
impl Backend for ManifestBackend {
    fn name(&self) -> &str {
        ManifestBackend::NAME
    }

    fn extensions(&self) -> &[&str] {
        &["chunks"]
    }

    fn recognises(&self, head: &[u8]) -> bool {
        head.strip_prefix(FIRST_LINE.as_bytes()).is_some_and(|rest| rest.starts_with(b"\n"))
    }

    fn list(&self, path: &Path) -> Result<Vec<Entry>> {
        let stack = self.stack(path)?;
        let text_bytes = path.metadata().map_err(|cause| Error::io(path, "open", cause))?.len();
        let names = stack.sources().map(|source| source.info().name.clone());
        let sources = Sources::new(stack.len() as u64, names);
        let entry = DatasetEntry::new(stack.info().clone(), "manifest", Vec::new(), text_bytes).with_sources(sources);
        Ok(vec![Entry::new("/", EntryKind::Dataset(Box::new(entry)))])
    }

    fn open(&self, location: &Location) -> Result<Arc<dyn ChunkSource>> {
        let stack = self.stack(location.path())?;
        location.check_only_dataset()?;
        match &self.missing {
            Missing::Fill(filled) => {
                let layout = VirtualLayout::of_stack(&stack)?.with_filled_count(filled.clone());
                Ok(Arc::new(layout.with_fill(Fill::stated().also_missing())?))
            }
            _ => Ok(Arc::new(stack)),
        }
    }

    fn create(&self, location: &Location, _: DatasetInfo, _: &CreateOptions) -> Result<Box<dyn ChunkSink>> {
        let what = "a manifest holds no elements of its own: it is made of files that are there, by `chunk stack`";
        Err(Error::unsupported(location.path(), what))
    }

    fn attributes(&self, _: &Location) -> Result<Vec<(String, Attribute)>> {
        Ok(Vec::new())
    }

    fn growing(&self) -> Option<&dyn Growing> {
        None
    }

    fn sharding(&self) -> Option<&dyn Sharding> {
        None
    }

    fn opening(&self, policy: &OpenPolicy) -> Option<Arc<dyn Backend>> {
        let options = self.options.clone().with_outside(self.options.outside || policy.outside);
        let (registry, missing) = (self.registry.opening(policy), policy.missing.clone());
        Some(Arc::new(ManifestBackend { registry, options, missing, source_memory: self.source_memory }))
    }
}
