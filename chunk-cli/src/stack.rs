//! `chunk stack`: many datasets end to end, as one.

use chunk_core::{Backend, Bytes, ChunkSource, CreateOptions, DatasetInfo, Error, Location, NewFile, Output, Result};
use chunk_virtual::hdf5::Pieces;
use chunk_virtual::{AnySource, Index, Indices, ManifestBackend, VirtualLayout, VirtualSource, VirtualStack};
use clap::Args;
use serde::Serialize;

use crate::Context;
use crate::dataset::{DatasetArg, dataset, part};
use crate::failure::{Outcome, say};
use crate::inputs::{Inputs, pool};
use crate::job::{JobOptions, Making, absolute_words};
use crate::names::axis_of;
use crate::options::{OutputOptions, RunOptions, location};
use crate::output::{Out, print, print_json};
use crate::progress::ProgressWhen;
use crate::report::{Report, check_apart, described, output_location, with_overwrite_hint};

/// Puts many datasets, end to end, into a new one: copied, or as a virtual dataset or a manifest
///
/// They have the same dtype, and the same shape but along the axis. `chunk append` makes a dataset that can grow, and
/// adds to one that is there.
///
/// With --virtual nothing is copied: OUT is an HDF5 virtual dataset, which other readers of HDF5 know as well. An OUT that
/// ends in .chunks becomes a manifest, a text that names files of any format and tells what they were: every command reads
/// it as a dataset, and `chunk verify` tells which of its files changed. Both name inputs in their own folder or below
/// relative to it, so that all can be moved together; for others they want --unsafe-links when they are read.
#[derive(Debug, Args)]
pub(crate) struct StackArgs {
    /// The new dataset; without ::DATASET it has the first input's name
    #[arg(value_name = "OUT", value_parser = location())]
    output: Location,
    /// What is stacked, in this order, maybe selections; *, ? and [..] in paths are expanded
    #[arg(value_name = "IN", required = true, value_parser = dataset())]
    inputs: Vec<DatasetArg>,
    /// The axis along which they follow one another; a negative one counts from the end
    #[arg(long, value_name = "N", default_value_t = 0, allow_hyphen_values = true)]
    axis: i64,
    /// Writes an HDF5 virtual dataset, which copies nothing; inputs are datasets of HDF5 files, or slices of them
    #[arg(long = "virtual", conflicts_with_all = ["chunks", "filter"])]
    virtually: bool,
    /// Prints one JSON object: bytes, seconds, rate, plan; if nothing is copied, bytes and the number of sources
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    output_options: OutputOptions,
    #[command(flatten)]
    jobs: JobOptions,
    #[command(flatten)]
    run: RunOptions,
}

impl StackArgs {
    pub(crate) fn run(&self, context: &Context, out: &mut Out) -> Outcome {
        let format = context.registry.backend_to_write(&self.output).map(Backend::name);
        if self.virtually {
            return self.write_virtual(context, out);
        }
        if matches!(format, Ok(ManifestBackend::NAME)) {
            return self.save_manifest(context, out);
        }
        let run = self.run.to_run(context);
        let inputs = Inputs::open(&context.registry, &self.inputs, self.axis, self.run.budget())?;
        let output = output_location(&context.registry, &inputs.locations[0], &self.output);
        inputs.locations.iter().try_for_each(|input| check_apart(&context.registry, input, &output))?;
        let info = self.output_options.wished(described(inputs.source.info()))?;
        let options = self.output_options.create_options();
        let report = Report {
            what: format!("stack {output}"),
            input: inputs.name(),
            output: output.to_string(),
            bytes: info.bytes(),
            plan: String::new(),
            json: self.json,
        };
        let words = self.words(context, &inputs, &output)?;
        let to = Output::at(inputs.source, info, &context.registry, output.clone(), options.clone())?;
        let to = to.checked(|created| self.output_options.check_granted(created));
        let hint = |error| with_overwrite_hint(error, &options);
        let making = Making { output: to, location: output, report, words, hint: &hint };
        making.execute(&run, &self.run, &self.jobs, out)
    }

    /// The command as another process would be given it, with patterns expanded.
    fn words(&self, context: &Context, inputs: &Inputs, output: &Location) -> Result<Vec<String>> {
        let mut words = vec!["stack".to_owned(), absolute_words(output)?];
        for input in &self.inputs {
            let expanded = input.expand()?;
            words.extend(expanded.iter().map(DatasetArg::absolute_words).collect::<Result<Vec<_>>>()?);
        }
        words.push(format!("--axis={}", inputs.axis));
        words.extend(self.output_options.words());
        words.extend(self.run.words());
        words.extend(context.opening_words.iter().cloned());
        Ok(words)
    }

    fn write_virtual(&self, context: &Context, out: &mut Out) -> Outcome {
        let registry = &context.registry;
        if registry.backend_to_write(&self.output)?.name() != "hdf5" {
            let what = "a virtual dataset is HDF5; name OUT .h5, or leave out --virtual";
            return Err(Error::unsupported(self.output.path(), what).into());
        }
        let files = self.files(context)?;
        let output = output_location(registry, files[0].0.location(), &self.output);
        files.iter().try_for_each(|(file, _)| check_apart(registry, file.location(), &output))?;
        let pieces = self.pieces(&files).map_err(without_virtual)?;
        let name = output.dataset().unwrap_or_default();
        // A sink makes nothing before it is written to: this says what is wrong with the output.
        let check = |create: &CreateOptions| registry.create(&output, pieces.info().clone(), create).map(drop);
        let made = Made { sources: files.len(), output: &output, info: pieces.info(), what: "virtual dataset" };
        self.make(&made, out, check, || pieces.write(output.path(), name, self.output_options.overwrite()))
    }

    /// The files, slices of them included, end to end.
    fn pieces(&self, files: &[File]) -> Result<Pieces> {
        let parts = files.iter().map(|(file, indices)| part(file.clone(), indices.as_ref()));
        let stack = self.stacked(parts.collect::<Result<Vec<_>>>()?)?;
        if files.iter().all(|(_, indices)| indices.is_none()) {
            return Pieces::of_stack(&stack);
        }
        let info = stack.info();
        let mut layout = VirtualLayout::new(info.shape.clone(), info.dtype.clone()).with_name(&info.name);
        for (number, (file, indices)) in files.iter().enumerate() {
            let mut at = vec![Index::ALL; stack.axis()];
            at.push(stack.range(number).into());
            match indices {
                Some(indices) => layout.place_selected(&Indices::new(at), file.clone(), indices)?,
                None => layout.place(&Indices::new(at), file.clone())?,
            }
        }
        Pieces::of_layout(&layout)
    }

    fn stacked(&self, parts: Vec<AnySource>) -> Result<VirtualStack> {
        let axis = axis_of(self.axis, parts[0].info())?;
        VirtualStack::new(parts, axis.cast_signed())
    }

    fn save_manifest(&self, context: &Context, out: &mut Out) -> Outcome {
        self.output_options.check_copied("a manifest")?;
        let files = self.files(context)?;
        let selected = files.iter().find(|(_, indices)| indices.is_some());
        if let Some((file, _)) = selected {
            let what = format!("{}: a manifest holds whole datasets; leave out the selection", file.location());
            return Err(Error::InvalidArgument(what).into());
        }
        for (file, _) in &files {
            check_apart(&context.registry, file.location(), &self.output)?;
            if context.registry.backend_to_read(file.location())?.name() == ManifestBackend::NAME {
                let what = "is a manifest itself: stack the files that it names";
                return Err(Error::unsupported(file.location().path(), what).into());
            }
        }
        let sources = files.len();
        let stack = self.stacked(files.into_iter().map(|(file, _)| file.into()).collect())?;
        let path = self.output.path();
        let check = |create: &CreateOptions| NewFile::check(path, create.overwrite);
        let made = Made { sources, output: &self.output, info: stack.info(), what: "manifest" };
        self.make(&made, out, check, || stack.save_manifest(path, self.output_options.overwrite()))
    }

    /// The inputs, with the patterns in their paths expanded, each looked at.
    fn files(&self, context: &Context) -> Result<Vec<File>> {
        let inputs = self.inputs.iter().map(DatasetArg::expand).collect::<Result<Vec<_>>>()?.concat();
        let pool = pool(&context.registry, self.run.budget());
        let mut files = Vec::with_capacity(inputs.len());
        for input in &inputs {
            let file = input.open_file(&pool)?;
            files.push(file);
        }
        Ok(files)
    }

    /// Makes an output that copies nothing, unless this is a dry run, and says what it is.
    fn make(
        &self,
        made: &Made,
        out: &mut Out,
        check: impl FnOnce(&CreateOptions) -> Result<()>,
        make: impl FnOnce() -> Result<()>,
    ) -> Outcome {
        let Made { sources, output, info, what } = *made;
        let create = self.output_options.create_options();
        check(&create)
            .and_then(|()| if self.run.dry_run { Ok(()) } else { make() })
            .map_err(|error| with_overwrite_hint(error, &create))?;
        if self.json {
            let (dtype, output) = (info.dtype.to_string(), output.to_string());
            return print_json(out, &MadeRecord { output, sources, shape: &info.shape, dtype, bytes: info.bytes() });
        }
        let line = format!("{what} of {sources} sources: {} {}, {}", info.shape, info.dtype, Bytes(info.bytes()));
        if self.run.dry_run {
            return print(out, &line);
        }
        if self.run.progress != ProgressWhen::Never {
            say(&format!("{output}: {line}"));
        }
        Ok(())
    }
}

/// A file's dataset, and what is selected of it.
type File = (VirtualSource, Option<Indices>);

/// An output that copies nothing.
struct Made<'a> {
    sources: usize,
    output: &'a Location,
    info: &'a DatasetInfo,
    what: &'a str,
}

#[derive(Serialize)]
struct MadeRecord<'a> {
    output: String,
    sources: usize,
    shape: &'a [u64],
    dtype: String,
    /// Bytes of the elements, none of which was copied.
    bytes: u64,
}

/// What cannot be virtual can be copied.
fn without_virtual(error: Error) -> Error {
    match error {
        Error::InvalidArgument(what) => Error::InvalidArgument(format!("{what} (without --virtual they are copied)")),
        error => error,
    }
}

#[cfg(test)]
mod tests {
    use crate::failure::Failure;
    use crate::testing::chunk;
    use chunk_core::{ChunkSourceExt, MemoryBackend, MemorySource, Registry};

    fn stack(args: &[&str]) -> (Result<String, Failure>, MemoryBackend) {
        let memory = MemoryBackend::new();
        memory.insert("a", MemorySource::new([2, 2], &[1_u8, 2, 3, 4]).unwrap());
        memory.insert("b", MemorySource::new([2, 2], &[5_u8, 6, 7, 8]).unwrap());
        memory.insert("c", MemorySource::new([2, 2], &[0.5; 4]).unwrap());
        let args = ["stack"].into_iter().chain(args.iter().copied()).chain(["--progress", "never"]);
        (chunk(Registry::new().with(memory.clone()), args), memory)
    }

    fn read(memory: &MemoryBackend, name: &str) -> chunk_core::Result<Vec<u8>> {
        Registry::new().with(memory.clone()).open(&format!("memory:{name}").parse()?)?.read_all()
    }

    #[test]
    fn puts_datasets_and_selections_end_to_end() {
        let (done, memory) = stack(&["memory:y", "memory:a", "memory:b[::-1]", "--axis", "1"]);
        done.unwrap();
        assert_eq!(read(&memory, "y").unwrap(), [1, 2, 7, 8, 3, 4, 5, 6]);
        let (done, memory) = stack(&["memory:y", "memory:a", "memory:b"]);
        done.unwrap();
        assert_eq!(read(&memory, "y").unwrap(), [1, 2, 3, 4, 5, 6, 7, 8]);
    }

    #[test]
    fn refuses_before_anything_is_created() {
        let cases: [(&[&str], &str); 5] = [
            (&["memory:y", "memory:a", "memory:c"], "memory:c holds float64, not uint8"),
            (&["memory:y", "memory:a", "memory:b[0]"], "memory:b[0, :] has 1 axes"),
            (&["memory:y", "memory:a", "memory:d"], "d: no such file"),
            (&["memory:y", "memory:a", "memory:b", "--axis", "-3"], "axis -3 is out of range"),
            (&["memory:y", "memory:a", "memory:b", "--memory", "2"], "budget of 2 B is too small"),
        ];
        for (args, part) in cases {
            let (done, memory) = stack(args);
            let message = done.unwrap_err().message().unwrap();
            assert!(message.contains(part), "{args:?}: {message}");
            assert!(read(&memory, "y").is_err());
        }
    }
}
