//! A file read and written at positions, without a cursor that threads would share.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use crate::{Error, Result, Spans, Worker};

/// Spans shorter than [`LONG_SPAN`] are gathered: one read of a stretch of at most this, then copies out of it.
const WINDOW: usize = 1 << 20;
/// A gap longer than this is worth a read of its own.
const LONGEST_GAP: usize = 64 << 10;
/// Spans of this length are read straight to where they belong.
const LONG_SPAN: usize = 128 << 10;

/// An open file that holds a dataset, for backends: any number of threads read and write it at once, and errors name
/// it.
///
/// ```
/// use chunk_core::{DataFile, Slab, Spans, Worker};
///
/// let path = std::env::temp_dir().join(format!("chunk-core-data-file-{}", std::process::id()));
/// std::fs::write(&path, b"0123456789ab")?;
/// let file = DataFile::open(&path)?;
/// let (whole, wanted) = (Slab::whole(&[3, 4]), Slab::new([0, 1], [3, 2]));
/// let mut out = [0; 6];
/// file.read_spans((0, 12), Spans::new(&wanted, &whole, &wanted, 1), &mut out, &Worker::new())?;
/// assert_eq!(&out, b"12569a");
/// # std::fs::remove_file(path)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct DataFile {
    file: File,
    path: PathBuf,
    dataset: String,
    locked: AtomicBool,
}

impl DataFile {
    /// Opens the file at `path` for reading. A pipe or a device is refused: opening one may wait for ever.
    ///
    /// # Errors
    /// [`Error::FileNotFound`] or [`Error::Io`].
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let opened = check_kind(path).and_then(|()| File::open(path));
        opened.map(|file| DataFile::new(file, path)).map_err(|cause| Error::io(path, "open", cause))
    }

    /// A file that is open already; errors name it `path`.
    #[must_use]
    pub fn new(file: File, path: impl Into<PathBuf>) -> Self {
        DataFile { file, path: path.into(), dataset: String::new(), locked: AtomicBool::new(false) }
    }

    /// With the dataset that errors name beside the file.
    #[must_use]
    pub fn with_dataset(mut self, dataset: impl Into<String>) -> Self {
        self.dataset = dataset.into();
        self
    }

    /// The file itself.
    #[must_use]
    pub fn file(&self) -> &File {
        &self.file
    }

    /// What errors call it.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Takes the file for writing, for as long as it is open: nobody else has it then. Where the file system has no
    /// locks, nothing is taken.
    ///
    /// # Errors
    /// [`Error::Locked`] while another has it, in this process or elsewhere, for writing or for reading; [`Error::Io`].
    pub fn lock(&self) -> Result<()> {
        self.locks(self.file.try_lock())
    }

    /// Takes the file for reading, for as long as it is open: others may read it, but not write.
    ///
    /// # Errors
    /// [`Error::Locked`] while another has it for writing; [`Error::Io`].
    pub fn lock_shared(&self) -> Result<()> {
        self.locks(self.file.try_lock_shared())
    }

    /// Gives back what [`lock`](DataFile::lock) or [`lock_shared`](DataFile::lock_shared) took, if anything.
    pub fn unlock(&self) {
        if self.locked.swap(false, Ordering::Relaxed) {
            // If this fails it is given back when the file is closed.
            let _ = self.file.unlock();
        }
    }

    /// Whether it is still the file that its path leads to: what has the name now may be another.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn has_its_name(&self) -> Result<bool> {
        match fs::metadata(&self.path) {
            Ok(named) => is_same(&self.file, &named).map_err(|cause| Error::io(&self.path, "open", cause)),
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(cause) => Err(Error::io(&self.path, "open", cause)),
        }
    }

    fn locks(&self, tried: std::result::Result<(), TryLockError>) -> Result<()> {
        match tried {
            Ok(()) => {
                self.locked.store(true, Ordering::Relaxed);
                Ok(())
            }
            Err(TryLockError::WouldBlock) => Err(Error::Locked { path: self.path.clone() }),
            Err(TryLockError::Error(cause)) if cause.kind() == io::ErrorKind::Unsupported => Ok(()),
            Err(TryLockError::Error(cause)) => Err(Error::io(&self.path, "lock", cause)),
        }
    }

    /// Its length now, in bytes.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn length(&self) -> Result<u64> {
        self.file.metadata().map(|metadata| metadata.len()).map_err(|cause| Error::io(&self.path, "read", cause))
    }

    /// Makes the file so long: cut off, or with zeros at its end.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn set_length(&self, length: u64) -> Result<()> {
        self.file.set_len(length).map_err(|cause| Error::io(&self.path, "resize", cause))
    }

    /// Fills `out` from `offset` on.
    ///
    /// # Errors
    /// [`Error::Corrupt`] if the file ends before; [`Error::Io`].
    pub fn read_at(&self, out: &mut [u8], offset: u64) -> Result<()> {
        read_exact_at(&self.file, out, offset).map_err(|cause| match cause.kind() {
            io::ErrorKind::UnexpectedEof => Error::Corrupt {
                path: self.path.clone(),
                dataset: self.dataset.clone(),
                what: format!("the file ends before offset {}: it is truncated", offset + out.len() as u64),
            },
            _ => Error::io(&self.path, "read", cause),
        })
    }

    /// Writes all of `data` from `offset` on.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn write_at(&self, data: &[u8], offset: u64) -> Result<()> {
        write_all_at(&self.file, data, offset).map_err(|cause| Error::io(&self.path, "write", cause))
    }

    /// Reads and writes from `offset` on, one piece after another, as text and streams are. Unbuffered: put it into a
    /// [`BufReader`](io::BufReader) or [`BufWriter`](io::BufWriter) whose size you count.
    #[must_use]
    pub fn cursor(&self, offset: u64) -> FileCursor<'_> {
        FileCursor { file: &self.file, offset }
    }

    /// Copies spans of the `extent` bytes from `base` on to `out`. Short spans that lie near each other are read
    /// together.
    ///
    /// # Errors
    /// As [`DataFile::read_at`]; [`Error::Cancelled`].
    pub fn read_spans(
        &self,
        (base, extent): (u64, u64),
        mut spans: Spans,
        out: &mut [u8],
        worker: &Worker,
    ) -> Result<()> {
        let mut window = None;
        while let Some(span) = spans.clone().next() {
            worker.check()?;
            if span.length >= LONG_SPAN {
                self.read_at(&mut out[span.to..span.to + span.length], base + span.from as u64)?;
                spans.next();
                continue;
            }
            let (count, end) = stretch(&spans);
            let window = match &mut window {
                Some(window) => window,
                None => window.insert(worker.scratch(Self::spans_scratch(extent) as usize)?),
            };
            let bytes = &mut window[..end - span.from];
            self.read_at(bytes, base + span.from as u64)?;
            for piece in spans.by_ref().take(count) {
                let from = piece.from - span.from;
                out[piece.to..piece.to + piece.length].copy_from_slice(&bytes[from..from + piece.length]);
            }
        }
        Ok(())
    }

    /// Bytes of scratch that [`DataFile::read_spans`] of `extent` bytes takes at most.
    #[must_use]
    pub fn spans_scratch(extent: u64) -> u64 {
        extent.min(WINDOW as u64)
    }
}

/// A place in a [`DataFile`] that moves on as it is read or written. There may be many in one file.
#[derive(Debug)]
pub struct FileCursor<'a> {
    file: &'a File,
    offset: u64,
}

impl io::Read for FileCursor<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let read = read_some_at(self.file, out, self.offset)?;
        self.offset += read as u64;
        Ok(read)
    }
}

impl io::Write for FileCursor<'_> {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        write_all_at(self.file, data, self.offset)?;
        self.offset += data.len() as u64;
        Ok(data.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Closing a file gives its lock up only when all who inherited it have closed it, too: child processes that start
/// meanwhile. So it is given up first.
impl Drop for DataFile {
    fn drop(&mut self) {
        self.unlock();
    }
}

/// How many of the next spans one read serves, and where the last of them ends.
fn stretch(spans: &Spans) -> (usize, usize) {
    let mut ahead = spans.clone();
    let Some(first) = ahead.next() else { return (0, 0) };
    let (mut count, mut end) = (1, first.from + first.length);
    for next in ahead {
        let next_end = next.from + next.length;
        if next.length >= LONG_SPAN || next.from - end > LONGEST_GAP || next_end - first.from > WINDOW {
            break;
        }
        (count, end) = (count + 1, next_end);
    }
    (count, end)
}

#[cfg(unix)]
fn is_same(file: &File, named: &fs::Metadata) -> io::Result<bool> {
    use std::os::unix::fs::MetadataExt;
    let open = file.metadata()?;
    Ok((open.dev(), open.ino()) == (named.dev(), named.ino()))
}

/// Elsewhere a file that is open keeps its name.
#[cfg(not(unix))]
fn is_same(_file: &File, _named: &fs::Metadata) -> io::Result<bool> {
    Ok(true)
}

#[cfg(unix)]
fn read_some_at(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    std::os::unix::fs::FileExt::read_at(file, buffer, offset)
}

#[cfg(windows)]
fn read_some_at(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    std::os::windows::fs::FileExt::seek_read(file, buffer, offset)
}

#[cfg(unix)]
fn read_exact_at(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, buffer, offset)
}

#[cfg(unix)]
fn write_all_at(file: &File, data: &[u8], offset: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::write_all_at(file, data, offset)
}

#[cfg(windows)]
fn read_exact_at(file: &File, mut buffer: &mut [u8], mut offset: u64) -> io::Result<()> {
    while !buffer.is_empty() {
        let read = read_some_at(file, buffer, offset)?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        buffer = &mut buffer[read..];
        offset += read as u64;
    }
    Ok(())
}

#[cfg(windows)]
fn write_all_at(file: &File, mut data: &[u8], mut offset: u64) -> io::Result<()> {
    while !data.is_empty() {
        let written = std::os::windows::fs::FileExt::seek_write(file, data, offset)?;
        if written == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        data = &data[written..];
        offset += written as u64;
    }
    Ok(())
}

fn check_kind(path: &Path) -> io::Result<()> {
    let kind = fs::metadata(path)?.file_type();
    if kind.is_file() || kind.is_dir() {
        return Ok(());
    }
    Err(io::Error::new(io::ErrorKind::InvalidInput, "it is a pipe, a socket or a device"))
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, Write};

    use super::*;

    #[test]
    fn a_cursor_goes_on_where_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        let file = File::options().create_new(true).read(true).write(true).open(&path).unwrap();
        let file = DataFile::new(file, &path);
        let mut writer = io::BufWriter::new(file.cursor(2));
        writeln!(writer, "one").unwrap();
        writeln!(writer, "two").unwrap();
        drop(writer);
        let lines: Vec<_> = io::BufReader::new(file.cursor(2)).lines().map(|line| line.unwrap()).collect();
        assert_eq!(lines, ["one", "two"]);
        assert_eq!(file.length().unwrap(), 10);
    }

    #[test]
    fn locks_are_held_until_the_file_is_dropped() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        std::fs::write(&path, "x").unwrap();
        let open = || DataFile::open(&path).unwrap();
        let (reader, other_reader) = (open(), open());
        reader.lock_shared().unwrap();
        other_reader.lock_shared().unwrap();
        assert!(matches!(open().lock(), Err(Error::Locked { .. })));
        // As a child process does that was started meanwhile.
        let inherited = reader.file().try_clone().unwrap();
        drop((reader, other_reader));
        let writer = open();
        writer.lock().unwrap();
        assert!(matches!(open().lock_shared(), Err(Error::Locked { .. })));
        drop((writer, inherited));
        open().lock_shared().unwrap();
    }
}
