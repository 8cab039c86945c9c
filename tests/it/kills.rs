//! A writer of HDF5 that is killed at any instant, or whose disk fails, loses no row that it committed and leaves no
//! wrong one.
//!
//! The writer is killed before each of its calls that change files, in the middle of each, and each is let fail.
//! `CHUNK_KILLS` asks for more kills at random instants.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use chunk_core::{Backend, ChunkSource, ChunkSourceExt, Error};
use chunk_hdf5::{Hdf5, Hdf5Appender, Hdf5Source};
use tempfile::TempDir;

use crate::{faults, python};

const DATASET: &str = "/group/log";
const WIDTH: u64 = 6;

/// A file with an empty dataset that grows.
struct Growing {
    folder: TempDir,
    axis: usize,
    commits: u64,
}

/// What became of a writer.
struct Ended {
    path: PathBuf,
    /// Rows that it said it had committed.
    committed: u64,
    success: bool,
    errors: String,
}

/// The writer only tells its calls.
const NO_FAULT: (&str, usize, bool) = ("COUNT", 0, false);

impl Growing {
    fn new(bounds: &str, axis: usize, filter: &str, commits: u64) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("empty.h5");
        let (axis_text, width) = (axis.to_string(), WIDTH.to_string());
        python::run("growing.py", &["make", &path.to_string_lossy(), bounds, &axis_text, &width, filter]);
        Growing { folder, axis, commits }
    }

    /// Lets a writer run on a fresh copy of the file until it ends, or until so long after so many commits.
    fn run(&self, fault: (&str, usize, bool), patience: Option<(usize, Duration)>) -> Ended {
        let path = self.folder.path().join("x.h5");
        let _ = std::fs::remove_file(journal(&path));
        std::fs::copy(self.folder.path().join("empty.h5"), &path).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_chunk-append-under-test"));
        command.arg(&path).args([DATASET, &self.axis.to_string(), &self.commits.to_string()]);
        let (kind, at, on) = fault;
        faults::preload(&mut command, kind, at, on);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut printed = BufReader::new(child.stdout.take().unwrap());
        let (mut said, mut errors) = (String::new(), String::new());
        if let Some((commits, patience)) = patience {
            for _ in 0..commits {
                printed.read_line(&mut said).unwrap();
            }
            std::thread::sleep(patience);
            let _ = child.kill();
        }
        printed.read_to_string(&mut said).unwrap();
        child.stderr.take().unwrap().read_to_string(&mut errors).unwrap();
        let success = child.wait().unwrap().success();
        let whole = said.rsplit_once('\n').map_or("", |(whole, _)| whole);
        let committed = whole.lines().last().map_or(0, |line| line.parse().unwrap());
        Ended { path, committed, success, errors }
    }

    /// How many calls the writer makes that change a file.
    fn calls(&self) -> usize {
        faults::calls(&self.run(NO_FAULT, None).errors).len()
    }

    /// Rows after each commit.
    fn states(&self) -> Vec<u64> {
        let mut rows = 0;
        let after = (0..self.commits).map(|commit| {
            rows += 1 + commit * 5 % 13;
            rows
        });
        std::iter::once(0).chain(after).collect()
    }

    /// Fails unless the file holds what was committed, or that and the commit under way, and nothing else; then it can be
    /// appended to, and nothing is wrong with it. Gives the number of rows.
    fn check(&self, ended: &Ended, when: &str) -> u64 {
        let source = Hdf5Source::open(&ended.path, Some(DATASET)).unwrap_or_else(|error| panic!("{when}: {error}"));
        let rows = source.info().shape[self.axis];
        let states = self.states();
        let at = states.iter().position(|state| *state == ended.committed).unwrap();
        let allowed = [Some(&states[at]), states.get(at + 1)];
        assert!(allowed.contains(&Some(&rows)), "{when}: {rows} rows, {} were committed", ended.committed);
        let elements = source.read_all::<i32>().unwrap();
        let place =
            |index: u64| if self.axis == 0 { (index / WIDTH, index % WIDTH) } else { (index % rows, index / rows) };
        for (index, found) in (0..).zip(&elements) {
            let (row, column) = place(index);
            assert_eq!(*found, (row * 1_000_003 + column * 7919) as i32, "{when}: row {row}, column {column}");
        }
        drop(source);
        drop(
            Hdf5Appender::open(&ended.path, Some(DATASET), self.axis).unwrap_or_else(|error| panic!("{when}: {error}")),
        );
        let backend = Hdf5::default();
        let problems = backend.growing().unwrap().problems(&ended.path).unwrap();
        assert!(problems.is_empty(), "{when}: {problems:?}");
        assert!(!journal(&ended.path).exists(), "{when}: the journal is left");
        rows
    }
}

fn journal(path: &Path) -> PathBuf {
    path.with_added_extension("journal")
}

const FILES: [(&str, usize, &str); 5] =
    [("v110", 0, "gzip"), ("v110", 1, "none"), ("earliest", 0, "none"), ("v108", 1, "gzip"), ("v110", 0, "blosc")];

#[test]
fn killed_at_every_write_a_writer_loses_nothing() {
    for (bounds, axis, filter) in FILES {
        let growing = Growing::new(bounds, axis, filter, 3);
        let calls = growing.calls();
        assert!(calls > 50, "{calls} calls are counted");
        for kind in ["KILL", "HALF"] {
            for call in 1..=calls {
                let ended = growing.run((kind, call, false), None);
                growing.check(&ended, &format!("{bounds} {axis} {filter}: {kind} at {call} of {calls}"));
            }
        }
    }
}

#[test]
fn killed_at_random_a_writer_loses_nothing() {
    let kills = std::env::var("CHUNK_KILLS").map_or(200, |count| count.parse().expect("CHUNK_KILLS is a number"));
    let files = FILES.map(|(bounds, axis, filter)| Growing::new(bounds, axis, filter, 400));
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut part_way = 0;
    for number in 0..kills {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        let growing = &files[number % files.len()];
        let ended = growing.run(NO_FAULT, Some((state as usize % 20, Duration::from_micros(state / 20 % 3000))));
        let rows = growing.check(&ended, &format!("{:?}: random kill {number}", FILES[number % FILES.len()]));
        part_way += usize::from(rows > 0 && !ended.success);
    }
    assert!(part_way > kills / 4, "only {part_way} of {kills} writers were killed while they wrote");
}

#[test]
fn what_a_killed_writer_left_others_read_too() {
    let growing = Growing::new("v110", 0, "blosc", 3);
    let calls = growing.calls();
    let mut arguments = vec!["check".to_owned()];
    for call in (1..=calls).step_by(5) {
        let ended = growing.run(("KILL", call, false), None);
        let rows = growing.check(&ended, &format!("killed at {call}"));
        let kept = growing.folder.path().join(format!("{call}.h5"));
        std::fs::rename(&ended.path, &kept).unwrap();
        arguments.extend([kept.to_string_lossy().into_owned(), "0".to_owned(), rows.to_string()]);
    }
    python::run("growing.py", &arguments.iter().map(String::as_str).collect::<Vec<_>>());
}

#[test]
fn a_disk_that_is_full_or_broken_costs_nothing_that_was_committed() {
    let growing = Growing::new("v110", 0, "gzip", 3);
    let calls = growing.calls();
    for (kind, on) in [("ENOSPC", false), ("EIO", false), ("ENOSPC", true)] {
        for call in 1..=calls {
            let ended = growing.run((kind, call, on), None);
            let when = format!("{kind} at {call}, on: {on}");
            if !ended.success {
                let word = if kind == "ENOSPC" { "StorageFull" } else { "Io" };
                assert!(ended.errors.contains(word) && ended.errors.contains("x.h5"), "{when}: {}", ended.errors);
            }
            growing.check(&ended, &when);
        }
    }
}

#[test]
fn a_journal_that_was_taken_away_is_missed() {
    let growing = Growing::new("v110", 0, "none", 1);
    let calls = growing.calls();
    let mut missed = 0;
    for call in 1..=calls {
        let ended = growing.run(("KILL", call, false), None);
        let _ = std::fs::remove_file(journal(&ended.path));
        match Hdf5Source::open(&ended.path, Some(DATASET)) {
            Ok(_) => {}
            Err(Error::NeedsRecovery { .. }) => missed += 1,
            Err(error) => panic!("kill {call}: {error}"),
        }
    }
    assert!(missed > 1, "between the mark and its end there are several calls");
}
