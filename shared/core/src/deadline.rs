//! Until when the work in hand must be done.
//!
//! A function works on one invocation at a time, so that one moment holds for the whole process. On one machine there is
//! none.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

static DEADLINE: Mutex<Option<Instant>> = Mutex::new(None);

/// Says until when the work that begins now must be done.
pub fn set(deadline: Option<Instant>) {
    *DEADLINE.lock().unwrap_or_else(PoisonError::into_inner) = deadline;
}

/// The time that is left; `None` where there is no deadline.
pub fn left() -> Option<Duration> {
    let deadline = *DEADLINE.lock().unwrap_or_else(PoisonError::into_inner);
    deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()))
}
