//! Readers of elements of variable length: text, sequences, references to objects.
//!
//! They are no [`ChunkSource`](chunk_core::ChunkSource), which fills a buffer of a size known beforehand. libhdf5
//! reads them, on one thread, into memory that is counted and bounded.

use std::path::Path;

use chunk_core::{Bytes, ChunkSource, DType, DatasetInfo, Element, Grid, Result, Shape, Slab, Worker};
use hdf5::{Dataset, Datatype};

use crate::dtype::{self, Stored};
use crate::error::Place;
use crate::library::{self, Class, Elements};
use crate::links::{self, Opened};
use crate::options::ReadOptions;
use crate::source::Hdf5Source;
use crate::{file, untrusted};

/// Bytes of elements that one read gives at most, unless told otherwise.
const MOST_BYTES: Bytes = Bytes(1 << 30);
/// Elements that the library is asked for at once.
const BATCH: u64 = 1 << 16;

/// A dataset whose elements are not of one size.
#[derive(Debug)]
struct Variable {
    info: DatasetInfo,
    place: Place,
    dataset: Dataset,
    most: Bytes,
}

impl Variable {
    fn open(path: &Path, name: Option<&str>, options: ReadOptions) -> Result<(Self, Class)> {
        let Opened { own, dataset, place } = links::open(path, name, options)?;
        let fail = |error: hdf5::Error| place.library("read the description", &error);
        let (shape, _) = file::extents(&dataset, &place)?;
        let kind = library::stored_type(&dataset).map_err(fail)?;
        let class = library::class(&kind).map_err(fail)?;
        let stored = DType::Opaque { size: kind.size(), tag: None };
        let mut info = DatasetInfo::new(shape, stored).with_name(place.name());
        if let Some(chunk) = dataset.chunk() {
            info = info.with_chunk_shape(chunk.into_iter().map(|extent| extent as u64).collect::<Vec<_>>());
        }
        info.check().map_err(|error| place.corrupt(error.to_string()))?;
        if matches!(class, Class::VariableString { .. } | Class::Sequence { .. } | Class::ObjectReference) {
            untrusted::check_dataset(&dataset, &info, &own, &place)?;
        }
        Ok((Variable { info, place, dataset, most: MOST_BYTES }, class))
    }

    fn refuse(&self, wanted: &str) -> chunk_core::Error {
        self.place.unsupported(format!("does not hold {wanted}"))
    }

    /// Reads `slab` in batches; `read` is told how many bytes are left.
    fn read(
        &self,
        slab: &Slab,
        read: impl Fn(&[u64], &[u64], usize) -> std::result::Result<Elements, hdf5::Error>,
    ) -> Result<Vec<Vec<u8>>> {
        slab.check(&self.info, slab.bytes(self.info.dtype.size()) as usize)?;
        let mut all = Vec::new();
        let mut left = self.most.0;
        for part in batches(slab) {
            let elements = read(part.start(), part.count(), usize::try_from(left).unwrap_or(usize::MAX))
                .map_err(|error| self.place.library("read", &error))?;
            let Some(elements) = elements else {
                let most = self.most;
                return Err(self.place.unsupported(format!("{slab} holds more than {most}: read less of it at once")));
            };
            left = left.saturating_sub(elements.iter().map(|element| element.capacity() as u64).sum());
            all.extend(elements);
        }
        Ok(all)
    }
}

/// The slab cut along its outermost axis, into pieces of about [`BATCH`] elements, one after another.
fn batches(slab: &Slab) -> Vec<Slab> {
    if slab.is_empty() { Vec::new() } else { slab.split(slab.elements().div_ceil(BATCH), 1) }
}

macro_rules! common {
    ($reader:ident) => {
        impl $reader {
            /// The dataset's extents.
            #[must_use]
            pub fn shape(&self) -> &Shape {
                &self.variable.info.shape
            }

            /// The shape of its chunks, if it has any.
            #[must_use]
            pub fn chunk_shape(&self) -> Option<&Shape> {
                self.variable.info.chunk_shape.as_ref()
            }

            /// With another bound on the bytes that one read gives; 1 GiB else. More is an error, not a cut.
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
    Variable { utf8: bool },
    Fixed(Box<Hdf5Source>),
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
        let (variable, class) = Variable::open(path.as_ref(), dataset, options)?;
        let text = match class {
            Class::VariableString { utf8 } => Text::Variable { utf8 },
            Class::FixedString { .. } => {
                let source = Hdf5Source::open_with(&variable.place.path, Some(&variable.place.dataset), options)?;
                Text::Fixed(source.into())
            }
            _ => return Err(variable.refuse("text")),
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
                self.variable.place.corrupt(format!("the text at {position:?} is not UTF-8"))
            })
        };
        (0..).zip(self.read_bytes(slab)?).map(text).collect()
    }

    /// The bytes of the texts of `slab`, row-major, in whatever encoding.
    ///
    /// # Errors
    /// What reading meets.
    pub fn read_bytes(&self, slab: &Slab) -> Result<Vec<Vec<u8>>> {
        let Variable { dataset, .. } = &self.variable;
        match &self.text {
            Text::Variable { utf8 } => {
                self.variable.read(slab, |start, count, most| library::read_strings(dataset, *utf8, start, count, most))
            }
            Text::Fixed(source) => {
                let size = source.info().dtype.size();
                let mut bytes = vec![0; slab.bytes(size) as usize];
                source.read_into(slab, &mut bytes, &Worker::new())?;
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
    element: DType,
    /// The element as the library is to give it: packed, in native byte order.
    memory: Datatype,
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
        let (variable, class) = Variable::open(path.as_ref(), dataset, options)?;
        let Class::Sequence { element } = class else { return Err(variable.refuse("sequences")) };
        let mapped =
            dtype::stored(&element, false).and_then(|Stored { dtype, .. }| Ok((dtype::datatype(&dtype)?, dtype)));
        let (memory, element) = mapped.map_err(|unmapped| variable.place.unmapped("a sequence", unmapped))?;
        Ok(Hdf5Sequences { variable, element, memory })
    }

    /// The dtype of the elements of a sequence.
    #[must_use]
    pub fn dtype(&self) -> &DType {
        &self.element
    }

    /// The sequences of `slab`, row-major. One that was never written is empty.
    ///
    /// # Errors
    /// [`Error::DTypeMismatch`](chunk_core::Error::DTypeMismatch) if their elements are not of `T`; what reading
    /// meets.
    pub fn read<T: Element>(&self, slab: &Slab) -> Result<Vec<Vec<T>>> {
        let elements = DatasetInfo::new([0], self.element.clone()).with_name(self.variable.place.name());
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
        let Variable { dataset, .. } = &self.variable;
        self.variable
            .read(slab, |start, count, most| library::read_sequences(dataset, &self.memory, start, count, most))
    }
}

/// References to objects of the same file.
#[derive(Debug)]
pub struct Hdf5References {
    variable: Variable,
    stored: Datatype,
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
        let (variable, class) = Variable::open(path.as_ref(), dataset, options)?;
        if !matches!(class, Class::ObjectReference) {
            return Err(variable.refuse("references to objects"));
        }
        let stored = library::stored_type(&variable.dataset);
        let stored = stored.map_err(|error| variable.place.library("read the datatype", &error))?;
        Ok(Hdf5References { variable, stored })
    }

    /// The names, from the root, of the objects that the references of `slab` lead to, row-major; `None` for a
    /// reference to nothing, and for one to an object that has no name.
    ///
    /// # Errors
    /// What reading meets, references that lead nowhere among it.
    pub fn read(&self, slab: &Slab) -> Result<Vec<Option<String>>> {
        const NOTHING: [u64; 2] = [0, u64::MAX];
        let Variable { dataset, place, info, .. } = &self.variable;
        slab.check(info, slab.bytes(info.dtype.size()) as usize)?;
        let mut names = Vec::new();
        for part in batches(slab) {
            let mut bytes = vec![0; part.bytes(self.stored.size()) as usize];
            library::read(dataset, &self.stored, part.start(), part.count(), &mut bytes)
                .map_err(|error| place.library("read", &error))?;
            for reference in bytes.as_chunks().0 {
                let reference = u64::from_ne_bytes(*reference);
                if NOTHING.contains(&reference) {
                    names.push(None);
                    continue;
                }
                let name = library::referenced_name(dataset, reference);
                names.push(name.map_err(|error| place.library("follow a reference", &error))?);
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
        assert!(parts.iter().all(|part| part.elements() <= BATCH + 2), "{parts:?}");
        assert!(batches(&Slab::new([0], [0])).is_empty());
    }
}
