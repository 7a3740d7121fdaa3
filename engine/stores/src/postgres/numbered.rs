//! Rows that have a number in their run and stand once by a key: lines and reports.

use super::Result;
use super::transaction::Write;
use crate::shared::int;
use stageway_core::name::RunId;

/// A row with a number in its run.
pub(super) trait Numbered: Sync {
    /// Removes what has a number after $3.
    const REMOVE: &'static str;

    /// Writes rows under the numbers after `last`, each under its own, except those whose key stands; answers the numbers
    /// that were taken.
    ///
    /// The key is compared by the index that it must not meet twice (`ON CONFLICT`). A condition of the statement would
    /// be planned by statistics, which know nothing of the rows that came since: it may read a whole run for each row.
    fn insert(
        write: &mut Write,
        run: &RunId,
        last: i64,
        rows: &[&Self],
    ) -> impl Future<Output = Result<Vec<i64>>> + Send;
}

impl Write {
    /// Writes rows under the numbers after `last` without gaps, except those whose key stands; answers how many.
    pub(super) async fn insert_numbered<T: Numbered>(
        &mut self,
        run: &RunId,
        last: u64,
        rows: &[T],
    ) -> Result<u64> {
        if rows.is_empty() {
            return Ok(0);
        }
        let (last, rows) = (int(last), rows.iter().collect::<Vec<_>>());
        let mut taken = T::insert(self, run, last, &rows).await?;
        taken.sort_unstable();
        let new: Vec<&T> = taken.iter().filter_map(|number| nth(&rows, number - last)).collect();
        if taken.last().is_some_and(|newest| *newest > last + int(new.len() as u64)) {
            // Some stood among them. The others come again without those.
            sqlx::query(T::REMOVE)
                .bind(self.tenant.as_str())
                .bind(run.as_str())
                .bind(last)
                .execute(&mut *self.sql)
                .await?;
            T::insert(self, run, last, &new).await?;
        }
        Ok(new.len() as u64)
    }
}

/// The n-th row, from 1.
fn nth<'a, T>(rows: &[&'a T], n: i64) -> Option<&'a T> {
    rows.get(usize::try_from(n - 1).ok()?).copied()
}
