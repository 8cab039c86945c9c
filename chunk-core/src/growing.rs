//! What a format must do whose datasets grow in place.

use std::fmt;
use std::path::Path;

use crate::{ChunkSink, Location, Result};

/// A format whose datasets grow in place, and whose writers may die over it.
///
/// A [`Backend`](crate::Backend) that can do this gives it by [`Backend::growing`](crate::Backend::growing).
pub trait Growing: fmt::Debug + Send + Sync {
    /// Opens a dataset that exists, to add to it along `axis`.
    ///
    /// The sink's `info` has the shape that was committed, as all readers see it. Slabs that lie past its end along
    /// `axis` extend the dataset, in any order; one that reaches into what was committed is
    /// [`Error::SlabOutOfBounds`](crate::Error::SlabOutOfBounds). [`ChunkSink::finish`] commits: what was written is
    /// durable, what was left out between holds the fill value, and readers that open the dataset then see both. A sink
    /// that is dropped before leaves the dataset as it was. Changes nothing before the first write.
    ///
    /// # Errors
    /// A missing or malformed file or dataset; [`Error::AxisOutOfRange`](crate::Error::AxisOutOfRange); an axis that
    /// cannot grow; [`Error::Locked`](crate::Error::Locked) while another writer has the file, here or at the first
    /// write.
    fn append(&self, location: &Location, axis: usize) -> Result<Box<dyn ChunkSink>>;

    /// What a dead writer or damage left wrong with a file beside its elements, a line each: marks, bytes past the end,
    /// a header that disagrees. Changes nothing; empty for a sound file.
    ///
    /// # Errors
    /// A file that cannot be read at all.
    fn problems(&self, path: &Path) -> Result<Vec<String>>;

    /// Brings a file that a dead writer left back to its last committed state, and says what was done, a line each.
    /// Does nothing to a sound file.
    ///
    /// # Errors
    /// [`Error::Locked`](crate::Error::Locked) while a writer has the file; damage beyond mending, with the file
    /// unchanged.
    fn recover(&self, path: &Path) -> Result<Vec<String>>;
}
