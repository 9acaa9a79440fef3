//! `fonderie withdraw`: a file that was sent by mistake leaves the warehouse, stays out of it, and comes back.

use std::fs;
use std::process::Command;

use fonderie_tests::invoices::{self, Invoice};
use fonderie_tests::machine::Ended;
use fonderie_tests::warehouse::Snapshot;
use serde_json::Value;

use super::{ALL, ALL_BUT_AUDIT, Trial};

const MAY: &str = "etablissement_B_2026-05-31.csv";
const JUNE: &str = "etablissement_B_2026-06-15.csv";

impl Trial {
    #[track_caller]
    fn withdraw(&self, arguments: &[&str], code: i32, words: &[&str]) -> String {
        self.call(&[&["withdraw"], arguments].concat()).expect(code, words).text()
    }

    async fn dataset_tables(&self) -> Snapshot {
        self.tables().await.without("audit.")
    }

    async fn has(&self, expected: &Snapshot, context: &str) {
        if let Some(difference) = expected.difference(&self.dataset_tables().await) {
            unreachable!("{context}:\n{difference}");
        }
    }

    /// The files of before, run again as a folder is.
    fn run_again(&self, names: &[&str]) -> String {
        let files: Vec<_> = names.iter().map(|name| self.path(name)).collect();
        Ended::of(&mut self.run_command(&files)).expect(0, &[]).text()
    }

    fn document(&self, command: &str, arguments: &[&str]) -> Value {
        let mut program = self.command(&[command]);
        if command == "runs" {
            // which knows nothing of datasets
            program = Command::new(&self.fonderie);
            program.args(["runs", "--database-url", &self.url]).arg("--state").arg(self.path("state"));
        }
        Ended::of(program.args(arguments)).expect(0, &[]).document()
    }
}

/// The second file pays an invoice, changes another one, and has ten that are new, of days that the first one has too.
fn files() -> (Vec<Invoice>, Vec<Invoice>) {
    let may = invoices::plausible(30);
    let mut june = invoices::plausible(40);
    june[3].billed += 100;
    let open = june.iter_mut().find(|invoice| invoice.paid_on.is_none()).unwrap();
    (open.paid, open.paid_on) = (open.billed, Some("2026-05-20".to_owned()));
    (may, june)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_withdrawn_file_stays_out_until_that_is_undone() {
    let trial = Trial::new("withdraw").await;
    let (may, june) = files();
    trial.load(MAY, &may).expect(0, &[]);
    let alone = trial.dataset_tables().await;
    trial.load(JUNE, &june).expect(0, &[]);
    let both = trial.dataset_tables().await;
    let history = trial.history().await;
    assert!(alone.difference(&both).is_some() && both.count("dw.hist_facturation") == 2);

    // by its path, as it was run
    let path = trial.path(JUNE);
    let text = trial.withdraw(
        &[path.to_str().unwrap()],
        0,
        &[
            "withdrawn facturation/etablissement_B_2026-06-15.csv (version ",
            "40 rows: 10 left the tables, 2 are back in an earlier state, 28 are as another file shows them",
            "montant_facture",
            "relance: ",
            "To restore it:",
        ],
    );
    trial.has(&alone, "the second file is withdrawn").await;
    assert!(trial.history().await.is_empty());
    trial.withdraw(&[JUNE], 0, &["unchanged", "it was withdrawn before: nothing was changed"]);

    // run again, with the other one
    let again = trial.run_again(&[MAY, JUNE]);
    for words in [
        "already loaded: 0 inserted",
        "this version is withdrawn: nothing was loaded",
        "note: this version of the file was withdrawn on",
        "--undo",
    ] {
        assert!(again.contains(words), "{words:?} is not in:\n{again}");
    }
    trial.has(&alone, "run again").await;

    // what the ledger shows of it
    let status = trial.document("status", &["--format", "json"]);
    assert_eq!((&status["runs"]["withdrawn"], &status["runs"]["loaded"]), (&1.into(), &2.into()));
    assert_eq!(status["withdrawn"][0]["key"], format!("facturation/{JUNE}"));
    assert_eq!(status["rows"]["accepted"], 30, "those of the other file");
    let run_id = status["withdrawn"][0]["run_id"].as_str().unwrap().to_owned();
    let runs = trial.document("runs", &["--format", "json"]);
    assert!(
        runs.as_array().unwrap().iter().any(|run| run["status"] == "withdrawn" && run["run_id"] == run_id.as_str()),
        "{runs}"
    );
    let shown = trial.document("show", &[&run_id, "--format", "json"]);
    assert_eq!((&shown["status"], &shown["rows"]["removed"]), (&"withdrawn".into(), &40.into()));
    assert_eq!(shown["versions"][0]["withdrawn_by"], run_id.as_str());
    trial.call(&["show", &run_id]).expect(0, &["40 withdrawn", "WITHDRAWN"]);
    trial.call(&["status"]).expect(0, &["1 withdrawn, 0 restored", "Withdrawn facturation/"]);

    // a rebuild does not bring it back, with the ledger and without
    for schemas in [ALL_BUT_AUDIT, ALL] {
        trial.execute(schemas).await;
        trial.rebuild(&[], 0, &["0 versions not loaded again"]);
        trial.has(&alone, schemas).await;
        assert!(trial.run_again(&[JUNE]).contains("this version is withdrawn"), "{schemas}");
        let known = trial.document("status", &["--format", "json"]);
        assert_eq!(known["withdrawn"], status["withdrawn"], "{schemas}");
        assert_eq!(known["runs"]["loaded"], 2, "{schemas}");
    }

    // as the command says that it is restored, but for the name of the database
    let version = text.split("(version ").nth(1).unwrap().split(')').next().unwrap().to_owned();
    let words = ["restored facturation/", "40 rows: 10 inserted, 2 updated, 28 unchanged, 0 superseded"];
    trial.withdraw(&["--undo", "--version", &version, &format!("facturation/{JUNE}")], 0, &words);
    trial.has(&both, "restored").await;
    assert_eq!(trial.history().await, history);
    trial.withdraw(&["--undo", JUNE], 0, &["it is not withdrawn: nothing was changed"]);
    for schemas in [ALL_BUT_AUDIT, ALL] {
        trial.execute(schemas).await;
        trial.rebuild(&[], 0, &["0 versions not loaded again"]);
        trial.has(&both, schemas).await;
    }

    // by the version's id; its silver goes, so that the file is run
    trial.withdraw(&[&version], 0, &["withdrawn "]);
    trial.forget("2026-06-15", &["accepted.parquet"]);
    trial.withdraw(
        &["--undo", JUNE],
        0,
        &["its silver is gone, so that the file is run", "10 inserted, 2 updated, 28 unchanged"],
    );
    trial.has(&both, "restored from bronze").await;

    // a document for programs; by a run's id
    let withdrawn = trial.document("withdraw", &["--json", JUNE]);
    assert_eq!((&withdrawn["records"][0]["left"], &withdrawn["undo"]), (&10.into(), &false.into()));
    assert!(fs::exists(trial.path("").join(withdrawn["report"].as_str().unwrap())).unwrap(), "{withdrawn}");
    trial.withdraw(&["--undo", withdrawn["run_id"].as_str().unwrap()], 0, &["restored "]);
    trial.has(&both, "restored by the run's id").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_corrected_file_is_loaded_and_names_that_fit_several_files_are_refused() {
    let trial = Trial::new("withdraw_corrected").await;
    let (may, june) = files();
    trial.load(MAY, &may).expect(0, &[]);
    trial.load(JUNE, &june).expect(0, &[]);
    trial.withdraw(&[JUNE], 0, &["10 left the tables"]);
    // the same name with other content, once the store's clock has gone on
    std::thread::sleep(std::time::Duration::from_millis(1100));
    trial.load(JUNE, &june[..35]).expect(0, &["5 inserted, 2 updated"]);
    let expected = trial.dataset_tables().await;
    // the newest version is the corrected one, and is withdrawn first
    trial.withdraw(&[JUNE], 0, &["35 rows: 5 left the tables"]);
    trial.withdraw(&["--undo", JUNE], 0, &["35 rows: 5 inserted"]);
    trial.has(&expected, "the corrected version is back").await;

    fs::create_dir(trial.path("other")).unwrap();
    fs::create_dir(trial.path("other/2026")).unwrap();
    fs::copy(trial.path(MAY), trial.path("other/2026").join(MAY)).unwrap();
    trial.run(trial.path("other")).expect(0, &[]);
    trial.withdraw(&[MAY], 2, &["several files are", "\n  facturation/2026/etablissement_B_2026-05-31.csv"]);
    trial.withdraw(&["absent.csv"], 2, &["knows no file, version or run `absent.csv`", "nothing was changed"]);
    trial.withdraw(&[&format!("facturation/2026/{MAY}")], 0, &["withdrawn facturation/2026/", "0 left the tables"]);
    trial.has(&expected.without("staging"), "the same rows of another file").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_withdrawal_that_is_killed_is_completed_by_the_next_one() {
    let trial = Trial::new("withdraw_killed").await;
    let (may, june) = files();
    trial.load(MAY, &may).expect(0, &[]);
    let alone = trial.dataset_tables().await;
    trial.load(JUNE, &june).expect(0, &[]);
    let both = trial.dataset_tables().await;
    let mut places = Vec::new();
    for (arguments, expected, back) in
        [(&[JUNE][..], &alone, &["--undo", JUNE][..]), (&["--undo", JUNE], &both, &[JUNE])]
    {
        for kill_after in 0.. {
            let failpoints = format!("step={kill_after}*off->return");
            let ended = Ended::of(trial.command(&["withdraw"]).args(arguments).env("FAILPOINTS", failpoints));
            let text = ended.text();
            let killed = text.lines().find_map(|line| line.strip_prefix("killed "));
            match killed {
                Some(place) => places.push(place.to_owned()),
                None => {
                    ended.expect(0, &[]);
                }
            }
            trial.withdraw(arguments, 0, &[]);
            trial.has(expected, &format!("{arguments:?}, killed {killed:?}")).await;
            if killed.is_none() {
                break;
            }
            trial.withdraw(back, 0, &[]);
        }
    }
    for place in
        ["after a version was withdrawn", "before the withdrawal was committed", "after the withdrawal was committed"]
    {
        assert!(places.iter().any(|passed| passed == place), "never killed {place}: {places:?}");
    }
}

/// A shop whose one file holds a complete price list and sales: two records of one object.
fn shop(trial: &Trial) {
    let record = |name: &str, field: &str, table: &str| {
        let text = format!(
            r#"key = ["store", "product"]
fields = [
    {{ name = "store", type = "text", max_length = 20 }},
    {{ name = "product", type = "text", max_length = 20 }},
    {field},
]

[[rules]]
id = "{name}_missing"
check = "required"
fields = ["store", "product"]
message = "Une valeur est absente."

[[rules]]
id = "{name}_twice"
check = "unique"
message = "La ligne est répétée."

{table}
"#
        );
        (format!("records/{name}.toml"), text)
    };
    let source = |record: &str, column: &str, ignored: &str| {
        let text = format!(
            r#"record = "{record}"
files = ["shop*.csv"]
extraction_date = "yyyy-mm-dd"
ignored_columns = ["{ignored}"]

[format]
type = "csv"
encoding = "utf-8"
delimiter = ";"

[dates]
format = "yyyy-mm-dd"

[numbers]
decimal_mark = ","

[columns]
store = "Store"
product = "Product"
{column}
"#
        );
        (format!("sources/{record}s.toml"), text)
    };
    let files = [
        ("dataset.toml".to_owned(), "name = \"shop\"\ntime_zone = \"Europe/Paris\"\n".to_owned()),
        record(
            "price",
            r#"{ name = "price", type = "decimal", precision = 10, scale = 2, money = true }"#,
            "[dimension]\nname = \"price_list\"\nsurrogate = \"price_key\"\nattributes = [\"price\"]\n\
             snapshot = { scope = [\"store\"], closes_at_most_percent = 100 }",
        ),
        record(
            "sale",
            r#"{ name = "sold", type = "integer" }"#,
            "[fact]\nname = \"sale\"\nsurrogate = \"sale_key\"\nmeasures = [\"sold\"]",
        ),
        source("price", "price = \"Price\"", "Sold"),
        source("sale", "sold = \"Sold\"", "Price"),
    ];
    for (path, text) in files {
        trial.write(&format!("datasets/shop/{path}"), text);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn all_records_of_a_version_are_withdrawn_and_a_complete_file_closes_nothing_any_more() {
    let trial = Trial::new("withdraw_shop").await;
    shop(&trial);
    let tables = async || -> Vec<String> {
        let sql = "SELECT concat_ws(' ', product, price, row_status) FROM shop_dw.price_list_rows \
                   UNION ALL SELECT concat_ws(' ', product, sold) FROM shop_dw.sale ORDER BY 1";
        trial.client().await.query(sql, &[]).await.unwrap().iter().map(|row| row.get(0)).collect()
    };
    for (name, text) in [
        ("shop_2026-01-31.csv", "Store;Product;Price;Sold\nN;pen;1,00;5\nN;ink;2,00;3\n"),
        ("shop_2026-02-28.csv", "Store;Product;Price;Sold\nN;pen;1,20;7\nN;cap;0,50;1\n"),
    ] {
        let path = trial.write(name, text);
        Ended::of(trial.command(&["run", "--dataset", "shop"]).arg(path)).expect(0, &[]);
    }
    let both = ["cap 0.50 current", "cap 1", "ink 3", "ink absent", "pen 1.20 current", "pen 7"];
    assert_eq!(tables().await, both);
    let file = ["shop_2026-02-28.csv", "--dataset", "shop"];
    let words = ["price: 2 rows: 1 left the tables, 1 are back", "sale: 2 rows: 1 left the tables, 1 are back"];
    let text = trial.withdraw(&file, 0, &words);
    assert!(text.contains("1.70"), "{text}");
    assert_eq!(tables().await, ["ink 2.00 current", "ink 3", "pen 1.00 current", "pen 5"]);
    trial.withdraw(&file, 0, &["price: it was withdrawn before", "sale: it was withdrawn before"]);
    let undo = ["--undo", "shop_2026-02-28.csv", "--dataset", "shop"];
    trial.withdraw(&undo, 0, &["price: 2 rows: 1 inserted, 1 updated", "sale: 2 rows: 1 inserted, 1 updated"]);
    assert_eq!(tables().await, both);
}
