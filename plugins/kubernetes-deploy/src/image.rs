//! Which containers take the image, by digest.

use crate::manifest::Object;
use serde_json::Value;

/// An image and who takes it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Taken {
    /// The container that is named to take it; none: those whose image is of one of the repositories.
    pub(crate) container: Option<String>,
    /// Names of its repository, for the pipeline and for the nodes.
    pub(crate) repositories: Vec<String>,
    /// What the nodes pull: `HOST/PATH@sha256:DIGEST`.
    pub(crate) pulled: String,
}

/// Sets each image; answers what is wrong: an image that nobody takes.
pub(crate) fn set(objects: &mut [Object], images: &[Taken]) -> Vec<String> {
    let mut taken = vec![false; images.len()];
    for container in objects.iter_mut().flat_map(|object| containers(&object.id.kind, &mut object.value)) {
        let name = container["name"].as_str().unwrap_or_default();
        let repository = repository(container["image"].as_str().unwrap_or_default());
        let named = images.iter().position(|image| image.container.as_deref() == Some(name));
        let found = named.or_else(|| {
            images.iter().position(|image| {
                image.container.is_none() && image.repositories.iter().any(|one| one == repository)
            })
        });
        if let Some(index) = found {
            taken[index] = true;
            container["image"] = Value::from(images[index].pulled.as_str());
        }
    }
    // An image whose repository a named container has taken is used.
    let used = |image: &Taken| {
        images.iter().zip(&taken).any(|(other, taken)| *taken && other.pulled == image.pulled)
    };
    let idle = images.iter().zip(&taken).filter(|(image, taken)| !**taken && !used(image));
    idle.map(|(image, _)| match &image.container {
        Some(name) => format!("no container of the manifest is called `{name}`: correct `images`"),
        None => format!(
            "no container of the manifest takes the image: write `image: {}` in it, or name the container under `images`",
            image.repositories.first().map(String::as_str).unwrap_or_default()
        ),
    })
    .collect()
}

/// Images that come by a tag, which may mean another image tomorrow.
pub(crate) fn by_tag(objects: &mut [Object]) -> Vec<String> {
    let all = objects.iter_mut().flat_map(|object| containers(&object.id.kind, &mut object.value));
    let mut images: Vec<String> = all
        .filter_map(|one| one["image"].as_str().filter(|image| !image.contains('@')).map(str::to_owned))
        .collect();
    images.sort();
    images.dedup();
    images
}

/// An image without tag and digest.
fn repository(image: &str) -> &str {
    let name = image.split_once('@').map_or(image, |(name, _)| name);
    match name.rfind(':') {
        Some(colon) if !name[colon..].contains('/') => &name[..colon],
        _ => name,
    }
}

fn containers<'o>(kind: &str, object: &'o mut Value) -> Vec<&'o mut Value> {
    let place = match kind {
        "Pod" => "/spec",
        "Deployment" | "StatefulSet" | "DaemonSet" | "ReplicaSet" | "Job" => "/spec/template/spec",
        "CronJob" => "/spec/jobTemplate/spec/template/spec",
        _ => return Vec::new(),
    };
    let Some(pod) = object.pointer_mut(place).and_then(Value::as_object_mut) else { return Vec::new() };
    let lists = pod.iter_mut().filter(|(key, _)| matches!(key.as_str(), "containers" | "initContainers"));
    lists.filter_map(|(_, list)| list.as_array_mut()).flatten().filter(|one| one.is_object()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use stageway_deployment::Id;

    fn objects() -> Vec<Object> {
        let spec = json!({"template": {"spec": {
            "initContainers": [{"name": "migrate", "image": "registry.example:5000/team/shop:old"}],
            "containers": [{"name": "web", "image": "build/shop"}, {"name": "proxy", "image": "proxy:1"}],
        }}});
        let id = Id {
            api_version: "apps/v1".into(),
            kind: "Deployment".into(),
            namespace: "x".into(),
            name: "shop".into(),
        };
        vec![Object { id, value: json!({"spec": spec}), file: String::new(), line: 1 }]
    }

    fn image(container: Option<&str>, pulled: &str) -> Taken {
        let repositories = vec!["build/shop".to_owned(), "registry.example:5000/team/shop".to_owned()];
        Taken { container: container.map(str::to_owned), repositories, pulled: pulled.to_owned() }
    }

    #[test]
    fn containers_take_it_by_repository_or_by_name() {
        let mut all = objects();
        assert!(set(&mut all, &[image(None, "r/shop@D"), image(Some("proxy"), "r/proxy@E")]).is_empty());
        let spec = &all[0].value["spec"]["template"]["spec"];
        assert_eq!(spec["initContainers"][0]["image"], "r/shop@D");
        assert_eq!(
            spec["containers"],
            json!([{"name": "web", "image": "r/shop@D"}, {"name": "proxy", "image": "r/proxy@E"}])
        );
        assert!(by_tag(&mut all).is_empty());
    }

    #[test]
    fn an_image_that_nobody_takes_is_told() {
        let other = Taken { repositories: vec!["build/other".to_owned()], ..image(None, "r/other@D") };
        let problems = set(&mut objects(), &[other, image(Some("absent"), "r/x@D")]);
        assert_eq!(problems.len(), 2, "{problems:?}");
        assert!(problems[0].contains("write `image: build/other`") && problems[1].contains("`absent`"));
        assert!(set(&mut objects(), &[image(None, "r/shop@D"), image(Some("web"), "r/shop@D")]).is_empty());
        assert_eq!(by_tag(&mut objects()), ["build/shop", "proxy:1", "registry.example:5000/team/shop:old"]);
    }
}
