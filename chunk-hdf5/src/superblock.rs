//! The first block of an HDF5 file: where the file ends, and the marks of those that write it.

use chunk_core::{DataFile, Error, Result};

use crate::error::Place;
use crate::file;

/// A superblock as it is in the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Superblock {
    /// Where it begins: 0, or after a user block.
    pub(crate) offset: u64,
    bytes: Vec<u8>,
    version: u8,
    /// Bytes of an address.
    address: usize,
    /// Bytes of a length.
    length: usize,
}

/// Set by libhdf5 while a file is open for writing, in superblocks of version 3; what it opens must not have it.
pub(crate) const WRITING: u8 = 1;
/// Set with [`WRITING`] by a writer that lets others read.
const WRITING_SHARED: u8 = 4;
/// Ours, while a commit is being copied from the journal: no version of libhdf5 opens a file with a bit that it does
/// not know, nor does `h5clear` clear it.
pub(crate) const COMMITTING: u8 = 0x80;

/// Longer than any superblock.
const MOST: usize = 128;
const CHECKSUM: usize = 4;

impl Superblock {
    /// The superblock of the file, if it has one that can be understood.
    ///
    /// # Errors
    /// [`Error::WrongFormat`]; [`Error::Corrupt`] if it is cut off, of no known version, or has a wrong checksum.
    pub(crate) fn read(file: &DataFile) -> Result<Self> {
        let length = file.length()?;
        let wrong = || Error::WrongFormat { path: file.path().to_path_buf(), format: "an HDF5" };
        let offset = file::signature_offset(file, length)?.ok_or_else(wrong)?;
        let mut head = vec![0; (length - offset).min(MOST as u64) as usize];
        file.read_at(&mut head, offset)?;
        let place = Place::new(file.path(), "");
        let superblock = Superblock::parse(offset, &head).map_err(|what| place.corrupt(what))?;
        superblock.checked().ok_or_else(|| place.corrupt("the checksum of the superblock is wrong"))
    }

    /// The superblock, if its checksum is right. Where the mark of a commit was written or taken away in part only, each
    /// byte of it is that of one of both states: the commit is then not yet done, and the journal is there.
    fn checked(self) -> Option<Self> {
        if !self.is_summed() || self.stored_sum() == self.sum() {
            return Some(self);
        }
        let mut other = self.clone();
        let at = other.marks_at();
        other.bytes[at] ^= COMMITTING;
        let (stored, sums) = (self.stored_sum().to_le_bytes(), [self.sum(), other.sum()].map(u32::to_le_bytes));
        let torn = (0..CHECKSUM).all(|i| sums.iter().any(|sum| sum[i] == stored[i]));
        torn.then(|| Superblock { bytes: self.marked(self.marks() | COMMITTING), ..self })
    }

    fn parse(offset: u64, head: &[u8]) -> std::result::Result<Self, &'static str> {
        let byte = |index: usize| head.get(index).copied().ok_or("the superblock is cut off");
        let version = byte(8)?;
        let sizes_at = match version {
            0 | 1 => 13,
            2 | 3 => 9,
            _ => return Err("the superblock is of an unknown version"),
        };
        let (address, length) = (usize::from(byte(sizes_at)?), usize::from(byte(sizes_at + 1)?));
        if !matches!((address, length), (2 | 4 | 8, 2 | 4 | 8)) {
            return Err("the superblock states addresses or lengths of an odd size");
        }
        let end = if version < 2 { 24 + 4 * usize::from(version) + 4 * address } else { 12 + 4 * address + CHECKSUM };
        let bytes = head.get(..end).ok_or("the superblock is cut off")?.to_vec();
        Ok(Superblock { offset, bytes, version, address, length })
    }

    /// Bytes of an address, which counts from the superblock on.
    pub(crate) fn address_size(&self) -> usize {
        self.address
    }

    /// Bytes of a length.
    pub(crate) fn length_size(&self) -> usize {
        self.length
    }

    /// The bytes, with these marks and the checksum that belongs to them.
    pub(crate) fn marked(&self, marks: u8) -> Vec<u8> {
        let mut marked = self.clone();
        marked.bytes[self.marks_at()] = marks;
        if self.is_summed() {
            let end = self.bytes.len() - CHECKSUM;
            let sum = marked.sum();
            marked.bytes[end..].copy_from_slice(&sum.to_le_bytes());
        }
        marked.bytes
    }

    /// Another superblock in the same place and of the same size.
    pub(crate) fn with_bytes(&self, bytes: &[u8]) -> std::result::Result<Self, &'static str> {
        let other = Superblock::parse(self.offset, bytes)?;
        if other.bytes.len() == self.bytes.len() { Ok(other) } else { Err("the size differs") }
    }

    /// The marks of writers.
    pub(crate) fn marks(&self) -> u8 {
        self.bytes[self.marks_at()]
    }

    /// Whether a writer of libhdf5 has the file open, or died over it. Older superblocks have no such mark.
    pub(crate) fn is_open_for_writing(&self) -> bool {
        self.version >= 3 && self.marks() & (WRITING | WRITING_SHARED) != 0
    }

    /// Whether that is a writer that lets others read meanwhile (SWMR), and so keeps no lock.
    pub(crate) fn is_open_for_shared_writing(&self) -> bool {
        self.version >= 3 && self.marks() & WRITING_SHARED != 0
    }

    /// The bytes without marks of writers, of a file that ends at `end`.
    pub(crate) fn unmarked(&self, end: u64) -> Vec<u8> {
        let mut unmarked = self.clone();
        let first = self.addresses_at();
        let stored = end.saturating_sub(self.offset).saturating_add(self.number(first));
        let at = first + 2 * self.address;
        unmarked.bytes[at..at + self.address].copy_from_slice(&stored.to_le_bytes()[..self.address]);
        unmarked.marked(0)
    }

    /// Whether a commit of ours was under way.
    pub(crate) fn is_committing(&self) -> bool {
        self.marks() & COMMITTING != 0
    }

    /// Whether damage to the superblock is seen.
    pub(crate) fn is_summed(&self) -> bool {
        self.version >= 2
    }

    /// Where the file ends, as it says itself. What is behind was never committed.
    pub(crate) fn end(&self) -> u64 {
        let first = self.addresses_at();
        let (base, end) = (self.number(first), self.number(first + 2 * self.address));
        // A user block may have been put before a finished file.
        end.saturating_add(self.offset).saturating_sub(base)
    }

    fn addresses_at(&self) -> usize {
        if self.is_summed() { 12 } else { 24 + 4 * usize::from(self.version) }
    }

    fn number(&self, at: usize) -> u64 {
        let mut number = [0; 8];
        number[..self.address].copy_from_slice(&self.bytes[at..at + self.address]);
        u64::from_le_bytes(number)
    }

    fn marks_at(&self) -> usize {
        if self.is_summed() { 11 } else { 20 }
    }

    fn stored_sum(&self) -> u32 {
        let mut sum = [0; CHECKSUM];
        sum.copy_from_slice(&self.bytes[self.bytes.len() - CHECKSUM..]);
        u32::from_le_bytes(sum)
    }

    fn sum(&self) -> u32 {
        lookup3(&self.bytes[..self.bytes.len() - CHECKSUM])
    }
}

/// Bob Jenkins's lookup3, the checksum of HDF5's metadata.
pub(crate) fn lookup3(data: &[u8]) -> u32 {
    let start = 0xdead_beef_u32.wrapping_add(data.len() as u32);
    let [mut a, mut b, mut c] = [start; 3];
    let whole = if data.is_empty() { 0 } else { (data.len() - 1) / 12 * 12 };
    for block in data[..whole].chunks_exact(12) {
        (a, b, c) = add(block, a, b, c);
        (a, b, c) = mix(a, b, c);
    }
    if data.is_empty() {
        return c;
    }
    let mut last = [0; 12];
    last[..data.len() - whole].copy_from_slice(&data[whole..]);
    (a, b, c) = add(&last, a, b, c);
    finish(a, b, c)
}

fn add(block: &[u8], a: u32, b: u32, c: u32) -> (u32, u32, u32) {
    let word = |at: usize| u32::from_le_bytes([block[at], block[at + 1], block[at + 2], block[at + 3]]);
    (a.wrapping_add(word(0)), b.wrapping_add(word(4)), c.wrapping_add(word(8)))
}

fn mix(mut a: u32, mut b: u32, mut c: u32) -> (u32, u32, u32) {
    a = a.wrapping_sub(c) ^ c.rotate_left(4);
    c = c.wrapping_add(b);
    b = b.wrapping_sub(a) ^ a.rotate_left(6);
    a = a.wrapping_add(c);
    c = c.wrapping_sub(b) ^ b.rotate_left(8);
    b = b.wrapping_add(a);
    a = a.wrapping_sub(c) ^ c.rotate_left(16);
    c = c.wrapping_add(b);
    b = b.wrapping_sub(a) ^ a.rotate_left(19);
    a = a.wrapping_add(c);
    c = c.wrapping_sub(b) ^ b.rotate_left(4);
    b = b.wrapping_add(a);
    (a, b, c)
}

fn finish(mut a: u32, mut b: u32, mut c: u32) -> u32 {
    c = (c ^ b).wrapping_sub(b.rotate_left(14));
    a = (a ^ c).wrapping_sub(c.rotate_left(11));
    b = (b ^ a).wrapping_sub(a.rotate_left(25));
    c = (c ^ b).wrapping_sub(b.rotate_left(16));
    a = (a ^ c).wrapping_sub(c.rotate_left(4));
    b = (b ^ a).wrapping_sub(a.rotate_left(14));
    (c ^ b).wrapping_sub(b.rotate_left(24))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agrees_with_the_published_values_of_lookup3() {
        // From the driver5 of lookup3.c, and the empty text.
        assert_eq!(lookup3(b""), 0xdead_beef);
        assert_eq!(lookup3(b"Four score and seven years ago"), 0x1777_0551);
    }

    #[test]
    fn reads_what_the_library_wrote() {
        let folder = tempfile::tempdir().unwrap();
        for (version, offset) in [(0, 0), (2, 0), (3, 0), (3, 1024)] {
            let path = folder.path().join(format!("{version}-{offset}.h5"));
            let mut options = hdf5::File::with_options();
            options.with_fapl(|list| match version {
                0 => list.libver_earliest(),
                2 => list.libver_v18(),
                _ => list.libver_v110(),
            });
            options.with_fcpl(|list| list.userblock(offset));
            options.create(&path).unwrap().close().unwrap();
            let file = DataFile::open(&path).unwrap();
            let superblock = Superblock::read(&file).unwrap();
            assert_eq!((superblock.version, superblock.offset), (version, offset));
            assert_eq!(superblock.end(), file.length().unwrap());
            assert_eq!(superblock.marked(0), superblock.bytes);
            assert!(!superblock.is_open_for_writing() && !superblock.is_committing());

            // No version of the format lets the library open what is being committed.
            let mut bytes = std::fs::read(&path).unwrap();
            let (from, marked) = (offset as usize, superblock.marked(COMMITTING));
            bytes[from..from + marked.len()].copy_from_slice(&marked);
            std::fs::write(&path, bytes).unwrap();
            assert!(Superblock::read(&file).unwrap().is_committing());
            assert!(hdf5::File::open(&path).is_err());
        }
    }

    #[test]
    fn sees_damage() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.h5");
        let mut options = hdf5::File::with_options();
        options.with_fapl(|list| list.libver_v110());
        options.create(&path).unwrap().close().unwrap();
        let sound = std::fs::read(&path).unwrap();
        for at in 8..48 {
            let mut bytes = sound.clone();
            bytes[at] ^= 1;
            std::fs::write(&path, bytes).unwrap();
            assert!(Superblock::read(&DataFile::open(&path).unwrap()).is_err(), "byte {at}");
        }
        // Half of the mark of a commit is the mark.
        let marked = Superblock::read(&{
            std::fs::write(&path, &sound).unwrap();
            DataFile::open(&path).unwrap()
        });
        let marked = marked.unwrap().marked(COMMITTING);
        for cut in 12..48 {
            let torn: Vec<u8> = marked[..cut].iter().chain(&sound[cut..]).copied().collect();
            std::fs::write(&path, torn).unwrap();
            assert!(
                Superblock::read(&DataFile::open(&path).unwrap()).is_ok_and(|found| found.is_committing()),
                "{cut}"
            );
        }
        std::fs::write(&path, &sound[..40]).unwrap();
        assert!(Superblock::read(&DataFile::open(&path).unwrap()).is_err());
    }
}
