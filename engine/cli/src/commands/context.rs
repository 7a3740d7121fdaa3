//! What every command starts from.

use crate::client::{Remote, ServersFile, View, connect};
use crate::config::{Places, Settings, Surroundings};
use crate::exit::Refused;
use crate::terminal::{Look, Style};
use crate::wiring::Home;
use anyhow::{Context as _, Result};
use std::ffi::OsString;
use std::io::{ErrorKind, Write};
use std::path::PathBuf;

/// The process's surroundings, asked once.
pub(crate) struct Context {
    places: Places,
    server: Option<String>,
    /// How standard output may look.
    pub(crate) out: Look,
    /// How standard error may look.
    pub(crate) err: Look,
}

fn variable(name: &str) -> Option<OsString> {
    std::env::var_os(name)
}

impl Context {
    /// Asks the process.
    pub(crate) fn new(places: Places, server: Option<String>) -> Self {
        let out = Look::of(std::io::stdout(), &variable);
        Self { places, server, out, err: Look::of(std::io::stderr(), &variable) }
    }

    /// Where everything is.
    ///
    /// # Errors
    /// Those of [`Settings::load`].
    pub(crate) fn settings(&self) -> Result<Settings> {
        let beside = std::env::current_exe().ok().and_then(|path| Some(path.parent()?.to_owned()));
        Settings::load(&self.places, &Surroundings { variable: &variable, beside, here: self.here()? })
    }

    /// Where runs are looked at: on the server that is named, else on this machine.
    ///
    /// # Errors
    /// Those of [`connect`] and [`Home::open`].
    pub(crate) async fn view(&self) -> Result<View> {
        match &self.server {
            Some(_) => Ok(View::there(self.remote().await?)),
            None => {
                let settings = self.settings()?;
                Ok(View::here(Home::open(&settings).await?, &settings))
            }
        }
    }

    /// The server that is named, for what only a server has.
    ///
    /// # Errors
    /// [`Refused`] when none is named; those of [`connect`].
    pub(crate) async fn remote(&self) -> Result<Remote> {
        let missing = || Refused::usage("this is about a server", "name it with --server or STAGEWAY_SERVER");
        connect(&self.known_servers()?, self.server.as_ref().ok_or_else(missing)?).await
    }

    /// The file of the servers that one is logged in to.
    ///
    /// # Errors
    /// [`Refused`] when nothing says where it is.
    pub(crate) fn known_servers(&self) -> Result<ServersFile> {
        ServersFile::of(&variable)
    }

    /// The present directory.
    ///
    /// # Errors
    /// When it is gone.
    pub(crate) fn here(&self) -> Result<PathBuf> {
        std::env::current_dir().context("the present directory is gone")
    }

    /// Who sits at the terminal.
    pub(crate) fn user(&self) -> String {
        let name = ["USER", "LOGNAME"].into_iter().filter_map(|name| variable(name)?.into_string().ok());
        name.filter(|name| !name.is_empty())
            .find(|name| !name.chars().any(char::is_control))
            .unwrap_or_else(|| format!("uid {}", rustix::process::getuid().as_raw()))
    }

    /// Writes to standard output. A reader that went away (`| head`) ends the command quietly.
    ///
    /// # Errors
    /// When standard output takes nothing.
    pub(crate) fn print(&self, text: &str) -> Result<()> {
        let mut out = std::io::stdout().lock();
        match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
            Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
            written => Ok(written?),
        }
    }

    /// Says something beside the command's output.
    pub(crate) fn say(&self, style: Style, text: &str) {
        // Where nobody reads standard error, there is nobody to tell.
        let _ = writeln!(std::io::stderr(), "{}", self.err.paint(style, text));
    }

    /// Names what was interrupted: nothing is resumed silently.
    ///
    /// # Errors
    /// The store's.
    pub(crate) async fn remind(&self, home: &Home) -> Result<()> {
        for line in home.notices().await? {
            self.say(Style::Notice, &line);
        }
        Ok(())
    }
}
