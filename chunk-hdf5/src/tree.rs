//! Names in a file, and what stands under them.

use chunk_core::{Error, Result};
use hdf5::Group;
use hdf5::plist::link_create::CharEncoding;

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
    let token = |name: &str| group(file, name).and_then(|group| group.loc_info().ok()).map(|info| info.token);
    let Some(moved) = token(&from.dataset) else { return Ok(()) };
    if parents(&to.dataset).any(|parent| token(parent).as_ref() == Some(&moved)) {
        let (from, to) = (from.name(), &to.dataset);
        return Err(Error::InvalidArgument(format!("{from} cannot be moved to {to}, which is inside of it")));
    }
    Ok(())
}

/// That there is an object to copy at `from`, or at the end of a link there, in the same file.
///
/// # Errors
/// [`Error::DatasetNotFound`]; [`Error::Unsupported`] for a link into another file.
pub(crate) fn check_copied(file: &hdf5::File, from: &Place) -> Result<()> {
    if !matches!(existing(file, from)?, Found::SoftLink(_) | Found::ExternalLink { .. }) {
        return Ok(());
    }
    let number = |info: hdf5::Result<hdf5::LocationInfo>| info.ok().map(|info| info.fileno);
    match number(file.loc_info_by_name(&from.dataset)) {
        None => Err(not_found(file, from)),
        there if there == number(file.loc_info()) => Ok(()),
        _ => Err(from.unsupported("links into other files are not followed")),
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
        Some(found) => Err(already_exists(place, &found)),
        None => Ok(()),
    }
}

/// That all that is on the way to `place` is a group or missing.
pub(crate) fn check_parents(file: &hdf5::File, place: &Place) -> Result<()> {
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

/// Makes the groups on the way to `name` that are missing.
pub(crate) fn create_parents(file: &hdf5::File, name: &str) -> hdf5::Result<()> {
    parents(name).filter(|parent| !file.link_exists(parent)).try_for_each(|parent| create_group(file, parent))
}

/// Makes one group. Without its time, which would make equal data unequal files.
pub(crate) fn create_group(file: &hdf5::File, name: &str) -> hdf5::Result<()> {
    file.create_group_builder().obj_track_times(false).char_encoding(CharEncoding::Utf8).create(name).map(|_| ())
}

/// The groups on the way to `name`, the outermost first, without the root.
pub(crate) fn parents(name: &str) -> impl Iterator<Item = &str> {
    name.match_indices('/').map(|(end, _)| &name[..end]).filter(|parent| !parent.is_empty())
}

/// Something has the name.
pub(crate) fn already_exists(place: &Place, found: &Found) -> Error {
    let Place { path, dataset } = place.clone();
    let hint = match found {
        Found::Dataset => " (overwriting it must be asked for)",
        Found::Group => " (it is a group)",
        _ => " (it is no dataset)",
    };
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
