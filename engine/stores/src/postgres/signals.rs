//! How waiting handles learn of a change.
//!
//! A transaction that changed something marks its tenant on this process's [`Board`] and hands the tenant to the
//! *announcer*, which sends `NOTIFY` for all that came together, after their commits and in a transaction of its own:
//! PostgreSQL holds a lock over the whole server while a transaction with a notification commits, and the appends would
//! wait for each other's flush of the disk. The *listener* marks what other processes announce. The *looker* reads the
//! counts of the tenants that are marked and waited for, in one statement, and wakes who waits.
//!
//! A notification can be lost: the announcing process dies, a connection breaks. So all that is waited for is looked up
//! after every reconnect, and every [`LOOK`] anyway.

use crate::shared::Board;
use sqlx::PgPool;
use sqlx::postgres::PgListener;
use stageway_core::name::TenantId;
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::task::JoinHandle;

/// How late a change is noticed whose notification was lost.
const LOOK: Duration = Duration::from_secs(2);
/// Before the next attempt after a fault.
const PAUSE: Duration = Duration::from_millis(500);
/// A listening connection that is silent for so long is asked whether it lives.
const SILENCE: Duration = Duration::from_secs(30);
/// How long one statement of a signal may take.
const STATEMENT: Duration = Duration::from_secs(10);
const CHANNEL: &str = "stageway_change";

/// The three tasks of a process; they end with the last handle.
#[derive(Debug)]
pub(super) struct Signals {
    pub(super) board: Arc<Board>,
    changed: Arc<Changed>,
    tasks: [JoinHandle<()>; 3],
}

/// Tenants that are to be announced.
#[derive(Debug, Default)]
struct Changed {
    tenants: Mutex<BTreeSet<TenantId>>,
    work: Notify,
}

impl Signals {
    /// `pool` reads counts; `signals` has a connection to listen and one to announce; `from` is the store's mark.
    pub(super) fn start(pool: PgPool, signals: PgPool, from: Arc<str>) -> Self {
        let (board, changed) = (Arc::new(Board::default()), Arc::new(Changed::default()));
        let tasks = [
            tokio::spawn(look(Arc::clone(&board), pool)),
            tokio::spawn(listen(Arc::clone(&board), signals.clone(), Arc::clone(&from))),
            tokio::spawn(announce(Arc::clone(&changed), signals, from)),
        ];
        Self { board, changed, tasks }
    }

    /// This process changed something of the tenant.
    pub(super) fn changed(&self, tenant: &TenantId) {
        self.board.mark(tenant);
        self.changed.tenants.lock().unwrap_or_else(PoisonError::into_inner).insert(tenant.clone());
        self.changed.work.notify_one();
    }
}

impl Drop for Signals {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

async fn look(board: Arc<Board>, pool: PgPool) {
    loop {
        if tokio::time::timeout(LOOK, board.work()).await.is_err() {
            board.mark_all();
        }
        let due = board.take_due();
        if due.is_empty() {
            continue;
        }
        match tokio::time::timeout(STATEMENT, counts(&pool, &due)).await {
            Ok(Ok(counts)) => counts.iter().for_each(|(tenant, count)| board.tell(tenant, *count)),
            // Whoever waits asks the store itself after its time and hears of the fault there.
            Ok(Err(_)) | Err(_) => {
                due.iter().for_each(|tenant| board.mark(tenant));
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

async fn counts(pool: &PgPool, tenants: &[TenantId]) -> Result<Vec<(TenantId, u64)>, sqlx::Error> {
    let names: Vec<&str> = tenants.iter().map(TenantId::as_str).collect();
    let found: Vec<(String, i64)> = sqlx::query_as(
        "SELECT tenant, sum(changes)::bigint FROM change WHERE tenant = ANY($1::text[]) GROUP BY tenant",
    )
    .bind(names)
    .fetch_all(pool)
    .await?;
    let read =
        |(tenant, count): (String, i64)| Some((TenantId::new(tenant).ok()?, u64::try_from(count).ok()?));
    Ok(found.into_iter().filter_map(read).collect())
}

async fn listen(board: Arc<Board>, signals: PgPool, own: Arc<str>) {
    loop {
        // Its error is told by whoever reads or writes next.
        let _ = listen_once(&board, &signals, &own).await;
        tokio::time::sleep(PAUSE).await;
    }
}

/// Returns when the connection has to be made anew.
async fn listen_once(board: &Board, signals: &PgPool, own: &str) -> Result<(), sqlx::Error> {
    let mut listener = PgListener::connect_with(signals).await?;
    listener.listen(CHANNEL).await?;
    board.mark_all();
    loop {
        match tokio::time::timeout(SILENCE, listener.try_recv()).await {
            Ok(Ok(Some(notification))) => hear(board, notification.payload(), own),
            // The connection was lost and is made anew: what was announced in between is unknown.
            Ok(Ok(None)) => board.mark_all(),
            Ok(Err(error)) => return Err(error),
            Err(_) => {
                let alive = sqlx::query("SELECT 1").execute(&mut listener);
                let Ok(done) = tokio::time::timeout(STATEMENT, alive).await else { return Ok(()) };
                done?;
            }
        }
    }
}

/// A payload is the mark of the announcing process and the tenant.
fn hear(board: &Board, payload: &str, own: &str) {
    match payload.split_once(' ').map(|(from, tenant)| (from, TenantId::new(tenant))) {
        Some((from, Ok(_))) if from == own => {}
        Some((_, Ok(tenant))) => board.mark(&tenant),
        _ => board.mark_all(),
    }
}

async fn announce(changed: Arc<Changed>, signals: PgPool, from: Arc<str>) {
    loop {
        changed.work.notified().await;
        let tenants = std::mem::take(&mut *changed.tenants.lock().unwrap_or_else(PoisonError::into_inner));
        if tenants.is_empty() {
            continue;
        }
        let payloads: Vec<String> = tenants.iter().map(|tenant| format!("{from} {tenant}")).collect();
        let sent = sqlx::query("SELECT pg_notify($1, payload) FROM unnest($2::text[]) AS payload")
            .bind(CHANNEL)
            .bind(payloads)
            .execute(&signals);
        // What was not sent is found by the others' own look.
        if !matches!(tokio::time::timeout(STATEMENT, sent).await, Ok(Ok(_))) {
            tokio::time::sleep(PAUSE).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_heard_marks_its_tenant_or_all() {
        let (board, one, two) = (Board::default(), TenantId::local(), TenantId::new("two").unwrap());
        let _waiting = (board.watch(&one), board.watch(&two));
        board.take_due();
        hear(&board, "me local", "me");
        assert_eq!(board.take_due(), []);
        hear(&board, "other local", "me");
        assert_eq!(board.take_due(), std::slice::from_ref(&one));
        for odd in ["", "local", "other No Tenant"] {
            hear(&board, odd, "me");
            assert_eq!(board.take_due(), [one.clone(), two.clone()], "{odd}");
        }
    }
}
