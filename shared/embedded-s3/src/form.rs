//! An HTML form with a file (`multipart/form-data`), read as it comes: the fields up to 20 KB, the file never as a whole.

use std::collections::BTreeMap;

use bytes::{Buf, Bytes, BytesMut};
use futures::Stream;
use memchr::memmem;
use s3s::{S3Error, S3ErrorCode, S3Result};

use crate::drain::Shared;
use crate::fault::fault;

/// What S3 accepts before the file.
const FIELDS_LIMIT: usize = 20 * 1024;

/// A form, read up to the first byte of its file.
pub(crate) struct Form {
    /// By lower-case name; the file is not among them.
    pub(crate) fields: BTreeMap<String, String>,
    /// The name that the file has at its sender's, without folders.
    pub(crate) file_name: String,
    rest: Reader,
    mark: Vec<u8>,
}

impl Form {
    /// Reads the fields.
    pub(crate) async fn read(body: Shared, content_type: &str) -> S3Result<Self> {
        let boundary = parameter(content_type, "boundary")
            .filter(|boundary| (1..=70).contains(&boundary.len()))
            .ok_or_else(|| malformed("its Content-Type has no boundary"))?;
        let mark = format!("\r\n--{boundary}").into_bytes();
        // The first boundary may come without a line break before it.
        let mut rest = Reader { body, buffer: BytesMut::from(&b"\r\n"[..]) };
        let mut budget = FIELDS_LIMIT;
        rest.until(&mark, &mut budget).await?;
        let mut fields = BTreeMap::new();
        loop {
            // Two bytes remain of the boundary's line, and one line break of an empty head.
            let head = rest.until(b"\r\n\r\n", &mut budget).await?;
            let head = std::str::from_utf8(&head).map_err(|_| malformed("a part's head is no text"))?;
            let disposition = head
                .lines()
                .find_map(|line| {
                    let (name, value) = line.split_once(':')?;
                    name.trim().eq_ignore_ascii_case("content-disposition").then(|| value.trim())
                })
                .filter(|_| head.starts_with("\r\n"))
                .ok_or_else(|| malformed("a part has no Content-Disposition, or there is no file"))?;
            let name = parameter(disposition, "name").ok_or_else(|| malformed("a part has no name"))?;
            let name = name.to_ascii_lowercase();
            if name == "file" {
                let sent = parameter(disposition, "filename").unwrap_or_default();
                let file_name = sent.rsplit(['/', '\\']).next().unwrap_or_default().to_owned();
                return Ok(Self { fields, file_name, rest, mark });
            }
            let value = rest.until(&mark, &mut budget).await?;
            let value = std::str::from_utf8(&value).map_err(|_| malformed("a field is no text"))?;
            if fields.insert(name, value.to_owned()).is_some() {
                return Err(malformed("a field comes twice"));
            }
        }
    }

    /// The file's bytes; fails after `limit` bytes, and if the form ends within the file.
    pub(crate) fn file(self, limit: u64) -> impl Stream<Item = S3Result<Bytes>> + Send + Sync + 'static {
        let Self { rest, mark, .. } = self;
        futures::stream::try_unfold((rest, mark, limit, false), |(mut rest, mark, left, ended)| async move {
            if ended {
                return Ok(None);
            }
            let (chunk, ended) = loop {
                if let Some(at) = memmem::find(&rest.buffer, &mark) {
                    break (rest.buffer.split_to(at), true);
                }
                // The end of what is here may be the beginning of the mark.
                if rest.buffer.len() >= mark.len() {
                    let sure = rest.buffer.len() - mark.len() + 1;
                    break (rest.buffer.split_to(sure), false);
                }
                rest.more().await?;
            };
            let left = left
                .checked_sub(chunk.len() as u64)
                .ok_or_else(|| fault(S3ErrorCode::EntityTooLarge, "the file is larger than the policy allows"))?;
            Ok(Some((chunk.freeze(), (rest, mark, left, ended))))
        })
    }
}

struct Reader {
    body: Shared,
    buffer: BytesMut,
}

impl Reader {
    /// Takes what is before a mark, and the mark.
    async fn until(&mut self, mark: &[u8], budget: &mut usize) -> S3Result<BytesMut> {
        let mut searched = 0;
        loop {
            let found = memmem::find(&self.buffer[searched..], mark).map(|at| searched + at);
            let used = found.map_or(self.buffer.len(), |at| at + mark.len());
            if used > *budget {
                let message = format!("what comes before the file has at most {FIELDS_LIMIT} bytes");
                return Err(fault(S3ErrorCode::MaxPostPreDataLengthExceededError, message));
            }
            if let Some(at) = found {
                *budget -= used;
                let before = self.buffer.split_to(at);
                self.buffer.advance(mark.len());
                return Ok(before);
            }
            searched = self.buffer.len().saturating_sub(mark.len() - 1);
            self.more().await?;
        }
    }

    async fn more(&mut self) -> S3Result<()> {
        match self.body.next().await {
            Some(Ok(bytes)) => {
                self.buffer.extend_from_slice(&bytes);
                Ok(())
            }
            Some(Err(error)) => {
                let mut broken = fault(S3ErrorCode::IncompleteBody, "the body broke off");
                broken.set_source(error);
                Err(broken)
            }
            None => Err(fault(S3ErrorCode::IncompleteBody, "the form ends before its last boundary")),
        }
    }
}

/// A parameter of a header such as `form-data; name="a;b"; filename=c`.
fn parameter(header: &str, wanted: &str) -> Option<String> {
    let mut rest = header.split_once(';')?.1;
    loop {
        let (name, after) = rest.split_once('=')?;
        let after = after.trim_start();
        let (value, left) = match after.strip_prefix('"') {
            Some(quoted) => unquoted(quoted)?,
            None => {
                let (value, left) = after.split_once(';').unwrap_or((after, ""));
                (value.trim().to_owned(), left)
            }
        };
        if name.trim_matches([' ', ';', '\t']).eq_ignore_ascii_case(wanted) {
            return Some(value);
        }
        rest = left;
    }
}

/// A text up to its closing quote, and what follows.
fn unquoted(text: &str) -> Option<(String, &str)> {
    let (mut value, mut escaped) = (String::new(), false);
    for (at, character) in text.char_indices() {
        match character {
            '"' if !escaped => return Some((value, &text[at + 1..])),
            '\\' if !escaped => escaped = true,
            _ => {
                // Browsers do not escape a backslash, as in C:\file.
                if escaped && !matches!(character, '"' | '\\') {
                    value.push('\\');
                }
                value.push(character);
                escaped = false;
            }
        }
    }
    None
}

fn malformed(why: &str) -> S3Error {
    fault(S3ErrorCode::MalformedPOSTRequest, format!("the form cannot be read: {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_with_quotes_and_without() {
        let header = r#"form-data; filename="a; name=x\".csv"; name = file; Size=3"#;
        assert_eq!(parameter(header, "name").as_deref(), Some("file"));
        assert_eq!(parameter(header, "filename").as_deref(), Some("a; name=x\".csv"));
        assert_eq!(parameter(header, "size").as_deref(), Some("3"));
        assert_eq!(parameter(header, "other"), None);
        assert_eq!(parameter(r#"form-data; filename="C:\a.csv""#, "filename").as_deref(), Some(r"C:\a.csv"));
        assert_eq!(parameter(r#"form-data; name="open"#, "name"), None);
        assert_eq!(parameter("form-data", "name"), None);
    }
}
