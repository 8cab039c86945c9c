//! What is in a file, as programs and people are told.

use std::path::Path;

use chunk_core::{Entry, EntryKind, Result};

use crate::attributes;
use crate::error::Place;
use crate::file::{self, Found};
use crate::source;

/// Everything in a file, groups before what they hold.
pub(crate) fn entries(library_file: &hdf5::File, path: &Path) -> Result<Vec<Entry>> {
    let found = file::walk(library_file, &Place::new(path, ""))?;
    Ok(found.into_iter().map(|(name, found)| entry(library_file, path, name, &found)).collect())
}

/// What stands under a name. Something that cannot be read is listed with the reason.
fn entry(library_file: &hdf5::File, path: &Path, name: String, found: &Found) -> Entry {
    let kind = match found {
        Found::Group => EntryKind::Group,
        Found::Dataset => {
            let place = Place::new(path, &name);
            let opened = library_file.dataset(&name).map_err(|error| place.library("open", &error));
            match opened.and_then(|dataset| source::entry(&dataset, &place)) {
                Ok(entry) => EntryKind::Dataset(Box::new(entry)),
                Err(error) => EntryKind::Unreadable(error.report()),
            }
        }
        Found::NamedType => EntryKind::NamedType,
        Found::SoftLink(target) => EntryKind::Link { file: None, target: target.clone() },
        Found::ExternalLink { file, name } => EntryKind::Link { file: Some(file.clone()), target: name.clone() },
        Found::UnknownLink | Found::Unreadable => EntryKind::Unreadable(found.kind().to_owned()),
    };
    let mut entry = Entry::new(name, kind);
    entry.attributes = attributes::read(library_file, &entry.name, found);
    entry
}
