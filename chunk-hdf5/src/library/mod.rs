//! The calls of libhdf5 that the safe binding lacks. All unsafe code on HDF5 is in this folder.
//!
//! Every call runs inside [`sync`], which takes the binding's one lock, initialises the library and keeps it from
//! printing. Identifiers are owned by the binding's types, which close them.

mod attribute;
mod create;
mod dataset;
mod datatype;
mod driver;
mod link;
mod new_datatype;
mod new_file;
mod structure;
mod transfer;
mod variable;
mod virtual_map;

use std::ffi::{CStr, CString, c_char, c_int};

use hdf5::sync::sync;
use hdf5::{Dataspace, Datatype};
use hdf5_sys::h5::{H5free_memory, H5get_libversion};
use hdf5_sys::h5i::{H5Idec_ref, hid_t};

pub(crate) use self::attribute::{
    attribute_bytes, attribute_extents, attribute_reference_lists, attribute_references_with_axes, attribute_texts,
    attribute_type, has_attribute, object_reference, remove_attribute, write_attribute, write_attribute_texts,
    write_reference_lists, write_references_with_axes, write_terminated_text,
};
use self::create::create_space;
pub(crate) use self::create::{Creation, create, give_up};
pub(crate) use self::dataset::{
    Extents, ExternalPiece, extents, external_pieces, fill_value, filters, has_extensible_array, header_address,
    leaves_edges_unfiltered, storage_size, stored_type,
};
pub(crate) use self::datatype::{Class, Member, Padding, class, is_little_endian};
pub(crate) use self::driver::{Backing, alone, create_assembled, flush, open_staged};
pub(crate) use self::link::{Link, link};
pub(crate) use self::new_datatype::{Atom, array, byte_bitfield, compound, enumeration, fixed_string, native, opaque};
pub(crate) use self::new_file::create_file;
pub(crate) use self::structure::{copy_object, free_space, link_dataset, link_soft, move_link};
pub(crate) use self::transfer::{chunk_size, convert, read, read_chunk, set_extents, write, write_chunk};
pub(crate) use self::variable::{
    referenced_name, sequence_fill, text_fill, variable_sequence, variable_string, write_sequences, write_strings,
};
use self::virtual_map::virtual_space;
pub(crate) use self::virtual_map::{virtual_mappings, virtual_sources};

type Result<T> = std::result::Result<T, hdf5::Error>;

/// An identifier that no type of the binding stands for: property lists being filled.
struct Handle(hid_t);

impl Handle {
    fn new(id: hid_t) -> Result<Self> {
        Ok(Handle(check(id)?))
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        // SAFETY: the identifier is owned by this handle alone and not used afterwards.
        sync(|| unsafe { H5Idec_ref(self.0) });
    }
}

/// The value, unless it is one of the negative ones by which the library says that it failed.
fn check<T: Copy + PartialOrd + From<i8>>(value: T) -> Result<T> {
    if value < T::from(0) { Err(hdf5::Error::query()?) } else { Ok(value) }
}

/// A number that the library counted, unless it failed.
fn count(value: c_int) -> Result<usize> {
    Ok(check(value)?.unsigned_abs() as usize)
}

/// The number of axes, as the library takes it.
fn rank_of<T>(extents: &[T]) -> c_int {
    c_int::try_from(extents.len()).expect("an array has few axes")
}

fn datatype(id: hid_t) -> Result<Datatype> {
    check(id)?;
    // SAFETY: a fresh identifier of a datatype, whose one reference passes to the binding.
    unsafe { hdf5::from_id(id) }
}

fn dataspace(id: hid_t) -> Result<Dataspace> {
    check(id)?;
    // SAFETY: a fresh identifier of a dataspace, whose one reference passes to the binding.
    unsafe { hdf5::from_id(id) }
}

/// The library's version.
pub(crate) fn version() -> (u32, u32, u32) {
    let (mut major, mut minor, mut release) = (0, 0, 0);
    // SAFETY: three valid places for the three numbers.
    sync(|| unsafe { H5get_libversion(&raw mut major, &raw mut minor, &raw mut release) });
    (major, minor, release)
}

/// Takes over a text that the library allocated.
fn owned_text(text: *mut c_char) -> Result<String> {
    if text.is_null() {
        return Err(hdf5::Error::query()?);
    }
    // SAFETY: the library gives texts that end with a zero.
    let copy = unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned();
    // SAFETY: the library allocated the text and leaves it to its caller to free.
    unsafe { H5free_memory(text.cast()) };
    Ok(copy)
}

/// A text as C takes it.
fn text(text: &str) -> Result<CString> {
    CString::new(text).map_err(|_| hdf5::Error::from(format!("{text:?} holds a zero byte")))
}
