//! Folders and datasets for the tests.

use chunk_core::{ChunkSink, ChunkSource, DType, DatasetInfo, MemorySource, Shape, Slab, Worker};
use chunk_hdf5::{Filter, Hdf5Sink};
use tempfile::TempDir;

pub(crate) fn folder() -> TempDir {
    tempfile::tempdir().unwrap()
}

/// Smooth numbers that compress, with the edges of `f64` among them.
pub(crate) fn doubles(shape: &[u64]) -> MemorySource {
    let count = Shape::from(shape).elements();
    let edges = [f64::NAN, -0.0, f64::INFINITY, f64::MIN_POSITIVE / 4.0];
    let number = |i: u64| if i % 97 == 5 { edges[(i / 97 % 4) as usize] } else { (i % 251) as f64 / 8.0 };
    MemorySource::new(shape, &(0..count).map(number).collect::<Vec<_>>()).unwrap()
}

/// Bytes that no filter shrinks.
pub(crate) fn noise(count: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let next = |_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as u8
    };
    (0..count).map(next).collect()
}

/// Writes all of `source` in slabs of the given shape, and finishes.
pub(crate) fn write(sink: Hdf5Sink, source: &dyn ChunkSource, slab_shape: &[u64]) {
    let grid = chunk_core::Grid::new(source.info().shape.clone(), slab_shape);
    for number in 0..grid.len() {
        let slab = grid.slab(&grid.position(number));
        let mut data = vec![0; slab.bytes(source.info().dtype.size()) as usize];
        source.read_into(&slab, &mut data, &Worker::new()).unwrap();
        sink.write_from(&slab, &data, &Worker::with_threads(2)).unwrap();
    }
    Box::new(sink).finish().unwrap();
}

pub(crate) fn bytes(source: &dyn ChunkSource, slab: &Slab, threads: usize) -> Vec<u8> {
    let mut out = vec![0xAA; slab.bytes(source.info().dtype.size()) as usize];
    source.read_into(slab, &mut out, &Worker::with_threads(threads)).unwrap();
    out
}

pub(crate) fn info(shape: &[u64], dtype: DType, chunk: &[u64]) -> DatasetInfo {
    DatasetInfo::new(shape, dtype).with_chunk_shape(chunk)
}

pub(crate) fn filter(text: &str) -> Filter {
    text.parse().unwrap()
}
