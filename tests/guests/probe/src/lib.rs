//! `acme/probe`: what the first-party plugins do not do and a test wants to see done: a task with a registry login or an
//! identity, a request with a secret, harm.

use serde::{Deserialize, Serialize};
use stageway_sdk::http::{Encoding, Request};
use stageway_sdk::tasks::Command;
use stageway_sdk::{Grant, HostError, Manifest, Stage, Verdict, log, secrets};

struct Probe;

#[derive(Debug, Deserialize)]
struct Configuration {
    #[serde(default)]
    command: Vec<String>,
    /// Without a workspace.
    #[serde(default)]
    alone: bool,
    login: Option<Login>,
    identity: Option<String>,
    request: Option<Sending>,
    harm: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Login {
    path: String,
    repository: String,
    actions: Vec<String>,
}

#[derive(Debug, Deserialize)]
struct Sending {
    url: String,
    secret: String,
}

#[derive(Debug, Default, Serialize)]
struct Outputs {
    /// `ok`, or the code of what the host answered.
    said: String,
    /// Its words.
    message: String,
    /// The exit code of the command.
    code: Option<i32>,
}

impl Stage for Probe {
    type Configuration = Configuration;
    type Outputs = Outputs;

    fn describe() -> Manifest {
        Manifest::new("acme/probe", env!("CARGO_PKG_VERSION"), "Does the one thing its configuration names")
            .configuration(r#"{"type":"object"}"#)
            .outputs(
                r#"{"type":"object","properties":{"said":{"type":"string"},"message":{"type":"string"},"code":{}}}"#,
            )
            .requires(Grant::tasks())
            .optional(Grant::http())
            .optional(Grant::secrets())
            .never_skip()
    }

    fn run(configuration: Configuration) -> Result<Outputs, Verdict> {
        let done = match (&configuration.request, &configuration.harm) {
            (Some(sending), _) => send(sending),
            (None, Some(kind)) => Ok(harm(kind)),
            (None, None) => start(&configuration),
        };
        Ok(done.unwrap_or_else(|error| Outputs {
            said: error.code().to_owned(),
            message: error.message().to_owned(),
            code: None,
        }))
    }
}

fn start(configuration: &Configuration) -> Result<Outputs, HostError> {
    let mut command = Command::new(&configuration.command);
    if !configuration.alone {
        command = command.workspace("/workspace", false);
    }
    if let Some(login) = &configuration.login {
        command = command.registry_login(&login.path, &login.repository, &login.actions);
    }
    if let Some(identity) = &configuration.identity {
        command = command.identity(identity);
    }
    let ending = command.start("probe")?.wait()?;
    Ok(Outputs { said: "ok".to_owned(), message: ending.message, code: ending.code })
}

/// Sends the secret in a header, and says what the other side echoes.
fn send(sending: &Sending) -> Result<Outputs, HostError> {
    let secret = secrets::get(&sending.secret)?;
    let request = Request::get(&sending.url).header("authorization", "Bearer %SECRET%").secret(
        "%SECRET%",
        &secret,
        Encoding::Raw,
    );
    let body = request.send()?.body(64 << 10)?;
    let body = String::from_utf8_lossy(&body).into_owned();
    log::info(&body);
    Ok(Outputs { said: "ok".to_owned(), message: body, code: None })
}

/// Does harm, for as long as it is let.
fn harm(kind: &str) -> Outputs {
    let mut kept = vec![0_u8; 1];
    loop {
        match kind {
            "bomb" => kept.extend(vec![7; 1 << 20]),
            "giant" => kept = vec![7; 1 << 30],
            "flood" => log::info("harm harm harm harm harm harm harm harm"),
            "recurse" => kept[0] = deep(u64::from(kept[0])) as u8,
            _ => kept[0] = std::hint::black_box(kept[0]).wrapping_add(1),
        }
    }
}

fn deep(depth: u64) -> u64 {
    let here = std::hint::black_box([depth; 64]);
    if here[0] == u64::MAX {
        return depth;
    }
    deep(depth + 1).wrapping_add(here[depth as usize % 64])
}

stageway_sdk::export!(Probe);
