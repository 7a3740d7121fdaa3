//! Single objects: each function is one request, or one a page.

use super::adapter::Opened;
use super::kinds::Kind;
use super::told::{asked, told};
use kube::Error;
use kube::api::{Api, DeleteParams, DynamicObject, ListParams, Patch, PatchParams, ValidationDirective};
use serde_json::{Map, Value as Json};
use stageway_ports::ClusterError;

/// Who manages the fields that are applied.
const MANAGER: &str = "stageway";
/// The most bytes of one object, as JSON.
const MOST_BYTES: usize = 1 << 20;
/// The most bytes of what `find` answers.
const MOST_FOUND_BYTES: usize = 8 << 20;
/// The most objects that `find` answers, and those of one page.
const MOST_FOUND: u32 = 1000;
const PAGE: u32 = 100;

pub(super) async fn get(
    cluster: &Opened,
    kind: Kind<'_>,
    namespace: &str,
    name: &str,
) -> Result<Json, ClusterError> {
    check_name(name)?;
    let api = cluster.kinds.api(&cluster.client, kind, namespace).await?;
    match asked(api.get_opt(name)).await?.map_err(told)? {
        Some(object) => shown(object, kind),
        None => Ok(Json::Null),
    }
}

pub(super) async fn find(
    cluster: &Opened,
    kind: Kind<'_>,
    namespace: &str,
    selector: &str,
    max: u32,
) -> Result<Json, ClusterError> {
    let max = max.min(MOST_FOUND) as usize;
    let api = cluster.kinds.api(&cluster.client, kind, namespace).await?;
    let (mut found, mut bytes, mut token) = (Vec::new(), 0, None::<String>);
    while found.len() < max {
        let left = u32::try_from(max - found.len()).unwrap_or(PAGE);
        let mut parameters = ListParams::default().limit(left.min(PAGE)).labels(selector);
        parameters.continue_token = token.take();
        let page = asked(api.list(&parameters)).await?.map_err(told)?;
        for object in page.items.into_iter().take(max - found.len()) {
            let object = shown(object, kind)?;
            bytes += object.to_string().len();
            if bytes > MOST_FOUND_BYTES {
                let words = format!("the objects found have more than {} MiB", MOST_FOUND_BYTES >> 20);
                return Err(ClusterError::TooLarge(format!(
                    "{words}: narrow the selector, or ask for fewer"
                )));
            }
            found.push(object);
        }
        token = page.metadata.continue_.filter(|token| !token.is_empty());
        if token.is_none() {
            break;
        }
    }
    Ok(Json::Array(found))
}

pub(super) async fn apply(cluster: &Opened, manifest: &Json, options: &Json) -> Result<Json, ClusterError> {
    let text = |pointer: &str| manifest.pointer(pointer).and_then(Json::as_str).unwrap_or_default();
    let kind = (text("/apiVersion"), text("/kind"));
    let (namespace, name) = (text("/metadata/namespace"), text("/metadata/name"));
    check_name(name)?;
    let size = manifest.to_string().len();
    if size > MOST_BYTES {
        let words = format!("{} `{name}` has {size} bytes, and an object has at most {MOST_BYTES}", kind.1);
        return Err(ClusterError::TooLarge(words));
    }
    let api = cluster.kinds.api(&cluster.client, kind, namespace).await?;
    let parameters = PatchParams {
        dry_run: flag(options, "dry-run")?,
        force: flag(options, "force")?,
        field_manager: Some(MANAGER.to_owned()),
        // A field that is misspelt is told instead of dropped.
        field_validation: Some(ValidationDirective::Strict),
    };
    let mut manifest = manifest.clone();
    // Who manages what is the server's to say.
    manifest.pointer_mut("/metadata").and_then(Json::as_object_mut).map(|meta| meta.remove("managedFields"));
    match asked(api.patch(name, &parameters, &Patch::Apply(&manifest))).await? {
        Ok(object) => shown(object, kind),
        Err(error) => {
            if matches!(&error, Error::Api(status) if status.code == 404) {
                cluster.kinds.forget(kind);
            }
            Err(told(error))
        }
    }
}

pub(super) async fn delete(
    cluster: &Opened,
    kind: Kind<'_>,
    namespace: &str,
    name: &str,
) -> Result<Json, ClusterError> {
    check_name(name)?;
    let api: Api<DynamicObject> = cluster.kinds.api(&cluster.client, kind, namespace).await?;
    match asked(api.delete(name, &DeleteParams::foreground())).await? {
        Err(Error::Api(status)) if status.code == 404 => Ok(Json::Null),
        Err(error) => Err(told(error)),
        Ok(_) => Ok(Json::Null),
    }
}

fn flag(options: &Json, name: &str) -> Result<bool, ClusterError> {
    match options.get(name) {
        None | Some(Json::Null) => Ok(false),
        Some(Json::Bool(flag)) => Ok(*flag),
        Some(_) => Err(ClusterError::Invalid(format!("the option `{name}` is true or false"))),
    }
}

/// It becomes the last part of a path.
fn check_name(name: &str) -> Result<(), ClusterError> {
    let plain = !name.is_empty()
        && name.len() <= 253
        && !matches!(name, "." | "..")
        && name.chars().all(|c| c.is_ascii_graphic() && !matches!(c, '/' | '%' | '?' | '#'));
    if plain {
        return Ok(());
    }
    Err(ClusterError::Invalid(format!("`{name:.100}` is not the name of an object: write `metadata.name`")))
}

/// An object for a plugin: with its kind, which pages leave out, and without who manages which field.
fn shown(mut object: DynamicObject, (api_version, kind): Kind<'_>) -> Result<Json, ClusterError> {
    object.metadata.managed_fields = None;
    let unreadable = |error| ClusterError::Unavailable(format!("an object cannot be read: {error}"));
    let mut json = serde_json::to_value(object).map_err(unreadable)?;
    if let Some(members) = json.as_object_mut() {
        type_of(members, api_version, kind);
    }
    if json.to_string().len() > MOST_BYTES {
        let words = format!("a {kind} has more than {MOST_BYTES} bytes");
        return Err(ClusterError::TooLarge(words));
    }
    Ok(json)
}

fn type_of(members: &mut Map<String, Json>, api_version: &str, kind: &str) {
    members.entry("apiVersion").or_insert_with(|| api_version.into());
    members.entry("kind").or_insert_with(|| kind.into());
}
