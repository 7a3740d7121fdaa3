//! What the engine asks, again and again: each answer comes from what lies in the place.

use crate::place::{self, LOOK, Place};
use rustix::fs::{Mode, OFlags, open};
use signal_hook::consts::{SIGCHLD, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use stageway_parcel::told::{Asked, End, Piece, Told};
use stageway_parcel::{Places, parcel};
use std::fs::{self, File};
use std::io::{self, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::time::{Duration, Instant};

/// The most output of one answer, in bytes.
const PIECE: u64 = 4 << 20;
/// The longest record of an end, in bytes.
const END: u64 = 64 << 10;
/// For how long is waited until the program is in its place.
const INSTALLED: Duration = Duration::from_secs(30);

/// Puts this program into its place, stays until it is told to end, and takes away the dead of its container.
pub(crate) fn keep(place: &Place) -> io::Result<()> {
    place.install()?;
    let mut signals = Signals::new([SIGTERM, SIGINT, SIGCHLD])?;
    for signal in signals.forever() {
        if signal != SIGCHLD {
            break;
        }
        while let Ok(Some(_)) = rustix::process::wait(rustix::process::WaitOptions::NOHANG) {}
    }
    Ok(())
}

/// Returns when the program is in its place.
pub(crate) fn installed(place: &Place) -> io::Result<()> {
    let until = Instant::now() + INSTALLED;
    while !place.program().exists() {
        if Instant::now() >= until {
            return Err(io::Error::new(io::ErrorKind::TimedOut, "the helper was not put in its place"));
        }
        std::thread::sleep(LOOK);
    }
    Ok(())
}

/// Says where the task stands as soon as that is something else than what is known, at the latest after a time.
pub(crate) fn wait(place: &Place, known: &str, within: Duration) -> io::Result<()> {
    let until = Instant::now() + within;
    loop {
        let told = told(place)?;
        if name(&told) != known || Instant::now() >= until {
            return parcel::put(&mut io::stdout(), &told);
        }
        std::thread::sleep(LOOK);
    }
}

/// The word by which the engine says what it knows.
fn name(told: &Told) -> &'static str {
    match told {
        Told::Waiting { tree: false } => "nothing",
        Told::Waiting { tree: true } => "tree",
        Told::Running => "running",
        Told::Ended(_) => "ended",
        Told::Gone => "gone",
    }
}

fn told(place: &Place) -> io::Result<Told> {
    // In this order: whoever ends writes first and lets go then.
    let was_there = place.alive().exists();
    let lives = place::is_held(&place.alive())?;
    let end = read(&place.end(), 0, END)?;
    if !end.is_empty() {
        // What is no record was not written by us, so nothing is known.
        return Ok(serde_json::from_slice::<Box<End>>(&end).map_or(Told::Gone, Told::Ended));
    }
    Ok(match (was_there && !lives, place.started().exists()) {
        (true, _) => Told::Gone,
        (false, true) => Told::Running,
        (false, false) => Told::Waiting { tree: place.tree().exists() },
    })
}

/// Sends output from an offset on; waits for some as long as it is told.
pub(crate) fn output(place: &Place, from: u64, most: u64, within: Duration) -> io::Result<()> {
    let until = Instant::now() + within;
    let (bytes, end) = loop {
        // The end is written last, so what there is after it was seen is everything.
        let ended = place.end().exists();
        let bytes = read(&place.output(), from, most.min(PIECE))?;
        let whole = ended && (bytes.len() as u64) < most.min(PIECE);
        if !bytes.is_empty() || whole || Instant::now() >= until {
            break (bytes, whole);
        }
        std::thread::sleep(LOOK);
    };
    let mut out = io::stdout().lock();
    parcel::put(&mut out, &Piece { length: bytes.len(), end })?;
    out.write_all(&bytes)?;
    out.flush()
}

/// Reads at most `most` bytes of a file; one that is not there has none. The task could have put something else there.
fn read(path: &Path, from: u64, most: u64) -> io::Result<Vec<u8>> {
    let mut file = match plain(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        opened => opened?,
    };
    file.seek(SeekFrom::Start(from))?;
    let mut bytes = Vec::new();
    file.take(most).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Sends what stands at a path of the workspace.
pub(crate) fn send(workspace: &Path, path: &str) -> io::Result<()> {
    let places = Places { workspace: Some(("", workspace)), root: None };
    let mut out = BufWriter::with_capacity(128 << 10, io::stdout().lock());
    parcel::send(&places, path, &mut out)?;
    out.flush()
}

/// Sends what the task's container kept of its own root.
pub(crate) fn outside(place: &Place, number: u64) -> io::Result<()> {
    let mut file = plain(&place.outside(number))?;
    let mut out = io::stdout().lock();
    io::copy(&mut file, &mut out)?;
    out.flush()
}

fn plain(path: &Path) -> io::Result<File> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = File::from(open(path, flags, Mode::empty())?);
    if file.metadata()?.is_file() { Ok(file) } else { Err(io::Error::other("it is not a file")) }
}

/// Asks the task to end, and says whether anybody is there to read it.
pub(crate) fn cancel(place: &Place, grace: Duration) -> io::Result<()> {
    let before = fs::read_to_string(place.cancel()).ok().and_then(|text| text.parse::<u128>().ok());
    let grace = before.map_or(grace.as_millis(), |before| before.min(grace.as_millis()));
    place::write(&place.cancel(), grace.to_string().as_bytes())?;
    let somebody = place.end().exists() || place::is_held(&place.alive())?;
    parcel::put(&mut io::stdout(), if somebody { &Asked::Noted } else { &Asked::Nobody })
}
