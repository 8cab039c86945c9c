//! Readers beside a writer see what was committed, and nothing else.

use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use chunk_core::{ChunkSource, ChunkSourceExt, Error};
use chunk_hdf5::Hdf5Source;

use crate::python;

const DATASET: &str = "/group/log";
const WIDTH: u64 = 6;
const COMMITS: u64 = 250;

/// Rows after each commit, as the writer makes them.
fn states() -> Vec<u64> {
    let rows = (0..COMMITS).scan(0, |rows, commit| {
        *rows += 1 + commit * 5 % 13;
        Some(*rows)
    });
    std::iter::once(0).chain(rows).collect()
}

/// Reads until all rows are there: how often, and how many states were seen.
fn watch(path: &str, states: &[u64]) -> (usize, usize) {
    let (mut reads, mut seen) = (0, vec![0]);
    while seen.last() != states.last() {
        let source = match Hdf5Source::open(path, Some(DATASET)) {
            Err(Error::Locked { .. } | Error::NeedsRecovery { .. }) => {
                thread::sleep(Duration::from_micros(300));
                continue;
            }
            source => source.unwrap(),
        };
        let rows = source.info().shape[0];
        let elements = source.read_all::<i32>().unwrap();
        reads += 1;
        assert!(states.contains(&rows) && rows >= seen[seen.len() - 1], "{rows} rows after {}", seen[seen.len() - 1]);
        for (index, element) in (0..).zip(elements) {
            let (row, column) = (index / WIDTH, index % WIDTH);
            assert_eq!(element, (row * 1_000_003 + column * 7919) as i32, "row {row} of {rows}");
        }
        if rows > seen[seen.len() - 1] {
            seen.push(rows);
        }
        drop(source);
        thread::sleep(Duration::from_micros(300)); // the writer's turn
    }
    (reads, seen.len())
}

/// At least 100 reads by h5py and 200 by ours, during 250 commits, of each kind of file.
#[test]
fn readers_see_committed_rows_only_while_a_writer_appends() {
    let states = states();
    for filter in ["gzip", "none"] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.h5").to_string_lossy().into_owned();
        python::run("growing.py", &["make", &path, "v110", "0", &WIDTH.to_string(), filter]);
        let allowed: Vec<String> = states.iter().map(u64::to_string).collect();
        let rows = allowed[allowed.len() - 1].clone();
        let theirs = thread::spawn({
            let path = path.clone();
            move || python::run("growing.py", &["watch", &path, "0", &rows, &allowed.join(",")])
        });
        let ours = thread::spawn({
            let (path, states) = (path.clone(), states.clone());
            move || watch(&path, &states)
        });
        // Both read before there is anything to miss.
        thread::sleep(Duration::from_millis(500));
        let mut command = Command::new(env!("CARGO_BIN_EXE_chunk-append-under-test"));
        command.args([&path, DATASET, "0", &COMMITS.to_string(), "watched"]).stdout(Stdio::null());
        assert!(command.status().unwrap().success());
        let (reads, seen) = ours.join().unwrap();
        assert!(reads >= 200 && seen > 20, "{filter}: {reads} reads of {seen} states");
        let printed = theirs.join().unwrap();
        let counts: Vec<usize> = printed.split_whitespace().map(|count| count.parse().unwrap()).collect();
        assert!(counts[0] >= 100 && counts[1] > 20, "{filter}: {printed}");
        println!("{filter}: {reads} reads of ours saw {seen} states; h5py: {printed}");
    }
}
