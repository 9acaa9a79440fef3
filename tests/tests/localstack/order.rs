//! Invoices that are corrected later, and versions that arrive in another order than they were made in.

use fonderie_tests::invoices::{self, Invoice, unpaid};
use fonderie_tests::scenarios::Outcome;
use fonderie_tests::warehouse::Snapshot;
use fonderie_tests::{Result, ensure_eq};

use crate::world::{World, outcomes, same, succeeded};

/// Three invoices, nothing paid.
fn before() -> Vec<Invoice> {
    vec![unpaid(1), unpaid(2), unpaid(3)]
}

/// The first is paid, the second is as it was, the third is no longer in the file, a fourth is new.
fn after() -> Vec<Invoice> {
    let paid = Invoice { paid: 12_050, paid_on: Some("2026-04-12".to_owned()), ..unpaid(1) };
    vec![paid, unpaid(2), unpaid(4)]
}

/// Two versions of one key. What is old is said by S3: last-modified time, then the place in the list of versions.
pub(crate) async fn corrected_version(world: &mut World) -> Result<Outcome> {
    let mut ends = Vec::new();
    for (folder, order) in [("versions-1", [0, 1]), ("versions-2", [1, 0])] {
        world.reset().await;
        // Nobody is told while both versions come to be; then the events come in the order of the trial.
        let key = format!("facturation/{folder}/etablissement_B_corrigee.csv");
        let content = |invoices: &[Invoice]| (key.clone(), invoices::text(invoices).into_bytes());
        let versions = world.stack.upload_untold(&[content(&before()), content(&after())]).await?;
        for version in order {
            world.stack.send_event(&versions[version]).await?;
            let execution = world.stack.run_of(&versions[version]).await?;
            succeeded(&execution)?;
            match (order[0], version) {
                (0, 0) => outcomes(&execution, 3, 0, 0, 0)?,
                (0, 1) => outcomes(&execution, 1, 1, 1, 0)?,
                (1, 1) => outcomes(&execution, 3, 0, 0, 0)?,
                // The older version is late: the invoice that the newer one lacks, and two that the newer one has.
                _ => outcomes(&execution, 1, 0, 0, 2)?,
            }
        }
        ends.push(end(world).await?);
    }
    same("the orders of arrival differ (first: as made, second: the older one late)", &ends[0], &ends[1])?;
    Ok(Outcome::Passed("4 facts and 1 state of before, whichever version comes first".to_owned()))
}

/// Two files whose names carry the day of their extraction; the older one is uploaded last.
pub(crate) async fn extraction_dates(world: &mut World) -> Result<Outcome> {
    let files = [("etablissement_B_2026-03-31.csv", before()), ("etablissement_B_2026-04-30.csv", after())];
    let mut ends = Vec::new();
    for (folder, order) in [("extraits-1", [0, 1]), ("extraits-2", [1, 0])] {
        world.reset().await;
        for index in order {
            let (name, invoices) = &files[index];
            world.load(&format!("{folder}/{name}"), invoices).await?;
        }
        ends.push(end(world).await?);
    }
    same("the orders of arrival differ (first: as extracted, second: the older one late)", &ends[0], &ends[1])?;
    Ok(Outcome::Passed("4 facts and 1 state of before, whichever extract comes first".to_owned()))
}

/// The tables: the newest states in the facts, and the one of before in the history.
async fn end(world: &World) -> Result<Snapshot> {
    let client = world.client().await;
    let query = "SELECT string_agg(facture_id || ' ' || montant_impaye, ', ' ORDER BY facture_id) FROM ";
    let facts: Option<String> = client.query_one(&format!("{query} dw.fact_facturation"), &[]).await?.try_get(0)?;
    let expected = "FB-00001 0.00, FB-00002 120.50, FB-00003 120.50, FB-00004 120.50";
    ensure_eq!(facts.as_deref(), Some(expected), "the facts");
    let history: Option<String> = client.query_one(&format!("{query} dw.hist_facturation"), &[]).await?.try_get(0)?;
    ensure_eq!(history.as_deref(), Some("FB-00001 120.50"), "the history");
    Ok(world.natural().await?.without_ledger())
}
