//! Dimension scales: h5py sees ours, we see h5py's.

use std::fs;
use std::path::Path;

use chunk_core::{ChunkSink, DType, DatasetInfo, Error};
use chunk_hdf5::{Filter, Hdf5Editor, Hdf5Metadata};
use serde_json::{Value, json};

use crate::python;

const SCRIPT: &str = "metadata.py";

fn by_h5py(command: &str, path: &Path) -> Value {
    let arguments = [&[command, path.to_str().unwrap()][..], if command == "dims" { &["/v"] } else { &[] }].concat();
    serde_json::from_str(&python::run(SCRIPT, &arguments)).unwrap()
}

/// What h5py prints, of what we read.
fn by_us(path: &Path) -> Value {
    let axes = Hdf5Metadata::open(path).unwrap().axes("/v").unwrap();
    let scale = |scale: &chunk_hdf5::Scale| json!([scale.dataset, scale.name.clone().unwrap_or_default()]);
    let axis = |axis: &chunk_hdf5::Axis| {
        json!([axis.label.clone().unwrap_or_default(), axis.scales.iter().map(scale).collect::<Vec<_>>()])
    };
    axes.iter().map(axis).collect()
}

fn create(editor: &Hdf5Editor, name: &str, shape: &[u64]) {
    let info = DatasetInfo::new(shape.to_vec(), DType::F64);
    Box::new(editor.create_dataset(name, info, Filter::default()).unwrap()).finish().unwrap();
}

#[test]
fn both_see_the_same_scales_whoever_attached_them() {
    let folder = tempfile::tempdir().unwrap();
    let ours = folder.path().join("ours.h5");
    let editor = Hdf5Editor::create(&ours, false).unwrap();
    for (name, shape) in [("/v", &[4, 3, 2][..]), ("/t", &[4]), ("/other", &[4]), ("/x", &[3])] {
        create(&editor, name, shape);
    }
    editor.make_scale("t", Some("time")).unwrap();
    editor.make_scale("x", Some("offset")).unwrap();
    for (axis, scale) in [(0, "/t"), (0, "/other"), (1, "/x"), (0, "/t")] {
        editor.attach_scale("/v", axis, scale).unwrap();
    }
    editor.label_axis("/v", 1, "ø").unwrap();
    editor.finish().unwrap();
    let theirs = folder.path().join("theirs.h5");
    let expected = by_h5py("scales", &theirs);
    for path in [&ours, &theirs] {
        assert_eq!(by_us(path), expected);
        assert_eq!(by_h5py("dims", path), expected);
        // Each goes on where the other ended.
        python::run(SCRIPT, &["attach", path.to_str().unwrap()]);
        let editor = Hdf5Editor::open(path).unwrap();
        create(&editor, "/last", &[4]);
        editor.attach_scale("/v", 0, "/last").unwrap();
        editor.attach_scale("/v", 2, "/x").unwrap();
        editor.label_axis("/v", 0, "first").unwrap();
        editor.finish().unwrap();
        let now = by_h5py("dims", path);
        assert_eq!(by_us(path), now);
        assert_eq!(now[0], json!(["first", [["/t", "time"], ["/other", ""], ["/late", "late"], ["/last", ""]]]));
        assert_eq!(now[1], expected[1]);
        assert_eq!(now[2], json!(["z", [["/x", "offset"]]]));
    }
}

#[test]
fn what_cannot_be_is_refused_before_anything_changes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ours.h5");
    let editor = Hdf5Editor::create(&path, false).unwrap();
    for (name, shape) in [("/v", &[4, 3][..]), ("/t", &[4]), ("/x", &[3])] {
        create(&editor, name, shape);
    }
    editor.create_group("/g").unwrap();
    editor.attach_scale("/v", 0, "/t").unwrap();
    assert!(matches!(editor.attach_scale("/v", 2, "/x"), Err(Error::AxisOutOfRange { axis: 2, ndim: 2, .. })));
    assert!(matches!(editor.label_axis("/v", 2, "z"), Err(Error::AxisOutOfRange { .. })));
    assert!(matches!(editor.attach_scale("/v", 0, "/v"), Err(Error::Unsupported { .. })));
    assert!(matches!(editor.attach_scale("/x", 0, "/v"), Err(Error::Unsupported { .. })));
    assert!(matches!(editor.attach_scale("/t", 0, "/x"), Err(Error::Unsupported { .. })));
    assert!(matches!(editor.make_scale("/v", None), Err(Error::Unsupported { .. })));
    assert!(matches!(editor.make_scale("/g", None), Err(Error::NotADataset { .. })));
    assert!(matches!(editor.attach_scale("/v", 0, "/y"), Err(Error::DatasetNotFound { .. })));
    assert!(editor.make_scale("/x", Some("a\0b")).is_err());
    editor.finish().unwrap();
    assert_eq!(by_h5py("dims", &path), json!([["", [["/t", ""]]], ["", []]]));
}

#[test]
fn malformed_lists_are_errors_and_change_nothing() {
    let folder = tempfile::tempdir().unwrap();
    python::run(SCRIPT, &["damage", folder.path().to_str().unwrap()]);
    let mut refused = 0;
    for entry in fs::read_dir(folder.path()).unwrap() {
        let path = entry.unwrap().path();
        let before = fs::read(&path).unwrap();
        let editor = Hdf5Editor::open(&path).unwrap();
        let labels = path.to_str().unwrap().ends_with("-2.h5");
        let tried = if labels { editor.label_axis("/v", 0, "x") } else { editor.attach_scale("/v", 0, "/s") };
        let error = tried.unwrap_err();
        assert!(matches!(error, Error::Corrupt { .. }), "{}: {error}", path.display());
        drop(editor);
        assert_eq!(fs::read(&path).unwrap(), before, "{}", path.display());
        refused += 1;
    }
    assert_eq!(refused, 20);
}
