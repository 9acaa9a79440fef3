//! What readers see of the tables.

use std::fmt::Write as _;

use crate::description::{Column, Dataset, Kind, Reference, Table};
use crate::names::{name, quote};

/// A view that readers know: its columns with what they are, and what they are selected from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct View {
    /// Its name.
    pub name: String,
    /// Each column's name and expression.
    pub columns: Vec<(String, String)>,
    from: String,
}

impl View {
    /// The statement that makes it in a schema, or puts it in the place of one that has its first columns.
    pub fn create(&self, schema: &str) -> String {
        let columns = self.columns.iter().map(|(name, expression)| format!("{expression} AS {}", quote(name)));
        format!(
            "CREATE OR REPLACE VIEW {} AS\nSELECT {}\nFROM {};\n",
            name(schema, &self.name, ""),
            columns.collect::<Vec<_>>().join(", "),
            self.from
        )
    }
}

/// Of each table the public view, that of the earlier states, and those of the values that were in force on the rows' days.
pub fn views(dataset: &Dataset) -> Vec<View> {
    let of_table = |table: &Table| {
        let history = table.history.as_ref().map(|history| earlier(dataset, table, history));
        let mut views: Vec<View> = [current(dataset, table)].into_iter().chain(history).collect();
        for reference in &table.references {
            let dimension = dataset.tables().find(|dimension| dimension.name == reference.table);
            if let (Some(day), Some(dimension)) = (&reference.as_of, dimension) {
                views.push(in_force(dataset, table, reference, dimension, day));
            }
        }
        views
    };
    dataset.tables().flat_map(of_table).collect()
}

/// The functions that give the states at the end of a day.
pub fn functions(dataset: &Dataset) -> String {
    dataset.tables().filter_map(|table| function(dataset, table)).collect()
}

/// The function of a table whose states follow each other in time, which those with `newest_by` do not.
pub fn function(dataset: &Dataset, table: &Table) -> Option<String> {
    table.newest_by.is_none().then(|| on_a_day(dataset, table))
}

fn of(alias: &str, column: &str) -> (String, String) {
    (column.to_owned(), format!("{alias}.{}", quote(column)))
}

/// The current states, with what models say of them. A member that is absent has the last state that it had.
fn current(dataset: &Dataset, table: &Table) -> View {
    let base = |ending: &str| name(&dataset.warehouse, &table.name, ending);
    let falls_back = table.kind == Kind::Dimension && table.snapshot.is_some();
    let mut columns = vec![(table.surrogate.clone(), "r.row_key".to_owned())];
    columns.extend(table.shown_key().map(|column| of("r", &column.name)));
    columns.extend(table.shown_columns().iter().map(|Column { name, .. }| match falls_back {
        true => {
            let column = quote(name);
            (name.clone(), format!("CASE WHEN r.row_status = 'absent' THEN h.{column} ELSE r.{column} END"))
        }
        false => of("r", name),
    }));
    let mut from = format!("{} r", base("_rows"));
    if falls_back {
        let _ = write!(
            from,
            " LEFT JOIN {} h ON r.row_status = 'absent' AND h.row_key = r.row_key AND h.closing_version_key = r.object_version_key",
            base("_history")
        );
    }
    for (at, output) in table.outputs.iter().enumerate() {
        let [scores, reasons, scale] = output.tables().map(|table| name(&dataset.warehouse, &table, ""));
        let (raw, why) = (format!("o{at}"), format!("w{at}"));
        let score = format!("({raw}.raw - (SELECT centre FROM {scale})) / (SELECT unit FROM {scale})");
        columns.push((output.score.clone(), score));
        columns.push((output.reason.clone(), format!("{why}.reason")));
        let _ = write!(
            from,
            "\nLEFT JOIN {scores} {raw} ON {raw}.row_key = r.row_key\nLEFT JOIN {reasons} {why} ON {why}.row_key = r.row_key"
        );
    }
    if falls_back || dataset.may_be_open(table) {
        columns.push(("member_status".to_owned(), "r.row_status".to_owned()));
    }
    columns.push(match &table.newest_by {
        Some(newest) => (newest.name.clone(), "r.row_newest".to_owned()),
        None => (dataset.validity[0].clone(), "r.valid_from".to_owned()),
    });
    columns.extend(["object_version_key", "source_line"].map(|column| of("r", column)));
    if table.kind == Kind::Fact {
        from.push_str("\nWHERE r.row_status = 'current'");
    }
    View { name: table.name.clone(), columns, from }
}

fn earlier(dataset: &Dataset, table: &Table, history: &str) -> View {
    let [from, to] = &dataset.validity;
    let mut columns = vec![(table.surrogate.clone(), "h.row_key".to_owned())];
    columns.extend(table.shown_key().map(|column| of("r", &column.name)));
    columns.extend(table.shown_columns().iter().map(|column| of("h", &column.name)));
    columns.extend([(from.clone(), "h.valid_from".to_owned()), (to.clone(), "h.valid_to".to_owned())]);
    columns.extend(["object_version_key", "source_line", "closing_version_key"].map(|column| of("h", column)));
    let from = format!(
        "{} h JOIN {} r USING (row_key) WHERE NOT h.row_absent",
        name(&dataset.warehouse, &table.name, "_history"),
        name(&dataset.warehouse, &table.name, "_rows"),
    );
    View { name: history.to_owned(), columns, from }
}

/// The name of the view of a reference's values in force.
pub fn in_force_name(table: &Table, reference: &Reference) -> String {
    format!("{}_with_{}", table.name, reference.table)
}

/// `<table>_with_<dimension>`: of each row the state of the dimension that was in force at the end of its day: the last one that began until then,
/// else the first that is known, which is `extrapolated`. Of states that begin at one instant the last one in the order of versions counts.
fn in_force(dataset: &Dataset, table: &Table, reference: &Reference, dimension: &Table, day: &str) -> View {
    let base = |ending: &str| name(&dataset.warehouse, &dimension.name, ending);
    let end = end_of_day(dataset, &format!("f.{}", quote(day)));
    let states = dimension.shown_columns();
    let state: String = states.iter().map(|column| format!("{}, ", quote(&column.name))).collect();
    let mut columns = vec![(table.surrogate.clone(), "f.row_key".to_owned())];
    columns.push((dimension.surrogate.clone(), "d.row_key".to_owned()));
    columns.extend(dimension.shown_key().map(|column| of("d", &column.name)));
    columns.extend(states.iter().map(|column| of("s", &column.name)));
    columns.push((dataset.validity[0].clone(), "s.valid_from".to_owned()));
    columns.push(("extrapolated".to_owned(), format!("s.valid_from >= {end}")));
    let from = format!(
        "{rows} f JOIN {dimension} d ON d.row_key = f.{reference}\nCROSS JOIN LATERAL (\n  SELECT {state}valid_from FROM (\n    SELECT {state}valid_from, 'infinity' AS valid_to, c.object_version_key FROM {dimension} c WHERE c.row_key = \
         d.row_key AND c.row_status = 'current'\n    UNION ALL SELECT {state}valid_from, h.valid_to, h.object_version_key FROM {history} h WHERE h.row_key = d.row_key AND NOT h.row_absent\n  ) AS known\n  \
         ORDER BY valid_from < {end} DESC, CASE WHEN valid_from < {end} THEN valid_from END DESC, valid_from, valid_to DESC,\n    CASE WHEN valid_to = valid_from THEN (SELECT ROW(o.order_modified, \
         o.order_position, o.bucket, o.key, o.version_id) FROM audit.object_version o WHERE o.object_version_key = known.object_version_key) END DESC\n  LIMIT 1\n) AS s\nWHERE f.row_status = 'current'",
        rows = name(&dataset.warehouse, &table.name, "_rows"),
        dimension = base("_rows"),
        history = base("_history"),
        reference = quote(&reference.name),
    );
    View { name: in_force_name(table, reference), columns, from }
}

/// The instant at which a day ends in the dataset's time zone.
fn end_of_day(dataset: &Dataset, day: &str) -> String {
    format!("(({day} + 1)::timestamp AT TIME ZONE '{}')", dataset.time_zone.replace('\'', "''"))
}

/// `<table>_on(day)`: the states at the end of a day. It reads the internal tables with their owner's rights, for its callers have none on them.
fn on_a_day(dataset: &Dataset, table: &Table) -> String {
    let typed = |column: &Column| format!("{} {}", quote(&column.name), column.sql_type.bare());
    let from = quote(&dataset.validity[0]);
    let mut returned = vec![format!("{} bigint", quote(&table.surrogate))];
    returned.extend(table.shown_key().map(typed));
    returned.extend(table.shown_columns().iter().map(typed));
    returned.push(format!("{from} timestamptz"));
    let key: String = table.shown_key().map(|column| format!(", r.{}", quote(&column.name))).collect();
    let state = |alias: &str| -> String {
        table.shown_columns().iter().map(|column| format!(", {alias}.{}", quote(&column.name))).collect()
    };
    let end = end_of_day(dataset, "$1");
    format!(
        "CREATE FUNCTION {function}(date) RETURNS TABLE ({returned}) LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog AS $body$\nSELECT r.row_key{key}{current}, r.valid_from FROM {rows} r WHERE \
         r.row_status = 'current' AND r.valid_from < {end}\nUNION ALL\nSELECT r.row_key{key}{earlier}, h.valid_from FROM {history} h JOIN {rows} r USING (row_key)\nWHERE NOT \
         h.row_absent AND h.valid_from < {end} AND h.valid_to >= {end}\n$body$;\n",
        function = name(&dataset.warehouse, &table.name, "_on"),
        returned = returned.join(", "),
        current = state("r"),
        earlier = state("h"),
        rows = name(&dataset.warehouse, &table.name, "_rows"),
        history = name(&dataset.warehouse, &table.name, "_history"),
    )
}
