//! What is known of an attempt before its guest runs: configuration, grants, start tree.

use super::Loaded;
use crate::attempt::{Subject, diagnosed, failure, seed_of};
use crate::engine::Engine;
use stageway_core::call::Failure;
use stageway_core::digest::Digest;
use stageway_core::name::StageName;
use stageway_core::task::Collected;
use stageway_core::workspace::{Node, Tree, WorkspacePath, globs};
use stageway_ports::Writer;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Everything that is known of an attempt of a stage whose needs have ended.
///
/// # Errors
/// A failure for people, when an expression cannot be evaluated or a tree is gone.
pub async fn subject(
    engine: &Engine,
    writer: &Writer,
    run: &Loaded,
    name: &StageName,
    attempt: u32,
) -> Result<Arc<Subject>, Failure> {
    let scope = run.plan.scope(name, &run.state);
    let resolved =
        run.plan.resolve(name, &scope).map_err(|problems| diagnosed("configuration", &problems))?;
    let (tree, tree_digest, artifacts) = start_tree(engine, run, name).await?;
    let mut subject = Subject {
        writer: writer.clone(),
        stage: name.clone(),
        attempt,
        plan: run.plan.clone(),
        configuration: resolved.with,
        env: resolved.env,
        services: resolved.services.into_iter().collect(),
        grants: resolved.grants,
        upstream: run.plan.upstream(name, &run.state),
        tree_digest,
        tree,
        artifacts,
        seed: [0; 32],
        signed: None,
    };
    subject.seed = seed_of(&subject.key());
    Ok(Arc::new(subject))
}

/// The revision's tree, narrowed to `inputs`, with the artifacts named under `from`; with its digest.
async fn start_tree(
    engine: &Engine,
    run: &Loaded,
    name: &StageName,
) -> Result<(Arc<Tree>, Digest, BTreeMap<Digest, Collected>), Failure> {
    let planned = &run.plan.stages[name];
    let fault = |message: String| failure("workspace", message);
    let mut tree = match &run.state.tree {
        None => Arc::default(),
        Some(digest) => tree_of(engine, digest).await?,
    };
    if let Some(inputs) = &planned.inputs {
        tree = Arc::new(tree.narrowed(&globs(inputs).map_err(|e| fault(e.to_string()))?));
    }
    let mut artifacts = BTreeMap::new();
    for (path, artifact) in &planned.from {
        if run.plan.leaves_out(&artifact.stage, &run.state) {
            continue;
        }
        let ended = run.state.stages.get(&artifact.stage).and_then(|stage| stage.ended());
        let what = ended.and_then(|ended| ended.artifacts()?.get(&artifact.name).copied());
        let missing = || fault(format!("stage `{}` has no artifact `{}`", artifact.stage, artifact.name));
        let what = what.ok_or_else(missing)?;
        let path = WorkspacePath::new(path.as_str()).map_err(|e| fault(e.to_string()))?;
        artifacts.insert(what.digest(), what);
        match what {
            Collected::File { content, executable } => {
                Arc::make_mut(&mut tree).insert(path, Node::File { content, executable });
            }
            Collected::Tree { digest, .. } => {
                let tree = Arc::make_mut(&mut tree);
                for (inner, node) in tree_of(engine, &digest).await?.iter() {
                    tree.insert(inner.below(&path), node.clone());
                }
            }
        }
    }
    let digest = match run.state.tree {
        Some(digest) if planned.inputs.is_none() && planned.from.is_empty() => digest,
        _ => tree.digest(),
    };
    Ok((tree, digest, artifacts))
}

async fn tree_of(engine: &Engine, digest: &Digest) -> Result<Arc<Tree>, Failure> {
    engine.trees.read(&*engine.blobs, digest).await.map_err(|e| failure("workspace", e.to_string()))
}
