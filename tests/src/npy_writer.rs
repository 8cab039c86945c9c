//! Appends rows `[i, i]` to a .npy file and says what it committed: what the fault tests kill and starve.
//!
//! `npy-writer FILE C|F BUFFER_BYTES COMMITS ROWS`: so many commits of so many rows each. Prints `committed N` after each
//! commit, N rows in all; `failed: WHY` for an error, and what a second try gave.

use std::io::Write;
use std::process::ExitCode;

use chunk_core::{DType, Result};
use chunk_npy::{AppendOptions, Mode, NpyAppender};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [file, order, buffer, commits, rows] = arguments.as_slice() else { return ExitCode::from(2) };
    let number = |text: &String| text.parse::<u64>().expect("a number");
    let options =
        AppendOptions::new(Mode::CreateOrAppend).with_fortran_order(order == "F").with_buffer(number(buffer) as usize);
    match options.open(file, &DType::F64, &[2]).and_then(|appender| write(appender, number(commits), number(rows))) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(&format!("failed: {}", error.report()));
            ExitCode::FAILURE
        }
    }
}

fn write(mut appender: NpyAppender, commits: u64, rows: u64) -> Result<()> {
    for _ in 0..commits {
        for _ in 0..rows {
            append(&mut appender)?;
        }
        if let Err(error) = appender.commit() {
            let again = appender.commit();
            say(if again.is_ok() { "again ok" } else { "again failed" });
            if again.is_ok() {
                say(&format!("committed {}", appender.committed()));
            }
            return Err(error);
        }
        say(&format!("committed {}", appender.committed()));
    }
    appender.close()
}

/// One more row, or the same again if the first try fails.
fn append(appender: &mut NpyAppender) -> Result<()> {
    let row = [appender.items() as f64; 2];
    let first = appender.append(&row);
    if first.is_ok() { first } else { appender.append(&row) }
}

fn say(line: &str) {
    let mut out = std::io::stdout();
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}
