//! Writing: the trait of every target, and its conveniences.

use std::fmt;

use crate::{Cost, DatasetInfo, Element, Result, Slab, Worker};

/// A dataset being written.
///
/// Making a sink creates nothing: the output appears under a temporary name with the first
/// [`write_from`](ChunkSink::write_from) and under its own with [`finish`](ChunkSink::finish). A sink that is
/// dropped before leaves nothing behind. So a plan that does not fit its budget is refused in time.
pub trait ChunkSink: fmt::Debug + Send + Sync {
    /// What the dataset is to be.
    fn info(&self) -> &DatasetInfo;

    /// Bytes that the sink holds between writes.
    fn held_bytes(&self) -> u64;

    /// What [`write_from`](ChunkSink::write_from) of `slab` costs with a worker of `threads` threads. Never less
    /// than what is used.
    fn cost(&self, slab: &Slab, threads: usize) -> Cost;

    /// Writes `data`, the packed, row-major, native-order bytes of `slab`.
    ///
    /// Slabs that share no native chunk may be written from many threads at once. Writing past the end along an
    /// axis that may grow extends the dataset.
    ///
    /// # Errors
    /// What [`Slab::check`] finds, before any input or output; then whatever writing meets.
    fn write_from(&self, slab: &Slab, data: &[u8], worker: &Worker) -> Result<()>;

    /// Makes everything written durable, still under its temporary name: what can fail of finishing is
    /// done but for giving the output its name. Nothing is written afterwards. May be left out.
    ///
    /// A job with several outputs prepares all before it finishes the first.
    ///
    /// # Errors
    /// Whatever the last writes meet.
    fn prepare(&self) -> Result<()>;

    /// Makes everything written durable and visible under its final name. Also where nothing was written: all is the
    /// fill value then.
    ///
    /// # Errors
    /// Whatever the last writes meet; the output is then absent.
    fn finish(self: Box<Self>) -> Result<()>;
}

#[deny(clippy::missing_trait_methods)]
impl<T: ChunkSink + ?Sized> ChunkSink for Box<T> {
    fn info(&self) -> &DatasetInfo {
        (**self).info()
    }

    fn held_bytes(&self) -> u64 {
        (**self).held_bytes()
    }

    fn cost(&self, slab: &Slab, threads: usize) -> Cost {
        (**self).cost(slab, threads)
    }

    fn write_from(&self, slab: &Slab, data: &[u8], worker: &Worker) -> Result<()> {
        (**self).write_from(slab, data, worker)
    }

    fn prepare(&self) -> Result<()> {
        (**self).prepare()
    }

    fn finish(self: Box<Self>) -> Result<()> {
        (*self).finish()
    }
}

/// Typed writes to any [`ChunkSink`].
pub trait ChunkSinkExt: ChunkSink {
    /// Writes `elements` to `slab`, row-major, on this thread.
    ///
    /// # Errors
    /// [`Error::DTypeMismatch`](crate::Error::DTypeMismatch) if the dataset is not of `T`: nothing is cast; else as
    /// [`ChunkSink::write_from`].
    fn write_slice<T: Element>(&self, slab: &Slab, elements: &[T]) -> Result<()> {
        self.info().check_dtype(&T::DTYPE)?;
        self.write_from(slab, T::as_bytes(elements), &Worker::new())
    }
}

impl<S: ChunkSink + ?Sized> ChunkSinkExt for S {}
