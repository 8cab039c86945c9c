//! Chunks of a dataset that is being written: encoded on the calling thread, stored by the library.

use std::sync::{Mutex, MutexGuard, PoisonError};

use chunk_core::{Cost, Error, Grid, Result, Scalar, Scratch, Shape, Slab, Spans, Work, Worker, copy_region};
use hdf5::Dataset;

use crate::codec::{CodecError, Pipeline};
use crate::error::Place;
use crate::library;

/// How the chunks of a dataset are written.
#[derive(Debug)]
pub(crate) struct ChunkWriter {
    pub(crate) place: Place,
    pub(crate) chunk: Shape,
    pub(crate) pipeline: Pipeline,
    pub(crate) element_size: usize,
    /// What elements hold that are not written, as the file has them.
    pub(crate) fill: Scalar,
    last: Mutex<Option<Written>>,
}

/// A chunk that was written, by its start, and the filters that it skips.
///
/// Asked for the chunk that was written last, the library (up to 2.2) answers with the filter mask of before.
#[derive(Debug)]
struct Written {
    start: Vec<u64>,
    filter_mask: u32,
}

/// Decoding a chunk that another writer made may take this much beside the chunk.
const FOREIGN: usize = 64 << 10;

impl ChunkWriter {
    pub(crate) fn new(place: Place, chunk: Shape, pipeline: Pipeline, element_size: usize, fill: Scalar) -> Self {
        ChunkWriter { place, chunk, pipeline, element_size, fill, last: Mutex::new(None) }
    }

    fn chunk_bytes(&self) -> usize {
        self.chunk.elements() as usize * self.element_size
    }

    /// The grid of a dataset that has this shape.
    pub(crate) fn grid(&self, shape: &Shape) -> Grid {
        Grid::new(shape.clone(), self.chunk.clone())
    }

    /// Writes `slab` of a dataset that has this shape.
    pub(crate) fn write(
        &self,
        dataset: &Dataset,
        shape: &Shape,
        slab: &Slab,
        data: &[u8],
        worker: &Worker,
    ) -> Result<()> {
        let put = |whole: &Slab, filter_mask: u32, stored: &[u8]| self.put(dataset, whole, filter_mask, stored);
        self.for_each_chunk(shape, slab, worker, |clipped, whole, worker| {
            let Some(region) = clipped.intersection(slab) else { return Ok(()) };
            if region == *clipped {
                self.encode_full(clipped, whole, slab, data, worker, &put)
            } else {
                self.write_cut(dataset, &region, whole, slab, data, worker)
            }
        })
    }

    /// Encodes `slab` of a dataset that has this shape, which holds each of its chunks to the end, and calls `put` with
    /// each chunk: the slab of the whole chunk, its filter mask and its stored bytes.
    pub(crate) fn encode(
        &self,
        shape: &Shape,
        slab: &Slab,
        data: &[u8],
        worker: &Worker,
        put: &(impl Fn(&Slab, u32, &[u8]) -> Result<()> + Sync),
    ) -> Result<()> {
        self.for_each_chunk(shape, slab, worker, |clipped, whole, worker| {
            self.encode_full(clipped, whole, slab, data, worker, put)
        })
    }

    /// Calls `work` with each chunk that `slab` touches: clipped at the end of the dataset, and whole.
    fn for_each_chunk(
        &self,
        shape: &Shape,
        slab: &Slab,
        worker: &Worker,
        work: impl Fn(&Slab, &Slab, &Worker) -> Result<()> + Sync,
    ) -> Result<()> {
        let grid = self.grid(shape);
        // A range of chunks a thread: a list of all would grow with the data.
        let parts = grid.touched(slab).split(worker.threads() as u64, 1);
        worker.for_each(parts, |part, worker| {
            part.positions().try_for_each(|position| {
                worker.check()?;
                work(&grid.slab(&position), &grid.whole_slab(&position), worker)
            })
        })
    }

    /// A chunk of which the slab holds all that is inside the dataset.
    fn encode_full(
        &self,
        clipped: &Slab,
        whole: &Slab,
        slab: &Slab,
        data: &[u8],
        worker: &Worker,
        put: &impl Fn(&Slab, u32, &[u8]) -> Result<()>,
    ) -> Result<()> {
        let length = self.chunk_bytes();
        match Spans::new(clipped, slab, whole, self.element_size).next() {
            Some(span) if span.length == length => {
                self.encode_chunk(whole, &data[span.from..span.from + length], worker, put)
            }
            _ => {
                let mut chunk = worker.scratch(length)?;
                if clipped != whole {
                    self.fill.fill(&mut chunk);
                }
                copy_region(clipped, data, slab, &mut chunk, whole, self.element_size);
                self.encode_chunk(whole, &chunk, worker, put)
            }
        }
    }

    /// A part of a chunk: the rest of it is what is stored, or the fill value.
    fn write_cut(
        &self,
        dataset: &Dataset,
        region: &Slab,
        whole: &Slab,
        slab: &Slab,
        data: &[u8],
        worker: &Worker,
    ) -> Result<()> {
        let mut chunk = worker.scratch(self.chunk_bytes())?;
        self.load(dataset, whole, &mut chunk, worker)?;
        copy_region(region, data, slab, &mut chunk, whole, self.element_size);
        let put = |whole: &Slab, filter_mask: u32, stored: &[u8]| self.put(dataset, whole, filter_mask, stored);
        self.encode_chunk(whole, &chunk, worker, &put)
    }

    fn load(&self, dataset: &Dataset, whole: &Slab, chunk: &mut Scratch, worker: &Worker) -> Result<()> {
        let fail = |error: hdf5::Error| self.place.library("read a chunk to complete", &error);
        let length = library::chunk_size(dataset, whole.start()).map_err(fail)?;
        if length == 0 {
            self.fill.fill(chunk);
            return Ok(());
        }
        if length > (self.pipeline.decode_scratch(chunk.len()) + chunk.len() + FOREIGN) as u64 {
            return Err(self.place.corrupt(format!("the chunk at {:?} is stored in {length} bytes", whole.start())));
        }
        let mut stored = worker.scratch(length as usize)?;
        let mut mask = library::read_chunk(dataset, whole.start(), &mut stored).map_err(fail)?;
        if let Some(written) = self.last().as_ref().filter(|written| written.start == whole.start()) {
            mask = written.filter_mask;
        }
        let mut scratch = worker.scratch(self.pipeline.decode_scratch(chunk.len()))?;
        let mut decoded = self.pipeline.decode(&stored, mask, chunk, &mut scratch);
        if let Err(CodecError::ScratchTooSmall { needed, .. }) = decoded {
            // Blocks of an uncommon size.
            drop(scratch);
            scratch = worker.scratch(needed)?;
            decoded = self.pipeline.decode(&stored, mask, chunk, &mut scratch);
        }
        decoded.map_err(|cause| self.codec("decode a chunk to complete", cause))
    }

    fn encode_chunk(
        &self,
        whole: &Slab,
        chunk: &[u8],
        worker: &Worker,
        put: &impl Fn(&Slab, u32, &[u8]) -> Result<()>,
    ) -> Result<()> {
        if self.pipeline.is_identity(0) {
            return put(whole, 0, chunk);
        }
        let mut out = worker.scratch(self.pipeline.encode_bound(chunk.len()))?;
        let mut scratch = worker.scratch(self.pipeline.encode_scratch(chunk.len()))?;
        let encoded = self.pipeline.encode(chunk, &mut out, &mut scratch);
        let encoded = encoded.map_err(|cause| self.codec("compress", cause))?;
        worker.check()?;
        put(whole, encoded.filter_mask, &out[..encoded.len])
    }

    fn put(&self, dataset: &Dataset, whole: &Slab, filter_mask: u32, stored: &[u8]) -> Result<()> {
        let mut last = self.last();
        let written = library::write_chunk(dataset, whole.start(), filter_mask, stored);
        written.map_err(|error| self.place.library("write", &error))?;
        *last = Some(Written { start: whole.start().to_vec(), filter_mask });
        Ok(())
    }

    fn last(&self) -> MutexGuard<'_, Option<Written>> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn codec(&self, action: &'static str, cause: CodecError) -> Error {
        let Place { path, dataset } = self.place.clone();
        Error::Backend { path, dataset, action, cause: Box::new(cause) }
    }

    /// What libhdf5 keeps of `chunks` chunks it wrote: an entry of its index each, and the address beside it.
    pub(crate) fn index_bytes(&self, chunks: u64) -> u64 {
        chunks.saturating_mul(8 * (self.chunk.len() as u64 + 4))
    }

    /// What writing `slab` of a dataset of this shape takes.
    pub(crate) fn cost(&self, shape: &Shape, slab: &Slab, threads: usize) -> Cost {
        let length = self.chunk_bytes();
        let (bound, scratch) = (self.pipeline.encode_bound(length), self.pipeline.encode_scratch(length));
        let hidden = self.pipeline.hidden_bytes(length);
        let encoding = if self.pipeline.is_identity(0) { 0 } else { bound + scratch + hidden };
        // A chunk of one piece in the slab is not gathered first.
        let one_piece = self.holds_whole_chunks(shape, slab) && {
            let inner = self.chunk.iter().zip(slab.count().iter()).skip_while(|(chunk, _)| **chunk == 1).skip(1);
            inner.into_iter().all(|(chunk, count)| chunk == count)
                && slab.elements().is_multiple_of(self.chunk.elements())
        };
        let mut held = encoding + if one_piece { 0 } else { length };
        if !self.holds_whole_chunks(shape, slab) {
            // What is stored is read and decoded first, by anybody's encoder.
            held += length + FOREIGN + self.pipeline.decode_scratch(length);
        }
        let chunks = self.grid(shape).touched(slab).elements().min(threads as u64).max(1);
        let bytes = slab.bytes(self.element_size);
        let work = if self.pipeline.is_identity(0) {
            Work::writing(bytes)
        } else {
            // How far chunks shrink is seen when they are encoded: by half is what plans go by.
            let operations = bytes.saturating_mul(self.pipeline.encode_operations());
            Work::encoding(bytes) + Work::computing(operations) + Work::writing(bytes / 2)
        };
        Cost::new(held as u64 * chunks, work)
    }

    /// Whether `slab` holds each chunk that it touches to the end.
    pub(crate) fn holds_whole_chunks(&self, shape: &Shape, slab: &Slab) -> bool {
        (0..slab.ndim()).all(|axis| {
            let (start, end, chunk) = (slab.start()[axis], slab.end(axis), self.chunk[axis]);
            start % chunk == 0 && (end % chunk == 0 || end == shape[axis])
        })
    }
}
