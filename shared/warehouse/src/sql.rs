//! The run's own table, and locks.

use fonderie_contract::Field;
use sha2::{Digest, Sha256};

pub(crate) use fonderie_tables::quote;

/// The key of an advisory lock, the same in every process: the first eight bytes of a SHA-256.
pub(crate) fn advisory_key(name: &str) -> i64 {
    let digest = Sha256::digest(format!("fonderie/{name}").as_bytes());
    digest.iter().take(8).fold(0_i64, |key, byte| (key << 8) | i64::from(*byte))
}

/// A query of the statements that give a relation's rights to another one: `class` is an alias of `pg_class`, `target` an expression of the other's name.
pub(crate) fn grants(class: &str, target: &str) -> String {
    format!(
        "SELECT format('GRANT %s ON %s TO %s%s', g.privilege_type, {target}, \
           CASE WHEN g.grantee = 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(g.grantee)) END, \
           CASE WHEN g.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END) FROM aclexplode({class}.relacl) g"
    )
}

/// The columns of the run's own table: the record's fields, then where each row stood in the file.
pub(crate) fn incoming_columns(fields: &[Field]) -> Vec<String> {
    fields.iter().map(|field| field.name.clone()).chain(["source_line".into(), "source_record".into()]).collect()
}

/// The run's own table. Text compares by bytes: faster, and the same on every server.
pub(crate) fn create_incoming(fields: &[Field]) -> String {
    let fields: String =
        fields.iter().map(|field| format!("{} {}, ", quote(&field.name), field.kind.sql_type())).collect();
    format!(
        "CREATE TEMP TABLE incoming ({fields}source_line bigint NOT NULL, source_record bigint NOT NULL) ON COMMIT DROP"
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn locks_differ() {
        assert_eq!(advisory_key("load/a"), advisory_key("load/a"));
        assert_ne!(advisory_key("load/a"), advisory_key("load/b"));
    }
}
