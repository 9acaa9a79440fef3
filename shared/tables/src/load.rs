//! The statements that load one version of a record, or withdraw it.
//!
//! They are executed in one transaction under the dataset's lock, and find in temporary tables:
//!
//! - `incoming`: the accepted rows: the record's fields, `source_line`, and `source_record`, which is unique and ascends;
//! - `loading`: one row: `dataset`, `object_version_key`, `source_file`, `withdrawn`, `blind` (a row was refused whose key cannot be read);
//! - of each table with snapshots `scopes_<table>` (the values of its scope that the file is complete of) and `refused_<table>` (the keys of
//!   refused rows);
//! - `audit.version_order`: the rank of each version of the dataset; `audit.object_version`: the file of each.
//!
//! They leave `outcome`, the counts of the record's main table (the last one): keys that are new, whose newest state is another one, of which nothing
//! was written, and of which only earlier states were; of a complete file also those that are `known` and shown, and those that it `closed`; `removed`, the states of the keys that the version showed before and shows no longer; and
//! `warning`, the number of keys per rule of a measure that only grows.

use std::fmt::Write as _;

use crate::description::{Dataset, Record, SqlType, Table};
use crate::names::{name, quote};
use crate::{changes, staging};

/// The statements for a version of one record of a dataset.
pub fn load(dataset: &Dataset, record: &Record) -> String {
    let schema = &dataset.warehouse;
    let mut sql = String::from(
        "ANALYZE loading;\nCREATE TEMP TABLE version_rank ON COMMIT DROP AS\nSELECT o.object_version_key, o.rank, o.order_instant AS instant\nFROM \
         audit.version_order o JOIN loading USING (dataset);\nANALYZE version_rank;\n\
         CREATE TEMP TABLE this ON COMMIT DROP AS\nSELECT l.object_version_key, r.rank, r.instant, l.withdrawn, l.blind\nFROM loading l JOIN version_rank r USING \
         (object_version_key);\nANALYZE this;\n\
         CREATE TEMP TABLE warning (rule text, rows bigint) ON COMMIT DROP;\n",
    );
    for calendar in &record.calendars {
        let (table, day, field) = (name(schema, &calendar.name, ""), quote(&calendar.day), quote(&calendar.field));
        let _ = writeln!(
            sql,
            "INSERT INTO {table} ({day})\nSELECT DISTINCT i.{field} FROM incoming i WHERE i.{field} IS NOT NULL AND NOT EXISTS (SELECT FROM {table} c WHERE c.{day} = i.{field});"
        );
    }
    for (at, table) in record.tables.iter().enumerate() {
        let (before, main) = (&record.tables[..at], at + 1 == record.tables.len());
        Load::new(schema, table).write(before, main, &mut sql);
    }
    for table in dataset.tables().rev() {
        sql.push_str(&forget(dataset, table));
    }
    if let Some(main) = record.main() {
        sql.push_str(&staging::load(dataset, record, main));
    }
    sql
}

/// A number of 64 bits that is a function of a row's natural key alone: of a base table's row under an alias. Rows in its order are in a random
/// order that every database finds again, whatever the surrogates are.
pub fn key_hash(table: &Table, alias: &str, seed: i64) -> String {
    table.key.iter().fold(seed.to_string(), |seed, column| {
        let value = format!("{alias}.{}", quote(&column.name));
        // days and instants as numbers, for their texts depend on the session
        let text = match column.sql_type {
            SqlType::Text(_) => value,
            SqlType::Date => format!("({value} - DATE '2000-01-01')::text"),
            SqlType::Timestamp => format!("extract(epoch FROM {value})::text"),
            _ => format!("{value}::text"),
        };
        format!("hashtextextended({text}, {seed})")
    })
}

/// Adds members for keys of the file that have none.
fn open(sql: &mut String, table: &str, columns: &[String], fields: &[String]) {
    let pairs = columns.iter().zip(fields);
    let same = pairs.map(|(column, field)| format!("m.{column} = i.{field}")).collect::<Vec<_>>().join(" AND ");
    let known = fields.iter().map(|field| format!("i.{field} IS NOT NULL")).collect::<Vec<_>>().join(" AND ");
    let (columns, fields) = (columns.join(", "), fields.join(", i."));
    let _ = writeln!(
        sql,
        "INSERT INTO {table} ({columns}, row_status)\nSELECT DISTINCT i.{fields}, 'open' FROM incoming i\nWHERE {known} AND NOT EXISTS (SELECT FROM {table} m WHERE {same});"
    );
}

/// Members that nothing shows and nothing refers to are none.
fn forget(dataset: &Dataset, table: &Table) -> String {
    let mut sql =
        format!("DELETE FROM {} m WHERE m.row_status = 'open'", name(&dataset.warehouse, &table.name, "_rows"));
    let declared =
        dataset.tables().flat_map(|other| other.references_to(&table.name).map(|column| (&other.name, column)));
    let beyond = dataset.holders.iter().filter(|holder| holder.dimension == table.name);
    for (other, column) in declared.chain(beyond.map(|holder| (&holder.table, holder.column.as_str()))) {
        for ending in ["_rows", "_history"] {
            let _ = write!(
                sql,
                "\n  AND NOT EXISTS (SELECT FROM {} o WHERE o.{} = m.row_key)",
                name(&dataset.warehouse, other, ending),
                quote(column)
            );
        }
    }
    sql + ";\n"
}

/// The parts of a table's statements.
struct Load<'t> {
    schema: &'t str,
    table: &'t Table,
    /// The state's columns, quoted.
    state: Vec<String>,
    /// `row_newest, `, if the table has it.
    newest: &'static str,
}

impl<'t> Load<'t> {
    fn new(schema: &'t str, table: &'t Table) -> Self {
        let state = table.state_columns().iter().map(|column| quote(&column.name)).collect();
        Self { schema, table, state, newest: if table.newest_by.is_some() { "row_newest, " } else { "" } }
    }

    fn base(&self, ending: &str) -> String {
        name(self.schema, &self.table.name, ending)
    }

    /// A temporary table's name.
    fn temp(&self, ending: &str) -> String {
        quote(&format!("{}_{ending}", self.table.name))
    }

    /// The state's columns of an alias, each after a comma.
    fn state_of(&self, alias: &str) -> String {
        self.state.iter().map(|column| format!(", {alias}.{column}")).collect()
    }

    /// The state's columns, each after a comma.
    fn bare_state(&self) -> String {
        self.state.iter().map(|column| format!(", {column}")).collect()
    }

    /// `a.row_newest, ` if the table has it.
    fn newest_of(&self, alias: &str) -> String {
        if self.newest.is_empty() { String::new() } else { format!("{alias}.row_newest, ") }
    }

    /// An observation's place in the order: `(a.row_newest, a.rank)`.
    fn order_of(&self, alias: &str) -> String {
        format!("({}{alias}.row_rank)", self.newest_of(alias))
    }

    /// Whether two aliases have the same natural key, of which the second is the table itself.
    fn same_key(&self, left: &str, right: &str) -> String {
        let same = self.table.key.iter().map(|column| {
            let column = quote(&column.name);
            format!("{left}.{column} = {right}.{column}")
        });
        same.collect::<Vec<_>>().join(" AND ")
    }

    /// The statements of a table; `before` are the record's tables whose statements stand before, `main` is the one whose counts are the load's.
    fn write(&self, before: &[Table], main: bool, sql: &mut String) {
        self.members(before, sql);
        self.shown(sql);
        self.own(sql);
        self.first_states(sql);
        self.touched(sql);
        self.before(sql);
        self.next(sql);
        self.after(sql);
        self.differences(sql);
        sql.push_str(&changes::note(self.schema, self.table, |ending| self.temp(ending)));
        if main {
            self.removed(sql);
            self.outcome(sql);
        }
        self.warnings(sql);
        self.presence(sql);
    }

    /// Members for the keys that are referred to, unless the same rows show them.
    fn members(&self, before: &[Table], sql: &mut String) {
        for reference in &self.table.references {
            let is_shown = |table: &&Table| {
                table.name == reference.table && table.key.iter().map(|column| &column.name).eq(&reference.fields)
            };
            if before.iter().any(|table| is_shown(&table)) {
                continue;
            }
            let fields: Vec<String> = reference.fields.iter().map(|field| quote(field)).collect();
            let columns: Vec<String> = reference.columns.iter().map(|column| quote(column)).collect();
            open(sql, &name(self.schema, &reference.table, "_rows"), &columns, &fields);
        }
    }

    /// The table of the version's rows, one per key.
    fn rows_of_file(&self) -> String {
        if self.table.newest_by.is_some() { self.temp("shown") } else { "incoming".to_owned() }
    }

    /// Of several rows with a key the newest, and of those the last. Days and places in the file are packed into one number (22 bits and 40), so that a
    /// hash finds it: to sort the file for it takes four times as long.
    fn shown(&self, sql: &mut String) {
        let Some(newest) = &self.table.newest_by else { return };
        let (key, field, shown) = (self.table.key_list(), quote(&newest.field.name), self.temp("shown"));
        let query = match newest.field.sql_type {
            SqlType::Date => format!(
                "WITH last AS (\n  SELECT max((({field} - DATE '0001-01-01')::bigint << 40) + source_record) AS place FROM incoming GROUP BY {key}\n)\nSELECT i.* FROM \
                 last JOIN incoming i ON i.source_record = last.place & ((1::bigint << 40) - 1)"
            ),
            _ => format!("SELECT DISTINCT ON ({key}) * FROM incoming ORDER BY {key}, {field} DESC, source_record DESC"),
        };
        let _ = writeln!(sql, "CREATE TEMP TABLE {shown} ON COMMIT DROP AS\n{query};\nANALYZE {shown};");
    }

    /// The natural key's columns of an alias, each with a comma.
    fn key_of(&self, alias: &str) -> String {
        self.table.key.iter().map(|column| format!("{alias}{}, ", quote(&column.name))).collect()
    }

    /// What the version shows: `row_key`, `row_newest`, `source_line`, the key and the state, references as surrogates. `row_is_new`: no version has shown
    /// the key. `row_is_told`: something new is said of a key that is known: its newest state is another one, or began with a later observation; the others are
    /// as they were.
    fn own(&self, sql: &mut String) {
        let (newest, columns, joins) = self.columns_of_file();
        let sequence = self.base("_row_key_seq").replace('\'', "''");
        let (this, theirs) = match &self.table.newest_by {
            Some(newest) => (format!("(i.{}, t.rank)", quote(&newest.field.name)), "(m.row_newest, v.rank)"),
            None => ("t.rank".to_owned(), "v.rank"),
        };
        let differs = match columns.is_empty() {
            true => String::new(),
            false => format!(
                " OR ({}) IS DISTINCT FROM ({})",
                self.state_of("m").trim_start_matches(", "),
                columns.iter().map(|(value, _)| value.as_str()).collect::<Vec<_>>().join(", ")
            ),
        };
        let named: String = columns.iter().map(|(value, column)| format!(", {value} AS {column}")).collect();
        let _ = writeln!(
            sql,
            "CREATE TEMP TABLE {own} ON COMMIT DROP AS\nSELECT coalesce(m.row_key, nextval('{sequence}')) AS row_key, m.row_key IS NULL AS row_is_new,\n  m.row_key IS NOT NULL AND \
             (m.row_status <> 'current' OR {theirs} > {this}{differs}) AS row_is_told,\n  {newest}{key}i.source_line{named}\nFROM {shown} i CROSS JOIN this t LEFT JOIN {rows} m ON {same}\nLEFT JOIN version_rank v ON \
             v.object_version_key = m.object_version_key{joins};\nANALYZE {own};",
            own = self.temp("own"),
            key = self.key_of("i."),
            shown = self.rows_of_file(),
            rows = self.base("_rows"),
            same = self.same_key("m", "i"),
        );
    }

    /// What a row of the file, `i`, becomes: `row_newest`, each column of the state as its value and its name, and the joins that they need.
    fn columns_of_file(&self) -> (String, Vec<(String, String)>, String) {
        let newest = self.table.newest_by.as_ref();
        let newest = newest.map(|newest| format!("i.{} AS row_newest, ", quote(&newest.field.name)));
        let (mut state, mut joins) = (Vec::new(), String::new());
        for (at, reference) in self.table.references.iter().enumerate() {
            let pairs = reference.columns.iter().zip(&reference.fields);
            let same = pairs.map(|(column, field)| format!("d{at}.{} = i.{}", quote(column), quote(field)));
            state.push(format!("d{at}.row_key"));
            let _ = write!(
                joins,
                "\nLEFT JOIN {} d{at} ON {}",
                name(self.schema, &reference.table, "_rows"),
                same.collect::<Vec<_>>().join(" AND ")
            );
        }
        state.extend(self.table.state.iter().map(|column| format!("i.{}", quote(&column.name))));
        state.extend(self.table.later.iter().map(|later| format!("NULL::{}", later.column.sql_type.bare())));
        let columns = state.into_iter().zip(self.state.iter().cloned()).collect();
        (newest.unwrap_or_default(), columns, joins)
    }

    /// A key that no version has shown before has one state, so that its row is written at once: all rows of a first load. A complete file
    /// that came before may lack it, so that a table with snapshots takes the long way.
    fn first_states(&self, sql: &mut String) {
        let (rows, own) = (self.base("_rows"), self.temp("own"));
        let key = (self.key_of(""), self.key_of("o."));
        if self.table.snapshot.is_some() {
            let _ = writeln!(
                sql,
                "INSERT INTO {rows} (row_key, {}row_status)\nSELECT o.row_key, {}'open' FROM {own} o WHERE o.row_is_new;",
                key.0, key.1
            );
            return;
        }
        let state = |alias: &str| self.state.iter().map(|column| format!("{alias}{column}, ")).collect::<String>();
        let _ = writeln!(
            sql,
            "INSERT INTO {rows} (row_key, {}{}{newest}row_status, valid_from, object_version_key, source_line)\nSELECT o.row_key, {}{}{newest_o}'current', t.instant, \
             t.object_version_key, o.source_line\nFROM {own} o CROSS JOIN this t WHERE o.row_is_new;",
            key.0,
            state(""),
            key.1,
            state("o."),
            newest = self.newest,
            newest_o = self.newest_of("o"),
        );
    }

    /// The members to be looked at: those of which the version says something new, or which it showed before, or whose scope it completes.
    fn touched(&self, sql: &mut String) {
        let told = if self.table.snapshot.is_some() { "row_is_new OR row_is_told" } else { "row_is_told" };
        let mut all = format!(
            "SELECT row_key FROM {own} WHERE {told}\nUNION\nSELECT u.row_key FROM {presence} p JOIN this USING \
             (object_version_key), unnest(p.row_keys) AS u (row_key)",
            own = self.temp("own"),
            presence = self.base("_presence"),
        );
        if self.table.snapshot.is_some() {
            let columns = self.scope_columns("s");
            let select =
                |from: &str| format!("SELECT {} FROM {from} s", if columns.is_empty() { "1" } else { &columns });
            let _ = write!(
                all,
                "\nUNION\nSELECT m.row_key FROM {} m JOIN ({} JOIN this USING (object_version_key) UNION {}) s ON {}",
                self.base("_rows"),
                select(&self.base("_snapshots")),
                select(&self.temp_given("scopes")),
                self.same_scope("m", "s"),
            );
        }
        let _ = writeln!(
            sql,
            "CREATE TEMP TABLE {touched} ON COMMIT DROP AS\n{all};\nANALYZE {touched};",
            touched = self.temp("touched")
        );
    }

    /// A temporary table that the engine gives.
    fn temp_given(&self, beginning: &str) -> String {
        quote(&format!("{beginning}_{}", self.table.name))
    }

    fn scope(&self) -> &[String] {
        self.table.snapshot.as_deref().unwrap_or_default()
    }

    /// The scope's columns of an alias, in a list.
    fn scope_columns(&self, alias: &str) -> String {
        self.scope().iter().map(|column| format!("{alias}.{}", quote(column))).collect::<Vec<_>>().join(", ")
    }

    fn same_scope(&self, left: &str, right: &str) -> String {
        let same = self.scope().iter().map(|column| {
            let column = quote(column);
            format!("{left}.{column} = {right}.{column}")
        });
        let same = same.collect::<Vec<_>>().join(" AND ");
        if same.is_empty() { "true".to_owned() } else { same }
    }

    /// The intervals of these members as they stand, and what the version says of them: its rows, and what its scopes lack.
    fn before(&self, sql: &mut String) {
        let newest = self.newest;
        let state = |alias: &str| self.state_of(alias);
        let _ = writeln!(
            sql,
            "CREATE TEMP TABLE {before} ON COMMIT DROP AS\nSELECT m.row_key, {m}v.rank AS row_rank, m.object_version_key, m.source_line{sm}, m.row_status = 'absent' AS \
             row_absent, NULL::bigint AS closing_version_key\nFROM {touched} JOIN {rows} m USING (row_key) JOIN version_rank v ON v.object_version_key = m.object_version_key\n\
             UNION ALL\nSELECT h.row_key, {h}v.rank, h.object_version_key, h.source_line{sh}, h.row_absent, h.closing_version_key\nFROM {touched} JOIN {history} h \
             USING (row_key) JOIN version_rank v ON v.object_version_key = h.object_version_key;\nANALYZE {before};",
            before = self.temp("before"),
            m = self.newest_of("m"),
            h = self.newest_of("h"),
            sm = state("m"),
            sh = state("h"),
            touched = self.temp("touched"),
            rows = self.base("_rows"),
            history = self.base("_history"),
        );
        let nothing: String =
            self.table.state_columns().iter().map(|column| format!(", NULL::{}", column.sql_type.bare())).collect();
        let absences = if self.table.snapshot.is_some() {
            format!(
                "\nUNION ALL\nSELECT c.row_key, t.rank, t.object_version_key, NULL::bigint{nothing}, true\nFROM {touched} c JOIN {rows} m USING (row_key) JOIN \
                 {scopes} s ON {scope} CROSS JOIN this t\nWHERE NOT t.blind AND NOT t.withdrawn AND NOT EXISTS (SELECT FROM {own} o WHERE o.row_key = \
                 c.row_key)\n  AND NOT EXISTS (SELECT FROM {refused} r WHERE {key})",
                touched = self.temp("touched"),
                rows = self.base("_rows"),
                scopes = self.temp_given("scopes"),
                scope = self.same_scope("m", "s"),
                own = self.temp("own"),
                refused = self.temp_given("refused"),
                key = self.same_key("m", "r"),
            )
        } else {
            String::new()
        };
        let _ = writeln!(
            sql,
            "CREATE TEMP TABLE {said} ON COMMIT DROP AS\nSELECT o.row_key, {newest_o}t.rank AS row_rank, t.object_version_key, o.source_line{so}, false AS row_absent\nFROM \
             {touched} JOIN {own} o USING (row_key) CROSS JOIN this t{absences};\nANALYZE {said};",
            said = self.temp("said"),
            newest_o = self.newest_of("o"),
            so = state("o"),
            touched = self.temp("touched"),
            own = self.temp("own"),
        );
        let _ = writeln!(
            sql,
            "CREATE TEMP TABLE {start} ON COMMIT DROP AS\nSELECT b.row_key, {nb}b.row_rank FROM {before} b JOIN this USING (object_version_key)\nUNION\nSELECT \
             row_key, {newest}row_rank FROM {said};\nANALYZE {start};",
            start = self.temp("start"),
            nb = self.newest_of("b"),
            before = self.temp("before"),
            said = self.temp("said"),
        );
    }

    /// Where an opening of the version goes, or it splits an interval, the rest begins with the next observation: a version that shows the
    /// member, or a complete file that does not. Other versions' states are not known but by the interval that holds them.
    fn next(&self, sql: &mut String) {
        let (newest, listed, later) = match self.table.newest_by {
            // those before them are next to nothing
            Some(_) => (
                "row_newest, ",
                (", p.row_newest", ", row_newest"),
                format!(" AND p.newest_most >= (SELECT min(row_newest) FROM {})", self.temp("start")),
            ),
            None => ("", ("", ""), format!(" AND v.rank > (SELECT min(row_rank) FROM {})", self.temp("start"))),
        };
        let u = self.newest_of("u");
        let _ = writeln!(
            sql,
            "CREATE TEMP TABLE {seen} ON COMMIT DROP AS\nSELECT u.row_key, {u}v.rank AS row_rank, p.object_version_key, u.source_line, false AS row_absent\nFROM {presence} p JOIN \
             version_rank v USING (object_version_key) CROSS JOIN this t\nCROSS JOIN LATERAL unnest(p.row_keys, p.source_lines{}) AS u (row_key, \
             source_line{})\nWHERE p.object_version_key <> t.object_version_key{later} AND u.row_key IN (SELECT row_key FROM {start});",
            listed.0,
            listed.1,
            seen = self.temp("seen"),
            presence = self.base("_presence"),
            start = self.temp("start"),
        );
        if self.table.snapshot.is_some() {
            let _ = writeln!(
                sql,
                "INSERT INTO {seen}\nSELECT s.row_key, v.rank, n.object_version_key, NULL, true\nFROM (SELECT DISTINCT row_key FROM {start}) s JOIN {rows} m \
                 USING (row_key) JOIN {snapshots} n ON {scope} JOIN version_rank v ON v.object_version_key = n.object_version_key CROSS JOIN this t\nWHERE NOT n.row_blind AND \
                 n.object_version_key <> t.object_version_key{later}\n  AND NOT EXISTS (SELECT FROM {seen} o WHERE o.row_key = s.row_key AND o.object_version_key = \
                 n.object_version_key)\n  AND NOT EXISTS (SELECT FROM {refused} r WHERE r.object_version_key = n.object_version_key AND {key});",
                seen = self.temp("seen"),
                start = self.temp("start"),
                rows = self.base("_rows"),
                snapshots = self.base("_snapshots"),
                scope = self.same_scope("m", "n"),
                refused = self.base("_refused"),
                key = self.same_key("m", "r"),
            );
        }
        // where nothing is shown next, nothing was in force either, or the absence would open an interval of its own
        let held = self.state_of("b");
        let (start_order, next_order) = (self.order_of("s"), self.order_of("c"));
        let bare = |order: &str| order.trim_matches(['(', ')']).to_owned();
        let _ = writeln!(
            sql,
            "CREATE TEMP TABLE {next} ON COMMIT DROP AS\nWITH next AS (\n  SELECT DISTINCT ON (s.row_key, {s}) c.*\n  FROM {start} s JOIN (TABLE {seen} UNION ALL SELECT \
             row_key, {newest}row_rank, object_version_key, source_line, row_absent FROM {said}) c\n    ON c.row_key = s.row_key AND {next_order} > {start_order}\n  ORDER BY \
             s.row_key, {s}, {c}\n), other AS (\n  SELECT DISTINCT n.* FROM next n CROSS JOIN this t\n  WHERE n.object_version_key <> t.object_version_key AND NOT EXISTS (\n    \
             SELECT FROM {before} b WHERE b.row_key = n.row_key AND b.object_version_key = n.object_version_key)\n)\nSELECT DISTINCT ON (n.row_key, {n}) n.row_key, {n}, \
             n.object_version_key, n.source_line{held}, n.row_absent\nFROM other n LEFT JOIN {before} b ON b.row_key = n.row_key AND {b_order} <= {n_order}\nWHERE n.row_absent OR \
             b.row_key IS NOT NULL\nORDER BY n.row_key, {n}, {b_desc};",
            next = self.temp("next"),
            start = self.temp("start"),
            seen = self.temp("seen"),
            said = self.temp("said"),
            before = self.temp("before"),
            s = bare(&start_order),
            c = bare(&next_order),
            n = bare(&self.order_of("n")),
            b_order = self.order_of("b"),
            n_order = self.order_of("n"),
            b_desc = if newest.is_empty() {
                "b.row_rank DESC NULLS LAST"
            } else {
                "b.row_newest DESC NULLS LAST, b.row_rank DESC NULLS LAST"
            },
        );
    }

    /// The same intervals as they must be: points in their order, equal neighbours collapsed; nothing opens with an absence.
    fn after(&self, sql: &mut String) {
        let newest = self.newest;
        let state = self.bare_state();
        let before: String = self.state.iter().map(|column| format!(", lag({column}) OVER w")).collect();
        let columns = format!("row_key, {newest}row_rank, object_version_key, source_line{state}, row_absent");
        let _ = writeln!(
            sql,
            "CREATE TEMP TABLE {after} ON COMMIT DROP AS\nWITH point AS (\n  SELECT {columns} FROM {before_table} b WHERE object_version_key <> (SELECT object_version_key FROM \
             this)\n  UNION ALL TABLE {said}\n  UNION ALL TABLE {next}\n), compared AS (\n  SELECT *, CASE WHEN lag(row_rank) OVER w IS NULL THEN NOT row_absent\n    ELSE \
             (row_absent{state}) IS DISTINCT FROM (lag(row_absent) OVER w{before}) END AS row_opens\n  FROM point WINDOW w AS (PARTITION BY row_key ORDER BY {newest}row_rank)\n)\nSELECT {columns}, \
             lead(object_version_key) OVER (PARTITION BY row_key ORDER BY {newest}row_rank) AS closing_version_key\nFROM compared WHERE row_opens;\nANALYZE {after};",
            after = self.temp("after"),
            before_table = self.temp("before"),
            said = self.temp("said"),
            next = self.temp("next"),
        );
        let _ = writeln!(
            sql,
            "CREATE TEMP TABLE {changed} ON COMMIT DROP AS\nSELECT d.row_key, b.row_key IS NULL AND a.row_key IS NOT NULL AS begins, (b.row_absent{sb}) IS DISTINCT FROM \
             (a.row_absent{sa}) AS differs\nFROM (SELECT row_key FROM (TABLE {before} EXCEPT TABLE {after}) AS gone UNION SELECT row_key FROM (TABLE {after} EXCEPT TABLE {before}) AS come) AS \
             d\nLEFT JOIN {before} b ON b.row_key = d.row_key AND b.closing_version_key IS NULL LEFT JOIN {after} a ON a.row_key = d.row_key AND a.closing_version_key IS NULL;\nANALYZE {changed};",
            sb = self.state_of("b"),
            sa = self.state_of("a"),
            changed = self.temp("changed"),
            before = self.temp("before"),
            after = self.temp("after"),
        );
    }

    /// Writes the differences.
    fn differences(&self, sql: &mut String) {
        let (rows, history) = (self.base("_rows"), self.base("_history"));
        let (changed, after) = (self.temp("changed"), self.temp("after"));
        let newest = self.newest;
        let state = self.bare_state();
        let all = |alias: &str| {
            format!("{}{alias}.source_line, {alias}.row_absent{}", self.newest_of(alias), self.state_of(alias))
        };
        let _ = writeln!(
            sql,
            "DELETE FROM {history} h USING {changed} c WHERE h.row_key = c.row_key AND NOT EXISTS (\n  SELECT FROM {after} a WHERE a.row_key = h.row_key AND \
             a.object_version_key = h.object_version_key AND a.closing_version_key = h.closing_version_key\n    AND ({a}) IS NOT DISTINCT FROM ({h}));",
            a = all("a"),
            h = all("h"),
        );
        let _ = writeln!(
            sql,
            "INSERT INTO {history} (row_key, {newest}object_version_key, source_line{state}, row_absent, closing_version_key, valid_from, valid_to)\nSELECT a.row_key, {na}a.object_version_key, \
             a.source_line{sa}, a.row_absent, a.closing_version_key, f.instant, u.instant\nFROM {changed} JOIN {after} a USING (row_key)\nJOIN version_rank f ON f.object_version_key = \
             a.object_version_key JOIN version_rank u ON u.object_version_key = a.closing_version_key\nWHERE NOT EXISTS (SELECT FROM {history} h WHERE h.row_key = a.row_key AND \
             h.object_version_key = a.object_version_key);",
            na = self.newest_of("a"),
            sa = self.state_of("a"),
        );
        let set = |value: &dyn Fn(&str) -> String| {
            let newest = (!newest.is_empty()).then_some("row_newest".to_owned());
            let columns = self.state.iter().cloned().chain(newest);
            columns.map(|column| format!("{column} = {}, ", value(&column))).collect::<String>()
        };
        let _ = writeln!(
            sql,
            "UPDATE {rows} m SET {}row_status = CASE WHEN a.row_absent THEN 'absent' ELSE 'current' END, valid_from = f.instant, object_version_key = a.object_version_key, source_line = \
             a.source_line\nFROM {changed} c JOIN {after} a USING (row_key) JOIN version_rank f USING (object_version_key)\nWHERE m.row_key = a.row_key AND a.closing_version_key IS NULL;",
            set(&|column| format!("a.{column}")),
        );
        let _ = writeln!(
            sql,
            "UPDATE {rows} m SET {}row_status = 'open', valid_from = NULL, object_version_key = NULL, source_line = NULL\nFROM {changed} c\nWHERE m.row_key = c.row_key AND NOT EXISTS \
             (SELECT FROM {after} a WHERE a.row_key = c.row_key);",
            set(&|_| "NULL".to_owned()),
        );
        // what a model said, it said of a state
        for output in &self.table.outputs {
            let [scores, reasons, _] = output.tables();
            for output in [scores, reasons] {
                let _ = writeln!(
                    sql,
                    "DELETE FROM {} o USING {changed} c WHERE c.differs AND o.row_key = c.row_key;",
                    name(self.schema, &output, "")
                );
            }
        }
    }

    /// The keys that the version showed before and shows no longer, each with the state in force at its rank: as the version showed it.
    fn removed(&self, sql: &mut String) {
        let (listed, theirs, this) = match &self.table.newest_by {
            Some(_) => (
                "unnest(p.row_keys, p.row_newest) AS u (row_key, row_newest)",
                "(b.row_newest, b.row_rank)",
                "(u.row_newest, t.rank)",
            ),
            None => ("unnest(p.row_keys) AS u (row_key)", "b.row_rank", "t.rank"),
        };
        let latest = if self.newest.is_empty() { "b.row_rank DESC" } else { "b.row_newest DESC, b.row_rank DESC" };
        let _ = writeln!(
            sql,
            "CREATE TEMP TABLE removed ON COMMIT DROP AS\nSELECT DISTINCT ON (u.row_key) u.row_key{state}\nFROM {presence} p CROSS JOIN this t CROSS JOIN LATERAL {listed}\nJOIN {before} b ON b.row_key = \
             u.row_key AND {theirs} <= {this}\nWHERE p.object_version_key = (SELECT object_version_key FROM this) AND NOT EXISTS (SELECT FROM {own} o WHERE o.row_key = u.row_key)\nORDER BY u.row_key, {latest};",
            state = self.state_of("b"),
            presence = self.base("_presence"),
            before = self.temp("before"),
            own = self.temp("own"),
        );
    }

    /// What became of the version's keys.
    fn outcome(&self, sql: &mut String) {
        let _ = writeln!(
            sql,
            "CREATE TEMP TABLE outcome ON COMMIT DROP AS\nSELECT count(*) FILTER (WHERE is_new) AS inserted, count(*) FILTER (WHERE NOT is_new AND differs) AS updated,\n  count(*) FILTER \
             (WHERE NOT is_new AND differs IS NULL) AS unchanged, count(*) FILTER (WHERE NOT is_new AND NOT differs) AS superseded,\n  count(*) FILTER (WHERE NOT is_new) AS known, \
             (SELECT count(*) FROM {after} a JOIN this USING (object_version_key) WHERE a.row_absent) AS closed\nFROM (\n  SELECT {is_new} OR coalesce(c.begins, false) AS is_new, c.differs FROM {own} o LEFT \
             JOIN {changed} c USING (row_key)\n) AS shown;",
            is_new = if self.table.snapshot.is_some() { "false" } else { "o.row_is_new" },
            own = self.temp("own"),
            changed = self.temp("changed"),
            after = self.temp("after"),
        );
    }

    /// Measures that only grow: a state in which one is less than in the state before is counted, if the version shows either. Of a negative measure
    /// the amount counts, whatever its sign.
    fn warnings(&self, sql: &mut String) {
        for growing in &self.table.growing {
            let field = quote(&growing.field);
            let _ = writeln!(
                sql,
                "INSERT INTO warning\nSELECT '{rule}', count(DISTINCT p.row_key)\nFROM (SELECT row_key, object_version_key, {field} AS now, lag(object_version_key) OVER w AS earlier_version, lag({field}) OVER w AS \
                 earlier\n      FROM {after} WINDOW w AS (PARTITION BY row_key ORDER BY {newest}row_rank)) AS p\nCROSS JOIN this t JOIN {changed} c USING (row_key)\nWHERE abs(p.now) < abs(p.earlier) AND t.object_version_key IN \
                 (p.object_version_key, p.earlier_version);",
                rule = growing.rule.replace('\'', "''"),
                after = self.temp("after"),
                changed = self.temp("changed"),
                newest = self.newest,
            );
        }
    }

    /// What the version shows, for those that come later.
    fn presence(&self, sql: &mut String) {
        let (presence, own) = (self.base("_presence"), self.temp("own"));
        let (column, values) = match self.table.newest_by {
            Some(_) => (
                ", row_newest, newest_most",
                ", coalesce(array_agg(o.row_newest) FILTER (WHERE o.row_key IS NOT NULL), '{}'), max(o.row_newest)",
            ),
            None => ("", ""),
        };
        let _ = writeln!(
            sql,
            "DELETE FROM {presence} p USING this WHERE p.object_version_key = this.object_version_key;\nINSERT INTO {presence} (object_version_key, row_keys, source_lines{column})\nSELECT \
             t.object_version_key, coalesce(array_agg(o.row_key) FILTER (WHERE o.row_key IS NOT NULL), '{{}}'), coalesce(array_agg(o.source_line) FILTER (WHERE o.row_key IS NOT NULL), '{{}}'){values}\nFROM this t LEFT JOIN {own} o ON true \
             WHERE NOT t.withdrawn GROUP BY t.object_version_key;"
        );
        if self.table.snapshot.is_none() {
            return;
        }
        let scope: String = self.scope().iter().map(|column| format!("{}, ", quote(column))).collect();
        let given: String = self.scope().iter().map(|column| format!("s.{}, ", quote(column))).collect();
        let keys = self.key_of("f.");
        let (snapshots, refused) = (self.base("_snapshots"), self.base("_refused"));
        let _ = writeln!(
            sql,
            "DELETE FROM {snapshots} n USING this WHERE n.object_version_key = this.object_version_key;\nDELETE FROM {refused} n USING this WHERE n.object_version_key = \
             this.object_version_key;\nINSERT INTO {snapshots} (object_version_key, {scope}row_blind)\nSELECT DISTINCT t.object_version_key, {given}t.blind FROM {} s CROSS JOIN this t WHERE NOT \
             t.withdrawn;\nINSERT INTO {refused} (object_version_key, {})\nSELECT DISTINCT t.object_version_key, {} FROM {} f CROSS JOIN this t WHERE NOT t.withdrawn;",
            self.temp_given("scopes"),
            self.table.key_list(),
            keys.trim_end_matches(", "),
            self.temp_given("refused"),
        );
    }
}
