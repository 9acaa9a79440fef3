//! The examples of docs/contracts.md are compiled, and read if a file and its rows follow.
//!
//! A comment before a block of TOML states what it is: `<!-- base dataset -->`, `<!-- base record -->` and `<!-- base source -->`
//! are the shop that the others complete; `<!-- dataset -->` and `<!-- record -->` complete the dataset and its record up to the
//! next heading, `<!-- record: NAME -->` is another record; `<!-- example -->` completes the source (`<!-- example: NAME -->` if
//! the file's name matters). Blocks of TOML without a line between them are one example. A block of `csv` is the file; a block
//! of `text` has the fields' names, the accepted rows, and the refused lines with their rules; after `<!-- tables -->` it has the
//! tables, views and functions that readers use, with the columns of the latter two. A block of `sql` is shown only. `<!-- messages -->`
//! is `messages.toml`.

use std::collections::BTreeMap;
use std::path::Path;

use chrono::NaiveDate;
use fonderie_contract::{Bundle, Dataset, ReaderRule};
use toml::{Table, Value};

use crate::reading::read;

fn document() -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/contracts.md")).unwrap()
}

/// A fenced block: the comment before it, its language, its text, the number of its heading, its line, and whether it follows the
/// block before without a line between them.
struct Block {
    comment: Option<String>,
    language: String,
    text: String,
    heading: usize,
    line: usize,
    joined: bool,
}

fn blocks(document: &str) -> Vec<Block> {
    let (mut blocks, mut comment, mut heading, mut open) = (Vec::new(), None, 0, None::<Block>);
    let mut follows = false;
    for (index, line) in document.lines().enumerate() {
        match &mut open {
            Some(_) if line == "```" => {
                blocks.extend(open.take());
                follows = true;
            }
            Some(block) => block.text.push_str(&format!("{line}\n")),
            None if line.starts_with("```") => {
                let language = line.trim_start_matches('`').to_owned();
                let (comment, text) = (comment.take(), String::new());
                open = Some(Block { comment, language, text, heading, line: index + 1, joined: follows });
            }
            None if line.starts_with("<!-- ") => comment = Some(line[5..].trim_end_matches(" -->").to_owned()),
            None => {
                follows = false;
                heading += usize::from(line.starts_with('#'));
            }
        }
    }
    blocks
}

/// One example: what is added to the base, and what the file comes to.
struct Example {
    line: usize,
    dataset: Table,
    records: BTreeMap<String, Table>,
    source: Table,
    exports: BTreeMap<String, Table>,
    file: String,
    csv: Option<String>,
    rows: Option<String>,
    tables: Option<String>,
}

/// The record that examples complete.
const RECORD: &str = "sale";

fn examples(document: &str) -> Vec<Example> {
    let blocks = blocks(document);
    let base = |kind: &str| -> Table {
        blocks.iter().find(|block| block.comment.as_deref() == Some(kind)).unwrap().text.parse().unwrap()
    };
    let (base_dataset, base_source) = (base("base dataset"), base("base source"));
    let base_records = BTreeMap::from([(RECORD.to_owned(), base("base record"))]);
    let (mut dataset, mut records, mut heading) = (base_dataset.clone(), base_records.clone(), 0);
    let mut examples = Vec::<Example>::new();
    for block in blocks {
        if heading != block.heading {
            (dataset, records, heading) = (base_dataset.clone(), base_records.clone(), block.heading);
        }
        match (block.language.as_str(), block.comment.as_deref()) {
            ("sql", None) => {}
            ("csv", None) => examples.last_mut().unwrap().csv = Some(block.text),
            ("text", None) => examples.last_mut().unwrap().rows = Some(block.text),
            ("text", Some("tables")) => examples.last_mut().unwrap().tables = Some(block.text),
            ("toml", Some(comment)) => {
                let table: Table = block.text.parse().unwrap_or_else(|error| panic!("line {}: {error}", block.line));
                let (kind, name) = comment.split_once(": ").map_or((comment, None), |(kind, name)| (kind, Some(name)));
                let (mut source, mut exports) = (base_source.clone(), BTreeMap::new());
                match kind {
                    "base dataset" | "base record" | "base source" => {}
                    // Compiled by the test of the texts themselves.
                    "messages" => {}
                    "dataset" => complete(&mut dataset, &table),
                    "record" => complete(records.entry(name.unwrap_or(RECORD).to_owned()).or_default(), &table),
                    "example" => complete_source(&mut source, &table),
                    "export" => drop(exports.insert(name.unwrap_or("export").to_owned(), table)),
                    other => panic!("line {}: a block with the comment {other:?}", block.line),
                }
                if block.joined {
                    examples.pop();
                }
                let file = name.filter(|_| kind == "example").unwrap_or("shop.csv").to_owned();
                let (dataset, records) = (dataset.clone(), records.clone());
                let (csv, rows, tables) = (None, None, None);
                examples.push(Example { line: block.line, dataset, records, source, exports, file, csv, rows, tables });
            }
            (language, comment) => panic!("line {}: a block of {language:?} after {comment:?}", block.line),
        }
    }
    examples
}

/// Adds one table to another: tables are completed, of lists of tables those with one name or id replaced, other values
/// replaced.
fn complete(base: &mut Table, addition: &Table) {
    for (key, value) in addition {
        match (base.get_mut(key), value) {
            (Some(Value::Table(base)), Value::Table(addition)) => complete(base, addition),
            (Some(Value::Array(base)), Value::Array(addition)) if addition.iter().all(Value::is_table) => {
                let name = |value: &Value| value.get("name").or(value.get("id")).cloned();
                for item in addition {
                    match base.iter_mut().find(|other| name(other) == name(item)) {
                        Some(other) => *other = item.clone(),
                        None => base.push(item.clone()),
                    }
                }
            }
            _ => drop(base.insert(key.clone(), value.clone())),
        }
    }
}

/// Adds to a source. What excludes a key of the base replaces it: another type of file, a value without a column.
fn complete_source(base: &mut Table, addition: &Table) {
    if addition.contains_key("formats") {
        base.remove("files");
        base.remove("format");
    }
    if addition.get("format").is_some_and(|format| format.get("type").is_some()) {
        base.remove("format");
    }
    complete(base, addition);
    for table in ["constants", "derived"] {
        let fields: Vec<String> =
            addition.get(table).and_then(Value::as_table).map(|t| t.keys().cloned().collect()).unwrap_or_default();
        let columns = base["columns"].as_table_mut().unwrap();
        fields.iter().for_each(|field| drop(columns.remove(field)));
    }
}

/// What readers use of a dataset's tables, a line each.
fn shown_tables(dataset: &Dataset) -> Vec<String> {
    const OWN: [&str; 5] = ["_rows", "_history", "_presence", "_snapshots", "_refused"];
    let tables = &dataset.layout.tables;
    let bases = fonderie_tables::bases(tables).into_iter();
    let bases = bases.filter(|base| !OWN.iter().any(|ending| base.name.ends_with(ending)));
    let views = fonderie_tables::views(tables).into_iter().map(|view| {
        let columns: Vec<String> = view.columns.into_iter().map(|(name, _)| name).collect();
        format!("view {}.{}: {}", tables.warehouse, view.name, columns.join(", "))
    });
    let functions = fonderie_tables::functions(tables);
    let functions = functions.split("CREATE FUNCTION ").skip(1).map(|statement| {
        let (place, rest) = statement.split_once('(').unwrap();
        let columns = rest.split_once("RETURNS TABLE (").unwrap().1.split_once(") LANGUAGE").unwrap().0;
        // each name is followed by its type
        let names: Vec<&str> = columns.split(", ").map(|column| column.split('"').nth(1).unwrap()).collect();
        format!("function {}(day): {}", place.replace('"', ""), names.join(", "))
    });
    bases.map(|base| format!("table {}.{}", base.schema, base.name)).chain(views).chain(functions).collect()
}

impl Example {
    /// The files of the dataset; each model, check, mart, query and export has a SELECT.
    fn files(&self) -> Vec<(String, String)> {
        let mut files = vec![
            ("dataset.toml".to_owned(), self.dataset.to_string()),
            ("sources/shop.toml".to_owned(), self.source.to_string()),
        ];
        files.extend(self.records.iter().map(|(name, record)| (format!("records/{name}.toml"), record.to_string())));
        for (list, key) in [("models", "id"), ("checks", "id"), ("marts", "name"), ("queries", "name")] {
            let entries = self.dataset.get(list).and_then(Value::as_array).into_iter().flatten();
            // a check of a kind has no SQL
            let entries = entries.filter(|entry| list != "checks" || entry.get("kind").is_none());
            let names = entries.filter_map(|entry| entry.get(key)?.as_str());
            files.extend(names.map(|name| (format!("{list}/{name}.sql"), "SELECT 1".to_owned())));
        }
        for (name, export) in &self.exports {
            files.push((format!("exports/{name}.toml"), export.to_string()));
            files.push((format!("exports/{name}.sql"), "SELECT 1".to_owned()));
        }
        files
    }

    fn compile(&self) -> Dataset {
        Bundle::from_files(self.files())
            .compile()
            .unwrap_or_else(|mistakes| panic!("docs/contracts.md, line {}: {mistakes}", self.line))
    }

    fn check(&self) {
        let dataset = self.compile();
        if let Some(tables) = &self.tables {
            let wanted: Vec<&str> = tables.lines().collect();
            assert_eq!(shown_tables(&dataset), wanted, "docs/contracts.md, line {}", self.line);
        }
        let (Some(csv), Some(wanted)) = (&self.csv, &self.rows) else {
            assert!(self.csv.is_none() && self.rows.is_none(), "line {}: a file without its rows", self.line);
            return;
        };
        let as_of = NaiveDate::from_ymd_opt(2026, 7, 15).unwrap();
        let outcome = read(&dataset, &dataset.sources[0], &self.file, csv.as_bytes(), as_of)
            .unwrap_or_else(|error| panic!("docs/contracts.md, line {}: {error}", self.line));
        let header = wanted.lines().next().unwrap();
        let fields: Vec<&str> = header.split(" | ").collect();
        let mut found = vec![header.to_owned()];
        found.extend(outcome.rows(&fields).iter().map(|row| row.replace('|', " | ").trim_end().to_owned()));
        let refused = |line: &i64| format!("line {line}: {}", outcome.rules(*line).join(", "));
        found.extend(outcome.rejects.keys().map(refused));
        let wanted: Vec<&str> = wanted.lines().collect();
        assert_eq!(found, wanted, "docs/contracts.md, line {}: {:#?}", self.line, outcome.rejects);
    }
}

#[test]
fn each_example_does_what_the_document_shows() {
    let examples = examples(&document());
    assert!(examples.len() >= 25, "{} examples", examples.len());
    let failed: Vec<String> = examples
        .iter()
        .filter_map(|example| std::panic::catch_unwind(|| example.check()).err().map(|_| example.line.to_string()))
        .collect();
    assert!(failed.is_empty(), "the examples on these lines fail (see above): {}", failed.join(", "));
}

#[test]
fn each_rule_of_the_reader_is_explained() {
    let document = document();
    let missing: Vec<&str> =
        ReaderRule::ALL.iter().map(|rule| rule.id()).filter(|id| !document.contains(&format!("`{id}`"))).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn each_key_that_a_contract_takes_is_explained() {
    // A key that is not known is answered with those that are: no list of keys stands here.
    const LISTS: [&str; 10] = [
        "models",
        "marts",
        "queries",
        "dimensions",
        "calendars",
        "references",
        "computed",
        "indexes",
        "growing",
        "parameters",
    ];
    let document = document();
    let known = |file: &str, path: &str| -> Vec<String> {
        let mut example = examples(&document).swap_remove(0);
        let table = match file {
            "dataset" => &mut example.dataset,
            "record" => example.records.get_mut(RECORD).unwrap(),
            "export" => example.exports.entry("export".to_owned()).or_default(),
            _ => &mut example.source,
        };
        if path == "dimension" {
            table.remove("fact");
        }
        let section = path.split('.').filter(|part| !part.is_empty()).fold(table, |table, part| {
            let empty = || Value::Table(Table::new());
            if LISTS.contains(&part) {
                let list = table.entry(part).or_insert_with(|| Value::Array(vec![empty()]));
                list.as_array_mut().unwrap().last_mut().unwrap().as_table_mut().unwrap()
            } else {
                table.entry(part).or_insert_with(empty).as_table_mut().unwrap()
            }
        });
        section.insert("no_such_key".to_owned(), Value::Boolean(true));
        let mistakes = Bundle::from_files(example.files()).compile().unwrap_err().0;
        let mistake = mistakes.iter().find(|mistake| mistake.key.ends_with("no_such_key"));
        let accepted = &mistake.unwrap_or_else(|| panic!("{mistakes:?}")).accepted;
        accepted.split(['`', ',', ' ']).filter(|key| !key.is_empty()).map(str::to_owned).collect()
    };
    let mut keys = Vec::new();
    for path in ["", "schemas", "models", "marts", "queries", "queries.parameters"] {
        keys.extend(known("dataset", path));
    }
    for path in ["", "dimensions", "dimension", "fact", "calendars"] {
        keys.extend(known("record", path));
    }
    for path in ["references", "computed", "indexes", "newest_by", "snapshot", "growing"] {
        keys.extend(known("record", &format!("fact.{path}")));
    }
    for path in ["", "format", "dates", "numbers", "expected"] {
        keys.extend(known("source", path));
    }
    keys.extend(known("export", ""));
    assert!(keys.len() > 80, "{keys:?}");
    let explained = |key: &str| {
        ["`", ".", "[", " "].iter().any(|before| {
            ["`", "]", ".", ",", " "].iter().any(|after| document.contains(&format!("{before}{key}{after}")))
        })
    };
    let missing: Vec<&String> = keys.iter().filter(|key| !explained(key)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}
