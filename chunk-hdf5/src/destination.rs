//! Where a new dataset goes: into a file of its own, into one that is there, or into one that an editor has open.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use chunk_core::{DataFile, Error, NewFile, Result};
use hdf5::Dataset;

use crate::changing::Changing;
use crate::error::Place;
use crate::file;
use crate::locks::Locks;
use crate::superblock::Superblock;
use crate::{library, links, pytables, tree};

/// The name that a new dataset is to have. The dataset is made without it and gets it when it is complete: one that is
/// given up leaves nothing, and one that it replaces is there until then.
#[derive(Debug)]
pub(crate) struct Destination {
    pub(crate) place: Place,
    overwrite: bool,
    /// Whether the groups on the way get what PyTables gives to groups.
    pub(crate) pytables: bool,
    target: Target,
    /// Bytes of the file that are not used, and may be for the dataset.
    pub(crate) free: u64,
}

#[derive(Debug)]
enum Target {
    Path(Locks),
    Editor(Arc<Changing>),
}

/// What is done with the file at a path.
enum Way {
    /// It is made, or replaced: nothing else is in it.
    Anew,
    /// It is changed in place, and has so many bytes that are not used.
    InPlace { free: u64 },
}

impl Destination {
    /// A name in the file at `path`, which is looked at.
    ///
    /// # Errors
    /// As [`tree::checked`] and [`tree::check_new`]; a missing directory; a file that is no HDF5 file, or is locked.
    pub(crate) fn of_path(path: &Path, name: &str, overwrite: bool, locks: &Locks) -> Result<Self> {
        let place = Place::new(path, &tree::checked(name)?);
        let free = match way(&place, overwrite, locks)? {
            Way::Anew => 0,
            Way::InPlace { free } => free,
        };
        Ok(Destination { place, overwrite, pytables: false, target: Target::Path(locks.clone()), free })
    }

    /// A name in a file that an editor has open.
    ///
    /// # Errors
    /// As [`tree::check_free`].
    pub(crate) fn in_editor(file: &Arc<Changing>, place: Place) -> Result<Self> {
        tree::check_free(file.library(), &place)?;
        let free = library::free_space(file.library());
        let free = free.map_err(|error| file.fail(place.library("look up", &error)))?;
        Ok(Destination { place, overwrite: false, pytables: false, target: Target::Editor(file.clone()), free })
    }

    /// The file, open to be changed.
    pub(crate) fn open(&self) -> Result<Arc<Changing>> {
        let locks = match &self.target {
            Target::Editor(file) => return Ok(file.clone()),
            Target::Path(locks) => locks,
        };
        // It may have changed since it was looked at.
        let file = match way(&self.place, self.overwrite, locks)? {
            Way::Anew => Changing::create(&self.place.path, self.overwrite)?,
            Way::InPlace { .. } => Changing::open(&self.place.path, locks)?,
        };
        Ok(Arc::new(file))
    }

    /// Whether what has the name is replaced.
    pub(crate) fn overwrites(&self) -> bool {
        self.overwrite
    }

    /// The file, open to be changed; a new one is made around the chunks that are in `data`, up to `chunks_end`.
    pub(crate) fn open_around(&self, data: &Arc<DataFile>, chunks_end: u64) -> Result<Arc<Changing>> {
        let (path, Target::Path(locks)) = (&self.place.path, &self.target) else { return self.open() };
        match way(&self.place, self.overwrite, locks)? {
            Way::Anew => {
                NewFile::check(path, self.overwrite)?;
                Ok(Arc::new(Changing::around(path, data.clone(), chunks_end)?))
            }
            Way::InPlace { .. } => Ok(Arc::new(Changing::open(path, locks)?)),
        }
    }

    /// Gives the dataset its name. Unless an editor has the file, that is finished.
    pub(crate) fn finish(&self, file: Arc<Changing>, dataset: Dataset) -> Result<()> {
        self.give_name(&file, &dataset)?;
        drop(dataset);
        match (&self.target, Arc::into_inner(file)) {
            (Target::Path(_), Some(file)) => file.finish(),
            (Target::Path(_), None) => unreachable!("nobody else has it"),
            (Target::Editor(_), _) => Ok(()),
        }
    }

    fn give_name(&self, file: &Changing, dataset: &Dataset) -> Result<()> {
        let (library_file, name) = (file.library(), &self.place.dataset);
        let replaced = tree::check_new(library_file, &self.place, self.overwrite)?;
        let removed = if replaced { library_file.unlink(name) } else { Ok(()) };
        let named = removed
            .and_then(|()| tree::create_parents(library_file, name))
            .and_then(|()| library::link_dataset(library_file, dataset, name));
        named.map_err(|error| file.fail(self.place.library("create", &error)))?;
        if self.pytables { self.mark_groups(library_file).map_err(|error| file.fail(error)) } else { Ok(()) }
    }

    fn mark_groups(&self, library_file: &hdf5::File) -> Result<()> {
        tree::parents(&self.place.dataset).chain(["/"]).try_for_each(|name| {
            let (group, place) = links::object(library_file, &self.place.path, name)?;
            pytables::write_group(&group, &place)
        })
    }
}

/// What is to be done with the file of `place` so that a dataset gets this name.
fn way(place: &Place, overwrite: bool, locks: &Locks) -> Result<Way> {
    let path = &place.path;
    NewFile::check(path, true)?;
    let Ok(metadata) = fs::symlink_metadata(path) else { return Ok(Way::Anew) };
    let (own, library_file) = match file::open(path, locks.to_read(path)) {
        Ok(files) => files,
        // A file that was cut off, or is empty, has nothing to lose; another format has.
        Err(Error::Corrupt { .. }) if overwrite => return Ok(Way::Anew),
        Err(Error::WrongFormat { .. }) if overwrite && metadata.len() == 0 => return Ok(Way::Anew),
        Err(Error::Corrupt { .. } | Error::WrongFormat { .. }) if !overwrite => {
            NewFile::check(path, false)?;
            return Ok(Way::Anew); // it has just gone
        }
        Err(error) => return Err(error),
    };
    if tree::check_new(&library_file, place, overwrite)? && is_alone(&own, &library_file, place)? {
        return Ok(Way::Anew);
    }
    let free = library::free_space(&library_file).map_err(|error| place.library("look up", &error))?;
    Ok(Way::InPlace { free })
}

/// Whether the file holds nothing beside the dataset and the groups that it is in: then a new file in its place is
/// smaller than the old one with a hole in it.
fn is_alone(own: &DataFile, library_file: &hdf5::File, place: &Place) -> Result<bool> {
    let fail = |error: hdf5::Error| place.library("list", &error);
    if Superblock::read(own)?.offset > 0 {
        return Ok(false);
    }
    for group in tree::parents(&place.dataset).chain(["/"]) {
        let group = library_file.group(group).map_err(fail)?;
        if group.len() != 1 || !pytables::is_plain_group(&group, place)? {
            return Ok(false);
        }
    }
    Ok(true)
}
