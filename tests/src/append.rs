//! Appends to a dataset and commits, again and again, and prints how many rows were committed: to be killed over it.

use std::io::{self, Write};

use chunk_hdf5::Hdf5Appender;

/// `FILE DATASET AXIS COMMITS`: rows of `i32`, of which every element tells its place.
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [path, dataset, axis, commits] = arguments.as_slice() else { return Err("FILE DATASET AXIS COMMITS".into()) };
    let (axis, commits): (usize, u64) = (axis.parse()?, commits.parse()?);
    let mut log = Hdf5Appender::open(path, Some(dataset), axis)?;
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
    }
    log.finish()?;
    Ok(())
}

/// What stands in a row; the test has the same formula.
fn element(row: u64, column: u64) -> i32 {
    (row * 1_000_003 + column * 7919) as i32
}
