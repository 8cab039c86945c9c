//! Where a dataset is, as people write it.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use crate::{Error, Result};

/// A dataset's place: `[scheme:]path[::dataset]`.
///
/// ```
/// use chunk_core::Location;
///
/// let location: Location = "hdf5:odd-name.bin::/d".parse()?;
/// assert_eq!(location.scheme(), Some("hdf5"));
/// assert_eq!(location.path().to_str(), Some("odd-name.bin"));
/// assert_eq!(location.dataset(), Some("/d"));
///
/// let same = Location::new("odd-name.bin").with_scheme("hdf5").with_dataset("/d");
/// assert_eq!(location, same);
/// # Ok::<(), chunk_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Location {
    scheme: Option<String>,
    path: PathBuf,
    dataset: Option<String>,
}

impl Location {
    /// The only dataset of the file at `path`. Nothing is parsed: a path may hold colons.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Location { scheme: None, path: path.into(), dataset: None }
    }

    /// In the format of the backend of this name, whatever the file is called.
    #[must_use]
    pub fn with_scheme(mut self, scheme: impl Into<String>) -> Self {
        self.scheme = Some(scheme.into());
        self
    }

    /// The dataset of this name.
    #[must_use]
    pub fn with_dataset(mut self, dataset: impl Into<String>) -> Self {
        self.dataset = Some(dataset.into());
        self
    }

    /// The backend's name, if one was chosen.
    #[must_use]
    pub fn scheme(&self) -> Option<&str> {
        self.scheme.as_deref()
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The dataset's name inside the file, if one was given.
    #[must_use]
    pub fn dataset(&self) -> Option<&str> {
        self.dataset.as_deref()
    }

    /// Checks that no other dataset than `/` is named: for formats of one array a file, which list it as that.
    ///
    /// # Errors
    /// [`Error::DatasetNotFound`].
    pub fn check_only_dataset(&self) -> Result<()> {
        match self.dataset() {
            None | Some("/") => Ok(()),
            Some(other) => Err(Error::DatasetNotFound {
                path: self.path.clone(),
                dataset: other.to_owned(),
                near: vec!["/".to_owned()],
            }),
        }
    }
}

impl FromStr for Location {
    type Err = Error;

    /// Reads `[scheme:]path[::dataset]`. A scheme is of two or more letters, digits or `-`, so a drive letter is
    /// none; the dataset begins after the first `::`.
    fn from_str(text: &str) -> Result<Self> {
        let fail = |reason| Error::InvalidLocation { text: text.to_owned(), reason };
        let (file, dataset) = match text.split_once("::") {
            Some((_, "")) => return Err(fail("there is no dataset after ::")),
            Some((file, dataset)) => (file, Some(dataset.to_owned())),
            None => (text, None),
        };
        let (scheme, path) = match file.split_once(':') {
            Some((scheme, path)) if is_scheme(scheme) => (Some(scheme.to_owned()), path),
            _ => (None, file),
        };
        if path.is_empty() {
            return Err(fail("there is no path"));
        }
        Ok(Location { scheme, path: path.into(), dataset })
    }
}

fn is_scheme(text: &str) -> bool {
    let letters = text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
    letters && text.len() >= 2 && text.starts_with(|c: char| c.is_ascii_lowercase())
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(scheme) = &self.scheme {
            write!(f, "{scheme}:")?;
        }
        write!(f, "{}", self.path.display())?;
        if let Some(dataset) = &self.dataset {
            write!(f, "::{dataset}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_what_it_reads() {
        for text in ["x.npy", "run.h5::/velocity", "hdf5:odd-name.bin::/d", "/a/b c.h5::g/d", "C:x.h5", "a.h5::x::y"] {
            assert_eq!(text.parse::<Location>().unwrap().to_string(), text);
        }
        assert_eq!("C:x.h5".parse::<Location>().unwrap().scheme(), None);
        assert_eq!("a.h5::x::y".parse::<Location>().unwrap().dataset(), Some("x::y"));
    }

    #[test]
    fn refuses_halves() {
        for text in ["", "hdf5:", "::/d", "a.h5::"] {
            assert!(matches!(text.parse::<Location>(), Err(Error::InvalidLocation { .. })), "{text}");
        }
    }
}
