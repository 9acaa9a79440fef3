//! The same plan, settings and version give the same bytes, and what is drawn is plausible.

use std::collections::BTreeSet;

use crate::billing::billing;
use crate::sampling::{compile, write};
use sha2::{Digest, Sha256};

fn hashes(rows: u64, seed: u64) -> Vec<(String, String)> {
    let dataset = billing();
    let plan = compile(&dataset, &[]).unwrap();
    let hash = |bytes: &[u8]| Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    write(&dataset, &plan, rows, seed).iter().map(|file| (file.name.clone(), hash(&file.bytes))).collect()
}

#[test]
fn the_demonstration_files_are_these_very_bytes() {
    // Whoever changes the plan or the engine changes these, and what people have seen.
    let expected = [
        ("etablissement_A.csv", "4d83226bb738b922e15791641e9d00b452aa68a334c4a1c6810e675e14088e1a"),
        ("etablissement_B.csv", "fc44e10b9ea5103a069eaff79178c61d739f613001b6b073e490bba9b8243b26"),
        ("etablissement_C.tsv", "af0aae7695754e1a51125bdc12b8c86b3cce4ca570a58c7c2c7d10615e642143"),
        ("etablissement_D.csv", "3cd10abbd17b3a9f92080f369dd70f456e83cc3bbaf4ee7911228fa96f0dc804"),
        ("etablissement_E.xlsx", "49656df8f32d9e6fa31e19fde5e0e765d7f3bf54d7e7e9066229e94ea2048833"),
    ];
    let found = hashes(2_000, 42);
    let found: Vec<(&str, &str)> = found.iter().map(|(name, hash)| (name.as_str(), hash.as_str())).collect();
    assert_eq!(found, expected);
}

#[test]
fn another_seed_gives_other_files() {
    let (one, other) = (hashes(50, 1), hashes(50, 2));
    assert!(one.iter().zip(&other).all(|(one, other)| one.1 != other.1));
    assert_eq!(one, hashes(50, 1));
}

#[test]
fn what_is_drawn_is_plausible() {
    let dataset = billing();
    let plan = compile(&dataset, &[]).unwrap();
    let field = |name: &str| dataset.records[0].field(name).unwrap();
    let files = write(&dataset, &plan, 10_000, 42);
    let mut patients: Vec<BTreeSet<&str>> = Vec::new();
    for file in &files {
        let records: Vec<&Vec<String>> = file.accepted.iter().map(|(_, record)| record).collect();
        let share = |wanted: &dyn Fn(&&&Vec<String>) -> bool| {
            100.0 * records.iter().filter(wanted).count() as f64 / records.len() as f64
        };
        let status = |word: &str| share(&|record| record[field("statut")] == word);
        assert!((63.0..70.0).contains(&status("PAYEE")), "{}: {}", file.name, status("PAYEE"));
        assert!((9.0..12.5).contains(&status("PARTIELLE")), "{}: {}", file.name, status("PARTIELLE"));
        let dates: Vec<&String> = records.iter().map(|record| &record[field("date_facture")]).collect();
        let (first, last) = (dates.iter().min().unwrap().as_str(), dates.iter().max().unwrap().as_str());
        assert!(("2023-07-01".."2023-07-10").contains(&first) && ("2026-06-25".."2026-07-01").contains(&last));
        let rows = file.truth.rows as f64;
        assert!((0.018..0.022).contains(&(file.truth.rejected as f64 / rows)), "{} rejected", file.truth.rejected);
        assert_eq!(file.anomalies.len(), 300);
        // A service has one name and one category, a patient one name.
        let of = |key: &str, told: &str| -> BTreeSet<(&str, &str)> {
            let told = |record: &&Vec<String>| !record[field(told)].is_empty();
            let pairs = records.iter().filter(|record| told(record));
            pairs.map(|record| (record[field(key)].as_str(), record[field("nom_service")].as_str())).collect()
        };
        assert_eq!(of("code_service", "nom_service").len(), 12);
        patients.push(records.iter().map(|record| record[field("patient_id")].as_str()).collect());
    }
    let known_to_both = patients[0].intersection(&patients[1]).count();
    assert!((50..500).contains(&known_to_both), "{known_to_both} patients of A are known to B");
    assert!((2_000..3_000).contains(&patients[0].len()), "{} patients", patients[0].len());
}
