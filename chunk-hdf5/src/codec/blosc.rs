//! The Blosc filter (number 32001): its settings as HDF5 stores them, and compression through c-blosc.
//!
//! c-blosc is always called with one thread and without its global state, so that the same data gives the
//! same bytes. Its own threads would lay blocks out in the order in which they finish.

use std::ffi::{CStr, c_int};

use super::{CodecError, StoredFilter, registry};

/// How a dataset's chunks are compressed. Frames say themselves how to decode them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Settings {
    pub(crate) codec: Codec,
    /// 0 (stored as it is) to 9.
    pub(crate) level: u8,
    pub(crate) shuffle: Shuffle,
    /// Bytes of an element, 1 to 255: what shuffling separates.
    pub(crate) type_size: u8,
}

/// Compressors, numbered as in the filter's parameters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Codec {
    BloscLz,
    Lz4,
    Lz4Hc,
    Snappy,
    Zlib,
    Zstd,
}

/// What is done to a block before it is compressed, numbered as in the filter's parameters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shuffle {
    None,
    Byte,
    Bit,
}

impl Settings {
    /// Settings for elements of `element_size` bytes. Blosc treats elements of more than 255 bytes as bytes.
    pub(crate) fn new(codec: Codec, level: u8, shuffle: Shuffle, element_size: usize) -> Self {
        Self { codec, level, shuffle, type_size: type_size(element_size) }
    }

    /// The settings of `filter`, if it is Blosc with parameters that Blosc defines.
    pub(crate) fn from_filter(filter: &StoredFilter) -> Option<Self> {
        Self::from_values(&filter.values).ok().filter(|_| filter.id == registry::BLOSC)
    }

    /// Settings from the filter's parameters. Files by old versions state only the first 4 to 6, to which the
    /// filter adds level 5, byte shuffling and `BloscLZ`.
    pub(crate) fn from_values(values: &[u32]) -> Result<Self, CodecError> {
        let parsed = (|| {
            let element_size = usize::try_from(*values.get(2)?).ok().filter(|&size| size > 0)?;
            let level = u8::try_from(values.get(4).copied().unwrap_or(5)).ok().filter(|&level| level <= 9)?;
            let shuffle = Shuffle::from_code(values.get(5).copied().unwrap_or(1))?;
            let codec = Codec::from_code(values.get(6).copied().unwrap_or(0))?;
            Some(Self::new(codec, level, shuffle, element_size))
        })();
        parsed.ok_or_else(|| CodecError::Parameters { filter: "Blosc", values: values.to_vec() })
    }

    /// The filter's parameters for chunks of `chunk_len` bytes, as `PyTables` and hdf5plugin write them.
    pub(crate) fn to_values(self, chunk_len: u32) -> [u32; 7] {
        let Self { codec, level, shuffle, type_size } = self;
        [FILTER_VERSION, FRAME_VERSION, type_size.into(), chunk_len, level.into(), shuffle as u32, codec as u32]
    }
}

impl Codec {
    /// All codecs, in the order of their numbers.
    pub(crate) const ALL: [Self; 6] = [Self::BloscLz, Self::Lz4, Self::Lz4Hc, Self::Snappy, Self::Zlib, Self::Zstd];

    /// Blosc's name for the codec.
    pub(crate) fn name(self) -> &'static str {
        self.c_name().to_str().expect("names are ASCII")
    }

    fn from_code(code: u32) -> Option<Self> {
        Self::ALL.get(usize::try_from(code).ok()?).copied()
    }

    fn c_name(self) -> &'static CStr {
        match self {
            Self::BloscLz => c"blosclz",
            Self::Lz4 => c"lz4",
            Self::Lz4Hc => c"lz4hc",
            Self::Snappy => c"snappy",
            Self::Zlib => c"zlib",
            Self::Zstd => c"zstd",
        }
    }
}

impl Shuffle {
    fn from_code(code: u32) -> Option<Self> {
        [Self::None, Self::Byte, Self::Bit].get(usize::try_from(code).ok()?).copied()
    }
}

/// The version of c-blosc.
pub(crate) fn version() -> String {
    String::from_utf8_lossy(blosc_src::BLOSC_VERSION_STRING).trim_end_matches('\0').to_owned()
}

/// Compresses `data` into `out`: the length of the frame, or nothing if it would be longer than the data, or
/// than `out`. `out` may be overwritten in either case.
///
/// c-blosc allocates [`hidden_bytes`] while it compresses.
pub(crate) fn compress(settings: Settings, data: &[u8], out: &mut [u8]) -> Result<Option<usize>, CodecError> {
    if settings.codec == Codec::Snappy {
        return Err(CodecError::ReadOnly { codec: "Blosc with Snappy" });
    }
    if settings.level > 9 || settings.type_size == 0 {
        return Err(CodecError::Parameters { filter: "Blosc", values: settings.to_values(0).to_vec() });
    }
    let most = out.len().min(data.len());
    // SAFETY: the function reads `data.len()` bytes of `data` and writes at most `most` bytes of `out`, which
    // cannot overlap; it divides by the type size, which is not 0; the name is a C string that lives for
    // ever; with one internal thread it changes no state but its own.
    let code = unsafe {
        blosc_src::blosc_compress_ctx(
            c_int::from(settings.level),
            settings.shuffle as c_int,
            settings.type_size.into(),
            data.len(),
            data.as_ptr().cast(),
            out.as_mut_ptr().cast(),
            most,
            settings.codec.c_name().as_ptr(),
            0,
            1,
        )
    };
    match usize::try_from(code) {
        Ok(0) => Ok(None),
        Ok(len) => Ok(Some(len)),
        Err(_) => Err(CodecError::Library { codec: settings.codec.name(), code: code.into() }),
    }
}

/// Bytes that c-blosc allocates at most while it compresses `data_len` bytes: two blocks, and the state of
/// the codec. Freed before [`compress`] returns.
pub(crate) fn hidden_bytes(settings: Settings, data_len: usize) -> usize {
    let block = data_len.min(LARGEST_BLOCK);
    let state = match settings.codec {
        Codec::BloscLz | Codec::Lz4 | Codec::Snappy => 64 << 10,
        Codec::Lz4Hc | Codec::Zlib => 320 << 10,
        Codec::Zstd => zstd_state(settings.level),
    };
    2 * block + MOST_STREAM_LENGTHS + state
}

/// Blocks that c-blosc chooses by itself are not larger.
pub(crate) const LARGEST_BLOCK: usize = 1 << 20;

/// Version of the filter, the first parameter.
const FILTER_VERSION: u32 = 2;
/// Version of the frames that it writes, the second parameter.
const FRAME_VERSION: u32 = 2;
/// A length of four bytes for each byte of the largest element.
const MOST_STREAM_LENGTHS: usize = 4 * 255;

fn type_size(element_size: usize) -> u8 {
    u8::try_from(element_size).unwrap_or(1).max(1)
}

/// Zstandard's state for the levels and block lengths that c-blosc gives it, rounded up.
fn zstd_state(level: u8) -> usize {
    match level {
        0..=2 => 2 << 20,
        3..=5 => 4 << 20,
        6..=8 => 10 << 20,
        _ => 20 << 20,
    }
}

#[cfg(test)]
mod tests {
    use super::super::frame::Header;
    use super::super::samples::{KINDS, Kind, REQUEST, Request, c_decode, c_frame, data};
    use super::*;

    const SHUFFLES: [Shuffle; 3] = [Shuffle::None, Shuffle::Byte, Shuffle::Bit];

    #[test]
    fn writes_the_parameters_that_pytables_writes() {
        let settings = Settings::new(Codec::Lz4, 5, Shuffle::Byte, 16);
        assert_eq!(settings.to_values(8 << 20), [2, 2, 16, 8_388_608, 5, 1, 1]);
    }

    #[test]
    fn reads_what_it_writes() {
        for codec in Codec::ALL {
            for shuffle in SHUFFLES {
                let settings = Settings::new(codec, 9, shuffle, 8);
                assert_eq!(Settings::from_values(&settings.to_values(100)), Ok(settings));
            }
        }
    }

    #[test]
    fn fills_in_what_old_files_do_not_state() {
        let settings = |values: &[u32]| Settings::from_values(values).unwrap();
        assert_eq!(settings(&[1, 2, 4, 100]), Settings::new(Codec::BloscLz, 5, Shuffle::Byte, 4));
        assert_eq!(settings(&[1, 2, 4, 100, 9]), Settings::new(Codec::BloscLz, 9, Shuffle::Byte, 4));
        assert_eq!(settings(&[1, 2, 4, 100, 9, 0]), Settings::new(Codec::BloscLz, 9, Shuffle::None, 4));
        assert_eq!(settings(&[2, 2, 256, 100]).type_size, 1);
    }

    #[test]
    fn refuses_parameters_that_blosc_does_not_define() {
        for values in [&[][..], &[2, 2], &[2, 2, 0, 1], &[2, 2, 4, 1, 10], &[2, 2, 4, 1, 5, 3], &[2, 2, 4, 1, 5, 1, 6]]
        {
            assert!(Settings::from_values(values).is_err(), "{values:?}");
        }
    }

    #[test]
    fn c_blosc_decodes_what_it_compresses() {
        for codec in Codec::ALL.into_iter().filter(|codec| *codec != Codec::Snappy) {
            for shuffle in SHUFFLES {
                for len in [0, 1, 127, 1000, 100_000] {
                    for kind in KINDS {
                        let data = data(kind, len);
                        let mut out = vec![0x5a; len];
                        let settings = Settings::new(codec, 5, shuffle, 8);
                        if let Some(frame_len) = compress(settings, &data, &mut out).unwrap() {
                            assert_eq!(c_decode(&out[..frame_len], len), data);
                        } else {
                            assert!(
                                len < 200 || matches!(kind, Kind::Random | Kind::Mixed),
                                "{settings:?} {kind:?} {len}"
                            );
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn refuses_settings_that_c_blosc_does_not_survive() {
        for (level, type_size) in [(10, 8), (5, 0)] {
            let settings = Settings { codec: Codec::Lz4, level, shuffle: Shuffle::Byte, type_size };
            let result = compress(settings, &[0; 1000], &mut [0; 1000]);
            assert!(matches!(result, Err(CodecError::Parameters { .. })));
        }
    }

    #[test]
    fn snappy_is_only_read() {
        let settings = Settings::new(Codec::Snappy, 5, Shuffle::Byte, 8);
        let result = compress(settings, &[0; 1000], &mut [0; 1000]);
        assert_eq!(result, Err(CodecError::ReadOnly { codec: "Blosc with Snappy" }));
    }

    #[test]
    fn counts_the_state_of_zstandard() {
        let blocks = [32, 64, 128, 256, 256, 512, 512, 512, 1024].map(|kib: usize| kib << 10);
        for (level, block) in (1..=9_u8).zip(blocks) {
            // As c-blosc maps them.
            let zstd_level = if level < 9 { u32::from(level) * 2 - 1 } else { 22 };
            let needed = super::super::stream::zstd_encoder_bytes(zstd_level, block);
            assert!(needed <= zstd_state(level), "level {level}: {needed}");
            let data = data(Kind::Ramp, block + 10);
            let request = Request { codec: "zstd", level: level.into(), ..REQUEST };
            let frame = c_frame(request, &data);
            assert_eq!(Header::parse(&frame, frame.len()).unwrap().block_len(), block);
        }
    }
}
