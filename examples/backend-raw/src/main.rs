//! The program `chunk` with one more format.

use std::process::ExitCode;

use backend_raw::Raw;
use chunk_core::Registry;
use chunk_hdf5::Hdf5;

fn main() -> ExitCode {
    let registry = Registry::new().with(Hdf5::default()).with(Raw);
    chunk_cli::run(registry, std::env::args_os())
}
