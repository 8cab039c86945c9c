//! Files that others write, or wrote until they died.

use std::fs;

use crate::{program, python};

/// Such a writer keeps no lock: that the file is marked must be enough to leave it alone.
#[test]
fn a_file_that_is_written_beside_readers_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.h5").display().to_string();
    let chunk = program::command(&[]).get_program().to_string_lossy().into_owned();
    assert_eq!(python::run("foreign_writers.py", &["beside", &path, &chunk]).trim(), "1");
}

#[test]
fn what_a_dead_writer_beside_readers_wrote_is_recovered_when_asked() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.h5").display().to_string();
    python::run("foreign_writers.py", &["dead", &path]);
    let left = fs::read(&path).unwrap();
    let error = program::fail(&["show", &path], 1);
    assert!(error.contains("SWMR") && error.contains("recover"), "{error}");
    assert_eq!(fs::read(&path).unwrap(), left);
    program::succeed(&["recover", &path]);
    python::run("foreign_writers.py", &["check", &path]);
    program::succeed(&["verify", &path]);
}

#[test]
fn a_file_with_the_name_of_a_journal_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.h5").display().to_string();
    python::run("growing.py", &["make", &path, "v110", "0", "3", "none"]);
    let notes = format!("{path}.journal");
    fs::write(&notes, "notes").unwrap();
    let other = folder.path().join("y.h5").display().to_string();
    python::run("growing.py", &["make", &other, "v110", "0", "3", "none"]);
    let group = |path: &str| format!("{path}::/group/log");
    for arguments in [&["append", &group(&path), &group(&other)][..], &["recover", &path]] {
        let error = program::fail(arguments, 1);
        assert!(error.contains("journal") && error.contains("move it away"), "{error}");
        assert_eq!(fs::read(&notes).unwrap(), b"notes");
    }
}

/// What is written through a link into another file would not be in the journal of this one.
#[test]
fn nothing_is_appended_through_links_into_another_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let (there, here, more) = (path("there.h5"), path("here.h5"), path("more.npy"));
    python::run("growing.py", &["make", &there, "v110", "0", "3", "none"]);
    python::run("growing.py", &["link", &here, "there.h5"]);
    program::succeed(&["convert", &format!("{there}::/other"), &more]);
    let before = fs::read(&there).unwrap();
    for name in ["/out/log", "/soft"] {
        let error = program::fail(&["append", &format!("{here}::{name}"), &more], 1);
        assert!(error.contains("links into other files are not followed"), "{error}");
    }
    assert_eq!(fs::read(&there).unwrap(), before);
}
