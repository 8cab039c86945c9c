//! Links: where a name in a group leads.

use std::ffi::{CStr, c_char, c_int};
use std::mem::MaybeUninit;
use std::ptr;

use hdf5::Group;
use hdf5::sync::sync;
use hdf5_sys::h5l::{H5L_info2_t, H5Lexists, H5Lget_info2, H5Lget_val, H5Lunpack_elink_val};
use hdf5_sys::h5p::H5P_DEFAULT;

use super::{Result, check, text};

/// Where a link leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Link {
    /// To an object of this group.
    Hard,
    /// To a name, from the root if it begins with a slash, else from the group.
    Soft(String),
    /// To a name in another file.
    External { file: String, name: String },
    /// By a rule that some program has registered for itself.
    UserDefined,
}

/// `H5L_info2_t`, with its kind as the number that a file may state: any.
#[repr(C)]
struct Info {
    kind: c_int,
    corder_valid: bool,
    corder: i64,
    cset: c_int,
    value_size: usize,
    rest_of_token: [u8; 8],
}

const _: () = assert!(size_of::<Info>() == size_of::<H5L_info2_t>() && align_of::<Info>() == align_of::<H5L_info2_t>());

const HARD: c_int = 0;
const SOFT: c_int = 1;
const EXTERNAL: c_int = 64;

/// The link of this name in a group, if there is one.
pub(crate) fn link(group: &Group, name: &str) -> Result<Option<Link>> {
    let name = text(name)?;
    sync(|| {
        // SAFETY: an open group and a name that ends with a zero.
        if check(unsafe { H5Lexists(group.id(), name.as_ptr(), H5P_DEFAULT) })? == 0 {
            return Ok(None);
        }
        let mut info = MaybeUninit::<Info>::zeroed();
        // SAFETY: as above, and a place that is laid out as the library's, whose every bit pattern of zeros is valid.
        check(unsafe { H5Lget_info2(group.id(), name.as_ptr(), info.as_mut_ptr().cast(), H5P_DEFAULT) })?;
        // SAFETY: all fields are numbers that were zero or were written by the library; its flag is 0 or 1.
        let info = unsafe { info.assume_init() };
        if info.kind == HARD {
            return Ok(Some(Link::Hard));
        }
        if info.kind != SOFT && info.kind != EXTERNAL {
            return Ok(Some(Link::UserDefined));
        }
        // One more zero than is asked for: whatever the file holds, the text ends.
        let mut value = vec![0_u8; info.value_size + 1];
        let (buffer, size) = (value.as_mut_ptr(), info.value_size);
        // SAFETY: the buffer holds as many bytes as stated.
        check(unsafe { H5Lget_val(group.id(), name.as_ptr(), buffer.cast(), size, H5P_DEFAULT) })?;
        if info.kind == SOFT {
            return Ok(Some(Link::Soft(until_zero(&value))));
        }
        let (mut file, mut name): (*const c_char, *const c_char) = (ptr::null(), ptr::null());
        // SAFETY: the buffer holds as many bytes as stated; the answers point into it.
        check(unsafe { H5Lunpack_elink_val(buffer.cast(), size, ptr::null_mut(), &raw mut file, &raw mut name) })?;
        // SAFETY: the library has checked that both texts end inside the buffer, which is still there.
        let [file, name] = [file, name].map(|text| unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned());
        Ok(Some(Link::External { file, name }))
    })
}

fn until_zero(bytes: &[u8]) -> String {
    CStr::from_bytes_until_nul(bytes).map(|text| text.to_string_lossy().into_owned()).unwrap_or_default()
}
