//! Exports: what their declaration comes to, and its mistakes.

use fonderie_contract::{Bundle, Dataset, ExportFormat, ExportTime, Mistakes};
use fonderie_test_support::shop_files;

/// The shop with further files.
fn compile(files: &[(&str, &str)]) -> Result<Dataset, Vec<String>> {
    let mut all = shop_files();
    all.extend(files.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())));
    let compiled = Bundle::from_files(all).compile();
    compiled.map_err(|Mistakes(found)| found.iter().map(ToString::to_string).collect())
}

#[test]
fn an_export_is_a_query_and_a_file() {
    let files = [
        ("exports/mine.toml", "format = \"xlsx\"\ntitle = \"Été\"\nfile = \"my orders 1.2.xlsx\"\nwhen = \"request\""),
        ("exports/mine.sql", "SELECT 1 AS a"),
        ("exports/overdue.toml", "query = \"unpaid\"\nformat = \"csv\""),
    ];
    let dataset = compile(&files).unwrap();
    let [mine, overdue] = &dataset.exports[..] else { panic!("two exports") };
    assert_eq!(
        (mine.query.sql.as_str(), mine.title.as_str(), mine.file.as_str()),
        ("SELECT 1 AS a", "Été", "my orders 1.2.xlsx")
    );
    assert_eq!((mine.format, mine.when), (ExportFormat::Xlsx, ExportTime::Request));
    assert_eq!(
        (overdue.query.name.as_str(), overdue.title.as_str(), overdue.file.as_str()),
        ("unpaid", "overdue", "overdue.csv")
    );
    assert_eq!((overdue.format, overdue.when), (ExportFormat::Csv, ExportTime::Publish));
}

/// The declaration, further files, and the words of the only mistake.
type Case<'a> = (&'a str, &'a [(&'a str, &'a str)], &'a str);

#[test]
fn mistakes_name_the_file_and_the_key() {
    let own = ("exports/mine.sql", "SELECT 1 AS a");
    let cases: [Case<'_>; 10] = [
        (
            "format = \"csv\"",
            &[],
            "`query`: found nothing; accepted: one of the dataset's queries (\"unpaid\"), or a file `exports/mine.sql`",
        ),
        ("query = \"overdue\"\nformat = \"csv\"", &[], "`query`: found \"overdue\", which is no query"),
        ("query = \"unpaid\"\nformat = \"csv\"", &[own], "`query`: found a query beside exports/mine.sql"),
        ("format = \"xls\"", &[own], "`format`: found \"xls\""),
        ("title = \"a\"", &[own], "`format`: found nothing"),
        ("format = \"xlsx\"\ntitle = \"a/b\"", &[own], "`title`: found \"a/b\""),
        ("format = \"xlsx\"\nfile = \"../x.xlsx\"", &[own], "`file`: found \"../x.xlsx\""),
        ("format = \"xlsx\"\nfile = \"x.csv\"", &[own], "`.xlsx` at the end"),
        ("format = \"csv\"\nwhen = \"daily\"", &[own], "`when`: found \"daily\""),
        (
            "format = \"csv\"\nfile = \"two.csv\"",
            &[own, ("exports/two.toml", "query = \"unpaid\"\nformat = \"csv\"")],
            "exports/two.toml: `file`: found \"two.csv\"; accepted: another name: `exports/mine.toml` has this one",
        ),
    ];
    for (declared, files, words) in cases {
        let files: Vec<_> = [("exports/mine.toml", declared)].into_iter().chain(files.iter().copied()).collect();
        let found = compile(&files).unwrap_err();
        assert!(found.len() == 1 && found[0].contains(words), "{words}: {found:?}");
    }
    let found = compile(&[("exports/lost.sql", "SELECT 1")]).unwrap_err();
    assert!(found.len() == 1 && found[0].contains("a file `exports/lost.toml` that declares it"), "{found:?}");
    // a parameter without which the query is refused
    let mut files = shop_files();
    files[0].1.push_str("\n[[queries]]\nname = \"unpaid\"\nabout = \"Unpaid\"\nparameters = [{ name = \"shop\", type = \"text\", about = \"The shop\", required = true }]\n");
    files.push(("exports/mine.toml".to_owned(), "query = \"unpaid\"\nformat = \"csv\"".to_owned()));
    let Mistakes(found) = Bundle::from_files(files).compile().unwrap_err();
    assert!(found.len() == 1 && found[0].found == "\"unpaid\", which has a required parameter", "{found:?}");
}
