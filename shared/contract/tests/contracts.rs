//! The billing dataset compiles, recognises its files, and each kind of mistake is told with its file and key.
#![allow(clippy::unwrap_used, clippy::panic)]

use fonderie_contract::{Bundle, Check, Dataset, Format, Mistakes, ModelKind, Origin, Sheet, Workbook, dataset_of_key};
use fonderie_core::ErrorCode;

fn files() -> Vec<(String, String)> {
    let mut files = fonderie_test_support::dataset_files("facturation");
    files.push(("notes.md".to_owned(), "not part of a bundle".to_owned()));
    files
}

fn billing() -> Dataset {
    Bundle::from_files(files()).compile().unwrap()
}

/// The mistakes of the billing dataset after a text was replaced in one of its files.
fn mistakes(file: &str, from: &str, to: &str) -> Vec<String> {
    let mut files = files();
    let text = &mut files.iter_mut().find(|(path, _)| path == file).unwrap().1;
    assert!(text.contains(from), "{file} has no {from}");
    *text = text.replacen(from, to, 1);
    let Mistakes(found) = Bundle::from_files(files).compile().unwrap_err();
    found.iter().map(ToString::to_string).collect()
}

#[test]
fn the_billing_dataset_compiles() {
    let dataset = billing();
    assert_eq!(dataset.record.money().collect::<Vec<_>>(), ["montant_facture", "montant_paye"]);
    assert_eq!(dataset.record.fields.len(), 18);
    let a = dataset.source("etablissement_a").unwrap();
    let Format::Csv(csv) = &a.formats[0].format else { panic!("etablissement_a is CSV") };
    assert_eq!((csv.encoding.name(), csv.delimiter, csv.quote), ("windows-1252", b';', Some(b'"')));
    assert_eq!(a.columns[17], Origin::Constant("groupe".to_owned()));
    let Origin::Column { column, reading } = &a.columns[16] else { panic!("statut has a column") };
    assert_eq!((column.to_string().as_str(), reading.values.len()), ("Statut", 3));
    let required = dataset.record.rules.iter().find(|rule| rule.id == "valeurs_manquantes").unwrap();
    assert_eq!(required.check, Check::Required(vec![0, 1, 12, 14, 15]));
    assert_eq!((required.budget.of(150), required.budget.of(2_000)), (20, 200));
}

#[test]
fn a_bundle_is_the_same_however_it_was_carried() {
    let folder = Bundle::from_files(files());
    let json = serde_json::to_vec(&folder).unwrap();
    let carried = Bundle::from_json(&json).unwrap();
    assert_eq!((carried.sha256(), carried.files().count()), (folder.sha256(), 27));
    let mut other = files();
    other[0].1.push(' ');
    assert_ne!(Bundle::from_files(other).sha256(), folder.sha256());
}

#[test]
fn keys_lead_to_datasets_and_sources() {
    let datasets = ["facturation".to_owned(), "magasin".to_owned()];
    assert_eq!(dataset_of_key(&datasets, "magasin/2026/a.csv"), Some("magasin"));
    assert_eq!(dataset_of_key(&datasets, "autre/a.csv"), Some("facturation"));
    assert_eq!(dataset_of_key(&datasets, "magasin"), Some("facturation"));
    let dataset = billing();
    for (key, source) in [
        ("facturation/2026/etablissement_A_juin.csv", "etablissement_a"),
        ("ETABLISSEMENT_B.CSV", "etablissement_b"),
        ("depot/etablissement_C.tsv", "etablissement_c"),
    ] {
        assert_eq!(dataset.source_of_key(key).unwrap().id, source);
    }
    let unknown = dataset.source_of_key("facturation/clinique_Z.csv").unwrap_err();
    assert_eq!(unknown.code, ErrorCode::SourceUnknown);
    assert!(unknown.message.contains("`clinique_Z.csv`"), "{unknown}");
}

#[test]
fn two_sources_that_recognise_one_file_are_told() {
    let mut files = files();
    let b = files.iter_mut().find(|(path, _)| path == "sources/etablissement_b.toml").unwrap();
    b.1 = b.1.replace("etablissement_B*.csv", "etablissement_*.csv");
    let dataset = Bundle::from_files(files).compile().unwrap();
    let error = dataset.source_of_key("etablissement_A.csv").unwrap_err();
    assert_eq!(error.code, ErrorCode::SourceAmbiguous);
    assert!(error.message.contains("etablissement_a, etablissement_b"), "{error}");
}

#[test]
fn an_extraction_date_is_read_from_the_file_name_alone_and_only_where_it_is_one() {
    let dataset = billing();
    let a = dataset.source("etablissement_a").unwrap();
    let date = |key: &str| a.extraction_date_of_key(key).unwrap().map(|date| date.to_string());
    assert_eq!(date("2024-01-01/etablissement_A_2026-06-30.csv").as_deref(), Some("2026-06-30"));
    assert_eq!(date("A_2026-06-30_v2 (2026-06-30).csv").as_deref(), Some("2026-06-30"));
    // The key orders by upload a name that has no date; one that has a wrong one is refused all the same.
    for none in ["etablissement_A.csv", "A_12026-06-301.csv", "A_20260630.csv", "A_2026-6-30.csv", "2026-06-30/A.csv"] {
        assert_eq!(date(none), None, "{none}");
    }
    for (unclear, word) in [
        ("A_2026-13-45.csv", "`2026-13-45`"),
        ("A_2026-02-30.csv", "`2026-02-30`"),
        ("A_0026-06-30.csv", "`0026-06-30`"),
        ("A_2026-06-30_2026-13-45.csv", "`2026-13-45`"),
        ("A_2026-06-30_2026-07-01.csv", "several days: 2026-06-30, 2026-07-01"),
    ] {
        let error = a.extraction_date_of_key(unclear).unwrap_err();
        assert_eq!(error.code, ErrorCode::ExtractionUnclear);
        assert!(error.message.contains(word) && error.message.contains("etablissement_a"), "{error}");
    }
    let without = |line: &str| {
        let files = files().into_iter().map(|(path, text)| {
            let text = if path == "sources/etablissement_a.toml" { text.replace(line, "") } else { text };
            (path, text)
        });
        Bundle::from_files(files).compile().unwrap()
    };
    let strict = without("extraction_date_missing = \"upload_time\"");
    let error = strict.sources[0].extraction_date_of_key("etablissement_A.csv").unwrap_err();
    assert_eq!(error.code, ErrorCode::ExtractionUnclear);
    assert!(
        error.message.contains("its name has none") && error.message.contains("extraction_date_missing"),
        "{error}"
    );
    let undated = without("extraction_date = \"yyyy-mm-dd\"\nextraction_date_missing = \"upload_time\"");
    assert_eq!(undated.sources[0].extraction_date_of_key("A_2026-13-45.csv").unwrap(), None);
}

#[test]
fn each_mistake_names_file_key_found_and_accepted() {
    let dataset = "dataset.toml";
    let a = "sources/etablissement_a.toml";
    for (file, from, to, expected) in [
        (
            a,
            "encoding = \"windows-1252\"",
            "encoding = \"cp-latin\"",
            "sources/etablissement_a.toml: `format.encoding`: found \"cp-latin\"; accepted: an encoding such as \"utf-8\", \"windows-1252\", \"iso-8859-15\", \"cp850\" or \"utf-16le\"",
        ),
        (
            a,
            "delimiter = \";\"",
            "delimiter = \";;\"",
            "sources/etablissement_a.toml: `format.delimiter`: found \";;\"; accepted: one ASCII character",
        ),
        (
            a,
            "format = \"dd/mm/yyyy\"",
            "format = \"jj/mm/aaaa\"",
            "sources/etablissement_a.toml: `dates.format`: found \"jj/mm/aaaa\"; accepted: `dd`, `mm` (or `mmmm`, the month's name)",
        ),
        (
            a,
            "facture_id = \"N° Facture\"\n",
            "",
            "sources/etablissement_a.toml: `columns.facture_id`: found nothing; accepted: a column, a constant or a derived value: the dataset requires the field",
        ),
        (
            a,
            "[numbers]",
            "[nombres]",
            "sources/etablissement_a.toml: `numbers`: found nothing; accepted: a table with `decimal_mark`",
        ),
        (
            dataset,
            "check = \"unique\"",
            "check = \"uniq\"",
            "dataset.toml: `records.facturation.rules[7].check`: found \"uniq\"; accepted: \"required\", \"not_negative\", \"not_after_as_of\", \"unique\", \"at_most\", \"one_of\"",
        ),
        (
            dataset,
            "check = \"unique\"",
            "check = \"unique\"\nseverity = \"warn\"",
            "dataset.toml: `records.facturation.rules[7].severity`: found \"warn\", while the warehouse's constraint \"fact_facturation: UNIQUE (etablissement_key, facture_id)\" refuses such rows; accepted: \"reject\" or \"halt\"",
        ),
        (
            dataset,
            "time_zone = \"Europe/Paris\"",
            "time_zone = \"Europe/Lutece\"",
            "dataset.toml: `time_zone`: found \"Europe/Lutece\"; accepted: a time zone of the IANA database, such as \"Europe/Paris\"",
        ),
        (
            dataset,
            "currency = \"EUR\"",
            "currency = \"euro\"",
            "dataset.toml: `currency`: found \"euro\"; accepted: a code of ISO 4217, such as \"EUR\"",
        ),
        (dataset, "name = \"facturation\"", "name =", "dataset.toml: found line 4: "),
    ] {
        let found = mistakes(file, from, to);
        assert!(found.iter().any(|mistake| mistake.starts_with(expected)), "{expected}\nnot in\n{}", found.join("\n"));
    }
}

#[test]
fn all_mistakes_come_at_once() {
    let mut files = files();
    for (path, text) in &mut files {
        match path.as_str() {
            "dataset.toml" => *text = text.replace("time_zone", "timezone"),
            "sources/etablissement_a.toml" => *text = text.replace("delimiter", "separator").replace("€\"]", "€\", 5]"),
            "sources/etablissement_c.toml" => *text = text.replace("STATUT", ""),
            _ => {}
        }
    }
    let Mistakes(found) = Bundle::from_files(files).compile().unwrap_err();
    let keys: Vec<_> = found.iter().map(|mistake| format!("{} {}", mistake.file, mistake.key)).collect();
    assert_eq!(
        keys,
        [
            "dataset.toml time_zone",
            "dataset.toml timezone",
            "sources/etablissement_a.toml format.delimiter",
            "sources/etablissement_a.toml format.separator",
            "sources/etablissement_a.toml numbers.currency",
            "sources/etablissement_c.toml columns.statut",
            "sources/etablissement_c.toml values.statut",
        ]
    );
}

#[test]
fn the_model_and_the_mart_of_billing_are_compiled_with_their_sql() {
    let dataset = billing();
    let [model] = &dataset.models[..] else { panic!("one model") };
    let kind = ModelKind::IsolationForest { trees: 100, sample: 256, contamination_percent: 5, seed: 42 };
    assert_eq!((model.id.as_str(), model.kind, model.min_rows), ("anomalie_paiement", kind, 256));
    let features: Vec<_> = model.features.iter().map(|feature| feature.name.as_str()).collect();
    assert_eq!(features, ["montant_impaye", "delai_paiement_jours", "montant_facture"]);
    assert!(model.write.contains("UPDATE dw.fact_facturation") && !model.write.ends_with(';'));
    let [mart] = &dataset.marts[..] else { panic!("one mart") };
    assert_eq!((mart.name.as_str(), &mart.key[..]), ("relance", &["patient_key".to_owned()][..]));
}

#[test]
fn mistakes_in_models_and_marts_are_told_with_their_keys() {
    let mut files = files();
    for (path, text) in &mut files {
        match path.as_str() {
            "dataset.toml" => {
                for (from, to) in [
                    ("type = \"isolation_forest\"", "type = \"isolation_florist\""),
                    ("sample = 256", "sample = 257"),
                    ("min_rows = 256", "min_rows = 10"),
                    ("seed = 42", "seed = -1"),
                    ("{ name = \"montant_impaye\", words = ", "{ name = \"state\", word = "),
                    ("key = [\"patient_key\"]", "key = []"),
                ] {
                    assert!(text.contains(from), "{from}");
                    *text = text.replacen(from, to, 1);
                }
            }
            "models/anomalie_paiement_write.sql" => " ;".clone_into(text),
            "marts/relance.sql" => "marts/relances.sql".clone_into(path),
            _ => {}
        }
    }
    let Mistakes(found) = Bundle::from_files(files).compile().unwrap_err();
    let told: Vec<_> =
        found.iter().map(|mistake| format!("{} {}: {}", mistake.file, mistake.key, mistake.found)).collect();
    assert_eq!(
        told,
        [
            "dataset.toml models[0].type: \"isolation_florist\"",
            "dataset.toml models[0].sample: 257",
            "dataset.toml models[0].seed: -1",
            "dataset.toml models[0].min_rows: 10",
            "dataset.toml models[0].features[0].name: \"state\"",
            "dataset.toml models[0].features[0].words: nothing",
            "dataset.toml models[0].features[0].word: a key that is not known here",
            "models/anomalie_paiement_write.sql : nothing",
            "dataset.toml marts[0].key: none",
            "marts/relance.sql : no such file",
        ]
    );
}

#[test]
fn the_sheets_of_a_workbook_are_names_patterns_or_positions() {
    let compiled = |keys: &str| {
        let mut files = files();
        let d = files.iter_mut().find(|(path, _)| path == "sources/etablissement_d.toml").unwrap();
        d.1 = d.1.replace("type = \"xlsx\"", &format!("type = \"xlsx\"\n{keys}"));
        let dataset = Bundle::from_files(files).compile().unwrap();
        let Format::Workbook(workbook) = dataset.source("etablissement_d").unwrap().formats[1].format.clone() else {
            panic!("etablissement_d has workbooks")
        };
        workbook
    };
    let shown = |workbook: &Workbook| workbook.sheets.iter().map(ToString::to_string).collect::<Vec<_>>();
    let workbook = compiled("sheets = [\"Mai\", \"Juin*\", 3]\nformulas = \"strict\"\nmixed_dates = \"halt\"");
    assert_eq!(shown(&workbook), ["sheet \"Mai\"", "visible sheet like \"Juin*\"", "sheet number 3"]);
    assert!(workbook.strict_formulas && workbook.mixed_dates_halt);
    let workbook = compiled("sheet = 2");
    assert_eq!(shown(&workbook), ["sheet number 2"]);
    assert!(!workbook.strict_formulas && !workbook.mixed_dates_halt);
    let fits = |sheet: &Sheet, visible| sheet.fits("JUIN 2026", 3, visible);
    let sheets = compiled("sheets = [\"juin*\", 3, \"juin 2026\", \"juin\"]").sheets;
    assert_eq!(sheets.iter().map(|sheet| fits(sheet, true)).collect::<Vec<_>>(), [true, true, true, false]);
    assert_eq!(sheets.iter().map(|sheet| fits(sheet, false)).collect::<Vec<_>>(), [false, true, true, false]);
    for (keys, found) in [
        ("sheets = []", "a list of 0"),
        ("sheets = \"Mai\"", "\"Mai\""),
        ("sheets = [0]", "0"),
        ("sheets = [\"Mai\", \" \"]", "an empty text"),
        ("sheets = [\"Juin[\"]", "Juin["),
        ("sheet = -1", "-1"),
        ("sheet = 1\nsheets = [2]", "this key beside `sheet`"),
        ("formulas = \"lax\"", "\"lax\""),
    ] {
        let told = mistakes("sources/etablissement_d.toml", "type = \"xlsx\"", &format!("type = \"xlsx\"\n{keys}"));
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(told[0].contains("formats[1].") && told[0].contains(found), "{told:?}");
    }
}
