//! Every mistake in a plan is told at once, with its key; and a plan of another trade works as well as the billing one.

use crate::billing::billing;
use crate::sampling::{check_truth, compile, read, write};
use fonderie_contract::{Bundle, Dataset};
use fonderie_sample::Plan;

/// What was replaced, and the mistakes that must be told, each as `key: found`.
type Case = (&'static [(&'static str, &'static str)], &'static [&'static str]);

#[test]
fn each_mistake_is_told_with_its_key() {
    const CASES: &[Case] = &[
        (&[("rows = 2000", "rows = -1")], &["rows: -1"]),
        (&[("as_of = \"2026-06-30\"", "as_of = \"30/06/2026\"")], &["as_of: \"30/06/2026\""]),
        (&[("seed = 42", "sead = 42")], &["seed: nothing", "sead: a key that is not known here"]),
        (&[("\"Çelik\"", "\"Nguyễn\"")], &["lists.noms[117]: \"Nguyễn\""]),
        (
            &[("{ from = \"noms\" }", "{ from = \"nom\" }")],
            &["pools.patient.draws.nom.from: \"nom\", which is no list"],
        ),
        (
            &[("{ take = \"patient.age\" }", "{ take = \"patient.ages\" }")],
            &["draws.age.take: \"patient.ages\", which no member has"],
        ),
        (&[("{ take = \"patient.age\" }", "{ take = \"patient.nom\" }")], &["draws.age: a text"]),
        (
            &[("age = { take = \"patient.age\" }", "")],
            &[
                "draws.age: nothing, while there is a column for it in etablissement_a, etablissement_b, etablissement_c, \
               etablissement_d, etablissement_e",
            ],
        ),
        (&[("IMPAYEE = 0", "IMPAYE = 0")], &["draws.montant_paye.cases.IMPAYE: a text that is never drawn"]),
        (&[("IMPAYEE = 0", "IMPAYEE = \"zero\"")], &["draws.montant_paye.cases.IMPAYEE: \"zero\""]),
        (&[("days = \"delai\" }", "days = \"echeance\" }")], &["draws.echeance: a draw that hangs on itself"]),
        (
            &[("{ after = \"date_facture\", days = \"delai\" }", "{ after = \"age\", days = \"delai\" }")],
            &["draws.age: a whole number"],
        ),
        (
            &[("file = \"etablissement_B.csv\"", "file = \"etablissement_A.csv\"")],
            &["sources.etablissement_b.file: \"etablissement_A.csv\""],
        ),
        (
            &[("[sources.etablissement_b]", "[sources.etablissement_f]")],
            &["sources.etablissement_f: a source that the dataset does not have"],
        ),
        (
            &[(
                "breaks = \"dates_futures\"\nfield = \"date_facture\"",
                "breaks = \"dates_futures\"\nfield = \"ville\"",
            )],
            &["defects[6].field: \"ville\""],
        ),
        (
            &[("breaks = \"dates_futures\"", "breaks = \"dates_future\"")],
            &["defects[6].breaks: \"dates_future\", which is no rule"],
        ),
        (
            &[("with = { statut = \"IMPAYEE\" }", "with = { statut = \"IMPAYE\" }")],
            &["defects[6].with.statut: \"IMPAYE\""],
        ),
        (&[("empty = \"nom\"", "empty = \"patient_id\"")], &["variants[8].empty: \"patient_id\""]),
        (&[("weekdays = [1.15, ", "weekdays = [")], &["draws.date_facture.date.weekdays: these weights"]),
        (
            &[("ville = \"Paris\"", "ville = { value = \"Paris\", from = [\"Paris\"] }")],
            &["draws.ville: `value` and `from`"],
        ),
        (
            &[("rate = 0.001\n", "rate = 0.99\n")],
            &["defects: rates that add up to 1.0730, with those of variants and anomalies"],
        ),
    ];
    let dataset = billing();
    let mut wrong = Vec::new();
    for (replaced, expected) in CASES {
        let found = compile(&dataset, replaced).unwrap_err().0;
        let told: Vec<String> = found.iter().map(|mistake| format!("{}: {}", mistake.key, mistake.found)).collect();
        let whole = found.iter().all(|mistake| mistake.file == "generate.toml" && !mistake.accepted.is_empty());
        if told != *expected || !whole {
            wrong.push(format!("{expected:#?} expected, told: {found:#?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn mistakes_are_told_together() {
    let found = compile(
        &billing(),
        &[("rows = 2000", "rows = 0.5"), ("breaks = \"doublons\"", "breaks = \"doubles\""), ("lf\"", "cr\"")],
    );
    let keys: Vec<String> = found.unwrap_err().0.into_iter().map(|mistake| mistake.key).collect();
    assert_eq!(keys, ["rows", "defects[17].breaks", "sources.etablissement_b.line_end"]);
    let broken = Plan::compile("rows = \n", &billing()).unwrap_err().0;
    assert_eq!((broken.len(), broken[0].accepted.as_str()), (1, "TOML"));
}

/// A shop, whose contracts use what the billing ones do not.
fn shop() -> Dataset {
    shop_of("\"decimal\", precision = 9, scale = 3", "\"date\"")
}

/// The same with other types of weights and of days.
fn shop_of(weight: &str, day: &str) -> Dataset {
    let dataset = r#"
name = "boutique"
time_zone = "Europe/Paris"
"#;
    let record = r#"
key = ["ticket"]
fields = [
    { name = "ticket", type = "text", max_length = 12 },
    { name = "article", type = "text", max_length = 20 },
    { name = "quantite", type = "integer", min = 1, max = 500, unreadable = "empty" },
    { name = "prix", type = "decimal", precision = 8, scale = 2, money = true },
    { name = "poids", type = "decimal", precision = 9, scale = 3 },
    { name = "vendu_le", type = "date" },
    { name = "magasin", type = "text", max_length = 20 },
]
[[rules]]
id = "prix_absent"
check = "required"
fields = ["ticket", "prix"]
message = "Le prix est absent."
[[rules]]
id = "prix_negatif"
check = "not_negative"
fields = ["prix"]
severity = "warn"
message = "Le prix est négatif."
[[rules]]
id = "tickets"
check = "unique"
message = "Le ticket est répété."
[fact]
name = "vente"
surrogate = "vente_key"
measures = ["article", "quantite", "prix", "poids", "vendu_le", "magasin"]
"#;
    let record = record.replace("\"decimal\", precision = 9, scale = 3", weight).replace("\"date\"", day);
    let source = |format: &str| {
        format!(
            r#"files = ["ventes*"]
[format]
{format}
[dates]
format = ["yyyymmdd", "yyyymmdd hh:mm"]
[numbers]
decimal_mark = ","
thousands = ["."]
currency = ["EUR"]
[columns]
ticket = "Ticket"
article = "Article"
quantite = "Quantité"
prix = "Prix"
poids = "Poids"
vendu_le = "Vendu le"
[constants]
magasin = "Nantes"
[values.article]
"1" = "vis"
"2" = "clou"
"#
        )
    };
    let csv = "type = \"csv\"\nencoding = \"windows-1252\"\ndelimiter = \"|\"\nquote = false\ntrailing_delimiters = true\nheader_line = 4\ntotals = \"Total\"";
    let xlsx = "type = \"xlsx\"\nsheet = 3\nheader_line = 2\ntotals = \"Total\"";
    let named = "type = \"xlsx\"\nsheet = \"Ventes de juin\"";
    let files = [
        ("dataset.toml", dataset.to_owned()),
        ("records/vente.toml", record),
        ("sources/caisse.toml", source(csv).replace("ventes*", "ventes*.txt")),
        ("sources/siege.toml", source(xlsx).replace("ventes*", "ventes*.xlsx")),
        ("sources/web.toml", source(named).replace("ventes*", "web*.xlsx")),
    ];
    Bundle::from_files(files.map(|(path, text)| (path.to_owned(), text))).compile().unwrap()
}

const SHOP_PLAN: &str = r#"
rows = 10
seed = 1
as_of = "2026-06-30"
[draws]
ticket = { sequence = "T", digits = 5, first = 100 }
article = { options = [ { value = "vis", poids = 0.5 }, { value = "clou", weight = 3, poids = 12 } ] }
quantite = { number = { min = 1, max = 500 } }
prix = { amount = { median = 800, sigma = 1, min = 0.01, max = 90000 } }
poids = { amount = { median = "article.poids", sigma = 0.2 } }
vendu_le = { date = { oldest = 30, newest = 3, weekdays = [1, 1, 1, 1, 1, 1, 0] } }
[sources.caisse]
file = "ventes-juin.txt"
line_end = "lf"
columns = ["vendu_le", "ticket"]
[sources.siege]
file = "ventes-juin.xlsx"
text_cells = 0.5
[sources.web]
file = "web.xlsx"
with = { ticket = { sequence = "W" } }
[[defects]]
name = "sans_prix"
breaks = "prix_absent"
field = "prix"
rate = 0.02
[[defects]]
name = "quantite_illisible"
breaks = "unreadable_number"
field = "quantite"
texts = ["deux"]
rate = 0.02
[[defects]]
name = "poids_illisible"
breaks = "unreadable_amount"
field = "poids"
texts = ["lourd"]
rate = 0.02
[[defects]]
name = "date_impossible"
breaks = "unreadable_date"
field = "vendu_le"
rate = 0.02
[[defects]]
name = "article_trop_long"
breaks = "text_too_long"
field = "article"
rate = 0.02
[[defects]]
name = "avoir"
breaks = "prix_negatif"
field = "prix"
rate = 0.02
[[defects]]
name = "repete"
breaks = "tickets"
rate = 0.02
[[defects]]
name = "court"
breaks = "short_record"
rate = 0.02
[[defects]]
name = "long"
breaks = "long_record"
rate = 0.02
[[variants]]
name = "milliers"
write = "thousands"
fields = ["prix", "poids"]
rate = 0.02
[[variants]]
name = "monnaie"
write = "currency"
fields = ["prix"]
rate = 0.02
[[variants]]
name = "titre"
write = "repeated_header"
rate = 0.01
"#;

#[test]
fn a_shop_is_written_through_contracts_of_its_own() {
    let dataset = shop();
    let plan = Plan::compile(SHOP_PLAN, &dataset).unwrap();
    for rows in [0, 1, 700] {
        for written in write(&dataset, &plan, rows, 9) {
            let read = read(&dataset, &written.name, &written.bytes);
            if let Some(text) = written.name.strip_suffix(".txt") {
                assert_eq!((text, &written.bytes[..21]), ("ventes-juin", &b"\n\n\nVendu le|Ticket|Ar"[..]));
            }
            check_truth(&written, &read, "of the shop");
            assert!(written.accepted == read.records, "{}: a record is not read as it was drawn", written.name);
            assert_eq!(read.skipped.contains_key("totals_lines"), written.name != "web.xlsx");
            if rows == 700 {
                // A field that may be emptied and a rule that only warns refuse nothing.
                let refused = if written.name.ends_with(".txt") { 7 * 14 } else { 5 * 14 };
                assert_eq!(written.truth.rejected, refused, "{}", written.name);
                assert_eq!(written.truth.rules["prix_negatif"], 14);
            }
        }
    }
}

#[test]
fn measurements_are_drawn_and_timestamps_are_not() {
    let plan = SHOP_PLAN
        .replace("breaks = \"unreadable_amount\"", "breaks = \"unreadable_number\"")
        .replace("fields = [\"prix\", \"poids\"]", "fields = [\"prix\"]");
    let dataset = shop_of("\"number\", min = 0, max = 1000", "\"date\"");
    for written in write(&dataset, &Plan::compile(&plan, &dataset).unwrap(), 700, 9) {
        check_truth(&written, &read(&dataset, &written.name, &written.bytes), "of measurements");
    }
    let above = plan.replace("sigma = 0.2 }", "sigma = 0.2, max = 2000 }");
    let found = Plan::compile(&above, &dataset).unwrap_err().0;
    assert!(found.iter().any(|mistake| mistake.key == "draws.poids.amount.max"), "{found:?}");
    let timed = shop_of("\"number\"", "\"timestamp\", unreadable = \"empty\"");
    let found = Plan::compile(&plan, &timed).unwrap_err().0;
    assert!(found.iter().any(|mistake| mistake.key == "draws.vendu_le" && mistake.found == "a timestamp"), "{found:?}");
}
