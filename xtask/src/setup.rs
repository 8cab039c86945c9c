//! What a build and the tests need beside Rust, found or made, as variables for child processes.

use std::env;
use std::ffi::OsString;
use std::fmt::Write;
use std::fs::File;
use std::process::Command;

use crate::error::{Error, Result};
use crate::workspace::{self, Workspace};
use crate::{cmake, hdf5_tools, process, python};

/// Variables that child processes get beyond the developer's own.
#[derive(Default)]
pub(crate) struct Environment {
    variables: Vec<(&'static str, OsString)>,
}

impl Environment {
    pub(crate) fn apply(&self, command: &mut Command) {
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
    }

    pub(crate) fn value(&self, name: &str) -> Option<&OsString> {
        self.variables.iter().find(|(known, _)| *known == name).map(|(_, value)| value)
    }

    /// Lines that a POSIX shell can evaluate.
    pub(crate) fn for_shell(&self) -> String {
        let mut lines = String::new();
        for (name, value) in &self.variables {
            let _ = writeln!(lines, "export {name}={}", process::shell_quote(&value.to_string_lossy()));
        }
        lines
    }

    fn set(&mut self, name: &'static str, value: impl Into<OsString>) {
        self.variables.push((name, value.into()));
    }
}

/// What compiling the workspace needs: a C compiler, make, `cmake`.
pub(crate) fn for_build(workspace: &Workspace) -> Result<Environment> {
    require_c_compiler()?;
    require_make()?;
    let _lock = lock(workspace)?;
    let mut environment = Environment::default();
    environment.set("CMAKE", cmake::find_or_install(workspace)?);
    Ok(environment)
}

/// What the tests need beyond that: a Python environment, HDF5's tools, and other people's files where they are there.
pub(crate) fn for_tests(workspace: &Workspace) -> Result<Environment> {
    let mut environment = for_build(workspace)?;
    let _lock = lock(workspace)?;
    environment.set("CHUNK_PYTHON", python::for_tests(workspace)?);
    environment.set("CHUNK_HDF5_TOOLS", hdf5_tools::for_tests(workspace));
    environment.set("PYTHONDONTWRITEBYTECODE", "1"); // no __pycache__ among the sources
    let corpora = workspace.root.join("../shared/corpora");
    if env::var_os("CHUNK_CORPORA").is_none()
        && let Ok(corpora) = corpora.canonicalize()
    {
        environment.set("CHUNK_CORPORA", corpora);
    }
    Ok(environment)
}

/// Held while something is made under target/, so that two runs do not make it at once.
fn lock(workspace: &Workspace) -> Result<File> {
    workspace::create_folder(&workspace.target)?;
    let path = workspace.target.join("xtask.lock");
    let lock = File::create(&path).and_then(|file| file.lock().map(|()| file));
    lock.map_err(|error| workspace::io_error("lock", &path, &error))
}

fn require_c_compiler() -> Result<()> {
    let compiler = env::var("CC").unwrap_or_else(|_| "cc".to_owned());
    let runs = |program: &str| process::capture(Command::new(program).arg("--version")).is_ok();
    if runs(compiler.split_whitespace().next().unwrap_or("cc")) {
        return Ok(());
    }
    Err(Error::failed(format!(
        "the C compiler `{compiler}` does not run; libhdf5 needs one: install gcc (Debian, Ubuntu: apt-get install gcc make)"
    )))
}

fn require_make() -> Result<()> {
    if env::var_os("CMAKE_GENERATOR").is_some() || process::find("make").is_some() {
        return Ok(());
    }
    Err(Error::failed("make is missing; libhdf5 needs it: install make (Debian, Ubuntu: apt-get install make)"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shell_lines_quote_their_values() {
        let mut environment = Environment::default();
        environment.set("CMAKE", "/it's here/cmake");
        assert_eq!(environment.for_shell(), "export CMAKE='/it'\\''s here/cmake'\n");
        assert!(environment.value("CMAKE").is_some() && environment.value("CHUNK_PYTHON").is_none());
    }
}
