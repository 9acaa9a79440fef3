//! All statements that are made of a dataset's declaration, for a person to read.

use std::fmt::Write as _;

use fonderie_contract::Dataset;

use crate::complete;
use crate::layers;
use crate::load::LOADING;
use crate::migrate::ledger;
use crate::sql::{create_incoming, quote};

/// What makes the dataset's tables, loads a version of each record (or of one), reads the models' rows and makes the marts, in the order in
/// which a first run executes it. Rows are copied in between.
pub fn statements(dataset: &Dataset, record: Option<&str>) -> String {
    let layout = &dataset.layout;
    let mut sql = String::new();
    let mut section = |heading: &str, statements: &str| {
        let _ = write!(sql, "-- {heading}\n\n{}\n\n", statements.trim_end());
    };
    if record.is_none() {
        section("The ledger, which all datasets of a database share", &ledger());
        let schemas =
            layout.schemas.all().into_iter().map(|schema| format!("CREATE SCHEMA IF NOT EXISTS {};\n", quote(schema)));
        section("The schemas", &schemas.collect::<String>());
        section("The tables, and the views that readers know", &fonderie_tables::create(&layout.tables));
        for migration in &layout.migrations {
            section(&format!("Migration V{}__{}", migration.version, migration.name), &migration.sql);
        }
    }
    let chosen = |name: &str| record.is_none_or(|record| record == name);
    for record in dataset.records.iter().filter(|record| chosen(&record.name)) {
        let Some(tables) = layout.tables.records.iter().find(|tables| tables.name == record.name) else { continue };
        let heading = format!(
            "A version of the record {}: its accepted rows are copied into `incoming`, and `loading` names the version{}",
            record.name,
            match tables.main().and_then(|main| Some((main, main.snapshot.as_ref()?))) {
                Some((main, _)) => format!(
                    "; `scopes_{0}` has what the file is complete of, `refused_{0}` the keys of refused rows",
                    main.name
                ),
                None => String::new(),
            }
        );
        let complete = tables.main().and_then(complete::empty).unwrap_or_default();
        let given = format!("BEGIN;\n{};\n{LOADING};\n{complete}", create_incoming(&record.fields));
        let load = fonderie_tables::load(&layout.tables, tables);
        section(&heading, &format!("{given}{load}COMMIT;\n"));
    }
    if record.is_none() {
        for model in &dataset.models {
            let heading = format!(
                "The rows of the model {}: their raw scores are copied into {0}_scores, their reasons into {0}_reasons",
                model.id
            );
            let day = format!("WITH scoring AS (SELECT as_of FROM audit.as_of WHERE dataset = '{}')", dataset.name);
            section(&heading, &format!("{day}\nSELECT rows.* FROM (\n{}\n) AS rows;\n", model.select));
        }
        for mart in &dataset.marts {
            let made = layers::create(mart.schema(&layout.schemas), &mart.name, &mart.kind, &mart.definition);
            section(&format!("{}, after those that it reads", mart.path()), &format!("{made};\n"));
        }
    }
    sql.truncate(sql.trim_end().len());
    sql + "\n"
}
