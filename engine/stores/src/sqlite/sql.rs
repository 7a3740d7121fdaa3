//! Statements of SQLite in the shape of sqlx's, so that `statements` is one source for both dialects.
//!
//! A statement is done where it is asked for, by whichever thread that is: most take some microseconds, less than waking a
//! thread that would do it. What takes longer keeps no thread of the runtime from its work: another process that holds the
//! file is waited for by the clock, the many rows of a list are read as blocking work, and only `turns` flushes.

use super::{BUSY, Failure, Result};
use rusqlite::types::{FromSql, ToSqlOutput, Value, ValueRef};
use rusqlite::{CachedStatement, Error, Row};
use std::time::{Duration, Instant};
use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::time::sleep;

pub(crate) type Connection = rusqlite::Connection;

/// Rows that are read at once; those after them are blocking work.
const AT_ONCE: usize = 256;
/// Between two tries, while another process holds the file.
const PAUSES: [Duration; 2] = [Duration::from_millis(1), Duration::from_millis(25)];

/// Does something as soon as no other process holds the file, for [`BUSY`] at most.
///
/// What is done has its connection for itself (`&mut`), so that a wait may go on in another thread.
pub(super) async fn patiently<T>(mut done: impl FnMut() -> Result<T>) -> Result<T> {
    let (begun, [mut pause, longest]) = (Instant::now(), PAUSES);
    loop {
        match done() {
            Err(failure) if failure.is_busy() && begun.elapsed() < BUSY => sleep(pause).await,
            done => return done,
        }
        pause = (pause * 2).min(longest);
    }
}

/// Does something that takes long: where the runtime has other threads, they take over what this one had to do.
fn aside<T>(work: impl FnOnce() -> T) -> T {
    let others = Handle::try_current().map(|runtime| runtime.runtime_flavor());
    if others.is_ok_and(|flavor| flavor == RuntimeFlavor::MultiThread) {
        return tokio::task::block_in_place(work);
    }
    work()
}

/// A statement that answers nothing.
pub(crate) fn query<'q>(text: &'static str) -> Query<'q> {
    Query { text, arguments: Vec::new() }
}

/// A statement that answers rows of some columns.
pub(crate) fn query_as<'q, O: Columns>(text: &'static str) -> QueryAs<'q, O> {
    QueryAs { query: query(text), read: O::read }
}

/// A statement that answers rows of one column.
pub(crate) fn query_scalar<'q, O: FromSql>(text: &'static str) -> QueryAs<'q, O> {
    QueryAs { query: query(text), read: |row| row.get(0) }
}

/// A statement with its arguments.
pub(crate) struct Query<'q> {
    text: &'static str,
    arguments: Vec<ToSqlOutput<'q>>,
}

/// A statement with its arguments, and how its rows are read.
pub(crate) struct QueryAs<'q, O> {
    query: Query<'q>,
    read: fn(&Row<'_>) -> rusqlite::Result<O>,
}

/// What a statement has done.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Done {
    rows: u64,
}

impl Done {
    /// Rows that were written.
    pub(crate) fn rows_affected(&self) -> u64 {
        self.rows
    }
}

impl<'q> Query<'q> {
    pub(crate) fn bind(mut self, argument: impl Argument<'q>) -> Self {
        self.arguments.push(argument.into_sql());
        self
    }

    pub(crate) async fn execute(self, on: &mut Connection) -> Result<Done> {
        let execute = || Ok(self.prepared(on)?.raw_execute()?);
        Ok(Done { rows: patiently(execute).await? as u64 })
    }

    /// `$2` and `?2` is the second argument, as sqlx has it; SQLite would number `$2` by where it stands.
    fn prepared<'c>(&self, on: &'c mut Connection) -> Result<CachedStatement<'c>> {
        let mut statement = on.prepare_cached(self.text)?;
        for place in 1..=statement.parameter_count() {
            let name = statement.parameter_name(place);
            let number = name.and_then(|name| name.get(1..)?.parse().ok()).unwrap_or(place);
            if let Some(argument) = self.arguments.get(number.wrapping_sub(1)) {
                statement.raw_bind_parameter(place, argument)?;
            }
        }
        Ok(statement)
    }
}

impl<'q, O> QueryAs<'q, O> {
    pub(crate) fn bind(mut self, argument: impl Argument<'q>) -> Self {
        self.query = self.query.bind(argument);
        self
    }

    pub(crate) async fn fetch_all(self, on: &mut Connection) -> Result<Vec<O>> {
        patiently(|| self.all(on)).await
    }

    pub(crate) async fn fetch_optional(self, on: &mut Connection) -> Result<Option<O>> {
        patiently(|| self.first(on)).await
    }

    pub(crate) async fn fetch_one(self, on: &mut Connection) -> Result<O> {
        self.fetch_optional(on).await?.ok_or(Failure::Sql(Error::QueryReturnedNoRows))
    }

    fn all(&self, on: &mut Connection) -> Result<Vec<O>> {
        let mut statement = self.query.prepared(on)?;
        let (mut rows, mut found) = (statement.raw_query(), Vec::new());
        while found.len() < AT_ONCE {
            let Some(row) = rows.next()? else { return Ok(found) };
            found.push((self.read)(row)?);
        }
        aside(|| {
            while let Some(row) = rows.next()? {
                found.push((self.read)(row)?);
            }
            Ok(found)
        })
    }

    fn first(&self, on: &mut Connection) -> Result<Option<O>> {
        let mut statement = self.query.prepared(on)?;
        let writes = !statement.readonly();
        let mut rows = statement.raw_query();
        let first = rows.next()?.map(self.read).transpose()?;
        // What writes is done with its last row.
        while writes && rows.next()?.is_some() {}
        Ok(first)
    }
}

/// What a parameter may be.
pub(crate) trait Argument<'q> {
    fn into_sql(self) -> ToSqlOutput<'q>;
}

impl<'q> Argument<'q> for &'q str {
    fn into_sql(self) -> ToSqlOutput<'q> {
        ToSqlOutput::Borrowed(ValueRef::Text(self.as_bytes()))
    }
}

impl<'q> Argument<'q> for &'q String {
    fn into_sql(self) -> ToSqlOutput<'q> {
        self.as_str().into_sql()
    }
}

impl<'q> Argument<'q> for &'q [u8] {
    fn into_sql(self) -> ToSqlOutput<'q> {
        ToSqlOutput::Borrowed(ValueRef::Blob(self))
    }
}

impl<'q, T: Argument<'q>> Argument<'q> for Option<T> {
    fn into_sql(self) -> ToSqlOutput<'q> {
        self.map_or(ToSqlOutput::Owned(Value::Null), T::into_sql)
    }
}

macro_rules! owned {
    ($($type:ty),*) => {$(
        impl<'q> Argument<'q> for $type {
            fn into_sql(self) -> ToSqlOutput<'q> {
                ToSqlOutput::Owned(self.into())
            }
        }
    )*};
}
owned!(bool, i32, i64, u8, u32, String);

/// A row of some columns.
pub(crate) trait Columns: Sized {
    fn read(row: &Row<'_>) -> rusqlite::Result<Self>;
}

macro_rules! columns {
    ($($column:ident $at:literal),*) => {
        impl<$($column: FromSql),*> Columns for ($($column,)*) {
            fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
                Ok(($(row.get::<_, $column>($at)?,)*))
            }
        }
    };
}
columns!(A 0, B 1);
columns!(A 0, B 1, C 2);
columns!(A 0, B 1, C 2, D 3);
columns!(A 0, B 1, C 2, D 3, E 4);
columns!(A 0, B 1, C 2, D 3, E 4, F 5);
columns!(A 0, B 1, C 2, D 3, E 4, F 5, G 6);
columns!(A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7);
columns!(A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8);
columns!(A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8, J 9);
columns!(A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8, J 9, K 10);
columns!(A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8, J 9, K 10, L 11);
