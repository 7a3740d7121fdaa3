//! Transactions take turns on one connection, and those that wait at the same time become durable together: one flush of the
//! disk for all of them.
//!
//! Each has a savepoint of its own, so that one that is refused, fails or is dropped takes nothing of the others with it, and
//! none is answered before all are durable. Where nobody else waits, a group is one transaction: nothing is delayed to fill it.
//!
//! Statements are done by the thread that asks for them (`sql`); flushing, which takes milliseconds, is blocking work.
//!
//! *Who makes them durable.* Whoever ends a turn while nobody waits for the next one. A waiting one that gives up, and a turn
//! that is dropped, leave that to a task ([`Turns::tend`]), so that nobody is waited for who does not come.

use super::file::File;
use super::sql::{Connection, patiently};
use super::{BUSY, Failure, Result};
use crate::shared::{Board, json};
use stageway_core::name::TenantId;
use stageway_ports::StoreError;
use std::collections::BTreeSet;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use tokio::sync::{Mutex, OwnedMappedMutexGuard, OwnedMutexGuard, oneshot};
use tokio::time::timeout;

/// Transactions that become durable together at most: so long another process waits for its turn.
const TOGETHER: usize = 64;

/// One more change of each of the tenants `?1`.
const COUNT_CHANGES: &str =
    "INSERT INTO tenant (id, runs, changes) SELECT value, 0, 1 FROM json_each(?1) WHERE true
     ON CONFLICT (id) DO UPDATE SET changes = changes + 1";

/// Whether it is durable; otherwise why not.
type Durable = std::result::Result<(), StoreError>;

/// The connection that writes, and who waits for it.
pub(super) struct Turns {
    file: File,
    /// None where it could not be opened again, and for ever once it was closed.
    group: Arc<Mutex<Option<Group>>>,
    /// How many wait for the connection.
    waiting: AtomicUsize,
    /// Hears of tenants of which something was written.
    board: Arc<Board>,
    /// Transactions of SQLite that were made durable.
    commits: AtomicU64,
    closed: AtomicBool,
}

/// A connection with what was done on it and is not durable yet.
struct Group {
    connection: Connection,
    state: State,
    /// Tenants of which a reader can see something else once it is durable.
    changed: BTreeSet<TenantId>,
    /// Those whose turn is over.
    over: Vec<oneshot::Sender<Durable>>,
}

/// Where a connection stands. It says so before it is done: what is dropped in the middle is undone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// No transaction is open.
    Idle,
    /// The first turn of a transaction, which is undone with it.
    First,
    /// Another turn, which has a savepoint.
    Later,
    /// Between two turns.
    Between,
    /// It failed, and is not used any more.
    Broken,
}

type Held = OwnedMappedMutexGuard<Option<Group>, Group>;

/// One transaction. Dropped before [`Turns::end`] it never was.
///
/// Not the library's own, which borrows its connection: a turn is kept over calls, and ends in another thread.
pub(super) struct Turn {
    group: Held,
    turns: Arc<Turns>,
    is_over: bool,
}

/// Somebody waits for the connection.
struct Waiting(Option<Arc<Turns>>);

impl Turns {
    pub(super) fn open(file: File, board: Arc<Board>) -> Result<Self> {
        let group = Arc::new(Mutex::new(Some(Group::open(&file)?)));
        let (waiting, commits) = (AtomicUsize::new(0), AtomicU64::new(0));
        Ok(Self { file, group, waiting, board, commits, closed: AtomicBool::new(false) })
    }

    pub(super) fn commits(&self) -> u64 {
        self.commits.load(Ordering::Relaxed)
    }

    pub(super) async fn close(&self) {
        self.closed.store(true, Ordering::Relaxed);
        // Closing the last one moves the log into the file.
        let group = self.group.lock().await.take();
        let _ = tokio::task::spawn_blocking(move || drop(group)).await;
    }

    /// Waits for its turn at once: a transaction that reads first and writes later could not.
    pub(super) async fn begin(self: &Arc<Self>) -> Result<Turn> {
        let waiting = Waiting::new(self);
        let held = timeout(BUSY * 2, self.group.clone().lock_owned()).await;
        let held = held.map_err(|_| Failure::Late)?;
        waiting.served();
        let mut turn = Turn { group: self.connected(held)?, turns: self.clone(), is_over: false };
        let before = turn.group.state;
        let (state, statement) = match before {
            State::Between => (State::Later, "SAVEPOINT turn"),
            _ => (State::First, "BEGIN IMMEDIATE"),
        };
        // Refused or given up, nothing has begun; what others did stays.
        patiently(|| turn.group.run(statement)).await?;
        turn.group.state = state;
        Ok(turn)
    }

    /// Ends a turn: answers when what was done is durable, with all others of its group. What was refused never was.
    /// `changed` is the tenant of which a reader sees something else then.
    pub(super) async fn end<T>(
        self: &Arc<Self>,
        mut turn: Turn,
        done: Result<T>,
        changed: Option<&TenantId>,
    ) -> Result<T> {
        let answer = match done {
            Ok(answer) => answer,
            Err(failure) => {
                // Where SQLite gave the whole transaction up, that is why.
                let failure = match turn.group.undo() {
                    Ok(()) => failure,
                    Err(_) => Failure::Refused(self.broken(&mut turn.group, failure)),
                };
                turn.is_over = true;
                self.go_on(turn);
                return Err(failure);
            }
        };
        turn.group.changed.extend(changed.cloned());
        if self.waiting.load(Ordering::SeqCst) > 0 && turn.group.over.len() < TOGETHER {
            let (durable, told) = oneshot::channel();
            turn.group.over.push(durable);
            turn.group.state = State::Between;
            turn.is_over = true;
            self.go_on(turn);
            return match told.await {
                Ok(durable) => durable.map(|()| answer).map_err(Failure::Refused),
                Err(_) => Err(self.file.closed()),
            };
        }
        turn.is_over = true;
        // Nobody who goes away breaks it off for the others.
        let turns = self.clone();
        let committed = tokio::task::spawn_blocking(move || turns.commit(turn)).await;
        match committed {
            Ok(durable) => durable.map(|()| answer).map_err(Failure::Refused),
            Err(_) => Err(self.file.closed()),
        }
    }

    /// Whoever waits goes on; where nobody does, the others are made durable.
    fn go_on(self: &Arc<Self>, turn: Turn) {
        if turn.group.state == State::Between && self.waiting.load(Ordering::SeqCst) == 0 {
            let turns = self.clone();
            drop(tokio::task::spawn_blocking(move || turns.commit(turn)));
        }
    }

    /// Makes what was done durable, and tells everybody.
    fn commit(&self, mut turn: Turn) -> Durable {
        let group = &mut *turn.group;
        if let Err(failure) = group.commit() {
            return Err(self.broken(group, failure));
        }
        self.commits.fetch_add(1, Ordering::Relaxed);
        std::mem::take(&mut group.changed).iter().for_each(|tenant| self.board.mark(tenant));
        group.state = State::Idle;
        // Who does not wait for the answer any more does not need it.
        group.over.drain(..).for_each(|waiting| drop(waiting.send(Ok(()))));
        Ok(())
    }

    /// A connection on which a turn may begin: what was dropped on it is undone.
    fn connected(&self, mut held: OwnedMutexGuard<Option<Group>>) -> Result<Held> {
        if self.closed.load(Ordering::Relaxed) {
            return Err(self.file.closed());
        }
        if let Some(group) = &mut *held
            && let Err(failure) = group.undo()
        {
            self.broken(group, failure);
        }
        if held.as_ref().is_none_or(|group| group.state == State::Broken) {
            *held = None;
            *held = Some(Group::open(&self.file)?);
        }
        OwnedMutexGuard::try_map(held, Option::as_mut).map_err(|_| self.file.closed())
    }

    /// A connection that failed is left, with everything on it that was not durable.
    fn broken(&self, group: &mut Group, failure: Failure) -> StoreError {
        group.state = State::Broken;
        group.changed.clear();
        let told = failure.at(self.file.path());
        group.over.drain(..).for_each(|waiting| drop(waiting.send(Err(told.clone()))));
        told
    }

    /// Undoes a turn that was dropped, and makes the others durable if nobody else will.
    fn tend_later(self: &Arc<Self>) {
        let turns = self.clone();
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            drop(runtime.spawn(async move { turns.tend().await }));
        }
    }

    async fn tend(self: Arc<Self>) {
        let held = self.group.clone().lock_owned().await;
        let Ok(group) = OwnedMutexGuard::try_map(held, Option::as_mut) else { return };
        let mut turn = Turn { group, turns: self.clone(), is_over: true };
        if let Err(failure) = turn.group.undo() {
            self.broken(&mut turn.group, failure);
        }
        self.go_on(turn);
    }
}

impl Group {
    fn open(file: &File) -> Result<Self> {
        let connection = file.writing()?;
        Ok(Self { connection, state: State::Idle, changed: BTreeSet::new(), over: Vec::new() })
    }

    fn run(&mut self, statement: &str) -> Result<()> {
        self.connection.prepare_cached(statement)?.execute([])?;
        Ok(())
    }

    fn commit(&mut self) -> Result<()> {
        if !self.changed.is_empty() {
            let tenants = json(&self.changed)?;
            self.connection.prepare_cached(COUNT_CHANGES)?.execute([tenants])?;
        }
        self.run("COMMIT")
    }

    /// Undoes the turn that is under way.
    fn undo(&mut self) -> Result<()> {
        match self.state {
            State::Idle | State::Between | State::Broken => {}
            State::First => {
                self.run("ROLLBACK")?;
                self.state = State::Idle;
            }
            State::Later => {
                self.run("ROLLBACK TO turn")?;
                self.state = State::Between;
            }
        }
        Ok(())
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if !self.is_over {
            self.turns.tend_later();
        }
    }
}

impl Deref for Turn {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        &self.group.connection
    }
}

impl DerefMut for Turn {
    fn deref_mut(&mut self) -> &mut Connection {
        &mut self.group.connection
    }
}

impl Waiting {
    fn new(turns: &Arc<Turns>) -> Self {
        turns.waiting.fetch_add(1, Ordering::SeqCst);
        Self(Some(turns.clone()))
    }

    fn served(mut self) {
        if let Some(turns) = self.0.take() {
            turns.waiting.fetch_sub(1, Ordering::SeqCst);
        }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        if let Some(turns) = self.0.take() {
            turns.waiting.fetch_sub(1, Ordering::SeqCst);
            // Somebody may have counted on it.
            turns.tend_later();
        }
    }
}
