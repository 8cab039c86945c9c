//! The program `chunk` with one more format.

use std::process::ExitCode;

use backend_raw::Raw;

fn main() -> ExitCode {
    chunk_cli::run(chunk_cli::formats().with(Raw), std::env::args_os())
}
