//! Ctrl-C, termination and a terminal that goes away.

use chunk_core::CancelToken;

/// Cancels `token` at the first signal, so that the run ends cleanly; a second one ends the process at once.
#[cfg(unix)]
pub(crate) fn listen(token: &CancelToken) {
    use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
    use signal_hook::iterator::Signals;
    use signal_hook::low_level::exit;

    let wanted = [SIGINT, SIGTERM, SIGHUP].into_iter().filter(|signal| !is_ignored(*signal));
    // Without a listener a signal does what it always does: it ends the process.
    let Ok(mut signals) = Signals::new(wanted) else { return };
    let token = token.clone();
    std::thread::spawn(move || {
        for (number, _) in signals.forever().enumerate() {
            if number > 0 {
                exit(i32::from(crate::failure::INTERRUPTED));
            }
            token.cancel();
        }
    });
}

/// Whether whoever started the process wants it not to hear `signal`, as `nohup` and a script's `&` do.
#[cfg(unix)]
fn is_ignored(signal: i32) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    match mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()) {
        Some(mask) => mask >> (signal - 1) & 1 == 1,
        // Not known: `nohup` is to be trusted, Ctrl-C to be heard.
        None => signal == signal_hook::consts::SIGHUP,
    }
}

/// Ctrl-C ends the process, as it does without a listener.
#[cfg(not(unix))]
pub(crate) fn listen(_token: &CancelToken) {}
