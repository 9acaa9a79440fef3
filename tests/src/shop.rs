//! The shop, a dataset of several records: its files, and its tables once all are loaded, in whatever order.

use tokio_postgres::Client;

use crate::Result;

/// Its customers.
pub const CUSTOMERS: &str = "customer;name;city\nc1;Ada;Lyon\nc2;Bo;\n";
/// The catalogues of two shops.
pub const MARCH: &str = "shop;sku;label;price\nA;s1;pen;1.00\nA;s2;ink;2.00\nB;s1;pen;1.10\n";
/// The catalogue of one shop, without its ink.
pub const APRIL: &str = "shop;sku;label;price\nA;s1;pen;1.20\n";
/// The catalogue of before, with the price of after.
pub const MAY: &str = "shop;sku;label;price\nA;s1;pen;1.20\nA;s2;ink;2.00\n";
/// Orders, one of a customer whom no file shows.
pub const ORDERS: &str =
    "shop;shop name;order;customer;day;paid\nA;Quai;1;c1;2026-04-02;no\nA;Gare;2;c9;2026-04-05;yes\n";
/// Order lines, one of a product that no catalogue shows.
pub const LINES: &str = "line;shop;sku;quantity;day\nl1;A;s1;12;2026-04-15\nl2;A;s2;3;2026-04-15\nl3;B;s1;1;2026-02-01\nl4;B;s7;2;2026-04-15\n";

/// The files by name.
pub const FILES: [(&str, &str); 6] = [
    ("lines_2026-04-30.csv", LINES),
    ("orders_2026-04-10.csv", ORDERS),
    ("products_2026-03-01.csv", MARCH),
    ("products_2026-04-01.csv", APRIL),
    ("products_2026-05-01.csv", MAY),
    ("customers_2026-04-01.csv", CUSTOMERS),
];

/// The rows of a query, columns parted by `|`, `∅` for NULL.
///
/// # Errors
/// The server refuses it.
pub async fn rows(client: &Client, query: &str) -> Result<Vec<String>> {
    let query = format!(
        "SELECT (SELECT string_agg(coalesce(value, '∅'), '|') FROM jsonb_each_text(to_jsonb(q)) WITH ORDINALITY) FROM ({query}) q"
    );
    Ok(client.query(&query, &[]).await?.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>()?)
}

/// The shop's tables by natural keys.
///
/// # Errors
/// One is not there.
pub async fn tables(client: &Client) -> Result<Vec<String>> {
    let mut all = Vec::new();
    for query in [
        "SELECT customer_id, name AS a, city AS b, member_status AS c FROM shop_dw.dim_customer ORDER BY 1",
        "SELECT shop_id AS a, sku AS b, label AS c, price AS d, member_status AS e FROM shop_dw.dim_product ORDER BY 1, 2",
        "SELECT shop_id AS a, sku AS b, price AS c, (valid_from AT TIME ZONE 'Europe/Paris')::date AS d, (valid_to AT TIME ZONE 'Europe/Paris')::date AS e FROM shop_dw.hist_product ORDER BY 1, 2, 4",
        "SELECT shop_id AS a, shop_name AS b, named_on AS c FROM shop_dw.dim_shop ORDER BY 1",
        "SELECT s.shop_id AS a, o.order_no AS b, c.customer_id AS c, o.day_key AS d, o.paid AS e FROM shop_dw.fact_order o \
         JOIN shop_dw.dim_shop s USING (shop_key) JOIN shop_dw.dim_customer c USING (customer_key) ORDER BY 2",
        "SELECT l.line_id AS a, l.quantity AS b, l.dozens AS c, p.price AS d, p.extrapolated AS e FROM shop_dw.fact_line l \
         LEFT JOIN shop_dw.fact_line_with_dim_product p USING (fact_line_key) ORDER BY 1",
        "SELECT shop_id AS a, revenue AS b FROM shop.revenue ORDER BY 1",
    ] {
        all.extend(rows(client, query).await?);
    }
    Ok(all)
}

/// Pen and ink as the page on the algorithm has them: the catalogue of April comes last, or first.
pub const EXPECTED: &[&str] = &[
    "Ada|Lyon|current|c1",
    "Bo|∅|current|c2",
    "∅|∅|open|c9",
    "A|s1|pen|1.20|current",
    "A|s2|ink|2.00|current",
    "B|s1|pen|1.10|current",
    "B|s7|∅|∅|open",
    "A|s1|1.00|2026-03-01|2026-04-01",
    "A|s2|2.00|2026-03-01|2026-04-01",
    "A|Gare|2026-04-05",
    "A|1|c1|20260402|false",
    "A|2|c9|20260405|true",
    "l1|12|1.00|1.20|false",
    // nothing of the ink was known on that day but what it had cost before
    "l2|3|0.25|2.00|false",
    "l3|1|0.08|1.10|true",
    "l4|2|0.17|∅|∅",
    "A|20.40",
    "B|1.10",
];

/// Sources of a file that holds two records: a customer and the first order.
pub const SIGNUP_SOURCES: [(&str, &str); 2] = [
    (
        "sources/signup_customers.toml",
        r#"record = "customer"
files = ["signups*.csv"]
extraction_date = "yyyy-mm-dd"
ignored_columns = ["shop", "shop name", "order", "day", "paid"]
format = { type = "csv", encoding = "utf-8", delimiter = ";" }
dates = { format = "yyyy-mm-dd" }
numbers = { decimal_mark = "." }
columns = { customer_id = "customer", name = "name", city = "city" }
"#,
    ),
    (
        "sources/signup_orders.toml",
        r#"record = "order"
files = ["signups*.csv"]
extraction_date = "yyyy-mm-dd"
ignored_columns = ["name", "city"]
format = { type = "csv", encoding = "utf-8", delimiter = ";" }
dates = { format = "yyyy-mm-dd" }
numbers = { decimal_mark = "." }
booleans = { true = ["yes"], false = ["no"] }
columns = { shop_id = "shop", shop_name = "shop name", order_no = "order", customer_id = "customer", order_date = "day", paid = "paid" }
"#,
    ),
];

/// The text of such a file, of one customer.
pub fn signup(customer: &str, name: &str, order: &str, day: &str) -> String {
    format!("customer;name;city;shop;shop name;order;day;paid\n{customer};{name};Nice;B;Port;{order};{day};no\n")
}
