//! Byte and bit transposition: the HDF5 shuffle filter (number 2), and the inside of Blosc blocks.
//!
//! All calls go to c-blosc's own functions, which choose their instructions for the processor once per
//! process, under `pthread_once`, and so may be called from any thread. They are internal to c-blosc: that
//! they exist with these arguments is sure as long as the version of `blosc-src` is pinned.

use std::ffi::c_int;

use super::CodecError;

/// The first bytes of all elements, then the second bytes of all, and so on; bytes at the end that do not
/// make an element stay there. `out` is as long as `data`. HDF5 and Blosc permute alike.
pub(crate) fn shuffle(element_size: usize, data: &[u8], out: &mut [u8]) -> Result<(), CodecError> {
    check_lengths(data, out)?;
    if element_size < 2 {
        out.copy_from_slice(data);
        return Ok(());
    }
    // SAFETY: both slices hold `data.len()` bytes and cannot overlap, and the function reads and writes just
    // that many through unaligned accesses; it divides by the element size, which is not 0.
    unsafe { blosc_internal_shuffle(element_size, data.len(), data.as_ptr(), out.as_mut_ptr()) };
    Ok(())
}

/// Undoes [`shuffle`].
pub(crate) fn unshuffle(element_size: usize, data: &[u8], out: &mut [u8]) -> Result<(), CodecError> {
    check_lengths(data, out)?;
    if element_size < 2 {
        out.copy_from_slice(data);
        return Ok(());
    }
    // SAFETY: as in `shuffle`.
    unsafe { blosc_internal_unshuffle(element_size, data.len(), data.as_ptr(), out.as_mut_ptr()) };
    Ok(())
}

/// Undoes Blosc's bit transposition. `temporary` and `out` are at least, and just, as long as `data`.
pub(crate) fn bit_unshuffle(
    element_size: usize,
    data: &[u8],
    out: &mut [u8],
    temporary: &mut [u8],
) -> Result<(), CodecError> {
    check_lengths(data, out)?;
    if temporary.len() < data.len() {
        return Err(CodecError::ScratchTooSmall { needed: data.len(), found: temporary.len() });
    }
    if element_size == 0 || data.len() < element_size {
        out.copy_from_slice(data);
        return Ok(());
    }
    // SAFETY: the three slices hold at least `data.len()` bytes and cannot overlap; the function reads and
    // writes no more than that through unaligned accesses; it divides by the element size, which is not 0.
    let code = unsafe {
        let (input, output) = (data.as_ptr(), out.as_mut_ptr());
        blosc_internal_bitunshuffle(element_size, data.len(), input, output, temporary.as_mut_ptr())
    };
    if code < 0 {
        return Err(CodecError::Library { codec: "bit shuffle", code: code.into() });
    }
    Ok(())
}

fn check_lengths(data: &[u8], out: &[u8]) -> Result<(), CodecError> {
    if data.len() == out.len() { Ok(()) } else { Err(CodecError::Length { expected: out.len(), found: data.len() }) }
}

unsafe extern "C" {
    fn blosc_internal_shuffle(type_size: usize, len: usize, source: *const u8, target: *mut u8);
    fn blosc_internal_unshuffle(type_size: usize, len: usize, source: *const u8, target: *mut u8);
    fn blosc_internal_bitunshuffle(
        type_size: usize,
        len: usize,
        source: *const u8,
        target: *mut u8,
        temporary: *mut u8,
    ) -> c_int;
}

#[cfg(test)]
mod tests {
    use super::super::samples::{Kind, data};
    use super::*;

    const SIZES: [usize; 10] = [1, 2, 3, 4, 5, 8, 16, 17, 255, 1000];
    const LENGTHS: [usize; 10] = [0, 1, 7, 16, 31, 128, 129, 1000, 4096, 70_001];

    fn shuffled_by_definition(size: usize, data: &[u8]) -> Vec<u8> {
        let elements = data.len() / size;
        let planes = (0..size).flat_map(|byte| (0..elements).map(move |element| data[element * size + byte]));
        planes.chain(data[elements * size..].iter().copied()).collect()
    }

    #[test]
    fn agrees_with_the_definition() {
        for size in SIZES {
            for len in LENGTHS {
                let data = data(Kind::Random, len);
                let mut shuffled = vec![7; len];
                shuffle(size, &data, &mut shuffled).unwrap();
                assert_eq!(shuffled, shuffled_by_definition(size, &data), "size {size}, {len} bytes");
                let mut back = vec![7; len];
                unshuffle(size, &shuffled, &mut back).unwrap();
                assert_eq!(back, data, "size {size}, {len} bytes");
            }
        }
    }

    #[test]
    fn agrees_with_the_hdf5_library() {
        let data: Vec<u8> = (0..24).collect();
        let stored = [0, 4, 8, 12, 16, 20, 1, 5, 9, 13, 17, 21, 2, 6, 10, 14, 18, 22, 3, 7, 11, 15, 19, 23];
        let mut out = [0; 24];
        unshuffle(4, &stored, &mut out).unwrap();
        assert_eq!(out.as_slice(), data);
    }

    #[test]
    fn refuses_slices_that_do_not_fit_each_other() {
        assert!(shuffle(4, &[0; 8], &mut [0; 9]).is_err());
        assert!(unshuffle(4, &[0; 8], &mut [0; 7]).is_err());
        assert!(bit_unshuffle(4, &[0; 8], &mut [0; 7], &mut [0; 8]).is_err());
        assert!(bit_unshuffle(4, &[0; 8], &mut [0; 8], &mut [0; 7]).is_err());
    }
}
