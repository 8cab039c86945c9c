//! A file being changed: a new one under a temporary name, or one that is there, in place.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use chunk_core::{DataFile, Error, NewFile, Result};

use crate::assembly::Assembled;
use crate::error::Place;
use crate::library;
use crate::locks::Locks;
use crate::session::Session;

/// A file being changed. Dropped before it is finished, it takes all changes along.
#[derive(Debug)]
pub(crate) struct Changing {
    file: Kind,
    path: PathBuf,
    /// Whether something could not be written: what is there then is not what was asked for.
    failed: AtomicBool,
}

/// Fields are dropped in order: the library closes before the file goes.
#[derive(Debug)]
enum Kind {
    New { library: hdf5::File, new: NewFile, overwrite: bool },
    InPlace(Session),
    Assembled(Assembled),
}

impl Changing {
    /// A new file that is to be at `path`.
    pub(crate) fn create(path: &Path, overwrite: bool) -> Result<Self> {
        NewFile::check(path, overwrite)?;
        let new = NewFile::beside(path)?;
        let made = library::create_file(new.temporary_path());
        let library = made.map_err(|error| Place::new(path, "").library("create", &error))?;
        Ok(Changing::of(path, Kind::New { library, new, overwrite }))
    }

    /// The file at `path`. Changes nothing in a sound one.
    pub(crate) fn open(path: &Path, locks: &Locks) -> Result<Self> {
        Ok(Changing::of(path, Kind::InPlace(Session::open(path, locks)?)))
    }

    /// A new file that is to be at `path`, around chunks that are in it already. Whoever has `data` gives it its name.
    pub(crate) fn around(path: &Path, data: Arc<DataFile>, chunks_end: u64) -> Result<Self> {
        Ok(Changing::of(path, Kind::Assembled(Assembled::create(data, chunks_end, Place::new(path, ""))?)))
    }

    /// The file, if it is made around chunks.
    pub(crate) fn assembled(&self) -> Option<&Assembled> {
        match &self.file {
            Kind::Assembled(assembled) => Some(assembled),
            _ => None,
        }
    }

    fn of(path: &Path, file: Kind) -> Self {
        Changing { file, path: path.to_path_buf(), failed: AtomicBool::new(false) }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn library(&self) -> &hdf5::File {
        match &self.file {
            Kind::New { library, .. } => library,
            Kind::InPlace(session) => session.library(),
            Kind::Assembled(assembled) => assembled.library(),
        }
    }

    /// The cause of an error that came through the library. Nothing is committed after it: what the library has in memory
    /// may not be what was asked for.
    pub(crate) fn fail(&self, error: Error) -> Error {
        self.failed.store(true, Ordering::Relaxed);
        match &self.file {
            Kind::InPlace(session) if matches!(error, Error::Backend { .. }) => session.cause(error),
            Kind::Assembled(assembled) if matches!(error, Error::Backend { .. }) => assembled.cause(error),
            _ => error,
        }
    }

    /// Makes all changes durable; the file stays open. Of a file that is there.
    pub(crate) fn commit(&self) -> Result<()> {
        self.check()?;
        let committed = match &self.file {
            Kind::InPlace(session) => session.commit(),
            Kind::New { .. } | Kind::Assembled(_) => unreachable!("a new file is committed by its name, once"),
        };
        committed.inspect_err(|_| self.failed.store(true, Ordering::Relaxed))
    }

    /// Makes what was written to a new file durable, under its temporary name. Of a file that is there,
    /// a commit does it all.
    pub(crate) fn sync(&self) -> Result<()> {
        self.check()?;
        let Kind::New { library, new, .. } = &self.file else { return Ok(()) };
        library.flush().map_err(|error| Place::new(&self.path, "").library("write", &error))?;
        new.file().file().sync_all().map_err(|cause| Error::io(&self.path, "write", cause))
    }

    /// Makes all changes durable and visible, save those of a file around chunks, and closes the file. All that the library has open in it must be closed.
    pub(crate) fn finish(self) -> Result<()> {
        self.check()?;
        match self.file {
            Kind::InPlace(session) => session.finish(),
            Kind::Assembled(assembled) => assembled.finish(),
            Kind::New { library, new, overwrite } => {
                let fail = |error: hdf5::Error| Place::new(&self.path, "").library("finish", &error);
                library.flush().map_err(fail)?;
                library.close().map_err(fail)?;
                new.publish(overwrite)
            }
        }
    }

    fn check(&self) -> Result<()> {
        if self.failed.load(Ordering::Relaxed) {
            return Err(Error::unsupported(&self.path, "an earlier change failed: nothing is committed"));
        }
        Ok(())
    }
}
