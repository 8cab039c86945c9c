//! A part of a .npy file that outlives its process: the file with its full size, and a log of the slabs in it.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chunk_core::{
    Checksum, ChunkSink, Cost, DataFile, DatasetInfo, Error, Grid, LogHeader, Result, Shape, Shard, ShardFile, Slab,
    Worker,
};

use crate::data::Data;
use crate::error::Place;
use crate::sink::NpySink;

/// Bytes that are read at once to be compared or copied.
const BLOCK: u64 = 4 << 20;

/// A shard of a .npy file.
#[derive(Debug)]
pub(crate) struct NpyShard {
    /// Describes the output; makes nothing.
    sink: NpySink,
    overwrite: bool,
    file: ShardFile,
    /// Whether the data file has its full size.
    is_sized: AtomicBool,
    slabs: Mutex<HashMap<Slab, Logged>>,
}

/// What the log says of a slab.
#[derive(Clone, Copy, Debug)]
struct Logged {
    checksum: u64,
    /// Whether this process has written it, or compared it with its checksum.
    is_sound: bool,
}

impl NpyShard {
    /// Opens the shard at `path` of the output that `sink` describes.
    pub(crate) fn open(sink: NpySink, overwrite: bool, path: &Path) -> Result<Self> {
        let mut slabs = HashMap::new();
        let header = log_header(sink.info());
        let rank = sink.info().shape.len();
        let file = ShardFile::open(path, header, &mut |record| {
            if let Some((slab, checksum)) = parse(record, rank) {
                slabs.insert(slab, Logged { checksum, is_sound: false });
            }
        })?;
        let slabs = Mutex::new(slabs);
        Ok(NpyShard { sink, overwrite, file, is_sized: AtomicBool::new(false), slabs })
    }

    fn slabs(&self) -> MutexGuard<'_, HashMap<Slab, Logged>> {
        self.slabs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The data file with its full size.
    fn data(&self) -> Result<&Arc<DataFile>> {
        let data = self.file.data()?;
        if !self.is_sized.load(Ordering::Relaxed) {
            let length = self.sink.file_length();
            if data.length()? < length {
                data.set_length(length)?;
            }
            self.is_sized.store(true, Ordering::Relaxed);
        }
        Ok(data)
    }

    fn write(&self, slab: &Slab, data: &[u8], checksum: u64, worker: &Worker) -> Result<()> {
        self.sink.layout().write(self.data()?, &self.sink.info().shape, slab, data, worker)?;
        self.file.log([record(slab, checksum).as_slice()])?;
        self.slabs().insert(slab.clone(), Logged { checksum, is_sound: true });
        Ok(())
    }

    /// Whether the data file holds `slab` with this checksum.
    fn is_stored(&self, slab: &Slab, checksum: u64, worker: &Worker) -> Result<bool> {
        let Some(data) = self.file.existing() else { return Ok(false) };
        if data.length()? < self.sink.file_length() {
            return Ok(false);
        }
        let mut found = Checksum::new();
        read_packed(&self.sink, data, slab, worker, |_, bytes| {
            found.update(bytes);
            Ok(())
        })?;
        Ok(found.value() == checksum)
    }

    /// Compares what only an earlier process says of the shard.
    fn check_all(&self) -> Result<()> {
        let unsure: Vec<_> = self.slabs().iter().filter(|(_, logged)| !logged.is_sound).map(clone_entry).collect();
        for (slab, Logged { checksum, .. }) in unsure {
            if !self.is_stored(&slab, checksum, &Worker::new())? {
                return Err(damaged(self.file.path(), &slab));
            }
        }
        Ok(())
    }
}

fn clone_entry((slab, logged): (&Slab, &Logged)) -> (Slab, Logged) {
    (slab.clone(), *logged)
}

impl ChunkSink for NpyShard {
    fn info(&self) -> &DatasetInfo {
        self.sink.info()
    }

    fn held_bytes(&self) -> u64 {
        let each = size_of::<(Slab, Logged)>() + 2 * size_of::<u64>() * self.info().shape.len();
        self.sink.held_bytes() + (self.slabs().capacity() * each) as u64
    }

    fn cost(&self, slab: &Slab, threads: usize) -> Cost {
        self.sink.cost(slab, threads)
    }

    fn write_from(&self, slab: &Slab, data: &[u8], worker: &Worker) -> Result<()> {
        self.write_summed(slab, data, Checksum::of(data), worker)
    }

    fn prepare(&self) -> Result<()> {
        self.sync()
    }

    fn finish(self: Box<Self>) -> Result<()> {
        self.file.check()?;
        self.check_all()?;
        let data = self.data()?;
        data.set_length(self.sink.file_length())?;
        data.write_at(&self.sink.header_bytes(), 0)?;
        let NpyShard { sink, overwrite, file, .. } = *self;
        file.publish(sink.path(), overwrite)
    }
}

impl Shard for NpyShard {
    fn write_summed(&self, slab: &Slab, data: &[u8], checksum: u64, worker: &Worker) -> Result<()> {
        slab.check(self.info(), data.len())?;
        self.write(slab, data, checksum, worker).inspect_err(|_| self.file.fail())
    }

    fn holds(&self, slab: &Slab, checksum: u64, worker: &Worker) -> Result<bool> {
        slab.check(self.info(), slab.bytes(self.info().dtype.size()) as usize)?;
        let logged = self.slabs().get(slab).copied().filter(|logged| logged.checksum == checksum);
        let Some(logged) = logged else { return Ok(false) };
        if logged.is_sound {
            return Ok(true);
        }
        let is_sound = self.is_stored(slab, checksum, worker)?;
        let mut slabs = self.slabs();
        if is_sound {
            slabs.insert(slab.clone(), Logged { checksum, is_sound });
        } else {
            slabs.remove(slab);
        }
        Ok(is_sound)
    }

    fn sync(&self) -> Result<()> {
        self.file.sync()
    }
}

/// Copies the pieces, in their order, out of the shards to the output that `sink` makes.
pub(crate) fn join(
    sink: NpySink,
    shards: &[PathBuf],
    pieces: &mut dyn Iterator<Item = (usize, Slab)>,
    worker: &Worker,
) -> Result<()> {
    let header = log_header(sink.info());
    let rank = sink.info().shape.len();
    let mut opened = Vec::with_capacity(shards.len());
    for path in shards {
        let mut slabs = HashMap::new();
        let data = ShardFile::read(path, &header, &mut |record| slabs.extend(parse(record, rank)))?;
        opened.push((data.map(Arc::new), slabs));
    }
    for (number, slab) in pieces {
        let Some((data, slabs)) = opened.get(number) else {
            return Err(Error::InvalidArgument(format!("shard {number} of {}", opened.len())));
        };
        let (Some(data), Some(checksum)) = (data, slabs.get(&slab)) else {
            return Err(damaged(&shards[number], &slab));
        };
        let mut found = Checksum::new();
        read_packed(&sink, data, &slab, worker, |block, bytes| {
            found.update(bytes);
            sink.write_from(block, bytes, worker)
        })?;
        if found.value() != *checksum {
            return Err(damaged(data.path(), &slab));
        }
    }
    Box::new(sink).finish()
}

/// Reads `slab` of a file that is like the output of `sink`, in blocks that follow one another in its packed bytes.
fn read_packed(
    sink: &NpySink,
    data: &Arc<DataFile>,
    slab: &Slab,
    worker: &Worker,
    mut take: impl FnMut(&Slab, &[u8]) -> Result<()>,
) -> Result<()> {
    let (info, source) = (sink.info(), Data::whole(data.clone()));
    let size = info.dtype.size();
    packed_blocks(slab, size as u64).try_for_each(|block| {
        worker.check()?;
        let mut bytes = worker.scratch(block.bytes(size) as usize)?;
        sink.layout().read(&source, &info.shape, &block, &mut bytes, worker)?;
        take(&block, &bytes)
    })
}

/// Cuts `slab` into blocks of at most [`BLOCK`] bytes, or one element, that follow one another in its packed bytes.
fn packed_blocks(slab: &Slab, size: u64) -> impl Iterator<Item = Slab> {
    let mut left = (BLOCK / size.max(1)).max(1);
    let mut shape = vec![1; slab.ndim()];
    for axis in (0..slab.ndim()).rev() {
        let extent = slab.count()[axis].max(1);
        shape[axis] = extent.min(left);
        if shape[axis] < extent {
            break;
        }
        left /= extent;
        if left == 0 {
            break;
        }
    }
    let grid = Grid::new(slab.count().clone(), shape);
    let start = slab.start().to_vec();
    (0..grid.len()).map(move |number| grid.slab(&grid.position(number)).shifted(&start))
}

fn log_header(info: &DatasetInfo) -> LogHeader {
    LogHeader::new("npy slabs 1").with_dataset(info)
}

fn record(slab: &Slab, checksum: u64) -> Vec<u8> {
    let numbers = slab.start().iter().chain(slab.count().iter()).chain([&checksum]);
    numbers.flat_map(|number| number.to_le_bytes()).collect()
}

fn parse(record: &[u8], rank: usize) -> Option<(Slab, u64)> {
    let (numbers, rest) = record.as_chunks::<8>();
    let numbers: Vec<u64> = numbers.iter().map(|bytes| u64::from_le_bytes(*bytes)).collect();
    if !rest.is_empty() || numbers.len() != 2 * rank + 1 {
        return None;
    }
    let (start, count) = (Shape::from(&numbers[..rank]), Shape::from(&numbers[rank..2 * rank]));
    let fits = start.iter().zip(count.iter()).all(|(start, count)| start.checked_add(*count).is_some());
    fits.then(|| (Slab::new(start, count), numbers[2 * rank]))
}

fn damaged(path: &Path, slab: &Slab) -> Error {
    Place::new(path, "").corrupt(format!("the shard does not hold {slab} as it was written: write it again"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_follow_one_another_in_packed_bytes() {
        for (count, size) in [
            (vec![], 8),
            (vec![0, 3], 8),
            (vec![3, 1 << 20, 2], 8),
            (vec![5, 3, 1 << 18], 8),
            (vec![2, (4 << 20) + 1], 1),
            (vec![7], 5 << 20),
            (vec![1000, 1000], 8),
        ] {
            let slab = Slab::new(vec![10; count.len()], count.clone());
            let mut next = 0;
            for block in packed_blocks(&slab, size) {
                assert!(block.bytes(size as usize) <= BLOCK.max(size), "{block}");
                let offset = (0..slab.ndim()).fold(0, |sum, axis| sum * count[axis] + block.start()[axis] - 10);
                assert_eq!(offset, next, "{block} of {slab}");
                let one_piece = (0..slab.ndim()).skip_while(|axis| block.count()[*axis] == 1).skip(1);
                assert!(one_piece.into_iter().all(|axis| block.count()[axis] == count[axis]), "{block} of {slab}");
                next += block.elements();
            }
            assert_eq!(next, slab.elements());
        }
    }

    #[test]
    fn records_say_what_they_were_made_of_and_others_nothing() {
        for slab in [Slab::whole(&[]), Slab::new([1, 2], [3, 4])] {
            let bytes = record(&slab, 7);
            assert_eq!(parse(&bytes, slab.ndim()), Some((slab.clone(), 7)));
            assert_eq!(parse(&bytes, slab.ndim() + 1), None);
            assert_eq!(parse(&bytes[1..], slab.ndim()), None);
        }
        assert_eq!(parse(&record(&Slab::new([1], [3]), 7).iter().map(|_| 0xff).collect::<Vec<_>>(), 1), None);
    }
}
