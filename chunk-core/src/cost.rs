//! What serving one slab takes: memory and work, and how long the work lasts.

use std::ops::{Add, AddAssign};

/// What serving one slab takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Cost {
    /// Bytes that the call may hold beyond the buffers that it is given, all its threads together.
    pub scratch_bytes: u64,
    /// Bytes beyond those that would make the call faster. A plan grants them where the budget has
    /// room; [`Worker::granted_bytes`](crate::Worker::granted_bytes) tells how much was granted.
    /// No result depends on it.
    pub wanted_bytes: u64,
    /// The work.
    pub work: Work,
}

impl Cost {
    /// The cost of holding `scratch_bytes` while doing `work`.
    #[must_use]
    pub fn new(scratch_bytes: u64, work: Work) -> Self {
        Cost { scratch_bytes, wanted_bytes: 0, work }
    }

    /// The same, with `bytes` more that would make it faster.
    #[must_use]
    pub fn wanting(mut self, bytes: u64) -> Self {
        self.wanted_bytes = bytes;
        self
    }
}

/// Work by kind, in bytes of decoded elements, so that each kind has one rate on one machine.
///
/// ```
/// use chunk_core::{Calibration, Work};
///
/// let work = Work::decoding(1 << 30) + Work::computing(1 << 30);
/// assert_eq!(work.moved_bytes(), 1 << 30);
/// assert!(Calibration::default().seconds(&work) > 0.1);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Work {
    /// Bytes that filters give, at the speed of Blosc with LZ4. Slower filters add
    /// [`Work::operations`].
    pub decoded: u64,
    /// Bytes that filters take, at the speed of Blosc with LZ4 at level 5.
    pub encoded: u64,
    /// Bytes copied in memory.
    pub copied: u64,
    /// Bytes read from files as they are.
    pub read: u64,
    /// Bytes written to files as they are. Threads that write one file do not speed this up.
    pub written: u64,
    /// Operations on elements: an addition of two arrays of `n` elements is `n`, a Fourier transform
    /// of `n` complex numbers `5 n log2 n`.
    pub operations: u64,
}

impl Work {
    /// The work of decoding to `bytes`.
    #[must_use]
    pub fn decoding(bytes: u64) -> Self {
        Work { decoded: bytes, ..Work::default() }
    }

    /// The work of encoding `bytes`.
    #[must_use]
    pub fn encoding(bytes: u64) -> Self {
        Work { encoded: bytes, ..Work::default() }
    }

    /// The work of copying `bytes` in memory.
    #[must_use]
    pub fn copying(bytes: u64) -> Self {
        Work { copied: bytes, ..Work::default() }
    }

    /// The work of reading `bytes` of a file as they are.
    #[must_use]
    pub fn reading(bytes: u64) -> Self {
        Work { read: bytes, ..Work::default() }
    }

    /// The work of writing `bytes` to a file as they are.
    #[must_use]
    pub fn writing(bytes: u64) -> Self {
        Work { written: bytes, ..Work::default() }
    }

    /// The work of so many operations on elements.
    #[must_use]
    pub fn computing(operations: u64) -> Self {
        Work { operations, ..Work::default() }
    }

    /// Bytes of elements that a source handles to serve a slab. More than the slab has where it
    /// cuts chunks: over a plan, the sum tells how often the data are read.
    #[must_use]
    pub fn moved_bytes(&self) -> u64 {
        self.decoded.max(self.read).max(self.copied)
    }

    /// The same work `times` times; saturating.
    #[must_use]
    pub fn times(&self, times: u64) -> Self {
        self.map(|amount| amount.saturating_mul(times))
    }

    /// The work in proportion `numerator / denominator`.
    #[must_use]
    pub(crate) fn scaled(&self, numerator: u64, denominator: u64) -> Self {
        let scale = |amount: u64| u128::from(amount) * u128::from(numerator) / u128::from(denominator.max(1));
        self.map(|amount| u64::try_from(scale(amount)).unwrap_or(u64::MAX))
    }

    fn map(&self, change: impl Fn(u64) -> u64) -> Self {
        Work {
            decoded: change(self.decoded),
            encoded: change(self.encoded),
            copied: change(self.copied),
            read: change(self.read),
            written: change(self.written),
            operations: change(self.operations),
        }
    }
}

impl Add for Work {
    type Output = Work;

    fn add(self, other: Work) -> Work {
        Work {
            decoded: self.decoded.saturating_add(other.decoded),
            encoded: self.encoded.saturating_add(other.encoded),
            copied: self.copied.saturating_add(other.copied),
            read: self.read.saturating_add(other.read),
            written: self.written.saturating_add(other.written),
            operations: self.operations.saturating_add(other.operations),
        }
    }
}

impl AddAssign for Work {
    fn add_assign(&mut self, other: Work) {
        *self = *self + other;
    }
}

/// How fast a machine is: seconds that one thread takes for each kind of [`Work`].
///
/// Plans weigh their choices by it, and [`Plan::describe`](crate::Plan::describe) tells the seconds
/// that come of it. It decides whether an intermediate is made and how threads are shared out, never
/// an output's chunk shape or a value.
///
/// The default was measured on two cores of a virtual machine with AVX2 (medians; the memory was
/// warm). `chunk calibrate` measures a machine.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Calibration {
    /// Seconds for a GiB decoded.
    pub decode: f64,
    /// Seconds for a GiB encoded.
    pub encode: f64,
    /// Seconds for a GiB copied in memory.
    pub copy: f64,
    /// Seconds for a GiB read from the system's cache of a file.
    pub read: f64,
    /// Seconds for a GiB written to the system's cache of a file.
    pub write: f64,
    /// Seconds for 2^30 operations on elements.
    pub compute: f64,
}

impl Default for Calibration {
    fn default() -> Self {
        Calibration { decode: 0.5, encode: 0.8, copy: 0.17, read: 0.17, write: 0.35, compute: 0.3 }
    }
}

impl Calibration {
    /// Returns the seconds that one thread takes for `work`.
    #[must_use]
    pub fn seconds(&self, work: &Work) -> f64 {
        self.shared_seconds(work) + self.write * gibi(work.written)
    }

    /// The part of [`Calibration::seconds`] that several threads share.
    pub(crate) fn shared_seconds(&self, work: &Work) -> f64 {
        self.decode * gibi(work.decoded)
            + self.encode * gibi(work.encoded)
            + self.copy * gibi(work.copied)
            + self.read * gibi(work.read)
            + self.compute * gibi(work.operations)
    }
}

pub(crate) fn gibi(amount: u64) -> f64 {
    amount as f64 / f64::from(1 << 30)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_adds_up_kind_by_kind() {
        let work = Work::decoding(3) + Work::copying(5) + Work::decoding(4).times(2);
        assert_eq!((work.decoded, work.copied, work.moved_bytes()), (11, 5, 11));
        assert_eq!(Work::reading(10).scaled(3, 2).read, 15);
        assert_eq!((Work::writing(u64::MAX) + Work::writing(1)).written, u64::MAX);
    }

    #[test]
    fn seconds_follow_the_rates() {
        let calibration = Calibration { decode: 2.0, ..Calibration::default() };
        assert!((calibration.seconds(&Work::decoding(1 << 29)) - 1.0).abs() < 1e-12);
    }
}
