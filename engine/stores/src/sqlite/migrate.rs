use super::{Failure, Result};
use sqlx::{Connection, SqliteConnection};

/// The migrations in order; the n-th leads to version n. They only go forward, and one that was released never changes.
const MIGRATIONS: &[&str] = &[
    include_str!("schema/0001.sql"),
    include_str!("schema/0002.sql"),
    include_str!("schema/0003.sql"),
    include_str!("schema/0004.sql"),
];

/// `SGWY`: marks the file as ours (`PRAGMA application_id`).
const APPLICATION: u32 = 0x5347_5759;

/// Brings the database to the newest version; two processes may do so at once.
///
/// # Errors
/// [`Failure::Newer`] and [`Failure::Foreign`], with nothing changed.
pub(super) async fn migrate(connection: &mut SqliteConnection) -> Result<()> {
    let known = MIGRATIONS.len() as u32;
    if version(connection).await? == known {
        return check_owner(connection).await;
    }
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
    // Read again: another process may have been faster.
    let found = version(&mut transaction).await?;
    if found > known {
        return Err(Failure::Newer { found, known });
    }
    if found == 0 {
        claim_file(&mut transaction).await?;
    } else {
        check_owner(&mut transaction).await?;
    }
    for migration in &MIGRATIONS[found as usize..] {
        sqlx::raw_sql(*migration).execute(&mut *transaction).await?;
    }
    let set = format!("PRAGMA user_version = {known}");
    sqlx::raw_sql(sqlx::AssertSqlSafe(set)).execute(&mut *transaction).await?;
    transaction.commit().await?;
    Ok(())
}

async fn version(connection: &mut SqliteConnection) -> Result<u32> {
    Ok(sqlx::query_scalar("PRAGMA user_version").fetch_one(connection).await?)
}

async fn check_owner(connection: &mut SqliteConnection) -> Result<()> {
    let found: u32 = sqlx::query_scalar("PRAGMA application_id").fetch_one(connection).await?;
    if found == APPLICATION { Ok(()) } else { Err(Failure::Foreign) }
}

/// An empty file becomes ours; one with tables belongs to somebody.
async fn claim_file(connection: &mut SqliteConnection) -> Result<()> {
    let tables: u32 =
        sqlx::query_scalar("SELECT count(*) FROM sqlite_schema").fetch_one(&mut *connection).await?;
    if tables > 0 {
        return Err(Failure::Foreign);
    }
    let mark = format!("PRAGMA application_id = {APPLICATION}");
    sqlx::raw_sql(sqlx::AssertSqlSafe(mark)).execute(connection).await?;
    Ok(())
}
