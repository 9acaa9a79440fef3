//! What a person gets to read when a rerun takes rows away or a file came before, and the exit codes of several files.

use std::fs;
use std::path::Path;

use fonderie_tests::invoices::{Invoice, unpaid};
use fonderie_tests::machine::{Ended, Machine};

/// Runs a file or folder as of a date.
fn run(machine: &Machine, path: &Path, arguments: &[&str]) -> Ended {
    Ended::of(machine.command(&["run"]).arg(path).args(arguments))
}

#[tokio::test]
async fn rows_that_an_earlier_date_removes_are_counted_and_need_force() {
    let machine = Machine::new("earlier_date").await;
    let late = Invoice { date: "2026-05-11".into(), billed: 10_000, ..unpaid(2) };
    let mut rows: Vec<Invoice> = (10..40).map(unpaid).collect();
    rows.push(late);
    let file = machine.file("etablissement_B.csv", &rows);
    machine.run(&file).expect(0, &["31 inserted"]);
    let earlier = ["--as-of", "2026-04-30"];
    run(&machine, &file, &earlier).expect(3, &["AsOfEarlier", "2026-06-30", "--force"]);
    assert_eq!(machine.text("SELECT count(*)::text FROM dw.fact_facturation").await, "31");
    let removed = "REMOVED 1 (montant_facture 100.00, montant_paye 0.00)";
    run(&machine, &file, &["--as-of", "2026-04-30", "--force"]).expect(0, &["30 unchanged", removed]);
    let ledger = "SELECT concat_ws(' ', r.rows_removed, a.sum) FROM audit.run r JOIN audit.run_amount a USING (run_id) \
                  WHERE a.stage = 'removed' AND a.column_name = 'montant_facture'";
    assert_eq!(machine.text(ledger).await, "1 100.00");
    // The marts' "today" did not go back, and a date that is the same or later needs no force.
    assert_eq!(machine.text("SELECT as_of::text FROM audit.as_of").await, "2026-06-30");
    machine.run(&file).expect(0, &["1 inserted"]);
    run(&machine, &file, &["--as-of", "26-6-30"]).expect(2, &["26-6-30", "from 1900 to 9999"]);
}

#[tokio::test]
async fn a_run_with_a_halted_or_failed_file_does_not_exit_0() {
    let machine = Machine::new("exits").await;
    let wrong = |id: u32| Invoice { paid: 99_999, paid_on: Some("2026-03-03".into()), ..unpaid(id) };
    let bad: Vec<Invoice> = (0..60).map(wrong).collect();
    machine.file("halted/etablissement_B_1.csv", &bad);
    machine.file("halted/etablissement_B_2.csv", &bad[1..]);
    machine.file("mixed/etablissement_B_3.csv", &[unpaid(1)]);
    machine.file("mixed/etablissement_B_4.csv", &bad);
    machine.file("failed/etablissement_B_5.csv", &[unpaid(2)]);
    machine.write("failed/etablissement_B_6.csv", "");
    machine.run(machine.path("halted")).expect(3, &["HALTED"]);
    machine.run(machine.path("mixed")).expect(3, &["HALTED", "1 inserted"]);
    machine.run(machine.path("failed")).expect(3, &["FAILED", "1 inserted"]);
    let header = machine.file("etablissement_B_entete.csv", &[]);
    machine.run(&header).expect(0, &["header alone: no record"]);
    // The same bytes under another name: said, and no other effect.
    let copy = machine.path("etablissement_B_copie.csv");
    fs::copy(machine.path("mixed/etablissement_B_3.csv"), &copy).unwrap();
    machine.run(&copy).expect(0, &["1 unchanged", "the same bytes as facturation/etablissement_B_3.csv"]);
    for odd in ["etablissement_B_2026-13-45.csv", "etablissement_B_2026-06-01_2026-06-02.csv"] {
        machine.run(machine.file(odd, &[unpaid(3)])).expect(3, &["ExtractionUnclear"]);
    }
}

#[tokio::test]
async fn a_bad_mart_leaves_the_rows_loaded_and_says_so() {
    let machine = Machine::new("bad_mart_run").await.with_own_datasets();
    let mart = "SELECT absente AS patient_key FROM dw.fact_facturation\n";
    machine.write("datasets/facturation/marts/relance.sql", mart);
    let file = machine.file("etablissement_B.csv", &[unpaid(1)]);
    machine.run(&file).expect(3, &["ContractInvalid", "the rows are loaded", "marts/relance.sql"]);
    assert_eq!(machine.text("SELECT count(*)::text FROM dw.fact_facturation").await, "1");
}

#[tokio::test]
async fn a_payment_that_falls_is_taken_and_reported_in_any_order() {
    let paid = |id: u32, cents: u32| Invoice {
        paid: cents,
        paid_on: (cents > 0).then(|| "2026-04-02".to_owned()),
        ..unpaid(id)
    };
    // the files of docs/corrections.md
    let files = [
        ("etablissement_B_2026-05-31.csv", vec![paid(1, 5_000), paid(2, 0), paid(3, 100)]),
        ("etablissement_B_2026-06-15.csv", vec![paid(1, 3_000), paid(3, 200)]),
        ("etablissement_B_2026-04-30.csv", vec![paid(1, 2_000), paid(2, 500), paid(3, 100)]),
    ];
    for (order, expected) in [([0, 1, 2], [0, 1, 1]), ([1, 2, 0], [0, 0, 2]), ([2, 0, 1], [0, 1, 1])] {
        let machine = Machine::new("falling").await;
        for (index, count) in order.into_iter().zip(expected) {
            let (name, rows) = &files[index];
            let file = machine.file(name, rows);
            let text = machine.run(&file).expect(0, &[]).text();
            let warning = format!("WARNING paiement_en_baisse: {count} (Le montant payé");
            assert_eq!(text.contains(&warning), count > 0, "{order:?}, {name}: {text}");
            assert_eq!(text.contains("WARNING"), count > 0, "{order:?}, {name}: {text}");
        }
        let facts = "SELECT string_agg(montant_paye::text, ' ' ORDER BY facture_id) FROM dw.fact_facturation";
        assert_eq!(machine.text(facts).await, "30.00 0.00 2.00", "{order:?}");
        let ledger = "SELECT sum(rows) || ' ' || string_agg(DISTINCT severity, ',') || ' ' || bool_and(message LIKE 'Le montant payé%') \
                      FROM audit.rule_result WHERE rule = 'paiement_en_baisse'";
        assert_eq!(machine.text(ledger).await, "2 warn true", "{order:?}");
        // the same again did nothing, and warns of nothing
        let again = machine.run(machine.path(files[1].0));
        assert!(!again.expect(0, &["already loaded"]).text().contains("WARNING"), "{again:?}");
        let reports = machine.path("state/s3/reports/facturation/etablissement_b");
        let reports = fs::read_dir(reports).unwrap().map(|run| run.unwrap().path().join("report.json"));
        let warned =
            reports.filter(|report| fs::read_to_string(report).unwrap().contains("paiement_en_baisse")).count();
        assert_eq!(warned, expected.iter().filter(|count| **count > 0).count(), "{order:?}");
    }
}
