//! Names in a file, and what stands under them.

use std::collections::HashSet;

use chunk_core::{Error, Result};
use hdf5::plist::link_create::CharEncoding;
use hdf5::{Group, GroupBuilder, IndexType, IterationOrder, LinkType, LocationType};

use crate::error::Place;
use crate::file::{self, Found};
use crate::library;

/// The name from the root: one slash before each part.
///
/// # Errors
/// [`Error::InvalidLocation`] for a name that nothing can have: the root's, one with `.`, `..` or a zero byte in it.
pub(crate) fn checked(name: &str) -> Result<String> {
    let fail = |reason| Error::InvalidLocation { text: name.to_owned(), reason };
    let absolute = file::absolute(name);
    if absolute.is_empty() {
        return Err(fail("a name in a file is not empty, nor is it that of the root group"));
    }
    if absolute.contains('\0') {
        return Err(fail("a name in a file has no zero byte"));
    }
    if absolute.split('/').any(|part| part == "." || part == "..") {
        return Err(fail("no part of a name in a file is . or .."));
    }
    Ok(absolute)
}

/// What stands under a name from the root. Links at its end are named, not followed; those on the way are, within the
/// file.
pub(crate) fn found(file: &hdf5::File, place: &Place) -> Result<Option<Found>> {
    let (parent, name) = place.dataset.rsplit_once('/').unwrap_or(("", &place.dataset));
    let Some(group) = group(file, parent) else { return Ok(None) };
    let link = library::link(&group, name).map_err(|error| place.library("look up", &error))?;
    Ok(link.map(|link| file::found_by(&group, name, link)))
}

/// What stands under a name, which must be something.
///
/// # Errors
/// [`Error::DatasetNotFound`], with what is there.
pub(crate) fn existing(file: &hdf5::File, place: &Place) -> Result<Found> {
    match found(file, place)? {
        Some(found) => Ok(found),
        None => Err(not_found(file, place)),
    }
}

/// Nothing has the name.
pub(crate) fn not_found(file: &hdf5::File, place: &Place) -> Error {
    let Place { path, dataset } = place.clone();
    match file::near_names(file, place, |_| true) {
        Ok(near) => Error::DatasetNotFound { path, dataset, near },
        Err(error) => error,
    }
}

/// That `to` is not inside of the group `from`, by whatever links.
///
/// # Errors
/// [`Error::InvalidArgument`].
pub(crate) fn check_outside(file: &hdf5::File, from: &Place, to: &Place) -> Result<()> {
    let Some(moved) = group(file, &from.dataset) else { return Ok(()) };
    let inside = tokens(moved).map_err(|error| from.library("list", &error))?;
    let is_inside = |parent: &str| {
        group(file, parent).and_then(|group| token(&group).ok()).is_some_and(|token| inside.contains(&token))
    };
    if parents(&to.dataset).any(is_inside) {
        let (from, to) = (from.name(), &to.dataset);
        return Err(Error::InvalidArgument(format!("{from} cannot be moved to {to}, which is inside of it")));
    }
    Ok(())
}

/// What tells a group and all groups that are in it, by hard links.
fn tokens(group: Group) -> hdf5::Result<HashSet<String>> {
    let mut tokens = HashSet::from([token(&group)?]);
    let mut rest = vec![group];
    while let Some(group) = rest.pop() {
        for (name, link) in group.links(IndexType::Name, IterationOrder::Native)? {
            let is_group =
                link.link_type == LinkType::Hard && matches!(group.loc_type_by_name(&name), Ok(LocationType::Group));
            if is_group {
                let inner = group.group(&name)?;
                if tokens.insert(token(&inner)?) {
                    rest.push(inner);
                }
            }
        }
    }
    Ok(tokens)
}

/// Tokens compare but do not hash: their text does.
pub(crate) fn token(group: &Group) -> hdf5::Result<String> {
    Ok(format!("{:?}", group.loc_info()?.token))
}

/// That there is an object to copy at `from`, or at the end of a link there, in the same file.
///
/// # Errors
/// [`Error::DatasetNotFound`]; [`Error::Unsupported`] for a link into another file.
pub(crate) fn check_copied(file: &hdf5::File, from: &Place) -> Result<()> {
    let refused = || from.unsupported("links into other files are not followed");
    match existing(file, from)? {
        Found::SoftLink(_) => {}
        Found::ExternalLink { .. } => return Err(refused()),
        _ => return Ok(()),
    }
    let number = |info: hdf5::Result<hdf5::LocationInfo>| info.ok().map(|info| info.fileno);
    match number(file.loc_info_by_name(&from.dataset)) {
        None => Err(not_found(file, from)),
        there if there == number(file.loc_info()) => Ok(()),
        _ => Err(refused()),
    }
}

/// The group of this name, the root if it is empty, in this file.
fn group(file: &hdf5::File, name: &str) -> Option<Group> {
    let root = file.group("/").ok()?;
    if name.is_empty() {
        return Some(root);
    }
    let group = root.group(name).ok()?;
    // A soft link may lead through a link into another file.
    (group.loc_info().ok()?.fileno == root.loc_info().ok()?.fileno).then_some(group)
}

/// That `place` can be made: all that is on the way there is a group or missing, and nothing has the name.
///
/// # Errors
/// [`Error::NotAGroup`], [`Error::AlreadyExists`].
pub(crate) fn check_free(file: &hdf5::File, place: &Place) -> Result<()> {
    check_parents(file, place)?;
    match found(file, place)? {
        Some(_) => Err(already_exists(place, "")),
        None => Ok(()),
    }
}

/// That a dataset can get the name, and whether it takes it from another.
///
/// # Errors
/// As [`check_free`], unless it may be overwritten; [`Error::NotADataset`].
pub(crate) fn check_new(file: &hdf5::File, place: &Place, overwrite: bool) -> Result<bool> {
    check_parents(file, place)?;
    match found(file, place)? {
        None => Ok(false),
        Some(Found::Dataset) if overwrite => Ok(true),
        Some(Found::Dataset) => Err(already_exists(place, " (overwriting it must be asked for)")),
        Some(found) => {
            let (Place { path, dataset }, kind) = (place.clone(), found.kind());
            Err(Error::NotADataset { path, dataset, kind, near: Vec::new() })
        }
    }
}

/// That all that is on the way to `place` is a group or missing.
fn check_parents(file: &hdf5::File, place: &Place) -> Result<()> {
    for parent in parents(&place.dataset) {
        let kind = match found(file, &Place::new(&place.path, parent))? {
            None => return Ok(()),
            Some(Found::Group) => continue,
            Some(Found::SoftLink(_)) if group(file, parent).is_some() => continue,
            Some(found) => found.kind(),
        };
        return Err(Error::NotAGroup { path: place.path.clone(), name: parent.to_owned(), kind });
    }
    Ok(())
}

/// Makes the groups on the way to `name` that are missing; they keep the order of what is put into them if the group that
/// they are in does, as libhdf5 has it.
pub(crate) fn create_parents(file: &hdf5::File, name: &str) -> hdf5::Result<()> {
    for parent in parents(name).filter(|parent| !file.link_exists(parent)) {
        let outer = parent.rsplit_once('/').map_or("/", |(outer, _)| if outer.is_empty() { "/" } else { outer });
        let order = file.group(outer)?.create_plist()?.link_creation_order();
        make_group(file.create_group_builder().with_create_plist(|list| list.link_creation_order(order)), parent)?;
    }
    Ok(())
}

/// Makes one group.
pub(crate) fn create_group(file: &hdf5::File, name: &str) -> hdf5::Result<()> {
    make_group(file.create_group_builder(), name)
}

/// Without its time, which would make equal data unequal files.
fn make_group(builder: GroupBuilder, name: &str) -> hdf5::Result<()> {
    builder.obj_track_times(false).char_encoding(CharEncoding::Utf8).create(name).map(|_| ())
}

/// The groups on the way to `name`, the outermost first, without the root.
pub(crate) fn parents(name: &str) -> impl Iterator<Item = &str> {
    name.match_indices('/').map(|(end, _)| &name[..end]).filter(|parent| !parent.is_empty())
}

fn already_exists(place: &Place, hint: &'static str) -> Error {
    let Place { path, dataset } = place.clone();
    Error::AlreadyExists { path, dataset, hint }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_names_that_nothing_can_have() {
        assert_eq!(checked("a//b/").unwrap(), "/a/b");
        assert_eq!(checked("/a.b/..c").unwrap(), "/a.b/..c");
        for name in ["", "/", "//", "a/./b", "..", "a/..", "a\0b"] {
            assert!(matches!(checked(name), Err(Error::InvalidLocation { .. })), "{name:?}");
        }
    }

    #[test]
    fn names_the_groups_on_the_way() {
        assert_eq!(parents("/a/b/c").collect::<Vec<_>>(), ["/a", "/a/b"]);
        assert_eq!(parents("/a").count(), 0);
    }
}
