//! What is checked of a dataset before libhdf5 reads its elements: hostile files crash the library, not us.

use chunk_core::{DataFile, DatasetInfo, Error, Grid, Result};
use hdf5::Dataset;
use hdf5::dataset::Layout;

use crate::codec::{
    BLOSC, DEFLATE, FLETCHER32, Frame, HEADER_LEN, Header, LZF, SHUFFLE, Settings, StoredFilter, registered_name,
};
use crate::error::Place;
use crate::index::{Chunk, Index};
use crate::library;

/// Bytes of a Fletcher32 checksum.
const CHECKSUM: u64 = 4;
/// Bytes of an element of variable length in a chunk, at most: where it is, and how long.
const ELEMENT: u64 = 16;

/// Checks layout, index and filters of a dataset of variable length that the library is to read.
pub(crate) fn check_dataset(dataset: &Dataset, info: &DatasetInfo, file: &DataFile, place: &Place) -> Result<()> {
    let file_length = file.length()?;
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
            let most = grid.chunk_shape().elements().saturating_mul(ELEMENT);
            filters.iter().try_for_each(|filter| check_filter(filter, most, place))?;
            for chunk in index.chunks() {
                if !is_sound(&filters, *chunk, most, file)? {
                    let (position, stored) = (grid.position(chunk.number()), chunk.stored);
                    let what =
                        format!("chunk {position:?} has {stored} stored bytes that its filters cannot have made");
                    return Err(place.corrupt(what));
                }
            }
            Ok(())
        }
    }
}

/// That the library undoes the filter itself, without a plugin, and with parameters that it or the binding reads
/// without care.
fn check_filter(filter: &StoredFilter, most: u64, place: &Place) -> Result<()> {
    let sound = match filter.id {
        DEFLATE | SHUFFLE | FLETCHER32 => true,
        LZF => filter.values.get(2).is_none_or(|&bytes| u64::from(bytes) <= most),
        BLOSC => filter.values.len() > 3 && Settings::from_values(&filter.values).is_ok(),
        id => {
            let name = registered_name(id).unwrap_or("unknown").to_owned();
            let (path, dataset) = (place.path.clone(), place.dataset.clone());
            return Err(Error::UnsupportedFilter { path, dataset, id, name });
        }
    };
    let values = &filter.values;
    if sound { Ok(()) } else { Err(place.corrupt(format!("filter {} has the parameters {values:?}", filter.id))) }
}

/// Whether a chunk is as long as the filters need that are to be undone, the last one first.
fn is_sound(filters: &[StoredFilter], chunk: Chunk, most: u64, file: &DataFile) -> Result<bool> {
    let applied = |number: usize| chunk.filter_mask & 1_u32.checked_shl(number as u32).unwrap_or(0) == 0;
    let mut length = chunk.stored;
    let mut is_stored = true;
    for (_, filter) in filters.iter().enumerate().rev().filter(|(number, _)| applied(*number)) {
        match filter.id {
            FLETCHER32 if chunk.stored < CHECKSUM => return Ok(false),
            FLETCHER32 => length = length.saturating_sub(CHECKSUM),
            // What another filter gives cannot be looked at.
            BLOSC if !is_stored || !is_frame(chunk.address, length, most, file)? => return Ok(false),
            _ => is_stored = false,
        }
    }
    Ok(true)
}

/// Whether a Blosc frame of this length is there, of not more than `most` bytes: the library takes its word for both.
fn is_frame(address: u64, length: u64, most: u64, file: &DataFile) -> Result<bool> {
    let stored = usize::try_from(length).unwrap_or(usize::MAX);
    let read = |length: usize| -> Result<Vec<u8>> {
        let mut bytes = vec![0; length.min(stored)];
        file.read_at(&mut bytes, address)?;
        Ok(bytes)
    };
    let Ok(header) = Header::parse(&read(HEADER_LEN)?, stored) else { return Ok(false) };
    if header.decoded_len() as u64 > most {
        return Ok(false);
    }
    Ok(Frame::parse(&read(header.head_len())?, stored, header.decoded_len()).is_ok())
}
