//! What a file format must do to take part.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use crate::{Attribute, ChunkSink, ChunkSource, DatasetInfo, Growing, Location, OpenPolicy, Result, Sharding};

/// A file format.
///
/// Backends are values: put one into a [`Registry`](crate::Registry), with options of its own if it has any.
pub trait Backend: fmt::Debug + Send + Sync {
    /// The scheme that chooses this backend: lower-case letters, digits and `-`.
    fn name(&self) -> &str;

    /// File name endings, without the dot, in lower case.
    fn extensions(&self) -> &[&str];

    /// Whether a file that begins with `head`, up to 4 KiB, is of this format.
    fn recognises(&self, head: &[u8]) -> bool;

    /// What the file holds, in the order of a walk through it.
    ///
    /// # Errors
    /// A missing, malformed or foreign file.
    fn list(&self, path: &Path) -> Result<Vec<Entry>>;

    /// Opens a dataset for reading. Without a name it is the file's only one.
    ///
    /// # Errors
    /// A missing, malformed or foreign file; a missing dataset, with the names that are near.
    fn open(&self, location: &Location) -> Result<Arc<dyn ChunkSource>>;

    /// Makes a sink for a new dataset. Checks what can be checked, but creates nothing: see [`ChunkSink`].
    ///
    /// Shape and dtype of `info` are kept or refused. Chunk shape, maximal shape and fill value are wishes: the sink's
    /// own `info` says what they became. A format of one array a file takes no notice of a dataset name; one of several
    /// adds the dataset to a file that exists, and leaves all else in it as it is.
    ///
    /// # Errors
    /// An output that exists, unless it may be overwritten; what the format cannot hold.
    fn create(&self, location: &Location, info: DatasetInfo, options: &CreateOptions) -> Result<Box<dyn ChunkSink>>;

    /// The attributes of a dataset that a copy of it is to have: all but those that say how its own file holds it. One that
    /// is not carried is [`Attribute::Other`] with the reason; a format without attributes has none.
    ///
    /// # Errors
    /// As [`Backend::open`].
    fn attributes(&self, location: &Location) -> Result<Vec<(String, Attribute)>>;

    /// Growing in place and recovery, if the format can do them.
    fn growing(&self) -> Option<&dyn Growing>;

    /// Outputs that are made in several runs or by several processes, if the format can do them.
    fn sharding(&self) -> Option<&dyn Sharding>;

    /// The same format with this policy for what its datasets have in other files; nothing if they never do.
    fn opening(&self, policy: &OpenPolicy) -> Option<Arc<dyn Backend>>;
}

macro_rules! forward_backend {
    ($($pointer:ty),*) => {$(
        #[deny(clippy::missing_trait_methods)]
        impl<T: Backend + ?Sized> Backend for $pointer {
            fn name(&self) -> &str {
                (**self).name()
            }

            fn extensions(&self) -> &[&str] {
                (**self).extensions()
            }

            fn recognises(&self, head: &[u8]) -> bool {
                (**self).recognises(head)
            }

            fn list(&self, path: &Path) -> Result<Vec<Entry>> {
                (**self).list(path)
            }

            fn open(&self, location: &Location) -> Result<Arc<dyn ChunkSource>> {
                (**self).open(location)
            }

            fn create(
                &self,
                location: &Location,
                info: DatasetInfo,
                options: &CreateOptions,
            ) -> Result<Box<dyn ChunkSink>> {
                (**self).create(location, info, options)
            }

            fn attributes(&self, location: &Location) -> Result<Vec<(String, Attribute)>> {
                (**self).attributes(location)
            }

            fn growing(&self) -> Option<&dyn Growing> {
                (**self).growing()
            }

            fn sharding(&self) -> Option<&dyn Sharding> {
                (**self).sharding()
            }

            fn opening(&self, policy: &OpenPolicy) -> Option<Arc<dyn Backend>> {
                (**self).opening(policy)
            }
        }
    )*};
}

forward_backend!(Arc<T>, Box<T>);

/// How a dataset is created.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CreateOptions {
    /// Whether an output that exists is replaced, once the new one is complete.
    pub overwrite: bool,
    /// The filter in the format's own terms, as `blosc:lz4:5`; `None` is the format's default.
    pub filter: Option<String>,
    /// Attributes of the dataset. A format that has none leaves them out.
    pub attributes: Vec<(String, Attribute)>,
}

impl CreateOptions {
    /// With an output that exists being replaced, or not.
    #[must_use]
    pub fn with_overwrite(mut self, overwrite: bool) -> Self {
        self.overwrite = overwrite;
        self
    }

    /// With this filter.
    #[must_use]
    pub fn with_filter(mut self, filter: impl Into<String>) -> Self {
        self.filter = Some(filter.into());
        self
    }

    /// With these attributes.
    #[must_use]
    pub fn with_attributes(mut self, attributes: Vec<(String, Attribute)>) -> Self {
        self.attributes = attributes;
        self
    }
}

/// One thing in a file.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Entry {
    /// Its name in the file, from the root: what [`Backend::open`] takes. In a format of one array a file it is `/`.
    pub name: String,
    /// What it is.
    pub kind: EntryKind,
    /// Its attributes, by name.
    pub attributes: Vec<(String, Attribute)>,
}

impl Entry {
    /// An entry without attributes.
    #[must_use]
    pub fn new(name: impl Into<String>, kind: EntryKind) -> Self {
        Entry { name: name.into(), kind, attributes: Vec::new() }
    }

    /// The array of a file that holds one, stored without filters in a `layout`.
    #[must_use]
    pub fn only_dataset(info: DatasetInfo, layout: &str, stored_bytes: u64) -> Self {
        let dataset = DatasetEntry::new(info, layout, Vec::new(), stored_bytes);
        Entry::new("/", EntryKind::Dataset(Box::new(dataset)))
    }
}

/// What a thing in a file is.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum EntryKind {
    /// Something that holds others.
    Group,
    /// An array.
    Dataset(Box<DatasetEntry>),
    /// A link: the name that it leads to, and the file, if that is another. Whether something is there is not looked at.
    Link {
        /// The other file.
        file: Option<String>,
        /// The name in the file, from the root if it begins with a slash, else from the group that holds the link.
        target: String,
    },
    /// A datatype that has a name.
    NamedType,
    /// A dataset, or something that may be one, that cannot be read, and why.
    Unreadable(String),
    /// Anything else that is sound: what it is.
    Other(String),
}

/// A dataset and how it is stored.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct DatasetEntry {
    /// What it is.
    pub info: DatasetInfo,
    /// How its elements lie in the file: `contiguous`, `chunked`, ..
    pub layout: String,
    /// Its filters, in the order they are applied on writing.
    pub filters: Vec<String>,
    /// Bytes that it takes in the file.
    pub stored_bytes: u64,
    /// What it is made of, if that is other datasets.
    pub sources: Option<Sources>,
}

/// The datasets that another is made of, as its file names them.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Sources {
    /// How many pieces there are; one dataset may be several.
    pub count: u64,
    /// What the first [`Sources::MOST_NAMED`] pieces are of, at most.
    pub first: Vec<String>,
}

impl Sources {
    /// As many are named: more would make a list of files larger than what it is about.
    pub const MOST_NAMED: usize = 1000;

    /// `count` pieces, the first of which are of `names`.
    #[must_use]
    pub fn new(count: u64, names: impl IntoIterator<Item = String>) -> Self {
        Sources { count, first: names.into_iter().take(Sources::MOST_NAMED).collect() }
    }
}

impl DatasetEntry {
    /// A dataset stored so.
    #[must_use]
    pub fn new(info: DatasetInfo, layout: impl Into<String>, filters: Vec<String>, stored_bytes: u64) -> Self {
        DatasetEntry { info, layout: layout.into(), filters, stored_bytes, sources: None }
    }

    /// Made of these.
    #[must_use]
    pub fn with_sources(mut self, sources: Sources) -> Self {
        self.sources = Some(sources);
        self
    }
}
