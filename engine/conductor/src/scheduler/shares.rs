//! Which tenant has the next place. Pure: it decides, and somebody else acts.
//!
//! This is *stride scheduling* (C. A. Waldspurger, W. E. Weihl, *Stride Scheduling: Deterministic Proportional-Share Resource
//! Management*, MIT/LCS/TM-528, 1995). Every tenant has a *pass*, which moves on with what it uses, divided by its weight; the
//! next place is that of the tenant with the smallest. What is used is the time for which a place is taken, at least a
//! [`QUANTUM`]: runs differ in length, and a tenant of long runs would else have most of the places after a while. A tenant
//! that comes back starts where the others are, as in start-time fair queueing (P. Goyal, H. M. Vin, H. Cheng, SIGCOMM 1996):
//! nobody saves up turns.
//!
//! A run is never taken its place away, so a tenant that is guaranteed places finds them free: the others leave as many.

use crate::service::TenantRules;
use stageway_core::name::{RunId, TenantId};
use std::collections::{BTreeMap, BTreeSet};

/// What a place costs at least, in milliseconds.
const QUANTUM: u64 = 1_000;
/// Of a pass: so that division by a weight loses nothing that matters.
const SCALE: u128 = 1_000_000;

/// The places of this process, over all tenants.
pub(super) struct Shares {
    places: usize,
    tenants: BTreeMap<TenantId, Share>,
    /// The pass at which a place was given last.
    reached: u128,
}

/// What one tenant has of them.
#[derive(Default)]
struct Share {
    weight: u64,
    /// Places that others leave free for it.
    guaranteed: usize,
    /// Without the runs that have places now.
    pass: u128,
    /// When each run took its place.
    runs: BTreeMap<RunId, u64>,
    /// Runs of this process that have none, because they only wait.
    resting: BTreeSet<RunId>,
    /// It wanted a place when somebody was chosen last.
    wants: bool,
}

impl Share {
    fn pass(&self, now: u64) -> u128 {
        self.pass + self.runs.values().map(|since| self.cost(*since, now)).sum::<u128>()
    }

    fn cost(&self, since: u64, now: u64) -> u128 {
        u128::from(now.saturating_sub(since).max(QUANTUM)) * SCALE / u128::from(self.weight.max(1))
    }

    fn lacks(&self) -> usize {
        self.guaranteed.saturating_sub(self.runs.len())
    }
}

impl Shares {
    /// A tenant of which nothing is said is guaranteed one place, as long as that leaves half of them to whoever wants them.
    pub(super) fn new(places: usize, tenants: &BTreeMap<TenantId, TenantRules>) -> Self {
        let usual = usize::from(tenants.len() * 2 <= places || tenants.len() == 1);
        let mut left = places;
        let share = |(tenant, rules): (&TenantId, &TenantRules)| {
            let guaranteed = rules.guaranteed_runs.unwrap_or(usual).min(rules.parallel_runs).min(left);
            left -= guaranteed;
            let share = Share { weight: rules.weight, guaranteed, ..Share::default() };
            (tenant.clone(), share)
        };
        let tenants = tenants.iter().map(share).collect();
        Self { places, tenants, reached: 0 }
    }

    /// Places that nobody has.
    pub(super) fn free(&self) -> usize {
        self.places.saturating_sub(self.tenants.values().map(|share| share.runs.len()).sum())
    }

    /// Whether this process drives a run.
    pub(super) fn has(&self, tenant: &TenantId, run: &RunId) -> bool {
        self.tenants
            .get(tenant)
            .is_some_and(|share| share.runs.contains_key(run) || share.resting.contains(run))
    }

    /// Whose the next place is, of those who want one; none while all that is left is guaranteed to others.
    pub(super) fn next(&mut self, wanting: &[TenantId], now: u64) -> Option<TenantId> {
        for (tenant, share) in &mut self.tenants {
            let wants = wanting.contains(tenant);
            if wants && !share.wants && share.runs.is_empty() {
                share.pass = share.pass.max(self.reached);
            }
            share.wants = wants;
        }
        let free = self.free();
        let kept: usize = self.tenants.values().map(Share::lacks).sum();
        let may = |share: &Share| free > 0 && (share.lacks() > 0 || free > kept);
        let may_have = self.tenants.iter().filter(|(_, share)| share.wants && may(share));
        // What is guaranteed comes first.
        let chosen = may_have.min_by_key(|(_, share)| (share.lacks() == 0, share.pass(now)));
        let (tenant, pass) = chosen.map(|(tenant, share)| (tenant.clone(), share.pass(now)))?;
        self.reached = self.reached.max(pass);
        Some(tenant)
    }

    /// A run has its place from now on.
    pub(super) fn take(&mut self, tenant: &TenantId, run: &RunId, now: u64) {
        if let Some(share) = self.tenants.get_mut(tenant) {
            share.runs.insert(run.clone(), now);
        }
    }

    /// A run is not driven here any more.
    pub(super) fn give_back(&mut self, tenant: &TenantId, run: &RunId, now: u64) {
        self.rest(tenant, run, now);
        if let Some(share) = self.tenants.get_mut(tenant) {
            share.resting.remove(run);
        }
    }

    /// A run gives its place back, and is driven on.
    pub(super) fn rest(&mut self, tenant: &TenantId, run: &RunId, now: u64) {
        if let Some(share) = self.tenants.get_mut(tenant)
            && let Some(since) = share.runs.remove(run)
        {
            share.pass += share.cost(since, now);
            share.resting.insert(run.clone());
        }
    }

    /// A run that rests takes its place again, whoever has the others.
    pub(super) fn go_on(&mut self, tenant: &TenantId, run: &RunId, now: u64) {
        if let Some(share) = self.tenants.get_mut(tenant)
            && share.resting.remove(run)
        {
            share.runs.insert(run.clone(), now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use stageway_core::policy::Policy;

    fn id(name: &str) -> TenantId {
        TenantId::new(name).unwrap()
    }

    /// Tenants `a`, `b`, … with their weights and what they are guaranteed.
    fn shares(places: usize, tenants: &[(u64, Option<usize>)]) -> Shares {
        let rules = |(index, (weight, guaranteed_runs)): (usize, &(u64, Option<usize>))| {
            let rules = TenantRules::usual(Policy::single_machine());
            (name(index), TenantRules { weight: *weight, guaranteed_runs: *guaranteed_runs, ..rules })
        };
        Shares::new(places, &tenants.iter().enumerate().map(rules).collect())
    }

    fn name(index: usize) -> TenantId {
        id(&char::from(b'a' + index as u8).to_string())
    }

    /// A world in which all of some tenants want more places than there are.
    struct World {
        shares: Shares,
        now: u64,
        runs: usize,
        /// When each run ends.
        ends: Vec<(u64, TenantId, RunId)>,
        /// Who began, in order.
        begun: Vec<TenantId>,
        /// The time for which each had places.
        used: BTreeMap<TenantId, u64>,
    }

    impl World {
        fn new(shares: Shares) -> Self {
            let (ends, begun, used) = (Vec::new(), Vec::new(), BTreeMap::new());
            Self { shares, now: 5_000, runs: 0, ends, begun, used }
        }

        /// Fills the places.
        fn fill(&mut self, wanting: &[TenantId], mut length: impl FnMut(&TenantId) -> u64) {
            while let Some(tenant) = self.shares.next(wanting, self.now) {
                self.runs += 1;
                let run = RunId::new(format!("r{}", self.runs)).unwrap();
                let length = length(&tenant);
                self.shares.take(&tenant, &run, self.now);
                *self.used.entry(tenant.clone()).or_default() += length;
                self.begun.push(tenant.clone());
                self.ends.push((self.now + length, tenant, run));
            }
        }

        /// Goes to the end of the run that ends next.
        fn step(&mut self) {
            self.ends.sort();
            let (at, tenant, run) = self.ends.remove(0);
            self.now = at;
            self.shares.give_back(&tenant, &run, at);
        }

        fn begun(&self) -> String {
            self.begun.iter().map(TenantId::as_str).collect()
        }
    }

    #[test]
    fn one_place_goes_round_by_weight() {
        let mut world = World::new(shares(1, &[(3, Some(0)), (1, Some(0))]));
        for _ in 0..12 {
            world.fill(&[id("a"), id("b")], |_| 2_000);
            world.step();
        }
        assert_eq!(world.begun(), "abaaabaaabaa");
    }

    #[test]
    fn long_runs_have_no_more_places_than_short_ones() {
        let mut world = World::new(shares(10, &[(1, Some(0)), (1, Some(0))]));
        for _ in 0..2_000 {
            world.fill(&[id("a"), id("b")], |tenant| if tenant.as_str() == "a" { 60_000 } else { 1_000 });
            world.step();
        }
        let (a, b) = (world.used[&id("a")], world.used[&id("b")]);
        assert!(a.abs_diff(b) < (a + b) / 10, "{a} {b}");
    }

    #[test]
    fn who_comes_finds_what_is_guaranteed() {
        let mut world = World::new(shares(4, &[(100, None), (1, None)]));
        world.fill(&[id("a")], |_| 60_000);
        assert_eq!(world.begun(), "aaa", "one place is kept");
        world.fill(&[id("a"), id("b")], |_| 60_000);
        assert_eq!(world.begun(), "aaab");
        let alone = shares(4, &[(1, None)]);
        let mut world = World::new(alone);
        world.fill(&[id("a")], |_| 60_000);
        assert_eq!(world.begun(), "aaaa", "who is alone has all of them");
    }

    #[test]
    fn a_run_that_only_waits_has_no_place() {
        let mut shares = shares(2, &[(1, Some(0))]);
        let run = |number: u32| RunId::new(format!("r{number}")).unwrap();
        (1..=2).for_each(|number| shares.take(&id("a"), &run(number), 1_000));
        assert_eq!((shares.free(), shares.next(&[id("a")], 1_000)), (0, None));
        shares.rest(&id("a"), &run(1), 2_000);
        assert!(shares.free() == 1 && shares.has(&id("a"), &run(1)), "it is driven here all the same");
        shares.take(&id("a"), &run(3), 2_000);
        shares.go_on(&id("a"), &run(1), 3_000);
        assert_eq!((shares.free(), shares.next(&[id("a")], 3_000)), (0, None), "three have two places");
        shares.give_back(&id("a"), &run(3), 4_000);
        assert_eq!(shares.free(), 0);
        shares.rest(&id("a"), &run(1), 5_000);
        shares.give_back(&id("a"), &run(1), 6_000);
        assert!(shares.free() == 1 && !shares.has(&id("a"), &run(1)));
        shares.go_on(&id("a"), &run(1), 7_000);
        assert_eq!(shares.free(), 1, "what was told too late takes nothing");
    }

    #[test]
    fn nobody_saves_up_turns() {
        let mut world = World::new(shares(1, &[(1, Some(0)), (1, Some(0))]));
        for _ in 0..50 {
            world.fill(&[id("a")], |_| 1_000);
            world.step();
        }
        world.begun.clear();
        for _ in 0..6 {
            world.fill(&[id("a"), id("b")], |_| 1_000);
            world.step();
        }
        assert_eq!(world.begun(), "bababa");
    }

    proptest! {
        /// Whatever the weights and lengths: the time of places is shared by weight as far as one run allows, nobody starves,
        /// and whoever is guaranteed a place and wants it has it.
        #[test]
        fn time_is_shared_by_weight(
            places in 1usize..8,
            weights in prop::collection::vec(1u64..6, 2..5),
            lengths in prop::collection::vec(1_000u64..20_000, 1..20),
        ) {
            let tenants: Vec<_> = weights.iter().map(|weight| (*weight, Some(0))).collect();
            let wanting: Vec<_> = (0..weights.len()).map(name).collect();
            let mut world = World::new(shares(places, &tenants));
            let mut lengths = lengths.into_iter().cycle();
            for _ in 0..3_000 {
                world.fill(&wanting, |_| lengths.next().unwrap());
                world.step();
            }
            let per_weight: Vec<u64> =
                wanting.iter().zip(&weights).map(|(name, weight)| world.used[name] / weight).collect();
            let (least, most) = (per_weight.iter().min().unwrap(), per_weight.iter().max().unwrap());
            // A run is charged before it has ended, and never taken its place away.
            let slack = 20_000 * 2 * places as u64;
            prop_assert!(most - least <= slack, "{per_weight:?}");
        }

        #[test]
        fn what_is_guaranteed_is_had_at_once(
            guaranteed in prop::collection::vec(0usize..3, 2..5),
            more in 0usize..4,
            steps in prop::collection::vec((0usize..5, 500u64..9_000), 1..200),
        ) {
            let places = guaranteed.iter().sum::<usize>() + more;
            let tenants: Vec<_> = guaranteed.iter().map(|places| (1, Some(*places))).collect();
            let mut world = World::new(shares(places, &tenants));
            for (who, length) in steps {
                let tenant = name(who % guaranteed.len());
                let before = world.runs;
                world.fill(std::slice::from_ref(&tenant), |_| length);
                let has = world.ends.iter().filter(|(_, of, _)| *of == tenant).count();
                prop_assert!(has >= guaranteed[who % guaranteed.len()], "{tenant} has {has}");
                prop_assert!(world.ends.len() <= places);
                if !world.ends.is_empty() && world.runs > before {
                    world.step();
                }
            }
        }
    }
}
