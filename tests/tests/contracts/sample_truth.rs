//! What the ground truth says of a file is what the pipeline's own reader and rules find in it.

use std::collections::BTreeMap;

use crate::billing::billing;
use crate::sampling::{billing_with, check_truth, compile, read, write};

/// What the billing dataset's plan calls a defect, and the rule that it breaks.
const DEFECTS: [(&str, &str); 19] = [
    ("missing_patient_id", "valeurs_manquantes"),
    ("missing_date_facture", "valeurs_manquantes"),
    ("missing_montant_facture", "valeurs_manquantes"),
    ("missing_montant_paye", "valeurs_manquantes"),
    ("negative_montant_facture", "montants_negatifs"),
    ("negative_montant_paye", "montants_negatifs"),
    ("future_date", "dates_futures"),
    ("paid_gt_billed", "coherence_montants"),
    ("payment_before_billing", "coherence_dates"),
    ("malformed_date_facture", "date_illisible"),
    ("malformed_date_paiement", "date_illisible"),
    ("malformed_montant_facture", "montant_illisible"),
    ("malformed_montant_paye", "montant_illisible"),
    ("malformed_age", "nombre_illisible"),
    ("unknown_statut", "statuts_admis"),
    ("ragged_short", "enregistrement_court"),
    ("ragged_long", "enregistrement_long"),
    ("duplicate_exact", "doublons"),
    ("duplicate_conflict", "doublons_conflictuels"),
];

const OTHER_FORMATS: [(&str, &str); 2] = [
    ("\"etablissement_D.csv\"", "\"etablissement_D.xlsx\""),
    ("\"etablissement_E.xlsx\"", "\"etablissement_E_utf16.csv\""),
];
const E_AS_LATIN: [(&str, &str); 1] = [("\"etablissement_E.xlsx\"", "\"etablissement_E.csv\"")];

#[test]
fn each_dirty_row_is_refused_for_its_own_rule_and_no_other_row_is() {
    let dataset = billing();
    for formats in [&[][..], &OTHER_FORMATS, &E_AS_LATIN] {
        let plan = compile(&dataset, formats).unwrap();
        for (rows, seed) in [(0, 42), (1, 42), (2, 7), (17, 3), (300, 1), (2_000, 42), (20_000, 8)] {
            for written in write(&dataset, &plan, rows, seed) {
                let told = format!("{} rows, seed {seed}", rows);
                let read = read(&dataset, &written.name, &written.bytes);
                check_truth(&written, &read, &told);
                assert!(
                    written.accepted == read.records,
                    "{} {told}: a record is not read as it was drawn",
                    written.name
                );
                assert_eq!(written.truth.rows, rows);
                let expected: BTreeMap<i64, String> = written
                    .dirty
                    .iter()
                    .map(|(record, _, defect)| {
                        let rule = DEFECTS.iter().find(|(name, _)| name == defect).unwrap().1;
                        (*record, rule.to_owned())
                    })
                    .collect();
                let found: BTreeMap<i64, String> = read
                    .refused
                    .iter()
                    .map(|(record, rules)| (*record, rules.iter().cloned().collect::<Vec<_>>().join(" and ")))
                    .collect();
                assert_eq!(found, expected, "{} {told}", written.name);
            }
        }
    }
}

#[test]
fn a_dataset_that_keeps_no_row_of_a_repeated_key_loses_the_first_one_too() {
    let dataset = billing_with(&[("keep = \"first\"", "keep = \"none\"")]);
    let plan = compile(&dataset, &[]).unwrap();
    for written in write(&dataset, &plan, 3_000, 5) {
        let read = read(&dataset, &written.name, &written.bytes);
        check_truth(&written, &read, "keep none");
        // 9 exact and 3 conflicting repetitions, each with its first row.
        let repeated = written.truth.rules["doublons"] + written.truth.rules["doublons_conflictuels"];
        assert_eq!(repeated, 24, "{}", written.name);
    }
}
