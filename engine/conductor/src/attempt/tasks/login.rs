//! Logins of tasks: docker configurations made from the credentials of connections, delivered like files of secrets.

use super::super::images::told;
use super::super::{Attempt, Halt, invalid};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value as Json, json};
use stageway_core::call::{Command, RegistryLogin};
use stageway_core::grant::ImageAction;
use stageway_ports::{Login, LoginCredentials, RegistryError, SecretValue};
use std::collections::BTreeMap;

/// The file `path` of one process: every repository it logs in to.
pub(super) fn files_of(command: &Command) -> BTreeMap<&str, Vec<&RegistryLogin>> {
    let mut files: BTreeMap<&str, Vec<&RegistryLogin>> = BTreeMap::new();
    for login in &command.registry_logins {
        files.entry(&login.path).or_default().push(login);
    }
    files
}

/// Under which name the contents of such a file travel: no secret of a policy can have it, and equal contents have one.
pub(super) fn name_of(logins: &[&RegistryLogin]) -> String {
    let mut repositories: Vec<_> = logins.iter().map(|login| login.repository.as_str()).collect();
    repositories.sort_unstable();
    repositories.dedup();
    format!("login:{}", repositories.join(","))
}

/// Every configuration of a command and its services, by its name: the repositories it is for.
pub(super) fn configurations_of(command: &Command) -> BTreeMap<String, Vec<String>> {
    let commands = std::iter::once(command).chain(command.services.iter().map(|service| &service.command));
    let files = commands.flat_map(|command| files_of(command).into_values());
    let named = files.map(|logins| {
        (name_of(&logins), logins.iter().map(|login| login.repository.clone()).collect::<Vec<_>>())
    });
    named.collect()
}

/// What is wrong with the logins of a command before anybody is asked.
pub(super) fn problems(command: &Command) -> Vec<String> {
    let mut problems = Vec::new();
    for login in &command.registry_logins {
        let (path, repository) = (&login.path, &login.repository);
        if login.actions.is_empty() || login.actions.iter().any(|action| action_of(action).is_none()) {
            problems.push(format!("the login to `{repository:.200}` is for `pull`, `push` or both"));
        }
        if command.files.contains_key(path) || command.secret_files.contains_key(path) {
            problems.push(format!("`{path:.200}` is the file of a login and another file too"));
        }
    }
    problems
}

fn action_of(word: &str) -> Option<ImageAction> {
    match word {
        "pull" => Some(ImageAction::Read),
        "push" => Some(ImageAction::Push),
        _ => None,
    }
}

impl Attempt {
    /// That the grants hold every action of every login of a command.
    pub(super) fn check_logins(&self, command: &Command) -> Result<(), Halt> {
        for login in &command.registry_logins {
            for action in login.actions.iter().filter_map(|word| action_of(word)) {
                self.subject.grants.allows_image(&login.repository, action)?;
            }
        }
        Ok(())
    }

    /// The contents of one configuration, and the values in it that nobody may read.
    pub(super) async fn docker_configuration(
        &self,
        repositories: &[String],
    ) -> Result<(SecretValue, Vec<SecretValue>), Halt> {
        let mut logins = Vec::with_capacity(repositories.len());
        for repository in repositories {
            let (registry, path) = self.registry(repository).await?;
            match registry.login(path).await {
                Ok(login) => logins.push(login),
                // A connection without a login is entered as nobody, by tools as by the engine.
                Err(RegistryError::NotFound(_)) => {}
                Err(error) => return Err(told(error)),
            }
        }
        docker_configuration(&logins).map_err(invalid)
    }
}

/// A `config.json` as docker, podman, skopeo and kaniko read it: `auths`, by server.
fn docker_configuration(logins: &[Login]) -> Result<(SecretValue, Vec<SecretValue>), String> {
    let mut auths: Map<String, Json> = Map::new();
    let mut hidden = Vec::new();
    for Login { server, credentials } in logins {
        let entry = match credentials {
            LoginCredentials::Basic { username, password } => {
                let pair = SecretValue::new([username.as_bytes(), b":", password.expose()].concat());
                let auth = STANDARD.encode(pair.expose());
                hidden.extend([password.clone(), SecretValue::new(auth.clone().into_bytes())]);
                json!({ "auth": auth })
            }
            LoginCredentials::Token(token) => {
                hidden.push(token.clone());
                json!({ "registrytoken": String::from_utf8_lossy(token.expose()) })
            }
        };
        if auths.insert(server.clone(), entry.clone()).is_some_and(|earlier| earlier != entry) {
            return Err(format!(
                "two connections enter `{server}` in different ways, and one file holds one of them: give each a file"
            ));
        }
    }
    Ok((SecretValue::new(json!({ "auths": auths }).to_string().into_bytes()), hidden))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn basic(server: &str, password: &str) -> Login {
        let password = SecretValue::new(password.as_bytes().to_vec());
        let credentials = LoginCredentials::Basic { username: "ci".into(), password };
        Login { server: server.into(), credentials }
    }

    fn text(logins: &[Login]) -> Result<String, String> {
        let (value, _) = docker_configuration(logins)?;
        Ok(String::from_utf8_lossy(value.expose()).into_owned())
    }

    #[test]
    fn a_configuration_has_one_entry_for_each_server() {
        let token = LoginCredentials::Token(SecretValue::new(b"t0ken".to_vec()));
        let logins = [
            basic("a:5000", "pass"),
            basic("a:5000", "pass"),
            Login { server: "b".into(), credentials: token },
        ];
        let expected = r#"{"auths":{"a:5000":{"auth":"Y2k6cGFzcw=="},"b":{"registrytoken":"t0ken"}}}"#;
        assert_eq!(text(&logins).unwrap(), expected);
        let (_, hidden) = docker_configuration(&logins).unwrap();
        for value in ["pass", "Y2k6cGFzcw==", "t0ken"] {
            assert!(hidden.iter().any(|hidden| hidden.expose() == value.as_bytes()), "{value} may be read");
        }
    }

    #[test]
    fn two_ways_into_one_server_do_not_fit_into_one_file() {
        let problem = text(&[basic("a", "one"), basic("a", "other")]).unwrap_err();
        assert!(problem.contains("`a`") && !problem.contains("one\""), "{problem}");
    }
}
