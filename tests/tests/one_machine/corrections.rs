//! A file that is corrected twice, in each order in which its versions may arrive: the same tables, the states of before in
//! the history, and the right answer to what was owed in between.

use fonderie_tests::invoices;
use fonderie_tests::machine::Machine;
use fonderie_tests::warehouse::{Snapshot, connect};

/// What `fonderie owed` says: invoices and amount, of all facilities together.
fn owed(machine: &Machine, on: &str, more: &[&str]) -> (String, String) {
    let rows = machine.call(&[&["owed", "--on", on, "--format", "json"], more].concat()).expect(0, &[]).document();
    let total = rows.as_array().unwrap().iter().find(|row| row["etablissement_id"] == "TOTAL").unwrap();
    let text = |name: &str| total[name].as_str().unwrap().to_owned();
    (text("nb_factures_impayees"), text("montant_du"))
}

#[tokio::test]
async fn three_versions_in_any_order_end_in_the_same_tables() {
    let folder = tempfile::tempdir().unwrap();
    let unpaid =
        |id: u32, billed: u32| invoices::Invoice { id, date: "2026-03-10".to_owned(), paid_on: None, billed, paid: 0 };
    // 31 March: three invoices, nothing paid. 30 April: the first is paid, the second in part. 31 May: the third was wrong, and
    // a fourth is new.
    let march = vec![unpaid(1, 10_000), unpaid(2, 20_000), unpaid(3, 30_000)];
    let mut april = march.clone();
    (april[0].paid, april[0].paid_on) = (10_000, Some("2026-04-12".to_owned()));
    (april[1].paid, april[1].paid_on) = (5_000, Some("2026-04-20".to_owned()));
    let mut may = april.clone();
    may[2].billed = 31_250;
    may.push(invoices::Invoice { date: "2026-05-04".to_owned(), ..unpaid(4, 4_000) });
    let write = |name: &str, invoices: &[_]| invoices::write(&folder.path().join(name), invoices).unwrap();
    let files = [
        write("etablissement_B_2026-03-31.csv", &march),
        write("etablissement_B_2026-04-30.csv", &april),
        write("etablissement_B_2026-05-31.csv", &may),
    ];

    let mut first: Option<Snapshot> = None;
    for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
        let machine = Machine::new("corrections").await;
        for index in order {
            machine.run(&files[index]).expect(0, &[]);
        }
        let tables = Snapshot::natural(&connect(&machine.url).await.unwrap()).await.unwrap().without_ledger();
        // The first two invoices changed once, the third once, the fourth never.
        assert_eq!((tables.count("dw.fact_facturation"), tables.count("dw.hist_facturation")), (4, 3), "{order:?}");
        for (on, more, count, amount) in [
            ("2026-03-31", &[][..], "3", "600.00"),
            ("2026-04-15", &[], "3", "600.00"),
            ("2026-04-30", &[], "2", "450.00"),
            // The fourth invoice is older than this day, but no file showed it by then.
            ("2026-05-30", &[], "2", "450.00"),
            ("2026-05-31", &[], "3", "502.50"),
            // Before the first file: the invoices' own dates, for no file of that day is known.
            ("2026-03-10", &[], "3", "600.00"),
            ("2026-03-09", &[], "0", "0.00"),
            ("2026-05-31", &["--patient", "P003"], "1", "312.50"),
            ("2026-04-30", &["--facility", "ETAB_B"], "2", "450.00"),
            ("2026-05-31", &["--patient", "P003", "--facility", "ETAB_B"], "1", "312.50"),
        ] {
            let found = owed(&machine, on, more);
            assert_eq!((found.0.as_str(), found.1.as_str()), (count, amount), "{order:?}, on {on} {more:?}");
        }
        for (option, id) in [("--facility", "ETAB_A"), ("--patient", "P00")] {
            machine.call(&["owed", "--on", "2026-05-31", option, id]).expect(2, &["nothing is known of", id]);
        }
        match &first {
            None => first = Some(tables),
            Some(first) => assert_eq!(first.difference(&tables), None, "{order:?}"),
        }
    }
}
