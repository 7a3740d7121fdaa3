//! The program that compiles in the tests: what the hidden subcommand of the engine does.

use std::process::ExitCode;

fn main() -> ExitCode {
    stageway_host::compile_child(std::env::args_os().skip(1))
}
