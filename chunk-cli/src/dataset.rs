//! Datasets as arguments: `[scheme:]path[::dataset]`, maybe with a selection in brackets.

use std::ffi::OsString;
use std::fmt;
use std::sync::Arc;

use chunk_core::{ChunkSource, Error, Location, Registry, Result};
use chunk_hdf5::Hdf5Strings;
use chunk_virtual::{AnySource, Indices, Selected, SourcePool, VirtualSource};
use clap::builder::{OsStringValueParser, TypedValueParser};

use crate::job::absolute_words;
use crate::names::{expand, named, with_path};
use crate::places::Places;
use crate::variable::Text;

/// What a dataset is called on the command line.
///
/// A name may end in brackets itself, as `x[1].npy` or `run.h5::/v[0]` can. So all of the text is tried as a name first;
/// what stands in brackets at its end is a selection only if nothing has that name.
#[derive(Clone, Debug)]
pub(crate) struct DatasetArg {
    whole: Location,
    /// The text before the brackets, and the brackets.
    selected: Option<(Location, String)>,
}

/// A dataset that was opened.
#[derive(Clone, Debug)]
pub(crate) struct Dataset {
    pub(crate) source: Arc<dyn ChunkSource>,
    /// Where it is, without the selection.
    pub(crate) location: Location,
}

impl DatasetArg {
    fn parse(text: &str) -> Result<Self> {
        let selected = match brackets(text) {
            Some(begin) => text[..begin].parse().ok().map(|location| (location, text[begin..].to_owned())),
            None => None,
        };
        Ok(DatasetArg { whole: text.parse()?, selected })
    }

    /// The same as any process finds it: with an absolute path.
    ///
    /// # Errors
    /// As [`absolute_words`].
    pub(crate) fn absolute_words(&self) -> Result<String> {
        absolute_words(&self.whole)
    }

    /// All of the text as a name.
    pub(crate) fn whole(&self) -> &Location {
        &self.whole
    }

    /// Opens it, whole or selected from.
    ///
    /// # Errors
    /// Those of [`Registry::open`]; a selection that is malformed or does not fit.
    pub(crate) fn open(&self, registry: &Registry) -> Result<Dataset> {
        let (source, location, brackets) = self.find(|location| registry.open(location))?;
        let source = match brackets {
            Some(brackets) => Arc::new(select(source, brackets, &location)?),
            None => source,
        };
        Ok(Dataset { source, location })
    }

    /// Opens text of variable length, whole or selected from; `None` if it holds something else.
    ///
    /// # Errors
    /// As [`DatasetArg::open`].
    pub(crate) fn open_text(&self) -> Result<Option<Text>> {
        match self.find(|location| Hdf5Strings::open(location.path(), location.dataset())) {
            Ok((strings, location, brackets)) => {
                let places: Arc<dyn ChunkSource> = Arc::new(Places::new(strings.shape().clone(), &location));
                let places = match brackets {
                    Some(brackets) => Arc::new(select(places, brackets, &location)?),
                    None => places,
                };
                Ok(Some(Text { strings, places }))
            }
            Err(Error::Unsupported { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The same as [`DatasetArg::open`] for a part of a stack, which opens files when it reads them.
    ///
    /// # Errors
    /// As [`DatasetArg::open`].
    pub(crate) fn open_later(&self, pool: &Arc<SourcePool>) -> Result<(AnySource, Location)> {
        let (file, indices) = self.open_file(pool)?;
        let location = file.location().clone();
        Ok((part(file, indices.as_ref())?, location))
    }

    /// The same as a file's dataset, and what is selected of it.
    ///
    /// # Errors
    /// As [`DatasetArg::open`], but for a selection that does not fit.
    pub(crate) fn open_file(&self, pool: &Arc<SourcePool>) -> Result<(VirtualSource, Option<Indices>)> {
        let (file, location, brackets) = self.find(|location| VirtualSource::open(pool, location.clone()))?;
        let indices = brackets.map(str::parse).transpose().map_err(|error| named(&location, error))?;
        Ok((file, indices))
    }

    /// What `open` finds by all of the text, or by what stands before the brackets, and those.
    fn find<S>(&self, open: impl Fn(&Location) -> Result<S>) -> Result<(S, Location, Option<&str>)> {
        match (open(&self.whole), &self.selected) {
            (Ok(source), _) => Ok((source, self.whole.clone(), None)),
            (Err(Error::FileNotFound { .. } | Error::DatasetNotFound { .. }), Some((location, brackets))) => {
                Ok((open(location)?, location.clone(), Some(brackets)))
            }
            (Err(error), _) => Err(error),
        }
    }

    /// The datasets that it means once `*`, `?` and `[..]` in its path are expanded.
    ///
    /// # Errors
    /// As [`expand`].
    pub(crate) fn expand(&self) -> Result<Vec<DatasetArg>> {
        match (expand(&self.whole), &self.selected) {
            // The brackets are in the dataset's name, or behind it.
            (Ok(found), Some((base, brackets))) if self.whole.dataset().is_some() => {
                let arg = |whole: Location| {
                    let selected = Some((with_path(base, whole.path()), brackets.clone()));
                    DatasetArg { whole, selected }
                };
                Ok(found.into_iter().map(arg).collect())
            }
            (Ok(found), _) => Ok(found.into_iter().map(DatasetArg::from).collect()),
            // No file matches, or the selection is no pattern.
            (Err(Error::FileNotFound { .. } | Error::InvalidArgument(_)), Some((base, brackets))) => {
                let arg = |base: Location| {
                    let path = format!("{}{brackets}", base.path().display());
                    DatasetArg { whole: with_path(&base, path), selected: Some((base, brackets.clone())) }
                };
                Ok(expand(base)?.into_iter().map(arg).collect())
            }
            (Err(error), _) => Err(error),
        }
    }
}

/// A file's dataset, or what is selected of it.
///
/// # Errors
/// A selection that does not fit.
pub(crate) fn part(file: VirtualSource, indices: Option<&Indices>) -> Result<AnySource> {
    let Some(indices) = indices else { return Ok(file.into()) };
    let location = file.location().clone();
    let selected = Selected::new(Arc::new(file), indices);
    Ok(Arc::new(selected.map_err(|error| named(&location, error))?).into())
}

fn select(source: Arc<dyn ChunkSource>, brackets: &str, location: &Location) -> Result<Selected> {
    let selected = brackets.parse().and_then(|indices: Indices| Selected::new(source, &indices));
    selected.map_err(|error| named(location, error))
}

impl From<Location> for DatasetArg {
    /// A dataset that has no selection.
    fn from(whole: Location) -> Self {
        DatasetArg { whole, selected: None }
    }
}

impl fmt::Display for DatasetArg {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.whole.fmt(f)
    }
}

/// Where the brackets begin that the text ends in, lists inside of them included.
fn brackets(text: &str) -> Option<usize> {
    let mut open = 0;
    for (place, c) in text.char_indices().rev() {
        match c {
            ']' => open += 1,
            '[' => open -= 1,
            _ => {}
        }
        if open == 0 {
            return (c == '[').then_some(place);
        }
    }
    None
}

/// Reads a dataset. A path that is no text is taken whole: nothing in it is a separator.
pub(crate) fn dataset() -> impl TypedValueParser<Value = DatasetArg> {
    OsStringValueParser::new().try_map(|text: OsString| match text.to_str() {
        Some(text) => DatasetArg::parse(text),
        None => Ok::<_, Error>(Location::new(text).into()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::chunk;
    use chunk_core::{ChunkSourceExt, MemoryBackend, MemorySource};

    fn registry() -> Registry {
        let memory = MemoryBackend::new();
        memory.insert("x", MemorySource::new([3, 4], &(0..12).collect::<Vec<i32>>()).unwrap());
        memory.insert("y[0]", MemorySource::new([1], &[7_i32]).unwrap());
        memory.insert("y", MemorySource::new([2], &[8_i32, 9]).unwrap());
        Registry::new().with(memory)
    }

    fn read(text: &str) -> Result<Vec<i32>> {
        DatasetArg::parse(text)?.open(&registry())?.source.read_all()
    }

    #[test]
    fn brackets_select_as_numpy_does() {
        assert_eq!(read("memory:x[1]").unwrap(), [4, 5, 6, 7]);
        assert_eq!(read("memory:x[::-2, -1]").unwrap(), [11, 3]);
        assert_eq!(read("memory:x[..., [3, 0]]").unwrap(), [3, 0, 7, 4, 11, 8]);
        assert_eq!(read("memory:x").unwrap().len(), 12);
    }

    #[test]
    fn a_name_that_ends_in_brackets_is_found_first() {
        assert_eq!(read("memory:y[0]").unwrap(), [7]);
        assert_eq!(read("memory:y[1]").unwrap(), [9]);
    }

    #[test]
    fn says_what_is_wrong_with_a_selection() {
        for (text, part) in [
            ("memory:x[3]", "memory:x: index 3 is out of bounds"),
            ("memory:x[0, 0, 0]", "indices"),
            ("memory:x[a]", "[a]"),
            ("memory:z[0]", "z: no such file"),
        ] {
            let message = read(text).unwrap_err().to_string();
            assert!(message.contains(part), "{text}: {message}");
        }
    }

    #[test]
    fn every_command_that_reads_a_dataset_selects() {
        let run = |args: &[&str]| chunk(registry(), args.iter().copied()).unwrap();
        assert_eq!(run(&["show", "memory:x[0]"]), "[0 1 2 3]\n");
        assert!(run(&["info", "memory:x[:, 1:]"]).contains("(3, 3)"));
        assert!(run(&["stats", "memory:x[:, 0]"]).contains("max      8"));
        assert_eq!(run(&["diff", "memory:x[1, 0:1]", "memory:x[1:2, 0]"]), "");
        let hash = |place| run(&["hash", place]).split_once(' ').unwrap().0.to_owned();
        assert_eq!(hash("memory:x[1, 0:1]"), hash("memory:x[1:2, -4]"));
    }

    #[test]
    fn patterns_and_selections_go_together() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["day-1.h5", "day-2.h5"] {
            std::fs::write(folder.path().join(name), "").unwrap();
        }
        let names = |pattern: &str| {
            let text = format!("{}/{pattern}", folder.path().display());
            let found = DatasetArg::parse(&text).unwrap().expand().unwrap();
            let name = |arg: DatasetArg| {
                let (base, brackets) = arg.selected.unwrap();
                let name = base.to_string().rsplit_once('/').unwrap().1.to_owned();
                (name.clone() + &brackets, arg.whole.to_string().ends_with(&(name + &brackets)))
            };
            found.into_iter().map(name).collect::<Vec<_>>()
        };
        let expected = |names: [&str; 2]| names.map(|name| (name.to_owned(), true));
        assert_eq!(names("day-*.h5::d[0:2]"), expected(["day-1.h5::d[0:2]", "day-2.h5::d[0:2]"]));
        assert_eq!(names("day-*.h5[0:2]"), expected(["day-1.h5[0:2]", "day-2.h5[0:2]"]));
    }
}
