//! A log of binary records, for what must survive the death of its writer.
//!
//! The file begins with a header that says what the records are about. Each part has a checksum, and that of a record
//! depends on the header and on where the record is: a record counts only in its own log, behind all that precede it.

use std::fs::{self, OpenOptions};
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::new_file::sync_folder;
use crate::worker::lock;
use crate::{Checksum, DataFile, DatasetInfo, Error, Result};

const MAGIC: &[u8; 16] = b"chunk records 1\n";
/// A record's length before it and its checksum behind it; those of the header as well.
const LENGTH: usize = 4;
const SUM: usize = 8;
/// Longer records are damage.
const MOST_RECORD: usize = 64 << 10;
/// Longer headers are damage: dtypes of many fields are long.
const MOST_HEADER: usize = 16 << 20;
const BUFFER: usize = 64 << 10;

/// What a log begins with: the kind of its records, and named values that describe what they are about.
///
/// ```
/// use chunk_core::LogHeader;
///
/// let header = LogHeader::new("marks").with("shape", "(3)");
/// assert_ne!(header, LogHeader::new("marks").with("shape", "(4)"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogHeader {
    kind: String,
    fields: Vec<(String, String)>,
}

impl LogHeader {
    /// A header for records of this kind; name the version of their layout in it.
    #[must_use]
    pub fn new(kind: impl Into<String>) -> Self {
        LogHeader { kind: kind.into(), fields: Vec::new() }
    }

    /// With a value, which messages call `name`.
    #[must_use]
    pub fn with(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.fields.push((name.into(), value.into()));
        self
    }

    /// With all that says how elements are stored: shape, dtype and byte order, chunk shape and fill value.
    #[must_use]
    pub fn with_dataset(self, info: &DatasetInfo) -> Self {
        let chunk = info.chunk_shape.as_ref().map_or("none".to_owned(), ToString::to_string);
        let fill = info.fill.as_ref().map_or("none".to_owned(), |fill| format!("{fill} {:02x?}", fill.bytes()));
        // The text of a dtype leaves out where fields are and what members mean.
        let layout = format!("{:?}", info.dtype);
        let order = if cfg!(target_endian = "little") { "little-endian" } else { "big-endian" };
        self.with("shape", info.shape.to_string())
            .with("dtype", info.dtype.to_string())
            .with("layout of elements", layout)
            .with("byte order", order)
            .with("chunk shape", chunk)
            .with("fill value", fill)
    }

    fn bytes(&self) -> Vec<u8> {
        let mut text = Vec::new();
        let fields = self.fields.iter().flat_map(|(name, value)| [name, value]);
        for part in [&self.kind].into_iter().chain(fields) {
            text.extend((part.len() as u32).to_le_bytes());
            text.extend(part.as_bytes());
        }
        let mut bytes = MAGIC.to_vec();
        bytes.extend((text.len() as u32).to_le_bytes());
        bytes.extend(text);
        bytes.extend(Checksum::of(&bytes).to_le_bytes());
        bytes
    }

    fn parse(mut text: &[u8]) -> Option<Self> {
        let mut parts = Vec::new();
        while let Some((length, rest)) = text.split_first_chunk::<LENGTH>() {
            let (part, rest) = rest.split_at_checked(u32::from_le_bytes(*length) as usize)?;
            parts.push(String::from_utf8(part.to_vec()).ok()?);
            text = rest;
        }
        let mut parts = parts.into_iter();
        let mut header = LogHeader::new(parts.next()?);
        while let Some(name) = parts.next() {
            header = header.with(name, parts.next()?);
        }
        Some(header)
    }

    /// Fails unless `found`, the header of the log at `path`, is this one.
    fn check(&self, found: &LogHeader, path: &Path) -> Result<()> {
        let differs = |what: String| Err(Error::ShardMismatch { path: path.to_path_buf(), what });
        if self.kind != found.kind {
            return differs(format!("it is a log of {}, not of {}", found.kind, self.kind));
        }
        let others = found.fields.iter().map(Some).chain(std::iter::repeat(None));
        for ((name, value), other) in self.fields.iter().zip(others) {
            match other {
                Some((other_name, other)) if other_name == name && other == value => {}
                Some((other_name, other)) if other_name == name => {
                    return differs(format!("its {name} is {other}, not {value}"));
                }
                _ => return differs(format!("it says nothing of a {name}")),
            }
        }
        if self.fields.len() == found.fields.len() { Ok(()) } else { differs("it says more of it".to_owned()) }
    }
}

/// What the start of a file is.
enum Start {
    /// A complete header, and where the records begin.
    Header(LogHeader, u64),
    /// A header that was not completely written, or is damaged: nothing in the file counts.
    Torn,
    /// Another file.
    Foreign,
}

/// A log with one writer, which has it locked.
///
/// A record is in the log once [`append`](RecordLog::append) has returned, also if the process then dies; after
/// [`sync`](RecordLog::sync) also if the machine does.
///
/// ```
/// use chunk_core::{LogHeader, RecordLog};
///
/// let path = std::env::temp_dir().join(format!("chunk-core-records-{}", std::process::id()));
/// let header = LogHeader::new("numbers");
/// RecordLog::create(&path, &header)?.append([&b"one"[..], b"two"])?;
/// let mut records = Vec::new();
/// let log = RecordLog::open(&path, &header, &mut |record| records.push(record.to_vec()))?;
/// assert_eq!(records, [b"one", b"two"]);
/// log.expect("it was made above").remove()?;
/// # Ok::<(), chunk_core::Error>(())
/// ```
#[derive(Debug)]
pub struct RecordLog {
    file: DataFile,
    seed: u64,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// Where the next record goes.
    end: u64,
    /// Whether the name of the file is durable.
    is_named: bool,
}

impl RecordLog {
    /// Makes the log at `path`, where there is none.
    ///
    /// # Errors
    /// [`Error::Locked`] if one has appeared meanwhile; [`Error::Io`].
    pub fn create(path: &Path, header: &LogHeader) -> Result<Self> {
        let made = OpenOptions::new().read(true).write(true).create_new(true).open(path);
        let file = made.map_err(|cause| match cause.kind() {
            io::ErrorKind::AlreadyExists => Error::Locked { path: path.to_path_buf() },
            _ => Error::io(path, "create", cause),
        })?;
        let file = DataFile::new(file, path);
        file.lock()?;
        RecordLog::begin(file, header)
    }

    /// Opens the log at `path` to continue it, and calls `visit` with each record, in order. What is behind the last
    /// sound record is cut off; a log without a sound header has no records, and gets this header. `None` if there is
    /// no log.
    ///
    /// # Errors
    /// [`Error::Locked`] while another process has it; [`Error::ShardMismatch`] if it has another header;
    /// [`Error::WrongFormat`] if it is another file; [`Error::Io`].
    pub fn open(path: &Path, header: &LogHeader, visit: &mut dyn FnMut(&[u8])) -> Result<Option<Self>> {
        let Some(file) = open_locked(path)? else { return Ok(None) };
        let (found, start) = match start(&file)? {
            Start::Header(found, start) => (found, start),
            Start::Torn => return RecordLog::begin(file, header).map(Some),
            Start::Foreign => return Err(Error::WrongFormat { path: path.to_path_buf(), format: "a log" }),
        };
        header.check(&found, path)?;
        let seed = Checksum::of(&found.bytes());
        let end = read_records(&file, start, seed, visit)?;
        if file.length()? > end {
            // Records behind a damaged one must not count again once it is overwritten.
            file.set_length(end)?;
        }
        Ok(Some(RecordLog { file, seed, state: Mutex::new(State { end, is_named: false }) }))
    }

    /// Reads the log at `path`, which nobody writes meanwhile: calls `visit` with each sound record, in order.
    ///
    /// # Errors
    /// As [`RecordLog::open`]; [`Error::FileNotFound`]; [`Error::Corrupt`] for a log without a sound header.
    pub fn read(path: &Path, header: &LogHeader, visit: &mut dyn FnMut(&[u8])) -> Result<()> {
        let file = DataFile::open(path)?;
        file.lock_shared()?;
        match start(&file)? {
            Start::Header(found, start) => {
                header.check(&found, path)?;
                read_records(&file, start, Checksum::of(&found.bytes()), visit).map(|_| ())
            }
            Start::Torn => Err(Error::corrupt(path, "the header of the log is damaged")),
            Start::Foreign => Err(Error::WrongFormat { path: path.to_path_buf(), format: "a log" }),
        }
    }

    /// Reads the log at `path` beside its writer: calls `visit` with each record that is complete, in
    /// order. A log whose header is not complete has none.
    ///
    /// # Errors
    /// As [`RecordLog::read`], but for [`Error::Locked`].
    pub fn peek(path: &Path, header: &LogHeader, visit: &mut dyn FnMut(&[u8])) -> Result<()> {
        let file = DataFile::open(path)?;
        match start(&file)? {
            Start::Header(found, start) => {
                header.check(&found, path)?;
                read_records(&file, start, Checksum::of(&found.bytes()), visit).map(|_| ())
            }
            Start::Torn => Ok(()),
            Start::Foreign => Err(Error::WrongFormat { path: path.to_path_buf(), format: "a log" }),
        }
    }

    fn begin(file: DataFile, header: &LogHeader) -> Result<Self> {
        let bytes = header.bytes();
        file.set_length(0)?;
        file.write_at(&bytes, 0)?;
        let state = State { end: bytes.len() as u64, is_named: false };
        Ok(RecordLog { file, seed: Checksum::of(&bytes), state: Mutex::new(state) })
    }

    /// Where the log is.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.file.path()
    }

    /// Appends records, in one write.
    ///
    /// # Errors
    /// [`Error::Io`]: none of them counts then.
    ///
    /// # Panics
    /// If a record is empty, or longer than 64 KiB.
    pub fn append<'a>(&self, records: impl IntoIterator<Item = &'a [u8]>) -> Result<()> {
        let mut state = lock(&self.state);
        let mut bytes = Vec::new();
        for record in records {
            assert!((1..=MOST_RECORD).contains(&record.len()), "a record of {} bytes", record.len());
            let at = state.end + bytes.len() as u64;
            bytes.extend((record.len() as u32).to_le_bytes());
            bytes.extend(record);
            bytes.extend(sum(record, self.seed, at).to_le_bytes());
        }
        // If this fails, the next records go to the same place.
        self.file.write_at(&bytes, state.end)?;
        state.end += bytes.len() as u64;
        Ok(())
    }

    /// Removes all records.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn clear(&self, header: &LogHeader) -> Result<()> {
        let mut state = lock(&self.state);
        let end = header.bytes().len() as u64;
        self.file.set_length(end)?;
        state.end = end;
        Ok(())
    }

    /// Makes the records durable, and the log's name.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn sync(&self) -> Result<()> {
        let mut state = lock(&self.state);
        let fail = |cause| Error::io(self.path(), "sync", cause);
        self.file.file().sync_data().map_err(fail)?;
        if !state.is_named {
            sync_folder(self.path()).map_err(fail)?;
            state.is_named = true;
        }
        Ok(())
    }

    /// Removes the log.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn remove(self) -> Result<()> {
        // Still locked: nobody continues it meanwhile.
        fs::remove_file(self.path()).map_err(|cause| Error::io(self.path(), "remove", cause))
    }
}

/// The file, locked; `None` if there is none.
fn open_locked(path: &Path) -> Result<Option<DataFile>> {
    loop {
        let file = match OpenOptions::new().read(true).write(true).open(path) {
            Ok(file) => DataFile::new(file, path),
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(cause) => return Err(Error::io(path, "open", cause)),
        };
        file.lock()?;
        // Whoever had the lock before may have removed the file.
        if file.has_its_name()? {
            return Ok(Some(file));
        }
    }
}

fn start(file: &DataFile) -> Result<Start> {
    let length = file.length()?;
    let mut magic = [0; MAGIC.len()];
    let there = (length as usize).min(magic.len());
    file.read_at(&mut magic[..there], 0)?;
    if magic[..there] != MAGIC[..there] {
        // A machine that died may leave zeros.
        return Ok(if magic.iter().all(|byte| *byte == 0) { Start::Torn } else { Start::Foreign });
    }
    let mut stated = [0; LENGTH];
    let text_at = MAGIC.len() + LENGTH;
    if length < text_at as u64 {
        return Ok(Start::Torn);
    }
    file.read_at(&mut stated, MAGIC.len() as u64)?;
    let text = u32::from_le_bytes(stated) as usize;
    let end = text_at + text + SUM;
    if text > MOST_HEADER || end as u64 > length {
        return Ok(Start::Torn);
    }
    let mut bytes = vec![0; end];
    file.read_at(&mut bytes, 0)?;
    let (content, stored) = bytes.split_at(end - SUM);
    if Checksum::of(content).to_le_bytes() != stored {
        return Ok(Start::Torn);
    }
    Ok(LogHeader::parse(&content[text_at..]).map_or(Start::Torn, |header| Start::Header(header, end as u64)))
}

/// Reads records from `at` on, to the first that is not sound: where that is.
fn read_records(file: &DataFile, mut at: u64, seed: u64, visit: &mut dyn FnMut(&[u8])) -> Result<u64> {
    let length = file.length()?;
    let mut reader = BufReader::with_capacity(BUFFER, file.cursor(at));
    let mut record = Vec::new();
    loop {
        let mut stated = [0; LENGTH];
        let mut stored = [0; SUM];
        let room = length.saturating_sub(at);
        if room < (LENGTH + SUM) as u64 {
            return Ok(at);
        }
        let fail = |cause| Error::io(file.path(), "read", cause);
        reader.read_exact(&mut stated).map_err(fail)?;
        let size = u32::from_le_bytes(stated) as usize;
        let whole = (LENGTH + size + SUM) as u64;
        if size == 0 || size > MOST_RECORD || whole > room {
            return Ok(at);
        }
        record.resize(size, 0);
        reader.read_exact(&mut record).map_err(fail)?;
        reader.read_exact(&mut stored).map_err(fail)?;
        if sum(&record, seed, at).to_le_bytes() != stored {
            return Ok(at);
        }
        visit(&record);
        at += whole;
    }
}

fn sum(record: &[u8], seed: u64, at: u64) -> u64 {
    xxh3_64_with_seed(record, seed.wrapping_add(at))
}

/// The name of the log that belongs to the file at `path`.
pub(crate) fn log_of(path: &Path) -> PathBuf {
    path.with_added_extension("log")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header() -> LogHeader {
        LogHeader::new("numbers 1").with("shape", "(3)").with("fill value", "0")
    }

    fn records(path: &Path) -> Vec<Vec<u8>> {
        let mut records = Vec::new();
        let log = RecordLog::open(path, &header(), &mut |record| records.push(record.to_vec())).unwrap();
        assert!(log.is_some());
        records
    }

    /// A log of five records.
    fn written(path: &Path) -> Vec<Vec<u8>> {
        let log = RecordLog::create(path, &header()).unwrap();
        let all: Vec<Vec<u8>> = (1..6_u8).map(|number| vec![number; usize::from(number) * 7]).collect();
        log.append(all[..2].iter().map(Vec::as_slice)).unwrap();
        log.append(all[2..].iter().map(Vec::as_slice)).unwrap();
        log.sync().unwrap();
        all
    }

    #[test]
    fn a_torn_end_is_cut_off_and_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let all = written(&path);
        let bytes = fs::read(&path).unwrap();
        for cut in 0..bytes.len() {
            fs::write(&path, &bytes[..cut]).unwrap();
            let kept = records(&path);
            assert!(all.starts_with(&kept) && kept.len() < all.len(), "cut at {cut}");
            let log = RecordLog::open(&path, &header(), &mut |_| {}).unwrap().unwrap();
            log.append([&b"next"[..]]).unwrap();
            drop(log);
            let mut expected = kept;
            expected.push(b"next".to_vec());
            assert_eq!(records(&path), expected, "cut at {cut}");
        }
    }

    #[test]
    fn damage_is_never_a_record() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let all = written(&path);
        let bytes = fs::read(&path).unwrap();
        for (at, mask) in (0..bytes.len()).flat_map(|at| [(at, 1), (at, 0xff)]) {
            let mut damaged = bytes.clone();
            damaged[at] ^= mask;
            fs::write(&path, damaged).unwrap();
            if at < MAGIC.len() {
                let opened = RecordLog::open(&path, &header(), &mut |_| {});
                assert!(matches!(opened, Err(Error::WrongFormat { .. })));
                continue;
            }
            let kept = records(&path);
            assert!(all.starts_with(&kept) && kept.len() < all.len(), "byte {at}");
        }
    }

    #[test]
    fn records_behind_a_damaged_one_do_not_come_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let all = written(&path);
        let mut bytes = fs::read(&path).unwrap();
        let second = header().bytes().len() + LENGTH + all[0].len() + SUM;
        bytes[second + LENGTH] ^= 1;
        fs::write(&path, bytes).unwrap();
        let log = RecordLog::open(&path, &header(), &mut |_| {}).unwrap().unwrap();
        log.append([all[1].as_slice()]).unwrap();
        drop(log);
        assert_eq!(records(&path), all[..2]);
    }

    #[test]
    fn names_the_difference_to_another_log() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        written(&path);
        let tried = |other: LogHeader| RecordLog::open(&path, &other, &mut |_| {}).unwrap_err().to_string();
        let other = LogHeader::new("numbers 1").with("shape", "(4)").with("fill value", "0");
        assert!(tried(other).contains("its shape is (3), not (4)"));
        assert!(tried(LogHeader::new("words 1")).contains("a log of numbers 1, not of words 1"));
        assert!(tried(header().with("filter", "none")).contains("says nothing of a filter"));
        assert!(tried(LogHeader::new("numbers 1").with("shape", "(3)")).contains("more"));
        assert_eq!(records(&path).len(), 5);
    }

    #[test]
    fn has_one_writer_and_no_readers_meanwhile() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        assert!(RecordLog::open(&path, &header(), &mut |_| {}).unwrap().is_none());
        let log = RecordLog::create(&path, &header()).unwrap();
        let locked = |error: Error| matches!(error, Error::Locked { .. });
        assert!(locked(RecordLog::create(&path, &header()).unwrap_err()));
        assert!(locked(RecordLog::open(&path, &header(), &mut |_| {}).unwrap_err()));
        assert!(locked(RecordLog::read(&path, &header(), &mut |_| {}).unwrap_err()));
        drop(log);
        RecordLog::read(&path, &header(), &mut |_| {}).unwrap();
        RecordLog::open(&path, &header(), &mut |_| {}).unwrap().unwrap().remove().unwrap();
        assert!(!path.exists());
    }
}
