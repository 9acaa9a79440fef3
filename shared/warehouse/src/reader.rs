//! Who asks a person's questions: a role that only reads, under which the session itself begins.
//!
//! `SET ROLE` in a superuser's session is no fence: one statement can take it back (`set_config('role', …)`, a `DO` block) and
//! then run programs and read the server's files. So the question's session logs in as the role.

use fonderie_core::{ErrorCode, Result, StageError};

use crate::connect::{ConnectOptions, Warehouse};
use crate::error::{Doing, is_login_refused};
use crate::login::new_password;
use crate::settings::DatabaseSettings;
use crate::sql::{advisory_key, quote};

/// A connection that can be asked, and how far its role protects the server.
pub(crate) struct Reader {
    pub(crate) warehouse: Warehouse,
    /// The role to be set in the transaction, if the session could not begin under it.
    pub(crate) role: Option<String>,
    /// What a person should know of the protection, if it is not whole.
    pub(crate) note: Option<&'static str>,
}

/// What the connection's own user may do.
enum Owner {
    /// Any role can be made for the question; this is its name, quoted and not.
    Superuser(String),
    /// Programs or files of the server, which a read-only transaction does not prevent.
    ReachesTheServer,
    /// Its own rights are limit enough.
    Ordinary,
}

impl Reader {
    /// A connection under a role that only reads; under the settings' own user if that is no superuser.
    pub(crate) async fn connect(settings: &DatabaseSettings, options: &ConnectOptions) -> Result<Self> {
        let mut owner = Warehouse::connect(settings, options).await?;
        let role = match owner.owner().await? {
            Owner::Superuser(role) => role,
            Owner::Ordinary => return Ok(Self { warehouse: owner, role: None, note: None }),
            Owner::ReachesTheServer => {
                let note = "the query runs as the database URL's own user, who may reach files or programs of the server; it only reads the database";
                return Ok(Self { warehouse: owner, role: None, note: Some(note) });
            }
        };
        owner.prepare_reader(&role).await?;
        // An embedded server serves one connection, and asks for no password.
        if settings.config.get_password().is_none() {
            owner.close().await;
            if let Some(warehouse) = login(settings, &role, None, options).await? {
                return Ok(Self { warehouse, role: None, note: None });
            }
            owner = Warehouse::connect(settings, options).await?;
        }
        if let Some(warehouse) = owner.login_by_password(settings, &role, options).await? {
            owner.close().await;
            return Ok(Self { warehouse, role: None, note: None });
        }
        let note = "the server lets nobody in but the database URL's own user, a superuser: the query is read-only, but a hostile one could reach the server's files";
        Ok(Self { warehouse: owner, role: Some(role), note: Some(note) })
    }
}

/// A session under the role; `None` if the server refuses the login.
async fn login(
    settings: &DatabaseSettings,
    role: &str,
    password: Option<&str>,
    options: &ConnectOptions,
) -> Result<Option<Warehouse>> {
    match Warehouse::connect(&settings.clone().with_user(role, password), options).await {
        Ok(warehouse) => Ok(Some(warehouse)),
        // a password is wanted and there is none, or the server looks at the operating system's user
        Err(error) if is_login_refused(&error) || error.code == ErrorCode::SettingsInvalid => Ok(None),
        Err(error) => Err(error),
    }
}

impl Warehouse {
    async fn owner(&self) -> Result<Owner> {
        // Roles belong to the server and grants to a database: a role for each database.
        let sql = "SELECT rolsuper, pg_has_role(session_user, 'pg_execute_server_program', 'MEMBER') \
                     OR pg_has_role(session_user, 'pg_read_server_files', 'MEMBER') \
                     OR pg_has_role(session_user, 'pg_write_server_files', 'MEMBER'), \
                   'fonderie_reader_' || (SELECT oid FROM pg_database WHERE datname = current_database()) \
                   FROM pg_roles WHERE rolname = session_user";
        let row = self.client.query_one(sql, &[]).await.doing("asking for the user's rights")?;
        Ok(match (row.get(0), row.get(1)) {
            (true, _) => Owner::Superuser(row.get(2)),
            (false, true) => Owner::ReachesTheServer,
            (false, false) => Owner::Ordinary,
        })
    }

    /// Makes the role unless it is there, and lets it read what it cannot read yet.
    async fn prepare_reader(&mut self, role: &str) -> Result<()> {
        let doing = "preparing the role that only reads";
        let name = quote(role);
        let transaction = self.client.transaction().await.doing(doing)?;
        // two first queries at once must not make it twice
        transaction.execute("SELECT pg_advisory_xact_lock($1)", &[&advisory_key("reader")]).await.doing(doing)?;
        let known = "SELECT rolsuper OR rolcreaterole OR rolcreatedb OR rolreplication OR rolbypassrls \
                     FROM pg_roles WHERE rolname = $1";
        match transaction.query_opt(known, &[&role]).await.doing(doing)? {
            Some(row) if row.get(0) => {
                let message = format!("the role {role} may do more than read: drop it, it is made again");
                return Err(StageError::new(ErrorCode::SettingsInvalid, message));
            }
            Some(_) => {}
            None => transaction.batch_execute(&format!("CREATE ROLE {name} LOGIN")).await.doing(doing)?,
        }
        let closed = "SELECT current_database()::text, has_database_privilege($1, current_database(), 'CONNECT')";
        let database = transaction.query_one(closed, &[&role]).await.doing(doing)?;
        if !database.get::<_, bool>(1) {
            let sql = format!("GRANT CONNECT ON DATABASE {} TO {name}", quote(database.get(0)));
            transaction.batch_execute(&sql).await.doing(doing)?;
        }
        // all that is in the ledger and in the datasets' schemas
        let known = "SELECT to_regclass('audit.dataset_schema') IS NOT NULL";
        let known: bool = transaction.query_one(known, &[]).await.doing(doing)?.get(0);
        let schemas =
            if known { "SELECT schema FROM audit.dataset_schema UNION ALL SELECT 'audit'" } else { "SELECT 'audit'" };
        let closed = format!(
            "SELECT nspname::text FROM pg_namespace n WHERE nspname IN ({schemas}) AND ( \
               NOT has_schema_privilege($1, n.oid, 'USAGE') OR EXISTS ( \
                 SELECT FROM pg_class c WHERE c.relnamespace = n.oid AND c.relkind IN ('r', 'p', 'v', 'm', 'f') \
                 AND NOT has_table_privilege($1, c.oid, 'SELECT')))"
        );
        for row in transaction.query(&closed, &[&role]).await.doing(doing)? {
            let schema = quote(row.get(0));
            let sql = format!(
                "GRANT USAGE ON SCHEMA {schema} TO {name}; GRANT SELECT ON ALL TABLES IN SCHEMA {schema} TO {name}"
            );
            transaction.batch_execute(&sql).await.doing(doing)?;
        }
        transaction.commit().await.doing(doing)
    }

    /// Gives the role a password that nobody else knows, and logs in with it. Under a lock, for another query gives it another.
    async fn login_by_password(
        &self,
        settings: &DatabaseSettings,
        role: &str,
        options: &ConnectOptions,
    ) -> Result<Option<Warehouse>> {
        let doing = "logging in as the role that only reads";
        let key = advisory_key("reader password");
        self.client.execute("SELECT pg_advisory_lock($1)", &[&key]).await.doing(doing)?;
        let password = new_password()?;
        self.set_password(&quote(role), &password).await?;
        let warehouse = login(settings, role, Some(&password), options).await;
        self.client.execute("SELECT pg_advisory_unlock($1)", &[&key]).await.doing(doing)?;
        warehouse
    }
}
