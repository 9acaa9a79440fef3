//! `fonderie demo`, as the README's first command runs it: what a person reads, and what is in the warehouse afterwards.

use std::process::Command;

use fonderie_tests::{packages, run, workspace};

#[tokio::test]
async fn five_facilities_come_to_a_collection_list_and_a_second_run_changes_nothing() {
    let fonderie = packages::build().unwrap().1;
    let folder = tempfile::tempdir().unwrap();
    let database = fonderie_test_support::database("demo").await;
    let demo = || {
        let mut command = Command::new(&fonderie);
        command
            .args(["demo", "--rows", "400", "--database-url", &database.url, "--state"])
            .arg(folder.path().join("state"));
        let output = run(command.arg("--datasets").arg(workspace().join("datasets"))).unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    let first = demo();
    assert_eq!(first.lines().filter(|line| line.starts_with("ok ")).count(), 5, "{first}");
    let truth = std::fs::read(folder.path().join("state/sample/ground-truth/ground_truth.json")).unwrap();
    let truth: serde_json::Value = serde_json::from_slice(&truth).unwrap();
    let accepted: u64 =
        truth["files"].as_object().unwrap().values().map(|file| file["accepted"].as_u64().unwrap()).sum();
    assert!((1_900..2_000).contains(&accepted), "{accepted}");
    assert!(first.contains(&format!("anomalie_paiement: {accepted} rows scored, ")), "{first}");
    for words in [
        "Liste de relance, par priorité",
        "Les dix premiers patients à relancer",
        "URGENT",
        "Stages, all files together",
    ] {
        assert!(first.contains(words), "{words:?} is not in:\n{first}");
    }
    let client = database.connect().await;
    let owing = "SELECT (SELECT sum(montant_impaye) FROM dw.fact_facturation) - (SELECT sum(total_impaye) FROM datamart.relance)";
    let difference: String = client.query_one(&format!("SELECT ({owing})::text"), &[]).await.unwrap().get(0);
    assert_eq!(difference, "0.00", "every unpaid cent is on the list");

    let second = demo();
    assert_eq!(second.matches("already loaded: 0 inserted, 0 updated").count(), 5, "{second}");
    assert!(second.contains(" 0 scores changed"), "{second}");
}
