//! `fonderie rebuild`: tables that were dropped or replaced come back as they were, history and ledger included.

mod withdrawing;

use std::fs;
use std::ops::Deref;

use fonderie_tests::invoices::{self, Invoice, unpaid};
use fonderie_tests::machine::{Ended, Machine};
use fonderie_tests::warehouse::{Snapshot, connect};
use tokio_postgres::Client;

const ALL: &str = "DROP SCHEMA staging, dw, datamart, audit CASCADE";
const ALL_BUT_AUDIT: &str = "DROP SCHEMA staging, dw, datamart CASCADE";

/// A machine whose datasets change.
struct Trial(Machine);

impl Deref for Trial {
    type Target = Machine;

    fn deref(&self) -> &Machine {
        &self.0
    }
}

impl Trial {
    async fn new(name: &str) -> Self {
        Self(Machine::new(name).await.with_own_datasets())
    }

    async fn client(&self) -> Client {
        connect(&self.url).await.unwrap()
    }

    /// Runs the rows as a file of this name.
    fn load(&self, name: &str, rows: &[Invoice]) -> Ended {
        self.run(self.file(name, rows))
    }

    #[track_caller]
    fn rebuild(&self, arguments: &[&str], code: i32, words: &[&str]) -> String {
        self.call(&[&["rebuild"], arguments].concat()).expect(code, words).text()
    }

    async fn execute(&self, sql: &str) {
        self.client().await.batch_execute(sql).await.unwrap();
    }

    async fn tables(&self) -> Snapshot {
        Snapshot::natural(&self.client().await).await.unwrap()
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
        self.client().await.query(sql, &[]).await.unwrap().iter().map(|row| row.get(0)).collect()
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
        self.load("etablissement_B_2026-05-31.csv", &may).expect(0, &[]);
        self.load("etablissement_B_2026-06-15.csv", &june).expect(0, &[]);
        self.load("etablissement_B_2026-04-30.csv", &april).expect(0, &[]);
        self.load("etablissement_B_2026-06-16.csv", &mixed).expect(0, &[]);
        self.load("etablissement_B_2026-06-17.csv", &(2000..2060).map(wrong).collect::<Vec<_>>()).expect(3, &[]);
        self.run(self.write("etablissement_B_2026-06-18.csv", "a,b\n1,2\n")).expect(3, &[]);
        self.load("etablissement_B_2026-06-16.csv", &mixed).expect(0, &[]);
        self.load("etablissement_B_2026-06-20.csv", &[unpaid(3000), unpaid(3001)]).expect(0, &[]);
        // the same name with other content: on one machine the version before is in bronze no more
        let later = [Invoice { paid: 50, paid_on: Some("2026-06-19".into()), ..unpaid(3000) }, unpaid(3001)];
        self.load("etablissement_B_2026-06-20.csv", &later).expect(0, &[]);
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
        let again = self.load("etablissement_B_2026-06-16.csv", &mixed);
        assert!(again.text().contains("REMOVED") || again.code == Some(3), "{again:?}");
        self.edit(
            "records/facturation.toml",
            "values = [\"PAYEE\", \"PARTIELLE\"]",
            "values = [\"PAYEE\", \"PARTIELLE\", \"IMPAYEE\"]",
        );
        self.load("etablissement_B_2026-06-21.csv", &[unpaid(4000)]).expect(0, &[]);
        // a rebuild trains the models on all rows
        self.call(&["score", "--retrain"]).expect(0, &["trained anew"]);
    }
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
    let words = [
        "SchemaMismatch",
        "dw.anomalie_paiement_reasons, dw.anomalie_paiement_scale",
        "are not there",
        "fonderie rebuild --dataset facturation",
    ];
    trial.load("etablissement_B_2026-06-22.csv", &one).expect(3, &words);
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
    let there: bool = trial.client().await.query_one("SELECT to_regnamespace('dw') IS NULL", &[]).await.unwrap().get(0);
    assert!(there, "a refused rebuild changed something");
    trial.rebuild(&["--partial"], 0, &[lost, "1 version not loaded again", "1 from bronze"]);
    let partial = trial.tables().await;
    assert_eq!(partial.count("dw.fact_facturation"), expected.count("dw.fact_facturation"));
    assert_eq!(partial.count("dw.hist_facturation") + 1, expected.count("dw.hist_facturation"));
    // and the dataset is run on as before
    trial.edit("records/facturation.toml", "values = [\"PAYEE\"]", "values = [\"PAYEE\", \"PARTIELLE\", \"IMPAYEE\"]");
    trial.load("etablissement_B_2026-06-22.csv", &one).expect(0, &["1 inserted"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_foreign_table_is_named_and_kept_and_a_lost_ledger_is_no_obstacle() {
    let trial = Trial::new("rebuild_foreign").await;
    let rows: Vec<Invoice> = (1..30).map(unpaid).collect();
    trial.load("etablissement_B_2026-05-31.csv", &rows).expect(0, &[]);
    let expected = trial.tables().await;
    // as a person does it who copies a table back: the columns are right, and it is another table
    trial
        .execute("CREATE TABLE dw.copy AS TABLE dw.dim_service_rows; DROP TABLE dw.dim_service_rows CASCADE; ALTER TABLE dw.copy RENAME TO dim_service_rows")
        .await;
    let words = [
        "SchemaMismatch",
        "dw.dim_service is not there, and dw.dim_service_rows is not what Fonderie made",
        "fonderie rebuild --dataset facturation",
    ];
    trial.load("etablissement_B_2026-06-01.csv", &[unpaid(40)]).expect(3, &words);
    fs::remove_file(trial.path("state/s3/bronze/facturation/etablissement_B_2026-06-01.csv")).unwrap();
    trial.unrecord("2026-06-01");
    let text = trial.rebuild(&[], 0, &["what stood there is in the schema dw_before_", "staging_before_"]);
    trial.same(&expected.clone().without("audit.r"), "a foreign table").await;
    let schema = text.split("DROP SCHEMA ").find(|part| part.starts_with("dw_before")).unwrap();
    let schema = schema.split(' ').next().unwrap();
    let kept = format!("SELECT count(*) FROM {schema}.dim_service_rows");
    assert_eq!(trial.client().await.query_one(&kept, &[]).await.unwrap().get::<_, i64>(0), 1);

    trial.execute("DROP SCHEMA audit CASCADE").await;
    trial
        .load("etablissement_B_2026-06-01.csv", &[unpaid(40)])
        .expect(2, &["reports of runs that its database does not know", "`fonderie rebuild`"]);
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
    trial.load("etablissement_B_2026-05-31.csv", &may).expect(0, &[]);
    trial.load("etablissement_B_2026-06-15.csv", &june).expect(0, &[]);
    let expected = trial.tables().await;
    let (mut places, mut refused) = (Vec::new(), 0);
    for schemas in [ALL_BUT_AUDIT, ALL] {
        for kill_after in 0.. {
            trial.execute(schemas).await;
            let failpoints = format!("step={kill_after}*off->return");
            let killed = Ended::of(trial.command(&["rebuild"]).env("FAILPOINTS", failpoints));
            let text = killed.text();
            let Some(place) = text.lines().find_map(|line| line.strip_prefix("killed ")) else {
                killed.expect(0, &[]);
                break;
            };
            let run = trial.run(trial.path("etablissement_B_2026-06-15.csv"));
            if run.code != Some(0) {
                assert!(run.text().contains("`fonderie rebuild"), "{place}: {run:?}");
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
