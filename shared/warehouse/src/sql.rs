//! Names, types and locks in SQL.

use fonderie_contract::{Field, Kind};
use sha2::{Digest, Sha256};

/// A quoted identifier.
pub(crate) fn quote(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// The key of an advisory lock, the same in every process: the first eight bytes of a SHA-256.
pub(crate) fn advisory_key(name: &str) -> i64 {
    let digest = Sha256::digest(format!("fonderie/{name}").as_bytes());
    digest.iter().take(8).fold(0_i64, |key, byte| (key << 8) | i64::from(*byte))
}

/// The columns of the run's own table: the record's fields, then where each row stood in the file.
pub(crate) fn incoming_columns(fields: &[Field]) -> Vec<String> {
    fields.iter().map(|field| field.name.clone()).chain(["source_line".into(), "source_record".into()]).collect()
}

/// The run's own table. Text compares by bytes: faster, and the same on every server.
pub(crate) fn create_incoming(fields: &[Field]) -> String {
    let fields: String = fields
        .iter()
        .map(|field| {
            let kind = match field.kind {
                Kind::Text { max_length } => format!("varchar({max_length}) COLLATE \"C\""),
                Kind::Integer { .. } => "integer".into(),
                Kind::Date => "date".into(),
                Kind::Boolean => "boolean".into(),
                Kind::Decimal { precision, scale } => format!("numeric({precision},{scale})"),
            };
            format!("{} {kind}, ", quote(&field.name))
        })
        .collect();
    format!(
        "CREATE TEMP TABLE incoming ({fields}source_line bigint NOT NULL, source_record bigint NOT NULL) ON COMMIT DROP"
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn identifiers_are_quoted_and_locks_differ() {
        assert_eq!(quote("a\"b"), "\"a\"\"b\"");
        assert_eq!(advisory_key("load/a"), advisory_key("load/a"));
        assert_ne!(advisory_key("load/a"), advisory_key("load/b"));
    }
}
