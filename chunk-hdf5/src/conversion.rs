//! From elements as a file holds them to elements in memory.

use std::ops::Range;

use chunk_core::{DType, Result, StructType, Worker};
use hdf5::Datatype;

use crate::error::Place;
use crate::library::{self, Padding};

/// What of an element is in memory another way than in the file: numbers in the byte order that is not this machine's,
/// text that is not padded with zeros.
#[derive(Clone, Debug)]
pub(crate) enum Swap {
    /// Nothing.
    No,
    /// Text of `size` bytes.
    Text { size: usize, padding: Padding },
    /// All numbers of elements of this dtype.
    All(DType),
    /// Those of some fields of a structure of `size` bytes, each with its place.
    Fields { size: usize, fields: Vec<(Range<usize>, Swap)> },
}

impl Swap {
    /// Reverses the numbers of a packed buffer that are to be.
    fn apply(&self, bytes: &mut [u8]) {
        match self {
            Swap::No => {}
            Swap::All(dtype) => dtype.swap_bytes(bytes),
            Swap::Text { size, padding } => {
                for text in bytes.chunks_exact_mut((*size).max(1)) {
                    let length = padding.unpadded(text).len();
                    text[length..].fill(0);
                }
            }
            Swap::Fields { size, fields } => {
                for element in bytes.chunks_exact_mut((*size).max(1)) {
                    for (range, swap) in fields {
                        swap.apply(&mut element[range.clone()]);
                    }
                }
            }
        }
    }
}

impl Swap {
    /// Whether the same makes elements again what they are in the file, or what means the same there.
    fn is_its_inverse(&self) -> bool {
        match self {
            Swap::Text { padding, .. } => *padding != Padding::Spaces,
            Swap::Fields { fields, .. } => fields.iter().all(|(_, swap)| swap.is_its_inverse()),
            Swap::No | Swap::All(_) => true,
        }
    }
}

/// How elements become what they are in memory.
#[derive(Clone, Debug)]
pub(crate) struct Conversion {
    /// Bytes of an element in the file.
    stored_size: usize,
    /// Bytes of an element in memory, with all its fields.
    size: usize,
    swap: Swap,
    /// What the library converts from and to.
    library: Option<(Datatype, Datatype)>,
    /// The fields that are kept: where each is, and where it goes.
    fields: Option<Fields>,
}

#[derive(Clone, Debug)]
struct Fields {
    size: usize,
    moves: Vec<(Range<usize>, usize)>,
}

/// Bytes that the library converts at once.
const BATCH: usize = 256 << 10;

impl Conversion {
    /// Elements of one size in file and memory.
    pub(crate) fn swapping(size: usize, swap: Swap) -> Self {
        Conversion { stored_size: size, size, swap, library: None, fields: None }
    }

    /// Elements of `from`, which the library makes elements of `to`.
    pub(crate) fn by_library(from: Datatype, to: Datatype) -> Self {
        let (stored_size, size) = (from.size(), to.size());
        Conversion { stored_size, size, swap: Swap::No, library: Some((from, to)), fields: None }
    }

    /// Keeps some fields of the structure that elements now are, and says what elements are then. A name with dots
    /// leads into inner structures. `None` if a field is not there.
    pub(crate) fn keep(&mut self, dtype: &DType, names: &[&str]) -> Option<DType> {
        let found = names.iter().map(|name| find(dtype, name).map(|found| (*name, found)));
        let found = found.collect::<Option<Vec<_>>>()?;
        let kept = StructType::packed(found.iter().map(|(name, (dtype, _))| ((*name).to_owned(), dtype.clone())));
        let from = found.iter().map(|(_, (dtype, offset))| *offset..offset + dtype.size());
        let moves = from.zip(kept.fields.iter().map(|field| field.offset)).collect();
        self.fields = Some(Fields { size: kept.size, moves });
        Some(DType::Struct(kept.into()))
    }

    /// Keeps one field alone, and says what elements are then.
    pub(crate) fn keep_one(&mut self, dtype: &DType, name: &str) -> Option<DType> {
        let (field, offset) = find(dtype, name)?;
        self.fields = Some(Fields { size: field.size(), moves: vec![(offset..offset + field.size(), 0)] });
        Some(field)
    }

    /// Bytes of an element in the file.
    pub(crate) fn stored_size(&self) -> usize {
        self.stored_size
    }

    /// Whether elements are as large in memory as in the file, so that they are converted where they are.
    pub(crate) fn is_in_place(&self) -> bool {
        self.library.is_none() && self.fields.is_none()
    }

    /// Whether [`Conversion::apply_in_place`] also makes elements of memory such of the file.
    pub(crate) fn is_its_inverse(&self) -> bool {
        self.is_in_place() && self.swap.is_its_inverse()
    }

    /// Whether elements are in memory what they are in the file.
    pub(crate) fn is_plain(&self) -> bool {
        self.is_in_place() && matches!(self.swap, Swap::No)
    }

    /// Whether fields were selected.
    pub(crate) fn has_fields(&self) -> bool {
        self.fields.is_some()
    }

    /// One element as it is in memory, from what a file holds.
    pub(crate) fn apply_to_one(&self, mut stored: Vec<u8>, place: &Place) -> Result<Vec<u8>> {
        if self.is_in_place() {
            self.apply_in_place(&mut stored);
            return Ok(stored);
        }
        let mut out = vec![0; self.size];
        self.apply(&mut stored, &mut out, &Worker::new(), place)?;
        Ok(out)
    }

    /// Memory that [`Conversion::apply`] takes, on one thread.
    pub(crate) fn scratch(&self) -> usize {
        let batch = self.batch();
        match &self.library {
            Some(_) => batch * self.stored_size.max(self.size) + batch * self.size,
            None => 0,
        }
    }

    /// Elements that the library converts at once.
    fn batch(&self) -> usize {
        (BATCH / self.stored_size.max(self.size).max(1)).max(1)
    }

    /// Converts a packed buffer of elements that are as large in memory as in the file.
    pub(crate) fn apply_in_place(&self, bytes: &mut [u8]) {
        self.swap.apply(bytes);
    }

    /// Converts the packed elements in `stored`, which holds anything afterwards, into `out`.
    pub(crate) fn apply(&self, stored: &mut [u8], out: &mut [u8], worker: &Worker, place: &Place) -> Result<()> {
        let Some((from, to)) = &self.library else {
            self.swap.apply(stored);
            self.pick(stored, out);
            return Ok(());
        };
        let batch = self.batch();
        let mut data = worker.scratch(batch * self.stored_size.max(self.size))?;
        let mut background = worker.scratch(batch * self.size)?;
        let kept = self.fields.as_ref().map_or(self.size, |fields| fields.size);
        let parts = stored.chunks(batch * self.stored_size).zip(out.chunks_mut((batch * kept).max(1)));
        for (stored, out) in parts {
            worker.check()?;
            let elements = stored.len() / self.stored_size;
            data[..stored.len()].copy_from_slice(stored);
            background.fill(0);
            library::convert(from, to, elements, &mut data, &mut background)
                .map_err(|error| place.library("convert", &error))?;
            self.pick(&data[..elements * self.size], out);
        }
        Ok(())
    }

    /// Copies elements, or the fields of them that are kept.
    pub(crate) fn pick(&self, elements: &[u8], out: &mut [u8]) {
        let Some(Fields { size, moves }) = &self.fields else {
            out.copy_from_slice(elements);
            return;
        };
        for (element, out) in elements.chunks_exact(self.size.max(1)).zip(out.chunks_exact_mut((*size).max(1))) {
            for (range, to) in moves {
                out[*to..to + range.len()].copy_from_slice(&element[range.clone()]);
            }
        }
    }
}

/// The dtype and the offset of the field of this name, or of these names with dots between them.
fn find(dtype: &DType, name: &str) -> Option<(DType, usize)> {
    let DType::Struct(kind) = dtype else { return None };
    if let Some(field) = kind.fields.iter().find(|field| field.name == name) {
        return Some((field.dtype.clone(), field.offset));
    }
    kind.fields.iter().find_map(|field| {
        let inner = name.strip_prefix(&field.name)?.strip_prefix('.')?;
        find(&field.dtype, inner).map(|(dtype, offset)| (dtype, field.offset + offset))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_off_what_pads_and_no_more() {
        assert_eq!(Padding::Terminated.unpadded(b" a \0b\0\0"), b" a ");
        assert_eq!(Padding::Zeros.unpadded(b" a \0b\0\0"), b" a \0b");
        assert_eq!(Padding::Spaces.unpadded(b" a\0  "), b" a\0");
        assert_eq!(Padding::Spaces.unpadded(b"    "), b"");
    }
}
