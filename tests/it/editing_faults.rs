//! A change of a file is done or not done, whole, when its writer is killed or its disk fails.
//!
//! The writer is killed before each of its calls that change files, in the middle of each, and each is let fail; h5py
//! tells what the file then holds.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use chunk_core::Backend;
use chunk_hdf5::Hdf5;
use tempfile::TempDir;

use crate::{faults, python};

const CHANGES: [&str; 4] = ["create", "replace", "remove", "move"];
/// Kinds of files: without checksums of metadata, with them, with free space that is used again, with a user block.
const KINDS: [&str; 4] = ["earliest", "v110", "persistent", "user"];

/// A file of `editing.py` and a change of it.
struct Edit<'a> {
    folder: &'a Path,
    original: PathBuf,
    change: &'a str,
}

/// What a writer left.
struct Left {
    path: PathBuf,
    success: bool,
    errors: String,
}

fn files() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    python::run("editing.py", &["make", &folder.path().to_string_lossy()]);
    fs::create_dir(folder.path().join("left")).unwrap();
    folder
}

impl Edit<'_> {
    /// Lets a writer run on a fresh copy of the file; recovers that, and keeps it as `name`.
    fn run(&self, fault: (&str, usize, bool), name: &str) -> Left {
        let work = self.folder.join("left").join(name);
        fs::create_dir(&work).unwrap();
        let path = work.join("x.h5");
        fs::copy(&self.original, &path).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_chunk-edit-under-test"));
        command.arg(&path).arg(self.change);
        faults::preload(&mut command, fault.0, fault.1, fault.2);
        let output = command.output().unwrap();
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        let backend = Hdf5::default();
        backend.growing().unwrap().recover(&path).unwrap_or_else(|error| panic!("{name}: {}", error.report()));
        let problems = backend.growing().unwrap().problems(&path).unwrap();
        assert!(problems.is_empty(), "{name}: {problems:?}");
        assert_eq!(fs::read_dir(&work).unwrap().count(), 1, "{name}: something is left beside the file");
        Left { path, success: output.status.success(), errors }
    }

    /// How many calls the writer makes that change files.
    fn calls(&self, name: &str) -> usize {
        faults::calls(&self.run(("COUNT", 0, false), name).errors).len()
    }
}

/// What h5py reads of each file, as one text.
fn states(paths: &[PathBuf]) -> Vec<String> {
    let paths: Vec<_> = paths.iter().map(|path| path.to_string_lossy()).collect();
    let printed: Vec<String> = paths
        .chunks(200)
        .map(|paths| {
            let arguments: Vec<&str> = ["state"].into_iter().chain(paths.iter().map(|path| &**path)).collect();
            python::run("editing.py", &arguments)
        })
        .collect();
    printed.concat().lines().map(str::to_owned).collect()
}

/// Lets each fault befall each change of each file; every one must leave the old state or the new one. Gives how many
/// left which, by change.
fn try_all(kinds: &[&str], faults: &[(&str, bool)]) -> BTreeMap<String, [usize; 2]> {
    let folder = files();
    let mut counted = BTreeMap::new();
    for (kind, change) in kinds.iter().flat_map(|kind| CHANGES.map(|change| (kind, change))) {
        let original = folder.path().join(format!("{kind}.h5"));
        let edit = Edit { folder: folder.path(), original: original.clone(), change };
        let done = format!("{kind}-{change}-done");
        let calls = edit.calls(&done);
        assert!(calls > 12, "{kind}, {change}: {calls} calls are counted");
        let mut paths = vec![original, folder.path().join("left").join(done).join("x.h5")];
        let mut successes = vec![false, true];
        for (fault, on) in faults {
            for call in 1..=calls {
                let left = edit.run((fault, call, *on), &format!("{kind}-{change}-{fault}-{on}-{call}"));
                let told = left.success || *fault == "KILL" || *fault == "HALF" || left.errors.contains("x.h5");
                assert!(told, "{kind}, {change}, {fault} at {call}: {}", left.errors);
                paths.push(left.path);
                successes.push(left.success);
            }
        }
        let states = states(&paths);
        assert_eq!(states.len(), paths.len());
        let (old, new) = (&states[0], &states[1]);
        assert!(old != new && old.len() == 64 && new.len() == 64, "{old} {new}");
        for ((state, path), success) in states.iter().zip(&paths).zip(successes) {
            assert!(state == new || (state == old && !success), "{}: {state}", path.display());
            counted.entry(change.to_owned()).or_insert([0; 2])[usize::from(state == new)] += 1;
        }
        fs::remove_dir_all(folder.path().join("left")).unwrap();
        fs::create_dir(folder.path().join("left")).unwrap();
    }
    counted
}

#[test]
fn killed_at_every_write_a_change_is_done_or_not() {
    for (change, [old, new]) in try_all(&KINDS, &[("KILL", false), ("HALF", false)]) {
        assert!(old > 40 && new > 20, "{change}: {old} old, {new} new");
    }
}

#[test]
fn a_disk_that_is_full_or_broken_leaves_the_old_state_or_the_new() {
    let counted = try_all(&["v110", "earliest"], &[("ENOSPC", false), ("EIO", false), ("ENOSPC", true)]);
    for (change, [old, new]) in counted {
        assert!(old > 40 && new > 4, "{change}: {old} old, {new} new");
    }
}
