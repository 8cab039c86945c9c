//! `cargo xtask bench`: ours beside the Python ways, whole processes, interleaved.

mod commands;
mod options;
mod programs;
mod report;

use std::fs;
use std::io::ErrorKind;
use std::path::Path;
use std::process::Command;

use crate::error::{Error, Result};
use crate::setup::{self, Environment};
use crate::workspace::{self, Workspace};
use crate::{process, python};
use options::{Options, Suite};
use programs::{Files, Input, Program};
use report::Report;

/// One run of one program.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Measurement {
    /// From start to exit.
    pub(crate) seconds: f64,
    pub(crate) peak_bytes: u64,
    /// What the program says its own work took, without start-up and the making of data.
    pub(crate) inside: Option<f64>,
}

pub(crate) fn main(arguments: &[String]) -> Result<()> {
    if arguments.iter().any(|argument| argument == "--help" || argument == "-h") {
        print!("{}", options::HELP);
        return Ok(());
    }
    let options = Options::parse(arguments)?;
    let workspace = Workspace::find()?;
    let folder = options.folder.clone().unwrap_or_else(|| workspace.target.join("bench"));
    let files = Files::new(&folder, &options);
    let programs = programs::selected(&workspace, &files, &options)?;

    let environment = setup::for_tests(&workspace)?;
    if options.suite == Suite::Virtual {
        python::make_for_stacks(&workspace)?;
    }
    build(&workspace, &environment, options.suite)?;
    workspace::create_folder(&folder)?;
    let bench = Bench { environment: &environment, workspace: &workspace, options: &options, files: &files };
    bench.prepare(&programs)?;
    let measurements = bench.measure_all(&programs)?;

    let report = Report::new(&programs, &measurements);
    print!("{}", if options.json { report.json(&options) } else { report.table(&options) });
    Ok(())
}

fn build(workspace: &Workspace, environment: &Environment, suite: Suite) -> Result<()> {
    let mut cargo = workspace.cargo(environment);
    cargo.args(["build", "--release", "--package"]).args(match suite {
        Suite::Fft => &["chunk-cli", "--bin", "chunk"][..],
        Suite::Hdf5 => &["chunk-hdf5", "--example", "throughput", "--example", "reading"],
        Suite::Npy => &["chunk-npy", "--example", "npy_throughput"],
        Suite::Virtual => &["chunk-virtual", "--features", "hdf5", "--example", "stack_speed"],
    });
    process::run(&mut cargo)
}

struct Bench<'a> {
    environment: &'a Environment,
    workspace: &'a Workspace,
    options: &'a Options,
    files: &'a Files,
}

impl Bench<'_> {
    /// Makes the inputs of these programs where they are missing and brings them into the page cache.
    fn prepare(&self, programs: &[Program]) -> Result<()> {
        let mut inputs: Vec<_> = programs.iter().filter_map(|program| program.input(self.files)).collect();
        inputs.dedup();
        for Input { what, path } in inputs {
            let mut make = self.script("bench_data.py");
            make.arg(what).arg(path);
            make.args(["--rows", &self.options.rows.to_string(), "--cols", &self.options.columns.to_string()]);
            process::capture(&mut make)?;
            process::capture(self.script("bench_data.py").arg("warm").arg(path))?;
        }
        Ok(())
    }

    /// Round after round, each starting one program later than the round before: no program profits from its place.
    fn measure_all(&self, programs: &[Program]) -> Result<Vec<Vec<Measurement>>> {
        let mut measurements = vec![Vec::new(); programs.len()];
        for round in 0..self.options.runs {
            for step in 0..programs.len() {
                let index = (round + step) % programs.len();
                let measured = self.measure(&programs[index], round == 0)?;
                eprintln!(
                    "bench: run {} of {}: {} {:.2} s",
                    round + 1,
                    self.options.runs,
                    programs[index].label,
                    measured.seconds
                );
                measurements[index].push(measured);
            }
        }
        Ok(measurements)
    }

    /// Runs a program once, verifies its result if asked, and removes it: what is not written yet burdens nobody.
    fn measure(&self, program: &Program, verify: bool) -> Result<Measurement> {
        remove_file(&self.files.output)?;
        let printed = process::capture(self.script("measure.py").args(&program.command))
            .map_err(|error| Error::failed(format!("{}: {error}", program.label)))?;
        let measured = parse_measurement(&printed)
            .ok_or_else(|| Error::failed(format!("{}: measure.py printed {printed:?}", program.label)))?;
        if verify && let Some(axis) = program.verify_axis {
            self.verify(axis).map_err(|error| Error::failed(format!("{}: {error}", program.label)))?;
        }
        remove_file(&self.files.output)?;
        Ok(measured)
    }

    fn verify(&self, axis: usize) -> Result<()> {
        let mut verify = self.script("bench_data.py");
        verify.arg("verify").arg(&self.files.input).arg(&self.files.output);
        process::capture(verify.args(["--axis", &axis.to_string()]))?;
        Ok(())
    }

    fn script(&self, name: &str) -> Command {
        let mut command =
            Command::new(self.environment.value("CHUNK_PYTHON").map_or("python3".as_ref(), |path| path.as_os_str()));
        self.environment.apply(&mut command);
        command.arg(self.workspace.script(name));
        command
    }
}

fn remove_file(file: &Path) -> Result<()> {
    match fs::remove_file(file) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(workspace::io_error("remove", file, &error)),
        _ => Ok(()),
    }
}

/// Reads the lines `seconds 1.5`, `peak_bytes 123` and, where the program printed one, `inside 1.2`.
fn parse_measurement(text: &str) -> Option<Measurement> {
    let field = |name: &str| {
        let mut words = text.lines().map(str::split_whitespace);
        words.find_map(|mut line| (line.next()? == name).then(|| line.next())?)
    };
    Some(Measurement {
        seconds: field("seconds")?.parse().ok()?,
        peak_bytes: field("peak_bytes")?.parse().ok()?,
        inside: field("inside").and_then(|seconds| seconds.parse().ok()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_measure_prints() {
        let measured = parse_measurement("seconds 1.5\npeak_bytes 2048\ninside 1.25\n").unwrap();
        assert_eq!(measured, Measurement { seconds: 1.5, peak_bytes: 2048, inside: Some(1.25) });
        assert_eq!(parse_measurement("seconds 1.5\npeak_bytes 2048\n").unwrap().inside, None);
        assert_eq!(parse_measurement("seconds 1.5\n"), None);
    }
}
