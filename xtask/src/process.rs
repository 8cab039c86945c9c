//! Child processes: run, capture, find on PATH.

use std::env;
use std::ffi::OsStr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::error::{Error, Result};

/// Runs with this process's own output streams.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let status = command.status().map_err(|error| cannot_start(command, &error))?;
    if status.success() {
        return Ok(());
    }
    Err(Error::failed(format!("`{}` failed ({status})", describe(command))))
}

/// Runs and returns what it printed; where it fails, the error carries the last line of its messages.
pub(crate) fn capture(command: &mut Command) -> Result<String> {
    let output = command.output().map_err(|error| cannot_start(command, &error))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let (line, status) = (last_line(&output), output.status);
    Err(Error::failed(format!("`{}` failed ({status}): {line}", describe(command))))
}

/// The absolute path of a program on PATH.
pub(crate) fn find(program: &str) -> Option<PathBuf> {
    find_all(program).next()
}

/// Every program of that name on PATH, in its order.
pub(crate) fn find_all(program: &str) -> impl Iterator<Item = PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let folders: Vec<PathBuf> = env::split_paths(&path).filter(|folder| folder.is_absolute()).collect();
    folders.into_iter().map(move |folder| folder.join(OsStr::new(&program))).filter(|file| is_executable(file))
}

/// One word for a POSIX shell.
pub(crate) fn shell_quote(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

fn is_executable(file: &Path) -> bool {
    file.metadata().is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
}

fn cannot_start(command: &Command, error: &std::io::Error) -> Error {
    Error::failed(format!("cannot start `{}`: {error}", describe(command)))
}

/// The command as a person would type it, without its folder: `cargo clippy --workspace`.
fn describe(command: &Command) -> String {
    let program = Path::new(command.get_program()).file_name().unwrap_or(command.get_program());
    let words = std::iter::once(program).chain(command.get_args());
    words.map(OsStr::to_string_lossy).collect::<Vec<_>>().join(" ")
}

fn last_line(output: &Output) -> String {
    let text = if output.stderr.is_empty() { &output.stdout } else { &output.stderr };
    let text = String::from_utf8_lossy(text);
    text.lines().rfind(|line| !line.trim().is_empty()).unwrap_or("no message").trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failure_names_the_command_and_its_last_message() {
        let error = capture(Command::new("/bin/sh").args(["-c", "echo one >&2; echo two >&2; exit 3"])).unwrap_err();
        let text = error.to_string();
        assert!(text.starts_with("`sh -c") && text.ends_with("two") && text.contains('3'), "{text}");
    }

    #[test]
    fn a_program_that_is_not_there_cannot_start() {
        let error = run(&mut Command::new("/nowhere/program")).unwrap_err().to_string();
        assert!(error.starts_with("cannot start `program`"), "{error}");
    }

    #[test]
    fn finds_programs_but_not_folders() {
        assert!(find("sh").is_some_and(|path| path.is_absolute()));
        assert!(find("no-such-program").is_none());
        assert!(!is_executable(Path::new("/")));
    }
}
