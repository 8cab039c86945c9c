//! The program `chunk`, built for the tests of this package: cargo gives them the path of their own binaries only.

use std::process::ExitCode;

use chunk_core::Registry;
use chunk_hdf5::Hdf5;

fn main() -> ExitCode {
    chunk_cli::run(Registry::new().with(Hdf5::default()), std::env::args_os())
}
