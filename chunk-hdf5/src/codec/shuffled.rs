//! Shuffled blocks: taking a part out of one, and keeping one in little memory.
//!
//! Shuffling puts the first bytes of all elements into one plane, the second bytes into the next, and so on. Numbers that
//! were counted or quantised leave whole planes at one value, mostly zero: such a plane is kept as that value.

use super::CodecError;
use super::shuffle::unshuffle;

/// A shuffled block.
#[derive(Debug)]
pub(crate) struct Shuffled<'a> {
    planes: Vec<Plane<'a>>,
    /// Bytes that make no element.
    rest: &'a [u8],
    elements: usize,
}

#[derive(Clone, Copy, Debug)]
enum Plane<'a> {
    Bytes(&'a [u8]),
    /// All its bytes are this one.
    Value(u8),
}

/// In front of what is kept, for each plane: its one value, or that its bytes follow.
const WORD: usize = 2;
const FOLLOWS: u16 = 1 << 8;

/// Bytes that are gathered and unshuffled at once.
const PART: usize = 4096;

impl<'a> Shuffled<'a> {
    /// A block as it was decoded.
    pub(crate) fn new(element_size: usize, shuffled: &'a [u8]) -> Self {
        let elements = shuffled.len() / element_size;
        let (planes, rest) = shuffled.split_at(elements * element_size);
        let planes = planes.chunks_exact(elements.max(1)).map(Plane::Bytes).collect();
        Shuffled { planes, rest, elements }
    }

    /// The block of `len` bytes that [`Shuffled::pack`] kept.
    pub(crate) fn packed(element_size: usize, len: usize, packed: &'a [u8]) -> Self {
        let elements = len / element_size;
        let count = if elements == 0 { 0 } else { element_size };
        let (words, mut rest) = packed.split_at(count * WORD);
        let planes = words.chunks_exact(WORD).map(|word| {
            let word = u16::from_le_bytes([word[0], word[1]]);
            let Ok(value) = u8::try_from(word) else {
                let (plane, behind) = rest.split_at(elements);
                rest = behind;
                return Plane::Bytes(plane);
            };
            Plane::Value(value)
        });
        Shuffled { planes: planes.collect(), rest, elements }
    }

    /// The same block; planes of one value are known to be such.
    pub(crate) fn condensed(mut self) -> Self {
        for plane in &mut self.planes {
            if let Plane::Bytes(bytes @ [first, others @ ..]) = *plane
                && bytes[..others.len()] == *others
            {
                *plane = Plane::Value(*first);
            }
        }
        self
    }

    /// How many bytes are kept of it.
    pub(crate) fn packed_len(&self) -> usize {
        let kept = self.planes.iter().filter(|plane| matches!(plane, Plane::Bytes(_))).count();
        self.planes.len() * WORD + kept * self.elements + self.rest.len()
    }

    /// Fills `out`, which is [`Shuffled::packed_len`] long, with what is kept of the block.
    pub(crate) fn pack(&self, out: &mut [u8]) {
        let (words, mut kept) = out.split_at_mut(self.planes.len() * WORD);
        for (word, plane) in words.chunks_exact_mut(WORD).zip(&self.planes) {
            let stated = match plane {
                Plane::Value(value) => u16::from(*value),
                Plane::Bytes(bytes) => {
                    let (place, behind) = kept.split_at_mut(bytes.len());
                    place.copy_from_slice(bytes);
                    kept = behind;
                    FOLLOWS
                }
            };
            word.copy_from_slice(&stated.to_le_bytes());
        }
        kept.copy_from_slice(self.rest);
    }

    /// Undoes the shuffling of the bytes from `from` on.
    pub(crate) fn unshuffle_part(&self, from: usize, out: &mut [u8]) -> Result<(), CodecError> {
        let size = self.planes.len().max(1);
        let whole = from.is_multiple_of(size) && out.len().is_multiple_of(size);
        if !whole || size > PART || from + out.len() > self.elements * size {
            (from..).zip(out).for_each(|(position, byte)| *byte = self.byte(position));
            return Ok(());
        }
        let mut first = from / size;
        let mut part = [0; PART];
        for out in out.chunks_mut(PART / size * size) {
            let count = out.len() / size;
            let part = &mut part[..out.len()];
            for (target, plane) in part.chunks_exact_mut(count).zip(&self.planes) {
                match plane {
                    Plane::Bytes(bytes) => target.copy_from_slice(&bytes[first..first + count]),
                    Plane::Value(value) => target.fill(*value),
                }
            }
            unshuffle(size, part, out)?;
            first += count;
        }
        Ok(())
    }

    /// The byte at a position of the block.
    fn byte(&self, position: usize) -> u8 {
        let elements = self.elements * self.planes.len();
        if position >= elements {
            return self.rest[position - elements];
        }
        match self.planes[position % self.planes.len()] {
            Plane::Bytes(bytes) => bytes[position / self.planes.len()],
            Plane::Value(value) => value,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::samples::{Kind, data};
    use super::super::shuffle::shuffle;
    use super::*;

    const SIZES: [usize; 9] = [1, 2, 3, 4, 5, 8, 16, 17, 255];

    fn shuffled(size: usize, data: &[u8]) -> Vec<u8> {
        let mut shuffled = vec![7; data.len()];
        shuffle(size, data, &mut shuffled).unwrap();
        shuffled
    }

    fn packed(size: usize, shuffled: &[u8]) -> Vec<u8> {
        let planes = Shuffled::new(size, shuffled).condensed();
        let mut packed = vec![7; planes.packed_len()];
        planes.pack(&mut packed);
        packed
    }

    #[test]
    fn a_part_is_what_the_whole_has_there() {
        for size in SIZES {
            for len in [0, 7, 128, 1000, 4096] {
                let data = data(Kind::Random, len);
                let shuffled = shuffled(size, &data);
                let packed = packed(size, &shuffled);
                for (from, end) in [(0, len), (len / 3, len), (len / size / 2 * size, len / size * size), (1, 2)] {
                    let range = from.min(len)..end.min(len).max(from.min(len));
                    for planes in [Shuffled::new(size, &shuffled), Shuffled::packed(size, len, &packed)] {
                        let mut out = vec![0x5a; range.len()];
                        planes.unshuffle_part(range.start, &mut out).unwrap();
                        assert_eq!(out, data[range.clone()], "size {size}, {len} bytes, {range:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn planes_of_one_value_are_kept_as_that() {
        let numbers: Vec<u8> = (0..1000_i32).flat_map(|number| (number % 200 - 100).to_le_bytes()).collect();
        let counts: Vec<u8> = (0..1000_i32).flat_map(|number| (0x0300_0000 + number % 250).to_le_bytes()).collect();
        for (data, kept) in [(numbers, 4), (counts, 1)] {
            let packed = packed(4, &shuffled(4, &data));
            assert_eq!(packed.len(), 4 * WORD + kept * 1000);
            let mut back = vec![7; data.len()];
            Shuffled::packed(4, data.len(), &packed).unshuffle_part(0, &mut back).unwrap();
            assert_eq!(back, data);
        }
    }
}
