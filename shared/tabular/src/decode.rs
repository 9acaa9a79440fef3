//! From bytes in a declared encoding to text.
//!
//! UTF-8 and single-byte encodings are split as they are and decoded cell by cell; others (UTF-16, Shift JIS …) are turned
//! into UTF-8 as they arrive. Nothing is decoded with errors in silence: a byte that the encoding does not have makes its
//! cell unreadable, and a byte order mark that contradicts the declaration stops the file.

use std::borrow::Cow;

use encoding_rs::{CoderResult, Decoder, Encoding, UTF_8, UTF_16BE, UTF_16LE};
use fonderie_core::{ErrorCode, Result, StageError};

/// A declared encoding at work.
pub struct Decoding {
    encoding: &'static Encoding,
    transcoder: Option<Decoder>,
    /// The file's first bytes, until enough are there to look for a byte order mark.
    start: Option<Vec<u8>>,
}

impl Decoding {
    /// The decoding of a file in an encoding.
    pub fn new(encoding: &'static Encoding) -> Self {
        let as_is = encoding == UTF_8 || encoding.is_single_byte();
        let transcoder = (!as_is).then(|| encoding.new_decoder_without_bom_handling());
        Self { encoding, transcoder, start: Some(Vec::new()) }
    }

    /// Appends the next bytes of the file to a splitter's buffer, without the byte order mark.
    ///
    /// # Errors
    /// `EncodingMismatch` where the file begins with another encoding's byte order mark.
    pub fn append(&mut self, bytes: &[u8], ended: bool, buffer: &mut Vec<u8>) -> Result<()> {
        let Some(mut start) = self.start.take() else {
            self.push(bytes, ended, buffer);
            return Ok(());
        };
        start.extend_from_slice(bytes);
        if start.len() < 4 && !ended {
            self.start = Some(start);
            return Ok(());
        }
        let text = self.without_mark(&start)?;
        self.push(text, ended, buffer);
        Ok(())
    }

    fn without_mark<'a>(&self, start: &'a [u8]) -> Result<&'a [u8]> {
        let (mark, length) = match start {
            [0xFF, 0xFE, 0, 0, ..] => ("UTF-32LE", 4),
            [0, 0, 0xFE, 0xFF, ..] => ("UTF-32BE", 4),
            [0xEF, 0xBB, 0xBF, ..] => (UTF_8.name(), 3),
            [0xFF, 0xFE, ..] => (UTF_16LE.name(), 2),
            [0xFE, 0xFF, ..] => (UTF_16BE.name(), 2),
            _ => return Ok(start),
        };
        if mark == self.encoding.name() {
            return Ok(&start[length..]);
        }
        Err(StageError::new(
            ErrorCode::EncodingMismatch,
            format!(
                "the file begins with the byte order mark of {mark}, but its contract declares {}: correct the file's \
                 export, or `format.encoding` in the contract",
                self.encoding.name(),
            ),
        ))
    }

    fn push(&mut self, mut bytes: &[u8], ended: bool, buffer: &mut Vec<u8>) {
        let Some(transcoder) = &mut self.transcoder else {
            buffer.extend_from_slice(bytes);
            return;
        };
        let mut piece = [0_u8; 4096];
        loop {
            // An undecodable sequence becomes U+FFFD, by which `cell` knows it again.
            let (result, read, written, _) = transcoder.decode_to_utf8(bytes, &mut piece, ended);
            buffer.extend_from_slice(&piece[..written]);
            bytes = &bytes[read..];
            if result == CoderResult::InputEmpty {
                return;
            }
        }
    }

    /// A cell's text; `None` where its bytes are not of the encoding.
    pub fn cell<'a>(&self, bytes: &'a [u8]) -> Option<Cow<'a, str>> {
        if self.transcoder.is_some() {
            let text = std::str::from_utf8(bytes).ok()?;
            return (!text.contains('\u{FFFD}')).then_some(Cow::Borrowed(text));
        }
        if self.encoding == UTF_8 || bytes.is_ascii() {
            return std::str::from_utf8(bytes).ok().map(Cow::Borrowed);
        }
        let text = self.encoding.decode_without_bom_handling_and_without_replacement(bytes)?;
        // The bytes that a single-byte encoding leaves undefined come out as C1 controls, which no text has.
        (!text.contains(|c| ('\u{80}'..='\u{9F}').contains(&c))).then_some(text)
    }

    /// A cell's text with U+FFFD for what cannot be decoded: to be shown, never to be loaded.
    pub fn shown(&self, bytes: &[u8]) -> String {
        if self.transcoder.is_some() || self.encoding == UTF_8 {
            return String::from_utf8_lossy(bytes).into_owned();
        }
        let text = self.encoding.decode_without_bom_handling(bytes).0;
        text.chars().map(|c| if ('\u{80}'..='\u{9F}').contains(&c) { '\u{FFFD}' } else { c }).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(label: &str, pieces: &[&[u8]]) -> Result<Vec<u8>> {
        let mut decoding = Decoding::new(Encoding::for_label(label.as_bytes()).unwrap());
        let mut buffer = Vec::new();
        for piece in pieces {
            decoding.append(piece, false, &mut buffer)?;
        }
        decoding.append(&[], true, &mut buffer)?;
        Ok(buffer)
    }

    #[test]
    fn a_mark_of_the_declared_encoding_is_taken_off_however_it_arrives() {
        assert_eq!(decode("utf-8", &[b"\xEF", b"\xBB", b"\xBFabc"]).unwrap(), b"abc");
        assert_eq!(decode("utf-8", &[b"ab"]).unwrap(), b"ab");
        assert_eq!(decode("utf-16le", &[b"\xFF\xFEa", b"\0\xE9", b"\0"]).unwrap(), "a\u{e9}".as_bytes());
        assert_eq!(decode("utf-16be", &[b"\0a\0b"]).unwrap(), b"ab");
    }

    #[test]
    fn a_mark_of_another_encoding_stops_the_file() {
        for (label, start) in
            [("windows-1252", &b"\xEF\xBB\xBFa"[..]), ("utf-8", b"\xFF\xFEa\0"), ("utf-16le", b"\xFF\xFE\0\0")]
        {
            let error = decode(label, &[start]).unwrap_err();
            assert_eq!(error.code, ErrorCode::EncodingMismatch, "{label}");
        }
    }

    #[test]
    fn cells_outside_the_encoding_are_none_and_can_still_be_shown() {
        let latin = Decoding::new(encoding_rs::WINDOWS_1252);
        assert_eq!(latin.cell(b"12 \x80 \x9Cuf").as_deref(), Some("12 \u{20ac} \u{153}uf"));
        assert_eq!(latin.cell(b"a\x81b"), None);
        assert_eq!(latin.shown(b"\xE9\x81"), "\u{e9}\u{FFFD}");
        let utf8 = Decoding::new(UTF_8);
        assert_eq!((utf8.cell("\u{e9}".as_bytes()).as_deref(), utf8.cell(b"\xE9")), (Some("\u{e9}"), None));
        let euro = Decoding::new(encoding_rs::ISO_8859_15);
        assert_eq!(euro.cell(b"\xA4\xBD").as_deref(), Some("\u{20ac}\u{153}"));
        assert_eq!(euro.cell(b"\x80"), None);
    }

    #[test]
    fn a_lone_surrogate_is_not_decoded_in_silence() {
        let bytes = decode("utf-16le", &[b"a\0\x00\xD8b\0"]).unwrap();
        let utf16 = Decoding::new(UTF_16LE);
        assert_eq!(utf16.cell(&bytes), None);
        assert_eq!(utf16.shown(&bytes), "a\u{FFFD}b");
    }
}
