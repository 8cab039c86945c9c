//! A driver of the library, through which it reads and writes a [`Staged`] file: all its writes are then ours to order.

use std::ffi::{c_char, c_int, c_uint, c_ulong, c_void};
use std::ptr;
use std::slice;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chunk_core::Error;
use hdf5::plist::FileAccess;
use hdf5::sync::sync;
use hdf5_sys::h5::{haddr_t, herr_t, hsize_t};
use hdf5_sys::h5f::{H5F_ACC_RDWR, H5F_scope_t, H5Fflush, H5Fopen};
use hdf5_sys::h5fd::H5FDunregister;
use hdf5_sys::h5i::hid_t;
use hdf5_sys::h5p::{H5Pget_driver_info, H5Pset_driver};

use super::{Result, check};
use crate::staged::Staged;

/// A staged file that the library has open, and we.
pub(crate) type Shared = Arc<Mutex<Staged>>;

/// Opens the staged file in the library, to read and write.
pub(crate) fn open_staged(staged: &Shared) -> Result<hdf5::File> {
    let mut builder = FileAccess::build();
    builder.chunk_cache(0, 0, 0.0).libver_v110().file_locking(false);
    let list = builder.finish()?;
    let name = super::text("staged")?;
    sync(|| {
        // SAFETY: the class has the layout of the library's `H5FD_class_t` and lives as long as the program.
        let driver = check(unsafe { H5FDregister(&raw const CLASS) })?;
        let info = Info { staged: Arc::as_ptr(staged) };
        // SAFETY: an open property list, a driver, and an `Info`, of which the library takes a copy. The pointer in it is
        // looked at by `open` alone, while H5Fopen below runs, and `staged` lives as long.
        let set = check(unsafe { H5Pset_driver(list.id(), driver, (&raw const info).cast()) });
        // SAFETY: the driver just registered; the property list keeps a reference of its own.
        check(unsafe { H5FDunregister(driver) })?;
        set?;
        // SAFETY: the name ends with a zero and the property list is open.
        let id = check(unsafe { H5Fopen(name.as_ptr(), H5F_ACC_RDWR, list.id()) })?;
        // SAFETY: a fresh identifier of a file, whose one reference passes to the binding.
        unsafe { hdf5::from_id(id) }
    })
}

/// Hands all that the library holds of the file to its driver.
pub(crate) fn flush(file: &hdf5::File) -> Result<()> {
    // SAFETY: the file is open.
    sync(|| check(unsafe { H5Fflush(file.id(), H5F_scope_t::H5F_SCOPE_GLOBAL) })).map(|_| ())
}

/// Does something while no thread of this process is inside the library.
pub(crate) fn alone<T>(work: impl FnOnce() -> T) -> T {
    sync(work)
}

/// What the property list hands to `open`.
#[repr(C)]
struct Info {
    staged: *const Mutex<Staged>,
}

/// `H5FD_t` of HDF5 2, whose fields the library fills in, and behind it ours.
#[repr(C)]
struct Open {
    driver_id: hid_t,
    class: *const Class,
    serial: c_ulong,
    access_flags: c_uint,
    feature_flags: c_ulong,
    most_address: haddr_t,
    base_address: haddr_t,
    threshold: hsize_t,
    alignment: hsize_t,
    paged: bool,
    staged: Shared,
}

type File = *mut Open;
type Absent = Option<unsafe extern "C" fn()>;

/// `H5FD_class_t` of HDF5 2, version 1.
#[repr(C)]
struct Class {
    version: c_uint,
    value: c_int,
    name: *const c_char,
    most_address: haddr_t,
    close_degree: c_int,
    terminate: Absent,
    superblock_size: Absent,
    superblock_encode: Absent,
    superblock_decode: Absent,
    info_size: usize,
    info_get: Absent,
    info_copy: Absent,
    info_free: Absent,
    transfer_size: usize,
    transfer_copy: Absent,
    transfer_free: Absent,
    open: unsafe extern "C" fn(*const c_char, c_uint, hid_t, haddr_t) -> File,
    close: unsafe extern "C" fn(File) -> herr_t,
    compare: Absent,
    query: unsafe extern "C" fn(*const Open, *mut c_ulong) -> herr_t,
    type_map: Absent,
    allocate: Absent,
    free: Absent,
    end: unsafe extern "C" fn(*const Open, c_int) -> haddr_t,
    set_end: unsafe extern "C" fn(File, c_int, haddr_t) -> herr_t,
    end_of_file: unsafe extern "C" fn(*const Open, c_int) -> haddr_t,
    handle: Absent,
    read: unsafe extern "C" fn(File, c_int, hid_t, haddr_t, usize, *mut c_void) -> herr_t,
    write: unsafe extern "C" fn(File, c_int, hid_t, haddr_t, usize, *const c_void) -> herr_t,
    read_vector: Absent,
    write_vector: Absent,
    read_selection: Absent,
    write_selection: Absent,
    flush: Absent,
    truncate: Absent,
    // Without a lock the library sets no mark of its own in the superblock.
    lock: Absent,
    unlock: Absent,
    delete: Absent,
    control: Absent,
    free_lists: [c_int; 7],
}

// SAFETY: the class is never written, and its one pointer is to a constant text.
unsafe impl Sync for Class {}

unsafe extern "C" {
    fn H5FDregister(class: *const Class) -> hid_t;
}

/// Of the numbers that drivers choose themselves while they are not registered with The HDF Group.
const VALUE: c_int = 404;
const MOST_ADDRESS: haddr_t = (1 << 63) - 1;
const FEATURES: c_ulong = 0x1 // metadata may be allocated together,
    | 0x2 | 0x4 // and be gathered for fewer reads and writes,
    | 0x10 // small elements may be allocated together,
    | 0x8000; // and the library's usual driver reads the file.
const DONE: herr_t = 0;
const FAILED: herr_t = -1;
const NOWHERE: haddr_t = haddr_t::MAX;

static CLASS: Class = Class {
    version: 1,
    value: VALUE,
    name: c"chunk-staged".as_ptr(),
    most_address: MOST_ADDRESS,
    close_degree: 1, // weak
    terminate: None,
    superblock_size: None,
    superblock_encode: None,
    superblock_decode: None,
    info_size: size_of::<Info>(),
    info_get: None,
    info_copy: None,
    info_free: None,
    transfer_size: 0,
    transfer_copy: None,
    transfer_free: None,
    open,
    close,
    compare: None,
    query,
    type_map: None,
    allocate: None,
    free: None,
    end,
    set_end,
    end_of_file,
    handle: None,
    read,
    write,
    read_vector: None,
    write_vector: None,
    read_selection: None,
    write_selection: None,
    flush: None,
    truncate: None,
    lock: None,
    unlock: None,
    delete: None,
    control: None,
    free_lists: [1, 1, 1, 3, 3, 1, 1], // metadata apart from elements
};

/// SAFETY: called by the library, with an open property list.
unsafe extern "C" fn open(_: *const c_char, _: c_uint, list: hid_t, _: haddr_t) -> File {
    // SAFETY: an open property list.
    let info = unsafe { H5Pget_driver_info(list) }.cast::<Info>();
    if info.is_null() {
        // A link or a virtual dataset that leads into another file.
        return ptr::null_mut();
    }
    // SAFETY: `open_staged` put it there, and runs: its `Arc` lives. The count is raised for the copy made here.
    let staged = unsafe {
        let staged = (*info).staged;
        Arc::increment_strong_count(staged);
        Arc::from_raw(staged)
    };
    Box::into_raw(Box::new(Open {
        driver_id: 0,
        class: ptr::null(),
        serial: 0,
        access_flags: 0,
        feature_flags: 0,
        most_address: 0,
        base_address: 0,
        threshold: 0,
        alignment: 0,
        paged: false,
        staged,
    }))
}

/// SAFETY: called by the library, with a file that `open` made, for the last time.
unsafe extern "C" fn close(file: File) -> herr_t {
    // SAFETY: as the function says.
    drop(unsafe { Box::from_raw(file) });
    DONE
}

/// SAFETY: called by the library; the file may be null, the place is valid.
unsafe extern "C" fn query(_: *const Open, flags: *mut c_ulong) -> herr_t {
    if !flags.is_null() {
        // SAFETY: as the function says.
        unsafe { *flags = FEATURES };
    }
    DONE
}

/// SAFETY: called by the library, with a file that `open` made.
unsafe extern "C" fn end(file: *const Open, _: c_int) -> haddr_t {
    // SAFETY: as the function says.
    state(unsafe { &*file }).end()
}

/// SAFETY: as `end`.
unsafe extern "C" fn set_end(file: File, _: c_int, end: haddr_t) -> herr_t {
    // SAFETY: as the function says.
    state(unsafe { &*file }).set_end(end);
    DONE
}

/// SAFETY: as `end`.
unsafe extern "C" fn end_of_file(file: *const Open, _: c_int) -> haddr_t {
    // SAFETY: as the function says.
    let mut state = state(unsafe { &*file });
    match state.file_length() {
        Ok(length) => length,
        Err(error) => {
            state.keep_failure(error);
            NOWHERE
        }
    }
}

/// SAFETY: called by the library, with a file that `open` made and a buffer of `size` bytes.
unsafe extern "C" fn read(
    file: File,
    _: c_int,
    _: hid_t,
    address: haddr_t,
    size: usize,
    buffer: *mut c_void,
) -> herr_t {
    // SAFETY: as the function says. Zeros first: the library's memory may not have been written yet.
    let out = unsafe {
        ptr::write_bytes(buffer.cast::<u8>(), 0, size);
        slice::from_raw_parts_mut(buffer.cast::<u8>(), size)
    };
    // SAFETY: as the function says.
    let mut state = state(unsafe { &*file });
    let done = state.read(address, out);
    told(&mut state, done)
}

/// SAFETY: as `read`.
unsafe extern "C" fn write(
    file: File,
    _: c_int,
    _: hid_t,
    address: haddr_t,
    size: usize,
    buffer: *const c_void,
) -> herr_t {
    // SAFETY: as the function says.
    let data = unsafe { slice::from_raw_parts(buffer.cast::<u8>(), size) };
    // SAFETY: as the function says.
    let mut state = state(unsafe { &*file });
    let done = state.write(address, data);
    told(&mut state, done)
}

fn state(file: &Open) -> MutexGuard<'_, Staged> {
    file.staged.lock().unwrap_or_else(PoisonError::into_inner)
}

fn told(state: &mut Staged, done: std::result::Result<(), Error>) -> herr_t {
    match done {
        Ok(()) => DONE,
        Err(error) => {
            state.keep_failure(error);
            FAILED
        }
    }
}
