//! `chunk convert` and `chunk append` write what h5py reads as the same values.

use crate::{files, program, python};

#[test]
fn a_copy_of_what_others_wrote_holds_the_same_values() {
    let folder = tempfile::tempdir().unwrap();
    for (number, file) in files::foreign().iter().step_by(8).enumerate() {
        let out = folder.path().join(format!("{}.h5", file.stem()));
        let target = format!("{}::/copy", out.display());
        let filter = ["none", "gzip:3", "blosc:lz4:5"][number % 3];
        program::succeed(&["convert", &file.location(), &target, "--filter", filter, "--memory", "16M"]);
        let hash = program::succeed(&["hash", &target]);
        assert!(hash.starts_with(&file.sha256), "{}: {hash}", file.stem());
        let path = file.path.to_string_lossy();
        python::run("converted.py", &[&path, &file.dataset, "same", &out.to_string_lossy(), "/copy"]);
    }
}

#[test]
fn casts_are_numpys() {
    let folder = tempfile::tempdir().unwrap();
    let casts =
        [("float64", "f4", "same_kind"), ("float32", "f8", "safe"), ("int16", "c8", "safe"), ("bool", "i4", "safe")];
    for (from, to, casting) in casts {
        let file = files::foreign().iter().find(|file| file.dtype == from && file.shape.len() == 2).unwrap();
        let out = folder.path().join(format!("{from}-{to}.h5"));
        let target = format!("{}::/copy", out.display());
        let chunks = format!("{},7", file.shape[0].clamp(1, 9));
        let options = ["--dtype", to, "--casting", casting, "--chunks", &chunks];
        program::succeed(&[&["convert", &file.location(), &target], &options[..]].concat());
        let path = file.path.to_string_lossy();
        python::run("converted.py", &[&path, &file.dataset, to, &out.to_string_lossy(), "/copy"]);
    }
}
