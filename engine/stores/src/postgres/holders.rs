//! Which of the stores that share the database live.
//!
//! What is given out carries the mark of the store that it was given to, and may take long: a first fetch of a repository
//! does. So a claim lasts long, and every store says every [`BEAT`] that it lives, by the clock of the database. The claims of
//! one that has not done so for ten seconds are ended by the others whenever they say that they live: it was killed, stands
//! still or was cut off. If it comes back, the fence of its claim is old, and what it writes is refused.

use super::Result;
use super::transaction::Sql;
use sqlx::PgPool;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinHandle;

/// How often a store says that it lives.
const BEAT: Duration = Duration::from_secs(2);
/// How long one transaction of it may take.
const STATEMENT: Duration = Duration::from_secs(2);

/// One statement of [`BURY`]. Rows that somebody works on are passed over.
macro_rules! bury {
    ($table:literal, $claimed:literal) => {
        concat!(
            "UPDATE ",
            $table,
            " SET claimed_until = 0 WHERE number IN (SELECT c.number FROM ",
            $table,
            " AS c WHERE ",
            $claimed,
            " AND NOT EXISTS (SELECT 1 FROM holder AS h WHERE h.mark = c.claimed_by
                AND h.seen > clock_timestamp() - interval '10 seconds') FOR UPDATE OF c SKIP LOCKED)"
        )
    };
}

/// Statements that end the claims of stores which have been silent for ten seconds.
const BURY: [&str; 2] =
    [bury!("delivery", "settled_at IS NULL AND claimed_until > 0"), bury!("status", "claimed_until > 0")];

/// The first sign of life of a store; those that have been silent for a day are forgotten.
pub(super) async fn arrive(pool: &PgPool, mark: &str) -> Result<()> {
    let mut sql = Sql::begin(pool).await?;
    sqlx::query("DELETE FROM holder WHERE seen < clock_timestamp() - interval '1 day'")
        .execute(&mut *sql)
        .await?;
    sql.commit().await?;
    beat(pool, mark).await
}

/// Goes on saying so, and ending the claims of the dead, until it is aborted.
pub(super) fn live(pool: PgPool, mark: Arc<str>) -> JoinHandle<()> {
    tokio::spawn(async move {
        loop {
            tokio::time::sleep(BEAT).await;
            // Their errors are told by whoever reads or writes next.
            let _ = tokio::time::timeout(STATEMENT, beat(&pool, &mark)).await;
            let _ = tokio::time::timeout(STATEMENT, bury_claims(&pool)).await;
        }
    })
}

async fn beat(pool: &PgPool, mark: &str) -> Result<()> {
    let mut sql = Sql::begin(pool).await?;
    sqlx::query(
        "INSERT INTO holder (mark, seen) VALUES ($1, clock_timestamp())
         ON CONFLICT (mark) DO UPDATE SET seen = clock_timestamp()",
    )
    .bind(mark)
    .execute(&mut *sql)
    .await?;
    sql.commit().await
}

/// Ends the claims of the dead.
async fn bury_claims(pool: &PgPool) -> Result<()> {
    let mut sql = Sql::begin(pool).await?;
    for statement in BURY {
        sqlx::query(statement).execute(&mut *sql).await?;
    }
    sql.commit().await
}
