//! How long a task takes: `cargo run --release --example times [COUNT]` prints a table.
//!
//! | row | what |
//! | -- | -- |
//! | spawn | a child process of this one, the floor |
//! | sandbox | the part of a task in which its process starts, runs and ends |
//! | whole | a task from the call that starts it to the answer that it has ended, durable marks included |

use stageway_core::name::TaskName;
use stageway_core::task::{TaskState, WorkspaceMount};
use stageway_core::workspace::{Node, Tree, WorkspacePath};
use stageway_executors::local::{LocalExecutor, LocalOptions, SupervisorOptions, supervise, zygote};
use stageway_ports::contract::executor::{process, spec};
use stageway_ports::memory::DirectoryBlobs;
use stageway_ports::{Blobs, Executor, SecretValues};
use std::error::Error;
use std::ffi::OsString;
use std::path::Path;
use std::process::{Command, ExitCode};
use std::sync::Arc;
use std::time::{Duration, Instant};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match words[..] {
        ["supervisor", "zygote"] => return zygote(),
        ["supervisor", state] => serve(Path::new(state)),
        [] => measure(200),
        [count] => count.parse().map_err(Into::into).and_then(measure),
        _ => Err("usage: times [COUNT]".into()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()
}

fn serve(state: &Path) -> Result<(), Box<dyn Error>> {
    let options = SupervisorOptions {
        state: state.to_owned(),
        blobs: Arc::new(DirectoryBlobs::new(state.join("blobs"))),
        toolbox: vec![],
        cargo_home: None,
        zygote: ["/proc/self/exe", "supervisor", "zygote"].map(OsString::from).to_vec(),
        parallel: 1,
        idle: Duration::from_millis(200),
    };
    Ok(runtime()?.block_on(supervise(options))?)
}

fn measure(count: u32) -> Result<(), Box<dyn Error>> {
    let state = tempfile::tempdir()?;
    let program = std::env::current_exe()?;
    let executor = LocalExecutor::new(LocalOptions {
        state: state.path().to_owned(),
        supervisor: [program.as_os_str(), "supervisor".as_ref(), state.path().as_os_str()]
            .map(OsString::from)
            .to_vec(),
        toolbox: vec![],
        start_within: Duration::from_secs(20),
    });
    let mut rows = [("spawn", vec![]), ("sandbox", vec![]), ("whole", vec![])];
    let runtime = runtime()?;
    runtime.block_on(executor.sweep())?;
    for number in 0..count {
        let began = Instant::now();
        Command::new("/bin/true").status()?;
        rows[0].1.push(began.elapsed());
        let began = Instant::now();
        let ran = runtime.block_on(one(&executor, number))?;
        rows[1].1.push(ran);
        rows[2].1.push(began.elapsed());
    }
    let (prepared, collected) =
        runtime.block_on(files(&executor, &DirectoryBlobs::new(state.path().join("blobs"))))?;
    println!("a workspace of 10,000 files: {prepared} ms to put in place, {collected} ms to collect");
    println!("{count} tasks `/bin/true` in a row, in milliseconds");
    println!("{:<10}{:>8}{:>8}{:>8}", "", "median", "p95", "most");
    for (name, mut times) in rows {
        times.sort();
        let at = |part: usize| times[(times.len() - 1) * part / 100].as_secs_f64() * 1000.0;
        println!("{name:<10}{:>8.1}{:>8.1}{:>8.1}", at(50), at(95), at(100));
    }
    Ok(())
}

async fn one(executor: &LocalExecutor, number: u32) -> Result<Duration, Box<dyn Error>> {
    let name = TaskName::new(format!("true.{number}"))?;
    executor.ensure(&name, &spec(process(&["/bin/true"])), &SecretValues::default()).await?;
    let state = executor.state(&name, None, Duration::from_secs(60)).await?;
    executor.forget(&name).await?;
    match state {
        TaskState::Ended(ending) if ending.code == Some(0) => Ok(Duration::from_millis(ending.times.ran_ms)),
        other => Err(format!("a task ended with {other:?}").into()),
    }
}

/// Puts a tree of ten thousand files in place and collects it, and answers how long each took, in milliseconds.
async fn files(executor: &LocalExecutor, blobs: &DirectoryBlobs) -> Result<(u64, u64), Box<dyn Error>> {
    let mut tree = Tree::default();
    for number in 0..10_000 {
        let content = blobs.put(number.to_string().into_bytes()).await?;
        let path = WorkspacePath::new(format!("{}/{number}", number % 100))?;
        tree.insert(path, Node::File { content, executable: false });
    }
    let tree = blobs.put(tree.encode()).await?.digest;
    let mut spec = spec(process(&["/bin/true"]));
    spec.workspace = Some(WorkspaceMount { tree, path: "/workspace".into(), writable: true });
    spec.collect.insert("all".into(), "/workspace".into());
    let name = TaskName::new("files")?;
    executor.ensure(&name, &spec, &SecretValues::default()).await?;
    match executor.state(&name, None, Duration::from_secs(120)).await? {
        TaskState::Ended(ending) if ending.collected.get("all").is_some_and(|all| all.digest() == tree) => {
            Ok((ending.times.prepared_ms, ending.times.collected_ms))
        }
        other => Err(format!("the tree did not come back: {other:?}").into()),
    }
}
