//! The one-machine binary, killed before and after everything that it writes, and run again: the tables are those of a run
//! that nobody disturbed.

use std::path::PathBuf;

use fonderie_tests::invoices;
use fonderie_tests::machine::{Ended, Machine};
use fonderie_tests::warehouse::{STEPS, Snapshot, connect};

/// Runs files; with `kill_after`, the process ends itself once it has passed so many places.
fn run(machine: &Machine, files: &[PathBuf], kill_after: Option<u32>) -> Ended {
    let mut command = machine.run_command(files);
    if let Some(places) = kill_after {
        command.env("FAILPOINTS", format!("step={places}*off->return"));
    }
    Ended::of(&mut command)
}

#[tokio::test]
async fn killed_at_any_step_and_run_again_it_ends_in_the_same_tables() {
    let folder = tempfile::tempdir().unwrap();
    let invoices = invoices::plausible(300);
    let mut corrected = invoices.clone();
    for invoice in corrected.iter_mut().filter(|invoice| invoice.paid_on.is_none()).take(20) {
        (invoice.paid, invoice.paid_on) = (invoice.billed, Some("2026-05-20".to_owned()));
    }
    corrected[7].billed += 100;
    let write = |name: &str, invoices: &[_]| invoices::write(&folder.path().join(name), invoices).unwrap();
    let files =
        [write("etablissement_B_2026-05-31.csv", &invoices), write("etablissement_B_2026-06-15.csv", &corrected)];

    let undisturbed = Machine::new("kill").await;
    run(&undisturbed, &files, None).expect(0, &[]);
    let expected = Snapshot::natural(&connect(&undisturbed.url).await.unwrap()).await.unwrap().without_ledger();
    assert_eq!((expected.count("dw.fact_facturation"), expected.count("dw.hist_facturation")), (300, 21));

    let mut places = Vec::new();
    for kill_after in 0.. {
        let machine = Machine::new("kill").await;
        let killed = run(&machine, &files, Some(kill_after));
        if killed.code == Some(0) {
            break;
        }
        let told = killed.error;
        let place =
            told.lines().find_map(|line| line.strip_prefix("killed ")).unwrap_or_else(|| unreachable!("{told}"));
        let again = run(&machine, &files, None);
        assert_eq!(again.code, Some(0), "killed {place} ({kill_after}): {again:?}");
        let tables = Snapshot::natural(&connect(&machine.url).await.unwrap()).await.unwrap().without_ledger();
        if let Some(difference) = expected.difference(&tables) {
            unreachable!("killed {place} ({kill_after}) and run again:\n{difference}");
        }
        places.push(place.to_owned());
    }
    for place in [
        "before migrations",
        "after migrations",
        "before an object was put",
        "after an object was put",
        "before an object was completed",
        "after an object was completed",
    ]
    .into_iter()
    .chain(STEPS)
    {
        assert!(places.iter().any(|passed| passed == place), "the process was never killed {place}: {places:?}");
    }
}
