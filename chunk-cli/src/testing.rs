//! Commands run within the test's process, on arrays in memory.

use std::path::Path;
use std::sync::Arc;

use chunk_core::{
    Attribute, Backend, CancelToken, ChunkSink, ChunkSource, CreateOptions, DType, DatasetEntry, DatasetInfo, Entry,
    EntryKind, Error, Growing, Location, MemorySource, OpenPolicy, Registry, Result, Sharding,
};
use clap::Parser;

use crate::Cli;
use crate::failure::Failure;
use crate::names::plain;

/// Runs the program and returns what it printed.
pub(crate) fn chunk<'a>(
    registry: Registry,
    args: impl IntoIterator<Item = &'a str>,
) -> std::result::Result<String, Failure> {
    let (text, failure) = chunk_with_failure(registry, args);
    failure.map_or(Ok(text), Err)
}

/// Runs the program and returns what it printed and how it failed.
pub(crate) fn chunk_with_failure<'a>(
    registry: Registry,
    args: impl IntoIterator<Item = &'a str>,
) -> (String, Option<Failure>) {
    let mut out = Vec::new();
    let cli = Cli::try_parse_from(["chunk"].into_iter().chain(args)).map_err(Failure::CommandLine);
    let outcome = cli.and_then(|cli| crate::execute(&cli, registry, CancelToken::new(), &mut out));
    (String::from_utf8(out).expect("the program prints UTF-8"), outcome.err())
}

/// A backend that only lists: one file of many kinds of entries.
#[derive(Debug)]
pub(crate) struct Listed(Vec<Entry>);

impl Listed {
    pub(crate) fn example() -> Self {
        let chunked = DatasetInfo::new([100, 8], DType::F64).with_chunk_shape([10, 8]).with_max_shape([None, Some(8)]);
        let filters = vec!["shuffle".to_owned(), "deflate:4".to_owned()];
        let small = DatasetInfo::new([], DType::I16).with_fill(7_i16);
        let dataset = |entry| EntryKind::Dataset(Box::new(entry));
        Listed(vec![
            with_attribute(Entry::new("/", EntryKind::Group), "title", "the root"),
            with_attribute(
                Entry::new("/a", dataset(DatasetEntry::new(chunked.clone(), "chunked", filters, 2048))),
                "units",
                "m/s\nper second",
            ),
            Entry::new("/broken", EntryKind::Unreadable("filter 32013 (zfp) is not carried".to_owned())),
            Entry::new("/g", EntryKind::Group),
            Entry::new("/g/deep", EntryKind::Group),
            Entry::new("/g/deep/d", dataset(DatasetEntry::new(chunked, "chunked", Vec::new(), 0))),
            Entry::new("/lost", EntryKind::Link { file: None, target: "/nowhere".to_owned() }),
            Entry::new("/point", EntryKind::NamedType),
            Entry::new("/small", dataset(DatasetEntry::new(small, "compact", Vec::new(), 2))),
        ])
    }
}

fn with_attribute(mut entry: Entry, name: &str, value: &str) -> Entry {
    entry.attributes.push((name.to_owned(), value.into()));
    entry
}

impl Backend for Listed {
    fn name(&self) -> &'static str {
        "listed"
    }

    fn extensions(&self) -> &[&str] {
        &[]
    }

    fn recognises(&self, _head: &[u8]) -> bool {
        false
    }

    fn list(&self, _path: &Path) -> Result<Vec<Entry>> {
        Ok(self.0.clone())
    }

    /// Opens `/a` and `/small`, which are zero; the other datasets cannot be read.
    fn open(&self, location: &Location) -> Result<Arc<dyn ChunkSource>> {
        let path = location.path().to_owned();
        let dataset = location.dataset().unwrap_or_default().to_owned();
        let found = self.0.iter().find(|entry| plain(&entry.name) == plain(&dataset)).map(|entry| &entry.kind);
        match found {
            Some(EntryKind::Dataset(entry)) if entry.stored_bytes > 0 => {
                let bytes = vec![0; entry.info.bytes() as usize];
                Ok(Arc::new(MemorySource::from_bytes(entry.info.clone(), bytes)?))
            }
            Some(EntryKind::Dataset(_) | EntryKind::Unreadable(_)) => {
                Err(Error::UnsupportedFilter { path, dataset, id: 32013, name: "zfp".to_owned() })
            }
            Some(EntryKind::Group) => Err(Error::NotADataset { path, dataset, kind: "a group", near: Vec::new() }),
            _ => Err(Error::DatasetNotFound { path, dataset, near: Vec::new() }),
        }
    }

    fn create(&self, location: &Location, _info: DatasetInfo, _options: &CreateOptions) -> Result<Box<dyn ChunkSink>> {
        panic!("nothing creates {location}")
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
