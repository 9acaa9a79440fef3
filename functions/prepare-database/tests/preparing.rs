//! A database prepared as on RDS: the master is no superuser, the network takes passwords over TLS alone.
#![allow(clippy::unwrap_used, missing_docs)]

use bytes::Bytes;
use fonderie_contract::{Bundle, Dataset, Mart};
use fonderie_core::stage::DatasetRun;
use fonderie_core::{BundleRef, Deadline, ErrorCode, ObjectRef, ObjectVersion, Result};
use fonderie_embedded_s3::EmbeddedS3;
use fonderie_prepare_database::{Context, Input, Prepared, SecretOutcome, run};
use fonderie_storage::Storage;
use fonderie_test_support::{Authority, MemorySecret, OwnServer};
use fonderie_warehouse::{ConnectOptions, DatabaseSettings, Label, Login, PIPELINE, SecretLogin, Tls, Warehouse};
use tempfile::TempDir;
use tokio_postgres::Client;

const DATABASE: &str = "warehouse";
const BUCKET: &str = "datasets";

struct Deployment {
    server: OwnServer,
    store: EmbeddedS3,
    _folder: TempDir,
    master: MemorySecret,
    pipeline: MemorySecret,
    tls: Tls,
}

impl Deployment {
    /// What Terraform leaves: a server, a database, the master's secret, an empty secret for the pipeline, a bundle.
    async fn new() -> Self {
        let authority = Authority::new("the test's own");
        let server = OwnServer::start_secure(&authority);
        server.execute("CREATE ROLE master LOGIN CREATEROLE CREATEDB PASSWORD 'master''s'").await;
        server.execute(&format!("CREATE DATABASE {DATABASE} OWNER master TEMPLATE template0 ENCODING 'UTF8'")).await;
        let folder = tempfile::tempdir().unwrap();
        let store = EmbeddedS3::start(folder.path(), &[BUCKET]).unwrap();
        let deployment = Self {
            server,
            store,
            _folder: folder,
            master: MemorySecret::with(r#"{"username":"master","password":"master's"}"#),
            pipeline: MemorySecret::default(),
            tls: Tls::verify_full_with(&authority.root_pem()).unwrap(),
        };
        deployment.deploy(fonderie_test_support::shop_files()).await;
        deployment
    }

    fn storage(&self) -> Storage {
        Storage::for_endpoint(self.store.endpoint(), self.store.access_key(), self.store.secret_key())
    }

    async fn deploy(&self, files: Vec<(String, String)>) {
        self.put("shop.json", files).await;
    }

    async fn put(&self, key: &str, files: Vec<(String, String)>) {
        let bundle = Bundle::from_files(files);
        let object = ObjectRef { bucket: BUCKET.to_owned(), key: key.to_owned() };
        let json = Bytes::from(serde_json::to_vec(&bundle).unwrap());
        self.storage().put(&object, json, "application/json").await.unwrap();
    }

    async fn prepare(&self) -> Result<Prepared> {
        self.prepare_with(Input::default()).await
    }

    async fn prepare_with(&self, input: Input) -> Result<Prepared> {
        let context = Context::new(
            self.storage(),
            (BUCKET.to_owned(), vec!["shop".to_owned()]),
            (self.master.clone(), self.pipeline.clone()),
            (self.server.place(DATABASE), self.tls.clone()),
        );
        run(&context, input, Deadline::default()).await
    }

    fn login(&self) -> Login {
        Login::from_json(&self.pipeline.text(Label::Current).unwrap()).unwrap()
    }

    /// The pipeline's own connection, as the functions make it.
    async fn functions(&self) -> Result<Warehouse> {
        SecretLogin::new(self.pipeline.clone(), self.tls.clone()).connect(&ConnectOptions::default()).await
    }

    /// A person in a group.
    async fn person(&self, name: &str, group: &str) -> Warehouse {
        let client = self.server.superuser(DATABASE).await;
        let sql = format!("CREATE ROLE {name} LOGIN PASSWORD '{name}' IN ROLE {group}");
        client.batch_execute(&sql).await.unwrap();
        self.connect(name, name).await.unwrap()
    }

    async fn connect(&self, user: &str, password: &str) -> Result<Warehouse> {
        let login = self.server.login(DATABASE, user, password);
        let settings = DatabaseSettings::from_login(&login, self.tls.clone());
        Warehouse::connect(&settings, &ConnectOptions::default()).await
    }
}

fn dataset() -> Dataset {
    Bundle::from_files(fonderie_test_support::shop_files()).compile().unwrap()
}

/// The first value of the first row.
async fn value(warehouse: &Warehouse, sql: &str) -> String {
    warehouse.query(sql).await.unwrap().rows.remove(0).remove(0).unwrap()
}

/// What PostgreSQL says of somebody who may not.
async fn forbidden(warehouse: &Warehouse, sql: &str) {
    let error = warehouse.query(sql).await.unwrap_err();
    assert!(error.message.contains("permission denied"), "{sql}: {error}");
}

async fn publish(pipeline: &mut Warehouse, run_id: &str, marts: &[Mart]) {
    let object = ObjectVersion { bucket: BUCKET.to_owned(), key: "shop.json".to_owned(), version_id: "v1".to_owned() };
    let bundle = BundleRef { dataset: "shop".to_owned(), object, sha256: "0".repeat(64) };
    let (started_at, as_of) = ("2026-07-01T00:00:00Z".parse().unwrap(), "2026-07-01".parse().unwrap());
    let run = DatasetRun::new(run_id.to_owned(), started_at, as_of, true, bundle);
    pipeline.publish(&run, &dataset().layout, marts, &[]).await.unwrap();
}

#[tokio::test]
async fn a_new_database_is_prepared_once_and_again_without_a_change() {
    let deployment = Deployment::new().await;
    let first = deployment.prepare().await.unwrap();
    assert_eq!(first.roles_made, ["pipeline", "analyst", "operator"]);
    assert_eq!(first.connections, Some(150), "three quarters of the test server's 200");
    assert_eq!((first.secret, first.password_set), (SecretOutcome::Filled, false));
    assert_eq!(
        first.migrations,
        [
            "the engine V1__audit",
            "the engine V2__scores_and_marts",
            "the engine V3__load_only",
            "the engine V4__recovery",
            "the engine V5__declared",
            "the engine V6__time_zone",
            "the engine V7__layers_and_exports",
            "the engine V8__checks",
            "the engine V9__publications",
            "the engine V10__models_in_force",
            "shop tables"
        ]
    );
    let login = deployment.login();
    assert_eq!((login.username.as_str(), login.place()), (PIPELINE, deployment.server.place(DATABASE)));

    let second = deployment.prepare().await.unwrap();
    let nothing = Prepared {
        roles_made: Vec::new(),
        connections: None,
        secret: SecretOutcome::Kept,
        password_set: false,
        moved_aside: Vec::new(),
        migrations: Vec::new(),
        sentences: vec!["Roles, secret and schema were as they should be; nothing was changed.".to_owned()],
    };
    assert_eq!(second, nothing);
    assert_eq!(deployment.login(), login);

    let client = deployment.server.superuser(DATABASE).await;
    let query = "SELECT rolsuper OR rolcreatedb OR rolcreaterole OR rolreplication OR rolbypassrls, rolconnlimit, \
                 (SELECT string_agg(nspname, ' ' ORDER BY nspname) FROM pg_namespace WHERE nspowner = r.oid) \
                 FROM pg_roles r WHERE rolname = 'pipeline'";
    let row = client.query_one(query, &[]).await.unwrap();
    assert!(!row.get::<_, bool>(0));
    assert_eq!(row.get::<_, i32>(1), 150);
    assert_eq!(row.get::<_, &str>(2), "audit shop shop_dw shop_staging");
    // the server's connections were others when the role was made
    client.batch_execute("ALTER ROLE pipeline CONNECTION LIMIT 37").await.unwrap();
    let third = deployment.prepare().await.unwrap();
    assert_eq!(third.sentences, ["The pipeline may open 150 connections at once."]);
    assert_eq!(client.query_one(query, &[]).await.unwrap().get::<_, i32>(1), 150);
    // Terraform raised them, and the server has not started again
    let raised = Input { max_connections: Some(400), ..Input::default() };
    let fourth = deployment.prepare_with(raised).await.unwrap();
    assert_eq!(fourth.connections, Some(300), "three quarters of the 400 that are to come");
    assert_eq!(client.query_one(query, &[]).await.unwrap().get::<_, i32>(1), 300);
    assert!(!deployment.server.log().contains(&login.password));
}

#[tokio::test]
async fn each_role_may_what_it_is_for_and_no_more() {
    let deployment = Deployment::new().await;
    deployment.prepare().await.unwrap();
    let mut pipeline = deployment.functions().await.unwrap();
    let Dataset { layout, mut marts, .. } = dataset();
    assert_eq!(pipeline.migrate(&layout).await.unwrap(), [""; 0], "a load finds the schema current");
    for sql in ["CREATE SCHEMA other", "CREATE TABLE public.t ()", "CREATE ROLE other", "CREATE DATABASE other"] {
        forbidden(&pipeline, sql).await;
    }
    let analyst = deployment.person("ana", "analyst").await;
    let operator = deployment.person("oscar", "operator").await;

    // a mart, and the one that takes its place: both are made after the readers were let in
    publish(&mut pipeline, "run-1", &marts).await;
    let oid = "SELECT 'shop.revenue'::regclass::oid";
    let (count, before) = ("SELECT count(*) FROM shop.revenue", value(&analyst, oid).await);
    assert_eq!(value(&analyst, count).await, "0");
    marts[0].definition = format!("SELECT * FROM ({}) AS list", marts[0].definition);
    publish(&mut pipeline, "run-2", &marts).await;
    assert_ne!(value(&analyst, oid).await, before, "the mart was made anew");
    assert_eq!(value(&analyst, count).await, "0");

    for sql in ["SELECT count(*) FROM shop_dw.fact_order", "SELECT count(*) FROM shop_dw.fact_order_on('2026-06-30')"] {
        assert_eq!(value(&analyst, sql).await, "0");
    }
    for sql in [
        "SELECT * FROM shop_dw.fact_order_rows",
        "SELECT * FROM shop_dw.dim_shop_history",
        "INSERT INTO shop_dw.dim_customer_rows (customer_id, row_status) VALUES ('X', 'open')",
        "DELETE FROM shop_dw.fact_order_rows",
        "REFRESH MATERIALIZED VIEW shop.revenue",
        "SELECT * FROM shop_staging.\"order\"",
        "SELECT * FROM audit.run",
        "CREATE TABLE public.t ()",
        "CREATE TEMP TABLE t ()",
    ] {
        let error = analyst.query(sql).await.unwrap_err();
        let words = ["permission denied", "must be owner"];
        assert!(words.iter().any(|words| error.message.contains(words)), "{sql}: {error}");
    }
    assert_eq!(value(&operator, "SELECT count(*) FROM audit.mart").await, "1");
    for sql in [
        "SELECT * FROM shop_dw.fact_order",
        "SELECT * FROM shop.revenue",
        "SELECT * FROM shop_staging.\"order\"",
        "DELETE FROM audit.run",
    ] {
        forbidden(&operator, sql).await;
    }

    // somebody of neither group does not get into the database
    let client = deployment.server.superuser(DATABASE).await;
    client.batch_execute("CREATE ROLE nobody_s LOGIN PASSWORD 'nobody'").await.unwrap();
    assert_eq!(deployment.connect("nobody_s", "nobody").await.unwrap_err().code, ErrorCode::AccessDenied);
}

#[tokio::test]
async fn a_later_migration_needs_no_more_rights_unless_it_makes_a_schema() {
    let deployment = Deployment::new().await;
    deployment.prepare().await.unwrap();
    let analyst = deployment.person("ana", "analyst").await;
    let mut files = fonderie_test_support::shop_files();
    let table = "CREATE TABLE shop_dw.remark (words text); INSERT INTO shop_dw.remark VALUES ('read')";
    files.push(("warehouse/V1__remark.sql".to_owned(), table.to_owned()));
    let dataset = Bundle::from_files(files.clone()).compile().unwrap();
    let mut pipeline = deployment.functions().await.unwrap();
    let applied = pipeline.migrate(&dataset.layout).await.unwrap();
    assert_eq!(applied, ["shop V1__remark"]);
    assert_eq!(value(&analyst, "SELECT words FROM shop_dw.remark").await, "read");

    files.push(("warehouse/V2__other.sql".to_owned(), "CREATE SCHEMA added; CREATE TABLE added.t ()".to_owned()));
    let dataset = Bundle::from_files(files.clone()).compile().unwrap();
    let error = pipeline.migrate(&dataset.layout).await.unwrap_err();
    assert_eq!(error.code, ErrorCode::AccessDenied, "{error}");
    deployment.deploy(files).await;
    assert_eq!(deployment.prepare().await.unwrap().migrations, ["shop V2__other"]);
    assert_eq!(pipeline.migrate(&dataset.layout).await.unwrap(), [""; 0]);
}

/// A deployment: the database is ahead of the published bundle until that is published too.
#[tokio::test]
async fn a_bundle_that_is_about_to_be_published_is_prepared_for() {
    let deployment = Deployment::new().await;
    deployment.prepare().await.unwrap();
    let mut files = fonderie_test_support::shop_files();
    files.push(("warehouse/V1__remark.sql".to_owned(), "CREATE TABLE shop_dw.remark (words text)".to_owned()));
    deployment.put("next/shop.json", files).await;
    assert_eq!(deployment.prepare().await.unwrap().migrations, [""; 0], "the published bundle has nothing new");
    let next = Input { next: true, ..Input::default() };
    assert_eq!(deployment.prepare_with(next).await.unwrap().migrations, ["shop V1__remark"]);
    assert_eq!(deployment.prepare().await.unwrap().migrations, [""; 0], "the published bundle is behind, and works");
}

#[tokio::test]
async fn what_an_invocation_did_not_come_to_the_next_one_does() {
    let deployment = Deployment::new().await;
    // killed between the secret and the roles
    deployment.pipeline.lose_the_next_answer();
    assert_eq!(deployment.prepare().await.unwrap_err().code, ErrorCode::ServiceUnavailable);
    let login = deployment.login();
    let prepared = deployment.prepare().await.unwrap();
    assert_eq!((prepared.secret, prepared.roles_made.len()), (SecretOutcome::Kept, 3));
    assert_eq!(deployment.login(), login);

    // killed while the pipeline could make schemas
    let client = deployment.server.superuser(DATABASE).await;
    client.batch_execute(&format!("GRANT CREATE ON DATABASE {DATABASE} TO pipeline")).await.unwrap();
    deployment.prepare().await.unwrap();
    forbidden(&deployment.functions().await.unwrap(), "CREATE SCHEMA other").await;

    // a database that was restored from a snapshot: elsewhere, with another password
    client.batch_execute("ALTER ROLE pipeline PASSWORD 'before'").await.unwrap();
    let elsewhere = fonderie_warehouse::Place { host: "old.example".to_owned(), ..deployment.server.place(DATABASE) };
    let secret = login.clone().moved_to(&elsewhere).to_json().unwrap();
    let deployment = Deployment { pipeline: MemorySecret::with(&secret), ..deployment };
    let prepared = deployment.prepare().await.unwrap();
    assert_eq!((prepared.secret, prepared.password_set), (SecretOutcome::Moved, true));
    assert_eq!(prepared.sentences.len(), 2);
    assert_eq!(deployment.login(), login);
    deployment.functions().await.unwrap().close().await;
}

#[tokio::test]
async fn what_is_not_as_it_should_be_is_refused_and_nothing_is_changed() {
    let deployment = Deployment::new().await;
    // a bundle with a mistake
    let mut files = fonderie_test_support::shop_files();
    files.retain(|(path, _)| path != "records/order.toml");
    deployment.deploy(files).await;
    assert_eq!(deployment.prepare().await.unwrap_err().code, ErrorCode::ContractInvalid);
    assert_eq!(deployment.pipeline.text(Label::Current), None);
    deployment.deploy(fonderie_test_support::shop_files()).await;

    // a role of the name that may too much
    let client = deployment.server.superuser(DATABASE).await;
    client.batch_execute("CREATE ROLE analyst CREATEDB").await.unwrap();
    let error = deployment.prepare().await.unwrap_err();
    assert_eq!(error.code, ErrorCode::SettingsInvalid);
    assert!(error.message.contains("the role analyst is there already"), "{error}");
    assert_eq!(roles(&client).await, ["analyst", "master"]);
    client.batch_execute("DROP ROLE analyst").await.unwrap();

    // a secret of somebody else
    let stranger = deployment.server.login(DATABASE, "somebody", "else").to_json().unwrap();
    let deployment = Deployment { pipeline: MemorySecret::with(&stranger), ..deployment };
    let error = deployment.prepare().await.unwrap_err();
    assert_eq!(error.code, ErrorCode::SettingsInvalid);
    assert!(error.message.contains("of another user than `pipeline`"), "{error}");
    assert_eq!(roles(&client).await, ["master"]);

    // no such dataset, and a master whose password is not right
    let context = |datasets: &[&str], master: &str| {
        let datasets = datasets.iter().map(|name| (*name).to_owned()).collect();
        let secrets = (MemorySecret::with(master), MemorySecret::default());
        let database = (deployment.server.place(DATABASE), deployment.tls.clone());
        Context::new(deployment.storage(), (BUCKET.to_owned(), datasets), secrets, database)
    };
    let wrong = r#"{"username":"master","password":"wrong"}"#;
    let input = Input { datasets: vec!["other".to_owned()], ..Input::default() };
    let error = run(&context(&["shop"], wrong), input, Deadline::default()).await.unwrap_err();
    assert!(error.code == ErrorCode::RequestInvalid && error.message.contains("`other`"), "{error}");
    let none = Input { max_connections: Some(0), ..Input::default() };
    let error = run(&context(&["shop"], wrong), none, Deadline::default()).await.unwrap_err();
    assert!(error.code == ErrorCode::RequestInvalid && error.message.contains("max_connections"), "{error}");
    let error = run(&context(&["shop"], wrong), Input::default(), Deadline::default()).await.unwrap_err();
    assert_eq!(error.code, ErrorCode::AccessDenied);
    assert!(!format!("{error:?}").contains("wrong"));
}

/// The roles that log in or are groups, other than the server's own.
async fn roles(client: &Client) -> Vec<String> {
    let query =
        "SELECT rolname::text FROM pg_roles WHERE rolname NOT LIKE 'pg\\_%' AND rolname <> 'fonderie' ORDER BY 1";
    let rows = client.query(query, &[]).await.unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}
