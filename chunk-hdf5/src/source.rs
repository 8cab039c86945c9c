//! A dataset of an HDF5 file as a source.

use std::path::Path;
use std::sync::Arc;

use chunk_core::{
    ChunkSource, Cost, DType, DataFile, DatasetEntry, DatasetInfo, Error, Grid, Identity, Operation, Result, Scalar,
    Slab, Sources, Spans, Work, Worker, copy_region,
};
use hdf5::dataset::Layout;
use hdf5::plist::DatasetCreate;
use hdf5::{Dataset, Datatype};

use crate::cache::Cache;
use crate::chunked::{Blocks, Chunks};
use crate::codec::{Pipeline, StoredFilter};
use crate::conversion::{Conversion, Swap};
use crate::dtype::{self, Stored};
use crate::error::Place;
use crate::external::External;
use crate::file;
use crate::index::Index;
use crate::links::{self, Opened};
use crate::options::ReadOptions;
use crate::{attributes, compact, filter, library};

/// A dataset of an HDF5 file.
///
/// libhdf5 is asked for structure only, once, and has closed the file when the dataset is open: in the library an open
/// file takes a descriptor and over half a mebibyte. Chunks, and contiguous data, are read with positional reads of our
/// own descriptor and decoded on the worker's threads, beside the library's global lock. Compact data, a part of the
/// file's structure of 64 KiB at most, are read when the dataset is opened.
#[derive(Debug)]
pub struct Hdf5Source {
    info: DatasetInfo,
    place: Place,
    file: Arc<DataFile>,
    conversion: Conversion,
    data: Data,
}

/// Where the elements are.
#[derive(Debug)]
enum Data {
    /// One piece of the file from this offset on.
    Contiguous(u64),
    /// Nowhere yet: all are the fill value, as the file would hold it.
    Unwritten(Scalar),
    /// In other files.
    External(External),
    /// In chunks that we read.
    Chunked(Box<Chunks>),
    /// Here: they were a part of the file's structure.
    Compact(Vec<u8>),
}

/// What a dataset states of itself.
pub(crate) struct Statement {
    pub(crate) info: DatasetInfo,
    /// What the library gives compact data as; `None`: as the file holds them, which it cannot.
    kind: Option<Datatype>,
    pub(crate) conversion: Conversion,
    /// Elements that are not stored, as the file would hold them.
    pub(crate) fill: Scalar,
    layout: Layout,
    pub(crate) filters: Vec<StoredFilter>,
    external: usize,
}

/// A part of a file's structure is no larger.
const MOST_COMPACT_BYTES: u64 = 64 << 10;

impl Hdf5Source {
    /// Opens the dataset of this name, or the file's only one.
    ///
    /// # Errors
    /// [`Error::FileNotFound`], [`Error::WrongFormat`], [`Error::Corrupt`] for a truncated or malformed file;
    /// [`Error::DatasetNotFound`] and [`Error::NotADataset`] with the names that are near;
    /// [`Error::UnsupportedFilter`] and [`Error::UnsupportedDType`].
    pub fn open(path: impl AsRef<Path>, dataset: Option<&str>) -> Result<Self> {
        Hdf5Source::open_with(path, dataset, ReadOptions::default())
    }

    /// The same with options.
    ///
    /// # Errors
    /// As [`Hdf5Source::open`].
    pub fn open_with(path: impl AsRef<Path>, dataset: Option<&str>, options: ReadOptions) -> Result<Self> {
        Hdf5Source::of_dataset(links::open(path.as_ref(), dataset, options)?, options)
    }

    /// A dataset that is open already.
    pub(crate) fn of_dataset(opened: Opened, options: ReadOptions) -> Result<Self> {
        let statement = Statement::read(&opened.dataset, &opened.place)?;
        Hdf5Source::of_statement(statement, opened, options)
    }

    /// A dataset that is open already, whose elements of `fill.len()` bytes are given as the file holds them, whatever
    /// they are; `fill` stands for those that are not stored.
    pub(crate) fn of_stored(opened: Opened, fill: Vec<u8>, options: ReadOptions) -> Result<Self> {
        let statement = Statement::as_stored(&opened.dataset, fill, &opened.place)?;
        Hdf5Source::of_statement(statement, opened, options)
    }

    fn of_statement(statement: Statement, opened: Opened, options: ReadOptions) -> Result<Self> {
        let Opened { own, dataset, place } = opened;
        let own = own.with_dataset(&place.dataset);
        let data = statement.data(&dataset, &own, &place, options)?;
        let mut identity = Identity::builder("hdf5").file(&place.path)?.field("dataset", &place.dataset);
        if let Data::External(external) = &data {
            for path in external.paths() {
                identity = identity.file(path)?;
            }
        }
        let Statement { info, conversion, .. } = statement;
        let info = info.with_identity(identity.finish());
        Ok(Hdf5Source { info, place, file: Arc::new(own), conversion, data })
    }

    /// The dataset, as errors name it.
    pub(crate) fn place(&self) -> &Place {
        &self.place
    }

    /// Our own descriptor of the file.
    pub(crate) fn file(&self) -> &Arc<DataFile> {
        &self.file
    }

    /// Opens the datasets that chunkiter reads where none is named: `data` at the root, else `data0`, `data1` and so on
    /// to the first gap. [`chunk_core::steps`] reads several in step.
    ///
    /// # Errors
    /// [`Error::DatasetNotFound`] if there is neither `data` nor `data0`; else as [`Hdf5Source::open`].
    pub fn open_automatic(path: impl AsRef<Path>, options: ReadOptions) -> Result<Vec<Self>> {
        let path = path.as_ref();
        let (_, library_file) = file::open(path, options.locking)?;
        let names = file::automatic_names(&library_file, path)?;
        names.iter().map(|name| Hdf5Source::open_with(path, Some(name), options)).collect()
    }

    /// The same dataset with some fields of its structures, packed, in the order given. A name with dots leads into
    /// inner structures: `"position.x"`.
    ///
    /// Chunks are decoded whole: what is saved is the memory and the time of whoever takes the elements.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for no names, a name that is not there, and if fields were selected before.
    pub fn select_fields(self, names: &[&str]) -> Result<Self> {
        self.select(&names.join(","), |conversion, dtype| conversion.keep(dtype, names).filter(|_| !names.is_empty()))
    }

    /// The same dataset with one field of its structures alone: elements are of that field's dtype.
    ///
    /// # Errors
    /// As [`Hdf5Source::select_fields`].
    pub fn select_field(self, name: &str) -> Result<Self> {
        self.select(name, |conversion, dtype| conversion.keep_one(dtype, name))
    }

    fn select(mut self, names: &str, keep: impl FnOnce(&mut Conversion, &DType) -> Option<DType>) -> Result<Self> {
        let dataset = self.place.name();
        if self.conversion.has_fields() {
            return Err(Error::InvalidArgument(format!("{dataset}: fields were selected already")));
        }
        let old = self.info;
        let Some(dtype) = keep(&mut self.conversion, &old.dtype) else {
            let message = format!("{dataset} holds {}, which has no fields {names:?}", old.dtype);
            return Err(Error::InvalidArgument(message));
        };
        let mut info = DatasetInfo::new(old.shape, dtype.clone()).with_name(dataset);
        info.chunk_shape = old.chunk_shape;
        info.max_shape = old.max_shape;
        if let Some(fill) = old.fill {
            let mut bytes = vec![0; dtype.size()];
            self.conversion.pick(fill.bytes(), &mut bytes);
            info.fill = Some(Scalar::from_bytes(dtype, bytes)?);
        }
        if let Some(identity) = old.identity {
            info =
                info.with_identity(Identity::builder("hdf5-fields").input(&identity).field("fields", names).finish());
        }
        self.info = info;
        Ok(self)
    }

    /// Whether elements are converted beside the caller's buffer.
    fn converts(&self) -> bool {
        !self.conversion.is_in_place()
    }

    /// Fills `out`, which is packed, with elements as they are in memory.
    fn read_part(&self, slab: &Slab, out: &mut [u8], worker: &Worker) -> Result<()> {
        if self.conversion.is_in_place() {
            self.read_stored(slab, out, worker)?;
            self.conversion.apply_in_place(out);
            return Ok(());
        }
        let mut stored = worker.scratch(slab.bytes(self.conversion.stored_size()) as usize)?;
        self.read_stored(slab, &mut stored, worker)?;
        self.conversion.apply(&mut stored, out, worker, &self.place)
    }

    /// Fills `out`, which is packed, with elements as the file holds them.
    fn read_stored(&self, slab: &Slab, out: &mut [u8], worker: &Worker) -> Result<()> {
        let size = self.conversion.stored_size();
        match &self.data {
            Data::Unwritten(fill) => fill.fill(out),
            Data::Contiguous(offset) => {
                let whole = Slab::whole(&self.info.shape);
                let place = (*offset, whole.bytes(size));
                self.file.read_spans(place, Spans::new(slab, &whole, slab, size), out, worker)?;
            }
            Data::External(external) => external.read(slab, &Slab::whole(&self.info.shape), size, out)?,
            Data::Chunked(chunks) => chunks.read(&self.file, slab, out, worker, &self.place)?,
            Data::Compact(all) => copy_region(slab, all, &Slab::whole(&self.info.shape), out, slab, size),
        }
        Ok(())
    }
}

impl ChunkSource for Hdf5Source {
    fn info(&self) -> &DatasetInfo {
        &self.info
    }

    fn held_bytes(&self) -> u64 {
        match &self.data {
            Data::Chunked(chunks) => chunks.index.bytes() + chunks.cache.as_ref().map_or(0, Cache::most),
            Data::Compact(all) => all.capacity() as u64,
            _ => 0,
        }
    }

    fn operation(&self) -> Option<&dyn Operation> {
        None
    }

    fn cost(&self, slab: &Slab, threads: usize) -> Result<Cost> {
        let stored = slab.bytes(self.conversion.stored_size());
        let threads = threads as u64;
        let mut cost = match &self.data {
            Data::Unwritten(_) | Data::Compact(_) => Cost::new(0, Work::copying(stored)),
            Data::External(_) => Cost::new(0, Work::reading(stored)),
            Data::Contiguous(_) => {
                let whole = Slab::whole(&self.info.shape).bytes(self.conversion.stored_size());
                Cost::new(DataFile::spans_scratch(whole) * threads, Work::reading(stored))
            }
            Data::Chunked(chunks) => {
                let cost = chunks.cost(slab);
                Cost::new(cost.scratch_bytes * threads, cost.work)
            }
        };
        if self.converts() {
            cost.scratch_bytes += stored + threads * self.conversion.scratch() as u64;
            cost.work += Work::copying(stored);
        }
        Ok(cost)
    }

    fn read_into(&self, slab: &Slab, out: &mut [u8], worker: &Worker) -> Result<()> {
        slab.check(&self.info, out.len())?;
        if slab.is_empty() {
            return Ok(());
        }
        let align = match &self.data {
            Data::Chunked(chunks) => chunks.alignment(slab, worker.threads()),
            _ => 1,
        };
        let size = self.info.dtype.size();
        worker.for_each_part(slab, out, size, align, |part, out, worker| self.read_part(part, out, worker))
    }
}

fn opaque(size: usize) -> DType {
    DType::Opaque { size, tag: None }
}

/// How a dataset is stored, for `ls` and `info`.
pub(crate) fn entry(dataset: &Dataset, place: &Place) -> Result<DatasetEntry> {
    let statement = Statement::read(dataset, place)?;
    let filters = statement.filters.iter().map(filter::describe).collect();
    let layout = match (statement.layout, statement.external) {
        (_, 1..) => "external",
        (Layout::Compact, _) => "compact",
        (Layout::Contiguous, _) => "contiguous",
        (Layout::Chunked, _) => "chunked",
        (Layout::Virtual, _) => "virtual",
    };
    let entry = DatasetEntry::new(statement.info, layout, filters, library::storage_size(dataset));
    if statement.layout != Layout::Virtual {
        return Ok(entry);
    }
    let found = library::virtual_sources(dataset, Sources::MOST_NAMED);
    let (count, first) = found.map_err(|error| place.library("read the mappings", &error))?;
    let names = first.into_iter().map(|(file, dataset)| format!("{file}::{dataset}"));
    Ok(entry.with_sources(Sources::new(count as u64, names)))
}

impl Statement {
    pub(crate) fn read(dataset: &Dataset, place: &Place) -> Result<Self> {
        let fail = |error: hdf5::Error| place.library("read the description", &error);
        let kind = library::stored_type(dataset).map_err(fail)?;
        let Stored { dtype, conversion } = dtype::stored(&kind, attributes::is_by_pytables(dataset))
            .map_err(|unmapped| place.unmapped("this version", unmapped))?;
        let creation = dataset.dcpl().map_err(fail)?;
        let stated = library::fill_value(&creation, &kind).map_err(fail)?;
        let size = conversion.stored_size();
        let mut statement = Statement::of_elements(dataset, &creation, Stored { dtype, conversion }, place)?;
        if let Some(bytes) = stated {
            statement.fill = Scalar::from_bytes(opaque(size), bytes.clone())?;
            let fill = statement.conversion.apply_to_one(bytes, place)?;
            statement.info.fill = Some(Scalar::from_bytes(statement.info.dtype.clone(), fill)?);
        }
        Ok(Statement { kind: Some(kind), ..statement })
    }

    /// The same of elements that are taken as they are stored.
    fn as_stored(dataset: &Dataset, fill: Vec<u8>, place: &Place) -> Result<Self> {
        let creation = dataset.dcpl().map_err(|error| place.library("read the description", &error))?;
        let dtype = opaque(fill.len());
        let conversion = Conversion::swapping(fill.len(), Swap::No);
        let fill = Scalar::from_bytes(dtype.clone(), fill)?;
        let statement = Statement::of_elements(dataset, &creation, Stored { dtype, conversion }, place)?;
        Ok(Statement { fill, ..statement })
    }

    /// All but the fill value.
    fn of_elements(dataset: &Dataset, creation: &DatasetCreate, stored: Stored, place: &Place) -> Result<Self> {
        let Stored { dtype, conversion } = stored;
        let (shape, most) = file::extents(dataset, place)?;
        let filters = library::filters(creation).map_err(|error| place.library("read the description", &error));
        let (filters, external) = filters?;
        // Chunks are numbered, bytes counted, in 64 bits.
        let bytes = shape.iter().try_fold(dtype.size() as u64, |bytes, extent| bytes.checked_mul(*extent));
        if bytes.is_none() && !shape.contains(&0) {
            return Err(place.unsupported("has more bytes than 64 bits count"));
        }
        let mut info = DatasetInfo::new(shape, dtype).with_name(place.name());
        if let Some(chunk) = creation.chunk() {
            info = info.with_chunk_shape(chunk.into_iter().map(|extent| extent as u64).collect::<Vec<_>>());
        }
        if most.iter().zip(info.shape.iter()).any(|(most, extent)| *most != Some(*extent)) {
            info = info.with_max_shape(most);
        }
        info.check().map_err(|error| place.corrupt(error.to_string()))?;
        let fill = Scalar::zero(opaque(conversion.stored_size()));
        Ok(Statement { info, kind: None, conversion, fill, layout: creation.layout(), filters, external })
    }

    fn data(&self, dataset: &Dataset, file: &DataFile, place: &Place, options: ReadOptions) -> Result<Data> {
        if self.external > 0 {
            return self.external(dataset, place, options);
        }
        let length = file.length()?;
        match self.layout {
            Layout::Virtual => Err(place.unsupported("is a virtual dataset, which this version does not read")),
            Layout::Compact => self.compact(dataset, file, place),
            Layout::Contiguous => self.contiguous(dataset, length, place),
            Layout::Chunked => self.chunked(dataset, file, length, place, options),
        }
    }

    fn external(&self, dataset: &Dataset, place: &Place, options: ReadOptions) -> Result<Data> {
        if !options.external_files {
            return Err(place.unsupported("is held in external files, which are not read unless allowed"));
        }
        let pieces = library::external_pieces(dataset).map_err(|error| place.library("find the files of", &error))?;
        let bytes = self.info.shape.elements().saturating_mul(self.conversion.stored_size() as u64);
        External::open(&pieces, bytes, options, place).map(Data::External)
    }

    fn compact(&self, dataset: &Dataset, file: &DataFile, place: &Place) -> Result<Data> {
        let shape = &self.info.shape;
        let bytes = shape.elements().saturating_mul(self.conversion.stored_size() as u64);
        if bytes > MOST_COMPACT_BYTES {
            return Err(place.corrupt(format!("{bytes} bytes do not fit the file's structure, which is to hold them")));
        }
        let fail = |error: hdf5::Error| place.library("read", &error);
        let Some(kind) = &self.kind else {
            let all = compact::read(file, library::header_address(dataset).map_err(fail)?, place)?;
            let found = all.len();
            return if found as u64 == bytes {
                Ok(Data::Compact(all))
            } else {
                Err(place.corrupt(format!("has {found} bytes of compact data instead of {bytes}")))
            };
        };
        let mut all = vec![0; bytes as usize];
        library::read(dataset, kind, &vec![0; shape.len()], shape, &mut all).map_err(fail)?;
        Ok(Data::Compact(all))
    }

    fn contiguous(&self, dataset: &Dataset, file_length: u64, place: &Place) -> Result<Data> {
        // Behind a user block the library adds its size to the address that stands for none.
        let offset = dataset.offset().filter(|_| library::storage_size(dataset) > 0);
        let Some(offset) = offset else { return Ok(Data::Unwritten(self.fill.clone())) };
        let bytes = self.info.shape.elements().saturating_mul(self.conversion.stored_size() as u64);
        if offset.saturating_add(bytes) > file_length {
            return Err(place.corrupt(format!(
                "the data, {bytes} bytes at file offset {offset}, end after the file, which has {file_length} bytes"
            )));
        }
        Ok(Data::Contiguous(offset))
    }

    fn chunked(
        &self,
        dataset: &Dataset,
        file: &DataFile,
        file_length: u64,
        place: &Place,
        options: ReadOptions,
    ) -> Result<Data> {
        let Some(chunk_shape) = self.info.chunk_shape.clone() else {
            return Err(place.corrupt("is chunked, but states no chunk shape"));
        };
        let element_size = self.conversion.stored_size();
        let chunk_bytes = chunk_shape.elements().saturating_mul(element_size as u64);
        let pipeline = match Pipeline::new(&self.filters) {
            Ok(pipeline) => pipeline,
            Err(filter) => {
                return Err(Error::UnsupportedFilter {
                    path: place.path.clone(),
                    dataset: place.dataset.clone(),
                    id: filter.id,
                    name: filter.name.unwrap_or_else(|| "unknown".to_owned()),
                });
            }
        };
        let grid = Grid::new(self.info.shape.clone(), chunk_shape);
        let index = Index::read(dataset, &grid, file_length, place)?;
        let blocks = Blocks::sample(file, &index, &pipeline, chunk_bytes as usize)?;
        let fill = self.fill.clone();
        let cache = Cache::new(options.cache.0);
        Ok(Data::Chunked(Chunks { grid, index, pipeline, element_size, fill, blocks, cache }.into()))
    }
}
