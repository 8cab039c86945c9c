//! `chunk stats`: minimum, maximum, mean, standard deviation and the number of NaNs, in one pass.

use chunk_core::{DatasetInfo, Error, Scalar};
use chunk_ops::{Moments, moments, plan_moments};
use clap::Args;
use serde::Serialize;
use serde_json::Value;

use crate::Context;
use crate::array_text::{json, word};
use crate::dataset::{DatasetArg, dataset};
use crate::failure::Outcome;
use crate::options::RunOptions;
use crate::output::{Out, Table, print, print_json};

/// Prints minimum, maximum, mean, standard deviation and the number of NaNs, in one pass
///
/// NaNs are counted and left out of the rest. The standard deviation is that of the values themselves (ddof 0). Mean and
/// deviation are computed without rounding until the end. Complex numbers are ordered by their real parts, then by their
/// imaginary ones.
#[derive(Debug, Args)]
pub(crate) struct StatsArgs {
    /// The dataset, maybe with a selection: run.h5::/v[10:20, ::-2, -1]
    #[arg(value_name = "DATASET", value_parser = dataset())]
    dataset: DatasetArg,
    /// Prints one JSON object; null for what there is not
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    run: RunOptions,
}

#[derive(Serialize)]
struct StatsRecord<'a> {
    dataset: &'a str,
    shape: &'a [u64],
    dtype: String,
    count: u64,
    nan: u64,
    min: Value,
    max: Value,
    mean: Value,
    std: Value,
}

impl StatsArgs {
    pub(crate) fn run(&self, context: &Context, out: &mut Out) -> Outcome {
        let source = self.dataset.open(&context.registry).map_err(of_stats)?.source;
        let info = source.info();
        let run = self.run.to_run(context);
        if self.run.dry_run {
            return print(out, &plan_moments(&source, &run).map_err(of_stats)?.describe());
        }
        let watched = self.run.watch(&run, format!("stats {}", self.dataset));
        let moments = moments(&source, watched.run()).map_err(of_stats)?;
        drop(watched);
        if self.json { print_record(out, info, &moments) } else { print_table(out, info, &moments) }
    }
}

/// Names the command where an error says what does not take a dtype.
fn of_stats(error: Error) -> Error {
    match error {
        Error::UnsupportedDType { dataset, dtype, .. } => {
            Error::UnsupportedDType { dataset, dtype, operation: "stats".to_owned() }
        }
        error => error,
    }
}

fn print_record(out: &mut Out, info: &DatasetInfo, moments: &Moments) -> Outcome {
    let scalar =
        |scalar: Option<&Scalar>| scalar.map_or(Ok(Value::Null), |scalar| json(scalar.dtype(), scalar.bytes()));
    let record = StatsRecord {
        dataset: &info.name,
        shape: &info.shape,
        dtype: info.dtype.to_string(),
        count: moments.count(),
        nan: moments.nan_count(),
        min: scalar(moments.min())?,
        max: scalar(moments.max())?,
        mean: scalar(moments.mean().as_ref())?,
        std: scalar(moments.std(0).map(Scalar::from).as_ref())?,
    };
    print_json(out, &record)
}

fn print_table(out: &mut Out, info: &DatasetInfo, moments: &Moments) -> Outcome {
    let mut table = Table::new(usize::MAX);
    table.push(["dataset", &info.name]);
    table.push(["shape", &info.shape.to_string()]);
    table.push(["dtype", &info.dtype.to_string()]);
    table.push(["nan", &moments.nan_count().to_string()]);
    let (mean, std) = (moments.mean(), moments.std(0).map(Scalar::from));
    let values = [("min", moments.min()), ("max", moments.max()), ("mean", mean.as_ref()), ("std", std.as_ref())];
    for (name, value) in values {
        if let Some(value) = value {
            table.push([name, &word(value.dtype(), value.bytes())?]);
        }
    }
    table.print(out)
}

#[cfg(test)]
mod tests {
    use crate::testing::chunk;
    use chunk_core::{MemoryBackend, MemorySource, Registry};

    fn registry(source: MemorySource) -> Registry {
        let memory = MemoryBackend::new();
        memory.insert("x", source);
        Registry::new().with(memory)
    }

    #[test]
    fn prints_a_table_or_an_object() {
        let source = || registry(MemorySource::new([2, 2], &[1_i16, -2, 3, 4]).unwrap());
        let text = chunk(source(), ["stats", "memory:x"]).unwrap();
        let lines = ["shape    (2, 2)", "dtype    int16", "nan      0", "min      -2", "max      4", "mean     1.5"];
        assert!(lines.iter().all(|line| text.lines().any(|printed| printed == *line)), "{text}");
        let text = chunk(source(), ["stats", "--json", "memory:x"]).unwrap();
        let object: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(object["min"], -2);
        assert_eq!(object["mean"], 1.5);
        assert_eq!(object["std"], 5.25_f64.sqrt());
    }

    #[test]
    fn the_result_has_the_same_bits_for_any_plan() {
        let elements: Vec<f32> = (0..60_000).map(|i| (i as f32).sin() * 1e3 + 1e6).collect();
        let mut found = std::collections::BTreeSet::new();
        for (chunk_shape, memory, threads) in [([200, 300], "1M", "1"), ([7, 30], "32K", "3"), ([200, 1], "64K", "2")] {
            let source = MemorySource::new([200, 300], &elements).unwrap().with_chunk_shape(chunk_shape).unwrap();
            found.insert(
                chunk(registry(source), ["stats", "memory:x", "--memory", memory, "--threads", threads]).unwrap(),
            );
        }
        assert_eq!(found.len(), 1, "{found:?}");
    }

    #[test]
    fn nothing_has_no_mean_and_text_is_refused() {
        let empty = registry(MemorySource::new::<f64>([0], &[]).unwrap());
        let object: serde_json::Value =
            serde_json::from_str(&chunk(empty, ["stats", "--json", "memory:x"]).unwrap()).unwrap();
        assert!(object["min"].is_null() && object["mean"].is_null() && object["std"].is_null());
        let info = chunk_core::DatasetInfo::new([1], "S2".parse().unwrap());
        let text = registry(MemorySource::from_bytes(info, *b"ab").unwrap());
        assert!(chunk(text, ["stats", "memory:x"]).unwrap_err().message().unwrap().contains("does not take S2"));
    }
}
