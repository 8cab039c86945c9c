//! Writers of elements of variable length: text and sequences.

use std::path::Path;
use std::sync::Arc;

use chunk_core::{DType, DatasetInfo, Element, Error, Result, Shape};
use hdf5::{Dataset, Datatype};

use crate::changing::Changing;
use crate::destination::Destination;
use crate::dtype;
use crate::editor::Hdf5Editor;
use crate::library::{self, Creation};
use crate::locks::Locks;

/// Elements of a chunk, in which the file has where each of them is and how long.
const CHUNK: u64 = 4096;
/// Bytes of elements that are gathered before they are handed to the library.
const MOST_BYTES: usize = 8 << 20;

/// A new dataset whose elements are not of one size, written row by row.
#[derive(Debug)]
struct RowWriter {
    destination: Destination,
    /// The shape of a row.
    row: Shape,
    /// The datatype in the file and in memory.
    kind: Datatype,
    output: Option<Output>,
    /// Elements that the library does not have yet.
    pending: Vec<Vec<u8>>,
    pending_bytes: usize,
    /// Rows that the library has.
    rows: u64,
}

/// Fields are dropped in order.
#[derive(Debug)]
struct Output {
    dataset: Dataset,
    file: Arc<Changing>,
}

impl RowWriter {
    fn new(destination: Destination, row: Shape, kind: hdf5::Result<Datatype>) -> Result<Self> {
        if row.elements() == 0 {
            let name = destination.place.name();
            return Err(Error::InvalidArgument(format!("rows of {row} of {name} have no elements")));
        }
        let kind = kind.map_err(|error| destination.place.library("create", &error))?;
        Ok(RowWriter { destination, row, kind, output: None, pending: Vec::new(), pending_bytes: 0, rows: 0 })
    }

    /// That so many elements are whole rows.
    fn check(&self, elements: usize) -> Result<()> {
        let row = self.row.elements();
        if (elements as u64).is_multiple_of(row) {
            return Ok(());
        }
        let name = self.destination.place.name();
        Err(Error::InvalidArgument(format!("{elements} elements are no whole rows of {name}, which have {row} each")))
    }

    /// Takes whole rows. `write` hands them to the library.
    fn append(&mut self, elements: impl Iterator<Item = Vec<u8>>, write: Write) -> Result<()> {
        for element in elements {
            self.pending_bytes += element.len();
            self.pending.push(element);
            let whole = (self.pending.len() as u64).is_multiple_of(self.row.elements());
            if whole && (self.pending.len() as u64 >= CHUNK || self.pending_bytes >= MOST_BYTES) {
                self.flush(write)?;
            }
        }
        Ok(())
    }

    fn flush(&mut self, write: Write) -> Result<()> {
        let rows = self.pending.len() as u64 / self.row.elements();
        let Output { dataset, file } = match &mut self.output {
            Some(output) => output,
            none => none.insert(begin(&self.destination, &self.row, &self.kind)?),
        };
        let shape = |rows: u64| -> Vec<u64> { [&[rows], &self.row[..]].concat() };
        let start: Vec<u64> =
            shape(self.rows).iter().enumerate().map(|(axis, n)| if axis == 0 { *n } else { 0 }).collect();
        let written = library::set_extents(dataset, &shape(self.rows + rows))
            .and_then(|()| write(dataset, &self.kind, &start, &shape(rows), &self.pending));
        written.map_err(|error| file.fail(self.destination.place.library("write", &error)))?;
        self.rows += rows;
        self.pending.clear();
        self.pending_bytes = 0;
        Ok(())
    }

    fn finish(mut self, write: Write) -> Result<()> {
        if self.output.is_none() || !self.pending.is_empty() {
            self.flush(write)?;
        }
        let Some(Output { dataset, file }) = self.output.take() else { unreachable!("flushing makes it") };
        self.destination.finish(file, dataset)
    }
}

impl Drop for RowWriter {
    /// Of one that is not finished, nothing is left.
    fn drop(&mut self) {
        if let Some(Output { dataset, file }) = self.output.take() {
            // What fails here fails the file, too.
            let _ =
                library::give_up(&dataset).map_err(|error| file.fail(self.destination.place.library("drop", &error)));
        }
    }
}

/// Hands elements to the library: dataset, datatype, start and count of the piece that they are.
type Write = fn(&Dataset, &Datatype, &[u64], &[u64], &[Vec<u8>]) -> hdf5::Result<()>;

/// The dataset, without rows and without its name.
fn begin(destination: &Destination, row: &Shape, kind: &Datatype) -> Result<Output> {
    let file = destination.open()?;
    let rows = CHUNK.div_ceil(row.elements()).max(1);
    let with_row = |rows: u64| -> Vec<u64> { [&[rows], &row[..]].concat() };
    let most: Vec<Option<u64>> = std::iter::once(None).chain(row.iter().map(|extent| Some(*extent))).collect();
    let creation = Creation {
        kind,
        extents: &with_row(0),
        most: &most,
        chunk: Some(&with_row(rows)),
        filters: &[],
        fill: None,
        mappings: &[],
    };
    let made = library::create(file.library(), &creation);
    let dataset = made.map_err(|error| file.fail(destination.place.library("create", &error)))?;
    Ok(Output { dataset, file })
}

/// Writes text of variable length, as UTF-8: the counterpart of [`Hdf5Strings`](crate::Hdf5Strings).
///
/// The dataset is a new one, to which rows are appended; it can grow further along axis 0. It appears with
/// [`finish`](Hdf5StringWriter::finish), all or nothing, as that of an [`Hdf5Sink`](crate::Hdf5Sink) does. Its chunks
/// hold where the texts are, and are not compressed: the texts would not be.
///
/// An empty text is written as one. Readers give the same for a text that was never written: HDF5 has no text that is
/// missing.
///
/// Memory: the texts of up to 4096 elements, or 8 MiB and a row of them.
///
/// ```
/// use chunk_core::Slab;
/// use chunk_hdf5::{Hdf5StringWriter, Hdf5Strings};
///
/// let folder = std::env::temp_dir().join(format!("chunk-hdf5-strings-{}", std::process::id()));
/// std::fs::create_dir_all(&folder)?;
/// let path = folder.join("names.h5");
/// let mut names = Hdf5StringWriter::create(&path, Some("/names"), [])?;
/// names.append(&["größe", ""])?;
/// names.append(&["a text of any length"])?;
/// names.finish()?; // the file appears
/// let names = Hdf5Strings::open(&path, Some("/names"))?;
/// assert_eq!(names.read(&Slab::new([0], [2]))?, ["größe", ""]);
/// # std::fs::remove_dir_all(&folder)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Hdf5StringWriter(RowWriter);

impl Hdf5StringWriter {
    /// A writer of the dataset `name`, `/data` if `None`, of the file at `path`: a new one, or one that does not have this
    /// dataset. `row` is the shape of a row: nothing for a list of texts. Creates nothing yet.
    ///
    /// # Errors
    /// As [`Hdf5Sink::create`](crate::Hdf5Sink::create); [`Error::InvalidArgument`] for rows without elements.
    pub fn create(path: impl AsRef<Path>, name: Option<&str>, row: impl Into<Shape>) -> Result<Self> {
        let name = name.unwrap_or("data");
        Self::new(Destination::of_path(path.as_ref(), name, false, &Locks::default())?, row.into())
    }

    /// The same in a file that an editor has open, which commits it.
    ///
    /// # Errors
    /// As [`Hdf5Editor::create_dataset`].
    pub fn create_in(editor: &Hdf5Editor, name: &str, row: impl Into<Shape>) -> Result<Self> {
        Self::new(editor.destination(name)?, row.into())
    }

    fn new(destination: Destination, row: Shape) -> Result<Self> {
        Ok(Hdf5StringWriter(RowWriter::new(destination, row, library::variable_string(true))?))
    }

    /// Appends `texts`, whole rows, row-major.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] if they are no whole rows, or one holds a zero byte, at which HDF5 would end it; then
    /// nothing of them is taken. Whatever writing meets: the dataset is then not made.
    pub fn append<S: AsRef<str>>(&mut self, texts: &[S]) -> Result<()> {
        self.0.check(texts.len())?;
        if let Some(text) = texts.iter().map(AsRef::as_ref).find(|text| text.contains('\0')) {
            let name = self.0.destination.place.name();
            return Err(Error::InvalidArgument(format!("{text:?} holds a zero byte: {name} cannot hold it")));
        }
        self.0.append(texts.iter().map(|text| text.as_ref().as_bytes().to_vec()), library::write_strings)
    }

    /// Makes the dataset durable and visible; one without rows is made too.
    ///
    /// # Errors
    /// As [`Hdf5StringWriter::append`].
    pub fn finish(self) -> Result<()> {
        self.0.finish(library::write_strings)
    }
}

/// Writes sequences of variable length, of elements of one dtype: the counterpart of
/// [`Hdf5Sequences`](crate::Hdf5Sequences).
///
/// As [`Hdf5StringWriter`] otherwise.
///
/// ```
/// use chunk_core::{DType, Slab};
/// use chunk_hdf5::{Hdf5SequenceWriter, Hdf5Sequences};
///
/// let folder = std::env::temp_dir().join(format!("chunk-hdf5-sequences-{}", std::process::id()));
/// std::fs::create_dir_all(&folder)?;
/// let path = folder.join("hits.h5");
/// let mut hits = Hdf5SequenceWriter::create(&path, Some("/hits"), [], &DType::F32)?;
/// hits.append(&[vec![1.0_f32, 2.0], vec![], vec![3.0]])?;
/// hits.finish()?;
/// assert_eq!(Hdf5Sequences::open(&path, None)?.read::<f32>(&Slab::new([0], [2]))?, [vec![1.0, 2.0], vec![]]);
/// # std::fs::remove_dir_all(&folder)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Hdf5SequenceWriter {
    rows: RowWriter,
    element: DType,
}

impl Hdf5SequenceWriter {
    /// As [`Hdf5StringWriter::create`], for sequences of `element`.
    ///
    /// # Errors
    /// As [`Hdf5StringWriter::create`]; [`Error::UnsupportedDType`] for an element that HDF5 cannot hold, or that has no
    /// bytes.
    pub fn create(path: impl AsRef<Path>, name: Option<&str>, row: impl Into<Shape>, element: &DType) -> Result<Self> {
        let name = name.unwrap_or("data");
        let destination = Destination::of_path(path.as_ref(), name, false, &Locks::default())?;
        Self::new(destination, row.into(), element)
    }

    /// The same in a file that an editor has open, which commits it.
    ///
    /// # Errors
    /// As [`Hdf5SequenceWriter::create`] and [`Hdf5Editor::create_dataset`].
    pub fn create_in(editor: &Hdf5Editor, name: &str, row: impl Into<Shape>, element: &DType) -> Result<Self> {
        Self::new(editor.destination(name)?, row.into(), element)
    }

    fn new(destination: Destination, row: Shape, element: &DType) -> Result<Self> {
        let kind = dtype::datatype(element).map_err(|unmapped| destination.place.unmapped("HDF5", unmapped))?;
        let rows = RowWriter::new(destination, row, library::variable_sequence(&kind))?;
        Ok(Hdf5SequenceWriter { rows, element: element.clone() })
    }

    /// Appends `sequences`, whole rows, row-major.
    ///
    /// # Errors
    /// [`Error::DTypeMismatch`] if their elements are not of `T`; [`Error::InvalidArgument`] if they are no whole rows.
    /// Whatever writing meets: the dataset is then not made.
    pub fn append<T: Element>(&mut self, sequences: &[impl AsRef<[T]>]) -> Result<()> {
        let name = self.rows.destination.place.name();
        DatasetInfo::new([0], self.element.clone()).with_name(name).check_dtype(&T::DTYPE)?;
        self.rows.check(sequences.len())?;
        let bytes = sequences.iter().map(|sequence| T::as_bytes(sequence.as_ref()).to_vec());
        self.rows.append(bytes, library::write_sequences)
    }

    /// Makes the dataset durable and visible; one without rows is made too.
    ///
    /// # Errors
    /// As [`Hdf5SequenceWriter::append`].
    pub fn finish(self) -> Result<()> {
        self.rows.finish(library::write_sequences)
    }
}
