//! The JSON Schema of the pipeline file, for editors. It is looser than [`super::parse`], which has the last word.

use super::pipeline::PIPELINE_KEYS;
use super::stages::STAGE_KEYS;
use super::types::LIMIT_KEYS;
use crate::grant::{Access, ClusterAction, ImageAction};
use serde_json::{Map, Value as Json, json};

/// The published schema.
pub fn json_schema() -> Json {
    let keys = PIPELINE_KEYS.map(|key| (key.to_owned(), pipeline_key(key)));
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Stageway pipeline",
        "type": "object",
        "properties": keys.into_iter().collect::<Map<String, Json>>(),
        "required": ["pipeline", "stages"],
        "additionalProperties": false,
        "$defs": definitions(),
    })
}

fn reference(name: &str) -> Json {
    json!({ "$ref": format!("#/$defs/{name}") })
}

fn described(mut schema: Json, description: &str) -> Json {
    schema["description"] = description.into();
    schema
}

fn pipeline_key(key: &str) -> Json {
    match key {
        "pipeline" => described(reference("name"), "The name of the pipeline, unique within the repository."),
        "on" => described(triggers(), "Which events start a run."),
        "concurrency" => described(concurrency(), "Which other runs it minds."),
        "parameters" => described(parameters(), "What a person gives to a run."),
        "vars" => described(
            json!({ "type": "object" }),
            "Constants for expressions; they come before the tenant's.",
        ),
        "env" => described(reference("variables"), "Variables of every task."),
        "timeout" => described(reference("duration"), "From the start of the run to its end."),
        "retry" => described(reference("retry"), "For stages that do not say it themselves."),
        _ => {
            let stages = json!({
                "type": "object", "minProperties": 1, "propertyNames": reference("name"),
                "additionalProperties": reference("stage"),
            });
            described(stages, "What is done, by name.")
        }
    }
}

fn triggers() -> Json {
    let paths = reference("texts");
    json!({ "anyOf": [
        { "enum": ["push", "pull-request", "manual"] },
        { "type": "array", "items": { "enum": ["push", "pull-request", "manual"] } },
        { "type": "object", "additionalProperties": false, "properties": {
            "push": { "type": ["object", "null"], "additionalProperties": false,
                "properties": { "branches": paths, "tags": paths, "paths": paths } },
            "pull-request": { "type": ["object", "null"], "additionalProperties": false,
                "properties": { "target": paths, "paths": paths } },
            "schedule": { "type": "array", "items": { "type": "object", "additionalProperties": false,
                "required": ["cron"], "properties": {
                    "cron": { "type": "string" }, "zone": { "type": "string" }, "branch": { "type": "string" } } } },
            "pipeline": { "anyOf": [
                { "type": "string" },
                { "type": "array", "items": { "anyOf": [
                    { "type": "string" },
                    { "type": "object", "additionalProperties": false, "required": ["name"],
                        "properties": { "name": { "type": "string" }, "branches": paths, "tags": paths } },
                ] } },
            ] },
            "manual": true,
        } },
    ] })
}

fn concurrency() -> Json {
    json!({ "anyOf": [
        { "type": "string" },
        { "type": "object", "additionalProperties": false, "required": ["group"], "properties": {
            "group": { "type": "string" },
            "when-newer": { "enum": ["wait", "cancel-queued", "cancel-running"] },
        } },
    ] })
}

fn parameters() -> Json {
    json!({ "type": "object", "additionalProperties": {
        "type": "object", "additionalProperties": false, "required": ["type"], "properties": {
            "type": { "enum": ["string", "int", "number", "bool"] },
            "default": true, "choices": { "type": "array" }, "description": { "type": "string" },
        },
    } })
}

fn definitions() -> Json {
    let stage = STAGE_KEYS.map(|key| (key.to_owned(), stage_key(key)));
    json!({
        "name": { "type": "string", "pattern": "^[a-z]([a-z0-9-]{0,61}[a-z0-9])?$" },
        "duration": { "type": "string", "pattern": "^([0-9]+(d|h|ms|m|s))+$" },
        "texts": { "anyOf": [{ "type": "string" }, { "type": "array", "items": { "type": "string" } }] },
        "variables": { "type": "object", "propertyNames": { "pattern": "^[A-Za-z_][A-Za-z0-9_]*$" },
            "additionalProperties": { "type": ["string", "number", "boolean"] } },
        "retry": { "anyOf": [
            { "type": "integer", "minimum": 1, "maximum": 10 },
            { "type": "object", "additionalProperties": false, "required": ["attempts"], "properties": {
                "attempts": { "type": "integer", "minimum": 1, "maximum": 10 },
                "on": { "anyOf": [{ "enum": ["errored", "failed"] },
                    { "type": "array", "items": { "enum": ["errored", "failed"] } }] },
                "backoff": reference("duration"),
            } },
        ] },
        "ready": { "type": "object", "minProperties": 1, "maxProperties": 1, "additionalProperties": false,
            "properties": {
                "tcp": reference("port"), "command": reference("texts"),
                "http": { "type": "object", "additionalProperties": false, "required": ["port"],
                    "properties": { "port": reference("port"), "path": { "type": "string", "pattern": "^/" } } },
            } },
        "port": { "type": "integer", "minimum": 1, "maximum": 65535 },
        "stage": { "type": "object", "additionalProperties": false, "required": ["uses"],
            "properties": stage.into_iter().collect::<Map<String, Json>>() },
    })
}

fn stage_key(key: &str) -> Json {
    let text = || json!({ "type": "string" });
    let flag = || json!({ "type": "boolean" });
    let by_name = |value: Json| json!({ "type": "object", "additionalProperties": value });
    let (schema, description) = match key {
        "uses" => (text(), "The plugin: NAMESPACE/NAME@VERSION, or a component file `./x.wasm`."),
        "needs" => (reference("texts"), "Stages that end before it starts."),
        "when" => (
            json!({ "type": ["string", "boolean"] }),
            "A CEL expression of type bool; `success()` when left out.",
        ),
        "with" => (json!({ "type": "object" }), "The plugin's configuration; texts may hold `${{ }}`."),
        "inputs" => (reference("texts"), "Patterns that narrow the workspace."),
        "from" => (by_name(text()), "Artifacts laid into the workspace: PATH: stages.STAGE.artifacts.NAME."),
        "workspace" => (workspace(), "How the tree is checked out."),
        "artifacts" => (by_name(text()), "What its tasks leave: NAME: path."),
        "services" => (by_name(service()), "What runs beside each of its tasks."),
        "caches" => (
            json!({ "anyOf": [{ "type": "array", "items": { "const": "cargo" } }, by_name(text())] }),
            "Directories that are kept between runs.",
        ),
        "secrets" => (by_name(text()), "Variables of its tasks that hold a secret: VARIABLE: SECRET."),
        "env" => (reference("variables"), "Variables of its tasks."),
        "matrix" => (matrix(), "It is a stage of its own for each combination of these values."),
        "environment" => (reference("name"), "Whose lock it holds while it runs."),
        "approval" => (approval(), "Who must agree before it starts."),
        "grants" => (grants(), "What the plugin may do."),
        "limits" => (limits(), "Bounds of an attempt and its tasks."),
        "retry" => (reference("retry"), "When it is tried again."),
        "timeout" => (reference("duration"), "Of an attempt, from start to end."),
        "uninterruptible" => (flag(), "A newer run does not cancel it once it has started."),
        "finally" => (flag(), "It runs last, whatever the outcome."),
        _ => (reference("texts"), "It runs only if one of these paths has changed."),
    };
    described(schema, description)
}

fn matrix() -> Json {
    let value = json!({ "type": ["string", "integer", "boolean"] });
    let cells = json!({ "type": "array", "items": { "type": "object", "additionalProperties": value } });
    json!({
        "type": "object", "minProperties": 1, "propertyNames": { "pattern": "^[A-Za-z_][A-Za-z0-9_]*$" },
        "properties": { "include": cells, "exclude": cells },
        "additionalProperties": { "type": "array", "minItems": 1, "items": value },
    })
}

fn workspace() -> Json {
    json!({ "type": "object", "additionalProperties": false,
        "properties": { "submodules": { "type": "boolean" }, "depth": { "type": "integer", "minimum": 1 } } })
}

fn service() -> Json {
    json!({ "type": "object", "additionalProperties": false, "required": ["ready"], "properties": {
        "image": { "type": "string" }, "command": reference("texts"), "env": reference("variables"),
        "ready": reference("ready"), "within": reference("duration"),
    } })
}

fn approval() -> Json {
    json!({ "anyOf": [{ "type": "boolean" }, { "type": "object", "additionalProperties": false, "properties": {
        "when": { "type": "string", "description": "Whether it is asked at all, by what is known when the run is planned." },
        "approvers": reference("texts"), "within": reference("duration"), "question": { "type": "string" },
    } }] })
}

fn limits() -> Json {
    let each = LIMIT_KEYS
        .map(|(key, most)| (key.to_owned(), json!({ "type": "integer", "minimum": 1, "maximum": most })));
    json!({ "type": "object", "additionalProperties": false, "properties": each.into_iter().collect::<Map<String, Json>>() })
}

fn grants() -> Json {
    let access = json!({ "anyOf": [{ "type": "boolean" }, { "enum": Access::WORDS }] });
    let some = |words: &[&str]| json!({ "anyOf": [{ "enum": words }, { "type": "array", "items": { "enum": words } }] });
    json!({ "type": "object", "additionalProperties": false, "properties": {
        "workspace": access, "artifacts": access,
        "source": { "anyOf": [{ "type": "boolean" }, { "const": "read" }] },
        "tasks": { "anyOf": [{ "type": "boolean" }, { "type": "object", "additionalProperties": false, "properties": {
            "images": reference("texts"),
            "network": { "anyOf": [{ "type": "boolean" }, reference("texts")] },
        } }] },
        "images": { "type": "object", "additionalProperties": some(ImageAction::WORDS) },
        "http": reference("texts"), "secrets": reference("texts"), "environments": reference("texts"),
        "approvals": { "type": "boolean" },
        "cluster": { "type": "object", "additionalProperties": {
            "type": "object", "additionalProperties": false, "required": ["namespaces", "kinds", "actions"],
            "properties": { "namespaces": reference("texts"), "kinds": reference("texts"),
                "actions": some(ClusterAction::WORDS) },
        } },
    } })
}
