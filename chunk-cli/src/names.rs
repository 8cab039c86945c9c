//! Names: of files, of what is inside of them, of axes.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use chunk_core::{DatasetInfo, Entry, EntryKind, Error, Location, Registry, Result};

/// A name without the slashes around it: `/g/d`, `g/d` and `g/d/` are one thing.
pub(crate) fn plain(name: &str) -> &str {
    name.trim_matches('/')
}

/// What stands between the slashes of a name.
pub(crate) fn parts(name: Option<&str>) -> Vec<&str> {
    name.unwrap_or_default().split('/').filter(|part| !part.is_empty()).collect()
}

/// What `name` is called from `group`, empty for the group itself; `None` if it is not inside. No group is the root.
pub(crate) fn relative<'a>(name: &'a str, group: Option<&str>) -> Option<&'a str> {
    let (name, group) = (plain(name), plain(group.unwrap_or_default()));
    if group.is_empty() {
        return Some(name);
    }
    let rest = name.strip_prefix(group)?;
    if rest.is_empty() { Some(rest) } else { rest.strip_prefix('/') }
}

/// Where an entry of the file at `file` is. A format without names inside has one dataset, called `/`.
pub(crate) fn location_of(file: &Location, entry: &Entry) -> Location {
    let location = Location::new(file.path());
    let location = match file.scheme() {
        Some(scheme) => location.with_scheme(scheme),
        None => location,
    };
    if plain(&entry.name).is_empty() { location } else { location.with_dataset(entry.name.clone()) }
}

/// Every dataset of a file, or of a group in it; those too that are listed as something else and cannot be read, which
/// opening them tells.
///
/// # Errors
/// A file that cannot be listed; a group or dataset that is not there.
pub(crate) fn datasets_inside(registry: &Registry, file: &Location) -> Result<Vec<Location>> {
    let entries = registry.list(file)?;
    let mut inside = entries.iter().filter(|entry| relative(&entry.name, file.dataset()).is_some()).peekable();
    if let (Some(name), None) = (file.dataset(), inside.peek()) {
        let (path, dataset) = (file.path().to_owned(), name.to_owned());
        return Err(Error::DatasetNotFound { path, dataset, near: Vec::new() });
    }
    let located = inside.map(|entry| (location_of(file, entry), &entry.kind));
    Ok(located.filter(|(location, kind)| is_dataset(registry, location, kind)).map(|(location, _)| location).collect())
}

/// Whether an entry is a dataset, or one that cannot be read. A link is none: what it leads to has an entry of its own.
fn is_dataset(registry: &Registry, location: &Location, kind: &EntryKind) -> bool {
    match kind {
        EntryKind::Dataset(_) => true,
        EntryKind::Group | EntryKind::Link { .. } | EntryKind::NamedType => false,
        _ => !matches!(registry.open(location), Ok(_) | Err(Error::NotADataset { .. } | Error::DatasetNotFound { .. })),
    }
}

/// The name of the dataset that is meant where none is given: that of the file's only one.
pub(crate) fn only_dataset(registry: &Registry, file: &Location) -> Option<String> {
    let entries = registry.list(file).ok()?;
    let mut names = entries.iter().filter(|entry| matches!(entry.kind, EntryKind::Dataset(_))).map(|entry| &entry.name);
    let (only, another) = (names.next()?, names.next());
    (another.is_none() && !plain(only).is_empty()).then(|| only.clone())
}

/// The axis that a number, maybe negative, means.
pub(crate) fn axis_of(axis: i64, info: &DatasetInfo) -> Result<usize> {
    let ndim = info.shape.len();
    let counted = if axis < 0 { axis.saturating_add_unsigned(ndim as u64) } else { axis };
    match usize::try_from(counted) {
        Ok(axis) => info.check_axis(axis).map(|()| axis),
        // Said as the core says it of an axis that is too large.
        Err(_) => {
            Err(Error::InvalidArgument(format!("axis {axis} is out of range for {}, which has {ndim} axes", info.name)))
        }
    }
}

/// The location with its path's `*`, `?` and `[..]` expanded, unless a file is called just that.
///
/// # Errors
/// [`Error::FileNotFound`] if no file matches, [`Error::Io`] if a folder cannot be read.
pub(crate) fn expand(location: &Location) -> Result<Vec<Location>> {
    let Some(pattern) = location.path().to_str().filter(|text| text.contains(['*', '?', '['])) else {
        return Ok(vec![location.clone()]);
    };
    if location.path().exists() {
        return Ok(vec![location.clone()]);
    }
    let paths = glob::glob(pattern).map_err(|error| Error::InvalidArgument(format!("{pattern}: {error}")))?;
    let found = paths.map(|path| match path {
        Ok(path) => Ok(with_path(location, path)),
        Err(error) => {
            let path = error.path().to_owned();
            Err(Error::io(path, "read", error.into()))
        }
    });
    let found = found.collect::<Result<Vec<_>>>()?;
    if found.is_empty() {
        return Err(Error::FileNotFound { path: location.path().to_owned() });
    }
    Ok(found)
}

pub(crate) fn with_path(location: &Location, path: impl Into<PathBuf>) -> Location {
    let mut found = Location::new(path);
    if let Some(scheme) = location.scheme() {
        found = found.with_scheme(scheme);
    }
    if let Some(dataset) = location.dataset() {
        found = found.with_dataset(dataset);
    }
    found
}

/// An error that says of which dataset it is, where it does not yet.
pub(crate) fn named(dataset: impl fmt::Display, error: Error) -> Error {
    match error {
        Error::InvalidArgument(_) | Error::IndexOutOfBounds { .. } => {
            Error::InvalidArgument(format!("{dataset}: {}", error.report()))
        }
        error => error,
    }
}

/// Whether both paths lead to one file, by links as well.
pub(crate) fn same_file(a: &Path, b: &Path) -> bool {
    a == b || resolved(a).is_some_and(|a| resolved(b) == Some(a))
}

/// The path without links, of a file that need not exist in a folder that does.
fn resolved(path: &Path) -> Option<PathBuf> {
    if let Ok(canonical) = fs::canonicalize(path) {
        return Some(canonical);
    }
    Some(fs::canonicalize(folder(path)).ok()?.join(path.file_name()?))
}

/// The folder that the file at `path` is in.
pub(crate) fn folder(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if parent.as_os_str().is_empty() => Path::new("."),
        Some(parent) => parent,
        None => path,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_what_is_inside_a_group() {
        assert_eq!(relative("/g/d", None), Some("g/d"));
        assert_eq!(relative("/", None), Some(""));
        assert_eq!(relative("/g/h/d", Some("/g/")), Some("h/d"));
        assert_eq!(relative("g/d", Some("/g/d")), Some(""));
        assert_eq!(relative("/gh/d", Some("g")), None);
        assert_eq!(relative("/a", Some("g")), None);
    }

    #[test]
    fn expands_patterns_in_the_path_alone() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["day-1.h5", "day-2.h5", "day-[3].h5"] {
            fs::write(folder.path().join(name), "").unwrap();
        }
        let names = |pattern: &str| -> Result<Vec<String>> {
            let location = Location::new(folder.path().join(pattern)).with_dataset("/d*").with_scheme("hdf5");
            let prefix = format!("hdf5:{}/", folder.path().display());
            let found = expand(&location)?.into_iter().map(|found| found.to_string());
            Ok(found.map(|name| name.strip_prefix(&prefix).unwrap().to_owned()).collect())
        };
        assert_eq!(names("day-?.h5").unwrap(), ["day-1.h5::/d*", "day-2.h5::/d*"]);
        assert_eq!(names("day-[3].h5").unwrap(), ["day-[3].h5::/d*"]);
        assert_eq!(names("plain.h5").unwrap(), ["plain.h5::/d*"]);
        assert!(matches!(names("night-*.h5"), Err(Error::FileNotFound { .. })));
    }

    #[test]
    fn sees_through_links_and_detours() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("x.h5");
        fs::write(&file, "").unwrap();
        fs::create_dir(folder.path().join("sub")).unwrap();
        assert!(same_file(&file, &folder.path().join("sub/../x.h5")));
        assert!(!same_file(&file, &folder.path().join("y.h5")));
        assert!(same_file(&folder.path().join("new.h5"), &folder.path().join("sub/../new.h5")));
        #[cfg(unix)]
        {
            std::os::unix::fs::symlink(&file, folder.path().join("link.h5")).unwrap();
            assert!(same_file(&folder.path().join("link.h5"), &file));
        }
    }
}
