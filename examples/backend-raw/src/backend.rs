//! The format: what it is called, how a file of it is opened, how one is made.

use std::path::Path;
use std::sync::Arc;

use chunk_core::{
    Attribute, Backend, ChunkSink, ChunkSource, CreateOptions, DatasetInfo, Entry, Error, Growing, Location,
    OpenPolicy, Result, Sharding,
};

use crate::sink::RawSink;
use crate::source::RawSource;

/// Raw binary files with a JSON sidecar: `x.raw`.
#[derive(Clone, Copy, Debug)]
pub struct Raw;

impl Backend for Raw {
    fn name(&self) -> &str {
        "raw"
    }

    fn extensions(&self) -> &[&str] {
        &["raw"]
    }

    fn recognises(&self, _head: &[u8]) -> bool {
        false // an array may begin with any bytes
    }

    fn list(&self, path: &Path) -> Result<Vec<Entry>> {
        let info = RawSource::open(path)?.info().clone();
        let stored_bytes = info.bytes();
        Ok(vec![Entry::only_dataset(info, "contiguous", stored_bytes)])
    }

    fn open(&self, location: &Location) -> Result<Arc<dyn ChunkSource>> {
        location.check_only_dataset()?;
        Ok(Arc::new(RawSource::open(location.path())?))
    }

    // A dataset's name, which a program may give, has no place in this format.
    fn create(&self, location: &Location, info: DatasetInfo, options: &CreateOptions) -> Result<Box<dyn ChunkSink>> {
        if let Some(filter) = &options.filter {
            return Err(Error::InvalidArgument(format!("raw files have no filter {filter:?}")));
        }
        Ok(Box::new(RawSink::new(location.path(), info, options.overwrite)?))
    }

    fn attributes(&self, _location: &Location) -> Result<Vec<(String, Attribute)>> {
        Ok(Vec::new())
    }

    fn growing(&self) -> Option<&dyn Growing> {
        None // an array has the size that it was made with
    }

    fn sharding(&self) -> Option<&dyn Sharding> {
        None // an array is made in one run
    }

    fn opening(&self, _policy: &OpenPolicy) -> Option<Arc<dyn Backend>> {
        None // nothing of an array is in the files of others
    }
}
