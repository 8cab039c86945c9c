//! What the benchmark runs: ours first in each group, then the Python ways.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::commands::Commands;
use super::options::{Options, Suite};
use crate::error::{Error, Result};
use crate::workspace::Workspace;

/// One command line of the benchmark.
pub(crate) struct Program {
    /// `group/name`; the ratios of a group are to its first program.
    pub(crate) label: &'static str,
    pub(crate) command: Vec<OsString>,
    /// The output is the input's FFT along this axis.
    pub(crate) verify_axis: Option<usize>,
}

impl Program {
    /// What makes the file or folder that the program reads, if it reads any.
    pub(crate) fn input<'a>(&self, files: &'a Files) -> Option<Input<'a>> {
        let (what, path) = match self.group() {
            "write" | "append" | "append-small" | "append-large" => return None,
            "windows" => ("make-windows", &files.windows),
            "contiguous" => ("make-contiguous", &files.contiguous),
            "read-npy" => ("make-npy", &files.npy),
            "stack" | "rows" | "stepped" | "whole" => ("make-parts", &files.parts),
            _ => ("make", &files.input),
        };
        Some(Input { what, path })
    }

    pub(crate) fn group(&self) -> &'static str {
        self.label.split('/').next().unwrap_or(self.label)
    }
}

/// A file or folder to read, and the script that makes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Input<'a> {
    pub(crate) what: &'static str,
    pub(crate) path: &'a Path,
}

/// The files that programs read and write.
pub(crate) struct Files {
    pub(crate) input: PathBuf,
    pub(crate) output: PathBuf,
    /// 8192 x 8192 float64 in chunks of 256 x 2048.
    pub(crate) windows: PathBuf,
    /// 2 GiB of float64 in one piece.
    pub(crate) contiguous: PathBuf,
    /// 2 GiB of float64 as `.npy`.
    pub(crate) npy: PathBuf,
    /// A folder of 1000 files.
    pub(crate) parts: PathBuf,
}

impl Files {
    pub(crate) fn new(folder: &Path, options: &Options) -> Self {
        let Options { rows, columns, .. } = options;
        let output = if options.suite == Suite::Npy { "output.npy" } else { "output.h5" };
        Self {
            input: folder.join(format!("input-{rows}x{columns}.h5")),
            output: folder.join(output),
            windows: folder.join("windows.h5"),
            contiguous: folder.join("contiguous.h5"),
            npy: folder.join("input-2g.npy"),
            parts: folder.join("parts"),
        }
    }
}

/// The programs that `--only` leaves. The first of a group stays, for the ratios.
pub(crate) fn selected(workspace: &Workspace, files: &Files, options: &Options) -> Result<Vec<Program>> {
    let mut programs = all(workspace, files, options);
    let Some(only) = &options.only else {
        return Ok(programs);
    };
    let labels: Vec<&str> = programs.iter().map(|program| program.label).collect();
    let wanted = |program: &Program| program.label.contains(only.as_str());
    let groups: Vec<&str> = programs.iter().filter(|program| wanted(program)).map(Program::group).collect();
    if groups.is_empty() {
        return Err(Error::usage(format!("no program is named like `{only}`; there are {}", labels.join(", "))));
    }
    let mut last_group = "";
    programs.retain(|program| {
        let is_first = program.group() != last_group;
        last_group = program.group();
        wanted(program) || (is_first && groups.contains(&program.group()))
    });
    Ok(programs)
}

fn all(workspace: &Workspace, files: &Files, options: &Options) -> Vec<Program> {
    let list = Commands { workspace, files, options };
    match options.suite {
        Suite::Fft => fft(&list),
        Suite::Hdf5 => hdf5(&list),
        Suite::Npy => npy(&list),
        Suite::Virtual => virtual_stack(&list),
    }
}

fn fft(list: &Commands) -> Vec<Program> {
    vec![
        list.fft("fft/chunk", 1, "1G"),
        list.python_fft("fft/chunkiter", &["bench_chunkiter.py"]),
        list.python_fft("fft/h5py-scipy", &["bench_h5py.py", "fft"]),
        list.fft("fft/chunk-axis-0", 0, "512M"),
    ]
}

fn hdf5(list: &Commands) -> Vec<Program> {
    vec![
        list.read("read/chunk", 2),
        list.read("read/chunk-1-thread", 1),
        list.python_read("read/pytables", &["bench_pytables.py", "read"]),
        list.python_read("read/h5py", &["bench_h5py.py", "read"]),
        list.python_read("read/h5py-direct", &["bench_h5py.py", "read-direct"]),
        list.write("write/chunk", 2),
        list.write("write/chunk-1-thread", 1),
        list.python_write("write/pytables", &["bench_pytables.py", "write"]),
        list.python_write("write/h5py", &["bench_h5py.py", "write"]),
        list.windows("windows/chunk", &["--cache", "256M"]),
        list.windows("windows/chunk-no-cache", &[]),
        list.python_file("windows/h5py", "windows", &list.files.windows),
        list.reading("contiguous/chunk", "whole", &list.files.contiguous, &["/data"]),
        list.reading("contiguous/read-2", "file", &list.files.contiguous, &[]),
        list.python_file("contiguous/h5py", "contiguous", &list.files.contiguous),
        list.append("append/chunk", "1"),
        list.append("append/chunk-at-once", "10000"),
        list.python_append("append/h5py", "bench_h5py.py"),
        list.python_append("append/pytables", "bench_pytables.py"),
    ]
}

fn npy(list: &Commands) -> Vec<Program> {
    let (small, large) = (["50000", "16"], ["128", "16384"]);
    vec![
        list.npy("append-small/chunk", "append", small),
        list.npy("append-small/chunk-buffered", "gather", small),
        list.npy("append-small/write(2)", "write", small),
        list.append_array("append-small/npy-append-array", small),
        list.npy("append-large/chunk", "append", large),
        list.npy("append-large/write(2)", "write", large),
        list.append_array("append-large/npy-append-array", large),
        list.npy_read("read-npy/chunk", "read"),
        list.npy_read("read-npy/read(2)", "read-bare"),
    ]
}

fn virtual_stack(list: &Commands) -> Vec<Program> {
    vec![
        list.stack("stack/chunk", "stack"),
        list.python_stack("stack/xdas", "xdas", "stack"),
        list.python_stack("stack/dask", "dask", "stack"),
        list.stack("rows/chunk", "rows"),
        list.python_stack("rows/xdas", "xdas", "rows"),
        list.python_stack("rows/dask", "dask", "rows"),
        list.stack("stepped/chunk", "stepped"),
        list.python_stack("stepped/xdas", "xdas", "stepped"),
        list.python_stack("stepped/dask", "dask", "stepped"),
        list.stack("whole/chunk", "whole"),
        list.python_stack("whole/xdas", "xdas", "whole"),
        list.python_stack("whole/dask", "dask", "whole"),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(suite: Suite, only: &str) -> Result<Vec<&'static str>> {
        let workspace = Workspace { root: "/r".into(), target: "/r/target".into() };
        let options = Options { suite, only: Some(only.to_owned()), ..Options::default() };
        let files = Files::new(Path::new("/r/target/bench"), &options);
        Ok(selected(&workspace, &files, &options)?.iter().map(|program| program.label).collect())
    }

    #[test]
    fn keeps_what_the_ratios_are_to() {
        assert_eq!(
            labels(Suite::Hdf5, "pytables").unwrap(),
            ["read/chunk", "read/pytables", "write/chunk", "write/pytables", "append/chunk", "append/pytables"]
        );
        assert_eq!(labels(Suite::Fft, "axis-0").unwrap(), ["fft/chunk", "fft/chunk-axis-0"]);
        assert_eq!(labels(Suite::Fft, "fft/").unwrap().len(), 4);
    }

    #[test]
    fn refuses_a_name_that_nothing_has() {
        assert!(labels(Suite::Fft, "dask").unwrap_err().to_string().contains("fft/chunkiter"));
    }
}
