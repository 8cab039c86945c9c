//! `chunk verify`: reads and decodes every chunk, and tells which are damaged.

use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use chunk_core::{
    Bytes, ChunkSource, ChunkSourceExt, Cost, DatasetInfo, Error, Grid, Location, Operation, Result, Run, Slab, Worker,
};
use chunk_virtual::{ManifestBackend, ManifestOptions};
use clap::Args;
use serde::Serialize;

use crate::Context;
use crate::failure::{Failure, Outcome};
use crate::names::{datasets_inside, expand};
use crate::options::{RunOptions, location};
use crate::output::{Out, chunk_grid, one_line, print, print_json, print_now};
use crate::variable;

/// Reads and decodes every chunk of every dataset, and tells which are damaged
///
/// Also tells what a writer that died left wrong beside the data, and which files of a manifest are missing or are not
/// what they were: its data are read if there is none. A dataset that cannot be read, as one with a filter that
/// this program does not have, counts as a problem: it was not verified.
#[derive(Debug, Args)]
pub(crate) struct VerifyArgs {
    /// Files, or groups and datasets in them; *, ? and [..] in paths are expanded
    #[arg(value_name = "FILE", required = true, value_parser = location())]
    files: Vec<Location>,
    /// Prints one JSON object for each problem
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    run: RunOptions,
}

/// One thing that is wrong.
#[derive(Debug, Serialize)]
struct Problem {
    place: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    chunk: Option<Vec<u64>>,
    #[serde(rename = "problem")]
    message: String,
}

impl VerifyArgs {
    pub(crate) fn run(&self, context: &Context, out: &mut Out) -> Outcome {
        let run = self.run.to_run(context);
        let mut verifier = Verifier { args: self, context, run, out, datasets: 0, bytes: 0, problems: 0 };
        for pattern in &self.files {
            match expand(pattern) {
                Ok(files) => files.iter().try_for_each(|file| verifier.file(file))?,
                Err(error) => verifier.tell_error(pattern, error)?,
            }
        }
        let Verifier { datasets, bytes, problems, .. } = verifier;
        match problems {
            0 if self.json || self.run.dry_run => Ok(()),
            0 => print(out, &format!("no problems: {}, {}", counted(datasets, "dataset"), Bytes(bytes))),
            problems => {
                Err(Failure::Check(format!("{} in {}", counted(problems, "problem"), counted(datasets, "dataset"))))
            }
        }
    }
}

fn counted(count: u64, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}

struct Verifier<'a> {
    args: &'a VerifyArgs,
    context: &'a Context,
    run: Run,
    out: &'a mut Out,
    datasets: u64,
    bytes: u64,
    problems: u64,
}

impl Verifier<'_> {
    fn file(&mut self, file: &Location) -> Outcome {
        match self.beside_the_data(file) {
            Ok(found) => found.iter().try_for_each(|problem| {
                let message = format!("{problem} (`chunk recover` mends it)");
                self.tell(&Problem { place: file.path().display().to_string(), chunk: None, message })
            })?,
            Err(error) => return self.tell_error(file, error),
        }
        match self.changed_files(file) {
            Ok(changed) if changed.is_empty() => {}
            Ok(changed) => {
                self.datasets += 1;
                return changed.into_iter().try_for_each(|error| self.tell_error(file, error));
            }
            Err(error) => return self.tell_error(file, error),
        }
        match datasets_inside(&self.context.registry, file) {
            Ok(datasets) => datasets.iter().try_for_each(|dataset| self.dataset(dataset)),
            Err(error) => self.tell_error(file, error),
        }
    }

    /// What is wrong with the file as such.
    fn beside_the_data(&self, file: &Location) -> Result<Vec<String>> {
        match self.context.registry.backend_to_read(file)?.growing() {
            Some(growing) => growing.problems(file.path()),
            None => Ok(Vec::new()),
        }
    }

    /// What is wrong with the files of a manifest.
    fn changed_files(&self, file: &Location) -> Result<Vec<Error>> {
        let registry = &self.context.registry;
        if registry.backend_to_read(file)?.name() != ManifestBackend::NAME {
            return Ok(Vec::new());
        }
        let options = ManifestOptions::default().with_outside(self.context.outside);
        let stack = ManifestBackend::new(registry.clone()).with_options(options).stack(file.path())?;
        Ok(stack.changed_files())
    }

    fn dataset(&mut self, location: &Location) -> Outcome {
        let source = match self.context.registry.open(location) {
            Ok(source) => source,
            Err(error) => return self.other_dataset(location, error),
        };
        let source = Lenient::new(source);
        self.datasets += 1;
        if self.args.run.dry_run {
            return match self.run.planner().read(&source) {
                Ok(plan) => print(self.out, &plan.describe()),
                Err(error) => self.tell_error(location, error),
            };
        }
        self.bytes = self.bytes.saturating_add(source.info().bytes());
        let watched = self.args.run.watch(&self.run, format!("verify {location}"));
        let (mut told, mut failure) = (HashSet::new(), None);
        let place = location.to_string();
        let mut tell = |damages: Vec<Damage>| {
            // A chunk that was read in parts is told once.
            for damage in damages.into_iter().filter(|damage| told.insert(damage.number)) {
                let problem = Problem { place: place.clone(), chunk: damage.position, message: damage.message };
                if let Err(stopped) = self.tell(&problem) {
                    failure = Some(stopped);
                    return Err(Error::Cancelled);
                }
            }
            Ok(())
        };
        let found = watched.run().map_in_order(&source, |slab, _| Ok(source.take(slab)), |_, damages| tell(damages));
        match (failure, found) {
            (Some(failure), _) => Err(failure),
            (None, Ok(_)) => Ok(()),
            (None, Err(error)) => self.tell_error(location, error),
        }
    }

    /// A dataset that is no array: elements of variable length are read all the same.
    fn other_dataset(&mut self, location: &Location, error: Error) -> Outcome {
        let found = match error {
            Error::UnsupportedDType { .. } if !self.args.run.dry_run => {
                variable::digest(location, &self.context.cancel).and_then(|found| found.ok_or(error))
            }
            error => Err(error),
        };
        match found {
            Ok((_, bytes)) => {
                self.datasets += 1;
                self.bytes = self.bytes.saturating_add(bytes);
                Ok(())
            }
            Err(error) => self.tell_error(location, error),
        }
    }

    fn tell_error(&mut self, place: &Location, error: Error) -> Outcome {
        // That is no fault of the file.
        if matches!(error, Error::Cancelled | Error::BudgetTooSmall { .. }) {
            return Err(error.into());
        }
        self.tell(&Problem { place: place.to_string(), chunk: None, message: error.report() })
    }

    fn tell(&mut self, problem: &Problem) -> Outcome {
        self.problems += 1;
        if self.args.json {
            return print_json(self.out, problem);
        }
        let Problem { place, chunk, message } = problem;
        // Most messages begin with the place already.
        let place = if message.starts_with(place.as_str()) { String::new() } else { format!("{place}: ") };
        let chunk = match chunk {
            Some(chunk) if !message.contains(&format!("chunk {chunk:?}")) => format!("chunk {chunk:?}: "),
            _ => String::new(),
        };
        print_now(self.out, &one_line(&format!("{place}{chunk}{message}")))
    }
}

/// A chunk that cannot be read.
#[derive(Debug)]
struct Damage {
    /// The number of the chunk; 0 where there are no chunks.
    number: u64,
    position: Option<Vec<u64>>,
    message: String,
}

/// A source that reads on where a chunk is damaged, and remembers which.
#[derive(Debug)]
struct Lenient {
    source: Arc<dyn ChunkSource>,
    grid: Option<Grid>,
    /// What was found in the slabs that are being read.
    damages: Mutex<BTreeMap<Vec<u64>, Vec<Damage>>>,
}

impl Lenient {
    fn new(source: Arc<dyn ChunkSource>) -> Self {
        Lenient { grid: chunk_grid(source.info()), source, damages: Mutex::default() }
    }

    /// What was found in `slab`.
    fn take(&self, slab: &Slab) -> Vec<Damage> {
        self.damages.lock().unwrap_or_else(PoisonError::into_inner).remove(slab.start()).unwrap_or_default()
    }

    /// Reads the chunks that `slab` touches one by one, into `scratch`, as each must be looked at.
    fn look(&self, slab: &Slab, error: Error, scratch: &mut [u8], worker: &Worker) -> Result<Vec<Damage>> {
        let damage = |number, position, error: &Error| Damage { number, position, message: error.report() };
        let Some(grid) = &self.grid else { return Ok(vec![damage(0, None, &error)]) };
        let mut damages = Vec::new();
        for position in grid.touched(slab).positions() {
            let Some(part) = grid.slab(&position).intersection(slab) else { continue };
            let bytes = part.bytes(self.info().dtype.size()) as usize;
            match self.source.read_into(&part, &mut scratch[..bytes], worker) {
                Ok(()) => {}
                Err(Error::Cancelled) => return Err(Error::Cancelled),
                Err(error) => {
                    damages.push(damage(grid.number(&position), Some(position), &error));
                }
            }
        }
        if damages.is_empty() {
            // Each chunk alone can be read: not damage of the data.
            return Err(error);
        }
        Ok(damages)
    }
}

impl ChunkSource for Lenient {
    fn info(&self) -> &DatasetInfo {
        self.source.info()
    }

    fn operation(&self) -> Option<&dyn Operation> {
        None
    }

    fn held_bytes(&self) -> u64 {
        self.source.total_held_bytes()
    }

    fn cost(&self, slab: &Slab, threads: usize) -> Result<Cost> {
        self.source.total_cost(slab, threads)
    }

    fn read_into(&self, slab: &Slab, out: &mut [u8], worker: &Worker) -> Result<()> {
        slab.check(self.info(), out.len())?;
        match self.source.read_into(slab, out, worker) {
            Ok(()) => Ok(()),
            Err(Error::Cancelled) => Err(Error::Cancelled),
            Err(error) => {
                let damages = self.look(slab, error, out, worker)?;
                out.fill(0);
                let mut found = self.damages.lock().unwrap_or_else(PoisonError::into_inner);
                found.insert(slab.start().to_vec(), damages);
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Listed, chunk, chunk_with_failure};
    use chunk_core::{MemoryBackend, MemorySource, Registry};
    use chunk_testkit::SourceCase;

    chunk_testkit::source_conformance!(lenient, || {
        let bytes: Vec<u8> = (0..90 * 70).map(|number: u32| number.to_le_bytes()[0]).collect();
        let source = MemorySource::new([90, 70], &bytes).unwrap().with_chunk_shape([20, 30]).unwrap();
        SourceCase::new(Lenient::new(Arc::new(source)), bytes).without_measuring()
    });

    /// A source whose chunks with an odd first element are damaged.
    #[derive(Debug)]
    struct Odd(MemorySource);

    impl ChunkSource for Odd {
        fn info(&self) -> &DatasetInfo {
            self.0.info()
        }

        fn held_bytes(&self) -> u64 {
            0
        }

        fn operation(&self) -> Option<&dyn Operation> {
            None
        }

        fn cost(&self, slab: &Slab, threads: usize) -> Result<Cost> {
            self.0.cost(slab, threads)
        }

        fn read_into(&self, slab: &Slab, out: &mut [u8], worker: &Worker) -> Result<()> {
            let grid = chunk_grid(self.info()).unwrap();
            match grid.touched(slab).positions().find(|position| position[0] % 2 == 1) {
                Some(chunk) => Err(Error::InvalidArgument(format!("bad: {chunk:?}"))),
                None => self.0.read_into(slab, out, worker),
            }
        }
    }

    #[test]
    fn finds_every_damaged_chunk_once_whatever_the_plan() {
        let source = MemorySource::new([10, 8], &[0_u8; 80]).unwrap().with_chunk_shape([2, 3]).unwrap();
        for budget in [4, 12, 1000] {
            let lenient = Lenient::new(Arc::new(Odd(source.clone())));
            let mut numbers = HashSet::new();
            let run = Run::new().budget(chunk_core::Budget::new(budget).unwrap()).threads(2);
            let plan = run.planner().read(&lenient).unwrap();
            for slab in plan.slabs() {
                lenient.read_into(&slab, &mut vec![0; slab.bytes(1) as usize], &Worker::new()).unwrap();
                numbers.extend(lenient.take(&slab).into_iter().map(|damage| damage.number));
            }
            assert_eq!(numbers, HashSet::from([3, 4, 5, 9, 10, 11]), "{budget}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_a_problem() {
        let (text, failure) = chunk_with_failure(Registry::new().with(Listed::example()), ["verify", "listed:x"]);
        assert!(text.lines().any(|line| line.contains("32013 (zfp)")), "{text}");
        assert_eq!(failure.unwrap().message().unwrap(), "2 problems in 2 datasets");
    }

    #[test]
    fn says_that_there_is_no_problem() {
        let memory = MemoryBackend::new();
        memory.insert("x", MemorySource::new([1024], &[0_u8; 1024]).unwrap());
        let registry = || Registry::new().with(memory.clone());
        assert_eq!(chunk(registry(), ["verify", "memory:x"]).unwrap(), "no problems: 1 dataset, 1 KiB\n");
        assert!(chunk(registry(), ["verify", "memory:x", "--dry-run"]).unwrap().contains("slabs"));
    }
}
