//! Checks of the loaded tables: which rows they see, what they find, and which marts stay as they were.

use fonderie_contract::{Bundle, Dataset};
use fonderie_core::ErrorCode;
use fonderie_core::stage::{CheckStatus, Checked};
use fonderie_test_support::shop_files;
use serde_json::json;

use crate::history::{Trial, Version, compile, version};

const CHECKS: &str = r#"
[[checks]]
id = "known_customers"
kind = "relationships"
table = "fact_order"
reference = "customer_key"
message = "Nobody has shown the customer."

[[checks]]
id = "quantities"
kind = "range"
table = "fact_line"
field = "quantity"
max = 100
severity = "halt"
message = "More than anybody buys."

[[checks]]
id = "odd_lines"
budget = 1
message = "An odd quantity."

[[checks]]
id = "lines_in_all"
message = "More than three lines."
"#;

/// The shop with these checks.
fn checked(checks: &str, odd: &str) -> Dataset {
    let files = shop_files().into_iter().map(|(path, text)| match path.as_str() {
        "dataset.toml" => (path, text + checks),
        _ => (path, text),
    });
    let sql = [
        ("checks/odd_lines.sql", odd),
        ("checks/lines_in_all.sql", "SELECT count(*) AS lines FROM shop_dw.fact_line HAVING count(*) > 3"),
    ];
    compile(&Bundle::from_files(files.chain(sql.map(|(path, sql)| (path.to_owned(), sql.to_owned())))))
}

const ODD: &str = "SELECT c.line_id FROM changed_fact_line c JOIN shop_dw.fact_line l USING (fact_line_key) WHERE l.quantity % 2 = 1;";

fn line(shop: &Dataset, id: &str, number: &str, quantity: &str) -> Version {
    let values = [("line_id", number), ("sku", "s1"), ("quantity", quantity), ("sold_on", "2025-01-03")];
    version(shop, "line", id, &values)
}

/// What each check found: its status, how many violations, whether it looked at all rows, and whether that is news.
fn found(checked: &[Checked]) -> Vec<(&str, CheckStatus, u64, bool, bool)> {
    let mut all: Vec<_> =
        checked.iter().map(|one| (one.check.as_str(), one.status, one.violations, one.of_all, one.is_news)).collect();
    all.sort_by_key(|one| one.0);
    all
}

#[tokio::test]
async fn a_check_sees_what_changed_and_all_rows_while_it_is_violated() {
    use CheckStatus::{Passed, Violated, WithinBudget};
    let shop = checked(CHECKS, ODD);
    let mut trial = Trial::new(&shop).await;

    let order = [("shop_id", "A"), ("order_no", "1"), ("customer_id", "c1"), ("order_date", "2025-01-03")];
    let first = trial.load_and_check(&shop, &version(&shop, "order", "o1", &order)).await.unwrap();
    assert_eq!(
        found(&first),
        [
            // one that is read by the daily run alone is asked once it is new
            ("known_customers", Violated, 1, true, true),
            ("lines_in_all", Passed, 0, true, false),
            ("odd_lines", Passed, 0, true, false),
            ("quantities", Passed, 0, true, false),
        ]
    );
    let unknown = first.iter().find(|one| one.check == "known_customers").unwrap();
    assert_eq!(unknown.examples, [json!({"shop_id": "A", "order_no": "1"})]);

    let customer = version(&shop, "customer", "c1", &[("customer_id", "c1"), ("name", "Ada")]);
    let shown = trial.load_and_check(&shop, &customer).await.unwrap();
    assert!(found(&shown).contains(&("known_customers", Passed, 0, true, true)), "{shown:#?}");

    let many = trial.load_and_check(&shop, &line(&shop, "l1", "1", "501")).await.unwrap();
    assert_eq!(
        found(&many),
        [
            ("known_customers", Passed, 0, false, false),
            ("odd_lines", WithinBudget, 1, false, true),
            ("quantities", Violated, 1, false, true),
        ]
    );
    assert_eq!(trial.blocked(&shop).await, [("revenue".to_owned(), vec!["quantities".to_owned()])]);

    // another load repairs nothing: the violation that is left is counted, and is no news
    let other = trial.load_and_check(&shop, &line(&shop, "l2", "2", "8")).await.unwrap();
    assert!(found(&other).contains(&("quantities", Violated, 1, true, false)), "{other:#?}");
    let corrected = trial.load_and_check(&shop, &line(&shop, "l3", "1", "50")).await.unwrap();
    assert!(found(&corrected).contains(&("quantities", Passed, 0, true, true)), "{corrected:#?}");
    assert_eq!(trial.blocked(&shop).await, []);

    // who writes behind the loads is found by the daily run
    let behind = "UPDATE shop_dw.fact_line_rows SET quantity = 1000 WHERE line_id = '2'";
    trial.client.batch_execute(behind).await.unwrap();
    let third = trial.load_and_check(&shop, &line(&shop, "l4", "3", "9")).await.unwrap();
    assert_eq!(
        found(&third),
        [
            ("known_customers", Passed, 0, false, false),
            ("odd_lines", WithinBudget, 1, false, true),
            ("quantities", Passed, 0, false, false),
        ]
    );
    trial.load_and_check(&shop, &line(&shop, "l5", "4", "2")).await.unwrap();
    let daily = trial.check_all(&shop).await.unwrap();
    assert_eq!(
        found(&daily),
        [
            ("known_customers", Passed, 0, true, false),
            ("lines_in_all", Violated, 1, true, true),
            ("odd_lines", WithinBudget, 1, true, false),
            ("quantities", Violated, 1, true, true),
        ]
    );
    let ledger = "SELECT concat_ws('|', check_id, status, violations, of_all, examples) FROM audit.check_result \
                  WHERE run_id = (SELECT run_id FROM audit.check_result ORDER BY checked_at DESC LIMIT 1) AND status = 'violated' ORDER BY 1";
    assert_eq!(
        trial.rows(ledger).await,
        [r#"lines_in_all|violated|1|t|[{"lines": 4}]"#, r#"quantities|violated|1|t|[{"line_id": "2"}]"#]
    );

    // what a withdrawn file no longer shows changed as well
    trial.withdraw(&shop, &line(&shop, "l5", "4", "2"), &[]).await;
    let lines = "SELECT count(*)::text FROM shop_dw.fact_line_changes";
    assert_eq!(trial.text(lines).await, "1");
}

#[tokio::test]
async fn a_check_that_postgresql_refuses_names_its_file_and_loses_no_change() {
    let mended = checked(CHECKS, ODD);
    let mut trial = Trial::new(&mended).await;
    trial.load_and_check(&mended, &line(&mended, "l0", "1", "2")).await.unwrap();
    let broken = checked(CHECKS, "SELECT line FROM changed_fact_line");
    let error = trial.load_and_check(&broken, &line(&broken, "l1", "1", "501")).await.unwrap_err();
    assert_eq!(error.code, ErrorCode::ContractInvalid);
    assert!(error.message.contains("checks/odd_lines.sql") && error.message.contains("\"line\""), "{error}");
    let lists = "SELECT count(*)::text FROM shop_dw.fact_line_changes";
    assert_eq!(trial.text(lists).await, "1");
    let found_then = trial.load_and_check(&mended, &line(&mended, "l2", "2", "3")).await.unwrap();
    let odd = found_then.iter().find(|one| one.check == "odd_lines").unwrap();
    assert_eq!((odd.status, odd.violations), (CheckStatus::Violated, 2));
    assert_eq!(trial.text(lists).await, "0");
}

/// What a check looks up may go away again without a change of the rows that refer to it.
#[tokio::test]
async fn a_check_that_looks_rows_up_sees_that_they_went() {
    let shop = checked(CHECKS, ODD);
    let mut trial = Trial::new(&shop).await;
    let customer = version(&shop, "customer", "k1", &[("customer_id", "c1"), ("name", "Ada")]);
    trial.load(&shop, &customer, "bundle").await.unwrap();
    let order = [("shop_id", "A"), ("order_no", "1"), ("customer_id", "c1"), ("order_date", "2025-01-03")];
    let status =
        |found: &[Checked]| found.iter().find(|one| one.check == "known_customers").map(|one| (one.status, one.of_all));
    let first = trial.load_and_check(&shop, &version(&shop, "order", "o1", &order)).await.unwrap();
    assert_eq!(status(&first), Some((CheckStatus::Passed, true)));
    trial.withdraw(&shop, &customer, &[]).await;
    let then = trial.load_and_check(&shop, &line(&shop, "l1", "1", "8")).await.unwrap();
    assert_eq!(status(&then), Some((CheckStatus::Violated, true)));
}

/// Each kind of check finds the rows that it is for, and no others.
#[tokio::test]
async fn kinds_of_checks_find_their_rows() {
    let kinds = [
        ("kind = \"not_null\"\ntable = \"dim_customer\"\nfields = [\"name\", \"city\"]", vec!["c2", "c3"]),
        (
            "kind = \"accepted_values\"\ntable = \"dim_customer\"\nfield = \"city\"\nvalues = [\"Lyon\", \"L'Isle\"]",
            vec!["c4"],
        ),
        ("kind = \"pattern\"\ntable = \"dim_customer\"\nfield = \"name\"\npattern = '^[A-Z]\\w+$'", vec!["c4"]),
        ("kind = \"unique\"\ntable = \"dim_customer\"\nfields = [\"city\"]", vec!["c1", "c3"]),
        (
            "kind = \"relationships\"\ntable = \"dim_customer\"\nfields = [\"customer_id\"]\nto = \"fact_line\"\nto_fields = [\"line_id\"]",
            vec!["c2", "c3", "c4", "c5"],
        ),
    ];
    let of = |at: usize, kind: &str| format!("[[checks]]\nid = \"check_{at}\"\nmessage = \"m\"\n{kind}\n");
    let declared: String = kinds.iter().enumerate().map(|(at, (kind, _))| of(at, kind)).collect();
    let sums = "[[checks]]\nid = \"sums\"\nmessage = \"m\"\nkind = \"sum_of\"\ntable = \"fact_line\"\nterms = [\"dozens\", \"dozens\"]\ntotal = \"quantity\"\ntolerance = 10\n\
                [[checks]]\nid = \"equal\"\nmessage = \"m\"\nkind = \"equal_sums\"\nby = [\"city\"]\nleft = \"SELECT city, count(*) AS value FROM shop_dw.dim_customer GROUP BY 1\"\n\
                right = \"SELECT 'Lyon' AS city, 2 AS value UNION ALL SELECT NULL, 1\"\n";
    let files = shop_files().into_iter().map(|(path, text)| match path.as_str() {
        "dataset.toml" => (path, format!("{text}\n{declared}{sums}")),
        _ => (path, text),
    });
    let shop = compile(&Bundle::from_files(files));
    let mut trial = Trial::new(&shop).await;
    trial.load(&shop, &line(&shop, "l1", "c1", "10"), "bundle").await.unwrap();
    trial.load(&shop, &line(&shop, "l2", "c9", "13"), "bundle").await.unwrap();
    let customers =
        [("c1", "Ada", "Lyon"), ("c2", "Bo", ""), ("c3", "", "Lyon"), ("c4", "cy 2", "Nantes"), ("c5", "Di", "L'Isle")];
    let mut last = Vec::new();
    for (id, name, city) in customers {
        let values: Vec<_> = [("customer_id", id), ("name", name), ("city", city)]
            .into_iter()
            .filter(|(_, value)| !value.is_empty())
            .collect();
        last = trial.load_and_check(&shop, &version(&shop, "customer", id, &values)).await.unwrap();
    }
    for one in trial.check_all(&shop).await.unwrap().iter().chain(last.iter().filter(|one| one.of_all)) {
        let keys: Vec<&str> = one.examples.iter().filter_map(|row| row["customer_id"].as_str()).collect();
        match one.check.strip_prefix("check_").map(|at| at.parse::<usize>().unwrap()) {
            Some(at) => assert_eq!(keys, kinds[at].1, "{}", kinds[at].0),
            None if one.check == "sums" => assert_eq!(one.examples, [json!({"line_id": "c9"})]),
            None => {
                // the customer without a city has a counterpart
                let expected = [(Some("L'Isle"), 1), (Some("Nantes"), 1)];
                let found: Vec<_> = one
                    .examples
                    .iter()
                    .map(|row| (row["city"].as_str(), row["left_value"].as_i64().unwrap()))
                    .collect();
                assert_eq!(found, expected);
            }
        }
    }
}
