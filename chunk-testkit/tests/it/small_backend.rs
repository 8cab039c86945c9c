//! A small file format, complete and right, with faults that can be switched on one by one.
//!
//! A file is a line of text, `small DTYPE EXTENTS.. / CHUNK..`, and the packed elements. All of it is held in memory while
//! it is written or read: what the rules look at is the outside.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use std::{process, thread};

use chunk_core::{
    Attribute, Backend, ChunkSink, ChunkSource, Cost, CreateOptions, DType, DatasetEntry, DatasetInfo, Entry,
    EntryKind, Error, Growing, Identity, Location, MemoryOutput, MemorySink, MemorySource, OpenPolicy, Operation,
    Result, Sharding, Slab, Work, Worker,
};
use chunk_testkit::Description;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    Nothing,
    ShoutsItsName,
    RecognisesEverything,
    HasAnotherExtension,
    ListsAnotherName,
    QuietsNans,
    RefusesScalars,
    RefusesEmptyArrays,
    ForgetsTheFillValue,
    FillsCutChunks,
    RacesWithItself,
    ForgetsTheSecondThread,
    ForgetsWhatWasThereWhenItGrows,
    TakesSlabsOutside,
    TakesShortBuffers,
    IgnoresFilters,
    HidesScratch,
    NeedsAGigabyte,
    CreatesAtOnce,
    LeavesALockFile,
    WritesUnderTheFinalName,
    LeavesTheTemporaryFile,
    LeavesItBesideTheOld,
    ReplacesWithoutAsking,
    RemovesTheOldFirst,
    HasOneIdentityForAll,
    HasAnotherIdentityEachTime,
    OpensWhatIsNotThere,
    OpensAnyDataset,
    PadsWhatIsMissing,
    LeavesTheEndUnwritten,
    PanicsOnAnUnknownDType,
    NamesNoPath,
    RepeatsTheCause,
    CutsWhatIsUnwritten,
    TrustsGarbage,
    TakesAnyDType,
    HidesWhatItHolds,
    ReplacesWhatAppeared,
    WantsSlabsInOrder,
    LosesTheOldWhenDropped,
    OverwritesWhatIsCommitted,
    AppendsToNothing,
    LetsTwoAppend,
    MendsSoundFiles,
    PanicsOverDamage,
    PublishesWhenPrepared,
    LosesWhatWasPrepared,
    LeavesItsShard,
    HoldsWithAnyChecksum,
    SearchesAllShards,
    TakesAnyShard,
    TakesShortBuffersOfShards,
    BelievesItsLog,
}

use Fault::*;

const LARGE: usize = 1 << 20;

#[derive(Clone, Copy, Debug)]
pub(crate) struct SmallBackend {
    fault: Fault,
}

impl SmallBackend {
    pub(crate) fn description(fault: Fault) -> Description {
        Description::new(SmallBackend { fault }, "x.small").with_growth_axes([0, 1])
    }

    pub(crate) fn is(self, fault: Fault) -> bool {
        self.fault == fault
    }

    fn read(self, path: &Path) -> Result<MemorySource> {
        if self.is(OpensWhatIsNotThere) && !path.exists() {
            return MemorySource::new([1], &[0_i32]);
        }
        let bytes = fs::read(path).map_err(|cause| Error::io(path, "open", cause))?;
        self.parse(path, &bytes).map_err(|error| match self.fault {
            RepeatsTheCause => Error::Backend {
                path: path.join(error.to_string()),
                dataset: String::new(),
                action: "read",
                cause: error.to_string().into(),
            },
            NamesNoPath => Error::InvalidArgument("a malformed file".to_owned()),
            _ => error,
        })
    }

    fn parse(self, path: &Path, bytes: &[u8]) -> Result<MemorySource> {
        if self.is(TrustsGarbage) && !bytes.starts_with(b"small ") {
            std::hint::black_box(vec![1_u8; 16 * LARGE]);
        }
        let corrupt = |what: &str| Error::Corrupt { path: path.into(), dataset: String::new(), what: what.to_owned() };
        let end = bytes.iter().position(|byte| *byte == b'\n').ok_or_else(|| corrupt("it has no header"))?;
        let header = std::str::from_utf8(&bytes[..end]).map_err(|_| corrupt("its header is no text"))?;
        let mut info = parse_header(header, self.is(PanicsOnAnUnknownDType)).ok_or_else(|| corrupt("its header"))?;
        info.check().map_err(|error| corrupt(&error.to_string()))?;
        info.name = path.display().to_string();
        let mut data = bytes[end + 1..].to_vec();
        if self.is(PadsWhatIsMissing) && data.len() < 100 {
            data.resize(info.bytes() as usize, 0);
        }
        if data.len() as u64 != info.bytes() {
            return Err(corrupt("its length is not that of its shape"));
        }
        let identity = match self.fault {
            HasOneIdentityForAll => Identity::builder("small").finish(),
            HasAnotherIdentityEachTime => {
                static NEXT: AtomicUsize = AtomicUsize::new(0);
                Identity::builder("small").field("n", NEXT.fetch_add(1, Ordering::SeqCst).to_le_bytes()).finish()
            }
            _ => Identity::builder("small").file(path)?.finish(),
        };
        MemorySource::from_bytes(info.with_identity(identity), data)
    }
}

fn parse_header(header: &str, trusting: bool) -> Option<DatasetInfo> {
    let (front, chunk) = header.strip_prefix("small ")?.split_once(" /")?;
    let (dtype, shape) = front.split_once(' ').unwrap_or((front, ""));
    let numbers = |text: &str| text.split_whitespace().map(|word| word.parse().ok()).collect::<Option<Vec<u64>>>();
    let dtype: Result<DType> = dtype.parse();
    let dtype = if trusting { dtype.expect("a dtype") } else { dtype.ok()? };
    let info = DatasetInfo::new(numbers(shape)?, dtype);
    Some(info.with_chunk_shape(numbers(chunk)?))
}

pub(crate) fn header(info: &DatasetInfo) -> String {
    let words = |extents: &[u64]| extents.iter().fold(String::new(), |text, extent| text + &format!(" {extent}"));
    let chunk = info.chunk_shape.as_ref().unwrap_or(&info.shape);
    format!("small {}{} /{}\n", info.dtype, words(&info.shape), words(chunk))
}

impl Backend for SmallBackend {
    fn name(&self) -> &str {
        if self.is(ShoutsItsName) { "SMALL" } else { "small" }
    }

    fn extensions(&self) -> &[&str] {
        if self.is(HasAnotherExtension) { &["little"] } else { &["small"] }
    }

    fn recognises(&self, head: &[u8]) -> bool {
        head.starts_with(b"small ") || self.is(RecognisesEverything)
    }

    fn list(&self, path: &Path) -> Result<Vec<Entry>> {
        let source = self.read(path)?;
        let name = if self.is(ListsAnotherName) { "/other" } else { "/" };
        let entry = DatasetEntry::new(source.info().clone(), "contiguous", Vec::new(), source.info().bytes());
        Ok(vec![Entry::new(name, EntryKind::Dataset(Box::new(entry)))])
    }

    fn open(&self, location: &Location) -> Result<Arc<dyn ChunkSource>> {
        let path = location.path();
        if let Some(dataset) = location.dataset().filter(|name| *name != "/" && !self.is(OpensAnyDataset)) {
            return Err(Error::DatasetNotFound { path: path.into(), dataset: dataset.to_owned(), near: Vec::new() });
        }
        let source = self.read(path)?;
        if self.is(LeavesTheEndUnwritten) {
            return Ok(Arc::new(Lazy { info: source.info().clone(), path: path.into() }));
        }
        let held = if self.is(HidesWhatItHolds) { 0 } else { source.info().bytes() };
        Ok(Arc::new(Loaded { source, held }))
    }

    fn create(&self, location: &Location, info: DatasetInfo, options: &CreateOptions) -> Result<Box<dyn ChunkSink>> {
        let path = location.path().to_owned();
        if let Some(filter) = options.filter.as_ref().filter(|_| !self.is(IgnoresFilters)) {
            return Err(Error::InvalidArgument(format!("no filter {filter:?}")));
        }
        if path.exists() && !options.overwrite && !self.is(ReplacesWithoutAsking) {
            return Err(Error::AlreadyExists { path, dataset: String::new(), hint: "" });
        }
        let refused = (self.is(RefusesScalars) && info.shape.is_empty())
            || (self.is(RefusesEmptyArrays) && info.shape.contains(&0));
        if refused {
            return Err(Error::InvalidArgument(format!("{} is not held", info.shape)));
        }
        if !self.is(TakesAnyDType) && info.dtype.to_string().parse().ok().as_ref() != Some(&info.dtype) {
            return Err(Error::unsupported_dtype(&path, &info.dtype, "a small file"));
        }
        let mut asked = info.with_name(path.display().to_string());
        asked.identity = None;
        let mut filled = asked.clone();
        if self.is(ForgetsTheFillValue) {
            filled.fill = None;
        }
        let memory = MemorySink::new(filled)?;
        let output = memory.output();
        let file = Mutex::new(None);
        let overwrite = options.overwrite;
        let sink = SmallSink {
            overwrite,
            backend: *self,
            info: asked,
            memory,
            output,
            path,
            file,
            appending: None,
            state: State::default(),
        };
        if self.is(CreatesAtOnce) {
            sink.begin()?;
        }
        Ok(Box::new(sink))
    }

    fn attributes(&self, _location: &Location) -> Result<Vec<(String, Attribute)>> {
        Ok(Vec::new())
    }

    fn growing(&self) -> Option<&dyn Growing> {
        // Otherwise what breaks a rule of creating breaks the like rule of appending, too.
        let of_growing = WantsSlabsInOrder as u8..=PanicsOverDamage as u8;
        let grows = self.is(Nothing) || of_growing.contains(&(self.fault as u8));
        grows.then_some(self)
    }

    fn sharding(&self) -> Option<&dyn Sharding> {
        let has_shards = self.is(Nothing) || self.fault as u8 >= LeavesItsShard as u8;
        has_shards.then_some(self)
    }

    fn opening(&self, _policy: &OpenPolicy) -> Option<Arc<dyn Backend>> {
        None
    }
}

impl Growing for SmallBackend {
    fn append(&self, location: &Location, axis: usize) -> Result<Box<dyn ChunkSink>> {
        let path = location.path().to_owned();
        if self.is(AppendsToNothing) && !path.exists() {
            return self.create(location, DatasetInfo::new([0, 0], DType::I32), &CreateOptions::default());
        }
        self.open(location)?;
        let source = self.read(&path)?;
        let mut info = source.info().clone();
        info.check_axis(axis)?;
        info.identity = None;
        let most = (0..info.shape.len()).map(|other| (other != axis).then(|| info.shape[other]));
        info = info.clone().with_max_shape(most.collect::<Vec<_>>());
        let memory = MemorySink::new(info.clone())?;
        memory.write_from(&Slab::whole(&info.shape), source.bytes(), &Worker::new())?;
        let (output, file) = (memory.output(), Mutex::new(None));
        let appending = Some(Appending { axis, lock: Mutex::new(None), spoils: Mutex::new(None) });
        Ok(Box::new(SmallSink {
            overwrite: true,
            backend: *self,
            info,
            memory,
            output,
            path,
            file,
            appending,
            state: State::default(),
        }))
    }

    fn problems(&self, path: &Path) -> Result<Vec<String>> {
        let read = self.read(path);
        if self.is(PanicsOverDamage) {
            read.as_ref().expect("a sound file");
        }
        read.map(|_| Vec::new())
    }

    fn recover(&self, path: &Path) -> Result<Vec<String>> {
        self.read(path)?;
        if self.is(MendsSoundFiles) {
            return Ok(vec!["mended".to_owned()]);
        }
        Ok(Vec::new())
    }
}

/// A file that is held in memory.
#[derive(Debug)]
struct Loaded {
    source: MemorySource,
    held: u64,
}

impl ChunkSource for Loaded {
    fn info(&self) -> &DatasetInfo {
        self.source.info()
    }

    fn operation(&self) -> Option<&dyn Operation> {
        None
    }

    fn held_bytes(&self) -> u64 {
        self.held
    }

    fn cost(&self, slab: &Slab, threads: usize) -> Result<Cost> {
        self.source.cost(slab, threads)
    }

    fn read_into(&self, slab: &Slab, out: &mut [u8], worker: &Worker) -> Result<()> {
        self.source.read_into(slab, out, worker)
    }
}

/// Reads the file as it is now, and of a file that became shorter what there is.
#[derive(Debug)]
struct Lazy {
    info: DatasetInfo,
    path: PathBuf,
}

impl ChunkSource for Lazy {
    fn info(&self) -> &DatasetInfo {
        &self.info
    }

    fn operation(&self) -> Option<&dyn Operation> {
        None
    }

    fn held_bytes(&self) -> u64 {
        0
    }

    fn cost(&self, _slab: &Slab, _threads: usize) -> Result<Cost> {
        Ok(Cost::new(4 * self.info.bytes() + 1000, Work::reading(self.info.bytes())))
    }

    fn read_into(&self, slab: &Slab, out: &mut [u8], worker: &Worker) -> Result<()> {
        let header = header(&self.info);
        let bytes = fs::read(&self.path).map_err(|cause| Error::io(&self.path, "read", cause))?;
        let source = MemorySource::from_bytes(self.info.clone(), &bytes[header.len()..])?;
        // Only where the header says what no test wrote.
        let damaged = self.info.chunk_shape.as_ref().is_none_or(|chunk| chunk.first() == Some(&3));
        let mut read = vec![0; out.len()];
        source.read_into(slab, &mut read, worker)?;
        let end = out.len().saturating_sub(usize::from(damaged));
        out[..end].copy_from_slice(&read[..end]);
        Ok(())
    }
}

/// Writes to memory; the file beside it is there for what can go wrong with files.
#[derive(Debug)]
struct SmallSink {
    backend: SmallBackend,
    overwrite: bool,
    info: DatasetInfo,
    memory: MemorySink,
    output: MemoryOutput,
    path: PathBuf,
    file: Mutex<Option<Temporary>>,
    appending: Option<Appending>,
    state: State,
}

/// What makes a sink one that appends: the axis, and the file while it is locked.
#[derive(Debug)]
struct Appending {
    axis: usize,
    lock: Mutex<Option<File>>,
    spoils: Mutex<Option<Spoils>>,
}

/// Empties a file when it is dropped.
#[derive(Debug)]
struct Spoils(PathBuf);

impl Drop for Spoils {
    fn drop(&mut self) {
        fs::write(&self.0, "small int32 0 0 / 1 1\n").unwrap();
    }
}

/// What faults go by.
#[derive(Debug, Default)]
struct State {
    writing: AtomicUsize,
    written: AtomicUsize,
    appended: AtomicU64,
}

impl State {
    /// How much was appended before `slab`, which is now, too.
    fn appended(&self, slab: &Slab, axis: usize) -> u64 {
        self.appended.fetch_add(slab.count()[axis], Ordering::SeqCst)
    }
}

/// A file that goes when it is dropped.
#[derive(Debug)]
struct Temporary {
    path: PathBuf,
    stays: bool,
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if !self.stays {
            let _ = fs::remove_file(&self.path);
        }
    }
}

impl SmallSink {
    fn is(&self, fault: Fault) -> bool {
        self.backend.is(fault)
    }

    fn begin(&self) -> Result<()> {
        let mut file = self.file.lock().unwrap();
        if file.is_some() {
            return Ok(());
        }
        if let Some(appending) = self.appending.as_ref().filter(|_| !self.is(LetsTwoAppend)) {
            let file = File::open(&self.path).map_err(|cause| Error::io(&self.path, "open", cause))?;
            file.try_lock().map_err(|_| Error::Locked { path: self.path.clone() })?;
            *appending.lock.lock().unwrap() = Some(file);
        }
        if self.is(RemovesTheOldFirst) {
            let _ = fs::remove_file(&self.path);
        }
        let hidden = format!(".{}.{}", self.path.file_name().unwrap().display(), process::id());
        let early = self.is(WritesUnderTheFinalName) && !self.path.exists();
        let path = if early { self.path.clone() } else { self.path.with_file_name(hidden) };
        File::create(&path).map_err(|cause| Error::io(&self.path, "create", cause))?;
        let leaves = if self.path.exists() { LeavesItBesideTheOld } else { LeavesTheTemporaryFile };
        *file = Some(Temporary { path, stays: self.is(leaves) });
        Ok(())
    }

    fn spoil(&self, slab: &Slab, data: &mut [u8], worker: &Worker) -> Result<()> {
        let inside = slab.is_within(&self.info.shape);
        let cuts = inside && chunk_core::chunked_bytes(&self.info, slab) != data.len() as u64;
        match self.backend.fault {
            FillsCutChunks if cuts => data[0] ^= 1,
            QuietsNans if self.info.dtype == DType::F32 => {
                for bits in data.as_chunks_mut::<4>().0 {
                    if f32::from_ne_bytes(*bits).is_nan() {
                        *bits = f32::NAN.to_ne_bytes();
                    }
                }
            }
            RacesWithItself => {
                let others = self.state.writing.fetch_add(1, Ordering::SeqCst);
                thread::sleep(Duration::from_millis(1));
                self.state.writing.fetch_sub(1, Ordering::SeqCst);
                if others > 0 {
                    data[0] ^= 1;
                }
            }
            ForgetsTheSecondThread if worker.threads() > 1 => data[0] ^= 1,
            ForgetsWhatWasThereWhenItGrows if !inside => data[0] ^= 1,
            HidesScratch => drop(worker.scratch(LARGE)?),
            _ => {}
        }
        Ok(())
    }
}

impl ChunkSink for SmallSink {
    fn info(&self) -> &DatasetInfo {
        &self.info
    }

    fn held_bytes(&self) -> u64 {
        if self.is(NeedsAGigabyte) { 1 << 30 } else { 0 }
    }

    fn cost(&self, slab: &Slab, threads: usize) -> Cost {
        let cost = self.memory.cost(slab, threads);
        Cost::new(slab.bytes(self.info.dtype.size()), cost.work)
    }

    fn write_from(&self, slab: &Slab, data: &[u8], worker: &Worker) -> Result<()> {
        if let Some(Appending { axis, .. }) = self.appending
            && slab.start().get(axis).is_some_and(|start| *start < self.info.shape[axis])
            && !self.is(OverwritesWhatIsCommitted)
        {
            let dataset = self.info.name.clone();
            return Err(Error::SlabOutOfBounds { slab: slab.clone(), shape: self.info.shape.clone(), dataset });
        }
        if self.is(TakesSlabsOutside) && self.info.max_shape.is_none() && !slab.is_within(&self.info.shape) {
            return Ok(());
        }
        if self.is(TakesShortBuffers) && data.len() as u64 != slab.bytes(self.info.dtype.size()) {
            return Ok(());
        }
        if slab.is_empty() || self.info.max_shape.is_none() && !slab.is_within(&self.info.shape) {
            return self.memory.write_from(slab, data, worker);
        }
        slab.check_length(&self.info, data.len())?;
        self.begin()?;
        let mut data = data.to_vec();
        self.spoil(slab, &mut data, worker)?;
        self.state.written.fetch_add(data.len(), Ordering::SeqCst);
        if let Some(appending) = &self.appending {
            let early = slab.start()[appending.axis]
                > self.info.shape[appending.axis] + self.state.appended(slab, appending.axis);
            if early && self.is(WantsSlabsInOrder) {
                data.fill(0);
            }
            if self.is(LosesTheOldWhenDropped) {
                *appending.spoils.lock().unwrap() = Some(Spoils(self.path.clone()));
            }
        }
        self.memory.write_from(slab, &data, worker)
    }

    fn prepare(&self) -> Result<()> {
        self.begin()?;
        if self.is(PublishesWhenPrepared) {
            let io = |cause| Error::io(&self.path, "prepare", cause);
            fs::write(&self.path, "small int32 0 0 / 1 1\n").map_err(io)?;
        }
        if self.is(LosesWhatWasPrepared) {
            let zeros = vec![0; self.info.bytes() as usize];
            self.memory.write_from(&Slab::whole(&self.info.shape), &zeros, &Worker::new())?;
        }
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<()> {
        self.begin()?;
        if !self.overwrite && self.path.exists() && !self.is(ReplacesWhatAppeared) && !self.is(WritesUnderTheFinalName)
        {
            return Err(Error::AlreadyExists { path: self.path.clone(), dataset: String::new(), hint: "" });
        }
        let SmallSink { backend, info, memory, output, path, file, appending, state, .. } = *self;
        Box::new(memory).finish()?;
        let (mut source, mut file) = (output.source().unwrap(), file.into_inner().unwrap().unwrap());
        let written = state.written.into_inner() as u64;
        if backend.is(CutsWhatIsUnwritten) && info.fill.is_none() && (1..info.bytes()).contains(&written) {
            source = MemorySource::new::<i32>([0, 0], &[])?;
        }
        let io = |cause| Error::io(&path, "finish", cause);
        let mut written = File::create(&file.path).map_err(io)?;
        written.write_all(header(source.info()).as_bytes()).map_err(io)?;
        written.write_all(source.bytes()).map_err(io)?;
        written.sync_all().map_err(io)?;
        fs::rename(&file.path, &path).map_err(io)?;
        if let Some(spoils) = appending.and_then(|appending| appending.spoils.into_inner().unwrap()) {
            std::mem::forget(spoils);
        }
        file.stays = true;
        if backend.is(LeavesALockFile) {
            fs::write(path.with_file_name("lock"), "").map_err(io)?;
        }
        Ok(())
    }
}
