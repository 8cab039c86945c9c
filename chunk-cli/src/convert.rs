//! `chunk convert`: a copy of a dataset in another format, with other chunks, another filter, another dtype.

use std::sync::Arc;

use chunk_core::{Attribute, Casting, ChunkSource, Conversion, DType, Location, Output, Result, cast_if_needed};
use clap::Args;

use crate::Context;
use crate::dataset::{Dataset, DatasetArg, dataset};
use crate::failure::{Outcome, say};
use crate::job::{JobOptions, Making, absolute_words};
use crate::options::{OutputOptions, RunOptions, location};
use crate::output::Out;
use crate::report::{Report, check_apart, described, output_location, with_overwrite_hint};

/// Copies a dataset: to another format, with other chunks, another filter or another dtype
///
/// Values are never changed silently: a dtype that --casting does not allow, or a value that the new dtype does not have,
/// is an error, and leaves no output.
///
/// Attributes of the dataset come along where the output's format has them; not those that say how its own file holds it:
/// dimension scales, labels of axes, PyTables' class. netCDF's _FillValue is cast as the elements are.
#[derive(Debug, Args)]
pub(crate) struct ConvertArgs {
    /// The dataset that is copied, maybe a selection: run.h5::/v[10:20, ::-2]
    #[arg(value_name = "IN", value_parser = dataset())]
    input: DatasetArg,
    /// Where it goes, in the format of its ending or scheme; without ::DATASET the input's name
    #[arg(value_name = "OUT", value_parser = location())]
    output: Location,
    /// The dtype of the output, as float32 or f4 [default: the input's]
    #[arg(long, value_name = "DTYPE")]
    dtype: Option<DType>,
    /// How freely --dtype may change values, as NumPy has it: no, equiv, safe, same_kind or unsafe
    #[arg(long, value_name = "RULE", default_value = "same_kind", requires = "dtype")]
    casting: Casting,
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

impl ConvertArgs {
    pub(crate) fn run(&self, context: &Context, out: &mut Out) -> Outcome {
        let Dataset { source, location: input } = self.input.open(&context.registry)?;
        let output = output_location(&context.registry, &input, &self.output);
        check_apart(&context.registry, &input, &output)?;
        let attributes = self.attributes(context, &input, &source.info().dtype)?;
        let source = self.cast(source)?;
        let info = self.output_options.wished(described(source.info()))?;
        let options = self.output_options.create_options().with_attributes(attributes);
        let report = Report {
            what: format!("convert {}", self.input),
            input: self.input.to_string(),
            output: output.to_string(),
            bytes: info.bytes(),
            plan: String::new(),
            json: self.json,
        };
        let words = self.words(context, &output)?;
        let to = Output::at(source, info, &context.registry, output.clone(), options.clone())?;
        let to = to.checked(|created| self.output_options.check_granted(created));
        let hint = |error| with_overwrite_hint(error, &options);
        let making = Making { output: to, location: output, report, words, hint: &hint };
        making.execute(&self.run.to_run(context), &self.run, &self.jobs, out)
    }

    /// The command as another process would be given it.
    fn words(&self, context: &Context, output: &Location) -> Result<Vec<String>> {
        let mut words = vec!["convert".to_owned(), self.input.absolute_words()?, absolute_words(output)?];
        if let Some(dtype) = &self.dtype {
            words.push(format!("--dtype={dtype}"));
            words.push(format!("--casting={}", self.casting));
        }
        words.extend(self.output_options.words());
        words.extend(self.run.words());
        words.extend(context.opening_words.iter().cloned());
        Ok(words)
    }

    /// The attributes that come along; those that cannot are told.
    fn attributes(&self, context: &Context, input: &Location, stored: &DType) -> Result<Vec<(String, Attribute)>> {
        let mut attributes = context.registry.attributes(input)?;
        attributes.retain(|(name, value)| match value {
            Attribute::Other(why) => {
                say(&format!("{input}: attribute {name} is left out: {why}"));
                false
            }
            _ => true,
        });
        if let Some(dtype) = &self.dtype {
            for (name, value) in attributes.iter_mut().filter(|(name, _)| name == FILL_VALUE) {
                *value = cast_attribute(value, stored, dtype, self.casting, &format!("{input}@{name}"))?;
            }
        }
        Ok(attributes)
    }

    fn cast(&self, input: Arc<dyn ChunkSource>) -> Result<Arc<dyn ChunkSource>> {
        match &self.dtype {
            Some(dtype) => cast_if_needed(input, dtype, self.casting),
            None => Ok(input),
        }
    }
}

/// The attribute by which netCDF says which elements are none: of the dtype of the elements.
const FILL_VALUE: &str = "_FillValue";

/// The value cast as elements of the dataset are, if it is one of them.
fn cast_attribute(value: &Attribute, from: &DType, to: &DType, casting: Casting, name: &str) -> Result<Attribute> {
    let Attribute::Elements(elements) = value else { return Ok(value.clone()) };
    if elements.dtype() != from {
        return Ok(value.clone());
    }
    let mut cast = vec![0; elements.shape().elements() as usize * to.size()];
    Conversion::new(from, to, casting, name)?.apply(elements.bytes(), &mut cast)?;
    Attribute::elements(to.clone(), elements.shape().clone(), cast)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::Failure;
    use crate::testing::chunk;
    use chunk_core::{ChunkSourceExt, MemoryBackend, MemorySource, Registry};

    fn memory() -> MemoryBackend {
        let elements: Vec<f64> = (0..24).map(f64::from).collect();
        let memory = MemoryBackend::new();
        memory.insert("x", MemorySource::new([4, 6], &elements).unwrap().with_chunk_shape([2, 6]).unwrap());
        memory
    }

    fn convert(memory: &MemoryBackend, args: &[&str]) -> std::result::Result<String, Failure> {
        let args = ["convert"].into_iter().chain(args.iter().copied()).chain(["--progress", "never"]);
        chunk(Registry::new().with(memory.clone()), args)
    }

    fn read(memory: &MemoryBackend, name: &str) -> Arc<dyn ChunkSource> {
        Registry::new().with(memory.clone()).open(&format!("memory:{name}").parse().unwrap()).unwrap()
    }

    #[test]
    fn copies_with_other_chunks_and_another_dtype() {
        let memory = memory();
        convert(&memory, &["memory:x", "memory:y", "--chunks", "3,2", "--dtype", "f4"]).unwrap();
        let y = read(&memory, "y");
        assert_eq!(y.info().chunk_shape, Some([3, 2].into()));
        assert_eq!(y.read_all::<f32>().unwrap(), (0..24_u8).map(f32::from).collect::<Vec<_>>());
    }

    #[test]
    fn refuses_before_anything_is_created() {
        let cases: [(&[&str], u8, &str); 7] = [
            (&["memory:x", "memory:x"], 1, "is the input as well as the output"),
            (&["memory:x", "memory:y", "--dtype", "i4"], 1, "same_kind does not make it int32"),
            (&["memory:x", "memory:y", "--dtype", "f5"], 2, "is not a dtype"),
            (&["memory:x", "memory:y", "--casting", "safe"], 2, "--dtype"),
            (&["memory:x", "memory:y", "--dtype", "f4", "--casting", "wild"], 2, "is not a casting rule"),
            (&["memory:x", "memory:y", "--filter", "zip"], 1, "zip"),
            (&["memory:x", "memory:y", "--memory", "10"], 1, "budget of 10 B is too small"),
        ];
        for (args, status, part) in cases {
            let memory = memory();
            let failure = convert(&memory, args).unwrap_err();
            let message = failure.message().unwrap();
            assert!(failure.status() == status && message.contains(part), "{args:?}: {message}");
            assert!(Registry::new().with(memory).open(&"memory:y".parse().unwrap()).is_err(), "{args:?}");
        }
    }

    #[test]
    fn a_value_that_the_dtype_does_not_have_is_an_error() {
        let memory = memory();
        memory.insert("x", MemorySource::new([1], &[1e10]).unwrap());
        let args = ["memory:x", "memory:y", "--dtype", "u1", "--casting", "unsafe"];
        let message = convert(&memory, &args).unwrap_err().message().unwrap();
        assert!(message.contains("uint8"), "{message}");
        assert!(Registry::new().with(memory).open(&"memory:y".parse().unwrap()).is_err());
    }
}
