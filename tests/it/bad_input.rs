//! Bad files that others wrote: one clear line, nothing created, nothing lost.

use std::fs;

use crate::{files, program, python};

fn try_fft(location: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let target = format!("{}::/data", folder.path().join("out.h5").display());
    let line = program::fail(&["fft", location, &target, "--axis", "0", "--progress", "never"], 1);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "nothing was created: {line}");
    line
}

fn chunkiter_file() -> &'static files::Foreign {
    files::foreign().iter().find(|file| file.stem() == "pytables_chunkiter-data").expect("chunkiter's file")
}

#[test]
fn a_truncated_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cut.h5");
    let whole = fs::read(&chunkiter_file().path).unwrap();
    for length in [100, 5000, whole.len() / 2, whole.len() - 1] {
        fs::write(&path, &whole[..length]).unwrap();
        let line = try_fft(&format!("{}::/data", path.display()));
        assert!(line.contains("cut.h5"), "{line}");
    }
}

#[test]
fn a_corrupt_chunk_is_named_with_its_offset() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("corrupt.h5");
    let mut bytes = fs::read(&chunkiter_file().path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle..middle + 4000].fill(0xff);
    fs::write(&path, bytes).unwrap();
    let line = try_fft(&format!("{}::/data", path.display()));
    assert!(line.contains("corrupt.h5::/data: chunk [0, 0] at file offset "), "{line}");
    assert!(line.contains("is corrupt: "), "{line}");
}

#[test]
fn no_space_left() {
    let folder = tempfile::tempdir().unwrap();
    let target = format!("{}::/data", folder.path().join("out.h5").display());
    let program = env!("CARGO_BIN_EXE_chunk-under-test");
    let input = chunkiter_file().location();
    for (axis, limit) in [("1", "1000000"), ("1", "5000000"), ("0", "100")] {
        let output = python::output(
            "limited.py",
            &[limit, program, "fft", &input, &target, "--axis", axis, "--progress", "never"],
        );
        let text = program::stderr(&output);
        assert_eq!(output.status.code(), Some(1), "{text}");
        assert_eq!(text.trim_end().lines().count(), 1, "{text}");
        assert!(text.contains("out.h5") && text.contains("File too large"), "{text}");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "nothing is left: {text}");
    }
}
