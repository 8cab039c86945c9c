//! Creating datasets.

use hdf5::sync::sync;
use hdf5::{Dataset, Dataspace, Datatype};
use hdf5_sys::h5::hsize_t;
use hdf5_sys::h5d::H5Dcreate_anon;
use hdf5_sys::h5o::{H5Odecr_refcount, H5Oincr_refcount};
use hdf5_sys::h5p::{
    H5P_CLS_DATASET_CREATE, H5P_DEFAULT, H5Pcreate, H5Pset_chunk, H5Pset_fill_value, H5Pset_filter,
    H5Pset_obj_track_times,
};
use hdf5_sys::h5s::{H5S_UNLIMITED, H5S_class_t, H5Screate, H5Screate_simple};

use super::{Handle, Result, check, dataspace, rank_of, virtual_map};
use crate::codec::StoredFilter;
use crate::virtual_dataset::VirtualMapping;

/// What a dataset is created with.
#[derive(Debug)]
pub(crate) struct Creation<'a> {
    pub(crate) kind: &'a Datatype,
    pub(crate) extents: &'a [u64],
    pub(crate) most: &'a [Option<u64>],
    /// `None`: contiguous.
    pub(crate) chunk: Option<&'a [u64]>,
    pub(crate) filters: &'a [StoredFilter],
    /// An element of `kind`.
    pub(crate) fill: Option<&'a [u8]>,
    /// The pieces of a virtual dataset; none otherwise.
    pub(crate) mappings: &'a [VirtualMapping],
}

/// Creates a dataset that has no name yet: it gets one by [`link_dataset`](super::link_dataset), or goes by
/// [`give_up`].
///
/// It is counted as linked once from the start. One that is not would be, once the library has taken its header out of
/// its cache and read it again, since files have no count of zero: the name is then a second link, and closing the
/// dataset removes it with the name left.
pub(crate) fn create(file: &hdf5::File, creation: &Creation) -> Result<Dataset> {
    sync(|| {
        let space = create_space(creation.extents, creation.most)?;
        let list = creation_list(creation)?;
        creation.mappings.iter().try_for_each(|mapping| virtual_map::add(&list, &space, mapping))?;
        // SAFETY: all identifiers are open.
        let id = unsafe { H5Dcreate_anon(file.id(), creation.kind.id(), space.id(), list.0, H5P_DEFAULT) };
        check(id)?;
        // SAFETY: a fresh identifier of a dataset, whose one reference passes to the binding.
        let dataset: Dataset = unsafe { hdf5::from_id(id) }?;
        // SAFETY: an open dataset.
        check(unsafe { H5Oincr_refcount(dataset.id()) })?;
        Ok(dataset)
    })
}

/// Removes a dataset that has got no name, once it is closed.
pub(crate) fn give_up(dataset: &Dataset) -> Result<()> {
    // SAFETY: an open dataset.
    sync(|| check(unsafe { H5Odecr_refcount(dataset.id()) })).map(|_| ())
}

pub(super) fn create_space(extents: &[u64], most: &[Option<u64>]) -> Result<Dataspace> {
    if extents.is_empty() {
        // SAFETY: a plain call.
        return dataspace(unsafe { H5Screate(H5S_class_t::H5S_SCALAR) });
    }
    let most: Vec<hsize_t> = most.iter().map(|extent| extent.unwrap_or(H5S_UNLIMITED)).collect();
    assert_eq!(most.len(), extents.len(), "as many maximal extents as extents");
    // SAFETY: both lists are as long as the stated rank.
    dataspace(unsafe { H5Screate_simple(rank_of(&most), extents.as_ptr(), most.as_ptr()) })
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
