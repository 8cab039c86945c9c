//! Several datasets, end to end, as one.

use std::sync::Arc;

use chunk_core::{Budget, Bytes, ChunkSource, Location, Registry, Result};
use chunk_virtual::{SourcePool, VirtualStack};

use crate::dataset::{Dataset, DatasetArg};
use crate::names::axis_of;

/// Datasets end to end along an axis.
pub(crate) struct Inputs {
    pub(crate) source: Arc<dyn ChunkSource>,
    pub(crate) axis: usize,
    /// Where each of them is.
    pub(crate) locations: Vec<Location>,
}

/// The pool's part of the budget, for the indices of chunks of the files that are open at once.
const POOL_SHARE: u64 = 8;
const POOL_MOST: u64 = 256 << 20;

/// What opens many files a few at a time, within its part of the budget.
pub(crate) fn pool(registry: &Registry, budget: Budget) -> Arc<SourcePool> {
    let memory = Bytes((budget.bytes() / POOL_SHARE).min(POOL_MOST));
    Arc::new(SourcePool::new(registry.clone()).with_memory(memory))
}

impl Inputs {
    /// Looks at each dataset, with the patterns in their paths expanded. Files are opened again when they are read, a few
    /// at a time, so that there may be any number of them.
    ///
    /// # Errors
    /// A dataset that cannot be opened; one whose dtype, or shape but along the axis, is not that of the first.
    pub(crate) fn open(registry: &Registry, args: &[DatasetArg], axis: i64, budget: Budget) -> Result<Self> {
        let args = args.iter().map(DatasetArg::expand).collect::<Result<Vec<_>>>()?.concat();
        if let [only] = args.as_slice() {
            let Dataset { source, location } = only.open(registry)?;
            return Ok(Inputs { axis: axis_of(axis, source.info())?, source, locations: vec![location] });
        }
        let pool = pool(registry, budget);
        let (mut sources, mut locations) = (Vec::new(), Vec::new());
        for arg in &args {
            let (source, location) = arg.open_later(&pool)?;
            sources.push(source);
            locations.push(location);
        }
        let axis = axis_of(axis, sources[0].info())?;
        let stack = VirtualStack::new(sources, axis.cast_signed())?;
        Ok(Inputs { source: Arc::new(stack), axis, locations })
    }

    /// What they are called in a line.
    pub(crate) fn name(&self) -> String {
        match self.locations.as_slice() {
            [_] => self.source.info().name.clone(),
            locations => format!("{} datasets", locations.len()),
        }
    }
}
