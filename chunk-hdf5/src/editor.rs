//! Changing what is in a file, all or nothing.

use std::path::Path;
use std::sync::Arc;

use chunk_core::{Attribute, DatasetInfo, Entry, Error, Result};

use crate::changing::Changing;
use crate::destination::Destination;
use crate::error::Place;
use crate::file::{self, FileLocking};
use crate::filter::Filter;
use crate::locks::Locks;
use crate::options::ReadOptions;
use crate::sink::Hdf5Sink;
use crate::virtual_dataset::VirtualDataset;
use crate::{attributes, library, links, listing, scales, tree};

/// A file whose content is changed, all or nothing: others see the changes once [`finish`](Hdf5Editor::finish) has made
/// them durable. Dropped before, it takes all of them along, and a new file with them.
///
/// Names are from the root, with a slash before them or without; groups on the way to a new name are made. What a call
/// refuses it refuses before it changes anything, and the editor can be used further. A file that is changed in place is
/// locked as long as the editor is there: see the crate's documentation on growing.
///
/// The space of what is removed is used again by what the same editor adds, and otherwise lost to the file: copying all
/// of it into a new one gives it back.
///
/// ```
/// use chunk_core::{ChunkSink, ChunkSinkExt, ChunkSourceExt, DType, DatasetInfo, Slab};
/// use chunk_hdf5::{Filter, Hdf5Editor, Hdf5Source};
///
/// let folder = std::env::temp_dir().join(format!("chunk-hdf5-editor-{}", std::process::id()));
/// std::fs::create_dir_all(&folder)?;
/// let path = folder.join("run.h5");
/// let editor = Hdf5Editor::create(&path, false)?;
/// for (name, value) in [("/may/x", 1.0), ("/may/y", 2.0)] {
///     let sink = editor.create_dataset(name, DatasetInfo::new([3], DType::F64), Filter::default())?;
///     sink.write_slice(&Slab::whole(&[3]), &[value; 3])?;
///     Box::new(sink).finish()?;
/// }
/// editor.finish()?; // the file appears
///
/// let editor = Hdf5Editor::open(&path)?;
/// editor.rename("/may", "/2024/may")?;
/// editor.copy("/2024/may/x", "/first")?;
/// editor.link("/2024/may", "/latest")?;
/// editor.remove("/2024/may/y")?;
/// editor.finish()?; // all of that, or nothing
/// assert_eq!(Hdf5Source::open(&path, Some("/first"))?.read_all::<f64>()?, [1.0; 3]);
/// # std::fs::remove_dir_all(&folder)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Hdf5Editor {
    /// The sinks of its datasets have it, too.
    file: Arc<Changing>,
    locking: FileLocking,
}

impl Hdf5Editor {
    /// A new file, which appears at `path` when it is finished.
    ///
    /// # Errors
    /// [`Error::AlreadyExists`], unless it may be overwritten; a missing directory.
    pub fn create(path: impl AsRef<Path>, overwrite: bool) -> Result<Self> {
        let file = Arc::new(Changing::create(path.as_ref(), overwrite)?);
        Ok(Hdf5Editor { file, locking: FileLocking::default() })
    }

    /// The file at `path`, to be changed in place.
    ///
    /// # Errors
    /// [`Error::Locked`] while others have the file open; a missing or malformed file.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        Hdf5Editor::open_with(path, ReadOptions::default())
    }

    /// The same with options, of which the locking counts.
    ///
    /// # Errors
    /// As [`Hdf5Editor::open`].
    pub fn open_with(path: impl AsRef<Path>, options: ReadOptions) -> Result<Self> {
        let file = Arc::new(Changing::open(path.as_ref(), &Locks::new(options.locking))?);
        Ok(Hdf5Editor { file, locking: options.locking })
    }

    /// The path of the file.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.file.path()
    }

    /// The file as the library has it, with the changes.
    pub(crate) fn library(&self) -> &hdf5::File {
        self.file.library()
    }

    /// What is in the file, with the changes, groups before what they hold. A dataset is there once its sink is finished.
    ///
    /// # Errors
    /// Structure that cannot be read.
    pub fn entries(&self) -> Result<Vec<Entry>> {
        listing::entries(self.library(), self.file.path())
    }

    /// Makes a group.
    ///
    /// # Errors
    /// As [`Hdf5Editor::create_dataset`], of names.
    pub fn create_group(&self, name: &str) -> Result<()> {
        let place = self.new_place(name)?;
        self.change("create", &place, || tree::create_group(self.library(), &place.dataset))
    }

    /// A sink for a new dataset. It is made with the first write and has its name once its sink is finished; it may be
    /// written while others are. Dropped unfinished, it leaves nothing.
    ///
    /// # Errors
    /// [`Error::InvalidLocation`] for a name that nothing can have; [`Error::AlreadyExists`], from `finish` too if
    /// meanwhile something has the name; [`Error::NotAGroup`] if it would be inside of a dataset; a dtype or a chunk size
    /// that HDF5 or the filter cannot hold.
    pub fn create_dataset(&self, name: &str, info: DatasetInfo, filter: Filter) -> Result<Hdf5Sink> {
        Hdf5Sink::new(self.destination(name)?, info, filter)
    }

    /// Where a new dataset of this name goes.
    pub(crate) fn destination(&self, name: &str) -> Result<Destination> {
        Destination::in_editor(&self.file, self.new_place(name)?)
    }

    /// Makes a virtual dataset of its own name.
    ///
    /// # Errors
    /// As [`Hdf5Editor::create_dataset`]; mappings that libhdf5 refuses.
    pub fn create_virtual_dataset(&self, dataset: &VirtualDataset) -> Result<()> {
        dataset.write_to(&Destination::in_editor(&self.file, self.new_place(&dataset.name)?)?)
    }

    /// Gives another name to what stands under `from`, in the same group or elsewhere. A link is moved itself.
    ///
    /// # Errors
    /// [`Error::DatasetNotFound`]; [`Error::InvalidArgument`] if `to` is inside of `from`; as
    /// [`Hdf5Editor::create_dataset`], of names.
    pub fn rename(&self, from: &str, to: &str) -> Result<()> {
        let (from, to) = (self.old_place(from)?, self.new_place(to)?);
        tree::check_outside(self.library(), &from, &to)?;
        self.change("move", &to, || library::move_link(self.library(), &from.dataset, &to.dataset))
    }

    /// Copies what stands under `from`: a dataset, or a group with all that is in it. A link at the end of `from` is
    /// followed; links inside of a group are copied as they are, and references are kept.
    ///
    /// Chunks are copied as they are stored, one at a time in memory.
    ///
    /// # Errors
    /// [`Error::DatasetNotFound`]; as [`Hdf5Editor::create_dataset`], of names.
    pub fn copy(&self, from: &str, to: &str) -> Result<()> {
        self.copy_object(self.library(), self.file.path(), from, to)
    }

    /// The same from another file. References to objects become empty ones.
    ///
    /// # Errors
    /// As [`Hdf5Editor::copy`]; a missing, locked or malformed file.
    pub fn copy_from(&self, path: impl AsRef<Path>, from: &str, to: &str) -> Result<()> {
        let (_own, other) = file::open(path.as_ref(), self.locking)?;
        self.copy_object(&other, path.as_ref(), from, to)
    }

    fn copy_object(&self, file: &hdf5::File, path: &Path, from: &str, to: &str) -> Result<()> {
        let from = Place::new(path, &tree::checked(from)?);
        tree::check_copied(file, &from)?;
        let to = self.new_place(to)?;
        self.change("copy", &to, || library::copy_object(file, &from.dataset, self.library(), &to.dataset))
    }

    /// Takes the name away. What stood there goes with its last name, a group with what is in it; of a link, the link.
    ///
    /// # Errors
    /// [`Error::DatasetNotFound`]; [`Error::InvalidLocation`] for the root.
    pub fn remove(&self, name: &str) -> Result<()> {
        let place = self.old_place(name)?;
        let removed = self.library().unlink(&place.dataset);
        removed.map_err(|error| self.file.fail(place.library("remove", &error)))
    }

    /// Makes a soft link to `target`, which need not be there: a name from the root if it begins with a slash, else from
    /// the group that holds the link.
    ///
    /// # Errors
    /// [`Error::InvalidLocation`] for a target that is empty or holds a zero byte; as [`Hdf5Editor::create_dataset`], of
    /// names.
    pub fn link(&self, target: &str, name: &str) -> Result<()> {
        if target.is_empty() || target.contains('\0') {
            let reason = "a link leads to a name that is not empty and has no zero byte";
            return Err(Error::InvalidLocation { text: target.to_owned(), reason });
        }
        let place = self.new_place(name)?;
        self.change("link", &place, || library::link_soft(self.library(), target, &place.dataset))
    }

    /// Gives a group or a dataset, `/` being the root, an attribute; one of this name is replaced.
    ///
    /// Text is written as of any length, in UTF-8, bools and complex numbers as h5py has them: so h5py, PyTables and
    /// netCDF4 read what was meant.
    ///
    /// # Errors
    /// Before anything changes: [`Error::DatasetNotFound`] if there is no such object;
    /// [`Error::UnsupportedDType`] for elements that HDF5 cannot hold;
    /// [`Error::Unsupported`] for [`Attribute::Other`]. Then what writing meets: of objects that
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

    /// Makes a dimension scale of a dataset, maybe with a name. A name that it has is replaced.
    ///
    /// ```
    /// # use chunk_core::{ChunkSink, ChunkSinkExt, DType, DatasetInfo, Slab};
    /// # use chunk_hdf5::{Filter, Hdf5Editor, Hdf5Metadata};
    /// # let folder = std::env::temp_dir().join(format!("chunk-hdf5-scales-{}", std::process::id()));
    /// # std::fs::create_dir_all(&folder)?;
    /// # let path = folder.join("run.h5");
    /// let editor = Hdf5Editor::create(&path, false)?;
    /// for (name, shape) in [("/time", vec![4]), ("/v", vec![4, 3])] {
    ///     Box::new(editor.create_dataset(name, DatasetInfo::new(shape, DType::F64), Filter::default())?).finish()?;
    /// }
    /// editor.make_scale("/time", Some("time since the start"))?;
    /// editor.attach_scale("/v", 0, "/time")?;
    /// editor.label_axis("/v", 1, "channel")?;
    /// editor.finish()?;
    ///
    /// let axes = Hdf5Metadata::open(&path)?.axes("/v")?;
    /// assert_eq!(axes[0].scales[0].dataset, "/time");
    /// assert_eq!(axes[1].label.as_deref(), Some("channel"));
    /// # std::fs::remove_dir_all(&folder)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// Before anything changes: a missing dataset; [`Error::Unsupported`] for one that has dimension scales itself, or
    /// another class, by its attribute `CLASS`. Then what writing meets.
    pub fn make_scale(&self, dataset: &str, name: Option<&str>) -> Result<()> {
        let scale = self.dataset(dataset)?;
        name.map_or(Ok(()), |name| attributes::check("NAME", &name.into(), &scale.1))?;
        scales::check_scale(&scale)?;
        scales::make_scale(&scale, name).map_err(|error| self.file.fail(error))
    }

    /// Attaches a dimension scale to an axis, after those that it has; one that it has is left where it is. A dataset that
    /// is no scale becomes one.
    ///
    /// # Errors
    /// Before anything changes: missing datasets; [`Error::AxisOutOfRange`]; [`Error::Unsupported`] if `dataset` is a
    /// scale itself, or `scale` cannot be one; [`Error::Corrupt`] for malformed lists of scales. Then what writing meets.
    pub fn attach_scale(&self, dataset: &str, axis: usize, scale: &str) -> Result<()> {
        let (dataset, scale) = (self.dataset(dataset)?, self.dataset(scale)?);
        scales::check_attached(&dataset, axis, &scale)?;
        scales::attach(&dataset, axis, &scale).map_err(|error| self.file.fail(error))
    }

    /// Gives an axis of a dataset a label.
    ///
    /// # Errors
    /// Before anything changes: a missing dataset; [`Error::AxisOutOfRange`]; [`Error::Corrupt`] for malformed labels that
    /// are there. Then what writing meets.
    pub fn label_axis(&self, dataset: &str, axis: usize, label: &str) -> Result<()> {
        let dataset = self.dataset(dataset)?;
        scales::check_label(&dataset, axis, label)?;
        scales::set_label(&dataset, axis, label).map_err(|error| self.file.fail(error))
    }

    /// Makes all changes durable and visible, and closes the file.
    ///
    /// # Errors
    /// [`Error::Unsupported`] while a dataset is being written; whatever writing meets. The file is then as it was.
    pub fn finish(self) -> Result<()> {
        let path = self.file.path().to_path_buf();
        match Arc::into_inner(self.file) {
            Some(file) => file.finish(),
            None => Err(Error::unsupported(path, "a dataset of it is being written: finish its sink, or drop it")),
        }
    }

    fn dataset(&self, name: &str) -> Result<scales::Placed> {
        links::dataset(self.library(), self.file.path(), name)
    }

    /// The place of something that is there.
    fn old_place(&self, name: &str) -> Result<Place> {
        let place = Place::new(self.file.path(), &tree::checked(name)?);
        tree::existing(self.library(), &place).map(|_| place)
    }

    /// The place of something that is to be made.
    fn new_place(&self, name: &str) -> Result<Place> {
        let place = Place::new(self.file.path(), &tree::checked(name)?);
        tree::check_free(self.library(), &place).map(|()| place)
    }

    /// Lets something stand at `place`, and groups on the way there.
    fn change(&self, action: &'static str, place: &Place, make: impl FnOnce() -> hdf5::Result<()>) -> Result<()> {
        let made = tree::create_parents(self.library(), &place.dataset).and_then(|()| make());
        made.map_err(|error| self.file.fail(place.library(action, &error)))
    }
}
