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
        let grid = self.grid(shape);
        // A range of chunks a thread: a list of all would grow with the data.
        let parts = grid.touched(slab).split(worker.threads() as u64, 1);
        worker.for_each(parts, |part, worker| {
            part.positions().try_for_each(|position| {
                worker.check()?;
                let (clipped, whole) = (grid.slab(&position), grid.whole_slab(&position));
                let Some(region) = clipped.intersection(slab) else { return Ok(()) };
                if region == clipped {
                    self.write_full(dataset, &clipped, &whole, slab, data, worker)
                } else {
                    self.write_cut(dataset, &region, &whole, slab, data, worker)
                }
            })
        })
    }

    /// A chunk of which the slab holds all that is inside the dataset.
    fn write_full(
        &self,
        dataset: &Dataset,
        clipped: &Slab,
        whole: &Slab,
        slab: &Slab,
        data: &[u8],
        worker: &Worker,
    ) -> Result<()> {
        let length = self.chunk_bytes();
        match Spans::new(clipped, slab, whole, self.element_size).next() {
            Some(span) if span.length == length => {
                self.store(dataset, whole, &data[span.from..span.from + length], worker)
            }
            _ => {
                let mut chunk = worker.scratch(length)?;
                if clipped != whole {
                    self.fill.fill(&mut chunk);
                }
                copy_region(clipped, data, slab, &mut chunk, whole, self.element_size);
                self.store(dataset, whole, &chunk, worker)
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
        self.store(dataset, whole, &chunk, worker)
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

    fn store(&self, dataset: &Dataset, whole: &Slab, chunk: &[u8], worker: &Worker) -> Result<()> {
        if self.pipeline.is_identity(0) {
            return self.put(dataset, whole, 0, chunk);
        }
        let mut out = worker.scratch(self.pipeline.encode_bound(chunk.len()))?;
        let mut scratch = worker.scratch(self.pipeline.encode_scratch(chunk.len()))?;
        let encoded = self.pipeline.encode(chunk, &mut out, &mut scratch);
        let encoded = encoded.map_err(|cause| self.codec("compress", cause))?;
        worker.check()?;
        self.put(dataset, whole, encoded.filter_mask, &out[..encoded.len])
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
            Work::encoding(bytes) + Work::computing(bytes.saturating_mul(self.pipeline.encode_operations()))
        };
        Cost::new(held as u64 * chunks, work)
    }

    /// Whether `slab` holds each chunk that it touches to the end.
    fn holds_whole_chunks(&self, shape: &Shape, slab: &Slab) -> bool {
        (0..slab.ndim()).all(|axis| {
            let (start, end, chunk) = (slab.start()[axis], slab.end(axis), self.chunk[axis]);
            start % chunk == 0 && (end % chunk == 0 || end == shape[axis])
        })
    }
}
