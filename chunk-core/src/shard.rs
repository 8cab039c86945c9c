//! What a format must do whose outputs are made in several runs, or by several processes.
//!
//! A process writes its part of an output into a *shard*: a file that outlives the process, and beside it a log of what
//! is in it. One that was stopped continues its shard; in the end one shard is published, or several are joined.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::{ChunkSink, CreateOptions, DatasetInfo, Location, Result, Slab, Worker};

/// A format whose outputs can be made in several runs and by several processes.
///
/// A [`Backend`](crate::Backend) that can do this gives it by [`Backend::sharding`](crate::Backend::sharding).
pub trait Sharding: fmt::Debug + Send + Sync {
    /// Opens the shard at `path` of the dataset that [`Backend::create`](crate::Backend::create) makes with the same
    /// arguments: a new one, or one whose process stopped, which is continued.
    ///
    /// Changes nothing before the first write, save that the end of a log that was not completely written is cut off.
    /// A shard is the file at `path` and the log of the same name with `.log` added. While it is open, its log is
    /// locked.
    ///
    /// # Errors
    /// As [`Backend::create`](crate::Backend::create); [`Error::ShardMismatch`](crate::Error::ShardMismatch) for the
    /// shard of a dataset of another shape, dtype, chunk shape, filter or fill value;
    /// [`Error::Locked`](crate::Error::Locked) while another writer has the shard, here or at the first write;
    /// [`Error::AlreadyExists`](crate::Error::AlreadyExists) for a file at `path` that is no shard.
    fn shard(
        &self,
        location: &Location,
        info: DatasetInfo,
        options: &CreateOptions,
        path: &Path,
    ) -> Result<Box<dyn Shard>>;

    /// Makes the output of what several shards hold, and publishes it as [`ChunkSink::finish`] does.
    ///
    /// Each of `pieces` is a slab that was written to a shard, with the number of that shard in `shards`. Chunks are
    /// copied as they are stored, in the order of the pieces, and compared with their checksums: the same pieces in the
    /// same order make the same file, byte for byte, however many shards they are in. What no piece holds is the fill
    /// value. A shard that is not there holds nothing. The shards stay as they are.
    ///
    /// # Errors
    /// As [`Sharding::shard`]; [`Error::Corrupt`](crate::Error::Corrupt) for a piece that its shard does not hold as it
    /// was written, with nothing published; [`Error::Cancelled`](crate::Error::Cancelled).
    fn join(
        &self,
        location: &Location,
        info: DatasetInfo,
        options: &CreateOptions,
        shards: &[PathBuf],
        pieces: &mut dyn Iterator<Item = (usize, Slab)>,
        worker: &Worker,
    ) -> Result<()>;
}

/// One process's part of an output.
///
/// A sink that differs from others in three ways. Slabs consist of whole chunks, and lie within the shape of its `info`:
/// a shard does not grow. One that is dropped before it is finished leaves its files, to be continued. And
/// [`finish`](ChunkSink::finish) publishes it as the whole output, for where there is one process: it then holds
/// everything, what was never written being the fill value. The file of the shard is gone once its output is published,
/// and the log after it; if publishing fails, the shard can be continued.
pub trait Shard: ChunkSink {
    /// Writes as [`write_from`](ChunkSink::write_from) does, for a caller that knows the checksum of `data`
    /// ([`Checksum::of`](crate::Checksum::of)).
    ///
    /// # Errors
    /// As [`write_from`](ChunkSink::write_from).
    fn write_summed(&self, slab: &Slab, data: &[u8], checksum: u64, worker: &Worker) -> Result<()>;

    /// Returns whether the shard holds `slab` as it was once written with bytes of this `checksum`. What is stored is
    /// read and compared with its checksums the first time it is asked for. `false` where anything is missing, damaged or
    /// in doubt: then the slab must be written again.
    ///
    /// # Errors
    /// [`Error::SlabOutOfBounds`](crate::Error::SlabOutOfBounds); [`Error::Io`](crate::Error::Io);
    /// [`Error::Cancelled`](crate::Error::Cancelled).
    fn holds(&self, slab: &Slab, checksum: u64, worker: &Worker) -> Result<bool>;

    /// Makes what was written so far durable. A shard whose sync failed cannot be finished, only opened again.
    ///
    /// # Errors
    /// [`Error::Io`](crate::Error::Io).
    fn sync(&self) -> Result<()>;
}
