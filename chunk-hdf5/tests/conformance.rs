//! The suite that every backend passes; its rules for growing are those of `AppendSink`.

use std::sync::Arc;

use chunk_core::{Bytes, DType, Element, EnumType, Result, StructType};
use chunk_hdf5::{Hdf5, Hdf5Editor, Hdf5Source, ReadOptions};
use chunk_testkit::{Description, SourceCase};

chunk_testkit::measure_memory!();

/// Those of PyTables: it has no arrays that grow along two axes, nor other dtypes.
fn pytables() -> Description {
    Description::new(Hdf5::default().to_pytables(), "x.h5")
        .with_dataset("/group/data")
        .with_dtypes(DType::numeric().chain([DType::Bytes(7)]))
        .with_growth_axes([0])
        .with_filter("blosc:lz4:5")
}

fn described(filter: &str) -> Description {
    let members = vec![("no".to_owned(), -1), ("yes".to_owned(), 300)];
    let record = StructType::packed([
        ("x".to_owned(), DType::F32),
        ("label".to_owned(), DType::Bytes(3)),
        ("grid".to_owned(), DType::Array { element: Arc::new(DType::U16), shape: [2, 2].into() }),
    ]);
    let others = [
        DType::Bytes(7),
        DType::Utf8(4),
        DType::Opaque { size: 5, tag: Some("five".into()) },
        DType::Enum(EnumType { base: DType::I16, members }.into()),
        DType::Struct(record.into()),
    ];
    Description::new(Hdf5::default(), "x.h5")
        .with_dataset("/group/data")
        .with_dtypes(DType::numeric().chain(others))
        .with_growth_axes([0, 1])
        .with_filter(filter)
}

/// Outputs go to a file that exists, in place.
fn added(filter: &str) -> Description {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("existing.h5");
    let editor = Hdf5Editor::create(&path, false).unwrap();
    editor.create_group("/group").unwrap();
    editor.link("/group/data", "/shortcut").unwrap();
    editor.finish().unwrap();
    described(filter).with_existing_file(std::fs::read(&path).unwrap())
}

chunk_testkit::conformance!(added_to_a_file, || added("gzip:1"));
chunk_testkit::conformance!(unfiltered, || described("none"));
chunk_testkit::conformance!(gzip, || described("gzip:1"));
chunk_testkit::conformance!(blosc, || described("blosc:lz4:5"));
chunk_testkit::conformance!(lzf, || described("lzf+fletcher32"));
chunk_testkit::conformance!(zstd, || described("zstd:1:noshuffle"));
chunk_testkit::conformance!(as_pytables, pytables);

/// `filters.h5` holds one array under each name; its script is beside it.
fn foreign<T: Element>(
    name: &str,
    options: ReadOptions,
    rows: u32,
    value: impl Fn(u32) -> T,
    choose: impl Fn(Hdf5Source) -> Result<Hdf5Source>,
) -> SourceCase {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/filters.h5");
    let source = Hdf5Source::open_with(path, Some(name), options).and_then(choose).unwrap();
    let values: Vec<T> = (0..rows * 70).map(|i| value(i * i % 251)).collect();
    SourceCase::new(source, T::as_bytes(&values))
}

fn doubles(name: &str, options: ReadOptions) -> SourceCase {
    foreign(name, options, 160, |value| f64::from(value) / 8.0, Ok)
}

fn uncached(name: &str) -> SourceCase {
    doubles(name, ReadOptions::default())
}

fn cached(name: &str) -> SourceCase {
    doubles(name, ReadOptions::default().with_cache(Bytes(40_000)))
}

chunk_testkit::source_conformance!(foreign_gzip_fletcher32, || uncached("gzip_fletcher32"));
chunk_testkit::source_conformance!(foreign_lzf, || uncached("lzf"));
chunk_testkit::source_conformance!(foreign_lz4, || uncached("lz4"));
chunk_testkit::source_conformance!(foreign_bitshuffle, || uncached("bitshuffle"));
chunk_testkit::source_conformance!(foreign_bitshuffle_lz4, || uncached("bitshuffle_lz4"));
chunk_testkit::source_conformance!(foreign_zstd, || uncached("zstd"));
chunk_testkit::source_conformance!(foreign_blosc2, || uncached("blosc2"));
chunk_testkit::source_conformance!(foreign_big_endian, || uncached("big_endian_lzf"));
chunk_testkit::source_conformance!(cached_lzf, || cached("lzf"));
chunk_testkit::source_conformance!(cached_blosc, || cached("blosc"));
chunk_testkit::source_conformance!(cached_bitshuffle_lz4, || cached("bitshuffle_lz4"));
chunk_testkit::source_conformance!(foreign_nbit, || {
    foreign("nbit", ReadOptions::default(), 160, u32::cast_signed, Ok)
});
chunk_testkit::source_conformance!(foreign_scale_offset, || {
    foreign("scale_offset", ReadOptions::default(), 160, u32::cast_signed, Ok)
});
chunk_testkit::source_conformance!(foreign_compact, || {
    foreign("compact", ReadOptions::default(), 80, |value| f64::from(value) / 8.0, Ok)
});
chunk_testkit::source_conformance!(a_field_of_structures, || {
    let value = |value| f64::from(value) / 8.0;
    foreign("structures", ReadOptions::default(), 160, value, |source| source.select_field("value"))
});
