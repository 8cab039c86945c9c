//! Files that were made of shards are files like any others: for h5py, and for the tools of an older libhdf5.

use std::path::Path;

use chunk_core::{
    Attribute, Backend, CreateOptions, DType, DatasetInfo, Element, Location, Shape, Sharding, Slab, Worker,
};
use chunk_hdf5::Hdf5;

use crate::{hdf5_tools, python};

fn make(path: &Path, shape: &[u64], chunk: &[u64], grows: &[usize], filter: &str) {
    let elements: Vec<f64> = (0..Shape::from(shape).elements()).map(|i| (i * i) as f64).collect();
    let location = Location::new(path).with_dataset("/g/x");
    let most = (0..shape.len()).map(|axis| (!grows.contains(&axis)).then(|| shape[axis]));
    let info = DatasetInfo::new(shape, DType::F64).with_chunk_shape(chunk).with_max_shape(most.collect::<Vec<_>>());
    let units = vec![("units".to_owned(), Attribute::from("m/s"))];
    let options = CreateOptions::default().with_filter(filter).with_attributes(units);
    let shard = path.with_extension("shard");
    let open = || Hdf5::default().shard(&location, info.clone(), &options, &shard).unwrap();
    let whole = Slab::whole(shape);
    // Written twice: there is a hole in the file.
    open().write_from(&whole, &vec![0; elements.len() * 8], &Worker::new()).unwrap();
    let shard = open();
    shard.write_from(&whole, f64::as_bytes(&elements), &Worker::with_threads(2)).unwrap();
    shard.finish().unwrap();
}

#[test]
fn others_read_and_change_files_made_of_shards() {
    let folder = tempfile::tempdir().unwrap();
    let mut paths = Vec::new();
    for (number, (shape, chunk, grows)) in [
        (vec![], vec![], vec![]),
        (vec![64, 8], vec![64, 8], vec![]),
        (vec![65, 9], vec![16, 4], vec![]),
        (vec![65, 9], vec![16, 4], vec![0]),
        (vec![65, 9], vec![16, 4], vec![0, 1]),
        (vec![5000], vec![2], vec![]),
        (vec![3000], vec![1], vec![0]),
    ]
    .into_iter()
    .enumerate()
    {
        for filter in ["none", "gzip:1+fletcher32", "blosc:lz4:5"] {
            let path = folder.path().join(format!("{number}-{}.h5", filter.split(':').next().unwrap()));
            make(&path, &shape, &chunk, &grows, filter);
            if hdf5_tools::are_here() && filter != "blosc:lz4:5" {
                let path = path.to_string_lossy();
                assert!(hdf5_tools::run("h5dump", &["-d", "/g/x", &path]).contains("DATASET"));
                hdf5_tools::run("h5ls", &["-r", "-v", &path]);
            }
            paths.push(path.to_string_lossy().into_owned());
        }
    }
    python::run("shards.py", &paths.iter().map(String::as_str).collect::<Vec<_>>());
    for path in &paths {
        assert!(Hdf5::default().growing().unwrap().problems(Path::new(path)).unwrap().is_empty());
    }
}
