//! The bounds of a stage: the engine's, raised or lowered by the file, never above the policy's.

use crate::definition::Limits;
use crate::limits::AttemptLimits;
use crate::policy::PolicyLimits;
use crate::task::TaskLimits;

/// Bounds of an attempt and of each of its tasks.
pub(super) fn limits(
    file: &Limits,
    policy: &PolicyLimits,
    engine: &AttemptLimits,
    timeout_ms: u64,
) -> (AttemptLimits, TaskLimits) {
    let bound = |name: &str, default: u64| {
        let wanted = file.get(name).copied().unwrap_or(default);
        policy.attempt.get(name).map_or(wanted, |most| wanted.min(*most))
    };
    let small = |name: &str, default: u32| u32::try_from(bound(name, u64::from(default))).unwrap_or(u32::MAX);
    let attempt = AttemptLimits {
        memory_bytes: bound("memory-bytes", engine.memory_bytes),
        cpu_ms: bound("cpu-ms", engine.cpu_ms),
        wall_ms: timeout_ms,
        log_bytes: bound("log-bytes", engine.log_bytes),
        task_output_bytes: bound("task-output-bytes", engine.task_output_bytes),
        journal_entries: small("journal-entries", engine.journal_entries),
        journal_bytes: bound("journal-bytes", engine.journal_bytes),
        host_calls: bound("host-calls", engine.host_calls),
        workspace_bytes: bound("workspace-bytes", engine.workspace_bytes),
        workspace_files: bound("workspace-files", engine.workspace_files),
        tasks: small("tasks", engine.tasks),
        outputs: small("outputs", engine.outputs),
    };
    let optional =
        |name: &str| file.get(name).or_else(|| policy.attempt.get(name)).map(|_| bound(name, u64::MAX));
    let plain = TaskLimits::default();
    let task = TaskLimits {
        timeout_ms,
        memory_bytes: optional("task-memory-bytes"),
        cpu_millis: optional("task-cpu-millis").and_then(|millis| u32::try_from(millis).ok()),
        processes: optional("task-processes").and_then(|many| u32::try_from(many).ok()).or(plain.processes),
        output_bytes: attempt.task_output_bytes,
        ..plain
    };
    (attempt, task)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_policy_has_the_last_word() {
        let file = Limits::from([("memory-bytes".to_owned(), 256 << 20), ("task-processes".to_owned(), 8)]);
        let policy = PolicyLimits {
            attempt: Limits::from([("memory-bytes".to_owned(), 128 << 20)]),
            ..Default::default()
        };
        let (attempt, task) = limits(&file, &policy, &AttemptLimits::default(), 60_000);
        assert_eq!((attempt.memory_bytes, attempt.wall_ms), (128 << 20, 60_000));
        assert_eq!((task.processes, task.timeout_ms, task.memory_bytes), (Some(8), 60_000, None));
    }
}
