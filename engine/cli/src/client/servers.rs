//! `$XDG_CONFIG_HOME/stageway/servers.yaml`: addresses and tokens, for its owner's eyes alone.

use crate::exit::{Exit, Invalid, Refused};
use crate::terminal::Sources;
use anyhow::{Context as _, Result};
use stageway_core::operator::KnownServers;
use std::ffi::OsString;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{ErrorKind, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::PathBuf;

/// It has at most this many bytes.
const MOST: u64 = 1 << 20;

/// The file, which need not exist.
#[derive(Debug, Clone)]
pub(crate) struct ServersFile(pub(crate) PathBuf);

impl ServersFile {
    /// Where it is, by the variables of the environment.
    ///
    /// # Errors
    /// [`Refused`] when nothing says that.
    pub(crate) fn of(variable: &dyn Fn(&str) -> Option<OsString>) -> Result<Self> {
        let absolute = |name| variable(name).map(PathBuf::from).filter(|path| path.is_absolute());
        let folder = absolute("XDG_CONFIG_HOME").or_else(|| Some(absolute("HOME")?.join(".config")));
        let missing = || Refused::usage("nothing says where logins are kept", "set HOME or XDG_CONFIG_HOME");
        Ok(Self(folder.ok_or_else(missing)?.join("stageway/servers.yaml")))
    }

    /// What stands in it; nothing where there is no file.
    ///
    /// # Errors
    /// [`Refused`] when others can read it, [`Invalid`] with its problems.
    pub(crate) fn read(&self) -> Result<KnownServers> {
        let name = self.0.display().to_string();
        let file = match File::open(&self.0) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(KnownServers::default()),
            Err(error) => return Err(error).context(format!("{name} cannot be read")),
        };
        if file.metadata()?.permissions().mode() & 0o077 != 0 {
            let remedy = format!("`chmod 600 {name}`, and make other tokens if somebody may have read these");
            return Err(Refused::new(Exit::Denied, format!("{name} can be read by others"), remedy).into());
        }
        let mut bytes = Vec::new();
        file.take(MOST).read_to_end(&mut bytes)?;
        // Without the text: an excerpt would show a token.
        let invalid = |diagnostics| Invalid { diagnostics, sources: Sources::default() };
        Ok(KnownServers::parse(&name, &bytes).map_err(invalid)?)
    }

    /// Replaces it as a whole.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(crate) fn write(&self, servers: &KnownServers) -> Result<()> {
        let written = || -> std::io::Result<()> {
            if let Some(folder) = self.0.parent() {
                DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
            }
            let next = self.0.with_extension("yaml.next");
            let _ = std::fs::remove_file(&next);
            let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&next)?;
            file.write_all(servers.text().as_bytes())?;
            file.sync_all()?;
            std::fs::rename(&next, &self.0)
        };
        written().with_context(|| format!("{} cannot be written", self.0.display()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use stageway_core::operator::KnownServer;

    #[test]
    fn only_its_owner_reads_it() {
        let home = tempfile::tempdir().unwrap();
        let file = ServersFile(home.path().join("stageway/servers.yaml"));
        assert_eq!(file.read().unwrap(), KnownServers::default());
        let mut servers = KnownServers::default();
        servers.0.insert("ci".into(), KnownServer { url: "https://ci".into(), token: "sw_1".into() });
        file.write(&servers).unwrap();
        file.write(&servers).unwrap();
        assert_eq!(std::fs::metadata(&file.0).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(file.read().unwrap(), servers);
        std::fs::set_permissions(&file.0, std::fs::Permissions::from_mode(0o640)).unwrap();
        let refused = file.read().unwrap_err().downcast::<Refused>().unwrap();
        assert_eq!(refused.exit, Exit::Denied);
    }
}
