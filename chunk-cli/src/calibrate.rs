//! `chunk calibrate`: measures how fast this machine is, for the times and choices of plans.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use chunk_core::{
    Buffer, Calibration, ChunkSource, CreateOptions, Error, Location, MemorySource, Registry, Result, Run, Slab, Worker,
};
use clap::Args;
use serde::{Deserialize, Serialize};

use crate::Context;
use crate::demo::Noise;
use crate::failure::Outcome;
use crate::output::{Out, print, print_json};

/// Measures this machine in a few seconds, for the expected times of plans
///
/// The result is kept in the user's cache folder, and from then on decides where an intermediate pays; never what comes
/// out of a command.
#[derive(Debug, Args)]
pub(crate) struct CalibrateArgs {
    /// The folder in which files are written and read; they are removed
    #[arg(value_name = "DIR")]
    folder: Option<PathBuf>,
    /// Prints one JSON object: seconds for a GiB of each kind of work, one thread
    #[arg(long)]
    json: bool,
}

/// Seconds of one thread for a GiB, or for 2^30 operations.
#[derive(Debug, Serialize, Deserialize)]
struct Rates {
    decode: f64,
    encode: f64,
    copy: f64,
    read: f64,
    write: f64,
    compute: f64,
}

/// Rows and columns of what is measured with: 128 MiB of complex128.
const ROWS: u64 = 1024;
const COLUMNS: u64 = 8192;
const BYTES: u64 = ROWS * COLUMNS * 16;
/// Each is measured so often; the least counts, as others may use the machine.
const TIMES: usize = 3;

impl CalibrateArgs {
    pub(crate) fn run(&self, context: &Context, out: &mut Out) -> Outcome {
        let parent = self.folder.clone().unwrap_or_else(env::temp_dir);
        let folder = tempfile::Builder::new().prefix("chunk-calibrate-").tempdir_in(&parent);
        let folder = folder.map_err(|cause| Error::io(&parent, "create a folder in it", cause))?;
        let rates = measure(context, folder.path())?;
        let kept = keep(&rates)?;
        if self.json {
            return print_json(out, &rates);
        }
        let Rates { decode, encode, copy, read, write, compute } = rates;
        let rows = [
            ("decode", decode, "a GiB of Blosc LZ4"),
            ("encode", encode, "a GiB of Blosc LZ4, level 5"),
            ("copy", copy, "a GiB in memory"),
            ("read", read, "a GiB of a file in the system's cache"),
            ("write", write, "a GiB to a file"),
            ("compute", compute, "2^30 operations on elements"),
        ];
        for (name, seconds, what) in rows {
            print(out, &format!("{name:8} {seconds:.3} s  {what}"))?;
        }
        print(out, &format!("kept in {}", kept.display()))
    }
}

/// The least seconds of several tries, for a GiB.
fn least(bytes: u64, mut work: impl FnMut() -> Result<()>) -> Result<f64> {
    let mut least = f64::MAX;
    for _ in 0..TIMES {
        let begun = Instant::now();
        work()?;
        least = least.min(begun.elapsed().as_secs_f64());
    }
    Ok(least * f64::from(1 << 30) / bytes as f64)
}

fn measure(context: &Context, folder: &Path) -> Result<Rates> {
    let (noise, run) = (noise()?, Run::new().threads(1).cancel(context.cancel.clone()));
    let whole = Slab::whole(&noise.info().shape);
    let mut copied = Buffer::zeroed(BYTES as usize)?;
    let copy = least(BYTES, || noise.read_into(&whole, &mut copied, &Worker::new()))?;
    drop(copied);

    let registry = &context.registry;
    let encoded = Location::new(folder.join("x.h5")).with_scheme("hdf5").with_dataset("/x");
    let filter = CreateOptions::default().with_overwrite(true).with_filter("blosc:lz4:5");
    let encoding = write_times(registry, &run, &noise, &encoded, &filter)?;
    let raw = Location::new(folder.join("x.npy")).with_scheme("npy");
    let write = write_times(registry, &run, &noise, &raw, &CreateOptions::default().with_overwrite(true))?;
    let read = read_times(&run, &*registry.open(&raw)?)?;
    let decoding = read_times(&run, &*registry.open(&encoded)?)?;
    let stored = fs::metadata(encoded.path()).map_or(0.7, |file| file.len() as f64 / BYTES as f64);

    let transformed = chunk_ops::fft(Arc::new(noise), 1)?;
    let transforming = read_times(&run, &transformed)?;
    let operations = 5.0 * (COLUMNS as f64).log2() / 16.0;
    Ok(Rates {
        decode: (decoding - stored * read).max(0.01),
        encode: (encoding - stored * write - copy).max(0.01),
        copy,
        read,
        write: (write - copy).max(0.01),
        compute: ((transforming - copy) / operations).max(0.001),
    })
}

fn noise() -> Result<MemorySource> {
    let noise = Noise::new(ROWS, COLUMNS, 64, 7);
    let mut bytes = vec![0; BYTES as usize];
    noise.read_into(&Slab::whole(&noise.info().shape), &mut bytes, &Worker::new())?;
    MemorySource::from_bytes(noise.info().clone(), bytes)
}

fn write_times(
    registry: &Registry,
    run: &Run,
    source: &MemorySource,
    to: &Location,
    options: &CreateOptions,
) -> Result<f64> {
    least(BYTES, || {
        let sink = registry.create(to, source.info().clone(), options)?;
        let plan = run.planner().copy(source, &*sink)?;
        run.copy_part(&plan, 0..plan.len(), source, &*sink)?;
        // The first try leaves it to be read; syncing is not what a plan counts.
        if registry.open(to).is_err() { sink.finish() } else { Ok(()) }
    })
}

fn read_times(run: &Run, source: &dyn ChunkSource) -> Result<f64> {
    least(BYTES, || run.visit(source, |_, _| Ok::<(), Error>(())).map(|_| ()))
}

/// Where the rates of this machine are kept, if there is a place.
fn path() -> Option<PathBuf> {
    let cache = env::var_os("XDG_CACHE_HOME").filter(|path| !path.is_empty()).map(PathBuf::from);
    let cache = cache.or_else(|| Some(PathBuf::from(env::var_os("HOME")?).join(".cache")));
    cache.map(|cache| cache.join("chunk").join("calibration.json"))
}

fn keep(rates: &Rates) -> Result<PathBuf> {
    let no_place = || Error::InvalidArgument("there is no folder for it: set HOME or XDG_CACHE_HOME".to_owned());
    let path = path().ok_or_else(no_place)?;
    let folder = path.parent().unwrap_or(&path);
    fs::create_dir_all(folder).map_err(|cause| Error::io(folder, "create", cause))?;
    let text = serde_json::to_vec_pretty(rates).map_err(|error| Error::io(&path, "write", error.into()))?;
    fs::write(&path, text).map_err(|cause| Error::io(&path, "write", cause))?;
    Ok(path)
}

/// The rates that were kept for this machine, or those that all machines begin with.
pub(crate) fn load() -> Calibration {
    let text = path().and_then(|path| fs::read(path).ok());
    let rates = text.and_then(|text| serde_json::from_slice::<Rates>(&text).ok());
    let Some(Rates { decode, encode, copy, read, write, compute }) = rates else { return Calibration::default() };
    let is_sound = [decode, encode, copy, read, write, compute].iter().all(|rate| rate.is_finite() && *rate > 0.0);
    if !is_sound {
        return Calibration::default();
    }
    let mut calibration = Calibration::default();
    (calibration.decode, calibration.encode, calibration.copy) = (decode, encode, copy);
    (calibration.read, calibration.write, calibration.compute) = (read, write, compute);
    calibration
}
