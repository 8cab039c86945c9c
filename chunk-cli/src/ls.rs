//! `chunk ls`: what a file holds.

use std::borrow::Cow;
use std::collections::BTreeMap;

use chunk_core::{Bytes, DatasetEntry, Entry, EntryKind, Error, Location};
use clap::Args;
use serde::Serialize;

use crate::failure::Outcome;
use crate::names::{plain, relative};
use crate::options::location;
use crate::output::{DatasetRecord, Out, Table, attributes, print_json, ratio, shortened};
use crate::{Context, output};

/// Lists groups and datasets: shape, dtype, chunk shape, filters, stored and logical size
#[derive(Debug, Args)]
pub(crate) struct LsArgs {
    /// The file, or a group in it: FILE::GROUP
    #[arg(value_name = "FILE", value_parser = location())]
    file: Location,
    /// Also lists what is inside groups
    #[arg(short, long)]
    recursive: bool,
    /// Lists attributes below each
    #[arg(short, long)]
    attributes: bool,
    /// Prints one JSON object a line
    #[arg(long)]
    json: bool,
}

const HEADER: [&str; 8] = ["name", "shape", "dtype", "chunks", "filters", "stored", "size", "ratio"];
const FIRST_NUMBER: usize = 5;
const DTYPE_LENGTH: usize = 40;
const FILTERS_LENGTH: usize = 60;

impl LsArgs {
    pub(crate) fn run(&self, context: &Context, out: &mut Out) -> Outcome {
        let entries = context.registry.list(&self.file)?;
        self.check_group(&entries)?;
        let shown: Vec<&Entry> = entries.iter().filter(|entry| self.shows(entry)).collect();
        if self.json {
            return shown.into_iter().try_for_each(|entry| print_json(out, &self.record(entry)));
        }
        if shown.is_empty() {
            return Ok(());
        }
        self.table(&shown).print(out)
    }

    /// That the group asked for is there.
    fn check_group(&self, entries: &[Entry]) -> Result<(), Error> {
        let Some(group) = self.file.dataset() else { return Ok(()) };
        if entries.iter().any(|entry| relative(&entry.name, Some(group)).is_some()) {
            return Ok(());
        }
        let path = self.file.path().to_owned();
        Err(Error::DatasetNotFound { path, dataset: group.to_owned(), near: Vec::new() })
    }

    fn shows(&self, entry: &Entry) -> bool {
        match relative(&entry.name, self.file.dataset()) {
            None => false,
            // The group that is listed is worth a line for its attributes only.
            Some("") => !matches!(entry.kind, EntryKind::Group) || (self.attributes && !entry.attributes.is_empty()),
            Some(inside) => self.recursive || !inside.contains('/'),
        }
    }

    fn table(&self, entries: &[&Entry]) -> Table {
        let mut table = Table::new(FIRST_NUMBER);
        table.push(HEADER);
        for entry in entries {
            match &entry.kind {
                EntryKind::Dataset(dataset) => table.push(cells(&entry.name, dataset)),
                EntryKind::Group => table.push_line(&group_name(&entry.name)),
                other => table.push_wide(&entry.name, &described(other)),
            }
            if self.attributes {
                entry.attributes.iter().for_each(|(name, value)| table.push_line(&format!("    @{name} = {value}")));
            }
        }
        table
    }

    fn record<'a>(&self, entry: &'a Entry) -> EntryRecord<'a> {
        let mut record = EntryRecord { name: &entry.name, ..EntryRecord::default() };
        (record.kind, record.what) = match &entry.kind {
            EntryKind::Dataset(_) => ("dataset", None),
            EntryKind::Group => ("group", None),
            EntryKind::Link { .. } => ("link", None),
            EntryKind::NamedType => ("named type", None),
            EntryKind::Unreadable(what) => ("unreadable", Some(what.as_str())),
            EntryKind::Other(what) => ("other", Some(what.as_str())),
            _ => ("other", None),
        };
        match &entry.kind {
            EntryKind::Dataset(dataset) => record.dataset = Some(DatasetRecord::stored(dataset)),
            EntryKind::Link { file, target } => (record.file, record.target) = (file.as_deref(), Some(target.as_str())),
            _ => {}
        }
        record.attributes = self.attributes.then(|| attributes(&entry.attributes));
        record
    }
}

/// What something is that is neither a dataset nor a group.
fn described(kind: &EntryKind) -> Cow<'_, str> {
    match kind {
        EntryKind::Link { file: None, target } => format!("-> {target}").into(),
        EntryKind::Link { file: Some(file), target } => format!("-> {file}::{target}").into(),
        EntryKind::NamedType => "a named datatype".into(),
        EntryKind::Unreadable(what) | EntryKind::Other(what) => what.into(),
        _ => "".into(),
    }
}

#[derive(Default, Serialize)]
struct EntryRecord<'a> {
    name: &'a str,
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    what: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    target: Option<&'a str>,
    #[serde(flatten)]
    dataset: Option<DatasetRecord<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    attributes: Option<BTreeMap<&'a str, &'a str>>,
}

fn group_name(name: &str) -> String {
    if plain(name).is_empty() { "/".to_owned() } else { format!("{}/", name.trim_end_matches('/')) }
}

fn cells(name: &str, entry: &DatasetEntry) -> [String; HEADER.len()] {
    let info = &entry.info;
    let or_dash = |text: String| if text.is_empty() { "-".to_owned() } else { text };
    [
        name.to_owned(),
        info.shape.to_string(),
        output::shortened(&info.dtype.to_string(), DTYPE_LENGTH).into_owned(),
        or_dash(info.chunk_shape.as_ref().map(ToString::to_string).unwrap_or_default()),
        or_dash(shortened(&entry.filters.join(", "), FILTERS_LENGTH).into_owned()),
        Bytes(entry.stored_bytes).to_string(),
        Bytes(info.bytes()).to_string(),
        or_dash(ratio(entry).map(|ratio| format!("{ratio:.2}")).unwrap_or_default()),
    ]
}

#[cfg(test)]
mod tests {
    use crate::testing::{Listed, chunk};
    use chunk_core::Registry;

    fn registry() -> Registry {
        Registry::new().with(Listed::example())
    }

    #[test]
    fn lists_the_top_level_in_columns() {
        let expected = "\
name    shape       dtype    chunks   filters             stored   size  ratio
/a      (100, 8)    float64  (10, 8)  shuffle, deflate:4   2 KiB  6.2 KiB   3.12
/broken  filter 32013 (zfp) is not carried
/g/
/lost    -> /nowhere
/point   a named datatype
/small  ()          int16    -        -                      2 B    2 B   1.00
";
        let squeezed = |text: &str| -> Vec<String> {
            text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect()
        };
        let text = chunk(registry(), ["ls", "listed:x"]).unwrap();
        assert_eq!(squeezed(&text), squeezed(expected), "{text}");
        let ends: Vec<_> = text.lines().filter(|line| line.ends_with(|c: char| c.is_ascii_digit())).collect();
        assert!(ends.iter().all(|line| line.len() == ends[0].len()), "{text}");
    }

    #[test]
    fn lists_inside_groups_when_asked() {
        let all = chunk(registry(), ["ls", "-r", "listed:x"]).unwrap();
        assert!(all.contains("/g/deep/d"), "{all}");
        let group = chunk(registry(), ["ls", "listed:x::g"]).unwrap();
        assert!(group.contains("/g/deep/") && !group.contains("/g/deep/d") && !group.contains("/a"), "{group}");
        let dataset = chunk(registry(), ["ls", "listed:x::/a"]).unwrap();
        assert_eq!(dataset.lines().count(), 2, "{dataset}");
        assert!(chunk(registry(), ["ls", "listed:x::/b"]).is_err());
    }

    #[test]
    fn shows_attributes_below_each() {
        let text = chunk(registry(), ["ls", "-a", "listed:x"]).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        let dataset = lines.iter().position(|line| line.starts_with("/a ")).unwrap();
        assert_eq!(lines[dataset + 1], "    @units = m/s\\nper second");
        assert!(lines.contains(&"    @title = the root"), "{text}");
        assert!(!chunk(registry(), ["ls", "listed:x"]).unwrap().contains('@'));
    }

    #[test]
    fn prints_an_object_a_line() {
        let text = chunk(registry(), ["ls", "-r", "-a", "--json", "listed:x"]).unwrap();
        let objects: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let named = |name: &str| objects.iter().find(|object| object["name"] == name).unwrap();
        let a = named("/a");
        assert_eq!(a["kind"], "dataset");
        assert_eq!(a["shape"], serde_json::json!([100, 8]));
        assert_eq!(a["chunks"], 10);
        assert_eq!(a["stored_bytes"], 2048);
        assert_eq!(a["attributes"]["units"], "m/s\nper second");
        assert_eq!((&named("/lost")["kind"], &named("/lost")["target"]), (&"link".into(), &"/nowhere".into()));
        assert_eq!(named("/point")["kind"], "named type");
        assert_eq!(named("/broken")["kind"], "unreadable");
        assert_eq!(named("/broken")["what"], "filter 32013 (zfp) is not carried");
        assert_eq!(named("/g")["kind"], "group");
    }
}
