use super::Result;
use super::codec::{from_json, int, json};
use super::transaction::{Read, Write, no_run};
use stageway_core::name::RunId;
use stageway_ports::{Lease, Writer};

/// A wish for a lease.
pub(super) struct Wish<'a> {
    pub(super) run: &'a RunId,
    pub(super) holder: &'a str,
    pub(super) now: u64,
    pub(super) until: u64,
    pub(super) force: bool,
}

impl Write {
    pub(super) async fn lease(&mut self, wish: Wish<'_>) -> Result<Option<Lease>> {
        let found: Option<(Option<String>, Option<u64>)> =
            sqlx::query_as("SELECT holder, held_until FROM run WHERE tenant = ?1 AND id = ?2")
                .bind(self.tenant.as_str())
                .bind(wish.run.as_str())
                .fetch_optional(&mut *self.sql)
                .await?;
        let (holder, until) = found.ok_or_else(|| no_run(wish.run))?;
        let other = holder.is_some_and(|holder| holder != wish.holder);
        if other && until.is_some_and(|until| until > wish.now) && !wish.force {
            return Ok(None);
        }
        let fence: u64 = sqlx::query_scalar(
            "UPDATE run SET fence = fence + 1, holder = ?3, held_until = ?4 WHERE tenant = ?1 AND id = ?2
             RETURNING fence",
        )
        .bind(self.tenant.as_str())
        .bind(wish.run.as_str())
        .bind(wish.holder)
        .bind(int(wish.until))
        .fetch_one(&mut *self.sql)
        .await?;
        self.drop_claims(wish.run).await?;
        self.changed();
        Ok(Some(Lease { fence, until: wish.until }))
    }

    pub(super) async fn renew(&mut self, writer: &Writer, until: u64) -> Result<()> {
        self.fenced(writer).await?;
        sqlx::query("UPDATE run SET held_until = ?3 WHERE tenant = ?1 AND id = ?2")
            .bind(self.tenant.as_str())
            .bind(writer.run.as_str())
            .bind(int(until))
            .execute(&mut *self.sql)
            .await?;
        Ok(())
    }

    /// The first wish for the end of a run stands.
    pub(super) async fn request_cancel(
        &mut self,
        run: &RunId,
        by: &str,
        reason: &str,
        at: u64,
    ) -> Result<()> {
        let found: Option<Option<String>> =
            sqlx::query_scalar("SELECT cancel FROM run WHERE tenant = ?1 AND id = ?2")
                .bind(self.tenant.as_str())
                .bind(run.as_str())
                .fetch_optional(&mut *self.sql)
                .await?;
        if found.ok_or_else(|| no_run(run))?.is_some() {
            return Ok(());
        }
        sqlx::query("UPDATE run SET cancel = ?3 WHERE tenant = ?1 AND id = ?2")
            .bind(self.tenant.as_str())
            .bind(run.as_str())
            .bind(json(&(by, reason, at))?)
            .execute(&mut *self.sql)
            .await?;
        self.changed();
        Ok(())
    }
}

impl Read {
    pub(super) async fn cancel_request(&mut self, run: &RunId) -> Result<Option<(String, String, u64)>> {
        let found: Option<Option<String>> =
            sqlx::query_scalar("SELECT cancel FROM run WHERE tenant = ?1 AND id = ?2")
                .bind(self.tenant.as_str())
                .bind(run.as_str())
                .fetch_optional(&mut *self.sql)
                .await?;
        let wish = found.ok_or_else(|| no_run(run))?;
        wish.map(|wish| from_json("the wish for the end of a run", &wish)).transpose()
    }
}
