//! Elements and chunks through the library.

use std::ptr;

use hdf5::sync::sync;
use hdf5::{Dataset, Dataspace, Datatype};
use hdf5_sys::h5::{herr_t, hsize_t};
use hdf5_sys::h5d::{H5Dget_space, H5Dread, H5Dread_chunk, H5Dset_extent, H5Dwrite, H5Dwrite_chunk};
use hdf5_sys::h5i::hid_t;
use hdf5_sys::h5p::H5P_DEFAULT;
use hdf5_sys::h5s::{H5S_class_t, H5S_seloper_t, H5Screate, H5Screate_simple, H5Sselect_hyperslab};
use hdf5_sys::h5t::H5Tconvert;

use super::{Result, check, dataspace, rank_of};

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

unsafe extern "C" {
    // In the library since 1.10.2, but not in the binding.
    fn H5Dget_chunk_storage_size(dataset: hid_t, offset: *const hsize_t, bytes: *mut hsize_t) -> herr_t;
}

/// How many bytes are stored of the chunk whose first element is at `start`; 0 if it was never written.
pub(crate) fn chunk_size(dataset: &Dataset, start: &[u64]) -> Result<u64> {
    assert_eq!(start.len(), dataset.ndim(), "a chunk starts at a position of its dataset");
    let mut bytes = 0;
    // SAFETY: an open chunked dataset, a position of its rank, and a place for the answer.
    let asked = sync(|| check(unsafe { H5Dget_chunk_storage_size(dataset.id(), start.as_ptr(), &raw mut bytes) }));
    match asked {
        Ok(_) => Ok(bytes),
        Err(error) if says(&error, "storage is not allocated") => Ok(0), // no chunk was written yet
        Err(error) => Err(error),
    }
}

/// Whether the library's reasons for an error are of this kind.
fn says(error: &hdf5::Error, words: &str) -> bool {
    error.stack().is_some_and(|stack| stack.iter().any(|frame| frame.desc().contains(words)))
}

/// Reads the stored bytes of a chunk, which are as many as `out` has: its filter mask.
pub(crate) fn read_chunk(dataset: &Dataset, start: &[u64], out: &mut [u8]) -> Result<u32> {
    assert_eq!(start.len(), dataset.ndim(), "a chunk starts at a position of its dataset");
    let (mut filter_mask, mut length) = (0, out.len());
    sync(|| {
        // SAFETY: an open chunked dataset, a position of its rank, and a buffer of the stated length, which the library
        // does not exceed.
        check(unsafe {
            H5Dread_chunk(
                dataset.id(),
                H5P_DEFAULT,
                start.as_ptr(),
                &raw mut filter_mask,
                out.as_mut_ptr().cast(),
                &raw mut length,
            )
        })
    })?;
    Ok(filter_mask)
}

/// Gives the dataset other extents.
pub(crate) fn set_extents(dataset: &Dataset, extents: &[u64]) -> Result<()> {
    assert_eq!(extents.len(), dataset.ndim(), "as many extents as axes");
    // SAFETY: an open dataset and as many extents as it has axes.
    sync(|| check(unsafe { H5Dset_extent(dataset.id(), extents.as_ptr()) }))?;
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

/// Converts elements of `from`, packed in `data`, to elements of `to`, packed at its start. `data` and `background`
/// hold as many elements of the larger, and of `to`.
pub(crate) fn convert(
    from: &Datatype,
    to: &Datatype,
    elements: usize,
    data: &mut [u8],
    background: &mut [u8],
) -> Result<()> {
    assert!(data.len() >= elements * from.size().max(to.size()), "a buffer holds the elements before and after");
    assert!(background.len() >= elements * to.size(), "a background holds the elements after");
    let (data, background) = (data.as_mut_ptr().cast(), background.as_mut_ptr().cast());
    // SAFETY: two open datatypes, and buffers that hold as many elements as the call works on.
    sync(|| check(unsafe { H5Tconvert(from.id(), to.id(), elements, data, background, H5P_DEFAULT) }))?;
    Ok(())
}

/// Dataspaces of a dense piece: in memory, and selected in the file.
pub(super) fn spaces(dataset: &Dataset, start: &[u64], count: &[u64]) -> Result<(Dataspace, Dataspace)> {
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
