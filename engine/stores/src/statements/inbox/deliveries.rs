use super::{Read, Result, from_text, sql};
use crate::shared::{count, from_json, int, limit, name, small};
use stageway_core::name::{ReceiptId, WebhookId};
use stageway_ports::{Delivery, DeliveryFilter};

/// Deliveries, as a [`Row`] has them, and which of them.
macro_rules! deliveries {
    ($which:literal) => {
        concat!(
            "SELECT id, number, webhook, key, at, event, headers, size, repository, attempts, trouble, outcome
             FROM delivery WHERE tenant = $1 AND ",
            $which
        )
    };
}
pub(super) use deliveries;

pub(super) type Row = (
    String,
    i64,
    String,
    String,
    i64,
    String,
    String,
    i64,
    Option<String>,
    i64,
    Option<String>,
    Option<String>,
);

pub(super) fn delivery(row: Row) -> Result<Delivery> {
    let (id, number, webhook, key, at, event, headers, size, repository, attempts, trouble, outcome) = row;
    Ok(Delivery {
        id: name("the id of a delivery", id)?,
        number: count("the number of a delivery", number)?,
        webhook: name("a webhook", webhook)?,
        key: name("the forge's id of a delivery", key)?,
        at: count("the time of a delivery", at)?,
        event: from_text("the event of a delivery", event)?,
        headers: from_json("the headers of a delivery", &headers)?,
        size: count("the size of a delivery", size)?,
        repository: repository.map(|text| name("a repository", text)).transpose()?,
        attempts: small("the attempts at a delivery", attempts)?,
        trouble: trouble.map(|text| from_text("the trouble with a delivery", text)).transpose()?,
        outcome: outcome.map(|text| from_json("the outcome of a delivery", &text)).transpose()?,
    })
}

impl Read {
    pub(crate) async fn deliveries(&mut self, filter: &DeliveryFilter) -> Result<Vec<Delivery>> {
        const LIST: &str =
            deliveries!("number < $2 AND ($4 IS NULL OR webhook = $4) ORDER BY number DESC LIMIT $3");
        let rows: Vec<Row> = sql::query_as(LIST)
            .bind(self.tenant.as_str())
            .bind(filter.before.map_or(i64::MAX, int))
            .bind(limit(filter.max))
            .bind(filter.webhook.as_ref().map(WebhookId::as_str))
            .fetch_all(&mut *self.sql)
            .await?;
        rows.into_iter().map(delivery).collect()
    }

    pub(crate) async fn delivery(&mut self, id: &ReceiptId) -> Result<Option<Delivery>> {
        let row: Option<Row> = sql::query_as(deliveries!("id = $2"))
            .bind(self.tenant.as_str())
            .bind(id.as_str())
            .fetch_optional(&mut *self.sql)
            .await?;
        row.map(delivery).transpose()
    }

    pub(crate) async fn body(&mut self, id: &ReceiptId) -> Result<Option<Vec<u8>>> {
        let body = sql::query_scalar("SELECT body FROM delivery_body WHERE tenant = $1 AND id = $2")
            .bind(self.tenant.as_str())
            .bind(id.as_str())
            .fetch_optional(&mut *self.sql)
            .await?;
        Ok(body)
    }
}
