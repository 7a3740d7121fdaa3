//! The limits of an attempt: what the host enforces, with the defaults of the engine.

use serde::{Deserialize, Serialize};

/// Bounds of one attempt. They stand in the journal's header, because answers such as that of `memory.grow` depend on them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct AttemptLimits {
    /// Linear memory of all memories of the instance together, in bytes.
    pub memory_bytes: u64,
    /// Time in the guest's own code, in milliseconds. Waiting and replay do not count.
    pub cpu_ms: u64,
    /// From the start of the attempt to its end, parked time included, in milliseconds.
    pub wall_ms: u64,
    /// The plugin's own log, in bytes.
    pub log_bytes: u64,
    /// Output of one task, in bytes.
    pub task_output_bytes: u64,
    /// Entries of the journal, header and end included.
    pub journal_entries: u32,
    /// Requests and answers kept inline in the journal, in bytes: texts over 4 KiB lie in the blobs and do not count.
    pub journal_bytes: u64,
    /// Calls of every class.
    pub host_calls: u64,
    /// Bytes of the files in the workspace.
    pub workspace_bytes: u64,
    /// Files in the workspace.
    pub workspace_files: u64,
    /// Tasks started by the attempt.
    pub tasks: u32,
    /// Outputs, each at most 64 KiB.
    pub outputs: u32,
}

impl Default for AttemptLimits {
    fn default() -> Self {
        Self {
            memory_bytes: 64 << 20,
            cpu_ms: 30_000,
            wall_ms: 3_600_000,
            log_bytes: 4 << 20,
            task_output_bytes: 1 << 30,
            journal_entries: 20_000,
            journal_bytes: 32 << 20,
            host_calls: 1_000_000,
            workspace_bytes: 8 << 30,
            workspace_files: 500_000,
            tasks: 256,
            outputs: 64,
        }
    }
}

impl AttemptLimits {
    /// What `invocation.limit` answers; `None` for a name that is not known.
    pub fn named(&self, name: &str) -> Option<f64> {
        let value = match name {
            "memory-bytes" => self.memory_bytes,
            "cpu-ms" => self.cpu_ms,
            "wall-ms" => self.wall_ms,
            "log-bytes" => self.log_bytes,
            "task-output-bytes" => self.task_output_bytes,
            "journal-entries" => u64::from(self.journal_entries),
            "journal-bytes" => self.journal_bytes,
            "host-calls" => self.host_calls,
            "workspace-bytes" => self.workspace_bytes,
            "workspace-files" => self.workspace_files,
            "tasks" => u64::from(self.tasks),
            "outputs" => u64::from(self.outputs),
            _ => return None,
        };
        // All limits stay below 2^53, so the conversion is exact.
        Some(value as f64)
    }
}
