//! What a dataset states of itself.

use std::ffi::{CStr, c_uint};
use std::mem::MaybeUninit;
use std::ptr;

use hdf5::plist::DatasetCreate;
use hdf5::sync::sync;
use hdf5::{Dataset, Datatype};
use hdf5_sys::h5::{haddr_t, herr_t};
use hdf5_sys::h5d::{
    H5D_fill_value_t, H5Dget_chunk_index_type, H5Dget_create_plist, H5Dget_space, H5Dget_storage_size, H5Dget_type,
};
use hdf5_sys::h5i::hid_t;
use hdf5_sys::h5o::{H5O_INFO_BASIC, H5O_info2_t, H5O_token_t, H5Oget_info3};
use hdf5_sys::h5p::{
    H5Pfill_value_defined, H5Pget_chunk_opts, H5Pget_external, H5Pget_external_count, H5Pget_fill_value,
    H5Pget_filter2, H5Pget_nfilters,
};
use hdf5_sys::h5s::{
    H5S_UNLIMITED, H5S_class_t, H5Sget_simple_extent_dims, H5Sget_simple_extent_ndims, H5Sget_simple_extent_type,
};
use hdf5_sys::h5t::H5Tcopy;

use super::{Handle, Result, check, count, dataspace, datatype, virtual_space};
use crate::codec::StoredFilter;

/// Extents of a dataset now, and at most; `None` is without end.
pub(crate) type Extents = (Vec<u64>, Vec<Option<u64>>);

/// The dataset's extents; the outer `None` is a dataset without a value. Those of a virtual dataset are what its file
/// says: where it is without end, its sources may reach farther.
pub(crate) fn extents(dataset: &Dataset) -> Result<Option<Extents>> {
    sync(|| {
        // SAFETY: the dataset is open; the two buffers are as long as the rank that the library gave.
        unsafe {
            // Asked for the space of a virtual dataset without end, the library would open whatever its sources are.
            let space = match virtual_space(dataset)? {
                Some(space) => space,
                None => dataspace(H5Dget_space(dataset.id()))?,
            };
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
pub(crate) fn filters(creation: &DatasetCreate) -> Result<(Vec<StoredFilter>, usize)> {
    sync(|| {
        // SAFETY: an open property list of dataset creation.
        let external = count(unsafe { H5Pget_external_count(creation.id()) })?;
        // SAFETY: as above.
        let filters = count(unsafe { H5Pget_nfilters(creation.id()) })?;
        let filters = (0..filters as c_uint).map(|number| filter(creation, number)).collect::<Result<_>>()?;
        Ok((filters, external))
    })
}

fn filter(creation: &DatasetCreate, number: c_uint) -> Result<StoredFilter> {
    const NAME: usize = 256;
    let mut flags = 0;
    let mut count = 0;
    // SAFETY: a first call with no room for values asks for their number only.
    check(unsafe {
        H5Pget_filter2(
            creation.id(),
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
            creation.id(),
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

/// A piece of a dataset in a file beside its own.
#[derive(Clone, Debug)]
pub(crate) struct ExternalPiece {
    pub(crate) name: String,
    pub(crate) offset: u64,
    /// Bytes; `None` is all the rest.
    pub(crate) size: Option<u64>,
}

/// Where the pieces of an external dataset are, in order.
pub(crate) fn external_pieces(dataset: &Dataset) -> Result<Vec<ExternalPiece>> {
    const NAME: usize = 4096;
    sync(|| {
        // SAFETY: the dataset is open, and the handle owns its property list.
        let list = Handle::new(unsafe { H5Dget_create_plist(dataset.id()) })?;
        // SAFETY: an open property list of dataset creation.
        let pieces = count(unsafe { H5Pget_external_count(list.0) })?;
        let piece = |number| {
            let mut name = [0; NAME + 1];
            let (mut offset, mut size) = (0, 0);
            // SAFETY: `name` has room for one byte more than stated, and stays zero there; two places for numbers.
            check(unsafe { H5Pget_external(list.0, number, NAME, name.as_mut_ptr(), &raw mut offset, &raw mut size) })?;
            // SAFETY: the last byte is zero.
            let name = unsafe { CStr::from_ptr(name.as_ptr()) }.to_string_lossy().into_owned();
            let offset = u64::try_from(offset).map_err(|_| hdf5::Error::from("a negative offset"))?;
            Ok(ExternalPiece { name, offset, size: (size != u64::MAX).then_some(size) })
        };
        (0..pieces as c_uint).map(piece).collect()
    })
}

/// The fill value that the dataset states, as bytes of `kind`; `None` if it is undefined.
pub(crate) fn fill_value(creation: &DatasetCreate, kind: &Datatype) -> Result<Option<Vec<u8>>> {
    sync(|| {
        let mut defined = H5D_fill_value_t::H5D_FILL_VALUE_UNDEFINED;
        // SAFETY: an open property list and a place for the answer.
        check(unsafe { H5Pfill_value_defined(creation.id(), &raw mut defined) })?;
        if defined == H5D_fill_value_t::H5D_FILL_VALUE_UNDEFINED {
            return Ok(None);
        }
        let mut bytes = vec![0; kind.size()];
        // SAFETY: the buffer has the size of an element of `kind`.
        check(unsafe { H5Pget_fill_value(creation.id(), kind.id(), bytes.as_mut_ptr().cast()) })?;
        Ok(Some(bytes))
    })
}

/// Whether the chunks are found by an extensible array: the index of datasets with one unlimited axis.
pub(crate) fn has_extensible_array(dataset: &Dataset) -> Result<bool> {
    const EXTENSIBLE_ARRAY: c_uint = 4;
    let mut kind = 0;
    // SAFETY: an open chunked dataset, and a place for the answer.
    sync(|| check(unsafe { H5Dget_chunk_index_type(dataset.id(), &raw mut kind) }))?;
    Ok(kind == EXTENSIBLE_ARRAY)
}

/// Whether chunks that reach past the end of the dataset skip the filters.
pub(crate) fn leaves_edges_unfiltered(dataset: &Dataset) -> Result<bool> {
    sync(|| {
        // SAFETY: the dataset is open, and the handle owns its property list.
        let list = Handle::new(unsafe { H5Dget_create_plist(dataset.id()) })?;
        let mut options = 0;
        // SAFETY: an open property list of a chunked dataset, and a place for the answer.
        check(unsafe { H5Pget_chunk_opts(list.0, &raw mut options) })?;
        Ok(options != 0)
    })
}

unsafe extern "C" {
    // In the library since 1.12, but not in the binding.
    fn H5VLnative_token_to_addr(object: hid_t, token: H5O_token_t, address: *mut haddr_t) -> herr_t;
}

/// Where the dataset's object header is, from the base of the file's addresses on.
pub(crate) fn header_address(dataset: &Dataset) -> Result<u64> {
    let mut info = MaybeUninit::<H5O_info2_t>::uninit();
    let mut address = 0;
    sync(|| {
        // SAFETY: the dataset is open, and there is a place for the answer, which is filled if the call succeeds.
        let token = unsafe {
            check(H5Oget_info3(dataset.id(), info.as_mut_ptr(), H5O_INFO_BASIC))?;
            info.assume_init().token
        };
        // SAFETY: the dataset is open, its token is of the same file, and there is a place for the answer.
        check(unsafe { H5VLnative_token_to_addr(dataset.id(), token, &raw mut address) })
    })?;
    Ok(address)
}

/// The datatype that the dataset states; as a copy, for one with a name would keep the file open.
pub(crate) fn stored_type(dataset: &Dataset) -> Result<Datatype> {
    sync(|| {
        // SAFETY: the dataset is open.
        let stated = datatype(unsafe { H5Dget_type(dataset.id()) })?;
        // SAFETY: the datatype is open.
        datatype(unsafe { H5Tcopy(stated.id()) })
    })
}
