//! When each source's newest file came.

use chrono::{NaiveDate, TimeDelta};

use crate::support::{DATASET, Version, connect, instant, line, load, migrated};
use crate::withdrawing::withdraw;

#[tokio::test]
async fn the_newest_file_of_a_source_is_dated_where_its_facility_is() {
    let database = migrated("arrivals").await;
    let mut warehouse = connect(&database.url).await;
    let newest = async |warehouse: &fonderie_warehouse::Warehouse| {
        warehouse.newest_arrivals(DATASET, "Europe/Paris").await.unwrap().into_iter().collect::<Vec<_>>()
    };
    assert_eq!(newest(&warehouse).await, []);

    // Uploaded on day 3, late in the evening in UTC, with a year mistyped in its name.
    let mut mistyped = Version::new("v2", 4000, vec![line("F2")]);
    mistyped.order.modified = instant(3) + TimeDelta::minutes(23 * 60 + 30);
    load(&mut warehouse, &mistyped, "r2", "b1").await.unwrap();
    load(&mut warehouse, &Version::new("v1", 0, vec![line("F1")]), "r1", "b1").await.unwrap();
    let day = NaiveDate::from_ymd_opt(2025, 3, 5).unwrap();
    assert_eq!(newest(&warehouse).await, [("etablissement_a".to_owned(), day)]);
    // a file that was sent by mistake is not the one that was expected
    withdraw(&mut warehouse, &mistyped, "w1").await.unwrap();
    let first = NaiveDate::from_ymd_opt(2025, 3, 1).unwrap();
    assert_eq!(newest(&warehouse).await, [("etablissement_a".to_owned(), first)]);
    assert!(warehouse.newest_arrivals("another", "Europe/Paris").await.unwrap().is_empty());
    warehouse.close().await;
}
