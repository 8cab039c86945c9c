//! The calls of libhdf5 that the safe binding lacks. All unsafe code on HDF5 is in this file.
//!
//! Every call runs inside [`sync`], which takes the binding's one lock, initialises the library and keeps it from
//! printing. Identifiers are owned by the binding's types, which close them.

use std::ffi::{CStr, CString, c_int, c_uint};
use std::ptr;

use hdf5::sync::sync;
use hdf5::types::{FloatSize, TypeDescriptor};
use hdf5::{Attribute, Dataset, Dataspace, Datatype};
use hdf5_sys::h5::{H5free_memory, H5get_libversion, hsize_t};
use hdf5_sys::h5a::H5Aread;
use hdf5_sys::h5d::{
    H5D_fill_value_t, H5Dcreate2, H5Dget_create_plist, H5Dget_space, H5Dget_storage_size, H5Dget_type, H5Dread,
    H5Dwrite, H5Dwrite_chunk,
};
use hdf5_sys::h5i::{H5Idec_ref, hid_t};
use hdf5_sys::h5p::{
    H5P_CLS_DATASET_CREATE, H5P_CLS_LINK_CREATE, H5P_DEFAULT, H5Pcreate, H5Pfill_value_defined, H5Pget_external_count,
    H5Pget_fill_value, H5Pget_filter2, H5Pget_nfilters, H5Pset_chunk, H5Pset_create_intermediate_group,
    H5Pset_fill_value, H5Pset_filter, H5Pset_obj_track_times,
};
use hdf5_sys::h5s::{
    H5S_UNLIMITED, H5S_class_t, H5S_seloper_t, H5Screate, H5Screate_simple, H5Sget_simple_extent_dims,
    H5Sget_simple_extent_ndims, H5Sget_simple_extent_type, H5Sselect_hyperslab,
};
use hdf5_sys::h5t as t;

use crate::codec::StoredFilter;

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

/// Extents of a dataset now, and at most; `None` is without end.
pub(crate) type Extents = (Vec<u64>, Vec<Option<u64>>);

/// The dataset's extents; the outer `None` is a dataset without a value.
pub(crate) fn extents(dataset: &Dataset) -> Result<Option<Extents>> {
    sync(|| {
        // SAFETY: the dataset is open; the two buffers are as long as the rank that the library gave.
        unsafe {
            let space = dataspace(H5Dget_space(dataset.id()))?;
            if H5Sget_simple_extent_type(space.id()) == H5S_class_t::H5S_NULL {
                return Ok(None);
            }
            let rank = count(H5Sget_simple_extent_ndims(space.id()))?;
            let (mut now, mut most) = (vec![0; rank], vec![0; rank]);
            check(H5Sget_simple_extent_dims(space.id(), now.as_mut_ptr(), most.as_mut_ptr()))?;
            let most = most.into_iter().map(|extent| (extent != H5S_UNLIMITED).then_some(extent)).collect();
            Ok(Some((now, most)))
        }
    })
}

/// Bytes that the dataset's elements take in the file.
pub(crate) fn storage_size(dataset: &Dataset) -> u64 {
    // SAFETY: the dataset is open.
    sync(|| unsafe { H5Dget_storage_size(dataset.id()) })
}

/// The filters of a dataset, in the order they are applied on writing, and how many external files hold it.
pub(crate) fn filters(dataset: &Dataset) -> Result<(Vec<StoredFilter>, usize)> {
    sync(|| {
        // SAFETY: the dataset is open, and the handle owns its property list.
        let list = Handle::new(unsafe { H5Dget_create_plist(dataset.id()) })?;
        // SAFETY: an open property list of dataset creation.
        let external = count(unsafe { H5Pget_external_count(list.0) })?;
        // SAFETY: as above.
        let filters = count(unsafe { H5Pget_nfilters(list.0) })?;
        let filters = (0..filters as c_uint).map(|number| filter(&list, number)).collect::<Result<_>>()?;
        Ok((filters, external))
    })
}

fn filter(list: &Handle, number: c_uint) -> Result<StoredFilter> {
    const NAME: usize = 256;
    let mut flags = 0;
    let mut count = 0;
    // SAFETY: a first call with no room for values asks for their number only.
    check(unsafe {
        H5Pget_filter2(
            list.0,
            number,
            &raw mut flags,
            &raw mut count,
            ptr::null_mut(),
            0,
            ptr::null_mut(),
            ptr::null_mut(),
        )
    })?;
    let mut values = vec![0; count];
    let mut name = [0; NAME];
    // SAFETY: `values` has room for `count` numbers and `name` for its length, terminator included.
    let id = check(unsafe {
        H5Pget_filter2(
            list.0,
            number,
            &raw mut flags,
            &raw mut count,
            values.as_mut_ptr(),
            NAME,
            name.as_mut_ptr(),
            ptr::null_mut(),
        )
    })?;
    values.truncate(count);
    // SAFETY: the library ends the name with a zero within the length it was given; the array began as zeros.
    let name = unsafe { CStr::from_ptr(name.as_ptr()) }.to_string_lossy().into_owned();
    Ok(StoredFilter { id: id.cast_unsigned(), flags, name, values })
}

/// The fill value that the dataset states, as bytes of `kind`; `None` if it is undefined.
pub(crate) fn fill_value(dataset: &Dataset, kind: &Datatype) -> Result<Option<Vec<u8>>> {
    sync(|| {
        // SAFETY: the dataset is open, and the handle owns its property list.
        let list = Handle::new(unsafe { H5Dget_create_plist(dataset.id()) })?;
        let mut defined = H5D_fill_value_t::H5D_FILL_VALUE_UNDEFINED;
        // SAFETY: an open property list and a place for the answer.
        check(unsafe { H5Pfill_value_defined(list.0, &raw mut defined) })?;
        if defined == H5D_fill_value_t::H5D_FILL_VALUE_UNDEFINED {
            return Ok(None);
        }
        let mut bytes = vec![0; kind.size()];
        // SAFETY: the buffer has the size of an element of `kind`.
        check(unsafe { H5Pget_fill_value(list.0, kind.id(), bytes.as_mut_ptr().cast()) })?;
        Ok(Some(bytes))
    })
}

/// The datatype that the dataset states.
pub(crate) fn stored_type(dataset: &Dataset) -> Result<Datatype> {
    // SAFETY: the dataset is open.
    sync(|| datatype(unsafe { H5Dget_type(dataset.id()) }))
}

/// What a datatype is, one level deep.
#[derive(Debug)]
pub(crate) enum Class {
    Integer { signed: bool, plain: bool },
    Float { sign: usize, exponent: (usize, usize), mantissa: (usize, usize), bias: usize },
    Complex { part: Datatype },
    FixedString { utf8: bool },
    Bitfield { plain: bool },
    Opaque { tag: String },
    Compound { members: Vec<Member> },
    Enum { base: Datatype, members: Vec<(String, Vec<u8>)> },
    Array { element: Datatype, extents: Vec<u64> },
    Other(&'static str),
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
                Class::Integer { signed, plain: is_plain(kind) }
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
            t::H5T_class_t::H5T_VLEN => Class::Other("variable-length data"),
            t::H5T_class_t::H5T_REFERENCE => Class::Other("references"),
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
    // SAFETY: an open string type.
    if check(unsafe { t::H5Tis_variable_str(kind.id()) })? > 0 {
        return Ok(Class::Other("variable-length text"));
    }
    // SAFETY: an open string type.
    let set = unsafe { t::H5Tget_cset(kind.id()) };
    Ok(Class::FixedString { utf8: set == t::H5T_cset_t::H5T_CSET_UTF8 })
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

/// Takes over a text that the library allocated.
fn owned_text(text: *mut std::ffi::c_char) -> Result<String> {
    if text.is_null() {
        return Err(hdf5::Error::query()?);
    }
    // SAFETY: the library gives texts that end with a zero.
    let copy = unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned();
    // SAFETY: the library allocated the text and leaves it to its caller to free.
    unsafe { H5free_memory(text.cast()) };
    Ok(copy)
}

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
    let set = if utf8 { t::H5T_cset_t::H5T_CSET_UTF8 } else { t::H5T_cset_t::H5T_CSET_ASCII };
    sync(|| {
        // SAFETY: the library's own string type, then calls on the copy.
        unsafe {
            let kind = datatype(t::H5Tcopy(*t::H5T_C_S1))?;
            check(t::H5Tset_size(kind.id(), size))?;
            check(t::H5Tset_strpad(kind.id(), t::H5T_str_t::H5T_STR_NULLPAD))?;
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

fn text(text: &str) -> Result<CString> {
    CString::new(text).map_err(|_| hdf5::Error::from(format!("{text:?} holds a zero byte")))
}

/// What a dataset is created with.
#[derive(Debug)]
pub(crate) struct Creation<'a> {
    pub(crate) name: &'a str,
    pub(crate) kind: &'a Datatype,
    pub(crate) extents: &'a [u64],
    pub(crate) most: &'a [Option<u64>],
    /// `None`: contiguous.
    pub(crate) chunk: Option<&'a [u64]>,
    pub(crate) filters: &'a [StoredFilter],
    /// An element of `kind`.
    pub(crate) fill: Option<&'a [u8]>,
}

/// Creates a dataset, and the groups that its name goes through.
pub(crate) fn create(file: &hdf5::File, creation: &Creation) -> Result<Dataset> {
    let name = text(creation.name)?;
    sync(|| {
        let space = create_space(creation)?;
        let list = creation_list(creation)?;
        // SAFETY: a plain call that makes a property list, owned by the handle.
        let links = Handle::new(unsafe { H5Pcreate(*H5P_CLS_LINK_CREATE) })?;
        // SAFETY: an open property list of link creation.
        check(unsafe { H5Pset_create_intermediate_group(links.0, 1) })?;
        // SAFETY: all identifiers are open and the name ends with a zero.
        let id = unsafe {
            H5Dcreate2(file.id(), name.as_ptr(), creation.kind.id(), space.id(), links.0, list.0, H5P_DEFAULT)
        };
        check(id)?;
        // SAFETY: a fresh identifier of a dataset, whose one reference passes to the binding.
        unsafe { hdf5::from_id(id) }
    })
}

fn create_space(creation: &Creation) -> Result<Dataspace> {
    if creation.extents.is_empty() {
        // SAFETY: a plain call.
        return dataspace(unsafe { H5Screate(H5S_class_t::H5S_SCALAR) });
    }
    let most: Vec<hsize_t> = creation.most.iter().map(|extent| extent.unwrap_or(H5S_UNLIMITED)).collect();
    assert_eq!(most.len(), creation.extents.len(), "as many maximal extents as extents");
    // SAFETY: both lists are as long as the stated rank.
    dataspace(unsafe { H5Screate_simple(rank_of(&most), creation.extents.as_ptr(), most.as_ptr()) })
}

fn creation_list(creation: &Creation) -> Result<Handle> {
    // SAFETY: a plain call that makes a property list, owned by the handle.
    let list = Handle::new(unsafe { H5Pcreate(*H5P_CLS_DATASET_CREATE) })?;
    // SAFETY: an open property list of dataset creation. Times would make equal data unequal files.
    check(unsafe { H5Pset_obj_track_times(list.0, 0) })?;
    if let Some(chunk) = creation.chunk {
        // SAFETY: as many extents as the stated rank.
        check(unsafe { H5Pset_chunk(list.0, rank_of(chunk), chunk.as_ptr()) })?;
    }
    for filter in creation.filters {
        let (id, values) = (filter.id.cast_signed(), &filter.values);
        // SAFETY: as many values as stated.
        check(unsafe { H5Pset_filter(list.0, id, filter.flags, values.len(), values.as_ptr()) })?;
    }
    if let Some(fill) = creation.fill {
        assert_eq!(fill.len(), creation.kind.size(), "a fill value is one element");
        // SAFETY: the value has the size of an element of the datatype.
        check(unsafe { H5Pset_fill_value(list.0, creation.kind.id(), fill.as_ptr().cast()) })?;
    }
    Ok(list)
}

/// Writes the stored bytes of one chunk, whose first element is at `start`.
pub(crate) fn write_chunk(dataset: &Dataset, start: &[u64], filter_mask: u32, stored: &[u8]) -> Result<()> {
    assert_eq!(start.len(), dataset.ndim(), "a chunk starts at a position of its dataset");
    sync(|| {
        // SAFETY: an open chunked dataset, a position of its rank, and a buffer of the stated length.
        check(unsafe {
            H5Dwrite_chunk(dataset.id(), H5P_DEFAULT, filter_mask, start.as_ptr(), stored.len(), stored.as_ptr().cast())
        })
    })?;
    Ok(())
}

/// Reads a dense piece through the library, without converting elements: as the file's `kind` has them.
pub(crate) fn read(dataset: &Dataset, kind: &Datatype, start: &[u64], count: &[u64], out: &mut [u8]) -> Result<()> {
    check_length(kind, count, out.len());
    sync(|| {
        let (memory, file) = spaces(dataset, start, count)?;
        // SAFETY: the memory dataspace has as many elements as the selection, and the buffer holds them.
        check(unsafe {
            H5Dread(dataset.id(), kind.id(), memory.id(), file.id(), H5P_DEFAULT, out.as_mut_ptr().cast())
        })?;
        Ok(())
    })
}

/// Writes a dense piece through the library, without converting elements.
pub(crate) fn write(dataset: &Dataset, kind: &Datatype, start: &[u64], count: &[u64], data: &[u8]) -> Result<()> {
    check_length(kind, count, data.len());
    sync(|| {
        let (memory, file) = spaces(dataset, start, count)?;
        // SAFETY: the memory dataspace has as many elements as the selection, and the buffer holds them.
        check(unsafe { H5Dwrite(dataset.id(), kind.id(), memory.id(), file.id(), H5P_DEFAULT, data.as_ptr().cast()) })?;
        Ok(())
    })
}

fn check_length(kind: &Datatype, count: &[u64], length: usize) {
    let elements: u64 = count.iter().product();
    assert_eq!(elements * kind.size() as u64, length as u64, "a buffer holds the elements of its piece");
}

/// Dataspaces of a dense piece: in memory, and selected in the file.
fn spaces(dataset: &Dataset, start: &[u64], count: &[u64]) -> Result<(Dataspace, Dataspace)> {
    // SAFETY: the dataset is open.
    let file = dataspace(unsafe { H5Dget_space(dataset.id()) })?;
    if start.is_empty() {
        // SAFETY: a plain call.
        return Ok((dataspace(unsafe { H5Screate(H5S_class_t::H5S_SCALAR) })?, file));
    }
    assert!(start.len() == dataset.ndim() && count.len() == start.len(), "a piece has the rank of its dataset");
    // SAFETY: as many extents as the stated rank; no maximum.
    let memory = dataspace(unsafe { H5Screate_simple(rank_of(count), count.as_ptr(), ptr::null()) })?;
    // SAFETY: start and count have the rank of the dataspace; stride and block default to one.
    check(unsafe {
        H5Sselect_hyperslab(
            file.id(),
            H5S_seloper_t::H5S_SELECT_SET,
            start.as_ptr(),
            ptr::null(),
            count.as_ptr(),
            ptr::null(),
        )
    })?;
    Ok((memory, file))
}

/// The elements of an attribute, as the file's `kind` has them.
pub(crate) fn attribute_bytes(attribute: &Attribute, kind: &Datatype) -> Result<Vec<u8>> {
    let mut bytes = vec![0; attribute.size() * kind.size()];
    // SAFETY: the buffer holds as many elements of `kind` as the attribute has.
    sync(|| check(unsafe { H5Aread(attribute.id(), kind.id(), bytes.as_mut_ptr().cast()) }))?;
    Ok(bytes)
}
