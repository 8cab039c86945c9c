//! `chunk diff`: the first differences of two datasets, and how many there are.

use std::sync::Arc;

use chunk_core::{Casting, ChunkSource, DType, DatasetInfo, Error, Result, Slab, Worker, cast_if_needed, result_type};
use chunk_ops::{Differences, Differs, Tolerance};
use clap::Args;
use serde::Serialize;
use serde_json::Value;

use crate::Context;
use crate::array_text::{json, word};
use crate::dataset::{DatasetArg, dataset};
use crate::failure::{Failure, Outcome};
use crate::options::RunOptions;
use crate::output::{Out, Table, print, print_json};

/// Prints the first differences of two datasets, and how many there are; exit status 1 if there are any
///
/// Shapes, dtypes and values are compared; numbers also where their dtypes differ. NaN is equal to NaN. With tolerances,
/// a and b are equal if |a - b| <= ATOL + RTOL |b|, as numpy.isclose has it. Equal datasets print nothing.
#[derive(Debug, Args)]
pub(crate) struct DiffArgs {
    /// The one dataset, maybe with a selection: run.h5::/v[10:20, ::-2, -1]
    #[arg(value_name = "A", value_parser = dataset())]
    a: DatasetArg,
    /// The other
    #[arg(value_name = "B", value_parser = dataset())]
    b: DatasetArg,
    /// How far apart numbers may be, relative to those of B
    #[arg(long, value_name = "R", default_value_t = 0.0, value_parser = tolerance, allow_hyphen_values = true)]
    rtol: f64,
    /// How far apart numbers may be
    #[arg(long, value_name = "R", default_value_t = 0.0, value_parser = tolerance, allow_hyphen_values = true)]
    atol: f64,
    /// NaN differs from NaN
    #[arg(long)]
    nan_differs: bool,
    /// How many differences are printed
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u16).range(0..=10_000))]
    first: u16,
    /// Prints one JSON object for each difference, then one with their number
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    run: RunOptions,
}

fn tolerance(text: &str) -> std::result::Result<f64, String> {
    match text.parse::<f64>() {
        Ok(tolerance) if tolerance >= 0.0 && tolerance.is_finite() => Ok(tolerance),
        _ => Err("write a number that is not negative, as 1e-6".to_owned()),
    }
}

#[derive(Serialize)]
struct ValueRecord<'a> {
    index: &'a [u64],
    a: Value,
    b: Value,
}

#[derive(Serialize)]
struct DiffRecord<'a> {
    a: &'a str,
    b: &'a str,
    equal: bool,
    shapes: [&'a [u64]; 2],
    dtypes: [String; 2],
    elements: u64,
    /// None where values cannot be compared.
    differences: Option<u64>,
}

impl DiffArgs {
    pub(crate) fn run(&self, context: &Context, out: &mut Out) -> Outcome {
        let (a, b) = (self.a.open(&context.registry)?.source, self.b.open(&context.registry)?.source);
        let run = self.run.to_run(context);
        let differs = self.differs(&a, &b)?;
        if self.run.dry_run {
            return match differs {
                Some(differs) => print(out, &run.planner().read(&differs)?.describe()),
                None => self.report(out, &a, &b, None),
            };
        }
        let found = match differs {
            Some(differs) => {
                let watched = self.run.watch(&run, format!("diff {} {}", self.a, self.b));
                Some(differs.find(self.first.into(), watched.run())?)
            }
            None => None,
        };
        self.report(out, &a, &b, found)
    }

    /// Where the datasets differ; `None` if their values cannot be compared.
    fn differs(&self, a: &Arc<dyn ChunkSource>, b: &Arc<dyn ChunkSource>) -> Result<Option<Differs>> {
        if a.info().shape != b.info().shape {
            return Ok(None);
        }
        let tolerance = Tolerance::default().with_relative(self.rtol).with_absolute(self.atol);
        match Differs::new(a.clone(), b.clone(), tolerance.with_nan_differs(self.nan_differs)) {
            Ok(differs) => Ok(Some(differs)),
            Err(Error::DTypeMismatch { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn report(
        &self,
        out: &mut Out,
        a: &Arc<dyn ChunkSource>,
        b: &Arc<dyn ChunkSource>,
        found: Option<Differences>,
    ) -> Outcome {
        let (info_a, info_b) = (a.info(), b.info());
        let alike = info_a.shape == info_b.shape && info_a.dtype == info_b.dtype;
        let equal = alike && found.as_ref().is_some_and(|found| found.count() == 0);
        let mut table = Table::new(usize::MAX);
        if !self.json {
            push_unlike(&mut table, "shape", &info_a.shape.to_string(), &info_b.shape.to_string());
            push_unlike(&mut table, "dtype", &info_a.dtype.to_string(), &info_b.dtype.to_string());
        }
        let (shown_a, shown_b) = alike_floats(a, b)?;
        let (dtype_a, dtype_b) = (&shown_a.info().dtype, &shown_b.info().dtype);
        for index in found.iter().flat_map(Differences::first) {
            let (a_bytes, b_bytes) = (element(&*shown_a, index)?, element(&*shown_b, index)?);
            if self.json {
                let (a, b) = (json(dtype_a, &a_bytes)?, json(dtype_b, &b_bytes)?);
                print_json(out, &ValueRecord { index, a, b })?;
            } else {
                let (a, b) = (word(dtype_a, &a_bytes)?, word(dtype_b, &b_bytes)?);
                table.push([format!("{index:?}"), a, "|".to_owned(), b]);
            }
        }
        if self.json {
            print_json(out, &record(info_a, info_b, equal, found.map(|found| found.count())))?;
        } else {
            table.print(out)?;
            if let Some(count) = found.map(|found| found.count()).filter(|count| *count > 0) {
                print(out, &format!("{count} of {} values differ", info_a.shape.elements()))?;
            }
        }
        if equal { Ok(()) } else { Err(Failure::Told) }
    }
}

fn record<'a>(a: &'a DatasetInfo, b: &'a DatasetInfo, equal: bool, differences: Option<u64>) -> DiffRecord<'a> {
    DiffRecord {
        a: &a.name,
        b: &b.name,
        equal,
        shapes: [&a.shape, &b.shape],
        dtypes: [a.dtype.to_string(), b.dtype.to_string()],
        elements: a.shape.elements(),
        differences,
    }
}

/// Two sources as they are shown: floats of different widths with as many digits as the wider has, or they would look
/// equal.
fn alike_floats(
    a: &Arc<dyn ChunkSource>,
    b: &Arc<dyn ChunkSource>,
) -> Result<(Arc<dyn ChunkSource>, Arc<dyn ChunkSource>)> {
    let is_float = |dtype: &DType| matches!(dtype, DType::F16 | DType::F32 | DType::F64) || dtype.is_complex();
    let (dtype_a, dtype_b) = (&a.info().dtype, &b.info().dtype);
    match result_type(dtype_a, dtype_b).filter(|_| is_float(dtype_a) && is_float(dtype_b)) {
        Some(wide) => {
            let widened = |source: &Arc<dyn ChunkSource>| cast_if_needed(source.clone(), &wide, Casting::Safe);
            Ok((widened(a)?, widened(b)?))
        }
        None => Ok((a.clone(), b.clone())),
    }
}

fn push_unlike(table: &mut Table, what: &str, a: &str, b: &str) {
    if a != b {
        table.push([what, a, "|", b]);
    }
}

fn element(source: &dyn ChunkSource, index: &[u64]) -> Result<Vec<u8>> {
    let mut bytes = chunk_core::Buffer::zeroed(source.info().dtype.size())?;
    source.read_into(&Slab::new(index, vec![1; index.len()]), &mut bytes, &Worker::new())?;
    Ok(bytes.to_vec())
}

#[cfg(test)]
mod tests {
    use crate::testing::chunk_with_failure;
    use chunk_core::{MemoryBackend, MemorySource, Registry};

    fn diff(args: &[&str]) -> (String, u8) {
        let numbers: Vec<f64> = (0..600).map(f64::from).collect();
        let mut others = numbers.clone();
        others[31] = -1.0;
        others[598] += 1e-9;
        let source =
            |numbers: &[f64], chunk| MemorySource::new([20, 30], numbers).unwrap().with_chunk_shape(chunk).unwrap();
        let memory = MemoryBackend::new();
        memory.insert("a", source(&numbers, [7, 30]));
        memory.insert("same", source(&numbers, [20, 4]));
        memory.insert("b", source(&others, [3, 7]));
        memory.insert("flat", MemorySource::new([600], &numbers).unwrap());
        let single: Vec<f32> = numbers.iter().map(|x| *x as f32).collect();
        memory.insert("single", MemorySource::new([20, 30], &single).unwrap());
        let args = ["diff"].into_iter().chain(args.iter().copied()).chain(["--progress", "never"]);
        let (text, failure) = chunk_with_failure(Registry::new().with(memory), args);
        (text, failure.map_or(0, |failure| failure.status()))
    }

    #[test]
    fn prints_the_first_and_counts_all() {
        assert_eq!(diff(&["memory:a", "memory:same"]), (String::new(), 0));
        let expected = "[1, 1]    31.0   |  -1.0\n[19, 28]  598.0  |  598.000000001\n2 of 600 values differ\n";
        for (memory, threads) in [("600", "1"), ("4K", "2"), ("1M", "3")] {
            let options = ["memory:a", "memory:b", "--memory", memory, "--threads", threads];
            assert_eq!(diff(&options), (expected.to_owned(), 1), "{memory}");
        }
        let (text, _) = diff(&["memory:a", "memory:b", "--first", "1"]);
        assert_eq!(text.lines().count(), 2, "{text}");
        assert_eq!(diff(&["memory:a", "memory:b", "--atol", "1e-6", "--first", "0"]).0, "1 of 600 values differ\n");
        assert_eq!(diff(&["memory:a", "memory:b", "--atol", "50"]), (String::new(), 0));
    }

    #[test]
    fn shapes_and_dtypes_that_differ_are_told() {
        assert_eq!(diff(&["memory:a", "memory:flat"]), ("shape  (20, 30)  |  (600,)\n".to_owned(), 1));
        assert_eq!(diff(&["memory:single", "memory:a"]), ("dtype  float32  |  float64\n".to_owned(), 1));
        let (text, _) = diff(&["memory:single", "memory:b"]);
        assert!(text.contains("[19, 28]  598.0    |  598.000000001\n"), "{text}");
    }

    #[test]
    fn prints_objects() {
        let (text, status) = diff(&["memory:a", "memory:b", "--json"]);
        let objects: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!((objects.len(), status), (3, 1));
        assert_eq!(objects[0], serde_json::json!({ "index": [1, 1], "a": 31.0, "b": -1.0 }));
        assert_eq!((&objects[2]["differences"], &objects[2]["equal"]), (&2.into(), &false.into()));
        let (text, _) = diff(&["memory:a", "memory:flat", "--json"]);
        assert!(text.contains("\"differences\":null"), "{text}");
    }

    #[test]
    fn nonsense_is_a_command_line_error() {
        assert_eq!(diff(&["memory:a", "memory:b", "--rtol", "-1"]).1, 2);
        assert_eq!(diff(&["memory:a", "memory:b", "--atol", "nan"]).1, 2);
    }
}
