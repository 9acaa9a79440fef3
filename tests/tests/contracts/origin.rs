//! The original project's five files (`../shared/fixtures/origin`) with the sources that billing has for them.

use std::collections::BTreeSet;

use chrono::NaiveDate;
use fonderie_contract::Dataset;
use fonderie_core::money::format_cents;
use fonderie_core::stage::Verdict;

use crate::billing::billing;
use crate::case::shared;
use crate::reading::{Outcome, read};

const FILES: [&str; 5] = [
    "etablissement1_facturation.csv",
    "etablissement2_billing.csv",
    "etablissement3_data.csv",
    "etablissement4_invoices.xlsx",
    "etablissement5_records.csv",
];

fn origin(file: &str) -> Vec<u8> {
    std::fs::read(shared("fixtures/origin").join(file)).unwrap()
}

/// Reads a file by the source that recognises its name.
fn load(dataset: &Dataset, file: &str, bytes: &[u8]) -> Outcome {
    let source = dataset.source_of_key(&format!("facturation/{file}"), None).unwrap();
    let as_of = NaiveDate::from_ymd_opt(2026, 6, 30).unwrap();
    read(dataset, source, file, bytes, as_of).unwrap()
}

#[test]
fn each_file_is_recognised_by_its_own_source() {
    let dataset = billing();
    for (file, number) in FILES.iter().zip(1..) {
        let source = dataset.source_of_key(file, None).unwrap();
        assert_eq!(source.id, format!("origine_etablissement{number}"));
    }
    for (file, source) in [("etablissement_A.csv", "etablissement_a"), ("ETABLISSEMENT_E_1.XLSX", "etablissement_e")] {
        assert_eq!(dataset.source_of_key(file, None).unwrap().id, source);
    }
}

#[test]
#[cfg_attr(not(beside_shared), ignore = "needs ../shared")]
fn sixty_of_sixty_two_are_loaded_with_the_right_sums() {
    let dataset = billing();
    let truth: serde_json::Value = serde_json::from_slice(&origin("truth.json")).unwrap();
    for file in FILES {
        let truth = &truth[file];
        let outcome = load(&dataset, file, &origin(file));
        let sum = |tally: &fonderie_core::Tally, field: &str| format_cents(tally.amounts[field].sum);
        let sums = |tally| [sum(tally, "montant_facture"), sum(tally, "montant_paye")];
        assert_eq!((outcome.read.rows, outcome.accepted_tally.rows), (62, 60), "{file}: {:#?}", outcome.rejects);
        assert_eq!(sums(&outcome.read), [&truth["montant"], &truth["paye"]].map(|v| v.as_str().unwrap()), "{file}");
        let loaded = [&truth["loaded_montant"], &truth["loaded_paye"]].map(|v| v.as_str().unwrap());
        assert_eq!(sums(&outcome.accepted_tally), loaded, "{file}");
        // The fifth invoice once more, to the letter; the eighth once more, with a payment.
        assert_eq!(outcome.rejects.keys().copied().collect::<Vec<_>>(), [62, 63], "{file}");
        assert_eq!((outcome.rules(62), outcome.rules(63)), (vec!["doublons"], vec!["doublons_conflictuels"]), "{file}");
        assert_eq!(outcome.verdict, Verdict::AcceptedWithRejects, "{file}: {:?}", outcome.halted_because);
    }
}

#[test]
#[cfg_attr(not(beside_shared), ignore = "needs ../shared")]
fn rows_are_read_as_they_are_written() {
    let dataset = billing();
    let fields = [
        "patient_id",
        "nom",
        "prenom",
        "age",
        "etablissement_id",
        "nom_etablissement",
        "type_etablissement",
        "ville",
        "code_service",
        "nom_service",
        "categorie",
        "date_facture",
        "date_paiement",
        "montant_facture",
        "montant_paye",
        "statut",
        "patient_domain",
    ];
    for (file, first, sixth) in [
        (
            FILES[0],
            "PATETAB00100001|Nom11|Prenom1||ETAB001|Clinique ETAB001|||PEDIATRIE|PEDIATRIE||2026-02-20||8883.52|0.00|IMPAYEE|origine",
            "PATETAB00100002|Nom12|Prenom2||ETAB001|Clinique ETAB001|||URGENCES|URGENCES||2026-03-01|2026-04-28|1664.42|1664.42|PAYEE|origine",
        ),
        (
            FILES[3],
            // 46097.6 is an afternoon of 2026-03-16; 46137.6 and 46173.6 of 2026-04-25 and 2026-05-31.
            "PATETAB00400001|Nom41|Prenom1||ETAB004|Clinique ETAB004|||PEDIATRIE|PEDIATRIE||2026-03-16||4696.44|0.00|IMPAYEE|origine",
            "PATETAB00400002|Nom42|Prenom2||ETAB004|Clinique ETAB004|||CHIRURGIE|CHIRURGIE||2026-04-25|2026-05-31|14696.23|14696.23|PAYEE|origine",
        ),
        (
            FILES[4],
            "PATETAB00500001|Nom51|Prenom1||ETAB005|Clinique ETAB005|||CHIRURGIE|CHIRURGIE||2026-03-27|2026-05-20|4590.10|1652.44|PARTIELLE|origine",
            "PATETAB00500002|Nom52|Prenom2||ETAB005|Clinique ETAB005|||CHIRURGIE|CHIRURGIE||2026-03-25|2026-04-14|3319.09|3319.09|PAYEE|origine",
        ),
    ] {
        let rows = load(&dataset, file, &origin(file)).rows(&fields);
        assert_eq!((rows[0].as_str(), rows[4].as_str()), (first, sixth), "{file}");
    }
}

#[test]
#[cfg_attr(not(beside_shared), ignore = "needs ../shared")]
fn a_derived_id_is_sixteen_base32_characters_and_another_for_each_invoice() {
    let dataset = billing();
    let mut ids = BTreeSet::new();
    for file in FILES {
        ids.extend(load(&dataset, file, &origin(file)).rows(&["facture_id"]));
    }
    assert_eq!(ids.len(), 300);
    for id in ids {
        assert!(id.len() == 16 && id.chars().all(|c| c.is_ascii_alphanumeric()), "{id}");
    }
}

#[test]
#[cfg_attr(not(beside_shared), ignore = "needs ../shared")]
fn a_later_file_that_shows_a_payment_updates_its_invoice_and_a_corrected_amount_makes_a_second_one() {
    let dataset = billing();
    let file = FILES[1];
    let text = String::from_utf8(origin(file)).unwrap();
    let header = text.lines().next().unwrap();
    // The ninth line, unpaid; the last one shows it paid.
    let unpaid = "PATETAB00200003;Nom23;Prenom3;ETAB002;Clinique ETAB002;PEDIATRIE;2026-01-12;1432.07;IMPAYE;0.0;;3";
    let paid =
        "PATETAB00200003;Nom23;Prenom3;ETAB002;Clinique ETAB002;PEDIATRIE;2026-01-12;1432.07;PAYE;1432.07;2026-03-14;3";
    assert_eq!((text.lines().nth(8), text.lines().last()), (Some(unpaid), Some(paid)));
    let row = |line: &str| {
        let outcome = load(&dataset, file, format!("{header}\n{line}\n").as_bytes());
        let row = outcome.rows(&["facture_id", "montant_paye", "statut"]).remove(0);
        let (id, rest) = row.split_once('|').unwrap();
        (id.to_owned(), rest.to_owned())
    };
    let (before, after) = (row(unpaid), row(paid));
    assert_eq!(before.0, after.0);
    assert_eq!((before.1.as_str(), after.1.as_str()), ("0.00|IMPAYEE", "1432.07|PAYEE"));
    assert_ne!(row(&unpaid.replace("1432.07", "1432.08")).0, before.0);
}

#[test]
#[cfg_attr(not(beside_shared), ignore = "needs ../shared")]
fn another_facilitys_invoice_is_refused() {
    let dataset = billing();
    let text = String::from_utf8(origin(FILES[0])).unwrap();
    let mut lines: Vec<String> = text.lines().take(4).map(str::to_owned).collect();
    lines[2] = lines[2].replace("ETAB001,Clinique", "ETAB002,Clinique");
    let outcome = load(&dataset, FILES[0], (lines.join("\n") + "\n").as_bytes());
    assert_eq!((outcome.accepted_tally.rows, outcome.rules(3)), (2, vec!["hors_perimetre"]));
}
