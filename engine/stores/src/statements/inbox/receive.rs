use super::settle::no_delivery;
use super::{Result, Write, sql, text};
use crate::shared::{int, json, name};
use stageway_core::delivery::Revision;
use stageway_core::name::{ReceiptId, RepositoryId};
use stageway_ports::{Moved, NewDelivery, Received};

impl Write {
    /// The body is written before the lane is held: it may be large, and others of the repository do not wait for it.
    pub(crate) async fn receive(&mut self, new: &NewDelivery) -> Result<Received> {
        if let Some(id) = self.same_delivery(new).await? {
            return Ok(Received { id, first: false });
        }
        self.insert_body(new).await?;
        if new.repository.is_some() || new.outcome.is_none() {
            self.hold_lane(new.repository.as_ref()).await?;
        }
        if !self.insert_delivery(new).await? {
            // It came to another engine at the same time.
            self.remove_body(&new.id).await?;
            let id = self.same_delivery(new).await?.ok_or_else(|| no_delivery(&new.id))?;
            return Ok(Received { id, first: false });
        }
        if let Some(repository) = &new.repository {
            for (ordinal, moved) in new.moves.iter().enumerate() {
                self.insert_move(new, repository, ordinal, moved).await?;
            }
        }
        self.changed();
        Ok(Received { id: new.id.clone(), first: true })
    }

    /// The delivery that stands under the key.
    async fn same_delivery(&mut self, new: &NewDelivery) -> Result<Option<ReceiptId>> {
        let found: Option<String> =
            sql::query_scalar("SELECT id FROM delivery WHERE tenant = $1 AND webhook = $2 AND key = $3")
                .bind(self.tenant.as_str())
                .bind(new.webhook.as_str())
                .bind(new.key.as_str())
                .fetch_optional(&mut *self.sql)
                .await?;
        Ok(found.map(|id| name("the id of a delivery", id)).transpose()?)
    }

    async fn insert_body(&mut self, new: &NewDelivery) -> Result<()> {
        sql::query("INSERT INTO delivery_body (tenant, id, body) VALUES ($1, $2, $3)")
            .bind(self.tenant.as_str())
            .bind(new.id.as_str())
            .bind(new.body.as_slice())
            .execute(&mut *self.sql)
            .await?;
        Ok(())
    }

    async fn remove_body(&mut self, id: &ReceiptId) -> Result<()> {
        sql::query("DELETE FROM delivery_body WHERE tenant = $1 AND id = $2")
            .bind(self.tenant.as_str())
            .bind(id.as_str())
            .execute(&mut *self.sql)
            .await?;
        Ok(())
    }

    /// Answers whether it was written: false when one stands under the key.
    async fn insert_delivery(&mut self, new: &NewDelivery) -> Result<bool> {
        let outcome = new.outcome.as_ref().map(json).transpose()?;
        let done = sql::query(
            "INSERT INTO delivery
             (tenant, id, webhook, key, at, event, headers, size, repository, outcome, settled_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) ON CONFLICT (tenant, webhook, key) DO NOTHING",
        )
        .bind(self.tenant.as_str())
        .bind(new.id.as_str())
        .bind(new.webhook.as_str())
        .bind(new.key.as_str())
        .bind(int(new.at))
        .bind(text(&new.event)?)
        .bind(json(&new.headers)?)
        .bind(int(new.body.len() as u64))
        .bind(new.repository.as_ref().map(RepositoryId::as_str))
        .bind(outcome)
        .bind(new.outcome.as_ref().map(|outcome| int(outcome.at)))
        .execute(&mut *self.sql)
        .await?;
        Ok(done.rows_affected() > 0)
    }

    async fn insert_move(
        &mut self,
        new: &NewDelivery,
        repository: &RepositoryId,
        ordinal: usize,
        moved: &Moved,
    ) -> Result<()> {
        let (generation, known) = self.place(repository, moved).await?;
        sql::query(
            "INSERT INTO moved (tenant, id, ordinal, reference, before, after, generation, known)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        )
        .bind(self.tenant.as_str())
        .bind(new.id.as_str())
        .bind(int(ordinal as u64))
        .bind(moved.reference.as_str())
        .bind(moved.before.as_ref().map(Revision::as_str))
        .bind(moved.after.as_ref().map(Revision::as_str))
        .bind(int(generation))
        .bind(known.as_ref().map(Revision::as_str))
        .execute(&mut *self.sql)
        .await?;
        Ok(())
    }
}
