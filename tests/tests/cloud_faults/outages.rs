//! Parts of the cluster fail while a task runs and a rollout is followed. Task and workload go on only when the test says so, after the
//! fault.

use crate::place::{Place, Ways, cluster};
use stageway_tests::passage::Passage;
use stageway_tests::processes::until;
use stageway_tests::{Installation, Told, assert_says};
use std::cell::Cell;
use std::fs;
use std::thread::sleep;
use std::time::{Duration, Instant};

/// For how long something is away.
const AWAY: Duration = Duration::from_secs(20);

const PIPELINE: &str = r#"
pipeline: shop
on: { push: { branches: [main] } }
stages:
  work:
    uses: stageway/unit-test@1
    inputs: [work.sh]
    with: { command: [./work.sh], image: tools/tools/shell:1 }
    secrets: { TOKEN: TOKEN }
  deploy:
    uses: stageway/kubernetes-deploy@1
    environment: production
    inputs: [shop.yaml]
    with: { cluster: test, namespace: NAME, manifest: shop.yaml, image: build/shell@DIGEST, image-name: stageway.test/shell, timeout: 3m }
"#;
const WORK: &str = "#!/bin/sh
echo 'work begins'
number=0
until [ -e /tmp/go ]; do
    number=$((number + 1))
    echo \"$number\"
    sleep 0.1
done
echo \"work ends after $number\"
";
const SHOP: &str = r#"
apiVersion: apps/v1
kind: Deployment
metadata: { name: shop }
spec:
  selector: { matchLabels: { app: shop } }
  template:
    metadata: { labels: { app: shop } }
    spec:
      terminationGracePeriodSeconds: 0
      containers:
        - name: shop
          image: build/shell
          imagePullPolicy: Never
          command: [sh, -c, "while :; do sleep 1; done"]
          readinessProbe: { exec: { command: [test, -e, /tmp/go] }, periodSeconds: 1 }
"#;

fn place(ways: &Ways) -> Place {
    let digest = fs::read_to_string(cluster().kubeconfig().with_file_name("shell.digest"));
    let pipeline = PIPELINE.replace("DIGEST", digest.expect("the digest of the shell's image").trim());
    let files = [("stageway.yaml", pipeline.as_str()), ("work.sh", WORK), ("shop.yaml", SHOP)];
    Place::new(Installation::new(), ways, &files).committed()
}

/// What one run said that met a fault.
fn through(place: &Place, fault: impl FnOnce()) -> Told {
    let mut running = place.installation.start(place.tree.path());
    let (works, follows) = (Cell::new(false), Cell::new(false));
    running.until(|event| {
        let text = event["line"]["text"].as_str().unwrap_or_default();
        works.set(works.get() || text == "1");
        follows.set(follows.get() || text.starts_with("following Deployment"));
        works.get() && follows.get()
    });
    fault();
    go_on(place);
    running.end()
}

/// Tells the task and the workload to go on, as soon as they can be told.
fn go_on(place: &Place) {
    let tell = |pod: &str, container: &str| {
        let command = ["exec", pod, "--container", container, "--", "touch", "/tmp/go"];
        place.kubectl.run(&command).status.success()
    };
    until("the pods of the workload are told to go on", || {
        let pods = place.kubectl.get(&["pods", "--selector", "app=shop"]);
        let pods = pods["items"].as_array().into_iter().flatten();
        let mut names = pods.filter(|pod| pod["metadata"]["deletionTimestamp"].is_null());
        names.next().and_then(|pod| pod["metadata"]["name"].as_str()).is_some_and(|name| tell(name, "shop"))
    });
    until("the task is told to go on, or is no more", || {
        let pods = place.kubectl.get(&["pods", "--selector", "app.kubernetes.io/managed-by=stageway"]);
        let pods = pods["items"].as_array().expect("a list");
        pods.iter().all(|pod| {
            let gone = !pod["metadata"]["deletionTimestamp"].is_null();
            gone || pod["metadata"]["name"].as_str().is_some_and(|name| tell(name, "task"))
        })
    });
}

/// It all ended as if nothing had happened.
fn assert_untouched(place: &Place, told: &Told) {
    assert_eq!(told.exit, 0, "{:#?}", told.events.last());
    assert_works_once(place);
    assert_deployed_once(place, told);
}

fn assert_works_once(place: &Place) {
    let lines = place.task_lines("work");
    let last = lines.len().saturating_sub(2);
    let mut wanted = vec!["work begins".to_owned()];
    wanted.extend((1..=last).map(|number| number.to_string()));
    wanted.push(format!("work ends after {last}"));
    assert_eq!(lines, wanted);
    assert_eq!(place.task_pods().len(), 1, "a task has one pod");
    place.assert_nothing_is_left();
}

fn assert_deployed_once(place: &Place, told: &Told) {
    assert_eq!(told.stage("deploy")["status"], "succeeded", "{:#?}", told.events.last());
    let said = place.installation.said(place.tree.path(), &["releases", "production", "--json"]);
    assert_eq!(said.lines().count(), 1, "{said}");
    assert_eq!(place.kubectl.get(&["deployment", "shop"])["metadata"]["generation"], 1);
}

pub fn an_api_server_that_stands_still_is_waited_for() {
    let place = place(&Ways::straight(&cluster()));
    let told = through(&place, || {
        place.cluster.tell("freeze", "apiserver");
        sleep(AWAY);
        place.cluster.tell("thaw", "apiserver");
    });
    assert_untouched(&place, &told);
    place.leave();
}

pub fn an_api_server_that_is_killed_is_waited_for() {
    let place = place(&Ways::straight(&cluster()));
    let told = through(&place, || {
        place.cluster.tell("kill", "apiserver");
        sleep(AWAY);
        place.cluster.tell("start", "apiserver");
    });
    assert_untouched(&place, &told);
    place.leave();
}

pub fn a_kubelet_that_is_killed_is_waited_for() {
    let place = place(&Ways::straight(&cluster()));
    let told = through(&place, || {
        place.cluster.tell("kill", "kubelet");
        sleep(AWAY);
        place.cluster.tell("start", "kubelet");
    });
    assert_untouched(&place, &told);
    place.leave();
}

pub fn connections_and_watches_that_break_are_followed_by_others() {
    let straight = Ways::straight(&cluster());
    let text = fs::read_to_string(&straight.kubeconfig).expect("the kubeconfig");
    let server = text.split("https://").nth(1).and_then(|rest| rest.split('"').next()).expect("a server");
    let passage = Passage::to(server);
    let folder = tempfile::tempdir().expect("a temporary directory");
    let kubeconfig = folder.path().join("kubeconfig.yaml");
    fs::write(&kubeconfig, text.replace(server, &passage.address().to_string())).expect("a kubeconfig");
    let place = place(&Ways { kubeconfig, ..straight });
    let told = through(&place, || {
        let (begun, mut cut) = (Instant::now(), 0);
        while begun.elapsed() < AWAY {
            sleep(Duration::from_millis(500));
            cut += passage.cut();
        }
        assert!(cut > 10, "{cut} connections were cut");
    });
    assert_untouched(&place, &told);
    place.leave();
}

pub fn a_pod_that_somebody_deletes_is_lost_and_one_of_a_workload_is_made_again() {
    let place = place(&Ways::straight(&cluster()));
    let told = through(&place, || {
        for pod in ["app.kubernetes.io/managed-by=stageway", "app=shop"] {
            let deleted =
                place.kubectl.run(&["delete", "pod", "--selector", pod, "--wait=false", "--grace-period=1"]);
            assert!(deleted.status.success(), "{deleted:?}");
        }
    });
    assert_eq!(told.exit, 11, "{:#?}", told.events.last());
    let work = told.stage("work");
    assert_eq!(work["status"], "errored", "{work}");
    assert_says(&work["failure"].to_string(), &["lost"]);
    assert_eq!(place.task_pods().len(), 1, "what is lost is not started again");
    assert_deployed_once(&place, &told);
    place.assert_nothing_is_left();
    place.leave();
}
