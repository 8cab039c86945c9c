//! Reads or writes a dataset slab by slab, and says how fast that was.
//!
//! ```text
//! cargo run --release -p chunk-hdf5 --example throughput -- read FILE DATASET [--threads N] [--memory 1G]
//! cargo run --release -p chunk-hdf5 --example throughput -- write FILE [--rows R] [--cols C] [--threads N]
//! ```

use std::error::Error;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use chunk_core::{Budget, Complex, DType, DatasetInfo, MemorySource, Run, Slab};
use chunk_core::{ChunkSource, Cost, Worker};
use chunk_hdf5::{Filter, Hdf5Sink, Hdf5Source};

const CHUNK_ROWS: u64 = 1024;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let option = |name: &str| {
        let at = arguments.iter().position(|argument| argument == name)?;
        arguments.get(at + 1).cloned()
    };
    let mut run = Run::new().budget(option("--memory").map_or(Ok(Budget::default()), |text| text.parse())?);
    if let Some(threads) = option("--threads") {
        run = run.threads(threads.parse()?);
    }
    let started = Instant::now();
    let bytes = match arguments.first().map(String::as_str) {
        Some("read") => read(&run, &arguments[1], &arguments[2])?,
        Some("write") => {
            let extent = |name, default: u64| option(name).map_or(Ok(default), |text| text.parse());
            write(&run, &arguments[1], extent("--rows", 16384)?, extent("--cols", 8192)?)?
        }
        _ => return Err("say read FILE DATASET or write FILE".into()),
    };
    let seconds = started.elapsed().as_secs_f64();
    println!("seconds {seconds:.4}");
    println!("{:.2} GiB/s", bytes as f64 / seconds / f64::from(1 << 30));
    Ok(())
}

fn read(run: &Run, path: &str, dataset: &str) -> Result<u64, Box<dyn Error>> {
    let source = Hdf5Source::open(path, Some(dataset))?;
    let seen = AtomicU64::new(0);
    let plan = run.visit(&source, |_, data| {
        seen.fetch_add(data.len() as u64, Ordering::Relaxed);
        Ok(())
    })?;
    eprintln!("{}", plan.describe());
    Ok(seen.into_inner())
}

fn write(run: &Run, path: &str, rows: u64, columns: u64) -> Result<u64, Box<dyn Error>> {
    let source = Repeated::new(rows, columns)?;
    let sink = Hdf5Sink::create(path, Some("/data"), source.info.clone(), Filter::default())?;
    let started = Instant::now();
    let plan = run.copy(&source, Box::new(sink))?;
    eprintln!("{}\nwithout making the noise: {:.4} s", plan.describe(), started.elapsed().as_secs_f64());
    Ok(plan.bytes())
}

/// One slab of noise, quantised to 1/1024, again and again.
#[derive(Debug)]
struct Repeated {
    info: DatasetInfo,
    noise: MemorySource,
}

impl Repeated {
    fn new(rows: u64, columns: u64) -> chunk_core::Result<Self> {
        let mut state = 1_u64;
        let noise: Vec<Complex<f64>> =
            (0..CHUNK_ROWS * columns).map(|_| Complex::new(normal(&mut state), normal(&mut state))).collect();
        let info = DatasetInfo::new([rows, columns], DType::ComplexF64).with_chunk_shape([CHUNK_ROWS, columns]);
        Ok(Repeated { info, noise: MemorySource::new([CHUNK_ROWS, columns], &noise)? })
    }
}

/// The sum of twelve uniform numbers is nearly normal.
fn normal(state: &mut u64) -> f64 {
    let sum: f64 = (0..12)
        .map(|_| {
            *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (*state >> 11) as f64 / (1_u64 << 53) as f64
        })
        .sum();
    ((sum - 6.0) * 1024.0).round() / 1024.0
}

impl ChunkSource for Repeated {
    fn info(&self) -> &DatasetInfo {
        &self.info
    }

    fn held_bytes(&self) -> u64 {
        0
    }

    fn cost(&self, slab: &Slab, _threads: usize) -> Cost {
        Cost::new(0, slab.bytes(16))
    }

    fn read_into(&self, slab: &Slab, out: &mut [u8], worker: &Worker) -> chunk_core::Result<()> {
        slab.check(&self.info, out.len())?;
        let start = slab.start()[0] % CHUNK_ROWS;
        self.noise.read_into(&slab.with_axis(0, start..start + slab.count()[0]), out, worker)
    }
}
