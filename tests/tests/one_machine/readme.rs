//! The README's example of a facility: its contract and its file, as they stand there.

use std::fs;
use std::process::Command;

use fonderie_tests::{copy_folder, packages, workspace};

/// The fenced block after a text of the README.
fn block<'a>(readme: &'a str, after: &str) -> &'a str {
    let (_, rest) = readme.split_once(after).unwrap();
    let (_, fenced) = rest.split_once("```").unwrap();
    let (_, body) = fenced.split_once('\n').unwrap();
    body.split_once("```").unwrap().0
}

#[tokio::test]
async fn a_facility_is_added_as_the_readme_says() {
    let readme = fs::read_to_string(workspace().join("README.md")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let datasets = folder.path().join("datasets");
    copy_folder(&workspace().join("datasets"), &datasets).unwrap();
    let contract = block(&readme, "`datasets/facturation/sources/cabinet_laennec.toml`:");
    fs::write(datasets.join("facturation/sources/cabinet_laennec.toml"), contract).unwrap();
    let file = folder.path().join("cabinet_laennec_2026-06-30.txt");
    let (bytes, _, lossy) =
        encoding_rs::WINDOWS_1252.encode(block(&readme, "`cabinet_laennec_2026-06-30.txt`, of which"));
    assert!(!lossy);
    fs::write(&file, bytes).unwrap();

    let database = fonderie_test_support::database("readme").await;
    let mut command = Command::new(packages::build().unwrap().1);
    command.arg("run").arg(&file).args(["--as-of", "2026-06-30", "--database-url", &database.url]);
    let output =
        command.arg("--datasets").arg(&datasets).arg("--state").arg(folder.path().join("state")).output().unwrap();
    let told = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{told}");
    assert!(told.contains("3 (montant_facture 1383.50, montant_paye 48.00) rows read, 2 "), "{told}");
    let client = database.connect().await;
    let facts = "SELECT string_agg(facture_id || ' ' || date_facture || ' ' || montant_impaye || ' ' || statut, ', ' ORDER BY facture_id)
                 FROM dw.fact_facturation JOIN dw.dim_etablissement USING (etablissement_key) WHERE ville = 'Quimper'";
    let facts: String = client.query_one(facts, &[]).await.unwrap().get(0);
    assert_eq!(facts, "2026-001 2026-05-04 0.00 PAYEE, 2026-002 2026-06-11 1260.50 IMPAYEE");
    let rejects = told.lines().find_map(|line| line.trim_start().strip_prefix("rejects ")).unwrap();
    let rejects = fs::read_to_string(rejects).unwrap();
    let line =
        "4;date_illisible;Émise le;31.06.2026;Ce jour n'existe pas dans le calendrier.;2026-003|D21|31.06.2026||";
    assert!(rejects.contains(line), "{rejects}");
}
