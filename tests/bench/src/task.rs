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
    claim: f64,
    start: f64,
    ending: f64,
    commit: f64,
}

impl Steps {
    async fn take(directory: &Path, appends: &mut Appends) -> Result<Self> {
        let tasks = tempfile::tempdir_in(directory)?;
        let mut all: [Vec<f64>; 4] = Default::default();
        for number in 0..TURN {
            let task = tasks.path().join(number.to_string());
            let steps: [&dyn Fn() -> io::Result<()>; 4] =
                [&spawn, &|| claim(&task), &|| start_mark(&task), &|| ending(&task)];
            for (step, times) in steps.iter().zip(&mut all) {
                let begun = Instant::now();
                step()?;
                times.push(since(begun));
            }
        }
        let [spawn, claim, start, ending] = all.map(median);
        Ok(Self { spawn, claim, start, ending, commit: appends.seconds(TURN).await? })
    }

    /// All of them once, with so many commits.
    fn sum(self, commits: f64) -> f64 {
        self.spawn + self.claim + self.start + self.ending + commits * self.commit
    }
}

fn spawn() -> io::Result<()> {
    let status = Command::new("/bin/true").status()?;
    if status.success() { Ok(()) } else { Err(io::Error::other("/bin/true failed")) }
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
    let (mut confined, mut unconfined, mut steps) = (Paired::default(), Paired::default(), Vec::new());
    let rounds = bench.rounds(9, 2);
    // The first turn starts the supervisor.
    for round in 0..=rounds {
        bench.say(&format!("task: {round} of {rounds}"));
        for (without, paired) in [(false, &mut confined), (true, &mut unconfined)] {
            let before = Steps::take(&bench.directory, &mut appends).await?;
            let pipeline = plugins::pipeline("task", STAGES, &format!("{without}-{round}"));
            let driven = world.run(&world.engine(without), &pipeline).await?;
            let after = Steps::take(&bench.directory, &mut appends).await?;
            let commits = (STAGES * 2 + 1) as u64;
            ensure!(driven.commits == commits, "{} commits for {STAGES} stages", driven.commits);
            if round > 0 {
                let commits = commits as f64 / STAGES as f64;
                paired.push(driven.seconds / STAGES as f64, (before.sum(commits) + after.sum(commits)) / 2.0);
                steps.extend([before, after]);
            }
        }
    }
    let part = |name: &str, of: fn(&Steps) -> f64| {
        let value = median(steps.iter().map(of).collect());
        Row::alone(format!("  of its floor: {name}"), Unit::Seconds, value, Target::None)
    };
    Ok(vec![
        Row::paired("a stage with one task, in the sandbox", &confined, Target::Ratio(2.5)),
        Row::paired("a stage with one task, without it", &unconfined, Target::Ratio(2.5)),
        part("spawn", |steps| steps.spawn),
        part("claim", |steps| steps.claim),
        part("start mark", |steps| steps.start),
        part("ending", |steps| steps.ending),
        part("one commit of two", |steps| steps.commit),
    ])
}
