//! Changing what is in a file, all or nothing.

use std::path::Path;

use chunk_core::{Attribute, Result};

use crate::changing::Changing;
use crate::error::Place;
use crate::options::ReadOptions;
use crate::{attributes, links, tree};

/// A file whose content is changed, all or nothing: others see the changes once [`finish`](Hdf5Editor::finish) has made
/// them durable. Dropped before, it takes all of them along, and a new file with them.
///
/// ```
/// use chunk_hdf5::Hdf5Editor;
///
/// let folder = std::env::temp_dir().join(format!("chunk-hdf5-editor-{}", std::process::id()));
/// std::fs::create_dir_all(&folder)?;
/// let editor = Hdf5Editor::create(folder.join("run.h5"), false)?;
/// editor.create_group("/2024/may")?;
/// editor.finish()?;
/// # std::fs::remove_dir_all(&folder)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Hdf5Editor {
    file: Changing,
}

impl Hdf5Editor {
    /// A new file, which appears at `path` when it is finished.
    ///
    /// # Errors
    /// [`Error::AlreadyExists`](chunk_core::Error::AlreadyExists), unless it may be overwritten; a missing directory.
    pub fn create(path: impl AsRef<Path>, overwrite: bool) -> Result<Self> {
        Ok(Hdf5Editor { file: Changing::create(path.as_ref(), overwrite)? })
    }

    /// The file at `path`, to be changed in place. It is locked as long as the editor is there.
    ///
    /// # Errors
    /// [`Error::Locked`](chunk_core::Error::Locked) while others have the file open; a missing or malformed file.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        Hdf5Editor::open_with(path, ReadOptions::default())
    }

    /// The same with options, of which the locking counts.
    ///
    /// # Errors
    /// As [`Hdf5Editor::open`].
    pub fn open_with(path: impl AsRef<Path>, options: ReadOptions) -> Result<Self> {
        Ok(Hdf5Editor { file: Changing::open(path.as_ref(), options.locking)? })
    }

    /// The file as the library has it, with the changes.
    pub(crate) fn library(&self) -> &hdf5::File {
        self.file.library()
    }

    /// Makes a group, and those that it is in.
    ///
    /// # Errors
    /// [`Error::InvalidLocation`](chunk_core::Error::InvalidLocation) for a name that nothing can have;
    /// [`Error::AlreadyExists`](chunk_core::Error::AlreadyExists);
    /// [`Error::NotAGroup`](chunk_core::Error::NotAGroup) if it would be inside of a dataset.
    pub fn create_group(&self, name: &str) -> Result<()> {
        let place = self.place(name)?;
        tree::check_free(self.file.library(), &place)?;
        let created = tree::create_parents(self.file.library(), &place.dataset)
            .and_then(|()| tree::create_group(self.file.library(), &place.dataset));
        created.map_err(|error| self.file.fail(place.library("create", &error)))
    }

    /// Gives a group or a dataset, `/` being the root, an attribute; one of this name is replaced.
    ///
    /// Text is written as of any length, in UTF-8, bools and complex numbers as h5py has them: so h5py, PyTables and
    /// netCDF4 read what was meant.
    ///
    /// # Errors
    /// Before anything changes: [`DatasetNotFound`](chunk_core::Error::DatasetNotFound) if there is no such object;
    /// [`UnsupportedDType`](chunk_core::Error::UnsupportedDType) for elements that HDF5 cannot hold;
    /// [`Unsupported`](chunk_core::Error::Unsupported) for [`Attribute::Other`]. Then what writing meets: of objects that
    /// older versions made, attributes of more than 64 KiB.
    pub fn set_attribute(&self, object: &str, name: &str, value: impl Into<Attribute>) -> Result<()> {
        let value = value.into();
        let (object, place) = links::object(self.library(), self.file.path(), object)?;
        attributes::check(name, &value, &place)?;
        attributes::write(&object, name, &value, &place).map_err(|error| self.file.fail(error))
    }

    /// Takes an attribute of a group or a dataset away.
    ///
    /// # Errors
    /// As [`Hdf5Metadata::attribute`](crate::Hdf5Metadata::attribute).
    pub fn remove_attribute(&self, object: &str, name: &str) -> Result<()> {
        let (object, place) = links::object(self.library(), self.file.path(), object)?;
        attributes::check_there(&object, name, &place)?;
        attributes::remove(&object, name, &place).map_err(|error| self.file.fail(error))
    }

    /// Makes all changes durable and visible, and closes the file.
    ///
    /// # Errors
    /// Whatever writing meets: the file is then as it was.
    pub fn finish(self) -> Result<()> {
        self.file.finish()
    }

    /// The place of this name, which something can have.
    fn place(&self, name: &str) -> Result<Place> {
        Ok(Place::new(self.file.path(), &tree::checked(name)?))
    }
}
