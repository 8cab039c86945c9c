//! `cargo xtask check`: what CI runs, step by step, each with its time.

use std::fmt::Write;
use std::time::Instant;

use crate::error::{Error, Result};
use crate::setup::{self, Environment};
use crate::workspace::Workspace;
use crate::{process, pure, run_demo, run_tests};

/// What a step needs beside Rust; each includes those before it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Needs {
    Nothing,
    Build,
    Tests,
}

struct Step {
    name: &'static str,
    about: &'static str,
    needs: Needs,
    run: fn(&Workspace, &Environment) -> Result<()>,
}

const STEPS: &[Step] = &[
    Step { name: "fmt", about: "the code is formatted", needs: Needs::Nothing, run: fmt },
    Step { name: "clippy", about: "no warnings, in tests and examples too", needs: Needs::Build, run: clippy },
    Step { name: "doc", about: "the documentation builds without warnings", needs: Needs::Build, run: doc },
    Step { name: "test", about: "all tests, with Python", needs: Needs::Tests, run: test },
    Step {
        name: "example",
        about: "the guide's backend passes the suite and serves the program",
        needs: Needs::Build,
        run: example,
    },
    Step { name: "pure", about: "the pure-Rust crates build without C", needs: Needs::Nothing, run: prove_pure },
    Step { name: "package", about: "the crates can be packaged", needs: Needs::Nothing, run: package },
    Step { name: "demo", about: "`cargo xtask demo` works, in small", needs: Needs::Build, run: demo },
];

/// Members of the workspace that are not published.
const UNPUBLISHED: &[&str] = &["xtask", "chunk-tests"];

pub(crate) fn main(arguments: &[String]) -> Result<()> {
    if arguments.iter().any(|argument| argument == "--help" || argument == "-h") {
        print!("{}", help());
        return Ok(());
    }
    let steps = select(arguments)?;
    let workspace = Workspace::find()?;
    let start = Instant::now();
    let needs = steps.iter().map(|step| step.needs).max().unwrap_or(Needs::Nothing);
    let environment = timed("setup", || set_up(&workspace, needs))?;
    for step in &steps {
        timed(step.name, || (step.run)(&workspace, &environment))?;
    }
    println!("check: {} of {} steps passed, {:.1} s", steps.len(), STEPS.len(), start.elapsed().as_secs_f64());
    Ok(())
}

fn help() -> String {
    let mut text = "Usage: cargo xtask check [STEP...]\n\nAll steps, or those named, in this order:\n".to_owned();
    for step in STEPS {
        let _ = writeln!(text, "  {:8} {}", step.name, step.about);
    }
    text
}

/// The named steps in their own order; all of them without names.
fn select(names: &[String]) -> Result<Vec<&'static Step>> {
    if let Some(unknown) = names.iter().find(|name| STEPS.iter().all(|step| step.name != **name)) {
        let known: Vec<&str> = STEPS.iter().map(|step| step.name).collect();
        return Err(Error::usage(format!("no step `{unknown}`; there are {}", known.join(", "))));
    }
    Ok(STEPS.iter().filter(|step| names.is_empty() || names.iter().any(|name| name == step.name)).collect())
}

/// Runs one step and prints its line.
fn timed<T>(name: &str, step: impl FnOnce() -> Result<T>) -> Result<T> {
    let start = Instant::now();
    let result = step();
    let verdict = if result.is_ok() { "ok" } else { "FAILED" };
    println!("check: {name:8} {verdict:6} {:8.1} s", start.elapsed().as_secs_f64());
    result.map_err(|error| Error::failed(format!("step `{name}`: {error}")))
}

fn set_up(workspace: &Workspace, needs: Needs) -> Result<Environment> {
    match needs {
        Needs::Nothing => Ok(Environment::default()),
        Needs::Build => setup::for_build(workspace),
        Needs::Tests => setup::for_tests(workspace),
    }
}

fn fmt(workspace: &Workspace, environment: &Environment) -> Result<()> {
    process::run(workspace.cargo(environment).args(["fmt", "--all", "--check"]))
}

fn clippy(workspace: &Workspace, environment: &Environment) -> Result<()> {
    let mut cargo = workspace.cargo(environment);
    process::run(cargo.args(["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]))
}

fn doc(workspace: &Workspace, environment: &Environment) -> Result<()> {
    let mut cargo = workspace.cargo(environment);
    process::run(cargo.env("RUSTDOCFLAGS", "-D warnings").args(["doc", "--workspace", "--no-deps"]))
}

fn test(workspace: &Workspace, environment: &Environment) -> Result<()> {
    run_tests(workspace, environment, &[])
}

/// The backend of `docs/writing-a-backend.md`, a crate outside the workspace as a third party's is. It builds into the
/// workspace's folder, where libhdf5 is built already.
fn example(workspace: &Workspace, environment: &Environment) -> Result<()> {
    let mut cargo = workspace.cargo(environment);
    cargo.args(["test", "--manifest-path", "examples/backend-raw/Cargo.toml", "--features", "program", "--target-dir"]);
    process::run(cargo.arg(&workspace.target))
}

fn prove_pure(workspace: &Workspace, _: &Environment) -> Result<()> {
    pure::prove(workspace)
}

/// Manifests, versions and the files they name; the build was checked above.
fn package(workspace: &Workspace, environment: &Environment) -> Result<()> {
    let mut cargo = workspace.cargo(environment);
    cargo.args(["package", "--workspace", "--no-verify", "--allow-dirty", "--quiet"]);
    for name in UNPUBLISHED {
        cargo.args(["--exclude", name]);
    }
    process::run(&mut cargo)
}

fn demo(workspace: &Workspace, environment: &Environment) -> Result<()> {
    run_demo(workspace, environment, "demo-check", &["--size".to_owned(), "64M".to_owned()])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(words: &[&str]) -> Result<Vec<&'static str>> {
        let words: Vec<String> = words.iter().map(|&word| word.to_owned()).collect();
        Ok(select(&words)?.iter().map(|step| step.name).collect())
    }

    #[test]
    fn steps_run_in_their_own_order() {
        assert_eq!(names(&["doc", "fmt", "doc"]).unwrap(), ["fmt", "doc"]);
        assert_eq!(names(&[]).unwrap().len(), STEPS.len());
    }

    #[test]
    fn an_unknown_step_is_named() {
        let error = names(&["fmt", "tests"]).unwrap_err();
        assert!(error.exit_code() == 2 && error.to_string().contains("`tests`"), "{error}");
    }

    #[test]
    fn a_failing_step_is_named() {
        let error = timed("doc", || Err::<(), _>(Error::failed("broken link"))).unwrap_err();
        assert_eq!(error.to_string(), "step `doc`: broken link");
    }
}
