//! How far a run has come: a bar on a terminal, lines elsewhere.

use std::io::{self, IsTerminal};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use chunk_core::{Bytes, Done, Progress, Run};
use clap::ValueEnum;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::failure::say;
use crate::output::{one_line, rate_text, shortened};

/// When progress is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum ProgressWhen {
    /// On a terminal
    #[default]
    Auto,
    /// Also where standard error is no terminal
    Always,
    /// Not at all
    Never,
}

/// Shorter work shows nothing.
const PATIENCE: Duration = Duration::from_millis(500);
const BETWEEN_LINES: Duration = Duration::from_secs(1);
const REDRAWS_PER_SECOND: u8 = 8;
const BAR: &str = "{prefix} [{bar:30}] {msg}";
const LABEL_LENGTH: usize = 40;

/// A run whose progress is shown until this is dropped.
pub(crate) struct Watched {
    run: Run,
    display: Option<Arc<Display>>,
}

impl Watched {
    pub(crate) fn new(run: Run, when: ProgressWhen, what: String) -> Self {
        let terminal = io::stderr().is_terminal();
        let form = match when {
            ProgressWhen::Auto | ProgressWhen::Always if terminal => Form::Bar,
            ProgressWhen::Always => Form::Lines,
            ProgressWhen::Auto | ProgressWhen::Never => return Watched { run, display: None },
        };
        let display = Arc::new(Display { form, what, stage: Mutex::new(Stage::begin()) });
        Watched { run: run.progress(display.clone()), display: Some(display) }
    }

    pub(crate) fn run(&self) -> &Run {
        &self.run
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        if let Some(display) = &self.display {
            display.stage().clear();
        }
    }
}

#[derive(Clone, Copy, Debug)]
enum Form {
    Bar,
    Lines,
}

#[derive(Debug)]
struct Display {
    form: Form,
    what: String,
    stage: Mutex<Stage>,
}

/// One pass over a plan; work in two stages begins anew with the second.
#[derive(Debug)]
struct Stage {
    begun: Instant,
    bytes: u64,
    bar: Option<ProgressBar>,
    last_line: Option<Instant>,
}

impl Stage {
    fn begin() -> Self {
        Stage { begun: Instant::now(), bytes: 0, bar: None, last_line: None }
    }

    fn text(&self, total: u64) -> String {
        text(self.bytes, total, self.begun.elapsed().as_secs_f64())
    }

    fn clear(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }
}

impl Progress for Display {
    fn update(&self, done: Done) {
        let mut stage = self.stage();
        if done.slabs == 0 {
            stage.clear();
            *stage = Stage::begin();
            return;
        }
        stage.bytes = stage.bytes.max(done.bytes);
        if stage.begun.elapsed() < PATIENCE {
            return;
        }
        match self.form {
            Form::Bar => self.show_bar(&mut stage, done),
            Form::Lines => self.show_line(&mut stage, done),
        }
    }
}

impl Display {
    fn stage(&self) -> MutexGuard<'_, Stage> {
        self.stage.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn show_bar(&self, stage: &mut Stage, done: Done) {
        let (bytes, text) = (stage.bytes, stage.text(done.total_bytes));
        let bar = stage.bar.get_or_insert_with(|| {
            let target = ProgressDrawTarget::stderr_with_hz(REDRAWS_PER_SECOND);
            let bar = ProgressBar::with_draw_target(Some(done.total_bytes), target).with_position(bytes);
            bar.set_style(ProgressStyle::with_template(BAR).unwrap_or_else(|_| ProgressStyle::default_bar()));
            bar.with_prefix(one_line(&shortened(&self.what, LABEL_LENGTH)).into_owned())
        });
        bar.set_message(text);
        bar.set_position(bytes);
    }

    fn show_line(&self, stage: &mut Stage, done: Done) {
        let complete = stage.bytes == done.total_bytes;
        if !complete && stage.last_line.is_some_and(|last| last.elapsed() < BETWEEN_LINES) {
            return;
        }
        stage.last_line = Some(Instant::now());
        let percent = 100.0 * stage.bytes as f64 / done.total_bytes.max(1) as f64;
        say(&format!("{}: {percent:.0} %, {}", self.what, stage.text(done.total_bytes)));
    }
}

/// How much, how fast since the beginning, and how long that takes for the rest.
fn text(bytes: u64, total: u64, seconds: f64) -> String {
    let left = (total - bytes.min(total)) as f64 * seconds / bytes.max(1) as f64;
    format!("{} of {}, {}, {left:.0} s left", Bytes(bytes), Bytes(total), rate_text(bytes, seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_how_much_how_fast_and_how_long() {
        assert_eq!(text(1 << 30, 4 << 30, 2.0), "1 GiB of 4 GiB, 512 MiB/s, 6 s left");
        assert_eq!(text(0, 0, 0.0), "0 B of 0 B, 0 B/s, 0 s left");
    }

    #[test]
    fn short_work_shows_nothing_and_calls_may_overtake() {
        let display = Display { form: Form::Lines, what: String::new(), stage: Mutex::new(Stage::begin()) };
        let mut done = Done::default();
        (done.slabs, done.total_slabs, done.total_bytes) = (1, 3, 30);
        for bytes in [20, 10] {
            done.bytes = bytes;
            display.update(done);
        }
        assert_eq!(display.stage().bytes, 20);
        assert!(display.stage().last_line.is_none());
        done.slabs = 0;
        display.update(done);
        assert_eq!(display.stage().bytes, 0);
    }

    #[test]
    fn the_template_is_valid() {
        assert!(ProgressStyle::with_template(BAR).is_ok());
    }
}
