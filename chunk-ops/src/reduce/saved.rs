//! Accumulators as bytes: reading what was written, without trust in it.

use chunk_core::{Error, Result};

/// The rest of some bytes that are read from the front.
pub(super) struct Saved<'a>(&'a [u8]);

impl<'a> Saved<'a> {
    /// Reads all of `bytes` by `read`, which returns `None` if they are malformed.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] if they are malformed, too few or too many.
    pub(super) fn read_all<T>(bytes: &'a [u8], read: impl FnOnce(&mut Self) -> Option<T>) -> Result<T> {
        let mut saved = Saved(bytes);
        let value = read(&mut saved).filter(|_| saved.0.is_empty());
        value.ok_or_else(|| Error::InvalidArgument("the bytes are not those of a saved accumulator".to_owned()))
    }

    pub(super) fn bytes(&mut self, length: usize) -> Option<&'a [u8]> {
        let (bytes, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(bytes)
    }

    pub(super) fn byte(&mut self) -> Option<u8> {
        self.bytes(1).map(|bytes| bytes[0])
    }

    pub(super) fn flag(&mut self) -> Option<bool> {
        match self.byte()? {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        }
    }

    pub(super) fn u64(&mut self) -> Option<u64> {
        self.bytes(8)?.try_into().ok().map(u64::from_le_bytes)
    }
}
