//! The program `chunk`, built for the tests of this package: cargo gives them the path of their own binaries only.

use std::process::ExitCode;

fn main() -> ExitCode {
    chunk_cli::run(chunk_cli::formats(), std::env::args_os())
}
