use super::BUSY;
use crate::shared::Unreadable;
use rusqlite::ErrorCode;
use stageway_ports::StoreError;
use std::path::Path;
use thiserror::Error;

pub(super) type Result<T> = std::result::Result<T, Failure>;

/// Why a transaction did not go through.
#[derive(Debug, Error)]
pub(super) enum Failure {
    /// The contract says no.
    #[error(transparent)]
    Refused(#[from] StoreError),
    /// SQLite says no.
    #[error(transparent)]
    Sql(#[from] rusqlite::Error),
    /// Those before have not ended.
    #[error("those before have not ended within {} s", (BUSY * 2).as_secs())]
    Late,
    /// What lies there is not what was written.
    #[error(transparent)]
    Unreadable(#[from] Unreadable),
    /// The file is of a newer engine.
    #[error("it was written by a newer engine (schema {found}, this one knows {known})")]
    Newer { found: u32, known: u32 },
    /// The file is a database of something else.
    #[error("it is a database, but not of this engine")]
    Foreign,
    /// The directory cannot be used.
    #[error(transparent)]
    Directory(#[from] std::io::Error),
}

impl Failure {
    /// The error of the port, with the file and a remedy.
    pub(super) fn at(self, path: &Path) -> StoreError {
        let remedy = match &self {
            Self::Refused(refusal) => return refusal.clone(),
            Self::Sql(error) => remedy_of(error),
            Self::Late => "the disk is too slow for what is written, or another process holds the file",
            Self::Unreadable(_) => RESTORE,
            Self::Newer { .. } => "use that engine, or give this one a state directory of its own",
            Self::Foreign => "give the engine a state directory of its own",
            Self::Directory(_) => "check that the directory exists and belongs to you",
        };
        StoreError::Storage(format!("{}: {self}; {remedy}", path.display()))
    }

    /// Another process is in the way; asking again may help.
    pub(super) fn is_busy(&self) -> bool {
        matches!(self, Self::Sql(error)
            if matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked)))
    }
}

const RESTORE: &str = "restore the file from a backup, or move it away and begin with an empty one";

/// What helps, by <https://sqlite.org/rescode.html>.
fn remedy_of(error: &rusqlite::Error) -> &'static str {
    use ErrorCode::*;
    match error.sqlite_error_code() {
        Some(DatabaseBusy | DatabaseLocked) => {
            "another process holds the file for too long: see who has it open"
        }
        Some(PermissionDenied | ReadOnly | AuthorizationForStatementDenied) => {
            "check that the file and its directory may be written"
        }
        Some(SystemIoFailure) => "check the disk and the system's log",
        Some(DatabaseCorrupt | NotADatabase) => RESTORE,
        Some(DiskFull) => "the disk is full: make room, and go on",
        Some(CannotOpen) => "check that the directory exists and may be written",
        Some(OutOfMemory) => "the machine has no memory left",
        _ => "this is a fault of the engine if it happens again",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_failure_names_the_file_and_a_remedy() {
        for (failure, remedy) in [
            (Failure::Newer { found: 9, known: 1 }, "use that engine"),
            (Failure::Foreign, "state directory of its own"),
            (Unreadable::new("event", &"eof").into(), "backup"),
            (Failure::Late, "too slow"),
        ] {
            let StoreError::Storage(text) = failure.at(Path::new("/state/db")) else {
                unreachable!("no failure of the storage is a refusal")
            };
            assert!(text.starts_with("/state/db: ") && text.contains(remedy), "{text}");
        }
    }
}
