//! Delimited text, in its contract's encoding.

use std::io::{self, Write};

use encoding_rs::{UTF_8, UTF_16BE, UTF_16LE};
use fonderie_contract::{Csv, Encoding};

/// Bytes gathered before they are written.
const PIECE: usize = 64 << 10;

/// A file of delimited text under way.
pub(crate) struct CsvOutput<'a> {
    csv: &'a Csv,
    line_end: &'static str,
    sink: &'a mut (dyn Write + Send),
    line: String,
    fields: usize,
    bytes: Vec<u8>,
}

impl<'a> CsvOutput<'a> {
    /// Begins a file; UTF-16 always has its byte order mark, without which few programs read it.
    pub(crate) fn new(csv: &'a Csv, line_end: &'static str, mark: bool, sink: &'a mut (dyn Write + Send)) -> Self {
        let bytes: &[u8] = match csv.encoding {
            Encoding::Listed(encoding) if encoding == UTF_16LE => &[0xFF, 0xFE],
            Encoding::Listed(encoding) if encoding == UTF_16BE => &[0xFE, 0xFF],
            Encoding::Listed(encoding) if encoding == UTF_8 && mark => &[0xEF, 0xBB, 0xBF],
            _ => &[],
        };
        Self { csv, line_end, sink, line: String::new(), fields: 0, bytes: bytes.to_vec() }
    }

    /// Appends a field to the line, quoted where it must be.
    pub(crate) fn field(&mut self, text: &str) {
        if self.fields > 0 {
            self.line.push(char::from(self.csv.delimiter));
        }
        self.fields += 1;
        let must =
            |quote: &u8| text.bytes().any(|b| b == *quote || b == self.csv.delimiter || b == b'\n' || b == b'\r');
        match self.csv.quote.filter(must).map(char::from) {
            Some(quote) => {
                self.line.push(quote);
                for c in text.chars() {
                    self.line.push(c);
                    if c == quote {
                        self.line.push(c);
                    }
                }
                self.line.push(quote);
            }
            None => self.line.push_str(text),
        }
    }

    /// Ends a record of which each field was appended.
    ///
    /// # Errors
    /// As [`Self::end_line`].
    pub(crate) fn end_record(&mut self) -> io::Result<()> {
        if self.csv.trailing_delimiters {
            self.line.push(char::from(self.csv.delimiter));
        }
        self.end_line()
    }

    /// Ends the line.
    ///
    /// # Errors
    /// A character that the encoding lacks (`InvalidData`), and those of the sink.
    pub(crate) fn end_line(&mut self) -> io::Result<()> {
        self.line.push_str(self.line_end);
        self.fields = 0;
        let Some(encoding) = self.csv.encoding.listed() else {
            let message = format!("{} cannot be written", self.csv.encoding.name());
            return Err(io::Error::new(io::ErrorKind::InvalidData, message));
        };
        match encoding {
            encoding if encoding == UTF_8 => self.bytes.extend_from_slice(self.line.as_bytes()),
            encoding if encoding == UTF_16LE => self.bytes.extend(self.line.encode_utf16().flat_map(u16::to_le_bytes)),
            encoding if encoding == UTF_16BE => self.bytes.extend(self.line.encode_utf16().flat_map(u16::to_be_bytes)),
            encoding => {
                let (bytes, _, lacking) = encoding.encode(&self.line);
                if lacking {
                    let message = format!("a text has characters that {} lacks", encoding.name());
                    return Err(io::Error::new(io::ErrorKind::InvalidData, message));
                }
                self.bytes.extend_from_slice(&bytes);
            }
        }
        self.line.clear();
        if self.bytes.len() >= PIECE { self.flush() } else { Ok(()) }
    }

    /// Ends the file.
    ///
    /// # Errors
    /// Those of the sink.
    pub(crate) fn finish(mut self) -> io::Result<()> {
        self.flush()?;
        self.sink.flush()
    }

    fn flush(&mut self) -> io::Result<()> {
        self.sink.write_all(&self.bytes)?;
        self.bytes.clear();
        Ok(())
    }
}
