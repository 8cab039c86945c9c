//! Indices as NumPy has them: what stands between the brackets.

use std::fmt;
use std::ops::{Range, RangeFrom, RangeFull, RangeInclusive, RangeTo, RangeToInclusive};
use std::str::FromStr;

use chunk_core::Error;

/// One index, as between NumPy's brackets. Negative positions count from the end.
///
/// Integers, ranges, vectors of integers and of bools convert into it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Index {
    /// One position; the axis goes.
    At(i64),
    /// `start:stop:step`. What is out of range is clipped, so a slice may be empty but never fails, unless its step
    /// is zero.
    Slice {
        /// The first position; `None` is the end that the step leads away from.
        start: Option<i64>,
        /// The position before which it ends; `None` is the end that the step leads to.
        stop: Option<i64>,
        /// How far from one to the next; not zero.
        step: i64,
    },
    /// `...`: all axes that no other index is for.
    Ellipsis,
    /// A new axis of extent 1.
    NewAxis,
    /// These positions, in any order, any of them several times.
    List(Vec<i64>),
    /// Those positions where it is true; as long as the axis.
    Mask(Vec<bool>),
}

impl Index {
    /// `:`, all of an axis.
    pub const ALL: Index = Index::Slice { start: None, stop: None, step: 1 };

    /// The same slice with another step: what `select![10..20; 2]` is made of. A step turns nothing else into a slice.
    ///
    /// # Panics
    /// If this is not a slice: a fault of the program.
    #[must_use]
    pub fn step_by(self, step: i64) -> Self {
        match self {
            Index::Slice { start, stop, .. } => Index::Slice { start, stop, step },
            other => panic!("{other} has no step"),
        }
    }
}

/// Integers that are positions. One beyond `i64` is out of range of every axis that can be indexed.
trait Position: Copy {
    fn position(self) -> i64;
}

macro_rules! positions {
    ($($integer:ty),*) => {$(
        impl Position for $integer {
            fn position(self) -> i64 {
                i64::try_from(self).unwrap_or(i64::MAX)
            }
        }

        impl From<$integer> for Index {
            fn from(position: $integer) -> Self {
                Index::At(position.position())
            }
        }

        impl From<Vec<$integer>> for Index {
            fn from(positions: Vec<$integer>) -> Self {
                Index::List(positions.into_iter().map(Position::position).collect())
            }
        }

        impl<const N: usize> From<[$integer; N]> for Index {
            fn from(positions: [$integer; N]) -> Self {
                Index::from(positions.to_vec())
            }
        }

        impl From<Range<$integer>> for Index {
            fn from(range: Range<$integer>) -> Self {
                slice(Some(range.start.position()), Some(range.end.position()))
            }
        }

        impl From<RangeInclusive<$integer>> for Index {
            fn from(range: RangeInclusive<$integer>) -> Self {
                slice(Some(range.start().position()), after(range.end().position()))
            }
        }

        impl From<RangeFrom<$integer>> for Index {
            fn from(range: RangeFrom<$integer>) -> Self {
                slice(Some(range.start.position()), None)
            }
        }

        impl From<RangeTo<$integer>> for Index {
            fn from(range: RangeTo<$integer>) -> Self {
                slice(None, Some(range.end.position()))
            }
        }

        impl From<RangeToInclusive<$integer>> for Index {
            fn from(range: RangeToInclusive<$integer>) -> Self {
                slice(None, after(range.end.position()))
            }
        }
    )*};
}

positions!(i32, i64, u32, u64, usize);

impl From<RangeFull> for Index {
    fn from(_: RangeFull) -> Self {
        Index::ALL
    }
}

impl From<Vec<bool>> for Index {
    fn from(mask: Vec<bool>) -> Self {
        Index::Mask(mask)
    }
}

impl<const N: usize> From<[bool; N]> for Index {
    fn from(mask: [bool; N]) -> Self {
        Index::Mask(mask.to_vec())
    }
}

fn slice(start: Option<i64>, stop: Option<i64>) -> Index {
    Index::Slice { start, stop, step: 1 }
}

/// Where a range ends that includes `last`: after -1 comes the end of the axis, not its beginning.
fn after(last: i64) -> Option<i64> {
    last.checked_add(1).filter(|end| *end != 0)
}

/// The indices of one pair of brackets.
///
/// Made by [`select!`](crate::select), or read from a text:
///
/// ```
/// use chunk_virtual::{Indices, select};
///
/// let indices: Indices = "[10:20, ::-2, ..., -1]".parse()?;
/// assert_eq!(indices, select![10..20, ..;-2, ..., -1]);
/// assert_eq!(indices.to_string(), "[10:20, ::-2, ..., -1]");
/// # Ok::<(), chunk_core::Error>(())
/// ```
///
/// The text is Python's: integers, slices, `...`, `newaxis` or `None`, lists `[3, 1, 1]` and masks `[True, False]`.
/// The outer brackets may be left out, but a list alone keeps its own: `[[3, 1, 1]]`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Indices(Vec<Index>);

impl Indices {
    /// These indices, outermost axis first.
    #[must_use]
    pub fn new(indices: impl Into<Vec<Index>>) -> Self {
        Indices(indices.into())
    }

    /// The indices, outermost axis first.
    #[must_use]
    pub fn as_slice(&self) -> &[Index] {
        &self.0
    }
}

/// [`Indices`] as Rust writes ranges: `select![10..20, ..;-2, ..., -1, [3, 1, 1]]`.
///
/// `..` is all of an axis, `..;-2` all of it with a step, `...` all axes that no other index is for. Anything that
/// converts into an [`Index`] may stand there, an [`Index`] itself included.
///
/// ```
/// use chunk_virtual::{Index, Selection, select};
///
/// let n = 5_u64;
/// let selection = Selection::new([100, 8, 3]).select(&select![2 * n..; 10, [0, 7], Index::NewAxis, -1])?;
/// assert_eq!(selection.shape(), [2, 9, 1].into());
/// # Ok::<(), chunk_core::Error>(())
/// ```
#[macro_export]
macro_rules! select {
    (@ [$($done:expr),*]) => {{
        // `1..-1` is a range that Rust calls empty, and an index that is not.
        #[allow(clippy::reversed_empty_ranges)]
        let indices = $crate::Indices::new([$($done),*]);
        indices
    }};
    (@ [$($done:expr),*] ... $(, $($rest:tt)*)?) => {
        $crate::select!(@ [$($done,)* $crate::Index::Ellipsis] $($($rest)*)?)
    };
    (@ [$($done:expr),*] $index:expr; $step:expr $(, $($rest:tt)*)?) => {
        $crate::select!(@ [$($done,)* $crate::Index::from($index).step_by($step)] $($($rest)*)?)
    };
    (@ [$($done:expr),*] $index:expr $(, $($rest:tt)*)?) => {
        $crate::select!(@ [$($done,)* $crate::Index::from($index)] $($($rest)*)?)
    };
    ($($index:tt)*) => { $crate::select!(@ [] $($index)*) };
}

impl fmt::Display for Indices {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{}]", join(&self.0))
    }
}

impl fmt::Display for Index {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Index::At(position) => write!(f, "{position}"),
            Index::Slice { start, stop, step } => {
                let shown = |bound: &Option<i64>| bound.map_or_else(String::new, |bound| bound.to_string());
                write!(f, "{}:{}", shown(start), shown(stop))?;
                if *step == 1 { Ok(()) } else { write!(f, ":{step}") }
            }
            Index::Ellipsis => f.write_str("..."),
            Index::NewAxis => f.write_str("newaxis"),
            Index::List(positions) => write!(f, "[{}]", join(positions)),
            Index::Mask(mask) => {
                write!(f, "[{}]", join(mask.iter().map(|wanted| if *wanted { "True" } else { "False" })))
            }
        }
    }
}

fn join(parts: impl IntoIterator<Item = impl fmt::Display>) -> String {
    parts.into_iter().map(|part| part.to_string()).collect::<Vec<_>>().join(", ")
}

impl FromStr for Indices {
    type Err = Error;

    fn from_str(text: &str) -> chunk_core::Result<Self> {
        let inner = without_brackets(text.trim());
        let items = split(inner).map_err(|what| wrong(text, &what))?;
        let indices = items.into_iter().map(|item| parse(item).map_err(|what| wrong(text, &what)));
        Ok(Indices(indices.collect::<chunk_core::Result<_>>()?))
    }
}

fn wrong(text: &str, what: &str) -> Error {
    Error::InvalidArgument(format!("{text:?} is not a selection: {what} (write for example [10:20, ::-2, ..., -1])"))
}

/// What is inside the brackets that enclose all of `text`, or all of it.
fn without_brackets(text: &str) -> &str {
    let mut depth = 0_usize;
    for (at, letter) in text.char_indices() {
        match letter {
            '[' => depth += 1,
            ']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth == 0 {
            // The first bracket closes here.
            let encloses = letter == ']' && at + 1 == text.len();
            return if encloses { &text[1..at] } else { text };
        }
    }
    text
}

/// Cuts at the commas outside brackets; one at the very end is allowed, as in Python.
fn split(text: &str) -> Result<Vec<&str>, String> {
    let (mut items, mut depth, mut start) = (Vec::new(), 0_usize, 0);
    for (at, letter) in text.char_indices() {
        match letter {
            '[' => depth += 1,
            ']' => depth = depth.checked_sub(1).ok_or("a ] without its [")?,
            ',' if depth == 0 => {
                items.push(text[start..at].trim());
                start = at + 1;
            }
            _ => {}
        }
    }
    if depth > 0 {
        return Err("a [ without its ]".to_owned());
    }
    let last = text[start..].trim();
    if !last.is_empty() || items.is_empty() {
        items.push(last);
    }
    Ok(items)
}

fn parse(item: &str) -> Result<Index, String> {
    match item {
        "" => Err("an index is missing".to_owned()),
        "..." => Ok(Index::Ellipsis),
        "newaxis" | "None" => Ok(Index::NewAxis),
        list if list.starts_with('[') => parse_list(list),
        slice if slice.contains(':') => parse_slice(slice),
        position => Ok(Index::At(integer(position)?)),
    }
}

fn parse_list(text: &str) -> Result<Index, String> {
    let inner = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let inner = inner.ok_or_else(|| format!("{text:?} is no list"))?;
    if inner.trim().is_empty() {
        return Ok(Index::List(Vec::new()));
    }
    let items = split(inner)?;
    if items.iter().any(|item| truth(item).is_some()) {
        let mask = items.iter().map(|item| truth(item).ok_or_else(|| format!("{item:?} in a mask")));
        return Ok(Index::Mask(mask.collect::<Result<_, _>>()?));
    }
    Ok(Index::List(items.into_iter().map(integer).collect::<Result<_, _>>()?))
}

fn truth(item: &str) -> Option<bool> {
    match item {
        "True" | "true" => Some(true),
        "False" | "false" => Some(false),
        _ => None,
    }
}

fn parse_slice(text: &str) -> Result<Index, String> {
    let bound = |part: &str| if part.trim().is_empty() { Ok(None) } else { integer(part).map(Some) };
    let parts = text.split(':').map(bound).collect::<Result<Vec<_>, _>>()?;
    match parts[..] {
        [start, stop] | [start, stop, None] => Ok(slice(start, stop)),
        [start, stop, Some(step)] => Ok(Index::Slice { start, stop, step }),
        _ => Err(format!("{text:?} has too many colons")),
    }
}

fn integer(text: &str) -> Result<i64, String> {
    let text = text.trim();
    text.parse().map_err(|_| format!("{text:?} is no integer"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_python_reads() {
        let same = |text: &str, indices: Indices| assert_eq!(text.parse::<Indices>().unwrap(), indices, "{text}");
        same("[10:20, ::-2, ..., -1]", select![10..20, ..;-2, ..., -1]);
        same(" 3 ", select![3]);
        same("[0,]", select![0]);
        same(":,None, newaxis,1:", select![.., Index::NewAxis, Index::NewAxis, 1..]);
        same("[1, 2]", select![1, 2]);
        same("[[1, -2]]", select![[1, -2]]);
        same("[1, 2], [3,]", select![[1, 2], [3]]);
        same("[[]]", select![Index::List(vec![])]);
        same("[[True, false]]", select![[true, false]]);
        same("5:1:-1", select![5..1; -1]);
        same("::", select![..]);
    }

    #[test]
    fn prints_what_it_reads() {
        for text in ["[10:20, ::-2, ..., -1]", "[newaxis, [3, 1, 1], [True, False]]", "[:]", "[:-1:3]"] {
            assert_eq!(text.parse::<Indices>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn says_what_is_wrong() {
        for (text, what) in [
            ("", "missing"),
            ("[]", "missing"),
            ("1,,2", "missing"),
            ("1.5", "integer"),
            ("a:b", "integer"),
            ("1:2:3:4", "colons"),
            ("[1, 2", "without its ]"),
            ("1], 2", "without its ["),
            ("[[1, True]]", "mask"),
            ("[[[1]]]", "integer"),
            ("99999999999999999999", "integer"),
            ("True", "integer"),
        ] {
            let error = text.parse::<Indices>().unwrap_err().to_string();
            assert!(error.contains(what), "{text:?}: {error}");
        }
    }

    #[test]
    fn ranges_with_their_last_element() {
        assert_eq!(select![2..=5], select![2..6]);
        assert_eq!(select![..=-1], select![..]);
        assert_eq!(select![2..=-1], select![2..]);
        assert_eq!(select![0_u64..u64::MAX], select![0..i64::MAX]);
    }
}
