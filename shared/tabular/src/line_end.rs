//! Where lines end: at `\n`, `\r\n` or `\r`.

use memchr::memchr2;

/// The end of the line of which a place is part, and where the next line begins; else up to where there is no end.
#[inline]
pub(crate) fn line_end(bytes: &[u8], from: usize, ended: bool) -> Result<(usize, usize), usize> {
    match memchr2(b'\n', b'\r', &bytes[from..]) {
        Some(offset) => {
            after_line_end(bytes, from + offset, ended).map(|next| (from + offset, next)).ok_or(from + offset)
        }
        None if ended => Ok((bytes.len(), bytes.len())),
        None => Err(bytes.len()),
    }
}

/// Where the line after a line end (or the bytes' end) begins; `None` after a `\r` at the bytes' end, which a `\n` may yet
/// follow.
#[inline]
pub(crate) fn after_line_end(bytes: &[u8], end: usize, ended: bool) -> Option<usize> {
    match (bytes.get(end), bytes.get(end + 1)) {
        (None, _) => Some(end),
        (Some(b'\r'), Some(b'\n')) => Some(end + 2),
        (Some(b'\r'), None) if !ended => None,
        _ => Some(end + 1),
    }
}
