use super::super::Result;
use super::super::transaction::Write;
use crate::shared::{int, json, name};
use stageway_core::name::{ReceiptId, RepositoryId};
use stageway_ports::{Claimant, Settlement, StoreError};

impl Write {
    pub(super) async fn settle(&mut self, claimant: &Claimant, settlement: &Settlement) -> Result<()> {
        let repository = self.claimed(claimant).await?;
        sqlx::query(
            "UPDATE delivery SET outcome = ?3, settled_at = ?4, claimed_until = 0, trouble = NULL
             WHERE tenant = ?1 AND id = ?2",
        )
        .bind(self.tenant.as_str())
        .bind(claimant.delivery.as_str())
        .bind(json(&settlement.outcome)?)
        .bind(int(settlement.outcome.at))
        .execute(&mut *self.sql)
        .await?;
        if let Some(repository) = repository {
            for (moved, generation, _) in self.moves(claimant.delivery.as_str()).await? {
                if settlement.late.contains(&moved.reference) {
                    self.late_head(&repository, &moved.reference, generation).await?;
                }
            }
            for (reference, found) in &settlement.found {
                self.found_head(&repository, reference, found).await?;
            }
        }
        for status in &settlement.statuses {
            self.insert_fixed(status).await?;
        }
        self.changed();
        Ok(())
    }

    pub(super) async fn postpone(&mut self, claimant: &Claimant, due: u64, trouble: &str) -> Result<()> {
        self.claimed(claimant).await?;
        sqlx::query(
            "UPDATE delivery SET due = ?3, trouble = ?4, claimed_until = 0 WHERE tenant = ?1 AND id = ?2",
        )
        .bind(self.tenant.as_str())
        .bind(claimant.delivery.as_str())
        .bind(int(due))
        .bind(trouble)
        .execute(&mut *self.sql)
        .await?;
        self.changed();
        Ok(())
    }

    pub(super) async fn reopen(&mut self, id: &ReceiptId) -> Result<()> {
        let found: Option<Option<i64>> =
            sqlx::query_scalar("SELECT settled_at FROM delivery WHERE tenant = ?1 AND id = ?2")
                .bind(self.tenant.as_str())
                .bind(id.as_str())
                .fetch_optional(&mut *self.sql)
                .await?;
        match found {
            None => return Err(no_delivery(id).into()),
            Some(None) => {
                return Err(StoreError::Conflict(format!("delivery {id} is still being taken in")).into());
            }
            Some(Some(_)) => {}
        }
        sqlx::query(
            "UPDATE delivery SET outcome = NULL, settled_at = NULL, due = 0, claimed_until = 0, attempts = 0
             WHERE tenant = ?1 AND id = ?2",
        )
        .bind(self.tenant.as_str())
        .bind(id.as_str())
        .execute(&mut *self.sql)
        .await?;
        self.changed();
        Ok(())
    }

    /// The repository of a delivery that the claimant still holds.
    async fn claimed(&mut self, claimant: &Claimant) -> Result<Option<RepositoryId>> {
        let found: Option<(u64, Option<i64>, Option<String>)> = sqlx::query_as(
            "SELECT fence, settled_at, repository FROM delivery WHERE tenant = ?1 AND id = ?2",
        )
        .bind(self.tenant.as_str())
        .bind(claimant.delivery.as_str())
        .fetch_optional(&mut *self.sql)
        .await?;
        match found {
            None => Err(no_delivery(&claimant.delivery).into()),
            Some((fence, None, repository)) if fence == claimant.fence => {
                Ok(repository.map(|text| name("a repository", text)).transpose()?)
            }
            Some(_) => {
                let problem = format!("delivery {} is taken in by another", claimant.delivery);
                Err(StoreError::Conflict(problem).into())
            }
        }
    }
}

fn no_delivery(id: &ReceiptId) -> StoreError {
    StoreError::NotFound(format!("delivery {id}"))
}
