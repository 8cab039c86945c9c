//! A part of a job: one process of several.

use std::fmt;
use std::str::FromStr;

use crate::{Error, Result};

/// One of several processes that share a job: task `t` of a stage is that of part `t mod count`.
///
/// ```
/// use chunk_core::Part;
///
/// let part: Part = "1/4".parse()?;
/// assert_eq!((part.index(), part.count(), part.to_string().as_str()), (1, 4, "1/4"));
/// assert!("4/4".parse::<Part>().is_err());
/// # Ok::<(), chunk_core::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    index: u64,
    count: u64,
}

impl Part {
    /// The only part.
    pub const WHOLE: Part = Part { index: 0, count: 1 };

    /// Part `index` of `count`, counted from 0.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] unless `index` is below `count`.
    pub fn new(index: u64, count: u64) -> Result<Self> {
        if index < count {
            return Ok(Part { index, count });
        }
        Err(Error::InvalidArgument(format!("there is no part {index} of {count}; parts are counted from 0")))
    }

    /// Which part.
    #[must_use]
    pub fn index(self) -> u64 {
        self.index
    }

    /// Of how many.
    #[must_use]
    pub fn count(self) -> u64 {
        self.count
    }

    /// Returns whether `task` is this part's.
    #[must_use]
    pub fn has(self, task: u64) -> bool {
        task % self.count == self.index
    }
}

impl FromStr for Part {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let numbers = text.split_once('/').and_then(|(index, count)| Some((index.parse().ok()?, count.parse().ok()?)));
        let malformed =
            || Error::InvalidArgument(format!("{text:?} is not a part; write for example 0/4 for the first of four"));
        let (index, count) = numbers.ok_or_else(malformed)?;
        Part::new(index, count)
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.index, self.count)
    }
}
