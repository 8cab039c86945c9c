//! Makes a dataset in a shard, or goes on with it: to be killed over it.

use std::path::Path;

use chunk_core::{
    Backend, Checksum, ChunkSource, CreateOptions, DType, DatasetInfo, Element, Grid, Location, Slab, Worker,
};
use chunk_hdf5::Hdf5;
use chunk_npy::Npy;

/// `FOLDER hdf5|added|npy`: prints `kept` for each task that an earlier process has done, and `done` for each of its own.
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [folder, format] = arguments.as_slice() else { return Err("FOLDER FORMAT".into()) };
    let backend: Box<dyn Backend> = if format == "npy" { Box::new(Npy::default()) } else { Box::new(Hdf5::default()) };
    let file = if format == "npy" { "x.npy" } else { "x.h5" };
    let location = Location::new(Path::new(folder).join(file));
    let location = if format == "npy" { location } else { location.with_dataset("/g/x") };
    let info = DatasetInfo::new([44, 12], DType::F64).with_chunk_shape([8, 12]);
    let filter = if format == "npy" { "none" } else { "gzip:1" };
    let options = CreateOptions::default().with_filter(filter);
    let sharding = backend.sharding().ok_or("no shards")?;
    let shard = sharding.shard(&location, info.clone(), &options, &Path::new(folder).join("shard"))?;
    let grid = Grid::new(info.shape.clone(), [8, 12]);
    let worker = Worker::new();
    for number in 0..grid.len() {
        let task = grid.slab(&grid.position(number));
        let elements: Vec<f64> = (task.start()[0] * 12..task.end(0) * 12).map(|i| (i * i) as f64).collect();
        let bytes = f64::as_bytes(&elements);
        let checksum = Checksum::of(bytes);
        if shard.holds(&task, checksum, &worker)? {
            println!("kept");
            continue;
        }
        shard.write_summed(&task, bytes, checksum, &worker)?;
        println!("done");
        if number % 2 == 1 {
            shard.sync()?;
        }
    }
    shard.finish()?;
    let source = backend.open(&location)?;
    let mut bytes = vec![0; source.info().bytes() as usize];
    source.read_into(&Slab::whole(&info.shape), &mut bytes, &worker)?;
    println!("finished {:016x}", Checksum::of(&bytes));
    Ok(())
}
