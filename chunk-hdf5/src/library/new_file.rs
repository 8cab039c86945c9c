//! Making files.

use std::path::Path;

use hdf5::plist::{FileAccess, FileCreate};
use hdf5::sync::sync;
use hdf5_sys::h5f::{H5F_ACC_TRUNC, H5Fcreate};
use hdf5_sys::h5p::H5Pset_obj_track_times;

use super::{Result, check};
use crate::tree;

/// Makes the file at `path`, which may be there and empty, through the library's own driver.
pub(crate) fn create_file(path: &Path) -> Result<hdf5::File> {
    let name = path.to_str().ok_or_else(|| hdf5::Error::from(format!("the path {} is not UTF-8", path.display())))?;
    let name = super::text(name)?;
    let (creation, access) = (creation_list()?, access_list()?);
    sync(|| {
        // SAFETY: the name ends with a zero and both property lists are open.
        let id = check(unsafe { H5Fcreate(name.as_ptr(), H5F_ACC_TRUNC, creation.id(), access.id()) })?;
        // SAFETY: a fresh identifier of a file, whose one reference passes to the binding.
        unsafe { hdf5::from_id(id) }
    })
}

/// How new files are made: their root keeps the order of what is put into it, and not its time, which would make equal
/// data unequal files.
pub(super) fn creation_list() -> Result<FileCreate> {
    let mut builder = FileCreate::build();
    builder.link_creation_order(tree::LINK_ORDER);
    let list = builder.finish()?;
    // SAFETY: an open property list of file creation, which is one of group creation as well.
    sync(|| check(unsafe { H5Pset_obj_track_times(list.id(), 0) }))?;
    Ok(list)
}

/// How files are open to be changed: without chunks of the library's own in memory, and without its locks.
pub(super) fn access_list() -> Result<FileAccess> {
    let mut builder = FileAccess::build();
    builder.chunk_cache(0, 0, 0.0).libver_v110().file_locking(false);
    builder.finish()
}
