//! What the commands that make an output have in common: where it goes, and what is said of it.

use std::time::Instant;

use chunk_core::{Bytes, CreateOptions, DatasetInfo, Error, Location, Registry, Result, Run};
use serde::Serialize;

use crate::failure::{Outcome, say};
use crate::names::{only_dataset, parts, same_file};
use crate::options::{OVERWRITE_HINT, RunOptions};
use crate::output::{Out, print, print_json, rate, rate_text};
use crate::progress::ProgressWhen;

/// Work that was planned, and nothing of it done yet.
pub(crate) struct Report {
    /// What is done, as `fft x.h5`.
    pub(crate) what: String,
    /// What is read.
    pub(crate) input: String,
    /// What is made.
    pub(crate) output: String,
    /// Bytes of the result.
    pub(crate) bytes: u64,
    /// The plan, for people.
    pub(crate) plan: String,
    /// Whether one JSON object is printed.
    pub(crate) json: bool,
}

#[derive(Serialize)]
struct JobRecord<'a> {
    input: &'a str,
    output: &'a str,
    #[serde(flatten)]
    work: Option<WorkRecord>,
    plan: &'a str,
}

#[derive(Serialize)]
struct WorkRecord {
    bytes: u64,
    seconds: f64,
    bytes_per_second: f64,
}

impl Report {
    /// Prints the plan if this is a dry run; else does the work and says how fast.
    pub(crate) fn execute(
        &self,
        run: &Run,
        options: &RunOptions,
        out: &mut Out,
        work: impl FnOnce(&Run) -> Result<()>,
    ) -> Outcome {
        if options.dry_run {
            return if self.json { self.print_object(out, None) } else { print(out, &self.plan) };
        }
        let begun = Instant::now();
        let watched = options.watch(run, self.what.as_str());
        work(watched.run())?;
        drop(watched);
        let seconds = begun.elapsed().as_secs_f64();
        if options.progress != ProgressWhen::Never {
            self.say_done(seconds);
        }
        if self.json {
            let bytes_per_second = rate(self.bytes, seconds);
            return self.print_object(out, Some(WorkRecord { bytes: self.bytes, seconds, bytes_per_second }));
        }
        Ok(())
    }

    /// Says that it is done, and how fast.
    pub(crate) fn say_done(&self, seconds: f64) {
        let speed = rate_text(self.bytes, seconds);
        say(&format!("{} -> {}: {} in {seconds:.2} s, {speed}", self.input, self.output, Bytes(self.bytes)));
    }

    fn print_object(&self, out: &mut Out, work: Option<WorkRecord>) -> Outcome {
        print_json(out, &JobRecord { input: &self.input, output: &self.output, work, plan: &self.plan })
    }
}

/// What a copy of a dataset is: all of it but its identity.
pub(crate) fn described(info: &DatasetInfo) -> DatasetInfo {
    let mut copy = info.clone();
    copy.identity = None;
    copy
}

/// Where the result of `input` goes: to the dataset of `output`, or to one of the input's name.
pub(crate) fn output_location(registry: &Registry, input: &Location, output: &Location) -> Location {
    if output.dataset().is_some() {
        return output.clone();
    }
    let name = input.dataset().map(str::to_owned).or_else(|| only_dataset(registry, input));
    output.clone().with_dataset(name.unwrap_or_else(|| "/data".to_owned()))
}

/// That the output does not take the place of what is read: it is in another file, or has another name in the same one.
pub(crate) fn check_apart(registry: &Registry, input: &Location, output: &Location) -> Result<()> {
    let same = input.scheme() == output.scheme() && input.path() == output.path();
    if !same && !same_file(input.path(), output.path()) {
        return Ok(());
    }
    let read = input.dataset().map(str::to_owned).or_else(|| only_dataset(registry, input));
    let (read, written) = (parts(read.as_deref()), parts(output.dataset()));
    if read.is_empty() || written.is_empty() || read == written {
        return Err(Error::OutputIsInput { path: output.path().to_owned() });
    }
    Ok(())
}

/// The error with what to do about an output that exists.
pub(crate) fn with_overwrite_hint(error: Error, options: &CreateOptions) -> Error {
    match error {
        Error::AlreadyExists { path, dataset, .. } if !options.overwrite => {
            Error::AlreadyExists { path, dataset, hint: OVERWRITE_HINT }
        }
        error => error,
    }
}
