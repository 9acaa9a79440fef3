//! How long it takes: printed, and wrong only far beyond what is meant, since other work of the machine slows it too.

use std::time::{Duration, Instant};

use fonderie_tests::invoices::{self, unpaid};
use fonderie_tests::scenarios::Outcome;
use fonderie_tests::{Result, cold_start, ensure, ensure_eq};

use crate::world::{World, succeeded};

pub(crate) async fn upload_to_succeeded(world: &mut World) -> Result<Outcome> {
    world.reset().await;
    world.load("etablissement_B_avant.csv", &[unpaid(96_001)]).await?;
    let started = Instant::now();
    let execution = world.load("etablissement_B_2000.csv", &invoices::plausible(2_000)).await?;
    let seconds = started.elapsed().as_secs_f64();
    succeeded(&execution)?;
    ensure_eq!(execution.output["load"]["outcomes"]["inserted"], 2_000, "invoices inserted");
    ensure!(seconds < 30.0, "2,000 rows took {seconds:.1} s, 5 are meant");
    Ok(Outcome::Passed(format!("{seconds:.2} s (meant: under 5)")))
}

pub(crate) async fn cold_starts(world: &mut World) -> Result<Outcome> {
    let mut seen = Vec::new();
    for function in world.stack.functions().keys() {
        let median = cold_start::median(&world.fonderie.with_file_name(function))?;
        ensure!(median < Duration::from_millis(300), "{function} asks for work after {median:?}, 30 ms are meant");
        seen.push(format!("{function} {:.0}", median.as_secs_f64() * 1000.0));
    }
    Ok(Outcome::Passed(format!("milliseconds (meant: under 30): {}", seen.join(", "))))
}
