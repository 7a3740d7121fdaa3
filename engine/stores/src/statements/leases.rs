use super::{Read, Result, Write, locking, sql};
use crate::shared::{LeaseWish, Unreadable, count, from_json, int, json, refusal};
use stageway_core::name::RunId;
use stageway_ports::{Lease, Writer};

impl Write {
    pub(crate) async fn lease(&mut self, wish: LeaseWish<'_>) -> Result<Option<Lease>> {
        let found: Option<(Option<String>, Option<i64>)> =
            sql::query_as(locking!("SELECT holder, held_until FROM run WHERE tenant = $1 AND id = $2"))
                .bind(self.tenant.as_str())
                .bind(wish.run.as_str())
                .fetch_optional(&mut *self.sql)
                .await?;
        let (holder, until) = found.ok_or_else(|| refusal::no_run(wish.run))?;
        if wish.is_barred(holder.as_deref(), until)? {
            return Ok(None);
        }
        let fence: i64 = sql::query_scalar(
            "UPDATE run SET fence = fence + 1, holder = $3, held_until = $4,
               turn = CASE WHEN turn IS NULL THEN NULL ELSE 2 END
             WHERE tenant = $1 AND id = $2 RETURNING fence",
        )
        .bind(self.tenant.as_str())
        .bind(wish.run.as_str())
        .bind(wish.holder)
        .bind(int(wish.until))
        .fetch_one(&mut *self.sql)
        .await?;
        self.drop_claims(wish.run).await?;
        self.changed();
        Ok(Some(Lease { fence: count("the fence of a run", fence)?, until: wish.until }))
    }

    pub(crate) async fn rest(&mut self, writer: &Writer, rests: bool) -> Result<()> {
        self.fenced(writer).await?;
        sql::query("UPDATE run SET turn = $3 WHERE tenant = $1 AND id = $2 AND turn IN (2, 4)")
            .bind(self.tenant.as_str())
            .bind(writer.run.as_str())
            .bind(if rests { 4_i64 } else { 2 })
            .execute(&mut *self.sql)
            .await?;
        self.changed();
        Ok(())
    }

    pub(crate) async fn renew(&mut self, writer: &Writer, until: u64) -> Result<()> {
        self.fenced(writer).await?;
        sql::query("UPDATE run SET held_until = $3 WHERE tenant = $1 AND id = $2")
            .bind(self.tenant.as_str())
            .bind(writer.run.as_str())
            .bind(int(until))
            .execute(&mut *self.sql)
            .await?;
        Ok(())
    }

    /// The first wish for the end of a run stands.
    pub(crate) async fn request_cancel(
        &mut self,
        run: &RunId,
        by: &str,
        reason: &str,
        at: u64,
    ) -> Result<()> {
        let found: Option<Option<String>> =
            sql::query_scalar(locking!("SELECT cancel FROM run WHERE tenant = $1 AND id = $2"))
                .bind(self.tenant.as_str())
                .bind(run.as_str())
                .fetch_optional(&mut *self.sql)
                .await?;
        if found.ok_or_else(|| refusal::no_run(run))?.is_some() {
            return Ok(());
        }
        sql::query(
            "UPDATE run SET cancel = $3, turn = CASE WHEN turn IN (0, 1) THEN 3 ELSE turn END
             WHERE tenant = $1 AND id = $2",
        )
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
    pub(crate) async fn cancel_request(&mut self, run: &RunId) -> Result<Option<(String, String, u64)>> {
        let found: Option<Option<String>> =
            sql::query_scalar("SELECT cancel FROM run WHERE tenant = $1 AND id = $2")
                .bind(self.tenant.as_str())
                .bind(run.as_str())
                .fetch_optional(&mut *self.sql)
                .await?;
        let wish = found.ok_or_else(|| refusal::no_run(run))?;
        Ok(wish.as_deref().map(cancel_wish).transpose()?)
    }
}

/// Who wishes the end of a run, why, and since when, out of its column.
pub(super) fn cancel_wish(column: &str) -> std::result::Result<(String, String, u64), Unreadable> {
    from_json("the wish for the end of a run", column)
}
