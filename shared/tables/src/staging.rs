//! Staging: each file's newest version as it was accepted.

use std::fmt::Write as _;

use crate::description::{Dataset, Record, Table};
use crate::names::{list, name};

/// What a row has beside the record's fields.
const PROVENANCE: &str = "source_file, load_timestamp, object_version_key, source_line";

/// Makes a record's table. It is not logged: a crash empties it, and the files in silver fill it again.
pub(crate) fn create(dataset: &Dataset, record: &Record) -> String {
    let place = name(&dataset.staging, &record.name, "");
    let mut sql = format!("CREATE UNLOGGED TABLE {place} (\n");
    for field in &record.fields {
        let _ = writeln!(sql, "  {} {},", crate::names::quote(&field.name), field.sql_type);
    }
    let _ = write!(
        sql,
        "  source_file text,\n  load_timestamp timestamptz NOT NULL DEFAULT now(),\n  object_version_key bigint NOT NULL,\n  source_line bigint NOT \
         NULL\n);\nCREATE INDEX ON {place} (object_version_key);\n"
    );
    sql
}

/// Puts the version's rows in the place of those of the file's other versions, unless a newer one is loaded.
pub(crate) fn load(dataset: &Dataset, record: &Record, main: &Table) -> String {
    let place = name(&dataset.staging, &record.name, "");
    let presence = name(&dataset.warehouse, &main.name, "_presence");
    let fields = list(record.fields.iter().map(|field| field.name.as_str()));
    let shown: String = record.fields.iter().map(|field| format!("i.{}, ", crate::names::quote(&field.name))).collect();
    format!(
        "CREATE TEMP TABLE same_file ON COMMIT DROP AS\nSELECT v.object_version_key, r.rank > t.rank AS is_newer\nFROM this t JOIN audit.object_version m USING \
         (object_version_key) JOIN audit.object_version v ON v.bucket = m.bucket AND v.key = m.key AND v.record = m.record\nJOIN version_rank r ON r.object_version_key = v.object_version_key JOIN \
         {presence} p ON p.object_version_key = v.object_version_key\nWHERE v.object_version_key <> t.object_version_key;\nANALYZE same_file;\n\
         DELETE FROM {place} s USING (SELECT object_version_key FROM same_file WHERE NOT is_newer UNION ALL SELECT object_version_key FROM this) f\nWHERE \
         s.object_version_key = f.object_version_key;\nINSERT INTO {place} ({fields}, {PROVENANCE})\nSELECT {shown}l.source_file, now(), t.object_version_key, i.source_line FROM incoming i CROSS JOIN \
         loading l CROSS JOIN this t WHERE NOT EXISTS (SELECT FROM same_file WHERE is_newer);\n"
    )
}
