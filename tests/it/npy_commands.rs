//! The program's commands on .npy and .npz, against NumPy and h5py.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::{program, python};

fn script(command: &str, folder: &Path) -> String {
    python::run("npy_commands.py", &[command, &folder.to_string_lossy()])
}

#[test]
fn every_command_takes_npy_and_npz() {
    let folder = tempfile::tempdir().unwrap();
    let expected: Value = serde_json::from_str(&script("write", folder.path())).expect("JSON");
    let path = |name: &str| folder.path().join(name).display().to_string();
    let table = |name: &str| expected[name].as_object().expect("a table").clone();

    for (name, hash) in table("hash") {
        let printed = program::succeed(&["hash", &path(&name)]);
        assert_eq!(printed.split_whitespace().next(), hash.as_str(), "{name}");
    }
    for (name, text) in table("show") {
        assert_eq!(program::succeed(&["show", &path(&name)]).trim_end(), text.as_str().unwrap(), "{name}");
    }
    let stats: Value = serde_json::from_str(&program::succeed(&["stats", &path("rows.npy"), "--json"])).unwrap();
    for (name, value) in table("stats") {
        let (ours, numpys) = (stats[&name].as_f64().unwrap(), value.as_f64().unwrap());
        assert!((ours - numpys).abs() <= 1e-12 * numpys.abs(), "{name}: {ours}, not {numpys}");
    }
    let listed = program::succeed(&["ls", &path("both.npz")]);
    assert!(listed.contains("(20, 3)") && listed.contains("uint16") && listed.contains("deflate"), "{listed}");
    let info: Value = serde_json::from_str(&program::succeed(&["info", &path("columns.npy"), "--json"])).unwrap();
    assert_eq!((info["shape"].to_string(), info["dtype"].as_str()), ("[20,3]".to_owned(), Some("int32")));

    let convert = |arguments: &[&str]| program::succeed(&[&["convert"], arguments].concat());
    convert(&[&path("rows.npy"), &path("converted.h5")]);
    convert(&[&path("converted.h5"), &path("back.npy"), "--dtype", "f4"]);
    convert(&[&path("both.npz::b"), &path("member.h5")]);
    let refused = program::fail(&["convert", &path("rows.npy"), &path("chunked.npy"), "--chunks", "4,3"], 1);
    assert!(refused.contains("chunked.npy"), "{refused}");
    assert!(!folder.path().join("chunked.npy").exists());

    fs::copy(path("rows.npy"), path("grown.npy")).unwrap();
    program::succeed(&["append", &path("grown.npy"), &path("more.npy"), &path("stored.npz")]);
    let refused = program::fail(&["append", &path("grown.npy"), &path("columns.npy")], 1);
    assert!(refused.contains("columns.npy") && refused.contains("int32"), "{refused}");

    let mut left_by_a_writer = fs::read(path("rows.npy")).unwrap();
    left_by_a_writer.extend([7; 30]);
    fs::write(path("recovered.npy"), left_by_a_writer).unwrap();
    let problems = program::command(&["verify", &path("recovered.npy")]).output().unwrap();
    assert_eq!(problems.status.code(), Some(1));
    program::succeed(&["recover", &path("recovered.npy")]);
    program::succeed(&["verify", &path("recovered.npy")]);

    let refused = program::fail(&["info", &path("objects.npy")], 1);
    assert!(refused.contains("objects.npy") && refused.contains("pickles"), "{refused}");
    script("check", folder.path());
}
