//! Names in a file, and what stands under them.

use chunk_core::{Error, Result};
use hdf5::plist::link_create::CharEncoding;

use crate::error::Place;
use crate::file::{self, Found};

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

/// That `place` can be made: all that is on the way there is a group or missing, and nothing has the name.
///
/// # Errors
/// [`Error::NotAGroup`], [`Error::AlreadyExists`].
pub(crate) fn check_free(file: &hdf5::File, place: &Place) -> Result<()> {
    check_parents(file, place)?;
    match file::found(file, place)? {
        Some(_) => Err(already_exists(place)),
        None => Ok(()),
    }
}

/// That all that is on the way to `place` is a group or missing.
pub(crate) fn check_parents(file: &hdf5::File, place: &Place) -> Result<()> {
    for parent in parents(&place.dataset) {
        let kind = match file::found(file, &Place::new(&place.path, parent))? {
            None => return Ok(()),
            Some(Found::Group) => continue,
            Some(Found::SoftLink(_)) if leads_to_group(file, parent) => continue,
            Some(found) => found.kind(),
        };
        return Err(Error::NotAGroup { path: place.path.clone(), name: parent.to_owned(), kind });
    }
    Ok(())
}

/// Whether a soft link leads to a group of the same file.
fn leads_to_group(file: &hdf5::File, name: &str) -> bool {
    let number = |group: hdf5::Result<hdf5::Group>| group.and_then(|group| group.loc_info()).map(|info| info.fileno);
    matches!((number(file.group(name)), number(file.group("/"))), (Ok(there), Ok(here)) if there == here)
}

/// Makes the groups on the way to `name` that are missing.
pub(crate) fn create_parents(file: &hdf5::File, name: &str) -> std::result::Result<(), hdf5::Error> {
    parents(name).filter(|parent| !file.link_exists(parent)).try_for_each(|parent| create_group(file, parent))
}

/// Makes one group. Without its time, which would make equal data unequal files.
pub(crate) fn create_group(file: &hdf5::File, name: &str) -> std::result::Result<(), hdf5::Error> {
    file.create_group_builder().obj_track_times(false).char_encoding(CharEncoding::Utf8).create(name).map(|_| ())
}

/// The groups on the way to `name`, the outermost first, without the root.
fn parents(name: &str) -> impl Iterator<Item = &str> {
    name.match_indices('/').map(|(end, _)| &name[..end]).filter(|parent| !parent.is_empty())
}

fn already_exists(place: &Place) -> Error {
    let Place { path, dataset } = place.clone();
    Error::AlreadyExists { path, dataset, hint: " (overwriting it must be asked for)" }
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
