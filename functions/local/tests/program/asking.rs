//! Rows come as they arrive; where there is nothing to ask, nothing is made.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::program;
use crate::support::Ended;

/// The most memory that a process had, in MiB, so far as the system still knows it.
fn peak(id: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok().map(|kib| kib / 1024)
}

#[tokio::test]
async fn a_million_rows_take_little_memory_in_each_format() {
    let database = fonderie_test_support::database("memory").await;
    let sql = "SELECT generate_series(1, 1000000) AS n, repeat('x', 100) AS text";
    let folder = tempfile::tempdir().unwrap();
    for (format, lines, last) in [
        ("csv", 1_000_001, "1000000,xxx"),
        ("json", 1_000_000, r#"{"n":"1000000","text":"xxx"#),
        ("table", 5_004, "1000000 rows, 995000 of them not shown"),
    ] {
        let path = folder.path().join(format);
        let mut command = program(&["query", "--database-url", &database.url, "--format", format, "-c", sql]);
        let mut child = command.stdout(std::fs::File::create(&path).unwrap()).spawn().unwrap();
        let mut most = 0;
        while child.try_wait().unwrap().is_none() {
            most = peak(child.id()).unwrap_or_default().max(most);
            std::thread::sleep(Duration::from_millis(10));
        }
        assert!(child.wait().unwrap().success());
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(text.lines().filter(|line| !line.starts_with('╞')).count(), lines, "{format}");
        assert!(text.lines().last().unwrap().starts_with(last), "{format}");
        assert!(most > 0 && most < 100, "{format}: {most} MiB");
    }
}

#[tokio::test]
async fn a_reader_that_went_away_ends_a_query_well_and_at_once() {
    let database = fonderie_test_support::database("head").await;
    // in the SELECT's list, which the server does not gather before it sends
    let sql = "SELECT generate_series(1, 10000000000) AS n";
    let started = Instant::now();
    let mut command = program(&["query", "--database-url", &database.url, "--format", "csv", "-c", sql]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let ended = Ended::of(child.wait_with_output().unwrap());
    assert_eq!((line.as_str(), ended.code), ("n\n", Some(0)), "{}", ended.error);
    assert!(!ended.error.contains("error"), "{}", ended.error);
    assert!(started.elapsed() < Duration::from_secs(60));
}

#[test]
fn without_a_state_nothing_is_asked_and_nothing_made() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state");
    let calls: [&[&str]; 3] = [
        &["query", "-c", "SELECT 1"],
        &["query", "-c", "SELECT 1", "--postgres", "embedded"],
        &["query", "--write", "-c", "CREATE TABLE t (a integer)"],
    ];
    for call in calls {
        let ended = Ended::of(program(call).arg("--state").arg(&state).output().unwrap());
        assert_eq!(ended.code, Some(2));
        assert!(ended.error.starts_with("error: nothing here yet: run files first"), "{}", ended.error);
        assert!(!state.exists(), "{call:?}");
    }
}

/// A folder of datasets with a small shop, whose queries need no table.
pub(crate) struct Shop(tempfile::TempDir);

const SALES: &str = "SELECT current_setting('fonderie.on')::date + 1 AS next, current_setting('fonderie.store') AS store, \
                     current_setting('fonderie.at_least')::numeric + 1 AS more, current_setting('fonderie.net')::boolean AS net, \
                     current_setting('fonderie.time_zone') AS zone WHERE current_setting('fonderie.store') <> 'S9'";

const DECLARED: &str = r#"
name = "shop"
time_zone = "Europe/Paris"
[[queries]]
name = "sales_of"
alias = "sales"
about = "The sales of a day"
parameters = [
    { name = "on", type = "date", required = true, about = "The day of the sales" },
    { name = "store", type = "text", about = "One store only" },
    { name = "at_least", type = "decimal", default = 0.5, about = "The least amount" },
    { name = "net", type = "boolean", default = false, about = "Without taxes" },
]
no_rows = "nothing is known of {given}"
"#;

impl Shop {
    pub(crate) fn new() -> Self {
        let shop = Self(tempfile::tempdir().unwrap());
        shop.write("shop/dataset.toml", DECLARED);
        shop.write("shop/queries/sales_of.sql", SALES);
        shop.write("shop/queries/plain.sql", "SELECT current_setting('fonderie.time_zone') AS zone");
        shop
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.0.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    /// A call with the shop's datasets.
    pub(crate) fn call(&self, arguments: &[&str]) -> Command {
        let mut command = program(arguments);
        command.env("FONDERIE_DATASETS", self.0.path());
        command
    }

    fn ended(&self, call: &str) -> Ended {
        Ended::of(self.call(&call.split(' ').collect::<Vec<_>>()).output().unwrap())
    }

    #[track_caller]
    fn check(&self, call: &str, code: i32, words: &[&str]) {
        let ended = self.ended(call);
        let all = format!("{}{}", ended.out, ended.error);
        assert_eq!(ended.code, Some(code), "{call}: {all}");
        words.iter().for_each(|word| assert!(all.contains(word), "{call}: {word:?} is not in:\n{all}"));
    }
}

#[tokio::test]
async fn a_query_reads_its_parameters_by_its_name_and_by_its_alias() {
    let shop = Shop::new();
    let database = fonderie_test_support::database("parameters").await;
    let answer = |call: &str| {
        let ended = shop.ended(&format!("{call} --format csv --database-url {}", database.url));
        assert_eq!(ended.code, Some(0), "{call}: {}", ended.error);
        ended.out.lines().nth(1).unwrap().to_owned()
    };
    assert_eq!(answer("query plain"), "Europe/Paris");
    let all = "2026-04-01,S1,-11.5,t,Europe/Paris";
    for call in [
        "query sales_of --on 2026-03-31 --store S1 --at-least -12.5 --net true",
        "query --net=true --store=S1 --on=2026-03-31 --at-least=-12.5 sales_of --timeout 60",
        "query --timeout 60 --on 2026-03-31 --dataset shop sales_of --store S1 --at-least -12.5 --net true --write",
        "sales --on 2026-03-31 --store S1 --at-least -12.5 --net true",
        "sales --net=true --dataset=shop --store=S1 --on=2026-03-31 --at-least=-12.5",
    ] {
        assert_eq!(answer(call), all, "{call}");
    }
    assert_eq!(answer("sales --on 2024-02-28"), "2024-02-29,,1.5,f,Europe/Paris");
    // A value is a value and never SQL.
    assert_eq!(answer("sales --on 2024-02-28 --store ');DROP"), "2024-02-29,');DROP,1.5,f,Europe/Paris");
    let unknown = format!("--on 2026-03-31 --store S9 --database-url {}", database.url);
    for call in ["sales", "query sales_of"] {
        shop.check(&format!("{call} {unknown}"), 2, &["error: nothing is known of store S9\n"]);
    }
}

#[test]
fn a_parameter_that_is_wrong_unknown_or_missing_is_refused_before_the_database_is_asked() {
    let shop = Shop::new();
    for call in ["sales", "query sales_of"] {
        let check = |options: &str, words: &[&str]| shop.check(&format!("{call} {options}"), 2, words);
        check("--store S1", &["required arguments were not provided", "--on <DATE>"]);
        check("--on 31/03/2026", &["'31/03/2026' for '--on <DATE>'", "write it as yyyy-mm-dd"]);
        check("--on 2026-03-31 --at-least 1,5", &["'--at-least <DECIMAL>'", "`1,5` is no decimal", "such as 1234.56"]);
        check("--on 2026-03-31 --net yes", &["'--net <true|false>'", "write true or false"]);
        check("--on 2026-03-31 --store=", &["--store <TEXT>"]);
        check("--on 2026-03-31 --stoer S1", &["unexpected argument '--stoer'", "'--store'"]);
        check("--on 2026-03-31 --on 2026-03-31", &["'--on <DATE>' cannot be used multiple times"]);
        check("--on 2026-03-31 --state /nowhere", &["nothing here yet: run files first"]);
    }
    shop.check("query sale --on 2026-03-31", 2, &["dataset `shop` has no query `sale`: it has plain, sales_of"]);
    shop.check("query plain --on 2026-03-31", 2, &["unexpected argument '--on'"]);
    shop.check("sale --on 2026-03-31", 2, &["unrecognized subcommand 'sale'", "'sales'"]);
}

#[test]
fn declared_queries_are_in_the_help_and_in_the_completions() {
    let shop = Shop::new();
    shop.check("--help", 0, &["Commands of the datasets:\n  sales  The sales of a day\n", "Exit codes:"]);
    shop.check("query --help", 0, &["  plain\n", "  sales_of --on DATE  The sales of a day\n"]);
    for call in ["sales --help", "query sales_of --help", "query sales_of -h", "help sales"] {
        let words = ["The sales of a day", "--on <DATE>", "The day of the sales", "The least amount [default: 0.5]"];
        shop.check(call, 0, &words);
    }
    shop.check("query none --help", 0, &["FILE.sql|NAME"]);
    shop.check("completions bash", 0, &["fonderie__subcmd__sales", "--at-least"]);
    assert!(!Ended::of(program(&["--help"]).output().unwrap()).out.contains("  sales  "));
}

#[test]
fn a_declaration_that_takes_what_is_the_programs_is_a_mistake_of_the_contract() {
    let shop = Shop::new();
    let other = DECLARED.replace("\"shop\"", "\"other\"");
    shop.write("other/dataset.toml", &other);
    shop.write("other/queries/sales_of.sql", SALES);
    let several = "several datasets have a command `sales`, choose one with --dataset: other, shop";
    shop.check("sales --on 2026-03-31", 2, &[several]);
    shop.check("sales --on 2026-03-31 --dataset other --state /nowhere", 2, &["nothing here yet"]);

    shop.write("other/dataset.toml", &other.replace("\"sales\"", "\"run\"").replace("\"net\"", "\"format\""));
    let alias = "in the query \"sales_of\" the alias \"run\", which is a command of the program";
    let parameter = "in the query \"sales_of\" the parameter \"format\", which is an option of `fonderie query`";
    shop.check("query sales_of --on 2026-03-31 --dataset other", 2, &["2 mistakes", alias, parameter]);
    // The other dataset's command is known all the same.
    shop.check("sales --on 2026-03-31 --state /nowhere", 2, &["nothing here yet"]);
    shop.check("turnover", 2, &["`turnover` is no command of the program", "are not known: 2 mistakes", alias]);
    shop.check("--help", 0, &["  sales  The sales of a day\n"]);
}
