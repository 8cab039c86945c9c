//! Files that crash libhdf5, keep it busy without end or fill memory: every command ends, with the right value or with
//! an error.

use std::fmt::Write as _;

use crate::{program, python};

/// Kibibytes that a command may have, the addresses of its threads and libraries among them.
const MEMORY: u32 = 1 << 20;

#[test]
fn what_crashes_others_is_an_error_or_the_right_value() {
    let folder = tempfile::tempdir().unwrap();
    let listed = python::run("hostile.py", &[&folder.path().to_string_lossy()]);
    assert!(listed.lines().count() > 80, "{listed}");
    let mut wrong = String::new();
    for line in listed.lines() {
        let [file, dataset, expected] = line.split('\t').collect::<Vec<_>>().try_into().expect("three columns");
        let file = folder.path().join(file).to_string_lossy().into_owned();
        let location = format!("{file}::{dataset}");
        let run = |arguments: &[&str]| {
            let output = program::within_limits(&mut program::with_memory(MEMORY, arguments))
                .map_err(|what| format!("{}: {what}", arguments.join(" ")))?;
            let text = String::from_utf8_lossy(&output.stdout).into_owned();
            let message = program::stderr(&output);
            let plain = !message.contains("panicked") && (output.status.success() || !message.is_empty());
            if plain { Ok(text) } else { Err(format!("{}: {message}", arguments.join(" "))) }
        };
        // What is too much to be read is planned.
        let plan = (expected == "large").then_some("--dry-run");
        let memory = ["--memory", "64M", "--progress", "never"];
        let hash: Vec<&str> = ["hash", "--recursive", &file].into_iter().chain(memory).chain(plan).collect();
        let mut outcomes = vec![run(&["ls", "-r", &file]), run(&["info", &location]), run(&hash)];
        if plan.is_none() {
            outcomes.push(run(&[&["verify", &file], &memory[..]].concat()));
            outcomes.push(run(&[&["stats", &location], &memory[..]].concat()));
        }
        outcomes.push(run(&[&["show", &location], &memory[..]].concat()));
        let printed = outcomes[2].clone().unwrap_or_default();
        let told = printed.lines().find(|line| line.contains(&format!("  {location}")));
        let as_expected = match expected {
            "large" => true,
            "any" => told.is_some(),
            "error" => told.is_some_and(|line| line.starts_with("error  ")),
            hash => told.is_some_and(|line| line.starts_with(hash)),
        };
        for what in outcomes.into_iter().filter_map(Result::err) {
            let _ = writeln!(wrong, "{what}");
        }
        if !as_expected {
            let _ = writeln!(wrong, "{location}: not {expected} but {printed}");
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}
