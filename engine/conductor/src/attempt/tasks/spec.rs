//! From the command that a plugin built to the task that an executor gets.

use super::super::{Attempt, Halt, artifacts, invalid};
use super::{Confidential, login};
use serde_json::Value as Json;
use stageway_core::call::{Command, HostError, Service};
use stageway_core::grant::TaskNetwork;
use stageway_core::plan;
use stageway_core::policy::CacheRule;
use stageway_core::task::{
    CacheMount, Network, Owner, Process, Ready, Root, ServiceSpec, TaskLimits, TaskSpec, WorkspaceMount,
};
use std::collections::BTreeMap;

const READY_MS: u64 = 60_000;
const MOST_READY_MS: u64 = 3_600_000;
/// What a command may say about itself.
const LIMITS: &[&str] = &["cpu-millis", "memory-mib", "timeout-ms", "processes", "network"];

/// The name under which a stage's own artifact is collected; no plugin can choose it.
pub(super) fn artifact_key(name: &str) -> String {
    format!("stage/{name}")
}

impl Attempt {
    /// Everything that is wrong with a command, before anything is done.
    pub(super) fn check_command(&self, command: &Command) -> Result<(), Halt> {
        let mut problems = command.problems.clone();
        problems.extend(shape_problems(command));
        for service in &command.services {
            problems.extend(service.command.problems.clone());
            problems.extend(shape_problems(&service.command));
            if let Err(problem) = ready_of(&service.ready) {
                problems.push(format!("service `{}`: {problem}", service.name));
            }
        }
        if !problems.is_empty() {
            return Err(invalid(problems.join("; ")));
        }
        self.check_conflicts(command)?;
        self.check_grants(command)?;
        command.services.iter().try_for_each(|service| self.check_grants(&service.command))
    }

    /// `env`, `secrets`, `caches` and `services` of the stage are added by the host: the plugin must not set them itself.
    fn check_conflicts(&self, command: &Command) -> Result<(), Halt> {
        let planned = self.subject.planned();
        let own = command.variables.keys().chain(command.secret_variables.keys());
        let variables =
            own.filter(|name| self.subject.env.contains_key(*name) || planned.secrets.contains_key(*name));
        let caches = command.caches.keys().filter(|name| planned.caches.contains_key(*name));
        let services =
            command.services.iter().map(|s| &s.name).filter(|name| planned.services.contains_key(*name));
        let twice: Vec<_> = variables.chain(caches).chain(services).cloned().collect();
        if twice.is_empty() {
            return Ok(());
        }
        Err(Halt::Tell(HostError::Conflict(format!("the stage sets {} itself", twice.join(", ")))))
    }

    fn check_grants(&self, command: &Command) -> Result<(), Halt> {
        let grants = &self.subject.grants;
        let image = command.image.as_deref();
        grants.allows_task(image)?;
        if command.limits.get("network").is_some_and(|wanted| *wanted > 0) {
            grants.allows_task_network()?;
        }
        let secrets = command.secret_variables.values().chain(command.secret_files.values());
        for name in secrets {
            grants.allows_secret_in_task(name, image)?;
        }
        for name in self.subject.planned().secrets.values() {
            grants.allows_secret_in_task(name.as_str(), image)?;
        }
        let unknown = |name: &&String| !self.engine.executor.has_identity(name, command.image.is_some());
        if let Some(identity) = command.identity.as_ref().filter(unknown) {
            return Err(Halt::Tell(HostError::NotFound(format!(
                "identity `{identity:.200}`: tasks on this machine have none; those on Kubernetes have the service accounts that \
                 the operator lists under `identities` of the executor"
            ))));
        }
        self.check_logins(command)
    }

    /// The task, with everything that the stage adds to each of its tasks.
    pub(super) async fn spec(&self, command: &Command, state: &Json) -> Result<TaskSpec, Halt> {
        let planned = self.subject.planned();
        // Where the nodes pull the images themselves, only what is said about them is needed here.
        let unpack = self.engine.executor.unpacks(command.image.is_some());
        let mut process = self.process(command, state, unpack).await?;
        process.variables.extend(self.subject.env.clone());
        let secrets = planned.secrets.iter().map(|(variable, name)| (variable.clone(), name.to_string()));
        process.secret_variables.extend(secrets);
        Ok(TaskSpec {
            owner: self.owner(),
            process,
            services: self.services(command, state, unpack).await?,
            workspace: self.mount(command).await?,
            caches: self.caches(command),
            collect: self.collect_of(command),
            message_file: command.message_file.clone(),
            limits: limits_of(command, &planned.task_limits),
            network: self.network(command),
            unconfined: self.engine.rules.unconfined,
            identity: command.identity.clone(),
        })
    }

    fn owner(&self) -> Owner {
        Owner {
            tenant: self.subject.writer.tenant.clone(),
            run: self.subject.writer.run.clone(),
            stage: self.subject.stage.clone(),
            attempt: self.subject.attempt,
        }
    }

    async fn process(&self, command: &Command, state: &Json, unpack: bool) -> Result<Process, Halt> {
        let mut secret_files = command.secret_files.clone();
        for (path, logins) in login::files_of(command) {
            secret_files.insert(path.to_owned(), login::name_of(&logins));
        }
        Ok(Process {
            arguments: command.arguments.clone(),
            root: self.root(command.image.as_deref(), state, unpack).await?,
            directory: command.directory.clone(),
            variables: command.variables.clone(),
            secret_variables: command.secret_variables.clone(),
            files: command.files.clone(),
            secret_files,
        })
    }

    async fn services(
        &self,
        command: &Command,
        state: &Json,
        unpack: bool,
    ) -> Result<Vec<ServiceSpec>, Halt> {
        let mut services = Vec::new();
        for (name, service) in &self.subject.services {
            services.push(self.stage_service(name, service, state, unpack).await?);
        }
        for Service { name, command, ready } in &command.services {
            let (ready, within_ms) = ready_of(ready).map_err(invalid)?;
            services.push(ServiceSpec {
                name: name.clone(),
                process: self.process(command, state, unpack).await?,
                ready,
                within_ms,
            });
        }
        Ok(services)
    }

    async fn stage_service(
        &self,
        name: &str,
        service: &plan::Service,
        state: &Json,
        unpack: bool,
    ) -> Result<ServiceSpec, Halt> {
        let process = Process {
            arguments: service.command.clone(),
            root: self.root(service.image.as_deref(), state, unpack).await?,
            directory: None,
            variables: service.env.clone(),
            secret_variables: BTreeMap::new(),
            files: BTreeMap::new(),
            secret_files: BTreeMap::new(),
        };
        Ok(ServiceSpec {
            name: name.to_owned(),
            process,
            ready: service.ready.clone(),
            within_ms: service.within_ms,
        })
    }

    async fn root(&self, image: Option<&str>, state: &Json, unpack: bool) -> Result<Root, Halt> {
        match image {
            None => Ok(Root::Toolbox),
            Some(reference) => self.image_root(reference, state, unpack).await,
        }
    }

    async fn mount(&self, command: &Command) -> Result<Option<WorkspaceMount>, Halt> {
        let Some(mount) = &command.workspace else { return Ok(None) };
        let content = self.engine.blobs.put(self.view.tree().encode()).await?;
        Ok(Some(WorkspaceMount { tree: content.digest, path: mount.path.clone(), writable: mount.writable }))
    }

    fn caches(&self, command: &Command) -> Vec<CacheMount> {
        let planned = self.subject.planned();
        let scope = self.subject.plan.trust().as_str();
        let of_stage = planned.caches.iter().filter(|(_, cache)| cache.access != CacheRule::None);
        let of_stage = of_stage.map(|(name, cache)| CacheMount {
            name: name.clone(),
            path: cache.path.clone().unwrap_or_else(|| format!("/cache/{name}")),
            scope: scope.to_owned(),
            writable: cache.access == CacheRule::Write,
        });
        let own = command.caches.iter().map(|(name, path)| CacheMount {
            name: name.clone(),
            path: path.clone(),
            scope: scope.to_owned(),
            writable: true,
        });
        of_stage.chain(own).collect()
    }

    /// What is collected: the plugin's own wishes, and the stage's artifacts from every task that may write the workspace.
    pub(super) fn collect_of(&self, command: &Command) -> BTreeMap<String, String> {
        let mut collect = command.collect.clone();
        if let Some(mount) = command.workspace.as_ref().filter(|mount| mount.writable) {
            let artifacts = &self.subject.planned().artifacts;
            collect.extend(
                artifacts.iter().map(|(name, path)| (artifact_key(name), format!("{}/{path}", mount.path))),
            );
        }
        collect
    }

    /// Every secret and login whose value flows into the task.
    pub(super) fn secrets_of(&self, command: &Command) -> Confidential {
        let commands =
            std::iter::once(command).chain(command.services.iter().map(|service| &service.command));
        let own = commands.flat_map(|c| c.secret_variables.values().chain(c.secret_files.values())).cloned();
        let of_stage = self.subject.planned().secrets.values().map(ToString::to_string);
        let mut names: Vec<_> = own.chain(of_stage).collect();
        names.sort();
        names.dedup();
        Confidential { secrets: names, logins: login::configurations_of(command) }
    }

    fn network(&self, command: &Command) -> Network {
        if command.limits.get("network").copied().unwrap_or(0) == 0 {
            return Network::Loopback;
        }
        match self.subject.grants.tasks.as_ref().map(|tasks| &tasks.network) {
            Some(TaskNetwork::Hosts(hosts)) => {
                Network::Proxy(hosts.iter().map(ToString::to_string).collect())
            }
            Some(TaskNetwork::All) => Network::Proxy(vec!["*".into()]),
            _ => Network::Loopback,
        }
    }
}

fn shape_problems(command: &Command) -> Vec<String> {
    let mut problems = Vec::new();
    let absolute =
        |path: &str| path.starts_with('/') && !path.contains('\0') && !path.split('/').any(|p| p == "..");
    let paths = command.files.keys().chain(command.secret_files.keys()).chain(command.caches.values());
    let paths = paths.chain(command.registry_logins.iter().map(|login| &login.path));
    let paths = paths.chain(command.collect.values()).chain(&command.directory).chain(&command.message_file);
    let mount = command.workspace.as_ref().map(|mount| &mount.path);
    for path in paths.chain(mount).filter(|path| !absolute(path)) {
        problems.push(format!("`{path:.200}` is not an absolute path"));
    }
    problems.extend(login::problems(command));
    for name in command.variables.keys().chain(command.secret_variables.keys()) {
        if name.is_empty() || name.contains(['=', '\0']) {
            problems.push(format!("`{name:.80}` is no name of a variable"));
        }
    }
    if command.arguments.iter().chain(command.variables.values()).any(|text| text.contains('\0')) {
        problems.push("an argument or variable contains NUL".into());
    }
    problems.extend(
        command
            .limits
            .keys()
            .filter(|l| !LIMITS.contains(&l.as_str()))
            .map(|l| format!("`{l:.80}` is no limit")),
    );
    problems.extend(
        command
            .collect
            .keys()
            .filter(|n| !artifacts::is_name(n))
            .map(|n| format!("`{n:.80}` is no artifact's name")),
    );
    problems
}

/// {tcp: 5432}, {http: {port, path}} or {command: [...]}, with "within-ms".
fn ready_of(ready: &Json) -> Result<(Ready, u64), String> {
    let within =
        ready.get("within-ms").map_or(Some(READY_MS), Json::as_u64).ok_or("`within-ms` is no number")?;
    let port = |value: &Json| {
        value.as_u64().and_then(|n| u16::try_from(n).ok()).filter(|n| *n > 0).ok_or("a port is 1 to 65535")
    };
    let what = if let Some(tcp) = ready.get("tcp") {
        Ready::Tcp(port(tcp)?)
    } else if let Some(http) = ready.get("http") {
        let path = http.get("path").and_then(Json::as_str).unwrap_or("/").to_owned();
        if !path.starts_with('/') {
            return Err("the path of `http` begins with `/`".into());
        }
        Ready::Http { port: port(&http["port"])?, path }
    } else if let Some(command) = ready.get("command").and_then(Json::as_array) {
        let words: Option<Vec<_>> = command.iter().map(|word| word.as_str().map(str::to_owned)).collect();
        Ready::Command(words.filter(|words| !words.is_empty()).ok_or("`command` is a list of texts")?)
    } else {
        return Err("`ready` is {tcp}, {http: {port, path}} or {command}".into());
    };
    Ok((what, within.min(MOST_READY_MS)))
}

/// A command may ask for less than its stage allows, never for more.
fn limits_of(command: &Command, stage: &TaskLimits) -> TaskLimits {
    let wanted = |name: &str| command.limits.get(name).copied();
    let less = |own: Option<u64>, most: Option<u64>| match (own, most) {
        (Some(own), Some(most)) => Some(own.min(most)),
        (own, most) => own.or(most),
    };
    TaskLimits {
        timeout_ms: stage.timeout_ms.min(wanted("timeout-ms").map_or(u64::MAX, u64::from)),
        memory_bytes: less(wanted("memory-mib").map(|mib| u64::from(mib) << 20), stage.memory_bytes),
        cpu_millis: less(wanted("cpu-millis").map(u64::from), stage.cpu_millis.map(u64::from))
            .and_then(|millis| u32::try_from(millis).ok()),
        processes: less(wanted("processes").map(u64::from), stage.processes.map(u64::from))
            .and_then(|count| u32::try_from(count).ok()),
        output_bytes: stage.output_bytes,
        collect_bytes: stage.collect_bytes,
    }
}
