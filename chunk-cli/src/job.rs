//! Jobs: what the commands that make an output do, in this process or in a folder.

use std::path::{Path, PathBuf, absolute};

use chunk_core::{Error, Job, JobFolder, Location, Output, Part, Result, Run, Worked};
use clap::Args;
use serde::Serialize;
use serde_json::{Value, json};

use crate::failure::{Outcome, say};
use crate::names::{folder, with_path};
use crate::options::RunOptions;
use crate::output::{Out, print, print_json};
use crate::progress::ProgressWhen;
use crate::report::Report;

/// Options of commands whose work can be resumed and shared.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Job options")]
pub(crate) struct JobOptions {
    /// Keeps what is done in a folder, and continues what an earlier process left there
    #[arg(long)]
    resume: bool,
    /// The folder of a job that is resumed or shared [default with --resume: OUT.job]
    #[arg(long, value_name = "DIR")]
    job_folder: Option<PathBuf>,
    /// Plans the job, writes the plan to the job's folder, and does nothing else
    #[arg(long)]
    plan_only: bool,
    /// Does part I of N of the tasks, counted from 0; `chunk job DIR finish` then makes the output
    #[arg(long, value_name = "I/N", conflicts_with = "plan_only")]
    part: Option<Part>,
    /// Makes the output of a job whose tasks are done
    #[arg(long, hide = true, conflicts_with_all = ["plan_only", "part"])]
    finish: bool,
    /// The folder for intermediates [default: the output's]
    #[arg(long, value_name = "DIR")]
    scratch: Option<PathBuf>,
}

/// What `chunk work` and `chunk job finish` add to the command that a job was begun with.
pub(crate) fn continued(folder: &Path, part: Option<Part>, finish: bool) -> Vec<String> {
    let mut words = vec!["--resume".to_owned(), format!("--job-folder={}", folder.display())];
    words.extend(part.map(|part| format!("--part={part}")));
    words.extend(finish.then(|| "--finish".to_owned()));
    words
}

/// A command that makes one output, about to be carried out.
pub(crate) struct Making<'a> {
    pub(crate) output: Output<'a>,
    pub(crate) location: Location,
    /// What is said of it; the plan and the output's name are added.
    pub(crate) report: Report,
    /// The command as another process would be given it, with absolute paths.
    pub(crate) words: Vec<String>,
    /// What is said of an error.
    pub(crate) hint: &'a dyn Fn(Error) -> Error,
}

#[derive(Serialize)]
struct WorkedRecord<'a> {
    folder: &'a Path,
    #[serde(flatten)]
    worked: Worked,
}

impl Making<'_> {
    /// Plans and carries out, or continues what is in a folder.
    pub(crate) fn execute(mut self, run: &Run, options: &RunOptions, jobs: &JobOptions, out: &mut Out) -> Outcome {
        let Some(folder) = jobs.folder(&self.location) else { return self.here(run, options, jobs, out) };
        self.output = self.output.in_folder(&folder);
        if options.dry_run {
            self.here(run, options, jobs, out)
        } else {
            self.in_folder(&folder, run, options, jobs, out)
        }
    }

    fn plan(&self, run: &Run, jobs: &JobOptions) -> Result<Job> {
        let scratch = jobs.scratch.as_deref().unwrap_or_else(|| folder(self.location.path()));
        Job::plan(run, std::slice::from_ref(&self.output), scratch).map_err(self.hint)
    }

    fn here(mut self, run: &Run, options: &RunOptions, jobs: &JobOptions, out: &mut Out) -> Outcome {
        let job = self.plan(run, jobs)?;
        self.report.plan = job.describe();
        self.report.output.clone_from(&job.output(0).name);
        self.report.execute(run, options, out, |run| job.execute(run))
    }

    fn in_folder(mut self, path: &Path, run: &Run, options: &RunOptions, jobs: &JobOptions, out: &mut Out) -> Outcome {
        let Some(folder) = self.open(path, run, jobs, out)? else { return Ok(()) };
        let outputs = std::slice::from_ref(&self.output);
        let mut worked = None;
        self.report.plan = format!("job in {}", path.display());
        let is_quiet = options.progress == ProgressWhen::Never;
        let json = std::mem::take(&mut self.report.json);
        let begun = std::time::Instant::now();
        {
            let watched = options.watch(run, self.report.what.as_str());
            if jobs.finish {
                folder.finish(watched.run(), outputs).map_err(self.hint)?;
            } else {
                let part = jobs.part.unwrap_or(Part::WHOLE);
                worked = Some(folder.work(watched.run(), outputs, part).map_err(self.hint)?);
            }
        }
        if let Some(worked) = worked.filter(|_| json) {
            return print_json(out, &WorkedRecord { folder: path, worked });
        }
        let is_complete = worked.is_none_or(|worked| worked.published);
        if is_complete && !is_quiet {
            self.report.say_done(begun.elapsed().as_secs_f64());
        } else if let Some(worked) = worked.filter(|_| !is_quiet) {
            let Worked { done, missing, .. } = worked;
            let rest = match missing {
                0 => format!("all tasks are done: `chunk job {} finish` makes the output", path.display()),
                missing => format!("{missing} of this stage are left to others"),
            };
            say(&format!("{}: {done} tasks done; {rest}", path.display()));
        }
        Ok(())
    }

    /// The job in the folder, begun if there is none; nothing if it was only planned.
    fn open(&self, path: &Path, run: &Run, jobs: &JobOptions, out: &mut Out) -> Result<Option<JobFolder>> {
        let may_continue = jobs.resume || jobs.part.is_some() || jobs.finish;
        match JobFolder::open(path) {
            Ok(folder) if may_continue => return Ok(Some(folder)),
            Ok(_) => {
                let hint = " (a job is in it; --resume continues it, `chunk job DIR clear` removes it)";
                return Err(Error::AlreadyExists { path: path.to_owned(), dataset: String::new(), hint });
            }
            Err(Error::FileNotFound { .. }) if !jobs.finish => {}
            Err(error) => return Err(error),
        }
        let job = self.plan(run, jobs)?;
        let folder = match JobFolder::begin(path, &job, json!({ "args": self.words })) {
            // Another part was quicker: all of them plan the same.
            Err(Error::AlreadyExists { .. }) if jobs.part.is_some() => JobFolder::open(path)?,
            begun => begun?,
        };
        if !jobs.plan_only {
            return Ok(Some(folder));
        }
        let printed = if self.report.json { print_json(out, &job.to_json()) } else { print(out, &job.describe()) };
        printed.map_err(|_| Error::Cancelled)?;
        Ok(None)
    }
}

impl JobOptions {
    /// The folder of the job, if it has one.
    fn folder(&self, output: &Location) -> Option<PathBuf> {
        let wanted = self.resume || self.plan_only || self.part.is_some() || self.finish;
        let beside = || {
            let mut name = output.path().as_os_str().to_owned();
            name.push(".job");
            PathBuf::from(name)
        };
        self.job_folder.clone().or_else(|| wanted.then(beside))
    }
}

/// The command of a job, as words.
///
/// # Errors
/// A record that this program did not write.
pub(crate) fn words_of(folder: &JobFolder) -> Result<Vec<String>> {
    let words = folder.command().get("args").and_then(Value::as_array);
    let words = words.and_then(|words| words.iter().map(|word| word.as_str().map(str::to_owned)).collect());
    words.ok_or_else(|| Error::corrupt(folder.path().join("job.json"), "it does not say which command the job is of"))
}

/// A location as any process finds it: with an absolute path.
///
/// # Errors
/// A path that is no text; no working directory.
pub(crate) fn absolute_words(location: &Location) -> Result<String> {
    if location.scheme() == Some("memory") {
        return Ok(location.to_string());
    }
    let path = absolute(location.path()).map_err(|cause| Error::io(location.path(), "find", cause))?;
    if path.to_str().is_none() {
        return Err(Error::unsupported(&path, "a job in a folder takes paths that are text"));
    }
    Ok(with_path(location, path).to_string())
}
