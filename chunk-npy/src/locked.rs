//! A file with one writer at a time, and the change of its header that commits what was written.

use std::fs::File;
use std::path::Path;

use chunk_core::{DataFile, Error, NewFile, Result};

use crate::header::Header;

/// A file that is open for writing and locked against other writers, in this process and in others.
///
/// The lock is the system's advisory one, on the file itself: it goes with a process that dies, and readers do not ask
/// for it.
#[derive(Debug)]
pub(crate) struct LockedFile {
    file: DataFile,
}

impl LockedFile {
    /// Opens and locks the file at `path`.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        loop {
            let file = File::options().read(true).write(true).open(path);
            let file = DataFile::new(file.map_err(|cause| Error::io(path, "open", cause))?, path);
            file.lock()?;
            // Meanwhile another file may have been given the name: the lock would be on one that nobody reads.
            if file.has_its_name()? {
                return Ok(LockedFile { file });
            }
        }
    }

    /// Locks a new file before it has its name; afterwards it keeps the lock.
    pub(crate) fn of_new(new: &NewFile, path: &Path) -> Result<Self> {
        let file = new.file().file().try_clone().map_err(|cause| Error::io(path, "create", cause))?;
        let file = DataFile::new(file, path);
        file.lock()?;
        Ok(LockedFile { file })
    }

    pub(crate) fn file(&self) -> &DataFile {
        &self.file
    }

    /// Makes what was written durable.
    pub(crate) fn sync(&self) -> Result<()> {
        self.file.file().sync_data().map_err(|cause| Error::io(self.file.path(), "sync", cause))
    }

    /// Overwrites header `from` by `to`, which is as long: only the bytes that differ, in one call.
    ///
    /// They are a few digits within a sector, which neither a kill nor a disk leaves half written.
    ///
    /// If that fails, the old bytes are put back as far as the system lets us.
    pub(crate) fn replace_header(&self, from: &Header, to: &Header) -> Result<()> {
        let (old, new) = (from.bytes(), to.bytes());
        assert_eq!(old.len(), new.len(), "a header is changed in place");
        let differs = |at: &usize| old[*at] != new[*at];
        let Some(first) = (0..new.len()).find(differs) else { return Ok(()) };
        let end = (0..new.len()).rfind(differs).map_or(new.len(), |last| last + 1);
        let written = self.file.write_at(&new[first..end], first as u64);
        if written.is_err() {
            let _ = self.file.write_at(&old[first..end], first as u64);
        }
        written
    }
}

/// Fails if a writer has the file at `path`; there need not be one.
pub(crate) fn check_unlocked(path: &Path) -> Result<()> {
    match DataFile::open(path) {
        Ok(file) => file.lock(),
        Err(Error::FileNotFound { .. }) => Ok(()),
        Err(error) => Err(error),
    }
}
