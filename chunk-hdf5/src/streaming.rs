//! Streams of arrays appended to datasets, one array after another.

use std::iter::FusedIterator;
use std::path::{Path, PathBuf};
use std::thread;

use chunk_core::{ChunkSink, ChunkSource, DType, DatasetInfo, Error, MemorySource, Result, Shape, Slab, Worker};

use crate::editor::Hdf5Editor;
use crate::filter::Filter;
use crate::sink::Hdf5Sink;

/// A stream of chunks, arrays or several arrays at a time, that is written to datasets which grow along axis 0.
///
/// The first chunk fixes each dataset's dtype, the extents of its rows and its chunk shape, which is that of the array.
/// What comes later must agree: nothing is cast. A chunk that is refused is not taken at all, and the stream can go on.
///
/// Datasets are made in new files, or added to those that are there, which are locked meanwhile. They appear with
/// [`finish`](Hdf5Stream::finish), those of a file all or none; several files are finished one after the other. A stream
/// that is dropped leaves nothing, and one without chunks makes nothing.
///
/// Memory: of the first chunk of each array as much again as encoding it takes.
///
/// ```
/// use chunk_core::{ChunkSourceExt, MemorySource};
/// use chunk_hdf5::{Filter, Hdf5Source, Hdf5Stream};
///
/// let folder = std::env::temp_dir().join(format!("chunk-hdf5-stream-{}", std::process::id()));
/// std::fs::create_dir_all(&folder)?;
/// let path = folder.join("run.h5");
/// let mut stream = Hdf5Stream::of_one(&path, None, Filter::default());
/// stream.write(&[MemorySource::new([2, 3], &[1, 2, 3, 4, 5, 6])?])?;
/// stream.write(&[MemorySource::new([1, 3], &[7, 8, 9])?])?;
/// stream.finish()?; // the file appears
/// let data = Hdf5Source::open(&path, Some("/data"))?;
/// assert_eq!(data.read_all::<i32>()?, [1, 2, 3, 4, 5, 6, 7, 8, 9]);
/// # std::fs::remove_dir_all(&folder)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Source
/// chunkiter's `chunks_to_h5`, whose names and filter these are.
#[derive(Debug)]
pub struct Hdf5Stream {
    paths: Vec<PathBuf>,
    names: Vec<String>,
    /// Whether chunks are one array each.
    is_one: bool,
    filter: Filter,
    worker: Worker,
    skip: u64,
    /// Nothing before the first chunk.
    writing: Option<Writing>,
}

/// Fields are dropped in order: sinks before the files that they are in.
#[derive(Debug)]
struct Writing {
    outputs: Vec<Output>,
    editors: Vec<Hdf5Editor>,
}

#[derive(Debug)]
struct Output {
    sink: Hdf5Sink,
    rows: u64,
}

impl Hdf5Stream {
    /// A stream of one array a chunk: the dataset `name`, `/data` if `None`. Creates nothing yet.
    #[must_use]
    pub fn of_one(path: impl AsRef<Path>, name: Option<&str>, filter: Filter) -> Self {
        Self::new(vec![path.as_ref().to_path_buf()], vec![name.unwrap_or("data").to_owned()], true, filter)
    }

    /// A stream of several arrays a chunk. Creates nothing yet.
    ///
    /// `paths` are one file for all arrays, or one for each. `names` are one for each array, or one for all, in files of
    /// their own; without names they are `data0`, `data1` and so on in each file, which
    /// [`Hdf5Source::open_automatic`](crate::Hdf5Source::open_automatic) finds.
    #[must_use]
    pub fn of_several<P: AsRef<Path>>(paths: &[P], names: &[&str], filter: Filter) -> Self {
        let paths = paths.iter().map(|path| path.as_ref().to_path_buf()).collect();
        Self::new(paths, names.iter().map(|&name| name.to_owned()).collect(), false, filter)
    }

    fn new(paths: Vec<PathBuf>, names: Vec<String>, is_one: bool, filter: Filter) -> Self {
        let threads = thread::available_parallelism().map_or(1, usize::from);
        let worker = Worker::with_threads(threads);
        Hdf5Stream { paths, names, is_one, filter, worker, skip: 1, writing: None }
    }

    /// Lets [`tee`](Hdf5Stream::tee) write every `skip`th chunk only, the first among them.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for 0.
    pub fn with_skip(mut self, skip: u64) -> Result<Self> {
        if skip == 0 {
            return Err(Error::InvalidArgument("of a stream every 0th chunk cannot be written".to_owned()));
        }
        self.skip = skip;
        Ok(self)
    }

    /// Appends a chunk: the rows of each array.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] if the arrays are not as many as the files and names are for, if two would go to one
    /// dataset, or if rows have other extents than those before; [`Error::DTypeMismatch`]; [`Error::AxisOutOfRange`] for
    /// an array without axes. For the first chunk as [`Hdf5Sink::create`], before anything is created. Then whatever
    /// writing meets: the stream cannot be finished after it.
    pub fn write(&mut self, arrays: &[MemorySource]) -> Result<()> {
        let Writing { outputs, .. } = match &mut self.writing {
            Some(writing) => writing,
            none => none.insert(Writing::begin(&self.paths, &self.names, self.is_one, arrays, self.filter)?),
        };
        check(outputs, arrays)?;
        for (Output { sink, rows }, array) in outputs.iter_mut().zip(arrays) {
            let mut start = vec![0; array.info().shape.len()];
            start[0] = *rows;
            let slab = Slab::new(start, array.info().shape.clone());
            sink.write_from(&slab, array.bytes(), &self.worker)?;
            *rows = slab.end(0);
        }
        Ok(())
    }

    /// Makes the datasets durable and visible. Of a stream without chunks there are none.
    ///
    /// # Errors
    /// Whatever writing meets; of several files, those before are finished then.
    pub fn finish(self) -> Result<()> {
        let Some(Writing { outputs, editors }) = self.writing else { return Ok(()) };
        for Output { sink, .. } in outputs {
            Box::new(sink).finish()?;
        }
        editors.into_iter().try_for_each(Hdf5Editor::finish)
    }

    /// Passes chunks on while they are written. `arrays` makes of a chunk what is written of it; it is called for chunks
    /// that are written only. With the last chunk the stream is finished; what is dropped before leaves nothing.
    ///
    /// After an error, of `arrays` or of writing, there are no more chunks, and nothing is left.
    ///
    /// ```
    /// # use chunk_core::{ChunkSource, MemorySource};
    /// # use chunk_hdf5::{Filter, Hdf5Source, Hdf5Stream};
    /// # let folder = std::env::temp_dir().join(format!("chunk-hdf5-tee-{}", std::process::id()));
    /// # std::fs::create_dir_all(&folder)?;
    /// # let path = folder.join("run.h5");
    /// let chunks = [vec![1.0, 2.0], vec![3.0]].into_iter();
    /// let stream = Hdf5Stream::of_one(&path, Some("/log"), Filter::default());
    /// let mut sum = 0.0;
    /// for chunk in stream.tee(chunks, |chunk| Ok(vec![MemorySource::new([chunk.len() as u64], chunk)?])) {
    ///     sum += chunk?.iter().sum::<f64>();
    /// }
    /// assert_eq!(sum, 6.0);
    /// assert_eq!(*Hdf5Source::open(&path, None)?.info().shape, [3]);
    /// # std::fs::remove_dir_all(&folder)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn tee<I, F>(self, chunks: I, arrays: F) -> Tee<I::IntoIter, F>
    where
        I: IntoIterator,
        F: FnMut(&I::Item) -> Result<Vec<MemorySource>>,
    {
        Tee { stream: Some(self), chunks: chunks.into_iter(), arrays, number: 0 }
    }
}

impl Writing {
    /// Opens files and datasets for chunks like the first one.
    fn begin(
        paths: &[PathBuf],
        names: &[String],
        is_one: bool,
        arrays: &[MemorySource],
        filter: Filter,
    ) -> Result<Self> {
        if is_one && arrays.len() != 1 {
            return Err(Error::InvalidArgument(format!("a stream of one array a chunk got {}", arrays.len())));
        }
        let places = places(paths, names, arrays.len())?;
        let infos = arrays.iter().map(MemorySource::info).map(info).collect::<Result<Vec<_>>>()?;
        let mut files: Vec<&Path> = Vec::new();
        let mut editors = Vec::new();
        let mut outputs = Vec::new();
        for ((path, name), info) in places.iter().zip(infos) {
            if !files.contains(path) {
                let is_there = path.try_exists().map_err(|cause| Error::io(path, "open", cause))?;
                editors.push(if is_there { Hdf5Editor::open(path)? } else { Hdf5Editor::create(path, false)? });
                files.push(path);
            }
            let number = files.iter().take_while(|known| *known != path).count();
            outputs.push(Output { sink: editors[number].create_dataset(name, info, filter)?, rows: 0 });
        }
        Ok(Writing { outputs, editors })
    }
}

/// The file and the name of each of `count` arrays.
fn places<'a>(paths: &'a [PathBuf], names: &[String], count: usize) -> Result<Vec<(&'a Path, String)>> {
    let agree = |given: usize| given == 1 || given == count;
    if count == 0 || !agree(paths.len()) || !(names.is_empty() || agree(names.len())) {
        return Err(Error::InvalidArgument(format!(
            "a chunk of {count} arrays does not go to {} files and {} names",
            paths.len(),
            names.len()
        )));
    }
    let mut places: Vec<(&Path, String)> = Vec::new();
    for number in 0..count {
        let path = paths[number % paths.len()].as_path();
        let inside = places.iter().filter(|(other, _)| *other == path).count();
        let name = match names.len() {
            0 => format!("data{inside}"),
            given => names[number % given].clone(),
        };
        if places.contains(&(path, name.clone())) {
            let path = path.display();
            return Err(Error::InvalidArgument(format!("two arrays of a chunk would go to {path}::{name}")));
        }
        places.push((path, name));
    }
    Ok(places)
}

/// The dataset, without rows, that grows by arrays like this.
fn info(first: &DatasetInfo) -> Result<DatasetInfo> {
    let Some((&rows, row)) = first.shape.split_first() else {
        return Err(Error::AxisOutOfRange { axis: 0, ndim: 0, dataset: first.name.clone() });
    };
    let with_row = |rows: u64| -> Shape { [&[rows], row].concat().into() };
    let chunk: Shape = with_row(rows).iter().map(|extent| (*extent).max(1)).collect();
    let most: Vec<Option<u64>> = std::iter::once(None).chain(row.iter().map(|extent| Some(*extent))).collect();
    Ok(DatasetInfo::new(with_row(0), first.dtype.clone()).with_chunk_shape(chunk).with_max_shape(most))
}

/// That a chunk continues the datasets.
fn check(outputs: &[Output], arrays: &[MemorySource]) -> Result<()> {
    if arrays.len() != outputs.len() {
        let (found, before) = (arrays.len(), outputs.len());
        return Err(Error::InvalidArgument(format!("a chunk of {found} arrays after chunks of {before}")));
    }
    for (Output { sink, .. }, array) in outputs.iter().zip(arrays) {
        let (dataset, shape) = (sink.info(), &array.info().shape);
        let expected: &DType = &dataset.dtype;
        array.info().clone().with_name(dataset.name.clone()).check_dtype(expected)?;
        if shape.get(1..) != dataset.shape.get(1..) || shape.is_empty() {
            return Err(Error::InvalidArgument(format!(
                "a chunk of shape {shape} has no rows like those of {}, of shape {}",
                dataset.name, dataset.shape
            )));
        }
    }
    Ok(())
}

/// The iterator of [`Hdf5Stream::tee`].
#[derive(Debug)]
pub struct Tee<I, F> {
    /// `None` once it is finished or failed.
    stream: Option<Hdf5Stream>,
    chunks: I,
    arrays: F,
    number: u64,
}

impl<I, F> Iterator for Tee<I, F>
where
    I: Iterator,
    F: FnMut(&I::Item) -> Result<Vec<MemorySource>>,
{
    type Item = Result<I::Item>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut stream = self.stream.take()?;
        let Some(chunk) = self.chunks.next() else { return stream.finish().err().map(Err) };
        let is_written = self.number.is_multiple_of(stream.skip);
        self.number += 1;
        if is_written && let Err(error) = (self.arrays)(&chunk).and_then(|arrays| stream.write(&arrays)) {
            return Some(Err(error));
        }
        self.stream = Some(stream);
        Some(Ok(chunk))
    }
}

impl<I, F> FusedIterator for Tee<I, F>
where
    I: Iterator,
    F: FnMut(&I::Item) -> Result<Vec<MemorySource>>,
{
}
