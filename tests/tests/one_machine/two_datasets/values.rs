//! A dataset with a field of each type: what stands in a text file and in a workbook is what PostgreSQL has.

use fonderie_tests::warehouse::connect;
use rust_xlsxwriter::{Format, Workbook};

use super::{Datasets, rows};

const DATASET: &str = "name = \"lab\"\ntime_zone = \"Europe/Paris\"\n";

const RECORD: &str = r#"
key = ["serial"]
fields = [
    { name = "serial", type = "integer" },
    { name = "weight", type = "number", min = -1e9, max = 1e9 },
    { name = "taken", type = "timestamp" },
    { name = "day", type = "date" },
    { name = "price", type = "decimal", precision = 18, scale = 3 },
    { name = "ok", type = "boolean" },
    { name = "label", type = "text", max_length = 40 },
]

[[rules]]
id = "no_serial"
check = "required"
fields = ["serial"]
message = "The number is missing."

[[rules]]
id = "twice"
check = "unique"
message = "The number is there twice."

[[rules]]
id = "in_future"
check = "not_after_as_of"
fields = ["taken"]
message = "The reading is of the future."

[fact]
name = "reading"
surrogate = "reading_key"
measures = ["weight", "taken", "day", "price", "ok", "label"]
history = "reading_before"
computed = [{ name = "taken_on", type = "date", sql = "(taken AT TIME ZONE 'Europe/Paris')::date" }]
checks = ["weight < 1e8"]
"#;

const SOURCE: &str = r#"
extraction_date = "yyyy-mm-dd"
booleans = { true = ["yes"], false = ["no"] }

[[formats]]
files = ["readings*.csv"]
type = "csv"
encoding = "utf-8"
delimiter = ";"

[[formats]]
files = ["readings*.xlsx"]
type = "xlsx"

[dates]
format = ["dd/mm/yyyy", "dd/mm/yyyy hh:mm", "yyyy-mm-dd hh:mm:ss"]

[numbers]
decimal_mark = ","

[columns]
serial = "Serial"
weight = "Weight"
taken = "Taken"
day = "Day"
price = "Price"
ok = "Ok"
label = "Label"
"#;

const HEADER: [&str; 7] = ["Serial", "Weight", "Taken", "Day", "Price", "Ok", "Label"];

const APRIL: &str = "Serial;Weight;Taken;Day;Price;Ok;Label
9223372036854775807;0,30000000000000004;04/05/2026 10:30:15;04/05/2026;123456789012345,678;yes;a
-9223372036854775808;-1,5E-7;2026-05-04T22:30:15.123456Z;04/05/2026;-0,001;no;b
42;1234567,875;26/10/2025 02:30+01:00;;;;
43;;;04/05/2026;;;
44;1;29/03/2026 02:30;04/05/2026;1;yes;a time that no clock showed
45;1;04/05/2026;04/05/2026;1;yes;a day is no time
46;1e10;04/05/2026 10:30;04/05/2026;1;yes;too heavy
9223372036854775808;1;04/05/2026 10:30;04/05/2026;1;yes;one too many
47;1;01/07/2026 00:00;04/05/2026;1;yes;of the day after
48;1;30/06/2026 23:59;04/05/2026;1;yes;of the day
";

const READINGS: &str = "SELECT row_number() OVER (ORDER BY serial) AS a, serial AS b, weight::text AS c, \
                        to_char(taken AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US') AS d, day AS e, price AS f, ok AS g, label AS h, taken_on AS i \
                        FROM lab_dw.reading ORDER BY serial";

/// The workbook's readings, of which one is typed as text.
fn write_workbook(path: &std::path::Path) {
    let mut workbook = Workbook::new();
    let sheet = workbook.add_worksheet();
    let moment = Format::new().set_num_format("dd/mm/yyyy hh:mm:ss");
    let day = Format::new().set_num_format("dd/mm/yyyy");
    for (column, name) in (0..).zip(HEADER) {
        sheet.write_string(0, column, name).unwrap();
    }
    sheet.write_number(1, 0, 123_456_789_012_345.0).unwrap();
    sheet.write_number(1, 1, 0.1 + 0.2).unwrap();
    // 4 May 2026, 10:30:15.250
    sheet.write_number_with_format(1, 2, 46_146.0 + 37_815.25 / 86_400.0, &moment).unwrap();
    sheet.write_number_with_format(1, 3, 46_146.0, &day).unwrap();
    sheet.write_number(1, 4, 12.5).unwrap();
    sheet.write_boolean(1, 5, true).unwrap();
    sheet.write_string(1, 6, "cells").unwrap();
    for (column, text) in
        (0..).zip(["9007199254740993", "1e-3", "04/05/2026 00:00", "04/05/2026", "0,125", "no", "texts"])
    {
        sheet.write_string(2, column, text).unwrap();
    }
    // more digits than a spreadsheet keeps
    sheet.write_number(3, 0, 1_234_567_890_123_456_789.0).unwrap();
    sheet.write_number(3, 1, 1.0).unwrap();
    workbook.save(path).unwrap();
}

#[tokio::test]
async fn each_type_arrives_as_it_was_written() {
    let machine = Datasets::new("values").await;
    for (path, text) in [("dataset.toml", DATASET), ("records/reading.toml", RECORD), ("sources/readings.toml", SOURCE)]
    {
        machine.write(&format!("datasets/lab/{path}"), text);
    }
    let file = |name: &str, text: &str| {
        machine.run_file("lab", &machine.write(name, text)).expect(0, &[]);
    };
    file("readings_2026-04-01.csv", APRIL);
    let client = connect(&machine.url).await.unwrap();
    let of_text = [
        "1|-9223372036854775808|-1.5e-07|2026-05-04 22:30:15.123456|2026-05-04|-0.001|false|b|2026-05-05",
        "2|42|1234567.875|2025-10-26 01:30:00.000000|∅|∅|∅|∅|2025-10-26",
        "3|43|∅|∅|2026-05-04|∅|∅|∅|∅",
        "4|48|1|2026-06-30 21:59:00.000000|2026-05-04|1.000|true|of the day|2026-06-30",
        "5|9223372036854775807|0.30000000000000004|2026-05-04 08:30:15.000000|2026-05-04|123456789012345.678|true|a|2026-05-04",
    ];
    assert_eq!(rows(&client, READINGS).await, of_text);
    let refused = "SELECT rule AS a, rows AS b FROM audit.rule_result WHERE rows > 0 ORDER BY 1";
    assert_eq!(rows(&client, refused).await, ["in_future|1", "unreadable_date|2", "unreadable_number|2"]);

    write_workbook(&machine.path("readings_2026-04-02.xlsx"));
    machine.run_file("lab", &machine.path("readings_2026-04-02.xlsx")).expect(0, &[]);
    let of_workbook = "SELECT * FROM (SELECT serial AS a, weight::text AS b, to_char(taken AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US') AS c, \
                       day AS d, price AS e, ok AS f, label AS g FROM lab_dw.reading) q WHERE g IN ('cells', 'texts') ORDER BY 1";
    assert_eq!(
        rows(&client, of_workbook).await,
        [
            "123456789012345|0.30000000000000004|2026-05-04 08:30:15.250000|2026-05-04|12.500|true|cells",
            "9007199254740993|0.001|2026-05-03 22:00:00.000000|2026-05-04|0.125|false|texts",
        ]
    );

    // a later file: the smallest difference that a double has, a microsecond, and what is the same in another spelling
    let later = "Serial;Weight;Taken;Day;Price;Ok;Label
9223372036854775807;0,3;2026-05-04 10:30:15+02:00;04/05/2026;123456789012345,678;yes;a
-9223372036854775808;-0,00000015;2026-05-04T22:30:15.123457Z;04/05/2026;-0,001;no;b
42;1234567,8750;2025-10-26 01:30:00Z;;;;
";
    file("readings_2026-04-03.csv", later);
    let before = "SELECT serial AS a, weight::text AS b, to_char(taken AT TIME ZONE 'UTC', 'SS.US') AS c FROM lab_dw.reading_before ORDER BY 1";
    let earlier = ["-9223372036854775808|-1.5e-07|15.123456", "9223372036854775807|0.30000000000000004|15.000000"];
    assert_eq!(rows(&client, before).await, earlier);
    let types = "SELECT string_agg(format_type(atttypid, atttypmod), ', ' ORDER BY attnum) AS a FROM pg_attribute \
                 WHERE attrelid = 'lab_staging.reading'::regclass AND attname IN ('serial', 'weight', 'taken')";
    assert_eq!(rows(&client, types).await, ["bigint, double precision, timestamp with time zone"]);

    let all = rows(&client, READINGS).await;
    assert_eq!(all.len(), 7);
    machine.call_on("lab", "rebuild", &[]).expect(0, &[]);
    assert_eq!(rows(&client, READINGS).await, all);
    assert_eq!(rows(&client, before).await, earlier);
}
