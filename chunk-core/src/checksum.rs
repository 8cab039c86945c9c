//! A checksum of bytes.

use std::fmt;

use xxhash_rust::xxh3::{Xxh3Default, xxh3_64};

/// XXH3 with 64 bits: sees damage, at the speed of memory. It is no protection against forgery.
///
/// ```
/// use chunk_core::Checksum;
///
/// let mut checksum = Checksum::new();
/// checksum.update(b"one ");
/// checksum.update(b"two");
/// assert_eq!(checksum.value(), Checksum::of(b"one two"));
/// ```
#[derive(Clone, Default)]
pub struct Checksum(Xxh3Default);

impl Checksum {
    /// The checksum of nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Checksum::default()
    }

    /// The checksum of `bytes`.
    #[must_use]
    pub fn of(bytes: &[u8]) -> u64 {
        xxh3_64(bytes)
    }

    /// Adds the bytes that come next.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The checksum of all bytes so far.
    #[must_use]
    pub fn value(&self) -> u64 {
        self.0.digest()
    }
}

impl fmt::Debug for Checksum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Checksum({:016x})", self.value())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agrees_with_the_published_value_of_nothing() {
        // XXH3_64bits of an empty input, from the specification of xxHash.
        assert_eq!(Checksum::of(b""), 0x2d06_8005_38d3_94c2);
    }

    #[test]
    fn does_not_depend_on_how_the_bytes_are_cut() {
        let bytes: Vec<u8> = (0..5000_u32).map(|i| (i * i % 251) as u8).collect();
        for step in [1, 7, 255, 256, 1024, 4999] {
            let mut checksum = Checksum::new();
            bytes.chunks(step).for_each(|part| checksum.update(part));
            assert_eq!(checksum.value(), Checksum::of(&bytes));
        }
    }
}
