//! What readers see of a table.

use crate::description::{Kind, Table};
use crate::names::{name, quote};

/// The public view, that of the earlier states, and the function that gives the states at the end of a day.
pub(crate) fn create(schema: &str, time_zone: &str, table: &Table) -> String {
    let of = |ending: &str| name(schema, &table.name, ending);
    let key = table.key_list();
    let state = table.shown_columns();
    let names = || state.iter().map(|column| quote(&column.name));
    let surrogate = quote(&table.surrogate);
    let mut sql = match table.kind {
        Kind::Fact => {
            let state: String = names().map(|name| format!(", {name}")).collect();
            format!(
                "CREATE VIEW {} AS\nSELECT row_key AS {surrogate}, {key}{state}, valid_from, object_version_key, source_line\nFROM {} WHERE status = \
                 'current';\n",
                of(""),
                of("_rows"),
            )
        }
        // a member that is absent has the last state that it had
        Kind::Dimension => {
            let own: String = names()
                .map(|name| format!(", CASE WHEN r.status = 'absent' THEN h.{name} ELSE r.{name} END AS {name}"))
                .collect();
            let key =
                table.key.iter().map(|column| format!("r.{}", quote(&column.name))).collect::<Vec<_>>().join(", ");
            format!(
                "CREATE VIEW {} AS\nSELECT r.row_key AS {surrogate}, {key}{own}, r.status, r.valid_from, r.object_version_key, \
                 r.source_line\nFROM {} r LEFT JOIN {} h ON r.status = 'absent' AND h.row_key = r.row_key AND h.closing_version_key = \
                 r.object_version_key;\n",
                of(""),
                of("_rows"),
                of("_history"),
            )
        }
    };
    if table.history {
        let state: String = names().map(|name| format!(", h.{name}")).collect();
        let key = table.key.iter().map(|column| format!("r.{}", quote(&column.name))).collect::<Vec<_>>().join(", ");
        sql.push_str(&format!(
            "CREATE VIEW {} AS\nSELECT h.row_key AS {surrogate}, {key}{state}, h.valid_from, h.valid_to, h.object_version_key, h.source_line\nFROM \
             {} h JOIN {} r USING (row_key) WHERE NOT h.absent;\n",
            name(schema, &format!("hist_{}", table.name), ""),
            of("_history"),
            of("_rows"),
        ));
    }
    // with `newest_by`, states do not follow each other in time
    if table.newest_by.is_none() {
        sql.push_str(&on_a_day(schema, time_zone, table));
    }
    sql
}

/// `<table>_on(day)`: the states at the end of a day.
fn on_a_day(schema: &str, time_zone: &str, table: &Table) -> String {
    let typed = |name: &str, kind: &str| format!("{} {kind}", quote(name));
    let columns = table
        .key
        .iter()
        .chain(&table.shown_columns())
        .map(|column| {
            let kind = column.sql_type.bare();
            typed(&column.name, &kind)
        })
        .collect::<Vec<_>>();
    let returned =
        [vec![typed(&table.surrogate, "bigint")], columns, vec!["valid_from timestamptz".to_owned()]].concat();
    let key: String = table.key.iter().map(|column| format!(", r.{}", quote(&column.name))).collect();
    let state = |alias: &str| -> String {
        table.shown_columns().iter().map(|column| format!(", {alias}.{}", quote(&column.name))).collect()
    };
    let end = format!("((day + 1)::timestamp AT TIME ZONE '{}')", time_zone.replace('\'', "''"));
    format!(
        "CREATE FUNCTION {function}(day date) RETURNS TABLE ({returned}) LANGUAGE sql STABLE AS $body$\nSELECT r.row_key{key}{current}, r.valid_from FROM {rows} r WHERE \
         r.status = 'current' AND r.valid_from < {end}\nUNION ALL\nSELECT r.row_key{key}{earlier}, h.valid_from FROM {history} h JOIN {rows} r USING (row_key)\nWHERE NOT \
         h.absent AND h.valid_from < {end} AND h.valid_to >= {end}\n$body$;\n",
        function = name(schema, &table.name, "_on"),
        returned = returned.join(", "),
        current = state("r"),
        earlier = state("h"),
        rows = name(schema, &table.name, "_rows"),
        history = name(schema, &table.name, "_history"),
    )
}
