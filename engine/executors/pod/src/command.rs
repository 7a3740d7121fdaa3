//! Which of its works the helper is to do.

use crate::place::Place;
use crate::{answer, receive, run};
use stageway_parcel::told::Order;
use std::io;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

/// Performs a call of the helper.
///
/// # Errors
/// When the call is none of ours, or its place or the other side fails.
pub(crate) fn perform(words: &[&str]) -> io::Result<ExitCode> {
    let [place, work, rest @ ..] = words else { return Err(unknown()) };
    let place = Place::new(place);
    match (*work, rest) {
        ("keep", []) => answer::keep(&place)?,
        ("installed", []) => answer::installed(&place)?,
        ("run", [order, "--", command @ ..]) => {
            let order: Order = serde_json::from_str(order)?;
            let command = command.iter().map(|&word| word.to_owned()).collect();
            return Ok(ExitCode::from(run::run(&place, &order, command)?));
        }
        ("receive", [workspace, sha256]) => receive::receive(&place, Path::new(workspace), sha256)?,
        ("wait", [known, within]) => answer::wait(&place, known, milliseconds(within)?)?,
        ("output", [from, most, within]) => {
            answer::output(&place, number(from)?, number(most)?, milliseconds(within)?)?;
        }
        ("send", [workspace, path]) => answer::send(Path::new(workspace), path)?,
        ("outside", [at]) => answer::outside(&place, number(at)?)?,
        ("cancel", [grace]) => answer::cancel(&place, milliseconds(grace)?)?,
        _ => return Err(unknown()),
    }
    Ok(ExitCode::SUCCESS)
}

fn unknown() -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidInput,
        "this is called by the engine, as `stageway-pod PLACE WORK …`",
    )
}

fn number(text: &str) -> io::Result<u64> {
    text.parse().map_err(|_| io::Error::new(io::ErrorKind::InvalidInput, format!("`{text}` is no number")))
}

fn milliseconds(text: &str) -> io::Result<Duration> {
    number(text).map(Duration::from_millis)
}
