//! Global heaps: where a file keeps what is not of one size.
//!
//! A heap collection is a block of a file: `GCOL`, the version, its size, then objects one after another, each behind
//! its number and its length. A dataset holds where an object is: the address of its collection and the number.

use std::sync::Arc;

use chunk_core::{DataFile, Result};

use crate::error::Place;
use crate::superblock::Superblock;

const SIGNATURE: [u8; 4] = *b"GCOL";
const VERSION: u8 = 1;
/// Objects begin at multiples of this, from the start of the collection.
const ALIGNMENT: u64 = 8;
/// A collection is no smaller.
const LEAST_BYTES: u64 = 4096;
/// Bytes of a collection that are held at once; what is behind is read where it is wanted.
const WINDOW: u64 = 1 << 20;

/// The heap collections of a file.
#[derive(Debug)]
pub(crate) struct Heap {
    file: Arc<DataFile>,
    superblock: Superblock,
}

/// Where an object is, as an element of a dataset says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Reference {
    /// From the base of the file's addresses on.
    collection: u64,
    /// The number of the object.
    object: u32,
    /// Items in the object: bytes of a text, elements of a sequence.
    count: u32,
}

impl Reference {
    /// Items in the object. A reference to the address 0 is one to nothing, whatever count it states.
    pub(crate) fn items(self) -> u64 {
        if self.collection == 0 { 0 } else { self.count.into() }
    }
}

/// Bytes of a reference in a file with this superblock: a count, an address, a number.
pub(crate) fn reference_size(superblock: &Superblock) -> usize {
    superblock.address_size() + 2 * size_of::<u32>()
}

impl Heap {
    /// The heap of a file, nothing of which is read yet.
    pub(crate) fn new(file: Arc<DataFile>, superblock: Superblock) -> Self {
        Heap { file, superblock }
    }

    /// The reference that is stored as these bytes.
    pub(crate) fn reference(&self, stored: &[u8]) -> Reference {
        let (count, rest) = stored.split_at(size_of::<u32>());
        let (collection, object) = rest.split_at(self.superblock.address_size());
        Reference { collection: number(collection), object: number(object) as u32, count: number(count) as u32 }
    }

    /// The objects that references lead to, cut to their counts of items of `size` bytes; `None` for none.
    ///
    /// Each collection is read once, and one at a time: beside the objects, a window of it and its list of objects, at
    /// most 4 MiB, are held.
    pub(crate) fn read(
        &self,
        references: &[Option<Reference>],
        size: usize,
        place: &Place,
    ) -> Result<Vec<Option<Vec<u8>>>> {
        let mut objects: Vec<_> = references.iter().map(|reference| reference.map(|_| Vec::new())).collect();
        let numbered = references.iter().enumerate();
        let mut wanted: Vec<(Reference, usize)> = numbered.filter_map(|(at, found)| Some(((*found)?, at))).collect();
        wanted.retain(|(reference, _)| reference.items() > 0);
        wanted.sort_unstable();
        let file_length = self.file.length()?;
        let mut end = 0;
        for same in wanted.chunk_by(|(one, _), (next, _)| one.collection == next.collection) {
            let start = self.superblock.offset.saturating_add(same[0].0.collection);
            // So no byte is looked at twice, however a hostile file lays its collections.
            if start < end {
                return Err(place.corrupt(format!("the heap collection at file offset {start} lies in another one")));
            }
            let collection = Collection::read(self, start, file_length, place)?;
            end = start + collection.size;
            for (reference, at) in same {
                let bytes = reference.items().saturating_mul(size as u64);
                objects[*at] = Some(collection.object(reference.object, bytes)?);
            }
        }
        Ok(objects)
    }
}

/// A heap collection, and what is in it.
struct Collection<'a> {
    file: &'a DataFile,
    place: &'a Place,
    start: u64,
    size: u64,
    /// The first bytes of it.
    window: Vec<u8>,
    /// Sorted by their numbers.
    objects: Vec<Object>,
}

struct Object {
    number: u32,
    /// From the start of the collection on.
    start: u64,
    length: u64,
}

impl<'a> Collection<'a> {
    fn read(heap: &'a Heap, start: u64, file_length: u64, place: &'a Place) -> Result<Self> {
        let Heap { file, superblock } = heap;
        let room = file_length.saturating_sub(start);
        let mut collection = Collection { file, place, start, size: room, window: Vec::new(), objects: Vec::new() };
        if room < LEAST_BYTES {
            return Err(collection.corrupt("has no room there"));
        }
        collection.widen(LEAST_BYTES)?;
        let (head, length_size) = (&collection.window, superblock.length_size());
        if head[..4] != SIGNATURE || head[4] != VERSION {
            return Err(collection.corrupt("is none that can be understood"));
        }
        let size = number(&head[8..8 + length_size]);
        if size < LEAST_BYTES || size > room {
            return Err(collection.corrupt(&format!("states {size} bytes, of {room} there are")));
        }
        collection.size = size;
        collection.widen(size.min(WINDOW))?;
        collection.list(length_size)?;
        Ok(collection)
    }

    /// Reads on until the window has so many bytes.
    fn widen(&mut self, length: u64) -> Result<()> {
        let known = self.window.len();
        self.window.resize(length as usize, 0);
        self.file.read_at(&mut self.window[known..], self.start + known as u64)
    }

    /// Notes the objects, up to the free space behind them.
    fn list(&mut self, length_size: usize) -> Result<()> {
        // The heads of a collection and of an object have eight bytes before their sizes.
        let head = (8 + length_size as u64).next_multiple_of(ALIGNMENT);
        let mut at = head;
        while at + head <= self.size {
            let mut bytes = [0; 16];
            self.fill(at, &mut bytes[..head as usize])?;
            let (name, length) = (number(&bytes[..2]) as u32, number(&bytes[8..8 + length_size]));
            if name == 0 {
                break;
            }
            let start = at + head;
            if length > self.size - start {
                return Err(self.corrupt(&format!("has object {name}, of {length} bytes, that ends after it")));
            }
            if self.objects.len() >= usize::from(u16::MAX) {
                return Err(self.corrupt("has more objects than numbers for them"));
            }
            self.objects.push(Object { number: name, start, length });
            at = start + length.next_multiple_of(ALIGNMENT);
        }
        self.objects.sort_unstable_by_key(|object| object.number);
        match self.objects.windows(2).find(|pair| pair[0].number == pair[1].number) {
            Some(pair) => Err(self.corrupt(&format!("has two objects {}", pair[0].number))),
            None => Ok(()),
        }
    }

    /// The first `length` bytes of an object.
    fn object(&self, number: u32, length: u64) -> Result<Vec<u8>> {
        let Ok(found) = self.objects.binary_search_by_key(&number, |object| object.number) else {
            return Err(self.corrupt(&format!("has no object {number}")));
        };
        let object = &self.objects[found];
        if length > object.length {
            let there = object.length;
            return Err(self.corrupt(&format!("has {there} bytes of object {number}, {length} are to be there")));
        }
        let mut bytes = vec![0; length as usize];
        self.fill(object.start, &mut bytes)?;
        Ok(bytes)
    }

    /// Fills `out` with what is in the collection from `at` on.
    fn fill(&self, at: u64, out: &mut [u8]) -> Result<()> {
        let first = at as usize;
        match self.window.get(first..first + out.len()) {
            Some(held) => out.copy_from_slice(held),
            None => self.file.read_at(out, self.start + at)?,
        }
        Ok(())
    }

    fn corrupt(&self, what: &str) -> chunk_core::Error {
        self.place.corrupt(format!("the heap collection at file offset {} {what}", self.start))
    }
}

/// A little-endian number of at most eight bytes.
pub(crate) fn number(bytes: &[u8]) -> u64 {
    let mut number = [0; 8];
    number[..bytes.len()].copy_from_slice(bytes);
    u64::from_le_bytes(number)
}
