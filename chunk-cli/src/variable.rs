//! Elements of variable length, which HDF5 files hold beside arrays: their SHA-256, and texts by their places.

use std::sync::Arc;

use chunk_core::{Bytes, CancelToken, ChunkSource, Error, Grid, Location, Result, Shape, Slab};
use chunk_hdf5::{Hdf5Sequences, Hdf5Strings};
use sha2::{Digest, Sha256};

/// Elements that are read at once.
const BATCH: u64 = 1 << 16;

/// A dataset of text, or what is selected of it.
pub(crate) struct Text {
    pub(crate) strings: Hdf5Strings,
    /// The place of each text that is selected.
    pub(crate) places: Arc<dyn ChunkSource>,
}

impl Text {
    /// The texts at `places`, of no more than `most` bytes together.
    pub(crate) fn read(self, places: &[u64], most: Bytes) -> Result<Vec<String>> {
        let strings = self.strings.with_most_bytes(most);
        let shape = strings.shape();
        let grid = Grid::new(shape.clone(), vec![1; shape.len()]);
        let row = shape.last().copied().unwrap_or(1);
        let mut texts = Vec::with_capacity(places.len());
        // Places that follow each other in a row are read at once.
        for run in places.chunk_by(|place, next| *next == place + 1 && next % row != 0) {
            let mut count = vec![1; shape.len()];
            if let Some(last) = count.last_mut() {
                *last = run.len() as u64;
            }
            texts.extend(strings.read(&Slab::new(grid.position(run[0]), count))?);
            if texts.iter().map(|text| text.len() as u64).sum::<u64>() > most.0 {
                let info = self.places.info();
                return Err(Error::InvalidArgument(format!(
                    "{} has texts of more than {most}; select a part of it",
                    info.name
                )));
            }
        }
        Ok(texts)
    }
}

/// Hashes, for each element, its length as a little-endian number of 8 bytes and its bytes: those of a text, or the
/// count of a sequence and its little-endian elements. `None` if the dataset holds neither.
pub(crate) fn digest(location: &Location, cancel: &CancelToken) -> Result<Option<(Sha256, u64)>> {
    let (path, name) = (location.path(), location.dataset());
    match Hdf5Strings::open(path, name) {
        Ok(strings) => return walk(strings.shape(), 1, cancel, |slab| strings.read_bytes(slab)).map(Some),
        Err(Error::Unsupported { .. }) => {}
        Err(error) => return Err(error),
    }
    match Hdf5Sequences::open(path, name) {
        Ok(sequences) => {
            let dtype = sequences.dtype().clone();
            let little_endian = |mut bytes: Vec<u8>| {
                if cfg!(target_endian = "big") {
                    dtype.swap_bytes(&mut bytes);
                }
                bytes
            };
            let read = |slab: &Slab| Ok(sequences.read_bytes(slab)?.into_iter().map(little_endian).collect());
            walk(sequences.shape(), dtype.size(), cancel, read).map(Some)
        }
        Err(Error::Unsupported { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

fn walk(
    shape: &Shape,
    size: usize,
    cancel: &CancelToken,
    read: impl Fn(&Slab) -> Result<Vec<Vec<u8>>>,
) -> Result<(Sha256, u64)> {
    let mut digest = Sha256::new();
    let mut bytes = 0;
    for slab in batches(shape) {
        if cancel.is_cancelled() {
            return Err(Error::Cancelled);
        }
        for element in read(&slab)? {
            digest.update((element.len() as u64 / size.max(1) as u64).to_le_bytes());
            digest.update(&element);
            bytes += element.len() as u64;
        }
    }
    Ok((digest, bytes))
}

/// Slabs of about [`BATCH`] elements in the order of the elements.
fn batches(shape: &Shape) -> impl Iterator<Item = Slab> {
    let mut room = BATCH;
    let mut batch = vec![1; shape.len()];
    for (axis, &extent) in shape.iter().enumerate().rev() {
        batch[axis] = extent.clamp(1, room);
        room = if batch[axis] == extent { (room / extent.max(1)).max(1) } else { 1 };
    }
    let grid = Grid::new(shape.clone(), batch);
    (0..grid.len()).map(move |number| grid.slab(&grid.position(number)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_are_in_order_and_cover_the_dataset() {
        let starts = |shape: &[u64]| batches(&Shape::from(shape)).map(|slab| slab.start().to_vec()).collect::<Vec<_>>();
        assert_eq!(starts(&[]), [[0; 0]]);
        assert_eq!(starts(&[3, 0, 2]).len(), 0);
        assert_eq!(starts(&[2, 100_000]), [[0, 0], [0, 65_536], [1, 0], [1, 65_536]]);
        assert_eq!(starts(&[70_000, 1]), [[0, 0], [65_536, 0]]);
    }
}
