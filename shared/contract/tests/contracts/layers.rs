//! Preparation views and marts: what their declaration comes to, and its mistakes.

use fonderie_contract::{Bundle, Dataset, MartKind, Mistakes};
use fonderie_test_support::shop_files;

/// The shop with further files, and more in its `dataset.toml`.
fn compile(dataset: &str, files: &[(&str, &str)]) -> Result<Dataset, Vec<String>> {
    let mut all = shop_files();
    all[0].1.push_str(dataset);
    all.extend(files.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())));
    let compiled = Bundle::from_files(all).compile();
    compiled.map_err(|Mistakes(found)| found.iter().map(ToString::to_string).collect())
}

#[test]
fn a_file_is_a_view_and_the_schema_is_there_if_a_file_is() {
    let plain = compile("\n[schemas]\npreparation = \"steps\"\n", &[]).unwrap();
    assert_eq!(plain.layout.schemas.all(), ["shop_staging", "shop_dw", "shop"]);
    let view = ("preparation/sold.sql", "SELECT 1 AS a;\n");
    let dataset =
        compile("\n[[marts]]\nname = \"last\"\nview = true\n", &[view, ("marts/last.sql", "SELECT 2 AS b")]).unwrap();
    let schemas = &dataset.layout.schemas;
    assert_eq!(schemas.all(), ["shop_staging", "shop_dw", "shop_prep", "shop"]);
    assert_eq!(schemas.open(), ["shop_dw", "shop_prep", "shop"]);
    let marts: Vec<_> = dataset
        .marts
        .iter()
        .map(|mart| (mart.schema(schemas), mart.path(), mart.kind.clone(), mart.definition.starts_with("SELECT")))
        .collect();
    let key = vec!["shop_id".to_owned()];
    assert_eq!(
        marts,
        [
            ("shop_prep", "preparation/sold.sql".to_owned(), MartKind::Preparation, true),
            ("shop", "marts/revenue.sql".to_owned(), MartKind::Materialized { key, by: None }, false),
            ("shop", "marts/last.sql".to_owned(), MartKind::View, true),
        ]
    );
    assert_eq!(dataset.marts[0].definition, "SELECT 1 AS a");
}

/// What `dataset.toml` has beside the shop's, further files, and the words of the only mistake.
type Case<'a> = (&'a str, &'a [(&'a str, &'a str)], &'a str);

#[test]
fn mistakes_name_the_file_and_the_key() {
    let long = format!("preparation/{}.sql", "s".repeat(51));
    let view = ("preparation/sold.sql", "SELECT 1 AS a");
    let cases: [Case<'_>; 8] = [
        ("", &[("preparation/sold.sql", " ;\n")], "preparation/sold.sql : nothing"),
        ("", &[("preparation/Sold.sql", "SELECT 1")], "preparation/Sold.sql : this name"),
        ("", &[(&long, "SELECT 1")], "at most 50 of them"),
        ("\n[schemas]\npreparation = \"shop_dw\"\n", &[view], "two schemas named \"shop_dw\""),
        ("\n[schemas]\npreparation = \"audit\"\n", &[view], "`schemas.preparation`: found \"audit\""),
        (
            "\n[[marts]]\nname = \"last\"\nview = false\n",
            &[("marts/last.sql", "SELECT 1")],
            "`marts[1].key`: found nothing",
        ),
        (
            "\n[[marts]]\nname = \"last\"\nview = true\npublications = true\n",
            &[("marts/last.sql", "SELECT 1")],
            "`marts[1].publications`: found true of a plain view",
        ),
        (
            "\n[[marts]]\nname = \"last\"\nkey = [\"a\"]\npublications = true\n[[marts]]\nname = \"last_publications\"\nview = true\n",
            &[("marts/last.sql", "SELECT 1 AS a"), ("marts/last_publications.sql", "SELECT 1")],
            "`marts`: found \"last_publications\", the view that `publications = true` makes",
        ),
    ];
    for (dataset, files, words) in cases {
        let found = compile(dataset, files).unwrap_err();
        assert!(
            found.len() == 1 && found[0].replace(": found", " :").contains(&words.replace(": found", " :")),
            "{words}: {found:?}"
        );
    }
}
