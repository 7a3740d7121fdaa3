use super::{Failure, Result};
use sqlx::{PgConnection, PgPool};
use std::time::{Duration, Instant};

/// The migrations in order; the n-th leads to version n. They only go forward, and one that was released never changes.
///
/// The version before goes on running while one is applied and afterwards: a migration adds tables, columns with a default,
/// and indexes; it takes nothing away that the version before names, and what it adds may be absent from what that version
/// writes. What nobody names any more goes a version later.
pub(super) const MIGRATIONS: &[&str] = &[
    include_str!("schema/0001.sql"),
    include_str!("schema/0002.sql"),
    include_str!("schema/0003.sql"),
    include_str!("schema/0004.sql"),
    include_str!("schema/0005.sql"),
];

/// `SGWY`, for the lock under which one process migrates while the others wait.
const LOCK: i64 = 0x5347_5759;
/// How long all of it may take, with the others' turns.
const PATIENCE: Duration = Duration::from_secs(120);

/// Brings the database to the newest version; any number of processes may do so at once.
///
/// # Errors
/// [`Failure::Newer`], [`Failure::Foreign`] and [`Failure::Encoding`], with nothing changed.
pub(super) async fn migrate(pool: &PgPool, migrations: &[&'static str]) -> Result<()> {
    let begun = Instant::now();
    loop {
        let mut connection = pool.acquire().await?;
        match migrate_once(&mut connection, migrations).await {
            // A table was in use for too long. To wait longer would make everybody else wait behind us.
            Err(failure) if failure.is_lock_timeout() && begun.elapsed() < PATIENCE => {
                connection.close_on_drop();
                drop(connection);
                tokio::time::sleep(Duration::from_millis(500)).await;
            }
            Err(failure) => {
                connection.close_on_drop();
                return Err(failure);
            }
            Ok(()) => return Ok(()),
        }
    }
}

async fn migrate_once(sql: &mut PgConnection, migrations: &[&'static str]) -> Result<()> {
    let known = i32::try_from(migrations.len()).unwrap_or(i32::MAX);
    if version(sql).await? == known {
        return Ok(());
    }
    let encoding: String = sqlx::query_scalar("SHOW server_encoding").fetch_one(&mut *sql).await?;
    if encoding != "UTF8" {
        return Err(Failure::Encoding(encoding));
    }
    sqlx::raw_sql("BEGIN; SET LOCAL statement_timeout = '100s'; SET LOCAL lock_timeout = '60s'")
        .execute(&mut *sql)
        .await?;
    sqlx::query("SELECT pg_advisory_xact_lock($1)").bind(LOCK).execute(&mut *sql).await?;
    sqlx::raw_sql("SET LOCAL lock_timeout = '3s'").execute(&mut *sql).await?;
    // Read again: another process may have been faster.
    let found = version(sql).await?;
    if found > known {
        return Err(Failure::Newer { found, known });
    }
    if found == 0 {
        claim_schema(sql).await?;
    }
    for migration in migrations.iter().skip(found as usize) {
        sqlx::raw_sql(*migration).execute(&mut *sql).await?;
    }
    sqlx::query("UPDATE schema_version SET version = $1").bind(known).execute(&mut *sql).await?;
    sqlx::raw_sql("COMMIT").execute(&mut *sql).await?;
    Ok(())
}

/// 0 where nothing of ours is yet. The catalog is read as a table: `to_regclass` may answer out of a cache from before the
/// wait for the lock.
async fn version(sql: &mut PgConnection) -> Result<i32> {
    let table: bool = sqlx::query_scalar(
        "SELECT EXISTS (SELECT FROM pg_class AS class JOIN pg_namespace AS space ON space.oid = class.relnamespace
           WHERE space.nspname = 'stageway' AND class.relname = 'schema_version')",
    )
    .fetch_one(&mut *sql)
    .await?;
    if !table {
        return Ok(0);
    }
    Ok(sqlx::query_scalar("SELECT version FROM schema_version").fetch_one(sql).await?)
}

/// A schema with nothing in it becomes ours; one with tables belongs to somebody.
async fn claim_schema(sql: &mut PgConnection) -> Result<()> {
    let tables: Option<i64> = sqlx::query_scalar(
        "SELECT count(class.oid) FROM pg_namespace AS space LEFT JOIN pg_class AS class ON class.relnamespace = space.oid
         WHERE space.nspname = 'stageway' GROUP BY space.oid",
    )
    .fetch_optional(&mut *sql)
    .await?;
    match tables {
        None => {
            sqlx::raw_sql("CREATE SCHEMA stageway").execute(&mut *sql).await?;
        }
        Some(0) => {}
        Some(_) => return Err(Failure::Foreign),
    }
    sqlx::raw_sql(
        "CREATE TABLE schema_version (version INTEGER NOT NULL); INSERT INTO schema_version VALUES (0)",
    )
    .execute(sql)
    .await?;
    Ok(())
}
