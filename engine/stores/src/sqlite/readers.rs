//! Connections that only read. There are a few: a statement is done by the thread that asks, so more would wait for a core.

use super::file::File;
use super::sql::Connection;
use super::{BUSY, Failure, Result};
use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use tokio::sync::{Mutex, OwnedMappedMutexGuard, OwnedMutexGuard, OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

/// Connections that read at the same time.
const READERS: usize = 4;

pub(super) struct Readers {
    file: File,
    /// As many as places; each is opened when it is needed first.
    connections: [Arc<Mutex<Option<Connection>>>; READERS],
    places: Arc<Semaphore>,
}

/// A connection for one method.
pub(super) struct Reader {
    connection: OwnedMappedMutexGuard<Option<Connection>, Connection>,
    /// Given back after the connection.
    _place: OwnedSemaphorePermit,
}

impl Readers {
    /// Opens the first one, so that a fault is told at once.
    pub(super) fn open(file: File) -> Result<Self> {
        let mut first = Some(file.reading()?);
        let connections = std::array::from_fn(|_| Arc::new(Mutex::new(first.take())));
        Ok(Self { file, connections, places: Arc::new(Semaphore::new(READERS)) })
    }

    pub(super) async fn acquire(&self) -> Result<Reader> {
        let place = timeout(BUSY * 2, self.places.clone().acquire_owned()).await;
        let place = place.map_err(|_| Failure::Late)?.map_err(|_| self.file.closed())?;
        let free = self.connections.iter().find_map(|connection| connection.clone().try_lock_owned().ok());
        let mut free = free.ok_or(Failure::Late)?;
        if free.is_none() {
            *free = Some(self.file.reading()?);
        }
        let connection = OwnedMutexGuard::try_map(free, Option::as_mut).map_err(|_| self.file.closed())?;
        Ok(Reader { connection, _place: place })
    }

    /// Closes those that nobody uses; whoever uses one is the last.
    pub(super) async fn close(&self) {
        self.places.close();
        for connection in &self.connections {
            *connection.lock().await = None;
        }
    }
}

impl Deref for Reader {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        &self.connection
    }
}

impl DerefMut for Reader {
    fn deref_mut(&mut self) -> &mut Connection {
        &mut self.connection
    }
}
