use async_trait::async_trait;
use stageway_core::grant::SecretName;
use stageway_core::name::TenantId;
use stageway_core::policy::{SecretRule, SecretSource};
use stageway_ports::{SecretError, SecretValue, Secrets};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::File;
use std::io::Read as _;
use std::os::unix::ffi::OsStringExt as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

/// A value has at most this many bytes.
pub const MAX_SECRET: u64 = 64 << 10;

/// The secrets that the tenants' policies declare.
#[derive(Default)]
pub struct DeclaredSecrets {
    sources: BTreeMap<(TenantId, String), SecretSource>,
    folder: PathBuf,
}

impl DeclaredSecrets {
    /// None yet; paths of files are relative to `folder`.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self { sources: BTreeMap::new(), folder: folder.into() }
    }

    /// Adds what a tenant's policy declares; a name declared before is replaced.
    #[must_use]
    pub fn with_tenant(mut self, tenant: &TenantId, secrets: &BTreeMap<SecretName, SecretRule>) -> Self {
        for (name, rule) in secrets {
            self.sources.insert((tenant.clone(), name.as_str().to_owned()), rule.from.clone());
        }
        self
    }
}

#[async_trait]
impl Secrets for DeclaredSecrets {
    async fn value(&self, tenant: &TenantId, name: &str) -> Result<SecretValue, SecretError> {
        let source = self.sources.get(&(tenant.clone(), name.to_owned()));
        let source = source.ok_or_else(|| SecretError::Unknown(name.to_owned()))?;
        let read = match source {
            SecretSource::Env(variable) => from_variable(variable, std::env::var_os(variable)),
            SecretSource::File(path) => {
                let path = self.folder.join(path);
                tokio::task::spawn_blocking(move || from_file(&path))
                    .await
                    .unwrap_or_else(|e| Err(e.to_string()))
            }
        };
        read.map_err(|problem| SecretError::Unreadable { name: name.to_owned(), problem })
    }
}

/// Wraps the bytes at once, so that they are overwritten on every way out.
fn bounded(value: SecretValue, origin: &str) -> Result<SecretValue, String> {
    match value.expose().len() as u64 {
        0 => Err(format!("{origin} is empty")),
        size if size > MAX_SECRET => Err(format!("{origin} has more than {MAX_SECRET} bytes")),
        _ => Ok(value),
    }
}

fn from_variable(name: &str, value: Option<OsString>) -> Result<SecretValue, String> {
    let value = value.ok_or_else(|| format!("the variable {name} is not set"))?;
    bounded(SecretValue::new(value.into_vec()), &format!("the variable {name}"))
}

fn from_file(path: &Path) -> Result<SecretValue, String> {
    let origin = format!("the file {}", path.display());
    let failed = |error: std::io::Error| format!("{origin}: {error}");
    // A FIFO would keep a blocking open waiting for its writer.
    let flags = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();
    let file = File::options().read(true).custom_flags(flags).open(path).map_err(failed)?;
    if !file.metadata().map_err(failed)?.is_file() {
        return Err(format!("{origin} is not a regular file"));
    }
    let mut bytes = Vec::with_capacity(4096);
    let read = file.take(MAX_SECRET + 3).read_to_end(&mut bytes);
    let end = line_end(&bytes);
    bytes.truncate(bytes.len() - end);
    let value = SecretValue::new(bytes);
    read.map_err(failed)?;
    bounded(value, &origin)
}

/// The length of the one line end that is not part of a value.
fn line_end(bytes: &[u8]) -> usize {
    match bytes {
        [.., b'\r', b'\n'] => 2,
        [.., b'\n'] => 1,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn declared(folder: &Path, name: &str, from: SecretSource) -> DeclaredSecrets {
        let rule = SecretRule { from, to: Default::default() };
        let secrets = BTreeMap::from([(name.parse().unwrap(), rule)]);
        DeclaredSecrets::new(folder).with_tenant(&TenantId::local(), &secrets)
    }

    async fn file_value(bytes: &[u8]) -> Result<Vec<u8>, SecretError> {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("token"), bytes).unwrap();
        let secrets = declared(folder.path(), "TOKEN", SecretSource::File("token".into()));
        secrets.value(&TenantId::local(), "TOKEN").await.map(|value| value.expose().to_vec())
    }

    #[tokio::test]
    async fn one_line_end_of_a_file_is_dropped_and_no_more() {
        assert_eq!(file_value(b"s3cret\n").await.unwrap(), b"s3cret");
        assert_eq!(file_value(b"s3cret\r\n").await.unwrap(), b"s3cret");
        assert_eq!(file_value(b" a\n\n").await.unwrap(), b" a\n");
        assert_eq!(file_value(b"\xff\x00").await.unwrap(), b"\xff\x00");
    }

    #[tokio::test]
    async fn a_file_is_bounded_and_regular_and_not_empty() {
        let whole = vec![b'x'; MAX_SECRET as usize];
        assert_eq!(file_value(&[&whole[..], b"\r\n"].concat()).await.unwrap(), whole);
        let problem = file_value(&[&whole[..], b"x"].concat()).await.unwrap_err().to_string();
        assert!(problem.contains("more than 65536 bytes"), "{problem}");
        assert!(file_value(b"\n").await.unwrap_err().to_string().contains("is empty"));

        let folder = tempfile::tempdir().unwrap();
        let secrets = declared(folder.path(), "TOKEN", SecretSource::File(".".into()));
        let problem = secrets.value(&TenantId::local(), "TOKEN").await.unwrap_err().to_string();
        assert!(problem.contains("not a regular file"), "{problem}");
        let secrets = declared(folder.path(), "TOKEN", SecretSource::File("absent".into()));
        assert!(secrets.value(&TenantId::local(), "TOKEN").await.is_err());
    }

    #[tokio::test]
    async fn a_variable_is_taken_as_it_is() {
        let value = from_variable("A", Some("s3cret\n".into())).unwrap();
        assert_eq!(value.expose(), b"s3cret\n");
        assert_eq!(from_variable("A", None).unwrap_err(), "the variable A is not set");
        assert_eq!(from_variable("A", Some("".into())).unwrap_err(), "the variable A is empty");

        // PATH is set wherever cargo runs.
        let secrets = declared(Path::new("."), "WHERE", SecretSource::Env("PATH".into()));
        let value = secrets.value(&TenantId::local(), "WHERE").await.unwrap();
        assert_eq!(value.expose(), std::env::var("PATH").unwrap().as_bytes());
    }

    #[tokio::test]
    async fn a_secret_belongs_to_its_tenant() {
        let secrets = declared(Path::new("."), "WHERE", SecretSource::Env("PATH".into()));
        let other = TenantId::new("other").unwrap();
        let answer = secrets.value(&other, "WHERE").await.unwrap_err();
        assert_eq!(answer, SecretError::Unknown("WHERE".into()));
    }
}
