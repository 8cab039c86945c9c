//! Python environments under target/, made once and remade when what they hold changes.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::error::{Error, Result};
use crate::process;
use crate::workspace::{self, Workspace};

const MINIMUM: (u32, u32) = (3, 9);
const STACKS: &str = "python-stacks";
/// Written last, so a folder that has it is whole.
const STAMP: &str = "xtask-stamp.txt";

/// What an environment holds: the arguments for pip, and the text that changes when it must be remade.
pub(crate) struct Packages {
    pip_arguments: Vec<String>,
    content: String,
    title: String,
}

impl Packages {
    pub(crate) fn named(requirement: &str) -> Self {
        let requirement = requirement.to_owned();
        Self { pip_arguments: vec![requirement.clone()], content: requirement.clone(), title: requirement }
    }

    pub(crate) fn listed_in(file: &Path) -> Result<Self> {
        let content = fs::read_to_string(file).map_err(|error| workspace::io_error("read", file, &error))?;
        let path = file.display().to_string();
        Ok(Self { pip_arguments: vec!["--requirement".to_owned(), path.clone()], content, title: path })
    }

    fn stamp(&self, python_version: (u32, u32)) -> String {
        format!("python {}.{}\n{}", python_version.0, python_version.1, self.content)
    }
}

/// The Python of the tests: `$CHUNK_PYTHON`, else `target/python` with `tests/python/requirements.txt`.
pub(crate) fn for_tests(workspace: &Workspace) -> Result<PathBuf> {
    if let Some(chosen) = env::var_os("CHUNK_PYTHON") {
        return Ok(PathBuf::from(chosen));
    }
    let packages = Packages::listed_in(&workspace.script("requirements.txt"))?;
    environment(workspace, &workspace.target.join("python"), &packages)
}

/// Where the Python with xdas and dask is, which only a benchmark needs.
pub(crate) fn for_stacks(workspace: &Workspace) -> PathBuf {
    interpreter(&workspace.target.join(STACKS))
}

/// Makes that environment.
pub(crate) fn make_for_stacks(workspace: &Workspace) -> Result<()> {
    let packages = Packages::listed_in(&workspace.script("requirements-stack.txt"))?;
    environment(workspace, &workspace.target.join(STACKS), &packages).map(drop)
}

/// Makes the environment where it is missing or out of date; returns its interpreter.
///
/// It is made beside its place and renamed, so that what is interrupted is not half there.
pub(crate) fn environment(workspace: &Workspace, folder: &Path, packages: &Packages) -> Result<PathBuf> {
    let python = find_python()?;
    let stamp = packages.stamp(python.version);
    if fs::read_to_string(folder.join(STAMP)).is_ok_and(|found| found == stamp) {
        return Ok(interpreter(folder));
    }
    eprintln!("xtask: installing {} into {}", packages.title, folder.display());
    let partial = folder.with_extension("partial");
    make_empty(workspace, &python.program, &partial)?;
    install(&partial, packages)?;
    fs::write(partial.join(STAMP), stamp).map_err(|error| workspace::io_error("write", &partial, &error))?;
    workspace::remove_folder(folder)?;
    fs::rename(&partial, folder).map_err(|error| workspace::io_error("create", folder, &error))?;
    Ok(interpreter(folder))
}

struct Python {
    program: PathBuf,
    version: (u32, u32),
}

fn find_python() -> Result<Python> {
    let program = process::find("python3").ok_or_else(|| needed("python3 is missing"))?;
    let printed = process::capture(Command::new(&program).arg("--version"))?;
    let version = parse_version(&printed);
    match version {
        Some(version) if version >= MINIMUM => Ok(Python { program, version }),
        _ => Err(needed(&format!("{} is {}", program.display(), printed.trim()))),
    }
}

fn needed(what: &str) -> Error {
    Error::failed(format!(
        "{what}; xtask needs Python {}.{} or newer (Debian, Ubuntu: apt-get install python3 python3-venv)",
        MINIMUM.0, MINIMUM.1
    ))
}

/// Major and minor of `Python 3.11.2`.
fn parse_version(text: &str) -> Option<(u32, u32)> {
    let mut parts = text.trim().strip_prefix("Python ")?.split('.');
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

fn interpreter(folder: &Path) -> PathBuf {
    folder.join("bin/python")
}

fn install(folder: &Path, packages: &Packages) -> Result<()> {
    let mut python = Command::new(interpreter(folder));
    python.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--prefer-binary"]);
    process::run(python.args(&packages.pip_arguments))
}

/// An environment that holds pip alone, by the first way that this machine has.
fn make_empty(workspace: &Workspace, python: &Path, folder: &Path) -> Result<()> {
    let venv = || with_venv(python, folder);
    let Err(reason) = venv() else { return Ok(()) };
    eprintln!("xtask: {python} has no venv ({reason}); trying virtualenv", python = python.display());
    if with_virtualenv(workspace, python, folder).is_ok() {
        return Ok(());
    }
    if !may_install() {
        return Err(Error::failed(format!(
            "{} cannot make environments: install its venv module (Debian, Ubuntu: apt-get install python3-venv)",
            python.display()
        )));
    }
    install_venv_module()?;
    venv()
}

fn with_venv(python: &Path, folder: &Path) -> Result<()> {
    workspace::remove_folder(folder)?;
    process::capture(Command::new(python).args(["-m", "venv"]).arg(folder))?;
    Ok(())
}

/// For Debian's Python without `python3-venv`, which has pip but not `ensurepip`.
fn with_virtualenv(workspace: &Workspace, python: &Path, folder: &Path) -> Result<()> {
    let tool = workspace.target.join("tools/virtualenv");
    workspace::remove_folder(&tool)?;
    workspace::remove_folder(folder)?;
    let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--target"];
    process::capture(Command::new(python).args(pip).arg(&tool).arg("virtualenv"))?;
    let mut virtualenv = Command::new(python);
    virtualenv.env("PYTHONPATH", &tool).args(["-m", "virtualenv", "--quiet"]);
    process::capture(virtualenv.arg(folder))?;
    Ok(())
}

fn may_install() -> bool {
    let is_root = process::capture(Command::new("id").arg("-u")).is_ok_and(|id| id.trim() == "0");
    is_root && process::find("apt-get").is_some()
}

fn install_venv_module() -> Result<()> {
    eprintln!("xtask: installing Debian's python3-venv");
    let apt = |arguments: &[&str]| {
        process::capture(Command::new("apt-get").env("DEBIAN_FRONTEND", "noninteractive").args(arguments))
    };
    let install = ["install", "--yes", "--no-install-recommends", "python3-venv"];
    if apt(&install).is_err() {
        apt(&["update"])?;
        apt(&install)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_python_prints() {
        assert_eq!(parse_version("Python 3.11.2\n"), Some((3, 11)));
        assert_eq!(parse_version("Python 3.14.0rc2\n"), Some((3, 14)));
        assert_eq!(parse_version("Python 2.7.18\n"), Some((2, 7)));
        assert_eq!(parse_version("pyenv: version `3.9' is not installed"), None);
    }

    #[test]
    fn stamp_changes_with_the_packages_and_with_python() {
        let stamp = Packages::named("cmake==4.4.4").stamp((3, 11));
        assert_eq!(stamp, Packages::named("cmake==4.4.4").stamp((3, 11)));
        assert_ne!(stamp, Packages::named("cmake==4.4.5").stamp((3, 11)));
        assert_ne!(stamp, Packages::named("cmake==4.4.4").stamp((3, 13)));
    }
}
