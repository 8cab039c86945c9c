//! Adding to a dataset a few rows at a time.

use std::path::Path;
use std::thread;

use chunk_core::{Buffer, ChunkSink, DatasetInfo, Element, Error, Result, Slab, Worker, copy_region};

use crate::append::AppendSink;
use crate::locks::Locks;
use crate::options::ReadOptions;

/// A dataset that is added to along an axis, a row or many at a time.
///
/// Rows are gathered until they fill chunks, so that many small appends cost little more than a large one; a row is a
/// piece of extent 1 along the axis. What [`commit`](Hdf5Appender::commit) has confirmed survives the death of the
/// process at any instant, and of the machine as far as its disks keep what they were told to sync; what was not
/// committed is dropped with the appender. Others see committed rows only, and can open the file once the appender is
/// gone: it holds the lock of the file.
///
/// Memory: the rows of one chunk, [`buffer_bytes`](Hdf5Appender::buffer_bytes).
///
/// ```
/// use chunk_core::{ChunkSink, ChunkSourceExt, DType, DatasetInfo};
/// use chunk_hdf5::{Filter, Hdf5Appender, Hdf5Sink, Hdf5Source};
///
/// let folder = std::env::temp_dir().join(format!("chunk-hdf5-appender-{}", std::process::id()));
/// std::fs::create_dir_all(&folder)?;
/// let path = folder.join("log.h5");
/// let info = DatasetInfo::new([0, 3], DType::F64).with_chunk_shape([100, 3]).with_max_shape([None, Some(3)]);
/// Box::new(Hdf5Sink::create(&path, Some("/log"), info, Filter::default())?).finish()?;
///
/// let mut log = Hdf5Appender::open(&path, Some("/log"), 0)?;
/// log.append(&[1.0, 2.0, 3.0])?;
/// log.append(&[4.0, 5.0, 6.0, 7.0, 8.0, 9.0])?;
/// log.commit()?; // durable
/// drop(log);
/// let log = Hdf5Source::open(&path, Some("/log"))?;
/// assert_eq!(log.read_all::<f64>()?, [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0]);
/// # std::fs::remove_dir_all(&folder)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Hdf5Appender {
    sink: AppendSink,
    axis: usize,
    worker: Worker,
    /// Rows from `start` to `end` that the file does not have yet, packed as a piece that reaches to the next chunk.
    buffer: Buffer,
    start: u64,
    end: u64,
}

impl Hdf5Appender {
    /// Opens the dataset of this name, or the file's only one.
    ///
    /// # Errors
    /// [`Error::Locked`] while others have the file open; a missing or malformed file or dataset;
    /// [`Error::AxisOutOfRange`]; an axis that cannot grow; a filter that is not written.
    pub fn open(path: impl AsRef<Path>, dataset: Option<&str>, axis: usize) -> Result<Self> {
        Hdf5Appender::open_with(path, dataset, axis, ReadOptions::default())
    }

    /// The same with options, of which the locking counts.
    ///
    /// # Errors
    /// As [`Hdf5Appender::open`].
    pub fn open_with(path: impl AsRef<Path>, dataset: Option<&str>, axis: usize, options: ReadOptions) -> Result<Self> {
        let sink = AppendSink::open(path.as_ref(), dataset, axis, &Locks::new(options.locking))?;
        let end = sink.info().shape[axis];
        let threads = thread::available_parallelism().map_or(1, usize::from);
        let mut appender = Hdf5Appender {
            sink,
            axis,
            worker: Worker::with_threads(threads),
            buffer: Buffer::default(),
            start: end,
            end,
        };
        let length = appender.piece(0, appender.chunk()).bytes(appender.info().dtype.size());
        let length =
            usize::try_from(length).map_err(|_| Error::InvalidArgument("a row of chunks is too large".into()))?;
        appender.buffer = Buffer::zeroed(length)?;
        Ok(appender)
    }

    /// The dataset as it was when it was opened.
    #[must_use]
    pub fn info(&self) -> &DatasetInfo {
        self.sink.info()
    }

    /// The extent along the axis, with all that was appended.
    #[must_use]
    pub fn extent(&self) -> u64 {
        self.end
    }

    /// Memory that rows are gathered in.
    #[must_use]
    pub fn buffer_bytes(&self) -> u64 {
        self.buffer.len() as u64
    }

    /// Appends `elements`, whole rows: row-major, as the piece of the dataset that they become.
    ///
    /// # Errors
    /// [`Error::DTypeMismatch`] if the dataset is not of `T`; as [`Hdf5Appender::append_bytes`].
    pub fn append<T: Element>(&mut self, elements: &[T]) -> Result<()> {
        self.info().check_dtype(&T::DTYPE)?;
        self.append_bytes(T::as_bytes(elements))
    }

    /// Appends the bytes of whole rows, in native byte order.
    ///
    /// # Errors
    /// [`Error::BufferLength`] if they are no whole rows; [`Error::SlabOutOfBounds`] for more than the dataset may
    /// hold; then whatever writing meets: nothing that was not committed will then be.
    pub fn append_bytes(&mut self, data: &[u8]) -> Result<()> {
        let size = self.info().dtype.size();
        let row = self.piece(0, 1).bytes(size);
        let rows = (data.len() as u64).checked_div(row).unwrap_or(0);
        let piece = self.piece(self.end, rows);
        piece.check_appended(self.info(), self.axis, data.len())?;
        let end = self.end + rows;
        while self.end < end {
            let stop = end.min(self.room());
            let (part, buffered) = (self.piece(self.end, stop - self.end), self.buffered());
            copy_region(&part, data, &piece, &mut self.buffer, &buffered, size);
            self.end = stop;
            if stop == self.room() {
                self.flush()?;
            }
        }
        Ok(())
    }

    /// Makes all that was appended durable. When it returns, neither the death of the process nor that of the machine
    /// takes it away.
    ///
    /// # Errors
    /// Whatever writing meets; the dataset then is what the last commit made it, or what this one was to make it.
    pub fn commit(&mut self) -> Result<()> {
        self.flush()?;
        self.sink.commit()
    }

    /// Commits and closes.
    ///
    /// # Errors
    /// As [`Hdf5Appender::commit`].
    pub fn finish(mut self) -> Result<()> {
        self.flush()?;
        Box::new(self.sink).finish()
    }

    fn chunk(&self) -> u64 {
        self.info().chunk_shape.as_ref().map_or(1, |chunk| chunk[self.axis])
    }

    /// Where the chunk ends in which the buffered rows begin.
    fn room(&self) -> u64 {
        (self.start / self.chunk() + 1) * self.chunk()
    }

    /// `rows` rows from `start` on.
    fn piece(&self, start: u64, rows: u64) -> Slab {
        let shape = self.info().shape.clone().with_axis(self.axis, rows);
        let mut from = vec![0; shape.len()];
        from[self.axis] = start;
        Slab::new(from, shape)
    }

    /// The piece that the buffer stands for: it reaches to the end of the chunk.
    fn buffered(&self) -> Slab {
        self.piece(self.start, self.room() - self.start)
    }

    /// Writes what is buffered.
    fn flush(&mut self) -> Result<()> {
        if self.start == self.end {
            return Ok(());
        }
        let (piece, buffered) = (self.piece(self.start, self.end - self.start), self.buffered());
        let size = self.info().dtype.size();
        if piece == buffered {
            let length = piece.bytes(size) as usize;
            self.sink.write_from(&piece, &self.buffer[..length], &self.worker)?;
        } else {
            let mut packed = self.worker.scratch(piece.bytes(size) as usize)?;
            copy_region(&piece, &self.buffer, &buffered, &mut packed, &piece, size);
            self.sink.write_from(&piece, &packed, &self.worker)?;
        }
        self.start = self.end;
        Ok(())
    }
}
