//! .npy and .npz files as a backend.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use chunk_core::{
    Attribute, Backend, ChunkSink, ChunkSource, CreateOptions, DataFile, DatasetEntry, DatasetInfo, Entry, EntryKind,
    Error, Growing, Identity, Location, OpenPolicy, Result, Shard, Sharding, Slab, Worker,
};

use crate::archive::{self, Archive, ArchiveEntry};
use crate::data::Data;
use crate::error::Place;
use crate::file::NpyFile;
use crate::growing::{self, GrowingSink};
use crate::header::{MAGIC, MAX_HEADER};
use crate::inflate::Inflater;
use crate::recover::{self, Recovery};
use crate::shard::{self, NpyShard};
use crate::sink::NpySink;

/// NumPy's files: `x.npy`, and the members of `x.npz`, as `x.npz::name`, which are read only.
///
/// ```
/// use chunk_core::{Registry};
/// use chunk_npy::Npy;
///
/// let registry = Registry::new().with(Npy::default());
/// assert!(registry.open(&"missing.npz::x".parse()?).is_err());
/// # Ok::<(), chunk_core::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Npy {
    max_header: usize,
}

impl Default for Npy {
    fn default() -> Self {
        Npy { max_header: MAX_HEADER }
    }
}

impl Npy {
    /// With headers of up to so many letters, of files that are trusted; 10,000 until then, as in NumPy.
    #[must_use]
    pub fn with_max_header(mut self, letters: usize) -> Self {
        self.max_header = letters;
        self
    }

    /// The array of a .npy file, or a member of an archive.
    fn file(&self, location: &Location) -> Result<NpyFile> {
        let (path, dataset) = (location.path(), location.dataset());
        if is_archive(path)? {
            return self.member(path, dataset);
        }
        location.check_only_dataset()?;
        NpyFile::open_with(path, self.max_header)
    }

    fn member(&self, path: &Path, dataset: Option<&str>) -> Result<NpyFile> {
        let archive = Archive::open(path)?;
        let arrays: Vec<&ArchiveEntry> = archive.entries.iter().filter(|entry| array_name(entry).is_some()).collect();
        let names = || arrays.iter().copied().filter_map(array_name).map(str::to_owned).collect::<Vec<_>>();
        let entry = match dataset {
            None if arrays.len() == 1 => arrays[0],
            None => {
                let (path, mut names) = (path.to_path_buf(), names());
                names.truncate(NEAR_NAMES);
                return Err(Error::DatasetNotNamed { path, names });
            }
            Some(name) => {
                let wanted = name.strip_prefix('/').unwrap_or(name);
                let found = arrays.iter().find(|entry| array_name(entry) == Some(wanted) || entry.name == wanted);
                found.ok_or_else(|| not_found(path, name, names()))?
            }
        };
        self.open_member(&archive, entry)
    }

    fn open_member(&self, archive: &Archive, entry: &ArchiveEntry) -> Result<NpyFile> {
        let path = archive.file.path();
        let place = Place::new(path, array_name(entry).unwrap_or(&entry.name));
        let member = archive.member(entry)?;
        let identity = Identity::builder("npz").file(path)?.finish();
        let data = if member.deflated {
            Data::Deflated(Arc::new(Inflater::new(archive.file.clone(), place.clone(), member)))
        } else {
            Data::Stored { file: archive.file.clone(), part: Some((member.start, member.length)) }
        };
        NpyFile::of(data, place, &identity, self.max_header)
    }

    fn entry(&self, archive: &Archive, entry: &ArchiveEntry) -> Entry {
        let Some(name) = array_name(entry) else {
            return Entry::new(entry.name.clone(), EntryKind::Other("not an array".to_owned()));
        };
        match self.open_member(archive, entry) {
            Err(error) => Entry::new(name, EntryKind::Unreadable(error.report())),
            Ok(file) => {
                let filters = if entry.is_deflated() { vec!["deflate".to_owned()] } else { Vec::new() };
                described(&file, name, filters, entry.stored())
            }
        }
    }
}

const NEAR_NAMES: usize = 5;

/// Whether the file begins as archives do.
fn is_archive(path: &Path) -> Result<bool> {
    let mut head = Vec::new();
    let file = DataFile::open(path)?;
    file.cursor(0).take(4).read_to_end(&mut head).map_err(|cause| Error::io(path, "read", cause))?;
    Ok(head == archive::LOCAL || head == archive::END)
}

/// What NumPy calls the array in a member of an archive.
fn array_name(entry: &ArchiveEntry) -> Option<&str> {
    entry.name.strip_suffix(".npy")
}

fn not_found(path: &Path, dataset: &str, mut near: Vec<String>) -> Error {
    near.sort_by(|a, b| {
        let likeness = |name: &String| strsim::normalized_damerau_levenshtein(name, dataset);
        likeness(b).total_cmp(&likeness(a))
    });
    near.truncate(NEAR_NAMES);
    Error::DatasetNotFound { path: path.to_path_buf(), dataset: dataset.to_owned(), near }
}

fn described(file: &NpyFile, name: &str, filters: Vec<String>, stored_bytes: u64) -> Entry {
    let layout = if file.fortran_order() { "contiguous, column-major" } else { "contiguous" };
    let dataset = DatasetEntry::new(file.info().clone(), layout, filters, stored_bytes);
    Entry::new(name, EntryKind::Dataset(Box::new(dataset)))
}

/// The sink of a new file. The name of a dataset, which a program may give, has no place in a file of one array.
fn sink(location: &Location, info: DatasetInfo, options: &CreateOptions) -> Result<NpySink> {
    let path = location.path();
    if let Some(filter) = options.filter.as_ref().filter(|filter| *filter != "none") {
        return Err(Error::InvalidArgument(format!(".npy files have no filter {filter:?}")));
    }
    if path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("npz")) {
        return Err(Place::new(path, "").unsupported("archives are read only: write a .npy file for each array"));
    }
    NpySink::create(path, info, options.overwrite)
}

impl Backend for Npy {
    fn name(&self) -> &'static str {
        "npy"
    }

    fn extensions(&self) -> &[&str] {
        &["npy", "npz"]
    }

    fn recognises(&self, head: &[u8]) -> bool {
        head.starts_with(MAGIC) || archive::begins_with_array(head)
    }

    fn list(&self, path: &Path) -> Result<Vec<Entry>> {
        if is_archive(path)? {
            let archive = Archive::open(path)?;
            return Ok(archive.entries.iter().map(|entry| self.entry(&archive, entry)).collect());
        }
        let file = NpyFile::open_with(path, self.max_header)?;
        let stored_bytes = file.info().bytes();
        Ok(vec![described(&file, "/", Vec::new(), stored_bytes)])
    }

    fn open(&self, location: &Location) -> Result<Arc<dyn ChunkSource>> {
        Ok(Arc::new(self.file(location)?.source()))
    }

    fn create(&self, location: &Location, info: DatasetInfo, options: &CreateOptions) -> Result<Box<dyn ChunkSink>> {
        Ok(Box::new(sink(location, info, options)?))
    }

    fn attributes(&self, _location: &Location) -> Result<Vec<(String, Attribute)>> {
        Ok(Vec::new())
    }

    fn growing(&self) -> Option<&dyn Growing> {
        Some(self)
    }

    fn sharding(&self) -> Option<&dyn Sharding> {
        Some(self)
    }

    fn opening(&self, _policy: &OpenPolicy) -> Option<Arc<dyn Backend>> {
        None
    }
}

impl Npy {
    /// Refuses what is no .npy file by itself.
    fn check_single(location: &Location) -> Result<()> {
        let path = location.path();
        if is_archive(path)? {
            return Err(Place::new(path, "").unsupported("archives are read only"));
        }
        location.check_only_dataset()
    }
}

impl Growing for Npy {
    fn append(&self, location: &Location, axis: usize) -> Result<Box<dyn ChunkSink>> {
        Npy::check_single(location)?;
        Ok(Box::new(GrowingSink::open(location.path(), axis, self.max_header)?))
    }

    fn problems(&self, path: &Path) -> Result<Vec<String>> {
        if is_archive(path)? {
            // An archive is written at once; what is wrong with it is an error of its members.
            let entries = self.list(path)?;
            let broken = entries.into_iter().filter_map(|entry| match entry.kind {
                EntryKind::Unreadable(what) => Some(format!("{}: {what}", entry.name)),
                _ => None,
            });
            return Ok(broken.collect());
        }
        growing::problems(path, self.max_header)
    }

    fn recover(&self, path: &Path) -> Result<Vec<String>> {
        Npy::check_single(&Location::new(path))?;
        recover::recover_with(path, Recovery::Committed, self.max_header)
    }
}

impl Sharding for Npy {
    fn shard(
        &self,
        location: &Location,
        info: DatasetInfo,
        options: &CreateOptions,
        path: &Path,
    ) -> Result<Box<dyn Shard>> {
        Ok(Box::new(NpyShard::open(sink(location, info, options)?, options.overwrite, path)?))
    }

    fn join(
        &self,
        location: &Location,
        info: DatasetInfo,
        options: &CreateOptions,
        shards: &[PathBuf],
        pieces: &mut dyn Iterator<Item = (usize, Slab)>,
        worker: &Worker,
    ) -> Result<()> {
        shard::join(sink(location, info, options)?, shards, pieces, worker)
    }
}
