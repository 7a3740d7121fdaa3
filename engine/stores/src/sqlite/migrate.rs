use super::sql::Connection;
use super::{Failure, Result};
use rusqlite::TransactionBehavior;

/// The migrations in order; the n-th leads to version n. They only go forward, and one that was released never changes.
const MIGRATIONS: &[&str] = &[
    include_str!("schema/0001.sql"),
    include_str!("schema/0002.sql"),
    include_str!("schema/0003.sql"),
    include_str!("schema/0004.sql"),
    include_str!("schema/0005.sql"),
];

/// `SGWY`: marks the file as ours (`PRAGMA application_id`).
const APPLICATION: u32 = 0x5347_5759;

/// Brings the database to the newest version; two processes may do so at once.
///
/// # Errors
/// [`Failure::Newer`] and [`Failure::Foreign`], with nothing changed.
pub(super) fn migrate(connection: &mut Connection) -> Result<()> {
    let known = MIGRATIONS.len() as u32;
    if version(connection)? == known {
        return check_owner(connection);
    }
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    // Read again: another process may have been faster.
    let found = version(&transaction)?;
    if found > known {
        return Err(Failure::Newer { found, known });
    }
    if found == 0 {
        claim_file(&transaction)?;
    } else {
        check_owner(&transaction)?;
    }
    for migration in &MIGRATIONS[found as usize..] {
        transaction.execute_batch(migration)?;
    }
    transaction.pragma_update(None, "user_version", known)?;
    transaction.commit()?;
    Ok(())
}

fn version(connection: &Connection) -> Result<u32> {
    number(connection, "PRAGMA user_version")
}

fn check_owner(connection: &Connection) -> Result<()> {
    let found = number(connection, "PRAGMA application_id")?;
    if found == APPLICATION { Ok(()) } else { Err(Failure::Foreign) }
}

/// An empty file becomes ours; one with tables belongs to somebody.
fn claim_file(connection: &Connection) -> Result<()> {
    if number(connection, "SELECT count(*) FROM sqlite_schema")? > 0 {
        return Err(Failure::Foreign);
    }
    connection.pragma_update(None, "application_id", APPLICATION)?;
    Ok(())
}

fn number(connection: &Connection, statement: &str) -> Result<u32> {
    Ok(connection.query_row(statement, [], |row| row.get(0))?)
}
