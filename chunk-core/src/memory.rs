//! The reference backend: arrays in memory.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use crate::worker::lock;
use crate::{
    Attribute, Backend, ChunkSink, ChunkSource, Cost, CreateOptions, DatasetInfo, Element, Entry, Error, Grid, Growing,
    Location, OpenPolicy, Operation, Result, Shape, Sharding, Slab, Work, Worker, copy_region,
};

/// An array in memory as a source. Clones share the data.
///
/// ```
/// use chunk_core::{ChunkSource, MemorySource};
///
/// let source = MemorySource::new([2, 3], &[0.0, 1.0, 2.0, 3.0, 4.0, 5.0])?.with_chunk_shape([1, 3])?;
/// assert_eq!(source.info().to_owned().chunk_shape, Some([1, 3].into()));
/// # Ok::<(), chunk_core::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct MemorySource {
    info: DatasetInfo,
    data: Arc<Vec<u8>>,
}

impl MemorySource {
    /// The array of `shape` with these elements, row-major.
    ///
    /// # Errors
    /// [`Error::BufferLength`] if there are more or fewer elements than the shape has.
    pub fn new<T: Element>(shape: impl Into<Shape>, elements: &[T]) -> Result<Self> {
        Self::from_bytes(DatasetInfo::new(shape, T::DTYPE).with_name("memory"), T::as_bytes(elements))
    }

    /// The array that `info` describes, with these bytes: packed, row-major, in native order.
    ///
    /// # Errors
    /// What [`DatasetInfo::check`] finds; [`Error::BufferLength`] if the bytes are not as many as the shape has.
    pub fn from_bytes(info: DatasetInfo, bytes: impl Into<Vec<u8>>) -> Result<Self> {
        let data = bytes.into();
        info.check()?;
        Slab::whole(&info.shape).check(&info, data.len())?;
        Ok(MemorySource { info, data: Arc::new(data) })
    }

    /// With chunks of this shape, as a file would have: what planning goes by.
    ///
    /// # Errors
    /// What [`DatasetInfo::check`] finds.
    pub fn with_chunk_shape(mut self, chunk_shape: impl Into<Shape>) -> Result<Self> {
        self.info = self.info.with_chunk_shape(chunk_shape);
        self.info.check()?;
        Ok(self)
    }

    /// All bytes: packed, row-major, in native order.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.data
    }
}

impl ChunkSource for MemorySource {
    fn info(&self) -> &DatasetInfo {
        &self.info
    }

    fn held_bytes(&self) -> u64 {
        0
    }

    fn operation(&self) -> Option<&dyn Operation> {
        None
    }

    fn cost(&self, slab: &Slab, _threads: usize) -> Result<Cost> {
        Ok(Cost::new(0, Work::copying(chunked_bytes(&self.info, slab))))
    }

    fn read_into(&self, slab: &Slab, out: &mut [u8], _worker: &Worker) -> Result<()> {
        slab.check(&self.info, out.len())?;
        let whole = Slab::whole(&self.info.shape);
        copy_region(slab, &self.data, &whole, out, slab, self.info.dtype.size());
        Ok(())
    }
}

/// Bytes of the native chunks that `slab` touches: what serving it moves in a backend that handles chunks whole.
#[must_use]
pub fn chunked_bytes(info: &DatasetInfo, slab: &Slab) -> u64 {
    let elements = match &info.chunk_shape {
        Some(chunk_shape) => Grid::new(info.shape.clone(), chunk_shape.clone()).touched_elements(slab),
        None => slab.elements(),
    };
    elements.saturating_mul(info.dtype.size() as u64)
}

/// An array in memory being written. What is written can be had as a source once it is finished.
///
/// ```
/// use chunk_core::{ChunkSink, ChunkSinkExt, ChunkSourceExt, DatasetInfo, DType, MemorySink, Slab};
///
/// let sink = MemorySink::new(DatasetInfo::new([2, 2], DType::I32))?;
/// let output = sink.output();
/// sink.write_slice(&Slab::whole(&[2, 2]), &[1, 2, 3, 4])?;
/// assert!(output.source().is_none());
/// Box::new(sink).finish()?;
/// assert_eq!(output.source().expect("it is finished").read_all::<i32>()?, [1, 2, 3, 4]);
/// # Ok::<(), chunk_core::Error>(())
/// ```
#[derive(Debug)]
pub struct MemorySink {
    info: DatasetInfo,
    state: Mutex<State>,
    output: MemoryOutput,
    /// The axis along which it adds to an array that is there, one writer at a time.
    appending: Option<(usize, AppendLock)>,
}

#[derive(Debug)]
struct State {
    shape: Shape,
    data: Vec<u8>,
}

/// Where a [`MemorySink`] leaves its array; clones share it.
#[derive(Clone, Debug, Default)]
pub struct MemoryOutput(Arc<Mutex<Option<MemorySource>>>);

impl MemoryOutput {
    /// The array, once its sink is finished.
    #[must_use]
    pub fn source(&self) -> Option<MemorySource> {
        lock(&self.0).clone()
    }
}

impl MemorySink {
    /// A sink for the array that `info` describes. Elements that are never written hold the fill value, or zero.
    ///
    /// # Errors
    /// What [`DatasetInfo::check`] finds; [`Error::InvalidArgument`] if the array does not fit the address space.
    pub fn new(info: DatasetInfo) -> Result<Self> {
        info.check()?;
        let data = filled(&info, &info.shape)?;
        let state = Mutex::new(State { shape: info.shape.clone(), data });
        Ok(MemorySink { info, state, output: MemoryOutput::default(), appending: None })
    }

    /// Where the array will be.
    #[must_use]
    pub fn output(&self) -> MemoryOutput {
        self.output.clone()
    }

    /// The shape that holds `slab` too, if the dataset may grow to it.
    fn grown(&self, shape: &Shape, slab: &Slab) -> Result<Shape> {
        let out_of_bounds =
            || Error::SlabOutOfBounds { slab: slab.clone(), shape: shape.clone(), dataset: self.info.name.clone() };
        if slab.ndim() != shape.len() {
            return Err(out_of_bounds());
        }
        let grown: Shape = (0..shape.len()).map(|axis| shape[axis].max(slab.end(axis))).collect();
        let allowed = |axis: usize| match &self.info.max_shape {
            Some(most) => most[axis].is_none_or(|most| grown[axis] <= most),
            None => false,
        };
        let fits = (0..shape.len()).all(|axis| grown[axis] == shape[axis] || allowed(axis));
        if fits { Ok(grown) } else { Err(out_of_bounds()) }
    }
}

fn filled(info: &DatasetInfo, shape: &Shape) -> Result<Vec<u8>> {
    let bytes = shape.elements().checked_mul(info.dtype.size() as u64).and_then(|bytes| usize::try_from(bytes).ok());
    let too_large = || Error::InvalidArgument(format!("{}: shape {shape} does not fit memory", info.name));
    let bytes = bytes.ok_or_else(too_large)?;
    let mut data = Vec::new();
    data.try_reserve_exact(bytes).map_err(|_| too_large())?;
    data.resize(bytes, 0);
    if let Some(fill) = &info.fill {
        fill.fill(&mut data);
    }
    Ok(data)
}

impl ChunkSink for MemorySink {
    fn info(&self) -> &DatasetInfo {
        &self.info
    }

    fn held_bytes(&self) -> u64 {
        0
    }

    fn cost(&self, slab: &Slab, _threads: usize) -> Cost {
        Cost::new(0, Work::copying(slab.bytes(self.info.dtype.size())))
    }

    fn write_from(&self, slab: &Slab, data: &[u8], _worker: &Worker) -> Result<()> {
        match &self.appending {
            Some((axis, _)) => slab.check_appended(&self.info, *axis, data.len())?,
            None => slab.check_length(&self.info, data.len())?,
        }
        let size = self.info.dtype.size();
        let mut state = lock(&self.state);
        let shape = self.grown(&state.shape, slab)?;
        if shape != state.shape {
            let mut grown = filled(&self.info, &shape)?;
            let before = Slab::whole(&state.shape);
            copy_region(&before, &state.data, &before, &mut grown, &Slab::whole(&shape), size);
            *state = State { shape, data: grown };
        }
        let whole = Slab::whole(&state.shape);
        copy_region(slab, data, slab, &mut state.data, &whole, size);
        Ok(())
    }

    fn prepare(&self) -> Result<()> {
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<()> {
        let _until_done = self.appending;
        let state = self.state.into_inner().unwrap_or_else(PoisonError::into_inner);
        let info = DatasetInfo { shape: state.shape, ..self.info };
        *lock(&self.output.0) = Some(MemorySource::from_bytes(info, state.data)?);
        Ok(())
    }
}

/// Named arrays in memory as a backend: `memory:name`. Clones share the arrays.
#[derive(Clone, Debug, Default)]
pub struct MemoryBackend {
    datasets: Arc<Mutex<BTreeMap<String, MemoryOutput>>>,
    appending: Names,
}

type Names = Arc<Mutex<BTreeSet<String>>>;

/// That nobody else adds to the array of this name, until it is dropped.
#[derive(Debug)]
struct AppendLock {
    names: Names,
    name: String,
}

impl AppendLock {
    fn take(names: &Names, name: &str) -> Result<Self> {
        if !lock(names).insert(name.to_owned()) {
            return Err(Error::Locked { path: name.into() });
        }
        Ok(AppendLock { names: names.clone(), name: name.to_owned() })
    }
}

impl Drop for AppendLock {
    fn drop(&mut self) {
        lock(&self.names).remove(&self.name);
    }
}

impl MemoryBackend {
    /// No arrays yet.
    #[must_use]
    pub fn new() -> Self {
        MemoryBackend::default()
    }

    /// Puts an array under a name, in place of one that was there.
    pub fn insert(&self, name: impl Into<String>, source: MemorySource) {
        let output = MemoryOutput(Arc::new(Mutex::new(Some(source))));
        lock(&self.datasets).insert(name.into(), output);
    }

    fn find(&self, path: &Path) -> Result<MemorySource> {
        let datasets = lock(&self.datasets);
        let found = path.to_str().and_then(|name| datasets.get(name)).and_then(MemoryOutput::source);
        found.ok_or_else(|| Error::FileNotFound { path: path.to_path_buf() })
    }
}

impl Backend for MemoryBackend {
    fn name(&self) -> &'static str {
        "memory"
    }

    fn extensions(&self) -> &[&str] {
        &[]
    }

    fn recognises(&self, _head: &[u8]) -> bool {
        false
    }

    fn list(&self, path: &Path) -> Result<Vec<Entry>> {
        let source = self.find(path)?;
        let stored_bytes = source.info.bytes();
        Ok(vec![Entry::only_dataset(source.info, "memory", stored_bytes)])
    }

    fn open(&self, location: &Location) -> Result<Arc<dyn ChunkSource>> {
        location.check_only_dataset()?;
        Ok(Arc::new(self.find(location.path())?))
    }

    fn create(&self, location: &Location, info: DatasetInfo, options: &CreateOptions) -> Result<Box<dyn ChunkSink>> {
        if let Some(filter) = &options.filter {
            return Err(Error::InvalidArgument(format!("an array in memory has no filter {filter:?}")));
        }
        if !options.overwrite && self.find(location.path()).is_ok() {
            return Err(Error::AlreadyExists { path: location.path().to_path_buf(), dataset: String::new(), hint: "" });
        }
        let sink = MemorySink::new(info.with_name(location.to_string()))?;
        let name = location.path().to_string_lossy().into_owned();
        // An array that is replaced stays until the new one is finished.
        let output = lock(&self.datasets).entry(name).or_default().clone();
        Ok(Box::new(MemorySink { output, ..sink }))
    }

    fn attributes(&self, _location: &Location) -> Result<Vec<(String, Attribute)>> {
        Ok(Vec::new())
    }

    fn growing(&self) -> Option<&dyn Growing> {
        Some(self)
    }

    fn sharding(&self) -> Option<&dyn Sharding> {
        None
    }

    fn opening(&self, _policy: &OpenPolicy) -> Option<Arc<dyn Backend>> {
        None
    }
}

/// Arrays grow along the axes that their maximal shape lets grow. What is added is gathered beside the array, in as much
/// memory again.
impl Growing for MemoryBackend {
    fn append(&self, location: &Location, axis: usize) -> Result<Box<dyn ChunkSink>> {
        self.open(location)?;
        let source = self.find(location.path())?;
        let info = source.info.clone();
        info.check_axis(axis)?;
        if info.max_shape.as_ref().is_none_or(|most| most[axis] == Some(info.shape[axis])) {
            return Err(Error::Unsupported {
                path: location.path().to_path_buf(),
                dataset: String::new(),
                what: format!("axis {axis} cannot grow"),
            });
        }
        let name = location.path().to_string_lossy().into_owned();
        let lock_of_name = AppendLock::take(&self.appending, &name)?;
        let output = lock(&self.datasets).entry(name).or_default().clone();
        let state = Mutex::new(State { shape: info.shape.clone(), data: source.data.to_vec() });
        Ok(Box::new(MemorySink { info, state, output, appending: Some((axis, lock_of_name)) }))
    }

    fn problems(&self, path: &Path) -> Result<Vec<String>> {
        self.find(path).map(|_| Vec::new())
    }

    fn recover(&self, path: &Path) -> Result<Vec<String>> {
        self.find(path).map(|_| Vec::new())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ChunkSinkExt, ChunkSourceExt, DType};

    #[test]
    fn grows_along_any_axis_that_may_and_fills_the_rest() {
        let info = DatasetInfo::new([1, 2], DType::I16).with_max_shape([None, Some(3)]).with_fill(-1_i16);
        let sink = MemorySink::new(info).unwrap();
        let output = sink.output();
        sink.write_slice(&Slab::new([0, 0], [1, 2]), &[1_i16, 2]).unwrap();
        sink.write_slice(&Slab::new([2, 2], [1, 1]), &[9_i16]).unwrap();
        assert!(sink.write_slice(&Slab::new([0, 3], [1, 1]), &[9_i16]).is_err());
        Box::new(sink).finish().unwrap();
        let source = output.source().unwrap();
        assert_eq!(source.read_all::<i16>().unwrap(), [1, 2, -1, -1, -1, -1, -1, -1, 9]);
    }

    #[test]
    fn what_is_appended_is_seen_when_it_is_finished() {
        let memory = MemoryBackend::new();
        let info = DatasetInfo::new([2], DType::I16).with_max_shape([None]);
        memory.insert("x", MemorySource::from_bytes(info, i16::as_bytes(&[1, 2])).unwrap());
        memory.insert("fixed", MemorySource::new([2], &[1_i16, 2]).unwrap());
        let growing = memory.growing().unwrap();
        let read = || memory.open(&Location::new("x")).unwrap().read_all::<i16>().unwrap();

        let sink = growing.append(&Location::new("x"), 0).unwrap();
        sink.write_slice(&Slab::new([2], [1]), &[3_i16]).unwrap();
        assert!(matches!(growing.append(&Location::new("x"), 0), Err(Error::Locked { .. })));
        drop(sink);
        assert_eq!(read(), [1, 2]);

        let sink = growing.append(&Location::new("x"), 0).unwrap();
        sink.write_slice(&Slab::new([2], [2]), &[3_i16, 4]).unwrap();
        assert_eq!(read(), [1, 2]);
        sink.finish().unwrap();
        assert_eq!(read(), [1, 2, 3, 4]);

        assert!(matches!(growing.append(&Location::new("x"), 1), Err(Error::AxisOutOfRange { .. })));
        assert!(matches!(growing.append(&Location::new("fixed"), 0), Err(Error::Unsupported { .. })));
        assert!(matches!(growing.append(&Location::new("none"), 0), Err(Error::FileNotFound { .. })));
    }

    #[test]
    fn refuses_what_does_not_fit() {
        assert!(MemorySource::new([3], &[1, 2]).is_err());
        assert!(MemorySource::new([2], &[1, 2]).unwrap().with_chunk_shape([0]).is_err());
        assert!(MemorySink::new(DatasetInfo::new([u64::MAX, 2], DType::F64)).is_err());
        let source = MemorySource::new([2, 2], &[1_u8, 2, 3, 4]).unwrap();
        assert!(source.read_vec::<u8>(&Slab::new([1, 1], [2, 1])).is_err());
        assert!(source.read_slice::<u8>(&Slab::new([0, 0], [2, 1]), &mut [0; 3]).is_err());
    }

    #[test]
    fn reads_by_chunks_and_all_at_once() {
        let elements: Vec<u32> = (0..7 * 5).collect();
        let source = MemorySource::new([7, 5], &elements).unwrap().with_chunk_shape([2, 3]).unwrap();
        assert_eq!(source.read_all::<u32>().unwrap(), elements);
        let sum: u32 = source.chunks::<u32>(None).unwrap().flat_map(|item| item.unwrap().1).sum();
        assert_eq!(sum, elements.iter().sum::<u32>());
        assert!(source.chunks::<u32>(Some([0, 1].into())).is_err());
        assert!(source.chunks::<u32>(Some([1].into())).is_err());
    }
}
