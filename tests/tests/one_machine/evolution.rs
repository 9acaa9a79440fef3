//! A declaration that grows: what is added reaches the tables with their rows, the declaration before goes on working, and what contradicts the
//! tables is refused with the statements that a person must review.

use std::fs;

use fonderie_tests::invoices::{self, Invoice};
use fonderie_tests::machine::{Ended, Machine};
use fonderie_tests::warehouse::connect;

const RECORD: &str = "records/facturation.toml";
const STATUT: &str = "    { name = \"statut\", type = \"text\", max_length = 50 },\n";

/// Runs invoices as the file of a day in June.
fn run(machine: &Machine, day: u32, invoices: &[Invoice]) -> Ended {
    machine.run(machine.file(&format!("etablissement_B_2026-06-{day:02}.csv"), invoices))
}

fn runs(machine: &Machine, day: u32, invoices: &[Invoice]) {
    run(machine, day, invoices).expect(0, &[]);
}

const REMARKS: &str = "SELECT string_agg(facture_id || ' ' || coalesce(remarque, '∅'), ', ' ORDER BY facture_id) FROM dw.fact_facturation";

#[tokio::test]
async fn a_new_field_and_the_declaration_without_it_work_on_the_same_tables() {
    let machine = Machine::new("evolution_field").await.with_own_datasets();
    runs(&machine, 1, &[invoices::unpaid(1), invoices::unpaid(2)]);
    let former = [
        machine.edit(
            RECORD,
            STATUT,
            &format!("{STATUT}    {{ name = \"remarque\", type = \"text\", max_length = 20 }},\n"),
        ),
        machine.edit(RECORD, "\"montant_paye\", \"statut\"]", "\"montant_paye\", \"statut\", \"remarque\"]"),
        machine.edit("sources/etablissement_b.toml", "[constants]\n", "[constants]\nremarque = \"vu\"\n"),
    ];
    runs(&machine, 2, &[invoices::unpaid(2), invoices::unpaid(3)]);
    let ids = machine.text("SELECT string_agg(facture_id, ' ' ORDER BY facture_id) FROM dw.fact_facturation").await;
    let [one, two, three] = ids.split(' ').collect::<Vec<_>>().try_into().unwrap();
    assert_eq!(machine.text(REMARKS).await, format!("{one} ∅, {two} vu, {three} vu"));
    // a new field opens a state of the rows that have it
    assert_eq!(machine.text("SELECT string_agg(facture_id, ' ') FROM dw.hist_facturation").await, two);
    assert_eq!(machine.text("SELECT count(*)::text FROM staging.facturation WHERE remarque = 'vu'").await, "2");
    // the release before: what its runs show has no value of the field, and the history keeps the state that had one
    for (path, text) in former.iter().rev() {
        fs::write(path, text).unwrap();
    }
    runs(&machine, 3, &[invoices::unpaid(3), invoices::unpaid(4)]);
    let remarks = machine.text(REMARKS).await;
    assert!(remarks.starts_with(&format!("{one} ∅, {two} vu, {three} ∅, ")) && remarks.ends_with(" ∅"), "{remarks}");
    let former_remarks = "SELECT string_agg(facture_id || ' ' || coalesce(remarque, '∅'), ', ' ORDER BY facture_id) FROM dw.hist_facturation";
    assert_eq!(machine.text(former_remarks).await, format!("{two} ∅, {three} vu"));
    assert_eq!(machine.text("SELECT count(*)::text FROM audit.declaration").await, "2");
    // as after a rebuild that began with the newest release: the database was never brought to the one before
    let client = connect(&machine.url).await.unwrap();
    client
        .batch_execute(
            "DELETE FROM audit.declaration WHERE declared_at = (SELECT min(declared_at) FROM audit.declaration)",
        )
        .await
        .unwrap();
    runs(&machine, 4, &[invoices::unpaid(5)]);
    let more = machine.text(REMARKS).await;
    assert!(more.starts_with(&remarks) && more.len() > remarks.len(), "{more}");
}

#[tokio::test]
async fn a_wider_text_keeps_views_marts_and_rights() {
    let machine = Machine::new("evolution_wider").await.with_own_datasets();
    runs(&machine, 1, &[invoices::unpaid(1)]);
    let client = connect(&machine.url).await.unwrap();
    let reader = format!("lecteur_{}", std::process::id());
    client
        .batch_execute(&format!(
            "CREATE ROLE {reader}; GRANT USAGE ON SCHEMA dw, datamart TO {reader}; GRANT SELECT ON dw.dim_patient, datamart.relance TO {reader}; \
             CREATE VIEW dw.noms AS SELECT nom FROM dw.dim_patient; GRANT SELECT ON dw.noms TO {reader}"
        ))
        .await
        .unwrap();
    machine.edit(
        RECORD,
        "name = \"nom\", type = \"text\", max_length = 100",
        "name = \"nom\", type = \"text\", max_length = 150",
    );
    runs(&machine, 2, &[invoices::unpaid(2)]);
    let types = "SELECT string_agg(attrelid::regclass || ' ' || format_type(atttypid, atttypmod), ', ' ORDER BY attrelid::regclass::text) FROM pg_attribute \
                 WHERE attname = 'nom' AND attrelid IN ('dw.dim_patient'::regclass, 'dw.dim_patient_rows'::regclass, 'dw.noms'::regclass, \
                 'datamart.relance'::regclass, 'staging.facturation'::regclass)";
    let wide = "character varying(150)";
    assert_eq!(
        machine.text(types).await,
        format!(
            "datamart.relance {wide}, dw.dim_patient {wide}, dw.dim_patient_rows {wide}, dw.noms {wide}, staging.facturation {wide}"
        )
    );
    let rights = format!(
        "SELECT string_agg(has_table_privilege('{reader}', name, 'SELECT')::text, ' ') FROM unnest(ARRAY['dw.dim_patient', 'datamart.relance', 'dw.noms']) name"
    );
    assert_eq!(machine.text(&rights).await, "true true true");
    assert_eq!(
        machine.text("SELECT count(*)::text FROM datamart.relance").await,
        machine.text("SELECT count(*)::text FROM dw.noms").await
    );
    client.batch_execute(&format!("DROP OWNED BY {reader}; DROP ROLE {reader}")).await.unwrap();
}

#[tokio::test]
async fn what_contradicts_the_tables_is_refused_with_its_statement() {
    let machine = Machine::new("evolution_refused").await.with_own_datasets();
    runs(&machine, 1, &[invoices::unpaid(1)]);
    for (from, to, words) in [
        (
            "sql = \"date_paiement - date_facture\"",
            "sql = \"date_paiement - date_facture + 1\"",
            [
                "dw.fact_facturation_rows.delai_paiement_jours is computed as",
                "ALTER TABLE \"dw\".\"fact_facturation_rows\" DROP",
            ],
        ),
        (
            "key = [\"code_service\"]",
            "key = [\"code_service\", \"etablissement_id\"]",
            ["dw.dim_service_rows lacks etablissement_id, which is part of its key", "ADD COLUMN \"etablissement_id\""],
        ),
        (
            "\"date_paiement IS NULL OR date_paiement >= date_facture\",",
            "\"date_paiement IS NULL OR date_paiement >= date_facture\", \"montant_facture < 1000000\",",
            ["lacks the condition CHECK", "ADD CHECK"],
        ),
    ] {
        let (path, text) = machine.edit(RECORD, from, to);
        run(&machine, 2, &[invoices::unpaid(2)])
            .expect(3, &words)
            .expect(3, &["SchemaMismatch", "fonderie rebuild --dataset facturation"]);
        fs::write(path, text).unwrap();
    }
    runs(&machine, 3, &[invoices::unpaid(2)]);
    assert_eq!(machine.text("SELECT count(*)::text FROM dw.fact_facturation").await, "2");
}
