//! `h5dump` and `h5ls`, which `cargo xtask test` provides: readers on a libhdf5 that is older than ours.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use crate::python;

/// Whether the tools are there. Where they cannot be had, `cargo xtask test` sets their folder to nothing and says so.
pub(crate) fn are_here() -> bool {
    let here = folder().is_some();
    if !here {
        eprintln!("not run: h5dump and h5ls are not on this machine");
    }
    here
}

fn folder() -> Option<PathBuf> {
    let folder = std::env::var_os("CHUNK_HDF5_TOOLS");
    let folder = folder.unwrap_or_else(|| panic!("CHUNK_HDF5_TOOLS is not set: run `cargo xtask test`"));
    (!folder.is_empty()).then(|| PathBuf::from(folder))
}

/// Runs one of them; it must succeed and complain of nothing. Gives what it printed.
pub(crate) fn run(program: &str, arguments: &[&str]) -> String {
    let path = folder().expect("it was asked whether they are here").join(program);
    let output = Command::new(path).args(arguments).env("HDF5_PLUGIN_PATH", plugins()).output().expect("it starts");
    let (printed, complaints) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && complaints.is_empty(), "{program} {}: {complaints}", arguments.join(" "));
    printed.into_owned()
}

/// hdf5plugin's filters, which these tools can load as well.
fn plugins() -> &'static Path {
    static PLUGINS: OnceLock<PathBuf> = OnceLock::new();
    PLUGINS.get_or_init(|| python::run("written.py", &["plugins"]).trim().into())
}
