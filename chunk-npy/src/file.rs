//! An open .npy file: what its header says, its elements as a source or as a view.

use std::path::Path;
use std::sync::Arc;

use chunk_core::{DType, DataFile, DatasetInfo, Identity, Result, Shape};

use crate::data::Data;
use crate::error::Place;
use crate::header::{Header, MAX_HEADER};
use crate::layout::Layout;
use crate::source::NpySource;

/// A .npy file that is open for reading.
///
/// ```
/// use chunk_core::{ChunkSourceExt, Slab};
/// use chunk_npy::{NpyAppender, NpyFile};
///
/// let folder = tempfile::tempdir()?;
/// let path = folder.path().join("x.npy");
/// let mut appender = NpyAppender::create::<f64>(&path, &[3])?;
/// appender.append(&[1.0, 2.0, 3.0])?;
/// appender.commit()?;
///
/// let mut file = NpyFile::open(&path)?;
/// assert_eq!(*file.shape(), [1, 3].into());
/// appender.append(&[4.0, 5.0, 6.0])?;
/// appender.close()?;
/// assert!(file.refresh()?);
/// assert_eq!(file.source().read_vec::<f64>(&Slab::new([0, 2], [2, 1]))?, [3.0, 6.0]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct NpyFile {
    pub(crate) data: Data,
    pub(crate) header: Header,
    pub(crate) place: Place,
    info: DatasetInfo,
    max_header: usize,
}

impl NpyFile {
    /// Opens the file at `path`.
    ///
    /// # Errors
    /// [`Error::WrongFormat`](chunk_core::Error::WrongFormat); [`Error::Corrupt`](chunk_core::Error::Corrupt) for a
    /// header that is none, or says more than the file holds;
    /// [`Error::UnsupportedDType`](chunk_core::Error::UnsupportedDType) for Python's objects and long doubles.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        NpyFile::open_with(path, MAX_HEADER)
    }

    /// As [`NpyFile::open`], with headers of up to `max_header` letters: NumPy writes longer ones than it reads.
    ///
    /// # Errors
    /// As [`NpyFile::open`].
    pub fn open_with(path: impl AsRef<Path>, max_header: usize) -> Result<Self> {
        let path = path.as_ref();
        let file = Arc::new(DataFile::open(path)?);
        let identity = Identity::builder("npy").file(path)?.finish();
        NpyFile::of(Data::whole(file), Place::new(path, ""), &identity, max_header)
    }

    /// The array in `data`; `identity` is that of the file around it.
    pub(crate) fn of(data: Data, place: Place, identity: &Identity, max_header: usize) -> Result<Self> {
        let header = Header::read(&data, &place, max_header)?;
        check_length(&data, &header, &place)?;
        let identity = Identity::builder("array").input(identity).field("member", &place.dataset);
        let identity = identity.field("shape", header.shape.to_string()).finish();
        let mut info = DatasetInfo::new(header.shape.clone(), header.kind.dtype.clone());
        info = info.with_name(place.name()).with_identity(identity);
        info.chunk_shape = chunk_shape(&data, &header);
        Ok(NpyFile { data, header, place, info, max_header })
    }

    /// What the array is.
    #[must_use]
    pub fn info(&self) -> &DatasetInfo {
        &self.info
    }

    /// Extents of the array.
    #[must_use]
    pub fn shape(&self) -> &Shape {
        &self.info.shape
    }

    /// Type of the elements, in memory.
    #[must_use]
    pub fn dtype(&self) -> &DType {
        &self.info.dtype
    }

    /// Whether the elements lie in column-major order: the first axis varies fastest.
    #[must_use]
    pub fn fortran_order(&self) -> bool {
        self.header.fortran
    }

    /// Whether the elements are in this machine's byte order.
    #[must_use]
    pub fn is_native(&self) -> bool {
        self.header.kind.order.is_native()
    }

    /// Version of the format: 1, 2 or 3.
    #[must_use]
    pub fn version(&self) -> u8 {
        self.header.version
    }

    /// Where the elements begin.
    #[must_use]
    pub fn data_offset(&self) -> u64 {
        self.header.length()
    }

    /// Reads the header again: whether the array has changed its shape since, as it does when a writer commits.
    ///
    /// # Errors
    /// As [`NpyFile::open`]; the file is then what it was.
    pub fn refresh(&mut self) -> Result<bool> {
        let identity = Identity::builder("npy").file(&self.place.path)?.finish();
        let again = NpyFile::of(self.data.clone(), self.place.clone(), &identity, self.max_header)?;
        let changed = again.info.shape != self.info.shape;
        *self = again;
        Ok(changed)
    }

    /// The array as a source. It shares the open file and stays what it is now.
    #[must_use]
    pub fn source(&self) -> NpySource {
        NpySource::new(self.info.clone(), self.data.clone(), Layout::new(&self.header))
    }
}

/// Checks that the file holds what its header says. More than that may be there: a writer has not committed it yet.
fn check_length(data: &Data, header: &Header, place: &Place) -> Result<()> {
    let (held, wanted) = (data.length()?.saturating_sub(header.length()), header.data_bytes());
    if held >= wanted {
        return Ok(());
    }
    let Header { shape, kind, .. } = header;
    Err(place.corrupt(format!("{held} of the {wanted} bytes of {shape} {} are there: it is truncated", kind.dtype)))
}

/// Deflated members are best read in order: rows that make about a mebibyte.
fn chunk_shape(data: &Data, header: &Header) -> Option<Shape> {
    let layout = Layout::new(header);
    if !data.is_sequential() || header.shape.is_empty() {
        return layout.chunk_shape(&header.shape);
    }
    let axis = header.growth_axis()?;
    let items = ((1 << 20) / header.item_bytes().max(1)).clamp(1, header.shape[axis].max(1));
    let whole: Shape = header.shape.iter().map(|extent| (*extent).max(1)).collect();
    Some(whole.with_axis(axis, items))
}
