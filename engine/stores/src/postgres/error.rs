use crate::shared::Unreadable;
use stageway_ports::StoreError;
use thiserror::Error;

pub(super) type Result<T> = std::result::Result<T, Failure>;

/// Why a transaction did not go through.
#[derive(Debug, Error)]
pub(super) enum Failure {
    /// The contract says no.
    #[error(transparent)]
    Refused(#[from] StoreError),
    /// The server says no, or cannot be reached; nothing was done.
    #[error(transparent)]
    Sql(#[from] sqlx::Error),
    /// The answer to `COMMIT` is missing.
    #[error("whether it was written is not known: {0}")]
    Unknown(sqlx::Error),
    /// No answer in time.
    #[error("no answer within {0} s; whether it was done is not known")]
    Late(u64),
    /// What lies there is not what was written.
    #[error(transparent)]
    Unreadable(#[from] Unreadable),
    /// The schema is of a newer engine.
    #[error("it was written by a newer engine (schema {found}, this one knows {known})")]
    Newer { found: i32, known: i32 },
    /// The schema is somebody else's.
    #[error("its schema `stageway` is not of this engine")]
    Foreign,
    /// The database keeps text in another encoding.
    #[error("its encoding is {0}")]
    Encoding(String),
    /// The address cannot be read.
    #[error("{0}")]
    Address(sqlx::Error),
}

impl Failure {
    /// The error of the port, with the place and a remedy.
    pub(super) fn at(self, place: &str) -> StoreError {
        let remedy = match &self {
            Self::Refused(refusal) => return refusal.clone(),
            Self::Sql(error) | Self::Unknown(error) => remedy_of(error),
            Self::Late(_) => "see what the server and the network do",
            Self::Unreadable(_) => "restore the database from a backup",
            Self::Newer { .. } => "use that engine, or give this one a database of its own",
            Self::Foreign => "give the engine a database of its own",
            Self::Encoding(_) => "make the database with ENCODING 'UTF8'",
            Self::Address(_) => "write postgres://USER:PASSWORD@HOST:PORT/DATABASE",
        };
        StoreError::Storage(format!("{place}: {self}; {remedy}"))
    }

    /// Nothing was done, and the same may go through when it is asked again.
    pub(super) fn is_passing(&self) -> bool {
        match self {
            Self::Sql(error) => is_collision(error) || (is_connection_lost(error) && !is_distrust(error)),
            // Of a transaction that collides at its very end the server itself says that it is gone.
            Self::Unknown(error) => is_collision(error),
            _ => false,
        }
    }

    /// Somebody else holds a lock for longer than a transaction waits.
    pub(super) fn is_lock_timeout(&self) -> bool {
        matches!(self, Self::Sql(error) if code(error).as_deref() == Some("55P03"))
    }
}

fn code(error: &sqlx::Error) -> Option<String> {
    Some(error.as_database_error()?.code()?.into_owned())
}

/// Serialization failure or deadlock.
fn is_collision(error: &sqlx::Error) -> bool {
    matches!(code(error).as_deref(), Some("40001" | "40P01"))
}

/// The connection is gone, or the server is about to go or to come: <https://www.postgresql.org/docs/current/errcodes-appendix.html>.
fn is_connection_lost(error: &sqlx::Error) -> bool {
    match code(error).as_deref() {
        Some("57P01" | "57P02" | "57P03" | "57P05" | "25P03" | "53300") => true,
        Some(code) => code.starts_with("08"),
        None => matches!(error, sqlx::Error::Io(_) | sqlx::Error::WorkerCrashed),
    }
}

/// One of the two does not accept how the other does TLS, or whom it says it is.
fn is_distrust(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Tls(_) => true,
        // This is how rustls says so through a stream.
        sqlx::Error::Io(error) => error.kind() == std::io::ErrorKind::InvalidData,
        _ => false,
    }
}

fn remedy_of(error: &sqlx::Error) -> &'static str {
    if matches!(error, sqlx::Error::PoolTimedOut) {
        return "the server cannot be reached, or is too slow for what is asked";
    }
    if is_distrust(error) {
        return "check the certificates, and `sslmode` of the address";
    }
    if is_connection_lost(error) {
        return "see whether the server runs and can be reached";
    }
    let code = code(error).unwrap_or_default();
    match code.as_str() {
        "28000" | "28P01" => "check user and password of the address",
        "3D000" => "make the database first",
        "42501" => "let the engine's user own the database, or a schema `stageway` in it",
        "40001" | "40P01" | "55P03" | "57014" => "somebody holds a lock for too long: see pg_stat_activity",
        "53100" => "the server's disk is full: make room, and go on",
        "53200" => "the server has no memory left",
        "25006" => "the server only reads: give the address of the one that writes",
        "58030" => "check the server's disk and log",
        "XX001" | "XX002" => "the database is damaged: restore it from a backup",
        _ => "this is a fault of the engine if it happens again",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_failure_names_the_place_and_a_remedy() {
        let gone = || sqlx::Error::Io(std::io::ErrorKind::ConnectionReset.into());
        for (failure, remedy) in [
            (Failure::Newer { found: 9, known: 1 }, "use that engine"),
            (Failure::Foreign, "database of its own"),
            (Failure::Encoding("SQL_ASCII".into()), "UTF8"),
            (Failure::Late(30), "network"),
            (Failure::Sql(gone()), "server runs"),
            (Failure::Unknown(gone()), "not known"),
            (Failure::Sql(sqlx::Error::PoolTimedOut), "too slow"),
            (Failure::Sql(sqlx::Error::Tls("no".into())), "certificates"),
            (Unreadable::new("event", &"eof").into(), "backup"),
        ] {
            let StoreError::Storage(text) = failure.at("stageway at db") else {
                unreachable!("no failure of the storage is a refusal")
            };
            assert!(text.starts_with("stageway at db: ") && text.contains(remedy), "{text}");
        }
    }

    #[test]
    fn what_may_have_been_written_is_not_tried_again() {
        let gone = || sqlx::Error::Io(std::io::ErrorKind::BrokenPipe.into());
        assert!(Failure::Sql(gone()).is_passing());
        assert!(!Failure::Unknown(gone()).is_passing());
        assert!(!Failure::Late(1).is_passing());
        assert!(!Failure::Sql(sqlx::Error::PoolTimedOut).is_passing());
        let distrust = || sqlx::Error::Io(std::io::ErrorKind::InvalidData.into());
        assert!(!Failure::Sql(distrust()).is_passing());
    }
}
