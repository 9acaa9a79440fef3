//! The billing rules on small files: what is refused, by which rule, and what the verdict is.

use std::collections::BTreeMap;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use chrono::NaiveDate;
use fonderie_contract::{Bundle, Dataset};
use fonderie_core::money::format_cents;
use fonderie_core::stage::Verdict;
use fonderie_core::tally::check_conserved;
use fonderie_quality::{KeyScan, Reading, RepeatedKeys, Validation, Validator, judge, unique_fields};
use fonderie_tabular::{Batch, Limits, Reader, Reject, reject_rows};

use crate::billing::{billing, changed};

/// The billing dataset, its record changed.
fn with_record(change: impl FnOnce(&str) -> String) -> Dataset {
    changed("records/facturation.toml", change).unwrap()
}

const HEADER: &str = "invoice_id,patient_id,last_name,first_name,age,facility_id,facility_name,facility_type,city,\
    service_code,service_name,service_category,invoice_date,payment_date,billed_amount,paid_amount,status\n";

/// `id patient date payment billed paid status`, `-` for nothing.
fn row(line: &str) -> String {
    let cells: Vec<&str> = line.split(' ').map(|cell| if cell == "-" { "" } else { cell }).collect();
    let [id, patient, date, payment, billed, paid, status] = cells[..] else { unreachable!("seven cells: {line}") };
    format!(
        "{id},{patient},Martin,Zoé,40,ETAB_B,Clinique,Privée,Béziers,CONS,Consultation,Ambulatoire,{date},{payment},{billed},{paid},{status}\n"
    )
}

fn validate(dataset: &Dataset, rows: &[&str]) -> (Validation, Vec<Reject>, Vec<i64>) {
    validate_as(dataset, "etablissement_b", rows)
}

/// Validates rows of facility B by the contract of some source.
fn validate_as(dataset: &Dataset, judged_by: &str, rows: &[&str]) -> (Validation, Vec<Reject>, Vec<i64>) {
    let source = dataset.source("etablissement_b").unwrap();
    let judged_by = dataset.source(judged_by).unwrap();
    let limits = Limits { batch_rows: 2, ..Limits::default() };
    let mut reader = Reader::new(&dataset.records[0], source, &source.formats[0], "etablissement_B.csv", limits);
    reader.feed(format!("{HEADER}{}", rows.iter().map(|line| row(line)).collect::<String>()).as_bytes()).unwrap();
    reader.end().unwrap();
    let mut batches = Vec::new();
    while let Some(batch) = reader.batch().unwrap() {
        let Batch::Records(batch) = batch else { panic!("{batch:?} in a file that can be read") };
        batches.push(batch);
    }
    let keys = unique_fields(&dataset.records[0]).into_iter().map(|fields| {
        let mut repeated = RepeatedKeys::default();
        for pass in 0..3 {
            let mut scan = KeyScan::new(&dataset.records[0], judged_by, fields, pass, 3);
            batches.iter().for_each(|batch| scan.add(batch));
            scan.finish(&mut repeated);
        }
        repeated
    });
    let as_of = NaiveDate::from_ymd_opt(2026, 6, 30).unwrap();
    let mut validator = Validator::new(&dataset.records[0], judged_by, as_of, keys.collect());
    let (mut rejects, mut accepted) = (Vec::new(), Vec::new());
    for batch in &batches {
        let kept = validator.check(batch).unwrap();
        let numbers = kept.column_by_name("source_record").unwrap().as_primitive::<Int64Type>();
        accepted.extend(numbers.values());
        rejects.extend(validator.rejects(1).unwrap().iter().flat_map(|batch| reject_rows(batch).unwrap()));
    }
    (validator.finish(), rejects, accepted)
}

fn told(rejects: &[Reject]) -> Vec<String> {
    let dash = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
    rejects.iter().map(|r| format!("{} {} {} {}", r.line, r.rule, dash(&r.column), dash(&r.value))).collect()
}

#[test]
fn each_rule_refuses_what_it_names_and_nothing_else() {
    let dataset = billing();
    let (validation, rejects, accepted) = validate(
        &dataset,
        &[
            "1 P1 2026-06-30 2026-06-30 10.00 10.00 PAID",
            "2 - 2026-01-01 - 10.00 - UNPAID",
            "3 P1 2026-07-01 - 10.00 0.00 UNPAID",
            "4 P1 2026-01-01 - -10.00 -10.01 UNPAID",
            "5 P1 2026-01-02 2026-01-01 10.00 10.00 PAID",
            "6 P1 2026-01-01 - 10.00 10.01 UNPAID",
            "7 P1 2026-01-01 2026-07-01 10.00 0.00 PAID",
            "8 P1 2026-01-01 - 10.00 0.00 MAYBE",
            "9 P1 2026-01-01 - 0.00 0.00 -",
        ],
    );
    assert_eq!(
        told(&rejects),
        [
            "3 valeurs_manquantes patient_id -",
            "3 valeurs_manquantes paid_amount -",
            "4 dates_futures invoice_date 2026-07-01",
            "5 montants_negatifs billed_amount -10.00",
            "5 montants_negatifs paid_amount -10.01",
            "6 coherence_dates invoice_date 2026-01-02",
            "7 coherence_montants paid_amount 10.01",
            "8 dates_futures payment_date 2026-07-01",
            "9 statuts_admis status MAYBE",
        ]
    );
    assert_eq!(accepted, [0, 8]);
    let counts: Vec<_> = validation.rules.iter().map(|rule| format!("{} {}", rule.id, rule.rows)).collect();
    assert_eq!(
        counts,
        [
            "valeurs_manquantes 1",
            "rattachement_manquant 0",
            "montants_negatifs 1",
            "dates_futures 2",
            "coherence_montants 1",
            "coherence_dates 1",
            "statuts_admis 1",
            "doublons 0",
            "doublons_conflictuels 0",
        ]
    );
    check_conserved("validate", &validation.read, &validation.accepted, &validation.rejected).unwrap();
    assert_eq!(format_cents(validation.rejected.amounts["montant_paye"].sum), "10.00");
}

#[test]
fn the_first_acceptable_row_of_an_invoice_is_kept() {
    let dataset = billing();
    let (validation, rejects, accepted) = validate(
        &dataset,
        &[
            "1 P1 2026-07-01 - 10.00 0.00 UNPAID",
            "1 P1 2026-01-01 - 10.00 0.00 UNPAID",
            "2 P1 2026-01-01 - 10.00 0.00 UNPAID",
            "1 P1 2026-01-01 - 10.00 0.00 UNPAID",
            "1 P1 2026-01-01 - 11.00 0.00 UNPAID",
            "3 P1 2026-01-01 - 10.00 0.00 UNPAID",
        ],
    );
    assert_eq!(
        told(&rejects),
        [
            "2 dates_futures invoice_date 2026-07-01",
            "5 doublons - etablissement_id = ETAB_B, facture_id = 1",
            "6 doublons_conflictuels - etablissement_id = ETAB_B, facture_id = 1",
        ]
    );
    assert!(rejects[1].message.ends_with("Première occurrence : ligne 3."), "{}", rejects[1].message);
    assert_eq!(accepted, [1, 2, 5]);
    assert_eq!(validation.rejected.rows, 3);
}

#[test]
fn a_dataset_may_refuse_all_rows_of_a_repeated_invoice() {
    let dataset = with_record(|text| text.replace("keep = \"first\"", "keep = \"none\""));
    let (_, rejects, accepted) = validate(
        &dataset,
        &[
            "1 P1 2026-01-01 - 10.00 0.00 UNPAID",
            "2 P1 2026-01-01 - 10.00 0.00 UNPAID",
            "1 P1 2026-01-01 - 11.00 0.00 UNPAID",
        ],
    );
    assert_eq!((rejects.len(), accepted), (2, vec![1]));
}

#[test]
fn a_warning_is_counted_and_the_row_goes_on() {
    let dataset =
        with_record(|text| text.replace("check = \"not_negative\"", "check = \"not_negative\"\nseverity = \"warn\""));
    let (validation, rejects, accepted) = validate(&dataset, &["1 P1 2026-01-01 - -10.00 -11.00 UNPAID"]);
    assert_eq!((told(&rejects), accepted), (vec![], vec![0]));
    assert_eq!(validation.rules[2].rows, 1);
    let none = BTreeMap::new();
    let reading = Reading { rows: 1, refused: 0, rejected: &none, warned: &none, halts: &[] };
    let judgement = judge(&dataset.records[0], reading, &validation, false);
    assert_eq!(judgement.verdict, Verdict::Accepted);
}

#[test]
fn the_verdict_follows_the_greater_of_percent_and_rows() {
    let dataset =
        with_record(|text| text.replace("budget = { percent = 10, rows = 20 }", "budget = { percent = 50, rows = 1 }"));
    let bad = "1 P1 2026-07-01 - 10.00 0.00 UNPAID";
    let good = "9 P9 2026-01-01 - 10.00 0.00 UNPAID";
    let (one, ..) = validate(&dataset, &[good, bad]);
    let judgement = |read: u64, unreadable: &[(&str, u64)], found: &Validation| {
        let unreadable: BTreeMap<_, _> = unreadable.iter().map(|(rule, rows)| ((*rule).to_owned(), *rows)).collect();
        let refused = unreadable.values().sum();
        let reading = Reading { rows: read, refused, rejected: &unreadable, warned: &BTreeMap::new(), halts: &[] };
        judge(&dataset.records[0], reading, found, false)
    };
    assert_eq!(judgement(2, &[], &one).verdict, Verdict::AcceptedWithRejects);
    let (two, ..) = validate(&dataset, &[bad, &bad.replace("1 P1", "2 P1"), good]);
    assert_eq!(judgement(4, &[], &two).verdict, Verdict::AcceptedWithRejects);
    let halted = judgement(3, &[], &two);
    assert_eq!(halted.verdict, Verdict::Halted);
    let because = "the file was halted: 2 of 3 rows break `dates_futures`, 1 are allowed";
    assert_eq!(halted.halted_because.as_deref(), Some(because));
    let (none, ..) = validate(&dataset, &[]);
    assert_eq!(judgement(0, &[], &none).verdict, Verdict::Accepted);
    let nothing_accepted = judgement(1, &[], &validate(&dataset, &[bad]).0);
    let because = "the file was halted: none of its 1 rows is accepted";
    assert_eq!(nothing_accepted.halted_because.as_deref(), Some(because));
    let (none, ..) = validate(&dataset, &[good]);
    assert_eq!(judgement(3, &[("date_illisible", 2)], &none).verdict, Verdict::Halted);
    assert_eq!(judgement(4, &[("date_illisible", 2)], &none).verdict, Verdict::AcceptedWithRejects);
}

#[test]
fn a_strict_run_leaves_no_rule_a_budget_and_values_left_out_are_warnings() {
    let dataset = billing();
    let (one, ..) =
        validate(&dataset, &["1 P1 2024-01-31 - -10.00 -11.00 UNPAID", "2 P1 2024-01-31 - 10.00 0.00 UNPAID"]);
    let (none, emptied) = (BTreeMap::new(), BTreeMap::from([("nombre_illisible_videe".to_owned(), 1)]));
    let reading = Reading { rows: 2, refused: 0, rejected: &none, warned: &emptied, halts: &[] };
    let lenient = judge(&dataset.records[0], reading, &one, false);
    assert_eq!(lenient.verdict, Verdict::AcceptedWithRejects);
    let warned = &lenient.rules[0];
    assert_eq!(
        (warned.rule.as_str(), warned.severity.as_str(), warned.rows, warned.budget),
        ("nombre_illisible_videe", "warn", 1, None)
    );
    let strict = judge(&dataset.records[0], reading, &one, true);
    assert_eq!(strict.verdict, Verdict::Halted);
    assert_eq!(
        strict.halted_because.as_deref(),
        Some("the file was halted: 1 of 2 rows break `montants_negatifs`, 0 are allowed")
    );
}

/// Rows of one facility each, `0` to `count`.
fn plain_rows(count: usize) -> Vec<String> {
    (0..count).map(|id| format!("{id} P{id} 2026-01-01 - 10.00 0.00 UNPAID")).collect()
}

fn judged(dataset: &Dataset, rows: &[String]) -> (Verdict, String) {
    let rows: Vec<&str> = rows.iter().map(String::as_str).collect();
    let (validation, ..) = validate(dataset, &rows);
    let none = BTreeMap::new();
    let read = rows.len() as u64;
    let reading = Reading { rows: read, refused: 0, rejected: &none, warned: &none, halts: &[] };
    let judgement = judge(&dataset.records[0], reading, &validation, false);
    (judgement.verdict, judgement.halted_because.unwrap_or_default())
}

#[test]
fn a_credit_note_is_paid_between_its_amount_and_zero_if_the_dataset_allows_it() {
    let rows = [
        "1 P1 2026-01-01 - -10.00 0.00 UNPAID",
        "2 P1 2026-01-01 2026-01-02 -10.00 -10.00 PAID",
        "3 P1 2026-01-01 2026-01-02 -10.00 -10.01 PAID",
        "4 P1 2026-01-01 2026-01-02 -10.00 0.01 PAID",
        "5 P1 2026-01-01 2026-01-02 10.00 -0.01 PAID",
        "6 P1 2026-01-01 2026-01-02 10.00 10.01 PAID",
        "7 P1 2026-01-01 - 0.00 0.00 UNPAID",
    ];
    let allowed = with_record(|text| text.replace("credit_notes = false", "credit_notes = true"));
    let (_, rejects, accepted) = validate(&allowed, &rows);
    assert_eq!(accepted, [0, 1, 6]);
    assert_eq!(
        told(&rejects),
        [
            "4 coherence_montants paid_amount -10.01",
            "5 montants_negatifs paid_amount 0.01",
            "6 montants_negatifs paid_amount -0.01",
            "7 coherence_montants paid_amount 10.01",
        ]
    );
    let (_, rejects, accepted) = validate(&billing(), &rows);
    assert_eq!(accepted, [6]);
    // One fault is one reject: an amount below zero is not compared as well.
    assert_eq!(told(&rejects).iter().filter(|line| line.contains("coherence_montants")).count(), 1);
}

#[test]
fn rows_of_another_senders_facility_are_refused() {
    let dataset = billing();
    let (validation, rejects, accepted) =
        validate_as(&dataset, "etablissement_a", &["1 P1 2026-01-01 - 1.00 0.00 UNPAID"]);
    assert_eq!(accepted, [] as [i64; 0]);
    assert_eq!((rejects[0].rule.as_str(), rejects[0].value.as_deref()), ("hors_perimetre", Some("ETAB_B")));
    let last = validation.rules.last().unwrap();
    assert_eq!((last.id.as_str(), last.rows), ("hors_perimetre", 1));
}

#[test]
fn a_dataset_may_forbid_repeats_of_several_things() {
    let dataset = with_record(|text| {
        let rule = "\n[[rules]]\nid = \"un_par_jour\"\ncheck = \"unique\"\nfields = [\"patient_id\", \"date_facture\"]\nmessage = \"…\"\n";
        text.to_owned() + rule
    });
    let (_, rejects, accepted) = validate(
        &dataset,
        &[
            "1 P1 2026-01-01 - 10.00 0.00 UNPAID",
            "2 P1 2026-01-01 - 12.00 0.00 UNPAID",
            "1 P2 2026-01-03 - 10.00 0.00 UNPAID",
            "3 P1 2026-01-02 - 12.00 0.00 UNPAID",
        ],
    );
    assert_eq!(
        told(&rejects),
        [
            "3 un_par_jour - patient_id = P1, date_facture = 2026-01-01",
            "4 doublons_conflictuels - etablissement_id = ETAB_B, facture_id = 1",
        ]
    );
    assert_eq!(accepted, [0, 3]);
}

#[test]
fn rows_of_one_derived_key_and_different_inputs_are_all_refused() {
    let mut files = fonderie_test_support::dataset_files("facturation");
    let b = files.iter().find(|(path, _)| path == "sources/etablissement_b.toml").unwrap().1.clone();
    let derived = b
        .replace("etablissement_B", "derive_B")
        .replace("facture_id = \"invoice_id\"\n", "")
        .replace("[expected]", "[derived]\nfacture_id = { hash = [\"patient_id\", \"date_facture\"] }\n\n[expected]");
    files.push(("sources/derive_b.toml".to_owned(), derived));
    let dataset = Bundle::from_files(files).compile().unwrap();
    let rows = [
        "1 P1 2026-01-01 - 10.00 0.00 UNPAID",
        "1 P2 2026-01-01 - 10.00 0.00 UNPAID",
        "2 P3 2026-01-01 - 10.00 0.00 UNPAID",
        "2 P3 2026-01-01 - 10.00 5.00 PARTIAL",
    ];
    let (validation, rejects, accepted) = validate_as(&dataset, "derive_b", &rows);
    let refused: Vec<_> = rejects.iter().map(|reject| (reject.line, reject.rule.as_str())).collect();
    assert_eq!(refused, [(2, "cle_derivee_en_conflit"), (3, "cle_derivee_en_conflit"), (5, "doublons_conflictuels")]);
    assert_eq!(accepted, [2]);
    check_conserved("validate", &validation.read, &validation.accepted, &validation.rejected).unwrap();
}

#[test]
fn all_refused_rows_together_have_a_budget() {
    let dataset = with_record(|text| {
        text.replace(
            "\nfields = [\n    { name = \"facture_id\"",
            "\ntotal_budget = { percent = 5, rows = 4 }\nfields = [\n    { name = \"facture_id\"",
        )
    });
    let mut rows = plain_rows(20);
    let bad = [
        "a P1 2027-01-01 - 1.00 0.00 UNPAID",
        "b P1 2026-01-01 - -1.00 0.00 UNPAID",
        "c P1 2026-01-01 - 1.00 2.00 UNPAID",
    ];
    rows.extend(bad.iter().map(|row| (*row).to_owned()));
    rows.push("d P1 2026-01-01 - 1.00 0.00 MAYBE".to_owned());
    assert_eq!(judged(&dataset, &rows), (Verdict::AcceptedWithRejects, String::new()));
    rows.push("e - 2026-01-01 - 1.00 0.00 UNPAID".to_owned());
    let (verdict, because) = judged(&dataset, &rows);
    assert_eq!(verdict, Verdict::Halted);
    assert_eq!(because, "the file was halted: 5 of 25 rows are refused in all, 4 are allowed");
}

#[test]
fn keys_that_conflict_in_more_than_a_tenth_halt_a_file_of_any_size() {
    let dataset = billing();
    let mut rows = plain_rows(10);
    rows.push("0 P0 2026-01-01 - 11.00 0.00 UNPAID".to_owned());
    assert_eq!(judged(&dataset, &rows).0, Verdict::AcceptedWithRejects);
    // Another line of the same key is no other key; a repeat to the letter is no conflict.
    rows.push("0 P0 2026-01-01 - 12.00 0.00 UNPAID".to_owned());
    rows.push("1 P1 2026-01-01 - 10.00 0.00 UNPAID".to_owned());
    assert_eq!(judged(&dataset, &rows).0, Verdict::AcceptedWithRejects);
    rows.push("1 P1 2026-01-01 - 12.00 0.00 UNPAID".to_owned());
    let (verdict, because) = judged(&dataset, &rows);
    assert_eq!(verdict, Verdict::Halted);
    assert!(because.contains("2 of its 10 keys stand on several lines"), "{because}");
}
