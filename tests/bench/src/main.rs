//! What Stageway costs, beside the floors of what it cannot do without, measured in the same run: `tests/bench/run`.
//!
//! Everything is real: the host on wasmtime, SQLite and blobs on the disk, the local executor with its supervisor and its
//! sandbox, the release binary. The guests are written in WebAssembly text, so that no toolchain's start-up is measured. Where
//! a measure has a floor, both are taken in turns and compared turn by turn, so that a machine that is busy for a while is
//! busy for both; what is shown are medians.
//!
//! `tests/README.md` says what each measure and each floor is.

mod chain;
mod commit;
mod cost;
#[path = "../../../engine/host/tests/support/guest.rs"]
#[allow(dead_code, unreachable_pub, reason = "the tests of the host use the rest")]
mod guest;
mod instance;
mod plugins;
mod pods;
mod process;
mod raw;
mod replay;
mod service;
mod table;
mod task;
mod world;

use anyhow::{Context as _, Result, ensure};
use clap::Parser;
use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use table::{Row, Table};

/// The measures by name.
const ALL: &[&str] = &[
    "instance", "commit", "chain", "task", "replay", "start", "memory", "answers", "soon", "growth", "crowd",
    "pods",
];

/// Measures Stageway beside its floors
#[derive(Debug, Parser)]
struct Arguments {
    /// Which measures; without any, all of them
    #[arg(value_parser = clap::builder::PossibleValuesParser::new(ALL))]
    measures: Vec<String>,
    /// One JSON document instead of the table
    #[arg(long)]
    json: bool,
    /// Fewer rounds: good to see that it works
    #[arg(long)]
    quick: bool,
    /// Where states are made: the disk that is measured. Without it the system's directory for temporary files
    #[arg(long, value_name = "DIR")]
    directory: Option<PathBuf>,
    /// The engine's binary. Without it the one beside this program
    #[arg(long, value_name = "FILE")]
    binary: Option<PathBuf>,
}

/// What every measure is given.
pub(crate) struct Bench {
    binary: PathBuf,
    directory: PathBuf,
    quick: bool,
}

impl Bench {
    /// So many rounds, or so many when there is little time.
    fn rounds(&self, usual: usize, quick: usize) -> usize {
        if self.quick { quick } else { usual }
    }

    /// Says on standard error what is being done.
    fn say(&self, what: &str) {
        eprintln!("bench: {what}");
    }
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    ensure!(
        !cfg!(debug_assertions),
        "the benchmark measures optimised code: start it with `tests/bench/run`"
    );
    let disk = arguments.directory.clone().unwrap_or_else(std::env::temp_dir);
    // All of it goes at the end: some file systems remember for minutes what was deleted, and make new files slower then.
    let states = tempfile::Builder::new().prefix("stageway-bench-").tempdir_in(&disk)?;
    let bench = Arc::new(Bench {
        binary: binary(arguments.binary.as_deref())?,
        directory: states.path().to_owned(),
        quick: arguments.quick,
    });
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let wanted = |name: &&&str| {
        arguments.measures.is_empty() || arguments.measures.iter().any(|wanted| wanted == **name)
    };
    let mut table = Table::new(&disk);
    let mut failed = Vec::new();
    for name in ALL.iter().filter(wanted) {
        bench.say(name);
        let bench = bench.clone();
        // On a worker thread of the runtime, as a server drives its runs: this one would have to be woken for each answer.
        let measured = runtime.spawn(async move { measure(&bench, name).await });
        match runtime.block_on(measured)? {
            Ok(rows) => table.extend(rows),
            // What else was measured is shown.
            Err(error) => failed.push(format!("the measure `{name}`: {error:#}")),
        }
    }
    if arguments.json {
        println!("{:#}", table.json());
    } else {
        print!("{}", table.render(std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none()));
    }
    // What still runs is left to the kernel.
    runtime.shutdown_background();
    ensure!(failed.is_empty(), "{}", failed.join("; "));
    Ok(())
}

async fn measure(bench: &Bench, name: &'static str) -> Result<Vec<Row>> {
    match name {
        "instance" => instance::measure(bench).await,
        "commit" => commit::measure(bench).await,
        "chain" => chain::measure(bench).await,
        "task" => task::measure(bench).await,
        "replay" => replay::measure(bench).await,
        "start" => process::start(bench),
        "memory" => process::memory(bench),
        "answers" => service::answers(bench).await,
        "soon" => service::soon(bench).await,
        "growth" => service::growth(bench).await,
        "crowd" => service::crowd(bench).await,
        "pods" => pods::measure(bench).await,
        other => anyhow::bail!("there is no measure `{other}`"),
    }
}

fn binary(given: Option<&Path>) -> Result<PathBuf> {
    let beside = || Some(std::env::current_exe().ok()?.with_file_name("stageway"));
    let path = given.map(Path::to_owned).or_else(beside).context("this program has no path")?;
    let path = path.canonicalize().with_context(|| format!("no binary at {}", path.display()))?;
    Ok(path)
}
