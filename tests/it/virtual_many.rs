//! A hundred thousand sources in a process that may have 256 files open.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use chunk_core::{ChunkSource, CreateOptions, DType, DatasetInfo, Location, MemorySource, Registry, Run};
use chunk_npy::Npy;
use chunk_virtual::hdf5::{Pieces, VirtualHdf5};
use chunk_virtual::{SourcePool, VirtualSource, VirtualStack};
use sha2::{Digest, Sha256};

use crate::program;

const FILES: u64 = 100_000;
/// A file system may allow no more names of one file.
const NAMES: u64 = 25_000;
const OPEN_FILES: u64 = 256;

pub(crate) fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn registry() -> Registry {
    Registry::new().with(VirtualHdf5::default()).with(Npy::default())
}

/// A hundred thousand names of four files: number `n` holds `[n / 25_000, 7]`.
fn stack_of_names(folder: &Path, extension: &str) -> VirtualStack {
    let path = |number: u64| folder.join(format!("part-{number:06}.{extension}"));
    for first in (0..FILES).step_by(NAMES as usize) {
        let source = MemorySource::new([1, 2], &[(first / NAMES) as i16, 7]).unwrap();
        let location = Location::new(path(first)).with_dataset("/data");
        let sink = registry().create(&location, source.info().clone(), &CreateOptions::default()).unwrap();
        Run::new().copy(&source, sink).unwrap();
        (first + 1..first + NAMES).for_each(|number| fs::hard_link(path(first), path(number)).unwrap());
    }
    let pool = Arc::new(SourcePool::new(registry()));
    let info = DatasetInfo::new([1, 2], DType::I16);
    let dataset = if extension == "h5" { "/data" } else { "/" };
    let file =
        |number| VirtualSource::new(&pool, Location::new(path(number)).with_dataset(dataset), info.clone()).unwrap();
    VirtualStack::new((0..FILES).map(file), 0).unwrap()
}

fn expected(rows: impl Iterator<Item = u64>) -> String {
    sha256(&rows.flat_map(|row| [(row / NAMES) as i16, 7]).flat_map(i16::to_le_bytes).collect::<Vec<u8>>())
}

/// The hash that a process of so few open files gives.
fn hash(dataset: &str) -> String {
    let program = program::command(&[]).get_program().to_owned();
    let limited = format!("ulimit -n {OPEN_FILES} && exec \"$0\" hash \"$1\" --memory 256M --progress never");
    let output = Command::new("sh").args(["-c", &limited]).arg(program).arg(dataset).output().expect("a shell");
    assert!(output.status.success(), "{}", program::stderr(&output));
    String::from_utf8_lossy(&output.stdout).split(' ').next().unwrap_or_default().to_owned()
}

#[test]
fn all_of_a_hundred_thousand_npy_files_are_read_with_256_open_files() {
    let folder = tempfile::tempdir().unwrap();
    let manifest = folder.path().join("all.chunks");
    stack_of_names(folder.path(), "npy").save_manifest(&manifest, false).unwrap();
    assert_eq!(hash(manifest.to_str().unwrap()), expected(0..FILES));
}

#[test]
fn any_of_a_hundred_thousand_hdf5_files_are_read_with_256_open_files() {
    let folder = tempfile::tempdir().unwrap();
    let stack = stack_of_names(folder.path(), "h5");
    let (manifest, virtual_path) = (folder.path().join("all.chunks"), folder.path().join("all.h5"));
    stack.save_manifest(&manifest, false).unwrap();
    Pieces::of_stack(&stack).unwrap().write(&virtual_path, "v", false).unwrap();
    // More files than may be open, from all over and side by side.
    let (manifest, virtual_path) = (manifest.to_str().unwrap(), virtual_path.to_str().unwrap());
    assert_eq!(hash(&format!("{manifest}[::97]")), expected((0..FILES).step_by(97)));
    for path in [manifest, virtual_path] {
        assert_eq!(hash(&format!("{path}[49500:50500]")), expected(49_500..50_500));
    }
}
