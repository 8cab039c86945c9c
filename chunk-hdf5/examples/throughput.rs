//! Reads or writes a dataset slab by slab, or appends to one row by row, and says how fast that was.
//!
//! ```text
//! cargo run --release -p chunk-hdf5 --example throughput -- read FILE DATASET [--threads N] [--memory 1G]
//! cargo run --release -p chunk-hdf5 --example throughput -- write FILE [--rows R] [--cols C] [--threads N]
//! cargo run --release -p chunk-hdf5 --example throughput -- append FILE [--at-once ROWS]
//! ```

use std::error::Error;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use chunk_core::{Budget, ChunkSink, Complex, DType, DatasetInfo, Element, Run, Slab, Worker};
use chunk_hdf5::{Filter, Hdf5Appender, Hdf5Sink, Hdf5Source};

const CHUNK_ROWS: u64 = 1024;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let option = |name: &str| {
        let at = arguments.iter().position(|argument| argument == name)?;
        arguments.get(at + 1).cloned()
    };
    let budget = option("--memory").map_or(Ok(Budget::default()), |text| text.parse())?;
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let threads = option("--threads").map_or(Ok(processors), |text| text.parse())?;
    let started = Instant::now();
    let bytes = match arguments.first().map(String::as_str) {
        Some("read") => read(&Run::new().budget(budget).threads(threads), &arguments[1], &arguments[2])?,
        Some("write") => {
            let extent = |name, default: u64| option(name).map_or(Ok(default), |text| text.parse());
            write(threads, &arguments[1], extent("--rows", 16384)?, extent("--cols", 8192)?)?
        }
        Some("append") => append(&arguments[1], option("--at-once").map_or(Ok(1), |text| text.parse())?)?,
        _ => return Err("say read FILE DATASET, write FILE or append FILE".into()),
    };
    let seconds = started.elapsed().as_secs_f64();
    eprintln!("{:.2} GiB/s, start to end", bytes as f64 / seconds / f64::from(1 << 30));
    Ok(())
}

fn read(run: &Run, path: &str, dataset: &str) -> Result<u64, Box<dyn Error>> {
    let started = Instant::now();
    let source = Hdf5Source::open(path, Some(dataset))?;
    let seen = AtomicU64::new(0);
    let plan = run.visit(&source, |_, data| {
        seen.fetch_add(data.len() as u64, Ordering::Relaxed);
        Ok::<(), chunk_core::Error>(())
    })?;
    println!("seconds {:.4}", started.elapsed().as_secs_f64());
    eprintln!("{}", plan.describe());
    Ok(seen.into_inner())
}

/// Writes one slab of noise, quantised to 1/1024, again and again: each thread hands its slabs to the sink.
fn write(threads: usize, path: &str, rows: u64, columns: u64) -> Result<u64, Box<dyn Error>> {
    let mut state = 1_u64;
    let noise: Vec<Complex<f64>> =
        (0..CHUNK_ROWS * columns).map(|_| Complex::new(normal(&mut state), normal(&mut state))).collect();
    let started = Instant::now();
    let info = DatasetInfo::new([rows, columns], DType::ComplexF64).with_chunk_shape([CHUNK_ROWS, columns]);
    let bytes = info.bytes();
    let sink = Hdf5Sink::create(path, Some("/data"), info, Filter::default())?;
    let next = AtomicU64::new(0);
    let serve = || -> chunk_core::Result<()> {
        let worker = Worker::new();
        loop {
            let start = next.fetch_add(CHUNK_ROWS, Ordering::Relaxed);
            if start >= rows {
                return Ok(());
            }
            let slab = Slab::new([start, 0], [CHUNK_ROWS.min(rows - start), columns]);
            sink.write_from(&slab, Complex::as_bytes(&noise[..slab.elements() as usize]), &worker)?;
        }
    };
    std::thread::scope(|scope| {
        let helpers: Vec<_> = (0..threads).map(|_| scope.spawn(serve)).collect();
        helpers.into_iter().try_for_each(|helper| helper.join().expect("no thread panics"))
    })?;
    Box::new(sink).finish()?;
    println!("seconds {:.4}", started.elapsed().as_secs_f64());
    Ok(bytes)
}

/// Appends 10,000 rows of 64 numbers, so many at once; they are durable in the end.
fn append(path: &str, at_once: usize) -> Result<u64, Box<dyn Error>> {
    const ROWS: usize = 10_000;
    const COLUMNS: u64 = 64;
    let info = DatasetInfo::new([0, COLUMNS], DType::F64);
    let info = info.with_chunk_shape([CHUNK_ROWS, COLUMNS]).with_max_shape([None, Some(COLUMNS)]);
    let rows = vec![0.5_f64; at_once * COLUMNS as usize];
    let started = Instant::now();
    Box::new(Hdf5Sink::create(path, Some("/data"), info, Filter::default())?).finish()?;
    let mut appender = Hdf5Appender::open(path, None, 0)?;
    for _ in 0..ROWS / at_once {
        appender.append(&rows)?;
    }
    appender.finish()?;
    println!("seconds {:.4}", started.elapsed().as_secs_f64());
    Ok(ROWS as u64 * COLUMNS * 8)
}

/// The sum of four uniform numbers is nearly normal; it is scaled to a deviation of 1.
fn normal(state: &mut u64) -> f64 {
    *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    let mixed = (*state ^ (*state >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let sum: u64 = (0..4).map(|lane| (mixed >> (16 * lane)) & 0xffff).sum();
    ((sum as f64 / 65536.0 - 2.0) * 3.0_f64.sqrt() * 1024.0).round() / 1024.0
}
