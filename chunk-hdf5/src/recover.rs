//! What a dead writer left of a file, and mending it.

use std::path::Path;

use chunk_core::{DataFile, Error, Result};

use crate::error::Place;
use crate::file::FileLocking;
use crate::journal::{self, Sealed};
use crate::session::open_to_write;
use crate::staged;
use crate::superblock::Superblock;

const COMMITTING: &str = "its writer died while committing: the journal completes it";
const OPEN: &str = "it is marked as open for writing, and nobody has its lock";
const SHARED: &str = "it is marked as open for writing beside readers (SWMR): its writer, who keeps no lock, may live";
const JOURNAL: &str = "a journal of changes that were not committed is beside it";

/// What is wrong with the file at `path`, a line each.
pub(crate) fn find(path: &Path, locking: FileLocking) -> Result<Vec<String>> {
    let file = DataFile::open(path)?;
    locking.shared(&file)?;
    problems(&file)
}

fn problems(file: &DataFile) -> Result<Vec<String>> {
    let superblock = Superblock::read(file)?;
    let mut problems = Vec::new();
    let journal = journal::is_there(file.path())?;
    if superblock.is_committing() {
        problems.push(COMMITTING.to_owned());
    } else if journal {
        problems.push(JOURNAL.to_owned());
    }
    if superblock.is_open_for_writing() {
        problems.push(mark(&superblock).to_owned());
    }
    let (length, end) = (file.length()?, superblock.end());
    if length < end && !superblock.is_committing() {
        problems.push(format!("it has {length} bytes, {} less than it says itself", end - length));
    }
    if length > end && !superblock.is_open_for_writing() && may_be_cut(&superblock, journal) {
        problems.push(format!("{} bytes behind its end were never committed", length - end));
    }
    Ok(problems)
}

fn mark(superblock: &Superblock) -> &'static str {
    if superblock.is_open_for_shared_writing() { SHARED } else { OPEN }
}

/// Without a checksum the superblock is not believed so far, unless a writer of ours is known to have died.
fn may_be_cut(superblock: &Superblock, journal: bool) -> bool {
    superblock.is_summed() || journal
}

/// Brings `file`, which is locked for writing, back to its last committed state: what was done, a line each.
///
/// # Errors
/// [`Error::NeedsRecovery`] for a mark of another program's writer, which may live without a lock.
pub(crate) fn mend(file: &DataFile) -> Result<Vec<String>> {
    let superblock = Superblock::read(file)?;
    if superblock.is_open_for_writing() {
        return Err(Error::NeedsRecovery { path: file.path().to_path_buf(), what: mark(&superblock).to_owned() });
    }
    bring_back(file, superblock)
}

/// The same whatever its marks: `superblock` is that of the file.
fn bring_back(file: &DataFile, mut superblock: Superblock) -> Result<Vec<String>> {
    let mut done = Vec::new();
    let committing = superblock.is_committing();
    if committing {
        staged::complete(file)?;
        superblock = Superblock::read(file)?;
        done.push("completed the commit that its writer died over".to_owned());
    }
    let (length, end) = (file.length()?, superblock.end());
    if length < end {
        // Nothing is known that would help.
        return Ok(done);
    }
    if superblock.is_open_for_writing() {
        // Such a writer states the end of the file last: what it wrote may be behind what is stated.
        file.write_at(&superblock.unmarked(length), superblock.offset)?;
        journal::sync(file)?;
        done.push("took away the mark of a writer that died".to_owned());
        return Ok(done);
    }
    let journal = journal::is_there(file.path())?;
    if length > end && may_be_cut(&superblock, journal) {
        file.set_length(end)?;
        journal::sync(file)?;
        done.push(format!("cut {} bytes off that were never committed", length - end));
    }
    if journal && journal::remove(file.path())? && !committing {
        done.push("dropped changes that were not committed".to_owned());
    }
    Ok(done)
}

/// Recovers the file at `path`.
pub(crate) fn recover(path: &Path, locking: FileLocking) -> Result<Vec<String>> {
    let file = open_to_write(path)?;
    locking.exclusive(&file)?;
    let superblock = Superblock::read(&file)?;
    let (length, end) = (file.length()?, superblock.end());
    if length < end && !superblock.is_committing() {
        let place = Place::new(path, "");
        return Err(place.corrupt(format!("the file is truncated: {} bytes are missing at its end", end - length)));
    }
    bring_back(&file, superblock)
}

/// Sees to it that a file may be read: completes a commit of ours, and takes the mark of a dead writer away, no more than
/// that, if it would have a lock while it lives. `file` is ours, not locked.
pub(crate) fn before_reading(file: &DataFile, locking: FileLocking) -> Result<()> {
    let Ok(superblock) = Superblock::read(file) else { return Ok(()) }; // the library says what is wrong with it
    if !superblock.is_committing() && !superblock.is_open_for_writing() {
        return Ok(());
    }
    let path = file.path();
    let what = if superblock.is_committing() { COMMITTING } else { mark(&superblock) };
    let needs = || Error::NeedsRecovery { path: path.to_path_buf(), what: what.to_owned() };
    if locking == FileLocking::Off || superblock.is_open_for_shared_writing() {
        // Whether the writer lives cannot be known.
        return Err(needs());
    }
    let file = open_to_write(path).map_err(|_| needs())?;
    locking.exclusive(&file)?;
    // It may have changed before it was locked.
    let superblock = Superblock::read(&file)?;
    if superblock.is_committing() {
        return if Sealed::open(path)?.is_none() { Err(needs()) } else { bring_back(&file, superblock).map(drop) };
    }
    if superblock.is_open_for_shared_writing() {
        return Err(needs());
    }
    file.write_at(&superblock.marked(0), superblock.offset)?;
    journal::sync(&file)
}
