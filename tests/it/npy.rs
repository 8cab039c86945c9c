//! .npy files between NumPy, npy-append-array and us.

use std::fs;
use std::path::{Path, PathBuf};

use chunk_core::{Buffer, ChunkSink, ChunkSource, DType, DatasetInfo, Slab, Worker};
use chunk_npy::{
    AppendOptions, Mode, NpyAppender, NpyFile, NpySink, NpySource, Recovery, make_appendable, needs_recovery, recover,
};
use serde_json::Value;
use tempfile::TempDir;

use crate::python;

/// The folder that a command of `npy.py` filled, and its manifest.
fn made(command: &str) -> (TempDir, Vec<Value>) {
    let folder = tempfile::tempdir().unwrap();
    python::run("npy.py", &[command, text_of(folder.path())]);
    let manifest = fs::read(folder.path().join("manifest.json")).unwrap();
    (folder, serde_json::from_slice(&manifest).unwrap())
}

fn text_of(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn file_of(folder: &TempDir, entry: &Value) -> PathBuf {
    folder.path().join(entry["file"].as_str().unwrap())
}

fn bytes_of(source: &dyn ChunkSource) -> Vec<u8> {
    let info = source.info();
    let mut out = Buffer::zeroed(info.bytes() as usize).unwrap();
    source.read_into(&Slab::whole(&info.shape), &mut out, &Worker::new()).unwrap();
    out.to_vec()
}

fn shape_of(entry: &Value) -> Vec<u64> {
    entry["shape"].as_array().unwrap().iter().map(|extent| extent.as_u64().unwrap()).collect()
}

#[test]
fn we_read_what_numpy_writes() {
    for command in ["write", "odd"] {
        let (folder, entries) = made(command);
        for entry in &entries {
            let path = file_of(&folder, entry);
            let source = NpySource::open(&path).unwrap_or_else(|error| panic!("{entry}: {}", error.report()));
            assert_eq!(*source.info().shape, *shape_of(entry), "{entry}");
            let expected = fs::read(path.with_extension("bin")).unwrap();
            // What lies between fields is NumPy's business.
            assert_eq!(bytes_of(&source), expected, "{entry}: {}", source.info().dtype);
        }
        assert!(entries.len() > 8);
    }
}

/// Writes the array again: as a run does, and item by item.
fn rewritten(path: &Path, folder: &Path) -> Vec<PathBuf> {
    let file = NpyFile::open(path).unwrap();
    let (info, fortran) = (file.info().clone(), file.fortran_order());
    let bytes = bytes_of(&file.source());
    let mut made = Vec::new();
    if !fortran {
        let path = folder.join("sink.npy");
        let plain = DatasetInfo::new(info.shape.clone(), info.dtype.clone());
        let sink = NpySink::create(&path, plain, true).unwrap();
        sink.write_from(&Slab::whole(&info.shape), &bytes, &Worker::new()).unwrap();
        Box::new(sink).finish().unwrap();
        made.push(path);
    }
    let axis = if fortran { info.shape.len().checked_sub(1) } else { (!info.shape.is_empty()).then_some(0) };
    if let Some(axis) = axis.filter(|_| !bytes.is_empty() || info.shape.first() == Some(&0)) {
        let path = folder.join("appended.npy");
        let mut item_shape = info.shape.to_vec();
        item_shape.remove(axis);
        let options = AppendOptions::new(Mode::Truncate).with_fortran_order(fortran).with_sync(false).with_buffer(100);
        let mut appender = options.open(&path, &info.dtype, &item_shape).unwrap();
        for item in 0..info.shape[axis] {
            let slab = Slab::whole(&info.shape).with_axis(axis, item..item + 1);
            let mut part = vec![0; slab.bytes(info.dtype.size()) as usize];
            chunk_core::copy_region(&slab, &bytes, &Slab::whole(&info.shape), &mut part, &slab, info.dtype.size());
            appender.append_bytes(&info.dtype, &part).unwrap();
        }
        appender.close().unwrap();
        made.push(path);
    }
    made
}

#[test]
fn we_write_numpys_bytes_header_and_all() {
    let (folder, entries) = made("write");
    let (mut compared, out) = (0, tempfile::tempdir().unwrap());
    for entry in entries.iter().filter(|entry| entry["ours"] == true) {
        let path = file_of(&folder, entry);
        let expected = fs::read(&path).unwrap();
        for ours in rewritten(&path, out.path()) {
            assert_eq!(fs::read(&ours).unwrap(), expected, "{} for {entry}", ours.display());
            compared += 1;
        }
    }
    assert!(compared > 500, "{compared}");
}

/// The bytes of rows `[i, i]`.
fn rows(range: std::ops::Range<u64>) -> Vec<f64> {
    range.flat_map(|row| [row as f64; 2]).collect()
}

/// The same as the last axis of an array of two rows.
fn columns(range: std::ops::Range<u64>) -> Vec<f64> {
    let one: Vec<f64> = range.map(|row| row as f64).collect();
    [&one[..], &one].concat()
}

fn rows_seen(paths: &[&Path]) -> Vec<u64> {
    let arguments: Vec<&str> = ["rows"].into_iter().chain(paths.iter().map(|path| text_of(path))).collect();
    python::run("npy.py", &arguments).lines().map(|line| line.parse().unwrap()).collect()
}

#[test]
fn we_append_to_files_of_npy_append_array_and_it_to_ours() {
    let (folder, entries) = made("append-array");
    let paths: Vec<PathBuf> = entries.iter().map(|entry| file_of(&folder, entry)).collect();
    for (entry, path) in entries.iter().zip(&paths) {
        let count = entry["rows"].as_u64().unwrap();
        let length = fs::metadata(path).unwrap().len() - if path.ends_with("killed.npy") { 4 * 16 } else { 0 };
        let mut appender = NpyAppender::open(path).unwrap();
        assert_eq!(appender.items(), count, "{entry}");
        let part = if entry["fortran"] == true { columns(count..20) } else { rows(count..20) };
        appender.append(&part).unwrap();
        appender.close().unwrap();
        assert_eq!(fs::metadata(path).unwrap().len(), length + (20 - count) * 16, "{entry}");
    }
    assert_eq!(rows_seen(&paths.iter().map(PathBuf::as_path).collect::<Vec<_>>()), vec![20; paths.len()]);

    let ours = folder.path().join("ours.npy");
    let mut appender = NpyAppender::create::<f64>(&ours, &[2]).unwrap();
    appender.append(&rows(0..7)).unwrap();
    appender.close().unwrap();
    python::run("npy.py", &["append-rows", text_of(&ours), "30"]);
    let mut appender = NpyAppender::open(&ours).unwrap();
    assert_eq!(appender.items(), 30);
    appender.append(&rows(30..31)).unwrap();
    appender.close().unwrap();
    assert_eq!(rows_seen(&[&ours]), [31]);
}

#[test]
fn what_npy_append_array_left_unfinished_can_be_kept_or_cut() {
    for (recovery, expected) in [(Recovery::WholeItems, 9), (Recovery::Committed, 5)] {
        let (folder, _) = made("append-array");
        let path = folder.path().join("killed.npy");
        assert!(needs_recovery(&path).unwrap());
        recover(&path, recovery).unwrap();
        assert_eq!(rows_seen(&[&path]), [expected]);
    }
}

#[test]
fn numpy_reads_what_grew_was_made_appendable_or_was_swapped() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let tight = |descr: &str, order: &str, shape: &str, data: &[u8]| {
        let text = format!("{{'descr': '{descr}', 'fortran_order': {order}, 'shape': {shape}}}\n");
        let length = (text.len() as u16).to_le_bytes();
        [b"\x93NUMPY\x01\x00", &length[..], text.as_bytes(), data].concat()
    };
    let bytes = |rows: &[f64]| rows.iter().flat_map(|x| x.to_le_bytes()).collect::<Vec<_>>();
    fs::write(path("c.npy"), tight("<f8", "False", "(3, 2)", &bytes(&rows(0..3)))).unwrap();
    fs::write(path("f.npy"), tight("<f8", "True", "(2, 3)", &bytes(&rows(0..3)))).unwrap();
    for (name, part) in [("c.npy", rows(3..5000)), ("f.npy", columns(3..5000))] {
        assert!(make_appendable(path(name)).unwrap());
        let mut appender = NpyAppender::open(path(name)).unwrap();
        appender.append(&part).unwrap();
        appender.close().unwrap();
    }
    assert_eq!(rows_seen(&[&path("c.npy"), &path("f.npy")]), [5000, 5000]);

    let numbers: Vec<i32> = (0..10).collect();
    for (name, descr) in [("big.npy", ">i4"), ("little.npy", "<i4")] {
        fs::write(path(name), tight(descr, "False", "(0,)", &[])).unwrap();
        make_appendable(path(name)).unwrap();
        let mut appender = NpyAppender::open(path(name)).unwrap();
        appender.append(&numbers).unwrap();
        appender.close().unwrap();
    }
    let order = |name: &str| fs::read(path(name)).unwrap()[128..].to_vec();
    let mut swapped = order("big.npy");
    DType::I32.swap_bytes(&mut swapped);
    assert_eq!(swapped, order("little.npy"));
}

#[test]
fn numpy_maps_what_we_write() {
    let (folder, entries) = made("write");
    let mut pairs = Vec::new();
    for (number, entry) in entries.iter().enumerate().filter(|(number, entry)| entry["ours"] == true && number % 3 == 0)
    {
        let path = file_of(&folder, entry);
        let out = folder.path().join(format!("ours-{number}"));
        fs::create_dir(&out).unwrap();
        pairs.extend(rewritten(&path, &out).into_iter().map(|ours| [ours, path.clone()]));
    }
    let list = folder.path().join("pairs.json");
    fs::write(&list, serde_json::to_vec(&pairs).unwrap()).unwrap();
    let printed = python::run("npy.py", &["same", text_of(&list)]);
    assert_eq!(printed.trim(), pairs.len().to_string());
    assert!(pairs.len() > 150);
}
