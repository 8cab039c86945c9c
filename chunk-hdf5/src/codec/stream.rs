//! Compressed streams inside Blosc blocks: one decoder for each format, none of which allocates per call.

use std::cell::RefCell;
use std::ffi::{c_char, c_int, c_ulonglong, c_void};
use std::ptr::NonNull;

// Named for what it links: BloscLZ is inside the Blosc library.
use blosc_src as _;

use super::{CodecError, deflate};

/// What a compressed stream is written in, numbered as in Blosc frames. LZ4HC writes LZ4.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    BloscLz,
    Lz4,
    Snappy,
    Zlib,
    Zstd,
}

impl Format {
    /// The format with Blosc's number `code`.
    pub(crate) fn from_code(code: u8) -> Option<Self> {
        [Self::BloscLz, Self::Lz4, Self::Snappy, Self::Zlib, Self::Zstd].get(usize::from(code)).copied()
    }

    /// Decodes all of `stored`, which must give just the `out.len()` bytes of `out`.
    pub(crate) fn decode(self, stored: &[u8], out: &mut [u8]) -> Result<(), CodecError> {
        let decoded = match self {
            Self::BloscLz => decode_blosclz(stored, out),
            Self::Lz4 => decode_lz4(stored, out),
            Self::Snappy => snap::raw::Decoder::new().decompress(stored, out).ok(),
            Self::Zlib => deflate::inflate(stored, out).ok(),
            Self::Zstd => decode_zstd(stored, out)?,
        };
        if decoded == Some(out.len()) {
            return Ok(());
        }
        Err(CodecError::Damaged { codec: self.name(), stored: stored.len(), expected: out.len() })
    }

    /// Its own name.
    fn name(self) -> &'static str {
        match self {
            Self::BloscLz => "BloscLZ",
            Self::Lz4 => "LZ4",
            Self::Snappy => "Snappy",
            Self::Zlib => "zlib",
            Self::Zstd => "Zstandard",
        }
    }
}

/// Decodes a Zstandard frame into the start of `out`: the number of bytes written.
pub(crate) fn unpack_zstd(stored: &[u8], out: &mut [u8]) -> Result<usize, CodecError> {
    let damaged = CodecError::Damaged { codec: "Zstandard", stored: stored.len(), expected: out.len() };
    decode_zstd(stored, out)?.ok_or(damaged)
}

/// Encodes `data` as a Zstandard frame that states its length into the start of `out`: the number of bytes written, or
/// nothing if `out` does not hold the whole frame.
pub(crate) fn pack_zstd(level: u32, data: &[u8], out: &mut [u8]) -> Result<Option<usize>, CodecError> {
    PACKING.with_borrow_mut(|kept| {
        let state = match kept {
            Some(state) => state,
            none => none.insert(Packing::new()?),
        };
        Ok(state.encode(level, data, out))
    })
}

/// Bytes that encoding `length` bytes as Zstandard takes at most, and the thread keeps: the library's own bound, from
/// 1.3 MiB at level 3 to 700 MiB at level 22.
pub(crate) fn zstd_encoder_bytes(level: u32, length: usize) -> usize {
    let level = c_int::try_from(level).unwrap_or(c_int::MAX);
    // SAFETY: both functions compute with numbers alone; the structure is seven 32-bit numbers in C.
    unsafe { zstd_bound(zstd_parameters(level, length.max(1) as c_ulonglong, 0)) }
}

/// Above this `blosclz_decompress` could overflow the 32-bit length of a match, each stored byte of which
/// adds up to 255. Blosc writes blocks of at most 1 MiB unless told otherwise.
const LONGEST_BLOSCLZ: usize = 8 << 20;

fn decode_blosclz(stored: &[u8], out: &mut [u8]) -> Option<usize> {
    let (stored_len, out_len) = (c_length(stored)?, c_length(out)?);
    if stored.len() > LONGEST_BLOSCLZ {
        return None;
    }
    // SAFETY: both lengths are those of the slices, which cannot overlap; the function stays inside them for
    // any input of at most `LONGEST_BLOSCLZ` bytes.
    let decoded = unsafe { blosclz_decompress(stored.as_ptr().cast(), stored_len, out.as_mut_ptr().cast(), out_len) };
    usize::try_from(decoded).ok()
}

fn decode_lz4(stored: &[u8], out: &mut [u8]) -> Option<usize> {
    let (stored_len, out_len) = (c_length(stored)?, c_length(out)?);
    let (source, target) = (stored.as_ptr().cast::<c_char>(), out.as_mut_ptr().cast::<c_char>());
    // SAFETY: both lengths are those of the slices, which cannot overlap; this is the variant of LZ4 that
    // stays inside them for any input.
    let decoded = unsafe { lz4_sys::LZ4_decompress_safe(source, target, stored_len, out_len) };
    usize::try_from(decoded).ok()
}

fn decode_zstd(stored: &[u8], out: &mut [u8]) -> Result<Option<usize>, CodecError> {
    ZSTD.with_borrow_mut(|kept| {
        if kept.is_none() {
            *kept = Some(ZstdState::new()?);
        }
        Ok(kept.as_mut().and_then(|state| state.decode(stored, out)))
    })
}

fn c_length(bytes: &[u8]) -> Option<c_int> {
    c_int::try_from(bytes.len()).ok()
}

thread_local! {
    static ZSTD: RefCell<Option<ZstdState>> = const { RefCell::new(None) };
    static PACKING: RefCell<Option<Packing>> = const { RefCell::new(None) };
}

/// A Zstandard decoder's state of 94 KiB, which a thread keeps until it ends.
struct ZstdState(NonNull<zstd_sys::ZSTD_DCtx>);

impl ZstdState {
    fn new() -> Result<Self, CodecError> {
        // SAFETY: takes no arguments, and answers null if there is no memory.
        let state = unsafe { zstd_sys::ZSTD_createDCtx() };
        NonNull::new(state).map(Self).ok_or(CodecError::Library { codec: "Zstandard", code: -64 })
    }

    fn decode(&mut self, stored: &[u8], out: &mut [u8]) -> Option<usize> {
        let (source, target) = (stored.as_ptr().cast::<c_void>(), out.as_mut_ptr().cast::<c_void>());
        // SAFETY: the state is alive and borrowed here alone; both lengths are those of the slices, which
        // cannot overlap, and the function stays inside them for any input.
        let (decoded, failed) = unsafe {
            let state = self.0.as_ptr();
            let decoded = zstd_sys::ZSTD_decompressDCtx(state, target, out.len(), source, stored.len());
            (decoded, zstd_sys::ZSTD_isError(decoded))
        };
        (failed == 0).then_some(decoded)
    }
}

impl Drop for ZstdState {
    fn drop(&mut self) {
        // SAFETY: the pointer came from `ZSTD_createDCtx`, and is freed nowhere else.
        unsafe { zstd_sys::ZSTD_freeDCtx(self.0.as_ptr()) };
    }
}

/// A Zstandard encoder's state, which a thread keeps until it ends.
struct Packing(NonNull<zstd_sys::ZSTD_CCtx>);

impl Packing {
    fn new() -> Result<Self, CodecError> {
        // SAFETY: takes no arguments, and answers null if there is no memory.
        let state = unsafe { zstd_sys::ZSTD_createCCtx() };
        NonNull::new(state).map(Self).ok_or(CodecError::Library { codec: "Zstandard", code: -64 })
    }

    fn encode(&mut self, level: u32, data: &[u8], out: &mut [u8]) -> Option<usize> {
        let (source, target) = (data.as_ptr().cast::<c_void>(), out.as_mut_ptr().cast::<c_void>());
        let level = c_int::try_from(level).ok()?;
        // SAFETY: the state is alive and borrowed here alone; both lengths are those of the slices, which cannot
        // overlap, and the function stays inside them.
        let (encoded, failed) = unsafe {
            let state = self.0.as_ptr();
            let encoded = zstd_sys::ZSTD_compressCCtx(state, target, out.len(), source, data.len(), level);
            (encoded, zstd_sys::ZSTD_isError(encoded))
        };
        (failed == 0).then_some(encoded)
    }
}

impl Drop for Packing {
    fn drop(&mut self) {
        // SAFETY: the pointer came from `ZSTD_createCCtx`, and is freed nowhere else.
        unsafe { zstd_sys::ZSTD_freeCCtx(self.0.as_ptr()) };
    }
}

unsafe extern "C" {
    /// Internal to c-blosc: sure to exist as long as the version of `blosc-src` is pinned.
    fn blosclz_decompress(input: *const c_void, length: c_int, output: *mut c_void, most: c_int) -> c_int;
}

/// The parameters that Zstandard derives from a level.
#[repr(C)]
struct ZstdParameters([u32; 7]);

// Declared for static linking, as here, but not in the binding.
unsafe extern "C" {
    #[link_name = "ZSTD_getCParams"]
    fn zstd_parameters(level: c_int, source_length: c_ulonglong, dictionary_length: usize) -> ZstdParameters;
    #[link_name = "ZSTD_estimateCCtxSize_usingCParams"]
    fn zstd_bound(parameters: ZstdParameters) -> usize;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_encoder_of_zstandard_holds_no_more_than_is_counted() {
        let data: Vec<u8> = (0..3_000_001_u32).map(|i| (i / 7 * (i % 11)) as u8).collect();
        let mut out = vec![0; 4_000_000];
        for level in 1..=22 {
            for length in [0, 1, 1000, 16 << 10, (64 << 10) + 1, 300_000, data.len()] {
                let mut state = Packing::new().unwrap();
                assert!(state.encode(level, &data[..length], &mut out).is_some());
                // SAFETY: the state is alive.
                let held = unsafe { zstd_sys::ZSTD_sizeof_CCtx(state.0.as_ptr()) };
                let counted = zstd_encoder_bytes(level, length);
                assert!(held <= counted, "level {level}, {length} bytes: {held} held, {counted} counted");
                assert!(
                    counted <= 2 * held + (1 << 20),
                    "level {level}, {length} bytes: {held} held, {counted} counted"
                );
            }
        }
    }
}
