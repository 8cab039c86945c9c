use chunk_core::{ChunkSourceExt, DType};

use crate::common::{Folder, example};

#[test]
fn copies_values_with_other_chunks_filter_and_dtype() {
    let folder = Folder::with_example();
    let said =
        folder.chunk(["convert", "x.h5", "y.h5::/copy", "--chunks", "8,2", "--filter", "gzip:1", "--dtype", "f4"]);
    assert!(said.err.starts_with("chunk: x.h5 -> y.h5::/copy: 192 B in "), "{said:?}");
    said.done();
    let y = folder.open("y.h5::/copy");
    assert_eq!((y.info().chunk_shape.clone(), y.info().dtype.clone()), (Some([8, 2].into()), DType::F32));
    let single: Vec<f32> = example().into_iter().map(|x| x as f32).collect();
    assert_eq!(y.read_all::<f32>().unwrap(), single);
    assert!(folder.chunk(["ls", "-r", "y.h5"]).done().contains("gzip:1"), "the filter is the one asked for");
}

#[test]
fn what_a_cast_would_change_is_refused() {
    let folder = Folder::with_example();
    let complaint = folder.chunk(["convert", "x.h5", "y.h5", "--dtype", "i4"]).complaint(1);
    assert!(complaint.contains("float64") && complaint.contains("int32") && complaint.contains("same_kind"));
    let complaint = folder.chunk(["convert", "x.h5", "y.h5", "--dtype", "u1", "--casting", "unsafe"]).complaint(1);
    assert!(complaint.contains("x.h5") && complaint.contains("-4") && complaint.contains("uint8"), "{complaint}");
    assert_eq!(folder.names(), ["x.h5"]);
}

#[test]
fn a_dry_run_creates_nothing_and_overwriting_must_be_asked_for() {
    let folder = Folder::with_example();
    assert!(folder.chunk(["convert", "x.h5", "y.h5", "--dry-run"]).done().contains("slabs"));
    assert_eq!(folder.names(), ["x.h5"]);
    folder.chunk(["convert", "x.h5", "y.h5"]).done();
    assert!(folder.chunk(["convert", "x.h5", "y.h5"]).complaint(1).contains("already exists; --overwrite"));
    folder.chunk(["convert", "x.h5", "y.h5", "--overwrite"]).done();
    let hash = |file| folder.chunk(["hash", file]).done().split_once(' ').unwrap().0.to_owned();
    assert_eq!(hash("x.h5"), hash("y.h5"));
}

#[test]
fn prints_an_object() {
    let folder = Folder::with_example();
    let text = folder.chunk(["convert", "x.h5", "y.h5", "--json"]).done();
    let object: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!((&object["bytes"], &object["output"]), (&384.into(), &"y.h5::/g/data".into()));
}
