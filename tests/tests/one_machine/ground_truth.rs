//! The one-machine binary against a generator that is not this project's, and that wrote down each defect it made: 100,000
//! base rows per facility, every dirty record refused for its own defect, and nothing else.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::path::Path;

use fonderie_core::stage::RunReport;
use fonderie_tabular::reject_rows;
use fonderie_tests::machine::{Ended, Machine};
use fonderie_tests::samples;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

/// What the generator calls a defect: our rule, and the field where it is one field's.
const DEFECTS: &[(&str, &str, Option<&str>)] = &[
    ("missing_patient_id", "valeurs_manquantes", Some("patient_id")),
    ("missing_date_facture", "valeurs_manquantes", Some("date_facture")),
    ("missing_montant_facture", "valeurs_manquantes", Some("montant_facture")),
    ("missing_montant_paye", "valeurs_manquantes", Some("montant_paye")),
    ("negative_montant_facture", "montants_negatifs", Some("montant_facture")),
    ("negative_montant_paye", "montants_negatifs", Some("montant_paye")),
    ("future_date", "dates_futures", Some("date_facture")),
    ("paid_gt_billed", "coherence_montants", Some("montant_paye")),
    ("payment_before_billing", "coherence_dates", Some("date_facture")),
    ("malformed_date_facture", "date_illisible", Some("date_facture")),
    ("malformed_date_paiement", "date_illisible", Some("date_paiement")),
    ("malformed_montant_facture", "montant_illisible", Some("montant_facture")),
    ("malformed_montant_paye", "montant_illisible", Some("montant_paye")),
    ("ragged_short", "enregistrement_court", None),
    ("ragged_long", "enregistrement_long", None),
    ("duplicate_exact", "doublons", None),
    ("duplicate_conflict", "doublons_conflictuels", None),
];

/// Defects that leave an invoice loadable.
const TOLERATED: [&str; 3] = ["missing_nom", "missing_ville", "missing_age"];

/// The reports of all runs, in the order of their files' names.
fn reports(bucket: &Path) -> Vec<RunReport> {
    let mut reports = Vec::new();
    for source in fs::read_dir(bucket.join("facturation")).unwrap() {
        for run in fs::read_dir(source.unwrap().path()).unwrap() {
            reports.push(
                serde_json::from_slice::<RunReport>(&fs::read(run.unwrap().path().join("report.json")).unwrap())
                    .unwrap(),
            );
        }
    }
    reports.sort_by(|left, right| left.said.run.object.key.cmp(&right.said.run.object.key));
    reports
}

fn reports_of(s3: &Path, names: &[&str]) -> Vec<RunReport> {
    let mut all = reports(&s3.join("reports"));
    all.retain(|report| names.contains(&report.said.run.object.file_name()));
    all
}

/// A generator's word on one file: the defect of each record that must be refused.
type Dirty = BTreeMap<i64, String>;

fn dirty(folder: &Path) -> BTreeMap<String, Dirty> {
    let mut dirty: BTreeMap<String, Dirty> = BTreeMap::new();
    for line in fs::read_to_string(folder.join("dirty.csv")).unwrap().lines().skip(1) {
        let [file, record, _, defect] = line.split(',').collect::<Vec<_>>()[..] else { unreachable!("{line}") };
        if !TOLERATED.contains(&defect) {
            dirty.entry(file.to_owned()).or_default().insert(record.parse().unwrap(), defect.to_owned());
        }
    }
    dirty
}

/// Every dirty record is refused, for its own defect, and no other is.
fn check(s3: &Path, report: &RunReport, dirty: &Dirty) {
    let file = report.said.run.object.file_name();
    let mut refused: BTreeMap<i64, BTreeSet<(String, Option<String>)>> = BTreeMap::new();
    for object in [&report.said.transform.rejects, &report.said.validate.rejects] {
        let rejects = File::open(s3.join(&object.bucket).join(&object.key)).unwrap();
        for batch in ParquetRecordBatchReaderBuilder::try_new(rejects).unwrap().build().unwrap() {
            for reject in reject_rows(&batch.unwrap()).unwrap() {
                refused.entry(reject.record).or_default().insert((reject.rule, reject.field));
            }
        }
    }
    assert!(dirty.keys().eq(refused.keys()), "{file}: other records are refused than are dirty");
    for (record, defect) in dirty {
        let (_, rule, field) = DEFECTS.iter().find(|(name, ..)| name == defect).unwrap();
        let told = refused[record].iter().any(|(r, f)| r == rule && (field.is_none() || f.as_deref() == *field));
        assert!(told, "{file}, record {record}: {defect}, refused as {:?}", refused[record]);
    }
}

#[tokio::test]
async fn every_dirty_record_is_refused_for_its_own_defect_and_no_other_is() {
    let Some(generator) = samples::generator().unwrap() else {
        eprintln!("skipped: ../shared/bench is not beside this checkout");
        return;
    };
    let machine = Machine::new("ground_truth").await;
    let files = machine.path("files");
    samples::generate(&generator, 100_000, &files).unwrap();
    let s3 = machine.path("state/s3");
    let run = |names: &[&str]| {
        let files: Vec<_> = names.iter().map(|name| files.join(name)).collect();
        Ended::of(&mut machine.run_command(&files)).expect(0, &[]);
    };
    let dirty = dirty(&files);

    run(&samples::DELIMITED);
    let reports = reports(&s3.join("reports"));
    assert_eq!(reports.len(), 5);
    for report in &reports {
        let file = report.said.run.object.file_name();
        assert_eq!((report.said.transform.read.rows, report.said.validate.accepted.rows), (100_400, 98_200), "{file}");
        check(&s3, report, &dirty[file]);
    }
    // The sums that pandas finds in its accepted rows, less the 250 whose payment date it empties in silence.
    let facts =
        "SELECT count(*)::text || ' ' || sum(montant_facture) || ' ' || sum(montant_impaye) FROM dw.fact_facturation";
    assert_eq!(machine.text(facts).await, "491000 379293596.32 156869000.00");

    run(&samples::VARIANTS);
    let variants = reports_of(&s3, &samples::VARIANTS);
    for (report, csv) in variants.iter().zip(["etablissement_D.csv", "etablissement_E.csv", "etablissement_E.csv"]) {
        let file = report.said.run.object.file_name();
        let mut dirty = dirty[csv].clone();
        let mut whole = 0;
        if file.ends_with(".xlsx") {
            // A sheet has no ragged rows: those are whole in it, and new to the warehouse.
            assert_eq!(report.said.transform.read.rows, 100_000);
            dirty.retain(|record, _| *record < 100_000);
            whole = dirty.values().filter(|defect| defect.starts_with("ragged")).count();
            dirty.retain(|_, defect| !defect.starts_with("ragged"));
        }
        check(&s3, report, &dirty);
        let outcomes = report.said.load.as_ref().unwrap().outcomes;
        assert_eq!((outcomes.inserted, outcomes.updated), (whole as u64, 0), "{file}");
    }
}
