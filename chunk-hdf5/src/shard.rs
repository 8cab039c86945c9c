//! A part of a dataset that outlives its process: encoded chunks, one behind the other, and a log that says where each is.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use chunk_core::{
    Buffer, Checksum, ChunkSink, Cost, DataFile, DatasetInfo, Error, Grid, LogHeader, Result, Shard, ShardFile, Slab,
    Worker,
};
use hdf5::Dataset;

use crate::assembly::{Assembled, HEAD};
use crate::error::Place;
use crate::sink::Hdf5Sink;

/// A shard of a dataset.
///
/// Its file becomes the HDF5 file, if the dataset gets one of its own: see [`Assembled`]. Else the chunks are copied out
/// of it.
#[derive(Debug)]
pub(crate) struct Hdf5Shard {
    /// Describes the output and encodes its chunks; makes nothing before the end.
    sink: Hdf5Sink,
    grid: Grid,
    file: ShardFile,
    /// Where the next chunk goes.
    end: AtomicU64,
    chunks: Mutex<Chunks>,
}

/// What the log says, by the numbers of chunks in the row-major order of the grid.
type Chunks = BTreeMap<u64, Stored>;

/// A chunk in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stored {
    offset: u64,
    length: u64,
    filter_mask: u32,
    /// That of the stored bytes.
    checksum: u64,
    /// The slab that it was written with: see [`mark`].
    mark: u64,
    /// Whether this process has written it, or compared it with its checksum.
    is_sound: bool,
}

/// Bytes of a record.
const RECORD: usize = 8 + 8 + 8 + 4 + 8 + 8;
/// Memory that an entry of a map takes, in nodes that are at least half full.
const ENTRY: u64 = 2 * (size_of::<u64>() + size_of::<Stored>()) as u64;

impl Hdf5Shard {
    /// Opens the shard at `path` of the output that `sink` describes.
    pub(crate) fn open(sink: Hdf5Sink, path: &Path) -> Result<Self> {
        let mut chunks = Chunks::new();
        let grid = sink.writer().grid(&sink.info().shape);
        let file = ShardFile::open(path, log_header(&sink), &mut |record| insert(&mut chunks, &grid, record))?;
        if let Some(data) = file.existing() {
            drop_cut(&mut chunks, data.length()?);
        }
        let end = chunks.values().map(Stored::end).fold(HEAD, u64::max);
        Ok(Hdf5Shard { sink, grid, file, end: AtomicU64::new(end), chunks: Mutex::new(chunks) })
    }

    fn chunks(&self) -> MutexGuard<'_, Chunks> {
        self.chunks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn check(&self, slab: &Slab, length: usize) -> Result<()> {
        slab.check(self.info(), length)?;
        if slab.is_empty() || self.sink.writer().holds_whole_chunks(&self.info().shape, slab) {
            return Ok(());
        }
        let chunk = self.grid.chunk_shape();
        Err(Error::InvalidArgument(format!("slab {slab} of a shard cuts chunks, which have the shape {chunk}")))
    }

    fn write(&self, slab: &Slab, data: &[u8], checksum: u64, worker: &Worker) -> Result<()> {
        let file = self.file.data()?;
        let mark = mark(slab, checksum);
        let written = Mutex::new(Vec::new());
        self.sink.writer().encode(&self.info().shape, slab, data, worker, &|whole, filter_mask, bytes| {
            let length = bytes.len() as u64;
            let offset = self.end.fetch_add(length, Ordering::Relaxed);
            file.write_at(bytes, offset)?;
            let checksum = Checksum::of(bytes);
            let stored = Stored { offset, length, filter_mask, checksum, mark, is_sound: true };
            let number = self.grid.number(self.grid.touched(whole).start());
            written.lock().unwrap_or_else(PoisonError::into_inner).push((number, stored));
            Ok(())
        })?;
        let written = written.into_inner().unwrap_or_else(PoisonError::into_inner);
        let records: Vec<_> = written.iter().map(|(number, stored)| stored.record(*number)).collect();
        self.file.log(records.iter().map(<[u8; RECORD]>::as_slice))?;
        self.chunks().extend(written);
        Ok(())
    }

    /// Whether the chunk at `position` is stored as it was written with this mark.
    fn is_stored(&self, position: &[u64], mark: u64, worker: &Worker) -> Result<bool> {
        worker.check()?;
        let number = self.grid.number(position);
        let stored = self.chunks().get(&number).copied().filter(|stored| stored.mark == mark);
        let (Some(stored), Some(data)) = (stored, self.file.existing()) else { return Ok(false) };
        Ok(stored.is_sound || self.look_at(number, stored, data, worker)?)
    }

    /// Compares a chunk with its checksum, and keeps what it found.
    fn look_at(&self, number: u64, stored: Stored, data: &DataFile, worker: &Worker) -> Result<bool> {
        let is_sound = stored.read(data, worker)?.is_some();
        let mut chunks = self.chunks();
        match chunks.get_mut(&number) {
            Some(known) if *known == stored && is_sound => known.is_sound = true,
            Some(known) if *known == stored => drop(chunks.remove(&number)),
            _ => {}
        }
        Ok(is_sound)
    }

    /// Compares what only an earlier process says of the shard.
    fn check_all(&self, worker: &Worker) -> Result<()> {
        let unsure: Vec<_> = self
            .chunks()
            .iter()
            .filter(|(_, stored)| !stored.is_sound)
            .map(|(number, stored)| (*number, *stored))
            .collect();
        for (number, stored) in unsure {
            if !self.look_at(number, stored, self.file.data()?, worker)? {
                return Err(damaged(self.file.path(), &self.grid.position(number)));
            }
        }
        Ok(())
    }
}

impl ChunkSink for Hdf5Shard {
    fn info(&self) -> &DatasetInfo {
        self.sink.info()
    }

    fn held_bytes(&self) -> u64 {
        self.sink.held_bytes().saturating_add(self.grid.len().saturating_mul(ENTRY))
    }

    fn cost(&self, slab: &Slab, threads: usize) -> Cost {
        let mut cost = self.sink.cost(slab, threads);
        let each = (RECORD + size_of::<(u64, Stored)>()) as u64;
        // Records, and twice that in a list that grows.
        cost.scratch_bytes += self.grid.touched(slab).elements().saturating_mul(2 * each);
        cost
    }

    fn write_from(&self, slab: &Slab, data: &[u8], worker: &Worker) -> Result<()> {
        self.write_summed(slab, data, Checksum::of(data), worker)
    }

    fn prepare(&self) -> Result<()> {
        self.sync()
    }

    fn finish(self: Box<Self>) -> Result<()> {
        self.file.check()?;
        let worker = Worker::new();
        self.check_all(&worker)?;
        let Hdf5Shard { sink, grid, file, end, chunks } = *self;
        let chunks = chunks.into_inner().unwrap_or_else(PoisonError::into_inner);
        let (path, overwrite) = (sink.destination().place.path.clone(), sink.destination().overwrites());
        let data = file.data()?;
        let changing = sink.destination().open_around(data, end.into_inner())?;
        let is_around = changing.assembled().is_some();
        sink.finish_with(changing, |sink, dataset, changing| match changing.assembled() {
            Some(assembled) => place_all(sink, dataset, assembled, &grid, &chunks, data),
            None => copy_all(sink, dataset, &grid, &chunks, data, &worker),
        })?;
        if is_around {
            return file.publish(&path, overwrite);
        }
        file.remove();
        Ok(())
    }
}

impl Shard for Hdf5Shard {
    fn write_summed(&self, slab: &Slab, data: &[u8], checksum: u64, worker: &Worker) -> Result<()> {
        self.check(slab, data.len())?;
        if slab.is_empty() {
            return Ok(());
        }
        self.write(slab, data, checksum, worker).inspect_err(|_| self.file.fail())
    }

    fn holds(&self, slab: &Slab, checksum: u64, worker: &Worker) -> Result<bool> {
        self.check(slab, slab.bytes(self.info().dtype.size()) as usize)?;
        let mark = mark(slab, checksum);
        let is_held = AtomicBool::new(true);
        let parts = self.grid.touched(slab).split(worker.threads() as u64, 1);
        worker.for_each(parts, |part, worker| {
            for position in part.positions() {
                if !is_held.load(Ordering::Relaxed) || !self.is_stored(&position, mark, worker)? {
                    is_held.store(false, Ordering::Relaxed);
                    break;
                }
            }
            Ok(())
        })?;
        Ok(is_held.into_inner())
    }

    fn sync(&self) -> Result<()> {
        self.file.sync()
    }
}

/// Lets the library store all chunks where they are.
fn place_all(
    sink: &Hdf5Sink,
    dataset: &Dataset,
    assembled: &Assembled,
    grid: &Grid,
    chunks: &Chunks,
    data: &DataFile,
) -> Result<()> {
    if grid.chunk_shape().is_empty() {
        return copy_all(sink, dataset, grid, chunks, data, &Worker::new());
    }
    let longest = chunks.values().map(|stored| stored.length).max().unwrap_or(0);
    // Never looked at: it takes no memory.
    let filler = Buffer::zeroed(longest as usize)?;
    for (number, stored) in chunks {
        let whole = grid.whole_slab(&grid.position(*number));
        let filler = &filler[..stored.length as usize];
        assembled.place_chunk(dataset, whole.start(), stored.filter_mask, stored.offset, filler)?;
    }
    Ok(())
}

/// Stores all chunks as they are.
fn copy_all(
    sink: &Hdf5Sink,
    dataset: &Dataset,
    grid: &Grid,
    chunks: &Chunks,
    data: &DataFile,
    worker: &Worker,
) -> Result<()> {
    chunks
        .iter()
        .try_for_each(|(number, stored)| copy(sink, dataset, grid, &grid.position(*number), stored, data, worker))
}

/// Stores a chunk of the shard in `data` as it is; fails if that does not hold it.
fn copy(
    sink: &Hdf5Sink,
    dataset: &Dataset,
    grid: &Grid,
    position: &[u64],
    stored: &Stored,
    data: &DataFile,
    worker: &Worker,
) -> Result<()> {
    worker.check()?;
    let Some(bytes) = stored.read(data, worker)? else { return Err(damaged(data.path(), position)) };
    sink.store(dataset, grid.whole_slab(position).start(), stored.filter_mask, &bytes)
}

/// Copies the chunks of the pieces, in their order, out of the shards to the output that `sink` makes.
pub(crate) fn join(
    sink: Hdf5Sink,
    shards: &[PathBuf],
    pieces: &mut dyn Iterator<Item = (usize, Slab)>,
    worker: &Worker,
) -> Result<()> {
    let (header, grid) = (log_header(&sink), sink.writer().grid(&sink.info().shape));
    let mut opened = Vec::with_capacity(shards.len());
    for path in shards {
        let mut chunks = Chunks::new();
        let data = ShardFile::read(path, &header, &mut |record| insert(&mut chunks, &grid, record))?;
        if let Some(data) = &data {
            drop_cut(&mut chunks, data.length()?);
        }
        opened.push((data, chunks));
    }
    let file = sink.destination().open()?;
    sink.finish_with(file, |sink, dataset, _| {
        for (number, slab) in pieces {
            let Some((data, chunks)) = opened.get(number) else {
                return Err(Error::InvalidArgument(format!("shard {number} of {}", opened.len())));
            };
            slab.check(sink.info(), slab.bytes(sink.info().dtype.size()) as usize)?;
            for position in grid.touched(&slab).positions() {
                let stored = chunks.get(&grid.number(&position));
                let (Some(data), Some(stored)) = (data, stored) else {
                    return Err(damaged(&shards[number], &position));
                };
                copy(sink, dataset, &grid, &position, stored, data, worker)?;
            }
        }
        Ok(())
    })
}

impl Stored {
    fn end(&self) -> u64 {
        self.offset.saturating_add(self.length)
    }

    /// The stored bytes; `None` if they are not those that were written.
    fn read<'a>(&self, data: &DataFile, worker: &'a Worker) -> Result<Option<chunk_core::Scratch<'a>>> {
        if self.end() > data.length()? {
            return Ok(None);
        }
        let mut bytes = worker.scratch(self.length as usize)?;
        data.read_at(&mut bytes, self.offset)?;
        Ok((Checksum::of(&bytes) == self.checksum).then_some(bytes))
    }

    fn record(&self, number: u64) -> [u8; RECORD] {
        let mut record = [0; RECORD];
        let mut rest = record.as_mut_slice();
        for part in [
            &number.to_le_bytes()[..],
            &self.offset.to_le_bytes(),
            &self.length.to_le_bytes(),
            &self.filter_mask.to_le_bytes(),
            &self.checksum.to_le_bytes(),
            &self.mark.to_le_bytes(),
        ] {
            let (to, after) = rest.split_at_mut(part.len());
            to.copy_from_slice(part);
            rest = after;
        }
        record
    }

    fn parse(record: &[u8]) -> Option<(u64, Self)> {
        let (mut rest, mut numbers) = (record, [0; 6]);
        for (number, length) in numbers.iter_mut().zip([8, 8, 8, 4, 8, 8]) {
            let (bytes, after) = rest.split_at_checked(length)?;
            *number = bytes.iter().rev().fold(0, |sum, byte| sum << 8 | u64::from(*byte));
            rest = after;
        }
        let [number, offset, length, filter_mask, checksum, mark] = numbers;
        let filter_mask = u32::try_from(filter_mask).ok()?;
        rest.is_empty().then_some((number, Stored { offset, length, filter_mask, checksum, mark, is_sound: false }))
    }
}

/// Takes a record up; the later one of a chunk counts.
fn insert(chunks: &mut Chunks, grid: &Grid, record: &[u8]) {
    if let Some((number, stored)) = Stored::parse(record)
        && number < grid.len()
        && stored.offset >= HEAD
    {
        chunks.insert(number, stored);
    }
}

/// Drops what is not in a file of this length: nothing may be allocated for it.
fn drop_cut(chunks: &mut Chunks, length: u64) {
    chunks.retain(|_, stored| stored.end() <= length);
}

/// What the chunks of a slab say of it: another slab, or other content, has another mark.
fn mark(slab: &Slab, checksum: u64) -> u64 {
    let mut mark = Checksum::new();
    slab.start().iter().chain(slab.count().iter()).chain([&checksum]).for_each(|part| mark.update(&part.to_le_bytes()));
    mark.value()
}

fn log_header(sink: &Hdf5Sink) -> LogHeader {
    LogHeader::new("hdf5 chunks 1").with_dataset(sink.info()).with("filter", sink.filter().to_string())
}

fn damaged(path: &Path, position: &[u64]) -> Error {
    let what = format!("the shard does not hold chunk {position:?} as it was written: write it again");
    Place::new(path, "").corrupt(what)
}
