use crate::Configuration;
use crate::steps::{Step, Word};
use serde_json::{Value, json};
use stageway_sdk::bindings::stageway::host::{
    approvals, artifacts, clock, cluster, environments, http, images, invocation, reports, secrets, source,
    tasks, workspace,
};
use stageway_sdk::{HostError, log};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;

const SOURCE: &str = "reg/source";
const TARGET: &str = "reg/target";
const ENVIRONMENT: &str = "production";

/// A step's answer as far as it must be the same in every life.
type Told = String;

/// What the steps refer to.
pub(crate) struct Guest {
    with: Configuration,
    /// By number; none where it was refused.
    tasks: Vec<Option<tasks::Task>>,
    endless: BTreeSet<u32>,
    ended: BTreeSet<u32>,
    releases: Vec<String>,
    stored: BTreeMap<u32, String>,
    /// The digest of the image that was pushed last.
    pushed: Option<String>,
    /// What the moving tag names.
    moving: Option<String>,
}

impl Guest {
    pub(crate) fn new(with: Configuration) -> Self {
        Self {
            with,
            tasks: Vec::new(),
            endless: BTreeSet::new(),
            ended: BTreeSet::new(),
            releases: Vec::new(),
            stored: BTreeMap::new(),
            pushed: None,
            moving: None,
        }
    }

    /// Tasks whose ending was told.
    pub(crate) fn ended(&self) -> Vec<u32> {
        self.ended.iter().copied().collect()
    }

    pub(crate) fn step(&mut self, step: &Step) -> Told {
        match step {
            Step::Log { .. } | Step::Now | Step::Random { .. } | Step::Fact { .. } | Step::IsCancelled => {
                always(step)
            }
            Step::Sleep { milliseconds } => told(clock::sleep(milliseconds / self.with.pace)),
            Step::Measure { number } => told(reports::measure("chaos", f64::from(*number), "1")),
            Step::Annotation { number } => told(reports::annotation("notice", "", *number, "chaos")),
            Step::Write { .. } | Step::Read { .. } | Step::Find | Step::Remove { .. } => files(step),
            Step::Get { .. } | Step::Put { .. } | Step::Post { .. } => self.request(step),
            Step::Start { task, endless } => self.start(*task, *endless),
            Step::Wait { .. } | Step::WaitAny { .. } | Step::Cancel { .. } | Step::Collected { .. } => {
                self.task(step)
            }
            Step::Look { .. } | Step::Copy | Step::Tag { .. } => self.registry(step),
            Step::Push { number } => self.push(*number),
            Step::Releases | Step::Release { .. } | Step::Judge { .. } => self.environment(step),
            Step::Save { .. } | Step::Store { .. } | Step::Restore { .. } => self.artifact(step),
            Step::Ask { number } => ask(*number),
            Step::Source { commits } => repository(*commits),
            Step::Cluster => told(cluster::get("none", "v1", "Pod", "default", "chaos")),
        }
    }

    fn request(&self, step: &Step) -> Told {
        let (method, path) = match step {
            Step::Put { number } => ("PUT", format!("put/{number}")),
            Step::Post { number } => ("POST", format!("post/{number}")),
            Step::Get { page } => ("GET", format!("page/{page}")),
            _ => ("GET", String::new()),
        };
        let request = http::Request::new(method, &format!("{}/{path}", self.with.url));
        if method == "PUT" {
            request.repeatable();
        }
        match http::send(request) {
            // Whether what is sent at most once was sent, is not the same in every life.
            Ok(_) | Err(HostError::InDoubt(_)) if method == "POST" => "sent".to_owned(),
            Ok(response) => told((response.status(), response.read(100_000))),
            Err(error) => told(error),
        }
    }

    fn start(&mut self, number: u32, endless: bool) -> Told {
        let mut arguments = vec!["./endless".to_owned(), number.to_string()];
        if endless {
            self.endless.insert(number);
        } else {
            arguments = vec!["./quick".to_owned(), (number % 3).to_string(), number.to_string()];
        }
        let command = tasks::Command::new(&arguments);
        command.workspace("/workspace", true);
        command.collect("out", &format!("/workspace/out-{number}"));
        let started = tasks::start(&format!("task-{number}"), command);
        let said = told(started.as_ref().map(|_| ()));
        self.tasks.push(started.ok());
        said
    }

    fn task(&mut self, step: &Step) -> Told {
        let find = |number: &u32| self.tasks.get(*number as usize).and_then(Option::as_ref);
        match step {
            Step::Wait { task } => self.wait(*task),
            Step::WaitAny { tasks: any } => {
                told(tasks::wait_any(&any.iter().filter_map(find).collect::<Vec<_>>()))
            }
            Step::Collected { task } => told(find(task).map(|found| found.collected("out"))),
            Step::Cancel { task } => {
                // One that ends by itself is only cancelled after that: who is faster does not follow from the seed.
                let before = if self.endless.contains(task) { String::new() } else { self.wait(*task) };
                let found = self.tasks.get(*task as usize).and_then(Option::as_ref);
                before + &told(found.map(tasks::Task::cancel))
            }
            _ => String::new(),
        }
    }

    fn wait(&mut self, number: u32) -> Told {
        let Some(task) = self.tasks.get(number as usize).and_then(Option::as_ref) else {
            return String::new();
        };
        match task.wait() {
            Ok(ending) => {
                self.ended.insert(number);
                // How far an endless task came before it was cancelled is nobody's choice.
                let code = ending.code.filter(|_| !self.endless.contains(&number));
                told((ending.reason, code))
            }
            Err(error) => told(error),
        }
    }

    fn registry(&mut self, step: &Step) -> Told {
        let image = &self.with.image;
        match step {
            Step::Look { word: Word::Find } => told(images::find(TARGET, "moving")),
            Step::Look { word: Word::Tags } => told(images::tags(TARGET, None, 1000)),
            Step::Look { word: Word::Manifest } => told(images::manifest(SOURCE, image)),
            Step::Look { word: Word::Facts } => told(images::facts(SOURCE, Some(image))),
            Step::Copy => told(images::copy(SOURCE, image, TARGET)),
            Step::Tag { number, moving } => self.tag(*number, *moving),
            _ => String::new(),
        }
    }

    fn tag(&mut self, number: u32, moving: bool) -> Told {
        let pushed = self.pushed.as_ref().filter(|_| number.is_multiple_of(2));
        let digest = pushed.unwrap_or(&self.with.image).clone();
        if !moving {
            return told(images::tag(TARGET, &digest, &format!("t{number}"), None));
        }
        let done = images::tag(TARGET, &digest, "moving", self.moving.as_deref());
        if done.is_ok() {
            self.moving = Some(digest);
        }
        told(done)
    }

    fn push(&mut self, number: u32) -> Told {
        let mut named = Vec::new();
        for (part, media_type) in [
            ("config", "application/vnd.oci.image.config.v1+json"),
            ("layer", "application/vnd.oci.image.layer.v1.tar"),
        ] {
            let bytes =
                json!({"architecture": "amd64", "os": "linux", "part": part, "number": number}).to_string();
            let put =
                artifacts::put(&format!("{part}-{number}"), "application/octet-stream", bytes.as_bytes());
            named.push(
                json!({"mediaType": media_type, "digest": put.unwrap_or_default(), "size": bytes.len()}),
            );
        }
        let media_type = "application/vnd.oci.image.manifest.v1+json";
        let manifest =
            json!({"schemaVersion": 2, "mediaType": media_type, "config": named[0], "layers": [named[1]]});
        let pushed = images::push(TARGET, &manifest.to_string(), media_type);
        if let Ok(digest) = &pushed {
            self.pushed = Some(digest.clone());
        }
        told(pushed)
    }

    fn environment(&mut self, step: &Step) -> Told {
        match step {
            Step::Release { number } => {
                let released = environments::release(ENVIRONMENT, &json!({"number": number}).to_string());
                let said = told(released.as_ref().map(|_| ()));
                self.releases.extend(released);
                said
            }
            Step::Judge { release, good } => {
                let id = self.releases.get(*release as usize).map(String::as_str).unwrap_or_default();
                told(environments::judge(ENVIRONMENT, id, if *good { "good" } else { "bad" }, "chaos"))
            }
            _ => told(
                environments::releases(ENVIRONMENT, 1000)
                    .map(|all| all.iter().map(|release| plain(release)).collect::<Vec<_>>()),
            ),
        }
    }

    fn artifact(&mut self, step: &Step) -> Told {
        match step {
            Step::Save { number, layer } => {
                let form = if *layer { "oci-layer" } else { "tar" };
                told(artifacts::save(&format!("a{number}"), &["start".to_owned()], form))
            }
            Step::Store { number, bytes } => {
                let text = format!("{number}{}", letters(*bytes));
                let put = artifacts::put(&format!("a{number}"), "text/plain", text.as_bytes());
                let said = told(&put);
                self.stored.extend(put.map(|digest| (*number, digest)));
                said
            }
            Step::Restore { number } => {
                let digest = self.stored.get(number).map(String::as_str).unwrap_or_default();
                told(artifacts::restore(digest, &format!("restored-{number}")))
            }
            _ => String::new(),
        }
    }
}

fn told(answer: impl Debug) -> Told {
    format!("{answer:?}")
}

fn letters(count: u32) -> String {
    "abcdefghijklmnopqrstuvwxyz".chars().cycle().take(count as usize).collect()
}

/// A release without its id and its time, which belong to the run.
fn plain(release: &str) -> Told {
    let release: Value = serde_json::from_str(release).unwrap_or_default();
    told((&release["what"], &release["verdict"]))
}

/// Calls that are linked for everybody.
fn always(step: &Step) -> Told {
    match step {
        Step::Log { bytes } => log::info(letters(*bytes)),
        Step::Now => drop(clock::now_ms()),
        // Its bytes are those of the run.
        Step::Random { bytes } => return told(invocation::random(*bytes).len()),
        Step::Fact { which } => return fact(*which),
        _ => return told(invocation::is_cancelled()),
    }
    String::new()
}

fn fact(which: u32) -> Told {
    match which {
        // Those two are the run's own.
        0 => told(invocation::run_id().is_empty()),
        3 => told(invocation::key().is_empty()),
        1 => told(invocation::stage_name()),
        2 => told(invocation::attempt()),
        4 => told(invocation::event()),
        5 => told(invocation::parameter("colour")),
        6 => told(invocation::limit("journal-entries")),
        _ => told(secrets::get("TOKEN").map(|_| ())),
    }
}

fn files(step: &Step) -> Told {
    match step {
        Step::Write { file, bytes } => {
            told(workspace::write(&format!("folder/{file}"), letters(*bytes).as_bytes(), false))
        }
        Step::Read { file } => match workspace::read(&format!("folder/{file}")) {
            Ok(reader) => told(reader.next(100_000)),
            Err(error) => told(error),
        },
        Step::Remove { file } => told(workspace::remove(&format!("folder/{file}"))),
        _ => told(workspace::find(&["**".to_owned()], None, 1000)),
    }
}

fn ask(number: u32) -> Told {
    let options = json!({"within-ms": 3_600_000}).to_string();
    match approvals::ask(&format!("May number {number} go on?"), &options) {
        Ok(said) => told(&serde_json::from_str::<Value>(&said).unwrap_or_default()["approved"]),
        Err(error) => told(error),
    }
}

fn repository(commits: bool) -> Told {
    if commits { told(source::commits(None, 10)) } else { told(source::changed_files(None, None, 10)) }
}
