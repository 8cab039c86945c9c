//! Element types, known at run time.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use crate::{Error, Result, Shape};

/// The type of an array's elements.
///
/// In memory elements are packed, in native byte order, and a `bool` is one byte of 0 or 1. Files may hold another
/// byte order; that is the backend's business.
///
/// Prints as NumPy names dtypes, and reads those names and NumPy's short codes:
///
/// ```
/// use chunk_core::DType;
///
/// assert_eq!(DType::ComplexF64.to_string(), "complex128");
/// assert_eq!("f4".parse::<DType>()?, DType::F32);
/// assert_eq!("S12".parse::<DType>()?.size(), 12);
/// # Ok::<(), chunk_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DType {
    /// True or false, one byte.
    Bool,
    /// Signed, 8 bits.
    I8,
    /// Signed, 16 bits.
    I16,
    /// Signed, 32 bits.
    I32,
    /// Signed, 64 bits.
    I64,
    /// Unsigned, 8 bits.
    U8,
    /// Unsigned, 16 bits.
    U16,
    /// Unsigned, 32 bits.
    U32,
    /// Unsigned, 64 bits.
    U64,
    /// IEEE half precision.
    F16,
    /// IEEE single precision.
    F32,
    /// IEEE double precision.
    F64,
    /// Complex of two `f32`, real part first.
    ComplexF32,
    /// Complex of two `f64`, real part first.
    ComplexF64,
    /// Byte string of a fixed length, padded with zero bytes: NumPy's `S`.
    Bytes(usize),
    /// UTF-8 text in a fixed number of bytes, padded with zero bytes.
    Utf8(usize),
    /// Text of a fixed number of code points, four bytes each, padded with zeros: NumPy's `U`.
    Ucs4(usize),
    /// A moment: a signed 64-bit count of units since 1970; the least value is "not a time".
    DateTime64(TimeUnit),
    /// A duration: a signed 64-bit count of units; the least value is "not a time".
    TimeDelta64(TimeUnit),
    /// Bytes without further meaning: NumPy's `V`.
    Opaque {
        /// Bytes of one element.
        size: usize,
        /// What the writer called them, if anything.
        tag: Option<Arc<str>>,
    },
    /// Named integers.
    Enum(Arc<EnumType>),
    /// Named fields.
    Struct(Arc<StructType>),
    /// A small array of fixed shape in each element.
    Array {
        /// Type of the inner elements.
        element: Arc<DType>,
        /// Shape of the inner array.
        shape: Shape,
    },
}

/// The members of an enumeration over an integer type.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct EnumType {
    /// The integer type that is stored.
    pub base: DType,
    /// Names and their values.
    pub members: Vec<(String, i128)>,
}

/// The fields of a structure.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct StructType {
    /// Fields in the order of their offsets.
    pub fields: Vec<Field>,
    /// Bytes of one element, padding included.
    pub size: usize,
}

/// One field of a structure.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Field {
    /// Its name.
    pub name: String,
    /// Its type.
    pub dtype: DType,
    /// Bytes from the start of the element.
    pub offset: usize,
}

impl StructType {
    /// Fields one after another without padding.
    #[must_use]
    pub fn packed(fields: impl IntoIterator<Item = (String, DType)>) -> Self {
        let mut size = 0;
        let fields = fields
            .into_iter()
            .map(|(name, dtype)| {
                let offset = size;
                size += dtype.size();
                Field { name, dtype, offset }
            })
            .collect();
        StructType { fields, size }
    }
}

/// The unit of a time: how many of which step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TimeUnit {
    /// The step; `None` is NumPy's generic unit.
    pub step: Option<TimeStep>,
    /// How many steps make one count.
    pub multiple: u32,
}

/// The calendar and clock steps of NumPy's times.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "the names say it all")]
pub enum TimeStep {
    Year,
    Month,
    Week,
    Day,
    Hour,
    Minute,
    Second,
    Millisecond,
    Microsecond,
    Nanosecond,
    Picosecond,
    Femtosecond,
    Attosecond,
}

const TIME_STEPS: [(TimeStep, &str); 13] = [
    (TimeStep::Year, "Y"),
    (TimeStep::Month, "M"),
    (TimeStep::Week, "W"),
    (TimeStep::Day, "D"),
    (TimeStep::Hour, "h"),
    (TimeStep::Minute, "m"),
    (TimeStep::Second, "s"),
    (TimeStep::Millisecond, "ms"),
    (TimeStep::Microsecond, "us"),
    (TimeStep::Nanosecond, "ns"),
    (TimeStep::Picosecond, "ps"),
    (TimeStep::Femtosecond, "fs"),
    (TimeStep::Attosecond, "as"),
];

/// Numeric dtypes with NumPy's name and short code.
const NUMERIC: [(DType, &str, &str); 14] = [
    (DType::Bool, "bool", "b1"),
    (DType::I8, "int8", "i1"),
    (DType::I16, "int16", "i2"),
    (DType::I32, "int32", "i4"),
    (DType::I64, "int64", "i8"),
    (DType::U8, "uint8", "u1"),
    (DType::U16, "uint16", "u2"),
    (DType::U32, "uint32", "u4"),
    (DType::U64, "uint64", "u8"),
    (DType::F16, "float16", "f2"),
    (DType::F32, "float32", "f4"),
    (DType::F64, "float64", "f8"),
    (DType::ComplexF32, "complex64", "c8"),
    (DType::ComplexF64, "complex128", "c16"),
];

impl DType {
    /// Bytes of one element.
    #[must_use]
    pub fn size(&self) -> usize {
        match self {
            DType::Bool | DType::I8 | DType::U8 => 1,
            DType::I16 | DType::U16 | DType::F16 => 2,
            DType::I32 | DType::U32 | DType::F32 => 4,
            DType::I64 | DType::U64 | DType::F64 | DType::ComplexF32 | DType::DateTime64(_) | DType::TimeDelta64(_) => {
                8
            }
            DType::ComplexF64 => 16,
            DType::Bytes(length) | DType::Utf8(length) => *length,
            DType::Ucs4(length) => 4 * length,
            DType::Opaque { size, .. } => *size,
            DType::Enum(kind) => kind.base.size(),
            DType::Struct(kind) => kind.size,
            DType::Array { element, shape } => element.size() * shape.elements() as usize,
        }
    }

    /// Whether this is a bool, an integer, a float or a complex number.
    #[must_use]
    pub fn is_numeric(&self) -> bool {
        NUMERIC.iter().any(|(dtype, ..)| dtype == self)
    }

    /// The dtypes that [`DType::is_numeric`] is true of, in NumPy's order.
    pub fn numeric() -> impl Iterator<Item = DType> {
        NUMERIC.iter().map(|(dtype, ..)| dtype.clone())
    }

    /// Whether this is a complex number.
    #[must_use]
    pub fn is_complex(&self) -> bool {
        matches!(self, DType::ComplexF32 | DType::ComplexF64)
    }

    /// Reverses the byte order of every element of a packed buffer, number by number.
    ///
    /// # Panics
    /// If `bytes` is not a whole number of elements.
    pub fn swap_bytes(&self, bytes: &mut [u8]) {
        let size = self.size();
        if size == 0 {
            return;
        }
        assert_eq!(bytes.len() % size, 0, "a buffer holds whole elements");
        match self.swapped_width() {
            Some(1) => {}
            Some(2) => swap_each::<2>(bytes),
            Some(4) => swap_each::<4>(bytes),
            Some(8) => swap_each::<8>(bytes),
            Some(_) | None => bytes.chunks_exact_mut(size).for_each(|element| self.swap_element(element)),
        }
    }

    /// Width of the numbers inside an element if it is made of numbers of one width only.
    fn swapped_width(&self) -> Option<usize> {
        match self {
            DType::Bytes(_) | DType::Utf8(_) | DType::Opaque { .. } => Some(1),
            DType::Ucs4(_) | DType::ComplexF32 => Some(4),
            DType::ComplexF64 => Some(8),
            DType::Enum(kind) => kind.base.swapped_width(),
            DType::Array { element, .. } => element.swapped_width(),
            DType::Struct(_) => None,
            number => Some(number.size()),
        }
    }

    fn swap_element(&self, element: &mut [u8]) {
        match self {
            DType::Struct(kind) => {
                for field in &kind.fields {
                    field.dtype.swap_bytes(&mut element[field.offset..field.offset + field.dtype.size()]);
                }
            }
            DType::Array { element: inner, .. } => inner.swap_bytes(element),
            other => unreachable!("{other} is swapped by width"),
        }
    }
}

fn swap_each<const N: usize>(bytes: &mut [u8]) {
    for number in bytes.as_chunks_mut::<N>().0 {
        number.reverse();
    }
}

impl fmt::Display for DType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some((_, name, _)) = NUMERIC.iter().find(|(dtype, ..)| dtype == self) {
            return f.write_str(name);
        }
        match self {
            DType::Bytes(length) => write!(f, "S{length}"),
            DType::Utf8(length) => write!(f, "utf8[{length}]"),
            DType::Ucs4(length) => write!(f, "U{length}"),
            DType::DateTime64(unit) => write!(f, "datetime64{unit}"),
            DType::TimeDelta64(unit) => write!(f, "timedelta64{unit}"),
            DType::Opaque { size, tag: None } => write!(f, "V{size}"),
            DType::Opaque { size, tag: Some(tag) } => write!(f, "V{size}({tag:?})"),
            DType::Enum(kind) => write!(f, "enum<{}>{{{}}}", kind.base, join(kind.members.iter().map(|m| &m.0))),
            DType::Struct(kind) => {
                let fields = kind.fields.iter().map(|field| format!("{}: {}", field.name, field.dtype));
                write!(f, "struct{{{}}}", join(fields))
            }
            DType::Array { element, shape } => write!(f, "{element}{shape}"),
            _ => unreachable!("numeric dtypes are named above"),
        }
    }
}

fn join(parts: impl Iterator<Item = impl fmt::Display>) -> String {
    parts.map(|part| part.to_string()).collect::<Vec<_>>().join(", ")
}

impl fmt::Display for TimeUnit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(step) = self.step else { return Ok(()) };
        let name = TIME_STEPS.iter().find(|(known, _)| *known == step).map_or("", |(_, name)| name);
        match self.multiple {
            1 => write!(f, "[{name}]"),
            multiple => write!(f, "[{multiple}{name}]"),
        }
    }
}

impl FromStr for DType {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        parse(text).ok_or_else(|| {
            Error::InvalidArgument(format!(
                "{text:?} is not a dtype (write for example float32, f4, c16, S8, utf8[20])"
            ))
        })
    }
}

fn parse(text: &str) -> Option<DType> {
    let native = if cfg!(target_endian = "little") { '<' } else { '>' };
    let text = text.strip_prefix([native, '=', '|']).unwrap_or(text);
    if let Some((dtype, ..)) = NUMERIC.iter().find(|(_, name, code)| text == *name || text == *code) {
        return Some(dtype.clone());
    }
    if let Some(unit) = text.strip_prefix("datetime64").or_else(|| text.strip_prefix("M8")) {
        return Some(DType::DateTime64(parse_time_unit(unit)?));
    }
    if let Some(unit) = text.strip_prefix("timedelta64").or_else(|| text.strip_prefix("m8")) {
        return Some(DType::TimeDelta64(parse_time_unit(unit)?));
    }
    if let Some(length) = text.strip_prefix("utf8[") {
        return Some(DType::Utf8(length.strip_suffix(']')?.parse().ok()?));
    }
    let (kind, length) = text.split_at_checked(1)?;
    let length = length.parse().ok()?;
    match kind {
        "S" => Some(DType::Bytes(length)),
        "U" => Some(DType::Ucs4(length)),
        "V" => Some(DType::Opaque { size: length, tag: None }),
        _ => None,
    }
}

fn parse_time_unit(text: &str) -> Option<TimeUnit> {
    if text.is_empty() {
        return Some(TimeUnit { step: None, multiple: 1 });
    }
    let inner = text.strip_prefix('[')?.strip_suffix(']')?;
    let (multiple, name) = inner.split_at(inner.find(|c: char| !c.is_ascii_digit())?);
    let multiple = if multiple.is_empty() { 1 } else { multiple.parse().ok()? };
    let (step, _) = TIME_STEPS.iter().find(|(_, known)| *known == name)?;
    Some(TimeUnit { step: Some(*step), multiple })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_it_prints() {
        for text in [
            "bool",
            "int8",
            "uint64",
            "float16",
            "complex64",
            "S3",
            "utf8[9]",
            "U5",
            "V7",
            "datetime64[10us]",
            "timedelta64",
        ] {
            assert_eq!(text.parse::<DType>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn reads_codes_in_native_order_only() {
        assert_eq!("<c16".parse::<DType>().unwrap(), DType::ComplexF64);
        assert_eq!("M8[ns]".parse::<DType>().unwrap().to_string(), "datetime64[ns]");
        for text in [">f8", "f3", "", "é", "S", "datetime64[xs]", "M8[]"] {
            assert!(text.parse::<DType>().is_err(), "{text}");
        }
    }

    #[test]
    fn swaps_number_by_number() {
        let mut complex = [1, 2, 3, 4, 5, 6, 7, 8];
        DType::ComplexF32.swap_bytes(&mut complex);
        assert_eq!(complex, [4, 3, 2, 1, 8, 7, 6, 5]);

        let record = StructType::packed([
            ("a".into(), DType::I16),
            ("text".into(), DType::Bytes(2)),
            ("pair".into(), DType::Array { element: Arc::new(DType::U16), shape: [2].into() }),
        ]);
        let mut bytes = [1, 2, 3, 4, 5, 6, 7, 8];
        DType::Struct(record.into()).swap_bytes(&mut bytes);
        assert_eq!(bytes, [2, 1, 3, 4, 6, 5, 8, 7]);
    }

    #[test]
    fn swapping_elements_of_no_bytes_is_nothing() {
        DType::Bytes(0).swap_bytes(&mut []);
    }
}
