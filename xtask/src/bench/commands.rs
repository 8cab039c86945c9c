//! The command lines of the programs.

use std::ffi::OsString;
use std::path::Path;

use super::options::Options;
use super::programs::{Files, Program};
use crate::python;
use crate::workspace::Workspace;

/// What programs are put together from.
pub(crate) struct Commands<'a> {
    pub(crate) workspace: &'a Workspace,
    pub(crate) files: &'a Files,
    pub(crate) options: &'a Options,
}

impl Commands<'_> {
    pub(crate) fn fft(&self, label: &'static str, axis: usize, memory: &str) -> Program {
        let mut command = vec![self.workspace.release("chunk").into(), "fft".into()];
        command.extend([dataset(&self.files.input), dataset(&self.files.output)]);
        extend(&mut command, &["--axis", &axis.to_string(), "--overwrite", "--memory", memory, "--progress", "never"]);
        Program { label, command, verify_axis: Some(axis) }
    }

    pub(crate) fn python_fft(&self, label: &'static str, script: &[&str]) -> Program {
        let mut command = self.python(script);
        command.extend([OsString::from(&self.files.input), OsString::from(&self.files.output)]);
        self.extend_durable(&mut command);
        Program { label, command, verify_axis: Some(1) }
    }

    pub(crate) fn read(&self, label: &'static str, threads: usize) -> Program {
        let mut command = vec![self.throughput(), "read".into(), OsString::from(&self.files.input), "/data".into()];
        extend(&mut command, &["--threads", &threads.to_string(), "--memory", "1G"]);
        Program { label, command, verify_axis: None }
    }

    pub(crate) fn python_read(&self, label: &'static str, script: &[&str]) -> Program {
        let mut command = self.python(script);
        command.push(OsString::from(&self.files.input));
        Program { label, command, verify_axis: None }
    }

    pub(crate) fn write(&self, label: &'static str, threads: usize) -> Program {
        let mut command = vec![self.throughput(), "write".into(), OsString::from(&self.files.output)];
        self.extend_size(&mut command);
        extend(&mut command, &["--threads", &threads.to_string()]);
        Program { label, command, verify_axis: None }
    }

    pub(crate) fn python_write(&self, label: &'static str, script: &[&str]) -> Program {
        let mut command = self.python(script);
        command.push(OsString::from(&self.files.output));
        self.extend_size(&mut command);
        self.extend_durable(&mut command);
        Program { label, command, verify_axis: None }
    }

    pub(crate) fn windows(&self, label: &'static str, options: &[&str]) -> Program {
        self.reading(label, "windows", &self.files.windows, &[&["/data"], options].concat())
    }

    pub(crate) fn reading(&self, label: &'static str, what: &str, file: &Path, rest: &[&str]) -> Program {
        let mut command = vec![self.workspace.release("examples/reading").into(), what.into(), OsString::from(file)];
        extend(&mut command, rest);
        Program { label, command, verify_axis: None }
    }

    pub(crate) fn python_file(&self, label: &'static str, what: &str, file: &Path) -> Program {
        let mut command = self.python(&["bench_h5py.py", what]);
        command.push(file.into());
        Program { label, command, verify_axis: None }
    }

    pub(crate) fn append(&self, label: &'static str, at_once: &str) -> Program {
        let mut command = vec![self.throughput(), "append".into(), OsString::from(&self.files.output)];
        extend(&mut command, &["--at-once", at_once]);
        Program { label, command, verify_axis: None }
    }

    pub(crate) fn python_append(&self, label: &'static str, script: &str) -> Program {
        let mut command = self.python(&[script, "append"]);
        command.push(OsString::from(&self.files.output));
        self.extend_durable(&mut command);
        Program { label, command, verify_axis: None }
    }

    pub(crate) fn stack(&self, label: &'static str, what: &str) -> Program {
        let program = self.workspace.release("examples/stack_speed").into();
        let command = vec![program, what.into(), OsString::from(&self.files.parts)];
        Program { label, command, verify_axis: None }
    }

    pub(crate) fn python_stack(&self, label: &'static str, library: &str, what: &str) -> Program {
        let python = python::for_stacks(self.workspace).into();
        let script = self.workspace.script("bench_stack.py").into();
        let mut command = vec![python, script, library.into(), what.into()];
        command.push(OsString::from(&self.files.parts));
        Program { label, command, verify_axis: None }
    }

    pub(crate) fn npy(&self, label: &'static str, way: &str, size: [&str; 2]) -> Program {
        let mut command = vec![self.npy_throughput(), way.into(), OsString::from(&self.files.output)];
        extend(&mut command, &size);
        Program { label, command, verify_axis: None }
    }

    pub(crate) fn npy_read(&self, label: &'static str, way: &str) -> Program {
        let command = vec![self.npy_throughput(), way.into(), OsString::from(&self.files.npy)];
        Program { label, command, verify_axis: None }
    }

    pub(crate) fn append_array(&self, label: &'static str, size: [&str; 2]) -> Program {
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
