//! Elements in files beside the HDF5 file, one piece after another.

use std::path::Path;

use chunk_core::{DataFile, Result, Slab, Spans};

use crate::error::Place;
use crate::library::ExternalPiece;
use crate::links;
use crate::options::ReadOptions;

/// The pieces that hold a dataset, in order.
#[derive(Debug)]
pub(crate) struct External {
    pieces: Vec<Piece>,
}

#[derive(Debug)]
struct Piece {
    file: DataFile,
    /// Which bytes of the dataset it holds, and where in its file they begin.
    start: u64,
    end: u64,
    offset: u64,
}

impl External {
    /// Opens the files, and checks that they hold all `bytes` of the dataset.
    pub(crate) fn open(stated: &[ExternalPiece], bytes: u64, options: ReadOptions, place: &Place) -> Result<Self> {
        let mut pieces = Vec::new();
        let mut start = 0;
        for ExternalPiece { name, offset, size } in stated {
            if start >= bytes {
                break;
            }
            let path = links::beside(&place.path, name, options, place)?;
            let file = DataFile::open(path)?.with_dataset(&place.dataset);
            let end = bytes.min(size.map_or(bytes, |size| start.saturating_add(size)));
            let length = file.length()?;
            if offset.saturating_add(end - start) > length {
                let needed = end - start;
                return Err(
                    place.corrupt(format!("{name:?} has {length} bytes, {needed} from offset {offset} are needed"))
                );
            }
            pieces.push(Piece { file, start, end, offset: *offset });
            start = end;
        }
        if start < bytes {
            return Err(place.corrupt(format!("the external files hold {start} of {bytes} bytes")));
        }
        Ok(External { pieces })
    }

    /// The files.
    pub(crate) fn paths(&self) -> impl Iterator<Item = &Path> {
        self.pieces.iter().map(|piece| piece.file.path())
    }

    /// Fills `out`, the packed buffer of `slab`, with stored elements of `size` bytes.
    pub(crate) fn read(&self, slab: &Slab, whole: &Slab, size: usize, out: &mut [u8]) -> Result<()> {
        for span in Spans::new(slab, whole, slab, size) {
            let (mut from, mut target) = (span.from as u64, &mut out[span.to..span.to + span.length]);
            let first = self.pieces.partition_point(|piece| piece.end <= from);
            for piece in &self.pieces[first..] {
                let length = target.len().min((piece.end - from) as usize);
                let (part, rest) = target.split_at_mut(length);
                piece.file.read_at(part, piece.offset + from - piece.start)?;
                (target, from) = (rest, from + length as u64);
                if target.is_empty() {
                    break;
                }
            }
        }
        Ok(())
    }
}
