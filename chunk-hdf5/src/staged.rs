//! A file whose changes are atomic: until they are committed, what was committed before is untouched.
//!
//! Writes behind the committed end go to the file, where nobody looks yet. Writes before it go to the [`Journal`], and
//! reads see them there. A commit makes these durable, in this order, each step synced before the next:
//!
//! 1. what was written behind the end;
//! 2. the journal, complete and with checksums;
//! 3. a mark in the superblock. **This is the commit**: whoever finds the mark brings the journal into the file,
//!    whoever does not drops the journal and what is behind the end;
//! 4. the journal's pages and the new length, in the file;
//! 5. the superblock without the mark. The journal is dropped.
//!
//! The writer may die between any two writes, and any write that was not synced may be lost or torn: what is recovered
//! is the state before the commit or after it.

use std::path::Path;

use chunk_core::{DataFile, Error, Result};

use crate::journal::{self, Journal, PAGE, Sealed};
use crate::library::Backing;
use crate::superblock::{COMMITTING, Superblock};

/// A file with changes that were not committed yet.
#[derive(Debug)]
pub(crate) struct Staged {
    file: DataFile,
    journal: Option<Journal>,
    /// Pages from this one on were not committed.
    boundary: u64,
    /// The end of what the library uses.
    end: u64,
    changed: bool,
    /// Whether writes are thrown away: the changes were given up.
    discarding: bool,
    failure: Option<Error>,
}

impl Staged {
    /// `file` with the committed end `end`. What is behind it is cut off with the first change.
    pub(crate) fn new(file: DataFile, end: u64) -> Self {
        let boundary = end.div_ceil(PAGE);
        Staged { file, journal: None, boundary, end, changed: false, discarding: false, failure: None }
    }

    pub(crate) fn path(&self) -> &Path {
        self.file.path()
    }

    /// The first error that the library was given since this was last asked.
    pub(crate) fn take_failure(&mut self) -> Option<Error> {
        self.failure.take()
    }

    /// Gives the changes up: what the library still writes goes nowhere.
    pub(crate) fn discard(&mut self) {
        self.discarding = true;
    }

    /// Before the first change: cuts off what a dead writer left behind the end.
    fn begin(&mut self) -> Result<()> {
        if self.changed {
            return Ok(());
        }
        self.journal = Some(Journal::create(self.file.path())?);
        self.changed = true;
        let committed = Superblock::read(&self.file)?.end();
        if self.file.length()? > committed { self.file.set_length(committed) } else { Ok(()) }
    }

    fn write_pages(&mut self, offset: u64, data: &[u8]) -> Result<()> {
        let end = offset + data.len() as u64;
        let mut at = offset;
        while at < end {
            let page = at / PAGE;
            let stop = end.min((page + 1) * PAGE);
            self.write_page(page, at - page * PAGE, &data[(at - offset) as usize..(stop - offset) as usize])?;
            at = stop;
        }
        Ok(())
    }

    fn write_page(&mut self, page: u64, within: u64, data: &[u8]) -> Result<()> {
        let Some(journal) = &mut self.journal else { unreachable!("the first change made it") };
        if journal.has(page) || data.len() as u64 == PAGE {
            return journal.write(page, within, data);
        }
        let mut content = [0; PAGE as usize];
        read_or_zeros(&self.file, page * PAGE, &mut content)?;
        content[within as usize..within as usize + data.len()].copy_from_slice(data);
        journal.write(page, 0, &content)
    }

    /// Steps 1 and 2 of a commit: makes all changes durable where nobody looks. Gives the superblock as it was; nothing
    /// if there are no changes.
    ///
    /// # Errors
    /// [`Error::Io`]: the commit does not happen. The caller must not go on with this file.
    pub(crate) fn prepare(&mut self) -> Result<Option<Superblock>> {
        if !self.changed {
            return Ok(None);
        }
        let old = Superblock::read(&self.file)?;
        let new = self.superblock(&old)?;
        let from = old.offset;
        self.write_pages(from, &new.marked(new.marks() | COMMITTING))?;
        let Some(journal) = &mut self.journal else { unreachable!("the first change made it") };
        if self.file.length()? < self.end {
            // Space that the library took and did not write.
            self.file.set_length(self.end)?;
        }
        journal::sync(&self.file)?;
        journal.seal(self.end)?;
        Ok(Some(old))
    }

    /// Steps 3 to 5 of a commit that was prepared.
    ///
    /// # Errors
    /// [`Error::Io`]. If it was before the mark was set, the commit did not happen; else [`recover`] completes it. The
    /// caller must not go on with this file.
    pub(crate) fn publish(&mut self, old: &Superblock) -> Result<()> {
        self.file.write_at(&old.marked(old.marks() | COMMITTING), old.offset)?;
        journal::sync(&self.file)?;
        complete(&self.file)?;
        let Some(journal) = &mut self.journal else { unreachable!("the first change made it") };
        journal.clear()?;
        self.boundary = self.end.div_ceil(PAGE);
        Ok(())
    }

    /// The superblock as it is to be.
    fn superblock(&self, old: &Superblock) -> Result<Superblock> {
        let mut bytes = vec![0; old.marked(0).len()];
        self.read(old.offset, &mut bytes)?;
        old.with_bytes(&bytes).map_err(|what| Error::Corrupt {
            path: self.path().to_path_buf(),
            dataset: String::new(),
            what: format!("the library would write a superblock of which {what}"),
        })
    }

    /// Ends: drops changes that were not committed.
    pub(crate) fn close(&mut self) -> Result<()> {
        if !self.changed {
            return Ok(());
        }
        self.changed = false;
        let superblock = Superblock::read(&self.file)?;
        if superblock.is_committing() {
            // A commit that failed half way: whoever opens the file next completes it.
            return Ok(());
        }
        if self.file.length()? > superblock.end() {
            self.file.set_length(superblock.end())?;
        }
        self.journal = None;
        journal::remove(self.file.path()).map(|_| ())
    }
}

impl Backing for Staged {
    fn end(&self) -> u64 {
        self.end
    }

    fn set_end(&mut self, end: u64) {
        self.end = end;
    }

    fn file_length(&self) -> Result<u64> {
        Ok(self.file.length()?.max(self.end))
    }

    fn allocate(&mut self, _is_raw: bool, _size: u64) -> Option<u64> {
        None
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> Result<()> {
        read_or_zeros(&self.file, offset, out)?;
        let (Some(journal), false) = (&self.journal, out.is_empty()) else { return Ok(()) };
        let end = offset + out.len() as u64;
        for page in journal.pages(offset / PAGE, (end - 1) / PAGE) {
            let (from, to) = (offset.max(page * PAGE), end.min((page + 1) * PAGE));
            journal.read(page, from - page * PAGE, &mut out[(from - offset) as usize..(to - offset) as usize])?;
        }
        Ok(())
    }

    fn write(&mut self, offset: u64, data: &[u8]) -> Result<()> {
        if self.discarding || data.is_empty() {
            return Ok(());
        }
        self.begin()?;
        let limit = self.boundary * PAGE;
        let before = limit.saturating_sub(offset).min(data.len() as u64) as usize;
        let (before, behind) = data.split_at(before);
        self.write_pages(offset, before)?;
        if behind.is_empty() { Ok(()) } else { self.file.write_at(behind, offset + before.len() as u64) }
    }

    fn keep_failure(&mut self, error: Error) {
        self.failure.get_or_insert(error);
    }
}

/// Steps 4 and 5 of a commit whose mark is set, for whoever has the lock of the file.
///
/// # Errors
/// [`Error::Corrupt`] if the journal is missing; [`Error::Io`].
pub(crate) fn complete(file: &DataFile) -> Result<()> {
    let Some(journal) = Sealed::open(file.path())? else {
        return Err(Error::Corrupt {
            path: file.path().to_path_buf(),
            dataset: String::new(),
            what: format!(
                "its writer died while committing, and {} is missing or damaged: it belongs beside the file",
                journal::path_of(file.path()).display()
            ),
        });
    };
    journal.apply(file)?;
    let superblock = Superblock::read(file)?;
    file.write_at(&superblock.marked(superblock.marks() & !COMMITTING), superblock.offset)?;
    journal::sync(file)
}

/// Fills `out`; behind the end of the file are zeros.
pub(crate) fn read_or_zeros(file: &DataFile, offset: u64, out: &mut [u8]) -> Result<()> {
    let there = file.length()?.saturating_sub(offset).min(out.len() as u64) as usize;
    let (inside, behind) = out.split_at_mut(there);
    behind.fill(0);
    if inside.is_empty() { Ok(()) } else { file.read_at(inside, offset) }
}
