//! What tells that a file was written to, without opening it.

use std::fs;
use std::path::Path;
use std::time::UNIX_EPOCH;

use chunk_core::{Error, Result};

/// Size and time of the last change of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    pub(crate) size: u64,
    /// Nanoseconds since 1970; 0 where the system does not say.
    pub(crate) modified: u64,
}

impl Stamp {
    /// That of the file at `path` as it is now.
    pub(crate) fn of(path: &Path) -> Result<Self> {
        let metadata = fs::metadata(path).map_err(|cause| Error::io(path, "open", cause))?;
        let since = metadata.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
        Ok(Stamp { size: metadata.len(), modified: since.map_or(0, |since| since.as_nanos() as u64) })
    }

    /// Checks that the file at `path`, which is called `name`, is as it was.
    pub(crate) fn check(self, path: &Path, name: &str) -> Result<()> {
        let now = Stamp::of(path)?;
        let changed = |what: String| Err(Error::SourceChanged { dataset: name.to_owned(), what });
        if now.size != self.size {
            return changed(format!("the file had {} bytes, and has {}", self.size, now.size));
        }
        if now.modified != self.modified {
            return changed("the file was written to".to_owned());
        }
        Ok(())
    }
}
