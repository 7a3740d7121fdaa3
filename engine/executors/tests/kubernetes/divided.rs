//! Tasks on this machine beside tasks as pods.

use crate::cluster::{Place, SHELL, shell};
use crate::own::of_image;
use stageway_core::name::{TaskName, TenantId};
use stageway_executors::{DividedExecutor, PodExecutors};
use stageway_ports::contract::executor::{ending, output};
use stageway_ports::memory::{MemoryExecutor, TaskScript};
use stageway_ports::{Executor, SecretValues, TaskError};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

async fn divided(place: &Place, here: &MemoryExecutor, all: bool) -> DividedExecutor {
    let pods = PodExecutors { usual: Arc::new(place.another().await), tenants: BTreeMap::new() };
    DividedExecutor::new(Arc::new(here.clone()), pods, all)
}

pub async fn tasks_are_divided_by_what_they_are_and_found_where_they_are() {
    let place = Place::new().await;
    let here = MemoryExecutor::new(|_, _| TaskScript::runs());
    let first = divided(&place, &here, false).await;
    let (tool, image) = (TaskName::new("tool").unwrap(), TaskName::new("image").unwrap());
    let specs = [(&tool, shell("true")), (&image, of_image(shell("echo pod"), SHELL))];
    // The second engine would send both to the cluster, and must not: they were started.
    let second = divided(&place, &here, true).await;
    for engine in [&first, &second] {
        for (name, spec) in &specs {
            engine.ensure(name, spec, &SecretValues::default()).await.unwrap();
        }
        assert_eq!((here.running(), place.pods().await.len()), (vec![tool.clone()], 1));
    }
    assert_eq!(here.starts().values().copied().collect::<Vec<_>>(), [1]);
    let third = divided(&place, &here, false).await;
    assert_eq!(ending(&third, &image).await.code, Some(0));
    assert_eq!(output(&third, &image, 100).await, "pod\n");
    let mut all = third.sweep().await.unwrap();
    all.sort();
    assert_eq!(all, [image.clone(), tool.clone()]);
    third.cancel(&tool, Duration::ZERO).await.unwrap();
    for name in [&tool, &image] {
        third.forget(name).await.unwrap();
        let gone = third.state(name, None, Duration::ZERO).await.unwrap_err();
        assert!(matches!(gone, TaskError::Unknown(_)), "{gone}");
    }
    assert!(place.pods().await.is_empty() && third.sweep().await.unwrap().is_empty());
    // Only who unpacks images needs their layers.
    assert!(first.unpacks(false) && !first.unpacks(true) && !second.unpacks(false));
    place.end().await;
}

pub async fn a_tenant_with_a_namespace_of_its_own_is_nowhere_else() {
    let (shared, own) = (Place::new().await, Place::new().await);
    let tenant: TenantId = "acme".parse().unwrap();
    let pods = async || {
        let tenants = BTreeMap::from([(tenant.clone(), Arc::new(own.another().await))]);
        PodExecutors { usual: Arc::new(shared.another().await), tenants }
    };
    let here = Arc::new(MemoryExecutor::new(|_, _| TaskScript::runs()));
    let first = DividedExecutor::new(here.clone(), pods().await, true);
    let (theirs, others) = (TaskName::new("theirs").unwrap(), TaskName::new("others").unwrap());
    let mut spec = shell("echo own");
    spec.owner.tenant = tenant.clone();
    first.ensure(&theirs, &spec, &SecretValues::default()).await.unwrap();
    first.ensure(&others, &shell("echo shared"), &SecretValues::default()).await.unwrap();
    assert_eq!((own.pods().await.len(), shared.pods().await.len()), (1, 1));
    // Another engine finds each where it is.
    let second = DividedExecutor::new(here, pods().await, true);
    for (name, words) in [(&theirs, "own\n"), (&others, "shared\n")] {
        assert_eq!(ending(&second, name).await.code, Some(0));
        assert_eq!(output(&second, name, 100).await, words);
        second.forget(name).await.unwrap();
    }
    assert!(second.sweep().await.unwrap().is_empty());
    own.end().await;
    shared.end().await;
}
