//! `fonderie query`: SQL, a file of it, or one of the dataset's own queries.

use std::path::Path;

use comfy_table::{Table as Screen, presets};
use fonderie_core::{ErrorCode, Result, StageError};
use fonderie_quality::push_spreadsheet_cell;
use fonderie_warehouse::Table;
use serde_json::{Map, Value};

use crate::Ending;
use crate::cli::{Format, QueryArguments};
use crate::dataset::DatasetFolder;
use crate::print::say;
use crate::state::{Database, connect};

pub(crate) async fn run(arguments: QueryArguments) -> Result<Ending> {
    let sql = sql(&arguments)?;
    let database = Database::open(&arguments.state).await?;
    let result = ask(&database, &sql).await;
    database.close().await;
    show(&result?, arguments.format, arguments.spreadsheet);
    Ok(Ending::Good)
}

/// Prints a table as asked for.
pub(crate) fn show(table: &Table, format: Format, spreadsheet: bool) {
    match format {
        Format::Table => say!("{}", screen(table)),
        Format::Csv => say!("{}", csv(table, spreadsheet).trim_end_matches('\n')),
        Format::Json => say!("{}", json(table)),
    }
}

async fn ask(database: &Database, sql: &str) -> Result<Table> {
    let warehouse = connect(&database.settings).await?;
    let table = warehouse.query(sql).await;
    warehouse.close().await;
    table
}

fn sql(arguments: &QueryArguments) -> Result<String> {
    let invalid = |message: String| StageError::new(ErrorCode::SettingsInvalid, message);
    if let Some(sql) = &arguments.command {
        return Ok(sql.clone());
    }
    let named = arguments.query.as_deref().unwrap_or_default();
    let path = Path::new(named);
    if path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("sql")) {
        return std::fs::read_to_string(path)
            .map_err(|error| invalid(format!("the file {named} cannot be read")).caused_by(error));
    }
    let dataset = DatasetFolder::read(&arguments.dataset)?;
    let query = |(path, text): (&str, &str)| {
        let name = path.strip_prefix("queries/")?.strip_suffix(".sql")?;
        Some((name.to_owned(), text.to_owned()))
    };
    let queries: Vec<(String, String)> = dataset.bundle.files().filter_map(query).collect();
    let known = || queries.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(", ");
    queries.iter().find(|(name, _)| name == named).map(|(_, text)| text.clone()).ok_or_else(|| {
        let there = if queries.is_empty() { "it has none".to_owned() } else { format!("it has {}", known()) };
        invalid(format!(
            "dataset `{}` has no query `{named}`: {there}; -c takes SQL, and a file's name ends in .sql",
            dataset.name
        ))
    })
}

fn screen(table: &Table) -> String {
    let mut screen = Screen::new();
    screen.load_style(presets::UTF8_BORDERS_ONLY).set_header(&table.columns);
    for row in &table.rows {
        screen.add_row(row.iter().map(|value| value.as_deref().unwrap_or("")));
    }
    let rows = if table.rows.len() == 1 { "row" } else { "rows" };
    format!("{screen}\n{} {rows}", table.rows.len())
}

fn csv(table: &Table, spreadsheet: bool) -> String {
    let cell = |text: &str| {
        if spreadsheet {
            let mut cell = String::new();
            push_spreadsheet_cell(text, ',', &mut cell);
            return cell;
        }
        let quoted = text.contains([',', '"', '\n', '\r']);
        if quoted { format!("\"{}\"", text.replace('"', "\"\"")) } else { text.to_owned() }
    };
    let line = |cells: Vec<String>| cells.join(",") + "\n";
    let mut out = line(table.columns.iter().map(|name| cell(name)).collect());
    for row in &table.rows {
        out += &line(row.iter().map(|value| cell(value.as_deref().unwrap_or(""))).collect());
    }
    out
}

fn json(table: &Table) -> Value {
    let object = |row: &Vec<Option<String>>| -> Value {
        let value = |value: &Option<String>| value.clone().map_or(Value::Null, Value::String);
        table.columns.iter().cloned().zip(row.iter().map(value)).collect::<Map<_, _>>().into()
    };
    table.rows.iter().map(object).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_in_each_format() {
        let table = Table {
            columns: vec!["nom".into(), "total".into()],
            rows: vec![vec![Some("O\"Neil, Zoé".into()), Some("12.50".into())], vec![None, Some("0.00".into())]],
        };
        assert_eq!(csv(&table, false), "nom,total\n\"O\"\"Neil, Zoé\",12.50\n,0.00\n");
        assert_eq!(json(&table).to_string(), r#"[{"nom":"O\"Neil, Zoé","total":"12.50"},{"nom":null,"total":"0.00"}]"#);
        assert!(screen(&table).ends_with("2 rows"), "{}", screen(&table));
    }

    #[test]
    fn a_spreadsheet_runs_nothing() {
        let rows =
            vec![vec![Some("=1+1".into()), Some("-12.50".into())], vec![Some("a\nb".into()), Some("x, y".into())]];
        let table = Table { columns: vec!["nom".into(), "total".into()], rows };
        assert_eq!(csv(&table, true), "nom,total\n\"'=1+1\",-12.50\na b,\"x, y\"\n");
        assert_eq!(csv(&table, false), "nom,total\n=1+1,-12.50\n\"a\nb\",\"x, y\"\n");
    }
}
