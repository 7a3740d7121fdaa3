use crate::engine;
use rustix::process::{Resource, Rlimit, setrlimit};
use std::ffi::OsString;
use std::fs;
use std::io::{self, Read, Write};
use std::path::PathBuf;
use std::process::ExitCode;

/// Bytes that are read at most; the parent has counted them already.
const MOST_INPUT: u64 = 1 << 30;

/// How the child ends when the code could not be written: no fault of the component.
pub(super) const UNWRITTEN: u8 = 3;

/// Why there is no code.
struct Failure {
    message: String,
    code: u8,
}

impl From<String> for Failure {
    fn from(message: String) -> Self {
        Self { message, code: 1 }
    }
}

/// The whole life of the child process that compiles one component: bounds itself, reads the component from standard
/// input, writes machine code to a file.
///
/// `arguments` are those that follow the hidden subcommand: the file, the bound of memory in bytes, the bound of time in
/// seconds. The exit code is 0 when the code was written; otherwise a line on standard error says why not.
pub fn compile_child(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    match compile(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure { message, code }) => {
            let _ = writeln!(io::stderr(), "{message}");
            ExitCode::from(code)
        }
    }
}

fn compile(arguments: impl IntoIterator<Item = OsString>) -> Result<(), Failure> {
    let mut arguments = arguments.into_iter();
    let output =
        arguments.next().map(PathBuf::from).ok_or_else(|| "the output's name is missing".to_owned())?;
    let memory = number(arguments.next(), "the bound of memory")?;
    let seconds = number(arguments.next(), "the bound of time")?;
    bound(memory, seconds).map_err(|error| format!("the compiler cannot bound itself: {error}"))?;
    let mut component = Vec::new();
    let input = io::stdin().lock();
    input.take(MOST_INPUT).read_to_end(&mut component).map_err(|error| format!("no component: {error}"))?;
    let engine = engine::compiling().map_err(|error| format!("no engine: {error:#}"))?;
    let code = engine.precompile_component(&component).map_err(|error| format!("{error:#}"))?;
    fs::write(output, code)
        .map_err(|error| Failure { message: format!("the code cannot be written: {error}"), code: UNWRITTEN })
}

fn number(argument: Option<OsString>, what: &str) -> Result<u64, String> {
    let text = argument.ok_or_else(|| format!("{what} is missing"))?;
    text.to_str().and_then(|text| text.parse().ok()).ok_or_else(|| format!("{what} is no number"))
}

/// Bounds this process. Memory is counted as written pages may need it: address space alone would refuse the reserves of
/// an allocator with many threads.
fn bound(memory: u64, seconds: u64) -> rustix::io::Result<()> {
    let most = |amount| Rlimit { current: Some(amount), maximum: Some(amount) };
    let threads = std::thread::available_parallelism().map_or(1, |count| count.get() as u64);
    setrlimit(Resource::Data, most(memory))?;
    setrlimit(Resource::Cpu, most(seconds.saturating_mul(threads)))?;
    setrlimit(Resource::Core, most(0))
}
