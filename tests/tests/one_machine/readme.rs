//! The README's example of a facility: its contract and its file, as they stand there.

use std::fs;

use fonderie_tests::machine::Machine;
use fonderie_tests::workspace;

/// The fenced block after a text of the README.
fn block<'a>(readme: &'a str, after: &str) -> &'a str {
    let (_, rest) = readme.split_once(after).unwrap();
    let (_, fenced) = rest.split_once("```").unwrap();
    let (_, body) = fenced.split_once('\n').unwrap();
    body.split_once("```").unwrap().0
}

#[tokio::test]
async fn a_facility_is_added_as_the_readme_says() {
    let readme = fs::read_to_string(workspace().join("README.md")).unwrap();
    let machine = Machine::new("readme").await.with_own_datasets();
    let contract = block(&readme, "`datasets/facturation/sources/cabinet_laennec.toml`:");
    machine.write("datasets/facturation/sources/cabinet_laennec.toml", contract);
    let (bytes, _, lossy) =
        encoding_rs::WINDOWS_1252.encode(block(&readme, "`cabinet_laennec_2026-06-30.txt`, of which"));
    assert!(!lossy);
    let told = machine.run(machine.write("cabinet_laennec_2026-06-30.txt", bytes));
    told.expect(0, &["3 (montant_facture 1383.50, montant_paye 48.00) rows read, 2 "]);
    let facts = "SELECT string_agg(facture_id || ' ' || date_facture || ' ' || montant_impaye || ' ' || statut, ', ' ORDER BY facture_id)
                 FROM dw.fact_facturation JOIN dw.dim_etablissement USING (etablissement_key) WHERE ville = 'Quimper'";
    assert_eq!(machine.text(facts).await, "2026-001 2026-05-04 0.00 PAYEE, 2026-002 2026-06-11 1260.50 IMPAYEE");
    let rejects = told.out.lines().find_map(|line| line.trim_start().strip_prefix("rejects ")).unwrap();
    let rejects = fs::read_to_string(rejects).unwrap();
    let line =
        "4;date_illisible;Émise le;31.06.2026;Ce jour n'existe pas dans le calendrier.;2026-003|D21|31.06.2026||";
    assert!(rejects.contains(line), "{rejects}");
}
