//! `chunk append`: adds datasets to the end of another.

use std::sync::Arc;

use chunk_core::{AppendPlan, Backend, ChunkSink, ChunkSource, Error, Location, Result, Run};
use clap::Args;

use crate::Context;
use crate::convert::described;
use crate::failure::Outcome;
use crate::job::{Job, check_apart, output_location, with_overwrite_hint};
use crate::names::{axis_of, expand};
use crate::options::{OutputOptions, RunOptions, location};
use crate::output::Out;

/// Adds datasets to the end of another, which is made if it is not there
///
/// All inputs are checked before the first byte is written; what is added is seen once all of it is on the disk. To start
/// anew, give --overwrite.
#[derive(Debug, Args)]
pub(crate) struct AppendArgs {
    /// The dataset that grows; if it is new, without ::DATASET it has the first input's name
    #[arg(value_name = "OUT", value_parser = location())]
    output: Location,
    /// What is added, in this order; *, ? and [..] in paths are expanded
    #[arg(value_name = "IN", required = true, value_parser = location())]
    inputs: Vec<Location>,
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

/// What is written, where, by what plan.
struct Appending {
    plan: AppendPlan,
    sink: Box<dyn ChunkSink>,
    output: Location,
}

impl AppendArgs {
    pub(crate) fn run(&self, context: &Context, out: &mut Out) -> Outcome {
        let run = self.run.to_run(context);
        let inputs = self.inputs.iter().map(expand).collect::<Result<Vec<_>>>()?.concat();
        inputs.iter().try_for_each(|input| check_apart(input, &self.output))?;
        let sources = inputs.iter().map(|input| context.registry.open(input)).collect::<Result<Vec<_>>>()?;
        let Appending { plan, sink, output } = self.plan(context, &run, &inputs, &sources)?;
        let input = match inputs.as_slice() {
            [input] => input.to_string(),
            inputs => format!("{} datasets", inputs.len()),
        };
        let job = Job {
            what: format!("append to {output}"),
            input,
            output: &output,
            bytes: plan.bytes(),
            plan: plan.describe(),
            json: self.json,
        };
        job.execute(&run, &self.run, out, |run| run.append_planned(&plan, sink))
    }

    /// Opens the dataset to add to, or describes a new one, and checks all that can be checked before anything is written.
    fn plan(
        &self,
        context: &Context,
        run: &Run,
        inputs: &[Location],
        sources: &[Arc<dyn ChunkSource>],
    ) -> Result<Appending> {
        let first = sources[0].info();
        let axis = axis_of(self.axis, first)?;
        if !self.output_options.overwrite() {
            match self.open(context, axis) {
                Ok(sink) => {
                    self.output_options.check_unused(sink.info())?;
                    let plan = run.planner().append(sources, &*sink, axis, sink.info().shape[axis])?;
                    return Ok(Appending { plan, sink, output: self.output.clone() });
                }
                Err(Error::FileNotFound { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        let output = output_location(&context.registry, &inputs[0], &self.output);
        let mut info = described(first);
        let extents = sources.iter().map(|source| source.info().shape.get(axis).copied().unwrap_or(0));
        info.shape = info.shape.with_axis(axis, extents.fold(0, u64::saturating_add));
        let most = (0..info.shape.len()).map(|other| (other != axis).then(|| info.shape[other]));
        info.max_shape = Some(most.collect());
        let options = self.output_options.create_options();
        let sink = context.registry.create(&output, self.output_options.wished(info)?, &options);
        let sink = sink.map_err(|error| with_overwrite_hint(error, &options))?;
        let plan = run.planner().append(sources, &*sink, axis, 0)?;
        Ok(Appending { plan, sink, output })
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
            (&["memory:log", "memory:a", "memory:flat"], "does not fit"),
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
