//! Somebody with a token.

use crate::world::{Server, World};
use serde_json::Value as Json;
use stageway_tests::Installation;
use std::io::Write as _;
use std::process::{Output, Stdio};

/// A token and the line that the configuration has for it.
pub(crate) struct Token {
    pub(crate) text: String,
    line: String,
}

impl Token {
    /// Made by `stageway token`.
    pub(crate) fn new(name: &str, scopes: &[&str]) -> Self {
        let mut arguments = vec!["token", name, "--json"];
        for scope in scopes {
            arguments.extend(["--scope", scope]);
        }
        let made = Installation::new().json(std::path::Path::new("/"), &arguments);
        let hash = made["hash"].as_str().expect("a hash");
        let line =
            format!("  {name}: {{ tenant: local, scopes: [{}], hash: \"{hash}\" }}\n", scopes.join(", "));
        Self { text: made["token"].as_str().expect("a token").to_owned(), line }
    }

    /// Its line of the configuration.
    pub(crate) fn line(&self) -> &str {
        &self.line
    }

    /// The same as a token of another tenant.
    pub(crate) fn of_tenant(&self, tenant: &str) -> String {
        self.line.replace("tenant: local", &format!("tenant: {tenant}"))
    }

    /// The server's configuration of these tokens.
    pub(crate) fn configuration(tokens: &[&Self]) -> String {
        let lines: String = tokens.iter().map(|token| token.line.as_str()).collect();
        format!("tokens:\n{lines}")
    }
}

/// Somebody at another machine: a configuration and a state of its own.
pub(crate) struct Person<'a> {
    installation: Installation,
    world: &'a World,
    pub(crate) url: String,
}

impl<'a> Person<'a> {
    pub(crate) fn new(world: &'a World, server: &Server) -> Self {
        Self { installation: Installation::new(), world, url: format!("http://127.0.0.1:{}", server.port) }
    }

    /// `stageway login` with a token on standard input.
    pub(crate) fn login(&self, token: &str) -> Output {
        let mut command = self.installation.stageway(self.world.folder());
        command.args(["login", &self.url, "--name", "ci"]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the binary starts");
        child.stdin.take().expect("its input").write_all(format!("{token}\n").as_bytes()).expect("it reads");
        child.wait_with_output().expect("it ends")
    }

    /// A command against the server.
    pub(crate) fn output(&self, arguments: &[&str]) -> Output {
        self.installation.output(self.world.folder(), &[&["--server", "ci"], arguments].concat())
    }

    /// `stageway preflight` of the work tree.
    pub(crate) fn preflight(&self, arguments: &[&str]) -> std::process::Command {
        let mut command = self.installation.stageway(&self.world.work());
        command.args(["--server", "ci", "preflight"]).args(arguments);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// What a command says on standard output; it must end well.
    pub(crate) fn said(&self, arguments: &[&str]) -> String {
        let output = self.output(arguments);
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        String::from_utf8(output.stdout).expect("text")
    }

    /// One JSON value a line.
    pub(crate) fn told(&self, arguments: &[&str]) -> Vec<Json> {
        let text = self.said(arguments);
        let value = |line: &str| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        text.lines().map(value).collect()
    }

    /// The file of its logins.
    pub(crate) fn servers(&self) -> std::path::PathBuf {
        let command = self.installation.stageway(self.world.folder());
        let home =
            command.get_envs().find(|(name, _)| *name == "XDG_CONFIG_HOME").and_then(|(_, value)| value);
        std::path::Path::new(home.expect("it is set")).join("stageway/servers.yaml")
    }
}
