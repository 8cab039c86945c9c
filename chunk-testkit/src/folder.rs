//! Folders for tests, gone when they are dropped.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::{env, fs, process};

/// An empty folder of its own; it goes, with all that is in it, when this is dropped.
#[derive(Debug)]
pub(crate) struct Folder(PathBuf);

static NEXT: AtomicU64 = AtomicU64::new(0);

impl Folder {
    pub(crate) fn new() -> Self {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = env::temp_dir().join(format!("chunk-testkit-{}-{number}", process::id()));
        // A process that had the same number may have left one behind.
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).expect("the folder for temporary files can be written to");
        Folder(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// The names in it, sorted.
    pub(crate) fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(&self.0).expect("the test's folder can be read");
        let mut names: Vec<String> =
            entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    /// The files in it and what they hold, sorted by name.
    pub(crate) fn contents(&self) -> Vec<(String, Vec<u8>)> {
        let read = |name: &String| fs::read(self.0.join(name)).expect("a file of the test can be read");
        self.names().into_iter().map(|name| (name.clone(), read(&name))).collect()
    }

    /// Makes a file in it, in place of one that is there.
    pub(crate) fn put(&self, name: &str, content: impl AsRef<[u8]>) {
        self.remove(name);
        fs::write(self.0.join(name), content).expect("the test's folder can be written to");
    }

    /// Removes a file, if it is there.
    pub(crate) fn remove(&self, name: &str) {
        let _ = fs::remove_file(self.0.join(name));
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
