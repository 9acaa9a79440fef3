//! The one-machine binary by itself: what it carries, what it tells of the ledger, what it prints for programs and terminals, and the
//! inbox that it watches.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use fonderie_tests::invoices::{self, Invoice, unpaid};
use fonderie_tests::machine::Ended;
use fonderie_tests::{packages, workspace};
use serde_json::{Value, json};

/// A folder, empty but for a copy of the binary beside it, and a database.
struct CopiedBinary {
    folder: tempfile::TempDir,
    database: fonderie_test_support::TestDatabase,
}

impl CopiedBinary {
    async fn new(name: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("work")).unwrap();
        fs::copy(packages::build().unwrap().1, folder.path().join("fonderie")).unwrap();
        Self { folder, database: fonderie_test_support::database(name).await }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join("work").join(name)
    }

    fn file(&self, name: &str, rows: &[Invoice]) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        invoices::write(&path, rows).unwrap()
    }

    /// A call in the folder, with its database in the environment and nothing else of the machine's.
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(self.folder.path().join("fonderie"));
        command.args(arguments).current_dir(self.path(""));
        command.env_remove("FONDERIE_DATASETS").env("DATABASE_URL", &self.database.url);
        command.stdin(Stdio::null());
        command
    }

    fn call(&self, arguments: &[&str]) -> Ended {
        Ended::of(&mut self.command(arguments))
    }

    async fn text(&self, sql: &str) -> String {
        self.database.connect().await.query_one(sql, &[]).await.unwrap().get(0)
    }

    /// Every run of the ledger: file and status, in the order in which they began.
    async fn runs(&self) -> String {
        self.text(
            "SELECT coalesce(string_agg(concat_ws(' ', split_part(key, '/', 2), status), ', ' ORDER BY started_at), '') \
             FROM audit.run LEFT JOIN audit.object_version USING (object_version_key)",
        )
        .await
    }
}

/// The fenced block of docs/one-machine.md after a comment.
fn example(name: &str) -> String {
    let page = fs::read_to_string(workspace().join("docs/one-machine.md")).unwrap();
    let (_, rest) = page.split_once(&format!("<!-- example: {name} -->\n```")).unwrap();
    let (_, body) = rest.split_once('\n').unwrap();
    body.split_once("```").unwrap().0.to_owned()
}

/// A database that is lost, or another one, is no empty warehouse: the buckets have reports of runs that it does not know.
#[tokio::test]
async fn a_database_that_does_not_know_the_states_runs_takes_no_file() {
    let machine = CopiedBinary::new("lost").await;
    machine.file("etablissement_B_2026-05-31.csv", &(1..20).map(unpaid).collect::<Vec<_>>());
    machine.file("etablissement_B_2026-06-01.csv", &[unpaid(40)]);
    let run = |file: &'static str| ["run", file, "--as-of", "2026-06-30"];
    machine.call(&run("etablissement_B_2026-05-31.csv")).expect(0, &["19 inserted"]);
    let words = ["reports of runs that its database does not know", "--database-url", "`fonderie rebuild`"];

    // without the address, the folder has no database of its own
    let own = |arguments: &[&str]| {
        let mut command = machine.command(arguments);
        Ended::of(command.env_remove("DATABASE_URL"))
    };
    own(&["status"]).expect(2, &words);
    own(&["owed", "--on", "2026-06-30"]).expect(2, &words);
    own(&run("etablissement_B_2026-06-01.csv")).expect(2, &words);
    own(&["watch", ".", "--once", "--settle", "0"]).expect(2, &words);
    // one that is empty is another one, too
    let other = fonderie_test_support::database("lost_other").await;
    let at = |url: &str, arguments: &[&str]| {
        let mut command = machine.command(arguments);
        Ended::of(command.env("DATABASE_URL", url).args(["--state", ".fonderie"]))
    };
    fs::remove_dir_all(machine.path(".fonderie/postgres")).ok();
    fs::remove_dir_all(machine.path(".fonderie/postgres-embedded")).ok();
    at(&other.url, &run("etablissement_B_2026-06-01.csv")).expect(2, &words);
    at(&other.url, &["rebuild"]).expect(0, &["rebuilt  1 loads"]);
    at(&other.url, &run("etablissement_B_2026-06-01.csv")).expect(0, &["1 inserted"]);
    at(&other.url, &["owed", "--on", "2026-06-30", "--format", "csv"]).expect(0, &["TOTAL,20"]);
}

#[tokio::test]
async fn the_copied_binary_works_in_an_empty_folder() {
    let machine = CopiedBinary::new("copied").await;
    machine
        .call(&["datasets"])
        .expect(0, &["facturation", "Billing files of health-care", "the program", "etablissement_b"]);
    let listed = machine.call(&["datasets", "--format", "json"]).expect(0, &[]).document();
    let names: Vec<_> = listed.as_array().unwrap().iter().map(|one| (&one["name"], &one["folder"])).collect();
    let carried = ["commerce", "facturation", "supermarche", "vin"].map(|name| json!(name));
    assert_eq!(names, carried.iter().map(|name| (name, &Value::Null)).collect::<Vec<_>>());
    machine.call(&["generate", "--out", "sample", "--rows", "40"]).expect(0, &["etablissement_B"]);
    machine.call(&["run", "sample/files", "--as-of", "2026-06-30"]).expect(0, &["Liste de relance"]);
    machine.call(&["query", "relance_synthese", "--format", "csv"]).expect(0, &["STANDARD"]);
    machine.call(&["owed", "--on", "2026-06-30", "--format", "csv"]).expect(0, &["TOTAL"]);
    machine.call(&["status"]).expect(0, &["5; versions: 5", "montant_facture", "EUR"]);
    machine.call(&["completions", "bash"]).expect(0, &["_fonderie()", "--settle"]);

    // A copy is used from then on, and is not overwritten.
    machine
        .call(&["init", "factures"])
        .expect(2, &["carries no dataset `factures`: it has commerce, facturation, supermarche, vin"]);
    machine.call(&["init", "facturation"]).expect(0, &["made ./datasets/facturation"]);
    let contract = machine.path("datasets/facturation/dataset.toml");
    let text = fs::read_to_string(&contract).unwrap();
    assert_eq!(text, fs::read_to_string(workspace().join("datasets/facturation/dataset.toml")).unwrap());
    fs::write(&contract, text.replace("Billing files of health-care facilities", "Ours")).unwrap();
    machine.call(&["init", "facturation"]).expect(2, &["is there already, and nothing is overwritten"]);
    assert!(fs::read_to_string(&contract).unwrap().contains("Ours"));
    assert_eq!(fs::read_dir(machine.path("datasets")).unwrap().count(), 1, "nothing is left beside it");
    machine.call(&["datasets"]).expect(0, &["Ours", "datasets"]);
    machine.file("etablissement_B.csv", &[unpaid(1)]);
    machine.call(&["run", "etablissement_B.csv"]).expect(0, &["1 inserted"]);
    fs::write(&contract, text.replace("Europe/Paris", "Europe/Lutece")).unwrap();
    machine.call(&["run", "etablissement_B.csv"]).expect(2, &["Europe/Lutece"]);
    machine.call(&["generate", "--out", "other"]).expect(2, &["Europe/Lutece"]);

    // A folder that is named comes first, and is read as strictly as before.
    machine.call(&["init", "facturation", "--to", "elsewhere"]).expect(0, &["elsewhere/datasets/facturation"]);
    let elsewhere = ["--datasets", "elsewhere/datasets"];
    machine.call(&[&["run", "etablissement_B.csv"], elsewhere.as_slice()].concat()).expect(0, &["1 unchanged"]);
    Ended::of(machine.command(&["datasets"]).env("FONDERIE_DATASETS", "nowhere"))
        .expect(2, &["the folder of datasets nowhere cannot be read"]);
    std::os::unix::fs::symlink("loop.toml", machine.path("elsewhere/datasets/facturation/sources/loop.toml")).unwrap();
    machine.call(&[&["run", "etablissement_B.csv"], elsewhere.as_slice()].concat()).expect(2, &["back to itself"]);
}

#[tokio::test]
async fn status_runs_and_show_tell_what_the_ledger_has() {
    let machine = CopiedBinary::new("told").await;
    for arguments in [["status"].as_slice(), &["runs"], &["show", "x"]] {
        machine.call(arguments).expect(2, &["nothing here yet: run files first"]);
        let state = [arguments, &["--state", "none"]].concat();
        let mut without_database = machine.command(&state);
        Ended::of(without_database.env_remove("DATABASE_URL")).expect(2, &["nothing here yet: run files first"]);
        assert!(!machine.path("none").exists());
    }
    let wrong = |id: u32| Invoice { paid: 99_999, paid_on: Some("2026-03-03".into()), ..unpaid(id) };
    let rows: Vec<_> = (0..30).map(unpaid).chain((30..33).map(wrong)).collect();
    machine.file("in/etablissement_B_1\u{1b}[31m.csv", &rows);
    machine.file("in/etablissement_B_2.csv", &(100..160).map(wrong).collect::<Vec<_>>());
    fs::write(machine.path("in/etablissement_B_3.csv"), "").unwrap();
    machine.call(&["run", "in"]).expect(3, &["HALTED", "FAILED"]);
    // A store's times have whole seconds, by which versions are ordered.
    std::thread::sleep(Duration::from_millis(1100));
    machine.file("in/etablissement_B_1\u{1b}[31m.csv", &rows[..32]);
    machine.call(&["run", "in/etablissement_B_1\u{1b}[31m.csv"]).expect(0, &["30 unchanged"]);

    let status = machine.call(&["status", "--format", "json"]).expect(0, &[]).document();
    assert_eq!((&status["files"], &status["versions"]), (&json!(2), &json!(3)));
    assert_eq!(
        status["runs"],
        json!({ "loaded": 2, "unchanged": 0, "halted": 1, "failed": 1, "withdrawn": 0, "restored": 0 })
    );
    assert_eq!(status["rows"], json!({ "read": 65, "accepted": 60, "rejected": 5 }));
    let amount = json!({ "field": "montant_facture", "read": "7832.50", "accepted": "7230.00", "rejected": "602.50" });
    assert_eq!(status["amounts"][0], amount);
    // The newest version of the first file was refused two rows; the halted one 60.
    assert_eq!(status["open_rejects"], json!({ "files": 2, "rows": 62, "halted_files": 1 }));
    assert_eq!(status["models"], json!([]), "30 rows are too few to train with");
    let late: Vec<_> =
        status["expected"].as_array().unwrap().iter().filter(|source| source["missing"] == true).collect();
    assert_eq!(late.len(), 4, "of five facilities one has sent: {late:?}");
    assert!(late.iter().all(|source| source["source"] != "etablissement_b"));
    assert!(status["disk"]["parts"]["s3/bronze"].as_u64().unwrap() > 0, "{}", status["disk"]);
    machine.call(&["status"]).expect(0, &["amount (EUR)", "7 832.50", "LATE etablissement_a", "62 rows of 2 files"]);

    let table = machine.call(&["runs"]);
    table.expect(0, &["4 rows", "halted", "FileEmpty", r"B_1\u{1b}[31m.csv"]);
    assert!(!table.out.contains('\u{1b}'), "{}", table.out);
    let runs = machine.call(&["runs", "--format", "json"]).expect(0, &[]).document();
    let newest = machine.call(&["runs", "--limit", "1", "--format", "json"]).expect(0, &[]).document();
    assert_eq!(newest.as_array().unwrap().len(), 1);
    assert_eq!((&newest[0], newest[0]["rows_read"].as_str()), (&runs[0], Some("32")));

    let id = |index: usize| runs[index]["run_id"].as_str().unwrap();
    let shown = machine.call(&["show", id(0), "--format", "json"]).expect(0, &[]).document();
    assert_eq!(shown["rows"]["rejected"], json!(2));
    assert_eq!(
        shown["rules"],
        json!([{ "rule": "coherence_montants", "severity": "reject", "rows": 2, "budget": 20 }])
    );
    assert_eq!((shown["versions"].as_array().unwrap().len(), &shown["currency"]), (2, &json!("EUR")));
    let rejects = fs::read_to_string(machine.path("").join(shown["rejects"].as_str().unwrap())).unwrap();
    assert_eq!(rejects.matches("coherence_montants").count(), 2, "{rejects}");
    // The random end of the id is enough.
    let end = id(0).rsplit('-').next().unwrap();
    let text = machine.call(&["show", end]);
    text.expect(0, &[id(0), "coherence_montants", "amount (EUR)", "in the warehouse", "rejets.csv", r"\u{1b}[31m"]);
    let failed = runs.as_array().unwrap().iter().find(|run| run["status"] == "failed").unwrap();
    let failed = machine.call(&["show", failed["run_id"].as_str().unwrap()]);
    failed.expect(0, &["in admit: FileEmpty", "/failures/"]);
    machine.call(&["show", "etablissement_B"]).expect(2, &["several runs have `etablissement_B`", id(0)]);
    machine.call(&["show", "absent"]).expect(2, &["knows no run `absent`"]);
    for told in [&table, &text, &failed] {
        invoices::PATIENT.iter().for_each(|name| assert!(!told.out.contains(name), "{}", told.out));
    }
}

#[tokio::test]
async fn a_program_reads_one_object_per_file() {
    let machine = CopiedBinary::new("json").await;
    let file = "etablissement_B_2026-05-31.csv";
    fs::write(machine.path(file), example("file")).unwrap();
    let date = ["--as-of", "2026-06-30"];
    let told = machine.call(&[&["run", file, "--json"], date.as_slice()].concat());
    let mut lines = told.expect(0, &[]).lines();
    assert_eq!(lines.len(), 1);
    for key in ["report", "rejects"] {
        assert!(machine.path("").join(lines[0][key].as_str().unwrap()).is_file(), "{}", lines[0][key]);
    }
    for key in ["run_id", "report", "rejects"] {
        lines[0][key] = json!("…");
    }
    assert_eq!(lines[0], serde_json::from_str::<Value>(&example("line")).unwrap());

    let wrong = |id: u32| Invoice { paid: 99_999, paid_on: Some("2026-03-03".into()), ..unpaid(id) };
    machine.file("in/etablissement_B_2.csv", &(100..160).map(wrong).collect::<Vec<_>>());
    fs::write(machine.path("in/etablissement_B_3.csv"), "").unwrap();
    fs::write(machine.path("in/inconnu.pdf"), "x").unwrap();
    std::os::unix::fs::symlink("nowhere", machine.path("in/dangling.csv")).unwrap();
    let lines = machine.call(&[&["run", "in", file, "--json"], date.as_slice()].concat()).expect(3, &[]).lines();
    let ends: Vec<_> = lines
        .iter()
        .map(|line| {
            let name = line["path"].as_str().unwrap().rsplit('/').next().unwrap();
            (name, line["state"].as_str().unwrap(), line["failure"]["code"].as_str().unwrap_or("-"))
        })
        .collect();
    assert_eq!(
        ends,
        [
            ("etablissement_B_2.csv", "halted", "-"),
            ("etablissement_B_3.csv", "failed", "FileEmpty"),
            ("inconnu.pdf", "failed", "SourceUnknown"),
            (file, "unchanged", "-"),
            ("dangling.csv", "refused", "SettingsInvalid"),
        ]
    );
    assert_eq!((&lines[0]["rows"]["read"], lines[0]["rows"].get("inserted")), (&json!(60), None));
    assert!(lines[0]["halted_because"].as_str().unwrap().contains("coherence_montants"), "{}", lines[0]);
    assert_eq!(lines[4]["key"], Value::Null);
    let only = machine.call(&["run", "in/dangling.csv", "absent.csv", "--json"]).expect(2, &[]).lines();
    assert_eq!(only.iter().map(|line| line["state"].as_str().unwrap()).collect::<Vec<_>>(), ["refused", "refused"]);

    let quiet = machine.call(&[&["run", file, "--quiet"], date.as_slice()].concat());
    assert_eq!((quiet.code, quiet.out.as_str(), quiet.error.as_str()), (Some(0), "", ""));
    let quiet = machine.call(&[&["run", "in", file, "--quiet"], date.as_slice()].concat());
    let lines = quiet.expect(3, &["because: No such file"]).out.lines().filter(|line| !line.starts_with(' '));
    let marks: Vec<_> = lines.map(|line| line.split(' ').next().unwrap()).collect();
    assert_eq!((marks, quiet.error.as_str()), (vec!["HALTED", "FAILED", "FAILED", "FAILED"], ""));
}

#[tokio::test]
async fn one_rule_may_refuse_one_row_and_warn_of_another_and_falls_are_among_the_rules() {
    let machine = CopiedBinary::new("two_severities").await;
    let paid = |id: u32, paid: u32| Invoice { paid, paid_on: Some("2026-03-20".to_owned()), ..unpaid(id) };
    let text = invoices::text(&[paid(1, 5_000), unpaid(2), unpaid(3)]);
    // An id that is a word for "nothing", which is refused, and a name that is one, which is counted.
    let text = text.replacen(",P002,", ",NULL,", 1).replacen(",P003,Martin,", ",P003,NULL,", 1);
    fs::write(machine.path("etablissement_B_2026-04-30.csv"), text).unwrap();
    let run =
        |file: &str| machine.call(&["run", file, "--as-of", "2026-06-30", "--json"]).expect(0, &[]).lines().remove(0);
    let first = run("etablissement_B_2026-04-30.csv");
    assert_eq!((&first["state"], &first["rows"]["rejected"]), (&json!("loaded"), &json!(1)), "{first}");
    let severities = |line: &Value| {
        let rules = line["rules"].as_array().unwrap().iter();
        rules.map(|rule| format!("{} {} {}", rule["rule"], rule["severity"], rule["rows"])).collect::<Vec<_>>()
    };
    let both = ["\"mot_vide_non_declare\" \"reject\" 1", "\"mot_vide_non_declare\" \"warn\" 1"];
    assert!(both.iter().all(|rule| severities(&first).iter().any(|found| found == rule)), "{first}");
    let ledger = "SELECT string_agg(severity || ' ' || rows, ', ' ORDER BY severity) FROM audit.rule_result
                  WHERE rule = 'mot_vide_non_declare' AND rows > 0";
    assert_eq!(machine.text(ledger).await, "reject 1, warn 1");

    machine.file("etablissement_B_2026-05-31.csv", &[paid(1, 3_000)]);
    let second = run("etablissement_B_2026-05-31.csv");
    assert_eq!(severities(&second), ["\"paiement_en_baisse\" \"warn\" 1"]);
    // Read again on another day, it changes nothing, and there is nothing to warn of.
    let again = machine.call(&["run", "etablissement_B_2026-05-31.csv", "--as-of", "2026-07-01", "--json"]);
    assert!(severities(&again.expect(0, &[]).lines()[0]).is_empty());
}

#[tokio::test]
async fn versions_that_come_within_a_second_are_taken_in_their_order() {
    let machine = CopiedBinary::new("same_second").await;
    for paid in [1_000, 2_000, 3_000, 4_000, 5_000] {
        let invoice = Invoice { paid, paid_on: Some("2026-03-20".to_owned()), ..unpaid(1) };
        machine.file("etablissement_B_2026-04-30.csv", &[invoice]);
        machine.call(&["run", "etablissement_B_2026-04-30.csv", "--as-of", "2026-06-30"]).expect(0, &[]);
    }
    assert_eq!(machine.text("SELECT string_agg(montant_paye::text, ' ') FROM dw.fact_facturation").await, "50.00");
}

#[tokio::test]
async fn colours_are_for_a_terminal_only() {
    let machine = CopiedBinary::new("colours").await;
    machine.file("etablissement_B.csv", &[unpaid(1)]);
    let piped = Ended::of(machine.command(&["run", "etablissement_B.csv"]).env("TERM", "xterm"));
    assert!(!piped.expect(0, &["ok "]).out.contains('\u{1b}'));
    // `script` gives a program a terminal.
    let on_terminal = |environment: &str| {
        let call =
            format!("env {environment} {} run etablissement_B.csv", machine.folder.path().join("fonderie").display());
        let mut script = Command::new("script");
        script.args(["-qec", &call, "/dev/null"]).current_dir(machine.path(""));
        script.env_remove("NO_COLOR").env_remove("FONDERIE_DATASETS").env("DATABASE_URL", &machine.database.url);
        Ended::of(script.stdin(Stdio::null())).expect(0, &["etablissement_B.csv: 1"]).out.clone()
    };
    let colour = "\u{1b}[32mok";
    let shown = on_terminal("TERM=xterm");
    assert!(shown.contains(colour), "{shown}");
    assert!(!on_terminal("TERM=xterm NO_COLOR=1").contains(colour));
    let dumb = on_terminal("TERM=dumb");
    assert!(!dumb.contains('\u{1b}') && dumb.contains("[1/1] etablissement_B.csv"), "{dumb:?}");
}

/// A watcher, which ends with the value.
struct Watcher {
    child: Option<Child>,
    errors: PathBuf,
}

impl Watcher {
    fn start(machine: &CopiedBinary, settle: &str, failpoints: &str) -> Self {
        let errors = machine.path("errors.txt");
        let mut command = machine.command(&["watch", "in", "--settle", settle, "--json"]);
        command
            .env("FAILPOINTS", failpoints)
            .stdout(fs::File::options().create(true).append(true).open(machine.path("lines.txt")).unwrap());
        command.stderr(fs::File::create(&errors).unwrap());
        Self { child: Some(command.spawn().unwrap()), errors }
    }

    fn signal(&self, signal: &str) {
        let id = self.child.as_ref().unwrap().id().to_string();
        assert!(Command::new("kill").args([signal, &id]).status().unwrap().success());
    }

    /// Waits for a word on standard error.
    #[track_caller]
    fn until(&self, word: &str) {
        until(word, || fs::read_to_string(&self.errors).unwrap().contains(word));
    }

    /// Asks it to end, and returns its exit code and what it wrote on standard error.
    fn end(mut self, signal: &str) -> (Option<i32>, String) {
        self.signal(signal);
        let status = self.child.take().unwrap().wait().unwrap();
        (status.code(), fs::read_to_string(&self.errors).unwrap())
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

#[track_caller]
fn until(what: &str, done: impl Fn() -> bool) {
    let limit = Instant::now() + Duration::from_secs(60);
    while !done() {
        assert!(Instant::now() < limit, "waited for: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// What a watcher printed so far: file and state of each line.
fn ends(machine: &CopiedBinary) -> Vec<(String, String)> {
    let lines = fs::read_to_string(machine.path("lines.txt")).unwrap_or_default();
    let end = |line: &str| {
        let line: Value = serde_json::from_str(line).unwrap();
        let text = |key: &str| line[key].as_str().unwrap().to_owned();
        (Path::new(&text("path")).file_name().unwrap().to_str().unwrap().to_owned(), text("state"))
    };
    lines.lines().map(end).collect()
}

fn end(name: &str, state: &str) -> (String, String) {
    (name.to_owned(), state.to_owned())
}

#[tokio::test]
async fn an_inbox_runs_each_complete_file_once() {
    let machine = CopiedBinary::new("inbox").await;
    machine.call(&["watch", "in"]).expect(2, &["in cannot be read"]);
    machine.file("in/etablissement_B_1.csv", &[unpaid(1)]);
    machine.file("in/etablissement_B_9.csv.part", &[unpaid(9)]);
    fs::write(machine.path("in/etablissement_B_2.csv"), "").unwrap();
    assert!(Command::new("mkfifo").arg(machine.path("in/pipe.csv")).status().unwrap().success());
    std::os::unix::fs::symlink("nowhere", machine.path("in/dangling.csv")).unwrap();
    let watcher = Watcher::start(&machine, "2", "");
    // A file that is written slowly is run when it is whole.
    let slow = machine.path("in/etablissement_B_3.csv");
    let text = invoices::text(&(30..36).map(unpaid).collect::<Vec<_>>());
    let mut written = String::new();
    for line in text.split_inclusive('\n') {
        written.push_str(line);
        fs::write(&slow, &written).unwrap();
        std::thread::sleep(Duration::from_millis(700));
    }
    until("the slow file", || ends(&machine).contains(&end("etablissement_B_3.csv", "loaded")));
    fs::rename(machine.path("in/etablissement_B_9.csv.part"), machine.path("in/etablissement_B_9.csv")).unwrap();
    until("the renamed file", || ends(&machine).contains(&end("etablissement_B_9.csv", "loaded")));
    // Changed files are run again, also one that failed; a touched one is not.
    let touched = fs::File::options().write(true).open(machine.path("in/etablissement_B_1.csv")).unwrap();
    touched.set_modified(std::time::SystemTime::now()).unwrap();
    machine.file("in/etablissement_B_2.csv", &[unpaid(2)]);
    until("the file that failed", || ends(&machine).contains(&end("etablissement_B_2.csv", "loaded")));
    fs::rename(machine.path("in"), machine.path("away")).unwrap();
    watcher.until("waiting for it");
    fs::rename(machine.path("away"), machine.path("in")).unwrap();
    machine.file("in/etablissement_B_4.csv", &[unpaid(4)]);
    until("the file after the folder came back", || ends(&machine).contains(&end("etablissement_B_4.csv", "loaded")));
    let (code, error) = watcher.end("-TERM");
    assert_eq!(code, Some(0), "{error}");
    assert_eq!(error.matches("pipe.csv is a pipe").count(), 1, "{error}");
    let mut all = ends(&machine);
    all.sort();
    let expected = [
        end("dangling.csv", "refused"),
        end("etablissement_B_1.csv", "loaded"),
        end("etablissement_B_2.csv", "failed"),
        end("etablissement_B_2.csv", "loaded"),
        end("etablissement_B_3.csv", "loaded"),
        end("etablissement_B_4.csv", "loaded"),
        end("etablissement_B_9.csv", "loaded"),
    ];
    assert_eq!(all, expected, "{error}");
    assert_eq!(machine.text("SELECT count(*)::text FROM dw.fact_facturation").await, "10");

    // A later start runs nothing of it again, and reports what is new.
    machine.file("in/etablissement_B_5.csv", &[]);
    fs::remove_file(machine.path("in/dangling.csv")).unwrap();
    let once = machine.call(&["watch", "in", "--once", "--settle", "1"]);
    once.expect(0, &["header alone", "run before and not again: 5"]);
    assert_eq!(once.out.matches("ok ").count(), 1, "{}", once.out);
    let none = machine.call(&["watch", "in", "--once", "--settle", "0", "--json"]);
    assert_eq!(none.expect(0, &[]).out, "");
    machine.file("in/etablissement_B_6.csv", &[unpaid(6)]);
    fs::write(machine.path("in/etablissement_B_7.csv"), "").unwrap();
    machine.call(&["watch", "in", "--once", "--settle", "0"]).expect(3, &["ok ", "FAILED", "FileEmpty"]);
    machine.call(&["watch", ".", "--once", "--state", "state"]).expect(2, &["lies in the folder that is watched"]);
}

#[tokio::test]
async fn a_watcher_that_is_killed_or_stopped_goes_on_where_it_was() {
    let machine = CopiedBinary::new("inbox_killed").await;
    machine.file("in/etablissement_B_1.csv", &[unpaid(1)]);
    // Killed before anything is loaded, after the load, and before the report: each time the file is run to its end by the next start.
    for place in ["before the load was committed", "before the marts were committed"] {
        let watcher = Watcher::start(&machine, "0", &format!("{place}=sleep(120000)"));
        watcher.until("[1/1]");
        std::thread::sleep(Duration::from_secs(3));
        let (code, error) = watcher.end("-KILL");
        assert_eq!((code, ends(&machine)), (None, Vec::new()), "{place}: {error}");
    }
    assert_eq!(machine.runs().await, "etablissement_B_1.csv loaded");
    let watcher = Watcher::start(&machine, "0", "");
    until("the killed file", || !ends(&machine).is_empty());
    assert_eq!(watcher.end("-INT").0, Some(0));
    assert_eq!(ends(&machine), [end("etablissement_B_1.csv", "unchanged")]);
    assert_eq!(machine.text("SELECT count(*)::text FROM datamart.relance").await, "1");
    fs::remove_file(machine.path("lines.txt")).unwrap();

    // Stopped in the middle of a run, it ends the file under way and leaves the other one.
    machine.file("in/etablissement_B_2.csv", &[unpaid(2)]);
    machine.file("in/etablissement_B_3.csv", &[unpaid(3)]);
    let watcher = Watcher::start(&machine, "0", "before the load was committed=1*sleep(4000)");
    watcher.until("etablissement_B_2.csv");
    std::thread::sleep(Duration::from_secs(2));
    let (code, error) = watcher.end("-TERM");
    assert_eq!((code, ends(&machine)), (Some(0), vec![end("etablissement_B_2.csv", "loaded")]), "{error}");
    // A second word leaves the file under way, too, such as one that waits for a lock.
    let client = machine.database.connect().await;
    client.batch_execute("BEGIN; LOCK TABLE dw.fact_facturation_rows IN ACCESS EXCLUSIVE MODE").await.unwrap();
    let watcher = Watcher::start(&machine, "0", "");
    watcher.until("etablissement_B_3.csv");
    std::thread::sleep(Duration::from_secs(2));
    watcher.signal("-TERM");
    std::thread::sleep(Duration::from_millis(500));
    let begun = Instant::now();
    let (code, error) = watcher.end("-TERM");
    assert_eq!(code, Some(0), "{error}");
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
    client.batch_execute("ROLLBACK").await.unwrap();
    machine.call(&["watch", "in", "--once", "--settle", "0"]).expect(0, &["1 inserted", "not again: 2"]);
    assert_eq!(machine.text("SELECT count(*)::text FROM dw.fact_facturation").await, "3");
}
