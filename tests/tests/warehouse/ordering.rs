//! Any order of arrival ends in the same tables: by example in all permutations, and by chance against the model.

use std::collections::BTreeSet;

use fonderie_core::Order;
use fonderie_core::stage::Outcomes;
use fonderie_warehouse::Warehouse;

use crate::model;
use crate::support::{
    DIMENSIONS, FACT, HISTORY, Line, STAGING, Version, connect, instant, line, load, migrated, rows, tables,
};

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

/// A small generator of numbers, so that a failure can be run again from its seed.
struct Chance(u64);

impl Chance {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % limit
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }

    fn lines(&mut self) -> Vec<Line> {
        let mut lines = Vec::new();
        for etablissement in ["ETAB_A", "ETAB_B"] {
            for facture in ["F1", "F2", "F3"] {
                if self.below(4) == 0 {
                    continue;
                }
                let patient = self.pick(&["P1", "P1", "P2"]);
                let base = Line {
                    etablissement,
                    patient,
                    nom: self.pick(&["Martin", "Durand"]),
                    age: self.pick(&[None, Some(40), Some(41)]),
                    ville: self.pick(&["Lyon", "Nantes"]),
                    service: self.pick(&["CARDIO", "CARDIO", "RADIO"]),
                    facture_le: self.pick(&[10, 10, 11]),
                    ..line(facture)
                };
                // few states, so that they come back
                lines.push(match self.below(3) {
                    0 => base,
                    1 => base.paid(4_000, 20),
                    _ => Line { statut: None, ..base },
                });
            }
        }
        // the order in the file is free
        for index in (1..lines.len()).rev() {
            lines.swap(index, self.below(index + 1));
        }
        lines
    }

    /// Orders often tie, down to the version's name.
    fn version(&mut self, number: usize) -> Version {
        let instant_of = |day: usize| instant(day as i64);
        let order = Order {
            instant: instant_of(self.below(3)),
            modified: instant_of(self.below(2)),
            position: self.below(2) as u32,
        };
        Version {
            key: self.pick(&["facturation/a.csv", "facturation/b.csv"]),
            order,
            ..Version::new(&format!("v{number}"), 0, self.lines())
        }
    }
}

/// Rows of a query with columns left out that the model does not repeat.
async fn without(warehouse: &Warehouse, sql: &str, columns: &[usize]) -> BTreeSet<String> {
    let keep = |row: &String| {
        let kept: Vec<&str> =
            row.split('|').enumerate().filter(|(index, _)| !columns.contains(index)).map(|(_, value)| value).collect();
        kept.join("|")
    };
    rows(warehouse, sql).await.iter().map(keep).collect()
}

async fn check(warehouse: &Warehouse, loaded: &[Version], context: &str) {
    assert_eq!(without(warehouse, FACT, &[2, 5, 13]).await, model::fact(loaded), "fact, {context}");
    assert_eq!(without(warehouse, HISTORY, &[2, 3]).await, model::history(loaded), "history, {context}");
    assert_eq!(without(warehouse, STAGING, &[0, 1, 2, 3, 4, 5, 6]).await, model::staging(loaded), "staging, {context}");
    let observed = rows(
        warehouse,
        "SELECT sum(cardinality(row_keys)), sum(cardinality(source_lines)) FROM dw.fact_facturation_presence",
    )
    .await;
    let lines: usize = loaded.iter().map(|version| version.lines.len()).sum();
    assert_eq!(observed, [format!("{lines}|{lines}")], "observations, {context}");
    let members: BTreeSet<String> = rows(warehouse, DIMENSIONS)
        .await
        .into_iter()
        .filter(|row| row.starts_with("patient") || row.starts_with("etablissement"))
        .collect();
    assert_eq!(members, model::members(loaded), "dimensions, {context}");
}

#[tokio::test]
async fn versions_in_random_order_end_as_the_model_says() {
    let database = migrated("random").await;
    let mut warehouse = connect(&database.url).await;
    for seed in 0..60 {
        let mut chance = Chance(seed);
        clear(&warehouse).await;
        let mut loaded: Vec<Version> = Vec::new();
        for number in 0..5 {
            let version = chance.version(number);
            let before = loaded.clone();
            loaded.push(version.clone());
            let result = load(&mut warehouse, &version, &format!("run-{number}"), "b1").await.unwrap();
            let context = format!("seed {seed}, arrival {number}");
            assert_eq!(result.outcomes, model::outcomes(&before, &loaded, &version), "{context}");
            check(&warehouse, &loaded, &context).await;
        }
    }
    warehouse.close().await;
}

#[tokio::test]
async fn a_version_under_a_new_contract_replaces_what_it_said() {
    let database = migrated("replaced").await;
    let mut warehouse = connect(&database.url).await;
    for seed in 1_000..1_040 {
        let mut chance = Chance(seed);
        clear(&warehouse).await;
        let mut loaded: Vec<Version> = Vec::new();
        for number in 0..7 {
            let before = loaded.clone();
            let again = number >= 3 && chance.below(2) == 0;
            let version = if again {
                let index = chance.below(loaded.len());
                loaded[index].lines = chance.lines();
                loaded[index].clone()
            } else {
                loaded.push(chance.version(number));
                loaded[loaded.len() - 1].clone()
            };
            let result = load(&mut warehouse, &version, &format!("run-{number}"), &format!("b{number}")).await.unwrap();
            let context = format!("seed {seed}, step {number}, again {again}");
            assert_eq!(result.outcomes, model::outcomes(&before, &loaded, &version), "{context}");
            check(&warehouse, &loaded, &context).await;
        }
    }
    warehouse.close().await;
}
