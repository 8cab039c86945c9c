//! Following links to a dataset: soft ones, and if allowed those into other files, a bounded number of them.
//!
//! libhdf5 would follow them too, but not within bounds: a soft link may lead through a link into any file.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};

use chunk_core::{DataFile, Result, check_inside};
use hdf5::{Location, LocationType};

use crate::error::Place;
use crate::file;
use crate::library::{self, Link};
use crate::options::ReadOptions;
use crate::tree;

/// Links that lead to one dataset, at most.
const MOST_HOPS: usize = 32;
/// Groups that one way leads through, at most: each is opened from the root.
const MOST_PARTS: usize = 1000;

/// A dataset, opened, and the file it is in.
pub(crate) struct Opened {
    pub(crate) own: DataFile,
    pub(crate) dataset: hdf5::Dataset,
    pub(crate) place: Place,
}

/// Opens the dataset of this name, or the only one.
pub(crate) fn open(path: &Path, name: Option<&str>, options: ReadOptions) -> Result<Opened> {
    let (own, library_file) = file::open(path, options.locking)?;
    let Some(asked) = name else {
        let (dataset, place) = file::only_dataset(&library_file, path)?;
        return Ok(Opened { own, dataset, place });
    };
    let mut found = Found { path: path.to_path_buf(), own: Some(own), library_file, hops: 0 };
    let name = found.resolve(asked, options)?;
    let Found { path, own: Some(own), library_file, .. } = found else { unreachable!("it is there from the start") };
    let (dataset, place) = file::open_dataset(&library_file, &path, &file::absolute(&name))?;
    Ok(Opened { own, dataset, place })
}

/// The place of this name in a file that is open, without links. Those into other files are not followed.
pub(crate) fn place(library_file: &hdf5::File, path: &Path, name: &str) -> Result<Place> {
    let mut found = Found { path: path.to_path_buf(), own: None, library_file: library_file.clone(), hops: 0 };
    Ok(Place::new(path, &found.resolve(name, ReadOptions::default())?))
}

/// The group or dataset of this name in a file that is open.
///
/// # Errors
/// [`DatasetNotFound`](chunk_core::Error::DatasetNotFound); [`Unsupported`](chunk_core::Error::Unsupported) for what is
/// neither group nor dataset.
pub(crate) fn object(library_file: &hdf5::File, path: &Path, name: &str) -> Result<(Location, Place)> {
    let place = place(library_file, path, name)?;
    let fail = |error: hdf5::Error| place.library("open", &error);
    match library_file.loc_type_by_name(&place.dataset) {
        Ok(LocationType::Group) => Ok(((*library_file.group(&place.dataset).map_err(fail)?).clone(), place)),
        Ok(LocationType::Dataset) => Ok(((**library_file.dataset(&place.dataset).map_err(fail)?).clone(), place)),
        Ok(_) => Err(place.unsupported("is neither a group nor a dataset")),
        Err(_) => Err(tree::not_found(library_file, &place)),
    }
}

/// The dataset of this name in a file that is open.
///
/// # Errors
/// [`DatasetNotFound`](chunk_core::Error::DatasetNotFound), [`NotADataset`](chunk_core::Error::NotADataset).
pub(crate) fn dataset(library_file: &hdf5::File, path: &Path, name: &str) -> Result<(hdf5::Dataset, Place)> {
    let place = place(library_file, path, name)?;
    file::open_dataset(library_file, path, &file::absolute(&place.dataset))
}

/// How far the way has led.
struct Found {
    path: PathBuf,
    /// Where none is needed, `None`: the file is not left.
    own: Option<DataFile>,
    library_file: hdf5::File,
    hops: usize,
}

impl Found {
    /// The name without links in it, in the file that it then is in. What is not there keeps its name.
    fn resolve(&mut self, name: &str, options: ReadOptions) -> Result<String> {
        let mut rest: VecDeque<String> = parts(name).collect();
        let mut resolved = String::new();
        let mut passed = 0;
        while let Some(part) = rest.pop_front() {
            let place = Place::new(&self.path, &format!("{resolved}/{part}"));
            passed += 1;
            if passed > MOST_PARTS {
                return Err(Place::new(&self.path, "").unsupported(format!("a name leads through {MOST_PARTS} groups")));
            }
            let group = self.library_file.group(if resolved.is_empty() { "/" } else { &resolved });
            let link = match group {
                Ok(group) => library::link(&group, &part).map_err(|error| place.library("follow", &error))?,
                // Not a group: opening it will say so.
                Err(_) => None,
            };
            match link {
                None | Some(Link::Hard) => resolved.clone_from(&place.dataset),
                Some(Link::UserDefined) => return Err(place.unsupported("is a link of an unknown kind")),
                Some(Link::Soft(target)) => {
                    self.count_hop(&place)?;
                    if target.starts_with('/') {
                        resolved.clear();
                    }
                    prepend(&mut rest, &target);
                }
                Some(Link::External { file, name }) => {
                    self.count_hop(&place)?;
                    self.enter(&file, &place, options)?;
                    resolved.clear();
                    prepend(&mut rest, &name);
                }
            }
        }
        Ok(if resolved.is_empty() { "/".to_owned() } else { resolved })
    }

    fn count_hop(&mut self, place: &Place) -> Result<()> {
        self.hops += 1;
        if self.hops > MOST_HOPS {
            return Err(place.corrupt(format!("more than {MOST_HOPS} links, or links in a circle")));
        }
        Ok(())
    }

    /// Goes on in another file.
    fn enter(&mut self, file: &str, place: &Place, options: ReadOptions) -> Result<()> {
        if !options.external_links {
            return Err(place.unsupported(format!("is a link into {file:?}: links into other files are not followed")));
        }
        let path = beside(&self.path, file, options, place)?;
        let (own, library_file) = file::open(&path, options.locking)?;
        (self.path, self.own, self.library_file) = (path, Some(own), library_file);
        Ok(())
    }
}

/// The file of this name in the folder of `path` or below, wherever symbolic links lead; anywhere, if that is allowed.
pub(crate) fn beside(path: &Path, name: &str, options: ReadOptions, place: &Place) -> Result<PathBuf> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let joined = folder.join(name);
    let below = || Path::new(name).components().all(|part| matches!(part, std::path::Component::Normal(_)));
    let inside = !name.is_empty() && (options.outside || below() && check_inside(&joined, folder).is_ok());
    if inside {
        Ok(joined)
    } else {
        Err(place.unsupported(format!(
            "leads to {name:?}, outside the folder of its file, which must be allowed (--unsafe-links)"
        )))
    }
}

fn parts(name: &str) -> impl DoubleEndedIterator<Item = String> {
    name.split('/').filter(|part| !part.is_empty() && *part != ".").map(str::to_owned)
}

fn prepend(rest: &mut VecDeque<String>, name: &str) {
    parts(name).rev().for_each(|part| rest.push_front(part));
}
