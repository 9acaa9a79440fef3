//! `transform` beside Polars, on the same files, in the same run: CPU and wall seconds, peak memory, rows per CPU second.
//!
//! Each measurement is a process of its own that runs `admit` and `transform` against an embedded S3 in the process that measures,
//! as the function does against S3. Medians of the rounds; the peers take turns. Without the peers' Python environment
//! (`../shared/bench/setup.sh`) only ours is measured.
#![allow(clippy::print_stdout, clippy::print_stderr)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use bytes::Bytes;
use chrono::Utc;
use fonderie_contract::Bundle;
use fonderie_core::ObjectRef;
use fonderie_core::stage::TransformInput;
use fonderie_embedded_s3::EmbeddedS3;
use fonderie_storage::{Datasets, Storage};
use fonderie_tests::{Result, run, samples, workspace};
use serde::{Deserialize, Serialize};

const DATASET: &str = "facturation";
const CHILD: &str = "--child";

/// What one process used for one file.
#[derive(Clone, Copy, Serialize, Deserialize)]
struct Used {
    rows: u64,
    cpu_s: f64,
    wall_s: f64,
    peak_rss_mib: f64,
}

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    if let [flag, endpoint, access, secret, key] = &arguments[..]
        && flag == CHILD
    {
        let used = runtime.block_on(child(&Storage::for_endpoint(endpoint, access, secret), key))?;
        println!("{}", serde_json::to_string(&used)?);
        return Ok(());
    }
    let option = |name: &str| arguments.iter().skip_while(|a| *a != name).nth(1);
    let rows: u32 = option("--rows").map_or(Ok(1_000_000), |rows| rows.parse())?;
    let rounds: usize = option("--rounds").map_or(Ok(3), |rounds| rounds.parse())?;
    let data = match option("--data") {
        Some(data) => PathBuf::from(data),
        None => make(rows)?,
    };
    let peer = std::env::var_os("BENCH_DIR").map_or_else(|| std::env::temp_dir().join("bench"), PathBuf::from);
    let peer = peer.join("venv/bin/python");
    let peer = peer.is_file().then_some(peer);
    if peer.is_none() {
        eprintln!("Polars is not measured: its Python environment is not there (../shared/bench/setup.sh makes it)");
    }
    let folder = tempfile::tempdir()?;
    let s3 = EmbeddedS3::start(&folder.path().join("s3"), &["bronze", "silver", "quarantine", "datasets"])?;
    let storage = Storage::for_endpoint(s3.endpoint(), s3.access_key(), s3.secret_key());
    runtime.block_on(deploy(&storage))?;
    let mut measured: BTreeMap<(&str, &str), Vec<Used>> = BTreeMap::new();
    for name in samples::DELIMITED {
        runtime.block_on(upload(&storage, &data.join(name)))?;
    }
    for round in 1..=rounds {
        for name in samples::DELIMITED {
            eprintln!("round {round} of {rounds}: {name}");
            measured.entry((name, "fonderie")).or_default().push(ours(&s3, name)?);
            if let Some(python) = &peer {
                measured.entry((name, "polars")).or_default().push(polars(python, &data, name, folder.path())?);
            }
        }
    }
    report(&measured);
    Ok(())
}

/// The generator's files, kept between benchmarks.
fn make(rows: u32) -> Result<PathBuf> {
    let generator =
        samples::generator()?.ok_or("../shared/bench is not beside this checkout: name a folder with --data")?;
    let data = fonderie_tests::cache::folder().join(format!("bench-{rows}"));
    if !data.join("ground_truth.json").is_file() {
        eprintln!("making {rows} rows per facility in {}", data.display());
        samples::generate(&generator, rows, &data)?;
    }
    Ok(data)
}

async fn deploy(storage: &Storage) -> Result<()> {
    let files = fonderie_test_support::dataset_files(DATASET);
    let bundle = Bytes::from(serde_json::to_vec(&Bundle::from_files(files))?);
    let object = ObjectRef { bucket: "datasets".into(), key: Datasets::key(DATASET) };
    Ok(storage.put(&object, bundle, "application/json").await?)
}

async fn upload(storage: &Storage, path: &Path) -> Result<()> {
    let name = path.file_name().ok_or("a file without a name")?.to_string_lossy();
    let object = ObjectRef { bucket: "bronze".into(), key: format!("{DATASET}/{name}") };
    storage.put_file(path, &object, "application/octet-stream").await?;
    Ok(())
}

/// Measures our stage in a process of its own.
fn ours(s3: &EmbeddedS3, name: &str) -> Result<Used> {
    let key = format!("{DATASET}/{name}");
    let mut command = Command::new(std::env::current_exe()?);
    let output = run(command.args([CHILD, s3.endpoint(), s3.access_key(), s3.secret_key(), &key]))?;
    Ok(serde_json::from_slice(&output.stdout)?)
}

async fn child(storage: &Storage, key: &str) -> Result<Used> {
    let started = Instant::now();
    let buckets = fonderie_admit::Buckets { bronze: "bronze".into(), reports: "reports".into() };
    let admit = fonderie_admit::Context::new(storage.clone(), "datasets".into(), vec![DATASET.into()], buckets);
    let transform = fonderie_transform::Context::new(storage.clone(), "silver".into(), "quarantine".into());
    let request = serde_json::json!({"bucket": "bronze", "key": key, "as_of": "2026-06-30"});
    let request = serde_json::from_value(request)?;
    let run = fonderie_admit::object(&admit, &format!("bench-{}", std::process::id()), Utc::now(), request).await?;
    let transformed = fonderie_transform::run(&transform, TransformInput { run }).await?;
    let status = std::fs::read_to_string("/proc/self/status")?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).ok_or("no VmHWM")?;
    let kib: f64 = peak.trim().trim_end_matches("kB").trim().parse()?;
    Ok(Used {
        rows: transformed.read.rows,
        cpu_s: cpu_seconds()?,
        wall_s: started.elapsed().as_secs_f64(),
        peak_rss_mib: kib / 1024.0,
    })
}

/// User and system time of this process, all its threads.
fn cpu_seconds() -> Result<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let after = stat.rsplit_once(')').ok_or("no /proc/self/stat")?.1;
    let ticks: f64 = after.split_whitespace().skip(11).take(2).filter_map(|ticks| ticks.parse::<f64>().ok()).sum();
    Ok(ticks / 100.0)
}

/// Measures the same file in Polars, by its own meter.
fn polars(python: &Path, data: &Path, name: &str, folder: &Path) -> Result<Used> {
    #[derive(Deserialize)]
    struct Measured {
        total: Total,
        stages: BTreeMap<String, Stage>,
    }
    #[derive(Deserialize)]
    struct Total {
        cpu_s: f64,
        wall_s: f64,
        peak_rss_mib: f64,
    }
    #[derive(Deserialize)]
    struct Stage {
        rows: u64,
    }
    let facility = name.trim_start_matches("etablissement_").get(..1).ok_or("no facility's letter")?;
    let json = folder.join("polars.json");
    let mut command = Command::new(python);
    command.env("PYTHONDONTWRITEBYTECODE", "1").env("POLARS_MAX_THREADS", "1");
    command.arg(workspace().join("../shared/bench/polars_transform.py")).arg("--in").arg(data);
    command.arg("--out").arg(folder.join("polars")).args(["--compression", "zstd", "--facilities", facility]);
    run(command.arg("--json").arg(&json))?;
    let Measured { total, stages } = serde_json::from_slice(&std::fs::read(&json)?)?;
    let rows = stages.values().map(|stage| stage.rows).sum();
    Ok(Used { rows, cpu_s: total.cpu_s, wall_s: total.wall_s, peak_rss_mib: total.peak_rss_mib })
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

fn report(measured: &BTreeMap<(&str, &str), Vec<Used>>) {
    println!("| file | by | rows | CPU s | wall s | peak MiB | rows per CPU s | CPU, Polars = 1 |");
    println!("|---|---|---|---|---|---|---|---|");
    let middle = |key: &(&str, &str), read: fn(&Used) -> f64| {
        measured.get(key).map(|used| median(used.iter().map(read).collect()))
    };
    for (key, used) in measured {
        let (file, by) = key;
        let rows = used.first().map_or(0, |used| used.rows);
        let of = |read| middle(key, read).unwrap_or(f64::NAN);
        let (cpu, wall, peak) = (of(|u| u.cpu_s), of(|u| u.wall_s), of(|u| u.peak_rss_mib));
        let ratio =
            middle(&(*file, "polars"), |u| u.cpu_s).map_or_else(|| "-".to_owned(), |peer| format!("{:.2}", cpu / peer));
        #[expect(clippy::cast_precision_loss, reason = "rows are shown to four digits")]
        let speed = rows as f64 / cpu;
        println!("| {file} | {by} | {rows} | {cpu:.2} | {wall:.2} | {peak:.0} | {speed:.0} | {ratio} |");
    }
}
