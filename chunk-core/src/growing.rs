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
    /// The sink's `info` has the shape that was committed, as all readers see it. Writes begin where it ends along
    /// `axis` and leave no gap. [`ChunkSink::finish`] commits them: they are durable, and readers that open the dataset
    /// then see them. A sink that is dropped before leaves the dataset as it was. Changes nothing before the first
    /// write.
    ///
    /// # Errors
    /// A missing or malformed file or dataset; [`Error::AxisOutOfRange`](crate::Error::AxisOutOfRange); an axis that
    /// cannot grow in this format; [`Error::Locked`](crate::Error::Locked) while another writer has the file.
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
