//! A new dataset as a sink.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chunk_core::{Attribute, ChunkSink, Cost, DatasetInfo, Error, Result, Scalar, Shape, Slab, Worker};
use hdf5::{Dataset, Datatype};

use crate::changing::Changing;
use crate::codec::{Pipeline, StoredFilter};
use crate::destination::Destination;
use crate::filter::Filter;
use crate::journal::{Journal, PAGE};
use crate::library::{self, Creation};
use crate::locks::Locks;
use crate::writer::ChunkWriter;
use crate::{attributes, dtype, pytables};

/// A dataset being written: to a new HDF5 file, to one that is there, or to one that an
/// [`Hdf5Editor`](crate::Hdf5Editor) has open.
///
/// Chunks are compressed on the worker's threads; the library's lock is taken only to hand a finished chunk over.
/// A new file is made under a temporary name beside its own, synced and renamed by `finish`. In one that is there nothing
/// changes for others before `finish`, and that commits all or nothing: see the crate's documentation on growing. The
/// sink of an editor gives the dataset its name with `finish`, and the editor commits.
#[derive(Debug)]
pub struct Hdf5Sink {
    info: DatasetInfo,
    destination: Destination,
    writer: ChunkWriter,
    filters: Vec<StoredFilter>,
    kind: Datatype,
    filter: Filter,
    attributes: Vec<(String, Attribute)>,
    pytables: Option<pytables::Class>,
    /// Whether something could not be written.
    failed: AtomicBool,
    output: Mutex<Option<Output>>,
}

/// The dataset while it has no name. Fields are dropped in order.
#[derive(Debug)]
struct Output {
    dataset: Dataset,
    file: Arc<Changing>,
    /// The extents now.
    shape: Shape,
}

/// Chunks of this size serve where nobody asked for a shape.
const DEFAULT_CHUNK_BYTES: u64 = 1 << 20;

impl Hdf5Sink {
    /// A sink for the dataset `name`, `/data` if `None`, of the file at `path`: a new one, or one that is there and does
    /// not have this dataset. Creates nothing yet.
    ///
    /// # Errors
    /// [`Error::AlreadyExists`]; [`Error::InvalidLocation`] for a name that no dataset can have, [`Error::NotAGroup`] for
    /// one that would be inside of a dataset; [`Error::Locked`] while others write the file; a missing directory; a
    /// malformed file; a dtype or a chunk size that HDF5 or the filter cannot hold.
    pub fn create(path: impl AsRef<Path>, name: Option<&str>, info: DatasetInfo, filter: Filter) -> Result<Self> {
        Hdf5Sink::create_with(path.as_ref(), name, info, filter, false, &Locks::default())
    }

    /// The same; what has the name is replaced if `overwrite`. A file that holds nothing else is replaced as a whole.
    pub(crate) fn create_with(
        path: &Path,
        name: Option<&str>,
        info: DatasetInfo,
        filter: Filter,
        overwrite: bool,
        locks: &Locks,
    ) -> Result<Self> {
        let destination = Destination::of_path(path, name.unwrap_or("data"), overwrite, locks)?;
        Hdf5Sink::new(destination, info, filter)
    }

    pub(crate) fn new(destination: Destination, info: DatasetInfo, filter: Filter) -> Result<Self> {
        let place = &destination.place;
        let mut info = info.with_name(place.name());
        info.identity = None;
        info.check()?;
        let chunk = chunk_shape(&info);
        let info = info.with_chunk_shape(chunk.clone());
        let size = info.dtype.size();
        let chunk_bytes = chunk.elements().saturating_mul(size as u64);
        if chunk_bytes > filter.most_chunk_bytes() {
            return Err(place.unsupported(format!(
                "a chunk of {chunk_bytes} bytes is too large: {filter} takes at most {}",
                filter.most_chunk_bytes()
            )));
        }
        let kind = dtype::datatype(&info.dtype).map_err(|unmapped| place.unmapped("HDF5", unmapped))?;
        let filters = if info.shape.is_empty() { Vec::new() } else { filter.stored(size, chunk_bytes) };
        let pipeline = Pipeline::new(&filters).map_err(|filter| Error::InvalidArgument(filter.to_string()))?;
        let fill = info.fill.clone().unwrap_or_else(|| Scalar::zero(info.dtype.clone()));
        let writer = ChunkWriter::new(place.clone(), chunk, pipeline, size, fill);
        let (failed, output) = (AtomicBool::new(false), Mutex::new(None));
        let (attributes, pytables) = (Vec::new(), None);
        Ok(Hdf5Sink { info, destination, writer, filters, kind, filter, attributes, pytables, failed, output })
    }

    /// With an attribute. One of the same name is replaced.
    ///
    /// ```
    /// use chunk_core::{ChunkSink, DType, DatasetInfo};
    /// use chunk_hdf5::{Filter, Hdf5Metadata, Hdf5Sink};
    ///
    /// let folder = std::env::temp_dir().join(format!("chunk-hdf5-attribute-{}", std::process::id()));
    /// std::fs::create_dir_all(&folder)?;
    /// let path = folder.join("v.h5");
    /// let sink = Hdf5Sink::create(&path, Some("/v"), DatasetInfo::new([3], DType::F64), Filter::default())?;
    /// Box::new(sink.with_attribute("units", "m/s")?).finish()?;
    /// assert_eq!(Hdf5Metadata::open(&path)?.attribute("/v", "units")?.text().as_deref(), Some("m/s"));
    /// # std::fs::remove_dir_all(&folder)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`Hdf5Editor::set_attribute`](crate::Hdf5Editor::set_attribute), before anything is created.
    pub fn with_attribute(mut self, name: &str, value: impl Into<Attribute>) -> Result<Self> {
        let value = value.into();
        attributes::check(name, &value, &self.destination.place)?;
        self.attributes.retain(|(other, _)| other != name);
        self.attributes.push((name.to_owned(), value));
        Ok(self)
    }

    /// With what PyTables looks for: it then sees an `EArray`, which it appends to, where an axis grows, and a `CArray`
    /// elsewhere; of a dataset without axes an `Array`. Bools are stored as PyTables stores them. The groups on the way get
    /// what PyTables gives to groups, unless they have a class.
    ///
    /// ```
    /// use chunk_core::{ChunkSink, DType, DatasetInfo};
    /// use chunk_hdf5::{Filter, Hdf5Metadata, Hdf5Sink};
    ///
    /// let folder = std::env::temp_dir().join(format!("chunk-hdf5-pytables-{}", std::process::id()));
    /// std::fs::create_dir_all(&folder)?;
    /// let path = folder.join("log.h5");
    /// let info = DatasetInfo::new([0, 3], DType::F64).with_chunk_shape([100, 3]).with_max_shape([None, Some(3)]);
    /// Box::new(Hdf5Sink::create(&path, Some("/log"), info, Filter::default())?.with_pytables()?).finish()?;
    /// assert_eq!(Hdf5Metadata::open(&path)?.attribute("/log", "CLASS")?.text().as_deref(), Some("EARRAY"));
    /// # std::fs::remove_dir_all(&folder)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::UnsupportedDType`] for elements that are neither numbers nor bools nor bytes; [`Error::Unsupported`] for
    /// arrays that PyTables does not have (two axes that grow, one that grows to an end), and filters that it does not
    /// have (lzf, zstd).
    ///
    /// # Source
    /// The file format of PyTables 3.11, tested with it.
    pub fn with_pytables(mut self) -> Result<Self> {
        let place = &self.destination.place;
        let class = pytables::Class::of(&self.info, place)?;
        if !self.filter.is_in_pytables() {
            return Err(place.unsupported(format!("PyTables does not have the filter {}", self.filter)));
        }
        self.kind = pytables::datatype(&self.info.dtype, place)?;
        self.pytables = Some(class);
        self.destination.pytables = true;
        Ok(self)
    }

    /// That `slab` is inside the dataset, as far as it may grow.
    fn check_room(&self, slab: &Slab) -> Result<()> {
        let most = |axis: usize, most: &Option<u64>| most.unwrap_or(u64::MAX).max(self.info.shape[axis]);
        let room = match &self.info.max_shape {
            Some(extents) => extents.iter().enumerate().map(|(axis, extent)| most(axis, extent)).collect(),
            None => self.info.shape.clone(),
        };
        if slab.is_within(&room) {
            return Ok(());
        }
        let (shape, dataset) = (self.info.shape.clone(), self.info.name.clone());
        Err(Error::SlabOutOfBounds { slab: slab.clone(), shape, dataset })
    }

    /// The dataset, made by the first call and large enough for `slab`, its shape, and its file.
    fn output(&self, slab: &Slab) -> Result<(Dataset, Shape, Arc<Changing>)> {
        let mut output = lock(&self.output);
        let output = match &mut *output {
            Some(output) => output,
            none => none.insert(self.begin(self.destination.open()?)?),
        };
        let shape = grown(&output.shape, slab);
        if shape != output.shape {
            let set = library::set_extents(&output.dataset, &shape);
            set.map_err(|error| output.file.fail(self.destination.place.library("grow", &error)))?;
            output.shape = shape;
        }
        Ok((output.dataset.clone(), output.shape.clone(), output.file.clone()))
    }

    /// Makes the dataset, without a name.
    fn begin(&self, file: Arc<Changing>) -> Result<Output> {
        let fixed: Vec<_> = self.info.shape.iter().map(|extent| Some(*extent)).collect();
        let creation = Creation {
            kind: &self.kind,
            extents: &self.info.shape,
            most: self.info.max_shape.as_ref().unwrap_or(&fixed),
            chunk: (!self.info.shape.is_empty()).then_some(&self.writer.chunk),
            filters: &self.filters,
            fill: self.info.fill.as_ref().map(Scalar::bytes),
            mappings: &[],
        };
        let dataset = library::create(file.library(), &creation);
        let dataset = dataset.map_err(|error| file.fail(self.destination.place.library("create", &error)))?;
        Ok(Output { dataset, file, shape: self.info.shape.clone() })
    }

    /// Makes the dataset in `file`, lets `put` store its chunks, and finishes it.
    pub(crate) fn finish_with(
        self,
        file: Arc<Changing>,
        put: impl FnOnce(&Self, &Dataset, &Changing) -> Result<()>,
    ) -> Result<()> {
        let output = self.begin(file)?;
        let (dataset, file) = (output.dataset.clone(), output.file.clone());
        *lock(&self.output) = Some(output);
        put(&self, &dataset, &file).map_err(|error| file.fail(error))?;
        drop((dataset, file));
        Box::new(self).finish()
    }

    pub(crate) fn destination(&self) -> &Destination {
        &self.destination
    }

    pub(crate) fn writer(&self) -> &ChunkWriter {
        &self.writer
    }

    pub(crate) fn filter(&self) -> Filter {
        self.filter
    }

    /// Stores the stored bytes of a chunk that begins at `start`: of a dataset without axes, its one element.
    pub(crate) fn store(&self, dataset: &Dataset, start: &[u64], filter_mask: u32, stored: &[u8]) -> Result<()> {
        let written = if start.is_empty() {
            library::write(dataset, &self.kind, &[], &[], stored)
        } else {
            library::write_chunk(dataset, start, filter_mask, stored)
        };
        written.map_err(|error| self.destination.place.library("write", &error))
    }

    fn write_attributes(&self, dataset: &Dataset) -> Result<()> {
        let place = &self.destination.place;
        self.attributes.iter().try_for_each(|(name, value)| attributes::write(dataset, name, value, place))?;
        self.pytables.map_or(Ok(()), |class| class.write(dataset, place))
    }

    fn write(&self, slab: &Slab, data: &[u8], worker: &Worker) -> Result<()> {
        let (dataset, shape, file) = self.output(slab)?;
        let written = if self.info.shape.is_empty() {
            let written = library::write(&dataset, &self.kind, slab.start(), slab.count(), data);
            written.map_err(|error| self.destination.place.library("write", &error))
        } else {
            self.writer.write(&dataset, &shape, slab, data, worker)
        };
        written.map_err(|error| if matches!(error, Error::Backend { .. }) { file.fail(error) } else { error })
    }
}

impl ChunkSink for Hdf5Sink {
    fn info(&self) -> &DatasetInfo {
        &self.info
    }

    fn held_bytes(&self) -> u64 {
        // Where the file has room that is not used, the dataset goes through the journal.
        let pages = self.destination.free.min(self.info.bytes()) / PAGE;
        self.writer.index_bytes(self.writer.grid(&self.info.shape).len()) + Journal::held_bytes(pages)
    }

    fn cost(&self, slab: &Slab, threads: usize) -> Cost {
        self.writer.cost(&grown(&self.info.shape, slab), slab, threads)
    }

    fn write_from(&self, slab: &Slab, data: &[u8], worker: &Worker) -> Result<()> {
        self.check_room(slab)?;
        slab.check_length(&self.info, data.len())?;
        if slab.is_empty() {
            return Ok(());
        }
        self.write(slab, data, worker).inspect_err(|_| self.failed.store(true, Ordering::Relaxed))
    }

    fn prepare(&self) -> Result<()> {
        match &*lock(&self.output) {
            Some(output) if !self.failed.load(Ordering::Relaxed) => output.file.sync(),
            _ => Ok(()),
        }
    }

    fn finish(self: Box<Self>) -> Result<()> {
        if self.failed.load(Ordering::Relaxed) {
            return Err(self.destination.place.unsupported("an earlier write failed: the dataset is not complete"));
        }
        let output = lock(&self.output).take();
        let Output { dataset, file, .. } = match output {
            Some(output) => output,
            None => self.begin(self.destination.open()?)?,
        };
        self.write_attributes(&dataset).map_err(|error| file.fail(error))?;
        self.destination.finish(file, dataset)
    }
}

impl Drop for Hdf5Sink {
    /// Of one that is not finished, nothing is left.
    fn drop(&mut self) {
        if let Some(Output { dataset, file, .. }) = lock(&self.output).take() {
            // What fails here fails the file, too.
            let _ =
                library::give_up(&dataset).map_err(|error| file.fail(self.destination.place.library("drop", &error)));
        }
    }
}

/// The shape of a dataset that was made large enough for `slab`.
fn grown(shape: &Shape, slab: &Slab) -> Shape {
    shape.iter().enumerate().map(|(axis, extent)| (*extent).max(slab.end(axis))).collect()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The chunk shape asked for, clipped where HDF5 wants it (a chunk is no longer than an axis that cannot grow), or
/// whole rows of about a mebibyte.
fn chunk_shape(info: &DatasetInfo) -> Shape {
    let most = |axis: usize| info.max_shape.as_ref().map_or(Some(info.shape[axis]), |most| most[axis]);
    if let Some(chunk_shape) = &info.chunk_shape {
        let clipped = |(axis, chunk): (usize, &u64)| most(axis).map_or(*chunk, |most| (*chunk).min(most.max(1)));
        return chunk_shape.iter().enumerate().map(clipped).collect();
    }
    let mut chunk: Vec<u64> = info.shape.iter().map(|extent| (*extent).max(1)).collect();
    let elements = (DEFAULT_CHUNK_BYTES / info.dtype.size().max(1) as u64).max(1);
    for axis in 0..chunk.len() {
        let inner: u64 = chunk[axis + 1..].iter().product();
        chunk[axis] = (elements / inner.max(1)).clamp(1, chunk[axis]);
    }
    // An axis without end is not as short as it is now for long.
    if let Some(axis) = (0..chunk.len()).find(|axis| most(*axis).is_none()) {
        let others: u64 = chunk.iter().product::<u64>() / chunk[axis];
        chunk[axis] = (elements / others).max(chunk[axis]);
    }
    chunk.into()
}
