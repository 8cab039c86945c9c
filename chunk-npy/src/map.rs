//! Files mapped into memory: the one module with unsafe code.

#![allow(unsafe_code, reason = "mapping a file is unsafe")]

use chunk_core::{Element, Error, Result};
use memmap2::{Mmap, MmapOptions};

use crate::data::Data;
use crate::file::NpyFile;

/// The elements of a .npy file, mapped into memory: views of them are no copies.
#[derive(Debug)]
pub struct NpyMap {
    file: NpyFile,
    /// None if there are no bytes: nothing cannot be mapped.
    bytes: Option<Mmap>,
}

impl NpyFile {
    /// Maps the elements into memory.
    ///
    /// # Errors
    /// [`Error::Unsupported`] for a compressed member of an archive; [`Error::Io`].
    ///
    /// # Safety
    /// While the map lives nobody, in this process or in another, may truncate the file or change elements that it has
    /// now: views of them are plain references, and a read past the end of a truncated file kills the process.
    /// Appending is safe, with this crate or with another program, as that changes the header and what comes after the
    /// elements. [`NpySource`](crate::NpySource) asks for nothing of the kind, and takes 1.02 times as long as copying slabs
    /// of 4 MiB out of a map, 1.18 times for slabs of 256 KiB that stay in the caches: so it is what a backend opens.
    pub unsafe fn map(&self) -> Result<NpyMap> {
        let (file, start) = match &self.data {
            Data::Stored { file, part } => (file, part.map_or(0, |(start, _)| start)),
            Data::Deflated(_) => return Err(self.place.unsupported("what is compressed cannot be mapped: read it")),
            #[cfg(any(test, fuzzing))]
            Data::Bytes(_) => return Err(self.place.unsupported("no file")),
        };
        let length = self.header.data_bytes() as usize;
        if length == 0 {
            return Ok(NpyMap { file: self.clone(), bytes: None });
        }
        if self.data.length()? < self.header.length() + length as u64 {
            return Err(self.place.corrupt("it was truncated since it was opened"));
        }
        let mut options = MmapOptions::new();
        options.offset(start + self.header.length()).len(length);
        // SAFETY: the caller promises that nobody truncates or changes what is mapped.
        let bytes = unsafe { options.map(file.file()) }.map_err(|cause| Error::io(file.path(), "map", cause))?;
        Ok(NpyMap { file: self.clone(), bytes: Some(bytes) })
    }
}

impl NpyMap {
    /// The file.
    #[must_use]
    pub fn file(&self) -> &NpyFile {
        &self.file
    }

    /// The bytes of all elements, as the file holds them: in its order and its byte order.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        self.bytes.as_deref().unwrap_or_default()
    }

    /// All elements in the order of the file.
    ///
    /// # Errors
    /// [`Error::DTypeMismatch`]: nothing is cast; [`Error::Unsupported`] if the file is in the other byte order;
    /// [`Error::InvalidArgument`] if its elements are not aligned, or a bool is neither 0 nor 1 (bools are looked at,
    /// one by one).
    pub fn elements<T: Element>(&self) -> Result<&[T]> {
        self.file.info().check_dtype(&T::DTYPE)?;
        if !self.file.is_native() {
            return Err(self.file.place.unsupported("a view would be in the other byte order: read it instead"));
        }
        T::from_bytes(self.bytes())
    }

    /// The array, in the file's order: strides tell which.
    ///
    /// # Errors
    /// As [`NpyMap::elements`].
    #[cfg(feature = "ndarray")]
    pub fn view<T: Element>(&self) -> Result<ndarray::ArrayViewD<'_, T>> {
        use ndarray::ShapeBuilder;
        let extents: Vec<usize> = self.file.shape().iter().map(|extent| *extent as usize).collect();
        let shape = ndarray::IxDyn(&extents).set_f(self.file.fortran_order());
        ndarray::ArrayView::from_shape(shape, self.elements()?)
            .map_err(|cause| Error::InvalidArgument(format!("{}: {cause}", self.file.info().name)))
    }
}
