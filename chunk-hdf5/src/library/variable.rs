//! Elements of variable length: what stands for those that were never written, and writing them.

use std::ffi::{CStr, CString, c_char};
use std::{ptr, slice};

use hdf5::plist::DatasetCreate;
use hdf5::sync::sync;
use hdf5::{Dataset, Datatype, Location};
use hdf5_sys::h5d::{H5D_fill_value_t, H5Dwrite};
use hdf5_sys::h5p::{H5P_DEFAULT, H5Pfill_value_defined, H5Pget_fill_value};
use hdf5_sys::h5r::{H5R_type_t, H5Rget_name};
use hdf5_sys::h5s::{H5S_class_t, H5Screate};
use hdf5_sys::h5t as t;

use super::transfer::spaces;
use super::{Result, check, dataspace, datatype};

/// The text that stands for those that were never written, up to its first zero byte; empty if none is stated.
pub(crate) fn text_fill(creation: &DatasetCreate, utf8: bool) -> Result<Vec<u8>> {
    let text = |address: *mut c_char| {
        if address.is_null() {
            return Vec::new();
        }
        // SAFETY: the library gives texts that end with a zero.
        unsafe { CStr::from_ptr(address) }.to_bytes().to_vec()
    };
    fill(creation, &variable_string(utf8)?, ptr::null_mut(), text)
}

/// The sequence that stands for those that were never written, its elements as `element` has them; empty if none is
/// stated.
pub(crate) fn sequence_fill(creation: &DatasetCreate, element: &Datatype) -> Result<Vec<u8>> {
    let sequence = |sequence: t::hvl_t| {
        if sequence.p.is_null() || sequence.len == 0 {
            return Vec::new();
        }
        // SAFETY: the library gives sequences of so many elements.
        unsafe { slice::from_raw_parts(sequence.p.cast::<u8>(), sequence.len * element.size()) }.to_vec()
    };
    fill(creation, &variable_sequence(element)?, t::hvl_t { len: 0, p: ptr::null_mut() }, sequence)
}

/// The bytes of a stated fill value, which the library lays out as a `T`.
fn fill<T: Copy>(
    creation: &DatasetCreate,
    kind: &Datatype,
    none: T,
    bytes: impl FnOnce(T) -> Vec<u8>,
) -> Result<Vec<u8>> {
    assert_eq!(kind.size(), size_of::<T>(), "an element in memory is what the library writes");
    sync(|| {
        let mut defined = H5D_fill_value_t::H5D_FILL_VALUE_UNDEFINED;
        // SAFETY: an open property list and a place for the answer.
        check(unsafe { H5Pfill_value_defined(creation.id(), &raw mut defined) })?;
        if defined != H5D_fill_value_t::H5D_FILL_VALUE_USER_DEFINED {
            return Ok(Vec::new());
        }
        let mut value = none;
        // SAFETY: the place has the size of an element of `kind`.
        check(unsafe { H5Pget_fill_value(creation.id(), kind.id(), (&raw mut value).cast()) })?;
        let bytes = bytes(value);
        // SAFETY: a plain call.
        let one = dataspace(unsafe { H5Screate(H5S_class_t::H5S_SCALAR) })?;
        // SAFETY: one element of `kind`, in memory that the library allocated; it is not used afterwards.
        check(unsafe { t::H5Treclaim(kind.id(), one.id(), H5P_DEFAULT, (&raw mut value).cast()) })?;
        Ok(bytes)
    })
}

/// Writes texts, none of which holds a zero byte, to a dense piece.
pub(crate) fn write_strings(
    dataset: &Dataset,
    kind: &Datatype,
    start: &[u64],
    count: &[u64],
    texts: &[Vec<u8>],
) -> Result<()> {
    let terminated: Vec<CString> = texts
        .iter()
        .map(|text| CString::new(&text[..]))
        .collect::<std::result::Result<_, _>>()
        .map_err(|_| hdf5::Error::from("a text holds a zero byte"))?;
    let addresses: Vec<*const c_char> = terminated.iter().map(|text| text.as_ptr()).collect();
    write(dataset, kind, (start, count), &addresses)
}

/// Writes sequences, packed elements of the datatype that `kind` is a sequence of, to a dense piece.
pub(crate) fn write_sequences(
    dataset: &Dataset,
    kind: &Datatype,
    start: &[u64],
    count: &[u64],
    sequences: &[Vec<u8>],
) -> Result<()> {
    let size = sync(|| {
        // SAFETY: an open datatype.
        datatype(unsafe { t::H5Tget_super(kind.id()) })
    })?
    .size();
    let sequence = |bytes: &Vec<u8>| {
        assert_eq!(bytes.len() % size, 0, "a sequence has whole elements");
        t::hvl_t { len: bytes.len() / size, p: bytes.as_ptr().cast_mut().cast() }
    };
    write(dataset, kind, (start, count), &sequences.iter().map(sequence).collect::<Vec<_>>())
}

/// Writes one `T`, as C lays it out, for each element. What it points to must be there for the call.
fn write<T>(dataset: &Dataset, kind: &Datatype, (start, count): (&[u64], &[u64]), elements: &[T]) -> Result<()> {
    assert_eq!(kind.size(), size_of::<T>(), "an element in memory is what the library reads");
    assert_eq!(count.iter().product::<u64>(), elements.len() as u64, "as many elements as the piece has");
    sync(|| {
        let (memory, file) = spaces(dataset, start, count)?;
        // SAFETY: the memory dataspace has as many elements as `elements`, each of the size of `kind`; what they point to
        // is only read.
        check(unsafe {
            H5Dwrite(dataset.id(), kind.id(), memory.id(), file.id(), H5P_DEFAULT, elements.as_ptr().cast())
        })?;
        Ok(())
    })
}

/// Sequences of elements of this datatype.
pub(crate) fn variable_sequence(element: &Datatype) -> Result<Datatype> {
    // SAFETY: an open datatype.
    sync(|| datatype(unsafe { t::H5Tvlen_create(element.id()) }))
}

/// Text that ends with a zero byte.
pub(crate) fn variable_string(utf8: bool) -> Result<Datatype> {
    let set = if utf8 { t::H5T_cset_t::H5T_CSET_UTF8 } else { t::H5T_cset_t::H5T_CSET_ASCII };
    sync(|| {
        // SAFETY: the library's own string type, then calls on the copy.
        unsafe {
            let kind = datatype(t::H5Tcopy(*t::H5T_C_S1))?;
            check(t::H5Tset_size(kind.id(), t::H5T_VARIABLE))?;
            check(t::H5Tset_cset(kind.id(), set))?;
            Ok(kind)
        }
    })
}

/// The name of the object that a reference, as the file holds it, leads to; `None` if it has no name.
pub(crate) fn referenced_name(object: &Location, reference: u64) -> Result<Option<String>> {
    sync(|| {
        let reference = (&raw const reference).cast();
        // SAFETY: an object reference is a number of 8 bytes; without a buffer the call gives the name's length.
        let length =
            check(unsafe { H5Rget_name(object.id(), H5R_type_t::H5R_OBJECT1, reference, ptr::null_mut(), 0) })?;
        let mut name = vec![0_u8; length.unsigned_abs() + 1];
        // SAFETY: the buffer has the length that is stated.
        check(unsafe {
            H5Rget_name(object.id(), H5R_type_t::H5R_OBJECT1, reference, name.as_mut_ptr().cast(), name.len())
        })?;
        name.truncate(length.unsigned_abs());
        Ok((!name.is_empty()).then(|| String::from_utf8_lossy(&name).into_owned()))
    })
}
