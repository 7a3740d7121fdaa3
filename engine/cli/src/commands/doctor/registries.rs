//! Connections: whether each answers, lets the engine in, and what it may do there.

use super::Finding;
use crate::config::Settings;
use crate::wiring::Connections;
use stageway_core::name::TenantId;
use stageway_core::operator::Connection;
use stageway_ports::{RegistryError, RegistryRight};
use std::sync::Arc;

/// A repository that nobody has.
const NOBODYS: &str = "stageway/doctor";

/// With the repositories that somebody asks about, as `CONNECTION/REPOSITORY`.
pub(super) async fn all(settings: &Settings, asked: &[String]) -> Vec<Finding> {
    let connections = Connections::new(Arc::new(settings.clone()));
    let mut findings = Vec::new();
    for (name, connection) in settings.connections.iter().flatten() {
        let named: Vec<&str> = asked.iter().filter_map(|asked| below(asked, name)).collect();
        let (repositories, remedy) = match named.is_empty() {
            false => (named, "give the login, or the role, this right for the repository"),
            true => (
                vec![NOBODYS],
                "say which repository is meant with `--repository`, or give this right for all",
            ),
        };
        for (tenant, of_whom) in whose(connection) {
            let registry = match connections.named(&tenant, name).await {
                Some(Ok(registry)) => registry,
                Some(Err(error)) => {
                    let remedy = "correct its address or its login";
                    findings.push(Finding::wrong(format!("connection {name}"), format!("{error:#}"), remedy));
                    continue;
                }
                None => continue,
            };
            for repository in &repositories {
                let what = match *repository {
                    NOBODYS => format!("connection {name}{of_whom}"),
                    _ => format!("{name}/{repository}{of_whom}"),
                };
                findings.extend(told(&what, &place(connection), registry.rights(repository).await, remedy));
            }
        }
    }
    let known =
        |asked: &String| settings.connections.iter().flatten().any(|(name, _)| below(asked, name).is_some());
    for asked in asked.iter().filter(|asked| !known(asked)) {
        let remedy = "write CONNECTION/REPOSITORY, with a name under `connections`";
        findings.push(Finding::wrong(asked, "no connection has this name", remedy));
    }
    findings
}

/// The tenants for whom a connection is another one, each with words for it; those that have nothing of their own are the first.
fn whose(connection: &Connection) -> Vec<(TenantId, String)> {
    let mut found = vec![(TenantId::local(), String::new())];
    if let Connection::Ecr(ecr) = connection {
        found.extend(ecr.roles.keys().map(|tenant| (tenant.clone(), format!(" as tenant {tenant}"))));
    }
    found
}

/// Where it is.
fn place(connection: &Connection) -> String {
    match connection {
        Connection::Layout(folder) => folder.clone(),
        Connection::Registry(registry) => registry.address.clone(),
        Connection::Ecr(ecr) => format!("the registry of {} in {}", ecr.account, ecr.region),
    }
}

/// What is behind the name of a connection.
fn below<'a>(asked: &'a str, connection: &str) -> Option<&'a str> {
    asked.strip_prefix(connection)?.strip_prefix('/').filter(|rest| !rest.is_empty())
}

/// One finding for everything that is allowed, and one for each refusal.
fn told(
    what: &str,
    place: &str,
    answer: Result<Vec<RegistryRight>, RegistryError>,
    remedy: &str,
) -> Vec<Finding> {
    let rights = match answer {
        Ok(rights) => rights,
        Err(RegistryError::Invalid(why)) => {
            return vec![Finding::wrong(what, why, "correct the name of the repository")];
        }
        Err(RegistryError::Unavailable(why) | RegistryError::Blobs(why)) => {
            let remedy = "look at its address and its certificate, and whether it runs";
            return vec![Finding::wrong(what, format!("{place}: {why}"), remedy)];
        }
        Err(error) => {
            return vec![Finding::wrong(what, error.to_string(), "look at its address")];
        }
    };
    let allowed: Vec<&str> =
        rights.iter().filter(|right| right.refused.is_none()).map(|right| right.action).collect();
    let mut findings = Vec::new();
    if !allowed.is_empty() {
        findings.push(Finding::good(
            what,
            format!("{place} answers, and lets the engine {}", allowed.join(", ")),
        ));
    }
    for RegistryRight { action, refused } in &rights {
        findings.extend(refused.as_ref().map(|why| Finding::wrong(format!("{what}: {action}"), why, remedy)));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::super::finding::State;
    use super::*;

    #[test]
    fn what_is_refused_is_told_one_by_one() {
        let right =
            |action, refused: Option<&str>| RegistryRight { action, refused: refused.map(Into::into) };
        let findings =
            told("prod", "there", Ok(vec![right("pull", None), right("push", Some("denied"))]), "give it");
        let states: Vec<State> = findings.iter().map(|finding| finding.state).collect();
        assert_eq!(states, [State::Good, State::Wrong]);
        assert_eq!(findings[1], Finding::wrong("prod: push", "denied", "give it"));
        let silent = told("prod", "there", Err(RegistryError::Unavailable("no answer".into())), "give it");
        assert_eq!(silent[0].state, State::Wrong);
    }

    #[test]
    fn a_repository_stands_behind_its_connection() {
        assert_eq!(below("prod/team/shop", "prod"), Some("team/shop"));
        for other in ["production/shop", "prod", "prod/"] {
            assert_eq!(below(other, "prod"), None, "{other}");
        }
    }
}
