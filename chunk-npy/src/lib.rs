#![doc = include_str!("../README.md")]
#![deny(unsafe_code)]

mod appender;
mod archive;
mod backend;
mod data;
mod dtype;
mod error;
mod file;
mod growing;
mod header;
mod inflate;
mod layout;
mod literal;
mod locked;
mod map;
mod recover;
mod shard;
mod sink;
mod source;

pub use crate::appender::{AppendOptions, Mode, NpyAppender, Uncommitted};
pub use crate::backend::Npy;
pub use crate::file::NpyFile;
pub use crate::map::NpyMap;
pub use crate::recover::{Recovery, is_appendable, make_appendable, needs_recovery, recover};
pub use crate::sink::NpySink;
pub use crate::source::NpySource;

/// What fuzz targets call; see `fuzz/` beside this crate's folder.
#[cfg(fuzzing)]
pub mod fuzzing {
    use std::path::Path;

    use crate::data::Data;
    use crate::error::Place;
    use crate::header::{Header, MAX_HEADER};

    /// Reads a header; one that is read is written back and changed in place.
    pub fn header(bytes: &[u8]) {
        let place = Place::new(Path::new("fuzz.npy"), "");
        let Ok(header) = Header::read(&Data::from_bytes(bytes), &place, MAX_HEADER) else { return };
        assert_eq!(header.bytes(), &bytes[..header.length() as usize]);
        if let Ok(Some(grown)) = header.with_growth(12_345, &place) {
            assert_eq!(grown.length(), header.length());
            let again = Header::read(&Data::from_bytes(&grown.bytes()), &place, MAX_HEADER);
            assert_eq!(again.expect("it is a header").shape, grown.shape);
        }
    }
}
