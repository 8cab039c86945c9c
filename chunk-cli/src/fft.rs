//! `chunk fft`: the Fourier transform of a dataset along any axis, file to file.

use std::sync::Arc;

use chunk_core::{ChunkSource, Location, Output, Result};
use chunk_ops::{AxisOrigin, Fft, output_info};
use clap::Args;

use crate::Context;
use crate::dataset::{Dataset, DatasetArg, dataset};
use crate::failure::Outcome;
use crate::job::{JobOptions, Making, absolute_words};
use crate::names::axis_of;
use crate::options::{OutputOptions, RunOptions, location};
use crate::output::Out;
use crate::report::{Report, check_apart, output_location, with_overwrite_hint};

/// Transforms a dataset along any axis, the chunked one included
///
/// Forward transforms are unscaled, inverse ones divide by the length, as numpy.fft has it. Single precision stays
/// single.
#[derive(Debug, Args)]
pub(crate) struct FftArgs {
    /// The dataset that is transformed, maybe a selection: run.h5::/v[10:20]
    #[arg(value_name = "IN", value_parser = dataset())]
    input: DatasetArg,
    /// Where the result goes; without ::DATASET the input's name
    #[arg(value_name = "OUT", value_parser = location())]
    output: Location,
    /// The axis; a negative one counts from the end
    #[arg(long, value_name = "N", allow_hyphen_values = true)]
    axis: i64,
    /// The inverse transform
    #[arg(long)]
    inverse: bool,
    /// Real input, half the spectrum: numpy.fft.rfft, and irfft with --inverse
    #[arg(long)]
    real: bool,
    /// Length of the axis after --inverse --real [default: 2 (m - 1) for m frequencies]
    #[arg(long, value_name = "N", requires = "inverse", requires = "real")]
    length: Option<u64>,
    /// Prints one JSON object: bytes, seconds, rate, plan
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    output_options: OutputOptions,
    #[command(flatten)]
    jobs: JobOptions,
    #[command(flatten)]
    run: RunOptions,
}

impl FftArgs {
    pub(crate) fn run(&self, context: &Context, out: &mut Out) -> Outcome {
        let Dataset { source, location: input } = self.input.open(&context.registry)?;
        let axis = axis_of(self.axis, source.info())?;
        let output = output_location(&context.registry, &input, &self.output);
        check_apart(&context.registry, &input, &output)?;
        let input = source.info().clone();
        let node = self.node(source, axis)?;
        let info = output_info(&input, node.info(), &AxisOrigin::along(input.shape.len(), axis))?;
        let info = self.output_options.wished(info)?;
        let options = self.output_options.create_options();
        let report = Report {
            what: format!("fft {}", self.input),
            input: self.input.to_string(),
            output: output.to_string(),
            bytes: info.bytes(),
            plan: String::new(),
            json: self.json,
        };
        let words = self.words(context, axis, &output)?;
        let to = Output::at(Arc::new(node), info, &context.registry, output.clone(), options.clone())?;
        let to = to.checked(|created| self.output_options.check_granted(created));
        let hint = |error| with_overwrite_hint(error, &options);
        let making = Making { output: to, location: output, report, words, hint: &hint };
        making.execute(&self.run.to_run(context), &self.run, &self.jobs, out)
    }

    /// The command as another process would be given it.
    fn words(&self, context: &Context, axis: usize, output: &Location) -> Result<Vec<String>> {
        let mut words = vec!["fft".to_owned(), self.input.absolute_words()?, absolute_words(output)?];
        words.push(format!("--axis={axis}"));
        words.extend(self.inverse.then(|| "--inverse".to_owned()));
        words.extend(self.real.then(|| "--real".to_owned()));
        words.extend(self.length.map(|length| format!("--length={length}")));
        words.extend(self.output_options.words());
        words.extend(self.run.words());
        words.extend(context.opening_words.iter().cloned());
        Ok(words)
    }

    fn node(&self, source: Arc<dyn ChunkSource>, axis: usize) -> Result<Fft> {
        match (self.real, self.inverse) {
            (false, false) => chunk_ops::fft(source, axis),
            (false, true) => chunk_ops::ifft(source, axis),
            (true, false) => chunk_ops::rfft(source, axis),
            (true, true) => {
                let frequencies = source.info().shape[axis];
                let length = self.length.unwrap_or(frequencies.saturating_sub(1).saturating_mul(2));
                chunk_ops::irfft(source, axis, length)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::chunk;
    use chunk_core::{ChunkSourceExt, Complex, DType, MemoryBackend, MemorySource, Registry};

    const QUIET: [&str; 2] = ["--progress", "never"];

    fn memory() -> MemoryBackend {
        let elements: Vec<f64> = (0..24).map(|i| f64::from(i * i % 7)).collect();
        let memory = MemoryBackend::new();
        memory.insert("x", MemorySource::new([4, 6], &elements).unwrap().with_chunk_shape([2, 6]).unwrap());
        memory
    }

    fn fft(memory: &MemoryBackend, args: &[&str]) -> std::result::Result<String, crate::failure::Failure> {
        chunk(Registry::new().with(memory.clone()), ["fft"].into_iter().chain(args.iter().copied()).chain(QUIET))
    }

    fn read(memory: &MemoryBackend, name: &str) -> Arc<dyn ChunkSource> {
        Registry::new().with(memory.clone()).open(&format!("memory:{name}").parse().unwrap()).unwrap()
    }

    #[test]
    fn a_negative_axis_counts_from_the_end() {
        let memory = memory();
        assert_eq!(fft(&memory, &["memory:x", "memory:y", "--axis", "-1"]).unwrap(), "");
        fft(&memory, &["memory:x", "memory:z", "--axis=1"]).unwrap();
        let elements = read(&memory, "y").read_all::<Complex<f64>>().unwrap();
        assert_eq!(elements, read(&memory, "z").read_all::<Complex<f64>>().unwrap());
        let row: f64 = (0..6).map(|i| f64::from(i * i % 7)).sum();
        assert!((elements[0] - row).norm() < 1e-12);
    }

    #[test]
    fn inverts_what_it_transformed() {
        let memory = memory();
        fft(&memory, &["memory:x", "memory:half", "--axis", "1", "--real"]).unwrap();
        assert_eq!(read(&memory, "half").info().shape.to_string(), "(4, 4)");
        fft(&memory, &["memory:half", "memory:back", "--axis", "1", "--real", "--inverse"]).unwrap();
        let (x, back) = (read(&memory, "x"), read(&memory, "back"));
        let difference = |(a, b): (&f64, &f64)| (a - b).abs();
        let (x, back) = (x.read_all::<f64>().unwrap(), back.read_all::<f64>().unwrap());
        assert!(x.iter().zip(&back).map(difference).all(|difference| difference < 1e-12));
        fft(&memory, &["memory:half", "memory:odd", "--axis", "1", "--real", "--inverse", "--length", "7"]).unwrap();
        assert_eq!(read(&memory, "odd").info().shape.to_string(), "(4, 7)");
    }

    #[test]
    fn refuses_before_anything_is_created() {
        let cases: [(&[&str], u8, &str); 10] = [
            (&["memory:x", "memory:y", "--axis", "2"], 1, "axis 2 is out of range for"),
            (&["memory:x", "memory:y", "--axis", "-3"], 1, "axis -3 is out of range for"),
            (&["memory:x", "memory:x", "--axis", "0"], 1, "is the input as well as the output"),
            (&["memory:x", "memory:x", "--axis", "0", "--overwrite"], 1, "is the input as well as the output"),
            (&["memory:none", "memory:y", "--axis", "0"], 1, "no such file"),
            (&["memory:x", "nothing:y", "--axis", "0"], 1, "no backend for it (there are memory)"),
            (&["memory:x", "memory:y", "--axis", "0", "--memory", "10"], 1, "budget of 10 B is too small"),
            (&["memory:x", "memory:y", "--axis", "0", "--chunks", "2"], 1, "has 1 axes"),
            (&["memory:x", "memory:y", "--axis", "zero"], 2, "--axis"),
            (&["memory:x", "memory:y", "--axis", "0", "--length", "4"], 2, "--inverse"),
        ];
        for (args, status, part) in cases {
            let memory = memory();
            let failure = fft(&memory, args).unwrap_err();
            let message = failure.message().unwrap();
            assert!(failure.status() == status && message.contains(part), "{args:?}: {message}");
            assert!(!message.contains('\n'));
            assert!(Registry::new().with(memory).open(&"memory:y".parse().unwrap()).is_err(), "{args:?}");
        }
    }

    #[test]
    fn an_output_that_exists_is_replaced_only_when_asked() {
        let memory = memory();
        memory.insert("y", MemorySource::new([1], &[1.0]).unwrap());
        assert!(
            fft(&memory, &["memory:x", "memory:y", "--axis", "0"]).unwrap_err().message().unwrap().contains("exists")
        );
        assert_eq!(read(&memory, "y").read_all::<f64>().unwrap(), [1.0]);
        fft(&memory, &["memory:x", "memory:y", "--axis", "0", "--overwrite"]).unwrap();
        assert_eq!(read(&memory, "y").info().dtype, DType::ComplexF64);
    }

    #[test]
    fn a_dry_run_prints_the_plan_and_creates_nothing() {
        let memory = memory();
        let text = fft(&memory, &["memory:x", "memory:y", "--axis", "0", "--dry-run"]).unwrap();
        assert!(text.contains("slabs"), "{text}");
        assert!(Registry::new().with(memory).open(&"memory:y".parse().unwrap()).is_err());
    }

    #[test]
    fn prints_what_it_did_as_json() {
        let text = fft(&memory(), &["memory:x", "memory:y", "--axis", "0", "--json"]).unwrap();
        let object: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(object["bytes"], 24 * 16);
        assert_eq!(object["output"], "memory:y::/data");
        assert!(object["seconds"].is_f64() && object["bytes_per_second"].is_f64());
        assert!(object["plan"].as_str().unwrap().contains("slabs"));
    }
}
