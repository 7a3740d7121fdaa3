//! Tasks that log in to a registry by themselves: with the connection's credentials, and with nothing of them in the state.

use crate::world::World;
use serde_json::{Value as Json, json};
use stageway_core::call::{Answer, Command, Function, HostError, RegistryLogin, Service, Tasks};
use stageway_core::name::TaskName;
use stageway_core::run::RunStatus;
use stageway_ports::memory::{MemoryRegistry, TaskScript, exited};
use stageway_ports::{Login, LoginCredentials, SecretValue};
use std::sync::Arc;

const PASSWORD: &str = "pa55-w0rd";
/// base64 of `ci:pa55-w0rd`.
const AUTH: &str = "Y2k6cGE1NS13MHJk";

fn world() -> World {
    let script = format!("password {PASSWORD}\nauth {AUTH}\n");
    let mut world = World::with_tasks(move |_| TaskScript::runs().writing(script.clone()));
    let password = SecretValue::new(PASSWORD.as_bytes().to_vec());
    let credentials = LoginCredentials::Basic { username: "ci".into(), password };
    world.registry =
        Arc::new(MemoryRegistry::new().with_login(Login { server: "registry:5000".into(), credentials }));
    world
}

fn login(path: &str, repository: &str, actions: &[&str]) -> Command {
    let actions = actions.iter().map(|action| (*action).to_owned()).collect();
    let login = RegistryLogin { path: path.into(), repository: repository.into(), actions };
    Command { arguments: vec!["push".into()], registry_logins: vec![login], ..Command::default() }
}

/// Runs a stage that starts this command and waits for it; answers what `start` said.
async fn start(world: &World, id: &str, command: Command) -> (stageway_core::name::RunId, Json) {
    let stage = world.stage("push", move |mut host| {
        let command = Box::new(command.clone());
        Box::pin(async move {
            let said: Answer =
                host.call(Function::Tasks(Tasks::Start { name: "push".into(), command })).await?;
            if said.is_ok() {
                host.value(Function::Tasks(Tasks::Wait { task: 1 })).await?;
            }
            Ok(match said {
                Ok(_) => json!({"said": "started"}),
                Err(HostError::NotFound(why)) => json!({"said": "not-found", "why": why}),
                Err(HostError::InvalidArgument(why)) => json!({"said": "invalid-argument", "why": why}),
                Err(HostError::Denied(why)) => json!({"said": "denied", "why": why}),
                Err(other) => json!({"said": format!("{other:?}")}),
            })
        })
    });
    let run = world.create(id, [stage]).await;
    assert_eq!(world.drive(&run).await, RunStatus::Succeeded);
    let said = world.outputs(&run, "push").await;
    (run, said)
}

#[tokio::test(start_paused = true)]
async fn a_task_and_its_service_get_docker_configurations_that_nothing_else_holds() {
    let world = world();
    let mut command = login("/kaniko/.docker/config.json", "reg/app", &["push", "pull"]);
    let service = login("/root/.docker/config.json", "reg/base", &["pull"]);
    command.services.push(Service { name: "warm".into(), command: service, ready: json!({"tcp": 80}) });
    let seen = Arc::new(std::sync::Mutex::new(Vec::new()));
    let (executor, keep) = (world.executor.clone(), seen.clone());
    let run = stageway_core::name::RunId::new("r").unwrap();
    let task = TaskName::of(&run, &crate::world::name("push"), 1, 1);
    // Looked at while the task lives: it is forgotten with its attempt.
    let look = async {
        executor.started(&task).await;
        let spec = executor.spec(&task).unwrap();
        for (path, process) in [
            ("/kaniko/.docker/config.json", &spec.process),
            ("/root/.docker/config.json", &spec.services[0].process),
        ] {
            let value = executor.secret(&task, &process.secret_files[path]).unwrap();
            keep.lock().unwrap().push(String::from_utf8(value).unwrap());
        }
        assert!(
            !serde_json::to_string(&spec).unwrap().contains(AUTH),
            "the task's own record holds no credentials"
        );
        executor.finish(&task, exited(0));
        std::future::pending::<()>().await;
    };
    let said = tokio::select! { (_, said) = start(&world, "r", command) => said, () = look => Json::Null };
    assert_eq!(said, json!({"said": "started"}));
    let expected = format!(r#"{{"auths":{{"registry:5000":{{"auth":"{AUTH}"}}}}}}"#);
    assert_eq!(*seen.lock().unwrap(), [expected.clone(), expected]);

    let lines: Vec<_> = world.lines(&run).await.into_iter().map(|line| line.line.text).collect();
    assert_eq!(lines, ["password ***", "auth ***"]);
    let journal = format!("{:?}", world.journal(&run, "push", 1).await);
    assert!(!journal.contains(PASSWORD) && !journal.contains(AUTH), "{journal}");
}

#[tokio::test(start_paused = true)]
async fn a_login_needs_the_grants_of_its_actions() {
    let world = world();
    let (_, said) = start(&world, "r", login("/c.json", "elsewhere/app", &["pull"])).await;
    assert_eq!(said["said"], "denied");
    assert!(said["why"].as_str().unwrap().contains("elsewhere/app"), "{said}");
    for (id, actions) in [("none", &[][..]), ("other", &["delete"])] {
        let (_, said) = start(&world, id, login("/c.json", "reg/app", actions)).await;
        assert_eq!(said["said"], "invalid-argument", "{said}");
    }
    let (_, said) = start(&world, "relative", login("config.json", "reg/app", &["pull"])).await;
    assert_eq!(said["said"], "invalid-argument", "{said}");
}

#[tokio::test(start_paused = true)]
async fn a_connection_without_a_login_is_entered_as_nobody() {
    let world = World::with_tasks(|_| TaskScript::runs());
    let command = login("/c.json", "reg/app", &["pull"]);
    let (executor, seen) = (world.executor.clone(), Arc::new(std::sync::Mutex::new(None)));
    let run = stageway_core::name::RunId::new("r").unwrap();
    let task = TaskName::of(&run, &crate::world::name("push"), 1, 1);
    let keep = seen.clone();
    let look = async {
        executor.started(&task).await;
        let name = executor.spec(&task).unwrap().process.secret_files["/c.json"].clone();
        *keep.lock().unwrap() = executor.secret(&task, &name);
        executor.finish(&task, exited(0));
        std::future::pending::<()>().await;
    };
    let said = tokio::select! { (_, said) = start(&world, "r", command) => said, () = look => Json::Null };
    assert_eq!(said, json!({"said": "started"}));
    assert_eq!(seen.lock().unwrap().as_deref(), Some(&br#"{"auths":{}}"#[..]));
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_had_is_said_and_nothing_starts() {
    let world = World::new();
    let command = Command { identity: Some("deployer".into()), ..Command::default() };
    let (_, said) = start(&world, "identity", command).await;
    assert_eq!(said["said"], "not-found", "{said}");
    let why = said["why"].as_str().unwrap();
    assert!(why.contains("`deployer`") && why.contains("Kubernetes"), "{why}");
    assert!(world.executor.starts().is_empty());
}
