//! `chunk work` and `chunk job`: jobs in folders.

use std::ffi::OsString;
use std::path::PathBuf;

use chunk_core::{Budget, Error, JobFolder, Part};
use clap::{Args, ValueEnum};

use crate::failure::Outcome;
use crate::job::{continued, words_of};
use crate::output::{Out, Table, print, print_json};
use crate::progress::ProgressWhen;

/// Does the tasks of a job that are not done yet, all of them or a part
///
/// The job is in a folder, which a command made with --plan-only, --job-folder or --resume. Without --part, this
/// does all that is left and makes the output.
#[derive(Debug, Args)]
pub(crate) struct WorkArgs {
    /// The folder of the job
    #[arg(value_name = "FOLDER")]
    folder: PathBuf,
    /// Does part I of N of the tasks, counted from 0; `chunk job FOLDER finish` then makes the output
    #[arg(long, value_name = "I/N")]
    part: Option<Part>,
    /// Prints one JSON object: tasks done, kept, redone, missing
    #[arg(long)]
    json: bool,
    /// The byte budget [default: the one that the job was planned with]
    #[arg(long, value_name = "SIZE", allow_hyphen_values = true)]
    memory: Option<Budget>,
    /// How many threads [default: one a processor]
    #[arg(long, value_name = "N", allow_hyphen_values = true, value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: Option<u16>,
    /// When to show progress: `always` prints lines where there is no terminal
    #[arg(long, value_enum, value_name = "WHEN", default_value_t)]
    progress: ProgressWhen,
}

/// Shows, finishes or removes a job in a folder
#[derive(Debug, Args)]
pub(crate) struct JobArgs {
    /// The folder of the job
    #[arg(value_name = "FOLDER")]
    folder: PathBuf,
    /// What to do
    #[arg(value_enum)]
    what: What,
    /// Prints one JSON object
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum What {
    /// Shows how many tasks of each stage are done
    Status,
    /// Prints the numbers of the tasks that are not done, a range a line; exit status 1 if there are any
    Missing,
    /// Makes the output of a job whose tasks are all done
    Finish,
    /// Removes all that the job has in its folder
    Clear,
}

impl WorkArgs {
    /// The command that does it: the job's own, continued.
    pub(crate) fn command(&self) -> Result<Vec<OsString>, Error> {
        let folder = JobFolder::open(&self.folder)?;
        let mut words = words_of(&folder)?;
        // An option is given once.
        words.retain(|word| self.memory.is_none() || !word.starts_with("--memory="));
        words.extend(continued(&self.folder, self.part, false));
        words.extend(self.json.then(|| "--json".to_owned()));
        words.extend(self.memory.map(|memory| format!("--memory={}", memory.bytes())));
        words.extend(self.threads.map(|threads| format!("--threads={threads}")));
        words.extend(self.progress.to_possible_value().map(|value| format!("--progress={}", value.get_name())));
        Ok(words.into_iter().map(OsString::from).collect())
    }
}

impl JobArgs {
    /// The command that finishes the job: its own, continued. None for what is done here.
    pub(crate) fn command(&self) -> Result<Option<Vec<OsString>>, Error> {
        if self.what != What::Finish {
            return Ok(None);
        }
        let mut words = words_of(&JobFolder::open(&self.folder)?)?;
        words.extend(continued(&self.folder, None, true));
        words.extend(self.json.then(|| "--json".to_owned()));
        Ok(Some(words.into_iter().map(OsString::from).collect()))
    }

    pub(crate) fn run(&self, out: &mut Out) -> Outcome {
        let folder = JobFolder::open(&self.folder)?;
        match self.what {
            What::Status => self.status(&folder, out),
            What::Missing => self.missing(&folder, out),
            What::Clear => Ok(folder.clear()?),
            What::Finish => unreachable!("it is a command of its own"),
        }
    }

    fn status(&self, folder: &JobFolder, out: &mut Out) -> Outcome {
        let status = folder.status()?;
        if self.json {
            return print_json(out, &status);
        }
        let mut table = Table::new(1);
        table.push(["stage", "tasks", "done"]);
        for stage in &status.stages {
            table.push([stage.name.clone(), stage.tasks.to_string(), stage.done.to_string()]);
        }
        table.print(out)
    }

    fn missing(&self, folder: &JobFolder, out: &mut Out) -> Outcome {
        let status = folder.status()?;
        if self.json {
            print_json(out, &status)?;
        } else {
            for (number, stage) in status.stages.iter().enumerate() {
                for (start, end) in &stage.missing {
                    print(out, &format!("stage {}  {start}..{end}", number + 1))?;
                }
            }
        }
        if status.is_complete() { Ok(()) } else { Err(crate::failure::Failure::Told) }
    }
}
