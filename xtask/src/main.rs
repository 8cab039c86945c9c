//! `cargo xtask`: sets up what a fresh machine lacks, then runs cargo.
//!
//! Everything it makes lies under `target/`, and what it finds out goes to the processes that it starts, not into
//! files: `cargo clean` leaves no trace of it.

mod bench;
mod check;
mod cmake;
mod error;
mod hdf5_tools;
mod process;
mod pure;
mod python;
mod setup;
mod workspace;

use std::env;
use std::process::ExitCode;

use error::{Error, Result};
use setup::Environment;
use workspace::Workspace;

const HELP: &str = "\
Usage: cargo xtask COMMAND

  demo [--size 1G] [ARGS]   does the main job: makes a Blosc-compressed dataset, transforms it, verifies it
  test [ARGS]               all tests, the interoperability tests with Python included; ARGS go to `cargo test`
  check [STEP...]           what CI runs; `check --help` lists the steps
  bench SUITE [OPTIONS]     ours beside the Python ways; `bench --help` lists the suites and options
  env                       prints the settings for a plain `cargo build`: eval \"$(cargo xtask env)\"

Each command first sees to what is missing, under target/: CMake >= 3.26 (PyPI's where the machine's is too old)
and, for the tests and benchmarks, a Python environment (tests/python/requirements.txt) and Debian's hdf5-tools.
CMAKE, CHUNK_PYTHON (a python that has those packages), CHUNK_HDF5_TOOLS (the folder of h5dump and h5ls) and
CHUNK_CORPORA are used as they are where they are set.
";

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error}");
            ExitCode::from(error.exit_code())
        }
    }
}

fn run(arguments: &[String]) -> Result<()> {
    let Some((command, rest)) = arguments.split_first() else {
        print!("{HELP}");
        return Ok(());
    };
    match command.as_str() {
        "demo" => demo(rest),
        "test" => test(rest),
        "check" => check::main(rest),
        "bench" => bench::main(rest),
        "env" => print_environment(rest),
        "help" | "--help" | "-h" => {
            print!("{HELP}");
            Ok(())
        }
        unknown => Err(Error::usage(format!(
            "no command `{unknown}`; there are demo, test, check, bench, env (`cargo xtask --help`)"
        ))),
    }
}

fn demo(arguments: &[String]) -> Result<()> {
    let workspace = Workspace::find()?;
    let environment = setup::for_build(&workspace)?;
    let mut arguments = arguments.to_vec();
    if !names_size(&arguments) {
        arguments.splice(0..0, ["--size".to_owned(), "1G".to_owned()]);
    }
    run_demo(&workspace, &environment, "demo", &arguments)
}

/// Runs `chunk demo` in release, in the new folder `target/NAME`.
fn run_demo(workspace: &Workspace, environment: &Environment, name: &str, arguments: &[String]) -> Result<()> {
    let folder = workspace.target.join(name);
    workspace::remove_folder(&folder)?;
    let mut cargo = workspace.cargo(environment);
    cargo.args(["run", "--release", "--package", "chunk-cli", "--bin", "chunk", "--", "demo"]);
    cargo.arg(folder).args(arguments);
    process::run(&mut cargo)
}

fn names_size(arguments: &[String]) -> bool {
    arguments.iter().any(|argument| argument == "--size" || argument.starts_with("--size="))
}

fn test(arguments: &[String]) -> Result<()> {
    let workspace = Workspace::find()?;
    let environment = setup::for_tests(&workspace)?;
    run_tests(&workspace, &environment, arguments)
}

fn run_tests(workspace: &Workspace, environment: &Environment, arguments: &[String]) -> Result<()> {
    let mut cargo = workspace.cargo(environment);
    cargo.arg("test");
    if !names_package(arguments) {
        cargo.arg("--workspace");
    }
    process::run(cargo.args(arguments))
}

/// Whether the arguments for cargo choose packages themselves; what follows `--` is the tests' own.
fn names_package(arguments: &[String]) -> bool {
    arguments
        .iter()
        .take_while(|argument| *argument != "--")
        .any(|argument| argument.starts_with("-p") || argument.starts_with("--package") || argument == "--workspace")
}

fn print_environment(arguments: &[String]) -> Result<()> {
    if let Some(unknown) = arguments.first() {
        return Err(Error::usage(format!("`env` takes no arguments, found `{unknown}`")));
    }
    print!("{}", setup::for_tests(&Workspace::find()?)?.for_shell());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strings(words: &[&str]) -> Vec<String> {
        words.iter().map(|&word| word.to_owned()).collect()
    }

    #[test]
    fn finds_a_package_only_before_the_separator() {
        assert!(names_package(&strings(&["-p", "chunk-core"])));
        assert!(names_package(&strings(&["--package=chunk-core"])));
        assert!(!names_package(&strings(&["--release", "--", "-p"])));
        assert!(!names_package(&strings(&["interop"])));
    }

    #[test]
    fn keeps_a_size_that_is_given() {
        assert!(names_size(&strings(&["--threads", "1", "--size=64M"])));
        assert!(!names_size(&strings(&["--threads", "1"])));
    }

    #[test]
    fn unknown_commands_are_usage_errors() {
        assert_eq!(run(&strings(&["chekc"])).unwrap_err().exit_code(), 2);
    }
}
