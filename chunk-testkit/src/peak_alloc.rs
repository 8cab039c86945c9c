//! An allocator that counts: the only unsafe code of the crate.

#![allow(unsafe_code, reason = "GlobalAlloc is an unsafe trait; every method hands its arguments to the system's")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicU64, Ordering};

/// The system's allocator, counting the bytes that the program holds and the most that it held.
///
/// A test binary installs it with [`measure_memory!`](crate::measure_memory). Counted is what Rust code allocates, on
/// all threads; what C libraries allocate for themselves and the stacks of threads are not.
///
/// ```
/// use chunk_testkit::PeakAlloc;
///
/// chunk_testkit::measure_memory!();
///
/// let (sum, held) = PeakAlloc::measure(|| vec![1_u8; 100_000].iter().map(|&x| u64::from(x)).sum::<u64>());
/// assert_eq!(sum, 100_000);
/// assert!(held.peak >= 100_000 && held.left < 1000);
/// ```
#[derive(Debug)]
pub struct PeakAlloc;

/// What a closure held beyond what was held before, as [`PeakAlloc::measure`] saw it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Held {
    /// The most bytes at any moment.
    pub peak: u64,
    /// Bytes still held at its end, its result included.
    pub left: u64,
}

static NOW: AtomicU64 = AtomicU64::new(0);
static PEAK: AtomicU64 = AtomicU64::new(0);

impl PeakAlloc {
    /// Whether this program counts: the Rust runtime allocates before `main`.
    #[must_use]
    pub fn is_installed() -> bool {
        PeakAlloc::peak() > 0
    }

    /// Bytes held now.
    #[must_use]
    pub fn now() -> u64 {
        NOW.load(Ordering::SeqCst)
    }

    /// The most bytes held since the program began, or since [`PeakAlloc::reset`].
    #[must_use]
    pub fn peak() -> u64 {
        PEAK.load(Ordering::SeqCst)
    }

    /// Forgets the peak: it is what is held now.
    pub fn reset() {
        PEAK.store(PeakAlloc::now(), Ordering::SeqCst);
    }

    /// What `work` holds at most beyond what is held now, and what is left of it.
    ///
    /// All threads of the program count, so a test that measures runs [`alone`](crate::alone).
    pub fn measure<T>(work: impl FnOnce() -> T) -> (T, Held) {
        let before = PeakAlloc::now();
        PeakAlloc::reset();
        let result = work();
        let held =
            Held { peak: PeakAlloc::peak().saturating_sub(before), left: PeakAlloc::now().saturating_sub(before) };
        (result, held)
    }
}

fn add(bytes: usize) {
    let now = NOW.fetch_add(bytes as u64, Ordering::SeqCst) + bytes as u64;
    PEAK.fetch_max(now, Ordering::SeqCst);
}

fn subtract(bytes: usize) {
    NOW.fetch_sub(bytes as u64, Ordering::SeqCst);
}

// SAFETY: every method is the system's of the same name, called with the same arguments; counting allocates nothing.
unsafe impl GlobalAlloc for PeakAlloc {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promise is the one that is asked for.
        let block = unsafe { System.alloc(layout) };
        if !block.is_null() {
            add(layout.size());
        }
        block
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promise is the one that is asked for.
        let block = unsafe { System.alloc_zeroed(layout) };
        if !block.is_null() {
            add(layout.size());
        }
        block
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise is the one that is asked for.
        unsafe { System.dealloc(block, layout) };
        subtract(layout.size());
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: the caller's promise is the one that is asked for.
        let moved = unsafe { System.realloc(block, layout, size) };
        if !moved.is_null() {
            // A block that moves is there twice for a moment.
            add(size);
            subtract(layout.size());
        }
        moved
    }
}
