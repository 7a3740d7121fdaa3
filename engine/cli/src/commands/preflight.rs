//! `stageway preflight`

use super::Context;
use super::follow::{Following, follow};
use super::watch::ShowArgs;
use crate::client::{Remote, said_no};
use crate::exit::{Exit, Invalid, Refused};
use crate::terminal::{Sources, Style, bytes as size, count};
use crate::wiring::{Interrupts, Place, Snapshot, blobs, snapshot};
use anyhow::Result;
use serde_json::{Map, Value as Json, json};
use stageway_core::delivery::clone_place;
use stageway_core::digest::Digest;
use stageway_core::name::{PipelineName, RepositoryId, RunId};
use stageway_core::operator::Scope;
use stageway_core::workspace::{Node, Tree};
use stageway_ports::{Blobs, RunFilter, Store as _};
use stageway_remotes::server::{
    Begun, Pack, RemoteKnown, RemoteRepository, RemoteStore, RemoteTreeLimits, ServerError,
};
use stageway_remotes::source::{TreeLimits, WorkTree};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// How often, and between which pauses, it is asked what became of a pack that takes longer.
const ASKED: u32 = 600;
const PAUSE: Duration = Duration::from_secs(1);

/// `stageway preflight`
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The pipeline, where the tree has several
    #[arg(value_name = "PIPELINE")]
    pipeline: Option<PipelineName>,
    /// The repository, as the operator calls it; without it the one that `origin` is cloned from
    #[arg(long, value_name = "NAME")]
    repository: Option<RepositoryId>,
    /// The branch that the changes are to enter; without it the default branch
    #[arg(long, value_name = "BRANCH")]
    target: Option<String>,
    /// A parameter of the pipeline; may be given more than once
    #[arg(long = "param", value_name = "NAME=VALUE", value_parser = super::prepare::parameter)]
    parameters: Vec<(String, String)>,
    /// End the run with the first stage that does not succeed
    #[arg(long)]
    fail_fast: bool,
    #[command(flatten)]
    show: ShowArgs,
}

/// Sends the work tree to a server, has it run there as a pull request would be, and shows the run to its end.
pub(crate) async fn run(context: &Context, args: Args) -> Result<Exit> {
    let remote = context.remote().await?;
    remote.may(Scope::Run)?;
    remote.may(Scope::Read)?;
    let settings = context.settings()?;
    let place = Place::find(&context.here()?)?;
    let blobs = blobs(&settings)?;
    let source =
        WorkTree::open(&place.root, blobs.clone()).await?.with_cache(settings.state.join("cache/files"));
    at_the_root(&source).await?;
    let repository = repository(&remote, &source, args.repository.as_ref()).await?;
    let known = remote.server.known(&remote.token.tenant, &repository.id).await.map_err(said_no)?;
    let source = source.with_limits(limits(known.limits));
    let Snapshot { tree, files } = snapshot(&source, &*blobs, None).await?;
    let wanted = wanted(&args, &source, &repository, &tree).await?;
    let about = json!({ "tree": told(&place.root, &tree, &repository, &wanted) });
    if !args.show.json {
        let line = format!("Tree: {}", about["tree"].as_str().unwrap_or_default());
        context.print(&format!("{}\n", context.out.paint(Style::Faint, &line)))?;
    }
    let tell = |files: &Files| {
        let bytes = files.iter().map(|(_, size)| size).sum();
        context.say(Style::Faint, &format!("Sends {}, {}", count(files.len() as u64, "file"), size(bytes)));
    };
    let mut interrupts = Interrupts::new()?;
    let sending =
        Sending { remote: &remote, repository: &repository.id, tree: &tree, wanted, blobs, tell: &tell };
    let begun = sending.send(&known, &mut interrupts).await.map_err(|error| problems(error, &files))?;
    let (run, number) = run_of(&remote, begun, &files).await?;
    let following =
        Following { remote: &remote, run, number, about: &about, show: args.show, fail_fast: args.fail_fast };
    follow(context, following, &mut interrupts).await
}

/// A server reads pipelines at the root of a repository, and nowhere else.
async fn at_the_root(source: &WorkTree) -> Result<()> {
    let prefix = source.prefix().await?;
    if prefix.is_empty() {
        return Ok(());
    }
    let message =
        format!("`{prefix}` lies below the root of its repository, and a server reads pipelines there");
    Err(Refused::usage(message, "run it here with `stageway run`, or move the pipeline file to the root")
        .into())
}

/// The repository that is named, or the only one that is cloned from where this one is.
async fn repository(
    remote: &Remote,
    source: &WorkTree,
    named: Option<&RepositoryId>,
) -> Result<RemoteRepository> {
    let registered = remote.server.repositories(&remote.token.tenant).await.map_err(said_no)?;
    let origin = match named {
        Some(_) => None,
        None => source.origin().await?,
    };
    Ok(choose(registered, named, origin.as_deref())?)
}

fn choose(
    registered: Vec<RemoteRepository>,
    named: Option<&RepositoryId>,
    origin: Option<&str>,
) -> Result<RemoteRepository, Refused> {
    let names: Vec<&str> = registered.iter().map(|one| one.id.as_str()).collect();
    let remedy = match names[..] {
        [] => "let the operator register it".to_owned(),
        _ => format!("name one of {} with --repository", names.join(", ")),
    };
    let message = match (named, origin) {
        (Some(named), _) => format!("the server has no repository `{named}`"),
        (None, None) => "nothing says which repository this is: it has no remote `origin`".to_owned(),
        (None, Some(origin)) => {
            format!("the server has not exactly one repository that is cloned from {origin}")
        }
    };
    let is_it = |one: &RemoteRepository| match (named, origin) {
        (Some(named), _) => one.id == *named,
        (None, Some(origin)) => clone_place(&one.clone) == clone_place(origin),
        (None, None) => false,
    };
    let mut found: Vec<RemoteRepository> = registered.into_iter().filter(is_it).collect();
    match (found.pop(), found.len()) {
        (Some(found), 0) => Ok(found),
        _ => Err(Refused::usage(message, remedy)),
    }
}

fn limits(taken: RemoteTreeLimits) -> TreeLimits {
    let files = usize::try_from(taken.files).unwrap_or(usize::MAX);
    TreeLimits { files, bytes: taken.bytes, ..TreeLimits::default() }
}

/// The first line of the pack.
async fn wanted(args: &Args, source: &WorkTree, repository: &RemoteRepository, tree: &Tree) -> Result<Json> {
    let facts = source.facts().await?;
    let target = args.target.as_ref().unwrap_or(&repository.default_branch);
    let base = source.parted(target).await?.or(facts.base);
    // Outside git, and where HEAD is detached, there is no branch; something must stand there.
    let branch = facts.branch.unwrap_or_else(|| format!("tree-{}", tree.digest().short()));
    let parameters: Map<String, Json> =
        args.parameters.iter().map(|(name, value)| (name.clone(), Json::from(value.as_str()))).collect();
    Ok(json!({
        "pipeline": args.pipeline, "branch": branch, "target": target, "base": base,
        "message": facts.message, "parameters": parameters,
    }))
}

fn told(root: &Path, tree: &Tree, repository: &RemoteRepository, wanted: &Json) -> String {
    let (files, bytes) = (count(tree.len() as u64, "file"), size(tree.size()));
    let word = |name: &str| wanted[name].as_str().unwrap_or_default().to_owned();
    let (root, id, branch, target) = (root.display(), &repository.id, word("branch"), word("target"));
    format!("{root}, {files}, {bytes}, for `{id}` as a pull request of {branch} into {target}")
}

/// Files with their sizes, each once.
type Files = Vec<(Digest, u64)>;

/// A tree on its way to a server.
struct Sending<'a> {
    remote: &'a Remote,
    repository: &'a RepositoryId,
    tree: &'a Tree,
    wanted: Json,
    blobs: Arc<dyn Blobs>,
    /// Hears which files go out.
    tell: &'a (dyn Fn(&Files) + Sync),
}

/// Why a tree was not taken.
enum Unsent {
    Refused(Refused),
    Server(ServerError),
}

impl Sending<'_> {
    /// Sends what the server has not. Until all of it went out Ctrl-C ends this; then there may be a run, and it is asked for first.
    async fn send(&self, known: &RemoteKnown, interrupts: &mut Interrupts) -> Result<Begun, Unsent> {
        match self.try_with(Some(known), known.limits, interrupts).await {
            // What it had was cleared away meanwhile.
            Err(Unsent::Server(ServerError::Problem { status: 409, .. })) if known.run.is_some() => {
                self.try_with(None, known.limits, interrupts).await
            }
            begun => begun,
        }
    }

    async fn try_with(
        &self,
        known: Option<&RemoteKnown>,
        limits: RemoteTreeLimits,
        interrupts: &mut Interrupts,
    ) -> Result<Begun, Unsent> {
        let mut wanted = self.wanted.clone();
        wanted["known"] = json!(known.and_then(|known| known.run.clone()));
        let files = self.missing(known, limits).map_err(Unsent::Refused)?;
        (self.tell)(&files);
        let pack = Pack::new(wanted, self.tree.encode(), files);
        let sent = pack.sent.clone();
        let tenant = &self.remote.token.tenant;
        let begun = self.remote.server.preflight(tenant, self.repository, pack, self.blobs.clone());
        let mut begun = std::pin::pin!(begun);
        loop {
            tokio::select! {
                begun = &mut begun => return begun.map_err(Unsent::Server),
                () = interrupts.next() => {
                    if !sent.load(std::sync::atomic::Ordering::Acquire) {
                        let message = "interrupted while the files were sent";
                        return Err(Unsent::Refused(Refused::new(Exit::Cancelled, message, "nothing was started")));
                    }
                }
            }
        }
    }

    /// The files that the server has not, each once.
    fn missing(&self, known: Option<&RemoteKnown>, limits: RemoteTreeLimits) -> Result<Files, Refused> {
        let mut files = BTreeMap::new();
        for (path, node) in self.tree.iter() {
            let Node::File { content, .. } = node else { continue };
            if known.is_some_and(|known| known.files.contains(&content.digest)) {
                continue;
            }
            if content.size > limits.file_bytes {
                let (is, most) = (size(content.size), size(limits.file_bytes));
                let message = format!("`{path}` has {is}, and the server takes files of {most} at most");
                return Err(Refused::usage(message, "let git ignore it, or push it"));
            }
            files.insert(content.digest, content.size);
        }
        Ok(files.into_iter().collect())
    }
}

/// What is wrong with the pipeline file is told with the lines of the file.
fn problems(unsent: Unsent, files: &[(String, Vec<u8>)]) -> anyhow::Error {
    match unsent {
        Unsent::Refused(refused) => refused.into(),
        Unsent::Server(ServerError::Problem { problems, .. }) if !problems.is_empty() => {
            Invalid { diagnostics: problems, sources: sources(files) }.into()
        }
        Unsent::Server(error) => said_no(error).into(),
    }
}

fn sources(files: &[(String, Vec<u8>)]) -> Sources {
    files.iter().fold(Sources::default(), |sources, (name, bytes)| sources.with(name, bytes))
}

/// The run that came of a pack, at the latest after ten minutes.
async fn run_of(remote: &Remote, begun: Begun, files: &[(String, Vec<u8>)]) -> Result<(RunId, u64)> {
    let tenant = &remote.token.tenant;
    let delivery = match begun {
        Begun::Run { id, number } => return Ok((id, number)),
        Begun::Later { delivery } => delivery,
    };
    for _ in 0..ASKED {
        tokio::time::sleep(PAUSE).await;
        let found = remote.server.delivery(tenant, &delivery).await.map_err(said_no)?;
        let Some(outcome) = found.outcome else { continue };
        if let Some(run) = outcome.runs.first() {
            let run = RunId::new(run.as_str())?;
            return Ok((run.clone(), number(remote, &run).await?));
        }
        if !outcome.problems.is_empty() {
            return Err(Invalid { diagnostics: outcome.problems, sources: sources(files) }.into());
        }
        return Err(Refused::new(Exit::Errored, outcome.summary, "`stageway deliveries` shows it").into());
    }
    let message = "the server has not begun the run for ten minutes";
    Err(Refused::new(Exit::Errored, message, "`stageway deliveries` says what becomes of it").into())
}

async fn number(remote: &Remote, run: &RunId) -> Result<u64> {
    let store = RemoteStore::new(remote.server.clone());
    let newest = RunFilter { max: 1_000, ..RunFilter::default() };
    let found = store.runs(&remote.token.tenant, &newest).await?.into_iter().find(|one| one.id == *run);
    Ok(found.map_or(0, |found| found.number))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn registered(clones: &[(&str, &str)]) -> Vec<RemoteRepository> {
        let one = |(id, clone): &(&str, &str)| RemoteRepository {
            id: id.parse().unwrap(),
            clone: (*clone).to_owned(),
            default_branch: "main".into(),
        };
        clones.iter().map(one).collect()
    }

    #[test]
    fn a_repository_is_named_or_the_only_one_that_is_cloned_from_the_same_place() {
        let all = || {
            registered(&[
                ("shop", "https://git.example.com/acme/shop.git"),
                ("copy", "https://git.example.com/acme/twice.git"),
                ("again", "git@git.example.com:acme/twice"),
            ])
        };
        let chosen = |named: Option<&str>, origin: Option<&str>| {
            let named = named.map(|named| named.parse().unwrap());
            choose(all(), named.as_ref(), origin).map(|found| found.id.to_string())
        };
        assert_eq!(chosen(None, Some("git@git.example.com:acme/shop.git")).unwrap(), "shop");
        assert_eq!(chosen(Some("copy"), None).unwrap(), "copy");
        for (named, origin, word) in [
            (Some("nothing"), None, "`nothing`"),
            (None, None, "origin"),
            (None, Some("https://git.example.com/acme/twice"), "exactly one"),
            (None, Some("https://git.example.com/acme/other"), "exactly one"),
        ] {
            let refused = chosen(named, origin).unwrap_err();
            assert!(refused.message.contains(word) && refused.remedy.contains("shop"), "{refused:?}");
        }
    }
}
