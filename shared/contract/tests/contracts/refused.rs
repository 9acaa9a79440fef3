//! Columns that must not be loaded, schedules, and z-scores: what is accepted of them, and each mistake.

use fonderie_contract::{Bundle, Dataset, Level, Mistakes, ModelKind};
use fonderie_test_support::shop_files;

/// The shop with texts in some files replaced, or added to their beginnings.
fn compile(changes: &[(&str, &str, &str)]) -> Result<Dataset, Vec<String>> {
    let mut files = shop_files();
    files.push(("models/dear.sql".to_owned(), "SELECT product_key AS key, price FROM shop_dw.dim_product".to_owned()));
    files.retain(|(path, _)| path != "models/dear.sql" || changes.iter().any(|(_, _, to)| to.contains("\"dear\"")));
    for (file, from, to) in changes {
        let text = &mut files.iter_mut().find(|(path, _)| path == file).unwrap().1;
        assert!(text.contains(from), "{file} has no {from}");
        *text = text.replacen(from, to, 1);
    }
    Bundle::from_files(files).compile().map_err(|Mistakes(found)| found.iter().map(ToString::to_string).collect())
}

const CUSTOMER: &str = "records/customer.toml";
const CUSTOMERS: &str = "sources/customers.toml";
const SHOP: &str = "dataset.toml";

#[test]
fn columns_are_refused_by_record_and_source() {
    let dataset = compile(&[
        (CUSTOMER, "key = ", "refused_columns = [\"E-Mail  privé\"]\nkey = "),
        (CUSTOMERS, "record = ", "refused_columns = [\"#9\", \"Fax\"]\nrecord = "),
    ])
    .unwrap();
    let source = dataset.source("customers").unwrap();
    let of = |name: &str, position| source.refuses(name, position);
    let found = [
        of("e-mail prive", 0),
        of("E-MAIL\u{a0}PRIVÉ", 3),
        of("fax", 0),
        of("", 8),
        of("Fax 2", 0),
        of("mail", 7),
        of("", 9),
    ];
    assert_eq!(found, [true, true, true, true, false, false, false]);
    assert!(!dataset.source("orders").unwrap().refuses("fax", 0));
}

#[test]
fn mistakes_name_the_key() {
    let zscore = |keys: &str| {
        let keys = if keys.contains("features") {
            keys.to_owned()
        } else {
            format!("{keys}features = [{{ name = \"price\", words = \"dear: {{value}}\" }}]\n")
        };
        format!(
            "[[models]]\nid = \"dear\"\ntable = \"dim_product\"\nscore = \"price_z\"\nreason = \"price_reason\"\ntype = \"zscore\"\n{keys}\n[[marts]]"
        )
    };
    let two = "deviation = \"sample\"\nfeatures = [{ name = \"a\", words = \"{value}\" }, { name = \"b\", words = \"{value}\" }]\n";
    let dear = |keys: &str| vec![(SHOP, "[[marts]]", zscore(keys))];
    let schedule = |text: &str| vec![(SHOP, "name = ", format!("schedule = \"{text}\"\nname = "))];
    let cases = [
        (
            vec![(CUSTOMER, "key = ", "refused_columns = [\"#9\"]\nkey = ".to_owned())],
            "`refused_columns`: found \"#9\"",
        ),
        (
            vec![(CUSTOMERS, "record = ", "refused_columns = [\"#0\"]\nrecord = ".to_owned())],
            "sources/customers.toml: `refused_columns`: found \"#0\"",
        ),
        (
            vec![(CUSTOMER, "key = ", "refused_columns = [\"NAME\"]\nkey = ".to_owned())],
            "sources/customers.toml: `columns.name`: found \"name\", a column that must not be loaded (`refused_columns`)",
        ),
        (dear("deviation = \"root\"\n"), "`models[0].deviation`: found \"root\""),
        (dear(""), "`models[0].deviation`: found nothing"),
        (dear(two), "`models[0].features`: found 2 of them; accepted: a list of one feature"),
        (dear("deviation = \"sample\"\nmin_rows = 1\n"), "`models[0].min_rows`: found 1; accepted: at least 2"),
        (dear("deviation = \"sample\"\ntrees = 5\n"), "`models[0].trees`: found a key that is not known here"),
        (
            dear("deviation = \"sample\"\nlevels = [{ name = \"low\", below = -2 }]\n"),
            "`models[0].levels[0].above`: found nothing",
        ),
        (schedule("0 9 15 *"), "`schedule`: found \"0 9 15 *\""),
        (schedule("60 9 15 * *"), "`schedule`: found \"60 9 15 * *\""),
        (schedule("0 9 0 * *"), "`schedule`: found \"0 9 0 * *\""),
        (schedule("0 9 15 * MON"), "one of the two days is `*`"),
        (schedule("0 9 * * 1"), "`schedule`: found \"0 9 * * 1\""),
        (schedule("0 9 * * MON/2"), "`schedule`: found"),
        (schedule("0 17-9 * * *"), "`schedule`: found"),
        (schedule("*/0 9 * * *"), "`schedule`: found"),
    ];
    for (changes, words) in cases {
        let changes: Vec<_> = changes.iter().map(|(file, from, to)| (*file, *from, to.as_str())).collect();
        let found = compile(&changes).unwrap_err();
        assert!(found.iter().any(|found| found.contains(words)), "{words}: {found:?}");
        assert!(found.len() <= 2, "{words}: {found:?}");
    }
    for right in ["0 9 15 * *", "*/15 6-20 * 1,7-9 MON-FRI", "5,35 0 1,15 */3 *"] {
        let changed = format!("schedule = \"{right}\"\nname = ");
        compile(&[(SHOP, "name = ", &changed)]).unwrap();
    }
    let changed = zscore("deviation = \"sample\"\n");
    let dataset = compile(&[(SHOP, "[[marts]]", &changed)]).unwrap();
    assert_eq!(dataset.models[0].kind, ModelKind::ZScore { of_population: false });
    assert_eq!(Level::of(&dataset.models[0].levels, 2.1), Some(0));
}
