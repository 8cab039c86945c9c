//! What ends a command early, and what the program says and returns then.

use std::io::{self, Write};

use chunk_core::Error;
use clap::error::ErrorKind;

use crate::output::one_line;

/// How a command ends.
pub(crate) type Outcome = Result<(), Failure>;

/// Why a command did not do what was asked.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The work failed.
    Work(Error),
    /// Something that was checked does not hold.
    Check(String),
    /// Each failure was told when it happened.
    Told,
    /// The command line is wrong, or asks for help.
    CommandLine(clap::Error),
    /// Standard output takes no more.
    Output(io::Error),
    /// The program panicked.
    Bug {
        /// The panic's message.
        message: String,
        /// File and line.
        place: String,
    },
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Failure::Work(error)
    }
}

const DONE: u8 = 0;
const FAILED: u8 = 1;
const MISUSED: u8 = 2;
/// What a shell reports of a program that Ctrl-C ended.
pub(crate) const INTERRUPTED: u8 = 130;

impl Failure {
    /// Says what there is to say and returns the exit status.
    pub(crate) fn report(&self) -> u8 {
        if let Failure::CommandLine(error) = self
            && let Some(status) = answer(error)
        {
            return status;
        }
        if let Some(message) = self.message() {
            say(&message);
        }
        self.status()
    }

    pub(crate) fn status(&self) -> u8 {
        match self {
            Failure::Work(Error::Cancelled) => INTERRUPTED,
            Failure::CommandLine(_) => MISUSED,
            // Whoever reads, as `head`, has what they wanted.
            Failure::Output(error) if error.kind() == io::ErrorKind::BrokenPipe => DONE,
            _ => FAILED,
        }
    }

    pub(crate) fn message(&self) -> Option<String> {
        match self {
            Failure::Work(Error::Cancelled) => Some("interrupted; nothing unfinished is left".to_owned()),
            Failure::Work(error) => Some(error.report()),
            Failure::Check(message) => Some(message.clone()),
            Failure::Told => None,
            Failure::CommandLine(error) => Some(short(&error.to_string())),
            Failure::Output(error) if error.kind() == io::ErrorKind::BrokenPipe => None,
            Failure::Output(error) => Some(format!("cannot write to standard output: {error}")),
            Failure::Bug { message, place } => {
                Some(format!("bug at {place}: {message}; please report it with the command line"))
            }
        }
    }
}

/// One line on standard error; that it cannot be written is no reason to stop.
pub(crate) fn say(message: &str) {
    let _ = writeln!(io::stderr(), "chunk: {}", one_line(message));
}

/// Prints what was asked for, if the command line asks for help or the version. An empty one gets the help as well.
fn answer(error: &clap::Error) -> Option<u8> {
    match error.kind() {
        ErrorKind::DisplayVersion => {
            let version = env!("CARGO_PKG_VERSION");
            let _ = writeln!(io::stdout(), "chunk {version} ({})", chunk_hdf5::library_versions());
            Some(DONE)
        }
        ErrorKind::DisplayHelp => {
            let _ = error.print();
            Some(DONE)
        }
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            let _ = error.print();
            Some(MISUSED)
        }
        _ => None,
    }
}

/// clap's paragraphs as one line, without the advice to ask for help.
fn short(text: &str) -> String {
    let text = text.strip_prefix("error: ").unwrap_or(text);
    let paragraphs = text.split("\n\n").map(str::trim).filter(|paragraph| !paragraph.is_empty());
    let kept = paragraphs.filter(|paragraph| !paragraph.starts_with("For more information"));
    let words = kept.map(|paragraph| paragraph.split_whitespace().collect::<Vec<_>>().join(" "));
    words.collect::<Vec<_>>().join("; ").replace("; Usage: ", "; usage: ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_line_error_is_one_line() {
        let text = "error: the following required arguments were not provided:\n  --axis <N>\n  <OUT>\n\n\
                    Usage: chunk fft --axis <N> <IN> <OUT>\n\nFor more information, try '--help'.\n";
        let line = "the following required arguments were not provided: --axis <N> <OUT>; \
                    usage: chunk fft --axis <N> <IN> <OUT>";
        assert_eq!(short(text), line);
    }

    #[test]
    fn each_failure_has_its_status() {
        let broken_pipe = || Failure::Output(io::ErrorKind::BrokenPipe.into());
        assert_eq!(Failure::Work(Error::Cancelled).status(), 130);
        assert_eq!(Failure::Work(Error::InvalidArgument(String::new())).status(), 1);
        assert_eq!(Failure::Output(io::ErrorKind::StorageFull.into()).status(), 1);
        assert_eq!((broken_pipe().status(), broken_pipe().message()), (0, None));
    }
}
