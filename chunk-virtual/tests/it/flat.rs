//! A small format of files, for tests: rows of three `u64`, and nothing else in the file.

use std::path::Path;
use std::sync::Arc;

use chunk_core::{
    Attribute, Backend, ChunkSink, ChunkSource, CreateOptions, DType, DataFile, DatasetEntry, DatasetInfo, Element,
    Entry, EntryKind, Error, Growing, Identity, Location, MemorySource, OpenPolicy, Result, Sharding,
};

#[derive(Debug)]
pub(crate) struct Flat;

/// Writes `rows` rows that count on from `first`.
pub(crate) fn write(path: &Path, rows: u64, first: u64) {
    let elements: Vec<u64> = (first..first + 3 * rows).collect();
    std::fs::write(path, u64::as_bytes(&elements)).unwrap();
}

fn read(path: &Path) -> Result<MemorySource> {
    let file = DataFile::open(path)?;
    let length = file.length()?;
    let mut bytes = vec![0; length as usize];
    file.read_at(&mut bytes, 0)?;
    let identity = Identity::builder("flat").file(path)?.finish();
    let info = DatasetInfo::new([length / 24, 3], DType::U64).with_name(path.display().to_string());
    MemorySource::from_bytes(info.with_identity(identity), bytes)
}

impl Backend for Flat {
    fn name(&self) -> &'static str {
        "flat"
    }

    fn extensions(&self) -> &[&str] {
        &["flat"]
    }

    fn recognises(&self, _head: &[u8]) -> bool {
        false
    }

    fn list(&self, path: &Path) -> Result<Vec<Entry>> {
        let info = read(path)?.info().clone();
        let bytes = info.bytes();
        let entry = DatasetEntry::new(info, "contiguous", Vec::new(), bytes);
        Ok(vec![Entry::new("/", EntryKind::Dataset(Box::new(entry)))])
    }

    fn open(&self, location: &Location) -> Result<Arc<dyn ChunkSource>> {
        Ok(Arc::new(read(location.path())?))
    }

    fn create(&self, location: &Location, _: DatasetInfo, _: &CreateOptions) -> Result<Box<dyn ChunkSink>> {
        let (path, what) = (location.path().to_path_buf(), "it is only read".to_owned());
        Err(Error::Unsupported { path, dataset: String::new(), what })
    }

    fn attributes(&self, _location: &Location) -> Result<Vec<(String, Attribute)>> {
        Ok(Vec::new())
    }

    fn growing(&self) -> Option<&dyn Growing> {
        None
    }

    fn sharding(&self) -> Option<&dyn Sharding> {
        None
    }

    fn opening(&self, _policy: &OpenPolicy) -> Option<Arc<dyn Backend>> {
        None
    }
}
