//! A driver of the library, through which it reads and writes a file of ours: all its writes are then ours to order.

use std::ffi::{c_char, c_int, c_uint, c_ulong, c_void};
use std::ptr;
use std::slice;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chunk_core::Error;
use hdf5::sync::sync;
use hdf5_sys::h5::{haddr_t, herr_t, hsize_t};
use hdf5_sys::h5f::{H5F_ACC_RDWR, H5F_ACC_TRUNC, H5F_scope_t, H5Fcreate, H5Fflush, H5Fopen};
use hdf5_sys::h5fd::H5FDunregister;
use hdf5_sys::h5i::hid_t;
use hdf5_sys::h5p::{H5Pget_driver_info, H5Pset_driver};

use super::new_file::{access_list, creation_list};
use super::{Result, check};

/// A file as the library sees it through our driver.
pub(crate) trait Backing: Send {
    /// The end of what the library uses.
    fn end(&self) -> u64;

    fn set_end(&mut self, end: u64);

    /// The length of the file as the library is to see it.
    fn file_length(&self) -> std::result::Result<u64, Error>;

    /// Where the library gets `size` bytes: for the elements of a dataset if `is_raw`, else for metadata. `None`: nowhere.
    /// Not asked of a file that exists: what the library takes is then at its end.
    fn allocate(&mut self, is_raw: bool, size: u64) -> Option<u64>;

    /// Fills `out`; behind the end of the file are zeros.
    fn read(&self, offset: u64, out: &mut [u8]) -> std::result::Result<(), Error>;

    fn write(&mut self, offset: u64, data: &[u8]) -> std::result::Result<(), Error>;

    /// Keeps the error for whoever called the library, which has no word for it.
    fn keep_failure(&mut self, error: Error);
}

/// A file that the library has open, and we.
type Shared = Arc<Mutex<dyn Backing>>;

/// Opens a file that exists in the library, to read and write.
pub(crate) fn open_staged(file: Shared) -> Result<hdf5::File> {
    let name = super::text("staged")?;
    through(&STAGED, file, |list| {
        // SAFETY: the name ends with a zero and the property list is open.
        unsafe { H5Fopen(name.as_ptr(), H5F_ACC_RDWR, list) }
    })
}

/// Makes a file in the library, to read and write.
pub(crate) fn create_assembled(file: Shared) -> Result<hdf5::File> {
    let name = super::text("assembled")?;
    let creation = creation_list()?;
    through(&ASSEMBLED, file, |list| {
        // SAFETY: the name ends with a zero and both property lists are open.
        unsafe { H5Fcreate(name.as_ptr(), H5F_ACC_TRUNC, creation.id(), list) }
    })
}

/// Calls `open` with a property list of file access whose driver is of this class, for `file`.
fn through(class: &'static Class, file: Shared, open: impl FnOnce(hid_t) -> hid_t) -> Result<hdf5::File> {
    let list = access_list()?;
    let opened = sync(|| {
        // SAFETY: the class has the layout of the library's `H5FD_class_t` and lives as long as the program.
        let driver = check(unsafe { H5FDregister(class) })?;
        let info = Info { file: &raw const file };
        // SAFETY: an open property list, a driver, and an `Info`, of which the library takes a copy. The pointer in it is
        // looked at by the driver's `open` alone, while `open` below runs, and `file` lives as long.
        let set = check(unsafe { H5Pset_driver(list.id(), driver, (&raw const info).cast()) });
        // SAFETY: the driver just registered; the property list keeps a reference of its own.
        check(unsafe { H5FDunregister(driver) })?;
        set?;
        let id = check(open(list.id()))?;
        // SAFETY: a fresh identifier of a file, whose one reference passes to the binding.
        unsafe { hdf5::from_id(id) }
    });
    drop(file); // no longer pointed to
    opened
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
    file: *const Shared,
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
    backing: Shared,
}

type File = *mut Open;
type Absent = Option<unsafe extern "C" fn()>;
type Allocate = unsafe extern "C" fn(File, c_int, hid_t, hsize_t) -> haddr_t;

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
    allocate: Option<Allocate>,
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
const STAGED_VALUE: c_int = 404;
const ASSEMBLED_VALUE: c_int = 405;
const MOST_ADDRESS: haddr_t = (1 << 63) - 1;
const FEATURES: c_ulong = 0x1 // metadata may be allocated together,
    | 0x2 | 0x4 // and be gathered for fewer reads and writes,
    | 0x8000; // and the library's usual driver reads the file.
const STAGED_FEATURES: c_ulong = FEATURES | 0x10; // Small elements may be allocated together: chunks that are there may not.
/// The library's number for the elements of datasets, among kinds of what is stored.
const RAW: c_int = 3;
const DONE: herr_t = 0;
const FAILED: herr_t = -1;
const NOWHERE: haddr_t = haddr_t::MAX;

static STAGED: Class = Class {
    version: 1,
    value: STAGED_VALUE,
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

static ASSEMBLED: Class = Class {
    value: ASSEMBLED_VALUE,
    name: c"chunk-assembled".as_ptr(),
    query: query_assembled,
    allocate: Some(allocate),
    ..STAGED
};

/// SAFETY: called by the library, with an open property list.
unsafe extern "C" fn open(_: *const c_char, _: c_uint, list: hid_t, _: haddr_t) -> File {
    // SAFETY: an open property list.
    let info = unsafe { H5Pget_driver_info(list) }.cast::<Info>();
    if info.is_null() {
        // A link or a virtual dataset that leads into another file.
        return ptr::null_mut();
    }
    // SAFETY: `through` put it there, and runs: what it points to lives.
    let backing = unsafe { (*(*info).file).clone() };
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
        backing,
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
        unsafe { *flags = STAGED_FEATURES };
    }
    DONE
}

/// SAFETY: as `query`.
unsafe extern "C" fn query_assembled(_: *const Open, flags: *mut c_ulong) -> herr_t {
    if !flags.is_null() {
        // SAFETY: as the function says.
        unsafe { *flags = FEATURES };
    }
    DONE
}

/// SAFETY: as `end`.
unsafe extern "C" fn allocate(file: File, kind: c_int, _: hid_t, size: hsize_t) -> haddr_t {
    // SAFETY: as the function says.
    state(unsafe { &*file }).allocate(kind == RAW, size).unwrap_or(NOWHERE)
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
    told(&mut *state, done)
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
    told(&mut *state, done)
}

fn state(file: &Open) -> MutexGuard<'_, dyn Backing + 'static> {
    file.backing.lock().unwrap_or_else(PoisonError::into_inner)
}

fn told(state: &mut dyn Backing, done: std::result::Result<(), Error>) -> herr_t {
    match done {
        Ok(()) => DONE,
        Err(error) => {
            state.keep_failure(error);
            FAILED
        }
    }
}
