//! Any order of arrival ends in the same tables, by example in all permutations. By chance, and for every dataset: `history`.

use fonderie_core::stage::Outcomes;
use fonderie_warehouse::Warehouse;

use crate::support::{Line, Version, connect, line, load, migrated, rows, tables};

/// Payments come in, one amount is corrected, one state comes back, one invoice is in the middle version alone.
pub(crate) fn three_versions() -> [Version; 3] {
    let older = |mut line: Line| {
        line.nom = "Martin-Petit";
        line.age = Some(41);
        line
    };
    let corrected = Line { montant: 12_000, ..line("F2") };
    let other = Line { patient: "P2", nom: "Durand", service: "RADIO", facture_le: 40, ..line("F4") };
    [
        Version::new("v1", 0, vec![line("F1"), line("F2"), line("F3"), line("F5")]),
        Version::new(
            "v2",
            1,
            vec![older(line("F1").paid(4_000, 60)), corrected.clone(), line("F3").paid(10_000, 60), other],
        ),
        Version::new("v3", 2, vec![line("F3"), older(line("F1").paid(10_000, 61)), corrected, line("F5")]),
    ]
}

async fn clear(warehouse: &Warehouse) {
    let sql = "TRUNCATE staging.facturation, dw.fact_facturation_rows, dw.fact_facturation_history, dw.fact_facturation_presence, dw.dim_patient_rows, \
               dw.dim_patient_presence, dw.dim_etablissement_rows, dw.dim_etablissement_presence, dw.dim_service_rows, dw.dim_service_presence, dw.dim_date, audit.run, audit.run_amount, audit.rule_result, audit.object_version CASCADE";
    warehouse.query(sql).await.unwrap();
}

#[tokio::test]
async fn the_six_permutations_of_three_versions_end_in_the_same_tables() {
    let database = migrated("permutations").await;
    let mut warehouse = connect(&database.url).await;
    let versions = three_versions();
    let mut first = None;
    for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
        clear(&warehouse).await;
        for index in order {
            load(&mut warehouse, &versions[index], &format!("run-{index}"), "b1").await.unwrap();
        }
        let tables = tables(&warehouse).await;
        assert_eq!(*first.get_or_insert(tables.clone()), tables, "{order:?}");
    }
    // and these are the right ones
    let history = rows(&warehouse, "SELECT facture_id, montant_facture, montant_paye, valide_du::date, valide_au::date, source_line FROM dw.hist_facturation ORDER BY 1, 4").await;
    assert_eq!(
        history,
        [
            "F1|100.00|0.00|2025-03-01|2025-03-02|2",
            "F1|100.00|40.00|2025-03-02|2025-03-03|2",
            "F2|100.00|0.00|2025-03-01|2025-03-02|3",
            "F3|100.00|0.00|2025-03-01|2025-03-02|4",
            "F3|100.00|100.00|2025-03-02|2025-03-03|4",
        ]
    );
    let fact = rows(&warehouse, "SELECT facture_id, montant_facture, montant_paye, valide_du::date, source_line FROM dw.fact_facturation ORDER BY 1").await;
    assert_eq!(
        fact,
        [
            "F1|100.00|100.00|2025-03-03|3",
            "F2|120.00|0.00|2025-03-02|3",
            "F3|100.00|0.00|2025-03-03|2",
            "F4|100.00|0.00|2025-03-02|5",
            "F5|100.00|0.00|2025-03-01|5",
        ]
    );
    // the greatest date is the same for all of P1's invoices, so that the newest version's last line wins
    assert_eq!(
        rows(&warehouse, "SELECT patient_id, nom, age, source_line FROM dw.dim_patient ORDER BY 1").await,
        ["P1|Martin|40|5", "P2|Durand|40|5"]
    );
    warehouse.close().await;
}

#[tokio::test]
async fn a_late_version_says_what_became_of_its_rows() {
    let database = migrated("late").await;
    let mut warehouse = connect(&database.url).await;
    let [v1, v2, v3] = three_versions();
    load(&mut warehouse, &v3, "r3", "b1").await.unwrap();
    // F1 and F3 differ and are older, F2's state began earlier, F4 is new
    let late = load(&mut warehouse, &v2, "r2", "b1").await.unwrap();
    assert_eq!(late.outcomes, Outcomes { inserted: 1, updated: 0, unchanged: 0, superseded: 3 });
    // F5 began earlier
    let later = load(&mut warehouse, &v1, "r1", "b1").await.unwrap();
    assert_eq!(later.outcomes, Outcomes { inserted: 0, updated: 0, unchanged: 0, superseded: 4 });
    warehouse.close().await;
}
