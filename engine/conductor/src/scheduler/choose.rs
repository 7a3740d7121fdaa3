//! Which runs are driven now, and which give way. Pure: it decides, and somebody else acts.

use stageway_core::name::{PipelineName, RepositoryId, RunId};
use stageway_core::plan::WhenNewer;
use stageway_core::run::RunStatus;
use stageway_ports::RunOrigin;
use std::collections::{BTreeMap, BTreeSet};

/// What is known of a tenant's runs.
pub(super) struct Runs<'a> {
    /// Those that have not ended, oldest first.
    pub(super) unfinished: &'a [RunOrigin],
    /// Those that are driven already.
    pub(super) driven: &'a BTreeSet<RunId>,
    /// Those that were asked to end.
    pub(super) ending: &'a BTreeSet<RunId>,
    /// How many more may be driven.
    pub(super) room: usize,
    /// The tenant stands still: what is queued stays queued.
    pub(super) frozen: bool,
}

/// What is to be done.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Choice {
    /// Runs that a newer one ends, with the newer one.
    pub(super) end: Vec<(RunId, RunId)>,
    /// Runs that are driven from now on.
    pub(super) drive: Vec<RunId>,
}

type Group<'a> = (&'a RepositoryId, &'a PipelineName, &'a str);

fn group(origin: &RunOrigin) -> Option<Group<'_>> {
    let concurrency = origin.concurrency.as_ref()?;
    Some((&origin.key.repository, &origin.key.pipeline, concurrency.group.as_str()))
}

/// Runs of one group are driven one after the other, in their order. What a newer run means for an older one, the older one's
/// own file says. A run that was asked to end is driven whatever is in its way: it only ends. While the tenant is frozen no run
/// begins; one that has begun goes on.
pub(super) fn choose(runs: &Runs<'_>) -> Choice {
    let mut newest: BTreeMap<Group<'_>, &RunId> = BTreeMap::new();
    for origin in runs.unfinished {
        newest.extend(group(origin).map(|group| (group, &origin.run)));
    }
    let mut choice = Choice::default();
    let mut held: BTreeSet<Group<'_>> = BTreeSet::new();
    let mut room = runs.room;
    for origin in runs.unfinished {
        let group = group(origin);
        let driven = runs.driven.contains(&origin.run);
        let mut ends = runs.ending.contains(&origin.run);
        if let Some(newer) = group.and_then(|group| newest.get(&group)).filter(|newer| **newer != &origin.run)
            && !ends
            && gives_way(origin, driven)
        {
            choice.end.push((origin.run.clone(), (*newer).clone()));
            ends = true;
        }
        let waits = group.is_some_and(|group| !held.insert(group));
        let waits = waits || (runs.frozen && origin.status == RunStatus::Queued);
        if !driven && room > 0 && (ends || !waits) {
            choice.drive.push(origin.run.clone());
            room -= 1;
        }
    }
    choice
}

fn gives_way(origin: &RunOrigin, driven: bool) -> bool {
    match origin.concurrency.as_ref().map(|concurrency| concurrency.when_newer) {
        Some(WhenNewer::CancelRunning) => true,
        Some(WhenNewer::CancelQueued) => origin.status == RunStatus::Queued && !driven,
        Some(WhenNewer::Wait) | None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use stageway_core::plan::Concurrency;
    use stageway_ports::RunKey;

    fn origin(number: u64, group: Option<(&str, WhenNewer)>, status: RunStatus) -> RunOrigin {
        RunOrigin {
            run: RunId::new(format!("r{number}")).unwrap(),
            number,
            key: RunKey {
                repository: "shop".parse().unwrap(),
                pipeline: "p".parse().unwrap(),
                reference: "refs/heads/main".parse().unwrap(),
                generation: number,
                kind: "push".into(),
                parameters: String::new(),
            },
            revision: "a".repeat(40).parse().unwrap(),
            delivery: None,
            after: None,
            concurrency: group.map(|(group, when_newer)| Concurrency { group: group.into(), when_newer }),
            status,
        }
    }

    fn names(ids: &[&str]) -> BTreeSet<RunId> {
        ids.iter().map(|id| id.parse().unwrap()).collect()
    }

    /// Answers who ends and who is driven, as text.
    fn chosen(unfinished: &[RunOrigin], driven: &[&str], ending: &[&str], room: usize) -> (String, String) {
        let (driven, ending) = (names(driven), names(ending));
        let choice = choose(&Runs { unfinished, driven: &driven, ending: &ending, room, frozen: false });
        let ends: Vec<_> = choice.end.iter().map(|(run, newer)| format!("{run}<{newer}")).collect();
        let drives: Vec<_> = choice.drive.iter().map(RunId::to_string).collect();
        (ends.join(" "), drives.join(" "))
    }

    fn text(ends: &str, drives: &str) -> (String, String) {
        (ends.to_owned(), drives.to_owned())
    }

    #[test]
    fn without_groups_all_are_driven_as_far_as_there_is_room() {
        let runs: Vec<_> = (1..=4).map(|number| origin(number, None, RunStatus::Queued)).collect();
        assert_eq!(chosen(&runs, &[], &[], 3), text("", "r1 r2 r3"));
        assert_eq!(chosen(&runs, &["r1", "r2"], &[], 1), text("", "r3"));
        assert_eq!(chosen(&runs, &["r1"], &[], 0), text("", ""));
    }

    #[test]
    fn a_group_waits_for_its_oldest() {
        let runs = |when| {
            let first = origin(1, Some(("main", when)), RunStatus::Running);
            let rest = (2..=3).map(|number| origin(number, Some(("main", when)), RunStatus::Queued));
            [first]
                .into_iter()
                .chain(rest)
                .chain([origin(4, Some(("other", when)), RunStatus::Queued)])
                .collect::<Vec<_>>()
        };
        assert_eq!(chosen(&runs(WhenNewer::Wait), &["r1"], &[], 9), text("", "r4"));
        assert_eq!(chosen(&runs(WhenNewer::CancelQueued), &["r1"], &[], 9), text("r2<r3", "r2 r4"));
        assert_eq!(chosen(&runs(WhenNewer::CancelRunning), &["r1"], &[], 9), text("r1<r3 r2<r3", "r2 r4"));
    }

    #[test]
    fn a_frozen_tenant_begins_nothing_and_drops_nothing() {
        let unfinished = [
            origin(1, None, RunStatus::Running),
            origin(2, Some(("main", WhenNewer::Wait)), RunStatus::Queued),
            origin(3, None, RunStatus::Queued),
        ];
        let (driven, ending) = (BTreeSet::new(), names(&["r3"]));
        let runs = Runs { unfinished: &unfinished, driven: &driven, ending: &ending, room: 9, frozen: true };
        let expected = Choice { end: vec![], drive: vec!["r1".parse().unwrap(), "r3".parse().unwrap()] };
        assert_eq!(choose(&runs), expected, "who was asked to end may end, who has begun goes on");
    }

    #[test]
    fn who_was_asked_to_end_is_not_asked_again() {
        let runs = [
            origin(1, Some(("main", WhenNewer::CancelRunning)), RunStatus::Running),
            origin(2, Some(("main", WhenNewer::CancelRunning)), RunStatus::Queued),
        ];
        assert_eq!(chosen(&runs, &["r1"], &["r1"], 9), text("", ""));
        assert_eq!(chosen(&runs, &[], &["r1"], 9), text("", "r1"), "after a restart it is driven to its end");
    }
}
