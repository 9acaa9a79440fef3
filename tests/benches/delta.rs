//! What a file costs that changes little of a large warehouse: wall seconds of the whole program, WAL, and peak memory, by the size of the
//! warehouse. The exponent is that of wall ~ size^exponent between the smallest and the largest.
//!
//! The program's own database is started and stopped in each measurement, and is part of it; the first line of a table is a run that finds
//! nothing to do.
#![allow(clippy::print_stdout, clippy::print_stderr)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use csv::StringRecord;
use fonderie_tests::{Result, cache, packages, samples};

/// Rows of the large file, and how many of them are changed, and how many are new.
const LARGE: [usize; 3] = [100_000, 1_000, 1_000];
/// The file that is taken for the source of the changes.
const SOURCE: &str = "etablissement_B.csv";

/// What one call of the program used.
struct Used {
    wall_s: f64,
    wal_mb: f64,
    peak_mib: f64,
}

/// A state folder, and the program that works on it.
struct Bench {
    program: PathBuf,
    folder: PathBuf,
    state: PathBuf,
}

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let option = |name: &str| arguments.iter().skip_while(|argument| *argument != name).nth(1);
    let sizes = option("--rows").map_or("100000,200000,400000,1000000", String::as_str);
    let sizes: Vec<u32> = sizes.split(',').map(str::parse).collect::<std::result::Result<_, _>>()?;
    let rounds: usize = option("--rounds").map_or(Ok(5), |rounds| rounds.parse())?;
    let (_, program) = packages::build()?;
    println!("| invoices | call | wall s | WAL MB | peak MiB |\n|---|---|---|---|---|");
    let mut walls: Vec<(String, f64, f64)> = Vec::new();
    for rows in sizes {
        let folder = cache::folder().join(format!("bench-delta-{rows}"));
        let bench = Bench { program: program.clone(), state: folder.join("state"), folder };
        let data = bench.base(rows)?;
        let invoices = bench.invoices()?;
        let calls: [(&str, usize); 6] = [
            ("nothing to do", rounds),
            ("100k rows, 1 % changed, 1 % new", rounds),
            ("1 row", rounds),
            ("300 files of 1 row", 1),
            ("retraining", 3),
            ("another day", 3),
        ];
        for (call, rounds) in calls {
            let mut used = Vec::new();
            for round in 0..rounds {
                eprintln!("{invoices} invoices, {call}: round {} of {rounds}", round + 1);
                used.push(bench.call(call, &data)?);
            }
            let of = |read: fn(&Used) -> f64| median(used.iter().map(read).collect());
            let (wall, wal, peak) = (of(|used| used.wall_s), of(|used| used.wal_mb), of(|used| used.peak_mib));
            println!("| {invoices} | {call} | {wall:.2} | {wal:.1} | {peak:.0} |");
            walls.push((call.to_owned(), invoices.parse()?, wall));
        }
    }
    for (call, size, wall) in &walls {
        let largest = walls.iter().rfind(|(other, ..)| other == call);
        if let Some((_, most, last)) = largest.filter(|(_, most, _)| most > size)
            && walls.iter().find(|(other, ..)| other == call).is_some_and(|(_, least, _)| least == size)
        {
            println!("{call}: exponent {:.2}", (last / wall).ln() / (most / size).ln());
        }
    }
    Ok(())
}

impl Bench {
    /// The generator's files, loaded once and kept. Returns their folder.
    fn base(&self, rows: u32) -> Result<PathBuf> {
        let generator = samples::generator()?.ok_or("../shared/bench is not beside this checkout")?;
        let data = self.folder.join("data");
        if !data.join("ground_truth.json").is_file() {
            samples::generate(&generator, rows, &data)?;
        }
        if !self.state.is_dir() {
            eprintln!("loading {rows} rows per facility");
            let files = samples::DELIMITED.map(|name| data.join(name));
            self.run(&files.iter().map(|file| file.as_os_str().to_string_lossy().into_owned()).collect::<Vec<_>>())?;
        }
        Ok(data)
    }

    fn invoices(&self) -> Result<String> {
        self.ask("SELECT count(*) FROM dw.fact_facturation")
    }

    fn ask(&self, sql: &str) -> Result<String> {
        let mut command = Command::new(&self.program);
        command.args(["query", "--format", "csv", "-c", sql, "--state"]).arg(&self.state);
        let output = command.stderr(Stdio::inherit()).output()?;
        let text = String::from_utf8(output.stdout)?;
        Ok(text.lines().nth(1).ok_or("no answer")?.to_owned())
    }

    /// Measures a call.
    fn call(&self, call: &str, data: &Path) -> Result<Used> {
        let source = data.join(SOURCE);
        let stamp = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?.as_nanos();
        let folder = self.folder.join("files");
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder)?;
        let file = |number: usize| folder.join(format!("etablissement_B_{stamp}_{number}.csv"));
        let mut arguments: Vec<String> = vec!["run".into(), folder.to_string_lossy().into_owned()];
        match call {
            "nothing to do" => arguments = vec!["score".into()],
            "1 row" => change(&source, &file(0), [1, 1, 0], stamp)?,
            "300 files of 1 row" => {
                for number in 0..300 {
                    change(&source, &file(number), [1, 0, 1], stamp + number as u128)?;
                }
            }
            "retraining" => arguments = vec!["score".into(), "--retrain".into()],
            "another day" => {
                let day = self.ask("SELECT as_of + 1 AS day FROM audit.as_of")?;
                arguments = vec!["daily".into(), "--as-of".into(), day];
            }
            _ => change(&source, &file(0), LARGE, stamp)?,
        }
        self.measured(&arguments)
    }

    fn run(&self, files: &[String]) -> Result<Used> {
        let arguments: Vec<String> = std::iter::once("run".to_owned()).chain(files.iter().cloned()).collect();
        self.measured(&arguments)
    }

    fn measured(&self, arguments: &[String]) -> Result<Used> {
        let lsn = "SELECT pg_current_wal_lsn()";
        let before = if self.state.is_dir() { Some(self.ask(lsn)?) } else { None };
        let mut command = Command::new(&self.program);
        command.args(arguments).arg("--state").arg(&self.state).stdout(Stdio::null()).stderr(Stdio::inherit());
        if arguments.first().is_some_and(|first| first == "run") {
            command.args(["--as-of", &self.as_of()]);
        }
        let started = Instant::now();
        let mut child = command.spawn()?;
        let mut peak = 0.0_f64;
        let status = loop {
            if let Some(status) = child.try_wait()? {
                break status;
            }
            peak = peak.max(resident_mib(child.id()));
            std::thread::sleep(Duration::from_millis(10));
        };
        let wall_s = started.elapsed().as_secs_f64();
        if !status.success() {
            return Err(format!("{arguments:?} ended with {status}").into());
        }
        let wal_mb = match before {
            Some(before) => {
                let wal = format!("SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), '{before}')");
                self.ask(&wal)?.parse::<f64>()? / 1e6
            }
            None => f64::NAN,
        };
        Ok(Used { wall_s, wal_mb, peak_mib: peak })
    }

    /// The date that was last published, else that of the generator's files.
    fn as_of(&self) -> String {
        let known = self.state.is_dir().then(|| self.ask("SELECT as_of FROM audit.as_of").ok()).flatten();
        known.unwrap_or_else(|| "2026-06-30".to_owned())
    }
}

/// Writes a file of so many rows of a source, some of them changed, and some new.
fn change(source: &Path, target: &Path, [rows, changed, new]: [usize; 3], stamp: u128) -> Result<()> {
    let mut reader = csv::ReaderBuilder::new().flexible(true).from_path(source)?;
    let headers = reader.headers()?.clone();
    let column = |name: &str| headers.iter().position(|header| header == name).ok_or(format!("no column {name}"));
    let (id, paid_on, billed, paid) =
        (column("invoice_id")?, column("payment_date")?, column("billed_amount")?, column("paid_amount")?);
    let status = column("status")?;
    let mut writer = csv::Writer::from_path(target)?;
    writer.write_record(&headers)?;
    let (mut written, mut left) = (0, changed);
    // other invoices are paid each time
    let skipped = usize::try_from(stamp % 97)?;
    for record in reader
        .records()
        .skip(skipped)
        .filter(|record| record.as_ref().is_ok_and(|record| record.len() == headers.len()))
    {
        let record = record?;
        let is_unpaid = record[paid_on].is_empty() && !record[billed].is_empty() && record[paid].starts_with('0');
        if changed > 0 && rows == changed && !is_unpaid {
            continue;
        }
        let mut fields: Vec<String> = record.iter().map(str::to_owned).collect();
        if left > 0 && is_unpaid {
            fields[paid_on] = "2026-06-29".into();
            fields[paid] = record[billed].to_owned();
            fields[status] = "PAID".into();
            left -= 1;
        }
        if written >= rows - new {
            fields[id] = format!("N{stamp}-{written}");
        }
        writer.write_record(&StringRecord::from(fields))?;
        written += 1;
        if written == rows {
            break;
        }
    }
    writer.flush()?;
    Ok(())
}

/// The resident memory of a process; 0 if it is gone.
fn resident_mib(process: u32) -> f64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or_default();
    peak.trim().trim_end_matches("kB").trim().parse::<f64>().unwrap_or_default() / 1024.0
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
