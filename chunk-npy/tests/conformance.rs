//! The suite that every backend and source passes.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use chunk_core::{Backend, ChunkSource, DType, Field, Location, MemorySource, Shape, Slab, StructType};
use chunk_npy::{AppendOptions, Mode, Npy, NpySource};
use chunk_testkit::{Description, SourceCase, conformance, pattern, source_conformance};

chunk_testkit::measure_memory!();

fn record() -> DType {
    let grid = DType::Array { element: Arc::new(DType::U16), shape: [2, 2].into() };
    let inner = StructType::packed([("x".to_owned(), DType::F32), ("when".to_owned(), "M8[ns]".parse().unwrap())]);
    // As a C compiler lays it out: three bytes after the flag, four at the end.
    let fields = [
        ("flag", DType::Bool, 0),
        ("number", DType::I32, 4),
        ("grid", grid, 8),
        ("inner", DType::Struct(inner.into()), 16),
        ("label", DType::Bytes(4), 28),
    ];
    let fields = fields.map(|(name, dtype, offset)| Field { name: name.to_owned(), dtype, offset });
    DType::Struct(StructType { fields: fields.to_vec(), size: 36 }.into())
}

fn others() -> impl Iterator<Item = DType> {
    ["S7", "U3", "V5", "datetime64[ns]", "timedelta64[25s]"]
        .map(|name| name.parse().unwrap())
        .into_iter()
        .chain([record()])
}

conformance!(row_major, || {
    Description::new(Npy::default(), "x.npy").with_dtypes(DType::numeric().chain(others())).with_growth_axes([0])
});

/// A folder that goes with the source in it.
struct Kept(tempfile::TempDir, NpySource);

/// Writes a file with the header's text and the bytes, and opens it.
fn file(text: &str, data: &[u8]) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.npy");
    let text = format!("{text}\n");
    let length = u16::try_from(text.len()).unwrap().to_le_bytes();
    fs::write(&path, [b"\x93NUMPY\x01\x00", &length[..], text.as_bytes(), data].concat()).unwrap();
    (folder, path)
}

fn case(kept: Kept, oracle: Vec<u8>) -> SourceCase {
    let Kept(folder, source) = kept;
    // On Unix an open file lives on without its name.
    drop(folder);
    SourceCase::new(source, oracle)
}

const SHAPE: [u64; 3] = [90, 41, 7];

/// The bytes in column-major order, element by element.
fn transposed(shape: &[u64], size: usize, bytes: &[u8]) -> Vec<u8> {
    let reversed: Shape = shape.iter().rev().copied().collect();
    let mut out = Vec::with_capacity(bytes.len());
    for position in Slab::whole(&reversed).positions() {
        let number = position.iter().rev().zip(shape).fold(0, |number, (at, extent)| number * extent + at) as usize;
        out.extend_from_slice(&bytes[number * size..][..size]);
    }
    out
}

source_conformance!(column_major, || {
    let bytes = pattern(&DType::F64, SHAPE.iter().product());
    let text = "{'descr': '<f8', 'fortran_order': True, 'shape': (90, 41, 7)}";
    let (folder, path) = file(text, &transposed(&SHAPE, 8, &bytes));
    case(Kept(folder, NpySource::open(path).unwrap()), bytes)
});

source_conformance!(swapped, || {
    let dtype = DType::ComplexF32;
    let bytes = pattern(&dtype, SHAPE.iter().product());
    let mut stored = bytes.clone();
    dtype.swap_bytes(&mut stored);
    let (folder, path) = file("{'descr': '>c8', 'fortran_order': False, 'shape': (90, 41, 7)}", &stored);
    case(Kept(folder, NpySource::open(path).unwrap()), bytes)
});

source_conformance!(mixed_byte_orders_in_column_major, || {
    let kind =
        StructType::packed([("a".to_owned(), DType::I16), ("b".to_owned(), DType::F32), ("c".to_owned(), DType::U8)]);
    let dtype = DType::Struct(kind.into());
    let bytes = pattern(&dtype, SHAPE.iter().product());
    let mut stored = transposed(&SHAPE, 7, &bytes);
    stored.chunks_exact_mut(7).for_each(|element| element[..2].reverse());
    let text = "{'descr': [('a', '>i2'), ('b', '<f4'), ('c', '|u1')], 'fortran_order': True, 'shape': (90, 41, 7)}";
    let (folder, path) = file(text, &stored);
    case(Kept(folder, NpySource::open(path).unwrap()), bytes)
});

source_conformance!(appended_in_column_major, || {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.npy");
    let bytes = pattern(&DType::I32, SHAPE.iter().product());
    let whole = MemorySource::from_bytes(chunk_core::DatasetInfo::new(SHAPE, DType::I32), bytes.clone()).unwrap();
    let options = AppendOptions::new(Mode::CreateNew).with_fortran_order(true);
    let mut appender = options.open(&path, &DType::I32, &[90, 41]).unwrap();
    for range in [0..1, 1..1, 1..5, 5..7] {
        let slab = Slab::whole(&SHAPE).with_axis(2, range);
        let mut part = vec![0; slab.bytes(4) as usize];
        whole.read_into(&slab, &mut part, &chunk_core::Worker::new()).unwrap();
        appender.append_bytes(&DType::I32, &part).unwrap();
    }
    appender.close().unwrap();
    case(Kept(folder, NpySource::open(path).unwrap()), bytes)
});

/// `testdata/members.npz`, which NumPy wrote: see the script beside it.
fn member(name: &str) -> SourceCase {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/members.npz");
    let source = Npy::default().open(&Location::new(path).with_dataset(name)).unwrap();
    let oracle: Vec<u8> = (0..120_u32 * 80).flat_map(|i| (i * i % 10_007).to_ne_bytes()).collect();
    SourceCase::new(source, oracle)
}

source_conformance!(deflated, || member("deflated"));
source_conformance!(deflated_column_major, || member("deflated_fortran"));
source_conformance!(stored_in_an_archive, || member("stored"));
