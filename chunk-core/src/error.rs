//! The one error type of the workspace.

use std::io;
use std::path::{Path, PathBuf};

use crate::{Bytes, Casting, DType, Shape, Slab};

/// A result whose error is [`enum@Error`].
pub type Result<T> = std::result::Result<T, Error>;

/// The cause of an error, as a backend met it.
pub type Cause = Box<dyn std::error::Error + Send + Sync + 'static>;

/// What can go wrong, one variant for each thing a caller can act on.
///
/// Every message names the file, dataset, chunk and offset that are known. The cause, where there is one, is in
/// [`source`](std::error::Error::source) and not repeated in the text; [`Error::report`] joins both.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No slab, however small, fits the byte budget.
    #[error("budget of {budget} is too small for {dataset}: the smallest slab needs {needed} ({detail})")]
    BudgetTooSmall {
        /// The budget that was given.
        budget: Bytes,
        /// What the smallest slab needs.
        needed: Bytes,
        /// The dataset that was planned for.
        dataset: String,
        /// The parts that add up to `needed`.
        detail: String,
    },
    /// A text that should be a size in bytes is not.
    #[error("{text:?} is not a byte size: {reason} (write for example 512M or 1.5GiB)")]
    InvalidBytes {
        /// The text as given.
        text: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A text that should name a dataset does not.
    #[error("{text:?} is not a dataset location: {reason}")]
    InvalidLocation {
        /// The text as given.
        text: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// An argument that no data could make right: ranks that differ, a chunk extent of zero, a filter unheard of.
    #[error("{0}")]
    InvalidArgument(String),
    /// An axis that the dataset does not have.
    #[error("axis {axis} is out of range for {dataset}, which has {ndim} axes")]
    AxisOutOfRange {
        /// The axis asked for.
        axis: usize,
        /// The number of axes.
        ndim: usize,
        /// The dataset.
        dataset: String,
    },
    /// A slab reaches outside its dataset.
    #[error("slab {slab} is out of bounds for {dataset} of shape {shape}")]
    SlabOutOfBounds {
        /// The slab asked for.
        slab: Slab,
        /// The shape of the dataset.
        shape: Shape,
        /// The dataset.
        dataset: String,
    },
    /// A position that an axis does not have.
    #[error("index {index} is out of bounds for axis {axis} with size {extent}")]
    IndexOutOfBounds {
        /// The index as given; negative ones count from the end.
        index: i64,
        /// The axis.
        axis: usize,
        /// Its extent.
        extent: u64,
    },
    /// A dataset is not what it was when it was described.
    #[error("{dataset}: changed since it was described: {what}")]
    SourceChanged {
        /// The dataset.
        dataset: String,
        /// What is different.
        what: String,
    },
    /// Part of a virtual dataset has no source.
    #[error("{dataset}: no source is placed at {slab}; place one, or ask for filling")]
    NotCovered {
        /// The dataset.
        dataset: String,
        /// A piece that has no source.
        slab: Slab,
    },
    /// A buffer does not have the length that its slab needs.
    #[error("buffer of {actual} bytes for a slab of {dataset} that holds {expected} bytes")]
    BufferLength {
        /// Bytes that the slab holds.
        expected: u64,
        /// Bytes that were given.
        actual: u64,
        /// The dataset.
        dataset: String,
    },
    /// The elements are of another type than the one asked for, and nothing casts silently.
    #[error("{dataset} holds {stored}, not {requested}")]
    DTypeMismatch {
        /// The dataset.
        dataset: String,
        /// Its dtype.
        stored: String,
        /// The dtype asked for.
        requested: String,
    },
    /// An operation or a format has no meaning for this dtype.
    #[error("{operation} does not take {dtype}, which {dataset} holds")]
    UnsupportedDType {
        /// The dataset.
        dataset: String,
        /// Its dtype.
        dtype: String,
        /// What does not take it: an operation, or a format with its article.
        operation: String,
    },
    /// No file of that name.
    #[error("{}: no such file", path.display())]
    FileNotFound {
        /// The path asked for.
        path: PathBuf,
    },
    /// The file is there, but not in this format.
    #[error("{}: not {format} file", path.display())]
    WrongFormat {
        /// The file.
        path: PathBuf,
        /// The format with its article: `an HDF5`.
        format: &'static str,
    },
    /// The file has no dataset of that name.
    #[error("{}: no dataset {dataset:?}{}", path.display(), near_names(near))]
    DatasetNotFound {
        /// The file.
        path: PathBuf,
        /// The name asked for.
        dataset: String,
        /// Names that are there, the likeliest first.
        near: Vec<String>,
    },
    /// The name is that of something else than a dataset.
    #[error("{}: {dataset:?} is {kind}, not a dataset{}", path.display(), near_names(near))]
    NotADataset {
        /// The file.
        path: PathBuf,
        /// The name asked for.
        dataset: String,
        /// What it is, with its article: `a group`.
        kind: &'static str,
        /// Datasets that are there, the likeliest first.
        near: Vec<String>,
    },
    /// What is to be inside of something that holds nothing.
    #[error("{}: {name:?} is {kind}, and nothing can be inside of it", path.display())]
    NotAGroup {
        /// The file.
        path: PathBuf,
        /// What stands in the way.
        name: String,
        /// What it is, with its article: `a dataset`.
        kind: &'static str,
    },
    /// The file has several datasets, and none was named.
    #[error("{}: which dataset? Add ::NAME{}", path.display(), near_names(names))]
    DatasetNotNamed {
        /// The file.
        path: PathBuf,
        /// Datasets that are there.
        names: Vec<String>,
    },
    /// The output is there already.
    #[error("{}{}: already exists{hint}", path.display(), dataset_suffix(dataset))]
    AlreadyExists {
        /// The file.
        path: PathBuf,
        /// What is there in the file, or nothing.
        dataset: String,
        /// What to do about it, after a separator, or nothing.
        hint: &'static str,
    },
    /// Somebody else has the file.
    #[error("{}: locked: another program, or another part of this one, is using it", path.display())]
    Locked {
        /// The file.
        path: PathBuf,
    },
    /// A shard of another dataset.
    #[error("{}: the shard of another dataset: {what}; remove it, or use another folder", path.display())]
    ShardMismatch {
        /// The shard.
        path: PathBuf,
        /// What is different, and how: `its shape is (3), not (4)`.
        what: String,
    },
    /// A writer died and left the file in a state that must be mended first.
    #[error("{}: a writer left it unfinished: {what} (`recover` mends it)", path.display())]
    NeedsRecovery {
        /// The file.
        path: PathBuf,
        /// What was found.
        what: String,
    },
    /// The casting rule does not allow it.
    #[error("{dataset} holds {from}, and the casting rule {casting} does not make it {to}")]
    CastRefused {
        /// The dataset.
        dataset: String,
        /// Its dtype.
        from: String,
        /// The dtype asked for.
        to: String,
        /// The rule.
        casting: Casting,
    },
    /// A value that the dtype it is cast to does not have.
    #[error("{dataset} holds {value}, which {dtype} cannot hold")]
    ValueNotRepresentable {
        /// The dataset.
        dataset: String,
        /// The value.
        value: String,
        /// The dtype asked for.
        dtype: String,
    },
    /// Input and output are one file.
    #[error("{}: is the input as well as the output", path.display())]
    OutputIsInput {
        /// The file.
        path: PathBuf,
    },
    /// A filter that this build cannot undo.
    #[error("{}::{dataset}: filter {id} ({name}) is not carried", path.display())]
    UnsupportedFilter {
        /// The file.
        path: PathBuf,
        /// The dataset.
        dataset: String,
        /// The filter's registered number.
        id: u32,
        /// Its registered name, or `unknown`.
        name: String,
    },
    /// Something legal that this crate does not do.
    #[error("{}{}: {what}", path.display(), dataset_suffix(dataset))]
    Unsupported {
        /// The file.
        path: PathBuf,
        /// The dataset, or nothing.
        dataset: String,
        /// What is not done, and what to do instead.
        what: String,
    },
    /// The file contradicts itself or ends too early.
    #[error("{}{}: {what}", path.display(), dataset_suffix(dataset))]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// The dataset, or nothing.
        dataset: String,
        /// What does not hold.
        what: String,
    },
    /// The stored bytes of one chunk cannot be decoded.
    #[error("{}::{dataset}: chunk {chunk:?} at file offset {offset} ({stored} bytes) is corrupt", path.display())]
    CorruptChunk {
        /// The file.
        path: PathBuf,
        /// The dataset.
        dataset: String,
        /// Position of the chunk in the chunk grid.
        chunk: Vec<u64>,
        /// Where its stored bytes begin in the file.
        offset: u64,
        /// How many bytes are stored.
        stored: u64,
        /// What does not hold.
        #[source]
        cause: Cause,
    },
    /// The operating system refused.
    #[error("{}: cannot {action}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What was tried: `read`, `write`, `create`.
        action: &'static str,
        /// The system's word.
        #[source]
        cause: io::Error,
    },
    /// The library below a backend refused.
    #[error("{}{}: cannot {action}", path.display(), dataset_suffix(dataset))]
    Backend {
        /// The file.
        path: PathBuf,
        /// The dataset, or nothing.
        dataset: String,
        /// What was tried.
        action: &'static str,
        /// The library's word.
        #[source]
        cause: Cause,
    },
    /// No backend of the registry takes this location.
    #[error("{location}: no backend for it (there are {known}); write SCHEME:PATH to choose one")]
    NoBackend {
        /// The location.
        location: String,
        /// The schemes of the registry.
        known: String,
    },
    /// A plan, or what an earlier process left of a job, was not made for this.
    #[error("{dataset}: the plan was made for something else: {difference}")]
    PlanMismatch {
        /// The dataset or the job.
        dataset: String,
        /// What is different: what was found, and what was planned for.
        difference: String,
    },
    /// Something has no identity, so what a job made of it cannot be told from anything else.
    #[error("{dataset} has no identity: a job that reads it cannot be resumed or shared")]
    Unidentified {
        /// The dataset or operation.
        dataset: String,
    },
    /// A job cannot be finished yet.
    #[error("{}: {missing} of {of} tasks of {stage} are not done", path.display())]
    JobIncomplete {
        /// The job's folder.
        path: PathBuf,
        /// What the stage makes.
        stage: String,
        /// Tasks that are missing.
        missing: u64,
        /// Tasks of the stage.
        of: u64,
    },
    /// The run was cancelled.
    #[error("cancelled")]
    Cancelled,
    /// Code of the caller's, or a backend, panicked; the run stopped cleanly.
    #[error("panic while working on {dataset}: {message}")]
    Panicked {
        /// The dataset.
        dataset: String,
        /// The panic's message.
        message: String,
    },
}

impl Error {
    /// An [`Error::Io`], or [`Error::FileNotFound`] where the system says so.
    #[must_use]
    pub fn io(path: impl AsRef<Path>, action: &'static str, cause: io::Error) -> Self {
        let path = path.as_ref().to_path_buf();
        if cause.kind() == io::ErrorKind::NotFound && action == "open" {
            return Error::FileNotFound { path };
        }
        Error::Io { path, action, cause }
    }

    /// An [`Error::Corrupt`] of the file at `path`: `what` does not hold.
    #[must_use]
    pub fn corrupt(path: impl AsRef<Path>, what: impl Into<String>) -> Self {
        Error::Corrupt { path: path.as_ref().to_path_buf(), dataset: String::new(), what: what.into() }
    }

    /// An [`Error::Unsupported`] of the file at `path`: `what` is not done, and what to do instead.
    #[must_use]
    pub fn unsupported(path: impl AsRef<Path>, what: impl Into<String>) -> Self {
        Error::Unsupported { path: path.as_ref().to_path_buf(), dataset: String::new(), what: what.into() }
    }

    /// An [`Error::UnsupportedDType`]: a file at `path` does not hold elements of `dtype`.
    #[must_use]
    pub fn unsupported_dtype(path: impl AsRef<Path>, dtype: &DType, format: &str) -> Self {
        Error::UnsupportedDType {
            dataset: path.as_ref().display().to_string(),
            dtype: dtype.to_string(),
            operation: format.to_owned(),
        }
    }

    /// The message with all its causes, on one line.
    #[must_use]
    pub fn report(&self) -> String {
        let mut text = self.to_string();
        let mut cause = std::error::Error::source(self);
        while let Some(error) = cause {
            text.push_str(": ");
            text.push_str(&error.to_string());
            cause = error.source();
        }
        text.replace(['\n', '\r'], " ")
    }
}

fn near_names(names: &[String]) -> String {
    if names.is_empty() {
        return String::new();
    }
    format!(" (there is {})", names.join(", "))
}

fn dataset_suffix(dataset: &str) -> String {
    if dataset.is_empty() {
        return String::new();
    }
    format!("::{dataset}")
}
