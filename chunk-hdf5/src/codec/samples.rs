//! Data for the tests, and c-blosc itself, against which they are held.

use std::ffi::{CString, c_int};

/// Numbers that repeat: xorshift.
pub(crate) struct Numbers(u64);

impl Numbers {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    pub(crate) fn byte(&mut self) -> u8 {
        self.next().to_be_bytes()[0]
    }

    pub(crate) fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % limit as u64).unwrap()
    }
}

/// Kinds of data that compress to nothing, well, not at all, and in parts.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Kind {
    Zeros,
    Ramp,
    Random,
    Mixed,
}

pub(crate) const KINDS: [Kind; 4] = [Kind::Zeros, Kind::Ramp, Kind::Random, Kind::Mixed];

pub(crate) fn data(kind: Kind, len: usize) -> Vec<u8> {
    let mut numbers = Numbers::new(len as u64 + 1);
    let mut random = |_| numbers.byte();
    match kind {
        Kind::Zeros => vec![0; len],
        Kind::Ramp => (0..len as u64).map(|i| (i / 8 * 3).to_le_bytes()[usize::from(i as u8 % 8)]).collect(),
        Kind::Random => (0..len).map(random).collect(),
        Kind::Mixed => (0..len).map(|i| if i / 700 % 2 == 0 { random(i) } else { (i / 9) as u8 }).collect(),
    }
}

/// The generator of C's `rand`, as the scripts that asked h5py for constants used it.
pub(crate) fn c_data(len: usize) -> Vec<u8> {
    let mut state = 12345_u64;
    let next = |_| {
        state = (state * 1_103_515_245 + 12345) & 0x7fff_ffff;
        (state >> 16) as u8
    };
    (0..len).map(next).collect()
}

pub(crate) fn from_hex(hex: &str) -> Vec<u8> {
    let digits: Vec<u32> = hex.chars().map(|digit| digit.to_digit(16).unwrap()).collect();
    digits.chunks(2).map(|pair| u8::try_from(pair[0] * 16 + pair[1]).unwrap()).collect()
}

/// What c-blosc is asked for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Request {
    pub(crate) codec: &'static str,
    pub(crate) level: c_int,
    pub(crate) shuffle: c_int,
    pub(crate) type_size: usize,
    /// 0 for c-blosc's own choice.
    pub(crate) block_len: usize,
    pub(crate) threads: c_int,
}

pub(crate) const REQUEST: Request =
    Request { codec: "lz4", level: 5, shuffle: 1, type_size: 8, block_len: 0, threads: 1 };

/// A frame by c-blosc, which is as long as the data and a header at most.
pub(crate) fn c_frame(request: Request, data: &[u8]) -> Vec<u8> {
    let Request { codec, level, shuffle, type_size, block_len, threads } = request;
    let codec = CString::new(codec).unwrap();
    let mut frame = vec![0_u8; data.len() + 16];
    // SAFETY: lengths are those of the vectors; the name is a C string that outlives the call.
    let len = unsafe {
        blosc_src::blosc_compress_ctx(
            level,
            shuffle,
            type_size,
            data.len(),
            data.as_ptr().cast(),
            frame.as_mut_ptr().cast(),
            frame.len(),
            codec.as_ptr(),
            block_len,
            threads,
        )
    };
    assert!(len > 0, "c-blosc refused {request:?} for {} bytes", data.len());
    frame.truncate(usize::try_from(len).unwrap());
    frame
}

/// A frame of ours, or of c-blosc, through c-blosc's decoder. The frame must be sound.
pub(crate) fn c_decode(frame: &[u8], decoded_len: usize) -> Vec<u8> {
    let mut decoded = vec![0x5a_u8; decoded_len];
    // SAFETY: the frame is sound and whole, and the length is that of the vector.
    let len =
        unsafe { blosc_src::blosc_decompress_ctx(frame.as_ptr().cast(), decoded.as_mut_ptr().cast(), decoded_len, 1) };
    assert_eq!(usize::try_from(len), Ok(decoded_len));
    decoded
}
