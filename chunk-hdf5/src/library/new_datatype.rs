//! Datatypes to create datasets with.

use std::ffi::c_uint;

use hdf5::Datatype;
use hdf5::sync::sync;
use hdf5::types::{FloatSize, TypeDescriptor};
use hdf5_sys::h5t as t;

use super::{Member, Result, check, datatype, text};

/// A datatype to create a dataset with.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Atom {
    Integer { size: usize, signed: bool },
    Float { size: usize },
}

/// The library's own datatype for numbers in native byte order.
pub(crate) fn native(atom: Atom) -> Result<Datatype> {
    if let Atom::Float { size: 2 } = atom {
        // The binding has no name for the library's half precision.
        return Datatype::from_descriptor(&TypeDescriptor::Float(FloatSize::U2));
    }
    sync(|| {
        let id = match atom {
            Atom::Integer { size: 1, signed: true } => *t::H5T_NATIVE_INT8,
            Atom::Integer { size: 2, signed: true } => *t::H5T_NATIVE_INT16,
            Atom::Integer { size: 4, signed: true } => *t::H5T_NATIVE_INT32,
            Atom::Integer { signed: true, .. } => *t::H5T_NATIVE_INT64,
            Atom::Integer { size: 1, signed: false } => *t::H5T_NATIVE_UINT8,
            Atom::Integer { size: 2, signed: false } => *t::H5T_NATIVE_UINT16,
            Atom::Integer { size: 4, signed: false } => *t::H5T_NATIVE_UINT32,
            Atom::Integer { signed: false, .. } => *t::H5T_NATIVE_UINT64,
            Atom::Float { size: 4 } => *t::H5T_NATIVE_FLOAT,
            Atom::Float { .. } => *t::H5T_NATIVE_DOUBLE,
        };
        // SAFETY: one of the library's own datatypes, which live as long as the library.
        datatype(unsafe { t::H5Tcopy(id) })
    })
}

/// Eight bits, which PyTables stores bools as.
pub(crate) fn byte_bitfield() -> Result<Datatype> {
    // SAFETY: the library's own datatype, which lives as long as the library.
    sync(|| datatype(unsafe { t::H5Tcopy(*t::H5T_NATIVE_B8) }))
}

/// A compound of `size` bytes.
pub(crate) fn compound(size: usize, members: &[Member]) -> Result<Datatype> {
    sync(|| {
        // SAFETY: a plain call.
        let kind = datatype(unsafe { t::H5Tcreate(t::H5T_class_t::H5T_COMPOUND, size) })?;
        for member in members {
            let name = text(&member.name)?;
            // SAFETY: both datatypes are open and the name ends with a zero.
            check(unsafe { t::H5Tinsert(kind.id(), name.as_ptr(), member.offset, member.kind.id()) })?;
        }
        Ok(kind)
    })
}

/// An enumeration over `base`; values are elements of it.
pub(crate) fn enumeration(base: &Datatype, members: &[(String, Vec<u8>)]) -> Result<Datatype> {
    sync(|| {
        // SAFETY: an open integer type.
        let kind = datatype(unsafe { t::H5Tenum_create(base.id()) })?;
        for (name, value) in members {
            assert_eq!(value.len(), base.size(), "the value of an enumeration is an element of its base");
            let name = text(name)?;
            // SAFETY: the value has the size of an element, and the name ends with a zero.
            check(unsafe { t::H5Tenum_insert(kind.id(), name.as_ptr(), value.as_ptr().cast()) })?;
        }
        Ok(kind)
    })
}

/// A string of `size` bytes, padded with zeros.
pub(crate) fn fixed_string(size: usize, utf8: bool) -> Result<Datatype> {
    string(size, utf8, t::H5T_str_t::H5T_STR_NULLPAD)
}

/// A string of `size` bytes that ends with a zero.
pub(super) fn terminated_string(size: usize, utf8: bool) -> Result<Datatype> {
    string(size, utf8, t::H5T_str_t::H5T_STR_NULLTERM)
}

fn string(size: usize, utf8: bool, padding: t::H5T_str_t) -> Result<Datatype> {
    let set = if utf8 { t::H5T_cset_t::H5T_CSET_UTF8 } else { t::H5T_cset_t::H5T_CSET_ASCII };
    sync(|| {
        // SAFETY: the library's own string type, then calls on the copy.
        unsafe {
            let kind = datatype(t::H5Tcopy(*t::H5T_C_S1))?;
            check(t::H5Tset_size(kind.id(), size))?;
            check(t::H5Tset_strpad(kind.id(), padding))?;
            check(t::H5Tset_cset(kind.id(), set))?;
            Ok(kind)
        }
    })
}

/// Opaque elements of `size` bytes.
pub(crate) fn opaque(size: usize, tag: &str) -> Result<Datatype> {
    let tag = text(tag)?;
    sync(|| {
        // SAFETY: a plain call, then one on the fresh datatype with a text that ends with a zero.
        unsafe {
            let kind = datatype(t::H5Tcreate(t::H5T_class_t::H5T_OPAQUE, size))?;
            check(t::H5Tset_tag(kind.id(), tag.as_ptr()))?;
            Ok(kind)
        }
    })
}

/// Arrays of `extents` elements.
pub(crate) fn array(element: &Datatype, extents: &[u64]) -> Result<Datatype> {
    // SAFETY: an open datatype and as many extents as stated.
    sync(|| datatype(unsafe { t::H5Tarray_create2(element.id(), extents.len() as c_uint, extents.as_ptr()) }))
}
