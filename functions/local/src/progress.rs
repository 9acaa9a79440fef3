//! How far a run has come: a spinner on a terminal, a plain line per file elsewhere; and how long each stage took.

use std::cell::RefCell;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use crate::print::{Output, escaped, remark};
use crate::terminal::bars;

/// The stages' times, in the order in which they first began.
pub(crate) struct Progress {
    shown: bool,
    times: RefCell<Vec<(&'static str, Duration)>>,
    at: RefCell<Option<(&'static str, Instant)>>,
    bar: RefCell<Option<ProgressBar>>,
}

impl Progress {
    /// Shows how far it has come unless only what goes wrong is wanted.
    pub(crate) fn new(output: Output) -> Self {
        Self {
            shown: output != Output::Quiet,
            times: RefCell::default(),
            at: RefCell::default(),
            bar: RefCell::default(),
        }
    }

    /// Begins something that takes a while: a file, or what is done for all files.
    pub(crate) fn begin(&self, index: usize, of: usize, what: &str) {
        let prefix = format!("[{index}/{of}] {}", escaped(what));
        if !self.shown {
            return;
        }
        if !bars() {
            remark!("{prefix}");
            return;
        }
        let bar = ProgressBar::new(of as u64).with_position(index.saturating_sub(1) as u64);
        let style = ProgressStyle::with_template("{spinner} {bar:20} {prefix}: {msg} [{elapsed}]");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
        bar.set_prefix(prefix);
        bar.enable_steady_tick(Duration::from_millis(100));
        *self.bar.borrow_mut() = Some(bar);
    }

    /// The stage that begins now; the one before has ended.
    pub(crate) fn stage(&self, stage: &'static str) {
        self.stop();
        *self.at.borrow_mut() = Some((stage, Instant::now()));
        if let Some(bar) = &*self.bar.borrow() {
            bar.set_message(stage);
        }
    }

    /// Ends what [`Self::begin`] began.
    pub(crate) fn end(&self) {
        self.stop();
        if let Some(bar) = self.bar.borrow_mut().take() {
            bar.finish_and_clear();
        }
    }

    /// Each stage with its time, over all files.
    pub(crate) fn times(&self) -> Vec<(&'static str, Duration)> {
        self.times.borrow().clone()
    }

    fn stop(&self) {
        let Some((stage, since)) = self.at.borrow_mut().take() else { return };
        let mut times = self.times.borrow_mut();
        match times.iter_mut().find(|(name, _)| *name == stage) {
            Some((_, time)) => *time += since.elapsed(),
            None => times.push((stage, since.elapsed())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_add_up_by_stage() {
        let progress = Progress::new(Output::Quiet);
        for stage in ["upload", "load", "upload"] {
            progress.stage(stage);
            std::thread::sleep(Duration::from_millis(2));
        }
        progress.end();
        let times = progress.times();
        let names: Vec<_> = times.iter().map(|(name, _)| *name).collect();
        assert_eq!(names, ["upload", "load"]);
        assert!(times[0].1 >= Duration::from_millis(4), "{times:?}");
    }
}
