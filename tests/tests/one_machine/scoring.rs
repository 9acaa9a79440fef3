//! Scores, collection list and analyst queries of the one-machine binary, on a file whose abnormal invoices are known.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::num::NonZeroUsize;
use std::path::Path;

use fonderie_anomaly::Forest;
use fonderie_tests::machine::{Ended, Machine};
use fonderie_tests::{warehouse, workspace};
use smartcore::linalg::basic::matrix::DenseMatrix;
use tokio_postgres::Client;

const HEADER: &str = "invoice_id,patient_id,last_name,first_name,age,facility_id,facility_name,facility_type,city,service_code,\
                      service_name,service_category,invoice_date,payment_date,billed_amount,paid_amount,status\n";

/// Ordinary invoices: 50 to 199 € in 2026, two of three paid after 10 to 39 days, the others owed.
fn ordinary(rows: usize) -> String {
    let mut file = HEADER.to_owned();
    for n in 0..rows {
        let (cents, month, day) = (5_000 + n * 3_701 % 15_000, n % 4 + 1, n % 28 + 1);
        let amount = format!("{}.{:02}", cents / 100, cents % 100);
        let issued = chrono::NaiveDate::from_ymd_opt(2026, month as u32, day as u32).unwrap();
        let paid = issued + chrono::TimeDelta::days(10 + (n * 7 % 30) as i64);
        let (paid, sum, status) = match n % 3 {
            0 => (String::new(), "0.00".to_owned(), "UNPAID"),
            _ => (paid.to_string(), amount.clone(), "PAID"),
        };
        let (patient, service) = (n % 50, ["CARDIO", "KINE"][n % 2]);
        writeln!(
            file,
            "F{n:04},P{patient:02},Nom{patient},Ana,40,ETAB_B,Clinique,Clinique privée,Béziers,{service},Service {service},\
             Ambulatoire,{issued},{paid},{amount},{sum},{status}"
        )
        .unwrap();
    }
    file
}

/// An invoice of 1,234,567.89 € that nobody has paid since 2023, and one that was paid after more than two years.
const ABNORMAL: &str = "X-IMPAYEE,P-X,Xénon,Zoé,70,ETAB_B,Clinique,Clinique privée,Béziers,CARDIO,Service CARDIO,Ambulatoire,2023-01-01,,1234567.89,0.00,UNPAID\n\
    X-TARDIVE,P-Y,Yttrium,Léo,60,ETAB_B,Clinique,Clinique privée,Béziers,KINE,Service KINE,Ambulatoire,2023-12-01,2026-05-30,120.00,120.00,PAID\n";

/// Runs a file with this content as of 2026-06-30.
fn run(machine: &Machine, name: &str, content: &str) -> Ended {
    machine.run(machine.write(name, content))
}

/// One of the dataset's queries as lines of CSV, the header first.
fn query(machine: &Machine, name: &str) -> Vec<String> {
    let parameters: &[&str] = if name == "owed" { &["--on", "2026-06-30"] } else { &[] };
    let ended = machine.call(&[&["query", name, "--format", "csv"], parameters].concat());
    ended.expect(0, &[]).out.lines().map(str::to_owned).collect()
}

/// Rows as text, parted by `|`.
async fn rows(client: &Client, sql: &str) -> Vec<String> {
    let query =
        format!("SELECT concat_ws('|', VARIADIC ARRAY(SELECT value FROM json_each_text(to_json(q)))) FROM ({sql}) q");
    client.query(&query, &[]).await.unwrap().iter().map(|row| row.get(0)).collect()
}

#[tokio::test]
async fn known_anomalies_are_found_told_and_reproduced() {
    let machine = Machine::new("scoring").await;
    // 5 % of 400
    let words = ["; anomalie_paiement: 400 rows scored, 20 abnormal (", "), trained anew", "relance: 51 rows, rebuilt"];
    run(&machine, "etablissement_B.csv", &(ordinary(398) + ABNORMAL)).expect(0, &words);
    let client = warehouse::connect(&machine.url).await.unwrap();
    let worst = rows(
        &client,
        "SELECT facture_id, anomaly_score < -0.1 AS forte, anomaly_raison FROM dw.fact_facturation ORDER BY anomaly_score LIMIT 2",
    )
    .await;
    // the amount to the cent, which an f32 does not hold
    let reasons: BTreeMap<&str, &str> = worst.iter().map(|row| row.split_once('|').unwrap()).collect();
    assert_eq!(reasons["X-TARDIVE"], "true|délai de paiement inhabituel : 911 jours");
    assert!(
        ["true|montant impayé inhabituel : 1 234 567,89 €", "true|montant facturé inhabituel : 1 234 567,89 €"]
            .contains(&reasons["X-IMPAYEE"]),
        "{reasons:?}"
    );
    let told = "SELECT count(*) FILTER (WHERE anomaly_raison IS NULL) AS sans, count(*) FILTER (WHERE anomaly_raison IS NOT NULL) AS avec, \
                count(*) FILTER (WHERE (anomaly_score < 0) <> (anomaly_raison IS NOT NULL)) AS faux FROM dw.fact_facturation";
    assert_eq!(rows(&client, told).await, ["380|20|0"]);
    let ledger = "SELECT status, rows, as_of, parameters ->> 'seed' AS seed, \
                  (SELECT sum((level ->> 'rows')::bigint) FROM jsonb_array_elements(levels) AS level) AS n FROM audit.model";
    assert_eq!(rows(&client, ledger).await, ["trained|400|2026-06-30|42|20"]);

    reproduced(&client, &machine.path("state/s3/reports")).await;

    // The same file again: nothing is written, and that is said.
    let bytes = "SELECT ctid, xmin, raw FROM dw.anomalie_paiement_scores ORDER BY ctid";
    let (facts, list) =
        (rows(&client, bytes).await, rows(&client, "SELECT ctid, xmin FROM datamart.relance ORDER BY 1").await);
    machine.run(machine.path("etablissement_B.csv")).expect(0, &["already loaded", ": 0 rows scored, 0 abnormal"]);
    assert_eq!(rows(&client, bytes).await, facts);
    assert_eq!(rows(&client, "SELECT ctid, xmin FROM datamart.relance ORDER BY 1").await, list);
}

/// The stored forest gives every score again, to the bit.
async fn reproduced(client: &Client, reports: &Path) {
    let key: String = client.query_one("SELECT key FROM audit.model", &[]).await.unwrap().get(0);
    let forest: Forest = serde_json::from_slice(&fs::read(reports.join(&key)).unwrap()).unwrap();
    assert_eq!(key, format!("models/facturation/anomalie_paiement/{}.json", forest.sha256()));
    // The features, written here once more: who has paid nothing has been waited for until the as-of date.
    let facts = client
        .query(
            "SELECT montant_impaye::float8, (CASE WHEN montant_paye > 0 THEN date_paiement ELSE DATE '2026-06-30' END - date_facture)::float8, \
             montant_facture::float8, anomaly_score FROM dw.fact_facturation",
            &[],
        )
        .await
        .unwrap();
    let features: Vec<Vec<f64>> = facts.iter().map(|row| vec![row.get(0), row.get(1), row.get(2)]).collect();
    let scores = forest.decision_function(&DenseMatrix::from_2d_vec(&features).unwrap(), NonZeroUsize::MIN).unwrap();
    let stored: Vec<f64> = facts.iter().map(|row| row.get(3)).collect();
    assert_eq!(scores, stored);
}

#[tokio::test]
async fn every_analyst_query_answers() {
    let machine = Machine::new("queries").await;
    run(&machine, "etablissement_B.csv", &(ordinary(398) + ABNORMAL)).expect(0, &[]);
    let mut names: Vec<_> = fs::read_dir(workspace().join("datasets/facturation/queries"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .inspect(|path| {
            assert!(fs::read_to_string(path).unwrap().starts_with("-- "), "{} says nothing", path.display())
        })
        .map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned())
        .collect();
    names.sort();
    let answers: BTreeMap<&str, Vec<String>> =
        names.iter().map(|name| (name.as_str(), query(&machine, name))).collect();
    let counts: Vec<_> = answers.iter().map(|(name, lines)| (*name, lines.len() - 1)).collect();
    let client = warehouse::connect(&machine.url).await.unwrap();
    let count = async |sql: &str| client.query_one(sql, &[]).await.unwrap().get::<_, i64>(0) as usize;
    let patients = count("SELECT count(DISTINCT patient_key) FROM dw.fact_facturation WHERE anomaly_score < 0").await;
    let levels = count("SELECT count(DISTINCT (anomaly_score < -0.2, anomaly_score < -0.1, anomaly_score < 0)) FROM dw.fact_facturation").await;
    assert_eq!(
        counts,
        [
            ("caracteristiques_impayes_anormaux", 50),
            ("delais_paiement_les_plus_longs", 10),
            ("distribution_scores", levels),
            ("impayes_par_etablissement", 1),
            // the facility and the total
            ("owed", 2),
            ("patients_anomalies", patients),
            // every patient owes something, for each has an invoice whose number is a multiple of three; but not P-Y
            ("relance_par_priorite", 51),
            ("relance_synthese", 2),
            ("taux_paiement_par_service", 2),
            // four months of 2026, and the two of 2023
            ("tendance_mensuelle", 6),
        ]
    );
    // by hand: the sums of what `ordinary` writes, in cents
    let cents = |n: usize| 5_000 + n * 3_701 % 15_000;
    let (billed, owed) = (
        (0..398).map(cents).sum::<usize>() + 123_456_789 + 12_000,
        (0..398).filter(|n| n % 3 == 0).map(cents).sum::<usize>() + 123_456_789,
    );
    let euros = |cents: usize| format!("{}.{:02}", cents / 100, cents % 100);
    assert_eq!(
        answers["impayes_par_etablissement"][1],
        format!(
            "ETAB_B,Clinique,Clinique privée,Béziers,400,134,{},{},{}",
            euros(billed),
            euros(billed - owed),
            euros(owed)
        )
    );
    // P-X owes the most; 133 others have one invoice each that is not paid.
    assert!(answers["owed"][2].starts_with("TOTAL,134,"), "{}", answers["owed"][2]);
    assert!(answers["owed"][2].contains(&format!(",{},", euros(owed))), "{}", answers["owed"][2]);
    let first = &answers["relance_par_priorite"][1];
    assert!(first.starts_with("URGENT,P-X,Xénon,Zoé,1234567.89,1,\"Facture X-IMPAYEE anormale (montant "), "{first}");
    assert!(first.ends_with(",0,0,0,1234567.89,2023-01-01"), "{first}");
    assert!(
        answers["delais_paiement_les_plus_longs"][1]
            .starts_with("ETAB_B,X-TARDIVE,P-Y,Yttrium,Léo,Service KINE,2023-12-01,2026-05-30,911,120.00,120.00,0.00"),
        "{}",
        answers["delais_paiement_les_plus_longs"][1]
    );
    assert!(answers["tendance_mensuelle"][1].starts_with("2023,1,janvier,1,1234567.89,0.00,1234567.89,0.00,"));
    let features = &answers["caracteristiques_impayes_anormaux"][1];
    assert!(features.starts_with("ETAB_B,X-IMPAYEE,P-X,1234567.89,1276,1234567.89,-0."), "{features}");
}

#[tokio::test]
async fn too_few_rows_are_said_and_a_failure_reaches_the_ledger_with_the_next_run() {
    let machine = Machine::new("few").await;
    run(&machine, "etablissement_B_colonne.csv", &HEADER.replace(",billed_amount", "")).expect(3, &[]);
    run(&machine, "lisez_moi.txt", "Bonjour").expect(3, &[]);
    run(&machine, "etablissement_B.csv", &ordinary(255))
        .expect(0, &["; anomalie_paiement: not scored, 255 rows where 256 are needed"]);
    let client = warehouse::connect(&machine.url).await.unwrap();
    let scored = "SELECT count(*) AS n, count(anomaly_score) AS s FROM dw.fact_facturation";
    assert_eq!(rows(&client, scored).await, ["255|0"]);
    let failed = "SELECT status, failed_stage, failure_code, dataset FROM audit.run WHERE status = 'failed' ORDER BY failure_code";
    assert_eq!(
        rows(&client, failed).await,
        ["failed|transform|ColumnMissing|facturation", "failed|ingest|SourceUnknown|facturation"]
    );
    // one more row, and there are scores; the failures stay as they are
    run(&machine, "etablissement_B_2.csv", &ordinary(256)).expect(0, &[]);
    assert_eq!(rows(&client, scored).await, ["256|256"]);
    assert_eq!(rows(&client, failed).await.len(), 2);
}
