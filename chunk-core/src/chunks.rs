//! Owned iteration: the slabs of a source as an iterator that borrows nothing.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread::{Builder, JoinHandle};

use crate::worker::lock;
use crate::{Buffer, CancelToken, ChunkSource, Element, Error, Plan, Result, Run, Slab};

/// A slab of a source with its elements: packed, row-major, in native byte order.
#[derive(Debug)]
pub struct Chunk {
    slab: Slab,
    data: Buffer,
    /// Where the buffer goes when it is no longer needed.
    idle: Idle,
}

type Idle = Arc<Mutex<Vec<Buffer>>>;

impl Chunk {
    /// Which slab it is.
    #[must_use]
    pub fn slab(&self) -> &Slab {
        &self.slab
    }

    /// Its bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.data
    }

    /// Its elements.
    ///
    /// # Errors
    /// As [`Element::from_bytes`].
    pub fn elements<T: Element>(&self) -> Result<&[T]> {
        self.data.elements()
    }
}

impl Drop for Chunk {
    fn drop(&mut self) {
        let mut idle = lock(&self.idle);
        if idle.is_empty() {
            idle.push(std::mem::take(&mut self.data));
        }
    }
}

/// The slabs of a source in row-major order, read ahead by threads of its own: what [`Run::chunks`]
/// makes.
///
/// One chunk waits to be taken, so that with the one in hand and those that are being read the memory
/// is that of the plan. Dropped, it stops reading.
#[derive(Debug)]
pub struct Chunks {
    plan: Plan,
    receiver: Option<Receiver<Result<Chunk>>>,
    stop: CancelToken,
    reader: Option<JoinHandle<()>>,
}

impl Run {
    /// Reads `source` in row-major order, slab by slab, ahead of whoever takes the chunks.
    ///
    /// The iterator borrows nothing: it may be sent to another thread and live as long as it likes. An
    /// error is its last item.
    ///
    /// ```
    /// use std::sync::Arc;
    ///
    /// use chunk_core::{MemorySource, Run};
    ///
    /// let x = Arc::new(MemorySource::new([4], &[1.0, 2.0, 3.0, 4.0])?);
    /// let chunks = Run::new().budget("64K".parse()?).chunks(x)?;
    /// let sum = std::thread::spawn(move || {
    ///     chunks.map(|chunk| Ok(chunk?.elements::<f64>()?.iter().sum::<f64>())).sum::<chunk_core::Result<f64>>()
    /// });
    /// assert_eq!(sum.join().expect("it does not panic")?, 10.0);
    /// # Ok::<(), chunk_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`Planner::read_contiguous`](crate::Planner::read_contiguous), with room for the chunks
    /// that are handed on; [`Error::InvalidArgument`] if no thread can be begun.
    pub fn chunks(&self, source: Arc<dyn ChunkSource>) -> Result<Chunks> {
        let plan = self.planner().read_owned(&*source)?;
        let stop = self.stop();
        let (sender, receiver) = sync_channel(0);
        let reader = Reader { run: self.clone().cancel(stop.clone()), plan: plan.clone(), source, sender };
        let begun = Builder::new().name("chunks".to_owned()).spawn(move || reader.read());
        let reader = begun.map_err(|cause| Error::InvalidArgument(format!("cannot begin a thread: {cause}")))?;
        Ok(Chunks { plan, receiver: Some(receiver), stop, reader: Some(reader) })
    }
}

impl Chunks {
    /// The plan that the source is read by.
    #[must_use]
    pub fn plan(&self) -> &Plan {
        &self.plan
    }
}

impl Iterator for Chunks {
    type Item = Result<Chunk>;

    fn next(&mut self) -> Option<Result<Chunk>> {
        // Closed once all is read.
        self.receiver.as_ref()?.recv().ok()
    }
}

impl Drop for Chunks {
    fn drop(&mut self) {
        self.stop.cancel();
        // Whoever waits to hand a chunk on then hears that nobody takes it.
        self.receiver = None;
        if let Some(reader) = self.reader.take() {
            let _ = reader.join();
        }
    }
}

/// What reads ahead.
struct Reader {
    run: Run,
    plan: Plan,
    source: Arc<dyn ChunkSource>,
    sender: SyncSender<Result<Chunk>>,
}

impl Reader {
    fn read(self) {
        let idle = Idle::default();
        let hand_on = |slab: &Slab, bytes: &[u8]| {
            let mut data = lock(&idle).pop().filter(|buffer| buffer.capacity() >= bytes.len()).unwrap_or_default();
            if data.capacity() < bytes.len() {
                data = Buffer::zeroed(bytes.len())?;
            }
            data.set_len(bytes.len());
            data.copy_from_slice(bytes);
            let chunk = Chunk { slab: slab.clone(), data, idle: Arc::clone(&idle) };
            self.sender.send(Ok(chunk)).map_err(|_| Error::Cancelled)
        };
        if let Err(error) = self.run.visit_planned(&self.plan, &*self.source, hand_on) {
            // Nobody listens any more if it was dropped.
            let _ = self.sender.send(Err(error));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ChunkSourceExt, MemorySource, Operation, Worker};

    fn source() -> Arc<MemorySource> {
        let elements: Vec<u32> = (0..1000 * 50).collect();
        Arc::new(MemorySource::new([1000, 50], &elements).unwrap().with_chunk_shape([64, 20]).unwrap())
    }

    #[test]
    fn gives_all_elements_in_order() {
        for (budget, threads) in [("2K", 1), ("64K", 3), ("64M", 2)] {
            let run = Run::new().budget(budget.parse().unwrap()).threads(threads);
            let chunks = run.chunks(source()).unwrap();
            assert!(chunks.plan().peak_bytes() <= budget.parse::<crate::Bytes>().unwrap().0);
            let elements: Vec<u32> =
                chunks.flat_map(|chunk| chunk.unwrap().elements::<u32>().unwrap().to_vec()).collect();
            assert!(elements.iter().copied().eq(0..50_000), "{budget}");
        }
        assert_eq!(source().into_chunks().unwrap().map(|chunk| chunk.unwrap().slab().elements()).sum::<u64>(), 50_000);
    }

    #[test]
    fn stops_when_it_is_dropped_or_cancelled() {
        let run = Run::new().budget("2K".parse().unwrap());
        let mut chunks = run.chunks(source()).unwrap();
        assert!(chunks.next().unwrap().is_ok());
        drop(chunks);
        let token = CancelToken::new();
        let mut chunks = run.cancel(token.clone()).chunks(source()).unwrap();
        assert!(chunks.next().unwrap().is_ok());
        token.cancel();
        assert!(matches!(chunks.find(Result::is_err), Some(Err(Error::Cancelled))));
        assert!(chunks.next().is_none());
    }

    /// A source that fails at its middle.
    #[derive(Debug)]
    struct Broken(Arc<MemorySource>);

    impl ChunkSource for Broken {
        fn info(&self) -> &crate::DatasetInfo {
            self.0.info()
        }

        fn operation(&self) -> Option<&dyn Operation> {
            None
        }

        fn held_bytes(&self) -> u64 {
            0
        }

        fn cost(&self, slab: &Slab, threads: usize) -> Result<crate::Cost> {
            self.0.cost(slab, threads)
        }

        fn read_into(&self, slab: &Slab, out: &mut [u8], worker: &Worker) -> Result<()> {
            if slab.start()[0] >= 500 {
                return Err(Error::InvalidArgument("broken".to_owned()));
            }
            self.0.read_into(slab, out, worker)
        }
    }

    #[test]
    fn an_error_is_the_last_item() {
        let run = Run::new().budget("16K".parse().unwrap());
        let items: Vec<_> = run.chunks(Arc::new(Broken(source()))).unwrap().collect();
        let (last, before) = items.split_last().unwrap();
        assert!(before.iter().all(Result::is_ok) && !before.is_empty());
        assert!(matches!(last, Err(Error::InvalidArgument(what)) if what == "broken"));
    }
}
