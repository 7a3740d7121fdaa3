//! Services beside a task, in its pod.

use crate::cluster::{Place, shell};
use stageway_core::call::EndingReason;
use stageway_core::name::TaskName;
use stageway_core::task::{Ready, ServiceSpec, TaskEnding, TaskSpec};
use stageway_ports::contract::executor::{ending, output, process};
use stageway_ports::{Executor, SecretValues};

const SERVER: &str =
    "echo starting; mkdir /tmp/w; echo hi > /tmp/w/health; sleep 0.3; exec httpd -f -p 8080 -h /tmp/w";
const CLIENT: &str = "wget -q -O - http://127.0.0.1:8080/health";

fn with_server(ready: Ready, within_ms: u64, script: &str) -> TaskSpec {
    let mut spec = shell(script);
    let process = process(&["sh", "-c", SERVER]);
    spec.services.push(ServiceSpec { name: "server".into(), process, ready, within_ms });
    spec
}

async fn run(place: &Place, name: &str, spec: &TaskSpec) -> (TaskEnding, String) {
    let name = TaskName::new(name).unwrap();
    place.executor.ensure(&name, spec, &SecretValues::default()).await.unwrap();
    let ending = ending(&place.executor, &name).await;
    (ending, output(&place.executor, &name, 1 << 20).await)
}

pub async fn a_service_is_reached_on_the_loopback() {
    let place = Place::new().await;
    let http = Ready::Http { port: 8080, path: "/health".into() };
    let command = Ready::Command(["sh", "-c", CLIENT].map(String::from).to_vec());
    for (name, ready) in [("tcp", Ready::Tcp(8080)), ("http", http), ("command", command)] {
        let (ending, text) = run(&place, name, &with_server(ready, 20_000, CLIENT)).await;
        assert_eq!(ending.code, Some(0), "{name} {text} {ending:?}");
        assert!(text.contains("server | starting\n") && text.ends_with("hi\n"), "{name} {text}");
        assert!(ending.times.services_ms >= 200, "{ending:?}");
    }
    place.end().await;
}

pub async fn the_second_service_waits_for_the_first() {
    let place = Place::new().await;
    let mut spec = with_server(Ready::Tcp(8080), 20_000, "echo task");
    let second = process(&["sh", "-c", "wget -q -O - http://127.0.0.1:8080/health; exec httpd -f -p 9090"]);
    spec.services.push(ServiceSpec {
        name: "second".into(),
        process: second,
        ready: Ready::Tcp(9090),
        within_ms: 20_000,
    });
    let (ending, text) = run(&place, "two", &spec).await;
    assert_eq!(ending.code, Some(0), "{text} {ending:?}");
    assert_eq!(text, "server | starting\nsecond | hi\ntask\n");
    place.end().await;
}

pub async fn a_service_that_is_never_ready_ends_the_task() {
    let place = Place::new().await;
    for (name, ready) in
        [("port", Ready::Tcp(9)), ("status", Ready::Http { port: 8080, path: "/bad".into() })]
    {
        let (ending, text) = run(&place, name, &with_server(ready, 900, "echo never")).await;
        assert_eq!((ending.code, ending.reason), (None, EndingReason::Unschedulable), "{ending:?}");
        assert!(ending.message.contains("`server` was not ready within 900 ms"), "{ending:?}");
        assert!(!text.contains("never"), "{text}");
    }
    let mut spec = with_server(Ready::Tcp(8080), 20_000, "echo never");
    spec.services[0].process = process(&["sh", "-c", "echo no; exit 3"]);
    let (ending, text) = run(&place, "early", &spec).await;
    assert!(ending.message.contains("`server` ended with code 3 before it was ready"), "{ending:?}");
    assert_eq!(text, "server | no\n");
    place.end().await;
}
