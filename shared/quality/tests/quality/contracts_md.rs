//! The examples of docs/contracts.md are compiled, and read if a file and its rows follow.
//!
//! A comment before a block of TOML states what it is: `<!-- base dataset -->` and `<!-- base source -->` are the shop that
//! the others complete; `<!-- dataset -->` completes the dataset up to the next heading; `<!-- example -->` completes the
//! source (`<!-- example: NAME -->` if the file's name matters). A block of `csv` is the file; a block of `text` has the
//! fields' names, the accepted rows, and the refused lines with their rules. A block of `sql` is shown only.

use std::path::Path;

use chrono::NaiveDate;
use fonderie_contract::{Bundle, Dataset, ReaderRule};
use toml::{Table, Value};

use crate::reading::read;

fn document() -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/contracts.md")).unwrap()
}

/// A fenced block: the comment before it, its language, its text, the number of its heading, its line.
struct Block {
    comment: Option<String>,
    language: String,
    text: String,
    heading: usize,
    line: usize,
}

fn blocks(document: &str) -> Vec<Block> {
    let (mut blocks, mut comment, mut heading, mut open) = (Vec::new(), None, 0, None::<Block>);
    for (index, line) in document.lines().enumerate() {
        match &mut open {
            Some(block) if line == "```" => blocks.extend(open.take()),
            Some(block) => block.text.push_str(&format!("{line}\n")),
            None if line.starts_with("```") => {
                let language = line.trim_start_matches('`').to_owned();
                open = Some(Block { comment: comment.take(), language, text: String::new(), heading, line: index + 1 });
            }
            None if line.starts_with("<!-- ") => comment = Some(line[5..].trim_end_matches(" -->").to_owned()),
            None => heading += usize::from(line.starts_with('#')),
        }
    }
    blocks
}

/// One example: what is added to the base, and what the file comes to.
struct Example {
    line: usize,
    dataset: Table,
    source: Table,
    file: String,
    csv: Option<String>,
    rows: Option<String>,
}

fn examples(document: &str) -> Vec<Example> {
    let blocks = blocks(document);
    let base = |kind: &str| -> Table {
        blocks.iter().find(|block| block.comment.as_deref() == Some(kind)).unwrap().text.parse().unwrap()
    };
    let (base_dataset, base_source) = (base("base dataset"), base("base source"));
    let (mut examples, mut dataset, mut heading) = (Vec::<Example>::new(), Table::new(), 0);
    for block in blocks {
        if heading != block.heading {
            (dataset, heading) = (base_dataset.clone(), block.heading);
        }
        match (block.language.as_str(), block.comment.as_deref()) {
            ("sql", None) => {}
            ("csv", None) => examples.last_mut().unwrap().csv = Some(block.text),
            ("text", None) => examples.last_mut().unwrap().rows = Some(block.text),
            ("toml", Some(comment)) => {
                let table: Table = block.text.parse().unwrap_or_else(|error| panic!("line {}: {error}", block.line));
                let (kind, file) = comment.split_once(": ").unwrap_or((comment, "shop.csv"));
                let mut source = base_source.clone();
                match kind {
                    "base dataset" | "base source" => {}
                    "dataset" => complete(&mut dataset, &table),
                    "example" => complete_source(&mut source, &table),
                    other => panic!("line {}: a block with the comment {other:?}", block.line),
                }
                let (dataset, file) = (dataset.clone(), file.to_owned());
                examples.push(Example { line: block.line, dataset, source, file, csv: None, rows: None });
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

impl Example {
    fn compile(&self) -> Dataset {
        let files = [
            ("dataset.toml", self.dataset.to_string()),
            ("sources/shop.toml", self.source.to_string()),
            ("warehouse/load.sql", "SELECT 1".to_owned()),
            ("warehouse/V1__shop.sql", "SELECT 1".to_owned()),
            ("queries/sales_of.sql", "SELECT 1".to_owned()),
        ];
        Bundle::from_files(files.map(|(path, text)| (path.to_owned(), text)))
            .compile()
            .unwrap_or_else(|mistakes| panic!("docs/contracts.md, line {}: {mistakes}", self.line))
    }

    fn check(&self) {
        let dataset = self.compile();
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
    let document = document();
    let known = |file: &str, path: &str| -> Vec<String> {
        let example = &examples(&document)[0];
        let (mut dataset, mut source) = (example.dataset.clone(), example.source.clone());
        let table = if file == "dataset.toml" { &mut dataset } else { &mut source };
        let section = path.split('.').filter(|part| !part.is_empty()).fold(table, |table, part| {
            let entry = table.entry(part).or_insert_with(|| Value::Table(Table::new()));
            entry.as_table_mut().unwrap()
        });
        section.insert("no_such_key".to_owned(), Value::Boolean(true));
        let files = [("dataset.toml", &dataset), ("sources/shop.toml", &source)];
        let files = files.map(|(path, table)| (path.to_owned(), table.to_string()));
        let sql = ("warehouse/load.sql".to_owned(), "SELECT 1".to_owned());
        let mistakes = Bundle::from_files(files.into_iter().chain([sql])).compile().unwrap_err().0;
        let mistake = mistakes.iter().find(|mistake| mistake.key.ends_with("no_such_key"));
        let accepted = &mistake.unwrap_or_else(|| panic!("{mistakes:?}")).accepted;
        accepted.split(['`', ',', ' ']).filter(|key| !key.is_empty()).map(str::to_owned).collect()
    };
    let mut keys = known("dataset.toml", "");
    for path in ["", "format", "dates", "numbers", "expected"] {
        keys.extend(known("sources/shop.toml", path));
    }
    keys.extend(known("dataset.toml", "records.sale"));
    assert!(keys.len() > 30, "{keys:?}");
    let explained = |key: &str| {
        ["`", ".", "[", " "].iter().any(|before| {
            ["`", "]", ".", ",", " "].iter().any(|after| document.contains(&format!("{before}{key}{after}")))
        })
    };
    let missing: Vec<&String> = keys.iter().filter(|key| !explained(key)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}
