//! Where the repository and its build folder are.

use std::env;
use std::fs;
use std::io::ErrorKind;
use std::path::{self, Path, PathBuf};
use std::process::Command;

use crate::error::{Error, Result};
use crate::setup::Environment;

/// The repository and its build folder, both absolute.
pub(crate) struct Workspace {
    pub(crate) root: PathBuf,
    /// `target/`, or `CARGO_TARGET_DIR`.
    pub(crate) target: PathBuf,
}

impl Workspace {
    pub(crate) fn find() -> Result<Self> {
        let package = env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
        let root = package.as_deref().and_then(Path::parent).ok_or_else(|| Error::failed("run it as `cargo xtask`"))?;
        let target = env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
        let target = path::absolute(&target).map_err(|error| io_error("find", &target, &error))?;
        Ok(Self { root: root.to_owned(), target })
    }

    /// The cargo that runs this program, in the repository's root, with what the set-up found.
    pub(crate) fn cargo(&self, environment: &Environment) -> Command {
        let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        cargo.current_dir(&self.root).env("CARGO_TARGET_DIR", &self.target);
        environment.apply(&mut cargo);
        cargo
    }

    /// A program that cargo built in release.
    pub(crate) fn release(&self, program: &str) -> PathBuf {
        self.target.join("release").join(program)
    }

    /// A script of `tests/python`.
    pub(crate) fn script(&self, name: &str) -> PathBuf {
        self.root.join("tests/python").join(name)
    }
}

pub(crate) fn create_folder(folder: &Path) -> Result<()> {
    fs::create_dir_all(folder).map_err(|error| io_error("create", folder, &error))
}

/// Removes a folder and all it holds; one that is not there is no error.
pub(crate) fn remove_folder(folder: &Path) -> Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(io_error("remove", folder, &error)),
        _ => Ok(()),
    }
}

pub(crate) fn io_error(verb: &str, path: &Path, error: &std::io::Error) -> Error {
    Error::failed(format!("cannot {verb} {}: {error}", path.display()))
}
