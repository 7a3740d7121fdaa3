use super::migrate::{MIGRATIONS, migrate};
use super::signals::Signals;
use super::{Failure, Inner, PostgresOptions, PostgresStore, Result, holders};
use sqlx::postgres::PgPoolOptions;
use sqlx::{PgConnection, PgPool};
use stageway_ports::{Blobs, StoreError};
use std::sync::Arc;
use std::time::Duration;

/// How long a method waits for a connection: for one to be free, or for a server that starts.
const ACQUIRE: Duration = Duration::from_secs(10);
/// The whole of connecting and migrating.
const CONNECT: Duration = Duration::from_secs(150);

impl PostgresStore {
    /// Connects, and brings the database to this engine's schema. Any number of processes may do so at once. What is large
    /// in a journal lies in `blobs`: the database and they belong together, and all who share the one share the others.
    ///
    /// # Errors
    /// [`StoreError::Storage`] with the place and a remedy: the server cannot be reached or refuses the user, the database
    /// is not there, is of something else, or was written by a newer engine.
    pub async fn connect(
        options: PostgresOptions,
        blobs: Arc<dyn Blobs>,
    ) -> std::result::Result<Self, StoreError> {
        let place: Arc<str> = options.place().into();
        let connected =
            match tokio::time::timeout(CONNECT, connect(&options, Arc::clone(&place), blobs)).await {
                Ok(connected) => connected,
                Err(_) => Err(Failure::Late(CONNECT.as_secs())),
            };
        connected.map_err(|failure| failure.at(&place))
    }

    /// The database's own clock, in milliseconds since 1970 UTC.
    ///
    /// # Errors
    /// [`StoreError::Storage`] if it does not answer.
    pub async fn clock(&self) -> std::result::Result<u64, StoreError> {
        let now =
            sqlx::query_scalar::<_, i64>("SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint");
        let now = now.fetch_one(&self.inner.pool).await;
        now.map(i64::unsigned_abs).map_err(|error| Failure::from(error).at(&self.inner.place))
    }

    /// Closes the connections of every handle to this store. A store that is dropped without it loses nothing.
    pub async fn close(&self) {
        self.inner.announcements.close().await;
        self.inner.pool.close().await;
    }
}

async fn connect(options: &PostgresOptions, place: Arc<str>, blobs: Arc<dyn Blobs>) -> Result<PostgresStore> {
    let pool = pool(options.connections).connect_with(options.connect.clone()).await?;
    migrate(&pool, MIGRATIONS).await?;
    let announcements = self::pool(2).connect_lazy_with(options.connect.clone());
    let mark = mark(&pool).await?;
    holders::arrive(&pool, &mark).await?;
    let beat = holders::live(announcements.clone(), Arc::clone(&mark));
    let signals = Signals::start(pool.clone(), announcements.clone(), Arc::clone(&mark));
    Ok(PostgresStore { inner: Arc::new(Inner { place, mark, blobs, pool, announcements, signals, beat }) })
}

/// What tells this store's notifications and claims from others'. The server makes it, so that no two are the same however
/// their machines are set up.
async fn mark(pool: &PgPool) -> Result<Arc<str>> {
    let mark: String = sqlx::query_scalar("SELECT gen_random_uuid()::text").fetch_one(pool).await?;
    Ok(mark.into())
}

/// A connection is not tried before it is used: one that was lost is noticed by its first statement, and that is tried again.
fn pool(most: u32) -> PgPoolOptions {
    PgPoolOptions::new()
        .max_connections(most)
        .acquire_timeout(ACQUIRE)
        .idle_timeout(Duration::from_secs(600))
        .max_lifetime(Duration::from_secs(3_600))
        .test_before_acquire(false)
        .after_connect(|connection, _| Box::pin(set_up(connection)))
}

/// What this engine relies on, whatever the server's configuration says.
///
/// * A process that is stopped in the middle of a transaction loses its locks after five seconds, so that another can take
///   its runs over; whoever waits for a lock waits a little longer than that.
/// * Every statement here looks rows up by an index. The planner is not to guess otherwise from statistics that are older
///   than the rows: a plan that was made when a table was empty is kept, and would read all of it for each row.
/// * An answer means that the server has flushed its log to the disk. What the operator set beyond that, for standbys, stays.
async fn set_up(connection: &mut PgConnection) -> std::result::Result<(), sqlx::Error> {
    sqlx::raw_sql(
        "SELECT set_config(name, value, false) FROM (VALUES
           ('search_path', 'stageway'),
           ('statement_timeout', '15s'),
           ('lock_timeout', '8s'),
           ('idle_in_transaction_session_timeout', '5s'),
           ('enable_seqscan', 'off'),
           ('jit', 'off')
         ) AS wanted (name, value);
         SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'",
    )
    .execute(connection)
    .await?;
    Ok(())
}
