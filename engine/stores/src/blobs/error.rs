use stageway_core::digest::Digest;
use stageway_ports::BlobError;
use std::error::Error;
use std::fmt::Display;
use std::io::{self, ErrorKind};
use thiserror::Error;

/// Why a blob was not stored or read.
#[derive(Debug, Error)]
pub(super) enum Fault {
    #[error("no blob {0}")]
    Missing(Digest),
    #[error("blob {expected} has other bytes: {found}")]
    Corrupt { expected: Digest, found: Digest },
    /// The caller asked for what cannot be.
    #[error("{0}")]
    Refused(String),
    #[error(transparent)]
    Files(#[from] object_store::Error),
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The thread that worked on it is gone.
    #[error("the work on it was broken off: {0}")]
    Thread(#[from] tokio::task::JoinError),
}

impl Fault {
    /// The error of the port, with the place and a remedy.
    pub(super) fn at(self, place: &dyn Display) -> BlobError {
        match self {
            Self::Missing(digest) => BlobError::Missing(digest),
            Self::Corrupt { expected, found } => BlobError::Corrupt { expected, found },
            Self::Refused(text) => BlobError::Storage(text),
            other => {
                let remedy = match &other {
                    Self::Files(
                        object_store::Error::PermissionDenied { .. }
                        | object_store::Error::Unauthenticated { .. },
                    ) => BUCKET_RIGHTS,
                    Self::Files(error) => remedy_of(error),
                    Self::Io(error) => remedy_of(error),
                    _ => "",
                };
                BlobError::Storage(format!("{place}: {other}{remedy}"))
            }
        }
    }

    /// A file that is not there is a blob that is not there.
    pub(super) fn or_missing(self, digest: &Digest) -> Self {
        match &self {
            Self::Files(object_store::Error::NotFound { .. }) => Self::Missing(*digest),
            Self::Io(error) if error.kind() == ErrorKind::NotFound => Self::Missing(*digest),
            _ => self,
        }
    }
}

const BUCKET_RIGHTS: &str = "; check the credentials of the environment, and that they allow s3:GetObject, s3:PutObject, \
     s3:AbortMultipartUpload and s3:ListBucket (without which S3 calls forbidden what is not there)";

/// What helps, by the error of the operating system at the bottom.
fn remedy_of(error: &(dyn Error + 'static)) -> &'static str {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(error) = error.downcast_ref::<io::Error>() {
            return match error.kind() {
                ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
                    "; the disk is full: make room, and go on"
                }
                ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => {
                    "; check that the directory and its files may be written"
                }
                ErrorKind::NotADirectory | ErrorKind::NotFound => "; check that the directory exists",
                _ => "; check the disk and the system's log",
            };
        }
        next = error.source();
    }
    ""
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_told_with_its_remedy_however_deep_it_lies() {
        let full = || io::Error::from(ErrorKind::StorageFull);
        let deep = object_store::Error::Generic { store: "files", source: Box::new(full()) };
        for fault in [Fault::Io(full()), Fault::Files(deep)] {
            let text = fault.at(&"/state/blobs").to_string();
            assert!(text.contains("/state/blobs: ") && text.contains("make room"), "{text}");
        }
    }
}
