//! A job that is killed at any instant is continued by the next process, which does nothing again that was marked.
//!
//! `CHUNK_KILLS` asks for more kills.

#![cfg(target_os = "linux")]

use std::fs;
use std::process::Stdio;
use std::thread;
use std::time::Duration;

use crate::faults;
use crate::jobs::{Place, Random, SINKS, Sink, WORKS, Work, count, json, stderr, succeed, time};

/// Kills, unless `CHUNK_KILLS` says how many.
const KILLS: u64 = 48;

/// What came of the kills.
#[derive(Debug, Default)]
struct Tally {
    kills: u64,
    /// Processes that were killed once something was marked, and before the end.
    part_way: u64,
    /// Processes that were killed after the output had its name.
    published: u64,
    jobs: u64,
}

/// Kills processes at one job until one comes through, or there were `kills`; then lets one.
fn kill(place: &Place, expected: &str, calls: usize, took: Duration, random: &mut Random, tally: &mut Tally) {
    let before = fs::read(place.output()).ok();
    let (mut was_marked, mut all, mut rounds) = (0, 0, 0);
    tally.jobs += 1;
    loop {
        let mut command = place.command(&["--resume", "--json", "--progress=never"]);
        let kind = if rounds < 4 { random.below(4) } else { u64::MAX };
        rounds += 1;
        let at = random.below(calls as u64 + 2) as usize + 1;
        match kind {
            0 => faults::preload(&mut command, "KILL", at, false),
            1 => faults::preload(&mut command, "HALF", at, false),
            _ => {}
        }
        let when = format!("{:?} {:?}: round {rounds}, kind {kind} at {at}", place.sink, place.work);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        if let 2 | 3 = kind {
            thread::sleep(took.mul_f64(random.below(1000) as f64 / 900.0));
            let _ = child.kill();
        }
        let output = child.wait_with_output().unwrap();
        if output.status.success() {
            if !output.stdout.is_empty() {
                let record = json(&String::from_utf8_lossy(&output.stdout));
                assert_eq!(count(&record, "redone"), 0, "{when}: {record}");
                assert!(count(&record, "kept") >= was_marked, "{when}: {record}, {was_marked} were marked");
                let total = count(&record, "kept") + count(&record, "done");
                assert!(total == all || all == 0, "{when}: {record}, {all} tasks");
                assert_eq!(record["published"], true, "{when}: {record}");
            }
            return place.check_made(expected, &when);
        }
        let is_killed = output.status.code().is_none();
        let errors = stderr(&output);
        // A third party's output of two files may be half there; what was published and not told apart is kept.
        if !is_killed && errors.contains("exists") && place.sink == Sink::Raw {
            succeed(&mut place.command(&["--resume", "--overwrite", "--progress=never"]));
            tally.published += 1;
            return place.check_made(expected, &when);
        }
        if !is_killed && errors.contains("exists") && place.marked().is_none_or(|(done, _)| done == 0) {
            // Killed over clearing the folder: its marks were gone.
            assert_eq!(place.hash(), expected, "{when}");
            tally.published += 1;
            return;
        }
        assert!(is_killed, "{when}: {errors}");
        tally.kills += 1;
        let Some((marked, tasks)) = place.marked() else {
            // Before there was a folder, or after.
            continue;
        };
        if marked == 0 && fs::read(place.output()).ok() != before {
            // Over clearing the folder: its marks are gone, its record is not.
            let next = place.command(&["--resume", "--progress=never"]).output().unwrap();
            assert!(stderr(&next).contains("exists") && place.hash() == expected, "{when}: {}", stderr(&next));
            tally.published += 1;
            return;
        }
        assert!(marked >= was_marked, "{when}: {marked} are marked, {was_marked} were");
        (was_marked, all) = (marked, tasks);
        tally.part_way += u64::from(marked > 0 && marked < tasks);
        if marked < tasks {
            assert_eq!(fs::read(place.output()).ok(), before, "{when}: {marked} of {tasks}, and the output is touched");
        } else if fs::read(place.output()).ok() != before {
            tally.published += 1;
        }
    }
}

#[test]
fn killed_at_random_a_job_goes_on_where_it_was() {
    let kills = std::env::var("CHUNK_KILLS").map_or(KILLS, |count| count.parse().expect("CHUNK_KILLS is a number"));
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let mut tally = Tally::default();
    let cases: Vec<_> = SINKS.into_iter().flat_map(|sink| WORKS.map(|work| (sink, work))).collect();
    let known: Vec<_> = cases
        .iter()
        .map(|(sink, work)| {
            let place = Place::new(*sink, *work);
            let expected = place.expected();
            let calls = place.calls().len();
            let took = time(&mut Place::new(*sink, *work).command(&["--resume", "--progress=never"]));
            (expected, calls, took)
        })
        .collect();
    let mut number = 0;
    while tally.kills < kills {
        let (sink, work) = cases[number % cases.len()];
        let (expected, calls, took) = &known[number % cases.len()];
        kill(&Place::new(sink, work), expected, *calls, *took, &mut random, &mut tally);
        number += 1;
    }
    println!("{tally:?}");
    assert!(tally.part_way > kills / 30, "{tally:?}");
}

#[test]
fn killed_over_publishing_the_next_process_cleans_up() {
    for (sink, work) in SINKS.into_iter().flat_map(|sink| [Work::Convert, Work::Across].map(|work| (sink, work))) {
        let place = Place::new(sink, work);
        let expected = place.expected();
        let calls = place.calls().len();
        // The last calls are those of publishing and clearing.
        for at in calls.saturating_sub(14)..=calls {
            let place = Place::new(sink, work);
            let mut command = place.command(&["--resume", "--progress=never"]);
            faults::preload(&mut command, "KILL", at, false);
            let output = command.output().unwrap();
            let when = format!("{sink:?} {work:?}: killed at {at} of {calls}, {:?} left", place.names());
            let next = place.command(&["--resume", "--progress=never"]).output().unwrap();
            if output.status.success() {
                continue;
            }
            let errors = stderr(&next);
            if next.status.success() {
                place.check_made(&expected, &when);
            } else {
                // All that tells of the job is gone but its output, or a third party's is half there.
                assert!(errors.contains("exists"), "{when}: {errors}");
                assert!(sink == Sink::Raw || place.marked().is_none_or(|(done, _)| done == 0), "{when}: {errors}");
                assert!(sink == Sink::Raw || place.hash() == expected, "{when}");
            }
        }
    }
}
