//! How long planning takes: graphs of many nodes, chained and shared.

use std::sync::Arc;

use chunk_core::{
    ChunkSink, ChunkSource, DType, DatasetInfo, Job, MemorySink, MemorySource, Output, Run, Slab, Worker,
};
use chunk_ops::{Differs, Tolerance, fft, map};

fn main() {
    divan::main();
}

type Node = Arc<dyn ChunkSource>;

fn array() -> Node {
    let info = DatasetInfo::new([1024, 1024], DType::F64).with_chunk_shape([128, 1024]);
    Arc::new(MemorySource::from_bytes(info, vec![0; 8 << 20]).unwrap())
}

fn plan(node: &Node) -> Job {
    let info = DatasetInfo::new(node.info().shape.clone(), node.info().dtype.clone()).with_chunk_shape([128, 1024]);
    let build = |info| Ok(Box::new(MemorySink::new(info)?) as Box<dyn ChunkSink>);
    let run = Run::new().budget("1G".parse().unwrap());
    Job::plan(&run, &[Output::new(node.clone(), info, build)], &std::env::temp_dir()).unwrap()
}

/// A chain of so many nodes, each read by the next.
#[divan::bench(args = [10, 100, 1000])]
fn chain(bencher: divan::Bencher, nodes: usize) {
    let top = (0..nodes).fold(array(), |x, _| Arc::new(map(x, |x: f64| x + 1.0).unwrap()));
    bencher.bench(|| plan(&top));
}

/// So many nodes, each pair of which is read twice by the next.
#[divan::bench(args = [10, 100, 1000])]
fn shared(bencher: divan::Bencher, nodes: usize) {
    let top = (0..nodes / 2).fold(array(), |x, _| {
        let differs: Node = Arc::new(Differs::new(x.clone(), x, Tolerance::default()).unwrap());
        Arc::new(map(differs, |differs: bool| f64::from(u8::from(differs))).unwrap())
    });
    bencher.bench(|| plan(&top));
}

/// Fourier transforms along both axes in turn, where every edge is a candidate.
#[divan::bench(args = [1, 2, 4, 8])]
fn transforms(bencher: divan::Bencher, count: usize) {
    let top = (0..count).fold(array(), |x, number| Arc::new(fft(x, number % 2).unwrap()));
    bencher.bench(|| plan(&top));
}

/// One slab of a chain outside a job.
#[divan::bench(args = [10, 100, 1000])]
fn read(bencher: divan::Bencher, nodes: usize) {
    let top = (0..nodes).fold(array(), |x, _| Arc::new(map(x, |x: f64| x + 1.0).unwrap()));
    let slab = Slab::new([0, 0], [1, 64]);
    let mut out = vec![0; 512];
    bencher.bench_local(|| top.read_into(&slab, &mut out, &Worker::new()).unwrap());
}
