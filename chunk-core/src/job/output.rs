//! The outputs of a job.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::{
    Backend, ChunkSink, ChunkSource, CreateOptions, DatasetInfo, Error, Location, Registry, Result, Shape, Shard,
    Sharding, Slab, Worker,
};

/// A result that a job is to make: what is computed, and where it goes.
pub struct Output<'a> {
    pub(crate) source: Arc<dyn ChunkSource>,
    pub(crate) info: DatasetInfo,
    pub(crate) build: Build<'a>,
    /// Where it goes, if a backend makes it.
    destination: Option<Destination<'a>>,
    /// The folder of the job, if it has one.
    folder: Option<PathBuf>,
}

/// Makes a sink of a description.
type Build<'a> = Box<dyn Fn(DatasetInfo) -> Result<Box<dyn ChunkSink>> + 'a>;

struct Destination<'a> {
    backend: &'a dyn Backend,
    location: Location,
    options: CreateOptions,
}

impl<'a> Output<'a> {
    /// `source`, written to the sink that `build` makes of `info`, whose chunk shape may be replaced by
    /// one that suits the budget: `build` is called once for each that is tried, and creates nothing.
    pub fn new(
        source: Arc<dyn ChunkSource>,
        info: DatasetInfo,
        build: impl Fn(DatasetInfo) -> Result<Box<dyn ChunkSink>> + 'a,
    ) -> Self {
        Output { source, info, build: Box::new(build), destination: None, folder: None }
    }

    /// `source`, written to a new dataset of `registry` at `location`. In a [`JobFolder`](crate::JobFolder)
    /// its parts are kept as the format keeps them, where it can.
    ///
    /// # Errors
    /// [`Error::NoBackend`].
    pub fn at(
        source: Arc<dyn ChunkSource>,
        info: DatasetInfo,
        registry: &'a Registry,
        location: Location,
        options: CreateOptions,
    ) -> Result<Self> {
        let backend = registry.backend_to_write(&location)?;
        let (to, with) = (location.clone(), options.clone());
        let build = move |info| backend.create(&to, info, &with);
        Ok(Output { destination: Some(Destination { backend, location, options }), ..Output::new(source, info, build) })
    }

    /// Plans it for the job in `folder`, which need not be there yet: a shard takes more memory than a sink.
    #[must_use]
    pub fn in_folder(self, folder: &Path) -> Self {
        Output { folder: Some(folder.to_owned()), ..self }
    }

    /// Checks each sink that is made of it.
    #[must_use]
    pub fn checked(self, check: impl Fn(&DatasetInfo) -> Result<()> + 'a) -> Self {
        let build = self.build;
        let checked = move |info| {
            let sink = build(info)?;
            check(sink.info())?;
            Ok(sink)
        };
        Output { build: Box::new(checked), ..self }
    }

    /// The description with a chunk shape that was settled.
    fn settled(&self, chunk_shape: Option<&[u64]>) -> DatasetInfo {
        let chunk_shape = chunk_shape.map(Shape::from).or_else(|| self.info.chunk_shape.clone());
        DatasetInfo { chunk_shape, ..self.info.clone() }
    }

    /// The sink of a chunk shape that was settled.
    pub(crate) fn sink(&self, chunk_shape: Option<&[u64]>) -> Result<Box<dyn ChunkSink>> {
        (self.build)(self.settled(chunk_shape))
    }

    /// What the tasks of a job write to: a shard, in a folder.
    pub(crate) fn planned(&self, info: DatasetInfo) -> Result<Box<dyn ChunkSink>> {
        let sink = (self.build)(info)?;
        let Some((folder, _)) = self.folder.as_ref().zip(self.sharding()) else { return Ok(sink) };
        Ok(self.shard(sink.info().chunk_shape.as_deref(), &folder.join("planned"))?)
    }

    /// The dataset of its shape and dtype that is where it goes, if there is one. A commit that was
    /// stopped is completed or undone first.
    pub(crate) fn found(&self) -> Option<Arc<dyn ChunkSource>> {
        let Destination { backend, location, .. } = self.destination.as_ref()?;
        if let Some(growing) = backend.growing().filter(|_| location.path().exists()) {
            // Opening tells if it could not be.
            let _ = growing.recover(location.path());
        }
        // Formats of one array a file take any name for it when they make it, and list it as this one.
        let only = || backend.open(&location.clone().with_dataset("/"));
        let found = backend.open(location).or_else(|_| only()).ok();
        found.filter(|found| found.info().shape == self.info.shape && found.info().dtype == self.info.dtype)
    }

    /// How its format makes it of shards, if it can.
    pub(crate) fn sharding(&self) -> Option<&dyn Sharding> {
        self.destination.as_ref().and_then(|destination| destination.backend.sharding())
    }

    fn destination(&self) -> Result<(&Destination<'a>, &dyn Sharding)> {
        let none = || Error::InvalidArgument(format!("{} has no shards", self.info.name));
        self.destination.as_ref().zip(self.sharding()).ok_or_else(none)
    }

    /// The shard at `path`.
    pub(crate) fn shard(&self, chunk_shape: Option<&[u64]>, path: &Path) -> Result<Box<dyn Shard>> {
        let (to, sharding) = self.destination()?;
        sharding.shard(&to.location, self.settled(chunk_shape), &to.options, path)
    }

    /// Makes it of shards.
    pub(crate) fn join(
        &self,
        chunk_shape: Option<&[u64]>,
        shards: &[PathBuf],
        pieces: &mut dyn Iterator<Item = (usize, Slab)>,
        worker: &Worker,
    ) -> Result<()> {
        let (to, sharding) = self.destination()?;
        sharding.join(&to.location, self.settled(chunk_shape), &to.options, shards, pieces, worker)
    }
}

impl fmt::Debug for Output<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Output").field("source", &self.source).field("info", &self.info).finish_non_exhaustive()
    }
}
