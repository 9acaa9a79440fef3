//! `fonderie generate`, then `fonderie run` on what it made: the ledger's numbers are the ground truth's.

use std::fs;
use std::path::Path;
use std::process::Command;

use fonderie_tests::machine::{Ended, Machine};
use fonderie_tests::{packages, workspace};
use serde_json::Value;

fn generate(fonderie: &Path, out: &Path, more: &[&str]) -> Ended {
    let mut command = Command::new(fonderie);
    command.args(["generate", "--datasets"]).arg(workspace().join("datasets")).arg("--out").arg(out);
    Ended::of(command.args(more))
}

fn truth(out: &Path) -> Value {
    serde_json::from_slice(&fs::read(out.join("ground-truth/ground_truth.json")).unwrap()).unwrap()
}

#[tokio::test]
async fn the_ledger_says_what_the_ground_truth_says() {
    let machine = Machine::new("generate").await;
    let out = machine.path("sample");
    generate(&machine.fonderie, &out, &["--rows", "1200", "--seed", "11"])
        .expect(0, &["etablissement_E.xlsx", "--as-of 2026-06-30"]);
    machine.run(out.join("files")).expect(0, &[]);

    let truth = truth(&out);
    let facilities = machine.call(&[
        "query",
        "--format",
        "json",
        "-c",
        "SELECT lower(etablissement_id) AS id, count(*) AS n, sum(montant_facture) * 100 AS facture,
                sum(montant_paye) * 100 AS paye, min(date_facture) AS first, max(date_facture) AS last
         FROM dw.fact_facturation JOIN dw.dim_etablissement USING (etablissement_key) GROUP BY 1 ORDER BY 1",
    ]);
    let facilities: Vec<Value> = serde_json::from_str(&facilities.expect(0, &[]).out).unwrap();
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
    let reports = machine.path("state/s3/reports/facturation");
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
    let fonderie = &packages::build().unwrap().1;
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("sample");
    generate(fonderie, &out, &["--rows", "20"]).expect(0, &[]);
    let first = fs::read(out.join("files/etablissement_B.csv")).unwrap();
    fs::write(out.join("files/mine.csv"), "mine").unwrap();
    generate(fonderie, &out, &["--rows", "20", "--seed", "43"]).expect(0, &[]);
    assert_ne!(fs::read(out.join("files/etablissement_B.csv")).unwrap(), first);
    assert_eq!(fs::read_to_string(out.join("files/mine.csv")).unwrap(), "mine");
    generate(fonderie, &out, &["--rows", "20"]).expect(0, &[]);
    assert_eq!(fs::read(out.join("files/etablissement_B.csv")).unwrap(), first);
    assert_eq!(truth(&out)["files"]["etablissement_B.csv"]["bytes"], first.len());
    assert!(fs::read_dir(out.join("ground-truth")).unwrap().all(|e| e.unwrap().path().extension().unwrap() != "part"));

    let other = folder.path().join("other");
    fs::create_dir(&other).unwrap();
    fs::write(other.join("letter.txt"), "").unwrap();
    generate(fonderie, &other, &["--rows", "20"]).expect(2, &["--force"]);
    assert!(!other.join("files").exists());
    generate(fonderie, &other, &["--rows", "20", "--force"]).expect(0, &[]);
    assert!(other.join("letter.txt").exists() && other.join("files/etablissement_A.csv").exists());
}
