//! What is durable about a task: its claim, its start and its end.

use super::disk;
use serde::{Deserialize, Serialize};
use stageway_core::name::TaskName;
use stageway_core::task::TaskEnding;
use stageway_ports::Incarnation;
use std::fs;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

/// The directory of a task.
#[derive(Debug, Clone)]
pub(super) struct Record {
    directory: PathBuf,
}

/// How far a task got, as far as the disk tells.
#[derive(Debug)]
pub(super) enum Mark {
    /// Nothing is there.
    Nothing,
    /// It was claimed, and no process of it was ever started.
    Claimed,
    /// It was started.
    Started(Incarnation),
    /// It has ended.
    Ended(Incarnation, Box<TaskEnding>),
}

#[derive(Serialize, Deserialize)]
struct Start {
    incarnation: Incarnation,
}

#[derive(Serialize, Deserialize)]
struct End {
    incarnation: Incarnation,
    ending: TaskEnding,
}

impl Record {
    /// The record of a task; it need not exist.
    pub(super) fn of(tasks: &Path, name: &TaskName) -> Self {
        Self { directory: tasks.join(name.as_str()) }
    }

    /// Where the output is kept.
    pub(super) fn output(&self) -> PathBuf {
        self.directory.join("output")
    }

    /// Where everything of the task lies that is not kept when it has ended.
    pub(super) fn site(&self) -> PathBuf {
        self.directory.join("site")
    }

    /// Reads how far the task got.
    pub(super) fn mark(&self) -> io::Result<Mark> {
        if let Some(End { incarnation, ending }) = read(&self.directory.join("end.json"))? {
            return Ok(Mark::Ended(incarnation, Box::new(ending)));
        }
        match read(&self.directory.join("start.json")) {
            Ok(Some(Start { incarnation })) => return Ok(Mark::Started(incarnation)),
            // A crash came before all of it was durable, and nothing is started before that.
            Err(error) if error.kind() == io::ErrorKind::InvalidData => return Ok(Mark::Claimed),
            Ok(None) => {}
            Err(error) => return Err(error),
        }
        Ok(if self.directory.is_dir() { Mark::Claimed } else { Mark::Nothing })
    }

    /// Claims the task: makes its directory, which only one can do. It is not durable: a task that was claimed when the
    /// machine died has no process either.
    pub(super) fn claim(&self) -> io::Result<()> {
        fs::DirBuilder::new().mode(0o700).create(&self.directory)?;
        fs::DirBuilder::new().mode(0o700).create(self.site())
    }

    /// Says that the task starts now, durably. From here on it is never started again.
    pub(super) fn start(&self, incarnation: &Incarnation) -> io::Result<()> {
        let start = serde_json::to_vec(&Start { incarnation: incarnation.clone() })?;
        disk::make_durably(&self.directory.join("start.json"), &start)?;
        self.directory.parent().map_or(Ok(()), disk::sync_directory)
    }

    /// Says how it ended.
    pub(super) fn end(&self, incarnation: &Incarnation, ending: &TaskEnding) -> io::Result<()> {
        let end = End { incarnation: incarnation.clone(), ending: ending.clone() };
        disk::write_durably(&self.directory.join("end.json"), &serde_json::to_vec(&end)?)
    }

    /// Removes it, at once for everybody who looks.
    pub(super) fn remove(&self, trash: &Path) -> io::Result<()> {
        self.put_aside(trash)?.map_or(Ok(()), |aside| disk::remove_all(&aside))
    }

    /// Removes it for everybody who looks, and answers where it lies now; none where there was nothing.
    pub(super) fn put_aside(&self, trash: &Path) -> io::Result<Option<PathBuf>> {
        let aside = trash.join(format!("{}-{}", std::process::id(), disk::unique()));
        match fs::rename(&self.directory, &aside) {
            Ok(()) => Ok(Some(aside)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Removes what is not kept of an ended task.
    pub(super) fn clear_site(&self) -> io::Result<()> {
        disk::remove_all(&self.site())
    }
}

fn read<T: for<'de> Deserialize<'de>>(path: &Path) -> io::Result<Option<T>> {
    match fs::read(path) {
        Ok(bytes) => serde_json::from_slice(&bytes)
            .map(Some)
            .map_err(|e| io::Error::new(io::ErrorKind::InvalidData, e)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// The identity of a process: a pid alone is used again, and after a boot so is its start time.
pub(super) fn incarnation(pid: u32) -> io::Result<Incarnation> {
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id")?;
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // Field 22 of proc(5); the name in the second field may hold anything, so fields are counted from its end.
    let fields = stat.rsplit_once(')').map(|(_, rest)| rest).unwrap_or_default();
    let started = fields.split_ascii_whitespace().nth(19).ok_or(io::ErrorKind::InvalidData)?;
    Ok(Incarnation(format!("{}/{pid}/{started}", boot.trim())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_start_that_a_crash_cut_off_was_none() {
        let tasks = tempfile::tempdir().unwrap();
        let record = Record::of(tasks.path(), &TaskName::new("t1").unwrap());
        assert!(matches!(record.mark().unwrap(), Mark::Nothing));
        record.claim().unwrap();
        assert!(matches!(record.mark().unwrap(), Mark::Claimed));
        for torn in [&b""[..], &b"{\"incarn"[..], &[0; 40]] {
            fs::write(record.directory.join("start.json"), torn).unwrap();
            assert!(matches!(record.mark().unwrap(), Mark::Claimed));
        }
        fs::remove_file(record.directory.join("start.json")).unwrap();
        record.start(&Incarnation("a".into())).unwrap();
        assert!(matches!(record.mark().unwrap(), Mark::Started(Incarnation(name)) if name == "a"));
        assert!(record.start(&Incarnation("b".into())).is_err(), "a task starts once");
    }
}
