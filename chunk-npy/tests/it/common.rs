//! Files of the tests.

use std::fs;
use std::path::{Path, PathBuf};

use chunk_core::{ChunkSourceExt, Element};
use chunk_npy::NpySource;
use tempfile::TempDir;

/// A path in a folder of its own.
pub(crate) fn place() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.npy");
    (folder, path)
}

/// A file of this version, with a header of so many bytes in all.
pub(crate) fn raw(version: u8, total: usize, text: &str, data: &[u8]) -> Vec<u8> {
    let prefix = if version == 1 { 10 } else { 12 };
    let padding = total.checked_sub(prefix + text.len() + 1).expect("the header is long enough");
    let length = ((total - prefix) as u32).to_le_bytes();
    let length = if version == 1 { &length[..2] } else { &length };
    let text = format!("{text}{}\n", " ".repeat(padding));
    [b"\x93NUMPY", &[version, 0][..], length, text.as_bytes(), data].concat()
}

/// A file of rows of two `f64`, each its number, with a header of so many bytes.
pub(crate) fn rows(version: u8, total: usize, rows: u64) -> Vec<u8> {
    let text = format!("{{'descr': '<f8', 'fortran_order': False, 'shape': ({rows}, 2), }}");
    raw(version, total, &text, &numbers(0..rows))
}

/// The bytes of such rows.
pub(crate) fn numbers(rows: std::ops::Range<u64>) -> Vec<u8> {
    rows.flat_map(|row| [row as f64, row as f64]).flat_map(f64::to_le_bytes).collect()
}

pub(crate) fn all<T: Element>(path: &Path) -> Vec<T> {
    NpySource::open(path).unwrap().read_all().unwrap()
}

pub(crate) fn length(path: &Path) -> u64 {
    fs::metadata(path).unwrap().len()
}
