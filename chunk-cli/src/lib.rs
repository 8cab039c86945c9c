//! The program `chunk` as a library, so that it can be built with further backends.
//!
//! ```no_run
//! use std::process::ExitCode;
//!
//! use chunk_core::MemoryBackend;
//!
//! fn main() -> ExitCode {
//!     chunk_cli::run(chunk_cli::formats().with(MemoryBackend::new()), std::env::args_os())
//! }
//! ```
//!
//! Each command is a module; what they share is in `options`, `output`, `progress` and `names`.

#![forbid(unsafe_code)]

mod append;
mod array_text;
mod attribute;
mod calibrate;
mod cancel;
mod contained;
mod convert;
mod dataset;
mod demo;
mod diff;
mod failure;
mod fft;
mod hash;
mod info;
mod inputs;
mod job;
mod job_command;
mod ls;
mod names;
mod options;
mod output;
mod places;
mod progress;
mod recover;
mod report;
mod show;
mod stack;
mod stats;
#[cfg(test)]
mod testing;
mod variable;
mod verify;

use std::ffi::OsString;
use std::io::{self, BufWriter, Write};
use std::process::ExitCode;

use chunk_core::{Backend, Calibration, CancelToken, FilledCount, OpenPolicy, Registry};
use chunk_hdf5::ReadOptions;
use chunk_npy::Npy;
use chunk_virtual::ManifestBackend;
use chunk_virtual::hdf5::VirtualHdf5;
use clap::{CommandFactory, Parser, Subcommand};
use clap_complete::Shell;

use crate::failure::{Failure, Outcome, say};
use crate::options::OpenOptions;
use crate::output::Out;

const AFTER_HELP: &str = "\
Datasets are written [SCHEME:]PATH[::DATASET], as run.h5::/velocity or hdf5:odd-name.bin::/d. A file with one dataset
needs no ::DATASET. A selection may follow where a dataset is read, as NumPy has it: 'run.h5::/v[10:20, ::-2, -1]'.
Results go to standard output, progress and messages to standard error.

Exit status: 0 done, 1 failed or a check does not hold, 2 wrong command line, 130 interrupted.";

/// Arrays larger than memory: look into them, compare, convert, grow and transform them
#[derive(Debug, Parser)]
#[command(name = "chunk", version, subcommand_required = true, arg_required_else_help = true, after_help = AFTER_HELP)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    opening: OpenOptions,
}

#[derive(Debug, Subcommand)]
enum Command {
    Ls(ls::LsArgs),
    Info(info::InfoArgs),
    Show(show::ShowArgs),
    Stats(stats::StatsArgs),
    Hash(hash::HashArgs),
    Convert(convert::ConvertArgs),
    Append(append::AppendArgs),
    Stack(stack::StackArgs),
    Diff(diff::DiffArgs),
    Verify(verify::VerifyArgs),
    Recover(recover::RecoverArgs),
    Fft(fft::FftArgs),
    Work(job_command::WorkArgs),
    Job(job_command::JobArgs),
    Calibrate(calibrate::CalibrateArgs),
    Demo(demo::DemoArgs),
    /// Writes completions for a shell
    Completions {
        /// The shell
        shell: Shell,
    },
}

/// What a command works with, besides its arguments.
#[derive(Debug)]
pub(crate) struct Context {
    pub(crate) registry: Registry,
    /// Whether links and sources may lead out of the folder of their file.
    pub(crate) outside: bool,
    pub(crate) cancel: CancelToken,
    /// How fast the machine is.
    pub(crate) calibration: Calibration,
    /// What a job's command says of other files.
    pub(crate) opening_words: Vec<String>,
}

/// The formats of this workspace: HDF5, its virtual datasets included, as PyTables writes it with the scheme `pytables`,
/// NumPy's `.npy` and `.npz`, and manifests of files of these.
///
/// Links into other HDF5 files, and elements in files beside one, are followed in the folder of the file and below.
#[must_use]
pub fn formats() -> Registry {
    let reading = ReadOptions::default().with_external_links(true).with_external_files(true);
    let hdf5 = VirtualHdf5::default().with_reading(reading);
    let pytables = hdf5.to_pytables();
    let files = Registry::new().with(hdf5).with(pytables).with(Npy::default());
    files.clone().with(ManifestBackend::new(files))
}

/// The backends with what the command line says of other files. Manifests know all of them: a program's own, too.
fn opening(given: Registry, policy: &OpenPolicy) -> Registry {
    let registry = given.opening(policy);
    if !registry.backends().any(|backend| backend.name() == ManifestBackend::NAME) {
        return registry;
    }
    let files = given.without(ManifestBackend::NAME);
    let manifests = ManifestBackend::new(files).opening(policy);
    let registry = registry.without(ManifestBackend::NAME);
    manifests.into_iter().fold(registry, Registry::with)
}

/// Runs a command, and says how much of what it read was filled.
fn execute(cli: &Cli, registry: Registry, cancel: CancelToken, out: &mut Out) -> Outcome {
    let filled = FilledCount::default();
    let policy = cli.opening.policy(&filled);
    let context = Context {
        registry: opening(registry, &policy),
        outside: policy.outside,
        cancel,
        calibration: calibrate::load(),
        opening_words: cli.opening.words(),
    };
    let outcome = cli.command.run(&context, out);
    match filled.elements() {
        0 => {}
        1 => say("1 element was filled: it has no source, or a missing one"),
        elements => say(&format!("{elements} elements were filled: they have no source, or a missing one")),
    }
    outcome
}

/// Runs the program with these backends; `args` begins with the program's name, as [`std::env::args_os`] does.
///
/// Writes to the standard streams of the process. While it runs the process's panic hook is replaced. A command that
/// takes long listens to Ctrl-C, termination and hang-up, from then on to the end of the process.
#[must_use]
pub fn run(registry: Registry, args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let args: Vec<OsString> = args.into_iter().collect();
    let cancel = CancelToken::new();
    let outcome = contained::run(|| {
        let mut out = BufWriter::new(io::stdout());
        let cli = Cli::parse_command(args)?;
        if cli.command.takes_long() {
            cancel::listen(&cancel);
        }
        execute(&cli, registry, cancel, &mut out)?;
        out.flush().map_err(Failure::Output)
    });
    ExitCode::from(outcome.err().map_or(0, |failure| failure.report()))
}

impl Cli {
    /// Reads the command line; what continues a job is the command of that job.
    fn parse_command(args: Vec<OsString>) -> std::result::Result<Self, Failure> {
        let cli = Cli::try_parse_from(args).map_err(Failure::CommandLine)?;
        let words = match &cli.command {
            Command::Work(args) => Some(args.command()?),
            Command::Job(args) => args.command()?,
            _ => None,
        };
        let Some(words) = words else { return Ok(cli) };
        let words = [OsString::from("chunk")].into_iter().chain(words);
        Cli::try_parse_from(words).map_err(Failure::CommandLine)
    }
}

impl Command {
    /// Whether the command is one run or more, which a signal ends cleanly.
    fn takes_long(&self) -> bool {
        !matches!(self, Command::Ls(_) | Command::Info(_) | Command::Job(_) | Command::Completions { .. })
    }

    fn run(&self, context: &Context, out: &mut Out) -> Outcome {
        match self {
            Command::Ls(args) => args.run(context, out),
            Command::Info(args) => args.run(context, out),
            Command::Show(args) => args.run(context, out),
            Command::Stats(args) => args.run(context, out),
            Command::Hash(args) => args.run(context, out),
            Command::Convert(args) => args.run(context, out),
            Command::Append(args) => args.run(context, out),
            Command::Stack(args) => args.run(context, out),
            Command::Diff(args) => args.run(context, out),
            Command::Verify(args) => args.run(context, out),
            Command::Recover(args) => args.run(context, out),
            Command::Fft(args) => args.run(context, out),
            Command::Work(_) => unreachable!("it is the command of its job"),
            Command::Job(args) => args.run(out),
            Command::Calibrate(args) => args.run(context, out),
            Command::Demo(args) => args.run(context, out),
            Command::Completions { shell } => {
                let mut script = Vec::new();
                clap_complete::generate(*shell, &mut Cli::command(), "chunk", &mut script);
                out.write_all(&script).map_err(Failure::Output)
            }
        }
    }
}

#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::chunk;

    #[test]
    fn the_arguments_are_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn writes_completions_that_know_the_commands() {
        let script = chunk(Registry::new(), ["completions", "bash"]).unwrap();
        for command in [
            "ls",
            "info",
            "show",
            "stats",
            "hash",
            "convert",
            "append",
            "stack",
            "diff",
            "verify",
            "recover",
            "fft",
            "work",
            "job",
            "calibrate",
            "demo",
        ] {
            assert!(script.contains(&format!("chunk__subcmd__{command}")), "{command}");
        }
    }
}
