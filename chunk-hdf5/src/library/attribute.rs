//! Values of attributes, read and written.

use std::ffi::{CStr, CString, c_char, c_void};
use std::ptr;

use hdf5::sync::sync;
use hdf5::{Attribute, Dataspace, Datatype, Location};
use hdf5_sys::h5a::{
    H5Acreate2, H5Adelete, H5Aexists, H5Aget_space, H5Aget_storage_size, H5Aget_type, H5Aread, H5Arename, H5Awrite,
};
use hdf5_sys::h5p::H5P_DEFAULT;
use hdf5_sys::h5r::{H5R_type_t, H5Rcreate};
use hdf5_sys::h5s::{H5S_class_t, H5Screate, H5Sget_simple_extent_type};
use hdf5_sys::h5t as t;

use super::new_datatype::terminated_string;
use super::variable::variable_string;
use super::{Handle, Member, Result, check, compound, create_space, dataspace, datatype, text};

/// Texts and lists in one attribute, at most.
const MOST_VARIABLE: usize = 1 << 16;

/// The extents of an attribute; `None` if it has no value.
pub(crate) fn attribute_extents(attribute: &Attribute) -> Result<Option<Vec<u64>>> {
    sync(|| {
        // SAFETY: an open attribute.
        let space = dataspace(unsafe { H5Aget_space(attribute.id()) })?;
        // SAFETY: an open dataspace.
        let is_null = unsafe { H5Sget_simple_extent_type(space.id()) } == H5S_class_t::H5S_NULL;
        Ok((!is_null).then(|| space.shape().into_iter().map(|extent| extent as u64).collect()))
    })
}

/// The datatype that the attribute states.
pub(crate) fn attribute_type(attribute: &Attribute) -> Result<Datatype> {
    // SAFETY: an open attribute.
    sync(|| datatype(unsafe { H5Aget_type(attribute.id()) }))
}

/// The elements of an attribute, as the file's `kind`, which is of a fixed size, has them.
pub(crate) fn attribute_bytes(attribute: &Attribute, kind: &Datatype) -> Result<Vec<u8>> {
    // SAFETY: an open attribute.
    let stored = sync(|| unsafe { H5Aget_storage_size(attribute.id()) });
    let length = attribute.size().checked_mul(kind.size()).filter(|length| *length as u64 <= stored);
    let length = length.ok_or_else(|| hdf5::Error::from("has more elements than the file holds of it"))?;
    let mut bytes = vec![0; length];
    // SAFETY: the buffer holds as many elements of `kind` as the attribute has.
    sync(|| check(unsafe { H5Aread(attribute.id(), kind.id(), bytes.as_mut_ptr().cast()) }))?;
    Ok(bytes)
}

/// Reads one `T`, as C lays it out, for each element, has `take` copy what it points to, and gives that back to the
/// library.
fn read_variable<T: Clone, U>(
    attribute: &Attribute,
    kind: &Datatype,
    none: T,
    take: impl Fn(&T) -> Result<U>,
) -> Result<Vec<U>> {
    assert_eq!(kind.size(), size_of::<T>(), "an element in memory is what the library writes");
    let count = attribute.size();
    if count > MOST_VARIABLE {
        return Err(hdf5::Error::from("has too many texts or lists"));
    }
    let mut elements = vec![none; count];
    let buffer = elements.as_mut_ptr().cast::<c_void>();
    // SAFETY: the buffer holds as many elements of `kind` as the attribute has.
    check(unsafe { H5Aread(attribute.id(), kind.id(), buffer) })?;
    let taken = elements.iter().map(take).collect();
    // SAFETY: an open attribute.
    let space = dataspace(unsafe { H5Aget_space(attribute.id()) })?;
    // SAFETY: what the library has just allocated for these elements, and nobody uses afterwards.
    check(unsafe { t::H5Treclaim(kind.id(), space.id(), H5P_DEFAULT, buffer) })?;
    taken
}

/// The texts of an attribute of text of variable length, up to their first zero byte.
pub(crate) fn attribute_texts(attribute: &Attribute, utf8: bool) -> Result<Vec<Vec<u8>>> {
    sync(|| {
        read_variable(attribute, &variable_string(utf8)?, ptr::null_mut::<c_char>(), |text| {
            // SAFETY: the library ends texts with a zero.
            Ok(if text.is_null() { Vec::new() } else { unsafe { CStr::from_ptr(*text) }.to_bytes().to_vec() })
        })
    })
}

/// The lists of an attribute of lists of references to objects.
pub(crate) fn attribute_reference_lists(attribute: &Attribute) -> Result<Vec<Vec<u64>>> {
    sync(|| {
        let none = t::hvl_t { len: 0, p: ptr::null_mut() };
        read_variable(attribute, &reference_list()?, none, |list| {
            let first = list.p.cast::<u64>();
            // SAFETY: the library has allocated so many references, which are numbers of eight bytes.
            Ok((0..list.len).map(|number| unsafe { first.add(number).read_unaligned() }).collect())
        })
    })
}

/// A reference to an object, as a file holds it.
pub(crate) fn object_reference(object: &Location) -> Result<u64> {
    let mut reference = 0_u64;
    let target = (&raw mut reference).cast();
    // SAFETY: a reference to an object is a number of eight bytes; an open object, and a name that ends with a zero.
    sync(|| check(unsafe { H5Rcreate(target, object.id(), c".".as_ptr(), H5R_type_t::H5R_OBJECT1, -1) }))?;
    Ok(reference)
}

/// References to objects.
pub(crate) fn reference() -> Result<Datatype> {
    // SAFETY: the library's own datatype, which lives as long as the library.
    sync(|| datatype(unsafe { t::H5Tcopy(*t::H5T_STD_REF_OBJ) }))
}

fn reference_list() -> Result<Datatype> {
    let element = reference()?;
    // SAFETY: an open datatype.
    datatype(unsafe { t::H5Tvlen_create(element.id()) })
}

/// The members of an attribute that are references to objects, and integers: pairs of them.
pub(crate) fn attribute_references_with_axes(attribute: &Attribute) -> Result<Vec<(u64, u32)>> {
    let kind = reference_with_axis()?;
    let stated = attribute_type(attribute)?;
    // Also finds out whether the file holds as many elements as it says.
    let count = attribute_bytes(attribute, &stated)?.len() / stated.size();
    let mut bytes = vec![0; count * kind.size()];
    // SAFETY: the buffer holds as many elements of `kind` as the attribute has; others are converted by name.
    sync(|| check(unsafe { H5Aread(attribute.id(), kind.id(), bytes.as_mut_ptr().cast()) }))?;
    let pair = |element: &[u8; PAIR]| {
        let [reference, axis] = *element.as_chunks::<8>().0 else { unreachable!("two halves") };
        (u64::from_ne_bytes(reference), u32::from_ne_bytes([axis[0], axis[1], axis[2], axis[3]]))
    };
    Ok(bytes.as_chunks::<PAIR>().0.iter().map(pair).collect())
}

/// A reference, an axis and what aligns the next: as C has it, and files too.
const PAIR: usize = 16;

fn reference_with_axis() -> Result<Datatype> {
    let axis = super::native(super::Atom::Integer { size: 4, signed: true })?;
    let member = |name: &str, offset, kind| Member { name: name.to_owned(), offset, kind };
    compound(PAIR, &[member("dataset", 0, reference()?), member("dimension", 8, axis)])
}

/// Writes an attribute of elements of `kind`; without extents it has no value. One of this name is replaced.
pub(crate) fn write_attribute(
    object: &Location,
    name: &str,
    kind: &Datatype,
    extents: Option<&[u64]>,
    bytes: &[u8],
) -> Result<()> {
    let elements: u64 = extents.map_or(0, |extents| extents.iter().product());
    assert_eq!(elements * kind.size() as u64, bytes.len() as u64, "an attribute has its elements");
    // SAFETY: the buffer holds as many elements as the extents say.
    sync(|| unsafe { replace(object, name, kind, extents, bytes.as_ptr().cast()) })
}

/// Writes an attribute of texts of variable length, as [`write_attribute`].
pub(crate) fn write_attribute_texts(
    object: &Location,
    name: &str,
    extents: Option<&[u64]>,
    texts: &[String],
) -> Result<()> {
    assert_eq!(extents.map_or(0, |extents| extents.iter().product()), texts.len() as u64, "as many texts as elements");
    let texts: Vec<CString> = texts.iter().map(|one| text(one)).collect::<Result<_>>()?;
    let pointers: Vec<*const c_char> = texts.iter().map(|text| text.as_ptr()).collect();
    sync(|| {
        let kind = variable_string(true)?;
        // SAFETY: as many pointers as the extents say, to texts that end with a zero.
        unsafe { replace(object, name, &kind, extents, pointers.as_ptr().cast()) }
    })
}

/// Writes an attribute of one text that ends with a zero, as C programs and specifications want it; as
/// [`write_attribute`].
pub(crate) fn write_terminated_text(object: &Location, name: &str, value: &str) -> Result<()> {
    let bytes = text(value)?.into_bytes_with_nul();
    let kind = terminated_string(bytes.len(), !value.is_ascii())?;
    write_attribute(object, name, &kind, Some(&[]), &bytes)
}

/// Writes an attribute of lists of references to objects, as [`write_attribute`].
pub(crate) fn write_reference_lists(object: &Location, name: &str, lists: &[Vec<u64>]) -> Result<()> {
    let raw = |list: &Vec<u64>| t::hvl_t { len: list.len(), p: list.as_ptr().cast_mut().cast() };
    let raw: Vec<t::hvl_t> = lists.iter().map(raw).collect();
    sync(|| {
        let kind = reference_list()?;
        // SAFETY: as many lists as the extents say, each as long as it states; the library only reads them.
        unsafe { replace(object, name, &kind, Some(&[lists.len() as u64]), raw.as_ptr().cast()) }
    })
}

/// Writes an attribute of references with axes, as [`write_attribute`].
pub(crate) fn write_references_with_axes(object: &Location, name: &str, pairs: &[(u64, u32)]) -> Result<()> {
    let pair = |(reference, axis): &(u64, u32)| {
        let mut element = [0; PAIR];
        element[..8].copy_from_slice(&reference.to_ne_bytes());
        element[8..12].copy_from_slice(&axis.to_ne_bytes());
        element
    };
    let bytes: Vec<u8> = pairs.iter().flat_map(pair).collect();
    write_attribute(object, name, &reference_with_axis()?, Some(&[pairs.len() as u64]), &bytes)
}

/// Makes an attribute, under another name until it has its value if one of its name is there.
///
/// # Safety
/// The buffer holds as many elements of `kind` as the extents say.
unsafe fn replace(
    object: &Location,
    name: &str,
    kind: &Datatype,
    extents: Option<&[u64]>,
    buffer: *const c_void,
) -> Result<()> {
    let final_name = text(name)?;
    let is_replaced = exists(object, &final_name)?;
    let first_name = if is_replaced { free_name(object)? } else { final_name.clone() };
    // SAFETY: the caller's promise.
    let written = unsafe { create(object, &first_name, kind, extents, buffer) };
    if let Err(error) = written {
        // SAFETY: an open object and a name that ends with a zero. Whatever comes of it, the attribute was not written.
        unsafe { H5Adelete(object.id(), first_name.as_ptr()) };
        return Err(error);
    }
    if is_replaced {
        // SAFETY: as above, here and below.
        check(unsafe { H5Adelete(object.id(), final_name.as_ptr()) })?;
        // SAFETY: as above.
        check(unsafe { H5Arename(object.id(), first_name.as_ptr(), final_name.as_ptr()) })?;
    }
    Ok(())
}

/// A name that no attribute of the object has.
fn free_name(object: &Location) -> Result<CString> {
    for number in 0_u32.. {
        let name = text(&format!("chunk-new-{number}"))?;
        if !exists(object, &name)? {
            return Ok(name);
        }
    }
    Err(hdf5::Error::from("has too many attributes"))
}

/// # Safety
/// As for [`replace`].
unsafe fn create(
    object: &Location,
    name: &CStr,
    kind: &Datatype,
    extents: Option<&[u64]>,
    buffer: *const c_void,
) -> Result<()> {
    let space = attribute_space(extents)?;
    // SAFETY: all identifiers are open and the name ends with a zero.
    let id = unsafe { H5Acreate2(object.id(), name.as_ptr(), kind.id(), space.id(), H5P_DEFAULT, H5P_DEFAULT) };
    let attribute = Handle::new(id)?;
    if extents.is_some_and(|extents| !extents.contains(&0)) {
        // SAFETY: the attribute is open, and the caller promises the rest.
        check(unsafe { H5Awrite(attribute.0, kind.id(), buffer) })?;
    }
    Ok(())
}

fn attribute_space(extents: Option<&[u64]>) -> Result<Dataspace> {
    let Some(extents) = extents else {
        // SAFETY: a plain call.
        return dataspace(unsafe { H5Screate(H5S_class_t::H5S_NULL) });
    };
    create_space(extents, &extents.iter().map(|extent| Some(*extent)).collect::<Vec<_>>())
}

/// Whether the object has an attribute of this name.
pub(crate) fn has_attribute(object: &Location, name: &str) -> Result<bool> {
    let name = text(name)?;
    sync(|| exists(object, &name))
}

fn exists(object: &Location, name: &CStr) -> Result<bool> {
    // SAFETY: an open object and a name that ends with a zero.
    Ok(check(unsafe { H5Aexists(object.id(), name.as_ptr()) })? > 0)
}

/// Removes the attribute of this name, which is there.
pub(crate) fn remove_attribute(object: &Location, name: &str) -> Result<()> {
    let name = text(name)?;
    // SAFETY: an open object and a name that ends with a zero.
    sync(|| check(unsafe { H5Adelete(object.id(), name.as_ptr()) }))?;
    Ok(())
}
