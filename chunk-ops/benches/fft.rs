//! Throughput of transforms of an array in memory, beside the bare algorithm on contiguous lines.

use std::sync::Arc;

use chunk_core::{Buffer, ChunkSource, Complex, MemorySource, Slab, Worker};
use chunk_ops::fft;
use divan::Bencher;
use divan::counter::BytesCount;
use rustfft::FftPlanner;

const SHAPES: [[u64; 2]; 3] = [[2048, 8192], [16384, 512], [2048, 8191]];
const THREADS: [usize; 2] = [1, 2];

fn main() {
    divan::main();
}

fn numbers(shape: [u64; 2]) -> Vec<Complex<f64>> {
    (0..shape[0] * shape[1]).map(|i| Complex::new((i % 1009) as f64, (i % 31) as f64)).collect()
}

fn reads(bencher: Bencher, source: MemorySource, axis: usize, threads: usize) {
    let node = fft(Arc::new(source), axis).unwrap();
    let whole = Slab::whole(&node.info().shape);
    let mut out = Buffer::zeroed(node.info().bytes() as usize).unwrap();
    let worker = Worker::with_threads(threads);
    bencher.counter(BytesCount::new(out.len())).bench_local(|| node.read_into(&whole, &mut out, &worker));
}

#[divan::bench(args = SHAPES, consts = THREADS, sample_count = 10)]
fn last_axis<const N: usize>(bencher: Bencher, shape: [u64; 2]) {
    reads(bencher, MemorySource::new(shape, &numbers(shape)).unwrap(), 1, N);
}

#[divan::bench(args = SHAPES, consts = THREADS, sample_count = 10)]
fn first_axis<const N: usize>(bencher: Bencher, shape: [u64; 2]) {
    reads(bencher, MemorySource::new(shape, &numbers(shape)).unwrap(), 0, N);
}

#[divan::bench(args = SHAPES, consts = THREADS, sample_count = 10)]
fn last_axis_of_reals<const N: usize>(bencher: Bencher, shape: [u64; 2]) {
    let reals: Vec<f64> = numbers(shape).iter().map(|z| z.re).collect();
    reads(bencher, MemorySource::new(shape, &reals).unwrap(), 1, N);
}

#[divan::bench(args = SHAPES, sample_count = 10)]
fn bare_lines_on_one_thread(bencher: Bencher, shape: [u64; 2]) {
    let plan = FftPlanner::new().plan_fft_forward(shape[1] as usize);
    let mut scratch = vec![Complex::default(); plan.get_inplace_scratch_len()];
    let x = numbers(shape);
    bencher
        .counter(BytesCount::new(x.len() * 16))
        .with_inputs(|| x.clone())
        .bench_local_refs(|x| plan.process_with_scratch(x, &mut scratch));
}
