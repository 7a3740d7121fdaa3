//! Objects on a real cluster: what is applied, found, refused and deleted.

use crate::cluster::{Place, block_on, kubeconfig};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{Patch, PatchParams};
use libtest_mimic::Trial;
use serde_json::{Value as Json, json};
use stageway_core::call::Cluster as Call;
use stageway_core::name::TenantId;
use stageway_executors::cluster::{ClusterOptions, KubernetesClusters};
use stageway_ports::{Cluster as _, ClusterError};
use std::collections::BTreeMap;

/// The cluster of the tests under the name `test`, and one that is not there.
pub fn clusters() -> KubernetesClusters {
    let options = ClusterOptions { kubeconfig: Some(kubeconfig()), context: None };
    let absent = ClusterOptions { kubeconfig: Some("/nowhere/kubeconfig".into()), context: None };
    KubernetesClusters::new(BTreeMap::from([("test".to_owned(), options), ("absent".to_owned(), absent)]))
}

pub async fn call(call: Call) -> Result<Json, ClusterError> {
    clusters().call(&TenantId::local(), &call).await
}

pub async fn apply(manifest: &Json, options: Json) -> Result<Json, ClusterError> {
    call(Call::Apply { cluster: "test".into(), manifest: manifest.clone(), options }).await
}

async fn get(kind: (&str, &str), namespace: &str, name: &str) -> Result<Json, ClusterError> {
    let (api_version, kind) = (kind.0.into(), kind.1.into());
    call(Call::Get {
        cluster: "test".into(),
        api_version,
        kind,
        namespace: namespace.into(),
        name: name.into(),
    })
    .await
}

const CONFIG_MAP: (&str, &str) = ("v1", "ConfigMap");

fn config_map(place: &Place, name: &str, value: &str) -> Json {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "data": {"key": value},
           "metadata": {"name": name, "namespace": place.namespace, "labels": {"app": "shop"}}})
}

async fn an_object_is_applied_read_found_and_deleted() {
    let place = Place::new().await;
    assert_eq!(get(CONFIG_MAP, &place.namespace, "a").await, Ok(Json::Null));
    let tried = apply(&config_map(&place, "a", "one"), json!({"dry-run": true})).await.unwrap();
    assert_eq!((&tried["data"]["key"], &tried["kind"]), (&json!("one"), &json!("ConfigMap")));
    assert_eq!(get(CONFIG_MAP, &place.namespace, "a").await, Ok(Json::Null), "a dry-run changes nothing");
    for name in ["a", "b", "c"] {
        let live = apply(&config_map(&place, name, "one"), json!({})).await.unwrap();
        let again = apply(&config_map(&place, name, "one"), json!({})).await.unwrap();
        assert_eq!(
            live["metadata"]["resourceVersion"], again["metadata"]["resourceVersion"],
            "twice is once"
        );
        assert!(live["metadata"]["managedFields"].is_null());
    }
    let find = |selector: &str, max| Call::Find {
        cluster: "test".into(),
        api_version: "v1".into(),
        kind: "ConfigMap".into(),
        namespace: place.namespace.clone(),
        selector: selector.into(),
        max,
    };
    let found = call(find("app=shop", 2)).await.unwrap();
    assert_eq!(found.as_array().map(Vec::len), Some(2));
    assert_eq!((&found[0]["metadata"]["name"], &found[0]["kind"]), (&json!("a"), &json!("ConfigMap")));
    assert!(matches!(call(find("app in (", 2)).await, Err(ClusterError::Invalid(_))));
    let delete = |name: &str| Call::Delete {
        cluster: "test".into(),
        api_version: "v1".into(),
        kind: "ConfigMap".into(),
        namespace: place.namespace.clone(),
        name: name.into(),
    };
    call(delete("a")).await.unwrap();
    call(delete("a")).await.unwrap();
    assert_eq!(get(CONFIG_MAP, &place.namespace, "a").await, Ok(Json::Null));
    place.end().await;
}

async fn a_field_of_somebody_else_is_a_conflict_in_words() {
    let place = Place::new().await;
    apply(&config_map(&place, "a", "one"), json!({})).await.unwrap();
    let theirs = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"key": "theirs"}});
    let by_hand = PatchParams::apply("by-hand").force();
    place.api::<ConfigMap>().patch("a", &by_hand, &Patch::Apply(&theirs)).await.unwrap();
    for options in [json!({"dry-run": true}), json!({})] {
        let Err(ClusterError::Conflict(words)) = apply(&config_map(&place, "a", "two"), options).await else {
            panic!("no conflict")
        };
        for word in ["`data.key` (`by-hand`)", "`force`"] {
            assert!(words.contains(word), "{words}");
        }
    }
    let taken = apply(&config_map(&place, "a", "two"), json!({"force": true})).await.unwrap();
    assert_eq!(taken["data"]["key"], "two");
    place.end().await;
}

async fn what_the_cluster_does_not_take_says_what_to_do() {
    let place = Place::new().await;
    let mut manifest = config_map(&place, "a", "one");
    manifest["metadata"]["namespace"] = json!("absent");
    let Err(ClusterError::NotFound(words)) = apply(&manifest, json!({})).await else { panic!("not refused") };
    assert!(words.contains("make the namespace"), "{words}");
    let told = get(("example.com/v1", "Widget"), &place.namespace, "w").await.unwrap_err();
    assert!(
        matches!(&told, ClusterError::Invalid(words) if words.contains("CustomResourceDefinition")),
        "{told}"
    );
    // A misspelt field is not dropped.
    let mut manifest = config_map(&place, "a", "one");
    manifest["dta"] = json!({});
    let told = apply(&manifest, json!({})).await.unwrap_err();
    assert!(matches!(&told, ClusterError::Invalid(words) if words.contains("dta")), "{told}");
    let large = config_map(&place, "a", &"x".repeat(1 << 20));
    assert!(matches!(apply(&large, json!({})).await, Err(ClusterError::TooLarge(_))));
    let unknown = Call::Get {
        cluster: "else".into(),
        api_version: "v1".into(),
        kind: "ConfigMap".into(),
        namespace: "x".into(),
        name: "x".into(),
    };
    assert_eq!(call(unknown).await, Err(ClusterError::Unknown("else".into())));
    let unreachable = Call::Get {
        cluster: "absent".into(),
        api_version: "v1".into(),
        kind: "ConfigMap".into(),
        namespace: "x".into(),
        name: "x".into(),
    };
    assert!(
        matches!(call(unreachable).await, Err(ClusterError::Unavailable(words)) if words.contains("/nowhere/kubeconfig"))
    );
    place.end().await;
}

/// Grants are checked by the namespace of the call, so nothing reaches beyond it.
async fn no_name_leaves_its_namespace() {
    let place = Place::new().await;
    for (kind, namespace, name) in [
        (CONFIG_MAP, "", "a"),
        (CONFIG_MAP, "../kube-system", "a"),
        (CONFIG_MAP, place.namespace.as_str(), "../../kube-system/configmaps/a"),
        (("v1", "Namespace"), place.namespace.as_str(), "kube-system"),
        (("v1/../..", "ConfigMap"), place.namespace.as_str(), "a"),
    ] {
        let told = get(kind, namespace, name).await;
        assert!(matches!(told, Err(ClusterError::Invalid(_))), "{kind:?} {namespace} {name}: {told:?}");
    }
    let seen = get(("v1", "Namespace"), "", &place.namespace).await.unwrap();
    assert_eq!(seen["metadata"]["name"], place.namespace.as_str());
    place.end().await;
}

pub fn trials() -> Vec<Trial> {
    macro_rules! trials {
        ($($case:ident)*) => {
            vec![$(Trial::test(concat!("objects::", stringify!($case)), || {
                block_on($case());
                Ok(())
            })),*]
        };
    }
    trials! {
        an_object_is_applied_read_found_and_deleted
        a_field_of_somebody_else_is_a_conflict_in_words
        what_the_cluster_does_not_take_says_what_to_do
        no_name_leaves_its_namespace
    }
}
