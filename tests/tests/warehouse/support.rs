//! Small versions of files, loaded without the stages before.

use std::path::Path;
use std::sync::{Arc, LazyLock};

use arrow_array::{ArrayRef, Date32Array, Decimal128Array, Int64Array, RecordBatch, StringArray};
use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use fonderie_contract::{
    Bundle, Dataset, DateRange, Field, Kind, Layout, Migration, OnUnreadable, Owns, Record, Schemas,
};
use fonderie_core::stage::{Loaded, RuleResult, Transformed, Validated, Verdict};
use fonderie_core::tally::Amount;
use fonderie_core::units::{UnitKind, Units};
use fonderie_core::{BundleRef, ObjectRef, ObjectVersion, Order, Result, Run, Tally};
use fonderie_test_support::TestDatabase;
use fonderie_warehouse::{ConnectOptions, DatabaseSettings, LoadPlan, Warehouse};
use futures::stream;

pub(crate) const DATASET: &str = "facturation";

/// A line of a file; amounts in cents, days from 2025-01-01.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Line {
    pub(crate) etablissement: &'static str,
    pub(crate) facture: String,
    pub(crate) patient: &'static str,
    pub(crate) nom: &'static str,
    pub(crate) age: Option<i64>,
    pub(crate) ville: &'static str,
    pub(crate) service: &'static str,
    pub(crate) facture_le: i32,
    pub(crate) paye_le: Option<i32>,
    pub(crate) montant: i128,
    pub(crate) paye: i128,
    pub(crate) statut: Option<&'static str>,
}

/// An unpaid invoice of 100.00.
pub(crate) fn line(facture: &str) -> Line {
    Line {
        etablissement: "ETAB_A",
        facture: facture.into(),
        patient: "P1",
        nom: "Martin",
        age: Some(40),
        ville: "Lyon",
        service: "CARDIO",
        facture_le: 10,
        paye_le: None,
        montant: 10_000,
        paye: 0,
        statut: Some("IMPAYEE"),
    }
}

impl Line {
    /// The same invoice, paid in part or whole.
    pub(crate) fn paid(mut self, cents: i128, day: i32) -> Self {
        self.paye = cents;
        self.paye_le = Some(day);
        self.statut = Some(if cents == self.montant { "PAYEE" } else { "PARTIELLE" });
        self
    }
}

/// A version of a file.
#[derive(Clone, Debug)]
pub(crate) struct Version {
    pub(crate) key: &'static str,
    pub(crate) id: String,
    pub(crate) order: Order,
    pub(crate) lines: Vec<Line>,
    pub(crate) load_only: bool,
    pub(crate) as_of: NaiveDate,
    pub(crate) force: bool,
}

impl Version {
    /// Extracted so many days after 2025-03-01.
    pub(crate) fn new(id: &str, day: i64, lines: Vec<Line>) -> Self {
        let instant = instant(day);
        Self {
            key: "facturation/a.csv",
            id: id.into(),
            order: Order { instant, modified: instant, position: 0 },
            lines,
            load_only: false,
            as_of: self::day(300),
            force: true,
        }
    }

    pub(crate) fn run(&self, run_id: &str, bundle: &str) -> Run {
        let bundle_object =
            ObjectVersion { bucket: "bundles".into(), key: "facturation.tar".into(), version_id: bundle.into() };
        Run {
            run_id: run_id.into(),
            started_at: instant(90),
            object: ObjectVersion { bucket: "bronze".into(), key: self.key.into(), version_id: self.id.clone() },
            size: 1_000,
            order: self.order,
            as_of: self.as_of,
            force: self.force,
            strict: false,
            load_only: self.load_only,
            bundle: BundleRef { dataset: DATASET.into(), object: bundle_object, sha256: format!("sha-{bundle}") },
            source: "etablissement_a".into(),
            record: DATASET.into(),
        }
    }

    pub(crate) fn tally(&self) -> Tally {
        let sum = |pick: fn(&Line) -> i128| Amount { sum: self.lines.iter().map(pick).sum(), unreadable: 0 };
        let amounts = [
            ("montant_facture".to_owned(), sum(|line| line.montant)),
            ("montant_paye".to_owned(), sum(|line| line.paye)),
        ];
        Tally { rows: self.lines.len() as u64, amounts: amounts.into() }
    }
}

pub(crate) fn instant(day: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_740_787_200, 0).unwrap() + TimeDelta::days(day)
}

pub(crate) fn day(number: i32) -> NaiveDate {
    NaiveDate::from_ymd_opt(2025, 1, 1).unwrap() + TimeDelta::days(i64::from(number))
}

/// Days from 1970-01-01, as Arrow counts.
fn date32(number: i32) -> i32 {
    number + 20_089
}

pub(crate) fn field(name: &str, kind: Kind, money: bool) -> Field {
    Field {
        name: name.into(),
        kind,
        money,
        personal: false,
        unreadable: OnUnreadable::Reject,
        range: DateRange::default(),
    }
}

/// The dataset, as it is in the repository.
pub(crate) static DECLARED: LazyLock<Dataset> =
    LazyLock::new(|| Bundle::from_files(fonderie_test_support::dataset_files(DATASET)).compile().unwrap());

pub(crate) fn record() -> &'static Record {
    &DECLARED.records[0]
}

pub(crate) fn layout() -> &'static Layout {
    &DECLARED.layout
}

/// What a dataset of this name has in the database, in its default schemas.
pub(crate) fn layout_of(name: &str, records: Vec<fonderie_tables::Record>, migrations: &[Migration]) -> Layout {
    let [staging, warehouse, marts] = ["_staging", "_dw", ""].map(|ending| format!("{name}{ending}"));
    let tables = fonderie_tables::Dataset {
        name: name.into(),
        staging: staging.clone(),
        warehouse: warehouse.clone(),
        time_zone: "UTC".into(),
        validity: ["valid_from", "valid_to"].map(str::to_owned),
        holders: Vec::new(),
        records,
    };
    Layout {
        schemas: Schemas { staging, warehouse, preparation: None, marts },
        tables,
        migrations: migrations.to_vec(),
    }
}

/// The record's batch; line `n` stands on line `n + 2` of the file.
pub(crate) fn batch(lines: &[Line]) -> RecordBatch {
    let text =
        |pick: &dyn Fn(&Line) -> Option<String>| Arc::new(lines.iter().map(pick).collect::<StringArray>()) as ArrayRef;
    let money = |pick: fn(&Line) -> i128| {
        let array: Decimal128Array = lines.iter().map(|line| Some(pick(line))).collect();
        Arc::new(array.with_precision_and_scale(10, 2).unwrap()) as ArrayRef
    };
    let date = |pick: fn(&Line) -> Option<i32>| {
        Arc::new(lines.iter().map(|line| pick(line).map(date32)).collect::<Date32Array>()) as ArrayRef
    };
    RecordBatch::try_from_iter_with_nullable([
        ("facture_id", text(&|l| Some(l.facture.clone())), true),
        ("patient_id", text(&|l| Some(l.patient.into())), true),
        ("nom", text(&|l| Some(l.nom.into())), true),
        ("prenom", text(&|_| None), true),
        ("age", Arc::new(lines.iter().map(|l| l.age).collect::<Int64Array>()) as ArrayRef, true),
        ("etablissement_id", text(&|l| Some(l.etablissement.into())), true),
        ("nom_etablissement", text(&|l| Some(format!("Clinique {}", l.etablissement))), true),
        ("type_etablissement", text(&|_| Some("Clinique".into())), true),
        ("ville", text(&|l| Some(l.ville.into())), true),
        ("code_service", text(&|l| Some(l.service.into())), true),
        ("nom_service", text(&|l| Some(format!("Service {}", l.service))), true),
        ("categorie", text(&|_| Some("Médecine".into())), true),
        ("date_facture", date(|l| Some(l.facture_le)), true),
        ("date_paiement", date(|l| l.paye_le), true),
        ("montant_facture", money(|l| l.montant), true),
        ("montant_paye", money(|l| l.paye), true),
        ("statut", text(&|l| l.statut.map(str::to_owned)), true),
        ("patient_domain", text(&|_| Some("groupe".into())), true),
        ("source_line", Arc::new((0..lines.len() as i64).map(|n| n + 2).collect::<Int64Array>()) as ArrayRef, false),
        ("source_record", Arc::new((0..lines.len() as i64).collect::<Int64Array>()) as ArrayRef, false),
    ])
    .unwrap()
}

/// A file of the dataset as the contract takes it.
pub(crate) fn dataset_file(path: &str) -> String {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../datasets/facturation");
    std::fs::read_to_string(directory.join(path)).unwrap().trim().trim_end_matches(';').to_owned()
}

/// A migrated database of the test's own.
pub(crate) async fn migrated(name: &str) -> TestDatabase {
    let version = fonderie_warehouse::ledger() + &fonderie_tables::create(&layout().tables);
    fonderie_test_support::database_like(name, &version, async |url| {
        let mut warehouse = connect(&url).await;
        warehouse.migrate(layout()).await.unwrap();
        warehouse.close().await;
    })
    .await
}

/// Gives rows a score and a reason, as the model would.
pub(crate) async fn score(warehouse: &Warehouse, scores: &[(&str, f64, Option<&str>)]) {
    warehouse.query("INSERT INTO dw.anomalie_paiement_scale (centre, unit) VALUES (0, 1)").await.unwrap();
    for (facture, score, reason) in scores {
        let of = format!("FROM dw.fact_facturation WHERE facture_id = '{facture}'");
        let raw = format!("INSERT INTO dw.anomalie_paiement_scores (row_key, raw) SELECT facture_key, {score} {of}");
        warehouse.query(&raw).await.unwrap();
        if let Some(reason) = reason {
            let reason = format!(
                "INSERT INTO dw.anomalie_paiement_reasons (row_key, reason) SELECT facture_key, '{reason}' {of}"
            );
            warehouse.query(&reason).await.unwrap();
        }
    }
}

pub(crate) async fn connect(url: &str) -> Warehouse {
    Warehouse::connect(&DatabaseSettings::from_url(url).unwrap(), &ConnectOptions::default()).await.unwrap()
}

/// What the stages before would have said of a version of which all rows are accepted.
pub(crate) fn before(version: &Version, accepted: Tally) -> (Transformed, Validated) {
    let nothing = Tally::new(record().money());
    stages(&version.id, &accepted.clone(), nothing.clone(), accepted, nothing)
}

/// What the stages before would have said of a version: the reader refused some rows, and the rules others of those that were `read`.
pub(crate) fn stages(
    id: &str,
    read: &Tally,
    unread: Tally,
    accepted: Tally,
    rejected: Tally,
) -> (Transformed, Validated) {
    let object = ObjectRef { bucket: "b".into(), key: "k".into() };
    let rule = RuleResult { rule: "montants_negatifs".into(), severity: "reject".into(), rows: 0, budget: Some(20) };
    let all = read.plus(&unread);
    let transform = Transformed {
        refused_keys: None,
        silver: object.clone(),
        rejects: object.clone(),
        content_sha256: format!("content of {id}"),
        kept: read.clone(),
        rejected: unread,
        rules: Default::default(),
        warned: Default::default(),
        skipped: Default::default(),
        units: Units {
            kind: UnitKind::Lines,
            total: all.rows + 1,
            records: all.rows,
            other: [("header".to_owned(), 1)].into(),
        },
        read: all,
        notices: vec!["a notice".into()],
        halts: Vec::new(),
        millis: 1,
    };
    let validate = Validated {
        verdict: Verdict::Accepted,
        accepted_records: object.clone(),
        rejects: object,
        rejects_csv: None,
        read: read.clone(),
        accepted,
        rejected,
        rules: vec![rule],
        halted_because: None,
        millis: 2,
    };
    (transform, validate)
}

/// Loads a version under a bundle, as a run of its own.
pub(crate) async fn load(warehouse: &mut Warehouse, version: &Version, run_id: &str, bundle: &str) -> Result<Loaded> {
    load_batches(warehouse, version, run_id, bundle, version.tally(), vec![Ok(batch(&version.lines))]).await
}

pub(crate) async fn load_batches(
    warehouse: &mut Warehouse,
    version: &Version,
    run_id: &str,
    bundle: &str,
    accepted: Tally,
    batches: Vec<Result<RecordBatch>>,
) -> Result<Loaded> {
    let (transform, validate) = before(version, accepted);
    let run = version.run(run_id, bundle);
    let plan = LoadPlan {
        run: &run,
        transform: &transform,
        validate: &validate,
        record: record(),
        owns: &Owns::Anything,
        layout: layout(),
    };
    warehouse.load(&plan, stream::iter(batches), None).await?.commit().await
}

/// Rows as text, `∅` for NULL, columns parted by `|`.
pub(crate) async fn rows(warehouse: &Warehouse, sql: &str) -> Vec<String> {
    let table = warehouse.query(sql).await.unwrap();
    table
        .rows
        .iter()
        .map(|row| row.iter().map(|value| value.as_deref().unwrap_or("∅")).collect::<Vec<_>>().join("|"))
        .collect()
}

pub(crate) const FACT: &str = "SELECT e.etablissement_id, f.facture_id, p.patient_domain, p.patient_id, s.code_service, d.date_complete, \
    f.date_facture, f.date_paiement, f.montant_facture, f.montant_paye, f.montant_impaye, f.delai_paiement_jours, f.statut, \
    f.anomaly_score, f.valide_du, v.version_id, f.source_line \
    FROM dw.fact_facturation f JOIN dw.dim_etablissement e USING (etablissement_key) JOIN dw.dim_patient p USING (patient_key) \
    JOIN dw.dim_service s USING (service_key) JOIN dw.dim_date d USING (date_key) \
    JOIN audit.object_version v ON v.object_version_key = f.object_version_key ORDER BY 1, 2";

pub(crate) const HISTORY: &str = "SELECT e.etablissement_id, h.facture_id, f.facture_id, p.patient_domain, p.patient_id, s.code_service, \
    h.date_facture, h.date_paiement, h.montant_facture, h.montant_paye, h.montant_impaye, h.delai_paiement_jours, h.statut, \
    h.valide_du, h.valide_au, v.version_id, h.source_line, c.version_id \
    FROM dw.hist_facturation h JOIN dw.fact_facturation f USING (facture_key) JOIN dw.dim_etablissement e ON e.etablissement_key = h.etablissement_key \
    JOIN dw.dim_patient p ON p.patient_key = h.patient_key JOIN dw.dim_service s ON s.service_key = h.service_key \
    JOIN audit.object_version v ON v.object_version_key = h.object_version_key \
    JOIN audit.object_version c ON c.object_version_key = h.closing_version_key ORDER BY 1, 2, h.valide_du, c.order_instant, \
    c.order_modified, c.order_position, c.key, c.version_id";

pub(crate) const DIMENSIONS: &str = "SELECT 'patient', p.patient_domain || '/' || p.patient_id, p.nom, p.age::text, p.attributs_au, v.version_id, p.source_line \
    FROM dw.dim_patient p JOIN audit.object_version v USING (object_version_key) \
    UNION ALL SELECT 'etablissement', e.etablissement_id, e.nom_etablissement, e.ville, e.attributs_au, v.version_id, e.source_line \
    FROM dw.dim_etablissement e JOIN audit.object_version v USING (object_version_key) \
    UNION ALL SELECT 'service', s.code_service, s.nom_service, s.categorie, s.attributs_au, v.version_id, s.source_line \
    FROM dw.dim_service s JOIN audit.object_version v USING (object_version_key) \
    UNION ALL SELECT 'date', date_key::text, nom_mois, jour_semaine, date_complete, trimestre::text, jour FROM dw.dim_date ORDER BY 1, 2";

pub(crate) const STAGING: &str = "SELECT s.etablissement_id, s.facture_id, s.patient_id, s.montant_facture, s.montant_paye, s.statut, s.source_file, \
    v.version_id, s.source_line FROM staging.facturation s JOIN audit.object_version v USING (object_version_key) ORDER BY v.version_id, s.source_line";

pub(crate) const OBSERVED: &str = "SELECT v.version_id, f.facture_id, u.source_line \
    FROM dw.fact_facturation_presence o JOIN audit.object_version v USING (object_version_key), unnest(o.row_keys, o.source_lines) AS u (facture_key, source_line) \
    JOIN dw.fact_facturation f ON f.facture_key = u.facture_key ORDER BY v.version_id, u.source_line";

/// All of the dataset's tables by natural keys, without surrogates and times of loading.
pub(crate) async fn tables(warehouse: &Warehouse) -> Vec<Vec<String>> {
    let mut all = Vec::new();
    for sql in [FACT, HISTORY, DIMENSIONS, STAGING, OBSERVED] {
        all.push(rows(warehouse, sql).await);
    }
    all
}
