//! A shop: its customers, products, orders and order lines, and versions of their files by chance.

use std::collections::{BTreeMap, BTreeSet};

use fonderie_tables::{Calendar, Column, Computed, Dataset, Kind, Newest, Record, Reference, SqlType, Table};

use crate::model::{Row, Version};

const TEXT: SqlType = SqlType::Text(40);

fn columns(names: &[(&str, SqlType)]) -> Vec<Column> {
    names.iter().map(|(name, kind)| Column::new(name, *kind)).collect()
}

fn reference(name: &str, table: &str, columns: &[&str], fields: &[&str]) -> Reference {
    let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    Reference {
        name: name.to_owned(),
        table: table.to_owned(),
        columns: owned(columns),
        fields: owned(fields),
        as_of: None,
    }
}

fn table(name: &str, kind: Kind, key: &[(&str, SqlType)], state: &[(&str, SqlType)]) -> Table {
    Table {
        name: name.to_owned(),
        kind,
        surrogate: format!("{name}_key"),
        key: columns(key),
        state: columns(state),
        references: Vec::new(),
        computed: Vec::new(),
        checks: Vec::new(),
        indexes: Vec::new(),
        newest_by: None,
        snapshot: None,
        history: Some(format!("hist_{name}")),
        growing: Vec::new(),
        outputs: Vec::new(),
    }
}

fn computed(name: &str, kind: SqlType, expression: &str) -> Computed {
    Computed { column: Column::new(name, kind), expression: expression.to_owned() }
}

/// Customers are sent as they change. A catalogue is complete of its shop. Orders carry their shop, of which the newest order says what
/// it is called. A file of order lines is complete as a whole.
pub(crate) fn dataset() -> Dataset {
    let customer = table("dim_customer", Kind::Dimension, &[("customer_id", TEXT)], &[("name", TEXT), ("city", TEXT)]);
    let product = Table {
        snapshot: Some(vec!["shop_id".to_owned()]),
        ..table(
            "dim_product",
            Kind::Dimension,
            &[("shop_id", TEXT), ("sku", TEXT)],
            &[("label", TEXT), ("price", SqlType::Decimal(10, 2))],
        )
    };
    let shop = Table {
        newest_by: Some(Newest { field: Column::new("order_date", SqlType::Date), name: "named_on".to_owned() }),
        ..table("dim_shop", Kind::Dimension, &[("shop_id", TEXT)], &[("shop_name", TEXT)])
    };
    let order = Table {
        references: vec![
            reference("shop_key", "dim_shop", &["shop_id"], &["shop_id"]),
            reference("customer_key", "dim_customer", &["customer_id"], &["customer_id"]),
        ],
        ..table(
            "fact_order",
            Kind::Fact,
            &[("shop_id", TEXT), ("order_no", TEXT)],
            &[("order_date", SqlType::Date), ("paid", SqlType::Boolean)],
        )
    };
    let line = Table {
        snapshot: Some(Vec::new()),
        references: vec![Reference {
            as_of: Some("sold_on".to_owned()),
            ..reference("product_key", "dim_product", &["shop_id", "sku"], &["shop_id", "sku"])
        }],
        computed: vec![computed("dozens", SqlType::Decimal(12, 2), "quantity / 12.0")],
        checks: vec!["quantity > 0".to_owned()],
        ..table(
            "fact_line",
            Kind::Fact,
            &[("line_id", TEXT)],
            &[("quantity", SqlType::Long), ("sold_on", SqlType::Date)],
        )
    };
    let day = Calendar {
        name: "dim_day".to_owned(),
        key: "day_key".to_owned(),
        day: "day".to_owned(),
        field: "order_date".to_owned(),
        columns: vec![
            computed("day_of_week", SqlType::Integer, "date_part('isodow', day)"),
            computed(
                "weekday",
                SqlType::Text(10),
                "(ARRAY['Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat', 'Sun'])[date_part('isodow', day)::integer]",
            ),
        ],
    };
    let record = |name: &str, fields: &[(&str, SqlType)], tables: Vec<Table>| Record {
        name: name.to_owned(),
        fields: columns(fields),
        tables,
        calendars: if name == "order" { vec![day.clone()] } else { Vec::new() },
    };
    let records = vec![
        record("customer", &[("customer_id", TEXT), ("name", TEXT), ("city", TEXT)], vec![customer]),
        record(
            "product",
            &[("shop_id", TEXT), ("sku", TEXT), ("label", TEXT), ("price", SqlType::Decimal(10, 2))],
            vec![product],
        ),
        record(
            "order",
            &[
                ("shop_id", TEXT),
                ("shop_name", TEXT),
                ("order_no", TEXT),
                ("customer_id", TEXT),
                ("order_date", SqlType::Date),
                ("paid", SqlType::Boolean),
            ],
            vec![shop, order],
        ),
        record(
            "line",
            &[
                ("line_id", TEXT),
                ("shop_id", TEXT),
                ("sku", TEXT),
                ("quantity", SqlType::Long),
                ("sold_on", SqlType::Date),
            ],
            vec![line],
        ),
    ];
    Dataset {
        name: "shop".to_owned(),
        staging: "staging".to_owned(),
        warehouse: "dw".to_owned(),
        time_zone: "UTC".to_owned(),
        validity: ["valid_from", "valid_to"].map(str::to_owned),
        records,
    }
}

/// A source of chance that gives the same again.
pub(crate) struct Chance(u64);

impl Chance {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ 0xD1B5_4A32_D192_ED03)
    }

    pub(crate) fn below(&mut self, count: usize) -> usize {
        // splitmix64
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut value = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        value = (value ^ (value >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        usize::try_from((value ^ (value >> 31)) % count as u64).unwrap()
    }

    pub(crate) fn one_in(&mut self, count: usize) -> bool {
        self.below(count) == 0
    }

    pub(crate) fn distinct(&mut self, count: usize, below: usize) -> Vec<usize> {
        let mut all: Vec<usize> = (1..=below).collect();
        (0..count).map(|_| all.swap_remove(self.below(all.len()))).collect()
    }

    fn of<'a>(&mut self, values: &[&'a str]) -> &'a str {
        values[self.below(values.len())]
    }

    /// One of the values, or none.
    fn perhaps<'a>(&mut self, values: &[&'a str]) -> Option<&'a str> {
        if self.one_in(4) { None } else { Some(self.of(values)) }
    }
}

pub(crate) fn row(fields: &[(&str, Option<&str>)]) -> Row {
    fields.iter().filter_map(|(name, value)| Some(((*name).to_owned(), (*value)?.to_owned()))).collect()
}

/// A version of a record's files.
pub(crate) fn version(chance: &mut Chance, record: usize, rank: usize) -> Version {
    let (mut rows, mut refused) = (Vec::new(), Vec::new());
    let mut scopes: BTreeSet<String> = BTreeSet::new();
    match record {
        0 => {
            for id in ["c1", "c2", "c3"] {
                if !chance.one_in(3) {
                    let (name, city) = (chance.of(&["x", "y"]), chance.perhaps(&["Lyon"]));
                    rows.push(row(&[("customer_id", Some(id)), ("name", Some(name)), ("city", city)]));
                }
            }
        }
        1 => {
            scopes = ["A", "B"].into_iter().filter(|_| !chance.one_in(3)).map(str::to_owned).collect();
            for shop in &scopes {
                for sku in ["s1", "s2"] {
                    if !chance.one_in(3) {
                        let (label, price) = (chance.of(&["pen", "ink"]), chance.perhaps(&["1.00", "2.00"]));
                        let fields = [
                            ("shop_id", Some(shop.as_str())),
                            ("sku", Some(sku)),
                            ("label", Some(label)),
                            ("price", price),
                        ];
                        rows.push(row(&fields));
                    } else if chance.one_in(4) {
                        refused.push(vec![shop.clone(), sku.to_owned()]);
                    }
                }
            }
        }
        2 => {
            let mut keys = BTreeMap::new();
            for _ in 0..chance.below(6) {
                let key = (chance.of(&["A", "B"]), chance.of(&["1", "2", "3"]));
                let fields = [
                    ("shop_id", Some(key.0)),
                    ("order_no", Some(key.1)),
                    ("shop_name", Some(chance.of(&["Quai", "Gare"]))),
                    ("customer_id", chance.perhaps(&["c1", "c2", "c4"])),
                    ("order_date", Some(chance.of(&["2025-01-01", "2025-01-02", "2025-01-03"]))),
                    ("paid", chance.perhaps(&["true", "false"])),
                ];
                // a key is once in a record's accepted rows
                keys.insert(key, row(&fields));
            }
            rows.extend(keys.into_values());
        }
        _ => {
            scopes.insert(String::new());
            for id in ["l1", "l2", "l3"] {
                if !chance.one_in(3) {
                    let fields = [
                        ("line_id", Some(id)),
                        ("shop_id", chance.perhaps(&["A", "B"])),
                        ("sku", Some(chance.of(&["s1", "s9"]))),
                        ("quantity", Some(chance.of(&["1", "2"]))),
                        ("sold_on", Some(chance.of(&["2025-01-03", "2025-01-09", "2025-01-15"]))),
                    ];
                    rows.push(row(&fields));
                } else if chance.one_in(4) {
                    refused.push(vec![id.to_owned()]);
                }
            }
        }
    }
    Version { record, rank, rows, scopes: scopes.into_iter().collect(), refused, blind: chance.one_in(8) }
}
