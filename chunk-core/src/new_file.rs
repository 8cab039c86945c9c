//! A file under a temporary name until it is complete.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use tempfile::{PathPersistError, TempPath};

use crate::{DataFile, Error, Result};

/// An output that appears under its name only when it is complete: for sinks.
///
/// Made beside its name, hidden, as readable as any new file. [`publish`](NewFile::publish) syncs and renames it;
/// dropped before, it is gone.
#[derive(Debug)]
pub struct NewFile {
    // Closed before it is removed: Windows wants it so.
    file: DataFile,
    temporary: TempPath,
    path: PathBuf,
}

impl NewFile {
    /// Checks what can be said of an output at `path` before it is made: that its directory is there, that it is no
    /// directory itself, and that it does not exist, unless it may be overwritten.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::AlreadyExists`].
    pub fn check(path: &Path, overwrite: bool) -> Result<()> {
        if !folder_of(path).is_dir() {
            let cause = io::Error::new(io::ErrorKind::NotFound, "the directory does not exist");
            return Err(Error::io(path, "create", cause));
        }
        match fs::symlink_metadata(path) {
            Ok(_) if !overwrite => Err(already_exists(path, OVERWRITE)),
            Ok(metadata) if metadata.is_dir() => Err(already_exists(path, " (it is a directory)")),
            _ => Ok(()),
        }
    }

    /// An empty file that may become the one at `path`.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn beside(path: impl Into<PathBuf>) -> Result<Self> {
        let path = followed(path.into());
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let prefix = format!(".{name}.");
        let mut builder = tempfile::Builder::new();
        builder.prefix(&prefix).suffix(".partial");
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
        let made = builder.tempfile_in(folder_of(&path)).map_err(|cause| Error::io(&path, "create", cause))?;
        let (file, temporary) = made.into_parts();
        Ok(NewFile { file: DataFile::new(file, &path), temporary, path })
    }

    /// The file, to read and write; its errors name the path that it will have.
    #[must_use]
    pub fn file(&self) -> &DataFile {
        &self.file
    }

    /// Where it is while it has its temporary name.
    #[must_use]
    pub fn temporary_path(&self) -> &Path {
        &self.temporary
    }

    /// Syncs the file, gives it its name, and syncs the directory. It gets the permissions of a file that it replaces.
    ///
    /// # Errors
    /// [`Error::AlreadyExists`] if meanwhile something has the name, unless it may be overwritten; [`Error::Io`].
    pub fn publish(self, overwrite: bool) -> Result<()> {
        let NewFile { file, temporary, path } = self;
        let fail = |cause| Error::io(&path, "finish", cause);
        file.file().sync_all().map_err(fail)?;
        drop(file);
        rename(temporary, &path, overwrite).map_err(|error| match error.error.kind() {
            io::ErrorKind::AlreadyExists => already_exists(&path, OVERWRITE),
            _ => fail(error.error),
        })?;
        sync_folder(&path).map_err(fail)
    }
}

/// Gives the file at `from`, which is complete, the name `to`, as [`NewFile::publish`] does; into
/// another file system it is copied. If that fails, it stays where it is.
pub(crate) fn publish(from: &Path, to: &Path, overwrite: bool) -> Result<()> {
    NewFile::check(to, overwrite)?;
    let to = followed(to.to_path_buf());
    let fail = |cause| Error::io(&to, "finish", cause);
    let mut file = File::open(from).map_err(|cause| Error::io(from, "open", cause))?;
    file.sync_all().map_err(fail)?;
    let path = TempPath::try_from_path(from).map_err(fail)?;
    let Err(refused) = rename(path, &to, overwrite) else { return sync_folder(&to).map_err(fail) };
    // It would be removed with this.
    refused.path.keep().map_err(|error| fail(error.error))?;
    match refused.error.kind() {
        io::ErrorKind::CrossesDevices => {
            let copy = NewFile::beside(&to)?;
            io::copy(&mut file, &mut copy.file().file()).map_err(fail)?;
            copy.publish(overwrite)?;
            // The output is there: one that stays is no failure of it.
            let _ = fs::remove_file(from);
            Ok(())
        }
        io::ErrorKind::AlreadyExists => Err(already_exists(&to, OVERWRITE)),
        _ => Err(fail(refused.error)),
    }
}

/// Renames the file, which gets the permissions of one that it replaces.
fn rename(temporary: TempPath, path: &Path, overwrite: bool) -> std::result::Result<(), PathPersistError> {
    if !overwrite {
        return temporary.persist_noclobber(path);
    }
    if let Ok(replaced) = fs::metadata(path)
        && let Err(error) = fs::set_permissions(&temporary, replaced.permissions())
    {
        return Err(PathPersistError { error, path: temporary });
    }
    temporary.persist(path)
}

/// The file that a link leads to: that is replaced, not the link.
fn followed(path: PathBuf) -> PathBuf {
    if path.is_symlink() { path.canonicalize().unwrap_or(path) } else { path }
}

/// A [`NewFile`] of a known length that is made when it is first asked for: a sink creates nothing before its first write.
#[derive(Debug)]
pub struct LazyFile {
    path: PathBuf,
    overwrite: bool,
    length: u64,
    made: OnceLock<NewFile>,
}

impl LazyFile {
    /// A file of `length` zeros that may become the one at `path`.
    ///
    /// # Errors
    /// As [`NewFile::check`].
    pub fn new(path: impl Into<PathBuf>, length: u64, overwrite: bool) -> Result<Self> {
        let path = path.into();
        NewFile::check(&path, overwrite)?;
        Ok(LazyFile { path, overwrite, length, made: OnceLock::new() })
    }

    /// What errors call it: the path that it will have.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The file, made by the first call.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn get(&self) -> Result<&DataFile> {
        if self.made.get().is_none() {
            let made = NewFile::beside(&self.path)?;
            made.file().set_length(self.length)?;
            // Two threads may come at once: the file of the second goes.
            let _ = self.made.set(made);
        }
        // It is set: there is nothing to wait for.
        Ok(self.made.wait().file())
    }

    /// Makes what was written durable, still under the temporary name, also where nobody asked for
    /// the file before.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn sync(&self) -> Result<()> {
        self.get()?.file().sync_all().map_err(|cause| Error::io(&self.path, "finish", cause))
    }

    /// Gives the file its name, also where nobody asked for it before.
    ///
    /// # Errors
    /// As [`NewFile::publish`].
    pub fn publish(self) -> Result<()> {
        self.get()?;
        match self.made.into_inner() {
            Some(made) => made.publish(self.overwrite),
            None => unreachable!("it was made above"),
        }
    }
}

const OVERWRITE: &str = " (overwriting it must be asked for)";

fn already_exists(path: &Path, hint: &'static str) -> Error {
    Error::AlreadyExists { path: path.to_path_buf(), dataset: String::new(), hint }
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Makes the name durable. Directories cannot be opened as files on Windows, where renaming does it.
pub(crate) fn sync_folder(path: &Path) -> io::Result<()> {
    if cfg!(unix) { File::open(folder_of(path))?.sync_all() } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn appears_when_published_and_vanishes_when_dropped() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        let names = || fs::read_dir(folder.path()).unwrap().count();
        drop(NewFile::beside(&path).unwrap());
        assert_eq!(names(), 0);
        let new = NewFile::beside(&path).unwrap();
        new.file().write_at(b"1", 0).unwrap();
        assert!(!path.exists() && new.temporary_path().exists());
        new.publish(false).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"1");
        assert_eq!(names(), 1);
    }

    #[test]
    fn a_lazy_file_is_made_when_it_is_asked_for() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        let names = || fs::read_dir(folder.path()).unwrap().count();
        let lazy = LazyFile::new(&path, 3, false).unwrap();
        assert_eq!(names(), 0);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| lazy.get().unwrap().write_at(b"b", 1).unwrap());
            }
        });
        assert_eq!(names(), 1);
        lazy.sync().unwrap();
        assert!(!path.exists());
        lazy.publish().unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"\0b\0");
        assert!(LazyFile::new(&path, 3, false).is_err());
        LazyFile::new(&path, 0, true).unwrap().publish().unwrap();
        assert_eq!((fs::read(&path).unwrap().len(), names()), (0, 1));
    }

    #[cfg(unix)]
    #[test]
    fn what_is_replaced_is_the_file_that_a_link_leads_to_with_its_permissions() {
        use std::os::unix::fs::{PermissionsExt, symlink};

        let folder = tempfile::tempdir().unwrap();
        let (file, link) = (folder.path().join("x"), folder.path().join("link"));
        fs::write(&file, b"old").unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        symlink("x", &link).unwrap();
        NewFile::beside(&link).unwrap().publish(true).unwrap();
        assert!(link.is_symlink());
        assert_eq!(fs::read(&file).unwrap(), b"");
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn replaces_only_what_may_be_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        fs::write(&path, b"old").unwrap();
        assert!(matches!(NewFile::check(&path, false), Err(Error::AlreadyExists { .. })));
        NewFile::check(&path, true).unwrap();
        assert!(matches!(NewFile::beside(&path).unwrap().publish(false), Err(Error::AlreadyExists { .. })));
        assert_eq!(fs::read(&path).unwrap(), b"old");
        NewFile::beside(&path).unwrap().publish(true).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"");
        assert!(NewFile::check(folder.path(), true).is_err());
        assert!(NewFile::check(&folder.path().join("none/x"), true).is_err());
    }
}
