//! Places for the tasks that run at the same time, shared between tenants: who floods waits for itself.

use stageway_core::name::TenantId;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::oneshot;

/// The places of a supervisor. One that is given back goes to the tenant that has the fewest; of two that have as many, to the
/// one whose last was given longer ago; within a tenant, to whoever asked first.
pub(super) struct Places(Arc<Mutex<Plan>>);

/// A place of a tenant, until it is dropped.
pub(super) struct Place {
    plan: Arc<Mutex<Plan>>,
    /// Nothing once it has been given back.
    tenant: Option<TenantId>,
}

struct Plan {
    free: usize,
    /// Counts what is given.
    given: u64,
    /// Of those who have a place or wait for one.
    shares: BTreeMap<TenantId, Share>,
    /// In the order of asking.
    waiting: Vec<(TenantId, oneshot::Sender<Place>)>,
}

#[derive(Default)]
struct Share {
    places: usize,
    /// When it was given the last one.
    last: u64,
}

impl Places {
    /// So many, at least one.
    pub(super) fn new(count: usize) -> Self {
        let plan = Plan { free: count.max(1), given: 0, shares: BTreeMap::new(), waiting: Vec::new() };
        Self(Arc::new(Mutex::new(plan)))
    }

    /// A place now, or where it comes.
    pub(super) fn ask(&self, tenant: &TenantId) -> Result<Place, oneshot::Receiver<Place>> {
        let mut plan = lock(&self.0);
        if plan.free > 0 {
            plan.free -= 1;
            plan.give(tenant);
            return Ok(Place { plan: self.0.clone(), tenant: Some(tenant.clone()) });
        }
        plan.waiting.retain(|(_, waiting)| !waiting.is_closed());
        let (sender, receiver) = oneshot::channel();
        plan.waiting.push((tenant.clone(), sender));
        Err(receiver)
    }
}

impl Plan {
    fn give(&mut self, tenant: &TenantId) {
        self.given += 1;
        let share = self.shares.entry(tenant.clone()).or_default();
        share.places += 1;
        share.last = self.given;
    }

    fn take_back(&mut self, tenant: &TenantId) {
        if let Some(share) = self.shares.get_mut(tenant) {
            share.places -= 1;
        }
    }

    /// Who has a place next, which is theirs from now on.
    fn next(&mut self) -> Option<(TenantId, oneshot::Sender<Place>)> {
        let share = |tenant| self.shares.get(tenant).map_or((0, 0), |share| (share.places, share.last));
        let next = (0..self.waiting.len()).min_by_key(|&at| share(&self.waiting[at].0));
        let next = next.map(|at| self.waiting.remove(at));
        match &next {
            Some((tenant, _)) => self.give(tenant),
            None => self.free += 1,
        }
        let waiting = &self.waiting;
        self.shares
            .retain(|tenant, share| share.places > 0 || waiting.iter().any(|(waits, _)| waits == tenant));
        next
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut tenant = self.tenant.take();
        while let Some(of) = tenant {
            let mut plan = lock(&self.plan);
            plan.take_back(&of);
            let Some((next, waiting)) = plan.next() else { return };
            drop(plan);
            let place = Self { plan: self.plan.clone(), tenant: Some(next) };
            // Whoever does not wait any more has had it.
            tenant = waiting.send(place).err().and_then(|mut place| place.tenant.take());
        }
    }
}

fn lock(plan: &Mutex<Plan>) -> MutexGuard<'_, Plan> {
    plan.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tenant(name: &str) -> TenantId {
        TenantId::new(name).unwrap()
    }

    fn now(places: &Places, name: &str) -> Place {
        places.ask(&tenant(name)).ok().unwrap()
    }

    fn later(places: &Places, name: &str) -> oneshot::Receiver<Place> {
        places.ask(&tenant(name)).err().unwrap()
    }

    #[test]
    fn one_place_goes_in_turn() {
        let places = Places::new(1);
        let first = now(&places, "flood");
        let mut flood: Vec<_> = (0..5).map(|_| later(&places, "flood")).collect();
        let mut guest: Vec<_> = (0..2).map(|_| later(&places, "guest")).collect();
        let mut order = Vec::new();
        let mut held = Some(first);
        while held.take().is_some() {
            for (name, waiting) in [("flood", &mut flood), ("guest", &mut guest)] {
                let at = waiting.iter_mut().position(|one| {
                    held = one.try_recv().ok();
                    held.is_some()
                });
                if let Some(at) = at {
                    assert_eq!(at, 0, "of {name} the first comes first");
                    waiting.remove(at);
                    order.push(name);
                    break;
                }
            }
        }
        assert_eq!(order, ["guest", "flood", "guest", "flood", "flood", "flood", "flood"]);
        assert_eq!(lock(&places.0).free, 1);
    }

    #[test]
    fn who_has_the_fewest_is_next() {
        let places = Places::new(3);
        let (of_a, of_b) = ([now(&places, "a"), now(&places, "a")], now(&places, "b"));
        let (mut a, mut b) = (later(&places, "a"), later(&places, "b"));
        drop(of_b);
        let of_b = b.try_recv().unwrap();
        assert!(a.try_recv().is_err(), "it has two, and asked first");
        drop(of_a);
        assert!(a.try_recv().is_ok());
        drop(of_b);
        assert_eq!(lock(&places.0).free, 3);
    }

    #[test]
    fn who_has_gone_passes_it_on() {
        let places = Places::new(1);
        let held = now(&places, "a");
        let gone = (later(&places, "b"), later(&places, "c"));
        let mut stays = later(&places, "a");
        drop(gone);
        drop(held);
        let held = stays.try_recv().unwrap();
        let given = later(&places, "b");
        drop(held);
        drop(given);
        assert_eq!(lock(&places.0).free, 1);
        assert!(lock(&places.0).shares.is_empty());
    }
}
