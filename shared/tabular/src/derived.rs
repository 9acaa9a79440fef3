//! Fields that are derived: from the file's name, the sheet's name, or a hash of other fields.

use fonderie_contract::{Origin, Reading, Record, Source, Template};
use fonderie_core::{ErrorCode, Result, StageError};
use sha2::{Digest, Sha256};

use crate::cell::Cell;
use crate::column::Column;
use crate::read::{DateCounts, FieldReader, Notes, Parsed};
use crate::visible::visible;

/// A field's value that is the same in every row of a file or of a sheet.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Constant {
    Null,
    Text(String),
    Whole(i64),
    Number(f64),
    Decimal(i128),
    Truth(bool),
}

/// The value of a field that comes from a name.
///
/// # Errors
/// `ColumnMissing` if the name does not fit the contract's template, or its part cannot be read as the field.
pub(crate) fn from_name(record: &Record, source: &Source, index: usize, name: &str) -> Result<Option<Constant>> {
    let (template, reading, what): (&Template, &Reading, &str) = match &source.columns[index] {
        Origin::Sheet { template, reading } => (template, reading, "sheet"),
        Origin::FileName { template, reading } => (template, reading, "file"),
        Origin::Column { .. } | Origin::Hash(_) | Origin::Constant(_) | Origin::Absent => return Ok(None),
    };
    let failed = |why: &str| {
        let message = format!(
            "the field `{}` is a part of the {what}'s name by \"{}\" in the contract of `{}`, and \"{}\" {why}: correct the name, or \
             `derived` in the contract",
            record.fields[index].name,
            visible(template.text()),
            source.id,
            visible(name),
        );
        StageError::new(ErrorCode::ColumnMissing, message)
    };
    let part = template.part(name).ok_or_else(|| failed("does not fit it in exactly one way"))?;
    let reader = FieldReader::new(record, index, reading, None);
    let cell = Cell::Text(part.into());
    let parsed = reader.read(&cell, &mut Notes::default(), &mut DateCounts::default());
    Ok(Some(match parsed.map_err(|_| failed("has a part there that the field does not take"))? {
        Parsed::Null => Constant::Null,
        Parsed::Text(text) => Constant::Text(text.into_owned()),
        Parsed::Whole(number) => Constant::Whole(number),
        Parsed::Number(number) => Constant::Number(number),
        Parsed::Decimal(number) => Constant::Decimal(number),
        Parsed::Truth(truth) => Constant::Truth(truth),
    }))
}

/// 80 bits of SHA-256 over the length-prefixed canonical values of a row's inputs, as 16 base32 characters (RFC 4648);
/// `None` if an input is absent.
///
/// `inputs` are indices of fields whose newest value in `columns` is the row's. Canonical: text as it is, days as ISO dates, instants as
/// `2026-05-04T08:30:00.000000Z`, decimals in units of the field's last place, other numbers in their shortest form, `true` and `false`.
pub(crate) fn hash(columns: &[Column], inputs: &[usize], scratch: &mut String) -> Option<String> {
    let mut hash = Sha256::new();
    for &input in inputs {
        scratch.clear();
        columns[input].newest_text(scratch)?;
        hash.update((scratch.len() as u64).to_be_bytes());
        hash.update(scratch.as_bytes());
    }
    Some(base32(&hash.finalize()[..10]))
}

fn base32(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let mut out = String::with_capacity(bytes.len().div_ceil(5) * 8);
    for piece in bytes.chunks(5) {
        let number = piece.iter().fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
        for place in (0..8).rev() {
            out.push(char::from(ALPHABET[(number >> (5 * place) & 31) as usize]));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base32_is_that_of_rfc_4648() {
        assert_eq!(base32(b"fooba"), "MZXW6YTB");
        assert_eq!(base32(&[0; 10]), "AAAAAAAAAAAAAAAA");
        assert_eq!(base32(&[0xFF; 10]), "7777777777777777");
    }
}
