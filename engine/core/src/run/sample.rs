//! Plans for the tests of this room.

use crate::event::{Event, Trust};
use crate::grant::Ceiling;
use crate::name::StageName;
use crate::plan::Plan;
use crate::policy::Policy;
use serde_json::json;

/// The name of stage `at`.
pub(super) fn name(at: usize) -> StageName {
    StageName::new(format!("s{at}")).unwrap()
}

/// A plan whose stage `at` needs those of `needs[at]` that come before it.
pub(super) fn plan(needs: &[(Vec<usize>, bool)]) -> Plan {
    let stage = |at: usize, needs: &[usize], finally: bool| {
        let needs: Vec<_> = needs.iter().filter(|need| **need < at).map(|need| name(*need)).collect();
        let digest = crate::digest::Digest::of(b"component");
        let stage = json!({
            "uses": "acme/script@1",
            "plugin": {"name": "acme/script", "version": "1.0.0", "digest": digest}, "needs": needs,
            "when": {"source": "success()", "decided": true, "asks-status": false, "mentions": []},
            "with": {}, "configuration": {}, "from": {}, "workspace": {"submodules": true}, "artifacts": {},
            "services": [], "caches": {}, "env": {}, "secrets": {}, "grants": {}, "denied": [], "limits": {},
            "task-limits": crate::task::TaskLimits::default(),
            "retry": {"attempts": 1, "on": ["errored"], "backoff": {"first-ms": 1000, "most-ms": 300_000}},
            "timeout-ms": 3_600_000, "uninterruptible": false, "finally": finally, "outputs": {}, "skip": "allowed",
        });
        (name(at), serde_json::from_value(stage).unwrap())
    };
    let empty = json!({
        "pipeline": "shop", "file": "stageway.yaml", "event": Event::push("main", "0123", Trust::Protected),
        "vars": {}, "parameters": {}, "timeout-ms": 1, "connections": "as-written", "stages": [],
        "ceiling": Ceiling::of(&Policy::single_machine(), Trust::Protected),
    });
    let stages = needs.iter().enumerate().map(|(at, (needs, finally))| stage(at, needs, *finally));
    Plan { stages: stages.collect(), ..serde_json::from_value(empty).unwrap() }
}
