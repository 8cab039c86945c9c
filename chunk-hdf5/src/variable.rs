//! Readers of elements of variable length: text, sequences, references to objects.
//!
//! They are no [`ChunkSource`](chunk_core::ChunkSource), which fills a buffer of a size known beforehand. What a dataset
//! holds is read as that of any other, on one thread: where each element is. Texts and sequences are then taken from the
//! [`Heap`], a batch of elements at a time.

use std::path::Path;

use chunk_core::{Bytes, ChunkSource, DType, DatasetInfo, Element, Grid, Result, Shape, Slab, Worker};
use hdf5::Dataset;

use crate::conversion::Conversion;
use crate::dtype::{self, Stored};
use crate::error::Place;
use crate::heap::{self, Heap, Reference};
use crate::library::{self, Class};
use crate::links::{self, Opened};
use crate::options::ReadOptions;
use crate::source::Hdf5Source;
use crate::superblock::Superblock;

/// Bytes of elements that one read gives at most, unless told otherwise.
const MOST_BYTES: Bytes = Bytes(1 << 30);
/// Elements that are read at once.
const BATCH: u64 = 1 << 16;

/// A dataset whose elements are not of one size.
#[derive(Debug)]
struct Variable {
    /// What is stored for each element.
    source: Hdf5Source,
    most: Bytes,
}

impl Variable {
    fn new(source: Hdf5Source) -> Self {
        Variable { source, most: MOST_BYTES }
    }

    /// Elements that are stored in so many bytes, all of which are `unwritten` where nothing was.
    fn of_stored(opened: Opened, size: usize, unwritten: u8, options: ReadOptions) -> Result<Self> {
        Hdf5Source::of_stored(opened, vec![unwritten; size], options).map(Variable::new)
    }

    fn shape(&self) -> &Shape {
        &self.source.info().shape
    }

    fn place(&self) -> &Place {
        self.source.place()
    }

    /// What is stored for the elements of a slab.
    fn stored(&self, slab: &Slab) -> Result<Vec<u8>> {
        let mut stored = vec![0; slab.bytes(self.source.info().dtype.size()) as usize];
        self.source.read_into(slab, &mut stored, &Worker::new())?;
        Ok(stored)
    }

    fn check(&self, slab: &Slab) -> Result<()> {
        let info = self.source.info();
        slab.check(info, slab.bytes(info.dtype.size()) as usize)
    }
}

/// Elements in the heap of a file.
#[derive(Debug)]
struct Elements {
    heap: Heap,
    item: Item,
    /// What stands for elements that were never written.
    fill: Vec<u8>,
}

/// Bytes of what an element is made of: of a text bytes, else the elements of a sequence.
#[derive(Clone, Copy, Debug)]
struct Item {
    stored: usize,
    memory: usize,
}

/// What is stored for elements that were never written, if something stands for them. No reference is: there is no such
/// address.
const UNWRITTEN: u8 = u8::MAX;

impl Elements {
    fn open(opened: Opened, item: Item, fill: Vec<u8>, options: ReadOptions) -> Result<(Variable, Self)> {
        let superblock = Superblock::read(&opened.own)?;
        let unwritten = if fill.is_empty() { 0 } else { UNWRITTEN };
        let variable = Variable::of_stored(opened, heap::reference_size(&superblock), unwritten, options)?;
        let heap = Heap::new(variable.source.file().clone(), superblock);
        Ok((variable, Elements { heap, item, fill }))
    }

    /// The elements of `slab` as the file holds them.
    fn read(&self, variable: &Variable, slab: &Slab) -> Result<Vec<Vec<u8>>> {
        variable.check(slab)?;
        let mut all = Vec::new();
        let mut left = variable.most.0;
        for part in batches(slab) {
            let stored = variable.stored(&part)?;
            let places = stored.chunks_exact(variable.source.info().dtype.size());
            let references: Vec<Option<Reference>> = places.map(|place| self.reference(place)).collect();
            let bytes = references.iter().map(|reference| self.bytes(*reference));
            let Some(rest) = left.checked_sub(bytes.fold(0, u64::saturating_add)) else {
                let most = variable.most;
                let message = format!("{slab} holds more than {most}: read less of it at once");
                return Err(variable.place().unsupported(message));
            };
            left = rest;
            let objects = self.heap.read(&references, self.item.stored, variable.place())?;
            all.extend(objects.into_iter().map(|object| object.unwrap_or_else(|| self.fill.clone())));
        }
        Ok(all)
    }

    /// Where an element is; `None` if it was never written.
    fn reference(&self, stored: &[u8]) -> Option<Reference> {
        let unwritten = !self.fill.is_empty() && stored.iter().all(|&byte| byte == UNWRITTEN);
        (!unwritten).then(|| self.heap.reference(stored))
    }

    /// What an element takes in memory, at most.
    fn bytes(&self, reference: Option<Reference>) -> u64 {
        let Item { stored, memory } = self.item;
        let items = reference.map_or((self.fill.len() / stored.max(1)) as u64, Reference::items);
        items.saturating_mul(memory.max(stored) as u64)
    }
}

/// What the elements of a dataset are.
fn class(opened: &Opened) -> Result<Class> {
    let class = library::stored_type(&opened.dataset).and_then(|kind| library::class(&kind));
    class.map_err(|error| opened.place.library("read the datatype", &error))
}

fn refuse(place: &Place, wanted: &str) -> chunk_core::Error {
    place.unsupported(format!("does not hold {wanted}"))
}

/// The slab in pieces of about [`BATCH`] elements, one after another.
fn batches(slab: &Slab) -> Vec<Slab> {
    if slab.elements() <= BATCH {
        return if slab.is_empty() { Vec::new() } else { vec![slab.clone()] };
    }
    let parts = slab.split(slab.elements().div_ceil(BATCH), 1);
    // A part of one row may still be long along the other axes.
    if parts.len() < 2 { parts } else { parts.iter().flat_map(batches).collect() }
}

macro_rules! common {
    ($reader:ident) => {
        impl $reader {
            /// The dataset's extents.
            #[must_use]
            pub fn shape(&self) -> &Shape {
                self.variable.shape()
            }

            /// The shape of its chunks, if it has any.
            #[must_use]
            pub fn chunk_shape(&self) -> Option<&Shape> {
                self.variable.source.info().chunk_shape.as_ref()
            }

            /// With another bound on the bytes that one read gives; 1 GiB else. More is an error, not a cut.
            ///
            /// While it runs, a read holds less than 10 MiB beside them, and what [`Hdf5Source`] says that a chunk takes.
            #[must_use]
            pub fn with_most_bytes(mut self, most: Bytes) -> Self {
                self.variable.most = most;
                self
            }
        }
    };
}

/// Text of variable length, or of a fixed length without what pads it.
///
/// ```no_run
/// use chunk_core::Slab;
/// use chunk_hdf5::Hdf5Strings;
///
/// let names = Hdf5Strings::open("cells.h5ad", Some("/obs/_index"))?;
/// let first = names.read(&Slab::new([0], [10]))?;
/// # Ok::<(), chunk_core::Error>(())
/// ```
#[derive(Debug)]
pub struct Hdf5Strings {
    variable: Variable,
    text: Text,
}

common!(Hdf5Strings);

#[derive(Debug)]
enum Text {
    Variable(Elements),
    Fixed,
}

impl Hdf5Strings {
    /// Opens the dataset of this name, or the file's only one.
    ///
    /// # Errors
    /// As [`Hdf5Source::open`]; [`Error::Unsupported`](chunk_core::Error::Unsupported) if it does not hold text.
    pub fn open(path: impl AsRef<Path>, dataset: Option<&str>) -> Result<Self> {
        Hdf5Strings::open_with(path, dataset, ReadOptions::default())
    }

    /// The same with options.
    ///
    /// # Errors
    /// As [`Hdf5Strings::open`].
    pub fn open_with(path: impl AsRef<Path>, dataset: Option<&str>, options: ReadOptions) -> Result<Self> {
        let opened = links::open(path.as_ref(), dataset, options)?;
        let (variable, text) = match class(&opened)? {
            Class::VariableString { utf8 } => {
                let fill = opened.dataset.dcpl().and_then(|creation| library::text_fill(&creation, utf8));
                let fill = fill.map_err(|error| opened.place.library("read the fill value", &error))?;
                let (variable, elements) = Elements::open(opened, Item { stored: 1, memory: 1 }, fill, options)?;
                (variable, Text::Variable(elements))
            }
            Class::FixedString { .. } => (Variable::new(Hdf5Source::of_dataset(opened, options)?), Text::Fixed),
            _ => return Err(refuse(&opened.place, "text")),
        };
        Ok(Hdf5Strings { variable, text })
    }

    /// The texts of `slab`, row-major. A text that was never written is empty.
    ///
    /// # Errors
    /// [`Error::Corrupt`](chunk_core::Error::Corrupt) for a text that is not UTF-8, which
    /// [`read_bytes`](Hdf5Strings::read_bytes) gives all the same; what reading meets.
    pub fn read(&self, slab: &Slab) -> Result<Vec<String>> {
        let text = |(number, bytes)| {
            String::from_utf8(bytes).map_err(|_| {
                let grid = Grid::new(slab.count().to_vec(), vec![1; slab.ndim()]);
                let position: Vec<u64> =
                    grid.position(number).iter().zip(slab.start()).map(|(inside, start)| inside + start).collect();
                self.variable.place().corrupt(format!("the text at {position:?} is not UTF-8"))
            })
        };
        (0..).zip(self.read_bytes(slab)?).map(text).collect()
    }

    /// The bytes of the texts of `slab`, row-major, in whatever encoding.
    ///
    /// # Errors
    /// What reading meets.
    pub fn read_bytes(&self, slab: &Slab) -> Result<Vec<Vec<u8>>> {
        match &self.text {
            Text::Variable(elements) => {
                let mut texts = elements.read(&self.variable, slab)?;
                // What is behind a zero byte is no text to C.
                let length = |text: &[u8]| text.iter().position(|&byte| byte == 0).unwrap_or(text.len());
                for text in &mut texts {
                    text.truncate(length(text));
                }
                Ok(texts)
            }
            Text::Fixed => {
                let bytes = self.variable.stored(slab)?;
                let size = self.variable.source.info().dtype.size();
                let length = |text: &[u8]| text.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1);
                Ok(bytes.chunks_exact(size.max(1)).map(|text| text[..length(text)].to_vec()).collect())
            }
        }
    }
}

/// Sequences of variable length, of elements of one dtype.
#[derive(Debug)]
pub struct Hdf5Sequences {
    variable: Variable,
    elements: Elements,
    dtype: DType,
    conversion: Conversion,
}

common!(Hdf5Sequences);

impl Hdf5Sequences {
    /// Opens the dataset of this name, or the file's only one.
    ///
    /// # Errors
    /// As [`Hdf5Source::open`]; [`Error::Unsupported`](chunk_core::Error::Unsupported) if it does not hold sequences,
    /// [`Error::UnsupportedDType`](chunk_core::Error::UnsupportedDType) for elements that have no dtype: sequences of
    /// sequences, text in sequences.
    pub fn open(path: impl AsRef<Path>, dataset: Option<&str>) -> Result<Self> {
        Hdf5Sequences::open_with(path, dataset, ReadOptions::default())
    }

    /// The same with options.
    ///
    /// # Errors
    /// As [`Hdf5Sequences::open`].
    pub fn open_with(path: impl AsRef<Path>, dataset: Option<&str>, options: ReadOptions) -> Result<Self> {
        let opened = links::open(path.as_ref(), dataset, options)?;
        let Class::Sequence { element } = class(&opened)? else { return Err(refuse(&opened.place, "sequences")) };
        let Stored { dtype, conversion } =
            dtype::stored(&element, false).map_err(|unmapped| opened.place.unmapped("a sequence", unmapped))?;
        let fill = opened.dataset.dcpl().and_then(|creation| library::sequence_fill(&creation, &element));
        let fill = fill.map_err(|error| opened.place.library("read the fill value", &error))?;
        let item = Item { stored: conversion.stored_size(), memory: dtype.size() };
        let (variable, elements) = Elements::open(opened, item, fill, options)?;
        Ok(Hdf5Sequences { variable, elements, dtype, conversion })
    }

    /// The dtype of the elements of a sequence.
    #[must_use]
    pub fn dtype(&self) -> &DType {
        &self.dtype
    }

    /// The sequences of `slab`, row-major. One that was never written is empty.
    ///
    /// # Errors
    /// [`Error::DTypeMismatch`](chunk_core::Error::DTypeMismatch) if their elements are not of `T`; what reading
    /// meets.
    pub fn read<T: Element>(&self, slab: &Slab) -> Result<Vec<Vec<T>>> {
        let elements = DatasetInfo::new([0], self.dtype.clone()).with_name(self.variable.place().name());
        elements.check_dtype(&T::DTYPE)?;
        let typed = |bytes: Vec<u8>| {
            let mut sequence = vec![T::default(); bytes.len() / size_of::<T>()];
            T::fill_bytes(&mut sequence, |target| {
                target.copy_from_slice(&bytes);
                Ok(())
            })?;
            Ok(sequence)
        };
        self.read_bytes(slab)?.into_iter().map(typed).collect()
    }

    /// The bytes of the sequences of `slab`, row-major: packed elements in native byte order.
    ///
    /// # Errors
    /// What reading meets.
    pub fn read_bytes(&self, slab: &Slab) -> Result<Vec<Vec<u8>>> {
        let worker = Worker::new();
        let in_memory = |mut stored: Vec<u8>| {
            if self.conversion.is_in_place() {
                self.conversion.apply_in_place(&mut stored);
                return Ok(stored);
            }
            let items = stored.len() / self.conversion.stored_size().max(1);
            let mut sequence = vec![0; items * self.dtype.size()];
            self.conversion.apply(&mut stored, &mut sequence, &worker, self.variable.place())?;
            Ok(sequence)
        };
        self.elements.read(&self.variable, slab)?.into_iter().map(in_memory).collect()
    }
}

/// References to objects of the same file.
#[derive(Debug)]
pub struct Hdf5References {
    variable: Variable,
    /// What the library looks for names by.
    dataset: Dataset,
}

common!(Hdf5References);

impl Hdf5References {
    /// Opens the dataset of this name, or the file's only one.
    ///
    /// # Errors
    /// As [`Hdf5Source::open`]; [`Error::Unsupported`](chunk_core::Error::Unsupported) if it does not hold references
    /// to objects.
    pub fn open(path: impl AsRef<Path>, dataset: Option<&str>) -> Result<Self> {
        Hdf5References::open_with(path, dataset, ReadOptions::default())
    }

    /// The same with options.
    ///
    /// # Errors
    /// As [`Hdf5References::open`].
    pub fn open_with(path: impl AsRef<Path>, dataset: Option<&str>, options: ReadOptions) -> Result<Self> {
        let opened = links::open(path.as_ref(), dataset, options)?;
        let Class::ObjectReference = class(&opened)? else {
            return Err(refuse(&opened.place, "references to objects"));
        };
        let dataset = opened.dataset.clone();
        let size = Superblock::read(&opened.own)?.address_size();
        Ok(Hdf5References { variable: Variable::of_stored(opened, size, 0, options)?, dataset })
    }

    /// The names, from the root, of the objects that the references of `slab` lead to, row-major; `None` for a
    /// reference to nothing, and for one to an object that has no name.
    ///
    /// # Errors
    /// What reading meets, references that lead nowhere among it.
    pub fn read(&self, slab: &Slab) -> Result<Vec<Option<String>>> {
        let Variable { source, .. } = &self.variable;
        let size = source.info().dtype.size();
        let nothing = |stored: &[u8]| [0, u8::MAX].iter().any(|none| stored.iter().all(|byte| byte == none));
        self.variable.check(slab)?;
        let mut names = Vec::new();
        for part in batches(slab) {
            for stored in self.variable.stored(&part)?.chunks_exact(size) {
                if nothing(stored) {
                    names.push(None);
                    continue;
                }
                let name = library::referenced_name(&self.dataset, heap::number(stored));
                names.push(name.map_err(|error| source.place().library("follow a reference", &error))?);
            }
        }
        Ok(names)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_are_few_elements_each() {
        let parts = batches(&Slab::new([3, 0], [200_000, 2]));
        assert_eq!(parts.iter().map(Slab::elements).sum::<u64>(), 400_000);
        assert!(parts.iter().all(|part| part.elements() <= BATCH), "{parts:?}");
        assert!(batches(&Slab::new([0], [0])).is_empty());
        let rows = batches(&Slab::new([0, 0], [3, 200_000]));
        assert_eq!(rows.iter().map(Slab::elements).sum::<u64>(), 600_000);
        assert!(rows.iter().all(|part| part.elements() <= BATCH), "{rows:?}");
    }
}
