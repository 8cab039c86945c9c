//! What errors name: the file, and the member of an archive.

use std::path::{Path, PathBuf};

use chunk_core::Error;

use crate::dtype::Refusal;

/// The file and the dataset that messages name.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) path: PathBuf,
    /// The member of an archive, or nothing.
    pub(crate) dataset: String,
}

impl Place {
    pub(crate) fn new(path: &Path, dataset: &str) -> Self {
        Place { path: path.to_path_buf(), dataset: dataset.to_owned() }
    }

    /// The name of the dataset in messages.
    pub(crate) fn name(&self) -> String {
        let path = self.path.display();
        if self.dataset.is_empty() { path.to_string() } else { format!("{path}::{}", self.dataset) }
    }

    pub(crate) fn corrupt(&self, what: impl Into<String>) -> Error {
        Error::Corrupt { path: self.path.clone(), dataset: self.dataset.clone(), what: what.into() }
    }

    pub(crate) fn unsupported(&self, what: impl Into<String>) -> Error {
        Error::Unsupported { path: self.path.clone(), dataset: self.dataset.clone(), what: what.into() }
    }

    pub(crate) fn needs_recovery(&self, what: impl Into<String>) -> Error {
        Error::NeedsRecovery { path: self.path.clone(), what: what.into() }
    }

    pub(crate) fn refused(&self, refusal: Refusal) -> Error {
        match refusal {
            Refusal::Malformed(what) => self.corrupt(format!("descr of the header: {what}")),
            Refusal::Unsupported { dtype, operation } => {
                Error::UnsupportedDType { dataset: self.name(), dtype, operation: operation.to_owned() }
            }
        }
    }
}
