use super::{Failure, PostgresStore, Result};
use crate::shared::count;
use sqlx::pool::PoolConnection;
use sqlx::{PgConnection, PgPool, Postgres};
use stageway_core::name::TenantId;
use std::ops::{Deref, DerefMut};

/// A connection for one method. Dropped before [`Sql::sound`] it is closed, and a transaction on it never was: what a call
/// that was given up left in it is nobody's business.
pub(super) struct Sql {
    connection: PoolConnection<Postgres>,
    sound: bool,
}

impl Sql {
    pub(super) async fn acquire(pool: &PgPool) -> Result<Self> {
        Ok(Self { connection: pool.acquire().await?, sound: false })
    }

    /// With a transaction; dropped before [`Sql::commit`] it never was.
    pub(super) async fn begin(pool: &PgPool) -> Result<Self> {
        let mut sql = Self::acquire(pool).await?;
        sql.run("BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE").await?;
        Ok(sql)
    }

    /// Makes the transaction durable.
    pub(super) async fn commit(mut self) -> Result<()> {
        self.run("COMMIT").await.map_err(Failure::Unknown)?;
        self.sound();
        Ok(())
    }

    async fn run(&mut self, statement: &'static str) -> std::result::Result<(), sqlx::Error> {
        sqlx::raw_sql(statement).execute(&mut *self.connection).await.map(|_| ())
    }

    /// It may be used again.
    pub(super) fn sound(mut self) {
        self.sound = true;
    }
}

impl Drop for Sql {
    fn drop(&mut self) {
        if !self.sound {
            self.connection.close_on_drop();
        }
    }
}

impl Deref for Sql {
    type Target = PgConnection;

    fn deref(&self) -> &PgConnection {
        &self.connection
    }
}

impl DerefMut for Sql {
    fn deref_mut(&mut self) -> &mut PgConnection {
        &mut self.connection
    }
}

/// Statements of a tenant that read, each one moment of the database.
pub(super) struct Read {
    pub(super) sql: Sql,
    pub(super) tenant: TenantId,
}

/// One transaction of a tenant. Dropped without [`PostgresStore::finish`] it never was.
pub(super) struct Write {
    pub(super) sql: Sql,
    pub(super) tenant: TenantId,
    changed: bool,
}

impl PostgresStore {
    pub(super) async fn read(&self, tenant: &TenantId) -> Result<Read> {
        Ok(Read { sql: Sql::acquire(&self.inner.pool).await?, tenant: tenant.clone() })
    }

    pub(super) async fn write(&self, tenant: &TenantId) -> Result<Write> {
        Ok(Write::within(Sql::begin(&self.inner.pool).await?, tenant))
    }

    /// Makes what was done durable and wakes who waits for it; what was refused, never was.
    pub(super) async fn finish<T>(&self, mut write: Write, done: Result<T>) -> Result<T> {
        match done {
            Ok(answer) => {
                if write.changed {
                    write.count_change().await?;
                }
                write.sql.commit().await?;
                if write.changed {
                    self.inner.signals.changed(&write.tenant);
                }
                Ok(answer)
            }
            Err(Failure::Refused(refusal)) => {
                write.sql.run("ROLLBACK").await?;
                write.sql.sound();
                Err(refusal.into())
            }
            Err(failure) => Err(failure),
        }
    }

    /// Gives the connection back.
    pub(super) fn end<T>(read: Read, done: Result<T>) -> Result<T> {
        if matches!(done, Ok(_) | Err(Failure::Refused(_))) {
            read.sql.sound();
        }
        done
    }
}

impl Write {
    pub(super) fn within(sql: Sql, tenant: &TenantId) -> Self {
        Self { sql, tenant: tenant.clone(), changed: false }
    }

    /// Something that a reader can see is different now.
    pub(super) fn changed(&mut self) {
        self.changed = true;
    }

    /// Adds to the connection's own part of the tenant's count: the sum grows with each commit that a reader sees, and two
    /// transactions seldom wait for each other here. It is the last lock that a transaction takes.
    async fn count_change(&mut self) -> Result<()> {
        sqlx::query(
            "INSERT INTO change (tenant, slot, changes) VALUES ($1, pg_backend_pid() % 32, 1)
             ON CONFLICT (tenant, slot) DO UPDATE SET changes = change.changes + 1",
        )
        .bind(self.tenant.as_str())
        .execute(&mut *self.sql)
        .await?;
        Ok(())
    }
}

impl Read {
    pub(super) async fn changes(&mut self) -> Result<u64> {
        let changes: i64 =
            sqlx::query_scalar("SELECT coalesce(sum(changes), 0)::bigint FROM change WHERE tenant = $1")
                .bind(self.tenant.as_str())
                .fetch_one(&mut *self.sql)
                .await?;
        Ok(count("the count of changes", changes)?)
    }
}
