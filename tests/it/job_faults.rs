//! A job whose disk fails, that is cancelled, or whose output appears from elsewhere, keeps what is done.

#![cfg(target_os = "linux")]

use std::fs;
use std::process::{Command, Stdio};
use std::thread;

use crate::faults;
use crate::jobs::{Place, SINKS, Sink, WORKS, Work, count, hash, json, refuse, stderr, succeed, time, write};

#[test]
fn a_disk_that_is_full_or_broken_leaves_a_job_that_goes_on() {
    for (number, (sink, work)) in SINKS.into_iter().flat_map(|sink| WORKS.map(|work| (sink, work))).enumerate() {
        let place = Place::new(sink, work);
        let expected = place.expected();
        let calls = place.calls();
        for (kind, on) in [("ENOSPC", true), ("EIO", false)] {
            // All of the last ones, which publish, and some of those before.
            let last = calls.len().saturating_sub(8);
            for at in (1 + number % 11..last).step_by(calls.len() / 5 + 1).chain(last..=calls.len()) {
                let place = Place::new(sink, work);
                let mut command = place.command(&["--resume", "--progress=never"]);
                faults::preload(&mut command, kind, at, on);
                let first = command.output().unwrap();
                let when = format!("{sink:?} {work:?}: {kind} at {at} of {}, on: {on}", calls.len());
                assert!(matches!(first.status.code(), Some(0 | 1)), "{when}: {}", stderr(&first));
                let marked = place.marked();
                if first.status.success() {
                    place.check_made(&expected, &when);
                    continue;
                }
                let next = place.command(&["--resume", "--json", "--progress=never"]).output().unwrap();
                let errors = stderr(&next);
                if !next.status.success() && errors.contains("exists") {
                    assert!(sink == Sink::Raw || place.hash() == expected, "{when}: {errors}");
                    continue;
                }
                assert!(next.status.success(), "{when}: {}, then {errors}", stderr(&first));
                let record = json(&String::from_utf8_lossy(&next.stdout));
                assert!(count(&record, "kept") + count(&record, "redone") >= marked.map_or(0, |(done, _)| done));
                place.check_made(&expected, &when);
            }
        }
    }
}

#[test]
fn a_job_that_is_cancelled_goes_on() {
    let (mut cancelled, mut part_way) = (0, 0);
    for round in 0..24_u32 {
        let sink = SINKS[round as usize % 4];
        let work = WORKS[round as usize % 3];
        let place = Place::new(sink, work);
        let expected = place.expected();
        let took = time(&mut Place::new(sink, work).command(&["--resume", "--progress=never"]));
        let mut command = place.command(&["--resume", "--progress=never"]);
        let child = command.stderr(Stdio::piped()).spawn().unwrap();
        thread::sleep(took.mul_f64(f64::from(round + 4) / 28.0));
        let _ = Command::new("kill").args(["-INT", &child.id().to_string()]).stderr(Stdio::null()).status();
        let output = child.wait_with_output().unwrap();
        let when = format!("{sink:?} {work:?}: {}", stderr(&output));
        match output.status.code() {
            Some(130) => {
                cancelled += 1;
                let marked = place.marked().map_or(0, |(done, _)| done);
                part_way += u32::from(marked > 0);
                let record = json(&succeed(&mut place.command(&["--resume", "--json", "--progress=never"])));
                assert!(count(&record, "kept") == marked && count(&record, "redone") == 0, "{when}: {record}");
            }
            Some(0) => {}
            // Before it listened.
            None => succeed(&mut place.command(&["--resume", "--progress=never"])).clear(),
            Some(code) => panic!("{when}: exit status {code}"),
        }
        place.check_made(&expected, &when);
    }
    assert!(cancelled > 0, "{cancelled} were cancelled, {part_way} of them part way");
}

#[test]
fn an_output_is_replaced_only_at_the_end() {
    for sink in [Sink::New, Sink::Npy] {
        let place = Place::new(sink, Work::Across);
        let expected = place.expected();
        let old = chunk_core::Location::new(place.output());
        write(&if sink == Sink::New { old.with_dataset("/y") } else { old }, [2, 2], [2, 2], 3.0);
        let bytes = fs::read(place.output()).unwrap();
        let refused = refuse(&mut place.command(&["--resume", "--progress=never"]));
        assert!(refused.contains("exists"), "{refused}");
        for part in ["--part=0/2", "--part=1/2", "--part=0/2", "--part=1/2"] {
            succeed(&mut place.command(&[part, "--overwrite", "--progress=never"]));
            assert_eq!(fs::read(place.output()).unwrap(), bytes, "{sink:?}: replaced before the end");
        }
        let (done, tasks) = place.marked().unwrap();
        assert_eq!(done, tasks);
        let folder = place.job().to_str().unwrap().to_owned();
        succeed(&mut crate::jobs::program(&["job", &folder, "finish"]));
        assert_eq!(place.hash(), expected);
        assert!(!place.job().exists());
    }
}

#[test]
fn an_output_that_appeared_meanwhile_is_kept() {
    for sink in [Sink::New, Sink::Npy, Sink::Raw] {
        let place = Place::new(sink, Work::Along);
        let expected = place.expected();
        succeed(&mut place.command(&["--part=0/2", "--progress=never"]));
        fs::write(place.output(), "another's").unwrap();
        let marked = place.marked();
        let message = refuse(&mut place.command(&["--resume", "--progress=never"]));
        assert!(message.contains("exists"), "{sink:?}: {message}");
        assert_eq!(place.marked(), marked, "{sink:?}: worked in vain");
        assert_eq!(fs::read(place.output()).unwrap(), b"another's");
        fs::remove_file(place.output()).unwrap();
        let record = json(&succeed(&mut place.command(&["--resume", "--json", "--progress=never"])));
        assert!(count(&record, "kept") > 0, "{record}");
        assert_eq!(hash(&place.target()), expected);
    }
}

#[test]
fn an_output_that_was_published_and_taken_away_is_made_again() {
    for (sink, work) in [(Sink::New, Work::Along), (Sink::Npy, Work::Across), (Sink::New, Work::Across)] {
        let place = Place::new(sink, work);
        let expected = place.expected();
        let calls = place.calls().len();
        for at in calls.saturating_sub(12)..calls {
            let place = Place::new(sink, work);
            let mut command = place.command(&["--resume", "--progress=never"]);
            faults::preload(&mut command, "KILL", at, false);
            command.output().unwrap();
            let _ = fs::remove_file(place.output());
            succeed(&mut place.command(&["--resume", "--progress=never"]));
            place.check_made(&expected, &format!("{sink:?} {work:?}: killed at {at} of {calls}"));
        }
    }
}
