//! Datasets a few rows at a time, under the names that chunkiter gives them.

use chunk_core::{ChunkSource, ChunkSourceExt, DType, Error, Slab, reverse_rows, steps};
use chunk_hdf5::{Filter, Hdf5Sink, Hdf5Source, ReadOptions};

use crate::common::{bytes, doubles, folder, info, write};

fn sample(path: &std::path::Path, name: &str, rows: u64) {
    let sink = Hdf5Sink::create(path, Some(name), info(&[rows, 3], DType::F64, &[4, 3]), Filter::NONE).unwrap();
    write(sink, &doubles(&[rows, 3]), &[rows, 3]);
}

#[test]
fn data_is_found_without_a_name() {
    let folder = folder();
    let path = folder.path().join("x.h5");
    sample(&path, "/data", 10);
    let found = Hdf5Source::open_automatic(&path, ReadOptions::default()).unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!(bytes(&found[0], &Slab::new([0, 0], [10, 3]), 1), doubles(&[10, 3]).bytes());

    let other = folder.path().join("y.h5");
    sample(&other, "/values", 10);
    let error = Hdf5Source::open_automatic(&other, ReadOptions::default()).unwrap_err();
    assert!(matches!(&error, Error::DatasetNotFound { near, .. } if near == &["/values"]), "{error}");
}

#[test]
fn rows_come_forwards_and_backwards() {
    let folder = folder();
    let path = folder.path().join("x.h5");
    sample(&path, "/data", 10);
    let source = Hdf5Source::open(&path, None).unwrap();
    let read = |slabs: Vec<Slab>| source.read_vec::<f64>(&slabs[0]).unwrap();
    let bits = |numbers: Vec<f64>| numbers.into_iter().map(f64::to_bits).collect::<Vec<_>>();
    let forwards: Vec<f64> = steps(&[&source], None).unwrap().flat_map(read).collect();
    let mut whole = source.read_all::<f64>().unwrap();
    assert_eq!(bits(forwards), bits(whole.clone()));
    let flipped = |slabs| {
        let mut rows = read(slabs);
        reverse_rows(&mut rows, 3);
        rows
    };
    let backwards: Vec<f64> = steps(&[&source], None).unwrap().rev().flat_map(flipped).collect();
    reverse_rows(&mut whole, 3);
    assert_eq!(bits(backwards), bits(whole));
    assert_eq!(source.info().chunk_shape.as_ref().unwrap()[0], 4);
}
