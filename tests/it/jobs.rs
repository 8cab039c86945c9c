//! Jobs in folders, by the program: what the tests of kills, parts, refusals and failures have in common.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use chunk_core::{CreateOptions, JobFolder, Location, MemorySource, Registry, Run};
use serde_json::Value;
use tempfile::TempDir;

use crate::faults;

pub(crate) const ROWS: u64 = 192;
pub(crate) const COLUMNS: u64 = 96;

/// Where an output goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sink {
    /// A new HDF5 file.
    New,
    /// A dataset of an HDF5 file that has another.
    Added,
    Npy,
    /// A third party's format, without shards.
    Raw,
}

pub(crate) const SINKS: [Sink; 4] = [Sink::New, Sink::Added, Sink::Npy, Sink::Raw];

/// What is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Work {
    Convert,
    /// Along the axis in which each chunk is whole.
    Along,
    /// Along the other, within a budget that wants an intermediate.
    Across,
}

pub(crate) const WORKS: [Work; 3] = [Work::Convert, Work::Along, Work::Across];

/// A folder with an input and a place for an output.
pub(crate) struct Place {
    pub(crate) folder: TempDir,
    pub(crate) sink: Sink,
    pub(crate) work: Work,
}

pub(crate) fn registry() -> Registry {
    chunk_cli::formats().with(backend_raw::Raw)
}

/// Writes an array of these chunks.
pub(crate) fn write(location: &Location, shape: [u64; 2], chunks: [u64; 2], seed: f64) {
    let elements: Vec<f64> = (0..shape[0] * shape[1]).map(|i| (i as f64 * 0.37 + seed).sin()).collect();
    let source = MemorySource::new(shape, &elements).unwrap().with_chunk_shape(chunks).unwrap();
    let mut info = chunk_core::ChunkSource::info(&source).clone();
    info.identity = None;
    let options = CreateOptions::default().with_overwrite(true);
    let sink = registry().create(location, info, &options).unwrap();
    Run::new().copy(&source, sink).unwrap();
}

impl Place {
    pub(crate) fn new(sink: Sink, work: Work) -> Self {
        let folder = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
        let place = Place { folder, sink, work };
        write(&Location::new(place.path("in.h5")).with_dataset("/x"), [ROWS, COLUMNS], [12, COLUMNS], 0.0);
        if sink == Sink::Added {
            write(&Location::new(place.output()).with_dataset("/other"), [3, 4], [3, 4], 1.0);
        }
        place
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn text(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }

    /// The file of the output.
    pub(crate) fn output(&self) -> PathBuf {
        self.path(match self.sink {
            Sink::New | Sink::Added => "out.h5",
            Sink::Npy => "out.npy",
            Sink::Raw => "out.raw",
        })
    }

    /// The output as the program is told it.
    pub(crate) fn target(&self) -> String {
        let path = self.output().to_str().unwrap().to_owned();
        if matches!(self.sink, Sink::New | Sink::Added) { path + "::/y" } else { path }
    }

    /// The folder of the job.
    pub(crate) fn job(&self) -> PathBuf {
        self.output().with_added_extension("job")
    }

    /// The command that makes the output, with more words.
    pub(crate) fn command(&self, more: &[&str]) -> Command {
        self.command_to(&self.target(), more)
    }

    pub(crate) fn command_to(&self, target: &str, more: &[&str]) -> Command {
        let input = format!("{}::/x", self.text("in.h5"));
        let words: &[&str] = match self.work {
            Work::Convert => &["convert", "--dtype=f4", "--casting=same_kind", "--memory=200K"],
            Work::Along => &["fft", "--axis=1", "--memory=200K"],
            Work::Across => &["fft", "--axis=0", "--memory=160K"],
        };
        // Chunks are wished for where the format has some; enough tasks to be killed between.
        let chunks: &[&str] = match (self.work, self.sink) {
            (Work::Convert | Work::Along, Sink::New | Sink::Added) => &["--chunks=1,96"],
            _ => &[],
        };
        program(&[&[words[0], &input, target], &words[1..], chunks, more].concat())
    }

    /// Makes the output in one go, elsewhere: its hash.
    pub(crate) fn expected(&self) -> String {
        let target = format!("{}.{}", self.text("expected"), self.output().extension().unwrap().to_str().unwrap());
        let location = if self.target().contains("::") { format!("{target}::/y") } else { target.clone() };
        succeed(&mut self.command_to(&location, &[]));
        let hash = hash(&location);
        let _ = fs::remove_file(format!("{target}.json"));
        fs::remove_file(target).unwrap();
        hash
    }

    pub(crate) fn hash(&self) -> String {
        hash(&self.target())
    }

    /// How many tasks are marked, of how many.
    pub(crate) fn marked(&self) -> Option<(u64, u64)> {
        let status = JobFolder::open(&self.job()).ok()?.status().ok()?;
        Some(status.stages.iter().fold((0, 0), |(done, all), stage| (done + stage.done, all + stage.tasks)))
    }

    /// The names in the folder, sorted.
    pub(crate) fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(self.folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    /// Fails unless there is the output, and nothing that is not wanted.
    pub(crate) fn check_made(&self, expected: &str, when: &str) {
        assert_eq!(self.hash(), expected, "{when}");
        let mut wanted = vec!["in.h5".to_owned(), self.output().file_name().unwrap().to_str().unwrap().to_owned()];
        if self.sink == Sink::Raw {
            wanted.push("out.raw.json".to_owned());
        }
        let mut names = self.names();
        // A third party's sink that is killed over publishing leaves what it had begun; a journal whose removal failed
        // says that it is over.
        names.retain(|name| {
            let is_partial = self.sink == Sink::Raw && name.ends_with(".partial");
            !(is_partial || self.sink == Sink::Added && name.ends_with(".journal") && when.contains("EIO"))
        });
        assert_eq!(names, wanted, "{when}");
    }

    /// The calls of an undisturbed run that change files.
    pub(crate) fn calls(&self) -> Vec<String> {
        let mut command = self.command(&["--resume"]);
        faults::preload(&mut command, "COUNT", 0, false);
        let output = command.output().unwrap();
        assert!(output.status.success(), "{}", stderr(&output));
        faults::calls(&stderr(&output))
    }
}

/// The program, not yet started.
pub(crate) fn program(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_chunk-raw-under-test"));
    command.args(arguments).stdin(Stdio::null());
    command
}

pub(crate) fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Runs it; it must succeed. Gives what it printed on standard output.
pub(crate) fn succeed(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", stderr(&output));
    String::from_utf8(output.stdout).unwrap()
}

/// Runs it; it must end with exit status 1. Gives its message.
pub(crate) fn refuse(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{command:?}: {}", stderr(&output));
    stderr(&output)
}

pub(crate) fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

pub(crate) fn count(record: &Value, name: &str) -> u64 {
    record[name].as_u64().unwrap_or_else(|| panic!("no {name} in {record}"))
}

pub(crate) fn hash(target: &str) -> String {
    let printed = succeed(&mut program(&["hash", target, "--progress=never"]));
    printed.split_whitespace().next().unwrap().to_owned()
}

/// Numbers that look random, the same each time.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound.max(1)
    }
}

/// How long the command takes.
pub(crate) fn time(command: &mut Command) -> Duration {
    let began = Instant::now();
    succeed(command);
    began.elapsed()
}

#[test]
fn one_transform_has_two_stages_and_the_other_jobs_one() {
    for (sink, work) in SINKS.into_iter().flat_map(|sink| WORKS.map(|work| (sink, work))) {
        let place = Place::new(sink, work);
        let plan = succeed(&mut place.command(&["--dry-run", "--resume"]));
        assert_eq!(plan.contains("intermediate on disk"), work == Work::Across, "{sink:?} {work:?}: {plan}");
        assert_eq!(place.names().len(), if sink == Sink::Added { 2 } else { 1 }, "nothing is created");
    }
}
