//! Tasks that want too much.

use crate::fixture::{Local, shell, until};
use stageway_core::call::EndingReason;
use stageway_core::digest::Digest;
use stageway_ports::contract::executor::{process, spec};
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::time::Instant;

pub async fn a_fork_bomb_is_bounded() {
    let local = Local::new();
    let mut spec = shell("bomb() { bomb | bomb & }; bomb 2>/dev/null; sleep 1; exit 0");
    spec.limits.processes = Some(64);
    spec.limits.timeout_ms = 5000;
    let began = Instant::now();
    let (ending, _) = local.run("bomb", &spec).await;
    assert!(began.elapsed().as_secs() < 25, "{ending:?}");
    let (after, text) = local.run("after", &shell("echo fine")).await;
    assert_eq!((after.code, text.as_str()), (Some(0), "fine\n"));
}

pub async fn memory_is_bounded() {
    let local = Local::new();
    let mut spec = shell("perl -e '$x = \"x\" x (512 << 20); print length $x'");
    spec.limits.memory_bytes = Some(64 << 20);
    let (ending, text) = local.run("memory", &spec).await;
    assert_ne!(ending.code, Some(0), "{text}");
    if ending.limits_by.starts_with("cgroup") {
        assert_eq!(ending.reason, EndingReason::OutOfMemory, "{ending:?}");
        assert!(ending.message.contains("64 MiB"), "{ending:?}");
        assert!(ending.peak_memory_bytes.unwrap() <= 64 << 20);
    }
}

pub async fn a_flood_of_output_is_bounded() {
    let local = Local::new();
    let mut spec = shell("echo first; yes | head -c 50000000; echo last");
    spec.limits.output_bytes = 1 << 20;
    let (ending, text) = local.run("flood", &spec).await;
    assert_eq!((ending.code, ending.output_bytes), (Some(0), 50_000_011));
    assert!(text.len() < (1 << 20) + 200 && text.starts_with("first\n") && text.ends_with("y\nlast\n"));
    assert!(
        text.contains(&format!("stageway: {} bytes of output were dropped here", 50_000_011 - (1 << 20)))
    );
}

pub async fn a_timeout_ends_a_task_that_ignores_it() {
    let local = Local::new();
    let mut spec = shell("trap 'echo asked' TERM; while :; do sleep 0.1; done");
    spec.limits.timeout_ms = 300;
    let began = Instant::now();
    let (ending, text) = local.run("timeout", &spec).await;
    assert_eq!((ending.reason, ending.code), (EndingReason::TimedOut, None));
    assert!(text.contains("asked\n"), "{text}");
    assert!(began.elapsed().as_secs() < 15);
}

pub async fn the_limits_say_what_enforces_them() {
    let local = Local::new();
    let (ending, _) = local.run("limits", &shell("i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done")).await;
    assert!(["cgroup-v2", "cgroup-v1", "rlimit"].contains(&ending.limits_by.as_str()), "{ending:?}");
    assert!(ending.cpu_ms.unwrap() > 0, "{ending:?}");
}

pub async fn nothing_is_left_of_control_groups() {
    let local = Local::new();
    for name in ["one", "two"] {
        local.run(name, &shell("sleep 0.05 & exit 0")).await;
    }
    let mark = format!("stageway-{}.", Digest::of(local.state().as_os_str().as_bytes()).short());
    until("no group is left", || {
        let mut open = vec![PathBuf::from("/sys/fs/cgroup")];
        while let Some(path) = open.pop() {
            for entry in fs::read_dir(path).into_iter().flatten().flatten() {
                if entry.file_name().to_string_lossy().starts_with(&mark) {
                    return false;
                }
                if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                    open.push(entry.path());
                }
            }
        }
        true
    });
}

pub async fn what_cannot_be_executed_says_so() {
    let local = Local::new();
    let (missing, _) = local.run("missing", &spec(process(&["no-such-command"]))).await;
    assert_eq!((missing.code, missing.reason), (Some(127), EndingReason::Exited));
    assert!(missing.message.contains("`no-such-command`"), "{missing:?}");
    let (refused, _) = local.run("refused", &spec(process(&["/etc/hosts"]))).await;
    assert_eq!(refused.code, Some(126), "{refused:?}");
    let mut nowhere = shell("true");
    nowhere.process.directory = Some("/nowhere".into());
    let (nowhere, _) = local.run("nowhere", &nowhere).await;
    assert!(nowhere.message.contains("`/nowhere`"), "{nowhere:?}");
    let (killed, _) = local.run("killed", &shell("kill -9 $$")).await;
    assert_eq!((killed.code, killed.reason), (None, EndingReason::Signalled));
}
