//! What a datatype is.

use std::ffi::c_uint;

use hdf5::Datatype;
use hdf5::sync::sync;
use hdf5_sys::h5t as t;

use super::{Result, check, count, datatype, owned_text};

/// What a datatype is, one level deep.
#[derive(Debug)]
pub(crate) enum Class {
    Integer {
        signed: bool,
        plain: bool,
        precision: usize,
    },
    Float {
        sign: usize,
        exponent: (usize, usize),
        mantissa: (usize, usize),
        bias: usize,
    },
    Complex {
        part: Datatype,
    },
    FixedString {
        utf8: bool,
        padding: Padding,
    },
    VariableString {
        utf8: bool,
    },
    Sequence {
        element: Datatype,
    },
    /// To an object, by its address in the file.
    ObjectReference,
    Bitfield {
        plain: bool,
    },
    Opaque {
        tag: String,
    },
    Compound {
        members: Vec<Member>,
    },
    Enum {
        base: Datatype,
        members: Vec<(String, Vec<u8>)>,
    },
    Array {
        element: Datatype,
        extents: Vec<u64>,
    },
    Other(&'static str),
}

/// What is behind the text in a string of fixed length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Padding {
    /// A zero byte ends the text; anything may follow it.
    Terminated,
    /// Zero bytes.
    Zeros,
    /// Spaces.
    Spaces,
}

impl Padding {
    /// The text without what pads it.
    pub(crate) fn unpadded(self, text: &[u8]) -> &[u8] {
        let until_last = |pad| text.iter().rposition(|&byte| byte != pad).map_or(0, |last| last + 1);
        let length = match self {
            Padding::Terminated => text.iter().position(|&byte| byte == 0).unwrap_or(text.len()),
            Padding::Zeros => until_last(0),
            Padding::Spaces => until_last(b' '),
        };
        &text[..length]
    }
}

/// A member of a compound.
#[derive(Debug)]
pub(crate) struct Member {
    pub(crate) name: String,
    pub(crate) offset: usize,
    pub(crate) kind: Datatype,
}

/// Whether a datatype's numbers are little-endian; `None` where there is no order, or a foreign one.
pub(crate) fn is_little_endian(kind: &Datatype) -> Option<bool> {
    // SAFETY: the datatype is open.
    match sync(|| unsafe { t::H5Tget_order(kind.id()) }) {
        t::H5T_order_t::H5T_ORDER_LE => Some(true),
        t::H5T_order_t::H5T_ORDER_BE => Some(false),
        _ => None,
    }
}

/// What `kind` is.
pub(crate) fn class(kind: &Datatype) -> Result<Class> {
    sync(|| {
        // SAFETY: the datatype is open, here and in the calls below, each of which suits the class just read.
        let class = unsafe { t::H5Tget_class(kind.id()) };
        Ok(match class {
            t::H5T_class_t::H5T_INTEGER => {
                // SAFETY: as above.
                let signed = unsafe { t::H5Tget_sign(kind.id()) } == t::H5T_sign_t::H5T_SGN_2;
                // SAFETY: as above.
                let precision = unsafe { t::H5Tget_precision(kind.id()) };
                Class::Integer { signed, plain: is_plain(kind), precision }
            }
            t::H5T_class_t::H5T_FLOAT => float(kind)?,
            t::H5T_class_t::H5T_STRING => string(kind)?,
            t::H5T_class_t::H5T_BITFIELD => Class::Bitfield { plain: is_plain(kind) },
            t::H5T_class_t::H5T_OPAQUE => {
                // SAFETY: as above; the text is ours to free.
                Class::Opaque { tag: owned_text(unsafe { t::H5Tget_tag(kind.id()) })? }
            }
            t::H5T_class_t::H5T_COMPOUND => Class::Compound { members: members(kind)? },
            t::H5T_class_t::H5T_ENUM => Class::Enum { base: base(kind)?, members: enum_members(kind)? },
            t::H5T_class_t::H5T_ARRAY => Class::Array { element: base(kind)?, extents: array_extents(kind)? },
            t::H5T_class_t::H5T_COMPLEX => Class::Complex { part: base(kind)? },
            t::H5T_class_t::H5T_VLEN => Class::Sequence { element: base(kind)? },
            t::H5T_class_t::H5T_REFERENCE => reference(kind)?,
            t::H5T_class_t::H5T_TIME => Class::Other("the obsolete time type"),
            _ => Class::Other("an unknown type class"),
        })
    })
}

/// Whether all bits of an integer or bitfield are significant.
fn is_plain(kind: &Datatype) -> bool {
    // SAFETY: an open datatype of an atomic class.
    unsafe { t::H5Tget_offset(kind.id()) == 0 && t::H5Tget_precision(kind.id()) == 8 * kind.size() }
}

fn float(kind: &Datatype) -> Result<Class> {
    let mut fields = [0; 5];
    let [sign, exponent_at, exponent, mantissa_at, mantissa] = &mut fields;
    // SAFETY: an open floating-point type and five places.
    check(unsafe { t::H5Tget_fields(kind.id(), sign, exponent_at, exponent, mantissa_at, mantissa) })?;
    // SAFETY: an open floating-point type.
    let bias = unsafe { t::H5Tget_ebias(kind.id()) };
    let [sign, exponent_at, exponent, mantissa_at, mantissa] = fields;
    Ok(Class::Float { sign, exponent: (exponent_at, exponent), mantissa: (mantissa_at, mantissa), bias })
}

fn string(kind: &Datatype) -> Result<Class> {
    // SAFETY: an open string type, here and below.
    let utf8 = unsafe { t::H5Tget_cset(kind.id()) } == t::H5T_cset_t::H5T_CSET_UTF8;
    // SAFETY: as above.
    if check(unsafe { t::H5Tis_variable_str(kind.id()) })? > 0 {
        return Ok(Class::VariableString { utf8 });
    }
    // SAFETY: as above.
    let padding = match unsafe { t::H5Tget_strpad(kind.id()) } {
        t::H5T_str_t::H5T_STR_NULLPAD => Padding::Zeros,
        t::H5T_str_t::H5T_STR_SPACEPAD => Padding::Spaces,
        _ => Padding::Terminated,
    };
    Ok(Class::FixedString { utf8, padding })
}

fn reference(kind: &Datatype) -> Result<Class> {
    // SAFETY: an open datatype, and the library's own, which lives as long as the library.
    let is_object = check(unsafe { t::H5Tequal(kind.id(), *t::H5T_STD_REF_OBJ) })? > 0;
    Ok(if is_object { Class::ObjectReference } else { Class::Other("references to regions or of the new kind") })
}

fn base(kind: &Datatype) -> Result<Datatype> {
    // SAFETY: an open enumeration, array or complex type.
    datatype(unsafe { t::H5Tget_super(kind.id()) })
}

fn member_count(kind: &Datatype) -> Result<c_uint> {
    // SAFETY: an open compound or enumeration.
    Ok(check(unsafe { t::H5Tget_nmembers(kind.id()) })?.cast_unsigned())
}

fn member_name(kind: &Datatype, number: c_uint) -> Result<String> {
    // SAFETY: a member that is there; the text is ours to free.
    owned_text(unsafe { t::H5Tget_member_name(kind.id(), number) })
}

fn members(kind: &Datatype) -> Result<Vec<Member>> {
    let member = |number| {
        // SAFETY: a member that is there, of an open compound.
        let offset = unsafe { t::H5Tget_member_offset(kind.id(), number) };
        // SAFETY: as above.
        let inner = datatype(unsafe { t::H5Tget_member_type(kind.id(), number) })?;
        Ok(Member { name: member_name(kind, number)?, offset, kind: inner })
    };
    (0..member_count(kind)?).map(member).collect()
}

fn enum_members(kind: &Datatype) -> Result<Vec<(String, Vec<u8>)>> {
    let member = |number| {
        let mut value = vec![0; kind.size()];
        // SAFETY: a member that is there, and a buffer of the size of an element.
        check(unsafe { t::H5Tget_member_value(kind.id(), number, value.as_mut_ptr().cast()) })?;
        Ok((member_name(kind, number)?, value))
    };
    (0..member_count(kind)?).map(member).collect()
}

fn array_extents(kind: &Datatype) -> Result<Vec<u64>> {
    // SAFETY: an open array type.
    let rank = count(unsafe { t::H5Tget_array_ndims(kind.id()) })?;
    let mut extents = vec![0; rank];
    // SAFETY: the buffer is as long as the rank.
    check(unsafe { t::H5Tget_array_dims2(kind.id(), extents.as_mut_ptr()) })?;
    Ok(extents)
}
