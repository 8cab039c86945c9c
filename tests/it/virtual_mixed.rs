//! Datasets of several formats in one: what is read does not depend on where it is.

use std::path::Path;
use std::sync::Arc;

use backend_raw::Raw;
use chunk_core::{
    ChunkSource, ChunkSourceExt, CreateOptions, DType, Location, MemoryBackend, MemorySource, Registry, Run,
};
use chunk_npy::Npy;
use chunk_virtual::hdf5::{Pieces, VirtualHdf5};
use chunk_virtual::{
    Fill, ManifestBackend, ManifestOptions, Selected, SourcePool, VirtualLayout, VirtualSource, VirtualStack, select,
};

const ROWS: u64 = 3;
const COLUMNS: u64 = 4;

/// Four datasets of 3 x 4: HDF5, NumPy's, raw, in memory.
struct Mixed {
    folder: tempfile::TempDir,
    registry: Registry,
    places: Vec<Location>,
}

impl Mixed {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let registry =
            Registry::new().with(VirtualHdf5::default()).with(Npy::default()).with(Raw).with(MemoryBackend::new());
        let path = |name: &str| Location::new(folder.path().join(name));
        let in_memory = Location::new("x").with_scheme("memory");
        let places = vec![path("x.h5").with_dataset("/data"), path("x.npy"), path("x.raw"), in_memory];
        for (number, place) in (0..).zip(&places) {
            let source = MemorySource::new([ROWS, COLUMNS], &elements(number)).unwrap();
            let sink = registry.create(place, source.info().clone(), &CreateOptions::default()).unwrap();
            Run::new().copy(&source, sink).unwrap();
        }
        Mixed { folder, registry, places }
    }

    fn files(&self) -> Vec<VirtualSource> {
        let pool = Arc::new(SourcePool::new(self.registry.clone()).with_most_open(2));
        self.places.iter().map(|place| VirtualSource::open(&pool, place.clone()).unwrap()).collect()
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join(name)
    }
}

fn elements(number: i32) -> Vec<i32> {
    (0..(ROWS * COLUMNS) as i32).map(|element| 100 * number + element).collect()
}

fn all() -> Vec<i32> {
    (0..4).flat_map(elements).collect()
}

#[test]
fn a_stack_of_four_formats_reads_as_one() {
    let mixed = Mixed::new();
    let stack = Arc::new(VirtualStack::new(mixed.files(), 0).unwrap());
    assert_eq!(stack.read_all::<i32>().unwrap(), all());
    let odd = Selected::new(stack.clone(), &select![1..; 2, -1]).unwrap();
    let expected: Vec<i32> = all().chunks(4).map(|row| row[3]).skip(1).step_by(2).collect();
    assert_eq!(odd.read_all::<i32>().unwrap(), expected);
    // The same through a run, into each of the formats.
    for name in ["out.h5", "out.npy", "out.raw"] {
        let place = Location::new(mixed.path(name));
        let info = chunk_core::DatasetInfo::new(stack.info().shape.clone(), DType::I32);
        let place = if name == "out.h5" { place.with_dataset("/data") } else { place };
        let sink = mixed.registry.create(&place, info, &CreateOptions::default()).unwrap();
        Run::new().threads(3).copy(&stack, sink).unwrap();
        assert_eq!(mixed.registry.open(&place).unwrap().read_all::<i32>().unwrap(), all(), "{name}");
    }
    let columns = VirtualStack::new(mixed.files(), -1).unwrap();
    assert_eq!(
        columns.read_all::<i32>().unwrap()[..16],
        [0, 1, 2, 3, 100, 101, 102, 103, 200, 201, 202, 203, 300, 301, 302, 303]
    );
}

#[test]
fn stacks_of_layouts_of_stacks_promote_and_say_what_is_filled() {
    let mixed = Mixed::new();
    let files = mixed.files();
    let pair = Arc::new(VirtualStack::new(files[..2].to_vec(), 1).unwrap());
    let mut layout = VirtualLayout::new([4, 8], DType::I32);
    layout.place(&select![..3], pair.clone()).unwrap();
    let layout = layout.with_fill(Fill::with(-1)).unwrap();
    let mask = layout.mask().read_all::<bool>().unwrap();
    assert_eq!(mask, [vec![false; 24], vec![true; 8]].concat());
    let halves: Arc<dyn ChunkSource> = Arc::new(MemorySource::new([1, 8], &[0.5_f64; 8]).unwrap());
    let nested = VirtualStack::promoting([Arc::new(layout) as Arc<dyn ChunkSource>, pair, halves], 0).unwrap();
    assert_eq!((&nested.info().shape, &nested.info().dtype), (&[8, 8].into(), &DType::F64));
    let pair_rows: Vec<f64> = (0..3_i32)
        .flat_map(|row| (0..8).map(move |column| f64::from(100 * (column / 4) + 4 * row + column % 4)))
        .collect();
    let expected = [pair_rows.clone(), vec![-1.0; 8], pair_rows, vec![0.5; 8]].concat();
    assert_eq!(nested.read_all::<f64>().unwrap(), expected);
    let sources: Vec<String> = nested.sources().map(|source| source.info().shape.to_string()).collect();
    assert_eq!(sources, ["(4, 8)", "(3, 8)", "(1, 8)"]);
}

#[test]
fn a_manifest_of_three_formats_is_a_dataset_and_an_hdf5_mapping_of_them_is_refused() {
    let mixed = Mixed::new();
    let mut files = mixed.files();
    let in_memory = files.pop().unwrap();
    let stack = VirtualStack::new(files, 0).unwrap();
    let manifest = mixed.path("all.chunks");
    stack.save_manifest(&manifest, false).unwrap();
    let registry = mixed.registry.clone().with(ManifestBackend::new(mixed.registry.clone()));
    let source = registry.open(&Location::new(&manifest)).unwrap();
    assert_eq!(source.read_all::<i32>().unwrap(), all()[..36]);
    let error = Pieces::of_stack(&stack).unwrap_err().to_string();
    assert!(error.contains("x.npy is no HDF5 file") && error.contains("convert"), "{error}");
    let kept: Vec<VirtualSource> = mixed.files();
    let with_memory = VirtualStack::new(kept, 0).unwrap();
    assert!(with_memory.save_manifest(mixed.path("no.chunks"), false).is_err());
    assert!(!mixed.path("no.chunks").exists());
    assert_eq!(in_memory.read_all::<i32>().unwrap(), elements(3));
    let opened = VirtualStack::open_manifest(&manifest, in_memory.pool(), &ManifestOptions::default()).unwrap();
    assert!(opened.changed_files().is_empty());
    std::fs::remove_file(Path::new(&mixed.path("x.npy"))).unwrap();
    assert_eq!(opened.changed_files().len(), 1);
}
