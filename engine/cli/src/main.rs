//! The `stageway` binary: configuration and wiring, and the terminal. Nothing is decided here that a library could decide.
//!
//! * `arguments` and `commands/`: the command line, one file per command,
//! * `config`: where everything is,
//! * `client/`: servers that one is logged in to,
//! * `wiring/`: an adapter for every port,
//! * `terminal/`: what a person or a tool sees,
//! * `exit`: how the process ends.
//!
//! The same executable is also the supervisor of tasks, the zygote of their sandboxes and the compiler of components, each a
//! process of its own, under hidden commands.

mod arguments;
mod client;
mod commands;
mod config;
mod exit;
mod terminal;
mod wiring;

use arguments::{Cli, Command};
use commands::Context;
use exit::{Exit, Invalid, Refused};
use std::io::Write;
use std::process::ExitCode;
use terminal::{Look, Style};
use tokio::runtime::Builder;

fn main() -> ExitCode {
    // These become other programs: before any thread is started, and before anything is written.
    match std::env::args_os().nth(1).as_deref().and_then(|word| word.to_str()) {
        Some("compile") => return stageway_host::compile_child(std::env::args_os().skip(2)),
        Some("worker") => return stageway_host::worker_child(),
        Some("supervisor") if std::env::args_os().nth(2).is_some_and(|word| word == "zygote") => {
            return stageway_executors::local::zygote();
        }
        _ => {}
    }
    let cli = Cli::read();
    telemetry();
    let runtime = match threads(&cli.command).enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&anyhow::Error::from(error).context("no threads can be had")),
    };
    let context = Context::new(cli.places, cli.server);
    let exit = match runtime.block_on(dispatch(&context, cli.command)) {
        Ok(exit) => exit.into(),
        Err(error) => fail(&error),
    };
    // A guest that still runs is left to the kernel: everything durable is durable.
    runtime.shutdown_background();
    exit
}

/// The supervisor only moves what others make, and each thread that would have to be woken for it costs more than it would do.
fn threads(command: &Command) -> Builder {
    match command {
        Command::Supervisor(_) => Builder::new_current_thread(),
        _ => Builder::new_multi_thread(),
    }
}

async fn dispatch(context: &Context, command: Command) -> anyhow::Result<Exit> {
    match command {
        Command::Run(args) => commands::run::run(context, args).await,
        Command::Plan(args) => commands::plan::run(context, args).await,
        Command::Doctor(args) => commands::doctor::run(context, args).await,
        Command::Preflight(args) => commands::preflight::run(context, args).await,
        Command::Resume(args) => commands::resume::run(context, args).await,
        Command::Runs(args) => commands::runs::run(context, args).await,
        Command::Releases(args) => commands::releases::run(context, args).await,
        Command::Show(args) => commands::show::run(context, args).await,
        Command::Logs(args) => commands::logs::run(context, args).await,
        Command::Cancel(args) => commands::cancel::run(context, args).await,
        Command::Start(args) => commands::start::start(context, args).await,
        Command::Rerun(args) => commands::start::rerun(context, args).await,
        Command::Approve(args) => commands::approve::run(context, args).await,
        Command::Replay(args) => commands::replay::run(context, args).await,
        Command::Lint(args) => commands::lint::run(context, args).await,
        Command::Expand(args) => commands::expand::run(context, args),
        Command::Explain(args) => commands::explain::run(context, args),
        Command::Schema(args) => commands::schema::run(context, args),
        Command::Plugin(args) => commands::plugin::run(context, args).await,
        Command::Serve(args) => commands::serve::run(context, args).await,
        Command::Token(args) => commands::token::run(context, args),
        Command::Login(args) => commands::login::run(context, args).await,
        Command::Freeze(args) => commands::freeze::freeze(context, args).await,
        Command::Thaw(args) => commands::freeze::thaw(context, args).await,
        Command::Deliveries(args) => commands::deliveries::run(context, args).await,
        Command::Redeliver(args) => commands::redeliver::run(context, args).await,
        Command::Completion(args) => commands::completion::run(context, args),
        Command::Supervisor(args) => commands::supervisor::run(args).await,
    }
}

/// Tells an error on standard error, and answers its exit code.
fn fail(error: &anyhow::Error) -> ExitCode {
    let look = Look::of(std::io::stderr(), &|name| std::env::var_os(name));
    let title = |text: &str| look.paint(Style::Bad, text);
    let (text, exit) = if let Some(invalid) = error.downcast_ref::<Invalid>() {
        (terminal::render(&invalid.diagnostics, &invalid.sources, &look), invalid.exit())
    } else if let Some(refused) = error.downcast_ref::<Refused>() {
        let remedy = look.paint(Style::Faint, &format!("  {}", refused.remedy));
        (format!("{}: {}\n{remedy}\n", title("error"), refused.message), refused.exit)
    } else {
        (format!("{}: {error:#}\n", title("error")), Exit::Errored)
    };
    // Where nobody reads standard error, the exit code still says it.
    let _ = std::io::stderr().write_all(text.as_bytes());
    exit.into()
}

/// What the engine itself has to say goes to standard error: warnings, or what `STAGEWAY_LOG` asks for.
fn telemetry() {
    let filter = tracing_subscriber::EnvFilter::try_from_env("STAGEWAY_LOG");
    let filter = filter.unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("error"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
}
