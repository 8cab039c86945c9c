//! Virtual datasets: h5py reads ours, we read h5py's.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use chunk_core::{
    ChunkSource, ChunkSourceExt, CreateOptions, DType, DatasetInfo, Error, Location, Registry, Run, Slab,
};
use chunk_hdf5::{Region, VirtualDataset, VirtualMapping};
use chunk_virtual::hdf5::{OpenOptions, Pieces, VirtualHdf5};
use chunk_virtual::{Fill, ManifestOptions, Selected, SourcePool, VirtualLayout, VirtualSource, VirtualStack, select};
use serde_json::Value;

use crate::python;

pub(crate) const SCRIPT: &str = "virtual_datasets.py";

pub(crate) fn registry() -> Registry {
    Registry::new().with(VirtualHdf5::default())
}

pub(crate) fn opened(path: &Path) -> chunk_core::Result<Arc<dyn ChunkSource>> {
    registry().open(&Location::new(path).with_dataset("/v"))
}

pub(crate) fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// Files of h5py's in `folder`: names and values of the virtual ones.
pub(crate) fn theirs(folder: &Path) -> Value {
    serde_json::from_str(&python::run(SCRIPT, &["write", text(folder)])).unwrap()
}

pub(crate) fn values(of: &Value) -> Vec<i32> {
    serde_json::from_value(of["values"].clone()).unwrap()
}

pub(crate) fn read_by_h5py(path: &Path, name: &str) -> Value {
    serde_json::from_str(&python::run(SCRIPT, &["read", text(path), name])).unwrap()
}

pub(crate) fn stack_of_theirs(folder: &Path) -> VirtualStack {
    let pool = Arc::new(SourcePool::new(registry()));
    let file = |number: u64| {
        VirtualSource::open(&pool, Location::new(folder.join(format!("source-{number}.h5"))).with_dataset("/data"))
            .unwrap()
    };
    VirtualStack::new((0..5).map(file), 0).unwrap()
}

#[test]
fn reads_what_h5py_maps() {
    let folder = tempfile::tempdir().unwrap();
    let files = theirs(folder.path());
    let mut compared = 0;
    for (name, expected) in files.as_object().unwrap() {
        let path = folder.path().join(name);
        let shape: Vec<u64> = serde_json::from_value(expected["shape"].clone()).unwrap();
        let source = opened(&path).unwrap_or_else(|error| panic!("{name}: {}", error.report()));
        assert_eq!(&source.info().shape[..], &shape[..], "{name}");
        let gaps = ["blocks.h5", "gap.h5", "interleaved-gap.h5"].contains(&name.as_str());
        let read = source.read_all::<i32>();
        if gaps {
            assert!(matches!(read, Err(Error::NotCovered { .. })), "{name}");
            let options = OpenOptions::default().with_fill(Fill::with(-1));
            let filling = Registry::new().with(VirtualHdf5::default().with_opening(options));
            let filled = filling.open(&Location::new(&path).with_dataset("/v")).unwrap();
            assert_eq!(filled.read_all::<i32>().unwrap(), values(expected), "{name}");
        } else {
            assert_eq!(read.unwrap_or_else(|error| panic!("{name}: {}", error.report())), values(expected), "{name}");
        }
        compared += 1;
    }
    assert_eq!(compared, 10);
}

#[test]
fn h5py_reads_stacks_sliced_or_not() {
    let folder = tempfile::tempdir().unwrap();
    theirs(folder.path());
    let stack = stack_of_theirs(folder.path());
    let shared: Arc<dyn ChunkSource> = Arc::new(stack.clone());
    for (number, indices) in
        [select![..], select![3..17], select![1..; 3, ..; 2], select![.., 4], select![7], select![..2, 1..; 4]]
            .into_iter()
            .enumerate()
    {
        let path = folder.path().join(format!("ours-{number}.h5"));
        Pieces::of_stack(&stack).unwrap().select(&indices).unwrap().write(&path, "/group/v", false).unwrap();
        let selected = Selected::new(shared.clone(), &indices).unwrap();
        let told = read_by_h5py(&path, "/group/v");
        let shape: Vec<u64> = serde_json::from_value(told["shape"].clone()).unwrap();
        assert_eq!(&shape[..], &selected.info().shape[..], "{indices}");
        assert_eq!(values(&told), selected.read_all::<i32>().unwrap(), "{indices}");
        assert_eq!(told["fill"].as_f64(), Some(f64::from(i32::MIN)));
        // Relative, so that the folder can be moved.
        assert!(
            told["mappings"].as_array().unwrap().iter().all(|m| m["file"].as_str().unwrap().starts_with("source-"))
        );
        let again = registry().open(&Location::new(&path)).unwrap();
        assert_eq!(again.read_all::<i32>().unwrap(), values(&told), "{indices}");
    }
}

#[test]
fn reads_blocks_that_are_not_evenly_spaced() {
    let folder = tempfile::tempdir().unwrap();
    let files: Value = serde_json::from_str(&python::run(SCRIPT, &["irregular", text(folder.path())])).unwrap();
    let filling = VirtualHdf5::default().with_opening(OpenOptions::default().with_fill(Fill::stated()));
    let registry = Registry::new().with(filling);
    for (name, expected) in files.as_object().unwrap() {
        let source = registry.open(&Location::new(folder.path().join(name)).with_dataset("/v")).unwrap();
        assert_eq!(source.read_all::<i32>().unwrap(), values(expected), "{name}");
        let gaps = opened(&folder.path().join(name)).unwrap().read_all::<i32>();
        assert_eq!(matches!(gaps, Err(Error::NotCovered { .. })), name == "staggered.h5");
    }
    assert_eq!(files.as_object().unwrap().len(), 5);
}

#[test]
fn a_mapping_of_points_is_an_error_that_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let mapping = VirtualMapping {
        file: "x.h5".to_owned(),
        dataset: "/data".to_owned(),
        at: Region::Points,
        of: Region::All,
        source_shape: [3].into(),
    };
    let dataset = VirtualDataset::new(DatasetInfo::new([3], DType::I32), "v", vec![mapping]);
    let pool = Arc::new(SourcePool::new(registry()));
    let path = folder.path().join("v.h5");
    let error = chunk_virtual::hdf5::open(&path, &dataset, &pool, &OpenOptions::default()).unwrap_err();
    assert!(matches!(&error, Error::Unsupported { dataset, .. } if dataset == "/v"), "{error}");
    assert!(error.to_string().contains("points"), "{error}");
    assert!(dataset.write(&path, false).is_err() && !path.exists());
}

#[test]
fn h5py_reads_any_part_of_what_was_written() {
    let folder = tempfile::tempdir().unwrap();
    theirs(folder.path());
    let stack = stack_of_theirs(folder.path());
    Pieces::of_stack(&stack).unwrap().write(folder.path().join("stack.h5"), "v", false).unwrap();
    let sliced = Pieces::of_stack(&stack).unwrap().select(&select![1..; 3, ..; 2]).unwrap();
    sliced.write(folder.path().join("sliced.h5"), "v", false).unwrap();
    let mut same = VirtualLayout::new([2, 4, 6], DType::I32);
    let pool = Arc::new(SourcePool::new(registry()));
    for plane in 0..2_i64 {
        let path = folder.path().join(format!("source-{plane}.h5"));
        same.place(&select![plane], VirtualSource::open(&pool, Location::new(path)).unwrap()).unwrap();
    }
    Pieces::of_layout(&same).unwrap().write(folder.path().join("stacked.h5"), "v", false).unwrap();
    for (name, ndim) in [("stack.h5", "2\n"), ("sliced.h5", "2\n"), ("stacked.h5", "3\n")] {
        let path = folder.path().join(name);
        assert_eq!(python::run(SCRIPT, &["partial", text(&path), "v"]), ndim);
        let told = read_by_h5py(&path, "v");
        assert_eq!(opened(&path).unwrap().read_all::<i32>().unwrap(), values(&told), "{name}");
    }
}

#[test]
fn a_moved_folder_takes_its_sources_along() {
    let root = tempfile::tempdir().unwrap();
    let (old, new) = (root.path().join("old"), root.path().join("new"));
    fs::create_dir_all(old.join("below")).unwrap();
    theirs(&old.join("below"));
    let stack = stack_of_theirs(&old.join("below"));
    // However the two were named, by a detour or by a link.
    std::os::unix::fs::symlink(&old, root.path().join("alias")).unwrap();
    Pieces::of_stack(&stack).unwrap().write(old.join("v.h5"), "v", false).unwrap();
    Pieces::of_stack(&stack).unwrap().write(old.join("below/../w.h5"), "v", false).unwrap();
    Pieces::of_stack(&stack).unwrap().write(root.path().join("alias/x.h5"), "v", false).unwrap();
    let before = stack.read_all::<i32>().unwrap();
    fs::rename(&old, &new).unwrap();
    for name in ["v.h5", "w.h5", "x.h5"] {
        let told = read_by_h5py(&new.join(name), "v");
        assert_eq!(values(&told), before, "{name}: {}", told["mappings"]);
        assert_eq!(opened(&new.join(name)).unwrap().read_all::<i32>().unwrap(), before, "{name}");
    }
}

/// Sources of 2 x 3 that may grow along both axes.
fn growing(folder: &Path, count: u64) -> Vec<VirtualSource> {
    python::run(SCRIPT, &["growing", text(folder), &count.to_string()]);
    let pool = Arc::new(SourcePool::new(registry()));
    let path = |number| folder.join(format!("growing-{number}.h5"));
    let file = |number| VirtualSource::open(&pool, Location::new(path(number)).with_dataset("/data")).unwrap();
    (0..count).map(file).collect()
}

fn grow(folder: &Path, number: u64, by: [&str; 2]) {
    python::run(SCRIPT, &["grow", text(&folder.join(format!("growing-{number}.h5"))), by[0], by[1]]);
}

/// h5py and we read the same, of this shape.
fn assert_reaches(path: &Path, shape: [u64; 2]) {
    let (told, ours) = (read_by_h5py(path, "v"), opened(path).unwrap());
    assert_eq!(told["shape"], serde_json::json!(shape));
    assert_eq!(ours.info().shape, shape.into());
    assert_eq!(ours.read_all::<i32>().unwrap(), values(&told));
    let listed = registry().list(&Location::new(path)).unwrap();
    let chunk_core::EntryKind::Dataset(entry) = &listed[0].kind else { panic!("{listed:?}") };
    assert_eq!(entry.info.shape, shape.into());
}

#[test]
fn a_stack_without_end_grows_with_its_last_source() {
    let folder = tempfile::tempdir().unwrap();
    let stack = VirtualStack::new(growing(folder.path(), 3), 0).unwrap().with_max_shape([None, Some(3)]).unwrap();
    let path = folder.path().join("v.h5");
    Pieces::of_stack(&stack).unwrap().write(&path, "v", false).unwrap();
    assert_reaches(&path, [6, 3]);
    // Another than the last is what it was when it was stacked.
    grow(folder.path(), 1, ["3", "0"]);
    assert_reaches(&path, [6, 3]);
    grow(folder.path(), 2, ["5", "0"]);
    assert_reaches(&path, [11, 3]);
    assert_eq!(opened(&path).unwrap().info().max_shape, Some(vec![None, Some(3)]));
}

#[test]
fn all_sources_of_a_stack_may_grow_along_another_axis() {
    let folder = tempfile::tempdir().unwrap();
    let stack = VirtualStack::new(growing(folder.path(), 2), 0).unwrap().with_max_shape([Some(4), None]).unwrap();
    let path = folder.path().join("v.h5");
    Pieces::of_stack(&stack).unwrap().write(&path, "v", false).unwrap();
    assert_reaches(&path, [4, 3]);
    grow(folder.path(), 0, ["0", "2"]);
    grow(folder.path(), 1, ["0", "2"]);
    assert_reaches(&path, [4, 5]);
    // Where one is behind, others fill, and we say that nothing is there.
    grow(folder.path(), 0, ["0", "1"]);
    assert_eq!(read_by_h5py(&path, "v")["shape"], serde_json::json!([4, 6]));
    assert!(matches!(opened(&path).unwrap().read_all::<i32>(), Err(Error::NotCovered { .. })));
}

#[test]
fn interleaved_sources_grow_each_in_its_rows() {
    let folder = tempfile::tempdir().unwrap();
    let mut layout = VirtualLayout::new([4, 3], DType::I32).with_max_shape([None, Some(3)]).unwrap();
    for (number, file) in (0_i64..).zip(growing(folder.path(), 2)) {
        layout.place(&select![number..; 2], file).unwrap();
    }
    let path = folder.path().join("v.h5");
    Pieces::of_layout(&layout).unwrap().write(&path, "v", false).unwrap();
    assert_reaches(&path, [4, 3]);
    grow(folder.path(), 0, ["3", "0"]);
    grow(folder.path(), 1, ["3", "0"]);
    assert_reaches(&path, [10, 3]);
}

#[test]
fn growing_that_hdf5_cannot_say_is_refused_and_leaves_no_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("v.h5");
    let files = growing(folder.path(), 2);
    let refused = |pieces: Pieces, word: &str| {
        let error = pieces.write(&path, "v", false).unwrap_err();
        assert!(matches!(error, Error::InvalidArgument(_)) && error.to_string().contains(word), "{error}");
        assert!(!path.exists());
    };
    let both = VirtualStack::new(files.clone(), 0).unwrap().with_max_shape([None, None]).unwrap();
    refused(Pieces::of_stack(&both).unwrap(), "several axes");
    let mut early = VirtualLayout::new([5, 3], DType::I32).with_max_shape([None, Some(3)]).unwrap();
    early.place(&select![..2], files[0].clone()).unwrap();
    refused(Pieces::of_layout(&early.with_fill(Fill::with(-1)).unwrap()).unwrap(), "no source ends where it ends");
    let mut part = VirtualLayout::new([1, 3], DType::I32).with_max_shape([None, Some(3)]).unwrap();
    part.place_selected(&select![..], files[0].clone(), &select![..1]).unwrap();
    refused(Pieces::of_layout(&part).unwrap(), "no source ends where it ends");
    // A maximum that is no infinity is said as such, and a stack cannot outgrow its own.
    let mut stack = VirtualStack::new(files, 0).unwrap().with_max_shape([Some(5), Some(3)]).unwrap();
    Pieces::of_stack(&stack).unwrap().write(&path, "v", false).unwrap();
    assert_eq!(opened(&path).unwrap().info().max_shape, Some(vec![Some(5), Some(3)]));
    let again = stack.source(0);
    assert!(stack.append(again).is_err());
    assert_eq!((stack.len(), &stack.info().shape), (2, &[4, 3].into()));
}

#[test]
fn what_a_hyperslab_cannot_say_is_refused_and_leaves_no_file() {
    let folder = tempfile::tempdir().unwrap();
    theirs(folder.path());
    let stack = stack_of_theirs(folder.path());
    for indices in [select![..; -1], select![[0, 2, 5]], select![chunk_virtual::Index::NewAxis]] {
        let error = Pieces::of_stack(&stack).unwrap().select(&indices).unwrap_err().to_string();
        assert!(error.contains("convert"), "{error}");
    }
    let path = folder.path().join("ours.h5");
    let empty = Pieces::of_stack(&stack).unwrap().select(&select![5..3]).unwrap();
    assert!(empty.write(&path, "v", false).unwrap_err().to_string().contains("no elements"));
    assert!(!path.exists());
    let memory = chunk_core::MemorySource::new([2, 6], &[0; 12]).unwrap();
    let mixed = VirtualStack::new([Arc::new(memory)], 0).unwrap();
    assert!(Pieces::of_stack(&mixed).unwrap_err().to_string().contains("convert"));
}

#[test]
fn h5py_reads_layouts_interleaved_and_sliced() {
    let folder = tempfile::tempdir().unwrap();
    theirs(folder.path());
    let pool = Arc::new(SourcePool::new(registry()));
    let mut layout = VirtualLayout::new([20, 3], DType::I32);
    for number in 0..5_i64 {
        let path = folder.path().join(format!("source-{number}.h5"));
        let file = VirtualSource::open(&pool, Location::new(path).with_dataset("/data")).unwrap();
        layout.place_selected(&select![number..; 5], file, &select![.., 1..; 2]).unwrap();
    }
    let shared: Arc<dyn ChunkSource> = Arc::new(layout.clone());
    for (number, indices) in [select![..], select![2..15], select![1..; 3, 1], select![4..; 5]].into_iter().enumerate()
    {
        let path = folder.path().join(format!("layout-{number}.h5"));
        let pieces = Pieces::of_layout(&layout).unwrap().select(&indices).unwrap();
        pieces.write(&path, "v", false).unwrap();
        let told = read_by_h5py(&path, "v");
        let selected = Selected::new(shared.clone(), &indices).unwrap();
        assert_eq!(values(&told), selected.read_all::<i32>().unwrap(), "{indices}");
        assert_eq!(told["mappings"].as_array().unwrap().len(), pieces.len());
    }
    // What is not covered would silently be filled by other readers.
    let file = VirtualSource::open(&pool, Location::new(folder.path().join("source-0.h5"))).unwrap();
    let mut gap = VirtualLayout::new([9, 6], DType::I32);
    gap.place(&select![..8; 2], file).unwrap();
    assert!(matches!(Pieces::of_layout(&gap), Err(Error::NotCovered { .. })));
    let path = folder.path().join("filled.h5");
    Pieces::of_layout(&gap.with_fill(Fill::with(-5)).unwrap()).unwrap().write(&path, "v", false).unwrap();
    let told = read_by_h5py(&path, "v");
    assert_eq!(values(&told).iter().filter(|value| **value == -5).count(), 5 * 6);
}

#[test]
fn pieces_of_one_source_are_one_mapping_again() {
    let folder = tempfile::tempdir().unwrap();
    theirs(folder.path());
    let pool = Arc::new(SourcePool::new(registry()));
    let file = || VirtualSource::open(&pool, Location::new(folder.path().join("source-1.h5"))).unwrap();
    let mut layout = VirtualLayout::new([4, 6], DType::I32);
    for row in 0..4_i64 {
        layout.place_selected(&select![row..=row], file(), &select![row..=row]).unwrap();
    }
    let pieces = Pieces::of_layout(&layout).unwrap();
    assert_eq!(pieces.len(), 1);
    pieces.write(folder.path().join("joined.h5"), "v", false).unwrap();
    let told = read_by_h5py(&folder.path().join("joined.h5"), "v");
    assert_eq!(values(&told), layout.read_all::<i32>().unwrap());
}

#[test]
fn missing_shrunk_and_retyped_sources_are_named_or_filled_when_asked() {
    let folder = tempfile::tempdir().unwrap();
    theirs(folder.path());
    let path = folder.path().join("end-to-end.h5");
    fs::remove_file(folder.path().join("source-1.h5")).unwrap();
    let write = |number: u64, shape: [u64; 2], dtype: DType| {
        let location = Location::new(folder.path().join(format!("source-{number}.h5"))).with_dataset("/data");
        let info = DatasetInfo::new(shape, dtype);
        let bytes = vec![0; info.bytes() as usize];
        let source = chunk_core::MemorySource::from_bytes(info.clone(), bytes).unwrap();
        let sink = registry().create(&location, info, &CreateOptions::default().with_overwrite(true)).unwrap();
        Run::new().copy(&source, sink).unwrap();
    };
    write(2, [3, 6], DType::I32);
    write(3, [4, 6], DType::F64);
    let source = opened(&path).unwrap();
    let rows = |start: u64| source.read_vec::<i32>(&Slab::new([start, 0], [4, 6]));
    assert!(rows(0).is_ok() && rows(16).is_ok());
    for (start, words) in
        [(4, ["source-1", "no such file"]), (8, ["source-2", "(3, 6)"]), (12, ["source-3", "float64"])]
    {
        let error = rows(start).unwrap_err().report();
        assert!(words.iter().all(|word| error.contains(word)), "{error}");
    }
    let options = OpenOptions::default().with_fill(Fill::with(-9).also_missing());
    let filling = Registry::new().with(VirtualHdf5::default().with_opening(options));
    let filled = filling.open(&Location::new(&path)).unwrap().read_all::<i32>().unwrap();
    assert_eq!(filled.iter().filter(|value| **value == -9).count(), 3 * 24);
}

#[test]
fn a_cycle_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    theirs(folder.path());
    let error = opened(&folder.path().join("cycle-a.h5")).unwrap().read_all::<i32>().unwrap_err();
    assert!(error.to_string().contains("source of itself"), "{}", error.report());
}

#[test]
fn sources_outside_the_folder_must_be_allowed() {
    let (data, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    theirs(data.path());
    let path = other.path().join("v.h5");
    Pieces::of_stack(&stack_of_theirs(data.path())).unwrap().write(&path, "v", false).unwrap();
    assert_eq!(values(&read_by_h5py(&path, "v")).len(), 120);
    let error = opened(&path).unwrap_err();
    assert!(matches!(error, Error::Unsupported { .. }) && error.to_string().contains("outside"), "{error}");
    let allowed = VirtualHdf5::default().with_opening(OpenOptions::default().with_outside(true));
    let source = Registry::new().with(allowed).open(&Location::new(&path)).unwrap();
    assert_eq!(source.read_all::<i32>().unwrap(), values(&read_by_h5py(&path, "v")));
}

#[test]
fn many_files_under_a_small_limit_of_open_ones() {
    let folder = tempfile::tempdir().unwrap();
    theirs(folder.path());
    let original = folder.path().join("source-1.h5");
    for number in 0..300 {
        fs::copy(&original, folder.path().join(format!("copy-{number}.h5"))).unwrap();
    }
    let pool = Arc::new(SourcePool::new(registry()).with_most_open(8));
    let info = DatasetInfo::new([4, 6], DType::I32).with_chunk_shape([3, 4]);
    let file = |number: u64| {
        let location = Location::new(folder.path().join(format!("copy-{number}.h5"))).with_dataset("/data");
        VirtualSource::new(&pool, location, info.clone()).unwrap()
    };
    let stack = VirtualStack::new((0..300).map(file), 0).unwrap();
    let once: Vec<i32> = (1000..1024).collect();
    assert_eq!(stack.read_all::<i32>().unwrap(), once.repeat(300));
    assert!(pool.open_sources() <= 8);
    stack.save_manifest(folder.path().join("all.chunks"), false).unwrap();
    let again =
        VirtualStack::open_manifest(folder.path().join("all.chunks"), &pool, &ManifestOptions::default()).unwrap();
    assert_eq!(again.read_vec::<i32>(&Slab::new([1196, 0], [4, 6])).unwrap(), once);
}
