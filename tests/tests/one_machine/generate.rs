//! `fonderie generate`, then `fonderie run` on what it made: the ledger's numbers are the ground truth's.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::LazyLock;

use fonderie_tests::{packages, workspace};
use serde_json::Value;

/// The binary. Two tests at once must not build, or package, twice.
static FONDERIE: LazyLock<PathBuf> = LazyLock::new(|| packages::build().unwrap().1);

fn generate(fonderie: &Path, out: &Path, more: &[&str]) -> Output {
    let mut command = Command::new(fonderie);
    command.args(["generate", "--datasets"]).arg(workspace().join("datasets")).arg("--out").arg(out);
    command.args(more).output().unwrap()
}

fn truth(out: &Path) -> Value {
    serde_json::from_slice(&fs::read(out.join("ground-truth/ground_truth.json")).unwrap()).unwrap()
}

/// The rows of a query, each an object of texts.
fn query(fonderie: &Path, url: &str, sql: &str) -> Vec<Value> {
    let mut command = Command::new(fonderie);
    command.args(["query", "--format", "json", "--database-url", url, "-c", sql, "--datasets"]);
    let output = fonderie_tests::run(command.arg(workspace().join("datasets"))).unwrap();
    serde_json::from_slice(&output.stdout).unwrap()
}

#[tokio::test]
async fn the_ledger_says_what_the_ground_truth_says() {
    let fonderie = &*FONDERIE;
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("sample");
    let made = generate(fonderie, &out, &["--rows", "1200", "--seed", "11"]);
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let told = String::from_utf8(made.stdout).unwrap();
    assert!(told.contains("etablissement_E.xlsx") && told.contains("--as-of 2026-06-30"), "{told}");

    let database = fonderie_test_support::database("generate").await;
    let mut run = Command::new(fonderie);
    run.arg("run").arg(out.join("files")).args(["--as-of", "2026-06-30", "--database-url", &database.url]);
    run.arg("--datasets").arg(workspace().join("datasets")).arg("--state").arg(folder.path().join("state"));
    fonderie_tests::run(&mut run).unwrap();

    let truth = truth(&out);
    let facilities = query(
        fonderie,
        &database.url,
        "SELECT lower(etablissement_id) AS id, count(*) AS n, sum(montant_facture) * 100 AS facture,
                sum(montant_paye) * 100 AS paye, min(date_facture) AS first, max(date_facture) AS last
         FROM dw.fact_facturation JOIN dw.dim_etablissement USING (etablissement_key) GROUP BY 1 ORDER BY 1",
    );
    let files = truth["files"].as_object().unwrap();
    assert_eq!((files.len(), facilities.len()), (5, 5));
    for ((name, file), row) in files.iter().zip(&facilities) {
        let cents = |amount: &str| format!("{}.00", file["amounts"][amount]["accepted_cents"]);
        let id = file["source"].as_str().unwrap().replace("etablissement", "etab");
        assert_eq!(row["id"], id, "{name}");
        assert_eq!(row["n"], file["accepted"].to_string(), "{name}");
        assert_eq!(row["facture"], cents("montant_facture"), "{name}");
        assert_eq!(row["paye"], cents("montant_paye"), "{name}");
        assert!(row["first"].as_str() >= Some("2023-07-01") && row["last"].as_str() <= Some("2026-06-30"), "{row}");
    }
    // The report of each run counts the same rows for the same rules.
    let reports = folder.path().join("state/s3/reports/facturation");
    for (name, file) in files {
        let source = reports.join(file["source"].as_str().unwrap());
        let run = fs::read_dir(source).unwrap().next().unwrap().unwrap().path();
        let report: Value = serde_json::from_slice(&fs::read(run.join("report.json")).unwrap()).unwrap();
        let rules = report["validate"]["rules"].as_array().unwrap();
        let broken = rules.iter().filter(|rule| rule["rows"] != 0);
        let broken: serde_json::Map<String, Value> =
            broken.map(|rule| (rule["rule"].as_str().unwrap().to_owned(), rule["rows"].clone())).collect();
        assert_eq!(Value::Object(broken), file["rules"], "{name}");
        assert_eq!(report["transform"]["read"]["rows"], 1200, "{name}");
    }
}

#[test]
fn it_replaces_what_it_made_and_nothing_else() {
    let fonderie = &*FONDERIE;
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("sample");
    assert!(generate(fonderie, &out, &["--rows", "20"]).status.success());
    let first = fs::read(out.join("files/etablissement_B.csv")).unwrap();
    fs::write(out.join("files/mine.csv"), "mine").unwrap();
    assert!(generate(fonderie, &out, &["--rows", "20", "--seed", "43"]).status.success());
    assert_ne!(fs::read(out.join("files/etablissement_B.csv")).unwrap(), first);
    assert_eq!(fs::read_to_string(out.join("files/mine.csv")).unwrap(), "mine");
    assert!(generate(fonderie, &out, &["--rows", "20"]).status.success());
    assert_eq!(fs::read(out.join("files/etablissement_B.csv")).unwrap(), first);
    assert_eq!(truth(&out)["files"]["etablissement_B.csv"]["bytes"], first.len());
    assert!(fs::read_dir(out.join("ground-truth")).unwrap().all(|e| e.unwrap().path().extension().unwrap() != "part"));

    let other = folder.path().join("other");
    fs::create_dir(&other).unwrap();
    fs::write(other.join("letter.txt"), "").unwrap();
    let refused = generate(fonderie, &other, &["--rows", "20"]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(String::from_utf8(refused.stderr).unwrap().contains("--force"));
    assert!(!other.join("files").exists());
    assert!(generate(fonderie, &other, &["--rows", "20", "--force"]).status.success());
    assert!(other.join("letter.txt").exists() && other.join("files/etablissement_A.csv").exists());
}
