//! An HDF5 file that is made around chunks which are in it already.
//!
//! Whoever encodes chunks writes them to the file from [`HEAD`] on, one behind the other, without the library. When all
//! are there, the library makes the structure, through our driver. It gets its first block of metadata before the
//! chunks, and all others behind them. Where it takes room for a chunk, it gets the place where the chunk is, and what it
//! then writes there is thrown away. So no chunk is written twice, and until the end the file holds nothing but chunks:
//! what a dead process left is continued without a look at its structure.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chunk_core::{DataFile, Error, Result};
use hdf5::Dataset;

use crate::error::Place;
use crate::library::{self, Backing};
use crate::staged;

/// Bytes before the chunks, for the superblock: the library's first block of metadata is half as long.
pub(crate) const HEAD: u64 = 4096;

/// The file as the library sees it.
#[derive(Debug)]
pub(crate) struct Assembly {
    data: Arc<DataFile>,
    /// Where the chunks end.
    tail: u64,
    /// Where the file ends.
    end: u64,
    chunk: Placement,
    /// Whether writes are thrown away: the structure was given up.
    discarding: bool,
    failure: Option<Error>,
}

/// How far the library is with the chunk that it stores, whose bytes are somewhere, and are so many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Placement {
    None,
    Expected(u64, u64),
    Taken(u64, u64),
    Done,
}

impl Assembly {
    fn new(data: Arc<DataFile>, chunks_end: u64) -> Self {
        let (chunk, tail) = (Placement::None, chunks_end.max(HEAD));
        Assembly { data, tail, end: 0, chunk, discarding: false, failure: None }
    }
}

impl Backing for Assembly {
    fn end(&self) -> u64 {
        self.end
    }

    fn set_end(&mut self, end: u64) {
        self.end = end;
    }

    fn file_length(&self) -> Result<u64> {
        // A file that is being made is empty, whatever chunks are in it.
        Ok(self.end)
    }

    fn allocate(&mut self, is_raw: bool, size: u64) -> Option<u64> {
        match self.chunk {
            Placement::Expected(offset, length) if is_raw => {
                self.chunk = Placement::Taken(offset, length);
                return (size == length).then_some(offset);
            }
            _ if self.end == 0 && size > HEAD => return None,
            _ if self.end == 0 => {
                // From here on nothing that the library has ends where the file does: it lengthens nothing in place.
                self.end = self.tail;
                return Some(0);
            }
            _ => {}
        }
        let address = self.end;
        self.end = address.checked_add(size)?;
        Some(address)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> Result<()> {
        staged::read_or_zeros(&self.data, offset, out)
    }

    fn write(&mut self, offset: u64, data: &[u8]) -> Result<()> {
        if self.chunk == Placement::Taken(offset, data.len() as u64) {
            self.chunk = Placement::Done;
            return Ok(());
        }
        if self.discarding { Ok(()) } else { self.data.write_at(data, offset) }
    }

    fn keep_failure(&mut self, error: Error) {
        self.failure.get_or_insert(error);
    }
}

/// The file open in the library. What was made of it is given up with it: the chunks stay.
#[derive(Debug)]
pub(crate) struct Assembled {
    /// `None` once it is closed.
    library: Option<hdf5::File>,
    assembly: Arc<Mutex<Assembly>>,
    place: Place,
}

impl Assembled {
    /// Makes the file around the chunks of `data`, which end at `chunks_end`; errors are those of `place`.
    pub(crate) fn create(data: Arc<DataFile>, chunks_end: u64, place: Place) -> Result<Self> {
        let assembly = Arc::new(Mutex::new(Assembly::new(data, chunks_end)));
        let mut assembled = Assembled { library: None, assembly, place };
        let made = library::create_assembled(assembled.assembly.clone());
        let made = made.map_err(|error| assembled.cause(assembled.place.library("create", &error)))?;
        assembled.library = Some(made);
        Ok(assembled)
    }

    pub(crate) fn library(&self) -> &hdf5::File {
        match &self.library {
            Some(library) => library,
            None => unreachable!("only closing takes it"),
        }
    }

    fn assembly(&self) -> MutexGuard<'_, Assembly> {
        self.assembly.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The cause of an error that came through the library.
    pub(crate) fn cause(&self, error: Error) -> Error {
        self.assembly().failure.take().unwrap_or(error)
    }

    /// Makes the library store a chunk that is in the file: at `offset`, as many bytes as `filler` has, of which the
    /// library sees those.
    pub(crate) fn place_chunk(
        &self,
        dataset: &Dataset,
        start: &[u64],
        filter_mask: u32,
        offset: u64,
        filler: &[u8],
    ) -> Result<()> {
        library::alone(|| {
            self.assembly().chunk = Placement::Expected(offset, filler.len() as u64);
            let stored = library::write_chunk(dataset, start, filter_mask, filler);
            let placement = std::mem::replace(&mut self.assembly().chunk, Placement::None);
            stored.map_err(|error| self.place.library("place a chunk", &error))?;
            if placement == Placement::Done {
                return Ok(());
            }
            Err(self.place.unsupported(format!("the library did not put the chunk at {start:?} where it is")))
        })
    }

    /// Completes the file, and closes it. All that the library has open in it must be closed.
    pub(crate) fn finish(mut self) -> Result<()> {
        let fail = |assembled: &Self, error: hdf5::Error| assembled.cause(assembled.place.library("finish", &error));
        // Flushed first: what cannot be written is then thrown away, so that the library can close the file.
        library::flush(self.library()).map_err(|error| fail(&self, error))?;
        if let Some(library) = self.library.take() {
            library.close().map_err(|error| fail(&self, error))?;
        }
        let mut assembly = self.assembly();
        match assembly.failure.take() {
            Some(error) => Err(error),
            None => assembly.data.set_length(assembly.end),
        }
    }
}

impl Drop for Assembled {
    fn drop(&mut self) {
        self.assembly().discarding = true;
        self.library = None;
    }
}
