//! Jobs that several processes share.

use std::fs;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::jobs::{Place, SINKS, Sink, WORKS, Work, count, hash, json, program, refuse, stderr, succeed, write};

/// `chunk work`, not yet started.
fn work(place: &Place, more: &[&str]) -> Command {
    let folder = place.job().to_str().unwrap().to_owned();
    program(&[&["work", &folder, "--progress=never"], more].concat())
}

fn job(place: &Place, more: &[&str]) -> Command {
    let folder = place.job().to_str().unwrap().to_owned();
    program(&[&["job", &folder], more].concat())
}

fn worked(command: &mut Command) -> Value {
    json(&succeed(command))
}

/// Does all parts of all stages, and finishes. The tasks done by all.
fn share(place: &Place, count_of_parts: u64) -> u64 {
    let mut done = 0;
    for _stage in 0..2 {
        for part in 0..count_of_parts {
            let part = format!("--part={part}/{count_of_parts}");
            if count_of_parts == 1 && !place.job().exists() && place.hash_if_made().is_some() {
                return done;
            }
            let record = worked(&mut place.command(&[&part, "--json", "--progress=never"]));
            assert_eq!(count(&record, "redone"), 0);
            done += count(&record, "done");
        }
    }
    succeed(&mut job(place, &["finish"]));
    done
}

impl Place {
    fn hash_if_made(&self) -> Option<String> {
        self.output().exists().then(|| self.hash())
    }
}

#[test]
fn parts_make_what_one_process_makes() {
    for (sink, kind) in SINKS.into_iter().flat_map(|sink| WORKS.map(|work| (sink, work))) {
        let expected = Place::new(sink, kind).expected();
        let mut joined: Option<Vec<u8>> = None;
        for parts in [1, 2, 3, 7] {
            if parts == 1 && sink == Sink::Added {
                // The dataset is there only once it is added.
                continue;
            }
            let place = Place::new(sink, kind);
            succeed(&mut place.command(&["--plan-only"]));
            let tasks = place.marked().unwrap().1;
            let when = format!("{sink:?} {kind:?} in {parts} parts");
            assert_eq!(share(&place, parts), tasks, "{when}");
            place.check_made(&expected, &when);
            let bytes = fs::read(place.output()).unwrap();
            if parts > 1 && sink == Sink::New {
                let first = joined.get_or_insert_with(|| bytes.clone());
                assert!(*first == bytes, "{when}: other bytes");
            }
        }
    }
}

#[test]
fn a_process_takes_over_what_parts_have_left() {
    for (sink, kind) in SINKS.into_iter().flat_map(|sink| WORKS.map(|work| (sink, work))) {
        let place = Place::new(sink, kind);
        let expected = place.expected();
        let part = |part: &str| worked(&mut place.command(&["--part", part, "--json", "--progress=never"]));
        let first = part("1/3");
        assert!(count(&first, "done") > 0 && count(&first, "missing") > 0 && first["published"] == false);
        let other = part("0/7");
        let (marked, tasks) = place.marked().unwrap();
        assert!(count(&other, "done") > 0 && marked >= count(&first, "done"));
        let last = worked(&mut work(&place, &["--json"]));
        assert_eq!(count(&last, "done"), tasks - marked, "{sink:?} {kind:?}: {last}");
        assert_eq!(count(&last, "kept"), marked, "{sink:?} {kind:?}: {last}");
        place.check_made(&expected, &format!("{sink:?} {kind:?}"));
    }
}

#[test]
fn a_part_that_is_done_does_nothing_again() {
    let place = Place::new(Sink::New, Work::Along);
    let part = || worked(&mut place.command(&["--part=0/2", "--json", "--progress=never"]));
    let first = part();
    let again = part();
    assert_eq!((count(&again, "done"), count(&again, "redone")), (0, 0));
    assert_eq!(count(&again, "kept"), count(&first, "done"));
}

#[test]
fn tells_what_is_missing_and_finishes_nothing_before() {
    let place = Place::new(Sink::Npy, Work::Across);
    succeed(&mut place.command(&["--part=0/2", "--progress=never"]));
    let missing = job(&place, &["missing"]).output().unwrap();
    assert_eq!(missing.status.code(), Some(1));
    let text = String::from_utf8(missing.stdout).unwrap();
    assert!(text.starts_with("stage 1  1..2\nstage 1  3..4\n") && text.contains("stage 2  0.."), "{text}");
    let (marked, _) = place.marked().unwrap();
    let message = refuse(&mut job(&place, &["finish"]));
    assert!(message.contains(&format!("{marked} of {} tasks of", 2 * marked)), "{message}");
    let status = json(&succeed(&mut job(&place, &["status", "--json"])));
    assert_eq!(count(&status["stages"][0], "done"), marked);
    assert!(!place.output().exists());
    succeed(&mut job(&place, &["clear"]));
    assert_eq!(place.names(), ["in.h5"]);
}

#[test]
fn a_part_has_one_process() {
    let place = Place::new(Sink::New, Work::Convert);
    succeed(&mut place.command(&["--plan-only"]));
    // A process that has the marks of its part locked, until it is stopped.
    let mut holder = place.command(&["--part=0/2", "--progress=never"]);
    let mut shell = Command::new("sh");
    let marks = place.job().join("part-0-of-2.marks");
    succeed(&mut holder);
    shell.args(["-c", "exec flock -x \"$0\" sleep 20"]).arg(&marks).stdout(Stdio::null());
    let Ok(mut child) = shell.spawn() else { return };
    let began = Instant::now();
    let message = loop {
        let output = place.command(&["--part=0/2", "--progress=never"]).output().unwrap();
        if output.status.code() == Some(1) {
            break stderr(&output);
        }
        assert!(began.elapsed() < Duration::from_secs(10), "the second process went on");
        thread::sleep(Duration::from_millis(10));
    };
    assert!(message.contains("locked"), "{message}");
    // Another part goes on.
    succeed(&mut place.command(&["--part=1/2", "--progress=never"]));
    let cleared = refuse(&mut job(&place, &["clear"]));
    assert!(cleared.contains("locked"), "{cleared}");
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn parts_at_once_make_what_one_process_makes() {
    for (sink, kind) in [(Sink::New, Work::Across), (Sink::Npy, Work::Along), (Sink::Added, Work::Along)] {
        let place = Place::new(sink, kind);
        let expected = place.expected();
        for _stage in 0..2 {
            let children: Vec<_> = (0..3)
                .map(|part| place.command(&[&format!("--part={part}/3"), "--progress=never"]).spawn().unwrap())
                .collect();
            for mut child in children {
                assert!(child.wait().unwrap().success(), "{sink:?} {kind:?}");
            }
        }
        // In the second stage none has to wait.
        succeed(&mut work(&place, &[]));
        place.check_made(&expected, &format!("{sink:?} {kind:?}"));
    }
}

#[test]
fn a_plan_is_carried_out_from_any_folder_with_other_memory_and_threads() {
    let place = Place::new(Sink::New, Work::Convert);
    for day in 0..3 {
        write(&chunk_core::Location::new(place.path(&format!("day-{day}.npy"))), [20, 6], [20, 6], f64::from(day));
    }
    let here = |arguments: &[&str]| succeed(program(arguments).current_dir(place.folder.path()));
    here(&["stack", "all.h5", "day-*.npy", "--memory=1M", "--progress=never"]);
    let expected = hash(&place.text("all.h5"));
    here(&["stack", "out.h5", "day-*.npy", "--memory=1M", "--threads=2", "--plan-only"]);
    // What comes later is not of this job.
    write(&chunk_core::Location::new(place.path("day-9.npy")), [20, 6], [20, 6], 9.0);
    let folder = place.text("out.h5.job");
    let elsewhere = tempfile::tempdir().unwrap();
    let small = program(&["work", &folder, "--memory=100"]).current_dir(elsewhere.path()).output().unwrap();
    assert_eq!(small.status.code(), Some(1));
    assert!(stderr(&small).contains("budget of 100 B is too small"), "{}", stderr(&small));
    assert!(!place.path("out.h5").exists() && place.marked().is_none_or(|(done, _)| done == 0));
    let words = ["work", &folder, "--memory=500K", "--threads=1", "--progress=never"];
    succeed(program(&words).current_dir(elsewhere.path()));
    assert_eq!(hash(&place.text("out.h5")), expected);
    assert!(!place.path("out.h5.job").exists());
}
