//! Programs whose calls that change files fail, fall short, or are their last: by `native/faults.c`, which is preloaded.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use tempfile::TempDir;

/// Lets a fault of this kind befall the program at its call of this number, from 1 on, and at all later ones if `on`.
/// The kind `COUNT` lets it tell its calls.
pub(crate) fn preload(command: &mut Command, kind: &str, at: usize, on: bool) {
    command.env("LD_PRELOAD", shim()).env("CHUNK_FAULT_KIND", kind).env("CHUNK_FAULT_AT", at.to_string());
    if on {
        command.env("CHUNK_FAULT_ON", "1");
    }
}

/// The calls that a program told on standard error, in their order.
pub(crate) fn calls(stderr: &str) -> Vec<String> {
    stderr.lines().filter_map(|line| line.strip_prefix("call ")).map(str::to_owned).collect()
}

/// The library, compiled once by the C compiler that links Rust.
fn shim() -> &'static Path {
    static SHIM: OnceLock<(TempDir, PathBuf)> = OnceLock::new();
    let (_, path) = SHIM.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("faults.so");
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/native/faults.c");
        let status =
            Command::new("cc").args(["-shared", "-fPIC", "-O1", "-o"]).arg(&path).args([source, "-ldl"]).status();
        assert!(status.expect("cc starts").success(), "faults.c compiles");
        (folder, path)
    });
    path
}
