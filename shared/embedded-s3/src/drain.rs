//! A request's body is read to its end, even where its answer does not need it.
//!
//! A server that answers early (no such bucket, wrong key, full disk) and closes leaves the client writing into a dead
//! connection: it sees a broken pipe, tries again and again, and the reason is lost. So what is left of the body is taken
//! and thrown away before the answer goes out.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::Request;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use s3s::service::S3Service;
use s3s::{HttpError, HttpResponse};

/// Beyond this, a broken connection is the lesser evil. The SDKs' parts are smaller.
const LIMIT: usize = 64 * 1024 * 1024;

/// Answers a request, then takes what is left of its body.
pub(crate) async fn answer(service: S3Service, request: Request<Incoming>) -> Result<HttpResponse, HttpError> {
    let (head, body) = request.into_parts();
    let body = Shared(Arc::new(Mutex::new(body)));
    let answer = service.call(Request::from_parts(head, s3s::Body::http_body(body.clone()))).await;
    body.drain().await;
    answer
}

/// A body that the service may drop without its rest being lost.
#[derive(Clone)]
struct Shared(Arc<Mutex<Incoming>>);

impl Shared {
    /// Nobody waits for the lock: the service has answered, and polls no more.
    fn with<T>(&self, work: impl FnOnce(Pin<&mut Incoming>) -> T) -> T {
        work(Pin::new(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner)))
    }

    async fn drain(&self) {
        let mut taken = 0;
        while taken < LIMIT && !self.with(|body| body.is_end_stream()) {
            match std::future::poll_fn(|cx| self.with(|body| body.poll_frame(cx))).await {
                Some(Ok(frame)) => taken += frame.data_ref().map_or(0, Bytes::len),
                Some(Err(_)) | None => break,
            }
        }
    }
}

impl Body for Shared {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        self.with(|body| body.poll_frame(cx))
    }

    fn is_end_stream(&self) -> bool {
        self.with(|body| body.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        self.with(|body| body.size_hint())
    }
}
