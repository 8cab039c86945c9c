//! Sources and sinks whose memory and calls the tests look at.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use chunk_core::{
    ChunkSink, ChunkSource, Cost, DType, DatasetInfo, Done, MemorySource, Operation, Progress, Result, Shape, Slab,
    Work, Worker, chunked_bytes,
};

/// The array 0, 1, 2, .. of a shape.
pub(crate) fn counting(shape: &[u64], chunk_shape: Option<&[u64]>) -> MemorySource {
    let count = Shape::from(shape).elements() as u32;
    let source = MemorySource::new(shape, &(0..count).collect::<Vec<_>>()).unwrap();
    match chunk_shape {
        Some(chunk_shape) => source.with_chunk_shape(chunk_shape).unwrap(),
        None => source,
    }
}

/// Bytes in use now and at most.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    now: AtomicU64,
    peak: AtomicU64,
}

impl Meter {
    pub(crate) fn peak(&self) -> u64 {
        self.peak.load(Ordering::SeqCst)
    }

    fn add(&self, bytes: u64) {
        let now = self.now.fetch_add(bytes, Ordering::SeqCst) + bytes;
        self.peak.fetch_max(now, Ordering::SeqCst);
    }

    fn subtract(&self, bytes: u64) {
        self.now.fetch_sub(bytes, Ordering::SeqCst);
    }
}

/// A source of zeros that needs scratch: a fixed part, one chunk a thread, and a part for each cut chunk.
#[derive(Debug)]
pub(crate) struct Hungry<'a> {
    pub(crate) info: DatasetInfo,
    pub(crate) per_thread: u64,
    pub(crate) meter: &'a Meter,
}

impl Hungry<'_> {
    fn scratch(&self, slab: &Slab, threads: usize) -> u64 {
        let cut = chunked_bytes(&self.info, slab) - slab.bytes(self.info.dtype.size());
        self.per_thread * threads as u64 + cut.min(1000)
    }
}

impl ChunkSource for Hungry<'_> {
    fn info(&self) -> &DatasetInfo {
        &self.info
    }

    fn operation(&self) -> Option<&dyn Operation> {
        None
    }

    fn held_bytes(&self) -> u64 {
        17
    }

    fn cost(&self, slab: &Slab, threads: usize) -> Result<Cost> {
        Ok(Cost::new(self.scratch(slab, threads), Work::decoding(chunked_bytes(&self.info, slab))))
    }

    fn read_into(&self, slab: &Slab, out: &mut [u8], worker: &Worker) -> Result<()> {
        slab.check(&self.info, out.len())?;
        let bytes = self.scratch(slab, worker.threads()) + out.len() as u64;
        self.meter.add(bytes);
        let scratch = worker.scratch(self.scratch(slab, worker.threads()) as usize)?;
        out.fill(0);
        drop(scratch);
        self.meter.subtract(bytes);
        Ok(())
    }
}

/// A sink that counts how often each element is written, and refuses slabs that share a chunk.
#[derive(Debug)]
pub(crate) struct Tally {
    pub(crate) info: DatasetInfo,
    pub(crate) counts: Mutex<Vec<u8>>,
}

impl Tally {
    pub(crate) fn new(shape: &[u64], chunk_shape: &[u64]) -> Self {
        let info = DatasetInfo::new(shape, DType::U32).with_chunk_shape(chunk_shape);
        let counts = Mutex::new(vec![0; info.shape.elements() as usize]);
        Tally { info, counts }
    }
}

impl ChunkSink for &'static Tally {
    fn info(&self) -> &DatasetInfo {
        &self.info
    }

    fn held_bytes(&self) -> u64 {
        0
    }

    fn cost(&self, slab: &Slab, _threads: usize) -> Cost {
        Cost::new(0, Work::writing(slab.bytes(4)))
    }

    fn write_from(&self, slab: &Slab, data: &[u8], _worker: &Worker) -> Result<()> {
        slab.check(&self.info, data.len())?;
        assert_eq!(chunked_bytes(&self.info, slab), slab.bytes(4), "{slab} cuts a chunk");
        let mut counts = self.counts.lock().unwrap();
        for position in slab.positions() {
            let offset = position.iter().zip(self.info.shape.iter()).fold(0, |sum, (p, extent)| sum * extent + p);
            counts[offset as usize] += 1;
        }
        Ok(())
    }

    fn prepare(&self) -> Result<()> {
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<()> {
        Ok(())
    }
}

/// Progress that is remembered.
#[derive(Default)]
pub(crate) struct Heard(pub(crate) Mutex<Vec<Done>>);

impl Progress for Heard {
    fn update(&self, done: Done) {
        self.0.lock().unwrap().push(done);
    }
}
