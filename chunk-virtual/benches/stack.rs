//! Making, opening and slicing stacks of 100,000 files that are never touched.

use std::fmt::Write;
use std::sync::Arc;

use chunk_core::{ChunkSource, DType, DatasetInfo, Identity, Location, MemoryBackend, MemorySource, Registry, Slab};
use chunk_virtual::{ManifestOptions, Selected, SourcePool, VirtualSource, VirtualStack, select};

const FILES: u64 = 100_000;

fn main() {
    divan::main();
}

fn pool() -> Arc<SourcePool> {
    Arc::new(SourcePool::new(Registry::new()))
}

fn path(number: u64) -> String {
    format!("/archive/2026/run-{number:07}.h5")
}

fn stack(pool: &Arc<SourcePool>) -> VirtualStack {
    let file = |number: u64| {
        let location = Location::new(path(number)).with_dataset("/velocity");
        VirtualSource::new(pool, location, DatasetInfo::new([200, 128], DType::F32)).expect("it is described right")
    };
    VirtualStack::new((0..FILES).map(file), 0).expect("all are alike")
}

#[divan::bench]
fn make(bencher: divan::Bencher) {
    let pool = pool();
    bencher.bench(|| stack(&pool));
}

/// The text of a manifest, as `save_manifest` writes it of files that are there.
fn manifest() -> String {
    let mut body = format!(
        "chunk manifest 1\nroot .\naxis 0\npromote false\nkinds 1\nscheme \ndataset /velocity\ndtype float32\n\
         shape 200 128\nchunks \nfiles {FILES}\n"
    );
    for number in 0..FILES {
        let _ = writeln!(body, "0 200 104448 1790000000000000000 2026/run-{number:07}.h5");
    }
    let sum = Identity::builder("manifest").field("text", &body).finish();
    format!("{body}sum {sum}\n")
}

#[divan::bench]
fn open_manifest(bencher: divan::Bencher) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("all.chunks");
    std::fs::write(&path, manifest()).expect("the manifest is written");
    let pool = pool();
    bencher.bench(|| VirtualStack::open_manifest(&path, &pool, &ManifestOptions::default()).expect("it is sound"));
}

#[divan::bench]
fn slice(bencher: divan::Bencher) {
    let stack: Arc<dyn ChunkSource> = Arc::new(stack(&pool()));
    bencher.bench(|| Selected::new(Arc::clone(&stack), &select![1_234_567..; 1001, ..; -2]).expect("it is inside"));
}

#[divan::bench]
fn plan_all(bencher: divan::Bencher) {
    // What files cost the first of them tells: it is there, in memory.
    let memory = MemoryBackend::new();
    memory.insert(path(0), MemorySource::new([200, 128], &vec![0.0_f32; 200 * 128]).expect("it is as long"));
    let pool = Arc::new(SourcePool::new(Registry::new().with(memory)));
    let file = |number: u64| {
        let location = Location::new(path(number)).with_scheme("memory");
        VirtualSource::new(&pool, location, DatasetInfo::new([200, 128], DType::F32)).expect("it is described right")
    };
    let stack = VirtualStack::new((0..FILES).map(file), 0).expect("all are alike");
    let whole = Slab::whole(&stack.info().shape);
    bencher.bench(|| stack.cost(&whole, 2).expect("the first is there"));
}
