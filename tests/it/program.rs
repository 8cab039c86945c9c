//! Runs the program `chunk`.

use std::process::{Command, Output};

/// The program, not yet started.
pub(crate) fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_chunk-under-test"));
    command.args(arguments);
    command
}

/// Runs it; it must succeed. Gives what it printed on standard output.
pub(crate) fn succeed(arguments: &[&str]) -> String {
    let output = command(arguments).output().expect("the program starts");
    assert!(output.status.success(), "chunk {}: {}", arguments.join(" "), stderr(&output));
    String::from_utf8(output.stdout).expect("its output is text")
}

/// Runs it; it must fail with `code` and one line. Gives that line.
pub(crate) fn fail(arguments: &[&str], code: i32) -> String {
    let output = command(arguments).output().expect("the program starts");
    let text = stderr(&output);
    assert_eq!(output.status.code(), Some(code), "chunk {}: {text}", arguments.join(" "));
    assert_eq!(text.trim_end().lines().count(), 1, "one line: {text}");
    text
}

pub(crate) fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}
