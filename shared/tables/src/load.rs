//! The statements that load one version of a record, or withdraw it.
//!
//! They are executed in one transaction under the dataset's lock, and find in temporary tables:
//!
//! - `incoming`: the accepted rows: the record's fields, `source_line`, and `source_record`, which is unique and ascends;
//! - `loading`: one row: `dataset`, `object_version_key`, `withdrawn`, `blind` (a row was refused whose key cannot be read);
//! - of each table with snapshots `scopes_<table>` (the values of its scope that the file is complete of) and `refused_<table>` (the keys of
//!   refused rows);
//! - `audit.version_order`: the rank of each version of the dataset.
//!
//! For each table they leave `<table>_changed`, the members of which something was written, and `<table>_outcome`, its counts.

use std::fmt::Write as _;

use crate::description::{Record, Table};
use crate::names::{list, name, quote};

/// The statements for a version of one record of a dataset.
pub fn load(schema: &str, records: &[Record], record: &Record) -> String {
    let mut sql = String::from(
        "CREATE TEMP TABLE version_rank ON COMMIT DROP AS\nSELECT o.object_version_key, o.rank, o.order_instant AS instant\nFROM \
         audit.version_order o JOIN loading USING (dataset);\nANALYZE version_rank;\n\
         CREATE TEMP TABLE this ON COMMIT DROP AS\nSELECT l.object_version_key, r.rank, l.withdrawn, l.blind\nFROM loading l JOIN version_rank r USING \
         (object_version_key);\n",
    );
    for calendar in &record.calendars {
        let (table, day, field) = (name(schema, &calendar.name, ""), quote(&calendar.day), quote(&calendar.field));
        let _ = writeln!(
            sql,
            "INSERT INTO {table} ({day})\nSELECT DISTINCT i.{field} FROM incoming i WHERE i.{field} IS NOT NULL AND NOT EXISTS (SELECT FROM {table} c WHERE c.{day} = i.{field});"
        );
    }
    for table in &record.tables {
        Load::new(schema, table).write(&mut sql);
    }
    for table in records.iter().flat_map(|record| &record.tables).collect::<Vec<_>>().into_iter().rev() {
        sql.push_str(&forget(schema, records, table));
    }
    sql
}

/// Adds members for keys of the file that have none.
fn open(sql: &mut String, table: &str, columns: &[String], fields: &[String]) {
    let pairs = columns.iter().zip(fields);
    let same = pairs.map(|(column, field)| format!("m.{column} = i.{field}")).collect::<Vec<_>>().join(" AND ");
    let known = fields.iter().map(|field| format!("i.{field} IS NOT NULL")).collect::<Vec<_>>().join(" AND ");
    let (columns, fields) = (columns.join(", "), fields.join(", i."));
    let _ = writeln!(
        sql,
        "INSERT INTO {table} ({columns}, status)\nSELECT DISTINCT i.{fields}, 'open' FROM incoming i\nWHERE {known} AND NOT EXISTS (SELECT FROM {table} m WHERE {same});"
    );
}

/// Members that nothing shows and nothing refers to are none.
fn forget(schema: &str, records: &[Record], table: &Table) -> String {
    let mut sql = format!("DELETE FROM {} m WHERE m.status = 'open'", name(schema, &table.name, "_rows"));
    for other in records.iter().flat_map(|record| &record.tables) {
        for reference in other.references.iter().filter(|reference| reference.table == table.name) {
            for ending in ["_rows", "_history"] {
                let _ = write!(
                    sql,
                    "\n  AND NOT EXISTS (SELECT FROM {} o WHERE o.{} = m.row_key)",
                    name(schema, &other.name, ending),
                    quote(&reference.name)
                );
            }
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
    /// `newest, `, if the table has it.
    newest: &'static str,
}

impl<'t> Load<'t> {
    fn new(schema: &'t str, table: &'t Table) -> Self {
        let state = table.state_columns().iter().map(|column| quote(&column.name)).collect();
        Self { schema, table, state, newest: if table.newest_by.is_some() { "newest, " } else { "" } }
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

    /// `a.newest, ` if the table has it.
    fn newest_of(&self, alias: &str) -> String {
        if self.newest.is_empty() { String::new() } else { format!("{alias}.newest, ") }
    }

    /// An observation's place in the order: `(a.newest, a.rank)`.
    fn order_of(&self, alias: &str) -> String {
        format!("({}{alias}.rank)", self.newest_of(alias))
    }

    /// Whether two aliases have the same natural key, of which the second is the table itself.
    fn same_key(&self, left: &str, right: &str) -> String {
        let same = self.table.key.iter().map(|column| {
            let column = quote(&column.name);
            format!("{left}.{column} = {right}.{column}")
        });
        same.collect::<Vec<_>>().join(" AND ")
    }

    fn write(&self, sql: &mut String) {
        let _ = writeln!(sql, "CREATE TEMP TABLE {} (row_key bigint) ON COMMIT DROP;", self.temp("new"));
        self.members(sql);
        self.own(sql);
        self.touched(sql);
        self.before(sql);
        self.next(sql);
        self.after(sql);
        self.differences(sql);
        self.presence(sql);
        self.outcome(sql);
    }

    /// The rows of the version, one per key: of several the newest, and of those the last.
    fn shown(&self) -> String {
        let Some(newest) = &self.table.newest_by else { return "incoming".to_owned() };
        let key = self.table.key_list();
        format!(
            "(SELECT DISTINCT ON ({key}) * FROM incoming ORDER BY {key}, {} DESC, source_record DESC)",
            quote(&newest.name)
        )
    }

    /// Members for the keys that are referred to, and for those that are shown.
    fn members(&self, sql: &mut String) {
        let key: Vec<String> = self.table.key.iter().map(|column| quote(&column.name)).collect();
        for reference in &self.table.references {
            let fields: Vec<String> = reference.fields.iter().map(|field| quote(field)).collect();
            let columns: Vec<String> = reference.columns.iter().map(|column| quote(column)).collect();
            open(sql, &name(self.schema, &reference.table, "_rows"), &columns, &fields);
        }
        if self.table.snapshot.is_some() {
            open(sql, &self.base("_rows"), &key, &key);
        } else {
            self.first_states(sql);
        }
    }

    /// A key that no version has shown before has one state, so that its row is written at once: most rows of a first load. A complete file
    /// that came before may lack it, so that a table with snapshots takes the long way.
    fn first_states(&self, sql: &mut String) {
        let key = |alias: &str| {
            self.table.key.iter().map(|column| format!("{alias}{}, ", quote(&column.name))).collect::<String>()
        };
        let (newest, state, _, joins) = self.columns_of_file();
        let names: String = self.state.iter().map(|column| format!("{column}, ")).collect();
        let state: String = state.iter().map(|column| format!("{column}, ")).collect();
        let _ = writeln!(
            sql,
            "WITH first AS (\n  INSERT INTO {rows} ({key}{names}{own_newest}status, valid_from, object_version_key, source_line)\n  SELECT {i_key}{state}{newest}'current', \
             v.instant, t.object_version_key, i.source_line\n  FROM {shown} i CROSS JOIN this t JOIN version_rank v USING (object_version_key){joins}\n  WHERE NOT EXISTS (SELECT FROM {rows} m WHERE \
             {same})\n  RETURNING row_key\n)\nINSERT INTO {new} SELECT row_key FROM first;",
            rows = self.base("_rows"),
            key = key(""),
            i_key = key("i."),
            own_newest = self.newest,
            shown = self.shown(),
            same = self.same_key("m", "i"),
            new = self.temp("new"),
        );
    }

    /// What a row of the file, `i`, becomes: `newest` and the state's columns, and the joins that they need.
    fn columns_of_file(&self) -> (String, Vec<String>, String, String) {
        let newest = self.table.newest_by.as_ref().map(|column| format!("i.{}, ", quote(&column.name)));
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
        let columns = state.iter().zip(&self.state).map(|(value, column)| format!(", {value} AS {column}")).collect();
        (newest.unwrap_or_default(), state, columns, joins)
    }

    /// What the version shows: `row_key`, `newest`, `source_line` and the state, references as surrogates.
    fn own(&self, sql: &mut String) {
        let (newest, _, columns, joins) = self.columns_of_file();
        let newest = if newest.is_empty() { newest } else { newest.replacen(", ", " AS newest, ", 1) };
        let _ = writeln!(
            sql,
            "CREATE TEMP TABLE {own} ON COMMIT DROP AS\nSELECT m.row_key, {newest}i.source_line{columns}\nFROM {} i JOIN {} m ON {}{joins};\nANALYZE {own};",
            self.shown(),
            self.base("_rows"),
            self.same_key("m", "i"),
            own = self.temp("own"),
        );
    }

    /// The members to be looked at: those of which the version says something new, or which it showed before, or whose scope it completes.
    fn touched(&self, sql: &mut String) {
        let state = |alias: &str| self.state_of(alias).trim_start_matches(", ").to_owned();
        let differs = match self.state.is_empty() {
            true => String::new(),
            false => format!("\n  OR ({}) IS DISTINCT FROM ({})", state("m"), state("o")),
        };
        let (this, theirs) = match &self.table.newest_by {
            Some(_) => ("(o.newest, t.rank)", "(m.newest, v.rank)"),
            None => ("t.rank", "v.rank"),
        };
        let mut all = format!(
            "SELECT o.row_key FROM {own} o JOIN {rows} m USING (row_key) CROSS JOIN this t\nLEFT JOIN version_rank v ON v.object_version_key = \
             m.object_version_key\nWHERE m.status <> 'current' OR {theirs} > {this}{differs}\nUNION\nSELECT u.row_key FROM {presence} p JOIN this USING \
             (object_version_key), unnest(p.row_keys) AS u (row_key)",
            own = self.temp("own"),
            rows = self.base("_rows"),
            presence = self.base("_presence"),
        );
        if self.table.snapshot.is_some() {
            let columns = self.scope_columns();
            let select = |from: &str| format!("SELECT {} FROM {from}", if columns.is_empty() { "1" } else { &columns });
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

    fn scope_columns(&self) -> String {
        list(self.scope().iter().map(String::as_str))
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
            "CREATE TEMP TABLE {before} ON COMMIT DROP AS\nSELECT m.row_key, {m}v.rank, m.object_version_key, m.source_line{sm}, m.status = 'absent' AS \
             absent, NULL::bigint AS closing_version_key\nFROM {touched} JOIN {rows} m USING (row_key) JOIN version_rank v ON v.object_version_key = m.object_version_key\n\
             UNION ALL\nSELECT h.row_key, {h}v.rank, h.object_version_key, h.source_line{sh}, h.absent, h.closing_version_key\nFROM {touched} JOIN {history} h \
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
            "CREATE TEMP TABLE {said} ON COMMIT DROP AS\nSELECT o.row_key, {newest_o}t.rank, t.object_version_key, o.source_line{so}, false AS absent\nFROM \
             {touched} JOIN {own} o USING (row_key) CROSS JOIN this t{absences};\nANALYZE {said};",
            said = self.temp("said"),
            newest_o = self.newest_of("o"),
            so = state("o"),
            touched = self.temp("touched"),
            own = self.temp("own"),
        );
        let _ = writeln!(
            sql,
            "CREATE TEMP TABLE {start} ON COMMIT DROP AS\nSELECT b.row_key, {nb}b.rank FROM {before} b JOIN this USING (object_version_key)\nUNION\nSELECT \
             row_key, {newest}rank FROM {said};\nANALYZE {start};",
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
            Some(_) => ("newest, ", (", p.newest", ", newest"), String::new()),
            // those before them are next to nothing
            None => ("", ("", ""), format!(" AND v.rank > (SELECT min(rank) FROM {})", self.temp("start"))),
        };
        let u = self.newest_of("u");
        let _ = writeln!(
            sql,
            "CREATE TEMP TABLE {seen} ON COMMIT DROP AS\nSELECT u.row_key, {u}v.rank, p.object_version_key, u.source_line, false AS absent\nFROM {presence} p JOIN \
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
                 USING (row_key) JOIN {snapshots} n ON {scope} JOIN version_rank v ON v.object_version_key = n.object_version_key CROSS JOIN this t\nWHERE NOT n.blind AND \
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
             row_key, {newest}rank, object_version_key, source_line, absent FROM {said}) c\n    ON c.row_key = s.row_key AND {next_order} > {start_order}\n  ORDER BY \
             s.row_key, {s}, {c}\n), other AS (\n  SELECT DISTINCT n.* FROM next n CROSS JOIN this t\n  WHERE n.object_version_key <> t.object_version_key AND NOT EXISTS (\n    \
             SELECT FROM {before} b WHERE b.row_key = n.row_key AND b.object_version_key = n.object_version_key)\n)\nSELECT DISTINCT ON (n.row_key, {n}) n.row_key, {n}, \
             n.object_version_key, n.source_line{held}, n.absent\nFROM other n LEFT JOIN {before} b ON b.row_key = n.row_key AND {b_order} <= {n_order}\nWHERE n.absent OR \
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
                "b.rank DESC NULLS LAST"
            } else {
                "b.newest DESC NULLS LAST, b.rank DESC NULLS LAST"
            },
        );
    }

    /// The same intervals as they must be: points in their order, equal neighbours collapsed; nothing opens with an absence.
    fn after(&self, sql: &mut String) {
        let newest = self.newest;
        let state = self.bare_state();
        let before: String = self.state.iter().map(|column| format!(", lag({column}) OVER w")).collect();
        let columns = format!("row_key, {newest}rank, object_version_key, source_line{state}, absent");
        let _ = writeln!(
            sql,
            "CREATE TEMP TABLE {after} ON COMMIT DROP AS\nWITH point AS (\n  SELECT {columns} FROM {before_table} b WHERE object_version_key <> (SELECT object_version_key FROM \
             this)\n  UNION ALL TABLE {said}\n  UNION ALL TABLE {next}\n), compared AS (\n  SELECT *, CASE WHEN lag(rank) OVER w IS NULL THEN NOT absent\n    ELSE \
             (absent{state}) IS DISTINCT FROM (lag(absent) OVER w{before}) END AS opens\n  FROM point WINDOW w AS (PARTITION BY row_key ORDER BY {newest}rank)\n)\nSELECT {columns}, \
             lead(object_version_key) OVER (PARTITION BY row_key ORDER BY {newest}rank) AS closing_version_key\nFROM compared WHERE opens;\nANALYZE {after};",
            after = self.temp("after"),
            before_table = self.temp("before"),
            said = self.temp("said"),
            next = self.temp("next"),
        );
        let _ = writeln!(
            sql,
            "CREATE TEMP TABLE {changed} ON COMMIT DROP AS\nSELECT row_key FROM (TABLE {before} EXCEPT TABLE {after}) AS gone\nUNION\nSELECT row_key FROM (TABLE {after} EXCEPT TABLE \
             {before}) AS come;\nANALYZE {changed};",
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
            format!("{}{alias}.source_line, {alias}.absent{}", self.newest_of(alias), self.state_of(alias))
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
            "INSERT INTO {history} (row_key, {newest}object_version_key, source_line{state}, absent, closing_version_key, valid_from, valid_to)\nSELECT a.row_key, {na}a.object_version_key, \
             a.source_line{sa}, a.absent, a.closing_version_key, f.instant, u.instant\nFROM {changed} JOIN {after} a USING (row_key)\nJOIN version_rank f ON f.object_version_key = \
             a.object_version_key JOIN version_rank u ON u.object_version_key = a.closing_version_key\nWHERE NOT EXISTS (SELECT FROM {history} h WHERE h.row_key = a.row_key AND \
             h.object_version_key = a.object_version_key);",
            na = self.newest_of("a"),
            sa = self.state_of("a"),
        );
        let set = |value: &dyn Fn(&str) -> String| {
            let newest = (!newest.is_empty()).then_some("newest".to_owned());
            let columns = self.state.iter().cloned().chain(newest);
            columns.map(|column| format!("{column} = {}, ", value(&column))).collect::<String>()
        };
        let _ = writeln!(
            sql,
            "UPDATE {rows} m SET {}status = CASE WHEN a.absent THEN 'absent' ELSE 'current' END, valid_from = f.instant, object_version_key = a.object_version_key, source_line = \
             a.source_line\nFROM {changed} c JOIN {after} a USING (row_key) JOIN version_rank f USING (object_version_key)\nWHERE m.row_key = a.row_key AND a.closing_version_key IS NULL;",
            set(&|column| format!("a.{column}")),
        );
        let _ = writeln!(
            sql,
            "UPDATE {rows} m SET {}status = 'open', valid_from = NULL, object_version_key = NULL, source_line = NULL\nFROM {changed} c\nWHERE m.row_key = c.row_key AND NOT EXISTS \
             (SELECT FROM {after} a WHERE a.row_key = c.row_key);",
            set(&|_| "NULL".to_owned()),
        );
    }

    /// What became of the rows: new keys, keys of which the newest state is another one, those of which nothing was written, and those of which only
    /// earlier states were.
    fn outcome(&self, sql: &mut String) {
        let state = |alias: &str| format!("({alias}.absent{})", self.state_of(alias));
        let _ = writeln!(
            sql,
            "CREATE TEMP TABLE {outcome} ON COMMIT DROP AS\nSELECT count(*) FILTER (WHERE is_new) AS inserted, count(*) FILTER (WHERE NOT is_new AND is_other) AS updated,\n  count(*) FILTER \
             (WHERE NOT is_new AND NOT is_written) AS unchanged, count(*) FILTER (WHERE NOT is_new AND is_written AND NOT is_other) AS superseded\nFROM (\n  SELECT n.row_key IS NOT NULL OR \
             (b.row_key IS NULL AND a.row_key IS NOT NULL) AS is_new, c.row_key IS NOT NULL AS is_written, c.row_key IS NOT NULL AND {b} IS DISTINCT FROM {a} AS is_other\n  FROM {own} o LEFT \
             JOIN {new} n USING (row_key) LEFT JOIN {changed} c USING (row_key)\n  LEFT JOIN {before} b ON b.row_key = o.row_key AND b.closing_version_key IS NULL\n  LEFT JOIN {after} a ON a.row_key = \
             o.row_key AND a.closing_version_key IS NULL\n) AS row;",
            outcome = self.temp("outcome"),
            a = state("a"),
            b = state("b"),
            own = self.temp("own"),
            new = self.temp("new"),
            changed = self.temp("changed"),
            before = self.temp("before"),
            after = self.temp("after"),
        );
    }

    /// What the version shows, for those that come later.
    fn presence(&self, sql: &mut String) {
        let (presence, own) = (self.base("_presence"), self.temp("own"));
        let (column, values) = match self.table.newest_by {
            Some(_) => (", newest", ", array_agg(o.newest ORDER BY o.row_key)"),
            None => ("", ""),
        };
        let _ = writeln!(
            sql,
            "DELETE FROM {presence} p USING this WHERE p.object_version_key = this.object_version_key;\nINSERT INTO {presence} (object_version_key, row_keys, source_lines{column})\nSELECT \
             t.object_version_key, array_agg(o.row_key ORDER BY o.row_key), array_agg(o.source_line ORDER BY o.row_key){values}\nFROM {own} o CROSS JOIN this t GROUP BY t.object_version_key;"
        );
        if self.table.snapshot.is_none() {
            return;
        }
        let scope = self.scope_columns();
        let scope = if scope.is_empty() { scope } else { format!("{scope}, ") };
        let key = self.table.key_list();
        let (snapshots, refused) = (self.base("_snapshots"), self.base("_refused"));
        let _ = writeln!(
            sql,
            "DELETE FROM {snapshots} n USING this WHERE n.object_version_key = this.object_version_key;\nDELETE FROM {refused} n USING this WHERE n.object_version_key = \
             this.object_version_key;\nINSERT INTO {snapshots} (object_version_key, {scope}blind)\nSELECT DISTINCT t.object_version_key, {scope}t.blind FROM {} CROSS JOIN this t WHERE NOT \
             t.withdrawn;\nINSERT INTO {refused} (object_version_key, {key})\nSELECT DISTINCT t.object_version_key, {key} FROM {} CROSS JOIN this t WHERE NOT t.withdrawn;",
            self.temp_given("scopes"),
            self.temp_given("refused"),
        );
    }
}
