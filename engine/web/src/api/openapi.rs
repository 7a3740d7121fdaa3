//! The description of the API: what the routes say of themselves, and what holds for all of them.

use serde_json::{Map, Value as Json, json};
use utoipa::openapi::OpenApi;

const DESCRIPTION: &str = "Everything of a tenant under its own address. Requests carry a token of that tenant, \
    `Authorization: Bearer TOKEN`; what each address needs of it is its security requirement. Times are milliseconds since 1970. \
    Errors are problem details (RFC 9457) with a code that `stageway explain` knows. A token may send 6000 requests a minute, and an \
    address 300 whose token is missing or wrong; more are answered 429. Fields are added, never renamed or removed.";

/// Names in addresses: what they are, and their rule.
const NAMES: [(&str, &str, &str); 8] = [
    ("tenant", "Whose things it is about: the token's tenant", LABEL),
    ("run", "The run's number, or its id", "^[A-Za-z0-9_-][A-Za-z0-9._-]{0,127}$"),
    ("stage", "The stage", LABEL),
    ("attempt", "The attempt, from 1", ""),
    ("digest", "`sha256:` and 64 lower-case hex digits", "^sha256:[0-9a-f]{64}$"),
    ("repository", "What the operator calls the repository", LABEL),
    ("delivery", "The delivery's id", "^[A-Za-z0-9_-][A-Za-z0-9._-]{0,127}$"),
    ("environment", "The environment", LABEL),
];
const LABEL: &str = "^[a-z]([a-z0-9-]{0,61}[a-z0-9])?$";

/// Problems that may be answered, by status.
const PROBLEMS: [(&str, &str); 10] = [
    ("400", "The request is not understood"),
    ("401", "The token is missing or wrong"),
    ("403", "The token may not do this"),
    ("404", "There is nothing of the tenant at this address"),
    ("409", "It does not fit how things stand"),
    ("413", "The body is too large"),
    ("415", "The body is not of the kind that is taken"),
    ("422", "The body says something else than what is asked for"),
    ("429", "Too many requests with this token, or too many from this address without a good one"),
    ("503", "The server cannot do it now"),
];

/// Reads whose answer does not follow the tenant's count of changes.
const UNTAGGED: [&str; 5] = ["/token", "/changes", "/plugins", "/logs/stream", "/preflight"];

/// The whole document as text, in an order that does not change.
pub(super) fn document(documented: OpenApi) -> String {
    let mut document = json!(documented);
    document["info"] = json!({
        "title": "Stageway", "description": DESCRIPTION, "version": "1", "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"}
    });
    document["components"]["securitySchemes"] = json!({"token": {
        "type": "http", "scheme": "bearer", "description": "`stageway token` makes one. Its scopes: `read`, `run`, `approve`, `admin`."
    }});
    document["components"]["responses"] = PROBLEMS.iter().map(problem).collect::<Map<_, _>>().into();
    for (path, item) in document["paths"].as_object_mut().into_iter().flatten() {
        for (method, operation) in item.as_object_mut().into_iter().flatten() {
            complete(path, method, operation);
        }
    }
    let text = serde_json::to_string_pretty(&document).unwrap_or_default();
    format!("{text}\n")
}

fn problem((status, description): &(&str, &str)) -> (String, Json) {
    let content = json!({"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}});
    let mut response = json!({"description": description, "content": content});
    let header = |about: &str, of: &str| json!({"description": about, "schema": {"type": of}});
    match *status {
        "401" => response["headers"] = json!({"WWW-Authenticate": header("`Bearer`", "string")}),
        "429" | "503" => {
            response["headers"] = json!({"Retry-After": header("After how many seconds", "integer")})
        }
        _ => {}
    }
    (format!("P{status}"), response)
}

/// What follows from the address, the method and the security of an operation.
fn complete(path: &str, method: &str, operation: &mut Json) {
    operation["operationId"] = identifier(path, method).into();
    let mut parameters: Vec<Json> = names(path).map(parameter).collect();
    parameters.extend(operation["parameters"].as_array().into_iter().flatten().cloned());
    let secured = operation["security"].is_array();
    let tagged = secured && method == "get" && !UNTAGGED.iter().any(|end| path.ends_with(end));
    if tagged {
        parameters.push(json!({
            "name": "If-None-Match", "in": "header", "required": false, "schema": {"type": "string"},
            "description": "The `ETag` of an earlier answer: if that is still good it is not sent again"
        }));
        tag(&mut operation["responses"]);
    }
    let body = operation["requestBody"].is_object();
    for status in statuses(secured, method, path.contains('{'), body) {
        if operation["responses"][status].is_null() {
            operation["responses"][status] = json!({"$ref": format!("#/components/responses/P{status}")});
        }
    }
    if !parameters.is_empty() {
        operation["parameters"] = parameters.into();
    }
}

fn statuses(secured: bool, method: &str, named: bool, body: bool) -> impl Iterator<Item = &'static str> {
    PROBLEMS.iter().map(|(status, _)| *status).filter(move |status| match *status {
        "400" | "401" | "429" => secured,
        "403" | "404" => secured && named,
        "409" => method == "post",
        "413" | "415" | "422" => body,
        _ => true,
    })
}

fn tag(responses: &mut Json) {
    for (_, response) in responses.as_object_mut().into_iter().flatten() {
        response["headers"]["ETag"] =
            json!({"description": "Changes whenever the answer may", "schema": {"type": "string"}});
    }
    responses["304"] = json!({"description": "The asker has the answer already"});
}

/// The names in an address.
fn names(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
}

fn parameter(name: &str) -> Json {
    let known = NAMES.iter().find(|(known, ..)| *known == name);
    let (_, description, pattern) = known.copied().unwrap_or((name, "", ""));
    let schema = match pattern {
        "" => json!({"type": "integer", "format": "int32", "minimum": 0}),
        pattern => json!({"type": "string", "pattern": pattern}),
    };
    json!({"name": name, "in": "path", "required": true, "description": description, "schema": schema})
}

/// `get-runs-run-logs`
fn identifier(path: &str, method: &str) -> String {
    let rest = path.trim_start_matches("/api/v1").trim_start_matches("/tenants/{tenant}");
    let words = rest.split('/').filter(|part| !part.is_empty()).map(|part| part.trim_matches(['{', '}']));
    std::iter::once(method).chain(words).collect::<Vec<_>>().join("-")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn operations_have_names_of_their_own() {
        let document: Json = serde_json::from_str(&crate::openapi()).unwrap();
        let mut seen = BTreeSet::new();
        for (path, item) in document["paths"].as_object().unwrap() {
            for (method, operation) in item.as_object().unwrap() {
                let id = operation["operationId"].as_str().unwrap().to_owned();
                assert!(seen.insert(id.clone()), "{method} {path}: {id}");
                assert!(operation["summary"].is_string(), "{method} {path} says nothing");
            }
        }
        assert!(seen.contains("get-runs-run-logs"), "{seen:?}");
    }

    #[test]
    fn every_name_in_an_address_has_its_rule() {
        let document: Json = serde_json::from_str(&crate::openapi()).unwrap();
        let paths = document["paths"].as_object().unwrap();
        let used: BTreeSet<&str> = paths.keys().flat_map(|path| names(path)).collect();
        assert_eq!(used, NAMES.iter().map(|(name, ..)| *name).collect());
    }
}
