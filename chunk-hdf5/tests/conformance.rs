//! The suite that every backend passes.

use std::sync::Arc;

use chunk_core::{DType, EnumType, StructType};
use chunk_hdf5::Hdf5;
use chunk_testkit::Description;

chunk_testkit::measure_memory!();

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
        .with_filter(filter)
}

chunk_testkit::conformance!(unfiltered, || described("none"));
chunk_testkit::conformance!(gzip, || described("gzip:1"));
chunk_testkit::conformance!(blosc, || described("blosc:lz4:5"));
