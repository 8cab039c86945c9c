//! A `cmake` that is new enough for libhdf5.
//!
//! The build scripts of HDF5 do not rerun when `CMAKE` changes (neither they nor the `cmake` crate ask cargo to), so
//! the choice may differ between runs without a rebuild. It is still the same on every run of one machine.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::error::{Error, Result};
use crate::process;
use crate::python::{self, Packages};
use crate::workspace::Workspace;

/// What libhdf5's `CMakeLists.txt` asks for.
const MINIMUM: (u32, u32) = (3, 26);
const PYPI: &str = "cmake==4.4.4";

/// `$CMAKE`, else the first on PATH that is new enough, else one from the Python package index in `target/tools`.
pub(crate) fn find_or_install(workspace: &Workspace) -> Result<PathBuf> {
    if let Some(chosen) = env::var_os("CMAKE") {
        return accept_chosen(PathBuf::from(chosen));
    }
    match process::find_all("cmake").find(|program| is_new_enough(version(program))) {
        Some(program) => Ok(program),
        None => install(workspace),
    }
}

fn accept_chosen(program: PathBuf) -> Result<PathBuf> {
    let version = version(&program);
    if is_new_enough(version) {
        return Ok(program);
    }
    let found = version.map_or("does not run".to_owned(), |(major, minor)| format!("is version {major}.{minor}"));
    Err(Error::failed(format!(
        "CMAKE={} {found}, libhdf5 needs {}.{} or newer: unset CMAKE, or let it name a newer one",
        program.display(),
        MINIMUM.0,
        MINIMUM.1
    )))
}

fn install(workspace: &Workspace) -> Result<PathBuf> {
    let folder = workspace.target.join("tools/cmake-venv");
    python::environment(workspace, &folder, &Packages::named(PYPI))?;
    let program = program_in(&folder).filter(|program| is_new_enough(version(program)));
    program.ok_or_else(|| Error::failed(format!("PyPI's {PYPI} in {} does not run", folder.display())))
}

/// The program itself, not pip's wrapper, whose first line names the folder where it was made.
fn program_in(folder: &Path) -> Option<PathBuf> {
    let versions = fs::read_dir(folder.join("lib")).ok()?;
    let programs = versions.flatten().map(|entry| entry.path().join("site-packages/cmake/data/bin/cmake"));
    programs.into_iter().find(|program| program.is_file())
}

fn version(program: &Path) -> Option<(u32, u32)> {
    parse_version(&process::capture(Command::new(program).arg("--version")).ok()?)
}

fn is_new_enough(version: Option<(u32, u32)>) -> bool {
    version.is_some_and(|version| version >= MINIMUM)
}

/// Major and minor of `cmake version 3.25.1`.
fn parse_version(text: &str) -> Option<(u32, u32)> {
    let number = text.lines().find_map(|line| line.strip_prefix("cmake version "))?;
    let mut parts = number.split(|symbol: char| !symbol.is_ascii_digit());
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_cmake_prints() {
        let debian = "cmake version 3.25.1\n\nCMake suite maintained and supported by Kitware (kitware.com/cmake).\n";
        assert_eq!(parse_version(debian), Some((3, 25)));
        assert_eq!(parse_version("cmake version 4.0-rc1"), Some((4, 0)));
        assert_eq!(parse_version("cmake version 3.31.2-dirty"), Some((3, 31)));
        assert_eq!(parse_version("pyenv: cmake: command not found"), None);
        assert_eq!(parse_version("cmake version x"), None);
    }

    #[test]
    fn compares_numbers_not_text() {
        assert!(!is_new_enough(Some((3, 9))) && !is_new_enough(Some((3, 25))) && !is_new_enough(None));
        assert!(is_new_enough(Some((3, 26))) && is_new_enough(Some((3, 100))) && is_new_enough(Some((4, 0))));
    }

    #[test]
    fn a_chosen_cmake_that_does_not_run_is_named() {
        let error = accept_chosen(PathBuf::from("/nowhere/cmake")).unwrap_err().to_string();
        assert!(error.contains("/nowhere/cmake does not run") && error.contains("3.26"), "{error}");
    }
}
