//! What we write is read back equal, bit by bit, by h5py and by PyTables.

use std::fmt::Write as _;
use std::path::Path;

use chunk_core::{ChunkSource, DType, DatasetInfo, MemorySource, Run, Shape};
use chunk_hdf5::Hdf5Sink;

use crate::python;

const FILTERS: [&str; 15] = [
    "none",
    "gzip:4",
    "blosc:blosclz:5",
    "blosc:lz4:5",
    "blosc:lz4:5:bitshuffle",
    "blosc:lz4hc:9",
    "blosc:zlib:1:noshuffle",
    "blosc:zstd:3",
    "blosc:lz4:0",
    "lzf",
    "lzf:noshuffle+fletcher32",
    "zstd:3",
    "gzip:9:noshuffle+fletcher32",
    "blosc:lz4:5+fletcher32",
    "none+fletcher32",
];

/// Bytes that are every pattern, NaN payloads among them; half of them compress.
fn patterns(length: usize, dtype: &DType) -> Vec<u8> {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let next = |i: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        if i < length / 2 { (i / 64) as u8 } else { (state >> 32) as u8 }
    };
    let bytes = (0..length).map(next);
    if *dtype == DType::Bool { bytes.map(|byte| byte & 1).collect() } else { bytes.collect() }
}

/// NumPy's code for a numeric dtype.
fn code(dtype: &DType) -> String {
    let kind = match dtype {
        DType::Bool => return "|b1".to_owned(),
        DType::ComplexF32 | DType::ComplexF64 => 'c',
        DType::F16 | DType::F32 | DType::F64 => 'f',
        DType::U8 | DType::U16 | DType::U32 | DType::U64 => 'u',
        _ => 'i',
    };
    format!("<{kind}{}", dtype.size())
}

/// A .npy file of version 1.
fn write_npy(path: &Path, source: &MemorySource) {
    let info = source.info();
    let mut header = format!("{{'descr': '{}', 'fortran_order': False, 'shape': {}, }}", code(&info.dtype), info.shape);
    let padding = 64 - (10 + header.len() + 1) % 64;
    let _ = writeln!(header, "{}", " ".repeat(padding));
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend_from_slice(&u16::try_from(header.len()).unwrap().to_le_bytes());
    bytes.extend_from_slice(header.as_bytes());
    bytes.extend_from_slice(source.bytes());
    std::fs::write(path, bytes).unwrap();
}

#[test]
fn every_filter_and_dtype_is_read_by_h5py_and_pytables() {
    let folder = tempfile::tempdir().unwrap();
    let mut commands = Vec::new();
    let shapes =
        [(vec![100, 70], vec![32, 70]), (vec![61], vec![7]), (vec![5, 6, 7], vec![2, 6, 3]), (vec![0, 4], vec![3, 4])];
    for (number, filter) in FILTERS.iter().enumerate() {
        for dtype in DType::numeric() {
            let (shape, chunk) = &shapes[(number + dtype.size()) % shapes.len()];
            let length = Shape::from(shape.as_slice()).elements() as usize * dtype.size();
            let info = DatasetInfo::new(shape.as_slice(), dtype.clone()).with_chunk_shape(chunk.as_slice());
            let source = MemorySource::from_bytes(info.clone(), patterns(length, &dtype)).unwrap();
            let path = folder.path().join(format!("{number}-{dtype}.h5"));
            let reference = path.with_extension("npy");
            write_npy(&reference, &source);
            let sink = Hdf5Sink::create(&path, Some("/group/data"), info, filter.parse().unwrap()).unwrap();
            Run::new().copy(&source, Box::new(sink)).unwrap();
            let words = ["read-back", &path.to_string_lossy(), "/group/data", "--npy", &reference.to_string_lossy()];
            commands.push(words.map(str::to_owned).to_vec());
        }
    }
    python::batch(&commands);
}
