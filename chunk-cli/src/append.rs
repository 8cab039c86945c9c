//! `chunk append`: adds datasets to the end of another.

use std::sync::Arc;

use chunk_core::{Backend, ChunkSink, DatasetInfo, Error, Location, Output, Result, Run};
use clap::Args;

use crate::Context;
use crate::dataset::{DatasetArg, dataset};
use crate::failure::Outcome;
use crate::inputs::Inputs;
use crate::job::{JobOptions, Making};
use crate::options::{OutputOptions, RunOptions, location};
use crate::output::Out;
use crate::report::{Report, check_apart, described, output_location, with_overwrite_hint};

/// Adds datasets to the end of another, which is made if it is not there
///
/// All inputs are checked before the first byte is written; what is added is seen once all of it is on the disk. To start
/// anew, give --overwrite.
#[derive(Debug, Args)]
pub(crate) struct AppendArgs {
    /// The dataset that grows; if it is new, without ::DATASET it has the first input's name
    #[arg(value_name = "OUT", value_parser = location())]
    output: Location,
    /// What is added, in this order, maybe selections; *, ? and [..] in paths are expanded
    #[arg(value_name = "IN", required = true, value_parser = dataset())]
    inputs: Vec<DatasetArg>,
    /// The axis along which it grows; a negative one counts from the end
    #[arg(long, value_name = "N", default_value_t = 0, allow_hyphen_values = true)]
    axis: i64,
    /// Prints one JSON object: bytes, seconds, rate, plan
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    output_options: OutputOptions,
    #[command(flatten)]
    run: RunOptions,
}

impl AppendArgs {
    pub(crate) fn run(&self, context: &Context, out: &mut Out) -> Outcome {
        let run = self.run.to_run(context);
        let inputs = Inputs::open(&context.registry, &self.inputs, self.axis, self.run.budget())?;
        inputs.locations.iter().try_for_each(|input| check_apart(&context.registry, input, &self.output))?;
        match self.open_existing(context, inputs.axis)? {
            Some(sink) => self.append(&run, &inputs, sink, out),
            None => self.create(context, &run, &inputs, out),
        }
    }

    /// Adds to a dataset that is there.
    fn append(&self, run: &Run, inputs: &Inputs, sink: Box<dyn ChunkSink>, out: &mut Out) -> Outcome {
        self.output_options.check_unused(sink.info())?;
        let end = sink.info().shape.get(inputs.axis).copied().unwrap_or(0);
        let plan = run.planner().append(std::slice::from_ref(&inputs.source), &*sink, inputs.axis, end)?;
        let report = self.report(inputs, sink.info(), plan.bytes(), plan.describe());
        report.execute(run, &self.run, out, |run| run.append_planned(&plan, sink))
    }

    /// Makes the dataset, such that it can grow further.
    fn create(&self, context: &Context, run: &Run, inputs: &Inputs, out: &mut Out) -> Outcome {
        let output = output_location(&context.registry, &inputs.locations[0], &self.output);
        let mut info = described(inputs.source.info());
        let most = (0..info.shape.len()).map(|axis| (axis != inputs.axis).then(|| info.shape[axis]));
        info.max_shape = Some(most.collect());
        let info = self.output_options.wished(info)?;
        let options = self.output_options.create_options();
        let report = self.report(inputs, &info.clone().with_name(output.to_string()), info.bytes(), String::new());
        let source = Arc::clone(&inputs.source);
        let to = Output::at(source, info, &context.registry, output.clone(), options.clone())?;
        let to = to.checked(|created| self.output_options.check_granted(created));
        let hint = |error| with_overwrite_hint(error, &options);
        let making = Making { output: to, location: output, report, words: Vec::new(), hint: &hint };
        making.execute(run, &self.run, &JobOptions::default(), out)
    }

    fn report(&self, inputs: &Inputs, output: &DatasetInfo, bytes: u64, plan: String) -> Report {
        let output = output.name.clone();
        Report { what: format!("append to {output}"), input: inputs.name(), output, bytes, plan, json: self.json }
    }

    /// The sink that adds to the output, if that is there and not to be replaced.
    fn open_existing(&self, context: &Context, axis: usize) -> Result<Option<Box<dyn ChunkSink>>> {
        if self.output_options.overwrite() {
            return Ok(None);
        }
        match self.open(context, axis) {
            Ok(sink) => Ok(Some(sink)),
            Err(Error::FileNotFound { .. } | Error::DatasetNotFound { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn open(&self, context: &Context, axis: usize) -> Result<Box<dyn ChunkSink>> {
        let backend = context.registry.backend_to_read(&self.output)?;
        let unsupported = |backend: &dyn Backend| Error::Unsupported {
            path: self.output.path().to_owned(),
            dataset: self.output.dataset().unwrap_or_default().to_owned(),
            what: format!("{} files do not grow; write a new one with `chunk stack`", backend.name()),
        };
        backend.growing().ok_or_else(|| unsupported(backend))?.append(&self.output, axis)
    }
}

#[cfg(test)]
mod tests {
    use crate::failure::Failure;
    use crate::testing::chunk;
    use chunk_core::{ChunkSourceExt, DType, DatasetInfo, Element, MemoryBackend, MemorySource, Registry};

    fn memory() -> MemoryBackend {
        let memory = MemoryBackend::new();
        memory.insert("a", MemorySource::new([2, 3], &[0_i16, 1, 2, 3, 4, 5]).unwrap());
        memory.insert("b", MemorySource::new([1, 3], &[6_i16, 7, 8]).unwrap());
        let info = DatasetInfo::new([1, 3], DType::I16).with_max_shape([None, Some(3)]).with_chunk_shape([2, 3]);
        memory.insert("log", MemorySource::from_bytes(info, i16::as_bytes(&[-1, -2, -3])).unwrap());
        memory
    }

    fn append(memory: &MemoryBackend, args: &[&str]) -> std::result::Result<String, Failure> {
        let args = ["append"].into_iter().chain(args.iter().copied()).chain(["--progress", "never"]);
        chunk(Registry::new().with(memory.clone()), args)
    }

    fn read(memory: &MemoryBackend, name: &str) -> Vec<i16> {
        let place = format!("memory:{name}").parse().unwrap();
        Registry::new().with(memory.clone()).open(&place).unwrap().read_all().unwrap()
    }

    #[test]
    fn adds_to_what_is_there_or_makes_it() {
        let memory = memory();
        append(&memory, &["memory:log", "memory:a", "memory:b"]).unwrap();
        assert_eq!(read(&memory, "log"), [-1, -2, -3, 0, 1, 2, 3, 4, 5, 6, 7, 8]);
        append(&memory, &["memory:new", "memory:b", "memory:a"]).unwrap();
        append(&memory, &["memory:new", "memory:b"]).unwrap();
        assert_eq!(read(&memory, "new"), [6, 7, 8, 0, 1, 2, 3, 4, 5, 6, 7, 8]);
        append(&memory, &["memory:new", "memory:b", "--overwrite"]).unwrap();
        assert_eq!(read(&memory, "new"), [6, 7, 8]);
        append(&memory, &["memory:wide", "memory:a", "memory:a", "--axis", "-1"]).unwrap();
        assert_eq!(read(&memory, "wide"), [0, 1, 2, 0, 1, 2, 3, 4, 5, 3, 4, 5]);
    }

    #[test]
    fn refuses_before_the_first_byte() {
        let cases: [(&[&str], &str); 8] = [
            (&["memory:log", "memory:a", "memory:flat"], "memory:flat has 1 axes"),
            (&["memory:log", "memory:a", "memory:float"], "holds float64, not int16"),
            (&["memory:log", "memory:a", "memory:none"], "no such file"),
            (&["memory:log", "memory:a", "memory:log"], "is the input as well as the output"),
            (&["memory:log", "memory:a", "--axis", "1"], "axis 1 cannot grow"),
            (&["memory:log", "memory:a", "--axis", "2"], "axis 2 is out of range"),
            (&["memory:log", "memory:a", "--memory", "2"], "budget of 2 B is too small"),
            (&["memory:log", "memory:a", "--chunks", "1,1"], "--chunks"),
        ];
        for (args, part) in cases {
            let memory = memory();
            memory.insert("flat", MemorySource::new([3], &[0_i16; 3]).unwrap());
            memory.insert("float", MemorySource::new([1, 3], &[0.0; 3]).unwrap());
            let message = append(&memory, args).unwrap_err().message().unwrap();
            assert!(message.contains(part), "{args:?}: {message}");
            assert_eq!(read(&memory, "log"), [-1, -2, -3], "{args:?}");
        }
    }

    #[test]
    fn a_dry_run_writes_nothing() {
        let memory = memory();
        let text = append(&memory, &["memory:log", "memory:a", "--dry-run"]).unwrap();
        assert!(text.contains("slabs"), "{text}");
        assert_eq!(read(&memory, "log"), [-1, -2, -3]);
    }
}
