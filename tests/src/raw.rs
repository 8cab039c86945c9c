//! The program `chunk` with the format of the example, whose outputs cannot be made of shards.

use std::process::ExitCode;

fn main() -> ExitCode {
    chunk_cli::run(chunk_cli::formats().with(backend_raw::Raw), std::env::args_os())
}
