//! Medians, ratios and peak memory, as a table or as JSON.

use std::fmt::Write;
use std::fs;
use std::thread;

use super::Measurement;
use super::options::{Options, Suite};
use super::programs::Program;

pub(crate) struct Report {
    rows: Vec<Row>,
}

struct Row {
    label: &'static str,
    median: f64,
    min: f64,
    max: f64,
    /// This median over that of the group's first program.
    ratio: f64,
    inside: Option<f64>,
    /// The same of what they say inside.
    inside_ratio: Option<f64>,
    peak_mib: f64,
}

impl Report {
    pub(crate) fn new(programs: &[Program], measurements: &[Vec<Measurement>]) -> Self {
        let mut rows: Vec<Row> = Vec::new();
        let mut base = ("", f64::NAN, None);
        for (program, runs) in programs.iter().zip(measurements) {
            let mut row = Row::new(program.label, runs);
            if program.group() != base.0 {
                base = (program.group(), row.median, row.inside);
            }
            row.ratio = row.median / base.1;
            row.inside_ratio = row.inside.zip(base.2).map(|(inside, first)| inside / first);
            rows.push(row);
        }
        Self { rows }
    }

    pub(crate) fn table(&self, options: &Options) -> String {
        let mut text = format!("{}\n", conditions(options));
        let head = ("program", "median s", "min", "max", "x first", "inside s", "x first", "peak MiB");
        let _ = writeln!(
            text,
            "{:30} {:>9} {:>8} {:>8} {:>8} {:>9} {:>8} {:>9}",
            head.0, head.1, head.2, head.3, head.4, head.5, head.6, head.7
        );
        for row in &self.rows {
            let inside = row.inside.map_or("-".to_owned(), |seconds| format!("{seconds:.4}"));
            let inside_ratio = row.inside_ratio.map_or("-".to_owned(), |ratio| format!("{ratio:.2}"));
            let _ = writeln!(
                text,
                "{:30} {:>9.3} {:>8.3} {:>8.3} {:>8.2} {:>9} {:>8} {:>9.0}",
                row.label, row.median, row.min, row.max, row.ratio, inside, inside_ratio, row.peak_mib
            );
        }
        text.push_str("x first: the one before it over that of the first program of its group.\n");
        text.push_str("inside: what a program says its own work took, without start-up and the making of data.\n");
        text
    }

    pub(crate) fn json(&self, options: &Options) -> String {
        let rows: Vec<String> = self.rows.iter().map(Row::json).collect();
        let Options { rows: count, columns, runs, durable, .. } = options;
        format!(
            "{{\"rows\":{count},\"cols\":{columns},\"runs\":{runs},\"durable\":{durable},\"cores\":{},\"load\":{},\"programs\":[{}]}}\n",
            cores(),
            load().unwrap_or("null".to_owned()),
            rows.join(",")
        )
    }
}

impl Row {
    fn new(label: &'static str, runs: &[Measurement]) -> Self {
        let seconds: Vec<f64> = runs.iter().map(|run| run.seconds).collect();
        let inside: Vec<f64> = runs.iter().filter_map(|run| run.inside).collect();
        let peak = runs.iter().map(|run| run.peak_bytes).max().unwrap_or(0);
        Self {
            label,
            median: median(&seconds).unwrap_or(f64::NAN),
            min: seconds.iter().copied().fold(f64::INFINITY, f64::min),
            max: seconds.iter().copied().fold(0.0, f64::max),
            ratio: f64::NAN,
            inside: median(&inside),
            inside_ratio: None,
            peak_mib: peak as f64 / f64::from(1 << 20),
        }
    }

    fn json(&self) -> String {
        let Self { label, median, min, max, ratio, peak_mib, .. } = self;
        let number = |value: Option<f64>| value.map_or("null".to_owned(), |value| format!("{value:.6}"));
        let (inside, inside_ratio) = (number(self.inside), number(self.inside_ratio));
        format!(
            "{{\"program\":\"{label}\",\"median\":{median:.6},\"min\":{min:.6},\"max\":{max:.6},\"ratio\":{ratio:.4},\"inside\":{inside},\"inside_ratio\":{inside_ratio},\"peak_mib\":{peak_mib:.1}}}"
        )
    }
}

fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let upper = *sorted.get(sorted.len() / 2)?;
    if sorted.len() % 2 == 1 {
        return Some(upper);
    }
    Some(f64::midpoint(sorted[sorted.len() / 2 - 1], upper))
}

fn conditions(options: &Options) -> String {
    let gib = (options.rows * options.columns * 16) as f64 / f64::from(1 << 30);
    let data = match options.suite {
        Suite::Fft | Suite::Hdf5 => format!("{} x {} complex128 ({gib:.2} GiB)", options.rows, options.columns),
        Suite::Npy => "50000 appends of 16 x 64 float64, 128 of 16384 x 64, 2 GiB read".to_owned(),
        Suite::Virtual => "1000 files of 200 x 128 float32".to_owned(),
    };
    let load = load().map_or(String::new(), |load| format!(", load {load}"));
    let durable = if options.durable { ", all wait for the disk" } else { "" };
    format!("{data}, {} runs, {} cores{load}{durable}", options.runs, cores())
}

fn cores() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}

/// The load of the last minute: well above the cores, others were using the machine.
fn load() -> Option<String> {
    let text = fs::read_to_string("/proc/loadavg").ok()?;
    Some(text.split_whitespace().next()?.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn program(label: &'static str) -> Program {
        Program { label, command: Vec::new(), verify_axis: None }
    }

    fn run(seconds: f64) -> Measurement {
        Measurement { seconds, peak_bytes: 3 << 20, inside: None }
    }

    #[test]
    fn median_is_the_middle_in_any_order() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), Some(2.5));
        assert_eq!(median(&[]), None);
    }

    #[test]
    fn ratios_are_of_medians_within_a_group() {
        let programs = [program("fft/chunk"), program("fft/python"), program("read/chunk")];
        let runs = [vec![run(1.0), run(2.0), run(9.0)], vec![run(8.0)], vec![run(5.0)]];
        let report = Report::new(&programs, &runs);
        let ratios: Vec<f64> = report.rows.iter().map(|row| row.ratio).collect();
        assert_eq!(ratios, [1.0, 4.0, 1.0]);
        assert!(report.table(&Options::default()).contains("fft/python"));
        assert!(
            report
                .json(&Options::default())
                .contains("\"ratio\":4.0000,\"inside\":null,\"inside_ratio\":null,\"peak_mib\":3.0")
        );
    }
}
