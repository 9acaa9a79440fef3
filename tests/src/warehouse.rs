//! The billing warehouse as text, table by table, so that two of them can be compared.

use std::collections::{BTreeMap, BTreeSet};

use tokio_postgres::{Client, NoTls};

use crate::Result;

/// The places of a run at which it may be stopped while it works on the warehouse, in their order.
pub const STEPS: [&str; 9] = [
    "before the records were copied",
    "after the records were copied",
    "after the records were merged",
    "before the load was committed",
    "after the load was committed",
    "before the scores were committed",
    "after the scores were committed",
    "before the marts were committed",
    "after the marts were committed",
];

/// Each table's rows, sorted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    tables: BTreeMap<&'static str, Vec<String>>,
}

/// Each table by natural keys: no surrogate, no time of loading, and of a file only its name.
const NATURAL: &[(&str, &str)] = &[
    (
        "staging.facturation",
        "SELECT s.*, regexp_replace(s.source_file, '.*/', '') AS file FROM staging.facturation s",
    ),
    ("dw.dim_patient", "SELECT d.*, regexp_replace(v.key, '.*/', '') AS file FROM dw.dim_patient d JOIN audit.object_version v USING (object_version_key)"),
    ("dw.dim_etablissement", "SELECT d.*, regexp_replace(v.key, '.*/', '') AS file FROM dw.dim_etablissement d JOIN audit.object_version v USING (object_version_key)"),
    ("dw.dim_service", "SELECT d.*, regexp_replace(v.key, '.*/', '') AS file FROM dw.dim_service d JOIN audit.object_version v USING (object_version_key)"),
    ("dw.dim_date", "SELECT * FROM dw.dim_date"),
    (
        "dw.fact_facturation",
        "SELECT f.*, e.etablissement_id, p.patient_domain, p.patient_id, c.code_service, d.date_complete,
                regexp_replace(v.key, '.*/', '') AS file
         FROM dw.fact_facturation f
         JOIN dw.dim_etablissement e USING (etablissement_key) JOIN dw.dim_patient p USING (patient_key)
         JOIN dw.dim_service c USING (service_key) JOIN dw.dim_date d USING (date_key)
         JOIN audit.object_version v ON v.object_version_key = f.object_version_key",
    ),
    (
        "dw.hist_facturation",
        "SELECT h.*, e.etablissement_id, p.patient_domain, p.patient_id, c.code_service,
                regexp_replace(v.key, '.*/', '') AS file, regexp_replace(w.key, '.*/', '') AS closed_by
         FROM dw.hist_facturation h
         JOIN dw.dim_etablissement e USING (etablissement_key) JOIN dw.dim_patient p USING (patient_key)
         JOIN dw.dim_service c USING (service_key)
         JOIN audit.object_version v ON v.object_version_key = h.object_version_key
         JOIN audit.object_version w ON w.object_version_key = h.closing_version_key",
    ),
    (
        "audit.object_version",
        "SELECT dataset, source, regexp_replace(key, '.*/', '') AS file, size, content_sha256, loaded_run_id IS NOT NULL AS loaded
         FROM audit.object_version",
    ),
    // The bundle's hash too: Terraform's object and the folder hold the same files.
    (
        "audit.run",
        "SELECT source, bundle_sha256, status, verdict, rows_read, rows_accepted, rows_rejected, rows_inserted, rows_updated,
                rows_unchanged, rows_superseded
         FROM audit.run",
    ),
    (
        "datamart.relance",
        "SELECT r.*, p.patient_domain FROM datamart.relance r JOIN dw.dim_patient p USING (patient_key)",
    ),
    (
        "audit.rule_result",
        "SELECT source, rule, severity, rows, budget FROM audit.rule_result JOIN audit.run USING (run_id)",
    ),
    (
        "audit.run_amount",
        "SELECT source, stage, column_name, sum, unreadable FROM audit.run_amount JOIN audit.run USING (run_id)",
    ),
];

/// What differs between two loads of the same files.
const SURROGATES: &[&str] = &[
    "facture_key",
    "patient_key",
    "etablissement_key",
    "service_key",
    "object_version_key",
    "closing_version_key",
    "source_file",
    "load_timestamp",
    "valide_du",
    "valide_au",
];

/// The tables that a run may change, the ledger's excepted.
const TABLES: &[&str] = &[
    "staging.facturation",
    "dw.dim_patient",
    "dw.dim_etablissement",
    "dw.dim_service",
    "dw.dim_date",
    "dw.fact_facturation",
    "dw.hist_facturation",
    "dw.fact_facturation_presence",
    "dw.anomalie_paiement_scores",
    "dw.anomalie_paiement_reasons",
    "dw.anomalie_paiement_scale",
    "audit.object_version",
];

impl Snapshot {
    /// What two warehouses of the same files have in common.
    ///
    /// # Errors
    /// A table is not there.
    pub async fn natural(client: &Client) -> Result<Self> {
        let without = SURROGATES.join(",");
        let mut tables = BTreeMap::new();
        for (table, query) in NATURAL {
            let query = format!("SELECT (to_jsonb(q) - '{{{without}}}'::text[])::text FROM ({query}) q");
            tables.insert(*table, rows(client, &query).await?);
        }
        Ok(Self { tables })
    }

    /// Everything, surrogates and times included: what a run that changes nothing leaves as it is. A table that no run has
    /// made yet is as good as an empty one.
    ///
    /// # Errors
    /// The server does not answer.
    pub async fn exact(client: &Client) -> Result<Self> {
        let mut tables = BTreeMap::new();
        for table in TABLES {
            let there: bool =
                client.query_one("SELECT to_regclass($1::text) IS NOT NULL", &[table]).await?.try_get(0)?;
            let query = format!("SELECT t::text FROM {table} t");
            tables.insert(*table, if there { rows(client, &query).await? } else { Vec::new() });
        }
        Ok(Self { tables })
    }

    /// The same without what tells of runs, which differ where one was tried again.
    #[must_use]
    pub fn without_ledger(self) -> Self {
        self.without("audit.r")
    }

    /// The same without the tables whose names begin so.
    #[must_use]
    pub fn without(mut self, beginning: &str) -> Self {
        self.tables.retain(|table, _| !table.starts_with(beginning));
        self
    }

    /// How many rows a table has.
    pub fn count(&self, table: &str) -> usize {
        self.tables.get(table).map_or(0, Vec::len)
    }

    /// In which tables, and by which rows, two snapshots differ; `None` where they do not.
    pub fn difference(&self, other: &Self) -> Option<String> {
        let mut found = Vec::new();
        for (table, left) in &self.tables {
            let right = other.tables.get(table).map(Vec::as_slice).unwrap_or_default();
            if left == right {
                continue;
            }
            let only = |these: &[String], those: &[String]| {
                let those: BTreeSet<_> = those.iter().collect();
                these.iter().filter(|row| !those.contains(row)).take(2).cloned().collect::<Vec<_>>().join("\n    ")
            };
            found.push(format!(
                "{table}: {} and {} rows\n  only in the first:\n    {}\n  only in the second:\n    {}",
                left.len(),
                right.len(),
                only(left, right),
                only(right, left)
            ));
        }
        (!found.is_empty()).then(|| found.join("\n"))
    }
}

/// A connection to a server of this machine; it lasts as long as the client does.
///
/// # Errors
/// The server does not answer.
pub async fn connect(url: &str) -> Result<Client> {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
    tokio::spawn(connection);
    Ok(client)
}

async fn rows(client: &Client, query: &str) -> Result<Vec<String>> {
    let mut rows: Vec<String> =
        client.query(query, &[]).await?.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>()?;
    rows.sort_unstable();
    Ok(rows)
}
