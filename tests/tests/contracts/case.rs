//! One case: a file, its contract, what must come out.

use std::path::{Path, PathBuf};

use chrono::NaiveDate;
use fonderie_contract::{Bundle, Dataset, Mistakes};
use fonderie_core::money::format_cents;
use fonderie_core::stage::Verdict;
use fonderie_core::{Disposition, ErrorCode, StageError};

use crate::reading::{Outcome, read};

/// The fields by which rows are compared.
const FIELDS: [&str; 8] =
    ["facture_id", "patient_id", "nom", "prenom", "date_facture", "date_paiement", "montant_facture", "montant_paye"];

/// A folder of `../shared`, beside the checkout.
pub(crate) fn shared(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared").join(path)
}

/// The billing dataset with one source of its own, `cas`, in place of its others.
pub(crate) fn billing_with(contract: &str) -> Result<Dataset, Mistakes> {
    let files = fonderie_test_support::dataset_files("facturation");
    let files = files.into_iter().filter(|(path, _)| !path.starts_with("sources/"));
    Bundle::from_files(files.chain([("sources/cas.toml".to_owned(), contract.to_owned())])).compile()
}

/// A case, and what is expected of it.
pub(crate) struct Case {
    pub(crate) contract: String,
    file: String,
    pub(crate) bytes: Vec<u8>,
    rows: Vec<String>,
    refused: Vec<(i64, &'static str, &'static str)>,
    halted: Option<&'static [&'static str]>,
    notices: Vec<&'static str>,
    skipped: Vec<(&'static str, u64)>,
    read: Option<(u64, &'static str, &'static str)>,
}

/// A file of a folder of `../shared/cases`, with its contract as it stands there.
pub(crate) fn case(folder: &str, contract: &str, file: &str) -> Case {
    let folder = shared("cases").join(folder);
    let text = |name: &str| std::fs::read(folder.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
    Case::new(String::from_utf8(text(contract)).unwrap(), file, text(file))
}

impl Case {
    pub(crate) fn new(contract: String, file: &str, bytes: Vec<u8>) -> Self {
        Self {
            contract,
            file: file.to_owned(),
            bytes,
            rows: Vec::new(),
            refused: Vec::new(),
            halted: None,
            notices: Vec::new(),
            skipped: Vec::new(),
            read: None,
        }
    }

    /// Adds lines to the contract, below the header of a table; `""` for the keys above all tables.
    pub(crate) fn with(mut self, table: &str, lines: &str) -> Self {
        if table.is_empty() {
            self.contract = format!("{lines}\n{}", self.contract);
            return self;
        }
        let header = format!("{table}\n");
        if self.contract.contains(&header) {
            self.contract = self.contract.replacen(&header, &format!("{header}{lines}\n"), 1);
        } else {
            self.contract.push_str(&format!("\n{header}{lines}\n"));
        }
        self
    }

    /// Gives a key another value; the key must be there once.
    pub(crate) fn set(self, key: &str, value: &str) -> Self {
        self.line(key, &format!("{key} = {value}"))
    }

    /// Takes a key out.
    pub(crate) fn without(self, key: &str) -> Self {
        self.line(key, "")
    }

    fn line(mut self, key: &str, to: &str) -> Self {
        let start = format!("{key} = ");
        let lines: Vec<&str> = self.contract.lines().collect();
        assert_eq!(lines.iter().filter(|line| line.starts_with(&start)).count(), 1, "{key} in {}", self.contract);
        let lines = lines.iter().map(|line| if line.starts_with(&start) { to } else { line });
        self.contract = lines.collect::<Vec<_>>().join("\n") + "\n";
        self
    }

    /// Another encoding, delimiter … of the same bytes.
    pub(crate) fn bytes(mut self, change: impl Fn(&str) -> String) -> Self {
        self.bytes = change(&String::from_utf8(self.bytes).unwrap()).into_bytes();
        self
    }

    /// The rows that are accepted, in the file's order: the values of [`FIELDS`], `|` between them.
    pub(crate) fn accepts<T: Into<String>>(mut self, rows: impl IntoIterator<Item = T>) -> Self {
        self.rows.extend(rows.into_iter().map(Into::into));
        self
    }

    /// A line that is refused, the rules that it breaks (each once, by name, a space between), and words that its sentences
    /// contain (`|` between alternatives).
    pub(crate) fn refuses(mut self, line: i64, rules: &'static str, words: &'static str) -> Self {
        self.refused.push((line, rules, words));
        self
    }

    /// Lines that are refused for one rule.
    pub(crate) fn refuses_all(mut self, lines: impl IntoIterator<Item = i64>, rule: &'static str) -> Self {
        self.refused.extend(lines.into_iter().map(|line| (line, rule, "")));
        self
    }

    /// The file is halted, for reasons that contain these words. Without this it is accepted, with or without rejects; or
    /// halted if nothing is accepted.
    pub(crate) fn halted(mut self, words: &'static [&'static str]) -> Self {
        self.halted = Some(words);
        self
    }

    /// A notice that contains a word. There are no others than those named.
    pub(crate) fn notice(mut self, word: &'static str) -> Self {
        self.notices.push(word);
        self
    }

    /// Lines that are no records.
    pub(crate) fn skips(mut self, kind: &'static str, lines: u64) -> Self {
        self.skipped.push((kind, lines));
        self
    }

    /// Rows read, and the sums of the billed and the paid amounts that are read.
    pub(crate) fn reads(mut self, rows: u64, billed: &'static str, paid: &'static str) -> Self {
        self.read = Some((rows, billed, paid));
        self
    }

    /// Reads the file and compares.
    pub(crate) fn check(self) {
        let outcome = self.read().unwrap_or_else(|error| panic!("{}: {error}", self.file));
        assert_eq!(outcome.rows(&FIELDS), self.rows, "accepted rows of {}: {:#?}", self.file, outcome.rejects);
        let found: Vec<String> =
            outcome.rejects.keys().map(|line| format!("{line} {}", outcome.rules(*line).join(" "))).collect();
        let mut refused = self.refused.clone();
        refused.sort_unstable();
        let wanted: Vec<String> = refused.iter().map(|(line, rules, _)| format!("{line} {rules}")).collect();
        assert_eq!(found, wanted, "refused lines of {}: {:#?}", self.file, outcome.rejects);
        for (line, _, words) in &refused {
            assert_words(&outcome.sentences(*line), words);
        }
        let verdict = match (self.halted, self.rows.is_empty(), self.refused.is_empty()) {
            (Some(_), ..) | (None, true, _) => Verdict::Halted,
            (None, false, false) => Verdict::AcceptedWithRejects,
            (None, false, true) => Verdict::Accepted,
        };
        assert_eq!(outcome.verdict, verdict, "{:?}", outcome.halted_because);
        let reasons = outcome.halted_because.join("; ");
        self.halted.unwrap_or_default().iter().for_each(|words| assert_words(&reasons, words));
        let notices = outcome.notices.join("\n");
        assert_eq!(outcome.notices.len(), self.notices.len(), "notices: {notices}");
        self.notices.iter().for_each(|words| assert_words(&notices, words));
        for (kind, lines) in &self.skipped {
            assert_eq!(outcome.skipped.get(*kind), Some(lines), "{kind} in {:?}", outcome.skipped);
        }
        if let Some((rows, billed, paid)) = self.read {
            let sum = |field: &str| format_cents(outcome.read.amounts[field].sum);
            assert_eq!(
                (outcome.read.rows, sum("montant_facture"), sum("montant_paye")),
                (rows, billed.into(), paid.into())
            );
        }
    }

    /// The whole file is refused: its error has one of the codes (any, if none is named; a data error in each case), its
    /// sentence contains some words and never others.
    pub(crate) fn fails(self, codes: &[ErrorCode], words: &[&str], never: &[&str]) {
        let error = self.read().err().unwrap_or_else(|| panic!("{} can be read", self.file));
        assert!(codes.is_empty() || codes.contains(&error.code), "{error}");
        assert_eq!(error.code.disposition(), Disposition::Data, "{error}");
        assert!(error.message.chars().count() <= 500, "{error}");
        words.iter().for_each(|words| assert_words(&error.message, words));
        never.iter().for_each(|word| assert!(!error.message.contains(word), "{word} in {error}"));
    }

    /// The file does not reach the warehouse, for a reason that contains some words: it cannot be read, or it is halted.
    pub(crate) fn stops(self, words: &[&str]) {
        let reason = match self.read() {
            Err(error) => error.message,
            Ok(outcome) => {
                assert_eq!(outcome.verdict, Verdict::Halted);
                outcome.halted_because.join("; ")
            }
        };
        words.iter().for_each(|words| assert_words(&reason, words));
    }

    /// The contract has mistakes, which contain these words.
    pub(crate) fn contract_fails(self, words: &[&str]) {
        let Err(Mistakes(mistakes)) = billing_with(&self.contract) else { panic!("the contract compiles") };
        let mistakes = mistakes.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
        words.iter().for_each(|words| assert_words(&mistakes, words));
    }

    /// Reads the file.
    pub(crate) fn read(&self) -> Result<Outcome, StageError> {
        let dataset = billing_with(&self.contract).unwrap_or_else(|mistakes| panic!("{mistakes}"));
        let as_of = NaiveDate::from_ymd_opt(2026, 7, 15).unwrap();
        read(&dataset, dataset.source("cas").unwrap(), &self.file, &self.bytes, as_of)
    }
}

/// Whether a text contains one of the words (`|` between them), whatever their case.
fn assert_words(text: &str, words: &str) {
    let lower = text.to_lowercase();
    assert!(words.split('|').any(|word| lower.contains(&word.to_lowercase())), "none of {words:?} in {text:?}");
}
