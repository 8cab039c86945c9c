//! What the processes of a job have made so far: shards of its results, and marks of the tasks done.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use crate::tile_file::{TileSink, TileSource};
use crate::worker::lock;
use crate::{
    Checksum, ChunkSink, ChunkSource, Cost, DatasetInfo, Error, Operation, Result, Shape, Shard, Slab, Spans, TileFile,
    Tiling, Work, Worker, copy_region,
};

/// A shard of raw tiles: of an intermediate, or of an output whose format has no shards of its own.
///
/// Its marks say what is in it.
#[derive(Debug)]
pub(crate) struct TileShard {
    sink: TileSink,
    source: TileSource,
}

impl TileShard {
    pub(crate) fn open(info: DatasetInfo, tile_shape: Shape, path: &Path) -> Result<Self> {
        let tiles = TileFile::named(info, tile_shape, path)?;
        Ok(TileShard { sink: tiles.sink(), source: tiles.source() })
    }
}

impl ChunkSink for TileShard {
    fn info(&self) -> &DatasetInfo {
        self.sink.info()
    }

    fn held_bytes(&self) -> u64 {
        self.sink.held_bytes()
    }

    fn cost(&self, slab: &Slab, threads: usize) -> Cost {
        self.sink.cost(slab, threads)
    }

    fn write_from(&self, slab: &Slab, data: &[u8], worker: &Worker) -> Result<()> {
        self.sink.write_from(slab, data, worker)
    }

    fn prepare(&self) -> Result<()> {
        self.sync()
    }

    fn finish(self: Box<Self>) -> Result<()> {
        self.sync()
    }
}

impl Shard for TileShard {
    fn write_summed(&self, slab: &Slab, data: &[u8], _checksum: u64, worker: &Worker) -> Result<()> {
        self.sink.write_from(slab, data, worker)
    }

    fn holds(&self, slab: &Slab, checksum: u64, worker: &Worker) -> Result<bool> {
        let mut data = worker.scratch(slab.bytes(self.info().dtype.size()) as usize)?;
        self.source.read_into(slab, &mut data, worker)?;
        Ok(Checksum::of(&data) == checksum)
    }

    fn sync(&self) -> Result<()> {
        self.sink.sync()
    }
}

/// In place of the shard of an output that has its name already: all of it is there.
#[derive(Debug)]
pub(crate) struct Published(pub(crate) DatasetInfo);

impl ChunkSink for Published {
    fn info(&self) -> &DatasetInfo {
        &self.0
    }

    fn held_bytes(&self) -> u64 {
        0
    }

    fn cost(&self, _slab: &Slab, _threads: usize) -> Cost {
        Cost::default()
    }

    fn write_from(&self, _slab: &Slab, _data: &[u8], _worker: &Worker) -> Result<()> {
        Ok(())
    }

    fn prepare(&self) -> Result<()> {
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<()> {
        Ok(())
    }
}

impl Shard for Published {
    fn write_summed(&self, _slab: &Slab, _data: &[u8], _checksum: u64, _worker: &Worker) -> Result<()> {
        Ok(())
    }

    fn holds(&self, _slab: &Slab, _checksum: u64, _worker: &Worker) -> Result<bool> {
        Ok(true)
    }

    fn sync(&self) -> Result<()> {
        Ok(())
    }
}

/// A shard that notes the checksum of each slab that is written to it.
#[derive(Debug)]
pub(crate) struct Summing {
    pub(crate) shard: Arc<Box<dyn Shard>>,
    sums: Arc<Mutex<HashMap<Slab, u64>>>,
}

impl Summing {
    pub(crate) fn new(shard: Arc<Box<dyn Shard>>) -> Self {
        Summing { shard, sums: Arc::default() }
    }

    /// The checksums that are noted, to be taken while the shard is written to.
    pub(crate) fn sums(&self) -> Sums {
        Sums(Arc::clone(&self.sums))
    }
}

/// Checksums of the slabs that were written and not taken yet.
#[derive(Clone, Debug)]
pub(crate) struct Sums(Arc<Mutex<HashMap<Slab, u64>>>);

impl Sums {
    pub(crate) fn take(&self, slab: &Slab) -> Option<u64> {
        lock(&self.0).remove(slab)
    }
}

impl ChunkSink for Summing {
    fn info(&self) -> &DatasetInfo {
        self.shard.info()
    }

    fn held_bytes(&self) -> u64 {
        self.shard.held_bytes()
    }

    fn cost(&self, slab: &Slab, threads: usize) -> Cost {
        self.shard.cost(slab, threads)
    }

    fn write_from(&self, slab: &Slab, data: &[u8], worker: &Worker) -> Result<()> {
        let sum = Checksum::of(data);
        self.shard.write_summed(slab, data, sum, worker)?;
        lock(&self.sums).insert(slab.clone(), sum);
        Ok(())
    }

    fn prepare(&self) -> Result<()> {
        self.shard.prepare()
    }

    fn finish(self: Box<Self>) -> Result<()> {
        self.shard.sync()
    }
}

/// An intermediate that several processes wrote, each its own tasks to its own file.
#[derive(Debug)]
pub(crate) struct Gathered {
    info: DatasetInfo,
    parts: Vec<TileSource>,
    tasks: Tiling,
    /// Which part has which task.
    owners: Vec<u16>,
}

impl Gathered {
    /// The intermediate `info` in these files; the task of each number in `tasks` is in that of `owners`.
    pub(crate) fn open(
        info: &DatasetInfo,
        tile_shape: &Shape,
        paths: &[PathBuf],
        tasks: Tiling,
        owners: Vec<u16>,
    ) -> Result<Self> {
        let open = |path: &PathBuf| TileFile::named(info.clone(), tile_shape.clone(), path).map(|file| file.source());
        let parts = paths.iter().map(open).collect::<Result<_>>()?;
        let info = info.clone().with_chunk_shape(tile_shape.clone());
        Ok(Gathered { info, parts, tasks, owners })
    }

    /// Reads what `task` has of `slab` to where it goes in its buffer.
    fn read_task(&self, task: u64, slab: &Slab, out: &mut [u8], worker: &Worker) -> Result<()> {
        let Some(region) = self.tasks.slab(task).intersection(slab) else { return Ok(()) };
        let part = &self.parts[usize::from(self.owners[task as usize])];
        if region == *slab {
            return part.read_into(slab, out, worker);
        }
        let size = self.info.dtype.size();
        let mut spans = Spans::new(&region, slab, slab, size);
        if let (Some(span), None) = (spans.next(), spans.next()) {
            return part.read_into(&region, &mut out[span.to..span.to + span.length], worker);
        }
        let mut data = worker.scratch(region.bytes(size) as usize)?;
        part.read_into(&region, &mut data, worker)?;
        copy_region(&region, &data, &region, out, slab, size);
        Ok(())
    }
}

impl ChunkSource for Gathered {
    fn info(&self) -> &DatasetInfo {
        &self.info
    }

    fn operation(&self) -> Option<&dyn Operation> {
        None
    }

    fn held_bytes(&self) -> u64 {
        (self.owners.capacity() * size_of::<u16>()) as u64
    }

    fn cost(&self, slab: &Slab, _threads: usize) -> Result<Cost> {
        let bytes = slab.bytes(self.info.dtype.size());
        let largest = self.tasks.slab_shape().elements().saturating_mul(self.info.dtype.size() as u64);
        let scratch = if self.parts.len() > 1 { bytes.min(largest) } else { 0 };
        Ok(Cost::new(scratch, Work::reading(bytes)))
    }

    fn read_into(&self, slab: &Slab, out: &mut [u8], worker: &Worker) -> Result<()> {
        slab.check(&self.info, out.len())?;
        if slab.is_empty() {
            return Ok(());
        }
        if let [only] = self.parts.as_slice() {
            return only.read_into(slab, out, worker);
        }
        self.tasks.touched(slab).try_for_each(|task| {
            worker.check()?;
            self.read_task(task, slab, out, worker)
        })
    }
}

/// The files of a job's folder.
#[derive(Clone, Debug)]
pub(crate) struct Files {
    folder: PathBuf,
}

const MARKS: &str = "marks";
/// The label of the only part.
const WHOLE: &str = "0-of-1";

/// In which order files are removed, of those that are a job's. A process that is stopped meanwhile leaves
/// marks that say that all is done, and last a record without which they would be taken for another's.
fn order_of(name: &str) -> Option<u8> {
    match name {
        "job.json" => Some(3),
        _ if name == format!("part-{WHOLE}.{MARKS}") => Some(2),
        _ if name.starts_with("part-") => Some(1),
        _ if name.starts_with("stage-") || name.starts_with(".job.json.") => Some(0),
        _ => None,
    }
}

impl Files {
    pub(crate) fn new(folder: &Path) -> Self {
        Files { folder: folder.to_owned() }
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(crate) fn record(&self) -> PathBuf {
        self.folder.join("job.json")
    }

    /// Where a part, by its label, keeps a result of a stage.
    pub(crate) fn shard(&self, stage: usize, target: usize, label: &str) -> PathBuf {
        self.folder.join(format!("stage-{stage}.result-{target}.part-{label}"))
    }

    pub(crate) fn marks(&self, label: &str) -> PathBuf {
        self.folder.join(format!("part-{label}.{MARKS}"))
    }

    /// The labels of all parts that have left marks, in order; that of the whole comes last, as it may
    /// have done again what others did.
    pub(crate) fn labels(&self) -> Result<Vec<String>> {
        let entries = std::fs::read_dir(&self.folder).map_err(|cause| Error::io(&self.folder, "open", cause))?;
        let mut labels: Vec<String> = entries
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
            .filter_map(|name| Some(name.strip_prefix("part-")?.strip_suffix(MARKS)?.strip_suffix('.')?.to_owned()))
            .collect();
        labels.sort_by_key(|label| (label == WHOLE, label.clone()));
        Ok(labels)
    }

    /// Removes what a job has left, and the folder if nothing else is in it.
    pub(crate) fn clear(&self) -> Result<()> {
        let fail = |cause| Error::io(&self.folder, "clear", cause);
        let mut left = Vec::new();
        for entry in std::fs::read_dir(&self.folder).map_err(fail)? {
            let entry = entry.map_err(fail)?;
            let order = order_of(&entry.file_name().to_string_lossy());
            left.extend(order.map(|order| (order, entry.path())));
        }
        left.sort();
        for (_, path) in left {
            std::fs::remove_file(path).map_err(fail)?;
        }
        // Refused if something else is in it.
        let _ = std::fs::remove_dir(&self.folder);
        Ok(())
    }
}
