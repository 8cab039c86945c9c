//! A folder with files, and the program run in it.

use std::ffi::OsStr;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};
use std::sync::Arc;

use chunk_core::{ChunkSource, Complex, CreateOptions, Element, Location, MemorySource, Registry, Run};
use chunk_hdf5::Hdf5;
use tempfile::TempDir;

/// A folder that goes with its test.
pub(crate) struct Folder(TempDir);

/// What the program said.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) status: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

pub(crate) fn registry() -> Registry {
    #[allow(clippy::default_constructed_unit_structs, reason = "the backend has options, and may have none")]
    Registry::new().with(Hdf5::default())
}

impl Folder {
    pub(crate) fn new() -> Self {
        Folder(tempfile::tempdir().unwrap())
    }

    /// With `x.h5`, whose only dataset is `/g/data`: 8 x 6 numbers in chunks of 3 x 6.
    pub(crate) fn with_example() -> Self {
        let folder = Folder::new();
        folder.write("x.h5::/g/data", &[8, 6], &[3, 6], &example());
        folder
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Writes a dataset, at `name::dataset`.
    pub(crate) fn write<T: Element>(&self, location: &str, shape: &[u64], chunk_shape: &[u64], elements: &[T]) {
        let source = MemorySource::new(shape, elements).unwrap().with_chunk_shape(chunk_shape).unwrap();
        let info = source.info().clone();
        let sink = registry().create(&self.location(location), info, &CreateOptions::default()).unwrap();
        Run::new().copy(&source, sink).unwrap();
    }

    pub(crate) fn open(&self, location: &str) -> Arc<dyn ChunkSource> {
        registry().open(&self.location(location)).unwrap()
    }

    fn location(&self, text: &str) -> Location {
        let (name, dataset) = text.split_once("::").unwrap();
        Location::new(self.path(name)).with_dataset(dataset)
    }

    /// Names of what is in the folder.
    pub(crate) fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.0.path()).unwrap();
        let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    /// The program, to be run in the folder.
    pub(crate) fn program(&self) -> Command {
        let mut program = Command::new(env!("CARGO_BIN_EXE_chunk"));
        program.current_dir(self.0.path());
        program
    }

    /// Runs the program in the folder.
    pub(crate) fn chunk<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Said {
        Said::from(self.program().args(args).output().unwrap())
    }
}

impl From<Output> for Said {
    fn from(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Said { status: output.status.code().unwrap_or(-1), out: text(output.stdout), err: text(output.stderr) }
    }
}

impl Said {
    /// What it printed, if it was done.
    #[track_caller]
    pub(crate) fn done(self) -> String {
        assert_eq!(self.status, 0, "{self:?}");
        self.out
    }

    /// The one line that it complained in, if it ended with `status` and printed nothing.
    #[track_caller]
    pub(crate) fn complaint(self, status: i32) -> String {
        assert_eq!(self.status, status, "{self:?}");
        assert_eq!(self.out, "", "{self:?}");
        assert_eq!(self.err.lines().count(), 1, "{self:?}");
        assert!(self.err.starts_with("chunk: ") && self.err.ends_with('\n'), "{self:?}");
        self.err
    }
}

/// The numbers of [`Folder::with_example`].
pub(crate) fn example() -> Vec<f64> {
    (0..48).map(|number| f64::from(number * number % 11) - 4.0).collect()
}

/// The sum that defines the transform, of each line along `axis` of a matrix of `rows` x `columns`.
pub(crate) fn naive(elements: &[f64], rows: usize, columns: usize, axis: usize) -> Vec<Complex<f64>> {
    let length = [rows, columns][axis];
    let value = |row: usize, column: usize| {
        let k = [row, column][axis];
        let term = |n: usize| {
            let element = if axis == 0 { elements[n * columns + column] } else { elements[row * columns + n] };
            Complex::cis(-std::f64::consts::TAU * (k * n % length) as f64 / length as f64) * element
        };
        (0..length).map(term).sum()
    };
    (0..rows * columns).map(|number| value(number / columns, number % columns)).collect()
}
