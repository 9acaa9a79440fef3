//! The one-machine binary, killed before and after everything that it writes, and run again: the tables are those of a run
//! that nobody disturbed.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use fonderie_tests::warehouse::{STEPS, Snapshot, connect};
use fonderie_tests::{invoices, packages, workspace};

struct Trial {
    fonderie: PathBuf,
    files: Vec<PathBuf>,
}

impl Trial {
    /// Runs the files; with `kill_after`, the process ends itself once it has passed so many places.
    fn run(&self, state: &Path, database: &str, kill_after: Option<u32>) -> Output {
        let mut command = Command::new(&self.fonderie);
        command.arg("run").args(&self.files).args(["--as-of", "2026-06-30", "--database-url", database]);
        command.arg("--datasets").arg(workspace().join("datasets")).arg("--state").arg(state);
        if let Some(places) = kill_after {
            command.env("FAILPOINTS", format!("step={places}*off->return"));
        }
        command.output().unwrap()
    }
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
    let trial = Trial {
        fonderie: packages::build().unwrap().1,
        files: vec![
            write("etablissement_B_2026-05-31.csv", &invoices),
            write("etablissement_B_2026-06-15.csv", &corrected),
        ],
    };

    let undisturbed = fonderie_test_support::database("kill").await;
    let output = trial.run(&folder.path().join("undisturbed"), &undisturbed.url, None);
    assert!(output.status.success(), "{output:?}");
    let expected = Snapshot::natural(&connect(&undisturbed.url).await.unwrap()).await.unwrap().without_ledger();
    assert_eq!((expected.count("dw.fact_facturation"), expected.count("dw.hist_facturation")), (300, 21));

    let mut places = Vec::new();
    for kill_after in 0.. {
        let database = fonderie_test_support::database("kill").await;
        let state = folder.path().join(format!("state-{kill_after}"));
        let killed = trial.run(&state, &database.url, Some(kill_after));
        if killed.status.success() {
            break;
        }
        let told = String::from_utf8(killed.stderr).unwrap();
        let place =
            told.lines().find_map(|line| line.strip_prefix("killed ")).unwrap_or_else(|| unreachable!("{told}"));
        let again = trial.run(&state, &database.url, None);
        assert!(again.status.success(), "killed {place} ({kill_after}): {again:?}");
        let tables = Snapshot::natural(&connect(&database.url).await.unwrap()).await.unwrap().without_ledger();
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
