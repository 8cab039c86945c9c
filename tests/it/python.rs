//! The Python side: NumPy, h5py and PyTables, which `cargo xtask test` installs below target/.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

const SCRIPTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/python");

/// Runs a script; it must succeed. Gives what it printed.
pub(crate) fn run(script: &str, arguments: &[&str]) -> String {
    checked(&output(script, arguments), script)
}

/// Runs a script, whatever comes of it.
pub(crate) fn output(script: &str, arguments: &[&str]) -> Output {
    python(script).args(arguments).output().expect("Python starts")
}

/// Runs a script that reads `input`; it must succeed. Gives what it printed.
pub(crate) fn run_with(script: &str, arguments: &[&str], input: &str) -> String {
    let mut command = python(script);
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("Python starts");
    child.stdin.take().expect("it is piped").write_all(input.as_bytes()).expect("Python reads its input");
    checked(&child.wait_with_output().expect("Python ends"), script)
}

/// Runs commands of `interop.py`, all in one process: starting Python and NumPy takes longer than most commands.
pub(crate) fn batch(commands: &[Vec<String>]) {
    let lines: String = commands.iter().map(|command| quoted(command) + "\n").collect();
    let printed = run_with("interop.py", &["batch"], &lines);
    assert_eq!(printed.lines().count(), commands.len(), "a line for each command:\n{printed}");
}

fn quoted(command: &[String]) -> String {
    let quote = |word: &String| format!("'{}'", word.replace('\'', "'\\''"));
    command.iter().map(quote).collect::<Vec<_>>().join(" ")
}

fn python(script: &str) -> Command {
    let mut command = Command::new(interpreter());
    command.arg(Path::new(SCRIPTS).join(script)).env("PYTHONDONTWRITEBYTECODE", "1");
    command
}

fn interpreter() -> PathBuf {
    let default = concat!(env!("CARGO_MANIFEST_DIR"), "/../target/python/bin/python");
    let path = std::env::var_os("CHUNK_PYTHON").map_or_else(|| PathBuf::from(default), PathBuf::from);
    assert!(path.exists(), "{} is missing: run `cargo xtask test`, which installs it", path.display());
    path
}

fn checked(output: &Output, what: &str) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{what}: {}\n{}", output.status, text(&output.stderr));
    text(&output.stdout)
}
