//! Datasets that are made of shards.

use std::fs;

use chunk_core::{Backend, CreateOptions, DType, Location, Slab, Worker};
use chunk_hdf5::Hdf5;

use crate::common::{doubles, folder, info};

#[test]
fn files_of_equal_data_are_equal_whenever_they_are_made() {
    let folder = folder();
    for (name, backend) in [("plain", Hdf5::default()), ("pytables", Hdf5::default().to_pytables())] {
        let path = folder.path().join(name);
        let make = || {
            let location = Location::new(&path).with_dataset("/g/x");
            let options = CreateOptions::default().with_overwrite(true);
            let sink = backend.create(&location, info(&[64, 8], DType::F64, &[16, 8]), &options).unwrap();
            sink.write_from(&Slab::whole(&[64, 8]), doubles(&[64, 8]).bytes(), &Worker::new()).unwrap();
            sink.finish().unwrap();
            fs::read(&path).unwrap()
        };
        let first = make();
        std::thread::sleep(std::time::Duration::from_millis(1100));
        let second = make();
        let differ: Vec<_> = (0..first.len()).filter(|at| first[*at] != second[*at]).collect();
        assert!(first == second, "{name}: {differ:?}");
    }
}
