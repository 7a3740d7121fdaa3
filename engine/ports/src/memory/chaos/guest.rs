use super::steps::{Step, Word};
use crate::GuestEnd;
use crate::memory::guests::{Scripted, ScriptedHost};
use crate::memory::{TaskScript, exited};
use serde_json::{Value as Json, json};
use stageway_core::call::{
    Answer, Approvals, Artifacts, Bytes, Clock, Cluster, Command, Content, Environments, Form, Function,
    HostError, Http, Images, Invocation, Judgement, Log, LogLevel, Mount, Reports, Request, Secrets, Source,
    Tasks, Value, Workspace,
};
use stageway_core::digest::Digest;
use stageway_core::journal::canonical;
use stageway_core::task::{Collected, TaskSpec};
use std::collections::BTreeMap;

/// The repository that holds the image of the configuration under the tag `v1`.
const SOURCE: &str = "reg/source";
/// The repository that everything goes to.
const TARGET: &str = "reg/target";

/// Does the steps and answers a digest of everything it was told, but for what may differ: time, and whether a request that
/// was sent at most once was sent.
///
/// The configuration is `{"image": DIGEST}`; the environment is `production`; the hosts are `a.example`.
///
/// # Errors
/// The end of the instance, where a reply stops it.
pub async fn chaos(mut host: ScriptedHost<'_>, steps: &[Step]) -> Scripted {
    let image = host.configuration()["image"].as_str().unwrap_or_default().to_owned();
    let mut guest = Guest {
        image,
        told: String::new(),
        tasks: vec![],
        releases: vec![],
        stored: BTreeMap::new(),
        pushed: None,
        moving: None,
    };
    for (index, step) in steps.iter().enumerate() {
        let told = guest.step(&mut host, step).await?;
        guest.told = Digest::of(format!("{} {index} {told}", guest.told).as_bytes()).to_string();
    }
    Ok(json!({"told": guest.told}))
}

/// What the tasks of the steps do: `./quick CODE` writes, leaves `out` and ends; `./endless` goes on.
pub fn task_script(spec: &TaskSpec, collected: Content) -> TaskScript {
    if spec.process.arguments.first().is_some_and(|word| word == "./endless") {
        return TaskScript::runs().writing("goes on\n");
    }
    let code = spec.process.arguments.get(1).and_then(|text| text.parse().ok()).unwrap_or(0);
    let mut ending = exited(code);
    if spec.collect.contains_key("out") {
        ending.collected.insert("out".into(), Collected::File { content: collected, executable: false });
    }
    TaskScript { output: b"one\ntwo\n".to_vec(), ending: Some(ending) }
}

struct Guest {
    image: String,
    told: String,
    /// By number, the call that started it; none where it was refused.
    tasks: Vec<u32>,
    releases: Vec<String>,
    stored: BTreeMap<u32, String>,
    /// The digest of the image that was pushed last.
    pushed: Option<String>,
    /// What the moving tag names.
    moving: Option<String>,
}

impl Guest {
    async fn step(&mut self, host: &mut ScriptedHost<'_>, step: &Step) -> Result<String, GuestEnd> {
        if let Step::Push { number } = step {
            return self.push(host, *number).await;
        }
        let answer = host.call(self.function(step)).await?;
        self.note(host, step, &answer);
        Ok(told(step, &answer))
    }

    fn function(&self, step: &Step) -> Function {
        match step {
            Step::Log { bytes } => {
                Function::Log(Log::Write { level: LogLevel::Info, message: letters(*bytes) })
            }
            Step::Now => Function::Clock(Clock::NowMs),
            Step::Sleep { milliseconds } => Function::Clock(Clock::Sleep { milliseconds: *milliseconds }),
            Step::Random { bytes } => Function::Invocation(Invocation::Random { count: *bytes }),
            Step::Fact { which } => fact(*which),
            Step::IsCancelled => Function::Invocation(Invocation::IsCancelled),
            Step::Measure { number } => Function::Reports(Reports::Measure {
                name: "chaos".into(),
                value: f64::from(*number),
                unit: "1".into(),
            }),
            Step::Annotation { number } => Function::Reports(Reports::Annotation {
                level: "notice".into(),
                path: String::new(),
                line: *number,
                message: "chaos".into(),
            }),
            Step::Source { commits: false } => {
                Function::Source(Source::ChangedFiles { since: None, after: None, max: 10 })
            }
            Step::Source { commits: true } => Function::Source(Source::Commits { since: None, max: 10 }),
            Step::Ask { number } => Function::Approvals(Approvals::Ask {
                question: format!("May number {number} go on?"),
                options: json!({"within-ms": 3_600_000}),
            }),
            Step::Cluster => Function::Cluster(Cluster::Get {
                cluster: "none".into(),
                api_version: "v1".into(),
                kind: "Pod".into(),
                namespace: "default".into(),
                name: "chaos".into(),
            }),
            Step::Get { .. } | Step::Put { .. } | Step::Post { .. } => request(step),
            Step::Write { .. } | Step::Read { .. } | Step::Find | Step::Remove { .. } => workspace(step),
            Step::Releases | Step::Release { .. } | Step::Judge { .. } => self.environment(step),
            Step::Save { .. } | Step::Store { .. } | Step::Restore { .. } => self.artifact(step),
            Step::Look { .. } | Step::Copy | Step::Tag { .. } | Step::Push { .. } => self.registry(step),
            _ => self.task(step),
        }
    }

    fn task(&self, step: &Step) -> Function {
        let seq = |task: &u32| self.tasks.get(*task as usize).copied().unwrap_or(0);
        Function::Tasks(match step {
            Step::Wait { task } => Tasks::Wait { task: seq(task) },
            Step::WaitAny { tasks } => Tasks::WaitAny { tasks: tasks.iter().map(seq).collect() },
            Step::Cancel { task } => Tasks::Cancel { task: seq(task) },
            Step::Collected { task } => Tasks::Collected { task: seq(task), name: "out".into() },
            Step::Start { task, endless } => Tasks::Start {
                name: format!("task-{task}"),
                command: Box::new(Command {
                    arguments: if *endless {
                        vec!["./endless".into()]
                    } else {
                        vec!["./quick".into(), (task % 3).to_string()]
                    },
                    workspace: Some(Mount { path: "/workspace".into(), writable: true }),
                    collect: [("out".to_owned(), format!("/workspace/out-{task}"))].into(),
                    ..Command::default()
                }),
            },
            _ => Tasks::Cancel { task: 0 },
        })
    }

    fn registry(&self, step: &Step) -> Function {
        let (repository, digest) = (SOURCE.to_owned(), self.image.clone());
        Function::Images(match step {
            Step::Look { word: Word::Tags } => {
                Images::Tags { repository: TARGET.into(), after: None, max: 1000 }
            }
            Step::Look { word: Word::Manifest } => Images::Manifest { repository, digest },
            Step::Look { word: Word::Facts } => Images::Facts { repository, digest: Some(digest) },
            Step::Copy => Images::Copy { repository, digest, target: TARGET.into() },
            Step::Tag { number, moving } => Images::Tag {
                repository: TARGET.into(),
                digest: self.tagged(*number),
                tag: if *moving { "moving".into() } else { format!("t{number}") },
                replaces: self.moving.clone().filter(|_| *moving),
            },
            _ => Images::Find { repository: TARGET.into(), reference: "moving".into() },
        })
    }

    /// The image that was pushed last, or that of the configuration.
    fn tagged(&self, number: u32) -> String {
        let pushed = self.pushed.as_ref().filter(|_| number.is_multiple_of(2));
        pushed.unwrap_or(&self.image).clone()
    }

    fn environment(&self, step: &Step) -> Function {
        let environment = "production".to_owned();
        Function::Environments(match step {
            Step::Release { number } => {
                Environments::Release { environment, what: json!({"number": number}) }
            }
            Step::Judge { release, good } => Environments::Judge {
                environment,
                release: self.releases.get(*release as usize).cloned().unwrap_or_default(),
                verdict: if *good { Judgement::Good } else { Judgement::Bad },
                reason: "chaos".into(),
            },
            _ => Environments::Releases { environment, max: 1000 },
        })
    }

    fn artifact(&self, step: &Step) -> Function {
        Function::Artifacts(match step {
            Step::Save { number, layer } => Artifacts::Save {
                name: format!("a{number}"),
                paths: vec!["start".into()],
                form: if *layer { Form::OciLayer } else { Form::Tar },
            },
            Step::Store { number, bytes } => Artifacts::Put {
                name: format!("a{number}"),
                media_type: "text/plain".into(),
                bytes: Bytes(format!("{number}{}", letters(*bytes)).into_bytes()),
            },
            Step::Restore { number } => Artifacts::Restore {
                digest: self.stored.get(number).cloned().unwrap_or_default(),
                path: format!("restored-{number}"),
            },
            _ => Artifacts::Read { digest: String::new() },
        })
    }

    async fn push(&mut self, host: &mut ScriptedHost<'_>, number: u32) -> Result<String, GuestEnd> {
        let mut named = Vec::new();
        for part in ["config", "layer"] {
            let bytes =
                json!({"architecture": "amd64", "os": "linux", "part": part, "number": number}).to_string();
            let put = Artifacts::Put {
                name: format!("{part}-{number}"),
                media_type: "application/octet-stream".into(),
                bytes: Bytes(bytes.clone().into_bytes()),
            };
            let answer = host.call(Function::Artifacts(put)).await?;
            let media_type = match part {
                "config" => "application/vnd.oci.image.config.v1+json",
                _ => "application/vnd.oci.image.layer.v1.tar",
            };
            let digest = if let Ok(Value::Text(digest)) = answer { digest } else { String::new() };
            named.push(json!({"mediaType": media_type, "digest": digest, "size": bytes.len()}));
        }
        let media_type = "application/vnd.oci.image.manifest.v1+json".to_owned();
        let manifest =
            json!({"schemaVersion": 2, "mediaType": media_type, "config": named[0], "layers": [named[1]]})
                .to_string();
        let push = Images::Push { repository: TARGET.into(), manifest, media_type };
        let answer = host.call(Function::Images(push)).await?;
        if let Ok(Value::Text(digest)) = &answer {
            self.pushed = Some(digest.clone());
        }
        Ok(canonical(&answer))
    }

    /// Keeps what later steps refer to.
    fn note(&mut self, host: &ScriptedHost<'_>, step: &Step, answer: &Answer) {
        match (step, answer) {
            (Step::Start { .. }, _) => self.tasks.push(host.last()),
            (Step::Release { .. }, Ok(Value::Text(id))) => self.releases.push(id.clone()),
            (Step::Store { number, .. }, Ok(Value::Text(digest))) => {
                self.stored.insert(*number, digest.clone());
            }
            (Step::Tag { number, moving: true }, Ok(_)) => self.moving = Some(self.tagged(*number)),
            _ => {}
        }
    }
}

/// An answer without what may differ between two lives.
fn told(step: &Step, answer: &Answer) -> String {
    match (step, answer) {
        (Step::Now, Ok(_)) => String::new(),
        (Step::Post { .. }, Ok(_) | Err(HostError::InDoubt(_))) => "sent".into(),
        (Step::Ask { .. }, Ok(Value::Json(said))) => said["approved"].to_string(),
        (Step::Releases, Ok(Value::Jsons(all))) => {
            let plain = |release: &Json| json!([release["id"], release["what"], release["verdict"]]);
            canonical(&all.iter().map(plain).collect::<Vec<_>>())
        }
        (_, answer) => canonical(answer),
    }
}

fn letters(count: u32) -> String {
    let count = count as usize;
    let mut text = "abcdefghijklmnopqrstuvwxyz".repeat(count / 26 + 1);
    text.truncate(count);
    text
}

fn fact(which: u32) -> Function {
    Function::Invocation(match which {
        0 => Invocation::RunId,
        1 => Invocation::StageName,
        2 => Invocation::Attempt,
        3 => Invocation::Key,
        4 => Invocation::Event,
        5 => Invocation::Parameter { name: "colour".into() },
        6 => Invocation::Limit { name: "journal-entries".into() },
        _ => return Function::Secrets(Secrets::Get { name: "TOKEN".into() }),
    })
}

fn workspace(step: &Step) -> Function {
    Function::Workspace(match step {
        Step::Write { file, bytes } => Workspace::Write {
            path: format!("folder/{file}"),
            bytes: Bytes(letters(*bytes).into_bytes()),
            executable: false,
        },
        Step::Read { file } => Workspace::Read { path: format!("folder/{file}") },
        Step::Remove { file } => Workspace::Remove { path: format!("folder/{file}") },
        _ => Workspace::Find { patterns: vec!["**".into()], after: None, max: 1000 },
    })
}

fn request(step: &Step) -> Function {
    let (method, path, repeatable) = match step {
        Step::Put { number } => ("PUT", format!("put/{number}"), true),
        Step::Post { number } => ("POST", format!("post/{number}"), false),
        Step::Get { page } => ("GET", format!("page/{page}"), false),
        _ => ("GET", String::new(), false),
    };
    Function::Http(Http::Send(Request {
        method: method.into(),
        url: format!("https://a.example/{path}"),
        headers: vec![],
        body: Bytes::default(),
        secrets: vec![],
        limits: BTreeMap::new(),
        repeatable,
    }))
}
