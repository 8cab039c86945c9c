//! The sources that stacks and layouts are made of.

use std::sync::Arc;

use chunk_core::{ChunkSource, DatasetInfo};

use crate::VirtualSource;

/// What can be stacked and placed: a [`VirtualSource`], or any source in an [`Arc`].
#[derive(Clone, Debug)]
pub enum AnySource {
    /// A dataset of a file, of which much is known without opening it.
    File(Box<VirtualSource>),
    /// Any source.
    Source(Arc<dyn ChunkSource>),
}

impl From<VirtualSource> for AnySource {
    fn from(source: VirtualSource) -> Self {
        AnySource::File(Box::new(source))
    }
}

impl From<Arc<dyn ChunkSource>> for AnySource {
    fn from(source: Arc<dyn ChunkSource>) -> Self {
        AnySource::Source(source)
    }
}

impl<S: ChunkSource + 'static> From<Arc<S>> for AnySource {
    fn from(source: Arc<S>) -> Self {
        AnySource::Source(source)
    }
}

impl AnySource {
    /// What it is.
    #[must_use]
    pub fn info(&self) -> &DatasetInfo {
        match self {
            AnySource::File(source) => source.info(),
            AnySource::Source(source) => source.info(),
        }
    }
}
