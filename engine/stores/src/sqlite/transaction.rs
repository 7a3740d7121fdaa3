use super::{Failure, Result, SqliteStore};
use sqlx::pool::PoolConnection;
use sqlx::{Sqlite, SqliteConnection, SqlitePool};
use stageway_core::name::TenantId;
use std::ops::{Deref, DerefMut};
use std::sync::atomic::Ordering;

/// A connection within a transaction. Dropped before [`Transaction::end`] it is closed, and the transaction never was.
///
/// Not sqlx's own: SQLite ends a transaction by itself when the disk is full or fails, and sqlx then counts one that is
/// open for ever, so that no other begins on that connection.
pub(super) struct Transaction {
    connection: PoolConnection<Sqlite>,
    over: bool,
}

impl Transaction {
    /// Waits for its turn at once: a transaction that reads first and writes later could not.
    pub(super) async fn immediate(pool: &SqlitePool) -> Result<Self> {
        let mut begun = Self { connection: pool.acquire().await?, over: false };
        begun.run("BEGIN IMMEDIATE").await?;
        Ok(begun)
    }

    pub(super) async fn run(&mut self, statement: &'static str) -> Result<()> {
        sqlx::query(statement).execute(&mut *self.connection).await?;
        Ok(())
    }

    /// The last statement: `COMMIT` or `ROLLBACK`.
    pub(super) async fn end(&mut self, statement: &'static str) -> Result<()> {
        self.run(statement).await?;
        self.over = true;
        Ok(())
    }
}

impl Drop for Transaction {
    fn drop(&mut self) {
        if !self.over {
            self.connection.close_on_drop();
        }
    }
}

impl Deref for Transaction {
    type Target = SqliteConnection;

    fn deref(&self) -> &SqliteConnection {
        &self.connection
    }
}

impl DerefMut for Transaction {
    fn deref_mut(&mut self) -> &mut SqliteConnection {
        &mut self.connection
    }
}

/// Statements of a tenant that read, each one moment of the database.
pub(super) struct Read {
    pub(super) sql: PoolConnection<Sqlite>,
    pub(super) tenant: TenantId,
}

/// One transaction of a tenant. Dropped without [`Write::commit`] it never was.
pub(super) struct Write {
    pub(super) sql: Transaction,
    pub(super) tenant: TenantId,
    changed: bool,
}

impl SqliteStore {
    pub(super) async fn read(&self, tenant: &TenantId) -> Result<Read> {
        Ok(Read { sql: self.inner.readers.acquire().await?, tenant: tenant.clone() })
    }

    pub(super) async fn write(&self, tenant: &TenantId) -> Result<Write> {
        Ok(Write::within(Transaction::immediate(&self.inner.writer).await?, tenant))
    }

    /// Makes what was done durable and wakes who waits for it; what was refused, never was.
    pub(super) async fn finish<T>(&self, mut write: Write, done: Result<T>) -> Result<T> {
        match done {
            Ok(answer) => {
                let changed = write.changed;
                write.commit().await?;
                self.inner.commits.fetch_add(1, Ordering::Relaxed);
                if changed {
                    self.inner.changes.send_replace(());
                }
                Ok(answer)
            }
            Err(Failure::Refused(refusal)) => {
                write.sql.end("ROLLBACK").await?;
                Err(refusal.into())
            }
            Err(failure) => Err(failure),
        }
    }
}

macro_rules! count_change {
    () => {
        "INSERT INTO tenant (id, runs, changes) VALUES (?1, 0, 1)
         ON CONFLICT (id) DO UPDATE SET changes = changes + 1"
    };
}

impl Write {
    pub(super) fn within(sql: Transaction, tenant: &TenantId) -> Self {
        Self { sql, tenant: tenant.clone(), changed: false }
    }

    /// Something that a reader can see is different now.
    pub(super) fn changed(&mut self) {
        self.changed = true;
    }

    async fn commit(&mut self) -> Result<()> {
        if self.changed { self.count_and_commit().await } else { self.sql.end("COMMIT").await }
    }

    /// One more change of the tenant; [`Write::commit`] does it for what [`Write::changed`] told.
    pub(super) async fn count_change(&mut self) -> Result<()> {
        sqlx::query(count_change!()).bind(self.tenant.as_str()).execute(&mut *self.sql).await?;
        Ok(())
    }

    /// The same as the last statement but one: each statement is a hand-over to the thread of the connection, and back.
    pub(super) async fn count_and_commit(&mut self) -> Result<()> {
        let both = concat!(count_change!(), "; COMMIT");
        sqlx::query(both).bind(self.tenant.as_str()).execute(&mut *self.sql).await?;
        self.sql.over = true;
        Ok(())
    }
}

impl Read {
    pub(super) async fn changes(&mut self) -> Result<u64> {
        let found: Option<u64> = sqlx::query_scalar("SELECT changes FROM tenant WHERE id = ?1")
            .bind(self.tenant.as_str())
            .fetch_optional(&mut *self.sql)
            .await?;
        Ok(found.unwrap_or(0))
    }
}
