//! The database's roles and what each may do.
//!
//! The master user, who is no superuser on RDS, makes the roles and rules over the database; what lies in the schemas is the
//! pipeline's own, and the pipeline itself lets the readers in. So no grant here needs more than its giver has, on any
//! PostgreSQL from 15 to 18.

use fonderie_contract::Layout;
use fonderie_core::failpoint::step;
use fonderie_core::{ErrorCode, Result, StageError};
use postgres_protocol::password::scram_sha_256;
use tokio_postgres::Transaction;

use crate::connect::Warehouse;
use crate::declare::close;
use crate::error::Doing;
use crate::sql::{advisory_key, quote};

/// The role by which the functions work: it owns the pipeline's schemas and nothing else.
pub const PIPELINE: &str = "pipeline";
/// The group of those who read the warehouse and the marts.
pub const ANALYST: &str = "analyst";
/// The group of those who read the ledger.
pub const OPERATOR: &str = "operator";

/// What was not as it should be, and was changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RolesChanged {
    /// The roles that were not there.
    pub made: Vec<String>,
    /// How many connections the pipeline may open from now on, where that was another number.
    pub connections: Option<i32>,
}

impl Warehouse {
    /// As the master: makes the roles that are not there, and closes the database to everybody else. The pipeline may use three
    /// quarters of the connections, so that people and the rotation of its password always find one: of `max_connections` if it is
    /// given, since a server reads a new number only when it starts, else of the server's own.
    ///
    /// # Errors
    /// `SettingsInvalid` where one of the roles is there with rights that it must not have; `AccessDenied`, the database's.
    pub async fn make_roles(&mut self, password: &str, max_connections: Option<i32>) -> Result<RolesChanged> {
        let doing = "making the database's roles";
        let transaction = self.client.transaction().await.doing(doing)?;
        // two invocations at once must not make a role twice
        transaction.execute("SELECT pg_advisory_xact_lock($1)", &[&advisory_key("roles")]).await.doing(doing)?;
        let limit: i32 = transaction
            .query_one(
                "SELECT greatest(1, coalesce($1, current_setting('max_connections')::integer) * 3 / 4)",
                &[&max_connections],
            )
            .await
            .doing(doing)?
            .get(0);
        let known = known_roles(&transaction).await?;
        let mut changed = RolesChanged::default();
        let attributes = [
            // a verifier instead of the password: the server's log may show the statement
            (PIPELINE, format!("LOGIN PASSWORD '{}'", scram_sha_256(password.as_bytes()))),
            (ANALYST, "NOLOGIN".to_owned()),
            (OPERATOR, "NOLOGIN".to_owned()),
        ];
        for (role, attributes) in attributes {
            if known.iter().any(|name| name == role) {
                continue;
            }
            transaction.batch_execute(&format!("CREATE ROLE {role} {attributes}")).await.doing(doing)?;
            changed.made.push(role.to_owned());
        }
        let before: i32 = transaction
            .query_one("SELECT rolconnlimit FROM pg_roles WHERE rolname = $1", &[&PIPELINE])
            .await
            .doing(doing)?
            .get(0);
        if before != limit {
            transaction.batch_execute(&format!("ALTER ROLE {PIPELINE} CONNECTION LIMIT {limit}")).await.doing(doing)?;
            changed.connections = Some(limit);
        }
        let database = this_database(&transaction).await?;
        let rights = format!(
            "REVOKE ALL ON DATABASE {database} FROM PUBLIC; \
             GRANT CONNECT, TEMPORARY ON DATABASE {database} TO {PIPELINE}; \
             GRANT CONNECT ON DATABASE {database} TO {ANALYST}, {OPERATOR}"
        );
        transaction.batch_execute(&rights).await.doing(doing)?;
        // so it is since PostgreSQL 15, but not in a database that comes from an older one
        let open = "SELECT EXISTS (SELECT FROM pg_namespace n CROSS JOIN LATERAL aclexplode(n.nspacl) a \
                    WHERE n.nspname = 'public' AND a.grantee = 0 AND a.privilege_type = 'CREATE')";
        if transaction.query_one(open, &[]).await.doing(doing)?.get(0) {
            transaction.batch_execute("REVOKE CREATE ON SCHEMA public FROM PUBLIC").await.doing(doing)?;
        }
        step("before the roles were committed");
        transaction.commit().await.doing(doing)?;
        step("after the roles were committed");
        Ok(changed)
    }

    /// As the master: whether the pipeline may make schemas, which only migrations do.
    ///
    /// # Errors
    /// `AccessDenied`, the database's.
    pub async fn let_pipeline_make_schemas(&mut self, may: bool) -> Result<()> {
        let doing = "giving and taking the right to make schemas";
        let transaction = self.client.transaction().await.doing(doing)?;
        let database = this_database(&transaction).await?;
        let (verb, preposition) = if may { ("GRANT", "TO") } else { ("REVOKE", "FROM") };
        let sql = format!("{verb} CREATE ON DATABASE {database} {preposition} {PIPELINE}");
        transaction.batch_execute(&sql).await.doing(doing)?;
        transaction.commit().await.doing(doing)
    }

    /// As the master: gives the pipeline's role a password.
    ///
    /// # Errors
    /// `AccessDenied` where another master made the role; the database's.
    pub async fn set_pipelines_password(&self, password: &str) -> Result<()> {
        self.set_password(PIPELINE, password).await
    }

    /// Gives one's own role another password. Connections that are open stay open.
    ///
    /// # Errors
    /// The database's.
    pub async fn set_own_password(&self, password: &str) -> Result<()> {
        self.set_password("CURRENT_USER", password).await
    }

    pub(crate) async fn set_password(&self, role: &str, password: &str) -> Result<()> {
        let sql = format!("ALTER ROLE {role} PASSWORD '{}'", scram_sha_256(password.as_bytes()));
        step("before the password was set");
        self.client.batch_execute(&sql).await.doing("setting a password")?;
        step("after the password was set");
        Ok(())
    }

    /// As the pipeline: lets analysts into the schemas that datasets declare for their tables, preparation views and marts, the internal tables excepted, operators into the
    /// ledger, and both into all that is made there later; a mart that is made anew is among that.
    ///
    /// # Errors
    /// `AccessDenied` where somebody else owns one of the schemas; the database's.
    pub async fn let_readers_in(&mut self, layouts: &[&Layout]) -> Result<()> {
        let doing = "letting the readers in";
        let transaction = self.client.transaction().await.doing(doing)?;
        // two invocations at once would change the same rows of the catalogue
        transaction.execute("SELECT pg_advisory_xact_lock($1)", &[&advisory_key("roles")]).await.doing(doing)?;
        let of_datasets = layouts.iter().flat_map(|layout| layout.schemas.open());
        let schemas = of_datasets.map(|schema| (schema, ANALYST)).chain([("audit", OPERATOR)]);
        for (schema, reader) in schemas {
            let schema = quote(schema);
            let sql = format!(
                "GRANT USAGE ON SCHEMA {schema} TO {reader}; \
                 GRANT SELECT ON ALL TABLES IN SCHEMA {schema} TO {reader}; \
                 ALTER DEFAULT PRIVILEGES IN SCHEMA {schema} GRANT SELECT ON TABLES TO {reader}"
            );
            transaction.batch_execute(&sql).await.doing(doing)?;
        }
        // rows of marts, which operators have no right to
        let rows = format!("REVOKE ALL ON audit.published_row FROM {OPERATOR}");
        transaction.batch_execute(&rows).await.doing(doing)?;
        for layout in layouts {
            close(&transaction, &layout.tables).await?;
        }
        transaction.commit().await.doing(doing)
    }
}

/// Which of the roles are there.
async fn known_roles(transaction: &Transaction<'_>) -> Result<Vec<String>> {
    let query = "SELECT rolname::text, rolsuper OR rolcreatedb OR rolcreaterole OR rolreplication OR rolbypassrls \
                 FROM pg_roles WHERE rolname = ANY($1) ORDER BY 1";
    let names: &[&str] = &[PIPELINE, ANALYST, OPERATOR];
    let rows = transaction.query(query, &[&names]).await.doing("looking for the database's roles")?;
    if let Some(row) = rows.iter().find(|row| row.get(1)) {
        let role: &str = row.get(0);
        let message = format!(
            "the role {role} is there already, and may do more than it should (it is a superuser, makes roles or databases, replicates or passes over row security): take these rights from it, and invoke prepare-database again"
        );
        return Err(StageError::new(ErrorCode::SettingsInvalid, message));
    }
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

/// The name of the database, quoted.
async fn this_database(transaction: &Transaction<'_>) -> Result<String> {
    let row = transaction.query_one("SELECT current_database()::text", &[]).await.doing("asking for its name")?;
    Ok(quote(row.get(0)))
}
