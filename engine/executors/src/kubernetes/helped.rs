//! The parts of a pod that our helper adds: a shared volume, its own program in it, and a container that stays.

use super::container::{container, is_root, literal, resources, security, variable};
use super::options::KubernetesOptions;
use super::secret;
use k8s_openapi::api::core::v1::{
    Container, ContainerState, ContainerStateTerminated, EmptyDirVolumeSource, ExecAction, Lifecycle,
    LifecycleHandler, Pod, PodSpec, ResourceRequirements, Volume, VolumeMount,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use serde::{Deserialize, Serialize};
use stageway_core::digest::Digest;
use stageway_core::task::{self, Process, Root, ServiceSpec, TaskSpec};
use stageway_parcel::inside;
use stageway_parcel::told::{Order, Part, Ready};
use stageway_ports::TaskError;
use std::collections::BTreeMap;

/// The container of the helper that stays, and answers.
pub(super) const KEEPER: &str = "stageway";
/// Where the shared volume stands, in every container.
pub(super) const PLACE: &str = "/stageway";
/// The helper in its own image.
pub(super) const HELPER: &str = "/stageway-pod";
/// The helper in the shared volume.
const INSTALLED: &str = "/stageway/pod";
/// Where the workspace stands in the container that stays.
pub(super) const WORKSPACE: &str = "/workspace";
/// For how long a task that has ended waits for an engine that takes what it left, in seconds.
const KEPT_S: u64 = 6 * 3600;
/// What is kept free for containers that do little: thousandths of a core, and bytes.
const SMALL_MILLIS: u32 = 5;
const SMALL_BYTES: u64 = 16 << 20;
/// Bytes of a pod's annotation that says what is to be done with it.
const BRIEF: usize = 128 << 10;

/// What an engine must know of a task that it did not start, kept with the pod.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Brief {
    /// The tree that goes in.
    pub tree: Option<Digest>,
    /// Where it is mounted.
    pub mount: Option<String>,
    /// Name to path.
    pub collect: BTreeMap<String, String>,
    /// Bytes of everything that comes out.
    pub collect_bytes: u64,
}

impl Brief {
    fn of(spec: &TaskSpec) -> Self {
        Self {
            tree: spec.workspace.as_ref().map(|workspace| workspace.tree),
            mount: spec.workspace.as_ref().map(|workspace| workspace.path.clone()),
            collect: spec.collect.clone(),
            collect_bytes: spec.limits.collect_bytes,
        }
    }

    /// The part of a path in the workspace; none lies elsewhere.
    pub(super) fn inside<'p>(&self, path: &'p str) -> Option<&'p str> {
        inside(self.mount.as_deref()?, path)
    }

    /// What is collected from elsewhere than the workspace, in the order of their numbers.
    pub(super) fn outside(&self) -> impl Iterator<Item = &str> {
        self.collect.values().filter(|path| self.inside(path).is_none()).map(String::as_str)
    }

    /// As the annotation.
    ///
    /// # Errors
    /// [`TaskError::Refused`] when no object of a cluster could hold it.
    pub(super) fn text(spec: &TaskSpec) -> Result<String, TaskError> {
        let text = serde_json::to_string(&Self::of(spec)).unwrap_or_default();
        if text.len() > BRIEF {
            let problem = "it collects more paths than a pod can hold: collect a folder of them";
            return Err(TaskError::Refused(problem.into()));
        }
        Ok(text)
    }
}

/// Whether the container that stays does so no more, so that nothing is answered.
pub(super) fn is_deserted(pod: &Pod) -> bool {
    of_keeper(pod).is_some()
}

/// How the container that stays ended, where it has.
pub(super) fn of_keeper(pod: &Pod) -> Option<&ContainerStateTerminated> {
    keeper_state(pod)?.terminated.as_ref()
}

/// Whether the container that stays runs, or ran, as far as the cluster tells.
pub(super) fn is_attended(pod: &Pod) -> bool {
    keeper_state(pod).is_some_and(|state| state.running.is_some() || state.terminated.is_some())
}

fn keeper_state(pod: &Pod) -> Option<&ContainerState> {
    let statuses = pod.status.as_ref()?.container_statuses.as_ref()?;
    statuses.iter().find(|status| status.name == KEEPER)?.state.as_ref()
}

/// Whether a task needs the helper; every other one is a plain pod.
pub(super) fn is_needed(spec: &TaskSpec) -> bool {
    spec.workspace.is_some() || !spec.collect.is_empty() || !spec.services.is_empty()
}

/// Makes a plain pod one with the helper.
///
/// # Errors
/// [`TaskError::Refused`] with what cannot be had in a cluster, and the remedy.
pub(super) fn add(
    options: &KubernetesOptions,
    helper: &str,
    pod_name: &str,
    spec: &TaskSpec,
    pod: &mut PodSpec,
) -> Result<(), TaskError> {
    let roots = std::iter::once(&spec.process).chain(spec.services.iter().map(|service| &service.process));
    // Only root reads everything that root wrote.
    let root = roots.into_iter().any(|process| is_root(options, &process.root));
    let brief = Brief::of(spec);
    let part = Part::Task {
        timeout_ms: spec.limits.timeout_ms,
        message_file: spec.message_file.clone(),
        outside: brief.outside().map(str::to_owned).collect(),
    };
    for container in &mut pod.containers {
        enter(container, spec, &spec.process, part.clone())?;
        if let Some(workspace) = &spec.workspace {
            let read_only = (!workspace.writable).then_some(true);
            mount(container, VolumeMount { read_only, ..volume_mount("workspace", &workspace.path) });
        }
    }
    for (number, service) in spec.services.iter().enumerate() {
        pod.containers.push(beside(options, pod_name, spec, number, service)?);
    }
    // A node starts one after the other, and the others when the hook of this one has ended.
    pod.containers.insert(0, keeper(helper, root, spec.workspace.is_some()));
    let volumes = pod.volumes.get_or_insert_default();
    volumes.push(empty("stageway"));
    if spec.workspace.is_some() {
        volumes.push(empty("workspace"));
    }
    let services = spec.services.iter().map(|service| service.within_ms.div_ceil(1000)).sum::<u64>();
    pod.active_deadline_seconds = pod.active_deadline_seconds.map(|deadline| {
        deadline.saturating_add(i64::try_from(services.saturating_add(KEPT_S)).unwrap_or(i64::MAX))
    });
    Ok(())
}

/// The container of a service.
fn beside(
    options: &KubernetesOptions,
    pod_name: &str,
    spec: &TaskSpec,
    number: usize,
    service: &ServiceSpec,
) -> Result<Container, TaskError> {
    let part = Part::Service { number, ready: ready(service), within_ms: service.within_ms };
    let name = format!("service-{number}");
    let mut container = container(options, &name, pod_name, &service.process, &secret::part(number))?;
    enter(&mut container, spec, &service.process, part)?;
    // The bounds are those of all together, and what is kept free for them is the task's.
    let bounds = resources(&spec.limits);
    let is_tiny = spec.limits.memory_bytes.is_some_and(|bytes| bytes < SMALL_BYTES)
        || spec.limits.cpu_millis.is_some_and(|millis| millis < SMALL_MILLIS);
    let requests = if is_tiny { bounds.requests.clone() } else { Some(small()) };
    container.resources = Some(ResourceRequirements { requests, ..bounds });
    Ok(container)
}

/// Lets the helper start the command of a container.
fn enter(container: &mut Container, spec: &TaskSpec, process: &Process, part: Part) -> Result<(), TaskError> {
    let services: Vec<String> = spec.services.iter().map(|service| service.name.clone()).collect();
    let output_bytes = spec.limits.output_bytes / (services.len() as u64 + 1);
    let order = Order { tree: spec.workspace.is_some(), services, part, output_bytes };
    let (arguments, image) = match &process.root {
        Root::Image(image) if process.arguments.is_empty() => {
            (image.entrypoint.iter().chain(&image.command).cloned().collect(), Some(image))
        }
        Root::Image(image) => (process.arguments.clone(), Some(image)),
        Root::Toolbox => (process.arguments.clone(), None),
    };
    if arguments.is_empty() {
        let problem = "it has no command, and its image none of its own that is known: write one";
        return Err(TaskError::Refused(problem.into()));
    }
    let order = serde_json::to_string(&order).unwrap_or_default();
    let words = [INSTALLED, PLACE, "run", &order, "--"].map(str::to_owned);
    container.command = Some(words.into_iter().chain(arguments).map(|word| literal(&word)).collect());
    mount(container, volume_mount("stageway", PLACE));
    let own = image.and_then(|image| image.directory.clone()).filter(|directory| !directory.is_empty());
    if container.working_dir.is_none() && own.is_none() {
        container.working_dir = spec.workspace.as_ref().map(|workspace| workspace.path.clone());
    }
    // Nobody of any image has no home of its own.
    let has_home = process.variables.contains_key("HOME")
        || process.secret_variables.contains_key("HOME")
        || image.is_some_and(|image| image.variables.iter().any(|variable| variable.starts_with("HOME=")));
    if !has_home {
        container.env.get_or_insert_default().push(variable("HOME", "/tmp"));
    }
    Ok(())
}

fn mount(container: &mut Container, mount: VolumeMount) {
    container.volume_mounts.get_or_insert_default().push(mount);
}

fn volume_mount(name: &str, path: &str) -> VolumeMount {
    VolumeMount { name: name.into(), mount_path: path.into(), ..VolumeMount::default() }
}

fn empty(name: &str) -> Volume {
    let empty_dir = Some(EmptyDirVolumeSource::default());
    Volume { name: name.into(), empty_dir, ..Volume::default() }
}

fn keeper(helper: &str, root: bool, workspace: bool) -> Container {
    let work = |name: &str| Some([HELPER, PLACE, name].map(str::to_owned).to_vec());
    let hook = LifecycleHandler {
        exec: Some(ExecAction { command: work("installed") }),
        ..LifecycleHandler::default()
    };
    let mut keeper = Container {
        name: KEEPER.into(),
        image: Some(helper.to_owned()),
        image_pull_policy: Some("IfNotPresent".into()),
        command: work("keep"),
        lifecycle: Some(Lifecycle { post_start: Some(hook), ..Lifecycle::default() }),
        resources: Some(ResourceRequirements { requests: Some(small()), ..ResourceRequirements::default() }),
        security_context: Some(security(root)),
        termination_message_policy: Some("FallbackToLogsOnError".into()),
        volume_mounts: Some(vec![volume_mount("stageway", PLACE)]),
        ..Container::default()
    };
    if workspace {
        mount(&mut keeper, volume_mount("workspace", WORKSPACE));
    }
    keeper
}

/// What is kept free for containers that do little.
fn small() -> BTreeMap<String, Quantity> {
    let quantity = |name: &str, amount: String| (name.to_owned(), Quantity(amount));
    BTreeMap::from([quantity("cpu", format!("{SMALL_MILLIS}m")), quantity("memory", SMALL_BYTES.to_string())])
}

fn ready(service: &ServiceSpec) -> Ready {
    match &service.ready {
        task::Ready::Tcp(port) => Ready::Tcp(*port),
        task::Ready::Http { port, path } => Ready::Http { port: *port, path: path.clone() },
        task::Ready::Command(words) => Ready::Command(words.clone()),
    }
}
