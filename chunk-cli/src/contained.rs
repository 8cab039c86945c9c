//! No panic reaches a user as a backtrace: it becomes one line.

use std::any::Any;
use std::panic::{self, AssertUnwindSafe};
use std::sync::{Arc, Mutex, PoisonError};

use crate::failure::{Failure, Outcome};

/// Does `work` with the panic hook silenced, and turns a panic into a failure that says where it was.
///
/// Panics on the threads of a run are errors of that run already; this catches those of the program itself.
pub(crate) fn run(work: impl FnOnce() -> Outcome) -> Outcome {
    let place = Arc::new(Mutex::new(None));
    let hook = panic::take_hook();
    panic::set_hook(Box::new({
        let place = place.clone();
        move |panic| *place.lock().unwrap_or_else(PoisonError::into_inner) = panic.location().map(ToString::to_string)
    }));
    let outcome = panic::catch_unwind(AssertUnwindSafe(work));
    panic::set_hook(hook);
    outcome.unwrap_or_else(|panic| {
        let place = place.lock().unwrap_or_else(PoisonError::into_inner).take();
        Err(Failure::Bug { message: message(&*panic), place: place.unwrap_or_else(|| "unknown".to_owned()) })
    })
}

fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(ToString::to_string);
    let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
    text.unwrap_or_else(|| "a panic without a message".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_one_line_that_says_where() {
        let failure = run(|| panic!("seven of {}", 9)).unwrap_err();
        let message = failure.message().unwrap();
        assert!(message.contains("contained.rs:") && message.contains("seven of 9"), "{message}");
        assert_eq!(failure.status(), 1);
    }
}
