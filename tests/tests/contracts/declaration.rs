//! The billing dataset compiles, recognises its files, and each kind of mistake is told with its file and key.

use fonderie_contract::{
    Absent, Bundle, Check, Dataset, Format, MartKind, Mistakes, ModelKind, Origin, ParameterType, Sheet, Workbook,
    dataset_of_key,
};
use fonderie_core::{BundleRef, DatasetRun, ErrorCode, ObjectVersion};

use crate::billing::{billing, changed, replaced};

fn files() -> Vec<(String, String)> {
    let mut files = fonderie_test_support::dataset_files("facturation");
    files.push(("notes.md".to_owned(), "not part of a bundle".to_owned()));
    files
}

/// The mistakes of the billing dataset after a text was replaced in one of its files.
fn mistakes(file: &str, from: &str, to: &str) -> Vec<String> {
    let Mistakes(found) = changed(file, |text| replaced(text, from, to)).unwrap_err();
    found.iter().map(ToString::to_string).collect()
}

#[test]
fn the_billing_dataset_compiles() {
    let dataset = billing();
    assert_eq!(dataset.records[0].money().collect::<Vec<_>>(), ["montant_facture", "montant_paye"]);
    assert_eq!(dataset.records[0].fields.len(), 18);
    let a = dataset.source("etablissement_a").unwrap();
    let Format::Csv(csv) = &a.formats[0].format else { panic!("etablissement_a is CSV") };
    assert_eq!((csv.encoding.name(), csv.delimiter, csv.quote), ("windows-1252", b';', Some(b'"')));
    assert_eq!(a.columns[17], Origin::Constant("groupe".to_owned()));
    let Origin::Column { column, reading } = &a.columns[16] else { panic!("statut has a column") };
    assert_eq!((column.to_string().as_str(), reading.values.len()), ("Statut", 3));
    let required = dataset.records[0].rules.iter().find(|rule| rule.id == "valeurs_manquantes").unwrap();
    assert_eq!(required.check, Check::Required(vec![0, 1, 12, 14, 15]));
    assert_eq!((required.budget.of(150), required.budget.of(2_000)), (20, 200));
}

#[test]
fn a_bundle_is_the_same_however_it_was_carried() {
    let folder = Bundle::from_files(files());
    let json = serde_json::to_vec(&folder).unwrap();
    let carried = Bundle::from_json(&json).unwrap();
    assert_eq!((carried.sha256(), carried.files().count()), (folder.sha256(), 25));
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
        assert_eq!(dataset.source_of_key(key, None).unwrap().id, source);
    }
    let unknown = dataset.source_of_key("facturation/clinique_Z.csv", None).unwrap_err();
    assert_eq!(unknown.code, ErrorCode::SourceUnknown);
    assert!(unknown.message.contains("`clinique_Z.csv`"), "{unknown}");
}

#[test]
fn two_sources_that_recognise_one_file_are_told() {
    let mut files = files();
    let b = files.iter_mut().find(|(path, _)| path == "sources/etablissement_b.toml").unwrap();
    b.1 = b.1.replace("etablissement_B*.csv", "etablissement_*.csv");
    let dataset = Bundle::from_files(files).compile().unwrap();
    let error = dataset.source_of_key("etablissement_A.csv", None).unwrap_err();
    assert_eq!(error.code, ErrorCode::SourceAmbiguous);
    assert!(error.message.contains("etablissement_a, etablissement_b"), "{error}");
}

#[test]
fn a_backfill_runs_each_record_that_a_file_holds() {
    let mut files = fonderie_test_support::shop_files();
    let customers = files.iter().find(|(path, _)| path == "sources/customers.toml").unwrap().1.clone();
    let of_orders = customers.replace("customers*.csv", "orders*.csv");
    files.push(("sources/order_customers.toml".to_owned(), of_orders));
    let shop = Bundle::from_files(files).compile().unwrap();
    let object = ObjectVersion { bucket: "datasets".into(), key: "shop.json".into(), version_id: "v1".into() };
    let bundle = BundleRef { dataset: "shop".into(), object, sha256: "0".repeat(64) };
    let (started_at, as_of) = ("2026-07-01T04:00:00Z".parse().unwrap(), "2026-06-30".parse().unwrap());
    let run = DatasetRun {
        prefix: Some("shop/".into()),
        ..DatasetRun::new("backfill-1".into(), started_at, as_of, false, bundle)
    };
    let of = |dataset: &Dataset, keys: &[&str]| {
        let requests = dataset.backfill(&run, "bronze", keys.iter().copied());
        requests.into_iter().map(|request| serde_json::to_value(request).unwrap()).collect::<Vec<_>>()
    };
    let request = |key: &str, record: &str| {
        serde_json::json!({
            "bucket": "bronze", "key": key, "dataset": "shop", "record": record, "as_of": "2026-06-30", "load_only": true
        })
    };
    let mut unknown = request("shop/notes.txt", "");
    unknown.as_object_mut().unwrap().remove("record");
    assert_eq!(
        of(&shop, &["shop/lines_2026-06-01.csv", "shop/orders_2026-06-01.csv", "shop/notes.txt"]),
        [
            request("shop/lines_2026-06-01.csv", "line"),
            request("shop/orders_2026-06-01.csv", "customer"),
            request("shop/orders_2026-06-01.csv", "order"),
            // its run fails with the reason
            unknown,
        ]
    );
    // the only record of a dataset is not named: the runs of its files keep their names
    assert_eq!(of(&billing(), &["facturation/etablissement_A.csv"])[0].get("record"), None);
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
    let record = "records/facturation.toml";
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
            record,
            "check = \"unique\"",
            "check = \"uniq\"",
            "records/facturation.toml: `rules[7].check`: found \"uniq\"; accepted: \"required\", \"not_negative\", \"not_after_as_of\", \"unique\", \"at_most\", \"one_of\"",
        ),
        (
            record,
            "check = \"unique\"",
            "check = \"unique\"\nseverity = \"warn\"",
            "records/facturation.toml: `rules[7].severity`: found \"warn\", while the warehouse's constraint \"fact_facturation: UNIQUE (etablissement_key, facture_id)\" refuses such rows; accepted: \"reject\" or \"halt\"",
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
    assert_eq!([&model.table, &model.score, &model.reason], ["fact_facturation", "anomaly_score", "anomaly_raison"]);
    assert!(model.select.contains("FROM dw.fact_facturation") && !model.select.ends_with(';'));
    let [mart] = &dataset.marts[..] else { panic!("one mart") };
    let key = vec!["patient_key".to_owned()];
    assert_eq!(
        (mart.name.as_str(), &mart.kind),
        ("relance", &MartKind::Materialized { key, by: Some("patient_key".to_owned()) })
    );
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
                    ("{ name = \"montant_impaye\", words = ", "{ name = \"key\", word = "),
                    ("score = \"anomaly_score\"", "score = \"row_key\""),
                    ("reason = \"anomaly_raison\"\n", ""),
                    ("key = [\"patient_key\"]", "key = []"),
                ] {
                    assert!(text.contains(from), "{from}");
                    *text = text.replacen(from, to, 1);
                }
            }
            "models/anomalie_paiement.sql" => " ;".clone_into(text),
            "marts/relance.sql" => "marts/relances.sql".clone_into(path),
            _ => {}
        }
    }
    files.push(("warehouse/load.sql".to_owned(), "SELECT 1".to_owned()));
    let Mistakes(found) = Bundle::from_files(files).compile().unwrap_err();
    let told: Vec<_> =
        found.iter().map(|mistake| format!("{} {}: {}", mistake.file, mistake.key, mistake.found)).collect();
    assert_eq!(
        told,
        [
            "dataset.toml models[0].score: \"row_key\"",
            "dataset.toml models[0].reason: nothing",
            "dataset.toml models[0].type: \"isolation_florist\"",
            "dataset.toml models[0].sample: 257",
            "dataset.toml models[0].seed: -1",
            "dataset.toml models[0].min_rows: 10",
            "dataset.toml models[0].features[0].name: \"key\"",
            "dataset.toml models[0].features[0].words: nothing",
            "dataset.toml models[0].features[0].word: a key that is not known here",
            "models/anomalie_paiement.sql : nothing",
            "dataset.toml marts[0].key: none",
            "marts/relance.sql : no such file",
            "warehouse/load.sql : this name",
        ]
    );
}

#[test]
fn a_declared_query_has_its_parameters_and_the_others_have_none() {
    let declared = r#"
        [[queries]]
        name = "sales"
        alias = "sales-of"
        about = "The sales of a day"
        parameters = [
            { name = "sold_on", type = "date", required = true, about = "The day" },
            { name = "store", type = "text", about = "The store" },
            { name = "least", type = "integer", about = "The least amount" },
        ]
        no_rows = "nothing is known of {given}: ids are written as in the files"
    "#;
    let queries = shop_queries(declared).unwrap().list;
    let [sales, stock] = &queries[..] else { panic!("two queries") };
    let [sold_on, store, least] = &sales.parameters[..] else { panic!("three parameters") };
    assert_eq!((sold_on.kind, &sold_on.absent), (ParameterType::Date, &Absent::Refused));
    assert_eq!((sold_on.option(), sold_on.setting()), ("sold-on".to_owned(), "fonderie.sold_on".to_owned()));
    assert_eq!((store.kind, &store.absent), (ParameterType::Text, &Absent::Null));
    assert_eq!((sales.alias.as_deref(), sales.usage().as_str()), (Some("sales-of"), "sales --sold-on DATE"));
    let refusal = |given: &[_]| sales.refusal(given).unwrap();
    assert_eq!(
        refusal(&[(sold_on, "2026-03-31"), (store, "S9"), (least, "5")]),
        "nothing is known of store S9, least 5: ids are written as in the files"
    );
    assert!(refusal(&[(sold_on, "2026-03-31")]).starts_with("nothing is known of what was asked for: "));
    assert_eq!((stock.parameters.len(), &stock.alias, stock.refusal(&[])), (0, &None, None));
}

/// The queries of a dataset that has nothing else.
fn shop_queries(declared: &str) -> Result<fonderie_contract::Queries, Mistakes> {
    let toml = format!("time_zone = \"Europe/Paris\"\n{declared}");
    let files = [("dataset.toml", toml.as_str()), ("queries/sales.sql", "SELECT 1"), ("queries/stock.sql", "SELECT 2")];
    Bundle::from_files(files.map(|(path, text)| (path.to_owned(), text.to_owned()))).queries()
}

#[test]
fn defaults_are_read_as_they_would_be_typed() {
    let parameters = r#"
        [[queries]]
        name = "sales"
        about = "Sales"
        parameters = [
            { name = "a", type = "date", default = "today", about = "A" },
            { name = "b", type = "date", default = 2026-06-30, about = "B" },
            { name = "c", type = "integer", default = -7, about = "C" },
            { name = "d", type = "decimal", default = "12.50", about = "D" },
            { name = "e", type = "boolean", default = true, about = "E" },
            { name = "f", type = "text", default = "today", about = "F" },
        ]
    "#;
    let queries = shop_queries(parameters).unwrap().list;
    let absent: Vec<_> = queries[0].parameters.iter().map(|parameter| parameter.absent.clone()).collect();
    let value = |text: &str| Absent::Default(text.to_owned());
    let typed = ["2026-06-30", "-7", "12.50", "true", "today"].map(value);
    assert_eq!(absent, [&[Absent::Today][..], &typed].concat());
}

#[test]
fn mistakes_in_queries_are_told_with_their_keys() {
    let declared = r#"
        [[queries]]
        name = "sales"
        alias = "Sales"
        parameters = [
            { name = "on", type = "day", about = "The day" },
            { name = "On", type = "date", about = "The day" },
            { name = "time_zone", type = "text", about = "The zone" },
            { name = "store", type = "text", required = true, default = "S1", about = "The store" },
            { name = "store", type = "text" },
            { name = "least", type = "integer", default = 1.5, about = "The least" },
            { name = "until", type = "date", default = "tomorrow", about = "The end" },
            { name = "least", type = "decimal", default = [1], about = "The least", unit = "EUR" },
            { name = "net", type = "boolean", about = "Net" },
            { name = "net", type = "boolean", about = "Net" },
        ]
        [[queries]]
        name = "stock"
        alias = "goods"
        about = "Stock"
        [[queries]]
        name = "stock"
        alias = "goods"
        about = "Stock"
        [[queries]]
        name = "turnover"
        about = "Turnover"
    "#;
    let Mistakes(found) = shop_queries(declared).unwrap_err();
    let found: Vec<_> = found.iter().map(|mistake| mistake.to_string().replace("dataset.toml: ", "")).collect();
    let name = "lower-case letters, digits and `_`, a letter first";
    assert_eq!(
        found,
        [
            "`queries[0].about`: found nothing; accepted: what the query answers, in a few words".to_owned(),
            "`queries[0].alias`: found \"Sales\"; accepted: lower-case letters, digits, `-` and `_`, a letter first".to_owned(),
            "`queries[0].parameters[0].type`: found \"day\"; accepted: \"text\", \"integer\", \"decimal\", \"date\", \"boolean\"".to_owned(),
            format!("`queries[0].parameters[1].name`: found \"On\"; accepted: {name}"),
            "`queries[0].parameters[2].name`: found \"time_zone\", which every query finds without it; accepted: another name".to_owned(),
            "`queries[0].parameters[3].default`: found a default of a required parameter; accepted: one of `required` and `default`".to_owned(),
            "`queries[0].parameters[4].about`: found nothing; accepted: what the parameter means, in a few words".to_owned(),
            "`queries[0].parameters[5].default`: found 1.5; accepted: a whole number such as 42".to_owned(),
            "`queries[0].parameters[6].default`: found \"tomorrow\"; accepted: a day such as \"2026-06-30\", or \"today\"".to_owned(),
            "`queries[0].parameters[7].default`: found a list of 1; accepted: a decimal such as \"1234.56\"".to_owned(),
            "`queries[0].parameters[7].unit`: found a key that is not known here; accepted: `about`, `default`, `name`, `required`, `type`".to_owned(),
            "`queries[0].parameters[9].name`: found a second parameter \"net\"; accepted: names that differ".to_owned(),
            "`queries[2].name`: found a second declaration of \"stock\"; accepted: one declaration per query".to_owned(),
            "`queries[2].alias`: found \"goods\", which another query has; accepted: aliases that differ".to_owned(),
            "`queries[3].name`: found \"turnover\", which is no query; accepted: sales, stock".to_owned(),
        ]
    );
    let dataset = billing();
    let name = &dataset.queries.iter().find(|query| !query.parameters.is_empty()).unwrap().name;
    let summary = mistakes("dataset.toml", "query = \"relance_synthese\"", &format!("query = \"{name}\""));
    let expected = format!(
        "dataset.toml: `summary[0].query`: found \"{name}\", which has parameters; accepted: a query without parameters"
    );
    assert_eq!(summary, [expected]);
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
