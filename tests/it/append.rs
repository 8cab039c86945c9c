//! `chunk append` grows what others wrote, and what it wrote others read.

use std::path::Path;

use crate::{program, python};

/// Runs the script; it compares what is there with what NumPy concatenates.
fn script(command: &str, folder: &Path) {
    python::run("appended.py", &[command, &folder.to_string_lossy()]);
}

#[test]
fn what_is_appended_is_read_by_h5py() {
    let folder = tempfile::tempdir().unwrap();
    script("write", folder.path());
    let place = |name: &str| format!("{}::/g/x", folder.path().join(name).display());
    let (grown, days) = (place("grown.h5"), [1, 2, 3].map(|day| place(&format!("day-{day}.h5"))));
    let options = ["--memory", "4M", "--threads", "2", "--progress", "never"];
    let append = |output: &str, inputs: &[&str]| {
        program::succeed(&[&["append", output], inputs, &options].concat());
    };
    // To a dataset of h5py's whose last chunk is not full, all at once and one after another.
    append(&grown, &[&days[0], &days[1]]);
    append(&grown, &[&days[2]]);
    // To a new one, by a pattern and by parts.
    append(&place("new.h5"), &[&place("day-*.h5")]);
    append(&place("parts.h5"), &[&format!("{}[:5]", days[0])]);
    append(&place("parts.h5"), &[&format!("{}[5:]", days[0]), &days[1], &days[2]]);
    script("check", folder.path());
    // What does not fit changes nothing, though what comes before it would.
    let line = program::fail(&["append", &grown, &days[0], &place("other.h5")], 1);
    assert!(line.contains("other.h5::/g/x"), "{line}");
    script("check", folder.path());
}
