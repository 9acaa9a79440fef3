//! A request's body: never waited for without end, and taken to its end even if its answer does not need it.
//!
//! A server that answers early (not signed, no such bucket, full disk) and closes leaves the client writing into a dead
//! connection: it sees a broken pipe, tries again and again, and the reason is lost. So what is left of the body is taken
//! and thrown away after the answer, up to a limit.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};

use crate::patience::Patience;

/// Beyond this, a broken connection is the lesser evil. The SDKs' parts are smaller.
const LIMIT: usize = 64 * 1024 * 1024;
/// As [`LIMIT`]: a client on this machine sends faster.
const TIME: Duration = Duration::from_secs(5);

pub(crate) type BodyError = Box<dyn std::error::Error + Send + Sync>;

/// A body that the service may drop without its rest being lost.
#[derive(Clone)]
pub(crate) struct Shared(Arc<Mutex<Inner>>);

struct Inner {
    body: Incoming,
    patience: Patience,
}

impl Shared {
    pub(crate) fn new(body: Incoming, silence: Duration) -> Self {
        Self(Arc::new(Mutex::new(Inner { body, patience: Patience::new(silence) })))
    }

    /// Nobody waits for the lock: the service polls, and once it has answered, [`Self::drain`] does.
    fn with<T>(&self, work: impl FnOnce(&mut Inner) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn poll(&self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        self.with(|Inner { body, patience }| match patience.watch(Pin::new(body).poll_frame(cx), cx) {
            Poll::Ready(Ok(frame)) => Poll::Ready(frame.map(|frame| frame.map_err(BodyError::from))),
            Poll::Ready(Err(error)) => Poll::Ready(Some(Err(error.into()))),
            Poll::Pending => Poll::Pending,
        })
    }

    /// The next bytes.
    pub(crate) async fn next(&self) -> Option<Result<Bytes, BodyError>> {
        loop {
            match std::future::poll_fn(|cx| self.poll(cx)).await? {
                Ok(frame) => match frame.into_data() {
                    Ok(data) => return Some(Ok(data)),
                    Err(_) => continue,
                },
                Err(error) => return Some(Err(error)),
            }
        }
    }

    /// Takes what is left; the connection is closed if there is more than the limits allow.
    pub(crate) async fn drain(self) {
        let rest = async {
            let mut taken = 0;
            while taken < LIMIT {
                let Some(Ok(data)) = self.next().await else { break };
                taken += data.len();
            }
        };
        let _ = tokio::time::timeout(TIME, rest).await;
    }
}

impl Body for Shared {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        self.poll(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.with(|inner| inner.body.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        self.with(|inner| inner.body.size_hint())
    }
}
