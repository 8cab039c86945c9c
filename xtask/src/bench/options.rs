//! The command line of `cargo xtask bench`.

use std::path::PathBuf;
use std::str::FromStr;

use crate::error::{Error, Result};

pub(crate) const HELP: &str = "\
Usage: cargo xtask bench fft|hdf5|npy|virtual [OPTIONS]

Measures whole processes: programs take turns, the page cache is warm, medians are compared.

  fft            transforming complex128 rows of an HDF5 file, Blosc LZ4 level 5 with shuffle, ours beside chunkiter and
                 h5py with SciPy; results are verified with NumPy in the first run
  hdf5           `read` and `write`: such a file, beside h5py and PyTables. `windows`: 2000 random ones of 64 x 64 out of
                 8192 x 8192 float64 in chunks of 256 x 2048, beside h5py, a cache of 256 MiB each. `contiguous`: 2 GiB
                 of float64 in one piece, beside read(2) into one buffer. `append`: 10,000 rows of 64 float64, one by
                 one and at once, beside h5py and PyTables
  npy            appending to .npy files, in small and in large blocks, and reading 2 GiB of one
  virtual        1000 HDF5 files of 200 x 128 float32 as one array, beside xdas 0.2.10 and dask: making it, reading 100
                 rows, every second column of 20,000 rows, and all of it

  --rows N       rows of the HDF5 input, 16384 unless told; each chunk holds 1024
  --cols N       its columns, 8192 unless told
  --runs N       runs of each program, 5 unless told
  --only NAME    programs whose label contains NAME, such as `fft/`, `read/` or `h5py`
  --dir FOLDER   where the files go, target/bench unless told (/dev/shm keeps the disk out of it)
  --durable      the Python programs wait until their output is on the disk, as `chunk` always does
  --json         one JSON object instead of the table
";

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Suite {
    Fft,
    Hdf5,
    Npy,
    Virtual,
}

#[derive(Debug, PartialEq)]
pub(crate) struct Options {
    pub(crate) suite: Suite,
    pub(crate) rows: u64,
    pub(crate) columns: u64,
    pub(crate) runs: usize,
    pub(crate) only: Option<String>,
    pub(crate) folder: Option<PathBuf>,
    pub(crate) durable: bool,
    pub(crate) json: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            suite: Suite::Fft,
            rows: 16384,
            columns: 8192,
            runs: 5,
            only: None,
            folder: None,
            durable: false,
            json: false,
        }
    }
}

impl Options {
    pub(crate) fn parse(arguments: &[String]) -> Result<Self> {
        let mut words = arguments.iter().map(String::as_str);
        let suite = match words.next() {
            Some("fft") => Suite::Fft,
            Some("hdf5") => Suite::Hdf5,
            Some("npy") => Suite::Npy,
            Some("virtual") => Suite::Virtual,
            found => return Err(wrong(&format!("benchmark `{}`", found.unwrap_or_default()))),
        };
        let mut options = Self { suite, ..Self::default() };
        while let Some(word) = words.next() {
            let (name, attached) = word.split_once('=').map_or((word, None), |(name, value)| (name, Some(value)));
            let mut value =
                || attached.or_else(|| words.next()).ok_or_else(|| wrong(&format!("{name} without a value")));
            match name {
                "--rows" => options.rows = number(name, value()?)?,
                "--cols" => options.columns = number(name, value()?)?,
                "--runs" => options.runs = number(name, value()?)?,
                "--only" => options.only = Some(value()?.to_owned()),
                "--dir" => options.folder = Some(absolute(value()?)?),
                "--durable" => options.durable = true,
                "--json" => options.json = true,
                _ => return Err(wrong(&format!("option `{word}`"))),
            }
        }
        Ok(options)
    }
}

fn number<T: FromStr + PartialEq + From<u8>>(name: &str, text: &str) -> Result<T> {
    match text.parse() {
        Ok(number) if number != T::from(0) => Ok(number),
        _ => Err(wrong(&format!("{name} {text}"))),
    }
}

fn absolute(folder: &str) -> Result<PathBuf> {
    std::path::absolute(folder).map_err(|error| wrong(&format!("--dir {folder}: {error}")))
}

fn wrong(what: &str) -> Error {
    Error::usage(format!("bench does not know {what}; `cargo xtask bench --help` lists what there is"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Options> {
        Options::parse(&line.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn defaults_are_those_of_the_help() {
        assert_eq!(parse("fft").unwrap(), Options::default());
        assert_eq!(parse("virtual").unwrap(), Options { suite: Suite::Virtual, ..Options::default() });
    }

    #[test]
    fn takes_values_attached_or_apart() {
        let options = parse("fft --rows=2048 --runs 3 --only fft/ --json").unwrap();
        assert_eq!((options.rows, options.runs, options.json), (2048, 3, true));
        assert_eq!(options.only.as_deref(), Some("fft/"));
    }

    #[test]
    fn refuses_what_it_does_not_know() {
        for line in ["", "read", "fft --rows", "fft --rows 0", "fft --runs x", "fft --fast"] {
            assert_eq!(parse(line).unwrap_err().exit_code(), 2, "{line}");
        }
    }
}
