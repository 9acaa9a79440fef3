//! No crate knows a word of billing: they are the dataset's.

use std::fs;
use std::path::{Path, PathBuf};

/// Beginnings of words, without accents.
const STEMS: [&str; 11] = [
    "billing",
    "datamart",
    "etablissement",
    "facilities",
    "facility",
    "factur",
    "impaye",
    "invoice",
    "montant",
    "patient",
    "relance",
];

/// Whole names, in which `_` is a letter.
const NAMES: [&str; 5] = ["dw", "euro", "euros", "owed", "rejets"];

/// Where a word is not billing's.
const ELSEWHERE: [(&str, &[&str]); 1] = [
    // how people write the world's currencies
    ("shared/contract/src/currency.rs", &["euro", "euros"]),
];

/// The words of billing in a text.
fn words(text: &str) -> Vec<String> {
    let text = text.to_lowercase().replace(['é', 'è', 'ê'], "e");
    let names = text.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|name| !name.is_empty());
    let is_billing = |name: &&str| {
        NAMES.contains(name) || name.split('_').any(|part| STEMS.iter().any(|stem| part.starts_with(stem)))
    };
    names.filter(is_billing).map(str::to_owned).collect()
}

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, found);
        } else {
            found.push(path);
        }
    }
}

#[test]
fn no_crate_knows_a_word_of_billing() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut all = Vec::new();
    ["shared", "functions"].iter().for_each(|folder| files(&root.join(folder), &mut all));
    assert!(all.len() > 300, "{} files", all.len());
    let mut found = Vec::new();
    for path in all {
        let Ok(text) = fs::read_to_string(&path) else { continue };
        let name = path.strip_prefix(&root).unwrap().display().to_string();
        let allowed = ELSEWHERE.iter().find(|(file, _)| *file == name).map_or(&[][..], |(_, words)| *words);
        for (at, line) in text.lines().enumerate() {
            let words: Vec<_> = words(line).into_iter().filter(|word| !allowed.contains(&word.as_str())).collect();
            if !words.is_empty() {
                found.push(format!("{name}:{}: {}", at + 1, words.join(" ")));
            }
        }
    }
    assert!(found.is_empty(), "words of billing outside datasets/:\n{}", found.join("\n"));
}

#[test]
fn words_are_found_however_they_are_written() {
    for (text, expected) in [
        ("SELECT * FROM dw.fact_facturation", &["dw", "fact_facturation"][..]),
        ("Montants impayés, `rejets.csv`", &["montants", "impayes", "rejets"]),
        ("shop_dw.manufacturer; Europe/Paris; fold_amount; impatient", &[]),
        ("an Invoice of 3 EUROS is owed", &["invoice", "euros", "owed"]),
    ] {
        assert_eq!(words(text), expected, "{text}");
    }
}
