//! Standard output and standard error, checked: what could not be written is reported once, when the program ends.
//!
//! A reader that went away (`| head`) wants no more; anything else that goes wrong (a full disk) leaves what was printed
//! incomplete, and the program must not end well.

use std::fmt;
use std::io::{self, ErrorKind, Write};
use std::ops::ControlFlow;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Bytes that are gathered before they are written.
const BUFFER: usize = 64 << 10;

static OUT: Mutex<Out<io::Stdout>> =
    Mutex::new(Out { to: None, buffer: Vec::new(), failed: None, remark_failed: None });

/// A buffer before standard output, and why that cannot be written to, once that is known.
struct Out<W> {
    /// `None` is standard output.
    to: Option<W>,
    buffer: Vec<u8>,
    failed: Option<io::Error>,
    /// Why a line of standard error could not be written.
    remark_failed: Option<io::Error>,
}

impl Out<io::Stdout> {
    fn lock() -> MutexGuard<'static, Self> {
        let mut out = OUT.lock().unwrap_or_else(PoisonError::into_inner);
        out.to.get_or_insert_with(io::stdout);
        out
    }
}

impl<W: Write> Out<W> {
    fn write(&mut self, bytes: &[u8]) -> ControlFlow<()> {
        if self.failed.is_none() {
            self.buffer.extend_from_slice(bytes);
        }
        if self.buffer.len() >= BUFFER { self.flush() } else { self.wanted() }
    }

    fn flush(&mut self) -> ControlFlow<()> {
        if self.failed.is_none()
            && let Some(to) = &mut self.to
        {
            self.failed = to.write_all(&self.buffer).and_then(|()| to.flush()).err();
        }
        self.buffer.clear();
        self.wanted()
    }

    fn wanted(&self) -> ControlFlow<()> {
        if self.failed.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    fn end(&mut self) -> io::Result<()> {
        let _ = self.flush();
        match self.failed.take().or(self.remark_failed.take()) {
            Some(error) if error.kind() != ErrorKind::BrokenPipe => Err(error),
            _ => Ok(()),
        }
    }
}

/// Writes a line, at once.
pub(crate) fn line(text: fmt::Arguments<'_>) {
    let mut out = Out::lock();
    let _ = out.write(format!("{text}\n").as_bytes());
    let _ = out.flush();
}

/// Writes a line to standard error.
pub(crate) fn remark(text: fmt::Arguments<'_>) {
    if let Err(error) = io::stderr().write_all(format!("{text}\n").as_bytes()) {
        Out::lock().remark_failed = Some(error);
    }
}

/// Writes soon; breaks if nobody gets it.
pub(crate) fn write(bytes: &[u8]) -> ControlFlow<()> {
    Out::lock().write(bytes)
}

/// Notes what came of printing past this buffer.
pub(crate) fn printed(result: io::Result<()>) {
    let mut out = Out::lock();
    out.failed = out.failed.take().or(result.err());
}

/// Writes what is left.
///
/// # Errors
/// Something of what was printed, on standard output or standard error, could not be written, for another reason than that its reader went away.
pub(crate) fn end() -> io::Result<()> {
    Out::lock().end()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes so many bytes and then fails.
    struct Full(usize, ErrorKind);

    impl Write for Full {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let taken = bytes.len().min(self.0);
            self.0 -= taken;
            if taken == 0 { Err(self.1.into()) } else { Ok(taken) }
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_full_disk_is_an_error_at_the_end_and_a_closed_pipe_is_not() {
        for (kind, ends_well) in [(ErrorKind::StorageFull, false), (ErrorKind::BrokenPipe, true)] {
            let mut out = Out { to: Some(Full(100, kind)), buffer: Vec::new(), failed: None, remark_failed: None };
            assert!(out.write(&[b'x'; 100]).is_continue());
            assert!(out.flush().is_continue());
            assert!(out.write(b"the last byte is written at the end").is_continue());
            assert_eq!(out.end().is_ok(), ends_well, "{kind}");
        }
        let mut out =
            Out { to: Some(Full(0, ErrorKind::BrokenPipe)), buffer: Vec::new(), failed: None, remark_failed: None };
        assert!(out.write(&[b'x'; BUFFER]).is_break(), "nobody reads: the query may stop");
        assert!(out.write(b"more").is_break());
        assert!(out.buffer.is_empty(), "and nothing is kept for nobody");
    }
}
