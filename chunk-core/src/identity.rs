//! What the bytes of a source depend on, as one hash.

use std::fmt;
use std::fs;
use std::path::Path;
use std::time::UNIX_EPOCH;

use sha2::{Digest, Sha256};

use crate::{Error, Result};

/// A hash of all that a source's bytes depend on: it changes when the content may have changed.
///
/// ```
/// use chunk_core::Identity;
///
/// let x = Identity::builder("memory").field("name", "x").finish();
/// let fft = Identity::builder("fft").input(&x).field("axis", "1").finish();
/// assert_ne!(fft, Identity::builder("ifft").input(&x).field("axis", "1").finish());
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Identity([u8; 32]);

impl Identity {
    /// Begins the identity of what `operation` makes: a backend's name, or that of an operation.
    #[must_use]
    pub fn builder(operation: &str) -> IdentityBuilder {
        IdentityBuilder(Sha256::new()).field("operation", operation)
    }

    /// The hash.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Identity({self})")
    }
}

/// Collects what an [`Identity`] depends on.
#[derive(Clone, Debug, Default)]
pub struct IdentityBuilder(Sha256);

impl IdentityBuilder {
    /// Adds a parameter. Lengths are hashed too, so no two lists of fields run together.
    #[must_use]
    pub fn field(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        for part in [name.as_bytes(), value.as_ref()] {
            self.0.update((part.len() as u64).to_le_bytes());
            self.0.update(part);
        }
        self
    }

    /// Adds the identity of an input.
    #[must_use]
    pub fn input(self, input: &Identity) -> Self {
        self.field("input", input.0)
    }

    /// Adds a file: its canonical path, size and time of last change.
    ///
    /// # Errors
    /// [`Error::Io`] or [`Error::FileNotFound`] if the file cannot be looked at.
    pub fn file(self, path: &Path) -> Result<Self> {
        let fail = |cause| Error::io(path, "open", cause);
        let canonical = fs::canonicalize(path).map_err(fail)?;
        let metadata = fs::metadata(&canonical).map_err(fail)?;
        let modified = metadata.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
        Ok(self
            .field("path", canonical.as_os_str().as_encoded_bytes())
            .field("size", metadata.len().to_le_bytes())
            .field("modified", modified.map_or(0, |time| time.as_nanos()).to_le_bytes()))
    }

    /// The identity of all that was added.
    #[must_use]
    pub fn finish(self) -> Identity {
        Identity(self.0.finalize().into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_do_not_run_together() {
        let one = Identity::builder("x").field("a", "bc").finish();
        let other = Identity::builder("x").field("ab", "c").finish();
        assert_ne!(one, other);
        assert_eq!(one, Identity::builder("x").field("a", "bc").finish());
    }

    #[test]
    fn changes_with_the_file() {
        let path = std::env::temp_dir().join(format!("chunk-core-identity-{}", std::process::id()));
        let identity = |path: &Path| Identity::builder("raw").file(path).map(IdentityBuilder::finish);
        assert!(matches!(identity(&path), Err(Error::FileNotFound { .. })));
        fs::write(&path, "1").unwrap();
        let before = identity(&path).unwrap();
        assert_eq!(before, identity(&path).unwrap());
        fs::write(&path, "22").unwrap();
        assert_ne!(before, identity(&path).unwrap());
        fs::remove_file(&path).unwrap();
    }
}
