//! `chunk stack --virtual`, manifests, and what every command makes of both.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::virtual_datasets::{SCRIPT, read_by_h5py, text, theirs, values};
use crate::virtual_many::sha256;
use crate::{program, python};

/// A folder with h5py's `source-N.h5`, 4 x 6 int32 each.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    theirs(folder.path());
    folder
}

fn at(folder: &Path, name: &str) -> String {
    text(&folder.join(name)).to_owned()
}

fn part(number: i32) -> Vec<i32> {
    (1000 * number..1000 * number + 24).collect()
}

fn hash_of(elements: &[i32]) -> String {
    sha256(&elements.iter().flat_map(|element| element.to_le_bytes()).collect::<Vec<_>>())
}

fn quietly(arguments: &[&str]) -> String {
    program::succeed(&[arguments, &["--progress", "never"]].concat())
}

fn names(folder: &Path) -> usize {
    fs::read_dir(folder).unwrap().count()
}

#[test]
fn a_virtual_stack_is_read_by_h5py_and_by_every_command() {
    let folder = folder();
    let (out, pattern) = (at(folder.path(), "v.h5"), at(folder.path(), "source-[0-2].h5"));
    let before = names(folder.path());
    let dry = program::succeed(&["stack", &out, &pattern, "--virtual", "--dry-run"]);
    assert_eq!(dry, "virtual dataset of 3 sources: (12, 6) int32, 288 B\n");
    assert_eq!(names(folder.path()), before);
    let record: Value = serde_json::from_str(&quietly(&["stack", &out, &pattern, "--virtual", "--json"])).unwrap();
    assert_eq!(record["output"], format!("{out}::/data"));
    assert_eq!(
        (&record["sources"], &record["shape"], &record["bytes"]),
        (&3.into(), &serde_json::json!([12, 6]), &288.into())
    );
    let expected = [part(0), part(1), part(2)].concat();
    let told = read_by_h5py(Path::new(&out), "/data");
    assert_eq!(values(&told), expected);
    assert!(told["mappings"].as_array().unwrap().iter().all(|of| !of["file"].as_str().unwrap().contains('/')));
    assert!(program::succeed(&["hash", &out]).starts_with(&hash_of(&expected)));
    assert!(program::succeed(&["show", &format!("{out}[::-4, 0]")]).contains("2018 1018   18"));
    assert!(program::succeed(&["verify", &out]).contains("no problems"));
    let info = program::succeed(&["info", &out]);
    let sources = "3 (source-0.h5::/data, source-1.h5::/data, source-2.h5::/data)";
    assert!(info.lines().any(|line| line.starts_with("sources") && line.ends_with(sources)), "{info}");
    let info: Value = serde_json::from_str(&program::succeed(&["info", "--json", &out])).unwrap();
    assert_eq!(info["sources"]["count"], 3);
    assert_eq!(info["sources"]["first"][2], "source-2.h5::/data");
    // What is there is kept, or replaced when that is asked for.
    assert!(program::fail(&["stack", &out, &pattern, "--virtual"], 1).contains("--overwrite"));
    let one = at(folder.path(), "source-3.h5");
    quietly(&["stack", &out, &one, "--virtual", "--overwrite"]);
    assert_eq!(values(&read_by_h5py(Path::new(&out), "/data")), part(3));
}

#[test]
fn slices_are_stacked_virtually_along_any_axis() {
    let folder = folder();
    let out = at(folder.path(), "v.h5");
    let (a, b) = (at(folder.path(), "source-0.h5[1:, ::2]"), at(folder.path(), "source-1.h5[:3, 3:]"));
    quietly(&["stack", &format!("{out}::/g/v"), &a, &b, "--virtual", "--axis", "-1"]);
    let row = |at: i32| {
        [6, 8, 10].map(|column| column + 6 * at).into_iter().chain([3, 4, 5].map(|column| 1000 + 6 * at + column))
    };
    assert_eq!(values(&read_by_h5py(Path::new(&out), "/g/v")), (0..3).flat_map(row).collect::<Vec<_>>());
    assert_eq!(python::run(SCRIPT, &["partial", &out, "/g/v"]), "2\n");
}

#[test]
fn what_cannot_be_virtual_is_refused_with_what_to_do() {
    let folder = folder();
    let (out, a) = (at(folder.path(), "v.h5"), at(folder.path(), "source-0.h5"));
    let npy = at(folder.path(), "x.npy");
    quietly(&["convert", &a, &npy]);
    let before = names(folder.path());
    for (arguments, words) in [
        (vec![out.as_str(), &a, &npy], ["x.npy is no HDF5 file", "without --virtual"]),
        (vec![&out, &format!("{a}[::-1]"), &a], ["negative step", "without --virtual"]),
        (vec![&out, &format!("{a}[[0, 3, 1]]")], ["list", "without --virtual"]),
        (vec![&out, &format!("{a}[9:]")], ["no elements", "source-0"]),
        (vec!["v.npy", &a], ["HDF5", "leave out --virtual"]),
        (vec![&a, &a], ["is the input as well as the output", "source-0"]),
        (vec![&out, &a, &format!("{a}[0]")], ["1 axes", "source-0"]),
        (vec![&out, &a, &at(folder.path(), "none.h5")], ["none.h5", "no such file"]),
    ] {
        let complaint = program::fail(&[&["stack", "--virtual"], &arguments[..]].concat(), 1);
        assert!(words.iter().all(|word| complaint.contains(word)), "{arguments:?}: {complaint}");
        assert_eq!(names(folder.path()), before, "{arguments:?}");
    }
    assert!(program::fail(&["stack", "--virtual", &out, &a, "--chunks", "1,1"], 2).contains("--chunks"));
}

#[test]
fn a_manifest_is_a_dataset_for_every_command() {
    let folder = folder();
    let (a, b) = (at(folder.path(), "source-0.h5"), at(folder.path(), "x.npy"));
    quietly(&["convert", &at(folder.path(), "source-4.h5"), &b]);
    let out = at(folder.path(), "all.chunks");
    let dry = program::succeed(&["stack", &out, &a, &b, "--dry-run"]);
    assert_eq!(dry, "manifest of 2 sources: (8, 6) int32, 192 B\n");
    assert!(!Path::new(&out).exists());
    quietly(&["stack", &out, &a, &b]);
    assert!(program::fail(&["stack", &out, &a, &b], 1).contains("--overwrite"));
    let expected = [part(0), part(4)].concat();
    assert!(program::succeed(&["hash", &out]).starts_with(&hash_of(&expected)));
    assert!(program::succeed(&["hash", "--recursive", &out]).starts_with(&hash_of(&expected)));
    assert!(program::succeed(&["show", &format!("{out}[3:5, -1]")]).contains("23 4005"));
    assert!(program::succeed(&["ls", &out]).contains("(8, 6)"));
    assert!(program::succeed(&["stats", &out]).contains("max      4023"));
    let info = program::succeed(&["info", &out]);
    assert!(info.contains("manifest") && info.contains("x.npy)"), "{info}");
    let (copy, grown) = (at(folder.path(), "copy.h5"), at(folder.path(), "grown.npy"));
    quietly(&["convert", &out, &copy]);
    assert_eq!(program::succeed(&["diff", &out, &copy]), "");
    quietly(&["append", &grown, &out, &out]);
    assert!(program::succeed(&["hash", &grown]).starts_with(&hash_of(&expected.repeat(2))));
    quietly(&["fft", &out, &at(folder.path(), "f.h5"), "--axis", "1"]);
    assert!(program::succeed(&["verify", &out]).contains("no problems: 1 dataset"));
    for (arguments, word) in [
        (vec!["stack", &out, &format!("{a}[0]"), "--overwrite"], "whole datasets"),
        (vec!["stack", &at(folder.path(), "more.chunks"), &out, &out], "manifest itself"),
        (vec!["stack", &out, &a, "--filter", "gzip", "--overwrite"], "copies nothing"),
        (vec!["convert", &a, &at(folder.path(), "new.chunks")], "chunk stack"),
        (vec!["show", &format!("{out}::/v")], "no dataset"),
    ] {
        let complaint = program::fail(&arguments, 1);
        assert!(complaint.contains(word), "{arguments:?}: {complaint}");
    }
    assert!(program::succeed(&["hash", &out]).starts_with(&hash_of(&expected)));
}

#[test]
fn verify_tells_which_files_of_a_manifest_changed_moved_or_are_missing() {
    let folder = folder();
    let out = at(folder.path(), "all.chunks");
    quietly(&["stack", &out, &at(folder.path(), "source-*.h5")]);
    let rename = |from: &str, to: &str| fs::rename(folder.path().join(from), folder.path().join(to)).unwrap();
    rename("source-1.h5", "moved.h5");
    fs::remove_file(folder.path().join("source-3.h5")).unwrap();
    fs::copy(folder.path().join("moved.h5"), folder.path().join("source-4.h5")).unwrap();
    let output = program::command(&["verify", &out]).output().unwrap();
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(1), "{printed}");
    let lines: Vec<&str> = printed.lines().collect();
    for (line, words) in
        lines.iter().zip([["source-1.h5", "no such file"], ["source-3.h5", "no such file"], ["source-4.h5", "changed"]])
    {
        assert!(words.iter().all(|word| line.contains(word)), "{printed}");
    }
    assert_eq!((lines.len(), program::stderr(&output).as_str()), (3, "chunk: 3 problems in 1 dataset\n"));
    let output = program::command(&["verify", "--json", &out]).output().unwrap();
    let records: Vec<Value> =
        String::from_utf8_lossy(&output.stdout).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(records.len() == 3 && records[0]["problem"].as_str().unwrap().contains("source-1.h5"));
    // What is not there can be filled; what is there is read.
    let shown = program::command(&["show", &format!("{out}[::4, 0]"), "--missing", "fill"]).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&shown.stdout), "[   0    0 2000    0    0]\n");
    assert_eq!(program::stderr(&shown), "chunk: 3 elements were filled: they have no source, or a missing one\n");
    assert!(program::fail(&["show", &out], 1).contains("source-1.h5"));
}

#[test]
fn a_missing_source_is_an_error_unless_filling_was_asked_for() {
    let folder = folder();
    let (path, copy) = (at(folder.path(), "end-to-end.h5"), at(folder.path(), "copy.npy"));
    fs::remove_file(folder.path().join("source-2.h5")).unwrap();
    for command in [&["hash", &path][..], &["convert", &path, &copy], &["stats", &path], &["verify", &path]] {
        let output = program::command(command).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{command:?}");
    }
    assert!(!Path::new(&copy).exists());
    let filled = program::command(&["convert", &path, &copy, "--missing", "fill", "--threads", "2"]).output().unwrap();
    let last = program::stderr(&filled).lines().last().unwrap_or_default().to_owned();
    assert_eq!(last, "chunk: 24 elements were filled: they have no source, or a missing one");
    // The dataset's own fill value, as h5py reads it.
    let theirs = values(&read_by_h5py(Path::new(&path), "v"));
    assert_eq!(theirs.iter().filter(|value| **value == -1).count(), 24);
    assert!(program::succeed(&["hash", &copy]).starts_with(&hash_of(&theirs)));
    let quiet = program::command(&["show", &format!("{path}[0]"), "--missing", "fill"]).output().unwrap();
    assert_eq!(program::stderr(&quiet), "", "nothing was filled");
}
