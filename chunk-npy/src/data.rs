//! Where the bytes of a .npy file are: in a file, in a part of one, or compressed in an archive.

use std::sync::Arc;

use chunk_core::{DataFile, Result, Spans, Worker};

use crate::inflate::Inflater;

/// The bytes of a .npy file, header included.
#[derive(Clone, Debug)]
pub(crate) enum Data {
    /// A file, or a part of it from an offset on, of a length.
    Stored { file: Arc<DataFile>, part: Option<(u64, u64)> },
    /// A member of an archive.
    Deflated(Arc<Inflater>),
    /// For tests: no file is needed.
    #[cfg(any(test, fuzzing))]
    Bytes(Arc<Vec<u8>>),
}

impl Data {
    pub(crate) fn whole(file: Arc<DataFile>) -> Self {
        Data::Stored { file, part: None }
    }

    #[cfg(any(test, fuzzing))]
    pub(crate) fn from_bytes(bytes: &[u8]) -> Self {
        Data::Bytes(Arc::new(bytes.to_vec()))
    }

    /// How many there are now.
    pub(crate) fn length(&self) -> Result<u64> {
        match self {
            Data::Stored { file, part: None } => file.length(),
            Data::Stored { part: Some((_, length)), .. } => Ok(*length),
            Data::Deflated(inflater) => Ok(inflater.length()),
            #[cfg(any(test, fuzzing))]
            Data::Bytes(bytes) => Ok(bytes.len() as u64),
        }
    }

    /// Fills `out` from `offset` on; the caller has checked that as many bytes are there.
    pub(crate) fn read_at(&self, out: &mut [u8], offset: u64) -> Result<()> {
        match self {
            Data::Stored { file, part } => file.read_at(out, part.map_or(0, |(start, _)| start) + offset),
            Data::Deflated(inflater) => inflater.read_at(out, offset),
            #[cfg(any(test, fuzzing))]
            Data::Bytes(bytes) => {
                out.copy_from_slice(&bytes[offset as usize..offset as usize + out.len()]);
                Ok(())
            }
        }
    }

    /// Copies spans of the `extent` bytes from `base` on to `out`.
    pub(crate) fn read_spans(
        &self,
        (base, extent): (u64, u64),
        spans: Spans,
        out: &mut [u8],
        worker: &Worker,
    ) -> Result<()> {
        match self {
            Data::Stored { file, part } => {
                let start = part.map_or(0, |(start, _)| start);
                file.read_spans((start + base, extent), spans, out, worker)
            }
            Data::Deflated(inflater) => inflater.read_spans(base, spans, out, worker),
            #[cfg(any(test, fuzzing))]
            Data::Bytes(bytes) => {
                for span in spans {
                    let from = base as usize + span.from;
                    out[span.to..span.to + span.length].copy_from_slice(&bytes[from..from + span.length]);
                }
                Ok(())
            }
        }
    }

    /// Whether what was left out must be decoded to come to what follows.
    pub(crate) fn is_sequential(&self) -> bool {
        matches!(self, Data::Deflated(_))
    }
}
