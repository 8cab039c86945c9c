//! The suite that every lazy node passes; the oracle is the O(n²) sum.

use std::f64::consts::TAU;
use std::sync::Arc;

use chunk_core::{ChunkSource, ChunkSourceExt, Complex, Element, MemorySource};
use chunk_ops::fft;
use chunk_testkit::{SourceCase, source_conformance};

chunk_testkit::measure_memory!();

const ROWS: usize = 12;
const COLUMNS: usize = 10;

fn numbers() -> MemorySource {
    let numbers: Vec<f64> = (0..ROWS * COLUMNS).map(|i| f64::from((i * 7 % 31) as u32)).collect();
    MemorySource::new([ROWS as u64, COLUMNS as u64], &numbers).unwrap().with_chunk_shape([5, 4]).unwrap()
}

/// The transform of [`numbers`] along `axis`, bin by bin.
fn naive(axis: usize) -> Vec<Complex<f64>> {
    let x = numbers().read_all::<f64>().unwrap();
    let length = [ROWS, COLUMNS][axis];
    let bin = |index: usize| {
        let (row, column) = (index / COLUMNS, index % COLUMNS);
        let term = |n: usize| {
            let (value, k) = if axis == 0 { (x[n * COLUMNS + column], row) } else { (x[row * COLUMNS + n], column) };
            Complex::from_polar(value, -TAU * (n * k % length) as f64 / length as f64)
        };
        (0..length).map(term).sum()
    };
    (0..ROWS * COLUMNS).map(bin).collect()
}

fn case(axis: usize) -> SourceCase {
    let build = move |x: Arc<dyn ChunkSource>| fft(x, axis);
    SourceCase::node(numbers(), build, Complex::as_bytes(&naive(axis))).within(1e-13)
}

source_conformance!(along_the_first_axis, || case(0));
source_conformance!(along_the_last_axis, || case(1));
