//! Runs the program `chunk`.

use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// A child that takes longer hangs.
const LIMIT: Duration = Duration::from_mins(1);

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

/// Runs it on what may be anything: it ends by itself within [`LIMIT`], in success or in an error.
pub(crate) fn within_limits(command: &mut Command) -> Result<Output, String> {
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program starts");
    let output = finish(child)?;
    match output.status.code() {
        Some(0..=2) => Ok(output),
        _ => Err(format!("ended with {}: {}", output.status, stderr(&output).trim_end())),
    }
}

/// The program, not yet started, with `kibibytes` of memory and addresses.
pub(crate) fn with_memory(kibibytes: u32, arguments: &[&str]) -> Command {
    let mut shell = Command::new("sh");
    let script = format!("ulimit -v {kibibytes} && exec \"$0\" \"$@\"");
    shell.args(["-c", &script, env!("CARGO_BIN_EXE_chunk-under-test")]).args(arguments);
    shell
}

/// What the child printed, read while it runs; a child that hangs is ended.
fn finish(child: Child) -> Result<Output, String> {
    let id = child.id();
    let began = Instant::now();
    let waiting = std::thread::spawn(move || child.wait_with_output());
    while !waiting.is_finished() {
        if began.elapsed() > LIMIT {
            let _ = Command::new("kill").args(["-9", &id.to_string()]).status();
            let _ = waiting.join();
            return Err(format!("did not end within {LIMIT:?}"));
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    waiting.join().expect("waiting does not panic").map_err(|error| error.to_string())
}
