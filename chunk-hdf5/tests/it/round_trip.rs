//! What is written comes back, whatever the filter, the dtype, the chunks and the slabs.

use chunk_core::{
    Backend, ChunkSink, ChunkSinkExt, ChunkSource, ChunkSourceExt, CreateOptions, DType, DatasetInfo, Location,
    MemorySource, Run, Scalar, Slab,
};
use chunk_hdf5::{Filter, Hdf5, Hdf5Editor, Hdf5Sink, Hdf5Source};
use proptest::prelude::*;

use crate::common::{bytes, doubles, filter, folder, info, noise, write};

const FILTERS: [&str; 8] = [
    "none",
    "gzip:1",
    "blosc:lz4:5",
    "blosc:blosclz:9:bitshuffle",
    "blosc:lz4hc:3:noshuffle",
    "blosc:zlib:1",
    "blosc:zstd:3",
    "blosc:lz4:0",
];

#[test]
fn every_filter_gives_the_bytes_back() {
    let folder = folder();
    for (number, name) in FILTERS.into_iter().enumerate() {
        let path = folder.path().join(format!("{number}.h5"));
        let source = doubles(&[300, 500]);
        let sink = Hdf5Sink::create(&path, Some("a/b/c"), info(&[300, 500], DType::F64, &[128, 200]), filter(name));
        write(sink.unwrap(), &source, &[128, 500]);
        let back = Hdf5Source::open(&path, Some("/a/b/c")).unwrap();
        let whole = Slab::whole(&[300, 500]);
        assert!(bytes(&back, &whole, 2) == source.bytes(), "{name}");
        for slab in [Slab::new([127, 0], [2, 500]), Slab::new([0, 199], [300, 2]), Slab::new([299, 499], [1, 1])] {
            assert!(bytes(&back, &slab, 1) == bytes(&source, &slab, 1), "{name} {slab}");
        }
    }
}

#[test]
fn chunks_that_do_not_shrink_are_stored_as_they_are() {
    let folder = folder();
    let data = noise(64 << 10);
    let source = MemorySource::from_bytes(DatasetInfo::new([64 << 10], DType::U8), data).unwrap();
    for name in FILTERS {
        let path = folder.path().join(name.replace(':', "-"));
        let sink = Hdf5Sink::create(&path, None, info(&[64 << 10], DType::U8, &[10_000]), filter(name)).unwrap();
        write(sink, &source, &[20_000]);
        let back = Hdf5Source::open(&path, None).unwrap();
        assert!(bytes(&back, &Slab::whole(&[64 << 10]), 3) == source.bytes(), "{name}");
    }
}

#[test]
fn every_numeric_dtype_comes_back_bit_by_bit() {
    let folder = folder();
    for dtype in DType::numeric() {
        let length = 37 * 5 * dtype.size();
        let mut data = noise(length);
        if dtype == DType::Bool {
            for byte in &mut data {
                *byte &= 1;
            }
        }
        let source = MemorySource::from_bytes(DatasetInfo::new([37, 5], dtype.clone()), data).unwrap();
        let path = folder.path().join(format!("{dtype}.h5"));
        let sink = Hdf5Sink::create(&path, None, info(&[37, 5], dtype.clone(), &[8, 3]), Filter::default()).unwrap();
        write(sink, &source, &[8, 5]);
        let back = Hdf5Source::open(&path, None).unwrap();
        assert_eq!(back.info().dtype, dtype);
        assert!(bytes(&back, &Slab::whole(&[37, 5]), 1) == source.bytes(), "{dtype}");
    }
}

#[test]
fn structures_and_their_like_come_back() {
    use std::sync::Arc;

    use chunk_core::{EnumType, StructType};

    let folder = folder();
    let members = vec![("no".to_owned(), -1), ("yes".to_owned(), 300)];
    let choice = DType::Enum(Arc::new(EnumType { base: DType::I16, members }));
    let record = StructType::packed([
        ("x".to_owned(), DType::F32),
        ("label".to_owned(), DType::Bytes(3)),
        ("grid".to_owned(), DType::Array { element: Arc::new(DType::U16), shape: [2, 2].into() }),
        ("choice".to_owned(), choice.clone()),
    ]);
    let tagged = DType::Opaque { size: 5, tag: Some("five".into()) };
    for (number, dtype) in
        [choice, DType::Struct(record.into()), tagged, DType::Bytes(7), DType::Utf8(4)].into_iter().enumerate()
    {
        let source = MemorySource::from_bytes(DatasetInfo::new([11], dtype.clone()), noise(11 * dtype.size())).unwrap();
        let path = folder.path().join(format!("{number}.h5"));
        let sink = Hdf5Sink::create(&path, None, info(&[11], dtype.clone(), &[4]), Filter::default()).unwrap();
        write(sink, &source, &[11]);
        let back = Hdf5Source::open(&path, None).unwrap();
        assert_eq!(back.info().dtype, dtype);
        assert!(bytes(&back, &Slab::whole(&[11]), 1) == source.bytes(), "{dtype}");
    }
}

#[test]
fn what_was_never_written_is_the_fill_value() {
    let folder = folder();
    let path = folder.path().join("sparse.h5");
    let info = info(&[100, 10], DType::I32, &[30, 10]).with_fill(-7_i32).with_max_shape([None, Some(10)]);
    let sink = Hdf5Sink::create(&path, None, info, Filter::default()).unwrap();
    let rows = Slab::new([60, 0], [30, 10]);
    let ones = MemorySource::new([30, 10], &[1_i32; 300]).unwrap();
    sink.write_from(&rows, ones.bytes(), &chunk_core::Worker::new()).unwrap();
    Box::new(sink).finish().unwrap();
    let back = Hdf5Source::open(&path, None).unwrap();
    assert_eq!(back.info().fill, Some(Scalar::from(-7_i32)));
    assert_eq!(back.info().max_shape, Some(vec![None, Some(10)]));
    let read = back.read_all::<i32>().unwrap();
    let expected: Vec<i32> = (0..1000).map(|i| if (600..900).contains(&i) { 1 } else { -7 }).collect();
    assert_eq!(read, expected);
}

#[test]
fn nothing_to_write_and_scalars_are_datasets_too() {
    let folder = folder();
    for (name, shape, chunk) in [("empty", vec![0, 8], vec![4, 8]), ("scalar", vec![], vec![])] {
        let path = folder.path().join(name);
        let source = doubles(&shape);
        let sink = Hdf5Sink::create(&path, None, info(&shape, DType::F64, &chunk), Filter::default()).unwrap();
        Run::new().copy(&source, Box::new(sink)).unwrap();
        let back = Hdf5Source::open(&path, None).unwrap();
        assert_eq!(*back.info().shape, *shape);
        assert!(bytes(&back, &Slab::whole(&shape), 1) == source.bytes(), "{name}");
    }
}

#[test]
fn slabs_that_cut_chunks_are_put_together() {
    let folder = folder();
    let source = doubles(&[50, 40]);
    for (number, name) in FILTERS.into_iter().enumerate() {
        let path = folder.path().join(format!("{number}.h5"));
        let sink = Hdf5Sink::create(&path, None, info(&[50, 40], DType::F64, &[16, 16]), filter(name)).unwrap();
        write(sink, &source, &[7, 11]);
        let back = Hdf5Source::open(&path, None).unwrap();
        assert!(bytes(&back, &Slab::whole(&[50, 40]), 2) == source.bytes(), "{name}");
    }
}

#[test]
fn the_same_bytes_for_any_number_of_threads() {
    let folder = folder();
    let source = doubles(&[256, 300]);
    let made = |threads: usize| {
        let path = folder.path().join(format!("{threads}.h5"));
        let sink = Hdf5Sink::create(&path, None, info(&[256, 300], DType::F64, &[16, 300]), Filter::default());
        Run::new().threads(threads).copy(&source, Box::new(sink.unwrap())).unwrap();
        let back = Hdf5Source::open(&path, None).unwrap();
        bytes(&back, &Slab::whole(&[256, 300]), threads)
    };
    assert!(made(1) == source.bytes());
    assert!(made(4) == source.bytes());
}

#[test]
fn identity_changes_with_the_file_and_the_dataset() {
    let folder = folder();
    let path = folder.path().join("x.h5");
    let make = |fill: f64, overwrite: bool| {
        let location = Location::new(&path);
        let options = CreateOptions::default().with_overwrite(overwrite);
        let info = info(&[8], DType::F64, &[4]).with_fill(fill);
        let sink = Hdf5::default().create(&location, info, &options).unwrap();
        sink.finish().unwrap();
        Hdf5Source::open(&path, None).unwrap().info().identity.unwrap()
    };
    let first = make(1.0, false);
    assert_eq!(first, Hdf5Source::open(&path, None).unwrap().info().identity.unwrap());
    assert_ne!(first, make(2.0, true));
}

#[test]
fn outputs_are_as_readable_as_any_new_file() {
    use std::os::unix::fs::PermissionsExt;

    let folder = folder();
    let mode = |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode();
    let (plain, path) = (folder.path().join("plain"), folder.path().join("x.h5"));
    std::fs::write(&plain, "").unwrap();
    let sink = Hdf5Sink::create(&path, None, info(&[2], DType::U8, &[2]), Filter::NONE).unwrap();
    Box::new(sink).finish().unwrap();
    assert_eq!(mode(&path), mode(&plain));
}

#[test]
fn lists_what_a_file_holds() {
    let folder = folder();
    let path = folder.path().join("list.h5");
    let sink = Hdf5Sink::create(&path, Some("g/d"), info(&[10], DType::F32, &[5]), Filter::default()).unwrap();
    write(sink, &MemorySource::new([10], &[1.0_f32; 10]).unwrap(), &[10]);
    let entries = Hdf5::default().list(&path).unwrap();
    let names: Vec<_> = entries.iter().map(|entry| entry.name.as_str()).collect();
    assert_eq!(names, ["/g", "/g/d"]);
    let chunk_core::EntryKind::Dataset(dataset) = &entries[1].kind else { panic!("{entries:?}") };
    assert_eq!(dataset.filters, ["blosc:lz4:5:shuffle"]);
    assert_eq!(dataset.layout, "chunked");
    assert_eq!(dataset.info.shape, [10].into());
}

fn shapes() -> impl Strategy<Value = (Vec<u64>, Vec<u64>, Vec<u64>, Vec<u64>)> {
    (1_usize..4).prop_flat_map(|ndim| {
        let extents = prop::collection::vec(1_u64..40, ndim);
        let chunks = prop::collection::vec(1_u64..30, ndim);
        let starts = prop::collection::vec(0_u64..40, ndim);
        let counts = prop::collection::vec(0_u64..40, ndim);
        (extents, chunks, starts, counts)
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn any_slab_of_any_chunking_is_what_memory_has(
        (shape, chunk, start, count) in shapes(), name in 0..FILTERS.len(), threads in 1_usize..4,
    ) {
        let folder = folder();
        let path = folder.path().join("x.h5");
        let source = doubles(&shape);
        let sink = Hdf5Sink::create(&path, None, info(&shape, DType::F64, &chunk), filter(FILTERS[name])).unwrap();
        Run::new().threads(threads).copy(&source, Box::new(sink)).unwrap();
        let back = Hdf5Source::open(&path, None).unwrap();
        let start: Vec<u64> = start.iter().zip(&shape).map(|(s, extent)| s % extent).collect();
        let count: Vec<u64> = (0..shape.len()).map(|axis| count[axis].min(shape[axis] - start[axis])).collect();
        let slab = Slab::new(start, count);
        prop_assert!(bytes(&back, &slab, threads) == bytes(&source, &slab, 1));
    }
}

#[test]
fn a_dataset_whose_index_is_larger_than_the_librarys_cache_keeps_its_name() {
    let folder = folder();
    let path = folder.path().join("x.h5");
    let chunks = 400_000;
    let info = DatasetInfo::new([chunks], DType::U8).with_chunk_shape([1]).with_max_shape([None]);
    let values: Vec<u8> = (0..chunks).map(|number| (number % 251) as u8).collect();
    let editor = Hdf5Editor::create(&path, false).unwrap();
    for name in ["a", "given-up", "b"] {
        let sink = editor.create_dataset(name, info.clone(), Filter::NONE).unwrap();
        sink.write_slice(&Slab::whole(&[chunks]), &values).unwrap();
        if name != "given-up" {
            Box::new(sink).finish().unwrap();
        }
    }
    editor.finish().unwrap();
    for name in ["a", "b"] {
        let read: Vec<u8> = Hdf5Source::open(&path, Some(name)).unwrap().read_all().unwrap();
        assert!(read == values, "{name}");
    }
    // What the one that was given up had is used again.
    let length = std::fs::metadata(&path).unwrap().len();
    assert!(length < 24 * chunks, "{length} bytes");
}
