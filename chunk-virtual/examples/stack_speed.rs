//! What `tests/python/bench_stack.py` times, with chunk: `stack_speed stack|rows|stepped|whole FOLDER`.
//!
//! The folder holds `part-0000.h5` to `part-0999.h5`, each with `/data` of 200 x 128 float32.

use std::error::Error;
use std::path::Path;
use std::sync::Arc;
use std::thread::available_parallelism;
use std::time::Instant;

use chunk_core::{Buffer, ChunkSource, Location, Registry, Slab, Worker};
use chunk_virtual::hdf5::VirtualHdf5;
use chunk_virtual::{Indices, Selected, SourcePool, VirtualSource, VirtualStack, select};

const FILES: u64 = 1000;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [what, folder] = arguments.as_slice() else { return Err("stack_speed stack|rows|stepped|whole FOLDER".into()) };
    let indices = match what.as_str() {
        "stack" => None,
        "rows" => Some(select![100_050..100_150]),
        "stepped" => Some(select![20_050..40_050, ..; 2]),
        "whole" => Some(select![..]),
        _ => return Err("stack, rows, stepped or whole".into()),
    };
    let begun = Instant::now();
    let stack: Arc<dyn ChunkSource> = Arc::new(stack(Path::new(folder))?);
    let seconds = match &indices {
        Some(indices) => read(&stack, indices, &Worker::with_threads(available_parallelism()?.get()))?,
        None => begun.elapsed().as_secs_f64(),
    };
    println!("seconds {seconds:.6}");
    Ok(())
}

/// Opens each file to see what it holds.
fn stack(folder: &Path) -> chunk_core::Result<VirtualStack> {
    let pool = Arc::new(SourcePool::new(Registry::new().with(VirtualHdf5::default())));
    let file = |number: u64| {
        let location = Location::new(folder.join(format!("part-{number:04}.h5"))).with_dataset("/data");
        VirtualSource::open(&pool, location)
    };
    VirtualStack::new((0..FILES).map(file).collect::<chunk_core::Result<Vec<_>>>()?, 0)
}

fn read(stack: &Arc<dyn ChunkSource>, indices: &Indices, worker: &Worker) -> chunk_core::Result<f64> {
    let begun = Instant::now();
    let selected = Selected::new(Arc::clone(stack), indices)?;
    let mut out = Buffer::zeroed(selected.info().bytes() as usize)?;
    selected.read_into(&Slab::whole(&selected.info().shape), &mut out, worker)?;
    Ok(begun.elapsed().as_secs_f64())
}
