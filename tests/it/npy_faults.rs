//! Appending to .npy files survives kills, full disks, failing disks and short writes, at each call that changes a file.

#![cfg(target_os = "linux")]

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::thread;
use std::time::Duration;
use std::{env, fs};

use chunk_core::ChunkSourceExt;
use chunk_npy::{NpyAppender, NpySource};
use tempfile::TempDir;

use crate::{faults, python};

/// Kills at random times; `CHUNK_KILLS` says how many.
const KILLS: usize = 100;
/// Commits of the writer.
const COMMITS: u64 = 12;

/// In memory, where there is such a place: the faults are ours, and a disk's syncs would take a minute.
fn folder() -> TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

/// A writer with its file in a folder of its own.
struct Writer {
    folder: TempDir,
    order: &'static str,
    buffer: &'static str,
    /// Rows of each commit: of a buffer they are written at once, and reach over sectors.
    each: u64,
}

impl Writer {
    fn new(number: usize) -> Self {
        let order = if number.is_multiple_of(3) { "F" } else { "C" };
        let (buffer, each) = if number.is_multiple_of(2) { ("0", 3) } else { ("100000", 50) };
        Writer { folder: folder(), order, buffer, each }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("x.npy")
    }

    fn command(&self, commits: u64) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_npy-writer"));
        command.arg(self.path()).args([self.order, self.buffer, &commits.to_string(), &self.each.to_string()]);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Runs it with a fault at its call of this number, counted from one.
    fn run(&self, kind: &str, at: usize, on: bool) -> Output {
        let mut command = self.command(COMMITS);
        faults::preload(&mut command, kind, at, on);
        command.output().expect("the writer starts")
    }

    /// The calls that it makes where nothing fails.
    fn calls(&self) -> Vec<String> {
        let output = self.run("COUNT", 0, false);
        assert!(output.status.success());
        faults::calls(&String::from_utf8(output.stderr).unwrap())
    }

    /// Rows that the file holds, all of them right; none if it was not made yet. It can be appended to, at once.
    fn rows(&self) -> u64 {
        if !self.path().exists() {
            return 0;
        }
        let source = NpySource::open(self.path()).unwrap_or_else(|error| panic!("{}", error.report()));
        let (elements, axis) = (source.read_all::<f64>().unwrap(), usize::from(self.order == "F"));
        let shape = chunk_core::ChunkSource::info(&source).shape.clone();
        let rows = shape[axis];
        let number = |position: &[u64]| position[axis] as f64;
        for (position, element) in chunk_core::Slab::whole(&shape).positions().zip(elements) {
            assert_eq!(element.to_bits(), number(&position).to_bits(), "at {position:?} of {rows} rows");
        }
        rows
    }

    /// A dead writer holds no lock, and what it left past the end is cut off.
    fn goes_on(&self) {
        let output = self.command(1).output().expect("the writer starts");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
        let appender = NpyAppender::open(self.path()).unwrap();
        assert_eq!(appender.items(), committed(&output));
    }
}

/// Rows that the writer said were committed.
fn committed(output: &Output) -> u64 {
    let text = String::from_utf8_lossy(&output.stdout);
    let last = text.lines().filter_map(|line| line.strip_prefix("committed ")).next_back();
    last.map_or(0, |rows| rows.parse().expect("a number"))
}

/// What dead writers left, for NumPy to look at, many files at a time.
struct Left {
    folder: TempDir,
    expected: Vec<(PathBuf, u64)>,
}

impl Left {
    fn new() -> Self {
        Left { folder: tempfile::tempdir().unwrap(), expected: Vec::new() }
    }

    fn keep(&mut self, writer: &Writer, rows: u64) {
        if writer.path().exists() {
            let copy = self.folder.path().join(format!("{}.npy", self.expected.len()));
            fs::copy(writer.path(), &copy).unwrap();
            self.expected.push((copy, rows));
        }
    }

    /// NumPy reads each, mapped and not, and sees as many rows as we did.
    fn is_read_by_numpy(&self) {
        for files in self.expected.chunks(500) {
            let paths = files.iter().map(|(path, _)| path.to_str().unwrap());
            let printed = python::run("npy.py", &["rows"].into_iter().chain(paths).collect::<Vec<_>>());
            let seen: Vec<u64> = printed.lines().map(|line| line.parse().unwrap()).collect();
            assert_eq!(seen, files.iter().map(|(_, rows)| *rows).collect::<Vec<_>>());
        }
    }
}

#[test]
fn a_kill_at_any_call_loses_nothing_that_was_committed() {
    let mut left = Left::new();
    for number in 0..3 {
        let calls = Writer::new(number).calls();
        assert!(calls.len() > 4 * COMMITS as usize, "{calls:?}");
        for (kind, at) in ["KILL", "TORN"].into_iter().flat_map(|kind| (1..=calls.len()).map(move |at| (kind, at))) {
            let writer = Writer::new(number);
            let output = writer.run(kind, at, false);
            assert!(!output.status.success(), "it is killed");
            let (rows, acknowledged) = (writer.rows(), committed(&output));
            assert!(
                rows >= acknowledged && rows.is_multiple_of(writer.each),
                "{kind} at {at}: {rows} of {acknowledged} rows"
            );
            left.keep(&writer, rows);
            if at % 5 == 0 {
                writer.goes_on();
            }
        }
    }
    assert!(left.expected.len() > 250);
    left.is_read_by_numpy();
}

#[test]
fn a_kill_at_any_time_loses_nothing_that_was_committed() {
    let kills = env::var("CHUNK_KILLS").map_or(KILLS, |kills| kills.parse().expect("a number of kills"));
    let (mut left, mut state) = (Left::new(), 0x9e37_79b9_7f4a_7c15_u64);
    for number in 0..kills {
        let writer = Writer::new(number);
        let mut child = writer.command(1_000_000).spawn().expect("the writer starts");
        let mut lines = BufReader::new(child.stdout.take().expect("it is piped")).lines();
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let first = if number.is_multiple_of(4) { None } else { lines.next() };
        thread::sleep(Duration::from_micros(state >> 51));
        child.kill().unwrap();
        child.wait().unwrap();
        let rest = lines.map_while(Result::ok);
        let said = first.into_iter().map_while(Result::ok).chain(rest).filter_map(|line| {
            // The last line may be cut.
            line.strip_prefix("committed ").and_then(|rows| rows.parse::<u64>().ok())
        });
        let acknowledged = said.max().unwrap_or(0);
        let rows = writer.rows();
        assert!(rows >= acknowledged && rows.is_multiple_of(writer.each), "{rows} of {acknowledged} rows");
        left.keep(&writer, rows);
        if number % 5 == 0 {
            writer.goes_on();
        }
        if left.expected.len() == 500 {
            left.is_read_by_numpy();
            left = Left::new();
        }
    }
    left.is_read_by_numpy();
}

#[test]
fn a_failing_call_is_an_error_and_loses_nothing_that_was_committed() {
    let mut left = Left::new();
    let kinds = [("ENOSPC", false), ("ENOSPC", true), ("EIO", false), ("EIO", true), ("EDQUOT", true)];
    for number in 0..3 {
        let calls = Writer::new(number).calls();
        for ((kind, on), at) in kinds.into_iter().flat_map(|kind| (1..=calls.len()).map(move |at| (kind, at))) {
            let writer = Writer::new(number);
            let output = writer.run(kind, at, on);
            let text = String::from_utf8_lossy(&output.stdout).into_owned();
            let (rows, acknowledged) = (writer.rows(), committed(&output));
            let what = || format!("{kind} at {at} ({}), on: {on}: {rows} rows\n{text}", calls[at - 1]);
            assert!(rows >= acknowledged && rows.is_multiple_of(writer.each), "{}", what());
            // A write that failed once may have been tried again.
            let failed = text.contains("failed: ") && text.contains("x.npy");
            assert!(failed != output.status.success(), "{}", what());
            assert!(failed || (!on && calls[at - 1] == "pwrite"), "{}", what());
            if calls[at - 1] == "fdatasync" {
                assert!(text.contains("again failed"), "a sync is not tried again: {}", what());
            }
            let names = fs::read_dir(writer.folder.path()).unwrap().count();
            assert!(names <= 1, "no temporary file is left: {}", what());
            left.keep(&writer, rows);
            if at % 5 == 0 {
                writer.goes_on();
            }
        }
    }
    left.is_read_by_numpy();
}

#[test]
fn interrupted_and_short_writes_are_completed() {
    let mut left = Left::new();
    for number in 0..2 {
        let calls = Writer::new(number).calls();
        let faults = (1..=calls.len()).flat_map(|at| [("EINTR", at, false), ("SHORT", at, false)]);
        for (kind, at, on) in faults.chain([("SHORT", 1, true)]) {
            let writer = Writer::new(number);
            let output = writer.run(kind, at, on);
            assert!(output.status.success(), "{kind} at {at}: {}", String::from_utf8_lossy(&output.stdout));
            assert_eq!(writer.rows(), COMMITS * writer.each, "{kind} at {at}");
            left.keep(&writer, COMMITS * writer.each);
        }
    }
    left.is_read_by_numpy();
}
