//! Appends to a dataset and commits, again and again, and prints how many rows were committed: to be killed over it, or
//! to be watched by readers, whom it lets at the file after each commit.

use std::io::{self, Write};

use std::thread;
use std::time::Duration;

use chunk_core::Error;
use chunk_hdf5::Hdf5Appender;

/// `FILE DATASET AXIS COMMITS [watched]`: rows of `i32`, of which every element tells its place.
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let usage = "FILE DATASET AXIS COMMITS [watched]";
    let [path, dataset, axis, commits, watched @ ..] = arguments.as_slice() else { return Err(usage.into()) };
    let (axis, commits): (usize, u64) = (axis.parse()?, commits.parse()?);
    let mut log = open(path, dataset, axis)?;
    let width = log.info().shape[1 - axis];
    let mut out = io::stdout().lock();
    for commit in 0..commits {
        // Less than a chunk, a chunk, several: whatever the tail looks like.
        for _ in 0..=commit * 5 % 13 {
            let row = log.extent();
            log.append(&(0..width).map(|column| element(row, column)).collect::<Vec<_>>())?;
        }
        log.commit()?;
        writeln!(out, "{}", log.extent())?;
        out.flush()?;
        if !watched.is_empty() {
            drop(log);
            thread::sleep(Duration::from_millis(1));
            log = open(path, dataset, axis)?;
        }
    }
    log.finish()?;
    Ok(())
}

/// Waits for readers.
fn open(path: &str, dataset: &str, axis: usize) -> chunk_core::Result<Hdf5Appender> {
    loop {
        match Hdf5Appender::open(path, Some(dataset), axis) {
            Err(Error::Locked { .. }) => thread::sleep(Duration::from_micros(200)),
            opened => return opened,
        }
    }
}

/// What stands in a row; the test has the same formula.
fn element(row: u64, column: u64) -> i32 {
    (row * 1_000_003 + column * 7919) as i32
}
