//! HDF5 datatypes to dtypes and back.

use std::sync::Arc;

use chunk_core::{DType, EnumType, Field, StructType, TimeUnit};
use hdf5::Datatype;

use crate::conversion::{Conversion, Swap};
use crate::library::{self, Atom, Class, Member, Padding};

/// A dtype, and how elements become what they are in memory.
#[derive(Clone, Debug)]
pub(crate) struct Stored {
    pub(crate) dtype: DType,
    pub(crate) conversion: Conversion,
}

/// Why a datatype has no dtype.
#[derive(Debug)]
pub(crate) enum Unmapped {
    /// It is of a kind that no dtype stands for.
    Kind(String),
    /// The library failed.
    Library(hdf5::Error),
}

impl From<hdf5::Error> for Unmapped {
    fn from(error: hdf5::Error) -> Self {
        Unmapped::Library(error)
    }
}

type Result<T> = std::result::Result<T, Unmapped>;

/// What is met on the way through a datatype.
#[derive(Debug, Default)]
struct Walk {
    /// Whether 8-bit bitfields are PyTables' booleans.
    pytables: bool,
    /// Whether there are numbers that only the library converts.
    foreign: bool,
    depth: usize,
}

/// Datatypes inside datatypes, at most.
const MOST_DEPTH: usize = 64;

/// The dtype of `kind`. PyTables stores booleans as bitfields of eight bits, others sets of bits.
pub(crate) fn stored(kind: &Datatype, pytables: bool) -> Result<Stored> {
    let mut walk = Walk { pytables, ..Walk::default() };
    let (dtype, swap) = walk.map(kind)?;
    if !walk.foreign {
        return Ok(Stored { conversion: Conversion::swapping(dtype.size(), swap), dtype });
    }
    let dtype = packed(&dtype);
    let conversion = Conversion::by_library(kind.clone(), datatype(&dtype)?);
    Ok(Stored { dtype, conversion })
}

/// The dtype with the fields of structures one after another.
fn packed(dtype: &DType) -> DType {
    match dtype {
        DType::Struct(kind) => {
            let fields = kind.fields.iter().map(|field| (field.name.clone(), packed(&field.dtype)));
            DType::Struct(StructType::packed(fields).into())
        }
        DType::Array { element, shape } => DType::Array { element: packed(element).into(), shape: shape.clone() },
        other => other.clone(),
    }
}

impl Walk {
    fn map(&mut self, kind: &Datatype) -> Result<(DType, Swap)> {
        self.depth += 1;
        if self.depth > MOST_DEPTH {
            return Err(Unmapped::Kind(format!("types more than {MOST_DEPTH} deep")));
        }
        let mapped = self.map_class(kind, library::class(kind)?);
        self.depth -= 1;
        mapped
    }

    fn map_class(&mut self, kind: &Datatype, class: Class) -> Result<(DType, Swap)> {
        let size = kind.size();
        let as_it_is = |dtype| Ok((dtype, Swap::No));
        match class {
            Class::Bitfield { plain: true } if self.pytables && size == 1 => as_it_is(DType::Bool),
            Class::Integer { plain: true, signed, .. } if integer(size, signed).is_some() => {
                numbers(kind, integer(size, signed))
            }
            Class::Bitfield { plain: true } if integer(size, false).is_some() => numbers(kind, integer(size, false)),
            Class::Integer { precision: ..=64, signed, .. } => {
                self.foreign = true;
                as_it_is(integer(size.next_power_of_two().min(8), signed).ok_or_else(|| odd(size, "integers"))?)
            }
            Class::Integer { .. } => Err(odd(size, "integers of more than 64 bits")),
            Class::Bitfield { .. } => Err(odd(size, "bitfields with unused bits")),
            Class::Float { sign, exponent, mantissa, bias } => {
                if let Some(dtype) = float(size, sign, exponent, mantissa, bias) {
                    return numbers(kind, Some(dtype));
                }
                self.foreign = true;
                let wider = wider_float(exponent.1, mantissa.1, bias);
                as_it_is(wider.ok_or_else(|| odd(size, "floats that no dtype holds without loss"))?)
            }
            Class::Complex { part } => match self.map(&part)? {
                (part, Swap::No) => as_it_is(complex(&part).ok_or_else(|| odd(size, "complex numbers"))?),
                (part, _) => swapped(complex(&part).ok_or_else(|| odd(size, "complex numbers"))?),
            },
            Class::FixedString { utf8, padding } => {
                let swap = if padding == Padding::Zeros { Swap::No } else { Swap::Text { size, padding } };
                Ok((if utf8 { DType::Utf8(size) } else { DType::Bytes(size) }, swap))
            }
            Class::Opaque { tag } => Ok(opaque(size, &tag)),
            Class::Compound { members } => self.structure(size, members),
            Class::Enum { base, members } => self.enumeration(&base, members),
            Class::Array { element, extents } => self.array(size, &element, &extents),
            Class::VariableString { .. } => Err(Unmapped::Kind("text of variable length (see Hdf5Strings)".to_owned())),
            Class::Sequence { .. } => {
                Err(Unmapped::Kind("sequences of variable length (see Hdf5Sequences)".to_owned()))
            }
            Class::ObjectReference => Err(Unmapped::Kind("object references (see Hdf5References)".to_owned())),
            Class::Other(what) => Err(Unmapped::Kind(what.to_owned())),
        }
    }

    fn structure(&mut self, size: usize, members: Vec<Member>) -> Result<(DType, Swap)> {
        let mut fields = Vec::new();
        let mut swaps = Vec::new();
        for Member { name, offset, kind } in members {
            let end = offset.checked_add(kind.size()).filter(|&end| end <= size);
            let end = end.ok_or_else(|| odd(size, "structures with members outside"))?;
            let (dtype, swap) = self.map(&kind)?;
            swaps.push((offset..end, swap));
            fields.push(Field { name, dtype, offset });
        }
        let all = swaps.iter().all(|(_, swap)| matches!(swap, Swap::All(_)));
        let none = swaps.iter().all(|(_, swap)| matches!(swap, Swap::No));
        if (all || none)
            && let Some(complex) = as_complex(&fields, size)
        {
            return if none { Ok((complex, Swap::No)) } else { swapped(complex) };
        }
        let dtype = DType::Struct(StructType { fields, size }.into());
        Ok((dtype, if none { Swap::No } else { Swap::Fields { size, fields: swaps } }))
    }

    fn array(&mut self, size: usize, element: &Datatype, extents: &[u64]) -> Result<(DType, Swap)> {
        let elements = extents.iter().try_fold(1_u64, |product, extent| product.checked_mul(*extent));
        let bytes = elements.and_then(|elements| elements.checked_mul(element.size() as u64));
        if bytes != Some(size as u64) {
            return Err(odd(size, "arrays of another size than their elements"));
        }
        let (element, swap) = self.map(element)?;
        Ok((DType::Array { element: Arc::new(element), shape: extents.into() }, swap))
    }

    fn enumeration(&mut self, base: &Datatype, members: Vec<(String, Vec<u8>)>) -> Result<(DType, Swap)> {
        let (integers, swap) = self.map(base)?;
        if self.foreign || members.is_empty() {
            return Err(Unmapped::Kind("an enumeration without members, or of odd integers".to_owned()));
        }
        let dtype = enumeration(&integers, base, members);
        Ok((dtype.clone(), if matches!(swap, Swap::No) { Swap::No } else { Swap::All(dtype) }))
    }
}

/// Numbers of `dtype` in the byte order that the file has them in.
fn numbers(kind: &Datatype, dtype: Option<DType>) -> Result<(DType, Swap)> {
    let size = kind.size();
    let dtype = dtype.ok_or_else(|| odd(size, "numbers"))?;
    match library::is_little_endian(kind).map(|little| little == cfg!(target_endian = "little")) {
        _ if size == 1 => Ok((dtype, Swap::No)),
        Some(true) => Ok((dtype, Swap::No)),
        Some(false) => swapped(dtype),
        None => Err(Unmapped::Kind("numbers of a foreign byte order".to_owned())),
    }
}

#[expect(clippy::unnecessary_wraps, reason = "every way of mapping a class gives a result")]
fn swapped(dtype: DType) -> Result<(DType, Swap)> {
    Ok((dtype.clone(), Swap::All(dtype)))
}

fn odd(size: usize, what: &str) -> Unmapped {
    Unmapped::Kind(format!("{size}-byte {what}"))
}

fn integer(size: usize, signed: bool) -> Option<DType> {
    Some(match (size, signed) {
        (1, true) => DType::I8,
        (2, true) => DType::I16,
        (4, true) => DType::I32,
        (8, true) => DType::I64,
        (1, false) => DType::U8,
        (2, false) => DType::U16,
        (4, false) => DType::U32,
        (8, false) => DType::U64,
        _ => return None,
    })
}

/// The IEEE format with these fields, each given by its first bit and its number of bits.
fn float(size: usize, sign: usize, exponent: (usize, usize), mantissa: (usize, usize), bias: usize) -> Option<DType> {
    match (size, sign, exponent, mantissa, bias) {
        (2, 15, (10, 5), (0, 10), 15) => Some(DType::F16),
        (4, 31, (23, 8), (0, 23), 127) => Some(DType::F32),
        (8, 63, (52, 11), (0, 52), 1023) => Some(DType::F64),
        _ => None,
    }
}

/// The smallest dtype that holds every value of a format with these numbers of bits.
fn wider_float(exponent: usize, mantissa: usize, bias: usize) -> Option<DType> {
    let holds = |bits: usize, digits: usize, own_bias: usize| {
        mantissa <= digits && (exponent < bits && bias <= own_bias || exponent == bits && bias == own_bias)
    };
    let formats = [(DType::F16, 5, 10, 15), (DType::F32, 8, 23, 127), (DType::F64, 11, 52, 1023)];
    formats.into_iter().find(|(_, bits, digits, bias)| holds(*bits, *digits, *bias)).map(|(dtype, ..)| dtype)
}

/// What NumPy's times are called by h5py, before the dtype.
const NUMPY_TAG: &str = "NUMPY:";

/// Opaque bytes, or NumPy's times, which h5py tags with their dtype.
fn opaque(size: usize, tag: &str) -> (DType, Swap) {
    let time = tag.strip_prefix(NUMPY_TAG).filter(|_| size == 8).and_then(|name| {
        let (order, name) = match name.split_at_checked(1) {
            Some((order @ ("<" | ">" | "=" | "|"), rest)) => (order, rest),
            _ => ("=", name),
        };
        let dtype = name.parse().ok().filter(|dtype| matches!(dtype, DType::DateTime64(_) | DType::TimeDelta64(_)))?;
        Some((dtype, order))
    });
    let native = if cfg!(target_endian = "little") { "<" } else { ">" };
    match time {
        Some((dtype, order)) if order == native || order == "=" || order == "|" => (dtype, Swap::No),
        Some((dtype, _)) => (dtype.clone(), Swap::All(dtype)),
        None => (DType::Opaque { size, tag: (!tag.is_empty()).then(|| tag.into()) }, Swap::No),
    }
}

fn complex(part: &DType) -> Option<DType> {
    match part {
        DType::F32 => Some(DType::ComplexF32),
        DType::F64 => Some(DType::ComplexF64),
        _ => None,
    }
}

/// `{r, i}` of two equal floats is how h5py, PyTables and all others store complex numbers.
fn as_complex(fields: &[Field], size: usize) -> Option<DType> {
    let [real, imaginary] = fields else { return None };
    let named = matches!((real.name.as_str(), imaginary.name.as_str()), ("r", "i") | ("real", "imag") | ("re", "im"));
    let packed = real.offset == 0 && imaginary.offset == real.dtype.size() && size == 2 * real.dtype.size();
    if named && packed && real.dtype == imaginary.dtype { complex(&real.dtype) } else { None }
}

/// The members' values are in the byte order of `kind`.
fn enumeration(base: &DType, kind: &Datatype, members: Vec<(String, Vec<u8>)>) -> DType {
    let little = library::is_little_endian(kind).unwrap_or(cfg!(target_endian = "little"));
    let signed = matches!(base, DType::I8 | DType::I16 | DType::I32 | DType::I64);
    let members: Vec<_> = members.into_iter().map(|(name, value)| (name, number(&value, little, signed))).collect();
    let is_bool = |names: [&str; 2]| members.len() == 2 && (0..2).all(|i| members[i] == (names[i].into(), i as i128));
    if base.size() == 1 && is_bool(["FALSE", "TRUE"]) {
        return DType::Bool;
    }
    DType::Enum(EnumType { base: base.clone(), members }.into())
}

/// The integer that up to eight bytes stand for.
fn number(bytes: &[u8], little: bool, signed: bool) -> i128 {
    let ordered: Vec<u8> = if little { bytes.iter().rev().copied().collect() } else { bytes.to_vec() };
    let negative = signed && ordered.first().is_some_and(|byte| byte & 0x80 != 0);
    ordered.iter().fold(if negative { -1 } else { 0 }, |value, byte| (value << 8) | i128::from(*byte))
}

/// The datatype to create a dataset of `dtype` with, in native byte order: what h5py and PyTables write.
pub(crate) fn datatype(dtype: &DType) -> Result<Datatype> {
    let kind = match dtype {
        DType::Bool => boolean()?,
        DType::I8 | DType::I16 | DType::I32 | DType::I64 => {
            library::native(Atom::Integer { size: dtype.size(), signed: true })?
        }
        DType::U8 | DType::U16 | DType::U32 | DType::U64 => {
            library::native(Atom::Integer { size: dtype.size(), signed: false })?
        }
        DType::F16 | DType::F32 | DType::F64 => library::native(Atom::Float { size: dtype.size() })?,
        DType::ComplexF32 | DType::ComplexF64 => {
            let size = dtype.size() / 2;
            let part = |name: &str, offset| -> Result<Member> {
                Ok(Member { name: name.to_owned(), offset, kind: library::native(Atom::Float { size })? })
            };
            library::compound(2 * size, &[part("r", 0)?, part("i", size)?])?
        }
        DType::Bytes(size) if *size > 0 => library::fixed_string(*size, false)?,
        DType::Utf8(size) if *size > 0 => library::fixed_string(*size, true)?,
        DType::DateTime64(unit) => library::opaque(8, &time_tag('M', *unit))?,
        DType::TimeDelta64(unit) => library::opaque(8, &time_tag('m', *unit))?,
        DType::Opaque { size, tag } if *size > 0 => library::opaque(*size, tag.as_deref().unwrap_or(""))?,
        DType::Enum(kind) => {
            let base = datatype(&kind.base)?;
            let value = |value: &i128| native_bytes(*value, kind.base.size());
            let members: Vec<_> = kind.members.iter().map(|(name, number)| (name.clone(), value(number))).collect();
            library::enumeration(&base, &members)?
        }
        DType::Struct(kind) => {
            let member = |field: &Field| {
                Ok(Member { name: field.name.clone(), offset: field.offset, kind: datatype(&field.dtype)? })
            };
            library::compound(kind.size, &kind.fields.iter().map(member).collect::<Result<Vec<_>>>()?)?
        }
        DType::Array { element, shape } => library::array(&datatype(element)?, shape)?,
        DType::Ucs4(length) => {
            let utf8 = DType::Utf8(4 * length);
            return Err(Unmapped::Kind(format!("{dtype} (cast it to {utf8}, which has room for any such text)")));
        }
        other => return Err(Unmapped::Kind(other.to_string())),
    };
    Ok(kind)
}

/// h5py's tag for times: NumPy's code of the dtype.
fn time_tag(kind: char, unit: TimeUnit) -> String {
    let order = if cfg!(target_endian = "little") { '<' } else { '>' };
    format!("{NUMPY_TAG}{order}{kind}8{unit}")
}

/// h5py's bool: an enumeration of FALSE and TRUE.
fn boolean() -> Result<Datatype> {
    let base = library::native(Atom::Integer { size: 1, signed: true })?;
    Ok(library::enumeration(&base, &[("FALSE".to_owned(), vec![0]), ("TRUE".to_owned(), vec![1])])?)
}

fn native_bytes(value: i128, size: usize) -> Vec<u8> {
    let little = value.to_le_bytes();
    let bytes = little[..size].iter().copied();
    if cfg!(target_endian = "little") { bytes.collect() } else { bytes.rev().collect() }
}
