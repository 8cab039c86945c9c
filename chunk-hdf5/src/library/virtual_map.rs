//! The mappings of virtual datasets. The binding has them, but cannot make unlimited ones, and cannot read back those of
//! dense pieces.

use std::ffi::c_char;
use std::ptr;

use hdf5::sync::sync;
use hdf5::{Dataset, Dataspace};
use hdf5_sys::h5d::H5Dget_create_plist;
use hdf5_sys::h5i::hid_t;
use hdf5_sys::h5p::{
    H5Pget_virtual_count, H5Pget_virtual_dsetname, H5Pget_virtual_filename, H5Pget_virtual_srcspace,
    H5Pget_virtual_vspace, H5Pset_virtual,
};
use hdf5_sys::h5s::{
    H5S_UNLIMITED, H5S_sel_type, H5S_seloper_t, H5Sget_regular_hyperslab, H5Sget_select_type,
    H5Sget_simple_extent_ndims, H5Sis_regular_hyperslab, H5Sselect_hyperslab,
};

use super::{Handle, Result, check, count, create_space, dataspace, text};
use crate::virtual_dataset::{Hyperslab, Region, VirtualMapping};

/// Adds `mapping` to a property list of dataset creation.
pub(super) fn add(list: &Handle, space: &Dataspace, mapping: &VirtualMapping) -> Result<()> {
    let (file, dataset) = (text(&mapping.file)?, text(&mapping.dataset)?);
    // libhdf5 keeps both spaces as copies.
    let virtual_space = space.copy();
    select(&virtual_space, &mapping.at)?;
    let most = most_of(&mapping.source_shape, &mapping.of);
    let source_space = create_space(&mapping.source_shape, &most)?;
    select(&source_space, &mapping.of)?;
    // SAFETY: all identifiers are open and both names end with a zero.
    check(unsafe { H5Pset_virtual(list.0, virtual_space.id(), file.as_ptr(), dataset.as_ptr(), source_space.id()) })?;
    Ok(())
}

/// The maximal extents of a source: without end where the selection is.
fn most_of(shape: &[u64], region: &Region) -> Vec<Option<u64>> {
    let endless = |axis: usize| match region {
        Region::Hyperslab(slab) => slab.count[axis].is_none() || slab.block[axis].is_none(),
        _ => false,
    };
    shape.iter().enumerate().map(|(axis, extent)| (!endless(axis)).then_some(*extent)).collect()
}

fn select(space: &Dataspace, region: &Region) -> Result<()> {
    let Region::Hyperslab(slab) = region else { return Ok(()) };
    let endless = |extents: &[Option<u64>]| extents.iter().map(|extent| extent.unwrap_or(H5S_UNLIMITED)).collect();
    let (counts, blocks): (Vec<u64>, Vec<u64>) = (endless(&slab.count), endless(&slab.block));
    let rank = space.ndim();
    let ranks = [slab.start.len(), slab.stride.len(), counts.len(), blocks.len()];
    if ranks != [rank; 4] {
        return Err(hdf5::Error::from("a hyperslab has as many axes as its space"));
    }
    let set = H5S_seloper_t::H5S_SELECT_SET;
    // SAFETY: all four lists are as long as the rank of the space, which is open.
    check(unsafe {
        H5Sselect_hyperslab(
            space.id(),
            set,
            slab.start.as_ptr(),
            slab.stride.as_ptr(),
            counts.as_ptr(),
            blocks.as_ptr(),
        )
    })?;
    Ok(())
}

/// The mappings of a virtual dataset.
pub(crate) fn virtual_mappings(dataset: &Dataset) -> Result<Vec<VirtualMapping>> {
    sync(|| {
        // SAFETY: the dataset is open, and the handle owns its property list.
        let list = Handle::new(unsafe { H5Dget_create_plist(dataset.id()) })?;
        let mut mappings = 0;
        // SAFETY: an open property list and a place for the number.
        check(unsafe { H5Pget_virtual_count(list.0, &raw mut mappings) })?;
        (0..mappings).map(|number| mapping(&list, number)).collect()
    })
}

fn mapping(list: &Handle, number: usize) -> Result<VirtualMapping> {
    // SAFETY: an open property list, and a number below the count that it gave.
    let at = dataspace(unsafe { H5Pget_virtual_vspace(list.0, number) })?;
    // SAFETY: as above.
    let of = dataspace(unsafe { H5Pget_virtual_srcspace(list.0, number) })?;
    // SAFETY: as above; the closures pass a buffer with its length.
    let file = name(|buffer, length| unsafe { H5Pget_virtual_filename(list.0, number, buffer, length) })?;
    // SAFETY: as above.
    let dataset = name(|buffer, length| unsafe { H5Pget_virtual_dsetname(list.0, number, buffer, length) })?;
    let source_shape = of.shape().into_iter().map(|extent| extent as u64).collect();
    Ok(VirtualMapping { file, dataset, at: region(&at)?, of: region(&of)?, source_shape })
}

/// A text that the library copies into a buffer.
fn name(get: impl Fn(*mut c_char, usize) -> isize) -> Result<String> {
    let length = check_length(get(ptr::null_mut(), 0))?;
    let mut bytes = vec![0_u8; length + 1];
    check_length(get(bytes.as_mut_ptr().cast(), bytes.len()))?;
    bytes.truncate(length);
    String::from_utf8(bytes).map_err(|_| hdf5::Error::from("the name of a source is not UTF-8"))
}

fn check_length(length: isize) -> Result<usize> {
    match usize::try_from(length) {
        Ok(length) => Ok(length),
        Err(_) => Err(hdf5::Error::query()?),
    }
}

fn region(space: &Dataspace) -> Result<Region> {
    let id: hid_t = space.id();
    // SAFETY: the space is open.
    match unsafe { H5Sget_select_type(id) } {
        H5S_sel_type::H5S_SEL_ALL => return Ok(Region::All),
        H5S_sel_type::H5S_SEL_HYPERSLABS => {}
        H5S_sel_type::H5S_SEL_NONE => return Ok(Region::Nothing),
        _ => return Ok(Region::Irregular),
    }
    // SAFETY: the space is open and has hyperslabs selected.
    if check(unsafe { H5Sis_regular_hyperslab(id) })? == 0 {
        return Ok(Region::Irregular);
    }
    // SAFETY: the space is open.
    let rank = count(unsafe { H5Sget_simple_extent_ndims(id) })?;
    let [mut start, mut stride, mut counts, mut blocks] = [(); 4].map(|()| vec![0_u64; rank]);
    // SAFETY: four lists as long as the rank.
    check(unsafe {
        H5Sget_regular_hyperslab(id, start.as_mut_ptr(), stride.as_mut_ptr(), counts.as_mut_ptr(), blocks.as_mut_ptr())
    })?;
    let endless =
        |extents: Vec<u64>| extents.into_iter().map(|extent| (extent != H5S_UNLIMITED).then_some(extent)).collect();
    Ok(Region::Hyperslab(Hyperslab { start, stride, count: endless(counts), block: endless(blocks) }))
}
