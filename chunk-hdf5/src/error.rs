//! Errors of the library and of the codecs, with file, dataset and chunk.

use std::fmt;
use std::path::{Path, PathBuf};

use chunk_core::Error;

use crate::codec::CodecError;
use crate::dtype::Unmapped;
use crate::index::Chunk;

/// The file and the dataset that messages name.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) path: PathBuf,
    pub(crate) dataset: String,
}

/// What libhdf5 says of a failure, in one line: the innermost reason.
#[derive(Debug)]
struct Reason(String);

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Reason {}

/// The library's innermost reason; the system's own words where it passes them on.
pub(crate) fn reason(error: &hdf5::Error) -> String {
    let innermost = error.stack().and_then(|stack| stack.last().map(|frame| frame.desc().to_owned()));
    let text = innermost.unwrap_or_else(|| error.to_string());
    let system = text.split_once("error message = '").and_then(|(_, rest)| rest.split_once('\''));
    system.map_or(text.clone(), |(message, _)| message.to_owned())
}

impl Place {
    pub(crate) fn new(path: &Path, dataset: &str) -> Self {
        Place { path: path.to_path_buf(), dataset: dataset.to_owned() }
    }

    /// The name of the dataset in messages.
    pub(crate) fn name(&self) -> String {
        format!("{}::{}", self.path.display(), self.dataset)
    }

    /// The library could not do `action`.
    pub(crate) fn library(&self, action: &'static str, error: &hdf5::Error) -> Error {
        Error::Backend {
            path: self.path.clone(),
            dataset: self.dataset.clone(),
            action,
            cause: Box::new(Reason(reason(error))),
        }
    }

    pub(crate) fn corrupt(&self, what: impl Into<String>) -> Error {
        Error::Corrupt { path: self.path.clone(), dataset: self.dataset.clone(), what: what.into() }
    }

    pub(crate) fn unsupported(&self, what: impl Into<String>) -> Error {
        Error::Unsupported { path: self.path.clone(), dataset: self.dataset.clone(), what: what.into() }
    }

    pub(crate) fn unmapped(&self, operation: &str, unmapped: Unmapped) -> Error {
        match unmapped {
            Unmapped::Library(error) => self.library("read the datatype", &error),
            Unmapped::Kind(dtype) => {
                Error::UnsupportedDType { dataset: self.name(), dtype, operation: operation.to_owned() }
            }
        }
    }

    pub(crate) fn corrupt_chunk(&self, position: &[u64], chunk: Chunk, cause: CodecError) -> Error {
        Error::CorruptChunk {
            path: self.path.clone(),
            dataset: self.dataset.clone(),
            chunk: position.to_vec(),
            offset: chunk.address,
            stored: chunk.stored,
            cause: Box::new(cause),
        }
    }
}
