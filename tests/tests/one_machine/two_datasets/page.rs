//! The page on adding a dataset: each file that it shows is written, each command run, and what it says comes out.

use std::fs;
use std::process::Command;

use fonderie_tests::{packages, workspace};

/// What stands in a comment before a block: what the block is for.
#[derive(Debug)]
enum Use {
    File(String),
    Append(String),
    Run(i32),
}

/// The blocks of the page that have a use, each with its text and the lines of the output that follow it.
fn blocks(page: &str) -> Vec<(Use, String, Vec<String>)> {
    let mut blocks: Vec<(Use, String, Vec<String>)> = Vec::new();
    let (mut wanted, mut lines) = (None, page.lines());
    while let Some(line) = lines.next() {
        if let Some(comment) = line.strip_prefix("<!-- ").and_then(|line| line.strip_suffix(" -->")) {
            wanted = Some(match comment.split_once(": ").unwrap() {
                ("file", path) => Use::File(path.to_owned()),
                ("append", path) => Use::Append(path.to_owned()),
                ("run", code) => Use::Run(code.parse().unwrap()),
                other => panic!("a comment {other:?}"),
            });
        } else if let Some(language) = line.strip_prefix("```") {
            let text: String =
                lines.by_ref().take_while(|line| *line != "```").map(|line| format!("{line}\n")).collect();
            match (wanted.take(), language) {
                (Some(wanted), _) => blocks.push((wanted, text, Vec::new())),
                (None, "text") => blocks.last_mut().unwrap().2 = text.lines().map(str::to_owned).collect(),
                (None, other) => panic!("a block of {other} without a comment"),
            }
        }
    }
    blocks
}

/// The words of a command line, of which some are in double quotes.
fn words(line: &str) -> Vec<String> {
    let quoted = line.split('"').enumerate();
    quoted
        .flat_map(|(at, part)| match at % 2 {
            0 => part.split_whitespace().map(str::to_owned).collect::<Vec<_>>(),
            _ => vec![part.to_owned()],
        })
        .collect()
}

#[tokio::test]
async fn the_page_on_adding_a_dataset_does_what_it_says() {
    let page = fs::read_to_string(workspace().join("docs/add-a-dataset.md")).unwrap();
    let blocks = blocks(&page);
    let runs = blocks.iter().filter(|(used, ..)| matches!(used, Use::Run(_))).count();
    assert!(runs >= 4 && blocks.len() >= 14, "{runs} of {} blocks", blocks.len());
    let folder = tempfile::tempdir().unwrap();
    let fonderie = packages::build().unwrap().1;
    let database = fonderie_test_support::database("add_a_dataset").await;
    for (used, text, expected) in blocks {
        match used {
            Use::File(path) => {
                let path = folder.path().join(path);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, text).unwrap();
            }
            Use::Append(path) => {
                let path = folder.path().join(path);
                let before = fs::read_to_string(&path).unwrap();
                fs::write(path, before + &text).unwrap();
            }
            Use::Run(code) => {
                let mut said = String::new();
                for line in text.lines() {
                    let words = words(line.strip_prefix("fonderie ").unwrap());
                    let mut call = Command::new(&fonderie);
                    call.args(words).args(["--database-url", &database.url]).current_dir(folder.path());
                    let output = call.env_remove("DATABASE_URL").env_remove("FONDERIE_DATASETS").output().unwrap();
                    for bytes in [&output.stdout, &output.stderr] {
                        said.push_str(&String::from_utf8_lossy(bytes));
                    }
                    assert_eq!(output.status.code(), Some(code), "{line}\n{said}");
                }
                for line in expected {
                    assert!(said.contains(&line), "{line}\nnot in\n{said}");
                }
            }
        }
    }
}
