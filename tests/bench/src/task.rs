//! Stages with one task, in the sandbox and without it, beside their own steps.

use crate::commit::Appends;
use crate::cost::{Paired, median, since};
use crate::table::{Row, Target, Unit};
use crate::world::World;
use crate::{Bench, plugins};
use anyhow::{Result, ensure};
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::Path;
use std::process::Command;
use std::time::Instant;

/// Stages of one run: what starts and ends a run is shared by them.
const STAGES: usize = 8;
/// Times the steps are done in one turn.
const TURN: u32 = 8;

/// Seconds of the steps that a stage with a task cannot do without.
#[derive(Debug, Clone, Copy)]
struct Steps {
    spawn: f64,
    /// In namespaces of its own.
    confined: f64,
    claim: f64,
    start: f64,
    ending: f64,
    commit: f64,
}

impl Steps {
    async fn take(directory: &Path, appends: &mut Appends) -> Result<Self> {
        let tasks = tempfile::tempdir_in(directory)?;
        let mut all: [Vec<f64>; 5] = Default::default();
        for number in 0..TURN {
            let task = tasks.path().join(number.to_string());
            let steps: [&dyn Fn() -> io::Result<()>; 5] =
                [&spawn, &confined, &|| claim(&task), &|| start_mark(&task), &|| ending(&task)];
            for (step, times) in steps.iter().zip(&mut all) {
                let begun = Instant::now();
                step()?;
                times.push(since(begun));
            }
        }
        let [spawn, confined, claim, start, ending] = all.map(median);
        Ok(Self { spawn, confined, claim, start, ending, commit: appends.seconds(TURN).await? })
    }

    /// All of them once around a spawn, with so many commits.
    fn around(self, spawn: f64, commits: f64) -> f64 {
        spawn + self.claim + self.start + self.ending + commits * self.commit
    }
}

fn spawn() -> io::Result<()> {
    succeeds(Command::new("/bin/true"))
}

/// The namespaces of a task by the tool of util-linux: without a root of its own, a filter of system calls or a control group.
fn confined() -> io::Result<()> {
    let mut command = Command::new("unshare");
    command.args([
        "--user",
        "--map-root-user",
        "--mount",
        "--pid",
        "--fork",
        "--net",
        "--ipc",
        "--uts",
        "--cgroup",
    ]);
    command.arg("/bin/true");
    succeeds(command)
}

/// A sandbox like a task's by bubblewrap: the same namespaces and a root of the same parts, without a filter of system calls or
/// a control group.
fn wrapped() -> io::Result<()> {
    let mut command = Command::new("bwrap");
    command.args([
        "--unshare-all",
        "--uid",
        "1000",
        "--gid",
        "1000",
        "--cap-drop",
        "ALL",
        "--hostname",
        "task",
    ]);
    command.args(["--die-with-parent", "--new-session", "--clearenv", "--tmpfs", "/tmp", "--proc", "/proc"]);
    command.args(["--dev", "/dev"]);
    for path in
        ["/usr", "/bin", "/lib", "/lib64", "/etc/ssl", "/etc/passwd", "/etc/group", "/etc/nsswitch.conf"]
    {
        command.args(["--ro-bind-try", path, path]);
    }
    command.arg("/bin/true");
    succeeds(command)
}

/// Seconds of one of many such namespaces, when every core makes two at once.
pub(crate) fn confined_at_once(count: usize) -> Result<f64> {
    at_once(count, confined)
}

/// Seconds of one of many sandboxes by bubblewrap, when every core makes two at once; none where it is not installed.
pub(crate) fn wrapped_at_once(count: usize) -> Result<Option<f64>> {
    match Command::new("bwrap").arg("--version").output() {
        Ok(_) => at_once(count, wrapped).map(Some),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Seconds of one of many, when every core makes two at once.
fn at_once(count: usize, make_one: fn() -> io::Result<()>) -> Result<f64> {
    let threads = std::thread::available_parallelism()?.get() * 2;
    let begun = Instant::now();
    let make = || (0..count.div_ceil(threads)).try_for_each(|_| make_one());
    std::thread::scope(|scope| {
        let making: Vec<_> = (0..threads).map(|_| scope.spawn(make)).collect();
        making
            .into_iter()
            .try_for_each(|thread| thread.join().map_err(|_| io::Error::other("a thread broke off"))?)
    })?;
    Ok(since(begun) / (count.div_ceil(threads) * threads) as f64)
}

fn succeeds(mut command: Command) -> io::Result<()> {
    let status = command.status()?;
    if status.success() { Ok(()) } else { Err(io::Error::other(format!("{command:?} failed"))) }
}

/// Only one can make a directory.
fn claim(task: &Path) -> io::Result<()> {
    fs::create_dir(task)?;
    sync(task.parent().unwrap_or(task))
}

fn start_mark(task: &Path) -> io::Result<()> {
    let mut file = File::create(task.join("start.json"))?;
    file.write_all(&[b' '; 100])?;
    file.sync_all()?;
    sync(task)
}

/// Whole or not at all.
fn ending(task: &Path) -> io::Result<()> {
    let mut file = File::create(task.join("end.new"))?;
    file.write_all(&[b' '; 600])?;
    file.sync_all()?;
    fs::rename(task.join("end.new"), task.join("end.json"))?;
    sync(task)
}

fn sync(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}

pub(crate) async fn measure(bench: &Bench) -> Result<Vec<Row>> {
    let world = World::new(bench, &[("task", plugins::task())]).await?;
    let mut appends = Appends::open(&bench.directory).await?;
    let (mut sandboxed, mut beside_plain, mut unconfined) =
        (Paired::default(), Paired::default(), Paired::default());
    let mut steps = Vec::new();
    let rounds = bench.rounds(9, 2);
    // The first turn starts the supervisor.
    for round in 0..=rounds {
        bench.say(&format!("task: {round} of {rounds}"));
        for without in [false, true] {
            let before = Steps::take(&bench.directory, &mut appends).await?;
            let pipeline = plugins::pipeline("task", STAGES, &format!("{without}-{round}"));
            let driven = world.run(&world.engine(without), &pipeline).await?;
            let after = Steps::take(&bench.directory, &mut appends).await?;
            let commits = (STAGES * 2 + 1) as u64;
            ensure!(driven.commits == commits, "{} commits for {STAGES} stages", driven.commits);
            if round > 0 {
                let (commits, stage) = (commits as f64 / STAGES as f64, driven.seconds / STAGES as f64);
                let floor = |spawn: fn(&Steps) -> f64| {
                    (before.around(spawn(&before), commits) + after.around(spawn(&after), commits)) / 2.0
                };
                let plain = floor(|steps| steps.spawn);
                if without {
                    unconfined.push(stage, plain);
                } else {
                    sandboxed.push(stage, floor(|steps| steps.confined));
                    beside_plain.push(stage, plain);
                }
                steps.extend([before, after]);
            }
        }
    }
    let part = |name: &str, of: fn(&Steps) -> f64| {
        let value = median(steps.iter().map(of).collect());
        Row::alone(format!("  of its floor: {name}"), Unit::Seconds, value, Target::None)
    };
    Ok(vec![
        Row::paired("a stage with one task, in the sandbox", &sandboxed, Target::Ratio(2.5)),
        Row::paired("  the same beside the floor of the next", &beside_plain, Target::None),
        Row::paired("a stage with one task, without it", &unconfined, Target::Ratio(2.5)),
        part("spawn", |steps| steps.spawn),
        part("spawn in namespaces", |steps| steps.confined),
        part("claim", |steps| steps.claim),
        part("start mark", |steps| steps.start),
        part("ending", |steps| steps.ending),
        part("one commit of two", |steps| steps.commit),
    ])
}
