//! Checks: mistakes that PostgreSQL would find only after a load.

use fonderie_contract::{Bundle, Mistakes};
use fonderie_test_support::shop_files;

fn mistakes(check: &str) -> Vec<String> {
    let mut files = shop_files();
    files[0].1.push_str("\n[[marts]]\nname = \"seen\"\nview = true\n");
    files.push(("marts/seen.sql".to_owned(), "SELECT 1 AS a".to_owned()));
    files.push(("checks/c.sql".to_owned(), "SELECT shop_id FROM Shop.\"revenue\" WHERE false".to_owned()));
    files.retain(|(path, _)| path != "checks/c.sql" || !check.contains("kind ="));
    files[0].1.push_str(&format!("\n[[checks]]\nid = \"c\"\nmessage = \"m\"\n{check}\n"));
    match Bundle::from_files(files).compile() {
        Ok(_) => Vec::new(),
        Err(Mistakes(found)) => found.iter().map(ToString::to_string).collect(),
    }
}

#[test]
fn values_fit_the_columns_that_they_are_compared_with() {
    let quantity = "table = \"fact_line\"\nfield = \"quantity\"";
    let sold_on = "table = \"fact_line\"\nfield = \"sold_on\"";
    let cases = [
        (
            format!("kind = \"range\"\n{quantity}\nmin = 0.5"),
            "`checks.c.min`: found \"0.5\" for quantity; accepted: a whole number",
        ),
        (format!("kind = \"range\"\n{sold_on}\nmax = \"2026-13-45\""), "accepted: a day such as"),
        (format!("kind = \"accepted_values\"\n{quantity}\nvalues = [1, \"abc\"]"), "`checks.c.values`: found \"abc\""),
        (
            format!("kind = \"pattern\"\n{quantity}\npattern = \"x\""),
            "`checks.c.field`: found \"quantity\", a column of another type",
        ),
        (
            "kind = \"sum_of\"\ntable = \"fact_line\"\nterms = [\"line_id\"]\ntotal = \"quantity\"".to_owned(),
            "`checks.c.terms`: found \"line_id\", a column of another type; accepted: numbers",
        ),
        (
            format!("kind = \"range\"\n{quantity}\nmin = 0\nseverity = \"halt\"\nblocks = [\"seen\"]"),
            "found \"seen\", which is computed when it is read",
        ),
        (
            "severity = \"halt\"".to_owned(),
            "`checks.c.blocks`: found \"revenue\", which the check reads: once violated, it would never let the mart go",
        ),
    ];
    for (check, words) in cases {
        let found = mistakes(&check);
        assert!(found.len() == 1 && found[0].contains(words), "{words}: {found:?}");
    }
    for right in [
        format!("kind = \"range\"\n{quantity}\nmin = -1\nmax = 10\nseverity = \"halt\""),
        format!("kind = \"range\"\n{sold_on}\nmin = \"2020-02-29\""),
        "severity = \"warn\"".to_owned(),
    ] {
        assert_eq!(mistakes(&right), Vec::<String>::new(), "{right}");
    }
}
