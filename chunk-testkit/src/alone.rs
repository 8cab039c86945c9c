//! Running a test in a process of its own.

use std::env;
use std::process::Command;
use std::thread;

/// How the report of a broken rule begins.
const REPORT: &str = "a rule is broken";

/// Set in the process that runs one test alone.
const ALONE: &str = "CHUNK_TESTKIT_ALONE";

/// Runs the body of a test where nothing else runs: in a second process of this test binary, asked for this test only.
///
/// Tests of one binary run on several threads at once, so what one of them measures of the whole process, memory for
/// example, the others disturb. Call it first thing in the `#[test]` function.
///
/// # Panics
/// With what the second process printed, if the test fails there.
pub fn alone(body: impl FnOnce()) {
    let current = thread::current();
    match current.name() {
        // With one test thread the harness runs tests on the main thread, one by one.
        Some(test) if test != "main" && env::var_os(ALONE).is_none() => rerun(test),
        _ => body(),
    }
}

fn rerun(test: &str) {
    let program = env::current_exe().expect("the test binary knows where it is");
    let arguments = [test, "--exact", "--include-ignored", "--nocapture", "--test-threads=1"];
    let output = Command::new(program).args(arguments).env(ALONE, "1").output().expect("the test binary runs again");
    let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    // A report first, then all that surrounds it.
    let report = text.find(REPORT).map_or("", |at| &text[at..]);
    assert!(output.status.success(), "{report}\n\nThis was {test} in a process of its own:\n{text}");
    assert!(
        text.contains("1 passed"),
        "{test} is no test of this binary: call `alone` in the test's own thread\n{text}"
    );
}

/// Rules that measure the memory of the process.
const MEASURING: [&str; 5] = [
    "scratch_is_within_cost",
    "holds_no_more_than_it_says",
    "writing_stays_within_its_cost",
    "damaged_files_take_little_memory",
    "opening_holds_no_more_than_it_says",
];

/// Runs the test of a rule, alone if the rule measures.
#[doc(hidden)]
pub fn alone_if(rule: &str, body: impl FnOnce()) {
    if MEASURING.contains(&rule) { alone(body) } else { body() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{backend_rules, source_rules};

    #[test]
    fn rules_that_measure_are_rules() {
        let names: Vec<_> = source_rules::RULES.iter().map(crate::Rule::name).collect();
        let more: Vec<_> = backend_rules::RULES.iter().map(crate::Rule::name).collect();
        assert!(MEASURING.iter().all(|rule| names.contains(rule) || more.contains(rule)));
    }
}
