//! Decoded pieces of chunks, kept for windows that overlap.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chunk_core::{Buffer, Result};

/// What a piece is known by: the number of its chunk, and of its block in the chunk.
pub(crate) type Key = (u64, usize);

/// The pieces used last, of at most `most` bytes together. Any number of threads use it at once; two that miss the
/// same piece both decode it.
#[derive(Debug)]
pub(crate) struct Cache {
    most: u64,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    pieces: HashMap<Key, (Arc<Buffer>, u64)>,
    /// Keys by when they were used last.
    order: BTreeMap<u64, Key>,
    clock: u64,
    bytes: u64,
}

/// What the tables take for a piece, at most.
const ENTRY_BYTES: u64 = 256;

impl Cache {
    /// A cache of at most `most` bytes; none if that is 0.
    pub(crate) fn new(most: u64) -> Option<Self> {
        (most > 0).then(|| Cache { most, state: Mutex::default() })
    }

    /// The most that it holds.
    pub(crate) fn most(&self) -> u64 {
        self.most
    }

    /// The piece, if it is there.
    pub(crate) fn find(&self, key: Key) -> Option<Arc<Buffer>> {
        self.state().touch(key)
    }

    /// The piece of `length` bytes that `decode` makes, kept if it is not too large for the cache.
    pub(crate) fn make(
        &self,
        key: Key,
        length: usize,
        decode: impl FnOnce(&mut [u8]) -> Result<()>,
    ) -> Result<Arc<Buffer>> {
        let bytes = length as u64 + ENTRY_BYTES;
        // Room is made before the memory is taken. Pieces that several threads make at once may exceed `most` by what
        // each of them has in hand, which the cost of a read counts.
        let mut buffer = match self.state().shrink_to(self.most.saturating_sub(bytes), length) {
            Some(buffer) => buffer,
            None => Buffer::zeroed(length)?,
        };
        decode(&mut buffer)?;
        let piece = Arc::new(buffer);
        if bytes <= self.most {
            let mut state = self.state();
            state.shrink_to(self.most - bytes, length);
            state.insert(key, piece.clone());
        }
        Ok(piece)
    }

    /// What is guarded is never left half changed.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn touch(&mut self, key: Key) -> Option<Arc<Buffer>> {
        let (piece, used) = self.pieces.get_mut(&key)?;
        self.order.remove(used);
        self.clock += 1;
        *used = self.clock;
        self.order.insert(self.clock, key);
        Some(piece.clone())
    }

    fn insert(&mut self, key: Key, piece: Arc<Buffer>) {
        self.clock += 1;
        self.bytes += piece.len() as u64 + ENTRY_BYTES;
        self.order.insert(self.clock, key);
        if let Some((old, used)) = self.pieces.insert(key, (piece, self.clock)) {
            self.bytes -= old.len() as u64 + ENTRY_BYTES;
            self.order.remove(&used);
        }
    }

    /// Lets pieces go until `most` bytes are left: one of them of this length is given for use again, as fresh memory
    /// costs more than decoding a block.
    fn shrink_to(&mut self, most: u64, length: usize) -> Option<Buffer> {
        let mut again = None;
        while self.bytes > most {
            let (_, key) = self.order.pop_first()?;
            if let Some((piece, _)) = self.pieces.remove(&key) {
                self.bytes -= piece.len() as u64 + ENTRY_BYTES;
                again = again.or_else(|| Arc::into_inner(piece).filter(|buffer| buffer.len() == length));
            }
        }
        again
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn make(cache: &Cache, number: u64, length: usize) -> Arc<Buffer> {
        let fill = |bytes: &mut [u8]| {
            bytes.fill(number as u8);
            Ok(())
        };
        cache.make((number, 0), length, fill).unwrap()
    }

    #[test]
    fn keeps_what_was_used_last_within_its_size() {
        let cache = Cache::new(3 * (1000 + ENTRY_BYTES)).unwrap();
        for number in 0..3 {
            assert_eq!(make(&cache, number, 1000)[0], number as u8);
        }
        assert!(cache.find((0, 0)).is_some());
        make(&cache, 3, 1000);
        let kept: Vec<bool> = (0..4).map(|number| cache.find((number, 0)).is_some()).collect();
        assert_eq!(kept, [true, false, true, true]);
        assert_eq!(cache.state().bytes, cache.most());
    }

    #[test]
    fn a_piece_made_twice_counts_once() {
        let cache = Cache::new(10_000).unwrap();
        make(&cache, 1, 1000);
        make(&cache, 1, 500);
        assert_eq!(cache.state().bytes, 500 + ENTRY_BYTES);
        assert_eq!(cache.state().order.len(), 1);
        assert_eq!(cache.find((1, 0)).unwrap().len(), 500);
    }

    #[test]
    fn a_piece_that_is_too_large_is_made_but_not_kept() {
        let cache = Cache::new(1000).unwrap();
        assert_eq!(make(&cache, 1, 5000).len(), 5000);
        assert!(cache.find((1, 0)).is_none());
        assert!(Cache::new(0).is_none());
    }

    #[test]
    fn an_error_leaves_nothing_behind() {
        let cache = Cache::new(1000).unwrap();
        let failed = cache.make((1, 0), 10, |_| Err(chunk_core::Error::Cancelled));
        assert!(failed.is_err() && cache.find((1, 0)).is_none());
        assert_eq!(cache.state().bytes, 0);
    }
}
