//! Which dtypes may become which: NumPy's rules.

use std::fmt;
use std::str::FromStr;

use crate::{DType, Error, Result};

/// How freely elements may change their type, in NumPy's terms.
///
/// ```
/// use chunk_core::{Casting, DType};
///
/// assert!(Casting::Safe.allows(&DType::I32, &DType::F64));
/// assert!(!Casting::Safe.allows(&DType::F64, &DType::F32));
/// assert!(Casting::SameKind.allows(&DType::F64, &DType::F32));
/// assert!(!Casting::SameKind.allows(&DType::ComplexF64, &DType::F64));
/// ```
///
/// # Source
/// `numpy.can_cast`, against which the interoperability tests hold it. UTF-8 text, which NumPy has not, is to `U` as
/// another length is: safe with room for the longest, of the same kind without.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Casting {
    /// No change at all: the rule for storage.
    No,
    /// Byte order only. Elements in memory are always in native order, so this is [`Casting::No`].
    Equiv,
    /// Every value stays what it is.
    Safe,
    /// Safe, or within a kind (`float64` to `float32`), or to a larger kind: the rule for operations.
    SameKind,
    /// Any number to any number, any text to any text.
    Unsafe,
}

impl Casting {
    /// Whether elements of `from` may become elements of `to`.
    #[must_use]
    pub fn allows(self, from: &DType, to: &DType) -> bool {
        if from == to {
            return true;
        }
        match self {
            Casting::No | Casting::Equiv => false,
            Casting::Safe => is_safe(from, to),
            Casting::SameKind => is_safe(from, to) || is_same_kind(from, to),
            Casting::Unsafe => (from.is_numeric() && to.is_numeric()) || (is_text(from) && is_text(to)),
        }
    }
}

impl fmt::Display for Casting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Casting::No => "no",
            Casting::Equiv => "equiv",
            Casting::Safe => "safe",
            Casting::SameKind => "same_kind",
            Casting::Unsafe => "unsafe",
        })
    }
}

impl FromStr for Casting {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "no" => Ok(Casting::No),
            "equiv" => Ok(Casting::Equiv),
            "safe" => Ok(Casting::Safe),
            "same_kind" => Ok(Casting::SameKind),
            "unsafe" => Ok(Casting::Unsafe),
            _ => Err(Error::InvalidArgument(format!(
                "{text:?} is not a casting rule: there are no, equiv, safe, same_kind, unsafe"
            ))),
        }
    }
}

/// The smallest dtype that both may safely become; `None` if there is none. Symmetric.
///
/// ```
/// use chunk_core::{DType, result_type};
///
/// assert_eq!(result_type(&DType::I8, &DType::U8), Some(DType::I16));
/// assert_eq!(result_type(&DType::I32, &DType::F32), Some(DType::F64));
/// assert_eq!(result_type(&DType::Bool, &DType::Bytes(3)), None);
/// ```
///
/// # Source
/// `numpy.result_type` of two dtypes, against which the interoperability tests hold it for numbers. Where NumPy would
/// print numbers as text, there is none.
#[must_use]
pub fn result_type(a: &DType, b: &DType) -> Option<DType> {
    if Casting::Safe.allows(a, b) {
        return Some(b.clone());
    }
    let mut by_size: Vec<DType> = [a.clone()].into_iter().chain(DType::numeric()).collect();
    // Stable: among dtypes of a size, those of the lesser kind come first.
    by_size[1..].sort_by_key(|dtype| (kind(dtype).map(|(kind, _)| kind >= Kind::Float), dtype.size()));
    by_size.into_iter().find(|to| Casting::Safe.allows(a, to) && Casting::Safe.allows(b, to))
}

fn is_text(dtype: &DType) -> bool {
    matches!(dtype, DType::Bytes(_) | DType::Utf8(_) | DType::Ucs4(_))
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Bool,
    Unsigned,
    Signed,
    Float,
    Complex,
}

/// Kind and bytes of one number; those of a complex number are its parts'.
fn kind(dtype: &DType) -> Option<(Kind, usize)> {
    let kind = match dtype {
        DType::Bool => Kind::Bool,
        DType::U8 | DType::U16 | DType::U32 | DType::U64 => Kind::Unsigned,
        DType::I8 | DType::I16 | DType::I32 | DType::I64 => Kind::Signed,
        DType::F16 | DType::F32 | DType::F64 => Kind::Float,
        DType::ComplexF32 | DType::ComplexF64 => return Some((Kind::Complex, dtype.size() / 2)),
        _ => return None,
    };
    Some((kind, dtype.size()))
}

fn is_safe(from: &DType, to: &DType) -> bool {
    match (from, to) {
        (DType::Bytes(from), DType::Bytes(to) | DType::Utf8(to) | DType::Ucs4(to))
        | (DType::Utf8(from), DType::Utf8(to) | DType::Ucs4(to))
        | (DType::Ucs4(from), DType::Ucs4(to)) => from <= to,
        (DType::Ucs4(from), DType::Utf8(to)) => 4 * from <= *to,
        _ => match (kind(from), kind(to)) {
            (Some(from), Some(to)) => is_safe_number(from, to),
            _ => false,
        },
    }
}

fn is_safe_number((from, from_size): (Kind, usize), (to, to_size): (Kind, usize)) -> bool {
    match (from, to) {
        (Kind::Bool, _) => true,
        (_, Kind::Bool) | (Kind::Signed, Kind::Unsigned) => false,
        (Kind::Unsigned, Kind::Unsigned) | (Kind::Signed, Kind::Signed) => from_size <= to_size,
        (Kind::Unsigned, Kind::Signed) => from_size < to_size,
        // NumPy holds 64-bit integers to be safe in float64.
        (Kind::Unsigned | Kind::Signed, Kind::Float | Kind::Complex) => from_size < to_size || to_size == 8,
        (Kind::Float | Kind::Complex, _) => from <= to && from_size <= to_size,
    }
}

fn is_same_kind(from: &DType, to: &DType) -> bool {
    match (from, to) {
        (DType::Bytes(_), to) if is_text(to) => true,
        (DType::Utf8(_) | DType::Ucs4(_), DType::Utf8(_) | DType::Ucs4(_)) => true,
        _ => match (kind(from), kind(to)) {
            (Some((from, _)), Some((to, _))) => from <= to,
            _ => false,
        },
    }
}
