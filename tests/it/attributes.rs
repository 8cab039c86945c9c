//! Attributes: h5py reads ours, we read h5py's.

use std::fs;
use std::path::Path;

use chunk_core::{Attribute, ChunkSink, Complex, DType, DatasetInfo, Error, Scalar, StructType};
use chunk_hdf5::{Filter, Hdf5Editor, Hdf5Metadata, Hdf5Sink};
use serde_json::{Value, json};

use crate::{program, python};

const SCRIPT: &str = "metadata.py";

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn seen(path: &Path, object: &str) -> Value {
    serde_json::from_str(&python::run(SCRIPT, &["attributes", text(path), object])).unwrap()
}

#[test]
fn values_of_all_kinds_are_read_as_h5py_reads_them() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("theirs.h5");
    let expected: Value = serde_json::from_str(&python::run(SCRIPT, &["write", text(&path)])).unwrap();
    let listed = program::succeed(&["ls", "-r", "-a", "--json", text(&path)]);
    let listed: Vec<Value> = listed.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let mut compared = 0;
    for (object, attributes) in expected.as_object().unwrap() {
        let ours = &listed.iter().find(|entry| entry["name"] == *object).unwrap()["attributes"];
        for (name, value) in attributes.as_object().unwrap() {
            assert_eq!(&ours[name], value, "{object}@{name}");
            compared += 1;
        }
    }
    assert_eq!(compared, 3 * 21 + 4 + 100);
    let dataset = &listed.iter().find(|entry| entry["name"] == "/g/d").unwrap()["attributes"];
    for (name, words) in [("object", "references to objects"), ("region", "references to regions"), ("lists", "lists")]
    {
        assert!(dataset[name]["not_carried"].as_str().unwrap().contains(words), "{name}: {}", dataset[name]);
    }
    let info = program::succeed(&["info", "--json", &format!("{}::/g/d", text(&path))]);
    assert_eq!(&serde_json::from_str::<Value>(&info).unwrap()["attributes"], dataset);
    let info = program::succeed(&["info", &format!("{}::/g/d", text(&path))]);
    let line = info.lines().find(|line| line.starts_with("@text ")).unwrap();
    assert!(line.ends_with(" \"höhe\\nüber NN\""), "{line}");
}

#[test]
fn values_have_their_dtypes_in_native_order() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("theirs.h5");
    python::run(SCRIPT, &["write", text(&path)]);
    let metadata = Hdf5Metadata::open(&path).unwrap();
    let read = |name: &str| metadata.attribute("/g/d", name).unwrap();
    assert_eq!(read("big").values::<i32>().unwrap(), [1, 2, 3]);
    assert_eq!(read("matrix").shape()[..], [2, 3]);
    assert!(read("bool").value::<bool>().unwrap());
    assert_eq!(read("complex").value::<Complex<f32>>().unwrap(), Complex::new(1.0, -2.0));
    assert_eq!(read("fixed").dtype(), Some(&DType::Bytes(3)));
    assert_eq!(read("nothing"), Attribute::Empty(Some(DType::F64)));
    assert_eq!(read("no text"), Attribute::Empty(None));
    assert_eq!(read("degrees"), Attribute::elements(DType::Bytes(2), [], *b"\xb0C").unwrap());
    assert!(matches!(metadata.attribute("/g/d", "units"), Err(Error::Unsupported { .. })));
    assert!(matches!(metadata.attributes("/g/e"), Err(Error::DatasetNotFound { .. })));
}

fn ours() -> Vec<(&'static str, Attribute, Value)> {
    let record = StructType::packed([("n".to_owned(), DType::I16), ("x".to_owned(), DType::F32)]);
    let bytes = [&(-2_i16).to_ne_bytes()[..], &0.5_f32.to_ne_bytes()].concat();
    vec![
        ("bool", true.into(), json!(["bool", [], true])),
        ("bools", [true, false].into(), json!(["bool", [2], [true, false]])),
        ("int", 7_i32.into(), json!(["int32", [], 7])),
        ("long", vec![3_u8; 100_000].into(), json!(["uint8", [100_000], vec![3; 100_000]])),
        ("float", 0.25.into(), json!(["float64", [], 0.25])),
        ("complex", Complex::new(1.0, -2.0).into(), json!(["complex128", [], [1.0, -2.0]])),
        ("text", "größe".into(), json!(["utf-8:None".replace("None", "null"), [], "größe"])),
        ("texts", ["a", "", "ÿ"].into(), json!(["utf-8:null", [3], ["a", "", "ÿ"]])),
        ("bytes", Attribute::elements(DType::Bytes(4), [], *b"ab\0\0").unwrap(), json!(["ascii:4", [], "ab"])),
        ("utf8", Attribute::elements(DType::Utf8(2), [], *b"\xc3\xbf").unwrap(), json!(["utf-8:2", [], "ÿ"])),
        ("empty", Attribute::Empty(Some(DType::F32)), json!(["float32", null, null])),
        ("no text", Attribute::Empty(None), json!(["utf-8:null", null, null])),
        ("none", Vec::<i64>::new().into(), json!(["int64", [0], []])),
        (
            "record",
            Scalar::from_bytes(DType::Struct(record.into()), bytes).unwrap().into(),
            json!(["[('n', '<i2'), ('x', '<f4')]", [], {"n": -2, "x": 0.5}]),
        ),
    ]
}

/// What h5py says, with its word for any length.
fn expected(value: Value) -> Value {
    let mut value = value;
    if let Some(word) = value[0].as_str().map(|word| word.replace("null", "None")) {
        value[0] = word.into();
    }
    value
}

#[test]
fn h5py_reads_what_was_written_replaced_and_removed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ours.h5");
    let sink = Hdf5Sink::create(&path, Some("/g/d"), DatasetInfo::new([3], DType::F64), Filter::default()).unwrap();
    Box::new(sink.with_attribute("text", 1.5).unwrap().with_attribute("gone", "soon").unwrap()).finish().unwrap();
    assert_eq!(seen(&path, "/g/d")["text"], json!(["float64", [], 1.5]));
    let editor = Hdf5Editor::open(&path).unwrap();
    for object in ["/", "/g", "/g/d"] {
        for (name, value, _) in ours() {
            editor.set_attribute(object, name, value).unwrap();
        }
    }
    editor.remove_attribute("/g/d", "gone").unwrap();
    assert!(matches!(editor.remove_attribute("/g/d", "gone"), Err(Error::Unsupported { .. })));
    editor.finish().unwrap();
    for object in ["/", "/g", "/g/d"] {
        let read = seen(&path, object);
        for (name, _, value) in ours() {
            assert_eq!(read[name], expected(value), "{object}@{name}");
        }
        assert_eq!(read.as_object().unwrap().len(), ours().len(), "{object}");
        let metadata = Hdf5Metadata::open(&path).unwrap();
        for (name, value, _) in ours() {
            assert_eq!(metadata.attribute(object, name).unwrap(), value, "{object}@{name}");
        }
    }
}

#[test]
fn what_hdf5_cannot_hold_is_refused_and_the_editor_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ours.h5");
    let editor = Hdf5Editor::create(&path, false).unwrap();
    let refused = [
        ("a\0b", Attribute::from(1)),
        ("", Attribute::from(1)),
        ("x", Attribute::from("zero \0 byte")),
        ("x", Attribute::elements(DType::Ucs4(1), [], [0; 4]).unwrap()),
        ("x", Attribute::elements(DType::Bytes(0), [], []).unwrap()),
        ("x", Attribute::Other("references".to_owned())),
    ];
    for (name, value) in refused {
        let error = editor.set_attribute("/", name, value).unwrap_err().to_string();
        assert!(error.contains("ours.h5") && error.contains('@'), "{error}");
    }
    assert!(editor.set_attribute("/missing", "x", 1).is_err());
    editor.set_attribute("/", "x", 1).unwrap();
    editor.finish().unwrap();
    assert_eq!(seen(&path, "/"), json!({"x": ["int32", [], 1]}));
    let sink = Hdf5Sink::create(&path, Some("/d"), DatasetInfo::new([3], DType::F64), Filter::default()).unwrap();
    assert!(sink.with_attribute("x", Attribute::Other("no".to_owned())).is_err());
}

#[test]
fn damaged_attributes_are_errors_or_told_and_never_crash() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("old.h5");
    python::run(SCRIPT, &["old", text(&path)]);
    let sound = fs::read(&path).unwrap();
    let (mut refused, mut told, mut read) = (0, 0, 0);
    // The heap of text, from which libhdf5 does not return if the size of its free space is damaged.
    let heap = sound.windows(4).position(|window| window == b"GCOL").unwrap();
    let heap = heap..heap + 4096;
    // Where the file holds something, each byte becomes another: zero, all ones, or one off.
    for at in (96..sound.len()).filter(|at| !heap.contains(at) && (sound[*at] != 0 || at % 16 == 0)) {
        let mut damaged = sound.clone();
        damaged[at] = [0, 0xff, sound[at].wrapping_add(1)][at % 3];
        fs::write(&path, &damaged).unwrap();
        let Ok(metadata) = Hdf5Metadata::open(&path) else { continue };
        for object in ["/", "/v", "/s"] {
            match metadata.attributes(object) {
                Ok(values) if values.iter().any(|(_, value)| matches!(value, Attribute::Other(_))) => told += 1,
                Ok(_) => read += 1,
                Err(_) => refused += 1,
            }
        }
        let _ = metadata.axes("/v");
    }
    assert!(refused > 20 && told > 20 && read > 100, "{refused} {told} {read}");
}

#[test]
fn a_copy_has_the_attributes_that_are_not_about_its_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("theirs.h5");
    python::run(SCRIPT, &["copied", text(&path)]);
    let out = folder.path().join("ours.h5");
    let copy = |from: &str, to: &str, more: &[&str]| {
        let (from, to) = (format!("{}::{from}", text(&path)), format!("{}::{to}", text(&out)));
        program::command(&[&["convert", &from, &to], more].concat()).output().unwrap()
    };
    assert!(copy("/v", "/v", &[]).status.success());
    let v = seen(&out, "/v");
    assert_eq!(v["units"][2], "m/s");
    assert_eq!(v["scale_factor"], json!(["float64", [], 0.5]));
    assert_eq!(v["TITLE"][2], "Velocity");
    assert_eq!(v["_FillValue"], json!(["int16", [], -1]));
    assert_eq!(v.as_object().unwrap().len(), 4, "{v}");
    let told = copy("/link[1:]", "/w", &[]);
    assert!(program::stderr(&told).contains("attribute where is left out: references"), "{}", program::stderr(&told));
    assert_eq!(seen(&out, "/w"), json!({"long_name": ["utf-8:None", [2], ["a", "b"]]}));
    assert!(copy("/t", "/t", &[]).status.success());
    assert_eq!(seen(&out, "/t"), json!({"units": ["utf-8:None", [], "s"]}));
    // netCDF's fill value is an element: it is cast as they are.
    assert!(copy("/v", "/cast", &["--dtype", "f4"]).status.success());
    assert_eq!(seen(&out, "/cast")["_FillValue"], json!(["float32", [], -1.0]));
    let refused = copy("/v", "/u", &["--dtype", "u2"]);
    assert!(program::stderr(&refused).contains("_FillValue"), "{}", program::stderr(&refused));
    let npy = format!("{}/v.npy", folder.path().display());
    program::succeed(&["convert", &format!("{}::/v", text(&path)), &npy]);
}
