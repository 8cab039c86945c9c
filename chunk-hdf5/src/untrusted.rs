//! What is checked of a dataset before libhdf5 reads its elements: hostile files crash the library, not us.

use chunk_core::{DatasetInfo, Grid, Result};
use hdf5::Dataset;
use hdf5::dataset::Layout;

use crate::codec::StoredFilter;
use crate::error::Place;
use crate::index::Index;
use crate::library;

/// Filters of libhdf5 that are not ours, by their numbers.
const FLETCHER32: u32 = 3;
/// Bytes of a Fletcher32 checksum.
const CHECKSUM: u64 = 4;

/// Checks layout, index and filters of a dataset that the library is to read.
pub(crate) fn check_dataset(dataset: &Dataset, info: &DatasetInfo, file_length: u64, place: &Place) -> Result<()> {
    let fail = |error: hdf5::Error| place.library("read the description", &error);
    let creation = dataset.dcpl().map_err(fail)?;
    let (filters, external) = library::filters(&creation).map_err(fail)?;
    if external > 0 {
        return Err(place.unsupported("is held in external files, which are not followed"));
    }
    match creation.layout() {
        Layout::Virtual => Err(place.unsupported("is a virtual dataset, which this version does not read")),
        Layout::Compact => Ok(()),
        Layout::Contiguous => match dataset.offset() {
            Some(offset) if offset.saturating_add(library::storage_size(dataset)) > file_length => {
                Err(place.corrupt(format!("the data at file offset {offset} end after the file")))
            }
            _ => Ok(()),
        },
        Layout::Chunked => {
            let Some(chunk_shape) = info.chunk_shape.clone() else {
                return Err(place.corrupt("is chunked, but states no chunk shape"));
            };
            let grid = Grid::new(info.shape.clone(), chunk_shape);
            let index = Index::read(dataset, &grid, file_length, place)?;
            check_chunks(&filters, &grid, &index, None, place)
        }
    }
}

/// Checks the stored lengths of chunks against what their filters take for granted; without an element size, which
/// elements of variable length do not have in the file, only against the filters.
pub(crate) fn check_chunks(
    filters: &[StoredFilter],
    grid: &Grid,
    index: &Index,
    element_size: Option<usize>,
    place: &Place,
) -> Result<()> {
    let chunk_bytes = element_size.map(|size| grid.chunk_shape().elements().saturating_mul(size as u64));
    for chunk in index.chunks() {
        let applied = |number: usize| chunk.filter_mask & 1_u32.checked_shl(number as u32).unwrap_or(0) == 0;
        let mut undone = filters.iter().enumerate().filter(|(number, _)| applied(*number)).peekable();
        let sound = match undone.peek() {
            None => chunk_bytes.is_none_or(|bytes| chunk.stored == bytes),
            Some(_) => undone.all(|(_, filter)| filter.id != FLETCHER32 || chunk.stored >= CHECKSUM),
        };
        if !sound {
            let position = grid.position(chunk.number());
            return Err(place.corrupt(format!("chunk {position:?} has {} stored bytes, which cannot be", chunk.stored)));
        }
    }
    Ok(())
}
