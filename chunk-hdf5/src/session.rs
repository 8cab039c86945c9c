//! A file that is open to be changed in place: locked, recovered, and open in the library through our driver.

use std::fs::OpenOptions;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chunk_core::{DataFile, Error, Result};

use crate::error::Place;
use crate::file;
use crate::library;
use crate::locks::{Changed, Locks};
use crate::recover;
use crate::staged::Staged;
use crate::superblock::Superblock;

/// A file being changed. What was not committed is dropped with it.
#[derive(Debug)]
pub(crate) struct Session {
    /// `None` once it is closed.
    library: Option<hdf5::File>,
    /// It has the lock, too.
    staged: Arc<Mutex<Staged>>,
    place: Place,
    /// Dropped last.
    _changed: Option<Changed>,
}

impl Session {
    /// Opens the file. Changes nothing in a sound file.
    ///
    /// # Errors
    /// [`Error::Locked`]; a missing or malformed file.
    pub(crate) fn open(path: &Path, locks: &Locks) -> Result<Self> {
        let file = open_to_write(path)?;
        let changed = locks.exclusive(&file)?;
        let place = Place::new(path, "");
        recover::mend(&file)?;
        let end = Superblock::read(&file)?.end();
        if file.length()? < end {
            return Err(place.corrupt("the file is truncated: it is shorter than it says itself"));
        }
        let staged = Arc::new(Mutex::new(Staged::new(file, end)));
        let library = library::open_staged(staged.clone()).map_err(|error| file::open_error(&place, &error))?;
        Ok(Session { library: Some(library), staged, place, _changed: changed })
    }

    pub(crate) fn library(&self) -> &hdf5::File {
        match &self.library {
            Some(library) => library,
            None => unreachable!("only closing takes it"),
        }
    }

    fn staged(&self) -> MutexGuard<'_, Staged> {
        self.staged.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The cause of an error that came through the library: what the system said to our driver, which the library
    /// does not pass on.
    pub(crate) fn cause(&self, error: Error) -> Error {
        self.staged().take_failure().unwrap_or(error)
    }

    /// Makes all changes durable; the file stays open.
    ///
    /// # Errors
    /// Whatever writing meets: the session must then be dropped.
    pub(crate) fn commit(&self) -> Result<()> {
        let flushed = library::flush(self.library());
        flushed.map_err(|error| self.cause(self.place.library("commit", &error)))?;
        self.commit_staged()
    }

    fn commit_staged(&self) -> Result<()> {
        let prepared = self.staged().prepare()?;
        // Nobody of this process reads structure while it changes.
        prepared.map_or(Ok(()), |old| library::alone(|| self.staged().publish(&old)))
    }

    /// Makes all changes durable and closes the file. All that the library has open in it must be closed.
    ///
    /// # Errors
    /// Whatever writing meets: the changes are then dropped.
    pub(crate) fn finish(mut self) -> Result<()> {
        let fail = |session: &Self, error: hdf5::Error| session.cause(session.place.library("finish", &error));
        // Flushed first: what cannot be written is then thrown away, so that the library can close the file.
        library::flush(self.library()).map_err(|error| fail(&self, error))?;
        if let Some(library) = self.library.take() {
            library.close().map_err(|error| fail(&self, error))?;
        }
        let failure = self.staged().take_failure();
        match failure {
            Some(error) => Err(error),
            None => self.commit_staged(),
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.staged().discard();
        // The library closes first: what it still writes is thrown away.
        self.library = None;
        // If this fails, the next who opens the file does it.
        let _ = self.staged().close();
    }
}

/// Our own descriptor of an HDF5 file, to read and write.
pub(crate) fn open_to_write(path: &Path) -> Result<DataFile> {
    let opened = OpenOptions::new().read(true).write(true).open(path);
    let file = DataFile::new(opened.map_err(|cause| Error::io(path, "open", cause))?, path);
    let metadata = file.file().metadata().map_err(|cause| Error::io(path, "open", cause))?;
    if !metadata.is_file() || file::signature_offset(&file, metadata.len())?.is_none() {
        return Err(Error::WrongFormat { path: path.to_path_buf(), format: "an HDF5" });
    }
    Ok(file)
}
