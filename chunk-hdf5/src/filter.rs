//! How the chunks of a new dataset are compressed, as users write it.

use std::fmt;
use std::str::FromStr;

use chunk_core::{Error, Result};

use crate::codec::{Codec, Settings, Shuffle, StoredFilter};

/// The filter of a new dataset: `none`, `gzip:N`, `blosc:CODEC:LEVEL[:shuffle|bitshuffle|noshuffle]`.
///
/// The default is Blosc LZ4 of level 5 with byte shuffle, as chunkiter writes.
///
/// ```
/// use chunk_hdf5::Filter;
///
/// let filter: Filter = "blosc:zstd:3:bitshuffle".parse()?;
/// assert_eq!(filter.to_string(), "blosc:zstd:3:bitshuffle");
/// assert_eq!(Filter::default().to_string(), "blosc:lz4:5:shuffle");
/// # Ok::<(), chunk_core::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Filter(Kind);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    None,
    Gzip { level: u8 },
    Blosc { codec: Codec, level: u8, shuffle: Shuffle },
}

const SHUFFLES: [(Shuffle, &str); 3] =
    [(Shuffle::Byte, "shuffle"), (Shuffle::Bit, "bitshuffle"), (Shuffle::None, "noshuffle")];
const MOST_LEVEL: u8 = 9;

impl Default for Filter {
    fn default() -> Self {
        Filter(Kind::Blosc { codec: Codec::Lz4, level: 5, shuffle: Shuffle::Byte })
    }
}

impl Filter {
    /// No filter: chunks are stored as they are.
    pub const NONE: Filter = Filter(Kind::None);

    /// The filters of chunks of `chunk_bytes` bytes, of elements of `element_size`.
    pub(crate) fn stored(self, element_size: usize, chunk_bytes: u64) -> Vec<StoredFilter> {
        match self.0 {
            Kind::None => Vec::new(),
            Kind::Gzip { level } => vec![
                StoredFilter::shuffle(u32::try_from(element_size).unwrap_or(u32::MAX)),
                StoredFilter::deflate(level.into()),
            ],
            Kind::Blosc { codec, level, shuffle } => {
                let type_size = u8::try_from(element_size).unwrap_or(1).max(1);
                let settings = Settings { codec, level, shuffle, type_size };
                vec![StoredFilter::blosc(settings, u32::try_from(chunk_bytes).unwrap_or(u32::MAX))]
            }
        }
    }

    /// The most bytes of a chunk that the filter takes: Blosc 1 counts in 31 bits.
    pub(crate) fn most_chunk_bytes(self) -> u64 {
        match self.0 {
            Kind::Blosc { .. } => (i32::MAX - 16) as u64,
            _ => u64::from(u32::MAX),
        }
    }
}

impl FromStr for Filter {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let fail = || {
            Error::InvalidArgument(format!(
                "{text:?} is not a filter: there are none, gzip:LEVEL and blosc:CODEC:LEVEL[:SHUFFLE], with a level \
                 of 0 to 9, a codec of blosclz, lz4, lz4hc, zlib, zstd and a shuffle of shuffle, bitshuffle, noshuffle"
            ))
        };
        let parts: Vec<&str> = text.split(':').collect();
        let kind = match parts.as_slice() {
            ["none"] => Some(Kind::None),
            ["gzip"] => Some(Kind::Gzip { level: 4 }),
            ["gzip", level] => parse_level(level).map(|level| Kind::Gzip { level }),
            ["blosc"] => Some(Filter::default().0),
            ["blosc", codec] => parse_blosc(codec, "5", "shuffle"),
            ["blosc", codec, level] => parse_blosc(codec, level, "shuffle"),
            ["blosc", codec, level, shuffle] => parse_blosc(codec, level, shuffle),
            _ => None,
        };
        kind.map(Filter).ok_or_else(fail)
    }
}

fn parse_level(text: &str) -> Option<u8> {
    text.parse().ok().filter(|level| *level <= MOST_LEVEL)
}

fn parse_blosc(codec: &str, level: &str, shuffle: &str) -> Option<Kind> {
    // Snappy is only read.
    let codec = Codec::ALL.into_iter().find(|known| known.name() == codec && *known != Codec::Snappy)?;
    let (shuffle, _) = *SHUFFLES.iter().find(|(_, name)| *name == shuffle)?;
    Some(Kind::Blosc { codec, level: parse_level(level)?, shuffle })
}

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Kind::None => f.write_str("none"),
            Kind::Gzip { level } => write!(f, "gzip:{level}"),
            Kind::Blosc { codec, level, shuffle } => f.write_str(&blosc_text(codec, level, shuffle)),
        }
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
        for text in ["none", "gzip:9", "blosc:lz4:5:shuffle", "blosc:blosclz:0:noshuffle", "blosc:zlib:1:bitshuffle"] {
            assert_eq!(text.parse::<Filter>().unwrap().to_string(), text);
        }
        assert_eq!("blosc:zstd".parse::<Filter>().unwrap().to_string(), "blosc:zstd:5:shuffle");
        assert_eq!("blosc".parse::<Filter>().unwrap(), Filter::default());
    }

    #[test]
    fn refuses_what_it_does_not_write() {
        for text in ["", "gzip:10", "blosc:snappy:5", "blosc:lz4:x", "blosc:lz4:5:up", "lzf", "none:1"] {
            let message = text.parse::<Filter>().unwrap_err().to_string();
            assert!(message.contains("is not a filter"), "{text}");
        }
    }
}
