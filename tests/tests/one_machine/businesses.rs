//! Three businesses by declaration: the files that others made of them, and the figures that others took from those files.
//!
//! `businesses/<dataset>.toml` has steps: which files of `../shared/fixtures/datasets` are run, in which state, and what queries answer then.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use fonderie_tests::machine::Machine;
use fonderie_tests::workspace;
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Answers {
    steps: Vec<Step>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Step {
    /// Steps of one name follow each other in one state and one database.
    #[serde(default)]
    state: String,
    files: Vec<Sent>,
    as_of: String,
    #[serde(default)]
    answers: Vec<Answer>,
}

/// A file as it is run.
#[derive(Deserialize)]
#[serde(untagged)]
enum Sent {
    AsItIs(String),
    Made {
        from: String,
        to: String,
        #[serde(default)]
        make: Make,
    },
}

/// What is made of a fixture.
#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum Make {
    /// Another name.
    #[default]
    Renamed,
    /// Lines whose first value is at most this number.
    UpTo(u64),
    /// Lines whose first value is above it.
    Above(u64),
    /// The products of the shelf `pates` alone, their prices raised by so many percent, each rounded to cents, half away from zero.
    PastaRaisedBy(u64),
    /// All prices raised.
    AllRaisedBy(u64),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Answer {
    query: Option<String>,
    sql: Option<String>,
    #[serde(default)]
    arguments: Vec<String>,
    expect: String,
}

impl Make {
    fn of(self, text: &str) -> String {
        let (header, lines) = text.split_once('\n').unwrap();
        let number = |line: &&str| line.split(';').next().unwrap().parse::<u64>().unwrap();
        let lines = lines.lines().map(|line| line.trim_end_matches('\r'));
        let made: Vec<String> = match self {
            Self::Renamed => return text.to_owned(),
            Self::UpTo(most) => lines.filter(|line| number(line) <= most).map(str::to_owned).collect(),
            Self::Above(most) => lines.filter(|line| number(line) > most).map(str::to_owned).collect(),
            Self::PastaRaisedBy(percent) => {
                lines.filter(|line| line.contains(";pates;")).map(|line| raised(line, percent)).collect()
            }
            Self::AllRaisedBy(percent) => lines.map(|line| raised(line, percent)).collect(),
        };
        format!("{}\r\n{}\r\n", header.trim_end_matches('\r'), made.join("\r\n"))
    }
}

/// A line whose last value is a price, with a higher one.
fn raised(line: &str, percent: u64) -> String {
    let (rest, price) = line.rsplit_once(';').unwrap();
    let (whole, cents) = price.split_once('.').unwrap_or((price, ""));
    let cents = whole.parse::<u64>().unwrap() * 100 + format!("{cents:0<2}").parse::<u64>().unwrap();
    let cents = (cents * (100 + percent) + 50) / 100;
    format!("{rest};{}.{:02}", cents / 100, cents % 100)
}

/// Runs the steps of a dataset in a folder of fixtures.
async fn check(dataset: &str, fixtures: &str) {
    let fixtures = workspace().join("../shared/fixtures/datasets").join(fixtures);
    let answers = workspace().join("tests/tests/one_machine/businesses").join(format!("{dataset}.toml"));
    let answers: Answers = toml::from_str(&fs::read_to_string(answers).unwrap()).unwrap();
    let mut machines = BTreeMap::new();
    let mut wrong = Vec::new();
    for (at, step) in answers.steps.iter().enumerate() {
        if !machines.contains_key(&step.state) {
            machines.insert(step.state.clone(), Machine::new(&format!("{dataset} {}", step.state)).await);
        }
        let machine = &machines[&step.state];
        let files: Vec<PathBuf> = step.files.iter().map(|file| sent(machine, &fixtures, file)).collect();
        let mut run = machine.command(&["run", "--dataset", dataset, "--as-of", &step.as_of]);
        fonderie_tests::machine::Ended::of(run.args(&files)).expect(0, &[]);
        for Answer { query, sql, arguments, expect } in &step.answers {
            let question = match (query, sql) {
                (Some(query), None) => vec![query.as_str()],
                (None, Some(sql)) => vec!["-c", sql.as_str()],
                _ => panic!("an answer of step {at} has no question, or two"),
            };
            let mut call = vec!["query", "--dataset", dataset, "--format", "csv"];
            call.extend(&question);
            call.extend(arguments.iter().map(String::as_str));
            let ended = machine.call(&call);
            if ended.code != Some(0) || ended.out.trim_end() != expect.trim() {
                wrong.push(format!(
                    "step {at}, {question:?} {arguments:?}:\n{}\nexpected:\n{}",
                    ended.text(),
                    expect.trim()
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
    assert!(answers.steps.iter().map(|step| step.answers.len()).sum::<usize>() > 10, "few questions");
}

fn sent(machine: &Machine, fixtures: &Path, file: &Sent) -> PathBuf {
    let (from, to, make) = match file {
        Sent::AsItIs(name) => return fixtures.join(name),
        Sent::Made { from, to, make } => (from, to, *make),
    };
    let text = fs::read_to_string(fixtures.join(from)).unwrap();
    machine.write(&format!("files/{to}"), make.of(&text))
}

#[tokio::test]
#[cfg_attr(not(beside_shared), ignore = "needs ../shared")]
async fn the_figures_of_a_retail_chain() {
    check("commerce", "retail_jaffle").await;
}

#[tokio::test]
#[cfg_attr(not(beside_shared), ignore = "needs ../shared")]
async fn the_figures_of_a_wine_merchant() {
    check("vin", "wine_bottleneck").await;
}

#[tokio::test]
#[cfg_attr(not(beside_shared), ignore = "needs ../shared")]
async fn the_figures_of_a_supermarket() {
    check("supermarche", "supersmartmarket").await;
}
