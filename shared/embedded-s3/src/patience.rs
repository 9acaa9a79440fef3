//! Time-outs for clients that stop sending or stop reading. Each starts when there is nothing to do but wait for the
//! client, and ends with the next byte; time that the server itself needs does not count.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Sleep;

/// How long a client may be silent.
#[derive(Debug)]
pub(crate) struct Patience {
    limit: Duration,
    waiting: Option<Pin<Box<Sleep>>>,
}

impl Patience {
    pub(crate) fn new(limit: Duration) -> Self {
        Self { limit, waiting: None }
    }

    /// Passes a result on; fails if the client has been waited for too long.
    pub(crate) fn watch<T>(&mut self, poll: Poll<T>, cx: &mut Context<'_>) -> Poll<io::Result<T>> {
        if let Poll::Ready(value) = poll {
            self.waiting = None;
            return Poll::Ready(Ok(value));
        }
        let limit = self.limit;
        let sleep = self.waiting.get_or_insert_with(|| Box::pin(tokio::time::sleep(limit)));
        ready!(sleep.as_mut().poll(cx));
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the client was silent for too long")))
    }
}

/// A connection whose client must take what is written to it. Reading is watched by whoever knows that there is something
/// to be read: hyper for heads, `drain` for bodies.
#[derive(Debug)]
pub(crate) struct Watched {
    stream: TcpStream,
    patience: Patience,
}

impl Watched {
    pub(crate) fn new(stream: TcpStream, limit: Duration) -> Self {
        Self { stream, patience: Patience::new(limit) }
    }
}

impl AsyncRead for Watched {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Watched {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, buffer);
        self.patience.watch(written, cx).map(Result::flatten)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, buffers);
        self.patience.watch(written, cx).map(Result::flatten)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
