//! What the benchmark runs: ours first in each group, then the Python ways.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

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
    /// The command of `bench_data.py` that makes the file which the program reads, and that file.
    pub(crate) fn input<'a>(&self, files: &'a Files) -> (&'static str, &'a Path) {
        match self.group() {
            "windows" => ("make-windows", &files.windows),
            "contiguous" => ("make-contiguous", &files.contiguous),
            _ => ("make", &files.input),
        }
    }

    pub(crate) fn group(&self) -> &'static str {
        self.label.split('/').next().unwrap_or(self.label)
    }
}

/// The files that programs read and write.
pub(crate) struct Files {
    pub(crate) input: PathBuf,
    pub(crate) output: PathBuf,
    /// 8192 x 8192 float64 in chunks of 256 x 2048.
    pub(crate) windows: PathBuf,
    /// 2 GiB of float64 in one piece.
    pub(crate) contiguous: PathBuf,
}

impl Files {
    pub(crate) fn new(folder: &Path, options: &Options) -> Self {
        let Options { rows, columns, .. } = options;
        let (input, output) = match options.suite {
            Suite::Fft => (format!("input-{rows}x{columns}.h5"), "output.h5"),
            Suite::Npy => ("input-2g.npy".to_owned(), "output.npy"),
        };
        Self {
            input: folder.join(input),
            output: folder.join(output),
            windows: folder.join("windows.h5"),
            contiguous: folder.join("contiguous.h5"),
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
        Suite::Fft => all_fft(&list),
        Suite::Npy => all_npy(&list),
    }
}

fn all_npy(list: &Commands) -> Vec<Program> {
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

fn all_fft(list: &Commands) -> Vec<Program> {
    vec![
        list.fft("fft/chunk", 1, "1G"),
        list.python_fft("fft/chunkiter", &["bench_chunkiter.py"]),
        list.python_fft("fft/h5py-scipy", &["bench_h5py.py", "fft"]),
        list.fft("fft/chunk-axis-0", 0, "512M"),
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
    ]
}

struct Commands<'a> {
    workspace: &'a Workspace,
    files: &'a Files,
    options: &'a Options,
}

impl Commands<'_> {
    fn fft(&self, label: &'static str, axis: usize, memory: &str) -> Program {
        let mut command = vec![self.workspace.release("chunk").into(), "fft".into()];
        command.extend([dataset(&self.files.input), dataset(&self.files.output)]);
        extend(&mut command, &["--axis", &axis.to_string(), "--overwrite", "--memory", memory, "--progress", "never"]);
        Program { label, command, verify_axis: Some(axis) }
    }

    fn python_fft(&self, label: &'static str, script: &[&str]) -> Program {
        let mut command = self.python(script);
        command.extend([OsString::from(&self.files.input), OsString::from(&self.files.output)]);
        self.extend_durable(&mut command);
        Program { label, command, verify_axis: Some(1) }
    }

    fn read(&self, label: &'static str, threads: usize) -> Program {
        let mut command = vec![self.throughput(), "read".into(), OsString::from(&self.files.input), "/data".into()];
        extend(&mut command, &["--threads", &threads.to_string(), "--memory", "1G"]);
        Program { label, command, verify_axis: None }
    }

    fn python_read(&self, label: &'static str, script: &[&str]) -> Program {
        let mut command = self.python(script);
        command.push(OsString::from(&self.files.input));
        Program { label, command, verify_axis: None }
    }

    fn write(&self, label: &'static str, threads: usize) -> Program {
        let mut command = vec![self.throughput(), "write".into(), OsString::from(&self.files.output)];
        self.extend_size(&mut command);
        extend(&mut command, &["--threads", &threads.to_string()]);
        Program { label, command, verify_axis: None }
    }

    fn python_write(&self, label: &'static str, script: &[&str]) -> Program {
        let mut command = self.python(script);
        command.push(OsString::from(&self.files.output));
        self.extend_size(&mut command);
        self.extend_durable(&mut command);
        Program { label, command, verify_axis: None }
    }

    fn windows(&self, label: &'static str, options: &[&str]) -> Program {
        self.reading(label, "windows", &self.files.windows, &[&["/data"], options].concat())
    }

    fn reading(&self, label: &'static str, what: &str, file: &Path, rest: &[&str]) -> Program {
        let mut command = vec![self.workspace.release("examples/reading").into(), what.into(), OsString::from(file)];
        extend(&mut command, rest);
        Program { label, command, verify_axis: None }
    }

    fn python_file(&self, label: &'static str, what: &str, file: &Path) -> Program {
        let mut command = self.python(&["bench_h5py.py", what]);
        command.push(file.into());
        Program { label, command, verify_axis: None }
    }

    fn npy(&self, label: &'static str, way: &str, size: [&str; 2]) -> Program {
        let mut command = vec![self.npy_throughput(), way.into(), OsString::from(&self.files.output)];
        extend(&mut command, &size);
        Program { label, command, verify_axis: None }
    }

    fn npy_read(&self, label: &'static str, way: &str) -> Program {
        let command = vec![self.npy_throughput(), way.into(), OsString::from(&self.files.input)];
        Program { label, command, verify_axis: None }
    }

    fn append_array(&self, label: &'static str, size: [&str; 2]) -> Program {
        let mut command = self.python(&["bench_npy.py", "append"]);
        command.push(OsString::from(&self.files.output));
        extend(&mut command, &size);
        Program { label, command, verify_axis: None }
    }

    fn npy_throughput(&self) -> OsString {
        self.workspace.release("examples/npy_throughput").into()
    }

    /// A script: `measure.py` runs it with its own interpreter.
    fn python(&self, script: &[&str]) -> Vec<OsString> {
        let mut command = vec![self.workspace.script(script[0]).into()];
        extend(&mut command, &script[1..]);
        command
    }

    fn throughput(&self) -> OsString {
        self.workspace.release("examples/throughput").into()
    }

    fn extend_size(&self, command: &mut Vec<OsString>) {
        extend(command, &["--rows", &self.options.rows.to_string(), "--cols", &self.options.columns.to_string()]);
    }

    fn extend_durable(&self, command: &mut Vec<OsString>) {
        if self.options.durable {
            command.push("--durable".into());
        }
    }
}

fn extend(command: &mut Vec<OsString>, words: &[&str]) {
    command.extend(words.iter().map(OsString::from));
}

fn dataset(file: &Path) -> OsString {
    let mut location = OsString::from(file);
    location.push("::/data");
    location
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(only: &str) -> Result<Vec<&'static str>> {
        let workspace = Workspace { root: "/r".into(), target: "/r/target".into() };
        let options = Options { only: Some(only.to_owned()), ..Options::default() };
        let files = Files::new(Path::new("/r/target/bench"), &options);
        Ok(selected(&workspace, &files, &options)?.iter().map(|program| program.label).collect())
    }

    #[test]
    fn keeps_what_the_ratios_are_to() {
        assert_eq!(labels("pytables").unwrap(), ["read/chunk", "read/pytables", "write/chunk", "write/pytables"]);
        assert_eq!(labels("axis-0").unwrap(), ["fft/chunk", "fft/chunk-axis-0"]);
        assert_eq!(labels("fft/").unwrap().len(), 4);
    }

    #[test]
    fn refuses_a_name_that_nothing_has() {
        assert!(labels("dask").unwrap_err().to_string().contains("fft/chunkiter"));
    }
}
