//! Opening files, and finding datasets in them.

use std::collections::HashSet;
use std::path::Path;

use chunk_core::{DataFile, Error, Result};
use hdf5::{FileBuilder, Group, IndexType, IterationOrder, LinkType, LocationType};

use crate::error::{Place, reason};
use crate::library::{self, Link};
use crate::recover;
use crate::tree;

/// Whether a file is locked while it is open.
///
/// A shared lock for reading and an exclusive one for writing, as other programs that use libhdf5 take them, so that
/// nobody reads what is being written. The locks are ours: those of the library are inherited by child processes, which
/// then keep a file locked that nobody has open any more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FileLocking {
    /// A lock is taken, and a file that another process writes is refused.
    #[default]
    On,
    /// No lock is taken.
    Off,
}

impl FileLocking {
    /// Takes the file for reading.
    pub(crate) fn shared(self, file: &DataFile) -> Result<()> {
        if self == FileLocking::On { file.lock_shared() } else { Ok(()) }
    }

    /// Takes the file for writing.
    pub(crate) fn exclusive(self, file: &DataFile) -> Result<()> {
        if self == FileLocking::On { file.lock() } else { Ok(()) }
    }
}

const SIGNATURE: [u8; 8] = *b"\x89HDF\r\n\x1a\n";
/// A walk through a file ends here, however its links are wound.
const MOST_ENTRIES: usize = 1_000_000;
const MOST_DEPTH: usize = 1000;
/// Names in an error message.
const NEAR_NAMES: usize = 5;

/// Whether a file that begins with `head` may be an HDF5 file: the signature is at 0, or after a user block whose
/// size is a power of two from 512 on.
pub(crate) fn has_signature(head: &[u8]) -> bool {
    signature_offsets(head.len() as u64).any(|offset| head[offset as usize..].starts_with(&SIGNATURE))
}

/// Where the signature may be in a file of this length.
fn signature_offsets(length: u64) -> impl Iterator<Item = u64> {
    let doubled = std::iter::successors(Some(512_u64), |offset| offset.checked_mul(2));
    [0].into_iter().chain(doubled).take_while(move |offset| offset + SIGNATURE.len() as u64 <= length)
}

/// Opens a file for reading: as our own descriptor and in the library.
pub(crate) fn open(path: &Path, locking: FileLocking) -> Result<(DataFile, hdf5::File)> {
    let own = DataFile::open(path)?;
    let metadata = own.file().metadata().map_err(|cause| Error::io(path, "open", cause))?;
    if !metadata.is_file() || signature_offset(&own, metadata.len())?.is_none() {
        return Err(Error::WrongFormat { path: path.to_path_buf(), format: "an HDF5" });
    }
    // A commit of this process is then over, or has not begun.
    let opened = library::alone(|| {
        recover::before_reading(&own, locking)?;
        locking.shared(&own)?;
        library_options().open(path).map_err(|error| open_error(&Place::new(path, ""), &error))
    });
    Ok((own, opened?))
}

/// How the library opens files: without chunks of its own in memory, and without its locks.
pub(crate) fn library_options() -> FileBuilder {
    let mut options = hdf5::File::with_options();
    options.with_fapl(|list| list.chunk_cache(0, 0, 0.0).file_locking(false));
    options
}

pub(crate) fn open_error(place: &Place, error: &hdf5::Error) -> Error {
    let frames = error.stack().map(|stack| stack.iter().map(|frame| frame.desc().to_owned()).collect::<Vec<_>>());
    let says = |words: &str| frames.iter().flatten().any(|text| text.contains(words));
    if says("truncated file") {
        return place.corrupt("the file is truncated: it is shorter than it says itself");
    }
    if says("already open for write") {
        return place.unsupported("the file is marked as being written: its writer runs, or died (then: h5clear -s)");
    }
    place.corrupt(format!("not a readable HDF5 file: {}", reason(error)))
}

/// Where the signature is.
pub(crate) fn signature_offset(file: &DataFile, length: u64) -> Result<Option<u64>> {
    for offset in signature_offsets(length) {
        let mut head = [0; SIGNATURE.len()];
        file.read_at(&mut head, offset)?;
        if head == SIGNATURE {
            return Ok(Some(offset));
        }
    }
    Ok(None)
}

/// What stands under a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    Group,
    Dataset,
    NamedType,
    SoftLink(String),
    ExternalLink {
        file: String,
        name: String,
    },
    /// A link of a kind that some program has registered for itself.
    UnknownLink,
    /// An object that the library cannot make out.
    Unreadable,
}

impl Found {
    pub(crate) fn is_dataset(&self) -> bool {
        *self == Found::Dataset
    }

    /// What it is, with its article.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Found::Group => "a group",
            Found::Dataset => "a dataset",
            Found::NamedType => "a named datatype",
            Found::SoftLink(_) => "a soft link",
            Found::ExternalLink { .. } => "a link into another file",
            Found::UnknownLink => "a link of an unknown kind",
            Found::Unreadable => "an unreadable object",
        }
    }
}

/// What stands under a name in a group, at the end of this link.
pub(crate) fn found_by(group: &Group, name: &str, link: Link) -> Found {
    match link {
        Link::Hard => object(group, name),
        Link::Soft(target) => Found::SoftLink(target),
        Link::External { file, name } => Found::ExternalLink { file, name },
        Link::UserDefined => Found::UnknownLink,
    }
}

/// Everything in a file by its name from the root, groups before what they hold. Links are named, not followed; an
/// object that several hard links lead to is walked once.
pub(crate) fn walk(file: &hdf5::File, place: &Place) -> Result<Vec<(String, Found)>> {
    let fail = |error: hdf5::Error| place.library("list", &error);
    let root = file.group("/").map_err(fail)?;
    let mut seen = HashSet::from([tree::token(&root).map_err(fail)?]);
    let mut entries = Vec::new();
    let mut stack = vec![(String::new(), root, 0_usize)];
    while let Some((prefix, group, depth)) = stack.pop() {
        let mut inner = Vec::new();
        for (name, link) in group.links(IndexType::Name, IterationOrder::Increasing).map_err(fail)? {
            let full = format!("{prefix}/{name}");
            let found = match link.link_type {
                LinkType::Hard => object(&group, &name),
                _ => library::link(&group, &name)
                    .map_err(fail)?
                    .map_or(Found::UnknownLink, |link| found_by(&group, &name, link)),
            };
            if entries.len() >= MOST_ENTRIES {
                return Err(place.unsupported(format!("more than {MOST_ENTRIES} objects")));
            }
            entries.push((full.clone(), found.clone()));
            if found == Found::Group && depth < MOST_DEPTH {
                let found = group.group(&name).map_err(fail)?;
                if seen.insert(tree::token(&found).map_err(fail)?) {
                    inner.push((full, found, depth + 1));
                }
            }
        }
        stack.extend(inner.into_iter().rev());
    }
    entries.sort_by(|a, b| a.0.split('/').cmp(b.0.split('/')));
    Ok(entries)
}

fn object(group: &Group, name: &str) -> Found {
    match group.loc_type_by_name(name) {
        Ok(LocationType::Group) => Found::Group,
        Ok(LocationType::Dataset) => Found::Dataset,
        Ok(_) => Found::NamedType,
        Err(_) => Found::Unreadable,
    }
}

fn names(file: &hdf5::File, place: &Place, wanted: impl Fn(&Found) -> bool) -> Result<Vec<String>> {
    let entries = walk(file, place)?;
    Ok(entries.into_iter().filter(|(_, found)| wanted(found)).map(|(name, _)| name).collect())
}

/// Opens the file's only dataset. Gives its name from the root too.
pub(crate) fn only_dataset(file: &hdf5::File, path: &Path) -> Result<(hdf5::Dataset, Place)> {
    let names = names(file, &Place::new(path, ""), Found::is_dataset)?;
    match names.as_slice() {
        [] => Err(Error::DatasetNotFound { path: path.to_path_buf(), dataset: "/".to_owned(), near: Vec::new() }),
        [only] => open_dataset(file, path, only),
        _ => {
            let names = names.into_iter().take(NEAR_NAMES).collect();
            Err(Error::DatasetNotNamed { path: path.to_path_buf(), names })
        }
    }
}

/// The datasets that chunkiter reads where none is named: `data`, else `data0`, `data1` and so on to the first gap.
pub(crate) fn automatic_names(file: &hdf5::File, path: &Path) -> Result<Vec<String>> {
    let is_dataset = |name: &String| matches!(file.loc_type_by_name(name), Ok(LocationType::Dataset));
    let alone = "/data".to_owned();
    if is_dataset(&alone) {
        return Ok(vec![alone]);
    }
    let names: Vec<String> = (0..MOST_ENTRIES).map(|number| format!("/data{number}")).take_while(is_dataset).collect();
    if names.is_empty() {
        let near = near_names(file, &Place::new(path, &alone), Found::is_dataset)?;
        return Err(Error::DatasetNotFound { path: path.to_path_buf(), dataset: alone, near });
    }
    Ok(names)
}

/// The name from the root: one slash before each part.
pub(crate) fn absolute(name: &str) -> String {
    name.split('/').filter(|part| !part.is_empty()).fold(String::new(), |name, part| name + "/" + part)
}

/// Opens the dataset of this name from the root, which no link into another file leads to.
pub(crate) fn open_dataset(file: &hdf5::File, path: &Path, name: &str) -> Result<(hdf5::Dataset, Place)> {
    let place = Place::new(path, if name.is_empty() { "/" } else { name });
    let kind = match file.loc_type_by_name(&place.dataset) {
        Ok(LocationType::Dataset) => {
            let dataset = file.dataset(&place.dataset).map_err(|error| place.library("open", &error))?;
            return Ok((dataset, place));
        }
        Ok(LocationType::Group) => "a group",
        Ok(_) => "a named datatype",
        Err(_) => {
            let near = near_names(file, &place, Found::is_dataset)?;
            return Err(Error::DatasetNotFound { path: path.to_path_buf(), dataset: place.dataset, near });
        }
    };
    let near = near_names(file, &place, Found::is_dataset)?;
    Err(Error::NotADataset { path: path.to_path_buf(), dataset: place.dataset, kind, near })
}

/// Names in the file, the likeliest to be meant first, of what is `wanted`.
pub(crate) fn near_names(file: &hdf5::File, place: &Place, wanted: impl Fn(&Found) -> bool) -> Result<Vec<String>> {
    let mut names = names(file, place, wanted)?;
    let inside = format!("{}/", place.dataset.trim_end_matches('/'));
    let unlikeness = |name: &String| {
        #[expect(clippy::cast_sign_loss, reason = "a likeness is between 0 and 1")]
        let unlike = ((1.0 - strsim::normalized_damerau_levenshtein(name, &place.dataset)) * 1e6) as u64;
        (!name.starts_with(&inside), unlike)
    };
    names.sort_by_cached_key(unlikeness);
    names.truncate(NEAR_NAMES);
    Ok(names)
}

/// What a dataset states of itself besides its type.
pub(crate) fn extents(dataset: &hdf5::Dataset, place: &Place) -> Result<library::Extents> {
    let extents = library::extents(dataset).map_err(|error| place.library("read the shape", &error))?;
    extents.ok_or_else(|| place.unsupported("has no value: its dataspace is null"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_signature_after_a_user_block() {
        let mut head = vec![0; 4096];
        assert!(!has_signature(&head));
        head[1024..1032].copy_from_slice(&SIGNATURE);
        assert!(has_signature(&head));
        assert!(has_signature(&head[1024..]));
        assert!(!has_signature(&SIGNATURE[..7]));
    }

    #[test]
    fn names_begin_at_the_root() {
        assert_eq!(absolute("a//b/"), "/a/b");
        assert_eq!(absolute("/data"), "/data");
        assert_eq!(absolute("/"), "");
    }
}
