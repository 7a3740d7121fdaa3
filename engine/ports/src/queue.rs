use crate::{Lease, RunOrigin, StoreError};
use async_trait::async_trait;
use stageway_core::name::{RunId, TenantId};
use std::collections::BTreeMap;

/// The runs of a tenant that could be driven next.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Queued {
    /// The tenant stands still: nothing begins, and only runs that were asked to end are among [`Queued::next`].
    pub frozen: bool,
    /// Places that are taken, whoever drives the runs.
    pub taken: u32,
    /// Runs that nothing but a place is missing for, oldest first.
    pub next: Vec<RunOrigin>,
}

/// Why a run has no place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// The oldest run of its group, which has this number, goes first.
    Behind(u64),
    /// It takes the next place that it is given.
    Next,
    /// It was asked to end, and takes a place for that.
    Ending,
}

/// Which runs of a tenant have no place, and why.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Turns {
    /// Places that are taken.
    pub taken: u32,
    /// By the numbers of the runs.
    pub runs: BTreeMap<u64, Turn>,
}

/// Who wants to drive a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PlaceWish<'a> {
    /// Who holds the lease then.
    pub holder: &'a str,
    /// Milliseconds since 1970.
    pub now: u64,
    /// Until when, unless it is renewed.
    pub until: u64,
    /// Places that the tenant may take, over all who drive its runs.
    pub most: u32,
    /// Nobody else drives runs of this store: whoever holds a lease under another name is dead.
    pub alone: bool,
}

/// The runs that were admitted ([`Inbox::admit`](crate::Inbox::admit)) and have not ended. It shares its transactions with the
/// [`Store`](crate::Store).
///
/// A run has a *place* from its first lease to its end, but for the times at which it only waits
/// ([`Store::rest`](crate::Store::rest)). Runs of a concurrency group have their places one after the other, in
/// the order of their numbers. What a newer run means for an older one of its group, the older one's own file says, and it
/// becomes durable with the admission of the newer one.
///
/// What is asked here again and again costs as much with many queued, parked and finished runs as with few.
#[async_trait]
pub trait Queue: Send + Sync {
    /// What could be driven next: at most `max` runs.
    async fn next(&self, tenant: &TenantId, max: u32) -> Result<Queued, StoreError>;

    /// Runs that were driven and whose holder is gone, oldest first: its lease has ended, or, where `wish` says that nobody else
    /// drives runs, it has another name.
    async fn left(
        &self,
        tenant: &TenantId,
        wish: PlaceWish<'_>,
        max: u32,
    ) -> Result<Vec<RunOrigin>, StoreError>;

    /// Leases a run that has a place or takes one: none where no place is left, somebody else was faster, or the run has
    /// ended or waits for its group. Of those who ask at the same time no more get a place than there are.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    async fn take_place(
        &self,
        tenant: &TenantId,
        run: &RunId,
        wish: PlaceWish<'_>,
    ) -> Result<Option<Lease>, StoreError>;

    /// Why runs have no place, of the `max` newest such runs from the number `newest` downwards.
    async fn turns(&self, tenant: &TenantId, newest: u64, max: u32) -> Result<Turns, StoreError>;

    /// Enters runs that an engine of the version before admitted, and lets those go on whose group it finished. What is in
    /// order stays as it is. Answers whether there may be more to do.
    async fn mend(&self, tenant: &TenantId) -> Result<bool, StoreError>;
}
