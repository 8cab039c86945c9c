//! A new dataset of a new HDF5 file as a sink.

use std::fs;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use chunk_core::{ChunkSink, Cost, DatasetInfo, Error, NewFile, Result, Scalar, Shape, Slab, Worker};
use hdf5::{Dataset, Datatype};

use crate::codec::{Pipeline, StoredFilter};
use crate::dtype;
use crate::error::Place;
use crate::file::{self, FileLocking};
use crate::filter::Filter;
use crate::library::{self, Creation};
use crate::writer::ChunkWriter;

/// A dataset being written to a new HDF5 file.
///
/// Chunks are compressed on the worker's threads; the library's lock is taken only to hand a finished chunk over.
/// The file is made under a temporary name beside its own, synced and renamed by `finish`.
#[derive(Debug)]
pub struct Hdf5Sink {
    info: DatasetInfo,
    place: Place,
    writer: ChunkWriter,
    filters: Vec<StoredFilter>,
    kind: Datatype,
    overwrite: bool,
    output: Mutex<Option<Output>>,
}

/// The file while it has its temporary name. Fields are dropped in order: the library closes before the file goes.
#[derive(Debug)]
struct Output {
    dataset: Dataset,
    file: hdf5::File,
    new: NewFile,
    /// The extents now.
    shape: Shape,
}

/// Chunks of this size serve where nobody asked for a shape.
const DEFAULT_CHUNK_BYTES: u64 = 1 << 20;

impl Hdf5Sink {
    /// A sink for the dataset `name`, `/data` if `None`, of a new file at `path`. Creates nothing yet.
    ///
    /// # Errors
    /// [`Error::AlreadyExists`], unless `overwrite`, and even then if the file holds other datasets, which would be
    /// lost; a missing directory; a dtype or a chunk size that HDF5 or the filter cannot hold.
    pub fn create(path: impl AsRef<Path>, name: Option<&str>, info: DatasetInfo, filter: Filter) -> Result<Self> {
        Hdf5Sink::create_with(path.as_ref(), name, info, filter, false, FileLocking::default())
    }

    pub(crate) fn create_with(
        path: &Path,
        name: Option<&str>,
        info: DatasetInfo,
        filter: Filter,
        overwrite: bool,
        locking: FileLocking,
    ) -> Result<Self> {
        let name = file::absolute(name.unwrap_or("data"));
        let place = Place::new(path, &name);
        if name.is_empty() {
            return Err(place.unsupported("the root group cannot be a dataset"));
        }
        check_target(&place, overwrite, locking)?;
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
        Ok(Hdf5Sink { info, place, writer, filters, kind, overwrite, output: Mutex::new(None) })
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

    /// The dataset in the file under its temporary name, made by the first call and large enough for `slab`, and its
    /// shape.
    fn output(&self, slab: &Slab) -> Result<(Dataset, Shape)> {
        let mut output = lock(&self.output);
        let output = match &mut *output {
            Some(output) => output,
            none => none.insert(self.begin()?),
        };
        let shape = grown(&output.shape, slab);
        if shape != output.shape {
            let set = library::set_extents(&output.dataset, &shape);
            set.map_err(|error| self.place.library("grow", &error))?;
            output.shape = shape;
        }
        Ok((output.dataset.clone(), output.shape.clone()))
    }

    fn begin(&self) -> Result<Output> {
        let new = NewFile::beside(&self.place.path)?;
        let fail = |error: hdf5::Error| self.place.library("create", &error);
        let mut options = file::library_options();
        options.with_fapl(|list| list.libver_v110());
        let file = options.create(new.temporary_path()).map_err(fail)?;
        let fixed: Vec<_> = self.info.shape.iter().map(|extent| Some(*extent)).collect();
        let creation = Creation {
            name: &self.place.dataset,
            kind: &self.kind,
            extents: &self.info.shape,
            most: self.info.max_shape.as_ref().unwrap_or(&fixed),
            chunk: (!self.info.shape.is_empty()).then_some(&self.writer.chunk),
            filters: &self.filters,
            fill: self.info.fill.as_ref().map(Scalar::bytes),
            mappings: &[],
        };
        let dataset = library::create(&file, &creation).map_err(fail)?;
        Ok(Output { dataset, file, new, shape: self.info.shape.clone() })
    }
}

impl ChunkSink for Hdf5Sink {
    fn info(&self) -> &DatasetInfo {
        &self.info
    }

    fn held_bytes(&self) -> u64 {
        self.writer.index_bytes(self.writer.grid(&self.info.shape).len())
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
        let (dataset, shape) = self.output(slab)?;
        if self.info.shape.is_empty() {
            let written = library::write(&dataset, &self.kind, slab.start(), slab.count(), data);
            return written.map_err(|error| self.place.library("write", &error));
        }
        self.writer.write(&dataset, &shape, slab, data, worker)
    }

    fn finish(self: Box<Self>) -> Result<()> {
        let output = lock(&self.output).take();
        let Output { dataset, file, new, .. } = output.map_or_else(|| self.begin(), Ok)?;
        let fail = |error: hdf5::Error| self.place.library("finish", &error);
        drop(dataset);
        file.flush().map_err(fail)?;
        file.close().map_err(fail)?;
        new.publish(self.overwrite)
    }
}

/// The shape of a dataset that was made large enough for `slab`.
fn grown(shape: &Shape, slab: &Slab) -> Shape {
    shape.iter().enumerate().map(|(axis, extent)| (*extent).max(slab.end(axis))).collect()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What can be wrong with the output before there is one.
fn check_target(place: &Place, overwrite: bool, locking: FileLocking) -> Result<()> {
    NewFile::check(&place.path, overwrite)?;
    if fs::symlink_metadata(&place.path).is_err() {
        return Ok(());
    }
    check_nothing_else_is_lost(place, locking)
}

/// Overwriting replaces the file: it must hold nothing but the dataset that is replaced.
fn check_nothing_else_is_lost(place: &Place, locking: FileLocking) -> Result<()> {
    let (_own, library_file) = match file::open(&place.path, locking) {
        Ok(files) => files,
        // A file that was cut off, or is empty, has nothing to lose; another format has.
        Err(Error::Corrupt { .. }) => return Ok(()),
        Err(Error::WrongFormat { .. }) if fs::metadata(&place.path).is_ok_and(|metadata| metadata.len() == 0) => {
            return Ok(());
        }
        Err(error) => return Err(error),
    };
    let entries = file::walk(&library_file, place)?;
    let others = entries.iter().filter(|(name, found)| *found != file::Found::Group && *name != place.dataset);
    match others.map(|(name, _)| name).next() {
        Some(other) => Err(place.unsupported(format!(
            "overwriting replaces the whole file, which also holds {other}: remove it or write elsewhere"
        ))),
        None => Ok(()),
    }
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
    let most = (DEFAULT_CHUNK_BYTES / info.dtype.size().max(1) as u64).max(1);
    for axis in 0..chunk.len() {
        let inner: u64 = chunk[axis + 1..].iter().product();
        chunk[axis] = (most / inner.max(1)).clamp(1, chunk[axis]);
    }
    chunk.into()
}
