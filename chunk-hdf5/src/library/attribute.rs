//! Values of attributes.

use hdf5::sync::sync;
use hdf5::{Attribute, Datatype};
use hdf5_sys::h5a::H5Aread;

use super::{Result, check};

/// The elements of an attribute, as the file's `kind` has them.
pub(crate) fn attribute_bytes(attribute: &Attribute, kind: &Datatype) -> Result<Vec<u8>> {
    let mut bytes = vec![0; attribute.size() * kind.size()];
    // SAFETY: the buffer holds as many elements of `kind` as the attribute has.
    sync(|| check(unsafe { H5Aread(attribute.id(), kind.id(), bytes.as_mut_ptr().cast()) }))?;
    Ok(bytes)
}
