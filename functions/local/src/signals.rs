//! The word to stop: Ctrl-C, or the machine's (SIGTERM).

use fonderie_core::{ErrorCode, Result, StageError};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

/// Counts how often the program was asked to stop since it began to listen.
#[derive(Clone)]
pub(crate) struct Stop(watch::Receiver<u32>);

impl Stop {
    /// Begins to listen; from now on a signal does not end the program by itself.
    ///
    /// # Errors
    /// `Internal`: signals cannot be heard.
    pub(crate) fn listen() -> Result<Self> {
        let hear = |kind| {
            signal(kind).map_err(|error| {
                StageError::new(ErrorCode::Internal, "the program cannot hear the signal to stop").caused_by(error)
            })
        };
        let (mut interrupt, mut terminate) = (hear(SignalKind::interrupt())?, hear(SignalKind::terminate())?);
        let (count, counted) = watch::channel(0);
        tokio::spawn(async move {
            loop {
                tokio::select! {
                    _ = interrupt.recv() => {}
                    _ = terminate.recv() => {}
                }
                count.send_modify(|count| *count += 1);
            }
        });
        Ok(Self(counted))
    }

    /// Whether it was asked.
    pub(crate) fn asked(&self) -> bool {
        *self.0.borrow() > 0
    }

    /// Waits until it was asked so many times.
    pub(crate) async fn times(&mut self, count: u32) {
        // The sender lives as long as the program's threads.
        let _ = self.0.wait_for(|counted| *counted >= count).await;
    }
}
