//! The budget is a promise: peak resident memory of whole processes.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use chunk_core::{ChunkSource, Cost, DType, DatasetInfo, Operation, Result, Run, Slab, Work, Worker};
use chunk_hdf5::{Filter, Hdf5Sink};
use tempfile::TempDir;

use crate::{program, python};

/// What the program takes beside its budget, at most: itself, its libraries, its threads.
const FIXED: u64 = 48 << 20;
const MEBI: u64 = 1 << 20;

/// Numbers that compress to a half: 2048 x 4096 complex, 128 MiB.
#[derive(Debug)]
struct Numbers(DatasetInfo);

impl ChunkSource for Numbers {
    fn info(&self) -> &DatasetInfo {
        &self.0
    }

    fn held_bytes(&self) -> u64 {
        0
    }

    fn operation(&self) -> Option<&dyn Operation> {
        None
    }

    fn cost(&self, slab: &Slab, _threads: usize) -> Result<Cost> {
        Ok(Cost::new(0, Work::reading(slab.bytes(16))))
    }

    fn read_into(&self, slab: &Slab, out: &mut [u8], _worker: &Worker) -> Result<()> {
        slab.check(&self.0, out.len())?;
        for (number, element) in out.chunks_exact_mut(8).enumerate() {
            let step = (number as u64 + slab.start()[0] * 8192).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 52;
            element.copy_from_slice(&(step as f64 / 1024.0 - 2.0).to_ne_bytes());
        }
        Ok(())
    }
}

/// A file of 128 MiB in chunks of 16 MiB, made once a run of the tests.
fn input() -> &'static Path {
    static FILE: OnceLock<(TempDir, PathBuf)> = OnceLock::new();
    let (_, path) = FILE.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("in.h5");
        let info = DatasetInfo::new([2048, 4096], DType::ComplexF64).with_chunk_shape([256, 4096]);
        let sink = Hdf5Sink::create(&path, Some("/data"), info.clone(), Filter::default()).unwrap();
        Run::new().copy(&Numbers(info), Box::new(sink)).unwrap();
        (folder, path)
    });
    path
}

/// Peak resident memory of `chunk` with these arguments, as the operating system counted it.
fn peak(arguments: &[&str]) -> u64 {
    let program = env!("CARGO_BIN_EXE_chunk-under-test");
    let printed = python::run("measure.py", &[&[program], arguments].concat());
    let peak = printed.lines().find_map(|line| line.strip_prefix("peak_bytes "));
    peak.and_then(|bytes| bytes.parse().ok()).unwrap_or_else(|| panic!("no peak in {printed}"))
}

#[test]
fn transforms_stay_within_their_budget() {
    let folder = tempfile::tempdir().unwrap();
    let source = format!("{}::/data", input().display());
    for axis in ["0", "1"] {
        for threads in ["1", "2", "4"] {
            for budget in [16, 32, 64] {
                let out = folder.path().join(format!("{axis}-{threads}-{budget}.h5"));
                let (target, memory) = (format!("{}::/data", out.display()), format!("{budget}M"));
                let options = ["--axis", axis, "--memory", &memory, "--threads", threads, "--progress", "never"];
                let peak = peak(&[&["fft", source.as_str(), target.as_str()], &options[..]].concat());
                assert!(
                    peak <= budget * MEBI + FIXED,
                    "axis {axis}, {threads} threads, {memory}: peak of {} MiB",
                    peak / MEBI
                );
                std::fs::remove_file(out).unwrap();
            }
        }
    }
}

#[test]
fn jobs_that_are_resumed_and_shared_stay_within_their_budget() {
    let folder = tempfile::tempdir().unwrap();
    let source = format!("{}::/data", input().display());
    for (axis, threads, budget) in [("0", "2", 16), ("1", "4", 64)] {
        for name in ["out.h5::/data", "out.npy"] {
            let target = folder.path().join(name).display().to_string();
            let memory = format!("{budget}M");
            let command = ["fft", &source, &target, "--axis", axis, "--memory", &memory, "--threads", threads];
            let parts: [&[&str]; 4] = [
                &["--part=0/3"],
                &["--part=1/3"],
                &["--part=0/3"],
                // Takes over what the third part has left, and joins.
                &["--resume"],
            ];
            for part in parts {
                let peak = peak(&[&command, part, &["--progress", "never"]].concat());
                assert!(
                    peak <= budget * MEBI + FIXED,
                    "{name}, axis {axis}, {threads} threads, {memory}, {part:?}: peak of {} MiB",
                    peak / MEBI
                );
            }
        }
        for name in ["out.h5", "out.npy"] {
            std::fs::remove_file(folder.path().join(name)).unwrap();
        }
    }
}

#[test]
fn hashing_stays_within_its_budget() {
    let source = format!("{}::/data", input().display());
    for (threads, budget) in [("1", 8), ("2", 16), ("4", 64)] {
        let memory = format!("{budget}M");
        let peak = peak(&["hash", &source, "--memory", &memory, "--threads", threads]);
        assert!(peak <= budget * MEBI + FIXED, "{threads} threads, {memory}: peak of {} MiB", peak / MEBI);
    }
}

#[test]
fn other_commands_stay_within_their_budget() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| format!("{}::/data", folder.path().join(name).display());
    let source = format!("{}::/data", input().display());
    let file = input().display().to_string();
    let copy = path("copy.h5");
    program::succeed(&["convert", &source, &copy, "--chunks", "64,4096", "--filter", "none"]);
    for (threads, budget) in [("1", 16), ("2", 32), ("4", 64)] {
        let (converted, appended) = (path("converted.h5"), path("appended.h5"));
        let commands: [&[&str]; 6] = [
            &["stats", &source],
            &["show", &source],
            &["diff", &source, &copy],
            &["verify", &file],
            &["convert", &source, &converted, "--dtype", "c8", "--overwrite"],
            &["append", &appended, &source, &copy, "--overwrite"],
        ];
        let memory = format!("{budget}M");
        for command in commands {
            let peak = peak(&[command, &["--memory", &memory, "--threads", threads, "--progress", "never"]].concat());
            let name = command[0];
            assert!(peak <= budget * MEBI + FIXED, "{name}, {threads} threads, {memory}: peak of {} MiB", peak / MEBI);
        }
    }
}

#[test]
fn adding_to_a_file_stays_within_its_budget() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.h5");
    std::fs::copy(input(), &path).unwrap();
    // Of the space of what is removed here, 128 MiB, the file keeps a list.
    let free = folder.path().join("free.h5");
    python::run("editing.py", &["holed", &free.to_string_lossy(), "128"]);
    let at = |path: &Path, name: &str| format!("{}::/{name}", path.display());
    let source = at(&path, "data");
    for (threads, budget) in [("1", 16), ("2", 32)] {
        let memory = format!("{budget}M");
        // The first one adds, the second replaces.
        for target in [at(&path, "more"), at(&path, "more"), at(&free, "more")] {
            let options = ["--overwrite", "--memory", &memory, "--threads", threads, "--progress", "never"];
            let filter = ["--filter", "none"];
            let peak = peak(&[&["convert", &source, &target], &options[..], &filter].concat());
            assert!(peak <= budget * MEBI + FIXED, "{target}, {threads} threads, {memory}: {} MiB", peak / MEBI);
        }
    }
    assert!(std::fs::metadata(&free).unwrap().len() < 300 * MEBI, "the free space is used");
    let hashes = [source, at(&path, "more"), at(&free, "more")].map(|name| program::succeed(&["hash", &name]));
    let digest = |line: &String| line.split_whitespace().next().unwrap().to_owned();
    assert!(hashes.iter().all(|hash| digest(hash) == digest(&hashes[0])), "{hashes:?}");
}

#[test]
fn a_budget_that_is_too_small_is_refused_with_the_arithmetic() {
    let folder = tempfile::tempdir().unwrap();
    let source = format!("{}::/data", input().display());
    let target = format!("{}::/data", folder.path().join("out.h5").display());
    for axis in ["0", "1"] {
        let line = program::fail(&["fft", &source, &target, "--axis", axis, "--memory", "100K"], 1);
        assert!(line.contains("budget of 100 KiB is too small for fft(") && line.contains(" slab + "), "{line}");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "nothing was created");
    }
}

#[test]
fn results_do_not_depend_on_threads_or_budget() {
    let folder = tempfile::tempdir().unwrap();
    let source = format!("{}::/data", input().display());
    for axis in ["0", "1"] {
        let hash = |threads: &str, memory: &str| {
            let out = folder.path().join("out.h5");
            let target = format!("{}::/data", out.display());
            let options = ["--axis", axis, "--memory", memory, "--threads", threads, "--overwrite"];
            program::succeed(&[&["fft", source.as_str(), target.as_str()], &options[..]].concat());
            program::succeed(&["hash", &target])
        };
        let first = hash("1", "1G");
        assert_eq!(first, hash("2", "32M"));
        assert_eq!(first, hash("3", "20M"));
    }
}
