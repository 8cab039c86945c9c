//! `chunk stack`: many datasets end to end, as one.

use chunk_core::Location;
use clap::Args;

use crate::Context;
use crate::dataset::{DatasetArg, dataset};
use crate::failure::Outcome;
use crate::inputs::Inputs;
use crate::job::{Job, check_apart, described, output_location, plan_copy};
use crate::options::{OutputOptions, RunOptions, location};
use crate::output::Out;

/// Copies many datasets, end to end, to a new one
///
/// They have the same dtype, and the same shape but along the axis. `chunk append` makes a dataset that can grow, and
/// adds to one that is there.
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
    /// Prints one JSON object: bytes, seconds, rate, plan
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    output_options: OutputOptions,
    #[command(flatten)]
    run: RunOptions,
}

impl StackArgs {
    pub(crate) fn run(&self, context: &Context, out: &mut Out) -> Outcome {
        let run = self.run.to_run(context);
        let inputs = Inputs::open(&context.registry, &self.inputs, self.axis, self.run.budget())?;
        let output = output_location(&context.registry, &inputs.locations[0], &self.output);
        inputs.locations.iter().try_for_each(|input| check_apart(&context.registry, input, &output))?;
        let info = described(inputs.source.info());
        let planned = plan_copy(&context.registry, &run, &inputs.source, &output, info, &self.output_options);
        let (plan, sink) = planned?;
        let job = Job {
            what: format!("stack {output}"),
            input: inputs.name(),
            output: sink.info().name.clone(),
            bytes: plan.bytes(),
            plan: plan.describe(),
            json: self.json,
        };
        job.execute(&run, &self.run, out, |run| run.copy_planned(&plan, &inputs.source, sink))
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
