//! Until when the work in hand must be done.

use std::time::{Duration, Instant};

/// Until when a stage must be done. On one machine there is no such moment: that is the default.
#[derive(Clone, Copy, Debug, Default)]
pub struct Deadline(Option<Instant>);

impl Deadline {
    /// This moment.
    pub fn at(moment: Instant) -> Self {
        Self(Some(moment))
    }

    /// The time that is left; `None` if there is no deadline.
    pub fn left(self) -> Option<Duration> {
        self.0.map(|moment| moment.saturating_duration_since(Instant::now()))
    }
}
