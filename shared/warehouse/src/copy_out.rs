//! Rows of COPY BINARY, as they come in messages: a key, and doubles.
//!
//! Layout: <https://www.postgresql.org/docs/current/sql-copy.html>, "Binary Format".

use bytes::{Buf, BytesMut};
use fonderie_core::{ErrorCode, Result, StageError};

const SIGNATURE: &[u8] = b"PGCOPY\n\xff\r\n\0";

/// Decodes messages into rows; what is left of a row waits for the next message.
#[derive(Debug)]
pub(crate) struct Decoder {
    rest: BytesMut,
    begun: bool,
    ended: bool,
    values: Vec<f64>,
}

impl Decoder {
    /// A decoder of rows with so many doubles behind the key.
    pub(crate) fn new(doubles: usize) -> Self {
        Self { rest: BytesMut::new(), begun: false, ended: false, values: vec![0.0; doubles] }
    }

    /// Calls `row` for each row that is complete: the first column that is NULL, key, doubles.
    pub(crate) fn decode<F>(&mut self, bytes: &[u8], mut row: F) -> Result<()>
    where
        F: FnMut(Option<usize>, i64, &[f64]) -> Result<()>,
    {
        self.rest.extend_from_slice(bytes);
        if !self.begun {
            let header = SIGNATURE.len() + 8;
            if self.rest.len() < header {
                return Ok(());
            }
            if !self.rest.starts_with(SIGNATURE) {
                return Err(malformed());
            }
            // flags, and the length of an extension that follows
            let mut tail = &self.rest[SIGNATURE.len() + 4..header];
            let extension = usize::try_from(tail.get_i32()).map_err(|_| malformed())?;
            if self.rest.len() < header + extension {
                return Ok(());
            }
            self.rest.advance(header + extension);
            self.begun = true;
        }
        while !self.ended {
            let mut left = &self.rest[..];
            let Some(width) = left.try_get_i16().ok() else { return Ok(()) };
            if width == -1 {
                self.ended = true;
                break;
            }
            if usize::try_from(width).ok() != Some(self.values.len() + 1) {
                return Err(malformed());
            }
            let (mut null, mut key) = (None, 0);
            for column in 0..self.values.len() + 1 {
                let Some(length) = left.try_get_i32().ok() else { return Ok(()) };
                let value = match length {
                    -1 => {
                        null = null.or(Some(column));
                        0
                    }
                    8 => match left.try_get_u64() {
                        Ok(value) => value,
                        Err(_) => return Ok(()),
                    },
                    _ => return Err(malformed()),
                };
                match column {
                    0 => key = value.cast_signed(),
                    feature => self.values[feature - 1] = f64::from_bits(value),
                }
            }
            let used = self.rest.len() - left.len();
            self.rest.advance(used);
            row(null, key, &self.values)?;
        }
        Ok(())
    }

    /// After the last message.
    pub(crate) fn finish(self) -> Result<()> {
        if self.ended { Ok(()) } else { Err(malformed()) }
    }
}

fn malformed() -> StageError {
    let message = "what COPY gives is not in the binary format: this is a defect of Fonderie, report it";
    StageError::new(ErrorCode::Internal, message)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use bytes::BufMut;

    use super::*;

    #[test]
    fn rows_come_whole_however_the_messages_are_cut() {
        let mut bytes = BytesMut::from(&b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0"[..]);
        for (key, value) in [(1_i64, Some(2.5)), (-7, None)] {
            bytes.put_i16(2);
            bytes.put_i32(8);
            bytes.put_i64(key);
            match value {
                Some(value) => {
                    bytes.put_i32(8);
                    bytes.put_f64(value);
                }
                None => bytes.put_i32(-1),
            }
        }
        bytes.put_i16(-1);
        for piece in [1, 2, 3, 7, 19, 1000] {
            let (mut decoder, mut rows) = (Decoder::new(1), Vec::new());
            for message in bytes.chunks(piece) {
                let row = |null: Option<usize>, key, values: &[f64]| {
                    rows.push((null, key, if null.is_some() { None } else { Some(values[0]) }));
                    Ok(())
                };
                decoder.decode(message, row).unwrap();
            }
            decoder.finish().unwrap();
            assert_eq!(rows, [(None, 1, Some(2.5)), (Some(1), -7, None)], "in pieces of {piece}");
        }
        let mut cut = Decoder::new(1);
        cut.decode(&bytes[..30], |_, _, _| Ok(())).unwrap();
        assert_eq!(cut.finish().unwrap_err().code, ErrorCode::Internal);
    }
}
