//! Times appending and reading, and the bare system calls beside them: what `cargo xtask bench npy` runs.
//!
//! ```text
//! npy_throughput append FILE APPENDS ROWS      items of ROWS x 64 f64, each handed to the system at once, one commit
//! npy_throughput gather FILE APPENDS ROWS      the same through the appender's buffer
//! npy_throughput write FILE APPENDS ROWS       the same bytes by write(2)
//! npy_throughput read FILE                     the array in slabs of 8 MiB, one buffer
//! npy_throughput read-bare FILE                the file by read(2) of 8 MiB, one buffer
//! ```

use std::error::Error;
use std::fs::File;
use std::io::{Read, Write};
use std::time::Instant;

use chunk_core::{Buffer, ChunkSource, DType, Slab, Worker};
use chunk_npy::{AppendOptions, Mode, NpySource};

const COLUMNS: u64 = 64;
const SLAB_BYTES: u64 = 8 << 20;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let start = Instant::now();
    match words.as_slice() {
        ["append", file, appends, rows] => append(file, appends.parse()?, rows.parse()?, Some(0))?,
        ["gather", file, appends, rows] => append(file, appends.parse()?, rows.parse()?, None)?,
        ["write", file, appends, rows] => write(file, appends.parse()?, rows.parse()?)?,
        ["read", file] => read(file)?,
        ["read-bare", file] => read_bare(file)?,
        _ => return Err("append, gather, write, read or read-bare: see the source".into()),
    }
    println!("seconds {:.6}", start.elapsed().as_secs_f64());
    Ok(())
}

/// A row-major array of `rows * appends` by 64 grows by `rows` at a time.
fn append(file: &str, appends: u64, rows: u64, buffer: Option<usize>) -> Result<(), Box<dyn Error>> {
    let block = vec![0.5_f64; (rows * COLUMNS) as usize];
    let mut options = AppendOptions::new(Mode::Truncate).with_sync(false);
    if let Some(bytes) = buffer {
        options = options.with_buffer(bytes);
    }
    let mut appender = options.open(file, &DType::F64, &[COLUMNS])?;
    for _ in 0..appends {
        appender.append(&block)?;
    }
    appender.close()?;
    Ok(())
}

fn write(file: &str, appends: u64, rows: u64) -> Result<(), Box<dyn Error>> {
    let block = vec![0x55_u8; (rows * COLUMNS * 8) as usize];
    let mut file = File::create(file)?;
    for _ in 0..appends {
        file.write_all(&block)?;
    }
    Ok(())
}

fn read(file: &str) -> Result<(), Box<dyn Error>> {
    let (source, worker) = (NpySource::open(file)?, Worker::new());
    let shape = &source.info().shape;
    let rows = SLAB_BYTES / (8 * shape[1]);
    let mut out = Buffer::zeroed(SLAB_BYTES as usize)?;
    for start in (0..shape[0]).step_by(rows as usize) {
        let slab = Slab::new([start, 0], [rows.min(shape[0] - start), shape[1]]);
        let length = slab.bytes(8) as usize;
        source.read_into(&slab, &mut out[..length], &worker)?;
    }
    Ok(())
}

fn read_bare(file: &str) -> Result<(), Box<dyn Error>> {
    let (mut file, mut out) = (File::open(file)?, vec![0; SLAB_BYTES as usize]);
    while file.read(&mut out)? > 0 {}
    Ok(())
}
