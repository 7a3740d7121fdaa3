use super::super::Result;
use super::super::transaction::Write;
use crate::shared::{int, json, name};
use stageway_core::delivery::Revision;
use stageway_core::name::RepositoryId;
use stageway_ports::{Moved, NewDelivery, Received};

impl Write {
    pub(super) async fn receive(&mut self, new: &NewDelivery) -> Result<Received> {
        let found: Option<String> =
            sqlx::query_scalar("SELECT id FROM delivery WHERE tenant = ?1 AND webhook = ?2 AND key = ?3")
                .bind(self.tenant.as_str())
                .bind(new.webhook.as_str())
                .bind(new.key.as_str())
                .fetch_optional(&mut *self.sql)
                .await?;
        if let Some(id) = found {
            return Ok(Received { id: name("the id of a delivery", id)?, first: false });
        }
        self.insert_delivery(new).await?;
        sqlx::query("INSERT INTO delivery_body (tenant, id, body) VALUES (?1, ?2, ?3)")
            .bind(self.tenant.as_str())
            .bind(new.id.as_str())
            .bind(new.body.as_slice())
            .execute(&mut *self.sql)
            .await?;
        if let Some(repository) = &new.repository {
            for (ordinal, moved) in new.moves.iter().enumerate() {
                self.insert_move(new, repository, ordinal, moved).await?;
            }
        }
        self.changed();
        Ok(Received { id: new.id.clone(), first: true })
    }

    async fn insert_delivery(&mut self, new: &NewDelivery) -> Result<()> {
        let outcome = new.outcome.as_ref().map(json).transpose()?;
        sqlx::query(
            "INSERT INTO delivery
             (tenant, id, webhook, key, at, event, headers, size, repository, outcome, settled_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
        )
        .bind(self.tenant.as_str())
        .bind(new.id.as_str())
        .bind(new.webhook.as_str())
        .bind(new.key.as_str())
        .bind(int(new.at))
        .bind(new.event.as_str())
        .bind(json(&new.headers)?)
        .bind(int(new.body.len() as u64))
        .bind(new.repository.as_ref().map(RepositoryId::as_str))
        .bind(outcome)
        .bind(new.outcome.as_ref().map(|outcome| int(outcome.at)))
        .execute(&mut *self.sql)
        .await?;
        Ok(())
    }

    async fn insert_move(
        &mut self,
        new: &NewDelivery,
        repository: &RepositoryId,
        ordinal: usize,
        moved: &Moved,
    ) -> Result<()> {
        let (generation, known) = self.place(repository, moved).await?;
        sqlx::query(
            "INSERT INTO moved (tenant, id, ordinal, reference, before, after, generation, known)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
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
