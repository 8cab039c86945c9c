//! What is in a file, as programs and people are told.

use std::path::Path;

use chunk_core::{Entry, EntryKind, Result, Shape};
use hdf5::{Dataset, Location};

use crate::error::Place;
use crate::file::{self, Found};
use crate::library::{self, Class};
use crate::{attributes, source};

/// Everything in a file, groups before what they hold; the root if it has attributes.
pub(crate) fn entries(library_file: &hdf5::File, path: &Path) -> Result<Vec<Entry>> {
    let found = file::walk(library_file, &Place::new(path, ""))?;
    let root = entry(library_file, path, "/".to_owned(), &Found::Group);
    let root = Some(root).filter(|root| !root.attributes.is_empty());
    let inside = found.into_iter().map(|(name, found)| entry(library_file, path, name, &found));
    Ok(root.into_iter().chain(inside).collect())
}

/// What stands under a name. Something that cannot be read is listed with the reason.
fn entry(library_file: &hdf5::File, path: &Path, name: String, found: &Found) -> Entry {
    let place = Place::new(path, &name);
    let mut has_attributes: Option<Location> = None;
    let kind = match found {
        Found::Group => {
            has_attributes = library_file.group(&name).ok().map(|group| (*group).clone());
            EntryKind::Group
        }
        Found::Dataset => match library_file.dataset(&name).map_err(|error| place.library("open", &error)) {
            Ok(dataset) => {
                has_attributes = Some((**dataset).clone());
                dataset_kind(&dataset, &place)
            }
            Err(error) => EntryKind::Unreadable(error.report()),
        },
        Found::NamedType => EntryKind::NamedType,
        Found::SoftLink(target) => EntryKind::Link { file: None, target: target.clone() },
        Found::ExternalLink { file, name } => EntryKind::Link { file: Some(file.clone()), target: name.clone() },
        Found::UnknownLink | Found::Unreadable => EntryKind::Unreadable(found.kind().to_owned()),
    };
    let mut entry = Entry::new(name, kind);
    let read = has_attributes.and_then(|object| attributes::read_all(&object, &place).ok());
    entry.attributes = read.unwrap_or_default();
    entry
}

fn dataset_kind(dataset: &Dataset, place: &Place) -> EntryKind {
    match source::entry(dataset, place) {
        Ok(entry) => EntryKind::Dataset(Box::new(entry)),
        Err(error) => match without_size(dataset, place) {
            Some(what) => EntryKind::Other(what),
            None => EntryKind::Unreadable(error.report()),
        },
    }
}

/// Elements that have readers of their own, since they have no size, and their extents.
fn without_size(dataset: &Dataset, place: &Place) -> Option<String> {
    let kind = library::stored_type(dataset).ok()?;
    let what = match library::class(&kind).ok()? {
        Class::VariableString { .. } => "text of variable length",
        Class::Sequence { .. } => "sequences of variable length",
        Class::ObjectReference => "references to objects",
        _ => return None,
    };
    let (extents, _) = file::extents(dataset, place).ok()?;
    Some(format!("{what}, {}", Shape::from(extents)))
}
