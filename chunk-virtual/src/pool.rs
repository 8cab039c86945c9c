//! Open sources, no more of them at once than there may be.

use std::collections::HashMap;
use std::ops::Deref;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use chunk_core::{Bytes, ChunkSource, DatasetInfo, Error, Location, Registry, Result, check_inside, total_held_bytes};

use crate::stamp::Stamp;

/// Sources that are open at once, unless more are being read at that very moment. An HDF5 file takes two descriptors.
const MOST_OPEN: usize = 64;
const MEMORY: u64 = 16 << 20;

/// Opens sources when they are read, and keeps the latest open: what [`VirtualSource`](crate::VirtualSource)s share.
///
/// Any number of sources can be made with one pool. At most [`most_open`](SourcePool::with_most_open) are open at once,
/// 64 by default, or as many as are being read at that moment if that is more; the one unused for longest is closed
/// first. What they hold in memory, 16 MiB by default, is never exceeded, and is counted in the plans of those that read.
#[derive(Debug)]
pub struct SourcePool {
    registry: Arc<Registry>,
    most_open: usize,
    memory: u64,
    state: Mutex<State>,
    given_back: Condvar,
    next_group: AtomicU64,
}

/// Which source: number in a group of the pool's.
pub(crate) type Key = (u64, u64);

/// What a source that is opened must be, as far as that is known.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Expected<'a> {
    pub(crate) info: Option<&'a DatasetInfo>,
    pub(crate) stamp: Option<Stamp>,
    /// The folder that its file may not be outside of.
    pub(crate) folder: Option<&'a Path>,
}

#[derive(Debug, Default)]
struct State {
    slots: HashMap<Key, Arc<Slot>>,
    clock: u64,
    /// Bytes that open sources hold.
    held: u64,
    /// Bytes that reads have reserved.
    reserved: u64,
}

#[derive(Debug)]
struct Slot {
    opened: Mutex<Option<Arc<dyn ChunkSource>>>,
    used: AtomicU64,
    held: AtomicU64,
}

/// A source that stays open while this is there.
#[derive(Clone, Debug)]
pub(crate) struct Lease {
    source: Arc<dyn ChunkSource>,
    /// A slot that is in use is not given up.
    _slot: Arc<Slot>,
}

impl Lease {
    /// The source, which may be closed only after the lease is given back.
    #[cfg(feature = "hdf5")]
    pub(crate) fn source(&self) -> Arc<dyn ChunkSource> {
        Arc::clone(&self.source)
    }
}

impl Deref for Lease {
    type Target = dyn ChunkSource;

    fn deref(&self) -> &Self::Target {
        &*self.source
    }
}

/// Bytes of the pool's memory for one read; they go back when this is dropped.
#[derive(Debug)]
pub(crate) struct Reserved<'a> {
    pool: &'a SourcePool,
    bytes: u64,
}

impl Drop for Reserved<'_> {
    fn drop(&mut self) {
        lock(&self.pool.state).reserved -= self.bytes;
        self.pool.given_back.notify_all();
    }
}

impl SourcePool {
    /// A pool for sources of the backends of `registry`.
    #[must_use]
    pub fn new(registry: impl Into<Arc<Registry>>) -> Self {
        SourcePool {
            registry: registry.into(),
            most_open: MOST_OPEN,
            memory: MEMORY,
            state: Mutex::default(),
            given_back: Condvar::new(),
            next_group: AtomicU64::new(0),
        }
    }

    /// With at most so many sources open at once; one at least.
    #[must_use]
    pub fn with_most_open(mut self, most_open: usize) -> Self {
        self.most_open = most_open.max(1);
        self
    }

    /// With so much memory for what open sources hold: indices of chunks, mostly.
    #[must_use]
    pub fn with_memory(mut self, memory: Bytes) -> Self {
        self.memory = memory.0;
        self
    }

    /// The backends.
    #[must_use]
    pub fn registry(&self) -> &Arc<Registry> {
        &self.registry
    }

    /// How many sources are open now.
    #[must_use]
    pub fn open_sources(&self) -> usize {
        lock(&self.state).slots.len()
    }

    /// The most bytes that the pool takes.
    pub(crate) fn held_bytes(&self) -> u64 {
        self.memory
    }

    /// A number that no other group of sources of this pool has.
    pub(crate) fn new_group(&self) -> u64 {
        self.next_group.fetch_add(1, Ordering::Relaxed)
    }

    /// The source at `location`, opened if it is not, and found to be what is expected.
    pub(crate) fn lease(&self, key: Key, location: &Location, expected: Expected) -> Result<Lease> {
        let slot = self.slot(key);
        let mut opened = lock(&slot.opened);
        let source = match &*opened {
            Some(source) => Arc::clone(source),
            None => match self.open(&slot, location, expected) {
                Ok(source) => Arc::clone(opened.insert(source)),
                Err(error) => {
                    self.forget(key);
                    return Err(error);
                }
            },
        };
        drop(opened);
        Ok(Lease { source, _slot: slot })
    }

    /// The slot of `key`, in which nothing may be open yet. There is room for it to be opened.
    fn slot(&self, key: Key) -> Arc<Slot> {
        let mut state = lock(&self.state);
        state.clock += 1;
        let clock = state.clock;
        if !state.slots.contains_key(&key) {
            while state.slots.len() >= self.most_open && state.close_one() {}
        }
        let empty = || Slot { opened: Mutex::default(), used: AtomicU64::default(), held: AtomicU64::default() };
        let slot = state.slots.entry(key).or_insert_with(|| Arc::new(empty()));
        slot.used.store(clock, Ordering::Relaxed);
        Arc::clone(slot)
    }

    fn open(&self, slot: &Slot, location: &Location, expected: Expected) -> Result<Arc<dyn ChunkSource>> {
        expected.folder.map_or(Ok(()), |folder| check_inside(location.path(), folder))?;
        let source = self.registry.open(location)?;
        expected.info.map_or(Ok(()), |declared| check(source.info(), declared))?;
        if let Some(stamp) = expected.stamp {
            stamp.check(location.path(), &location.to_string())?;
        }
        let held = total_held_bytes(&*source);
        let mut state = lock(&self.state);
        while state.held + state.reserved + held > self.memory {
            if !state.close_one() {
                return Err(self.too_much(held, &location.to_string()));
            }
        }
        state.held += held;
        slot.held.store(held, Ordering::Relaxed);
        Ok(source)
    }

    fn too_much(&self, bytes: u64, name: &str) -> Error {
        let (needed, memory) = (Bytes(bytes), Bytes(self.memory));
        Error::InvalidArgument(format!("{name} takes {needed} while it is read, its pool has {memory}: make it larger"))
    }

    /// Takes `bytes` of the pool's memory for a read that needs more than was promised.
    pub(crate) fn reserve(&self, bytes: u64, name: &str) -> Result<Reserved<'_>> {
        let mut state = lock(&self.state);
        while state.held + state.reserved + bytes > self.memory {
            if state.close_one() {
                continue;
            }
            if state.reserved == 0 {
                return Err(self.too_much(bytes, name));
            }
            state = self.given_back.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.reserved += bytes;
        Ok(Reserved { pool: self, bytes })
    }

    fn forget(&self, key: Key) {
        lock(&self.state).slots.remove(&key);
    }
}

impl State {
    /// Closes the source that was unused for longest, if there is one that is not in use.
    fn close_one(&mut self) -> bool {
        let idle = self.slots.iter().filter(|(_, slot)| Arc::strong_count(slot) == 1);
        let oldest = idle.min_by_key(|(_, slot)| slot.used.load(Ordering::Relaxed)).map(|(key, _)| *key);
        let Some(slot) = oldest.and_then(|key| self.slots.remove(&key)) else { return false };
        self.held -= slot.held.load(Ordering::Relaxed);
        true
    }
}

/// Whether what was opened is what was described.
fn check(found: &DatasetInfo, declared: &DatasetInfo) -> Result<()> {
    let changed = |what: String| Err(Error::SourceChanged { dataset: declared.name.clone(), what });
    if found.shape != declared.shape {
        return changed(format!("its shape was {}, and is {}", declared.shape, found.shape));
    }
    if found.dtype != declared.dtype {
        return changed(format!("its dtype was {}, and is {}", declared.dtype, found.dtype));
    }
    match declared.identity {
        Some(identity) if found.identity != Some(identity) => changed("the file was written to".to_owned()),
        _ => Ok(()),
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
