//! How datasets are opened for reading.

use chunk_core::{Bytes, OpenPolicy};

use crate::file::FileLocking;

/// How datasets are opened for reading. The defaults follow nothing out of the file and keep nothing in memory.
///
/// ```
/// use chunk_core::Bytes;
/// use chunk_hdf5::{Hdf5, ReadOptions};
///
/// let backend = Hdf5::default().with_reading(ReadOptions::default().with_cache(Bytes(256 << 20)));
/// # let _ = backend;
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReadOptions {
    /// Whether the file is locked while it is open.
    pub locking: FileLocking,
    /// Bytes of decoded chunks, or blocks of them, that each source keeps for windows that overlap; 0 keeps none.
    /// Counted in `held_bytes`. A run reads each chunk once and gains nothing by it.
    pub cache: Bytes,
    /// Whether elements that the file says are in other files are read from there. Such files are looked for beside
    /// the HDF5 file and below; absolute names and names with `..` are refused.
    pub external_files: bool,
    /// Whether links into other HDF5 files are followed, under the same rule.
    pub external_links: bool,
    /// Whether such files and links may be anywhere, against that rule: for files that one trusts.
    pub outside: bool,
}

impl ReadOptions {
    /// With file locks, or without.
    #[must_use]
    pub fn with_locking(mut self, locking: FileLocking) -> Self {
        self.locking = locking;
        self
    }

    /// With a cache of decoded chunks for each source.
    #[must_use]
    pub fn with_cache(mut self, cache: Bytes) -> Self {
        self.cache = cache;
        self
    }

    /// With external files being read, or refused.
    #[must_use]
    pub fn with_external_files(mut self, external_files: bool) -> Self {
        self.external_files = external_files;
        self
    }

    /// With links into other files being followed, or refused.
    #[must_use]
    pub fn with_external_links(mut self, external_links: bool) -> Self {
        self.external_links = external_links;
        self
    }

    /// With external files and links that lead out of the file's folder being followed, or refused.
    #[must_use]
    pub fn with_outside(mut self, outside: bool) -> Self {
        self.outside = outside;
        self
    }

    /// With what a policy allows: all that leads to other files, or what of it these options allow in the same folder.
    #[must_use]
    pub fn with_policy(self, policy: &OpenPolicy) -> Self {
        let ReadOptions { external_files, external_links, .. } = self;
        let outside = policy.outside;
        self.with_external_files(external_files || outside)
            .with_external_links(external_links || outside)
            .with_outside(outside)
    }
}
