//! The only executor: slabs of a pass, read, computed and handed on by workers.

use std::any::Any;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use crate::graph::Graph;
use crate::run::{Done, Progress};
use crate::worker::lock;
use crate::{Buffer, CancelToken, Error, Plan, Slab, Worker};

/// Whoever waits looks at the token this often.
const WAIT: Duration = Duration::from_millis(50);
/// The caller's stack serves graphs that need no more.
const ORDINARY_STACK: usize = 3 << 20;

/// What several threads do with a slab of a root, whose number comes first, each with its own.
pub(crate) type Work<'r, R, E> = dyn Fn(usize, &Slab, &[u8], &Worker) -> Result<R, E> + Sync + 'r;
/// What is done with the result, one task at a time; the task's number comes first.
pub(crate) type Deliver<'r, R, E> = dyn FnMut(u64, &Slab, &[u8], R) -> Result<(), E> + Send + 'r;

/// A pass to be carried out.
pub(crate) struct Execution<'r, R, E> {
    pub(crate) plan: &'r Plan,
    pub(crate) graph: &'r Graph<'r>,
    /// What is read of each slab, one root after another.
    pub(crate) roots: &'r [usize],
    pub(crate) tasks: &'r dyn Tasks,
    pub(crate) work: &'r Work<'r, R, E>,
    pub(crate) stop: CancelToken,
    pub(crate) progress: Option<&'r dyn Progress>,
    pub(crate) done: Done,
}

/// Which slabs are done, handed out to workers.
pub(crate) trait Tasks: Sync {
    /// The number of the next slab, until there are no more.
    fn next(&self) -> Option<u64>;
}

/// Slabs of consecutive numbers, in their order.
pub(crate) struct Consecutive {
    next: AtomicU64,
    end: u64,
}

impl Consecutive {
    pub(crate) fn new(range: Range<u64>) -> Self {
        Consecutive { next: AtomicU64::new(range.start), end: range.end }
    }
}

impl Tasks for Consecutive {
    fn next(&self) -> Option<u64> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        (number < self.end).then_some(number)
    }
}

/// What happens, one task at a time, with what came of a slab.
pub(crate) enum Delivery<'r, R, E> {
    /// As it comes.
    AnyOrder(&'r mut Deliver<'r, R, E>),
    /// In the order of the slabs, from this number on: workers that are ahead wait.
    InOrder(u64, &'r mut Deliver<'r, R, E>),
}

/// Who may deliver, and what was delivered.
struct Turn<'r, R, E> {
    delivery: Delivery<'r, R, E>,
    done: Done,
}

impl<R, E> Turn<'_, R, E> {
    fn is_for(&self, number: u64) -> bool {
        match &self.delivery {
            Delivery::AnyOrder(_) => true,
            Delivery::InOrder(next, _) => *next == number,
        }
    }

    fn deliver(&mut self, number: u64, slab: &Slab, data: &[u8], result: R) -> Result<Done, E> {
        match &mut self.delivery {
            Delivery::AnyOrder(deliver) => deliver(number, slab, data, result)?,
            Delivery::InOrder(next, deliver) => {
                deliver(number, slab, data, result)?;
                *next += 1;
            }
        }
        self.done.slabs += 1;
        self.done.bytes += data.len() as u64;
        Ok(self.done)
    }
}

/// An error of ours or of the caller's.
enum Failure<E> {
    Core(Error),
    Caller(E),
}

impl<E> From<Error> for Failure<E> {
    fn from(error: Error) -> Self {
        Failure::Core(error)
    }
}

/// What the workers of one execution share.
struct Shared<'s, 'd, R, E> {
    of: &'s Execution<'s, R, E>,
    turn: Mutex<Turn<'d, R, E>>,
    turned: Condvar,
    /// The error of the earliest slab that failed; an error counts for more than having been cancelled by one.
    failed: Mutex<Option<(u64, Failure<E>)>>,
}

impl<R: Send, E: From<Error> + Send> Execution<'_, R, E> {
    /// Reads each slab and does the work with it on several threads, then delivers what came of it.
    pub(crate) fn run(&self, delivery: Delivery<'_, R, E>) -> Result<(), E> {
        let shared = Shared {
            of: self,
            turn: Mutex::new(Turn { delivery, done: self.done }),
            turned: Condvar::new(),
            failed: Mutex::new(None),
        };
        if let Some(progress) = self.progress {
            progress.update(self.done);
        }
        let stack = self.plan.schedule.stack;
        let own_stack = stack > ORDINARY_STACK;
        let workers = self.plan.workers().min(self.plan.len().max(1) as usize);
        thread::scope(|scope| {
            for number in 1..workers + usize::from(own_stack) {
                let begun = thread::Builder::new().stack_size(stack).spawn_scoped(scope, || shared.serve());
                // Workers that could begin do all of the work; one there must be.
                if let (Err(cause), true) = (begun, number == 1 && own_stack) {
                    let what = format!("cannot begin a thread: {cause}");
                    shared.fail(0, Failure::Core(Error::InvalidArgument(what)));
                }
            }
            if !own_stack {
                shared.serve();
            }
        });
        match shared.failed.into_inner().unwrap_or_else(PoisonError::into_inner) {
            Some((_, Failure::Core(error))) => Err(error.into()),
            Some((_, Failure::Caller(error))) => Err(error),
            None => Ok(()),
        }
    }
}

impl<R: Send, E: From<Error> + Send> Shared<'_, '_, R, E> {
    /// Takes slab after slab until there are no more or the run is to stop.
    fn serve(&self) {
        let schedule = &self.of.plan.schedule;
        let scratch = schedule.share.reading + schedule.share.writing + schedule.granted;
        let worker = Worker::in_run(schedule.threads, scratch, self.of.stop.clone()).granted(schedule.granted);
        let mut buffer = Buffer::default();
        while let Some(number) = self.of.tasks.next() {
            let served = catch_unwind(AssertUnwindSafe(|| self.serve_slab(number, &mut buffer, &worker)));
            if let Err(failure) = served.unwrap_or_else(|panic| Err(Failure::Core(self.panicked(&*panic)))) {
                self.fail(number, failure);
                return;
            }
        }
    }

    fn serve_slab(&self, number: u64, buffer: &mut Buffer, worker: &Worker) -> Result<(), Failure<E>> {
        worker.check()?;
        let Execution { plan, graph, roots, work, .. } = self.of;
        let slab = plan.slab(number);
        let wanted: Vec<(usize, &Slab)> = roots.iter().map(|root| (*root, &slab)).collect();
        let evaluation = graph.evaluation(&wanted, worker)?;
        let mut result = None;
        for (index, root) in roots.iter().enumerate() {
            let length = slab.bytes(graph.nodes()[*root].source.info().dtype.size()) as usize;
            if buffer.capacity() < length {
                *buffer = Buffer::default();
                *buffer = Buffer::zeroed(length)?;
            }
            buffer.set_len(length);
            evaluation.node(*root, &slab, buffer)?;
            worker.check()?;
            let worked = work(index, &slab, buffer, worker);
            // Once the run is to stop, an error of the work is most likely that it heard of it, and must not
            // take the place of the error that it stops for.
            result = Some(worked.map_err(|error| match worker.check() {
                Ok(()) => Failure::Caller(error),
                Err(cancelled) => Failure::Core(cancelled),
            })?);
        }
        match result {
            Some(result) => self.deliver(number, &slab, buffer, result),
            None => Ok(()),
        }
    }

    fn deliver(&self, number: u64, slab: &Slab, data: &[u8], result: R) -> Result<(), Failure<E>> {
        let mut turn = lock(&self.turn);
        while !turn.is_for(number) {
            if self.of.stop.is_cancelled() {
                return Err(Error::Cancelled.into());
            }
            (turn, _) = self.turned.wait_timeout(turn, WAIT).unwrap_or_else(PoisonError::into_inner);
        }
        let done = turn.deliver(number, slab, data, result).map_err(Failure::Caller)?;
        drop(turn);
        self.turned.notify_all();
        if let Some(progress) = self.of.progress {
            progress.update(done);
        }
        Ok(())
    }

    fn fail(&self, number: u64, failure: Failure<E>) {
        let mut failed = lock(&self.failed);
        let rank = |number: u64, failure: &Failure<E>| (matches!(failure, Failure::Core(Error::Cancelled)), number);
        if failed.as_ref().is_none_or(|(earliest, kept)| rank(number, &failure) < rank(*earliest, kept)) {
            *failed = Some((number, failure));
        }
        self.of.stop.cancel();
        drop(failed);
        // A worker that is about to wait holds the turn while it looks at the token: so it hears this.
        drop(lock(&self.turn));
        self.turned.notify_all();
    }

    fn panicked(&self, panic: &(dyn Any + Send)) -> Error {
        let text = panic.downcast_ref::<&str>().map(ToString::to_string);
        let message = text.or_else(|| panic.downcast_ref::<String>().cloned());
        Error::Panicked {
            dataset: self.of.plan.tiling.source.clone(),
            message: message.unwrap_or_else(|| "without a message".to_owned()),
        }
    }
}
