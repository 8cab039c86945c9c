//! PyTables takes our datasets for its own.

use std::path::Path;

use chunk_core::{ChunkSink, ChunkSinkExt, ChunkSource, ChunkSourceExt, DType, DatasetInfo, Element, Error, Slab};
use chunk_hdf5::{Filter, Hdf5Appender, Hdf5Editor, Hdf5Sink, Hdf5Source};
use serde_json::{Value, json};

use crate::{program, python};

const SCRIPT: &str = "metadata.py";

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn nodes(path: &Path) -> Value {
    serde_json::from_str(&python::run(SCRIPT, &["nodes", text(path)])).unwrap()
}

fn write<T: Element>(editor: &Hdf5Editor, name: &str, info: &DatasetInfo, filter: &str, values: &[T]) {
    let sink = editor.create_dataset(name, info.clone(), filter.parse().unwrap()).unwrap().with_pytables().unwrap();
    if !values.is_empty() {
        sink.write_slice(&Slab::whole(&info.shape), values).unwrap();
    }
    Box::new(sink).finish().unwrap();
}

#[test]
fn it_sees_arrays_of_the_right_kind_and_appends_to_them_and_we_after_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ours.h5");
    let editor = Hdf5Editor::create(&path, false).unwrap();
    let growing = |dtype| DatasetInfo::new([0, 3], dtype).with_chunk_shape([4, 3]).with_max_shape([None, Some(3)]);
    write::<f64>(&editor, "/log", &growing(DType::F64), "blosc:lz4:5", &[]);
    write::<bool>(&editor, "/a/flags", &growing(DType::Bool), "gzip:4+fletcher32", &[]);
    let columns = DatasetInfo::new([2, 3], DType::I16).with_chunk_shape([2, 2]).with_max_shape([Some(2), None]);
    write(&editor, "/a/b/columns", &columns, "blosc:zstd:3:bitshuffle", &[1_i16, 2, 3, 4, 5, 6]);
    write(&editor, "/bools", &DatasetInfo::new([3], DType::Bool), "none", &[true, false, true]);
    write::<f64>(&editor, "/none", &DatasetInfo::new([0, 3], DType::F64), "none", &[]);
    let empty = DatasetInfo::new([0, 0], DType::F64).with_chunk_shape([1, 1]).with_max_shape([None, Some(0)]);
    write::<f64>(&editor, "/empty", &empty, "none", &[]);
    write(&editor, "/one", &DatasetInfo::new([], DType::U8), "none", &[7_u8]);
    for dtype in DType::numeric().chain([DType::Bytes(5)]) {
        let sink = editor.create_dataset(&format!("/all/{dtype}"), DatasetInfo::new([2], dtype), Filter::default());
        Box::new(sink.unwrap().with_pytables().unwrap()).finish().unwrap();
    }
    editor.finish().unwrap();
    let seen = nodes(&path);
    assert_eq!(seen["/log"], json!(["EArray", "float64", [0, 3], 0, "[]"]));
    assert_eq!(seen["/a/flags"], json!(["EArray", "bool", [0, 3], 0, "[]"]));
    assert_eq!(seen["/a/b/columns"], json!(["EArray", "int16", [2, 3], 1, "[1, 2, 3, 4, 5, 6]"]));
    assert_eq!(seen["/bools"], json!(["CArray", "bool", [3], -1, "[True, False, True]"]));
    assert_eq!(seen["/none"], json!(["CArray", "float64", [0, 3], -1, "[]"]));
    assert_eq!(seen["/empty"], json!(["EArray", "float64", [0, 0], 0, "[]"]));
    assert_eq!(seen["/one"], json!(["Array", "uint8", [], -1, "[7]"]));
    for dtype in DType::numeric() {
        let node = &seen[format!("/all/{dtype}")];
        assert_eq!((&node[0], &node[1]), (&json!("CArray"), &json!(dtype.to_string())), "{dtype}");
    }
    assert_eq!(seen["/all/S5"][1], "|S5");
    for (name, rows) in [("/log", "3"), ("/a/flags", "6"), ("/a/b/columns", "2")] {
        python::run(SCRIPT, &["append", text(&path), name, rows]);
    }
    let mut log = Hdf5Appender::open(&path, Some("/log"), 0).unwrap();
    log.append(&[5.0; 6]).unwrap();
    log.finish().unwrap();
    let mut flags = Hdf5Appender::open(&path, Some("/a/flags"), 0).unwrap();
    flags.append(&[false; 3]).unwrap();
    flags.finish().unwrap();
    let log = Hdf5Source::open(&path, Some("/log")).unwrap().read_all::<f64>().unwrap();
    assert_eq!(log, [[1.0; 9].as_slice(), &[5.0; 6]].concat());
    let seen = nodes(&path);
    assert_eq!(seen["/log"][4], format!("{log:?}"));
    assert_eq!((&seen["/a/flags"][1], &seen["/a/flags"][2]), (&json!("bool"), &json!([7, 3])));
    assert_eq!(seen["/a/b/columns"][4], "[1, 2, 3, 1, 1, 4, 5, 6, 1, 1]");
    let columns = Hdf5Source::open(&path, Some("/a/b/columns")).unwrap();
    assert_eq!(columns.info().shape[..], [2, 5]);
}

#[test]
fn what_pytables_does_not_have_is_refused_before_anything_is_created() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ours.h5");
    let time = "datetime64[s]".parse::<DType>().unwrap();
    for dtype in [time, DType::Utf8(3), DType::Opaque { size: 2, tag: None }] {
        let sink = Hdf5Sink::create(&path, None, DatasetInfo::new([2], dtype), Filter::default()).unwrap();
        assert!(matches!(sink.with_pytables(), Err(Error::UnsupportedDType { .. })));
    }
    let info = DatasetInfo::new([2, 3], DType::F32);
    let refused = [info.clone().with_max_shape([None, None]), info.clone().with_max_shape([Some(9), Some(3)])];
    for info in refused {
        let sink = Hdf5Sink::create(&path, None, info, Filter::default()).unwrap();
        assert!(matches!(sink.with_pytables(), Err(Error::Unsupported { .. })));
    }
    for filter in ["lzf", "zstd"] {
        let sink = Hdf5Sink::create(&path, None, info.clone(), filter.parse().unwrap()).unwrap();
        assert!(sink.with_pytables().unwrap_err().to_string().contains(filter));
    }
    assert!(!path.exists());
}

#[test]
fn the_scheme_makes_such_files_from_the_command_line() {
    let folder = tempfile::tempdir().unwrap();
    let npy = folder.path().join("x.npy");
    let registry = chunk_core::Registry::new().with(chunk_npy::Npy::default());
    let info = DatasetInfo::new([2, 3], DType::Bool);
    let source = chunk_core::MemorySource::from_bytes(info.clone(), vec![1, 0, 1, 0, 0, 1]).unwrap();
    let sink = registry.create(&chunk_core::Location::new(&npy), info, &chunk_core::CreateOptions::default()).unwrap();
    chunk_core::Run::new().copy(&source, sink).unwrap();
    let out = folder.path().join("x.h5");
    program::succeed(&["convert", text(&npy), &format!("pytables:{}::/g/x", text(&out))]);
    let seen = nodes(&out);
    assert_eq!(seen["/g/x"], json!(["CArray", "bool", [2, 3], -1, "[True, False, True, False, False, True]"]));
    // Beside it in the same file, which is read meanwhile.
    let beside = format!("pytables:{}::/g/y", text(&out));
    program::succeed(&["convert", &format!("{}::/g/x", text(&out)), &beside, "--dtype", "u1"]);
    assert_eq!(nodes(&out)["/g/y"], json!(["CArray", "uint8", [2, 3], -1, "[1, 0, 1, 0, 0, 1]"]));
    let elements = program::succeed(&["hash", &format!("{}::/g/x", text(&out))]);
    let same = program::succeed(&["hash", text(&npy)]);
    assert_eq!(elements.split_whitespace().next(), same.split_whitespace().next());
    let location = format!("pytables:{}::/times", text(&folder.path().join("times.h5")));
    let line = program::fail(&["convert", text(&out), &location, "--dtype", "datetime64[s]", "--casting", "unsafe"], 1);
    assert!(!folder.path().join("times.h5").exists(), "{line}");
}
