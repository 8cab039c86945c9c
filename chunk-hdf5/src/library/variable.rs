//! Elements of variable length, in memory that is counted.

use std::collections::HashMap;
use std::ffi::{CString, c_char, c_void};
use std::ptr;

use hdf5::sync::sync;
use hdf5::{Dataset, Datatype, Location};
use hdf5_sys::h5d::{H5Dread, H5Dwrite};
use hdf5_sys::h5p::{H5P_CLS_DATASET_XFER, H5P_DEFAULT, H5Pcreate, H5Pset_vlen_mem_manager};
use hdf5_sys::h5r::{H5R_type_t, H5Rget_name};
use hdf5_sys::h5t as t;

use super::transfer::spaces;
use super::{Handle, Result, check, datatype};

/// The bytes of each element, or `None` if they are more than the caller allows.
pub(crate) type Elements = Option<Vec<Vec<u8>>>;

/// Memory that the library asks for while it reads, all of it freed with this.
struct Arena {
    blocks: HashMap<usize, Vec<u8>>,
    left: usize,
    refused: bool,
}

impl Arena {
    fn allocate(&mut self, size: usize) -> *mut c_void {
        let mut block = Vec::new();
        if size > self.left || block.try_reserve_exact(size).is_err() {
            self.refused = true;
            return ptr::null_mut();
        }
        self.left -= size;
        // An empty block still needs an address of its own.
        block.resize(size.max(1), 0_u8);
        let address = block.as_mut_ptr();
        self.blocks.insert(address.addr(), block);
        address.cast()
    }

    /// The first `length` bytes of the block at this address; nothing for no block.
    fn take(&mut self, address: *const c_void, length: usize) -> Result<Vec<u8>> {
        if address.is_null() || length == 0 {
            return Ok(Vec::new());
        }
        let mut block = self.blocks.remove(&address.addr()).filter(|block| block.len() >= length);
        let block = block.as_mut().ok_or_else(|| hdf5::Error::from("an element is not where the library says"))?;
        block.truncate(length);
        Ok(std::mem::take(block))
    }
}

unsafe extern "C" fn allocate(size: usize, arena: *mut c_void) -> *mut c_void {
    // SAFETY: the library hands back the arena that `read` gave it, and calls from no other thread.
    unsafe { &mut *arena.cast::<Arena>() }.allocate(size)
}

unsafe extern "C" fn free(block: *mut c_void, arena: *mut c_void) {
    // SAFETY: as in `allocate`.
    unsafe { &mut *arena.cast::<Arena>() }.blocks.remove(&block.addr());
}

/// Reads one `T`, as C lays it out, for each element; what it points to is in the arena.
fn read<T: Clone>(
    dataset: &Dataset,
    kind: &Datatype,
    (start, count): (&[u64], &[u64]),
    none: &T,
    arena: &mut Arena,
) -> Result<Vec<T>> {
    assert_eq!(kind.size(), size_of::<T>(), "an element in memory is what the library writes");
    let elements: u64 = count.iter().product();
    let mut out = vec![none.clone(); elements as usize];
    let (memory, file) = spaces(dataset, start, count)?;
    // SAFETY: a plain call that makes a property list, owned by the handle.
    let list = Handle::new(unsafe { H5Pcreate(*H5P_CLS_DATASET_XFER) })?;
    let arena = (&raw mut *arena).cast::<c_void>();
    // SAFETY: both functions take the arena, which outlives the list; nobody else uses it meanwhile.
    check(unsafe { H5Pset_vlen_mem_manager(list.0, Some(allocate), arena, Some(free), arena) })?;
    // SAFETY: the memory dataspace has as many elements as `out`, each of the size of `kind`.
    check(unsafe { H5Dread(dataset.id(), kind.id(), memory.id(), file.id(), list.0, out.as_mut_ptr().cast()) })?;
    Ok(out)
}

/// Runs `work` with an arena of `most` bytes.
fn in_arena(most: usize, work: impl FnOnce(&mut Arena) -> Result<Vec<Vec<u8>>>) -> Result<Elements> {
    sync(|| {
        let mut arena = Arena { blocks: HashMap::new(), left: most, refused: false };
        let elements = work(&mut arena);
        if arena.refused { Ok(None) } else { elements.map(Some) }
    })
}

/// The texts of a dense piece, up to their first zero byte; in all at most `most` bytes.
pub(crate) fn read_strings(
    dataset: &Dataset,
    utf8: bool,
    start: &[u64],
    count: &[u64],
    most: usize,
) -> Result<Elements> {
    in_arena(most, |arena| {
        let kind = variable_string(utf8)?;
        let texts = read(dataset, &kind, (start, count), &ptr::null_mut::<c_char>(), arena)?;
        let text = |address: *mut c_char| {
            let block = arena.blocks.get(&address.addr());
            let length = block.map_or(0, |block| block.iter().position(|&byte| byte == 0).unwrap_or(block.len()));
            arena.take(address.cast(), length)
        };
        texts.into_iter().map(text).collect()
    })
}

/// The sequences of a dense piece, their elements as `element` has them; in all at most `most` bytes.
pub(crate) fn read_sequences(
    dataset: &Dataset,
    element: &Datatype,
    start: &[u64],
    count: &[u64],
    most: usize,
) -> Result<Elements> {
    in_arena(most, |arena| {
        let kind = variable_sequence(element)?;
        let none = t::hvl_t { len: 0, p: ptr::null_mut() };
        let sequences = read(dataset, &kind, (start, count), &none, arena)?;
        let sequence = |sequence: t::hvl_t| {
            let length = sequence.len.checked_mul(element.size());
            arena.take(sequence.p, length.ok_or_else(|| hdf5::Error::from("a sequence is too long"))?)
        };
        sequences.into_iter().map(sequence).collect()
    })
}

/// Writes texts, none of which holds a zero byte, to a dense piece.
pub(crate) fn write_strings(
    dataset: &Dataset,
    kind: &Datatype,
    start: &[u64],
    count: &[u64],
    texts: &[Vec<u8>],
) -> Result<()> {
    let terminated: Vec<CString> = texts
        .iter()
        .map(|text| CString::new(&text[..]))
        .collect::<std::result::Result<_, _>>()
        .map_err(|_| hdf5::Error::from("a text holds a zero byte"))?;
    let addresses: Vec<*const c_char> = terminated.iter().map(|text| text.as_ptr()).collect();
    write(dataset, kind, (start, count), &addresses)
}

/// Writes sequences, packed elements of the datatype that `kind` is a sequence of, to a dense piece.
pub(crate) fn write_sequences(
    dataset: &Dataset,
    kind: &Datatype,
    start: &[u64],
    count: &[u64],
    sequences: &[Vec<u8>],
) -> Result<()> {
    let size = sync(|| {
        // SAFETY: an open datatype.
        datatype(unsafe { t::H5Tget_super(kind.id()) })
    })?
    .size();
    let sequence = |bytes: &Vec<u8>| {
        assert_eq!(bytes.len() % size, 0, "a sequence has whole elements");
        t::hvl_t { len: bytes.len() / size, p: bytes.as_ptr().cast_mut().cast() }
    };
    write(dataset, kind, (start, count), &sequences.iter().map(sequence).collect::<Vec<_>>())
}

/// Writes one `T`, as C lays it out, for each element. What it points to must be there for the call.
fn write<T>(dataset: &Dataset, kind: &Datatype, (start, count): (&[u64], &[u64]), elements: &[T]) -> Result<()> {
    assert_eq!(kind.size(), size_of::<T>(), "an element in memory is what the library reads");
    assert_eq!(count.iter().product::<u64>(), elements.len() as u64, "as many elements as the piece has");
    sync(|| {
        let (memory, file) = spaces(dataset, start, count)?;
        // SAFETY: the memory dataspace has as many elements as `elements`, each of the size of `kind`; what they point to
        // is only read.
        check(unsafe {
            H5Dwrite(dataset.id(), kind.id(), memory.id(), file.id(), H5P_DEFAULT, elements.as_ptr().cast())
        })?;
        Ok(())
    })
}

/// Sequences of elements of this datatype.
pub(crate) fn variable_sequence(element: &Datatype) -> Result<Datatype> {
    // SAFETY: an open datatype.
    sync(|| datatype(unsafe { t::H5Tvlen_create(element.id()) }))
}

/// Text that ends with a zero byte.
pub(crate) fn variable_string(utf8: bool) -> Result<Datatype> {
    let set = if utf8 { t::H5T_cset_t::H5T_CSET_UTF8 } else { t::H5T_cset_t::H5T_CSET_ASCII };
    sync(|| {
        // SAFETY: the library's own string type, then calls on the copy.
        unsafe {
            let kind = datatype(t::H5Tcopy(*t::H5T_C_S1))?;
            check(t::H5Tset_size(kind.id(), t::H5T_VARIABLE))?;
            check(t::H5Tset_cset(kind.id(), set))?;
            Ok(kind)
        }
    })
}

/// The name of the object that a reference, as the file holds it, leads to; `None` if it has no name.
pub(crate) fn referenced_name(object: &Location, reference: u64) -> Result<Option<String>> {
    sync(|| {
        let reference = (&raw const reference).cast();
        // SAFETY: an object reference is a number of 8 bytes; without a buffer the call gives the name's length.
        let length =
            check(unsafe { H5Rget_name(object.id(), H5R_type_t::H5R_OBJECT1, reference, ptr::null_mut(), 0) })?;
        let mut name = vec![0_u8; length.unsigned_abs() + 1];
        // SAFETY: the buffer has the length that is stated.
        check(unsafe {
            H5Rget_name(object.id(), H5R_type_t::H5R_OBJECT1, reference, name.as_mut_ptr().cast(), name.len())
        })?;
        name.truncate(length.unsigned_abs());
        Ok((!name.is_empty()).then(|| String::from_utf8_lossy(&name).into_owned()))
    })
}
