//! Byte buffers aligned for every element.

use std::fmt;
use std::ops::{Deref, DerefMut};

use crate::{Element, Error, Number, Result};

/// A buffer of bytes, aligned for every [`Element`].
#[derive(Clone, Default)]
pub struct Buffer {
    words: Vec<u128>,
    length: usize,
}

const WORD: usize = size_of::<u128>();

impl Buffer {
    /// A buffer of `length` zero bytes. Large buffers cost no memory before they are written to.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] if the memory cannot be had.
    pub fn zeroed(length: usize) -> Result<Self> {
        let words = bytemuck::allocation::try_zeroed_slice_box::<u128>(length.div_ceil(WORD))
            .map_err(|()| Error::InvalidArgument(format!("cannot allocate {length} bytes")))?;
        Ok(Buffer { words: words.into_vec(), length })
    }

    /// Sets the length, within what was allocated; bytes beyond the old length hold what they held.
    ///
    /// # Panics
    /// If `length` exceeds [`Buffer::capacity`].
    pub fn set_len(&mut self, length: usize) {
        assert!(length <= self.capacity(), "{length} bytes of {}", self.capacity());
        self.length = length;
    }

    /// Bytes that were allocated.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.words.len() * WORD
    }

    /// The bytes as elements of `T`.
    ///
    /// # Errors
    /// As [`Element::from_bytes`].
    pub fn elements<T: Element>(&self) -> Result<&[T]> {
        T::from_bytes(self)
    }

    /// The bytes as elements of `T`, to write to.
    ///
    /// # Errors
    /// As [`Number::from_bytes_mut`].
    pub fn elements_mut<T: Number>(&mut self) -> Result<&mut [T]> {
        T::from_bytes_mut(self)
    }
}

impl Deref for Buffer {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &bytemuck::cast_slice(&self.words)[..self.length]
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut bytemuck::cast_slice_mut(&mut self.words)[..self.length]
    }
}

impl fmt::Debug for Buffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Buffer({} bytes)", self.length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_aligned_and_zero() {
        let mut buffer = Buffer::zeroed(24).unwrap();
        assert_eq!(buffer.elements::<f64>().unwrap(), [0.0; 3]);
        buffer.elements_mut::<f64>().unwrap()[2] = 1.0;
        assert_eq!(buffer.elements::<f64>().unwrap(), [0.0, 0.0, 1.0]);
        assert!(buffer.elements::<num_complex::Complex<f64>>().is_err());
    }

    #[test]
    fn keeps_its_capacity() {
        let mut buffer = Buffer::zeroed(17).unwrap();
        assert_eq!(buffer.capacity(), 32);
        buffer.set_len(3);
        assert_eq!(buffer.len(), 3);
        assert!(Buffer::zeroed(0).unwrap().is_empty());
    }

    #[test]
    fn refuses_what_cannot_be_had() {
        assert!(Buffer::zeroed(usize::MAX - 16).is_err());
    }
}
