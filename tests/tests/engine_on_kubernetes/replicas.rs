//! Replicas that go, by themselves and by force.

use crate::installed::Installed;
use crate::tasks::Waiting;
use serde_json::Value as Json;
use stageway_tests::processes::kill;
use stageway_tests::server::request;
use std::fs;

pub(crate) fn a_replica_that_is_deleted_says_so_before_it_closes_and_its_run_goes_on(installed: &Installed) {
    let waiting = Waiting::push(installed);
    let driver = installed.until("the run is driven", || waiting.driver());
    installed.kubectl.must(&["delete", "pod", &driver, "--wait=false"]);
    let path = format!("/api/v1/namespaces/stageway/pods/{driver}:8080/proxy/ready");
    installed.until("it says that it is about to stop", || {
        let answer = request(installed.proxy.port, "GET", &path, &[], b"").expect("the API server answers");
        let says_so = answer.status == 503 && answer.body.contains("about to stop");
        assert!(says_so || answer.status == 200, "it closed without a word: {answer:?}");
        says_so.then_some(())
    });
    installed.until("another replica drives the run", || waiting.driver().filter(|other| *other != driver));
    installed.until("it is gone", || (!installed.replicas().contains(&driver)).then_some(()));
    waiting.goes_on_to_its_only_end();
    installed.is_rolled_out();
}

pub(crate) fn a_run_of_a_replica_that_is_killed_goes_on(installed: &Installed) {
    let waiting = Waiting::push(installed);
    let driver = installed.until("the run is driven", || waiting.driver());
    let fence = waiting.fence();
    kill(process(installed, &driver));
    installed.until("its lease moves", || (waiting.fence() > fence).then_some(()));
    waiting.goes_on_to_its_only_end();
    installed.until("it was started again", || {
        let pod = installed.kubectl.get(&["pod", &driver]);
        let status = pod["status"]["containerStatuses"][0].clone();
        (status["restartCount"] == 1 && status["ready"] == true).then_some(())
    });
}

/// The engine of a replica, by its number on this machine.
fn process(installed: &Installed, replica: &str) -> i32 {
    let uid = installed.kubectl.get(&["pod", replica])["metadata"]["uid"].clone();
    let uid = uid.as_str().unwrap_or_else(|| panic!("{replica} is gone: {:#}", Json::Null)).to_owned();
    let is = |pid: &i32| {
        let words = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let group = fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap_or_default();
        words.starts_with(b"/opt/stageway/stageway\0--config\0") && group.contains(&uid)
    };
    let entries = fs::read_dir("/proc").expect("/proc").flatten();
    let mut pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.find(is).expect("the process of the replica")
}
