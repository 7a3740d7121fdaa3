//! The command line.

use crate::commands;
use crate::config::Places;
use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{ArgMatches, CommandFactory as _, FromArgMatches as _, Parser, Subcommand};

const AFTER: &str = "\
Exit codes: 0 ok, 2 usage, 10 the run failed, 11 it errored, 12 invalid definition, 13 denied, 14 cancelled.";

/// CI/CD pipelines whose stages are sandboxed WebAssembly components
#[derive(Debug, Parser)]
#[command(name = "stageway", version, max_term_width = 100, after_help = AFTER, disable_help_subcommand = true)]
pub(crate) struct Cli {
    /// Where everything is.
    #[command(flatten)]
    pub(crate) places: Places,
    /// The server whose runs are meant, by its address or by the name that it was given at `login`; none is this machine
    #[arg(long, global = true, value_name = "URL|NAME", env = "STAGEWAY_SERVER")]
    pub(crate) server: Option<String>,
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

impl Cli {
    /// Reads the command line; where it is wrong, says so and ends the process.
    pub(crate) fn read() -> Self {
        Self::of(&Self::command().get_matches()).unwrap_or_else(|error| error.exit())
    }

    /// What was written. `--server` is refused where it means nothing; the variable is for the commands that ask a server.
    fn of(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let cli = Self::from_arg_matches(matches)?;
        let written = matches.value_source("server") == Some(ValueSource::CommandLine);
        match (matches.subcommand_name(), cli.command.asks_a_server()) {
            (Some(name), false) if written => {
                let message = format!(
                    "`stageway {name}` works on this machine and asks no server: leave `--server` out; \
                     `stageway preflight` runs the work tree on a server"
                );
                Err(Self::command().error(ErrorKind::ArgumentConflict, message))
            }
            _ => Ok(cli),
        }
    }
}

impl Command {
    /// Whether `--server` means anything to it.
    fn asks_a_server(&self) -> bool {
        match self {
            Self::Preflight(_)
            | Self::Runs(_)
            | Self::Show(_)
            | Self::Logs(_)
            | Self::Cancel(_)
            | Self::Start(_)
            | Self::Rerun(_)
            | Self::Approve(_)
            | Self::Releases(_)
            | Self::Freeze(_)
            | Self::Thaw(_)
            | Self::Deliveries(_)
            | Self::Redeliver(_) => true,
            Self::Run(_)
            | Self::Plan(_)
            | Self::Resume(_)
            | Self::Replay(_)
            | Self::Lint(_)
            | Self::Expand(_)
            | Self::Explain(_)
            | Self::Schema(_)
            | Self::Plugin(_)
            | Self::Serve(_)
            | Self::Doctor(_)
            | Self::Token(_)
            | Self::Login(_)
            | Self::Completion(_)
            | Self::Supervisor(_) => false,
        }
    }
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run a pipeline of the work tree on this machine
    Run(commands::run::Args),
    /// Show what a run would do, with the real plugins and without any effect
    Plan(commands::plan::Args),
    /// Run the work tree on a server without pushing it, as a pull request would be
    Preflight(commands::preflight::Args),
    /// Go on with a run that was interrupted
    Resume(commands::resume::Args),
    /// List runs
    Runs(commands::runs::Args),
    /// Show a run
    Show(commands::show::Args),
    /// Show the log of a run or a stage
    Logs(commands::logs::Args),
    /// End a run; its stages get their time to end
    Cancel(commands::cancel::Args),
    /// Start a run of a server by hand
    Start(commands::start::StartArgs),
    /// Do a run of a server once more, whole or from a stage on
    Rerun(commands::start::RerunArgs),
    /// Answer the question that a stage waits for
    Approve(commands::approve::Args),
    /// List what was released to an environment, and how it was judged
    Releases(commands::releases::Args),
    /// Run an attempt of a stage again from its journal, offline
    Replay(commands::replay::Args),
    /// Tell every problem of a pipeline file
    Lint(commands::lint::Args),
    /// Show a pipeline file as it is understood, with its defaults
    Expand(commands::expand::Args),
    /// Explain the code of a problem
    Explain(commands::explain::Args),
    /// Print a JSON Schema for editors
    Schema(commands::schema::Args),
    /// Make, build and inspect plugins
    Plugin(commands::plugin::Args),
    /// Receive webhooks and run what they start, until SIGTERM
    Serve(commands::serve::Args),
    /// Say what of this installation works, and what to change
    Doctor(commands::doctor::Args),
    /// Make a token for a server's API
    Token(commands::token::Args),
    /// Keep the token of a server, for `--server`
    Login(commands::login::Args),
    /// Hold up the runs of a server, or one of its environments
    Freeze(commands::freeze::FreezeArgs),
    /// Let what was frozen go on
    Thaw(commands::freeze::ThawArgs),
    /// List what forges have sent to a server
    Deliveries(commands::deliveries::Args),
    /// Have a delivery taken in once more
    Redeliver(commands::redeliver::Args),
    /// Print the completion script of a shell
    Completion(commands::completion::Args),
    /// The process that tasks belong to; started when it is needed
    #[command(hide = true)]
    Supervisor(commands::supervisor::Args),
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(words: &[&str]) -> Result<Command, ErrorKind> {
        let matches = Cli::command().try_get_matches_from([&["stageway"], words].concat());
        let cli = matches.and_then(|matches| Cli::of(&matches));
        cli.map(|cli| cli.command).map_err(|error| error.kind())
    }

    #[test]
    fn the_definition_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn what_the_documentation_shows_is_understood() {
        for words in [
            "run",
            "run orderbook --event pull-request --target main --trust fork --param a=b --param c=",
            "run --no-sandbox --no-skip --allow-dirty --json --state s --plugins p --config c",
            "run --file tools/image.yaml",
            "plan --revision HEAD~1",
            "resume",
            "resume 12",
            "runs --unfinished",
            "show latest --json",
            "logs 12 unit-test -f",
            "cancel 01ABC",
            "approve 12 promote --deny --reason late",
            "approve 12 promote --digest sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
            "preflight orderbook --repository demo --target next --param a=b --fail-fast --server ci",
            "start demo release --ref main --param version=1.2",
            "rerun 12 --from promote",
            "releases production --max 5 --json",
            "replay 12 promote --attempt 2",
            "lint .stageway/a.yaml",
            "expand",
            "explain SW0110",
            "schema",
            "schema event",
            "plugin build plugins/promote --output target/plugins",
            "plugin inspect x.wasm --json",
            "plugin new coverage --name acme/coverage",
            "completion bash",
            "serve --config c --listen 127.0.0.1:0",
            "token ci --tenant acme --scope read --scope run --json",
            "login https://ci.example.com --name ci --token-file t",
            "--server ci runs --unfinished",
            "freeze production --reason sale --server https://ci.example.com",
            "thaw",
            "deliveries --webhook demo --max 5 --json",
            "redeliver 01ABC",
            "supervisor serve --directory d --blobs b --toolbox t --toolbox u",
        ] {
            let words: Vec<&str> = words.split(' ').collect();
            assert!(parse(&words).is_ok(), "{words:?}: {:?}", parse(&words).err());
        }
    }

    #[test]
    fn what_means_nothing_is_refused() {
        use ErrorKind as E;
        for (words, kind) in [
            ("run --json --plain", E::ArgumentConflict),
            ("run --param novalue", E::ValueValidation),
            ("run one --file two.yaml", E::ArgumentConflict),
            ("run --trust everybody", E::ValueValidation),
            ("show a/b", E::ValueValidation),
            ("approve 12 Promote", E::ValueValidation),
            ("approve 12", E::MissingRequiredArgument),
            ("explain", E::MissingRequiredArgument),
            ("run --server ci", E::ArgumentConflict),
            ("--server ci plan", E::ArgumentConflict),
            ("resume 3 --server ci", E::ArgumentConflict),
            ("replay 12 promote --server ci", E::ArgumentConflict),
            ("frobnicate", E::InvalidSubcommand),
        ] {
            let words: Vec<&str> = words.split(' ').collect();
            assert_eq!(parse(&words).err(), Some(kind), "{words:?}");
        }
    }
}
