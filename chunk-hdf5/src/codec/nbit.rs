//! The HDF5 n-bit filter (number 5): elements without the bits that their datatype says are unused.
//!
//! The filter's parameters describe the datatype again. All of them are checked once, before any data.

use super::CodecError;
use super::bits::{Bits, WIDEST, put};

/// What is in a chunk, as the parameters say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NBit {
    elements: usize,
    /// Nothing is packed: the data are stored as they are.
    is_copy: bool,
    kind: Kind,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Kind {
    Number {
        size: usize,
        little: bool,
        precision: usize,
        offset: usize,
    },
    Array {
        element: Box<Kind>,
        count: usize,
    },
    Structure {
        size: usize,
        members: Vec<(usize, Kind)>,
    },
    /// Bytes as they are.
    Raw {
        size: usize,
    },
}

/// Parameters in front of those of the datatype.
const FIRST: usize = 3;
/// Datatypes inside datatypes, at most.
const MOST_DEPTH: usize = 32;

impl NBit {
    pub(crate) fn from_values(values: &[u32]) -> Result<Self, CodecError> {
        let parsed = (|| {
            let sound = *values.first()? as usize == values.len();
            let (is_copy, elements) = (*values.get(1)? != 0, *values.get(2)? as usize);
            let mut rest = values.get(FIRST..).filter(|_| sound)?.iter().copied();
            Some(Self { elements, is_copy, kind: Kind::parse(&mut rest, 0)? })
        })();
        parsed.ok_or_else(|| CodecError::Parameters { filter: "n-bit", values: values.to_vec() })
    }

    /// Decodes a chunk into the start of `out`: the number of bytes written.
    pub(crate) fn decode(&self, stored: &[u8], out: &mut [u8]) -> Result<usize, CodecError> {
        let limit = out.len();
        let size = self.kind.size();
        let length = if self.is_copy { Some(stored.len()) } else { self.elements.checked_mul(size) };
        let out = length.and_then(|length| out.get_mut(..length)).ok_or(CodecError::TooLong { limit })?;
        if self.is_copy {
            out.copy_from_slice(stored);
            return Ok(out.len());
        }
        out.fill(0);
        let mut bits = Bits::new(stored);
        for element in out.chunks_exact_mut(size) {
            self.kind.decode(&mut bits, element)?;
        }
        Ok(out.len())
    }
}

impl Kind {
    /// The class and what follows it; nothing if it makes no sense.
    fn parse(values: &mut impl Iterator<Item = u32>, depth: usize) -> Option<Self> {
        if depth > MOST_DEPTH {
            return None;
        }
        let mut next = || values.next().map(|value| value as usize);
        let (class, size) = (next()?, next().filter(|&size| size > 0)?);
        match class {
            1 => {
                let (order, precision, offset) = (next()?, next()?, next()?);
                let sound = size <= WIDEST && order <= 1 && precision > 0 && precision + offset <= 8 * size;
                sound.then_some(Self::Number { size, little: order == 0, precision, offset })
            }
            2 => {
                let element = Self::parse(values, depth + 1)?;
                let count = size / element.size();
                (count * element.size() == size).then(|| Self::Array { element: element.into(), count })
            }
            3 => {
                let count = next()?;
                let mut members = Vec::new();
                for _ in 0..count {
                    let offset = values.next()? as usize;
                    let member = Self::parse(values, depth + 1)?;
                    offset.checked_add(member.size()).filter(|&end| end <= size)?;
                    members.push((offset, member));
                }
                // As the library has it: members do not overlap.
                let used = members.iter().map(|(_, member)| member.size()).sum::<usize>();
                (used <= size).then_some(Self::Structure { size, members })
            }
            4 => Some(Self::Raw { size }),
            _ => None,
        }
    }

    fn size(&self) -> usize {
        match self {
            Self::Number { size, .. } | Self::Structure { size, .. } | Self::Raw { size } => *size,
            Self::Array { element, count } => element.size() * count,
        }
    }

    /// `out` is one element, all zeros.
    fn decode(&self, bits: &mut Bits, out: &mut [u8]) -> Result<(), CodecError> {
        match self {
            Self::Number { little, precision, offset, .. } => put(bits.take(*precision)? << offset, *little, out),
            Self::Array { element, .. } => {
                for element_out in out.chunks_exact_mut(element.size()) {
                    element.decode(bits, element_out)?;
                }
            }
            Self::Structure { members, .. } => {
                for (offset, member) in members {
                    member.decode(bits, &mut out[*offset..offset + member.size()])?;
                }
            }
            Self::Raw { .. } => {
                for byte in out {
                    *byte = bits.take(8)? as u8;
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TWELVE_BITS: [u32; 8] = [8, 0, 4, 1, 2, 0, 12, 2];

    #[test]
    fn unpacks_by_definition() {
        // 0xabc, 0x123, 0xfff, 0x001, each moved up by two bits of a little-endian number of two bytes.
        let nbit = NBit::from_values(&TWELVE_BITS).unwrap();
        let mut out = [0x5a; 8];
        assert_eq!(nbit.decode(&[0xab, 0xc1, 0x23, 0xff, 0xf0, 0x01], &mut out), Ok(8));
        let numbers = [0xabc_u16, 0x123, 0xfff, 0x001].map(|number| (number << 2).to_le_bytes());
        assert_eq!(out.as_chunks().0, numbers);
    }

    #[test]
    fn structures_hold_numbers_arrays_and_bytes() {
        // {a: 4 of 8 bits at 0, b: two of 4 of 8 bits at 2, c: a byte as it is at 1}, of 4 bytes
        let values = [23, 0, 1, 3, 4, 3, 0, 1, 1, 0, 4, 0, 2, 2, 2, 1, 1, 1, 4, 0, 1, 4, 1];
        let nbit = NBit::from_values(&values).unwrap();
        let mut out = [0x5a; 4];
        assert_eq!(nbit.decode(&[0x12, 0x34, 0x50], &mut out), Ok(4));
        assert_eq!(out, [1, 0x45, 2, 3]);
    }

    #[test]
    fn refuses_parameters_that_make_no_sense_and_short_data() {
        assert!(NBit::from_values(&[]).is_err());
        for (index, value) in [(0, 7), (3, 5), (3, 2), (4, 0), (4, 17), (5, 2), (6, 0), (6, 15), (7, u32::MAX)] {
            let mut values = TWELVE_BITS;
            values[index] = value;
            assert!(NBit::from_values(&values).is_err(), "{values:?}");
        }
        let deep: Vec<u32> = [200, 0, 1].into_iter().chain([2, 8].repeat(98)).chain([0]).collect();
        assert!(NBit::from_values(&deep).is_err());
        let nbit = NBit::from_values(&TWELVE_BITS).unwrap();
        assert!(nbit.decode(&[0; 5], &mut [0; 8]).is_err());
        assert_eq!(nbit.decode(&[0; 6], &mut [0; 7]), Err(CodecError::TooLong { limit: 7 }));
        let many = NBit::from_values(&[8, 0, u32::MAX, 1, 2, 0, 12, 2]).unwrap();
        assert_eq!(many.decode(&[0; 6], &mut [0; 8]), Err(CodecError::TooLong { limit: 8 }));
    }
}
