//! What a file says of its groups and datasets.

use std::path::{Path, PathBuf};

use chunk_core::{Attribute, DataFile, Result};

use crate::options::ReadOptions;
use crate::scales::{self, Axis};
use crate::{attributes, file, links};

/// What a file says of its groups and datasets: attributes, as values, and what is along the axes.
///
/// Soft links are followed, links into other files are not. What is written through an
/// [`Hdf5Editor`](crate::Hdf5Editor) is there once it is finished.
///
/// ```
/// use chunk_core::Attribute;
/// use chunk_hdf5::{Hdf5Editor, Hdf5Metadata};
///
/// let folder = std::env::temp_dir().join(format!("chunk-hdf5-metadata-{}", std::process::id()));
/// std::fs::create_dir_all(&folder)?;
/// let path = folder.join("run.h5");
/// let editor = Hdf5Editor::create(&path, false)?;
/// editor.create_group("/site")?;
/// editor.set_attribute("/site", "name", "North")?;
/// editor.set_attribute("/site", "position", [47.5, 11.25])?;
/// editor.finish()?;
///
/// let metadata = Hdf5Metadata::open(&path)?;
/// assert_eq!(metadata.attribute("/site", "position")?.values::<f64>()?, [47.5, 11.25]);
/// let all = metadata.attributes("/site")?;
/// assert_eq!(all[0], ("name".to_owned(), Attribute::from("North")));
/// # std::fs::remove_dir_all(&folder)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Hdf5Metadata {
    path: PathBuf,
    library_file: hdf5::File,
    /// Holds the lock.
    _own: DataFile,
}

impl Hdf5Metadata {
    /// Opens the file for reading.
    ///
    /// # Errors
    /// A missing, malformed or locked file.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        Hdf5Metadata::open_with(path, ReadOptions::default())
    }

    /// The same with options, of which the locking counts.
    ///
    /// # Errors
    /// As [`Hdf5Metadata::open`].
    pub fn open_with(path: impl AsRef<Path>, options: ReadOptions) -> Result<Self> {
        let path = path.as_ref().to_path_buf();
        let (own, library_file) = file::open(&path, options.locking)?;
        Ok(Hdf5Metadata { path, library_file, _own: own })
    }

    /// All attributes of a group or a dataset, `/` being the root, by name. One that is malformed, or of a kind that is
    /// not carried, is [`Attribute::Other`] with the reason.
    ///
    /// # Errors
    /// [`DatasetNotFound`](chunk_core::Error::DatasetNotFound); [`Unsupported`](chunk_core::Error::Unsupported) for what
    /// is neither group nor dataset; a malformed object.
    pub fn attributes(&self, object: &str) -> Result<Vec<(String, Attribute)>> {
        let (object, place) = links::object(&self.library_file, &self.path, object)?;
        attributes::read_all(&object, &place)
    }

    /// One attribute of a group or a dataset.
    ///
    /// # Errors
    /// As [`attributes`](Hdf5Metadata::attributes); [`Unsupported`](chunk_core::Error::Unsupported) if there is no
    /// attribute of this name; what is malformed in it.
    pub fn attribute(&self, object: &str, name: &str) -> Result<Attribute> {
        let (object, place) = links::object(&self.library_file, &self.path, object)?;
        attributes::read(&object, name, &place)
    }

    /// What is along each axis of a dataset: its label, and its dimension scales.
    ///
    /// # Errors
    /// A missing dataset; [`Corrupt`](chunk_core::Error::Corrupt) for scales and labels that do not fit the dataset, and
    /// for references that lead to no dataset.
    ///
    /// # Source
    /// "HDF5 Dimension Scale Specification"; tested against h5py's `dims`.
    pub fn axes(&self, dataset: &str) -> Result<Vec<Axis>> {
        let dataset = links::dataset(&self.library_file, &self.path, dataset)?;
        scales::axes(&self.library_file, &dataset)
    }
}
