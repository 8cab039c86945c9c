//! netCDF-4 files: netCDF4, h5netcdf and xarray read ours, and we add to theirs.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use chunk_core::{DType, DatasetInfo, Error, Location, MemorySource, Registry, Run};
use chunk_hdf5::Hdf5Editor;
use chunk_virtual::hdf5::{Dimension, Pieces, VirtualHdf5};
use chunk_virtual::{SourcePool, VirtualLayout, VirtualSource, VirtualStack, select};
use serde_json::{Value, json};

use crate::python;

const SCRIPT: &str = "netcdf.py";

fn by_all_readers(path: &Path) -> Value {
    serde_json::from_str(&python::run(SCRIPT, &["read", path.to_str().unwrap()])).unwrap()
}

fn source(pool: &Arc<SourcePool>, folder: &Path, number: u64) -> VirtualSource {
    VirtualSource::open(pool, Location::new(folder.join(format!("part-{number}.h5"))).with_dataset("/data")).unwrap()
}

fn pool() -> Arc<SourcePool> {
    Arc::new(SourcePool::new(Registry::new().with(VirtualHdf5::default())))
}

/// The files of a stack of 12 rows of 3, counted through.
fn stack(folder: &Path) -> VirtualStack {
    python::run(SCRIPT, &["sources", folder.to_str().unwrap()]);
    let pool = pool();
    VirtualStack::new((0..3).map(|number| source(&pool, folder, number)), 0).unwrap()
}

fn rows(from: i32, to: i32) -> Value {
    (from..to).map(|row| json!([3 * row, 3 * row + 1, 3 * row + 2])).collect()
}

#[test]
fn all_readers_see_stacks_layouts_and_slices_with_their_dimensions() {
    let folder = tempfile::tempdir().unwrap();
    let stack = stack(folder.path());
    let path = folder.path().join("all.nc");
    let editor = Hdf5Editor::create(&path, false).unwrap();
    let times: Vec<i64> = (100..112).collect();
    let pieces = Pieces::of_stack(&stack).unwrap();
    let time = Dimension::from("time").with_coordinates(&times);
    pieces.create_variable(&editor, "v", &[time, "x".into()]).unwrap();
    editor.set_attribute("time", "units", "seconds since 1970-01-01").unwrap();
    editor.set_attribute("v", "units", "m/s").unwrap();
    let part = pieces.clone().select(&select![2..10; 2]).unwrap();
    part.create_variable(&editor, "/g/part", &["half".into(), "x".into()]).unwrap();
    let column = pieces.clone().select(&select![.., 1]).unwrap();
    column.create_variable(&editor, "/g/column", &["time".into()]).unwrap();
    let mut layout = VirtualLayout::new([3, 4, 3], DType::I32);
    for number in 0..3_u8 {
        layout.place(&select![i64::from(number)], source(&pool(), folder.path(), number.into())).unwrap();
    }
    let layout = Pieces::of_layout(&layout).unwrap();
    layout.create_variable(&editor, "cube", &["file".into(), "row".into(), "x".into()]).unwrap();
    // A virtual variable of coordinates, and one along them.
    let first = pieces.clone().select(&select![..5, 0]).unwrap();
    first.create_variable(&editor, "along", &["along".into()]).unwrap();
    first.create_variable(&editor, "beside", &["along".into()]).unwrap();
    editor.finish().unwrap();
    let found = by_all_readers(&path);
    assert_eq!(found["v"], json!([["time", "x"], rows(0, 12), "m/s"]));
    assert_eq!(found["time"], json!([["time"], times, "seconds since 1970-01-01"]));
    let halves: Vec<Value> =
        [2, 4, 6, 8].iter().flat_map(|row| rows(*row, row + 1).as_array().unwrap().clone()).collect();
    assert_eq!(found["g/part"], json!([["half", "x"], halves, null]));
    assert_eq!(found["g/column"][0], json!(["time"]));
    assert_eq!(found["cube"], json!([["file", "row", "x"], [rows(0, 4), rows(4, 8), rows(8, 12)], null]));
    assert_eq!(found["along"], json!([["along"], [0, 3, 6, 9, 12], null]));
    assert_eq!(found["beside"], found["along"]);
    let dimensions = json!({"time": 12, "x": 3, "file": 3, "row": 4, "along": 5, "g/half": 4});
    assert_eq!(found["dimensions"], dimensions);
    assert_eq!(found.as_object().unwrap().len(), 8);
    // netCDF adds to such a file.
    python::run(SCRIPT, &["extend", path.to_str().unwrap()]);
    let extended = by_all_readers(&path);
    assert_eq!(extended["later"], json!([["time"], vec![7.0; 12], null]));
    assert_eq!(extended["v"], found["v"]);
}

#[test]
fn variables_are_added_to_what_netcdf_made() {
    let folder = tempfile::tempdir().unwrap();
    let stack = stack(folder.path());
    let path = folder.path().join("theirs.nc");
    python::run(SCRIPT, &["made", path.to_str().unwrap()]);
    let editor = Hdf5Editor::open(&path).unwrap();
    let pieces = Pieces::of_stack(&stack).unwrap();
    pieces.create_variable(&editor, "/v", &["time".into(), "x".into()]).unwrap();
    let part = pieces.select(&select![..2]).unwrap();
    part.create_variable(&editor, "/part", &["pair".into(), "x".into()]).unwrap();
    editor.finish().unwrap();
    let found = by_all_readers(&path);
    assert_eq!(found["v"], json!([["time", "x"], rows(0, 12), null]));
    assert_eq!(found["part"], json!([["pair", "x"], rows(0, 2), null]));
    assert_eq!(found["theirs"][1], json!((0..12).collect::<Vec<_>>()));
    assert_eq!(found["dimensions"], json!({"x": 3, "time": 12, "pair": 2}));
    python::run(SCRIPT, &["extend", path.to_str().unwrap()]);
    assert_eq!(by_all_readers(&path)["part"], found["part"]);
}

#[test]
fn what_does_not_fit_is_refused_and_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let stack = stack(folder.path());
    let path = folder.path().join("theirs.nc");
    python::run(SCRIPT, &["made", path.to_str().unwrap()]);
    let before = fs::read(&path).unwrap();
    let editor = Hdf5Editor::open(&path).unwrap();
    let pieces = Pieces::of_stack(&stack).unwrap();
    let refused: [(&str, &[Dimension], &str); 9] = [
        ("/v", &["time".into()], "1 dimensions for 2 axes"),
        ("/v", &["x".into(), "y".into()], "the dimension x has 3 positions, the axis 12"),
        ("/v", &["n".into(), "n".into()], "the dimension n has 12 positions, the axis 3"),
        ("/v", &["time".into(), Dimension::from("y").with_coordinates(&[1, 2])], "has 2 positions, the axis 3"),
        ("/v", &["time".into(), Dimension::from("x").with_coordinates(&[1, 2, 3])], "give no coordinates"),
        ("/v", &["theirs".into(), "x".into()], "/theirs is there and is no dimension"),
        ("/v", &["a/b".into(), "x".into()], "is not the name of a dimension"),
        ("/v", &["v".into(), "x".into()], "only a variable of one axis"),
        ("/theirs", &["time".into(), "x".into()], "already exists"),
    ];
    for (name, dimensions, words) in refused {
        let error = pieces.create_variable(&editor, name, dimensions).unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
    }
    let flags = Dimension::from("y").with_coordinates(&[true, false, true]);
    let error = pieces.create_variable(&editor, "/v", &["time".into(), flags]).unwrap_err();
    assert!(matches!(error, Error::UnsupportedDType { .. }), "{error}");
    editor.finish().unwrap();
    assert_eq!(fs::read(&path).unwrap(), before);
    // Complex elements are no netCDF type.
    let complex = folder.path().join("complex.h5");
    let info = DatasetInfo::new([2], DType::ComplexF64);
    let values = MemorySource::from_bytes(info.clone(), vec![0; 32]).unwrap();
    let sink = chunk_hdf5::Hdf5Sink::create(&complex, Some("/data"), info, chunk_hdf5::Filter::NONE).unwrap();
    Run::new().copy(&values, Box::new(sink)).unwrap();
    let file = VirtualSource::open(&pool(), Location::new(&complex)).unwrap();
    let one = VirtualStack::new([file], 0).unwrap();
    let editor = Hdf5Editor::create(folder.path().join("new.nc"), false).unwrap();
    let error = Pieces::of_stack(&one).unwrap().create_variable(&editor, "/v", &["n".into()]).unwrap_err();
    assert!(matches!(error, Error::UnsupportedDType { .. }), "{error}");
    drop(editor);
    assert!(!folder.path().join("new.nc").exists());
}
