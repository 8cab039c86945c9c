//! A new dataset of a new HDF5 file as a sink.

use std::fs;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use chunk_core::{
    ChunkSink, Cost, DatasetInfo, Error, Grid, NewFile, Result, Scalar, Shape, Slab, Spans, Worker, copy_region,
};
use hdf5::{Dataset, Datatype};

use crate::codec::{Pipeline, StoredFilter};
use crate::dtype;
use crate::error::Place;
use crate::file::{self, FileLocking};
use crate::filter::Filter;
use crate::library::{self, Creation};

/// A dataset being written to a new HDF5 file.
///
/// Chunks are compressed on the worker's threads; the library's lock is taken only to hand a finished chunk over.
/// The file is made under a temporary name beside its own, synced and renamed by `finish`.
#[derive(Debug)]
pub struct Hdf5Sink {
    info: DatasetInfo,
    place: Place,
    grid: Grid,
    chunk: Shape,
    filters: Vec<StoredFilter>,
    pipeline: Pipeline,
    kind: Datatype,
    fill: Scalar,
    overwrite: bool,
    output: Mutex<Option<Output>>,
}

/// The file while it has its temporary name. Fields are dropped in order: the library closes before the file goes.
#[derive(Debug)]
struct Output {
    dataset: Dataset,
    file: hdf5::File,
    new: NewFile,
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
        let grid = Grid::new(info.shape.clone(), chunk.clone());
        let output = Mutex::new(None);
        Ok(Hdf5Sink { info, place, grid, chunk, filters, pipeline, kind, fill, overwrite, output })
    }

    fn chunk_bytes(&self) -> usize {
        self.chunk.elements() as usize * self.info.dtype.size()
    }

    /// The file under its temporary name, made by the first call.
    fn output(&self) -> Result<Dataset> {
        let mut output = lock(&self.output);
        if output.is_none() {
            *output = Some(self.begin()?);
        }
        match &*output {
            Some(output) => Ok(output.dataset.clone()),
            None => unreachable!("it was made above"),
        }
    }

    fn begin(&self) -> Result<Output> {
        let new = NewFile::beside(&self.place.path)?;
        let fail = |error: hdf5::Error| self.place.library("create", &error);
        let file = file::library_options().create(new.temporary_path()).map_err(fail)?;
        let fixed: Vec<_> = self.info.shape.iter().map(|extent| Some(*extent)).collect();
        let creation = Creation {
            name: &self.place.dataset,
            kind: &self.kind,
            extents: &self.info.shape,
            most: self.info.max_shape.as_ref().unwrap_or(&fixed),
            chunk: (!self.info.shape.is_empty()).then_some(&self.chunk),
            filters: &self.filters,
            fill: self.info.fill.as_ref().map(Scalar::bytes),
        };
        let dataset = library::create(&file, &creation).map_err(fail)?;
        Ok(Output { dataset, file, new })
    }

    fn write_chunk(
        &self,
        dataset: &Dataset,
        position: &[u64],
        slab: &Slab,
        data: &[u8],
        worker: &Worker,
    ) -> Result<()> {
        let (clipped, whole) = (self.grid.slab(position), self.grid.whole_slab(position));
        let size = self.info.dtype.size();
        let fail = |error: hdf5::Error| self.place.library("write", &error);
        let Some(region) = clipped.intersection(slab) else { return Ok(()) };
        if region != clipped || self.info.shape.is_empty() {
            return self.write_cut(dataset, &region, slab, data, worker);
        }
        let length = self.chunk_bytes();
        let span = Spans::new(&region, slab, &whole, size).next();
        let gathered;
        let chunk = match span {
            Some(span) if span.length == length => &data[span.from..span.from + length],
            _ => {
                let mut buffer = worker.scratch(length)?;
                if clipped != whole {
                    self.fill.fill(&mut buffer);
                }
                copy_region(&region, data, slab, &mut buffer, &whole, size);
                gathered = buffer;
                &gathered
            }
        };
        if self.pipeline.is_identity(0) {
            return library::write_chunk(dataset, whole.start(), 0, chunk).map_err(fail);
        }
        let mut out = worker.scratch(self.pipeline.encode_bound(length))?;
        let mut scratch = worker.scratch(self.pipeline.encode_scratch(length))?;
        let encoded = self.pipeline.encode(chunk, &mut out, &mut scratch);
        let encoded = encoded.map_err(|cause| Error::Backend {
            path: self.place.path.clone(),
            dataset: self.place.dataset.clone(),
            action: "compress",
            cause: Box::new(cause),
        })?;
        worker.check()?;
        library::write_chunk(dataset, whole.start(), encoded.filter_mask, &out[..encoded.len]).map_err(fail)
    }

    /// Part of a chunk: the library reads the rest of it, and writes it whole.
    fn write_cut(&self, dataset: &Dataset, region: &Slab, slab: &Slab, data: &[u8], worker: &Worker) -> Result<()> {
        let size = self.info.dtype.size();
        let mut buffer = worker.scratch(region.bytes(size) as usize)?;
        copy_region(region, data, slab, &mut buffer, region, size);
        let written = library::write(dataset, &self.kind, region.start(), region.count(), &buffer);
        written.map_err(|error| self.place.library("write", &error))
    }

    /// Whether `slab` holds each chunk that it touches to the end.
    fn holds_whole_chunks(&self, slab: &Slab) -> bool {
        (0..slab.ndim()).all(|axis| {
            let (start, end, chunk) = (slab.start()[axis], slab.end(axis), self.chunk[axis]);
            start % chunk == 0 && (end % chunk == 0 || end == self.info.shape[axis])
        })
    }
}

impl ChunkSink for Hdf5Sink {
    fn info(&self) -> &DatasetInfo {
        &self.info
    }

    fn held_bytes(&self) -> u64 {
        // What libhdf5 keeps of the chunks it wrote: an entry of its B-tree each, and the address beside it.
        let entry = 8 * (self.chunk.len() as u64 + 4);
        self.grid.len().saturating_mul(entry)
    }

    fn cost(&self, slab: &Slab, threads: usize) -> Cost {
        let bytes = slab.bytes(self.info.dtype.size());
        let length = self.chunk_bytes();
        let (bound, scratch) = (self.pipeline.encode_bound(length), self.pipeline.encode_scratch(length));
        let encoding =
            if self.pipeline.is_identity(0) { 0 } else { bound + scratch + self.pipeline.hidden_bytes(length) };
        // A chunk of one piece in the slab is not gathered first.
        let one_piece = self.holds_whole_chunks(slab) && {
            let inner = self.chunk.iter().zip(slab.count().iter()).skip_while(|(chunk, _)| **chunk == 1).skip(1);
            inner.into_iter().all(|(chunk, count)| chunk == count)
                && slab.elements().is_multiple_of(self.chunk.elements())
        };
        let mut held = encoding + if one_piece { 0 } else { length };
        if !self.holds_whole_chunks(slab) {
            // The library holds the chunk twice: as stored, and decoded.
            held += 3 * length;
        }
        let chunks = self.grid.touched(slab).elements().min(threads as u64).max(1);
        Cost::new(held as u64 * chunks, bytes)
    }

    fn write_from(&self, slab: &Slab, data: &[u8], worker: &Worker) -> Result<()> {
        slab.check(&self.info, data.len())?;
        if slab.is_empty() {
            return Ok(());
        }
        let dataset = self.output()?;
        let touched = self.grid.touched(slab);
        // A range of chunks a thread: a list of all would grow with the data.
        let parts = touched.split(worker.threads() as u64, 1);
        worker.for_each(parts, |part, worker| {
            part.positions().try_for_each(|position| {
                worker.check()?;
                self.write_chunk(&dataset, &position, slab, data, worker)
            })
        })
    }

    fn finish(self: Box<Self>) -> Result<()> {
        self.output()?;
        let output = lock(&self.output).take();
        let Some(Output { dataset, file, new }) = output else { unreachable!("it was made above") };
        let fail = |error: hdf5::Error| self.place.library("finish", &error);
        drop(dataset);
        file.flush().map_err(fail)?;
        file.close().map_err(fail)?;
        new.publish(self.overwrite)
    }
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
