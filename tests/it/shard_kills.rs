//! A process that is killed over a shard, or whose disk fails, at any call that changes a file, costs the task under way:
//! the next one goes on, and the output is the one of a process that nothing befell.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use chunk_core::{Backend, Checksum, ChunkSource, Location, Slab, Worker};
use chunk_hdf5::{Hdf5, Hdf5Editor};
use chunk_npy::Npy;
use tempfile::TempDir;

use crate::faults;

const TASKS: usize = 6;

/// A folder for a shard and its output.
struct Job {
    format: &'static str,
    folder: TempDir,
}

/// What a process said.
struct Said {
    success: bool,
    kept: usize,
    done: usize,
    /// The checksum of the output, if it was finished.
    finished: Option<String>,
    errors: String,
}

impl Job {
    fn new(format: &'static str) -> Self {
        let job = Job { format, folder: tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap() };
        if format == "added" {
            let editor = Hdf5Editor::create(job.target(), false).unwrap();
            editor.create_group("/other").unwrap();
            editor.finish().unwrap();
        }
        job
    }

    fn target(&self) -> PathBuf {
        self.folder.path().join(if self.format == "npy" { "x.npy" } else { "x.h5" })
    }

    fn run(&self, fault: (&str, usize, bool)) -> Said {
        let mut command = Command::new(env!("CARGO_BIN_EXE_chunk-shard-under-test"));
        command.arg(self.folder.path()).arg(self.format);
        faults::preload(&mut command, fault.0, fault.1, fault.2);
        let output = command.output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let count = |word: &str| text.lines().filter(|line| *line == word).count();
        Said {
            success: output.status.success(),
            kept: count("kept"),
            done: count("done"),
            finished: text.lines().find_map(|line| line.strip_prefix("finished ").map(str::to_owned)),
            errors: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// The checksum of the output, if it is there: it is whole then.
    fn output(&self) -> Option<String> {
        let location = Location::new(self.target());
        let source = if self.format == "npy" {
            self.target().exists().then(|| Npy::default().open(&location).unwrap())?
        } else {
            if !self.target().exists() {
                return None;
            }
            Hdf5::default().growing().unwrap().recover(&self.target()).unwrap();
            assert!(Hdf5::default().growing().unwrap().problems(&self.target()).unwrap().is_empty());
            Hdf5::default().open(&location.with_dataset("/g/x")).ok()?
        };
        let mut bytes = vec![0; source.info().bytes() as usize];
        source.read_into(&Slab::whole(&source.info().shape), &mut bytes, &Worker::new()).unwrap();
        Some(format!("{:016x}", Checksum::of(&bytes)))
    }

    fn names(&self) -> Vec<String> {
        let names = fs::read_dir(self.folder.path()).unwrap();
        names.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }
}

/// Lets each fault befall each call of a process, and another go on: how many tasks were kept in all.
fn try_all(format: &'static str, faults: &[(&str, bool)]) -> usize {
    let undisturbed = Job::new(format);
    let said = undisturbed.run(("COUNT", 0, false));
    assert!(said.success && said.done == TASKS && said.kept == 0, "{}", said.errors);
    assert_eq!(undisturbed.names().len(), 1);
    let expected = said.finished.unwrap();
    let calls = faults::calls(&said.errors);
    // At least the file, its log, what is written to both for each task, and the syncs.
    assert!(calls.len() > 4 * TASKS, "{calls:?}");
    let mut kept = 0;
    for (fault, at, on) in faults.iter().flat_map(|(fault, on)| (1..=calls.len()).map(move |at| (*fault, at, *on))) {
        let job = Job::new(format);
        let first = job.run((fault, at, on));
        let when = format!("{format}: {fault} at {at} ({}), on: {on}", calls[at - 1]);
        if let Some(output) = job.output() {
            assert_eq!(output, expected, "{when}: another output");
            // It is published: what may be left is there to be removed.
            let left: Vec<_> = job.names().into_iter().filter(|name| name == "shard").collect();
            assert!(left.is_empty() || format == "added", "{when}: {left:?}");
            continue;
        }
        assert!(!first.success, "{when}");
        let told = first.errors.contains("shard") || first.errors.contains("x.");
        assert!(told || ["KILL", "HALF", "TORN"].contains(&fault), "{when}: {}", first.errors);
        let second = job.run(("COUNT", 0, false));
        assert!(second.success, "{when}: {}", second.errors);
        assert_eq!((second.finished.as_ref(), job.output().as_ref()), (Some(&expected), Some(&expected)), "{when}");
        assert!(second.kept >= first.done, "{when}: {} of {} tasks were kept", second.kept, first.done);
        assert_eq!(second.kept + second.done, TASKS, "{when}");
        let names = job.names();
        let temporary = names.iter().filter(|name| name.ends_with(".partial")).count();
        assert_eq!(names.len() - temporary, 1, "{when}: {names:?}");
        kept += second.kept;
    }
    kept
}

const KILLS: [(&str, bool); 3] = [("KILL", false), ("HALF", false), ("TORN", false)];
const FAILURES: [(&str, bool); 4] = [("ENOSPC", false), ("ENOSPC", true), ("EIO", false), ("EDQUOT", true)];

#[test]
fn killed_over_a_shard_of_hdf5_the_next_process_goes_on() {
    assert!(try_all("hdf5", &KILLS) > 100);
}

#[test]
fn killed_over_a_shard_of_a_dataset_that_is_added_the_next_process_goes_on() {
    assert!(try_all("added", &KILLS) > 100);
}

#[test]
fn killed_over_a_shard_of_npy_the_next_process_goes_on() {
    assert!(try_all("npy", &KILLS) > 50);
}

#[test]
fn a_disk_that_is_full_or_broken_costs_a_shard_the_task_under_way() {
    for format in ["hdf5", "added", "npy"] {
        assert!(try_all(format, &FAILURES) > 50, "{format}");
    }
}

#[test]
fn interrupted_and_short_writes_are_completed() {
    for format in ["hdf5", "npy"] {
        let job = Job::new(format);
        let calls = faults::calls(&job.run(("COUNT", 0, false)).errors).len();
        let expected = job.output();
        for (fault, at) in ["EINTR", "SHORT"].into_iter().flat_map(|fault| (1..=calls).map(move |at| (fault, at))) {
            let job = Job::new(format);
            let said = job.run((fault, at, false));
            assert!(said.success && job.output() == expected, "{format}: {fault} at {at}: {}", said.errors);
        }
    }
}
