//! What commands print: tables for people, JSON lines for programs.

use std::borrow::Cow;
use std::io::Write;

use chunk_core::{Bytes, DatasetEntry, DatasetInfo, Grid};
use serde::Serialize;
use unicode_width::UnicodeWidthStr;

use crate::failure::{Failure, Outcome};

/// Where results go. A run hands results over on its own threads.
pub(crate) type Out = dyn Write + Send;

/// `text` on one line, without characters that would move a terminal's cursor.
pub(crate) fn one_line(text: &str) -> Cow<'_, str> {
    if !text.contains(char::is_control) {
        return text.into();
    }
    let escaped = text.chars().map(|c| if c.is_control() { c.escape_default().to_string() } else { c.to_string() });
    escaped.collect::<String>().into()
}

/// A line on standard output.
pub(crate) fn print(out: &mut Out, text: &str) -> Outcome {
    writeln!(out, "{text}").map_err(Failure::Output)
}

/// A line that is read as soon as it is there.
pub(crate) fn print_now(out: &mut Out, text: &str) -> Outcome {
    print(out, text)?;
    out.flush().map_err(Failure::Output)
}

/// One JSON object on a line of its own.
pub(crate) fn print_json(out: &mut Out, value: &impl Serialize) -> Outcome {
    serde_json::to_writer(&mut *out, value).map_err(|error| Failure::Output(error.into()))?;
    print_now(out, "")
}

/// Rows whose columns line up.
#[derive(Debug)]
pub(crate) struct Table {
    rows: Vec<Row>,
    /// The first column that is aligned to the right: numbers.
    right: usize,
}

#[derive(Debug)]
enum Row {
    Cells(Vec<String>),
    /// The first cell, then text across the others.
    Wide(String, String),
    Line(String),
}

const GAP: &str = "  ";

impl Table {
    /// A table whose columns from `right` on hold numbers.
    pub(crate) fn new(right: usize) -> Self {
        Table { rows: Vec::new(), right }
    }

    pub(crate) fn push(&mut self, cells: impl IntoIterator<Item = impl AsRef<str>>) {
        self.rows.push(Row::Cells(cells.into_iter().map(|cell| one_line(cell.as_ref()).into_owned()).collect()));
    }

    pub(crate) fn push_wide(&mut self, first: &str, text: &str) {
        self.rows.push(Row::Wide(one_line(first).into_owned(), one_line(text).into_owned()));
    }

    pub(crate) fn push_line(&mut self, text: &str) {
        self.rows.push(Row::Line(one_line(text).into_owned()));
    }

    pub(crate) fn print(&self, out: &mut Out) -> Outcome {
        let widths = self.widths();
        self.rows.iter().try_for_each(|row| match row {
            Row::Cells(cells) => print(out, self.line(cells, &widths).trim_end()),
            Row::Wide(first, text) => print(out, &format!("{}{GAP}{text}", padded(first, widths[0], false))),
            Row::Line(text) => print(out, text),
        })
    }

    fn line(&self, cells: &[String], widths: &[usize]) -> String {
        let cells = cells.iter().enumerate();
        let cells = cells.map(|(column, cell)| padded(cell, widths[column], column >= self.right));
        cells.collect::<Vec<_>>().join(GAP)
    }

    fn widths(&self) -> Vec<usize> {
        let mut widths = vec![0];
        for row in &self.rows {
            let cells = match row {
                Row::Cells(cells) => cells.as_slice(),
                Row::Wide(first, _) => std::slice::from_ref(first),
                Row::Line(_) => &[],
            };
            widths.resize(widths.len().max(cells.len()), 0);
            for (width, cell) in widths.iter_mut().zip(cells) {
                *width = (*width).max(cell.width());
            }
        }
        widths
    }
}

fn padded(cell: &str, width: usize, right: bool) -> String {
    let space = " ".repeat(width.saturating_sub(cell.width()));
    if right { space + cell } else { cell.to_owned() + &space }
}

/// `text` cut to `most` characters: a type with a thousand members stays one cell.
pub(crate) fn shortened(text: &str, most: usize) -> Cow<'_, str> {
    match text.char_indices().nth(most) {
        Some(_) => format!("{}..", text.chars().take(most - 2).collect::<String>()).into(),
        None => text.into(),
    }
}

/// How many chunks there are along each axis, if the dataset has valid ones.
pub(crate) fn chunk_grid(info: &DatasetInfo) -> Option<Grid> {
    let chunk_shape = info.chunk_shape.clone()?;
    info.check().is_ok().then(|| Grid::new(info.shape.clone(), chunk_shape))
}

/// Logical over stored bytes, if something is stored.
pub(crate) fn ratio(entry: &DatasetEntry) -> Option<f64> {
    (entry.stored_bytes > 0).then(|| entry.info.bytes() as f64 / entry.stored_bytes as f64)
}

/// Bytes a second.
pub(crate) fn rate(bytes: u64, seconds: f64) -> f64 {
    bytes as f64 / seconds.max(1e-9)
}

/// A rate for people.
pub(crate) fn rate_text(bytes: u64, seconds: f64) -> String {
    #[expect(clippy::cast_sign_loss, reason = "a rate is not negative")]
    let whole = rate(bytes, seconds) as u64;
    format!("{}/s", Bytes(whole))
}

/// What is known of a dataset, as JSON.
#[derive(Debug, Serialize)]
pub(crate) struct DatasetRecord<'a> {
    shape: &'a [u64],
    dtype: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_shape: Option<&'a [Option<u64>]>,
    chunk_shape: Option<&'a [u64]>,
    chunks: Option<u64>,
    bytes: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    fill: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    identity: Option<String>,
    #[serde(flatten)]
    storage: Option<StorageRecord<'a>>,
}

/// How a dataset is stored, as JSON.
#[derive(Debug, Serialize)]
struct StorageRecord<'a> {
    layout: &'a str,
    filters: &'a [String],
    stored_bytes: u64,
    ratio: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sources: Option<SourcesRecord<'a>>,
}

/// What a dataset is made of, as JSON: how many pieces, and the first of them.
#[derive(Debug, Serialize)]
struct SourcesRecord<'a> {
    count: u64,
    first: &'a [String],
}

impl<'a> DatasetRecord<'a> {
    pub(crate) fn new(info: &'a DatasetInfo) -> Self {
        DatasetRecord {
            shape: &info.shape,
            dtype: info.dtype.to_string(),
            max_shape: info.max_shape.as_deref(),
            chunk_shape: info.chunk_shape.as_deref(),
            chunks: chunk_grid(info).map(|grid| grid.len()),
            bytes: info.bytes(),
            fill: info.fill.as_ref().map(ToString::to_string),
            identity: info.identity.as_ref().map(ToString::to_string),
            storage: None,
        }
    }

    pub(crate) fn stored(entry: &'a DatasetEntry) -> Self {
        let DatasetEntry { info, layout, filters, stored_bytes, sources, .. } = entry;
        let sources = sources.as_ref().map(|sources| SourcesRecord { count: sources.count, first: &sources.first });
        let storage = StorageRecord { layout, filters, stored_bytes: *stored_bytes, ratio: ratio(entry), sources };
        DatasetRecord { storage: Some(storage), ..DatasetRecord::new(info) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_and_nothing_trails() {
        let mut table = Table::new(1);
        table.push(["name", "size"]);
        table.push(["数据", "12"]);
        table.push(["a", ""]);
        table.push_wide("link", "leads nowhere at all");
        let mut out = Vec::new();
        table.print(&mut out).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), "name  size\n数据    12\na\nlink  leads nowhere at all\n");
    }

    #[test]
    fn a_name_cannot_move_the_cursor() {
        assert_eq!(one_line("a\x1b[2Jb\nc"), "a\\u{1b}[2Jb\\nc");
        assert_eq!(one_line("é/数"), "é/数");
    }

    #[test]
    fn long_cells_are_cut() {
        assert_eq!(shortened("abcdef", 6), "abcdef");
        assert_eq!(shortened("abcdefg", 6), "abcd..");
    }
}
