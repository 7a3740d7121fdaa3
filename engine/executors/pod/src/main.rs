//! The helper in the pod of a task: small, static, and in several of its containers.
//!
//! - `pod PLACE keep` puts this program into the volume that the containers of a pod share, and stays beside them when they have ended.
//!   In its container the engine runs the rest, each as often as it must: `receive`, `wait`, `output`, `send`, `outside` and `cancel`.
//! - `pod PLACE installed` ends when the program is in its place; the node starts the others after it.
//! - `pod PLACE run ORDER -- COMMAND…` is the entry point of the task's container and of those of its services: it waits for the tree
//!   and for the services, starts the command, keeps what it writes, takes away the dead, and records how it ended.
//!
//! PLACE is the shared volume: everything that is known about a task lies there, so nothing here needs to be asked twice, and the
//! engine may be another one each time. What is written there the task itself could change; it can only lie about itself.

mod answer;
mod child;
mod command;
mod ending;
mod place;
mod ready;
mod receive;
mod run;
mod service;
mod sys;

use std::process::ExitCode;

/// The exit code of a wrong call, and of a place that cannot be worked in.
const BROKEN: u8 = 125;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match command::perform(&words) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("stageway-pod: {error}");
            ExitCode::from(BROKEN)
        }
    }
}
