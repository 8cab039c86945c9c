//! The options of every command that runs, and how arguments are read.

use std::ffi::OsString;

use chunk_core::{Budget, CreateOptions, DatasetInfo, Error, FilledCount, Location, Missing, OpenPolicy, Run, Shape};
use clap::builder::{OsStringValueParser, TypedValueParser};
use clap::{Args, ValueEnum};

use crate::Context;
use crate::progress::{ProgressWhen, Watched};

/// Options of every command that runs.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Run options")]
pub(crate) struct RunOptions {
    /// The byte budget, as 256M or 1.5GiB [default: a quarter of what is free]
    #[arg(long, value_name = "SIZE", allow_hyphen_values = true)]
    memory: Option<Budget>,
    /// How many threads [default: one a processor]
    #[arg(long, value_name = "N", allow_hyphen_values = true, value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: Option<u16>,
    /// When to show progress: `always` prints lines where there is no terminal
    #[arg(long, value_enum, value_name = "WHEN", default_value_t)]
    pub(crate) progress: ProgressWhen,
    /// Prints the plan; reads no data and creates nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
}

/// Options of every command, for what datasets have in other files.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Options for links and virtual datasets")]
pub(crate) struct OpenOptions {
    /// What is read of a virtual dataset where a source is missing: `fill` is its fill value, and says how often
    #[arg(long, global = true, value_enum, value_name = "WHAT", default_value_t)]
    missing: WhatIsMissing,
    /// Follows links and sources that lead out of the folder of their file; for files that you trust
    #[arg(long, global = true)]
    unsafe_links: bool,
}

#[derive(Clone, Copy, Debug, Default, ValueEnum)]
enum WhatIsMissing {
    #[default]
    Error,
    Fill,
}

impl OpenOptions {
    /// The same as words of a command line.
    pub(crate) fn words(&self) -> Vec<String> {
        let mut words = Vec::new();
        if matches!(self.missing, WhatIsMissing::Fill) {
            words.push("--missing=fill".to_owned());
        }
        words.extend(self.unsafe_links.then(|| "--unsafe-links".to_owned()));
        words
    }

    /// The policy, with what is filled counted.
    pub(crate) fn policy(&self, filled: &FilledCount) -> OpenPolicy {
        let missing = match self.missing {
            WhatIsMissing::Error => Missing::Error,
            WhatIsMissing::Fill => Missing::Fill(filled.clone()),
        };
        OpenPolicy::default().with_outside(self.unsafe_links).with_missing(missing)
    }
}

/// Options of every command that makes a file.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Output options")]
pub(crate) struct OutputOptions {
    /// Chunk shape of the output, made smaller if the budget asks for it [default: the input's]
    #[arg(long, value_name = "SHAPE", value_parser = chunk_shape)]
    chunks: Option<Shape>,
    /// Filter of the output, as blosc:lz4:5, gzip:4 or none [default: the format's]
    #[arg(long, value_name = "FILTER")]
    filter: Option<String>,
    /// Replaces an output that exists, once the new one is complete
    #[arg(long)]
    overwrite: bool,
}

/// What to do about an output that exists.
pub(crate) const OVERWRITE_HINT: &str = "; --overwrite replaces it";

impl OutputOptions {
    /// Whether an output that exists is replaced.
    pub(crate) fn overwrite(&self) -> bool {
        self.overwrite
    }

    /// That nothing was asked for which a dataset that exists has decided already.
    pub(crate) fn check_unused(&self, existing: &DatasetInfo) -> Result<(), Error> {
        if self.chunks.is_none() && self.filter.is_none() {
            return Ok(());
        }
        let name = &existing.name;
        Err(Error::InvalidArgument(format!("{name} exists already: --chunks and --filter are for a new dataset")))
    }

    /// That nothing was asked for which only a copy can have.
    pub(crate) fn check_copied(&self, what: &str) -> Result<(), Error> {
        if self.chunks.is_none() && self.filter.is_none() {
            return Ok(());
        }
        Err(Error::InvalidArgument(format!("{what} copies nothing: --chunks and --filter are for copies")))
    }

    /// That the format has what was asked for.
    pub(crate) fn check_granted(&self, created: &DatasetInfo) -> Result<(), Error> {
        if self.chunks.is_none() || created.chunk_shape.is_some() {
            return Ok(());
        }
        Err(Error::InvalidArgument(format!("{}: this format has no chunks; leave out --chunks", created.name)))
    }

    /// How the output is created.
    pub(crate) fn create_options(&self) -> CreateOptions {
        let options = CreateOptions::default().with_overwrite(self.overwrite);
        match &self.filter {
            Some(filter) => options.with_filter(filter),
            None => options,
        }
    }

    /// The same as words of a command line.
    pub(crate) fn words(&self) -> Vec<String> {
        let mut words = Vec::new();
        if let Some(chunks) = &self.chunks {
            let extents: Vec<String> = chunks.iter().map(ToString::to_string).collect();
            words.push(format!("--chunks={}", extents.join(",")));
        }
        words.extend(self.filter.as_ref().map(|filter| format!("--filter={filter}")));
        words.extend(self.overwrite.then(|| "--overwrite".to_owned()));
        words
    }

    /// What the output is to be: `info` with the chunks asked for.
    pub(crate) fn wished(&self, mut info: DatasetInfo) -> Result<DatasetInfo, Error> {
        info.chunk_shape = self.chunks.clone().or(info.chunk_shape);
        info.check()?;
        Ok(info)
    }
}

impl RunOptions {
    /// The run that these options describe, which nobody watches yet.
    pub(crate) fn to_run(&self, context: &Context) -> Run {
        let run = Run::new().cancel(context.cancel.clone()).calibration(context.calibration);
        let run = run.budget(self.budget());
        match self.threads {
            Some(threads) => run.threads(threads.into()),
            None => run,
        }
    }

    pub(crate) fn budget(&self) -> Budget {
        self.memory.unwrap_or_default()
    }

    /// The options that a job's command needs: the budget that it was planned with.
    pub(crate) fn words(&self) -> Vec<String> {
        vec![format!("--memory={}", self.budget().bytes())]
    }

    /// `run` with its progress shown, as that of `what`.
    pub(crate) fn watch(&self, run: &Run, what: impl Into<String>) -> Watched {
        Watched::new(run.clone(), self.progress, what.into())
    }
}

/// Reads `[scheme:]path[::dataset]`. A path that is no text is taken whole: nothing in it is a separator.
pub(crate) fn location() -> impl TypedValueParser<Value = Location> {
    OsStringValueParser::new().try_map(|text: OsString| match text.to_str() {
        Some(text) => text.parse(),
        None => Ok::<_, Error>(Location::new(text)),
    })
}

/// Reads a chunk shape, as `1024,64`.
pub(crate) fn chunk_shape(text: &str) -> Result<Shape, String> {
    let extents = text.split(',').map(|extent| extent.trim().parse::<u64>());
    match extents.collect::<Result<Vec<u64>, _>>() {
        Ok(extents) if !extents.contains(&0) => Ok(extents.into()),
        Ok(_) => Err("a chunk has at least one element along each axis".to_owned()),
        Err(_) => Err("write a number for each axis, as 1024,64".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::chunk;
    use chunk_core::Registry;

    #[test]
    fn reads_chunk_shapes() {
        assert_eq!(chunk_shape("1024,64").unwrap(), Shape::from([1024, 64]));
        assert_eq!(chunk_shape(" 7 ").unwrap(), Shape::from([7]));
        for text in ["", "0,3", "1,,2", "a", "-1", "1024x64"] {
            assert!(chunk_shape(text).is_err(), "{text}");
        }
    }

    #[test]
    fn nonsense_is_a_command_line_error_of_one_line() {
        for nonsense in [
            ["--memory", "12Q"],
            ["--memory", "0"],
            ["--memory", "-5"],
            ["--memory", ""],
            ["--threads", "0"],
            ["--threads", "-1"],
            ["--progress", "maybe"],
        ] {
            let failure = chunk(Registry::new(), ["hash", "memory:x"].into_iter().chain(nonsense)).unwrap_err();
            let message = failure.message().unwrap();
            assert_eq!(failure.status(), 2, "{message}");
            assert!(message.contains(nonsense[0]) && !message.contains('\n'), "{message}");
        }
    }

    #[test]
    fn malformed_locations_are_command_line_errors() {
        for location in ["", "hdf5:", "::/d", "a.h5::"] {
            let failure = chunk(Registry::new(), ["info", location]).unwrap_err();
            assert_eq!(failure.status(), 2, "{location}");
            assert!(failure.message().unwrap().contains("not a dataset location"));
        }
    }
}
