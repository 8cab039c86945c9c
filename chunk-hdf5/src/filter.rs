//! How the chunks of a new dataset are compressed, as users write it.

use std::fmt;
use std::str::FromStr;

use chunk_core::{Error, Result};

use crate::codec::{Codec, Settings, Shuffle, StoredFilter};

/// The filters of a new dataset, as text: a compressor, and a checksum or none.
///
/// | text | what it is |
/// | --- | --- |
/// | `none` | chunks as they are |
/// | `gzip[:LEVEL]` | deflate, level 0 to 9, 4 if not given |
/// | `lzf` | h5py's LZF |
/// | `zstd[:LEVEL]` | Zstandard (filter 32015), level 1 to 22, 3 if not given |
/// | `blosc[:CODEC[:LEVEL[:SHUFFLE]]]` | Blosc 1; `blosclz`, `lz4`, `lz4hc`, `zlib`, `zstd`; level 0 to 9; `shuffle`, `bitshuffle`, `noshuffle` |
///
/// The bytes of elements are shuffled before gzip, lzf and zstd, and are not with `:noshuffle` at the end; `none:shuffle`
/// shuffles alone. `+fletcher32` at the end adds a checksum to each chunk, of the bytes as they are stored.
///
/// The default is Blosc LZ4 of level 5 with byte shuffle, as chunkiter writes.
///
/// ```
/// use chunk_hdf5::Filter;
///
/// let filter: Filter = "blosc:zstd:3:bitshuffle+fletcher32".parse()?;
/// assert_eq!(filter.to_string(), "blosc:zstd:3:bitshuffle+fletcher32");
/// assert_eq!("gzip".parse::<Filter>()?.to_string(), "gzip:4");
/// assert_eq!(Filter::default().to_string(), "blosc:lz4:5:shuffle");
/// # Ok::<(), chunk_core::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Filter {
    kind: Kind,
    checksum: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Plain { compressor: Compressor, shuffle: bool },
    Blosc { codec: Codec, level: u8, shuffle: Shuffle },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Compressor {
    None,
    Gzip(u8),
    Lzf,
    Zstd(u8),
}

const SHUFFLES: [(Shuffle, &str); 3] =
    [(Shuffle::Byte, "shuffle"), (Shuffle::Bit, "bitshuffle"), (Shuffle::None, "noshuffle")];
const CHECKSUM: &str = "+fletcher32";

impl Default for Filter {
    fn default() -> Self {
        Filter { kind: Kind::Blosc { codec: Codec::Lz4, level: 5, shuffle: Shuffle::Byte }, checksum: false }
    }
}

impl Filter {
    /// No filter: chunks are stored as they are.
    pub const NONE: Filter =
        Filter { kind: Kind::Plain { compressor: Compressor::None, shuffle: false }, checksum: false };

    /// With a Fletcher32 checksum of each chunk, or without: damage is then seen when the chunk is read.
    #[must_use]
    pub fn with_checksum(mut self, checksum: bool) -> Self {
        self.checksum = checksum;
        self
    }

    /// The filters of chunks of `chunk_bytes` bytes, of elements of `element_size`.
    pub(crate) fn stored(self, element_size: usize, chunk_bytes: u64) -> Vec<StoredFilter> {
        let length = u32::try_from(chunk_bytes).unwrap_or(u32::MAX);
        let mut filters = Vec::new();
        match self.kind {
            Kind::Plain { compressor, shuffle } => {
                if shuffle {
                    filters.push(StoredFilter::shuffle(u32::try_from(element_size).unwrap_or(u32::MAX)));
                }
                match compressor {
                    Compressor::None => {}
                    Compressor::Gzip(level) => filters.push(StoredFilter::deflate(level.into())),
                    Compressor::Lzf => filters.push(StoredFilter::lzf(length)),
                    Compressor::Zstd(level) => filters.push(StoredFilter::zstd(level.into())),
                }
            }
            Kind::Blosc { codec, level, shuffle } => {
                let type_size = u8::try_from(element_size).unwrap_or(1).max(1);
                filters.push(StoredFilter::blosc(Settings { codec, level, shuffle, type_size }, length));
            }
        }
        if self.checksum {
            filters.push(StoredFilter::fletcher32());
        }
        filters
    }

    /// Whether PyTables has the filter, without plugins.
    pub(crate) fn is_in_pytables(self) -> bool {
        !matches!(self.kind, Kind::Plain { compressor: Compressor::Lzf | Compressor::Zstd(_), .. })
    }

    /// The most bytes of a chunk that the filter takes: Blosc 1 counts in 31 bits, HDF5 in 32.
    pub(crate) fn most_chunk_bytes(self) -> u64 {
        match self.kind {
            Kind::Blosc { .. } => (i32::MAX - 16) as u64,
            Kind::Plain { .. } if self.checksum => u64::from(u32::MAX) - 4,
            Kind::Plain { .. } => u64::from(u32::MAX),
        }
    }
}

impl FromStr for Filter {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let (name, checksum) = text.strip_suffix(CHECKSUM).map_or((text, false), |name| (name, true));
        let parts: Vec<&str> = name.split(':').collect();
        let kind = match parts.as_slice() {
            ["blosc"] => Some(Filter::default().kind),
            ["blosc", codec] => parse_blosc(codec, "5", "shuffle"),
            ["blosc", codec, level] => parse_blosc(codec, level, "shuffle"),
            ["blosc", codec, level, shuffle] => parse_blosc(codec, level, shuffle),
            parts => parse_plain(parts),
        };
        kind.map(|kind| Filter { kind, checksum }).ok_or_else(|| {
            Error::InvalidArgument(format!(
                "{text:?} is not a filter: there are none, gzip[:0-9], lzf, zstd[:1-22], each with :shuffle or :noshuffle at \
                 its end, and blosc[:CODEC[:0-9[:SHUFFLE]]] with a codec of blosclz, lz4, lz4hc, zlib, zstd and a shuffle of \
                 shuffle, bitshuffle, noshuffle; +fletcher32 behind any of them adds a checksum"
            ))
        })
    }
}

fn parse_plain(parts: &[&str]) -> Option<Kind> {
    let (parts, shuffle) = match parts {
        [parts @ .., "shuffle"] => (parts, Some(true)),
        [parts @ .., "noshuffle"] => (parts, Some(false)),
        parts => (parts, None),
    };
    let compressor = match parts {
        ["none"] => Compressor::None,
        ["gzip"] => Compressor::Gzip(4),
        ["gzip", level] => Compressor::Gzip(parse_level(level, 0, 9)?),
        ["lzf"] => Compressor::Lzf,
        ["zstd"] => Compressor::Zstd(3),
        ["zstd", level] => Compressor::Zstd(parse_level(level, 1, 22)?),
        _ => return None,
    };
    Some(Kind::Plain { compressor, shuffle: shuffle.unwrap_or(compressor != Compressor::None) })
}

fn parse_level(text: &str, least: u8, most: u8) -> Option<u8> {
    text.parse().ok().filter(|level| (least..=most).contains(level))
}

fn parse_blosc(codec: &str, level: &str, shuffle: &str) -> Option<Kind> {
    // Snappy is only read.
    let codec = Codec::ALL.into_iter().find(|known| known.name() == codec && *known != Codec::Snappy)?;
    let (shuffle, _) = *SHUFFLES.iter().find(|(_, name)| *name == shuffle)?;
    Some(Kind::Blosc { codec, level: parse_level(level, 0, 9)?, shuffle })
}

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            Kind::Blosc { codec, level, shuffle } => f.write_str(&blosc_text(codec, level, shuffle))?,
            Kind::Plain { compressor, shuffle } => {
                match compressor {
                    Compressor::None => f.write_str("none")?,
                    Compressor::Gzip(level) => write!(f, "gzip:{level}")?,
                    Compressor::Lzf => f.write_str("lzf")?,
                    Compressor::Zstd(level) => write!(f, "zstd:{level}")?,
                }
                match (compressor, shuffle) {
                    (Compressor::None, true) => f.write_str(":shuffle")?,
                    (Compressor::None, false) | (_, true) => {}
                    (_, false) => f.write_str(":noshuffle")?,
                }
            }
        }
        f.write_str(if self.checksum { CHECKSUM } else { "" })
    }
}

fn blosc_text(codec: Codec, level: u8, shuffle: Shuffle) -> String {
    let shuffle = SHUFFLES.iter().find(|(known, _)| *known == shuffle).map_or("", |(_, name)| name);
    format!("blosc:{}:{level}:{shuffle}", codec.name())
}

/// A filter of a file, for people.
pub(crate) fn describe(filter: &StoredFilter) -> String {
    if let Some(settings) = Settings::from_filter(filter) {
        return blosc_text(settings.codec, settings.level, settings.shuffle);
    }
    let name = crate::codec::registered_name(filter.id).unwrap_or(&filter.name);
    let name = if name.is_empty() { "unknown" } else { name };
    match (filter.id, filter.values.first()) {
        (1, Some(level)) => format!("gzip:{level}"),
        (0..=6, _) => name.to_owned(),
        (id, _) => format!("{name} ({id})"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_it_prints() {
        for text in ["none", "gzip:9", "blosc:lz4:5:shuffle", "blosc:blosclz:0:noshuffle", "blosc:zlib:1:bitshuffle"]
            .into_iter()
            .chain(["gzip:6:noshuffle", "lzf", "lzf:noshuffle", "zstd:22", "zstd:1:noshuffle", "none:shuffle"])
        {
            for text in [text.to_owned(), format!("{text}+fletcher32")] {
                assert_eq!(text.parse::<Filter>().unwrap().to_string(), text);
            }
        }
        assert_eq!("lzf:shuffle".parse::<Filter>().unwrap().to_string(), "lzf");
        assert_eq!("blosc:zstd".parse::<Filter>().unwrap().to_string(), "blosc:zstd:5:shuffle");
        assert_eq!("blosc".parse::<Filter>().unwrap(), Filter::default());
    }

    #[test]
    fn refuses_what_it_does_not_write() {
        for text in
            ["", "gzip:10", "blosc:snappy:5", "blosc:lz4:x", "blosc:lz4:5:up", "lzf:1", "none:1", "zstd:0", "zstd:23"]
                .into_iter()
                .chain(["+fletcher32", "gzip+fletcher32+fletcher32", "gzip:bitshuffle", "szip"])
        {
            let message = text.parse::<Filter>().unwrap_err().to_string();
            assert!(message.contains("is not a filter"), "{text}");
        }
    }
}
