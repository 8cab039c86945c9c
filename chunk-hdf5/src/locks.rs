//! Sources and sinks of one backend that have the same file open.
//!
//! Who changes a file in place has it for himself. The sources of the same backend may go on, so that a dataset can be
//! computed from others of its file: what they read was committed, and stays as it is until the commit, which adds and
//! does not move. Their locks are given up meanwhile, for that of the sink keeps others out.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use chunk_core::{DataFile, Result};

use crate::file::FileLocking;

/// The locks of a backend, and of its clones.
#[derive(Clone, Debug, Default)]
pub(crate) struct Locks {
    locking: FileLocking,
    files: Arc<Mutex<Files>>,
}

#[derive(Debug, Default)]
struct Files {
    /// Those that sources read.
    read: Vec<Weak<DataFile>>,
    /// Those that are changed in place, without links in their paths.
    changed: Vec<PathBuf>,
}

/// A file that is locked for writing. Dropped after the lock is gone, it lets the sources of the file take theirs again.
#[derive(Debug)]
pub(crate) struct Changed {
    files: Arc<Mutex<Files>>,
    path: PathBuf,
}

impl Locks {
    pub(crate) fn new(locking: FileLocking) -> Self {
        Locks { locking, files: Arc::default() }
    }

    /// How a file is opened to be looked at, or for a source.
    pub(crate) fn to_read(&self, path: &Path) -> FileLocking {
        let changed = resolved(path).is_some_and(|path| lock(&self.files).changed.contains(&path));
        if changed { FileLocking::Off } else { self.locking }
    }

    /// A source has the file open.
    pub(crate) fn reads(&self, file: &Arc<DataFile>) {
        let read = &mut lock(&self.files).read;
        if read.len().is_power_of_two() {
            read.retain(|file| file.strong_count() > 0);
        }
        read.push(Arc::downgrade(file));
    }

    /// Takes the file for writing.
    ///
    /// # Errors
    /// [`Error::Locked`](chunk_core::Error::Locked) while somebody has it who is no source of this backend.
    pub(crate) fn exclusive(&self, file: &DataFile) -> Result<Option<Changed>> {
        let path = match resolved(file.path()) {
            Some(path) if self.locking == FileLocking::On => path,
            _ => return self.locking.exclusive(file).map(|()| None),
        };
        let mut files = lock(&self.files);
        files.readers_of(&path).iter().for_each(|reader| reader.unlock());
        if let Err(error) = file.lock() {
            files.lock_readers_of(&path);
            return Err(error);
        }
        files.changed.push(path.clone());
        Ok(Some(Changed { files: self.files.clone(), path }))
    }
}

impl Drop for Changed {
    fn drop(&mut self) {
        let mut files = lock(&self.files);
        files.changed.retain(|path| *path != self.path);
        files.lock_readers_of(&self.path);
    }
}

impl Files {
    fn readers_of(&self, path: &Path) -> Vec<Arc<DataFile>> {
        let open = self.read.iter().filter_map(Weak::upgrade);
        open.filter(|file| resolved(file.path()).as_deref() == Some(path)).collect()
    }

    fn lock_readers_of(&self, path: &Path) {
        for reader in self.readers_of(path) {
            // If another was faster, the source goes on as one without locks does.
            let _ = reader.lock_shared();
        }
    }
}

fn resolved(path: &Path) -> Option<PathBuf> {
    path.canonicalize().ok()
}

fn lock(files: &Mutex<Files>) -> MutexGuard<'_, Files> {
    files.lock().unwrap_or_else(PoisonError::into_inner)
}
