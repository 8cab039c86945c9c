//! What a backend can do, for the rules to know what to ask of it.

use std::fs;
use std::ops::RangeInclusive;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use chunk_core::{
    Backend, ChunkSink, ChunkSource, CreateOptions, DType, DatasetInfo, Location, MemorySource, Result as CoreResult,
    Shape, Slab, Worker,
};

use crate::SourceCase;
use crate::failure::{Failure, Outcome, ensure, works};
use crate::folder::Folder;
use crate::pattern::{make_nans_canonical, pattern, smooth};

/// A backend with its abilities: what [`conformance!`](crate::conformance) is called with.
///
/// It begins with what most formats do; each method says where this one differs.
///
/// ```
/// use chunk_core::{DType, MemoryBackend};
/// use chunk_testkit::Description;
///
/// let description = Description::in_memory(MemoryBackend::new())
///     .with_dtypes([DType::F32, DType::F64])
///     .with_ranks(1..=3)
///     .with_growth_axes([0]);
/// assert!(chunk_testkit::backend_rules::appends_along_growth_axes(&description).is_ok());
/// ```
#[derive(Clone, Debug)]
#[allow(clippy::struct_excessive_bools, reason = "abilities are had or not")]
pub struct Description {
    pub(crate) backend: Arc<dyn Backend>,
    pub(crate) dtypes: Vec<DType>,
    pub(crate) ranks: RangeInclusive<usize>,
    pub(crate) growth_axes: Vec<usize>,
    pub(crate) has_identity: bool,
    pub(crate) sees_truncation: bool,
    pub(crate) measured: bool,
    canonical_nans: bool,
    filter: Option<String>,
    dataset: Option<String>,
    /// None if the backend has no files.
    file: Option<String>,
    existing: Option<Vec<u8>>,
}

impl Description {
    /// A backend of files. A test makes one of the name `file` in an empty folder; more files whose names begin so may
    /// be made beside it.
    #[must_use]
    pub fn new(backend: impl Backend + 'static, file: impl Into<String>) -> Self {
        Description { file: Some(file.into()), has_identity: true, ..Description::in_memory(backend) }
    }

    /// A backend without files, and so without identities: rules about files pass unchecked.
    #[must_use]
    pub fn in_memory(backend: impl Backend + 'static) -> Self {
        Description {
            backend: Arc::new(backend),
            dtypes: DType::numeric().collect(),
            ranks: 0..=4,
            growth_axes: Vec::new(),
            has_identity: false,
            sees_truncation: true,
            measured: true,
            canonical_nans: false,
            filter: None,
            dataset: None,
            file: None,
            existing: None,
        }
    }

    /// Whose outputs are added to a file that exists and holds this: no dataset, but something that must stay.
    #[must_use]
    pub fn with_existing_file(mut self, content: impl Into<Vec<u8>>) -> Self {
        self.existing = Some(content.into());
        self
    }

    /// Whose datasets have names: this one is made.
    #[must_use]
    pub fn with_dataset(mut self, name: impl Into<String>) -> Self {
        self.dataset = Some(name.into());
        self
    }

    /// Which holds these dtypes, and gives every bit of them back. Until then all numbers and bools.
    ///
    /// # Panics
    /// If there are none.
    #[must_use]
    pub fn with_dtypes(mut self, dtypes: impl IntoIterator<Item = DType>) -> Self {
        self.dtypes = dtypes.into_iter().collect();
        assert!(!self.dtypes.is_empty(), "a backend holds some dtype");
        self
    }

    /// Which holds arrays of these numbers of axes. Until then 0 to 4.
    #[must_use]
    pub fn with_ranks(mut self, ranks: RangeInclusive<usize>) -> Self {
        self.ranks = ranks;
        self
    }

    /// Whose sinks grow along each of these axes, where the description that they are created with says so. Until then
    /// along none.
    #[must_use]
    pub fn with_growth_axes(mut self, axes: impl Into<Vec<usize>>) -> Self {
        self.growth_axes = axes.into();
        self
    }

    /// With everything written through this filter. Until then the format's default.
    #[must_use]
    pub fn with_filter(mut self, filter: impl Into<String>) -> Self {
        self.filter = Some(filter.into());
        self
    }

    /// Which gives NaNs back as NaNs, but without their sign and payload: text formats do so.
    #[must_use]
    pub fn with_canonical_nans(mut self) -> Self {
        self.canonical_nans = true;
        self
    }

    /// Whose format cannot know that the end of a file is missing: lines of text, for example.
    #[must_use]
    pub fn without_seeing_truncation(mut self) -> Self {
        self.sees_truncation = false;
        self
    }

    /// Whose sources have no identity.
    #[must_use]
    pub fn without_identity(mut self) -> Self {
        self.has_identity = false;
        self
    }

    /// Whose memory is not measured: the rules that say so pass unchecked.
    #[must_use]
    pub fn without_measuring(mut self) -> Self {
        self.measured = false;
        self
    }

    /// A dataset of some hundred KiB, written and opened again: what the rules of sources are checked on.
    ///
    /// # Panics
    /// If it cannot be written or read.
    #[must_use]
    pub fn sample(&self) -> SourceCase {
        let place = self.place();
        let array = self.large_array();
        let opened = self.write(&place, &array).and_then(|()| self.open(&place));
        let source = opened.unwrap_or_else(|failure| panic!("{failure}"));
        let case = SourceCase::new(source, array.bytes()).with_folder(place.folder);
        if self.measured { case } else { case.without_measuring() }
    }

    pub(crate) fn has_files(&self) -> bool {
        self.file.is_some()
    }

    pub(crate) fn name(&self) -> &str {
        self.backend.name()
    }

    /// Somewhere new, where nothing is but the file that outputs are added to, if there is one.
    pub(crate) fn place(&self) -> Place {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let (folder, location) = match &self.file {
            Some(file) => {
                let folder = Folder::new();
                let location = Location::new(folder.path().join(file));
                (Some(folder), location)
            }
            None => (None, Location::new(format!("array-{}", NEXT.fetch_add(1, Ordering::Relaxed)))),
        };
        let location = match &self.dataset {
            Some(dataset) => location.with_dataset(dataset.clone()),
            None => location,
        };
        if let (Some(_), Some(content)) = (&folder, &self.existing) {
            fs::write(location.path(), content).expect("the test's folder can be written to");
        }
        Place { folder, location, file: self.file.clone().unwrap_or_default(), existing: self.existing.clone() }
    }

    pub(crate) fn options(&self) -> CreateOptions {
        let options = CreateOptions::default();
        match &self.filter {
            Some(filter) => options.with_filter(filter.clone()),
            None => options,
        }
    }

    pub(crate) fn create(&self, place: &Place, info: &DatasetInfo) -> Result<Box<dyn ChunkSink>, Failure> {
        let made = self.backend.create(&place.location, info.clone(), &self.options());
        let hint = ".with_dtypes(..)` or `.with_ranks(..)";
        let sink = works(made, &place.location, "making a sink").map_err(|failure| failure.unless(hint))?;
        let (dtype, shape) = (&sink.info().dtype, &sink.info().shape);
        if *dtype == info.dtype && *shape == info.shape {
            return Ok(sink);
        }
        let expected = format!("a sink of shape {} and dtype {}", info.shape, info.dtype);
        Err(Failure::new(&place.location, expected, format!("shape {shape} and dtype {dtype}")))
    }

    /// A sink that replaces what is there.
    pub(crate) fn replace(&self, place: &Place, info: &DatasetInfo) -> Result<Box<dyn ChunkSink>, Failure> {
        let options = self.options().with_overwrite(true);
        works(
            self.backend.create(&place.location, info.clone(), &options),
            &place.location,
            "making a sink that overwrites",
        )
    }

    /// Writes a whole array in one piece.
    pub(crate) fn write(&self, place: &Place, array: &MemorySource) -> Outcome {
        let sink = self.create(place, array.info())?;
        write_whole(&*sink, array, &Worker::new())?;
        works(sink.finish(), &place.location, "finishing")
    }

    pub(crate) fn try_open(&self, place: &Place) -> CoreResult<Arc<dyn ChunkSource>> {
        self.backend.open(&place.location)
    }

    pub(crate) fn open(&self, place: &Place) -> Result<Arc<dyn ChunkSource>, Failure> {
        works(self.try_open(place), &place.location, "opening")
    }

    /// The dtype of rules that are not about dtypes.
    pub(crate) fn dtype(&self) -> DType {
        self.dtypes.iter().find(|dtype| **dtype == DType::I32).unwrap_or(&self.dtypes[0]).clone()
    }

    /// The rank of rules that are not about ranks: two, or what is nearest.
    pub(crate) fn rank(&self) -> usize {
        2.clamp(*self.ranks.start(), *self.ranks.end())
    }

    /// A small array of test data, a few chunks along each axis.
    pub(crate) fn array(&self, dtype: &DType, rank: usize) -> MemorySource {
        let (shape, chunk_shape) = small(rank);
        self.array_of(dtype, &shape, &chunk_shape)
    }

    /// An array long enough along each axis to be appended to several times.
    pub(crate) fn array_that_grows(&self) -> MemorySource {
        let (shape, chunk_shape) = match self.rank() {
            rank @ 0..=2 => small(rank),
            rank => (vec![9; rank].into(), vec![4; rank].into()),
        };
        self.array_of(&self.dtype(), &shape, &chunk_shape)
    }

    /// An array of a few elements, for rules that try each byte of a file.
    pub(crate) fn tiny_array(&self) -> MemorySource {
        let few = |extents: Shape, most: u64| extents.iter().map(|extent| *extent.min(&most)).collect();
        let (shape, chunk_shape) = small(self.rank());
        self.array_of(&self.dtype(), &few(shape, 5), &few(chunk_shape, 2))
    }

    /// The same with other content.
    pub(crate) fn other_array(&self) -> MemorySource {
        let (info, mut bytes) = {
            let array = self.array(&self.dtype(), self.rank());
            (array.info().clone(), array.bytes().to_vec())
        };
        let size = info.dtype.size();
        // Element by element in reverse: other bytes, each element still a valid one.
        let reversed: Vec<u8> = bytes.chunks(size.max(1)).rev().flatten().copied().collect();
        bytes.copy_from_slice(&reversed);
        MemorySource::from_bytes(info, bytes).expect("as many bytes as before")
    }

    pub(crate) fn array_of(&self, dtype: &DType, shape: &Shape, chunk_shape: &Shape) -> MemorySource {
        let mut bytes = pattern(dtype, shape.elements());
        if self.canonical_nans {
            make_nans_canonical(dtype, &mut bytes);
        }
        described(dtype, shape, chunk_shape, bytes)
    }

    /// An array large enough for its buffers to be seen among all that a program allocates.
    pub(crate) fn large_array(&self) -> MemorySource {
        let dtype = self.dtype();
        let rows = 1600 / dtype.size().clamp(1, 400) as u64;
        let (shape, chunk_shape) = match self.rank() {
            0 => (vec![], vec![]),
            1 => (vec![rows * 150], vec![rows * 50 + 7]),
            rank => {
                let ones = vec![1; rank - 2];
                ([&[rows, 150], &ones[..]].concat(), [&[rows / 2, 100], &ones[..]].concat())
            }
        };
        let (shape, chunk_shape) = (Shape::from(shape), Shape::from(chunk_shape));
        let bytes = smooth(&dtype, shape.elements());
        described(&dtype, &shape, &chunk_shape, bytes)
    }
}

fn described(dtype: &DType, shape: &Shape, chunk_shape: &Shape, bytes: Vec<u8>) -> MemorySource {
    let info = DatasetInfo::new(shape.clone(), dtype.clone()).with_name("the test's array");
    MemorySource::from_bytes(info.with_chunk_shape(chunk_shape.clone()), bytes).expect("the test's array is consistent")
}

/// A shape of this rank and its chunks.
pub(crate) fn small(rank: usize) -> (Shape, Shape) {
    let (shape, chunk_shape) = match rank {
        0 => (vec![], vec![]),
        1 => (vec![407], vec![64]),
        2 => (vec![37, 11], vec![8, 5]),
        3 => (vec![11, 8, 5], vec![4, 3, 5]),
        _ => {
            let ones = vec![1; rank - 4];
            ([&[5, 3, 4, 3], &ones[..]].concat(), [&[2, 2, 4, 1], &ones[..]].concat())
        }
    };
    (shape.into(), chunk_shape.into())
}

pub(crate) fn write_whole(sink: &dyn ChunkSink, array: &MemorySource, worker: &Worker) -> Outcome {
    let whole = Slab::whole(&array.info().shape);
    works(sink.write_from(&whole, array.bytes(), worker), &sink.info().name, "writing")
}

/// Where a test's dataset is.
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) folder: Option<Folder>,
    pub(crate) location: Location,
    file: String,
    /// What the file holds before anything is done.
    pub(crate) existing: Option<Vec<u8>>,
}

impl Place {
    pub(crate) fn path(&self) -> &Path {
        self.location.path()
    }

    /// The files of the folder; none for a backend without files.
    pub(crate) fn names(&self) -> Vec<String> {
        self.folder.as_ref().map(Folder::names).unwrap_or_default()
    }

    pub(crate) fn contents(&self) -> Vec<(String, Vec<u8>)> {
        self.folder.as_ref().map(Folder::contents).unwrap_or_default()
    }

    /// Puts another file beside the dataset.
    pub(crate) fn put_beside(&self) {
        if let Some(folder) = &self.folder {
            fs::write(folder.path().join("beside"), "another file").expect("the test's folder can be written to");
        }
    }

    /// Takes away the file that outputs are added to.
    pub(crate) fn clear(&self) {
        if self.existing.is_some() {
            fs::remove_file(self.path()).expect("the file was written");
        }
    }

    /// Fails if there is anything in the folder that was not there before.
    pub(crate) fn is_empty(&self, when: &str) -> Outcome {
        let before: Vec<_> = self.existing.iter().map(|content| (self.file.clone(), content.clone())).collect();
        ensure(self.contents() == before, || {
            Failure::new(&self.location, format!("nothing new in the folder {when}"), format!("{:?}", self.names()))
        })
    }

    /// Whether `now` has all files of `before`, byte for byte. One that is added to may have more behind its end.
    pub(crate) fn keeps(&self, before: &[(String, Vec<u8>)], now: &[(String, Vec<u8>)]) -> bool {
        let kept = |(name, old): &(String, Vec<u8>), (other, new): &(String, Vec<u8>)| {
            name == other && if self.existing.is_some() { new.starts_with(old) } else { new == old }
        };
        before.iter().all(|old| now.iter().any(|new| kept(old, new)))
    }

    /// Fails if there is anything in the folder but the files of the output.
    pub(crate) fn has_only_the_output(&self) -> Outcome {
        let others: Vec<String> = self.names().into_iter().filter(|name| !name.starts_with(&self.file)).collect();
        ensure(others.is_empty(), || {
            let expected = format!("only files whose names begin with {}", self.file);
            Failure::new(&self.location, expected, format!("also {others:?}"))
        })
    }
}
