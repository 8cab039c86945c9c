//! Changing what names lead to.

use hdf5::sync::sync;
use hdf5::{Dataset, File};
use hdf5_sys::h5f::H5Fget_freespace;
use hdf5_sys::h5l::{H5L_SAME_LOC, H5Lcreate_soft, H5Lmove};
use hdf5_sys::h5o::{H5Ocopy, H5Olink};
use hdf5_sys::h5p::{H5P_CLS_LINK_CREATE, H5P_DEFAULT, H5Pcreate, H5Pset_char_encoding};
use hdf5_sys::h5t::H5T_cset_t;

use super::create::give_up;
use super::{Handle, Result, check, text};

/// Gives a dataset that has none a name in its file. The groups on the way are there.
pub(crate) fn link_dataset(file: &File, dataset: &Dataset, name: &str) -> Result<()> {
    let name = text(name)?;
    sync(|| {
        let links = link_list()?;
        // SAFETY: all identifiers are open and the name ends with a zero.
        check(unsafe { H5Olink(dataset.id(), file.id(), name.as_ptr(), links.0, H5P_DEFAULT) })?;
        give_up(dataset) // what it was counted for before
    })
}

/// Moves a link, whatever it leads to. The groups on the way are there.
pub(crate) fn move_link(file: &File, from: &str, to: &str) -> Result<()> {
    let (from, to) = (text(from)?, text(to)?);
    sync(|| {
        let links = link_list()?;
        // SAFETY: all identifiers are open and both names end with a zero.
        let moved = unsafe { H5Lmove(file.id(), from.as_ptr(), H5L_SAME_LOC, to.as_ptr(), links.0, H5P_DEFAULT) };
        check(moved).map(|_| ())
    })
}

/// Makes a soft link. The groups on the way are there.
pub(crate) fn link_soft(file: &File, target: &str, name: &str) -> Result<()> {
    let (target, name) = (text(target)?, text(name)?);
    sync(|| {
        let links = link_list()?;
        // SAFETY: all identifiers are open and both texts end with a zero.
        check(unsafe { H5Lcreate_soft(target.as_ptr(), file.id(), name.as_ptr(), links.0, H5P_DEFAULT) }).map(|_| ())
    })
}

/// Copies an object, and what is in it, within a file or from one into another. The groups on the way are there.
pub(crate) fn copy_object(file: &File, from: &str, into: &File, to: &str) -> Result<()> {
    let (from, to) = (text(from)?, text(to)?);
    sync(|| {
        let links = link_list()?;
        // SAFETY: all identifiers are open and both names end with a zero.
        let copied = unsafe { H5Ocopy(file.id(), from.as_ptr(), into.id(), to.as_ptr(), H5P_DEFAULT, links.0) };
        check(copied).map(|_| ())
    })
}

/// Bytes in the file that are not used, and will be before the file grows.
pub(crate) fn free_space(file: &File) -> Result<u64> {
    // SAFETY: the file is open.
    let free = sync(|| check(unsafe { H5Fget_freespace(file.id()) }))?;
    Ok(free.unsigned_abs())
}

/// How links are made: their names are UTF-8.
fn link_list() -> Result<Handle> {
    // SAFETY: a plain call that makes a property list, owned by the handle.
    let list = Handle::new(unsafe { H5Pcreate(*H5P_CLS_LINK_CREATE) })?;
    // SAFETY: an open property list of link creation.
    check(unsafe { H5Pset_char_encoding(list.0, H5T_cset_t::H5T_CSET_UTF8) })?;
    Ok(list)
}
