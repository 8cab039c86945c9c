//! The mappings of virtual datasets. The binding has them, but cannot make unlimited ones, and cannot read back those of
//! dense pieces.

use std::ffi::c_char;
use std::ptr;

use hdf5::dataset::Layout;
use hdf5::sync::sync;
use hdf5::{Dataset, Dataspace};
use hdf5_sys::h5d::H5Dget_create_plist;
use hdf5_sys::h5i::hid_t;
use hdf5_sys::h5p::{
    H5Pget_virtual_count, H5Pget_virtual_dsetname, H5Pget_virtual_filename, H5Pget_virtual_srcspace,
    H5Pget_virtual_vspace, H5Pset_virtual,
};
use hdf5_sys::h5s::{
    H5S_UNLIMITED, H5S_sel_type, H5S_seloper_t, H5Sget_regular_hyperslab, H5Sget_select_hyper_blocklist,
    H5Sget_select_hyper_nblocks, H5Sget_select_type, H5Sget_simple_extent_ndims, H5Sis_regular_hyperslab,
    H5Sselect_hyperslab,
};

use super::{Handle, Result, check, count, create_space, dataspace, text};
use crate::virtual_dataset::{Block, Hyperslab, Region, VirtualMapping};

/// Blocks of a selection, at most: a small file may state very many.
const MOST_BLOCKS: u64 = 1 << 20;

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
    match region {
        Region::All => Ok(()),
        Region::Hyperslab(slab) => select_hyperslab(space, slab),
        Region::Blocks(_) | Region::Nothing | Region::Points => {
            Err(hdf5::Error::from("mappings are made of evenly spaced blocks only"))
        }
    }
}

fn select_hyperslab(space: &Dataspace, slab: &Hyperslab) -> Result<()> {
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
        let (list, mappings) = creation(dataset)?;
        (0..mappings).map(|number| mapping(&list, number)).collect()
    })
}

/// How many mappings a virtual dataset has, and file and dataset of the first `most`.
pub(crate) fn virtual_sources(dataset: &Dataset, most: usize) -> Result<(usize, Vec<(String, String)>)> {
    sync(|| {
        let (list, mappings) = creation(dataset)?;
        let first = (0..mappings.min(most)).map(|number| names(&list, number)).collect::<Result<_>>()?;
        Ok((mappings, first))
    })
}

/// The dataspace of a virtual dataset that has sources, as its file says it: they are not looked at.
pub(super) fn virtual_space(dataset: &Dataset) -> Result<Option<Dataspace>> {
    sync(|| {
        if dataset.layout() != Layout::Virtual {
            return Ok(None);
        }
        match creation(dataset)? {
            (_, 0) => Ok(None),
            // SAFETY: an open property list with a mapping.
            (list, _) => dataspace(unsafe { H5Pget_virtual_vspace(list.0, 0) }).map(Some),
        }
    })
}

/// What a virtual dataset was created with, and how many mappings that has.
fn creation(dataset: &Dataset) -> Result<(Handle, usize)> {
    // SAFETY: the dataset is open, and the handle owns its property list.
    let list = Handle::new(unsafe { H5Dget_create_plist(dataset.id()) })?;
    let mut mappings = 0;
    // SAFETY: an open property list and a place for the number.
    check(unsafe { H5Pget_virtual_count(list.0, &raw mut mappings) })?;
    Ok((list, mappings))
}

/// File and dataset of a mapping.
fn names(list: &Handle, number: usize) -> Result<(String, String)> {
    // SAFETY: an open property list, and a number below the count that it gave; the closures pass a buffer with its
    // length.
    let file = name(|buffer, length| unsafe { H5Pget_virtual_filename(list.0, number, buffer, length) })?;
    // SAFETY: as above.
    let dataset = name(|buffer, length| unsafe { H5Pget_virtual_dsetname(list.0, number, buffer, length) })?;
    Ok((file, dataset))
}

fn mapping(list: &Handle, number: usize) -> Result<VirtualMapping> {
    // SAFETY: an open property list, and a number below the count that it gave.
    let at = dataspace(unsafe { H5Pget_virtual_vspace(list.0, number) })?;
    // SAFETY: as above.
    let of = dataspace(unsafe { H5Pget_virtual_srcspace(list.0, number) })?;
    let (file, dataset) = names(list, number)?;
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
        _ => return Ok(Region::Points),
    }
    // SAFETY: the space is open and has hyperslabs selected.
    if check(unsafe { H5Sis_regular_hyperslab(id) })? == 0 {
        return blocks(space);
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

/// A union of blocks that are not evenly spaced.
fn blocks(space: &Dataspace) -> Result<Region> {
    // SAFETY: the space is open and has hyperslabs selected.
    let number = check(unsafe { H5Sget_select_hyper_nblocks(space.id()) })?.unsigned_abs();
    if number > MOST_BLOCKS {
        return Err(hdf5::Error::from(format!("a selection has {number} blocks")));
    }
    let rank = space.ndim();
    let mut corners = vec![0_u64; 2 * rank * number as usize];
    // SAFETY: room for two corners of each of so many blocks.
    check(unsafe { H5Sget_select_hyper_blocklist(space.id(), 0, number, corners.as_mut_ptr()) })?;
    let block = |corners: &[u64]| {
        let (first, last) = corners.split_at(rank);
        Block { start: first.to_vec(), count: first.iter().zip(last).map(|(first, last)| last - first + 1).collect() }
    };
    Ok(Region::Blocks(corners.chunks_exact(2 * rank).map(block).collect()))
}
