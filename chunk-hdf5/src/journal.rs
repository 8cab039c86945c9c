//! The journal of a file that grows: what a commit is to change in the part of the file that was committed before.
//!
//! Pages of [`PAGE`] bytes, each in a slot of the journal file from slot 1 on; slot 0 is the head, and behind the
//! slots is the list of the pages. The head is written last, and says with checksums what the rest must be: a journal
//! that is not complete is none.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use chunk_core::{DataFile, Error, Result};

use crate::superblock::lookup3;

/// Bytes of a page.
pub(crate) const PAGE: u64 = 4096;

const MAGIC: &[u8; 16] = b"chunk journal 1\n";
/// Magic, new length, number of pages, checksum of their list, checksum of the head.
const HEAD: usize = 16 + 8 + 8 + 4 + 4;
/// Number of a page, checksum of its content.
const ENTRY: usize = 12;

/// A journal being filled.
#[derive(Debug)]
pub(crate) struct Journal {
    file: DataFile,
    /// The slot of each page.
    slots: BTreeMap<u64, u64>,
}

/// A complete journal.
#[derive(Debug)]
pub(crate) struct Sealed {
    file: DataFile,
    pages: Vec<u64>,
    /// The length that the file is to have.
    pub(crate) length: u64,
}

/// Where the journal of the file at `path` is: beside the file itself, whatever links lead to it.
pub(crate) fn path_of(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| path.to_path_buf()).with_added_extension("journal")
}

/// Whether the file at `path` has a journal, complete or not.
///
/// # Errors
/// [`Error::Unsupported`] if something else has its name.
pub(crate) fn is_there(path: &Path) -> Result<bool> {
    let path = path_of(path);
    let fail = |cause| Error::io(&path, "read", cause);
    let metadata = match fs::symlink_metadata(&path) {
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(false),
        metadata => metadata.map_err(fail)?,
    };
    let mut start = Vec::new();
    if metadata.is_file() {
        fs::File::open(&path).and_then(|file| file.take(MAGIC.len() as u64).read_to_end(&mut start)).map_err(fail)?;
    }
    // The magic is written last: before, there is nothing in its place.
    let is_ours = metadata.is_file() && start.iter().zip(MAGIC).all(|(byte, magic)| *byte == 0 || byte == magic);
    if is_ours {
        Ok(true)
    } else {
        Err(Error::unsupported(&path, "has the name of a journal, and is none: move it away"))
    }
}

/// Removes the journal of the file at `path`, if it is there.
pub(crate) fn remove(path: &Path) -> Result<bool> {
    if !is_there(path)? {
        return Ok(false);
    }
    match fs::remove_file(path_of(path)) {
        Ok(()) => Ok(true),
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(cause) => Err(Error::io(path_of(path), "remove", cause)),
    }
}

impl Journal {
    /// An empty journal for the file at `path`. There must be none: whoever has the lock of the file has dealt with it.
    pub(crate) fn create(path: &Path) -> Result<Self> {
        let target = path;
        let path = path_of(target);
        let made = OpenOptions::new().read(true).write(true).create_new(true).open(&path);
        let file = made.map_err(|cause| match cause.kind() {
            // Without locks, this is how another writer is noticed.
            io::ErrorKind::AlreadyExists => Error::Locked { path: target.to_path_buf() },
            _ => Error::io(&path, "create", cause),
        })?;
        Ok(Journal { file: DataFile::new(file, path), slots: BTreeMap::new() })
    }

    /// The bytes that the journal takes in memory.
    pub(crate) fn held_bytes(pages: u64) -> u64 {
        // Two numbers in the nodes of a tree that are at least half full.
        pages.saturating_mul(4 * size_of::<u64>() as u64)
    }

    pub(crate) fn has(&self, page: u64) -> bool {
        self.slots.contains_key(&page)
    }

    /// The numbers of the pages from `first` to `last`.
    pub(crate) fn pages(&self, first: u64, last: u64) -> Vec<u64> {
        self.slots.range(first..=last).map(|(page, _)| *page).collect()
    }

    /// Fills `out` with the bytes from `within` on of a page that is in the journal.
    pub(crate) fn read(&self, page: u64, within: u64, out: &mut [u8]) -> Result<()> {
        self.file.read_at(out, self.slots[&page] * PAGE + within)
    }

    /// Changes bytes of a page. Of one that is not in the journal yet, all bytes are given.
    pub(crate) fn write(&mut self, page: u64, within: u64, data: &[u8]) -> Result<()> {
        let next = self.slots.len() as u64 + 1;
        let slot = self.slots.get(&page).copied().unwrap_or(next);
        self.file.write_at(data, slot * PAGE + within)?;
        self.slots.insert(page, slot);
        Ok(())
    }

    /// Completes the journal, and makes it durable, its name included.
    pub(crate) fn seal(&self, length: u64) -> Result<()> {
        let mut list = Vec::with_capacity(self.slots.len() * ENTRY);
        let mut in_order: Vec<_> = self.slots.iter().map(|(page, slot)| (*slot, *page)).collect();
        in_order.sort_unstable();
        let mut content = [0; PAGE as usize];
        for (slot, page) in &in_order {
            self.file.read_at(&mut content, slot * PAGE)?;
            list.extend(page.to_le_bytes());
            list.extend(lookup3(&content).to_le_bytes());
        }
        let pages = in_order.len() as u64;
        self.file.write_at(&list, (pages + 1) * PAGE)?;
        let mut head = Vec::with_capacity(HEAD);
        head.extend(MAGIC);
        head.extend(length.to_le_bytes());
        head.extend(pages.to_le_bytes());
        head.extend(lookup3(&list).to_le_bytes());
        head.extend(lookup3(&head).to_le_bytes());
        self.file.write_at(&head, 0)?;
        sync(&self.file)?;
        sync_folder(self.file.path())
    }

    /// Makes the journal an empty one again.
    pub(crate) fn clear(&mut self) -> Result<()> {
        self.file.set_length(0)?;
        self.slots.clear();
        Ok(())
    }
}

impl Sealed {
    /// The journal of the file at `path`, if there is a complete one.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub(crate) fn open(path: &Path) -> Result<Option<Self>> {
        let path = path_of(path);
        if !fs::symlink_metadata(&path).is_ok_and(|metadata| metadata.is_file()) {
            return Ok(None);
        }
        match Sealed::load(DataFile::open(&path)?) {
            Err(Error::Corrupt { .. }) => Ok(None), // it ends too early
            loaded => loaded,
        }
    }

    fn load(file: DataFile) -> Result<Option<Self>> {
        let mut head = [0; HEAD];
        file.read_at(&mut head, 0)?;
        let number = |at: usize| u64::from_le_bytes(std::array::from_fn(|i| head[at + i]));
        let sum = |at: usize| u32::from_le_bytes(std::array::from_fn(|i| head[at + i]));
        let (length, count) = (number(16), number(24));
        let fits = count < file.length()? / PAGE;
        if !head.starts_with(MAGIC) || sum(36) != lookup3(&head[..36]) || !fits {
            return Ok(None);
        }
        let mut list = vec![0; count as usize * ENTRY];
        file.read_at(&mut list, (count + 1) * PAGE)?;
        if lookup3(&list) != sum(32) {
            return Ok(None);
        }
        let mut pages = Vec::with_capacity(count as usize);
        let mut content = [0; PAGE as usize];
        for (slot, entry) in (1..).zip(list.chunks_exact(ENTRY)) {
            file.read_at(&mut content, slot * PAGE)?;
            let (page, sum) = entry.split_at(8);
            if lookup3(&content).to_le_bytes() != sum {
                return Ok(None);
            }
            pages.push(u64::from_le_bytes(std::array::from_fn(|i| page[i])));
        }
        Ok(Some(Sealed { file, pages, length }))
    }

    /// Brings all pages and the length into `target`, and makes them durable.
    pub(crate) fn apply(&self, target: &DataFile) -> Result<()> {
        let mut content = [0; PAGE as usize];
        for (slot, page) in (1..).zip(&self.pages) {
            self.file.read_at(&mut content, slot * PAGE)?;
            let from = page.saturating_mul(PAGE);
            // The last page may reach past the end.
            let length = self.length.saturating_sub(from).min(PAGE) as usize;
            target.write_at(&content[..length], from)?;
        }
        target.set_length(self.length)?;
        sync(target)
    }
}

/// Makes what was written durable.
pub(crate) fn sync(file: &DataFile) -> Result<()> {
    file.file().sync_data().map_err(|cause| Error::io(file.path(), "sync", cause))
}

fn sync_folder(path: &Path) -> Result<()> {
    if !cfg!(unix) {
        return Ok(());
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let synced = fs::File::open(folder).and_then(|folder| folder.sync_all());
    synced.map_err(|cause| Error::io(path, "sync", cause))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[test]
    fn a_journal_is_beside_the_file_whatever_leads_there() {
        let folder = tempfile::tempdir().unwrap();
        let (path, link) = (folder.path().join("x.h5"), folder.path().join("link.h5"));
        fs::write(&path, b"").unwrap();
        std::os::unix::fs::symlink("x.h5", &link).unwrap();
        assert_eq!(path_of(&link), path_of(&path));
        assert!(!is_there(&link).unwrap());
        Journal::create(&link).unwrap();
        assert!(is_there(&path).unwrap());
        fs::write(path_of(&path), b"notes").unwrap();
        assert!(is_there(&path).is_err() && remove(&link).is_err());
    }

    #[test]
    fn a_journal_counts_only_when_it_is_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.h5");
        fs::write(&path, vec![1; 3 * PAGE as usize]).unwrap();
        let mut journal = Journal::create(&path).unwrap();
        journal.write(2, 0, &[7; PAGE as usize]).unwrap();
        journal.write(0, 0, &[8; PAGE as usize]).unwrap();
        journal.write(0, 5, &[9]).unwrap();
        assert!(Sealed::open(&path).unwrap().is_none());
        let length = 2 * PAGE + 10;
        journal.seal(length).unwrap();

        let whole = fs::read(path_of(&path)).unwrap();
        for cut in (0..whole.len()).step_by(131).chain([whole.len() - 1]) {
            fs::write(path_of(&path), &whole[..cut]).unwrap();
            assert!(Sealed::open(&path).unwrap().is_none(), "cut to {cut}");
        }
        for at in (0..HEAD).chain((PAGE as usize..whole.len()).step_by(97)) {
            let mut damaged = whole.clone();
            damaged[at] ^= 4;
            fs::write(path_of(&path), damaged).unwrap();
            assert!(Sealed::open(&path).unwrap().is_none(), "byte {at}");
        }
        fs::write(path_of(&path), &whole).unwrap();
        let target = OpenOptions::new().read(true).write(true).open(&path).unwrap();
        Sealed::open(&path).unwrap().unwrap().apply(&DataFile::new(target, &path)).unwrap();
        let mut expected = vec![8; PAGE as usize];
        expected[5] = 9;
        expected.extend([1; PAGE as usize]);
        expected.extend([7; 10]);
        assert_eq!(fs::read(&path).unwrap(), expected);
    }
}
