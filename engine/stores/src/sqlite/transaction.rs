use super::readers::Reader;
use super::turns::Turn;
use super::{Result, SqliteStore, sql};
use crate::shared::count;
use stageway_core::name::TenantId;

/// Statements of a tenant that read, each one moment of the database.
pub(super) struct Read {
    pub(super) sql: Reader,
    pub(super) tenant: TenantId,
}

/// One transaction of a tenant. Dropped before [`SqliteStore::finish`] it never was.
pub(super) struct Write {
    pub(super) sql: Turn,
    pub(super) tenant: TenantId,
    changed: bool,
}

impl SqliteStore {
    pub(super) async fn read(&self, tenant: &TenantId) -> Result<Read> {
        Ok(Read { sql: self.inner.readers.acquire().await?, tenant: tenant.clone() })
    }

    pub(super) async fn write(&self, tenant: &TenantId) -> Result<Write> {
        Ok(Write { sql: self.inner.turns.begin().await?, tenant: tenant.clone(), changed: false })
    }

    /// Makes what was done durable and wakes who waits for it; what was refused, never was.
    pub(super) async fn finish<T>(&self, write: Write, done: Result<T>) -> Result<T> {
        let Write { sql, tenant, changed } = write;
        self.inner.turns.end(sql, done, changed.then_some(&tenant)).await
    }
}

impl Write {
    /// Something that a reader can see is different now.
    pub(super) fn changed(&mut self) {
        self.changed = true;
    }
}

impl Read {
    pub(super) async fn changes(&mut self) -> Result<u64> {
        let found: Option<i64> = sql::query_scalar("SELECT changes FROM tenant WHERE id = ?1")
            .bind(self.tenant.as_str())
            .fetch_optional(&mut self.sql)
            .await?;
        Ok(found.map_or(Ok(0), |changes| count("the changes of a tenant", changes))?)
    }
}
