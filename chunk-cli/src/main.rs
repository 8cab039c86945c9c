//! The program `chunk` with the backends of this workspace.

use std::process::ExitCode;

fn main() -> ExitCode {
    chunk_cli::run(chunk_cli::formats(), std::env::args_os())
}
