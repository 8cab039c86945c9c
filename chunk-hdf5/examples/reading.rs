//! Reads random windows of a dataset, or all of it into one buffer, and says how long that took.
//!
//! ```text
//! cargo run --release -p chunk-hdf5 --example reading -- windows FILE DATASET [--cache 256M]
//! cargo run --release -p chunk-hdf5 --example reading -- whole FILE DATASET
//! cargo run --release -p chunk-hdf5 --example reading -- file FILE    (the bytes of the file, by read(2) alone)
//! ```

use std::error::Error;
use std::fs::File;
use std::hint::black_box;
use std::io::Read;
use std::time::Instant;

use chunk_core::{Buffer, Bytes, ChunkSource, Slab, Worker};
use chunk_hdf5::{Hdf5Source, ReadOptions};

const WINDOWS: usize = 2000;
const EXTENT: u64 = 64;
/// What one read of a whole file or dataset fills.
const BUFFER: usize = 64 << 20;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["windows", file, dataset, rest @ ..] => {
            let cache = if let ["--cache", size] = rest { size.parse()? } else { Bytes(0) };
            windows(&Hdf5Source::open_with(file, Some(dataset), ReadOptions::default().with_cache(cache))?)
        }
        ["whole", file, dataset] => whole(&Hdf5Source::open(file, Some(dataset))?),
        ["file", file] => bytes(File::open(file)?),
        _ => Err("say windows FILE DATASET [--cache SIZE], whole FILE DATASET or file FILE".into()),
    }
}

/// The same windows as `bench_h5py.py windows` reads.
fn windows(source: &Hdf5Source) -> Result<(), Box<dyn Error>> {
    let started = Instant::now();
    let mut state = 1_u64;
    let mut place = |extent: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % (extent - EXTENT)
    };
    let shape = source.info().shape.clone();
    let mut window = Buffer::zeroed((EXTENT * EXTENT) as usize * size_of::<f64>())?;
    let worker = Worker::new();
    let mut sum = 0.0;
    for _ in 0..WINDOWS {
        let slab = Slab::new([place(shape[0]), place(shape[1])], [EXTENT, EXTENT]);
        source.read_into(&slab, &mut window, &worker)?;
        let elements = window.elements::<f64>()?;
        sum += elements[0] + elements[elements.len() - 1];
    }
    println!("seconds {:.4}", started.elapsed().as_secs_f64());
    println!("sum {sum:.6}");
    Ok(())
}

fn whole(source: &Hdf5Source) -> Result<(), Box<dyn Error>> {
    let started = Instant::now();
    let info = source.info();
    let row = info.bytes() / info.shape[0];
    let rows = (BUFFER as u64 / row).max(1);
    let mut buffer = vec![0; (rows * row) as usize];
    let worker = Worker::new();
    for start in (0..info.shape[0]).step_by(rows as usize) {
        let slab = Slab::whole(&info.shape).with_axis(0, start..info.shape[0].min(start + rows));
        source.read_into(&slab, black_box(&mut buffer[..slab.bytes(info.dtype.size()) as usize]), &worker)?;
    }
    println!("seconds {:.4}", started.elapsed().as_secs_f64());
    Ok(())
}

fn bytes(mut file: File) -> Result<(), Box<dyn Error>> {
    let started = Instant::now();
    let mut buffer = vec![0; BUFFER];
    while file.read(black_box(&mut buffer))? > 0 {}
    println!("seconds {:.4}", started.elapsed().as_secs_f64());
    Ok(())
}
