//! The suite that every lazy node passes.

use std::sync::Arc;

use chunk_core::{Casting, ChunkSource, DType, Element, MemorySource, Slab, Window, cast};
use chunk_testkit::{SourceCase, source_conformance};

chunk_testkit::measure_memory!();

const SHAPE: [u64; 2] = [160, 70];

fn numbers() -> Vec<i16> {
    (0..160 * 70).map(|i| i % 1000 - 500).collect()
}

fn case(dtype: DType, numbers: &[i16], oracle: Vec<u8>) -> SourceCase {
    let input = MemorySource::new(SHAPE, numbers).unwrap().with_chunk_shape([64, 30]).unwrap();
    SourceCase::node(input, move |x: Arc<dyn ChunkSource>| cast(x, &dtype, Casting::Unsafe), oracle)
}

source_conformance!(cast_to_wider, || {
    let wider: Vec<f64> = numbers().into_iter().map(f64::from).collect();
    case(DType::F64, &numbers(), f64::as_bytes(&wider).to_vec())
});

source_conformance!(cast_to_narrower, || {
    let narrower: Vec<u8> = numbers().into_iter().map(|x| x.to_le_bytes()[0]).collect();
    let small: Vec<i16> = narrower.iter().copied().map(i16::from).collect();
    case(DType::U8, &small, narrower)
});

source_conformance!(a_window, || {
    let numbers = numbers();
    let input = MemorySource::new(SHAPE, &numbers).unwrap().with_chunk_shape([64, 30]).unwrap();
    let inside = (21..128).flat_map(|row| numbers[row * 70 + 7..row * 70 + 66].to_vec());
    let oracle = i16::as_bytes(&inside.collect::<Vec<_>>()).to_vec();
    SourceCase::node(input, |x: Arc<dyn ChunkSource>| Window::new(x, Slab::new([21, 7], [107, 59])), oracle)
});
