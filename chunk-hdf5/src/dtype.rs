//! HDF5 datatypes to dtypes and back.

use std::sync::Arc;

use chunk_core::{DType, EnumType, Field, StructType};
use hdf5::Datatype;

use crate::library::{self, Atom, Class, Member};

/// A dtype and the byte order that a file holds it in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stored {
    pub(crate) dtype: DType,
    /// Whether elements are in the byte order that is not this machine's.
    pub(crate) swapped: bool,
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

/// Byte orders met inside one datatype.
#[derive(Clone, Copy, Debug, Default)]
struct Orders {
    little: bool,
    big: bool,
}

/// The dtype of `kind`.
pub(crate) fn stored(kind: &Datatype) -> Result<Stored> {
    let mut orders = Orders::default();
    let dtype = map(kind, &mut orders)?;
    if orders.little && orders.big {
        return Err(Unmapped::Kind("a structure of both byte orders".to_owned()));
    }
    let swapped = if cfg!(target_endian = "little") { orders.big } else { orders.little };
    Ok(Stored { dtype, swapped })
}

fn map(kind: &Datatype, orders: &mut Orders) -> Result<DType> {
    let size = kind.size();
    match library::class(kind)? {
        Class::Integer { plain: true, signed } => integer(kind, size, signed, orders),
        Class::Bitfield { plain: true } => integer(kind, size, false, orders),
        Class::Integer { .. } | Class::Bitfield { .. } => Err(odd(size, "integers with unused bits")),
        Class::Float { sign, exponent, mantissa, bias } => {
            let dtype = float(size, sign, exponent, mantissa, bias).ok_or_else(|| odd(size, "floats not of IEEE"))?;
            note_order(kind, size, orders)?;
            Ok(dtype)
        }
        Class::Complex { part } => complex(&map(&part, orders)?).ok_or_else(|| odd(size, "complex numbers")),
        Class::FixedString { utf8: false, .. } => Ok(DType::Bytes(size)),
        Class::FixedString { utf8: true, .. } => Ok(DType::Utf8(size)),
        Class::Opaque { tag } => Ok(DType::Opaque { size, tag: (!tag.is_empty()).then(|| tag.into()) }),
        Class::Compound { members } => structure(size, members, orders),
        Class::Enum { base, members } => enumeration(&map(&base, orders)?, &base, members),
        Class::Array { element, extents } => {
            Ok(DType::Array { element: Arc::new(map(&element, orders)?), shape: extents.into() })
        }
        Class::VariableString { .. } => Err(Unmapped::Kind("variable-length text (see Hdf5Strings)".to_owned())),
        Class::Sequence { .. } => Err(Unmapped::Kind("variable-length sequences (see Hdf5Sequences)".to_owned())),
        Class::ObjectReference => Err(Unmapped::Kind("object references (see Hdf5References)".to_owned())),
        Class::Other(what) => Err(Unmapped::Kind(what.to_owned())),
    }
}

fn odd(size: usize, what: &str) -> Unmapped {
    Unmapped::Kind(format!("{size}-byte {what}"))
}

fn note_order(kind: &Datatype, size: usize, orders: &mut Orders) -> Result<()> {
    match library::is_little_endian(kind) {
        _ if size == 1 => {}
        Some(true) => orders.little = true,
        Some(false) => orders.big = true,
        None => return Err(Unmapped::Kind("numbers of a foreign byte order".to_owned())),
    }
    Ok(())
}

fn integer(kind: &Datatype, size: usize, signed: bool, orders: &mut Orders) -> Result<DType> {
    note_order(kind, size, orders)?;
    Ok(match (size, signed) {
        (1, true) => DType::I8,
        (2, true) => DType::I16,
        (4, true) => DType::I32,
        (8, true) => DType::I64,
        (1, false) => DType::U8,
        (2, false) => DType::U16,
        (4, false) => DType::U32,
        (8, false) => DType::U64,
        _ => return Err(odd(size, "integers")),
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

fn complex(part: &DType) -> Option<DType> {
    match part {
        DType::F32 => Some(DType::ComplexF32),
        DType::F64 => Some(DType::ComplexF64),
        _ => None,
    }
}

fn structure(size: usize, members: Vec<Member>, orders: &mut Orders) -> Result<DType> {
    let field =
        |member: Member| Ok(Field { dtype: map(&member.kind, orders)?, name: member.name, offset: member.offset });
    let fields = members.into_iter().map(field).collect::<Result<Vec<_>>>()?;
    Ok(as_complex(&fields, size).unwrap_or_else(|| DType::Struct(StructType { fields, size }.into())))
}

/// `{r, i}` of two equal floats is how h5py, PyTables and all others store complex numbers.
fn as_complex(fields: &[Field], size: usize) -> Option<DType> {
    let [real, imaginary] = fields else { return None };
    let named = matches!((real.name.as_str(), imaginary.name.as_str()), ("r", "i") | ("real", "imag") | ("re", "im"));
    let packed = real.offset == 0 && imaginary.offset == real.dtype.size() && size == 2 * real.dtype.size();
    if named && packed && real.dtype == imaginary.dtype { complex(&real.dtype) } else { None }
}

fn enumeration(base: &DType, kind: &Datatype, members: Vec<(String, Vec<u8>)>) -> Result<DType> {
    let little = library::is_little_endian(kind).unwrap_or(cfg!(target_endian = "little"));
    let signed = matches!(base, DType::I8 | DType::I16 | DType::I32 | DType::I64);
    let members: Vec<_> = members.into_iter().map(|(name, value)| (name, number(&value, little, signed))).collect();
    let is_bool = |names: [&str; 2]| members.len() == 2 && (0..2).all(|i| members[i] == (names[i].into(), i as i128));
    if base.size() == 1 && is_bool(["FALSE", "TRUE"]) {
        return Ok(DType::Bool);
    }
    if members.is_empty() {
        return Err(Unmapped::Kind("an enumeration without members".to_owned()));
    }
    Ok(DType::Enum(EnumType { base: base.clone(), members }.into()))
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
        other => return Err(Unmapped::Kind(other.to_string())),
    };
    Ok(kind)
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
