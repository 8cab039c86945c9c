//! The same work on several threads at once.

use std::panic::resume_unwind;
use std::sync::Barrier;
use std::thread;

use crate::failure::Outcome;

/// Calls `work` on `count` threads, each with its number, when all of them are there. The first failure counts.
pub(crate) fn at_once(count: usize, work: impl Fn(usize) -> Outcome + Sync) -> Outcome {
    let begin = Barrier::new(count);
    let wait_and_work = |number| {
        begin.wait();
        work(number)
    };
    let wait_and_work = &wait_and_work;
    thread::scope(|scope| {
        let threads: Vec<_> = (0..count).map(|number| scope.spawn(move || wait_and_work(number))).collect();
        let outcomes: Vec<_> =
            threads.into_iter().map(|thread| thread.join().unwrap_or_else(|panic| resume_unwind(panic))).collect();
        outcomes.into_iter().collect()
    })
}
