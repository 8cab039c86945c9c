//! Shards of the small file format: the file itself, and a log of the slabs in it, with faults of their own.

use std::path::{Path, PathBuf};
use std::sync::Mutex;

use chunk_core::{
    Backend, Checksum, ChunkSink, Cost, CreateOptions, DatasetInfo, Error, Location, LogHeader, Result, Shape, Shard,
    ShardFile, Sharding, Slab, Worker, copy_region,
};

use crate::small_backend::Fault::{
    BelievesItsLog, HoldsWithAnyChecksum, LeavesItsShard, SearchesAllShards, TakesAnyShard, TakesShortBuffersOfShards,
};
use crate::small_backend::{SmallBackend, header};

#[derive(Debug)]
struct SmallShard {
    backend: SmallBackend,
    /// What checks the arguments.
    sink: Box<dyn ChunkSink>,
    output: PathBuf,
    overwrite: bool,
    file: ShardFile,
    slabs: Mutex<Slabs>,
}

/// Slabs with the checksums that they were written with.
type Slabs = Vec<(Slab, u64)>;

fn log_header(backend: SmallBackend, info: &DatasetInfo) -> LogHeader {
    let header = LogHeader::new("small slabs");
    if backend.is(TakesAnyShard) { header } else { header.with_dataset(info) }
}

fn record(slab: &Slab, checksum: u64) -> Vec<u8> {
    let numbers = slab.start().iter().chain(slab.count().iter()).chain([&checksum]);
    numbers.flat_map(|number| number.to_le_bytes()).collect()
}

fn read_record(record: &[u8]) -> (Slab, u64) {
    let numbers: Vec<u64> = record.as_chunks::<8>().0.iter().map(|bytes| u64::from_le_bytes(*bytes)).collect();
    let rank = numbers.len() / 2;
    (Slab::new(Shape::from(&numbers[..rank]), Shape::from(&numbers[rank..2 * rank])), numbers[2 * rank])
}

/// The bytes of a slab in the packed bytes of all.
fn part(info: &DatasetInfo, all: &[u8], slab: &Slab) -> Vec<u8> {
    let size = info.dtype.size();
    let mut bytes = vec![0; slab.bytes(size) as usize];
    copy_region(slab, all, &Slab::whole(&info.shape), &mut bytes, slab, size);
    bytes
}

/// All elements in a file, with zeros for what is cut off.
fn elements(info: &DatasetInfo, file: &[u8]) -> Vec<u8> {
    let mut bytes = file.get(header(info).len()..).unwrap_or_default().to_vec();
    bytes.resize(info.bytes() as usize, 0);
    bytes
}

fn read(path: &Path) -> Result<Vec<u8>> {
    std::fs::read(path).map_err(|cause| Error::io(path, "read", cause))
}

impl SmallShard {
    /// Whether the slab is stored with its checksum.
    fn is_stored(&self, slab: &Slab, checksum: u64) -> Result<bool> {
        let info = self.sink.info();
        let bytes = part(info, &elements(info, &read(self.file.path())?), slab);
        Ok(self.backend.is(BelievesItsLog) || Checksum::of(&bytes) == checksum)
    }
}

impl ChunkSink for SmallShard {
    fn info(&self) -> &DatasetInfo {
        self.sink.info()
    }

    fn held_bytes(&self) -> u64 {
        0
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
        let info = self.sink.info().clone();
        let mut whole = header(&info).into_bytes();
        self.file.data()?;
        for (slab, checksum) in &*self.slabs.lock().unwrap() {
            if !self.is_stored(slab, *checksum)? {
                return Err(Error::corrupt(self.file.path(), "a slab is damaged"));
            }
        }
        whole.extend(elements(&info, &read(self.file.path())?));
        self.file.data()?.set_length(0)?;
        self.file.data()?.write_at(&whole, 0)?;
        let path = self.file.path().to_path_buf();
        self.file.publish(&self.output, self.overwrite)?;
        if self.backend.is(LeavesItsShard) {
            std::fs::write(path, "").unwrap();
        }
        Ok(())
    }
}

impl Shard for SmallShard {
    fn write_summed(&self, slab: &Slab, data: &[u8], checksum: u64, _worker: &Worker) -> Result<()> {
        let info = self.sink.info();
        if self.backend.is(TakesShortBuffersOfShards) && data.len() as u64 != slab.bytes(info.dtype.size()) {
            return Ok(());
        }
        slab.check(info, data.len())?;
        let mut slabs = self.slabs.lock().unwrap();
        let file = self.file.data()?;
        let mut all = elements(info, &read(self.file.path())?);
        copy_region(slab, data, slab, &mut all, &Slab::whole(&info.shape), info.dtype.size());
        file.write_at(&all, header(info).len() as u64)?;
        self.file.log([record(slab, checksum).as_slice()])?;
        slabs.retain(|(other, _)| other != slab);
        slabs.push((slab.clone(), checksum));
        Ok(())
    }

    fn holds(&self, slab: &Slab, checksum: u64, _worker: &Worker) -> Result<bool> {
        let mut slabs = self.slabs.lock().unwrap();
        let Some((_, logged)) = slabs.iter().find(|(other, _)| other == slab).cloned() else { return Ok(false) };
        if !self.is_stored(slab, logged)? {
            slabs.retain(|(other, _)| other != slab);
            return Ok(false);
        }
        Ok(logged == checksum || self.backend.is(HoldsWithAnyChecksum))
    }

    fn sync(&self) -> Result<()> {
        self.file.sync()
    }
}

impl Sharding for SmallBackend {
    fn shard(
        &self,
        location: &Location,
        info: DatasetInfo,
        options: &CreateOptions,
        path: &Path,
    ) -> Result<Box<dyn Shard>> {
        let sink = self.create(location, info, options)?;
        let mut slabs = Slabs::new();
        let file = ShardFile::open(path, log_header(*self, sink.info()), &mut |record| {
            let (slab, checksum) = read_record(record);
            slabs.retain(|(other, _)| *other != slab);
            slabs.push((slab, checksum));
        })?;
        let (output, overwrite, slabs) = (location.path().to_owned(), options.overwrite, Mutex::new(slabs));
        Ok(Box::new(SmallShard { backend: *self, sink, output, overwrite, file, slabs }))
    }

    fn join(
        &self,
        location: &Location,
        info: DatasetInfo,
        options: &CreateOptions,
        shards: &[PathBuf],
        pieces: &mut dyn Iterator<Item = (usize, Slab)>,
        worker: &Worker,
    ) -> Result<()> {
        let sink = self.create(location, info, options)?;
        let mut opened = Vec::new();
        for path in shards {
            let mut slabs = Slabs::new();
            let log = log_header(*self, sink.info());
            let data = ShardFile::read(path, &log, &mut |record| slabs.push(read_record(record)))?;
            opened.push((data.map_or(Ok(Vec::new()), |data| read(data.path()))?, slabs));
        }
        for (number, slab) in pieces {
            let anywhere = (0..opened.len()).filter(|other| *other == number || self.is(SearchesAllShards));
            let held = anywhere.into_iter().find_map(|number| {
                let (file, slabs) = &opened[number];
                let (_, checksum) = slabs.iter().rev().find(|(other, _)| *other == slab)?;
                let bytes = part(sink.info(), &elements(sink.info(), file), &slab);
                (self.is(BelievesItsLog) || Checksum::of(&bytes) == *checksum).then_some(bytes)
            });
            let damaged = || Error::corrupt(&shards[number], format!("it does not hold {slab}"));
            sink.write_from(&slab, &held.ok_or_else(damaged)?, worker)?;
        }
        sink.finish()
    }
}
