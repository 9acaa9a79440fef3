//! The tables of a shop: what its declaration comes to, and each kind of mistake in it, with its file and key.

use fonderie_contract::{Bundle, Dataset, Mistakes};

const DATASET: &str = r#"
name = "shop"
time_zone = "Europe/Paris"

[[models]]
id = "odd_sales"
table = "sale"
score = "odd_score"
reason = "odd_reason"
type = "isolation_forest"
seed = 1
features = [{ name = "amount", words = "unusual amount: {value}" }]
"#;

const CUSTOMER: &str = r#"
key = ["customer_id"]
fields = [
    { name = "customer_id", type = "text", max_length = 20 },
    { name = "customer_name", type = "text", max_length = 50 },
    { name = "points", type = "integer" },
]

[[rules]]
id = "missing"
check = "required"
fields = ["customer_id"]
message = "…"

[[rules]]
id = "repeated"
check = "unique"
message = "…"

[dimension]
name = "customer"
surrogate = "customer_key"
attributes = ["customer_name", "points"]
history = "customer_before"
snapshot = { scope = [] }
"#;

const SALE: &str = r#"
key = ["ticket"]
owner = "store_id"
fields = [
    { name = "ticket", type = "text", max_length = 20 },
    { name = "store_id", type = "text", max_length = 20 },
    { name = "city", type = "text", max_length = 50 },
    { name = "buyer", type = "text", max_length = 20 },
    { name = "sold_on", type = "date" },
    { name = "amount", type = "decimal" },
    { name = "paid", type = "decimal" },
]

[[rules]]
id = "missing"
check = "required"
fields = ["ticket", "store_id", "sold_on"]
message = "…"

[[rules]]
id = "repeated"
check = "unique"
message = "…"

[[dimensions]]
name = "store"
surrogate = "store_key"
key = ["store_id"]
attributes = ["city"]
newest_by = { field = "sold_on", as = "known_on" }

[[calendars]]
name = "day"
surrogate = "day_key"
day = "full_day"
field = "sold_on"
columns = [{ name = "year", type = "integer", sql = "date_part('year', full_day)" }]

[fact]
name = "sale"
surrogate = "sale_key"
history = "sale_before"
measures = ["sold_on", "amount", "paid"]
references = [
    { name = "store_key", to = "store" },
    { name = "customer_key", to = "customer", fields = ["buyer"] },
]
computed = [{ name = "unpaid", type = "decimal", sql = "amount - paid" }]
checks = ["unpaid >= 0"]
indexes = [{ columns = ["day_key"] }, { columns = ["unpaid"], where = "unpaid > 0" }]

[[fact.growing]]
field = "paid"
id = "paid_less"
message = "…"
"#;

const SOURCE: &str = r#"
record = "sale"
files = ["sales*.csv"]
owns = "*"
format = { type = "csv", encoding = "utf-8", delimiter = ";" }
dates = { format = "yyyy-mm-dd" }
numbers = { decimal_mark = "." }

[columns]
ticket = "Ticket"
store_id = "Store"
city = "City"
buyer = "Buyer"
sold_on = "Day"
amount = "Amount"
paid = "Paid"
"#;

fn compile(changes: &[(&str, &str, &str)]) -> Result<Dataset, Mistakes> {
    let mut files = [
        ("dataset.toml", DATASET),
        ("records/customer.toml", CUSTOMER),
        ("records/sale.toml", SALE),
        ("sources/till.toml", SOURCE),
        ("models/odd_sales.sql", "SELECT sale_key AS key, amount FROM shop_dw.sale"),
    ]
    .map(|(path, text)| (path.to_owned(), text.to_owned()));
    for (file, from, to) in changes {
        let text = &mut files.iter_mut().find(|(path, _)| path == file).unwrap().1;
        assert!(text.contains(from), "{file} has no {from}");
        *text = text.replacen(from, to, 1);
    }
    Bundle::from_files(files).compile()
}

#[test]
fn the_tables_of_a_record_are_compiled() {
    let dataset = compile(&[]).unwrap();
    let schemas = &dataset.layout.schemas;
    assert_eq!(schemas.all(), ["shop_staging", "shop_dw", "shop"]);
    let tables = &dataset.layout.tables;
    assert_eq!(tables.validity, ["valid_from", "valid_to"]);
    let names: Vec<_> = tables.tables().map(|table| (table.name.as_str(), table.surrogate.as_str())).collect();
    assert_eq!(names, [("customer", "customer_key"), ("store", "store_key"), ("sale", "sale_key")]);
    let sale = tables.tables().last().unwrap();
    // The default of a reference's fields is the dimension's key.
    let references = sale.references.iter().map(|reference| (&reference.columns[..], &reference.fields[..]));
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    let expected = [(names(&["store_id"]), names(&["store_id"])), (names(&["customer_id"]), names(&["buyer"]))];
    assert!(references.eq(expected.iter().map(|(columns, fields)| (&columns[..], &fields[..]))));
    // The measure that a calendar names has the number of its day beside it.
    let computed: Vec<_> = sale.computed.iter().map(|computed| computed.column.name.as_str()).collect();
    assert_eq!(computed, ["day_key", "unpaid"]);
    assert_eq!(sale.outputs[0].tables(), ["odd_sales_scores", "odd_sales_reasons", "odd_sales_scale"]);
    assert_eq!(dataset.records[1].warnings[0].id, "paid_less");
    // The default of a snapshot's scope is the owner field, if the key has it.
    let scope = |key: &str| {
        let changes = [
            ("records/sale.toml", "key = [\"ticket\"]", key),
            ("records/sale.toml", "history = \"sale_before\"", "snapshot = {}"),
        ];
        compile(&changes).unwrap().layout.tables.tables().last().unwrap().snapshot.clone().unwrap()
    };
    assert!(scope("key = [\"ticket\"]").is_empty());
    assert_eq!(scope("key = [\"store_id\", \"ticket\"]"), ["store_id"]);
}

#[test]
fn a_schema_has_one_use_and_is_no_schema_of_the_system() {
    let found = |schemas: &str| {
        let Mistakes(found) =
            compile(&[("dataset.toml", "\n[[models]]", &format!("\n{schemas}\n[[models]]"))]).unwrap_err();
        found.iter().map(|mistake| format!("{}: {}", mistake.key, mistake.found)).collect::<Vec<_>>()
    };
    assert_eq!(found("schemas = { warehouse = \"audit\" }"), ["schemas.warehouse: \"audit\""]);
    assert_eq!(found("schemas = { staging = \"shop\" }"), ["schemas: two schemas named \"shop\""]);
    assert_eq!(found("schemas = { stagin = \"s\" }"), ["schemas.stagin: a key that is not known here"]);
    assert_eq!(found("validity = [\"since\"]"), ["validity: [\"since\"]"]);
    assert_eq!(found("validity = [\"since\", \"row_rank\"]"), ["validity: [\"since\", \"row_rank\"]"]);
    assert_eq!(found("validity = [\"since\", \"amount\"]"), ["fact: two columns named \"amount\""]);
    let long = "s".repeat(60);
    let Mistakes(told) = compile(&[("dataset.toml", "\"shop\"", &format!("\"{long}\""))]).unwrap_err();
    let keys: Vec<_> = told.iter().map(|mistake| mistake.key.as_str()).collect();
    assert_eq!(keys, ["schemas.staging"]);
}

/// What is replaced by what in which file, and all mistakes that come of it.
type Case<'a> = (&'a str, &'a str, &'a str, &'a [&'a str]);

#[test]
fn each_mistake_in_tables_names_file_key_found_and_accepted() {
    const SALES: &str = "records/sale.toml";
    const CUSTOMERS: &str = "records/customer.toml";
    let name_too_long = format!("name = \"{}\"", "s".repeat(49));
    let too_long_found = format!(
        "records/sale.toml: `fact.surrogate`: found \"{}\"; accepted: lower-case letters, digits and `_`, a letter first; at most 48 of them",
        "s".repeat(49)
    );
    let long_name: &[&str] = &[&too_long_found];
    let cases: &[Case<'_>] = &[
        (
            SALES,
            "attributes = [\"city\"]",
            "attributes = [\"town\"]",
            &[
                "records/sale.toml: `dimensions[0].attributes`: found \"town\", which is no field; accepted: ticket, store_id, city, buyer, sold_on, amount, paid",
            ],
        ),
        (
            SALES,
            "measures = [\"sold_on\", \"amount\", \"paid\"]",
            "measures = [\"sold_on\", \"amount\", \"paid\", \"tax\"]",
            &[
                "records/sale.toml: `fact.measures`: found \"tax\", which is no field; accepted: ticket, store_id, city, buyer, sold_on, amount, paid",
            ],
        ),
        (
            SALES,
            "fields = [\"buyer\"]",
            "fields = [\"bayer\"]",
            &[
                "records/sale.toml: `fact.references[1].fields`: found \"bayer\", which is no field; accepted: ticket, store_id, city, buyer, sold_on, amount, paid",
                "records/sale.toml: `fact.references.customer_key`: found fields that do not fit the key of customer; accepted: fields of this record for customer_id, in this order: of the same types, texts not longer",
            ],
        ),
        (
            SALES,
            "to = \"customer\", fields = [\"buyer\"]",
            "to = \"customer\"",
            &[
                "records/sale.toml: `fact.references.customer_key`: found fields that do not fit the key of customer; accepted: fields of this record for customer_id, in this order: of the same types, texts not longer",
            ],
        ),
        (
            SALES,
            "fields = [\"buyer\"]",
            "fields = [\"amount\"]",
            &[
                "records/sale.toml: `fact.references.customer_key`: found fields that do not fit the key of customer; accepted: fields of this record for customer_id, in this order: of the same types, texts not longer",
            ],
        ),
        // a customer of 21 characters could not be opened
        (
            CUSTOMERS,
            "{ name = \"customer_id\", type = \"text\", max_length = 20 }",
            "{ name = \"customer_id\", type = \"text\", max_length = 19 }",
            &[
                "records/sale.toml: `fact.references.customer_key`: found fields that do not fit the key of customer; accepted: fields of this record for customer_id, in this order: of the same types, texts not longer",
            ],
        ),
        (
            SALES,
            "to = \"store\"",
            "to = \"sale\"",
            &[
                "records/sale.toml: `fact.references.store_key`: found \"sale\", which is no dimension; accepted: customer, store",
            ],
        ),
        (
            SALES,
            "fields = [\"ticket\", \"store_id\", \"sold_on\"]",
            "fields = [\"ticket\"]",
            &[
                "records/sale.toml: `rules`: found no rule that requires \"store_id\", by which store finds its rows; accepted: a rule with `check = \"required\"` of this field",
                "records/sale.toml: `rules`: found no rule that requires \"sold_on\", by which store finds its rows; accepted: a rule with `check = \"required\"` of this field",
            ],
        ),
        (
            SALES,
            "check = \"required\"\n",
            "check = \"required\"\nseverity = \"warn\"\n",
            &[
                "records/sale.toml: `rules`: found no rule that requires \"store_id\", by which store finds its rows; accepted: a rule with `check = \"required\"` of this field",
                "records/sale.toml: `rules`: found no rule that requires \"sold_on\", by which store finds its rows; accepted: a rule with `check = \"required\"` of this field",
                "records/sale.toml: `rules`: found no rule that requires \"ticket\", by which sale finds its rows; accepted: a rule with `check = \"required\"` of this field",
            ],
        ),
        (
            CUSTOMERS,
            "check = \"unique\"",
            "check = \"unique\"\nfields = [\"customer_id\", \"customer_name\"]",
            &[
                "records/customer.toml: `rules`: found no rule that refuses a repeated key of customer; accepted: a rule with `check = \"unique\"`, or `newest_by` in the table",
            ],
        ),
        // a rule that cannot be read may be the one that is missed: it is the only mistake
        (
            SALES,
            "check = \"unique\"",
            "check = \"uniq\"",
            &[
                "records/sale.toml: `rules[1].check`: found \"uniq\"; accepted: \"required\", \"not_negative\", \"not_after_as_of\", \"unique\", \"at_most\", \"one_of\"",
            ],
        ),
        (
            SALES,
            "attributes = [\"city\"]",
            "attributes = [\"city\"]\nsnapshot = { scope = [] }",
            &[
                "records/sale.toml: `dimensions[0].snapshot`: found a dimension within another record; accepted: `snapshot` in `[dimension]` or `[fact]`",
                "records/sale.toml: `dimensions[0].snapshot`: found `snapshot` beside `newest_by`; accepted: one of the two",
            ],
        ),
        (
            CUSTOMERS,
            "scope = []",
            "scope = [\"points\"]",
            &[
                "records/customer.toml: `dimension.snapshot.scope`: found \"points\", which is not in the key; accepted: fields of the key",
            ],
        ),
        (
            CUSTOMERS,
            "[dimension]",
            "[fact]\nname = \"buying\"\nsurrogate = \"buying_key\"\n\n[dimension]",
            &[
                "records/customer.toml: `dimension`: found `[dimension]` beside `[fact]`; accepted: one of the two: what a row of the file becomes",
                "records/sale.toml: `fact.references.customer_key`: found \"customer\", which is no dimension; accepted: store",
            ],
        ),
        (
            CUSTOMERS,
            "[dimension]",
            "[dimensional]",
            &[
                "records/customer.toml: found no table; accepted: a table `[fact]` or `[dimension]`: what a row of the file becomes",
                "records/customer.toml: `dimensional`: found a key that is not known here; accepted: `budget`, `calendars`, `credit_notes`, `dimension`, `dimensions`, `fact`, `fields`, `key`, `owner`, `refused_columns`, `rules`, `total_budget`",
                "records/sale.toml: `fact.references.customer_key`: found \"customer\", which is no dimension; accepted: store",
            ],
        ),
        (
            SALES,
            "{ name = \"city\"",
            "{ name = \"valid_from\", type = \"date\" },\n    { name = \"city\"",
            &[
                "records/sale.toml: `fields`: found a field named \"valid_from\"; accepted: a name that the engine does not use itself",
            ],
        ),
        (
            SALES,
            "name = \"unpaid\"",
            "name = \"row_status\"",
            &[
                "records/sale.toml: `fact.indexes[1].columns`: found \"unpaid\", which is no column of the table; accepted: store_key, customer_key, ticket, sold_on, amount, paid, day_key, row_status",
                "records/sale.toml: `fact`: found a column named \"row_status\"; accepted: a name that the engine does not use itself",
            ],
        ),
        (
            SALES,
            "sql = \"amount - paid\"",
            "sql = \"amount - left(ticket, 1)::integer\"",
            &[
                "records/sale.toml: `fact.computed[0].sql`: found \"amount - left(ticket, 1)::integer\" with `ticket`, a field of the key; accepted: an expression over references, attributes or measures",
            ],
        ),
        (
            SALES,
            "checks = [\"unpaid >= 0\"]",
            "checks = [\"ticket <> 'ticket'\"]",
            &[
                "records/sale.toml: `fact.checks`: found \"ticket <> 'ticket'\" with `ticket`, a field of the key; accepted: an expression over references, attributes or measures",
            ],
        ),
        (
            SALES,
            "measures = [\"sold_on\", ",
            "measures = [\"sold_on\", \"ticket\", ",
            &["records/sale.toml: `fact`: found two columns named \"ticket\"; accepted: names that differ"],
        ),
        (
            SALES,
            "surrogate = \"sale_key\"",
            "surrogate = \"store_key\"",
            &["records/sale.toml: `fact`: found two columns named \"store_key\"; accepted: names that differ"],
        ),
        (
            SALES,
            "as = \"known_on\"",
            "as = \"city\"",
            &["records/sale.toml: `dimensions.store`: found two columns named \"city\"; accepted: names that differ"],
        ),
        (
            SALES,
            "name = \"year\"",
            "name = \"full_day\"",
            &["records/sale.toml: `calendars.day`: found two columns named \"full_day\"; accepted: names that differ"],
        ),
        (
            "dataset.toml",
            "reason = \"odd_reason\"",
            "reason = \"amount\"",
            &["records/sale.toml: `fact`: found two columns named \"amount\"; accepted: names that differ"],
        ),
        // two tables of one name: in one record, in two, a calendar, a view of earlier states, a model's output
        (
            SALES,
            "name = \"store\"",
            "name = \"sale\"",
            &[
                "records/sale.toml: `fact.references.store_key`: found \"store\", which is no dimension; accepted: customer, sale",
                "records/sale.toml: `fact.name`: found two tables named \"sale\"; accepted: names that differ",
            ],
        ),
        (
            SALES,
            "name = \"sale\"",
            "name = \"customer\"",
            &[
                "dataset.toml: `models.odd_sales.table`: found \"sale\", which is no table; accepted: customer, store, customer",
                "records/sale.toml: `fact.name`: found two tables named \"customer\"; accepted: names that differ",
            ],
        ),
        (
            SALES,
            "name = \"day\"",
            "name = \"customer\"",
            &[
                "records/sale.toml: `calendars.customer.name`: found two tables named \"customer\"; accepted: names that differ",
            ],
        ),
        (
            SALES,
            "history = \"sale_before\"",
            "history = \"customer_before\"",
            &[
                "records/sale.toml: `fact.history`: found two tables named \"customer_before\"; accepted: names that differ",
            ],
        ),
        (
            CUSTOMERS,
            "history = \"customer_before\"",
            "history = \"odd_sales_scores\"",
            &[
                "dataset.toml: `models.odd_sales.id`: found two tables named \"odd_sales_scores\"; accepted: names that differ",
            ],
        ),
        (
            SALES,
            "history = \"sale_before\"",
            "history = \"sale_history\"",
            &[
                "records/sale.toml: `fact.history`: found \"sale_history\", which is a table of the engine's own for sale; accepted: another name",
            ],
        ),
        (
            SALES,
            "name = \"day\"",
            "name = \"customer_rows\"",
            &[
                "records/sale.toml: `calendars.customer_rows.name`: found \"customer_rows\", which is a table of the engine's own for customer; accepted: another name",
            ],
        ),
        (
            "dataset.toml",
            "table = \"sale\"",
            "table = \"day\"",
            &[
                "dataset.toml: `models.odd_sales.table`: found \"day\", which is no table; accepted: customer, store, sale",
            ],
        ),
        (
            SALES,
            "field = \"paid\"",
            "field = \"buyer\"",
            &[
                "records/sale.toml: `fact.growing[0].field`: found \"buyer\"; accepted: a number among the table's measures",
            ],
        ),
        (
            SALES,
            "id = \"paid_less\"",
            "id = \"repeated\"",
            &[
                "records/sale.toml: `fact.growing[0].id`: found \"repeated\", which is the id of a rule; accepted: an id that no rule of this record or of the reader has",
            ],
        ),
        (
            SALES,
            "{ columns = [\"day_key\"] }",
            "{ columns = [\"city\"] }",
            &[
                "records/sale.toml: `fact.indexes[0].columns`: found \"city\", which is no column of the table; accepted: store_key, customer_key, ticket, sold_on, amount, paid, day_key, unpaid",
            ],
        ),
        (
            SALES,
            "key = [\"store_id\"]\n",
            "key = []\n",
            &[
                "records/sale.toml: `dimensions[0].key`: found an empty list; accepted: the natural key: at least one field",
            ],
        ),
        (
            SALES,
            "measures = [",
            "key = [\"ticket\"]\nmeasures = [",
            &[
                "records/sale.toml: `fact.key`: found a key of its own; accepted: the record's key, which is declared above all tables",
            ],
        ),
        (
            SALES,
            "field = \"sold_on\"\ncolumns",
            "field = \"amount\"\ncolumns",
            &["records/sale.toml: `calendars[0].field`: found \"amount\"; accepted: a date field"],
        ),
        (
            SALES,
            "type = \"decimal\", sql",
            "type = \"integer\", min = 0, sql",
            &[
                "records/sale.toml: `fact.computed[0].min`: found a bound of a computed column; accepted: no such key; a condition in `checks`",
            ],
        ),
        (
            SALES,
            "checks = [",
            "attributes = [\"city\"]\nchecks = [",
            &[
                "records/sale.toml: `fact.attributes`: found a key that is not known here; accepted: `checks`, `computed`, `growing`, `history`, `indexes`, `key`, `measures`, `name`, `newest_by`, `partitions`, `references`, `snapshot`, `surrogate`; `attributes` belongs in `[dimensions[0]]`",
            ],
        ),
        (
            "sources/till.toml",
            "record = \"sale\"\n",
            "",
            &[
                "sources/till.toml: `record`: found nothing; accepted: the record that the files hold: \"customer\", \"sale\"",
            ],
        ),
        (
            "sources/till.toml",
            "record = \"sale\"",
            "record = \"sales\"",
            &["sources/till.toml: `record`: found \"sales\", which is no record; accepted: \"customer\", \"sale\""],
        ),
        (SALES, "surrogate = \"sale_key\"", &name_too_long.replace("name", "surrogate"), long_name),
    ];
    let mut wrong = Vec::new();
    for (file, from, to, expected) in cases {
        let found = match compile(&[(file, from, to)]) {
            Ok(_) => Vec::new(),
            Err(Mistakes(found)) => found.iter().map(ToString::to_string).collect(),
        };
        if found != *expected {
            wrong.push(format!("{file}: {to}\nexpected {expected:#?}\nfound {found:#?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn statements_that_the_engine_makes_itself_have_no_file() {
    let files = [
        ("dataset.toml", DATASET),
        ("records/customer.toml", CUSTOMER),
        ("records/sale.toml", SALE),
        ("models/odd_sales.sql", "SELECT 1"),
        ("models/odd_sales_write.sql", "UPDATE shop_dw.sale SET odd_score = 1"),
        ("warehouse/load.sql", "INSERT INTO shop_dw.sale DEFAULT VALUES"),
    ];
    let files = files.map(|(path, text)| (path.to_owned(), text.to_owned()));
    let Mistakes(found) = Bundle::from_files(files).compile().unwrap_err();
    let found: Vec<_> = found.iter().map(ToString::to_string).collect();
    assert_eq!(
        found,
        [
            "models/odd_sales_write.sql: found no model of this name; accepted: `<id>.sql` of a model in dataset.toml",
            "warehouse/load.sql: found this name; accepted: a migration `V<number>__<name>.sql` numbered from 1",
        ]
    );
}

/// Compiles the shop's sales with the day in their key, and with partitions.
fn with_partitions(partitions: &str) -> Result<Dataset, Mistakes> {
    compile(&[
        ("records/sale.toml", "key = [\"ticket\"]", "key = [\"sold_on\", \"ticket\"]"),
        ("records/sale.toml", "measures = [\"sold_on\", \"amount\", \"paid\"]", "measures = [\"amount\", \"paid\"]"),
        ("records/sale.toml", "indexes = [{ columns = [\"day_key\"] }, ", "indexes = ["),
        ("records/sale.toml", "[[fact.growing]]", &format!("partitions = {{ {partitions} }}\n[[fact.growing]]")),
    ])
}

#[test]
fn partitions_cover_the_days_from_one_until_before_another() {
    let ranges = |partitions: &str| {
        let dataset = with_partitions(partitions).unwrap();
        let partitions = dataset.layout.tables.tables().last().unwrap().partitions.clone().unwrap();
        assert_eq!(partitions.by, "sold_on");
        partitions
            .ranges
            .into_iter()
            .map(|range| format!("{} {} {}", range.name, range.from, range.until))
            .collect::<Vec<_>>()
    };
    let days = |every: &str, from: &str, until: &str| {
        ranges(&format!("by = \"sold_on\", every = \"{every}\", from = \"{from}\", until = \"{until}\""))
    };
    assert_eq!(days("year", "2024-01-01", "2026-01-01"), ["2024 2024-01-01 2025-01-01", "2025 2025-01-01 2026-01-01"]);
    assert_eq!(
        days("quarter", "2024-10-01", "2025-04-01"),
        ["2024_q4 2024-10-01 2025-01-01", "2025_q1 2025-01-01 2025-04-01"]
    );
    assert_eq!(
        days("month", "2024-02-01", "2024-04-01"),
        ["2024_02 2024-02-01 2024-03-01", "2024_03 2024-03-01 2024-04-01"]
    );
    assert_eq!(days("month", "2010-01-01", "2026-09-01").len(), 200);
}

#[test]
fn each_mistake_in_partitions_is_found() {
    let found = |partitions: &str| {
        let Mistakes(found) = with_partitions(partitions).unwrap_err();
        found.iter().map(|mistake| format!("{}: {}", mistake.key, mistake.found)).collect::<Vec<_>>()
    };
    let of = |by: &str, every: &str, from: &str, until: &str| {
        found(&format!("by = \"{by}\", every = \"{every}\", from = \"{from}\", until = \"{until}\""))
    };
    assert_eq!(of("ticket", "year", "2024-01-01", "2025-01-01"), ["fact.partitions.by: \"ticket\""]);
    assert_eq!(of("amount", "year", "2024-01-01", "2025-01-01"), ["fact.partitions.by: \"amount\""]);
    assert_eq!(of("sold_on", "quarter", "2024-02-01", "2025-01-01"), ["fact.partitions.from: \"2024-02-01\""]);
    assert_eq!(of("sold_on", "month", "2024-02-01", "2025-01-31"), ["fact.partitions.until: \"2025-01-31\""]);
    assert_eq!(of("sold_on", "year", "2025-01-01", "2025-01-01"), ["fact.partitions.until: \"2025-01-01\""]);
    let many = "fact.partitions.until: more than 200 partitions from 2010-01-01 until 2026-10-01";
    assert_eq!(of("sold_on", "month", "2010-01-01", "2026-10-01"), [many]);
    assert_eq!(
        found("every = \"week\""),
        [
            "fact.partitions.by: nothing",
            "fact.partitions.every: \"week\"",
            "fact.partitions.from: nothing",
            "fact.partitions.until: nothing",
        ]
    );
    let partitions =
        "partitions = { by = \"customer_id\", every = \"year\", from = \"2024-01-01\", until = \"2025-01-01\" }";
    let dimension = format!("history = \"customer_before\"\n{partitions}");
    let Mistakes(found) =
        compile(&[("records/customer.toml", "history = \"customer_before\"", &dimension)]).unwrap_err();
    assert_eq!(
        found[0].to_string(),
        "records/customer.toml: `dimension.partitions`: found a partitioned dimension; accepted: no `partitions`: rows of other tables refer to the members of a dimension"
    );
}

#[test]
fn numbers_and_timestamps_are_what_they_can_be() {
    let fields = "    { name = \"paid\", type = \"decimal\" },\n";
    let more = "    { name = \"paid\", type = \"decimal\" },\n    { name = \"weight\", type = \"number\", min = 0.5, max = 0 },\n    \
                { name = \"pieces\", type = \"integer\", min = 9223372036854775807 },\n    { name = \"sold_at\", type = \"timestamp\" },\n";
    let told = |changes: &[(&str, &str, &str)]| -> Vec<String> {
        let mut all = vec![("records/sale.toml", fields, more)];
        all.extend(changes);
        compile(&all).unwrap_err().0.iter().map(|mistake| format!("{}: {}", mistake.key, mistake.found)).collect()
    };
    let bounds = "fields[7].max: 0";
    assert_eq!(told(&[]), [bounds]);
    let key = ("records/sale.toml", "key = [\"ticket\"]", "key = [\"ticket\", \"weight\"]");
    let store = ("records/sale.toml", "key = [\"store_id\"]", "key = [\"weight\"]");
    let found = told(&[key, store]);
    assert!(found.contains(&"key: \"weight\", a number".to_owned()), "{found:?}");
    assert!(found.contains(&"dimensions[0].key: \"weight\", a number".to_owned()), "{found:?}");
    let as_of = ("records/sale.toml", "fields = [\"buyer\"] }", "fields = [\"buyer\"], as_of = \"sold_at\" }");
    assert!(told(&[as_of]).contains(&"fact.references: as_of = \"sold_at\"".to_owned()));
    // a timestamp needs a format with the time of day, or a serial number
    let column = ("sources/till.toml", "paid = \"Paid\"", "paid = \"Paid\"\nsold_at = \"At\"");
    let untimed = "columns.sold_at: a timestamp, while no date format has the time of day";
    assert!(told(&[column]).contains(&untimed.to_owned()));
    for format in ["['yyyy-mm-dd', 'yyyy-mm-dd hh:mm']", "'excel'"] {
        let timed =
            ("sources/till.toml", "dates = { format = \"yyyy-mm-dd\" }", &*format!("dates = {{ format = {format} }}"));
        assert_eq!(told(&[column, timed]), [bounds], "{format}");
    }
}
