//! Any bytes as a file: listed, opened, its first and last elements read, appended to, recovered.

#![no_main]

use chunk_core::{Backend, Buffer, ChunkSource, EntryKind, Location, Slab, Worker};
use chunk_npy::Npy;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let folder = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).expect("a folder");
    let path = folder.path().join("x.npy");
    std::fs::write(&path, bytes).expect("space");
    let backend = Npy::default();
    for entry in backend.list(&path).unwrap_or_default() {
        let EntryKind::Dataset(_) = entry.kind else { continue };
        let location = Location::new(&path).with_dataset(entry.name);
        let Ok(source) = backend.open(&location) else { continue };
        let shape = source.info().shape.clone();
        let ones: Vec<u64> = shape.iter().map(|extent| (*extent).min(1)).collect();
        let last: Vec<u64> = shape.iter().map(|extent| extent.saturating_sub(1)).collect();
        for start in [vec![0; ones.len()], last] {
            let slab = Slab::new(start, ones.clone());
            let length = slab.bytes(source.info().dtype.size());
            if length < 1 << 20 {
                let mut out = Buffer::zeroed(length as usize).expect("memory");
                let _ = source.read_into(&slab, &mut out, &Worker::new());
            }
        }
    }
    let growing = backend.growing().expect("it grows");
    let _ = growing.problems(&path);
    let _ = growing.append(&Location::new(&path), 0).map(drop);
    let _ = growing.recover(&path);
});
