//! What tests share: one PostgreSQL per test run and one database per test, servers of a test's own, datasets.
//!
//! A test asks for a database and gets one of its own, which is gone when the test ends. `cargo xtask test` starts one server
//! and names it in `FONDERIE_TEST_POSTGRES`; a test binary that is run by itself starts its own. A test of roles, or of a server
//! that goes away, starts an [`OwnServer`].
//!
//! A failure here is a failure of the machine and not of the code under test, so that it panics with what to do.
#![allow(clippy::panic, clippy::expect_used)]

mod datasets;
mod own_server;
#[cfg(feature = "security")]
mod security;

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use tokio_postgres::{Client, NoTls};

pub use datasets::{dataset_files, datasets, shop, shop_files};
pub use own_server::OwnServer;
#[cfg(feature = "security")]
pub use security::{Authority, MemorySecret};

/// The URL of a superuser of a running server, to be shared by all test binaries.
const SERVER_VARIABLE: &str = "FONDERIE_TEST_POSTGRES";

/// A database of one test. Dropping it removes it.
#[derive(Debug)]
pub struct TestDatabase {
    /// The URL of its owner.
    pub url: String,
    name: String,
}

/// An empty database for a test; the name is for the reader of a server's list.
pub async fn database(name: &str) -> TestDatabase {
    create(name, "template0").await
}

/// A database for a test, as `prepare` makes it from an empty one, given its URL. It is prepared once per `version` (the
/// text that it depends on, such as the migrations) and cloned for each test; `prepare` must close its connections.
pub async fn database_like<F, Fut>(name: &str, version: &str, prepare: F) -> TestDatabase
where
    F: FnOnce(String) -> Fut,
    Fut: Future<Output = ()>,
{
    let mut hasher = DefaultHasher::new();
    version.hash(&mut hasher);
    let template = format!("template_{:016x}", hasher.finish());
    let admin = admin().await;
    // several test processes may want the same template at once
    admin.execute("SELECT pg_advisory_lock(hashtextextended($1, 0))", &[&template]).await.expect("the template's lock");
    let known = admin
        .query_opt("SELECT 1 FROM pg_database WHERE datname = $1", &[&template])
        .await
        .expect("the list of databases");
    if known.is_none() {
        let draft = format!("{template}_draft");
        let create = format!("CREATE DATABASE {draft} TEMPLATE template0 ENCODING 'UTF8'");
        admin
            .batch_execute(&format!("DROP DATABASE IF EXISTS {draft} WITH (FORCE)"))
            .await
            .expect("an old draft is removed");
        admin.batch_execute(&create).await.expect("the template is made");
        prepare(url_of(&draft)).await;
        admin
            .batch_execute(&format!("ALTER DATABASE {draft} RENAME TO {template}"))
            .await
            .expect("the template is named, all its connections closed");
    }
    admin
        .execute("SELECT pg_advisory_unlock(hashtextextended($1, 0))", &[&template])
        .await
        .expect("the template's lock");
    create(name, &template).await
}

async fn create(name: &str, template: &str) -> TestDatabase {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let readable: String =
        name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' }).take(30).collect();
    let name = format!("test_{readable}_{}_{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
    let sql = format!("CREATE DATABASE {name} TEMPLATE {template} ENCODING 'UTF8'");
    admin()
        .await
        .batch_execute(&sql)
        .await
        .unwrap_or_else(|error| panic!("the database {name} cannot be made: {error:?}"));
    TestDatabase { url: url_of(&name), name }
}

impl TestDatabase {
    /// A connection of the test's own, to look at the tables behind the code's back.
    pub async fn connect(&self) -> Client {
        connect(&self.url).await
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        let sql = format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name);
        // the test's own runtime may be at its end
        let dropped = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async move { admin().await.batch_execute(&sql).await })
        });
        let _ = dropped.join();
    }
}

/// The URL of the run's server.
fn server_url() -> &'static str {
    static SHARED: OnceLock<String> = OnceLock::new();
    static OWN: OnceLock<OwnServer> = OnceLock::new();
    SHARED.get_or_init(|| {
        std::env::var(SERVER_VARIABLE).unwrap_or_else(|_| OWN.get_or_init(OwnServer::start).url("postgres"))
    })
}

/// The same server, another database.
fn url_of(database: &str) -> String {
    let url = server_url();
    let (server, _) = url
        .rsplit_once('/')
        .unwrap_or_else(|| panic!("{SERVER_VARIABLE} must look like postgresql://user@host:port/database"));
    format!("{server}/{database}")
}

async fn admin() -> Client {
    connect(server_url()).await
}

async fn connect(url: &str) -> Client {
    try_connect(url).await.unwrap_or_else(|error| panic!("no connection to {url}: {error:?}"))
}

async fn try_connect(url: &str) -> Result<Client, tokio_postgres::Error> {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
    tokio::spawn(connection);
    Ok(client)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn databases_are_cloned_and_gone_with_their_test() {
        let prepare = async |url: String| {
            connect(&url).await.batch_execute("CREATE TABLE t AS SELECT 1 AS a").await.expect("a table")
        };
        let version = format!("databases_are_cloned {}", std::process::id());
        let first = database_like("first", &version, prepare).await;
        let second = database_like("second", &version, async |_| panic!("prepared once")).await;
        first.connect().await.batch_execute("DELETE FROM t").await.expect("a table");
        let left =
            second.connect().await.query_one("SELECT count(*) FROM t", &[]).await.expect("a table").get::<_, i64>(0);
        assert_eq!(left, 1);
        let name = first.name.clone();
        drop(first);
        let known =
            admin().await.query_opt("SELECT 1 FROM pg_database WHERE datname = $1", &[&name]).await.expect("a list");
        assert!(known.is_none());
    }
}
