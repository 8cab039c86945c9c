//! What opening a dataset may do beyond its own file.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::{Error, Result};

/// What opening a dataset may do beyond its own file, and what is read where a part of it is missing.
///
/// ```
/// use chunk_core::{FilledCount, MemoryBackend, Missing, OpenPolicy, Registry};
///
/// let filled = FilledCount::default();
/// let policy = OpenPolicy::default().with_outside(true).with_missing(Missing::Fill(filled.clone()));
/// let registry = Registry::new().with(MemoryBackend::new()).opening(&policy);
/// assert_eq!((registry.backends().count(), filled.elements()), (1, 0));
/// ```
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct OpenPolicy {
    /// Whether links and the sources of virtual datasets may lead out of the folder of their file.
    pub outside: bool,
    /// What is read where a source is missing.
    pub missing: Missing,
}

impl OpenPolicy {
    /// With links and sources that lead out of their file's folder being followed, or refused.
    #[must_use]
    pub fn with_outside(mut self, outside: bool) -> Self {
        self.outside = outside;
        self
    }

    /// With missing sources being errors, or filled.
    #[must_use]
    pub fn with_missing(mut self, missing: Missing) -> Self {
        self.missing = missing;
        self
    }
}

/// What is read of a virtual dataset where its source is missing or was never placed.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub enum Missing {
    /// An error that names the source.
    #[default]
    Error,
    /// The dataset's fill value; such elements are counted here.
    Fill(FilledCount),
}

/// How many elements were filled; clones count together.
#[derive(Clone, Debug, Default)]
pub struct FilledCount(Arc<AtomicU64>);

impl FilledCount {
    /// Elements that were filled so far. One that is read twice counts twice.
    #[must_use]
    pub fn elements(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    /// Counts further elements.
    pub fn add(&self, elements: u64) {
        self.0.fetch_add(elements, Ordering::Relaxed);
    }
}

/// Checks that `path` leads to a file in `folder` or below, wherever `..` and symbolic links lead.
///
/// A file that is not there passes: opening it tells. Whoever can change the folder while it is looked at can lead
/// elsewhere all the same.
///
/// # Errors
/// [`Error::Unsupported`].
pub fn check_inside(path: &Path, folder: &Path) -> Result<()> {
    match (path.canonicalize(), folder.canonicalize()) {
        (Ok(file), Ok(inside)) if !file.starts_with(&inside) => {
            let what = format!("leads to {}, outside the folder {}", file.display(), folder.display());
            Err(Error::unsupported(path, what + ", which must be allowed (--unsafe-links)"))
        }
        _ => Ok(()),
    }
}

#[cfg(all(test, unix))]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn links_and_detours_may_not_leave_the_folder() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("data");
        fs::create_dir_all(folder.join("sub")).unwrap();
        fs::create_dir(root.path().join("other")).unwrap();
        for file in ["data/x", "data/sub/x", "other/x"] {
            fs::write(root.path().join(file), "").unwrap();
        }
        symlink("sub/x", folder.join("inner")).unwrap();
        symlink("../other/x", folder.join("final")).unwrap();
        symlink("../other", folder.join("folder")).unwrap();
        symlink("/proc/self/cwd", folder.join("cwd")).unwrap();
        symlink("loop", folder.join("loop")).unwrap();
        for inside in ["x", "sub/x", "inner", "sub/../x", "missing", "loop", "../data/x"] {
            assert!(check_inside(&folder.join(inside), &folder).is_ok(), "{inside}");
        }
        for outside in ["../other/x", "final", "folder/x", "cwd/Cargo.toml", "/etc/passwd", "/proc/self/maps"] {
            let error = check_inside(&folder.join(outside), &folder).unwrap_err();
            assert!(matches!(error, Error::Unsupported { .. }) && error.to_string().contains("outside"), "{error}");
        }
        // A folder that is reached by a link is what it leads to.
        symlink(&folder, root.path().join("alias")).unwrap();
        assert!(check_inside(&root.path().join("alias/x"), &folder).is_ok());
    }
}
