//! The files of a shard: data, and the log of what is in them.

use std::fs::OpenOptions;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use crate::new_file::publish;
use crate::record_log::log_of;
use crate::worker::lock;
use crate::{DataFile, Error, LogHeader, RecordLog, Result};

/// The files of a shard, for backends: made when they are first written to, left when they are dropped, continued when
/// they are opened again.
///
/// The log says what is in the data file. Its records are the backend's: each should say with a checksum what it stands
/// for, since the data file may be damaged or shorter than the log says.
#[derive(Debug)]
pub struct ShardFile {
    path: PathBuf,
    header: LogHeader,
    files: OnceLock<Files>,
    making: Mutex<()>,
    failed: AtomicBool,
}

/// The log has the lock.
#[derive(Debug)]
struct Files {
    data: Arc<DataFile>,
    log: RecordLog,
}

impl ShardFile {
    /// Opens the shard at `path`, if there is one, and calls `visit` with each record of its log, in order. Makes
    /// nothing.
    ///
    /// # Errors
    /// As [`RecordLog::open`]; [`Error::AlreadyExists`] for a file that has no log.
    pub fn open(path: &Path, header: LogHeader, visit: &mut dyn FnMut(&[u8])) -> Result<Self> {
        let files = OnceLock::new();
        // Looked at once the log is locked: records without data do not count.
        let mut data = None;
        let log = RecordLog::open(&log_of(path), &header, &mut |record| {
            if let Ok(Some(_)) = data.get_or_insert_with(|| open_data(path)) {
                visit(record);
            }
        })?;
        match (log, data.unwrap_or_else(|| open_data(path))?) {
            (Some(log), Some(data)) => {
                let _ = files.set(Files { data: Arc::new(data), log });
            }
            (None, Some(_)) => {
                let hint = " (it is no shard: it has no log)";
                return Err(Error::AlreadyExists { path: path.to_path_buf(), dataset: String::new(), hint });
            }
            (Some(log), None) => {
                // Its writer died between making the two files, or publishing and removing the log.
                log.clear(&header)?;
                let data = make_data(path)?;
                let _ = files.set(Files { data: Arc::new(data), log });
            }
            (None, None) => {}
        }
        Ok(ShardFile {
            path: path.to_path_buf(),
            header,
            files,
            making: Mutex::new(()),
            failed: AtomicBool::new(false),
        })
    }

    /// Opens the data of the shard at `path` to be read, and calls `visit` with each record of its log, in order. `None`
    /// if nothing was ever written to it.
    ///
    /// # Errors
    /// As [`RecordLog::read`], [`DataFile::open`].
    pub fn read(path: &Path, header: &LogHeader, visit: &mut dyn FnMut(&[u8])) -> Result<Option<DataFile>> {
        let log = log_of(path);
        if !log.try_exists().map_err(|cause| Error::io(&log, "open", cause))? {
            return Ok(None);
        }
        RecordLog::read(&log, header, visit)?;
        DataFile::open(path).map(Some)
    }

    /// Where the data is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The data file, made by the first call.
    ///
    /// # Errors
    /// [`Error::Locked`] if another process has made the shard meanwhile; [`Error::Io`].
    pub fn data(&self) -> Result<&Arc<DataFile>> {
        self.made().map(|files| &files.data)
    }

    /// The data file, if it is there.
    #[must_use]
    pub fn existing(&self) -> Option<&Arc<DataFile>> {
        self.files.get().map(|files| &files.data)
    }

    fn made(&self) -> Result<&Files> {
        let _one_makes_it = lock(&self.making);
        if let Some(files) = self.files.get() {
            return Ok(files);
        }
        // The log first: a data file without a log is not ours.
        let log = RecordLog::create(&log_of(&self.path), &self.header)?;
        let data = Arc::new(make_data(&self.path)?);
        Ok(self.files.get_or_init(|| Files { data, log }))
    }

    /// Appends records to the log, in one write, once what they stand for was written to the data file.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn log<'a>(&self, records: impl IntoIterator<Item = &'a [u8]>) -> Result<()> {
        self.made()?.log.append(records)
    }

    /// Makes data and log durable.
    ///
    /// # Errors
    /// [`Error::Io`]: the shard cannot be published then.
    pub fn sync(&self) -> Result<()> {
        let Some(files) = self.files.get() else { return Ok(()) };
        let synced = files.data.file().sync_data().map_err(|cause| Error::io(&self.path, "sync", cause));
        // After a sync that failed nobody knows what is on the disk, and the next one says that all is well.
        synced.and_then(|()| files.log.sync()).inspect_err(|_| self.fail())
    }

    /// Notes that something could not be written: the shard cannot be published any more, only opened again.
    pub fn fail(&self) {
        self.failed.store(true, Ordering::Relaxed);
    }

    /// Fails if something could not be written.
    ///
    /// # Errors
    /// [`Error::Unsupported`].
    pub fn check(&self) -> Result<()> {
        if self.failed.load(Ordering::Relaxed) {
            return Err(Error::unsupported(&self.path, "an earlier write failed: open the shard again to continue it"));
        }
        Ok(())
    }

    /// Gives the data file, which is complete, the name `target`, durably, and removes the log, if it can be. Where
    /// `target` is in another file system, it is copied.
    ///
    /// # Errors
    /// As [`ShardFile::check`]; [`Error::AlreadyExists`] if something has the name, unless it may be overwritten;
    /// [`Error::Io`]. The shard can be opened again then.
    pub fn publish(self, target: &Path, overwrite: bool) -> Result<()> {
        self.check()?;
        self.made()?;
        let Some(Files { data, log }) = self.files.into_inner() else { unreachable!("it was made above") };
        drop(data);
        publish(&self.path, target, overwrite)?;
        // The output is there: a log that stays is no failure of it.
        let _ = log.remove();
        Ok(())
    }

    /// Removes the shard, whose content is elsewhere, if it can be.
    pub fn remove(self) {
        let Some(Files { data, log }) = self.files.into_inner() else { return };
        drop(data);
        let removed = std::fs::remove_file(&self.path).and_then(|()| std::fs::remove_file(log.path()));
        // The content is there: a shard that stays is no failure of it.
        let _ = removed;
    }
}

fn open_data(path: &Path) -> Result<Option<DataFile>> {
    match OpenOptions::new().read(true).write(true).open(path) {
        Ok(file) => Ok(Some(DataFile::new(file, path))),
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(cause) => Err(Error::io(path, "open", cause)),
    }
}

fn make_data(path: &Path) -> Result<DataFile> {
    let made = OpenOptions::new().read(true).write(true).create_new(true).open(path);
    made.map(|file| DataFile::new(file, path)).map_err(|cause| match cause.kind() {
        io::ErrorKind::AlreadyExists => Error::Locked { path: path.to_path_buf() },
        _ => Error::io(path, "create", cause),
    })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn header() -> LogHeader {
        LogHeader::new("numbers")
    }

    fn open(path: &Path) -> (ShardFile, usize) {
        let mut records = 0;
        let shard = ShardFile::open(path, header(), &mut |_| records += 1).unwrap();
        (shard, records)
    }

    #[test]
    fn is_made_by_the_first_write_left_when_dropped_and_continued() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        let names = || fs::read_dir(folder.path()).unwrap().count();
        let (shard, _) = open(&path);
        assert_eq!((names(), shard.existing().is_none()), (0, true));
        shard.sync().unwrap();
        shard.data().unwrap().write_at(b"12", 0).unwrap();
        shard.log([&b"1"[..], b"2"]).unwrap();
        shard.sync().unwrap();
        assert!(matches!(ShardFile::open(&path, header(), &mut |_| {}), Err(Error::Locked { .. })));
        drop(shard);
        let (shard, records) = open(&path);
        assert_eq!((names(), records, shard.existing().is_some()), (2, 2, true));
        let target = folder.path().join("target");
        fs::write(&target, b"old").unwrap();
        assert!(matches!(shard.publish(&target, false), Err(Error::AlreadyExists { .. })));
        let (shard, records) = open(&path);
        assert_eq!(records, 2);
        shard.publish(&target, true).unwrap();
        assert_eq!((fs::read(&target).unwrap(), names()), (b"12".to_vec(), 1));
    }

    #[test]
    fn records_without_data_do_not_count() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        let (shard, _) = open(&path);
        shard.log([&b"1"[..]]).unwrap();
        drop(shard);
        fs::remove_file(&path).unwrap();
        assert_eq!(open(&path).1, 0);
        assert_eq!(open(&path).1, 0);
        open(&path).0.remove();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn two_that_begin_at_once_do_not_share_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        let ((first, _), (second, _)) = (open(&path), open(&path));
        first.data().unwrap();
        assert!(matches!(second.data(), Err(Error::Locked { .. })));
        drop(first);
        assert!(matches!(second.data(), Err(Error::Locked { .. })));
    }

    #[test]
    fn files_of_others_are_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        fs::write(&path, b"a letter").unwrap();
        assert!(matches!(ShardFile::open(&path, header(), &mut |_| {}), Err(Error::AlreadyExists { .. })));
        fs::write(log_of(&path), b"also a letter, longer than a header").unwrap();
        assert!(matches!(ShardFile::open(&path, header(), &mut |_| {}), Err(Error::WrongFormat { .. })));
        assert_eq!(fs::read(&path).unwrap(), b"a letter");
    }

    #[test]
    fn a_shard_that_failed_is_not_published() {
        let folder = tempfile::tempdir().unwrap();
        let (shard, _) = open(&folder.path().join("x"));
        shard.data().unwrap();
        shard.fail();
        assert!(matches!(shard.publish(&folder.path().join("y"), false), Err(Error::Unsupported { .. })));
        assert!(!folder.path().join("y").exists());
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn is_copied_to_another_file_system() {
        use std::os::unix::fs::MetadataExt;

        let Ok(memory) = tempfile::tempdir_in("/dev/shm") else { return };
        let folder = tempfile::tempdir().unwrap();
        if memory.path().metadata().unwrap().dev() == folder.path().metadata().unwrap().dev() {
            return;
        }
        for overwrite in [false, true] {
            let (shard, _) = open(&memory.path().join("x"));
            shard.data().unwrap().write_at(b"12", 0).unwrap();
            let target = folder.path().join("target");
            shard.publish(&target, overwrite).unwrap();
            assert_eq!(fs::read(&target).unwrap(), b"12");
            assert_eq!(fs::read_dir(memory.path()).unwrap().count(), 0);
            assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        }
    }
}
