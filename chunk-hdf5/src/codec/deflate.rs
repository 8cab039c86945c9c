//! The HDF5 deflate filter (number 1), which is a zlib stream, and zlib streams inside Blosc frames.
//!
//! Each thread keeps one state for each direction (47 KiB for decoding, 371 KiB for encoding) until it
//! ends, as setting a state up costs more than decoding a small block. Nothing grows with the data.

use std::cell::RefCell;

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};

use super::CodecError;

/// Bytes that a thread keeps for encoding, at most.
pub(crate) const ENCODER_BYTES: usize = 384 << 10;

/// Decodes the zlib stream at the start of `stored` into the start of `out`: the number of bytes written.
/// What follows the stream is ignored, as the HDF5 library does.
pub(crate) fn inflate(stored: &[u8], out: &mut [u8]) -> Result<usize, CodecError> {
    INFLATE.with_borrow_mut(|state| {
        state.reset(true);
        inflate_with(state, stored, out)
    })
}

/// Encodes `data` as a zlib stream at `level` 0 to 9 into `out`: the number of bytes written, or nothing if
/// `out` does not hold the whole stream.
pub(crate) fn deflate(level: u32, data: &[u8], out: &mut [u8]) -> Result<Option<usize>, CodecError> {
    DEFLATE.with_borrow_mut(|kept| {
        let (kept_level, state) = kept.get_or_insert_with(|| (level, new_deflate(level)));
        if *kept_level == level {
            state.reset();
        } else {
            (*kept_level, *state) = (level, new_deflate(level));
        }
        deflate_with(state, data, out)
    })
}

thread_local! {
    static INFLATE: RefCell<Decompress> = RefCell::new(Decompress::new(true));
    static DEFLATE: RefCell<Option<(u32, Compress)>> = const { RefCell::new(None) };
}

fn new_deflate(level: u32) -> Compress {
    Compress::new(Compression::new(level), true)
}

fn inflate_with(state: &mut Decompress, stored: &[u8], out: &mut [u8]) -> Result<usize, CodecError> {
    let limit = out.len();
    loop {
        let (read, written) = (position(state.total_in()), position(state.total_out()));
        let status = state
            .decompress(&stored[read..], &mut out[written..], FlushDecompress::Finish)
            .map_err(|_| CodecError::Damaged { codec: "zlib", stored: stored.len(), expected: limit })?;
        let moved = position(state.total_in()) > read || position(state.total_out()) > written;
        match status {
            Status::StreamEnd => return Ok(position(state.total_out())),
            Status::Ok | Status::BufError if moved => {}
            _ if written == limit && read < stored.len() => return Err(CodecError::TooLong { limit }),
            _ => {
                let needed = stored.len() + 1;
                return Err(CodecError::Truncated { part: "a zlib stream", needed, found: stored.len() });
            }
        }
    }
}

fn deflate_with(state: &mut Compress, data: &[u8], out: &mut [u8]) -> Result<Option<usize>, CodecError> {
    loop {
        let (read, written) = (position(state.total_in()), position(state.total_out()));
        if written == out.len() {
            return Ok(None);
        }
        let status = state
            .compress(&data[read..], &mut out[written..], FlushCompress::Finish)
            .map_err(|_| CodecError::Library { codec: "zlib", code: -2 })?;
        if matches!(status, Status::StreamEnd) {
            return Ok(Some(position(state.total_out())));
        }
    }
}

/// zlib's counters as positions in slices, which they never exceed.
fn position(total: u64) -> usize {
    usize::try_from(total).expect("zlib counts no more bytes than the slices hold")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `zlib.compress(bytes(range(10)) * 20, 6)` by Python.
    const STREAM: &[u8] = b"\x78\x9c\x63\x60\x64\x62\x66\x61\x65\x63\xe7\xe0\x64\x18\xd2\x2c\x00\x5b\xb7\x03\x85";

    fn decoded() -> Vec<u8> {
        (0..200).map(|i| i % 10).collect()
    }

    #[test]
    fn decodes_what_zlib_encoded() {
        let mut out = [7; 200];
        assert_eq!(inflate(STREAM, &mut out), Ok(200));
        assert_eq!(out.as_slice(), decoded());
    }

    #[test]
    fn ignores_what_follows_the_stream_and_says_how_much_it_wrote() {
        let stored = [STREAM, b"rubbish"].concat();
        let mut out = [7; 300];
        assert_eq!(inflate(&stored, &mut out), Ok(200));
        assert_eq!(out[..200], decoded());
    }

    #[test]
    fn refuses_to_write_past_the_end() {
        for len in 0..200 {
            let mut out = vec![7; len];
            assert_eq!(inflate(STREAM, &mut out), Err(CodecError::TooLong { limit: len }));
        }
    }

    #[test]
    fn a_cut_stream_is_an_error() {
        for len in 0..STREAM.len() {
            let result = inflate(&STREAM[..len], &mut [7; 300]);
            assert!(matches!(result, Err(CodecError::Truncated { .. })), "{len}: {result:?}");
        }
    }

    #[test]
    fn encodes_at_every_level_or_not_at_all() {
        for level in [0, 1, 6, 9, 1] {
            let mut stored = [0; 300];
            let len = deflate(level, &decoded(), &mut stored).unwrap().unwrap();
            let mut out = [7; 200];
            assert_eq!(inflate(&stored[..len], &mut out), Ok(200));
            assert_eq!(out.as_slice(), decoded());
            assert_eq!(deflate(level, &decoded(), &mut stored[..len - 1]), Ok(None));
        }
    }
}
