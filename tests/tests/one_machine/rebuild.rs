//! `fonderie rebuild`: tables that were dropped or replaced come back as they were, history and ledger included.

mod withdrawing;

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use fonderie_test_support::TestDatabase;
use fonderie_tests::invoices::{self, Invoice, unpaid};
use fonderie_tests::warehouse::Snapshot;
use fonderie_tests::{copy_folder, packages, workspace};

const ALL: &str = "DROP SCHEMA staging, dw, datamart, audit CASCADE";
const ALL_BUT_AUDIT: &str = "DROP SCHEMA staging, dw, datamart CASCADE";

struct Trial {
    fonderie: PathBuf,
    folder: tempfile::TempDir,
    database: TestDatabase,
}

impl Trial {
    async fn new(name: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        copy_folder(&workspace().join("datasets/facturation"), &folder.path().join("datasets/facturation")).unwrap();
        let database = fonderie_test_support::database(name).await;
        Self { fonderie: packages::build().unwrap().1, folder, database }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn command(&self, command: &str) -> Command {
        let mut program = Command::new(&self.fonderie);
        program.arg(command).args(["--database-url", &self.database.url]);
        program.arg("--datasets").arg(self.path("datasets")).arg("--state").arg(self.path("state"));
        program
    }

    /// Runs the rows as a file of this name; returns exit code and all that was printed.
    fn file(&self, name: &str, rows: &[Invoice], arguments: &[&str]) -> (i32, String) {
        self.text(name, &invoices::text(rows), arguments)
    }

    fn text(&self, name: &str, text: &str, arguments: &[&str]) -> (i32, String) {
        let path = self.path(name);
        fs::write(&path, text).unwrap();
        called(self.command("run").arg(&path).args(["--as-of", "2026-06-30"]).args(arguments))
    }

    #[track_caller]
    fn rebuild(&self, arguments: &[&str], code: i32, words: &[&str]) -> String {
        let (found, text) = called(self.command("rebuild").args(arguments));
        assert_eq!(found, code, "{text}");
        words.iter().for_each(|word| assert!(text.contains(word), "{word:?} is not in:\n{text}"));
        text
    }

    async fn execute(&self, sql: &str) {
        self.database.connect().await.batch_execute(sql).await.unwrap();
    }

    async fn tables(&self) -> Snapshot {
        Snapshot::natural(&self.database.connect().await).await.unwrap()
    }

    async fn same(&self, expected: &Snapshot, context: &str) {
        if let Some(difference) = expected.difference(&self.tables().await) {
            unreachable!("{context}:\n{difference}");
        }
    }

    /// A line of history without surrogates: the natural snapshot leaves the validity out.
    async fn history(&self) -> Vec<String> {
        let sql =
            "SELECT concat_ws('|', facture_id, montant_paye, valide_du, valide_au) FROM dw.hist_facturation ORDER BY 1";
        self.database.connect().await.query(sql, &[]).await.unwrap().iter().map(|row| row.get(0)).collect()
    }

    /// Removes what runs of a file have left in silver.
    fn forget(&self, file: &str, names: &[&str]) {
        let runs = fs::read_dir(self.path("state/s3/silver/facturation/etablissement_b")).unwrap();
        let mut removed = 0;
        for run in runs.map(|run| run.unwrap().path()).filter(|run| run.to_string_lossy().contains(file)) {
            names.iter().for_each(|name| removed += u32::from(fs::remove_file(run.join(name)).is_ok()));
        }
        assert!(removed > 0, "{file} left nothing in silver");
    }

    /// Removes the records of failures of a file.
    fn unrecord(&self, file: &str) {
        for record in
            fs::read_dir(self.path("state/s3/quarantine/failures")).unwrap().map(|entry| entry.unwrap().path())
        {
            if record.to_string_lossy().contains(file) {
                fs::remove_file(record).unwrap();
            }
        }
    }

    fn edit(&self, path: &str, from: &str, to: &str) {
        let path = self.path("datasets/facturation").join(path);
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "{from}");
        fs::write(path, text.replace(from, to)).unwrap();
    }

    /// Versions of all kinds: corrected, late, paid later, with rejects, halted, failed, the same again, replaced under its own name, and
    /// one that was read again under another contract.
    fn life(&self) {
        let may = invoices::plausible(280);
        let mut june = may.clone();
        for invoice in june.iter_mut().filter(|invoice| invoice.paid_on.is_none()).take(20) {
            (invoice.paid, invoice.paid_on) = (invoice.billed, Some("2026-05-20".to_owned()));
        }
        june[7].billed += 100;
        let mut april = may[..40].to_vec();
        april.iter_mut().for_each(|invoice| (invoice.paid, invoice.paid_on) = (0, None));
        let wrong = |id: u32| Invoice { paid: 99_999, paid_on: Some("2026-03-03".into()), ..unpaid(id) };
        let mut mixed: Vec<Invoice> = (1000..1030).map(unpaid).collect();
        mixed.push(wrong(1031));
        let ok = |(code, text): (i32, String), expected: i32| assert_eq!(code, expected, "{text}");
        ok(self.file("etablissement_B_2026-05-31.csv", &may, &[]), 0);
        ok(self.file("etablissement_B_2026-06-15.csv", &june, &[]), 0);
        ok(self.file("etablissement_B_2026-04-30.csv", &april, &[]), 0);
        ok(self.file("etablissement_B_2026-06-16.csv", &mixed, &[]), 0);
        ok(self.file("etablissement_B_2026-06-17.csv", &(2000..2060).map(wrong).collect::<Vec<_>>(), &[]), 3);
        ok(self.text("etablissement_B_2026-06-18.csv", "a,b\n1,2\n", &[]), 3);
        ok(self.file("etablissement_B_2026-06-16.csv", &mixed, &[]), 0);
        ok(self.file("etablissement_B_2026-06-20.csv", &[unpaid(3000), unpaid(3001)], &[]), 0);
        // the same name with other content: on one machine the version before is in bronze no more
        let later = [Invoice { paid: 50, paid_on: Some("2026-06-19".into()), ..unpaid(3000) }, unpaid(3001)];
        ok(self.file("etablissement_B_2026-06-20.csv", &later, &[]), 0);
        // another contract: rows are refused that it took before, and leave the warehouse
        self.edit(
            "records/facturation.toml",
            "values = [\"PAYEE\", \"PARTIELLE\", \"IMPAYEE\"]",
            "values = [\"PAYEE\", \"PARTIELLE\"]",
        );
        self.edit(
            "records/facturation.toml",
            "budget = { percent = 10, rows = 20 }",
            "budget = { percent = 90, rows = 20 }",
        );
        let (code, text) = self.file("etablissement_B_2026-06-16.csv", &mixed, &[]);
        assert!(text.contains("REMOVED") || code == 3, "{text}");
        self.edit(
            "records/facturation.toml",
            "values = [\"PAYEE\", \"PARTIELLE\"]",
            "values = [\"PAYEE\", \"PARTIELLE\", \"IMPAYEE\"]",
        );
        ok(self.file("etablissement_B_2026-06-21.csv", &[unpaid(4000)], &[]), 0);
    }
}

fn called(command: &mut Command) -> (i32, String) {
    let output = command.env_remove("DATABASE_URL").output().unwrap();
    let text = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap()).concat();
    assert!(!text.contains("panicked"), "{text}");
    (output.status.code().unwrap_or(-1), text)
}

#[tokio::test(flavor = "multi_thread")]
async fn dropped_schemas_come_back_as_they_were() {
    let trial = Trial::new("rebuild").await;
    trial.life();
    let (expected, history) = (trial.tables().await, trial.history().await);
    assert!(expected.count("dw.hist_facturation") >= 22 && expected.count("dw.fact_facturation") > 280);
    assert!(expected.count("audit.run") >= 11 && expected.count("datamart.relance") > 10);
    let one = [unpaid(5000)];

    // (a) the ledger is there: the next run names what is missing, and the command
    trial.execute(ALL_BUT_AUDIT).await;
    let (code, text) = trial.file("etablissement_B_2026-06-22.csv", &one, &[]);
    assert_eq!(code, 3, "{text}");
    for word in [
        "SchemaMismatch",
        "dw.anomalie_paiement_scores, dw.dim_date, dw.dim_etablissement",
        "are not there",
        "fonderie rebuild --dataset facturation",
    ] {
        assert!(text.contains(word), "{word}: {text}");
    }
    fs::remove_file(trial.path("state/s3/bronze/facturation/etablissement_B_2026-06-22.csv")).unwrap();
    trial.unrecord("2026-06-22");
    trial.execute("DELETE FROM audit.run WHERE run_id LIKE '%etablissement_B_2026-06-22%'").await;
    trial.rebuild(&[], 0, &["0 from bronze", "0 versions not loaded again"]);
    trial.same(&expected, "all but audit was dropped").await;
    assert_eq!(trial.history().await, history);

    // (b) nothing is there
    trial.execute(ALL).await;
    trial.rebuild(&[], 0, &["0 of them known to the ledger", "0 from bronze"]);
    trial.same(&expected, "all was dropped").await;
    assert_eq!(trial.history().await, history);

    // silver of some is gone too: bronze under the contract that each run pinned, though the present one is another
    trial.edit("records/facturation.toml", "values = [\"PAYEE\", \"PARTIELLE\", \"IMPAYEE\"]", "values = [\"PAYEE\"]");
    trial.forget("2026-05-31", &["accepted.parquet", "transformed.parquet"]);
    trial.forget("2026-06-15", &["accepted.parquet", "transformed.parquet"]);
    for (schemas, words) in [(ALL, "0 of them known to the ledger"), (ALL_BUT_AUDIT, "known to the ledger")] {
        if schemas == ALL_BUT_AUDIT {
            // what the first one read again, and even the records
            let names = ["accepted.parquet", "transformed.parquet", "run.json", "loaded.json"];
            trial.forget("2026-05-31", &names);
            trial.forget("2026-06-15", &names);
        }
        trial.execute(schemas).await;
        trial.rebuild(&[], 0, &[words, "2 from bronze"]);
        trial.same(&expected, words).await;
        assert_eq!(trial.history().await, history);
    }

    // neither: the version that another one of its name replaced
    trial.forget("2026-06-20", &["accepted.parquet"]);
    trial.execute(ALL_BUT_AUDIT).await;
    let lost = "LOST     facturation/etablissement_B_2026-06-20.csv";
    trial.rebuild(&[], 2, &[lost, "neither its silver nor this version of the file", "1 version that", "--partial"]);
    let there: bool =
        trial.database.connect().await.query_one("SELECT to_regnamespace('dw') IS NULL", &[]).await.unwrap().get(0);
    assert!(there, "a refused rebuild changed something");
    trial.rebuild(&["--partial"], 0, &[lost, "1 version not loaded again", "1 from bronze"]);
    let partial = trial.tables().await;
    assert_eq!(partial.count("dw.fact_facturation"), expected.count("dw.fact_facturation"));
    assert_eq!(partial.count("dw.hist_facturation") + 1, expected.count("dw.hist_facturation"));
    // and the dataset is run on as before
    trial.edit("records/facturation.toml", "values = [\"PAYEE\"]", "values = [\"PAYEE\", \"PARTIELLE\", \"IMPAYEE\"]");
    let (code, text) = trial.file("etablissement_B_2026-06-22.csv", &one, &[]);
    assert!(code == 0 && text.contains("1 inserted"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_foreign_table_is_named_and_kept_and_a_lost_ledger_is_no_obstacle() {
    let trial = Trial::new("rebuild_foreign").await;
    let rows: Vec<Invoice> = (1..30).map(unpaid).collect();
    assert_eq!(trial.file("etablissement_B_2026-05-31.csv", &rows, &[]).0, 0);
    let expected = trial.tables().await;
    // as a person does it who copies a table back: the columns are right, and it is another table
    trial
        .execute("CREATE TABLE dw.copy AS TABLE dw.dim_service_rows; DROP TABLE dw.dim_service_rows CASCADE; ALTER TABLE dw.copy RENAME TO dim_service_rows")
        .await;
    let (code, text) = trial.file("etablissement_B_2026-06-01.csv", &[unpaid(40)], &[]);
    assert_eq!(code, 3, "{text}");
    for word in [
        "SchemaMismatch",
        "dw.dim_service is not there, and dw.dim_service_rows is not what Fonderie made",
        "fonderie rebuild --dataset facturation",
    ] {
        assert!(text.contains(word), "{word}: {text}");
    }
    fs::remove_file(trial.path("state/s3/bronze/facturation/etablissement_B_2026-06-01.csv")).unwrap();
    trial.unrecord("2026-06-01");
    let text = trial.rebuild(&[], 0, &["what stood there is in the schema dw_before_", "staging_before_"]);
    trial.same(&expected.clone().without("audit.r"), "a foreign table").await;
    let schema = text.split("DROP SCHEMA ").find(|part| part.starts_with("dw_before")).unwrap();
    let schema = schema.split(' ').next().unwrap();
    let kept = format!("SELECT count(*) FROM {schema}.dim_service_rows");
    assert_eq!(trial.database.connect().await.query_one(&kept, &[]).await.unwrap().get::<_, i64>(0), 1);

    trial.execute("DROP SCHEMA audit CASCADE").await;
    let (code, text) = trial.file("etablissement_B_2026-06-01.csv", &[unpaid(40)], &[]);
    assert_eq!(code, 2, "{text}");
    for word in ["reports of runs that its database does not know", "`fonderie rebuild`"] {
        assert!(text.contains(word), "{word}: {text}");
    }
    trial.rebuild(&[], 0, &["0 of them known to the ledger"]);
    trial.same(&expected.clone().without("audit.r"), "the ledger was dropped").await;

    // a state folder of before there were records: bronze is all that is there
    for name in ["run.json", "loaded.json", "accepted.parquet"] {
        trial.forget("2026-05-31", &[name]);
    }
    trial.execute(ALL).await;
    trial.rebuild(&[], 0, &["note: of 1 files in bronze no run was known"]);
    trial.same(&expected.without("audit.r"), "bronze alone").await;
    fs::remove_dir_all(trial.path("state/s3/bronze")).unwrap();
    fs::remove_dir_all(trial.path("state/s3/silver")).unwrap();
    trial.execute(ALL).await;
    trial.rebuild(&[], 2, &["there is nothing to make the warehouse of `facturation` from"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rebuild_that_is_killed_lets_no_run_in_and_is_run_again() {
    let trial = Trial::new("rebuild_killed").await;
    let may = invoices::plausible(30);
    let mut june = may.clone();
    june[3].billed += 100;
    assert_eq!(trial.file("etablissement_B_2026-05-31.csv", &may, &[]).0, 0);
    assert_eq!(trial.file("etablissement_B_2026-06-15.csv", &june, &[]).0, 0);
    let expected = trial.tables().await;
    let (mut places, mut refused) = (Vec::new(), 0);
    for schemas in [ALL_BUT_AUDIT, ALL] {
        for kill_after in 0.. {
            trial.execute(schemas).await;
            let (code, text) =
                called(trial.command("rebuild").env("FAILPOINTS", format!("step={kill_after}*off->return")));
            let Some(place) = text.lines().find_map(|line| line.strip_prefix("killed ")) else {
                assert_eq!(code, 0, "{text}");
                break;
            };
            let (code, text) = called(
                trial.command("run").arg(trial.path("etablissement_B_2026-06-15.csv")).args(["--as-of", "2026-06-30"]),
            );
            if code != 0 {
                assert!(text.contains("`fonderie rebuild"), "{place}: {text}");
                refused += 1;
            }
            fs::remove_dir_all(trial.path("state/s3/quarantine/failures")).ok();
            trial.rebuild(&[], 0, &[]);
            trial.same(&expected.clone().without("audit.r"), &format!("killed {place} ({kill_after})")).await;
            places.push(place.to_owned());
        }
    }
    assert!(refused > 5, "{refused}: {places:?}");
    for place in [
        "before the tables were moved aside",
        "after migrations",
        "before a run was loaded again",
        "before the rebuild was ended",
    ] {
        assert!(places.iter().any(|passed| passed == place), "never killed {place}: {places:?}");
    }
}
