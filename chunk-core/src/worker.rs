//! What a run lends to one read or write: threads, reusable scratch, a cancellation token.

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use rayon::{ThreadPool, ThreadPoolBuilder};

use crate::{Buffer, Error, Result, Slab};

/// Tells a run to stop; clones are one token.
#[derive(Clone, Debug, Default)]
pub struct CancelToken {
    own: Arc<AtomicBool>,
    parents: Vec<Arc<AtomicBool>>,
}

impl CancelToken {
    /// A token that nobody cancelled yet.
    #[must_use]
    pub fn new() -> Self {
        CancelToken::default()
    }

    /// Asks to stop. Work under way ends at its next check, with [`Error::Cancelled`].
    pub fn cancel(&self) {
        self.own.store(true, Ordering::Relaxed);
    }

    /// Whether somebody asked to stop.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.own.load(Ordering::Relaxed) || self.parents.iter().any(|flag| flag.load(Ordering::Relaxed))
    }

    /// A token that this one cancels, and that can be cancelled alone.
    pub(crate) fn child(&self) -> Self {
        let parents = self.parents.iter().chain([&self.own]).map(Arc::clone).collect();
        CancelToken { own: Arc::default(), parents }
    }
}

/// What a run lends to each [`read_into`](crate::ChunkSource::read_into) and
/// [`write_from`](crate::ChunkSink::write_from).
///
/// A backend may ignore it. One that has work to share inside a slab gives it to [`Worker::for_each`], takes its
/// temporary buffers from [`Worker::scratch`], which reuses them from slab to slab, and calls [`Worker::check`]
/// now and then in long loops. All of this is counted beforehand by [`Cost`](crate::Cost).
#[derive(Clone, Debug)]
pub struct Worker {
    threads: usize,
    team: Arc<Team>,
    pool: Arc<ScratchPool>,
    granted: u64,
    cancel: CancelToken,
}

/// The threads that help a worker inside its slabs, begun when they are first needed. No other worker
/// uses them: so whoever waits for them runs parts of its own slab only.
struct Team {
    helpers: usize,
    threads: OnceLock<Option<ThreadPool>>,
}

impl Team {
    fn new(threads: usize) -> Self {
        Team { helpers: threads.saturating_sub(1), threads: OnceLock::new() }
    }

    fn threads(&self) -> Result<&ThreadPool> {
        let begin = || ThreadPoolBuilder::new().num_threads(self.helpers).build().ok();
        let threads = self.threads.get_or_init(begin).as_ref();
        threads.ok_or_else(|| Error::InvalidArgument(format!("cannot begin {} threads", self.helpers)))
    }
}

impl fmt::Debug for Team {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Team({} helpers)", self.helpers)
    }
}

impl Default for Worker {
    fn default() -> Self {
        Worker::new()
    }
}

impl Worker {
    /// One thread on its own, outside any run.
    #[must_use]
    pub fn new() -> Self {
        Worker::with_threads(1)
    }

    /// `threads` threads, the caller's included, outside any run.
    #[must_use]
    pub fn with_threads(threads: usize) -> Self {
        Worker::in_run(threads, u64::MAX, CancelToken::new())
    }

    /// The same worker, that stops when `token` is cancelled.
    #[must_use]
    pub fn with_cancel(mut self, token: &CancelToken) -> Self {
        self.cancel = token.clone();
        self
    }

    /// A worker of a run, whose scratch keeps at most `scratch_bytes` from slab to slab.
    pub(crate) fn in_run(threads: usize, scratch_bytes: u64, cancel: CancelToken) -> Self {
        let pool = Arc::new(ScratchPool { limit: scratch_bytes, state: Mutex::default() });
        let threads = threads.max(1);
        Worker { threads, team: Arc::new(Team::new(threads)), pool, granted: 0, cancel }
    }

    /// The same worker, with so many bytes granted.
    pub(crate) fn granted(mut self, bytes: u64) -> Self {
        self.granted = bytes;
        self
    }

    /// Bytes that an operation may take beyond its [`scratch_bytes`](crate::Cost::scratch_bytes): what
    /// the plan had room for of its [`wanted_bytes`](crate::Cost::wanted_bytes). None outside a run.
    #[must_use]
    pub fn granted_bytes(&self) -> u64 {
        self.granted
    }

    /// How many threads may work on this slab at once, the caller's included.
    #[must_use]
    pub fn threads(&self) -> usize {
        self.threads
    }

    /// Whether to go on.
    ///
    /// # Errors
    /// [`Error::Cancelled`] once the run is to stop.
    pub fn check(&self) -> Result<()> {
        if self.cancel.is_cancelled() { Err(Error::Cancelled) } else { Ok(()) }
    }

    /// A temporary buffer of `length` bytes, aligned for every element, whose content is unspecified. It goes back
    /// to the worker when dropped, so that the next slab does not pay for fresh memory.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] if the memory cannot be had.
    pub fn scratch(&self, length: usize) -> Result<Scratch<'_>> {
        Ok(Scratch { buffer: self.pool.take(length)?, pool: &self.pool })
    }

    /// Calls `work` once for each item, on up to [`Worker::threads`] threads. Each call gets a worker of its own
    /// share: of one thread where several items run at once, and of the bytes that were granted.
    ///
    /// # Errors
    /// The error of the earliest item that failed; items not yet begun are then left out.
    ///
    /// # Panics
    /// A panic in `work` is passed on, after all threads have ended.
    pub fn for_each<T: Send>(&self, items: Vec<T>, work: impl Fn(T, &Worker) -> Result<()> + Sync) -> Result<()> {
        let threads = self.threads.min(items.len());
        if threads <= 1 {
            return items.into_iter().try_for_each(|item| {
                self.check()?;
                work(item, self)
            });
        }
        let granted = self.granted / threads as u64;
        let share = Worker { threads: self.threads / threads, granted, ..self.clone() };
        let queue = Mutex::new(items.into_iter().enumerate());
        let failed = Mutex::new(None::<(usize, Error)>);
        let serve = || {
            while let Some((index, item)) = next_item(&queue, &failed) {
                let result = share.check().and_then(|()| work(item, &share));
                if let Err(error) = result {
                    keep_earliest(&failed, index, error);
                }
            }
        };
        self.team.threads()?.in_place_scope(|scope| {
            for _ in 1..threads {
                scope.spawn(|_| serve());
            }
            serve();
        });
        match failed.into_inner().unwrap_or_else(PoisonError::into_inner) {
            Some((_, error)) => Err(error),
            None => Ok(()),
        }
    }

    /// Cuts `slab`, and with it `out`, its packed buffer of elements of `size` bytes, into one part a thread along
    /// the outermost axis, at multiples of `align`, and calls `work` for each.
    ///
    /// # Errors
    /// As [`Worker::for_each`].
    pub fn for_each_part(
        &self,
        slab: &Slab,
        out: &mut [u8],
        size: usize,
        align: u64,
        work: impl Fn(&Slab, &mut [u8], &Worker) -> Result<()> + Sync,
    ) -> Result<()> {
        self.for_each_slab(slab.split(self.threads as u64, align), out, size, work)
    }

    /// Calls `work` for each of `slabs`, whose packed buffers of elements of `size` bytes follow one another in `out`.
    ///
    /// # Errors
    /// As [`Worker::for_each`].
    ///
    /// # Panics
    /// As [`Worker::for_each`], and if `out` is shorter than all of them.
    pub fn for_each_slab(
        &self,
        slabs: Vec<Slab>,
        out: &mut [u8],
        size: usize,
        work: impl Fn(&Slab, &mut [u8], &Worker) -> Result<()> + Sync,
    ) -> Result<()> {
        let mut items = Vec::with_capacity(slabs.len());
        let mut rest = out;
        for slab in slabs {
            let (bytes, after) = rest.split_at_mut(slab.bytes(size) as usize);
            items.push((slab, bytes));
            rest = after;
        }
        self.for_each(items, |(slab, bytes), worker| work(&slab, bytes, worker))
    }
}

impl Slab {
    /// Cuts the slab into up to `parts` parts along its outermost axis, at multiples of `align`, as even as that
    /// allows. In a packed buffer they lie one after another.
    #[must_use]
    pub fn split(&self, parts: u64, align: u64) -> Vec<Slab> {
        let Some(axis) = self.outermost_axis() else { return vec![self.clone()] };
        let (start, end, align) = (self.start()[axis], self.end(axis), align.max(1));
        let mut cuts = vec![start];
        for part in 1..parts {
            let even = start + (u128::from(end - start) * u128::from(part) / u128::from(parts)) as u64;
            let cut = (even + align / 2) / align * align;
            if cut > cuts[cuts.len() - 1] && cut < end {
                cuts.push(cut);
            }
        }
        cuts.push(end);
        cuts.windows(2).map(|pair| self.with_axis(axis, pair[0]..pair[1])).collect()
    }
}

fn next_item<T>(queue: &Mutex<impl Iterator<Item = T>>, failed: &Mutex<Option<(usize, Error)>>) -> Option<T> {
    if lock(failed).is_some() {
        return None;
    }
    lock(queue).next()
}

fn keep_earliest(failed: &Mutex<Option<(usize, Error)>>, index: usize, error: Error) {
    let mut failed = lock(failed);
    if failed.as_ref().is_none_or(|(earliest, _)| index < *earliest) {
        *failed = Some((index, error));
    }
}

/// Locks, also after a panic elsewhere: what is guarded here is never left half changed.
pub(crate) fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Bytes that a buffer may be too long by.
const PAGE: usize = 4096;

/// Buffers that go from slab to slab.
#[derive(Debug)]
struct ScratchPool {
    limit: u64,
    state: Mutex<PoolState>,
}

#[derive(Debug, Default)]
struct PoolState {
    idle: Vec<Buffer>,
    lent: u64,
}

impl ScratchPool {
    /// The smallest idle buffer that is long enough, or a new one; idle buffers are freed first where both would
    /// exceed the limit. A buffer that is much too long is left to whoever needs it: what is lent must not exceed
    /// what was asked for.
    fn take(&self, length: usize) -> Result<Buffer> {
        let mut state = lock(&self.state);
        let most = length + length / 64 + PAGE;
        let fitting = (0..state.idle.len()).filter(|&i| (length..=most).contains(&state.idle[i].capacity()));
        let best = fitting.min_by_key(|&i| state.idle[i].capacity());
        let reused = best.map(|index| state.idle.swap_remove(index));
        let more = reused.as_ref().map_or(length, Buffer::capacity) as u64;
        state.make_room(self.limit.saturating_sub(more));
        let mut buffer = match reused {
            Some(buffer) => buffer,
            None => Buffer::zeroed(length)?,
        };
        buffer.set_len(length);
        state.lent += buffer.capacity() as u64;
        Ok(buffer)
    }

    fn give_back(&self, buffer: Buffer) {
        let mut state = lock(&self.state);
        state.lent -= buffer.capacity() as u64;
        state.idle.push(buffer);
    }
}

impl PoolState {
    fn make_room(&mut self, most: u64) {
        let mut total = self.lent + self.idle.iter().map(|buffer| buffer.capacity() as u64).sum::<u64>();
        while total > most && !self.idle.is_empty() {
            total -= self.idle.remove(0).capacity() as u64;
        }
    }
}

/// A temporary buffer of a [`Worker`].
#[derive(Debug)]
pub struct Scratch<'worker> {
    buffer: Buffer,
    pool: &'worker ScratchPool,
}

impl Deref for Scratch<'_> {
    type Target = Buffer;

    fn deref(&self) -> &Buffer {
        &self.buffer
    }
}

impl DerefMut for Scratch<'_> {
    fn deref_mut(&mut self) -> &mut Buffer {
        &mut self.buffer
    }
}

impl Drop for Scratch<'_> {
    fn drop(&mut self) {
        self.pool.give_back(std::mem::take(&mut self.buffer));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use super::*;

    #[test]
    fn calls_each_item_once() {
        for threads in [1, 2, 5] {
            let sum = AtomicUsize::new(0);
            let worker = Worker::with_threads(threads);
            let add = |item, _: &Worker| {
                sum.fetch_add(item, Ordering::Relaxed);
                Ok(())
            };
            worker.for_each((0..100).collect(), add).unwrap();
            assert_eq!(sum.into_inner(), 4950);
        }
    }

    #[test]
    fn items_at_once_share_what_was_granted() {
        let worker = Worker::with_threads(2).granted(1000);
        let granted = |items: Vec<u64>| {
            let most = Mutex::new(0);
            let look = |_, worker: &Worker| {
                let mut most = lock(&most);
                *most = worker.granted_bytes().max(*most);
                Ok(())
            };
            worker.for_each(items, look).unwrap();
            most.into_inner().unwrap()
        };
        assert_eq!((granted(vec![1, 2, 3]), granted(vec![1])), (500, 1000));
    }

    #[test]
    fn reports_the_earliest_error_and_begins_no_more() {
        let begun = AtomicUsize::new(0);
        let work = |item: usize, _: &Worker| {
            begun.fetch_add(1, Ordering::Relaxed);
            if item < 3 { Ok(()) } else { Err(Error::InvalidArgument(item.to_string())) }
        };
        let error = Worker::with_threads(4).for_each((0..1000).collect(), work).unwrap_err();
        assert!(matches!(error, Error::InvalidArgument(item) if item.parse::<usize>().unwrap() < 10));
        assert!(begun.into_inner() < 20);
    }

    #[test]
    fn passes_a_panic_on() {
        let work = |item: usize, _: &Worker| if item == 7 { panic!("seven") } else { Ok(()) };
        let caught = std::panic::catch_unwind(|| Worker::with_threads(3).for_each((0..9).collect(), work));
        assert_eq!(caught.unwrap_err().downcast_ref::<&str>(), Some(&"seven"));
    }

    #[test]
    fn stops_when_cancelled() {
        let token = CancelToken::new();
        let worker = Worker::in_run(2, 0, token.child());
        assert!(worker.check().is_ok());
        token.cancel();
        assert!(matches!(worker.for_each(vec![1, 2, 3], |_, _| Ok(())), Err(Error::Cancelled)));
    }

    #[test]
    fn splits_evenly_at_multiples() {
        let slab = Slab::new([0, 10, 0], [1, 100, 8]);
        let parts = slab.split(3, 16);
        let ranges: Vec<_> = parts.iter().map(|part| (part.start()[1], part.end(1))).collect();
        assert_eq!(ranges, [(10, 48), (48, 80), (80, 110)]);
        assert_eq!(slab.split(3, 1000).len(), 1);
        assert_eq!(Slab::whole(&[]).split(4, 1), [Slab::whole(&[])]);
        assert_eq!(Slab::whole(&[0, 5]).split(4, 1).iter().map(Slab::elements).sum::<u64>(), 0);
    }

    #[test]
    fn scratch_is_reused_and_never_exceeds_its_limit_when_idle() {
        let worker = Worker::in_run(1, 1000, CancelToken::new());
        let address = worker.scratch(800).unwrap().as_ptr();
        assert_eq!(worker.scratch(500).unwrap().as_ptr(), address);
        drop(worker.scratch(900).unwrap());
        let state = lock(&worker.pool.state);
        assert_eq!(state.lent, 0);
        assert_eq!(state.idle.iter().map(Buffer::capacity).sum::<usize>(), 912);
    }

    #[test]
    fn a_small_request_leaves_a_large_buffer_alone() {
        let worker = Worker::in_run(1, 1 << 20, CancelToken::new());
        let large = worker.scratch(100_000).unwrap().as_ptr();
        let small = worker.scratch(10).unwrap();
        assert_ne!(small.as_ptr(), large);
        assert_eq!(worker.scratch(100_000).unwrap().as_ptr(), large);
    }
}
