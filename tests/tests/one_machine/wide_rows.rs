//! Rows of a megabyte each, which compress to nothing: no stage may hold many of them at once.

use std::fs;
use std::io::Read;
use std::process::Stdio;
use std::time::Duration;

use fonderie_tests::invoices;
use fonderie_tests::machine::Machine;

/// The most memory that a process had, in MiB, so far as the system still knows it.
fn peak(id: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{id}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok().map(|kib| kib / 1024)
}

#[tokio::test]
async fn all_stages_stay_within_their_memory() {
    const ROWS: usize = 200;
    let machine = Machine::new("wide_rows").await.with_own_datasets();
    machine.edit(
        "records/facturation.toml",
        "name = \"nom\", type = \"text\", max_length = 100",
        "name = \"nom\", type = \"text\", max_length = 1000000",
    );
    let rows: Vec<_> = (0..ROWS).map(|id| invoices::unpaid(u32::try_from(id).unwrap())).collect();
    let name = "a".repeat(1_000_000);
    let text = invoices::text(&rows).replace(",Martin,", &format!(",{name},"));
    let mut command = machine.run_command(&[machine.write("etablissement_B.csv", text)]);
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    // The tables at the end show some of the names: a full pipe would stop the program.
    let mut shown = child.stdout.take().unwrap();
    let shown = std::thread::spawn(move || {
        let mut out = Vec::new();
        shown.read_to_end(&mut out).unwrap();
        String::from_utf8_lossy(&out).into_owned()
    });
    let mut most = 0;
    while child.try_wait().unwrap().is_none() {
        most = peak(child.id()).unwrap_or_default().max(most);
        std::thread::sleep(Duration::from_millis(5));
    }
    let (status, out) = (child.wait().unwrap(), shown.join().unwrap());
    assert!(
        status.success() && out.contains("200 inserted"),
        "{status}: {}",
        out.chars().take(2_000).collect::<String>()
    );
    assert!(most > 0 && most < 256, "{most} MiB");
}
