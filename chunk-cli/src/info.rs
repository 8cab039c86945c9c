//! `chunk info`: everything about one dataset.

use std::collections::BTreeMap;

use chunk_core::{Attribute, Bytes, DatasetEntry, DatasetInfo, Entry, EntryKind, Sources};
use clap::Args;
use serde::Serialize;
use serde_json::Value;

use crate::Context;
use crate::attribute::{attribute_text, attributes_json};
use crate::dataset::{DatasetArg, dataset};
use crate::failure::Outcome;
use crate::names::plain;
use crate::output::{DatasetRecord, Out, Table, chunk_grid, print_json, ratio};

/// Tells everything about one dataset: shape, dtype, chunks, filters, sizes, fill value, attributes, virtual sources
#[derive(Debug, Args)]
pub(crate) struct InfoArgs {
    /// The dataset, maybe with a selection: run.h5::/v[10:20, ::-2, -1]
    #[arg(value_name = "DATASET", value_parser = dataset())]
    dataset: DatasetArg,
    /// Prints one JSON object; of virtual sources the first 1000
    #[arg(long)]
    json: bool,
}

/// Sources that are named for people.
const SOURCES_SHOWN: usize = 3;

impl InfoArgs {
    pub(crate) fn run(&self, context: &Context, out: &mut Out) -> Outcome {
        let entries = context.registry.list(self.dataset.whole()).unwrap_or_default();
        if let Some((entry, dataset)) = self.find(&entries) {
            return self.print(out, &dataset.info, Some(dataset), &entry.attributes);
        }
        // Not among the datasets: opening says why, or follows a link, or selects.
        let source = self.dataset.open(&context.registry)?.source;
        self.print(out, source.info(), None, &[])
    }

    fn find<'a>(&self, entries: &'a [Entry]) -> Option<(&'a Entry, &'a DatasetEntry)> {
        let mut datasets = entries.iter().filter_map(|entry| match &entry.kind {
            EntryKind::Dataset(dataset) => Some((entry, &**dataset)),
            _ => None,
        });
        match self.dataset.whole().dataset() {
            Some(name) => datasets.find(|(entry, _)| plain(&entry.name) == plain(name)),
            None => datasets.next().filter(|_| datasets.next().is_none()),
        }
    }

    fn print(
        &self,
        out: &mut Out,
        info: &DatasetInfo,
        stored: Option<&DatasetEntry>,
        attributes: &[(String, Attribute)],
    ) -> Outcome {
        if self.json {
            let dataset = stored.map_or_else(|| DatasetRecord::new(info), DatasetRecord::stored);
            return print_json(out, &InfoRecord { name: &info.name, dataset, attributes: attributes_json(attributes) });
        }
        let mut table = Table::new(usize::MAX);
        for (what, value) in lines(info, stored) {
            table.push([what, value.as_str()]);
        }
        for (name, value) in attributes {
            table.push([format!("@{name}"), attribute_text(value)]);
        }
        table.print(out)
    }
}

#[derive(Serialize)]
struct InfoRecord<'a> {
    name: &'a str,
    #[serde(flatten)]
    dataset: DatasetRecord<'a>,
    attributes: BTreeMap<&'a str, Value>,
}

fn lines(info: &DatasetInfo, stored: Option<&DatasetEntry>) -> Vec<(&'static str, String)> {
    let mut lines = vec![
        ("dataset", info.name.clone()),
        ("shape", info.shape.to_string()),
        ("dtype", info.dtype.to_string()),
        ("max shape", info.max_shape.as_deref().map_or_else(|| info.shape.to_string(), max_shape_text)),
    ];
    if let Some(stored) = stored {
        lines.push(("layout", stored.layout.clone()));
    }
    if let (Some(chunk_shape), Some(grid)) = (&info.chunk_shape, chunk_grid(info)) {
        lines.push(("chunk shape", chunk_shape.to_string()));
        lines.push(("chunks", format!("{} {}", grid.len(), grid.counts())));
    }
    if let Some(stored) = stored {
        let filters = if stored.filters.is_empty() { "none".to_owned() } else { stored.filters.join(", ") };
        lines.push(("filters", filters));
        lines.push(("stored", bytes_text(stored.stored_bytes)));
    }
    if let Some(sources) = stored.and_then(|stored| stored.sources.as_ref()) {
        lines.push(("sources", sources_text(sources)));
    }
    lines.push(("size", bytes_text(info.bytes())));
    if let Some(ratio) = stored.and_then(ratio) {
        lines.push(("ratio", format!("{ratio:.2}")));
    }
    if let Some(fill) = &info.fill {
        lines.push(("fill", fill.to_string()));
    }
    if let Some(identity) = &info.identity {
        lines.push(("identity", identity.to_string()));
    }
    lines
}

/// Their number, and the first few.
fn sources_text(sources: &Sources) -> String {
    let shown = sources.first.iter().take(SOURCES_SHOWN).map(String::as_str).collect::<Vec<_>>().join(", ");
    let rest = if sources.count > SOURCES_SHOWN as u64 { ", .." } else { "" };
    format!("{} ({shown}{rest})", sources.count)
}

/// As NumPy prints shapes, `*` for an axis without end.
fn max_shape_text(max_shape: &[Option<u64>]) -> String {
    let extents = max_shape.iter().map(|extent| extent.map_or_else(|| "*".to_owned(), |extent| extent.to_string()));
    let comma = if max_shape.len() == 1 { "," } else { "" };
    format!("({}{comma})", extents.collect::<Vec<_>>().join(", "))
}

fn bytes_text(bytes: u64) -> String {
    if bytes < 1024 { Bytes(bytes).to_string() } else { format!("{} ({bytes} B)", Bytes(bytes)) }
}

#[cfg(test)]
mod tests {
    use crate::testing::{Listed, chunk};
    use chunk_core::{MemoryBackend, MemorySource, Registry};

    fn registry() -> Registry {
        let memory = MemoryBackend::new();
        memory.insert("x", MemorySource::new([6], &[0_u8; 6]).unwrap().with_chunk_shape([4]).unwrap());
        Registry::new().with(Listed::example()).with(memory)
    }

    #[test]
    fn tells_everything() {
        let text = chunk(registry(), ["info", "listed:x::a"]).unwrap();
        for line in [
            "shape        (100, 8)",
            "max shape    (*, 8)",
            "layout       chunked",
            "chunk shape  (10, 8)",
            "chunks       10 (10, 1)",
            "filters      shuffle, deflate:4",
            "stored       2 KiB (2048 B)",
            "ratio        3.12",
            "@units       \"m/s\\nper second\"",
        ] {
            assert!(text.lines().any(|printed| printed == line), "{line}\n{text}");
        }
    }

    #[test]
    fn finds_the_only_dataset() {
        let text = chunk(registry(), ["info", "memory:x"]).unwrap();
        assert!(text.contains("chunks       2 (2,)\n"), "{text}");
    }

    #[test]
    fn prints_an_object() {
        let text = chunk(registry(), ["info", "--json", "listed:x::/small"]).unwrap();
        let object: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(object["fill"], "7");
        assert_eq!(object["layout"], "compact");
        assert_eq!(object["shape"], serde_json::json!([]));
        assert!(object["chunks"].is_null());
    }

    #[test]
    fn says_what_is_not_a_dataset() {
        let message = |dataset| chunk(registry(), ["info", dataset]).unwrap_err().message().unwrap();
        assert!(message("listed:x::/g").contains("is a group, not a dataset"));
        assert!(message("listed:x::/lost").contains("no dataset"));
        assert!(message("listed:x::/broken").contains("32013 (zfp)"));
        assert!(message("memory:y").contains("no such file"));
    }
}
