//! `chunk demo`: the main job from beginning to end, checked.
//!
//! Writes noise to a Blosc-compressed HDF5 file, transforms it along both axes and compares samples with the sum
//! that defines the transform, none of it in more memory than the budget.

mod noise;
mod verify;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use chunk_core::{
    Budget, Bytes, ChunkSink, ChunkSource, CreateOptions, DatasetInfo, Error, Job, Location, Output, Plan, Result, Run,
};
use chunk_ops::{AxisOrigin, output_info};
use clap::Args;

use crate::Context;
use crate::failure::{Failure, Outcome};
use crate::options::{OVERWRITE_HINT, RunOptions};
use crate::output::{Out, one_line, print, print_now, rate_text};
pub(crate) use noise::Noise;

/// Makes a Blosc-compressed HDF5 dataset, transforms it along both axes, verifies the result and says how fast
#[derive(Debug, Args)]
pub(crate) struct DemoArgs {
    /// The folder for the files, which stay
    #[arg(value_name = "DIR", default_value = "chunk-demo")]
    folder: PathBuf,
    /// Size of the dataset, at least 1M
    #[arg(long, value_name = "SIZE", default_value = "1G", allow_hyphen_values = true, value_parser = size)]
    size: Bytes,
    /// Replaces files that exist, once the new ones are complete
    #[arg(long)]
    overwrite: bool,
    #[command(flatten)]
    run: RunOptions,
}

const COLUMNS: u64 = 8192;
const CHUNK_ROWS: u64 = 1024;
const ROW_BYTES: u64 = COLUMNS * 16;
const LEAST_CHUNKS: u64 = 8;
const LEAST_BYTES: u64 = LEAST_CHUNKS * ROW_BYTES;
const DATASET: &str = "/data";
const INPUT: &str = "chunk-demo.h5";
const OUTPUTS: [(usize, &str); 2] = [(1, "chunk-demo-fft-axis-1.h5"), (0, "chunk-demo-fft-axis-0.h5")];
const FILTER: &str = "blosc:lz4:5";
const SEED: u64 = 1965;

fn size(text: &str) -> Result<Bytes> {
    let size: Bytes = text.parse()?;
    if size.0 < LEAST_BYTES {
        return Err(Error::InvalidBytes { text: text.to_owned(), reason: "the demo makes at least 1M" });
    }
    Ok(size)
}

impl DemoArgs {
    pub(crate) fn run(&self, context: &Context, out: &mut Out) -> Outcome {
        // The default depends on what is free: asked once.
        let budget = self.run.budget();
        let run = self.run.to_run(context).budget(budget);
        let folder = if self.run.dry_run { existing(&self.folder) } else { &self.folder };
        let demo = Demo { context, args: self, folder, budget, run };
        demo.check_names_are_free()?;
        if self.run.dry_run {
            return print(out, &demo.plans()?.join("\n\n"));
        }
        let mut made = Made::begin(&self.folder)?;
        demo.plans()?;
        let finding = demo.work(&mut made, out)?;
        made.keep();
        print_now(out, &format!("files   left in {}", one_line(&self.folder.display().to_string())))?;
        if finding.holds() {
            return Ok(());
        }
        Err(Failure::Check(format!("the transform is wrong: {finding}")))
    }
}

/// The folder, or the nearest one above it that is there: a dry run creates none.
fn existing(folder: &Path) -> &Path {
    folder.ancestors().find(|folder| folder.is_dir()).unwrap_or(Path::new("."))
}

struct Demo<'a> {
    context: &'a Context,
    args: &'a DemoArgs,
    folder: &'a Path,
    budget: Budget,
    run: Run,
}

impl Demo<'_> {
    fn location(&self, name: &str) -> Location {
        Location::new(self.folder.join(name)).with_scheme("hdf5").with_dataset(DATASET)
    }

    fn noise(&self) -> Noise {
        let rows = self.args.size.0 / ROW_BYTES;
        Noise::new(rows, COLUMNS, (rows / LEAST_CHUNKS).clamp(1, CHUNK_ROWS), SEED)
    }

    fn options(&self) -> CreateOptions {
        CreateOptions::default().with_overwrite(self.args.overwrite).with_filter(FILTER)
    }

    /// That no file is in the way, before anything is begun.
    fn check_names_are_free(&self) -> Result<()> {
        let names = [INPUT].into_iter().chain(OUTPUTS.map(|(_, name)| name));
        let mut taken = names.map(|name| self.folder.join(name)).filter(|path| path.symlink_metadata().is_ok());
        match taken.next() {
            Some(path) if !self.args.overwrite => {
                Err(Error::AlreadyExists { path, dataset: String::new(), hint: OVERWRITE_HINT })
            }
            _ => Ok(()),
        }
    }

    fn plan_input(&self, noise: &Noise) -> Result<(Plan, Box<dyn ChunkSink>)> {
        let location = self.location(INPUT);
        let build = |info: DatasetInfo| self.context.registry.create(&location, info, &self.options());
        self.run.planner().create(noise, noise.info(), &build)
    }

    fn plan_transform(&self, source: Arc<dyn ChunkSource>, axis: usize, name: &str) -> Result<Job> {
        let input = source.info().clone();
        let node = chunk_ops::fft(source, axis)?;
        let info = output_info(&input, node.info(), &AxisOrigin::along(input.shape.len(), axis))?;
        let registry = &self.context.registry;
        let output = Output::at(Arc::new(node), info, registry, self.location(name), self.options())?;
        Job::plan(&self.run, &[output], self.folder)
    }

    /// The plans of all that will be done, with the noise itself in place of the file that is not there yet. Refuses
    /// what can be refused before anything is written.
    fn plans(&self) -> Result<Vec<String>> {
        let mut plans = vec![format!("write {INPUT}\n{}", self.plan_input(&self.noise())?.0.describe())];
        for (axis, name) in OUTPUTS {
            let job = self.plan_transform(Arc::new(self.noise()), axis, name)?;
            plans.push(format!("transform along axis {axis} to {name}\n{}", job.describe()));
        }
        Ok(plans)
    }

    fn work(&self, made: &mut Made, out: &mut Out) -> std::result::Result<verify::Finding, Failure> {
        let noise = self.noise();
        let bytes = noise.info().bytes();
        let info = noise.info();
        print_now(out, &format!("data    {} {} noise, {}", info.shape, info.dtype, Bytes(bytes)))?;

        let (plan, sink) = self.plan_input(&noise)?;
        let chunk_shape = sink.info().chunk_shape.clone().unwrap_or_default();
        let seconds = timed(|| {
            let watched = self.args.run.watch(&self.run, "write");
            watched.run().copy_planned(&plan, &noise, sink)
        })?;
        let input = self.location(INPUT);
        let stored = made.add(input.path());
        let layout = format!("{FILTER}, chunks {chunk_shape}, {}", stored_text(bytes, stored));
        print_now(out, &format!("write   {}: {layout}", timing(bytes, seconds)))?;

        let mut finding = verify::input(&noise, &*self.context.registry.open(&input)?)?;
        for (axis, name) in OUTPUTS {
            let job = self.plan_transform(self.context.registry.open(&input)?, axis, name)?;
            let seconds = timed(|| {
                let watched = self.args.run.watch(&self.run, format!("fft along axis {axis}"));
                job.execute(watched.run())
            })?;
            let output = self.location(name);
            let stored = made.add(output.path());
            let stored = stored_text(bytes, stored);
            print_now(out, &format!("axis {axis}  {}: fft, file to file, {stored}", timing(bytes, seconds)))?;
            finding = finding.and(verify::transform(&noise, &*self.context.registry.open(&output)?, axis)?);
        }
        print_now(out, &format!("check   {finding}"))?;
        if let Some(peak) = peak_memory() {
            print_now(out, &format!("memory  peak {peak} of the process, budget {}", self.budget))?;
        }
        Ok(finding)
    }
}

fn timed(work: impl FnOnce() -> Result<()>) -> Result<f64> {
    let begun = Instant::now();
    work()?;
    Ok(begun.elapsed().as_secs_f64())
}

fn timing(bytes: u64, seconds: f64) -> String {
    format!("{seconds:.2} s, {}", rate_text(bytes, seconds))
}

fn stored_text(bytes: u64, stored: Option<u64>) -> String {
    match stored {
        Some(stored) => format!("{} in the file, {:.2} to 1", Bytes(stored), bytes as f64 / stored.max(1) as f64),
        None => "in the file".to_owned(),
    }
}

/// What the demo made so far; goes again if the demo does not come to its end.
struct Made {
    folder: PathBuf,
    folder_is_new: bool,
    files: Vec<PathBuf>,
    kept: bool,
}

impl Made {
    fn begin(folder: &Path) -> Result<Self> {
        let folder_is_new = !folder.exists();
        fs::create_dir_all(folder).map_err(|cause| Error::io(folder, "create", cause))?;
        Ok(Made { folder: folder.to_owned(), folder_is_new, files: Vec::new(), kept: false })
    }

    /// Counts a file that is complete, and returns its size.
    fn add(&mut self, file: &Path) -> Option<u64> {
        self.files.push(file.to_owned());
        fs::metadata(file).ok().map(|metadata| metadata.len())
    }

    fn keep(&mut self) {
        self.kept = true;
    }
}

impl Drop for Made {
    fn drop(&mut self) {
        if self.kept {
            return;
        }
        for file in &self.files {
            let _ = fs::remove_file(file);
        }
        if self.folder_is_new {
            // Refused if something else is in it by now.
            let _ = fs::remove_dir(&self.folder);
        }
    }
}

/// The most memory that this process had resident, where the system tells.
fn peak_memory() -> Option<Bytes> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(Bytes(kibibytes * 1024))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_below_the_least_are_refused() {
        assert_eq!(size("1M").unwrap(), Bytes(1 << 20));
        for text in ["0", "1000K", "-5", "12Q"] {
            assert!(size(text).is_err(), "{text}");
        }
    }

    #[test]
    fn an_unfinished_demo_leaves_nothing() {
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("demo");
        let mut made = Made::begin(&folder).unwrap();
        fs::write(folder.join("x"), "123").unwrap();
        assert_eq!(made.add(&folder.join("x")), Some(3));
        drop(made);
        assert!(!folder.exists());
    }

    #[test]
    fn what_others_left_in_the_folder_stays() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("theirs"), "").unwrap();
        drop(Made::begin(folder.path()).unwrap());
        assert!(folder.path().join("theirs").exists());
    }
}
