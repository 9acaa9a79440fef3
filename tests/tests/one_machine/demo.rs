//! `fonderie demo`, as the README's first command runs it: what a person reads, and what is in the warehouse afterwards.

use fonderie_tests::machine::Machine;

#[tokio::test]
async fn five_facilities_come_to_a_collection_list_and_a_second_run_changes_nothing() {
    let machine = Machine::new("demo").await;
    let demo = || machine.call(&["demo", "--rows", "400"]).expect(0, &[]).out.clone();
    let first = demo();
    assert_eq!(first.lines().filter(|line| line.starts_with("ok ")).count(), 5, "{first}");
    let truth = std::fs::read(machine.path("state/sample/ground-truth/ground_truth.json")).unwrap();
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
    let owing = "SELECT (SELECT sum(montant_impaye) FROM dw.fact_facturation) - (SELECT sum(total_impaye) FROM datamart.relance)";
    let difference = machine.text(&format!("SELECT ({owing})::text")).await;
    assert_eq!(difference, "0.00", "every unpaid cent is on the list");

    let second = demo();
    assert_eq!(second.matches("already loaded: 0 inserted, 0 updated").count(), 5, "{second}");
    assert!(second.contains(": 0 rows scored, 0 abnormal"), "{second}");
}
