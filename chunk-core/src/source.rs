//! Reading: the trait that everything lazy implements, and its conveniences.

use std::fmt;
use std::sync::Arc;
use std::thread;

use crate::{
    Chunks, Cost, DatasetInfo, Element, Grid, Operation, Result, Run, Shape, Slab, Worker, total_cost, total_held_bytes,
};

/// A lazy array: a dataset of a file, or anything computed from others.
///
/// A source says what it is and fills a buffer with any slab of itself; it never changes. One source serves many
/// threads at once. [`ChunkSourceExt`] has typed reads; [`Run`](crate::Run) reads all of it within a byte budget.
pub trait ChunkSource: fmt::Debug + Send + Sync {
    /// What the dataset is.
    fn info(&self) -> &DatasetInfo;

    /// What it computes from which other sources; `None` for a leaf, which reads or makes its
    /// elements itself.
    fn operation(&self) -> Option<&dyn Operation>;

    /// Bytes that the source itself holds between reads: an index of chunks, tables, caches. Those of
    /// [its inputs](Operation::inputs) are theirs: a plan counts each node once. The data of an array
    /// in memory are the caller's own and do not count.
    fn held_bytes(&self) -> u64;

    /// What serving `slab` costs the source itself with a worker of `threads` threads: what
    /// [its inputs](Operation::inputs) take is theirs, and their pieces are counted by the plan. Never
    /// less than what is used.
    ///
    /// # Errors
    /// What cannot be told, such as a file that must be looked at for it and is not there.
    fn cost(&self, slab: &Slab, threads: usize) -> Result<Cost>;

    /// Fills `out` with `slab`: packed, row-major, in native byte order.
    ///
    /// `out` is aligned for the dtype and holds anything before; afterwards, unless an error is returned, every
    /// byte is written. May be called from many threads at once. A node with an
    /// [`Operation`] has [`read_node`](crate::read_node) do it.
    ///
    /// # Errors
    /// What [`Slab::check`] finds, before any input or output; then whatever reading meets.
    fn read_into(&self, slab: &Slab, out: &mut [u8], worker: &Worker) -> Result<()>;
}

macro_rules! forward_source {
    ($($pointer:ty),*) => {$(
        #[deny(clippy::missing_trait_methods)]
        impl<T: ChunkSource + ?Sized> ChunkSource for $pointer {
            fn info(&self) -> &DatasetInfo {
                (**self).info()
            }

            fn operation(&self) -> Option<&dyn Operation> {
                (**self).operation()
            }

            fn held_bytes(&self) -> u64 {
                (**self).held_bytes()
            }

            fn cost(&self, slab: &Slab, threads: usize) -> Result<Cost> {
                (**self).cost(slab, threads)
            }

            fn read_into(&self, slab: &Slab, out: &mut [u8], worker: &Worker) -> Result<()> {
                (**self).read_into(slab, out, worker)
            }
        }
    )*};
}

forward_source!(Arc<T>, Box<T>, &T);

/// Typed reads of any [`ChunkSource`].
///
/// ```
/// use chunk_core::{ChunkSourceExt, MemorySource, Slab};
///
/// let source = MemorySource::new([2, 3], &[1, 2, 3, 4, 5, 6])?;
/// assert_eq!(source.read_vec::<i32>(&Slab::new([0, 1], [2, 2]))?, [2, 3, 5, 6]);
/// assert!(source.read_vec::<f32>(&Slab::new([0, 1], [2, 2])).is_err());
/// # Ok::<(), chunk_core::Error>(())
/// ```
pub trait ChunkSourceExt: ChunkSource {
    /// What reading `slab` takes, that of all inputs included: see [`total_cost`].
    ///
    /// # Errors
    /// [`ChunkSource::cost`] of a node that fails.
    fn total_cost(&self, slab: &Slab, threads: usize) -> Result<Cost>
    where
        Self: Sized,
    {
        total_cost(self, slab, threads)
    }

    /// Reads all of the source in row-major order, slab by slab, ahead of whoever takes them, within the
    /// default budget: see [`Run::chunks`](crate::Run::chunks).
    ///
    /// # Errors
    /// As [`Run::chunks`](crate::Run::chunks).
    fn into_chunks(self: Arc<Self>) -> Result<Chunks>
    where
        Self: Sized + 'static,
    {
        Run::new().chunks(self)
    }

    /// Bytes held between reads, those of all inputs included, each node once.
    fn total_held_bytes(&self) -> u64
    where
        Self: Sized,
    {
        total_held_bytes(self)
    }

    /// Fills `out` with `slab`, row-major, on this thread.
    ///
    /// # Errors
    /// [`Error::DTypeMismatch`](crate::Error::DTypeMismatch) if the dataset is not of `T`: nothing is cast; else as
    /// [`ChunkSource::read_into`].
    fn read_slice<T: Element>(&self, slab: &Slab, out: &mut [T]) -> Result<()> {
        self.info().check_dtype(&T::DTYPE)?;
        T::fill_bytes(out, |bytes| self.read_into(slab, bytes, &Worker::new()))
    }

    /// The elements of `slab`, row-major.
    ///
    /// # Errors
    /// As [`ChunkSourceExt::read_slice`].
    fn read_vec<T: Element>(&self, slab: &Slab) -> Result<Vec<T>> {
        self.info().check_dtype(&T::DTYPE)?;
        slab.check(self.info(), slab.bytes(size_of::<T>()) as usize)?;
        let mut elements = vec![T::default(); slab.elements() as usize];
        self.read_slice(slab, &mut elements)?;
        Ok(elements)
    }

    /// The elements of `slab` as an array.
    ///
    /// # Errors
    /// As [`ChunkSourceExt::read_slice`].
    #[cfg(feature = "ndarray")]
    fn read_array<T: Element>(&self, slab: &Slab) -> Result<ndarray::ArrayD<T>> {
        let elements = self.read_vec(slab)?;
        let shape: Vec<usize> = slab.count().iter().map(|&extent| extent as usize).collect();
        ndarray::ArrayD::from_shape_vec(shape, elements)
            .map_err(|cause| crate::Error::InvalidArgument(cause.to_string()))
    }

    /// All elements, row-major, read by all processors. Takes as much memory as the dataset: [`Run`](crate::Run)
    /// is for those that are too large.
    ///
    /// # Errors
    /// As [`ChunkSourceExt::read_slice`].
    fn read_all<T: Element>(&self) -> Result<Vec<T>> {
        let info = self.info();
        info.check_dtype(&T::DTYPE)?;
        let whole = Slab::whole(&info.shape);
        let align = whole.outermost_axis().zip(info.chunk_shape.as_ref()).map_or(1, |(axis, chunk)| chunk[axis]);
        let worker = Worker::with_threads(thread::available_parallelism().map_or(1, usize::from));
        let mut elements = vec![T::default(); whole.elements() as usize];
        T::fill_bytes(&mut elements, |bytes| {
            let read = |part: &Slab, bytes: &mut [u8], worker: &Worker| self.read_into(part, bytes, worker);
            worker.for_each_part(&whole, bytes, info.dtype.size(), align, read)
        })?;
        Ok(elements)
    }

    /// The dataset piece by piece, in row-major order of the pieces: of `shape`, or of the native chunks if `None`.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`](crate::Error::InvalidArgument) for a shape that is no chunk shape of the dataset;
    /// each item as [`ChunkSourceExt::read_slice`].
    fn chunks<T: Element>(&self, shape: Option<Shape>) -> Result<impl Iterator<Item = Result<(Slab, Vec<T>)>>> {
        let info = self.info();
        info.check_dtype(&T::DTYPE)?;
        let whole = || info.shape.iter().map(|extent| (*extent).max(1)).collect();
        let shape = shape.or_else(|| info.chunk_shape.clone()).unwrap_or_else(whole);
        info.clone().with_chunk_shape(shape.clone()).check()?;
        let grid = Grid::new(info.shape.clone(), shape);
        Ok((0..grid.len()).map(move |number| {
            let slab = grid.slab(&grid.position(number));
            self.read_vec(&slab).map(|elements| (slab, elements))
        }))
    }
}

impl<S: ChunkSource + ?Sized> ChunkSourceExt for S {}
