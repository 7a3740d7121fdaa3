//! `…/runs/{run}/approvals` and `…/runs/{run}/stages/{stage}/approval`

use super::super::allow::{Allow, Approve};
use super::super::extract::{At, Said, reason};
use super::super::look::Look;
use super::super::{Answer, Routes};
use super::name::{RunAt, RunName};
use crate::app::App;
use crate::problem::Problem;
use crate::tokens::Identity;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use stageway_conductor::driver::Loaded;
use stageway_core::diagnostic::codes;
use stageway_core::digest::Digest;
use stageway_core::name::{StageName, TenantId};
use stageway_ports::{Approval, ApprovalAnswer, StoreError};
use std::sync::Arc;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// A question that waits for a person, or waited.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub(in crate::api) struct Question {
    /// The stage.
    stage: String,
    /// Its attempt; 0 where the whole run waits.
    attempt: u32,
    /// The journal entry that asks; 0 for the gate before a stage.
    seq: u32,
    /// What is asked.
    question: String,
    /// `approvers`, and whatever else the question was asked with.
    #[schema(value_type = Object)]
    options: Value,
    /// What a yes signs; none where a plugin asks, or the whole run waits.
    #[serde(skip_serializing_if = "Option::is_none")]
    signs: Option<Signs>,
    /// What an answer is given to: sha256 of the canonical JSON (RFC 8785) of `stage`, `attempt`, `seq`, `question` and `options`.
    digest: String,
    /// When it was asked, in milliseconds since 1970.
    asked_at: u64,
    /// Until when it may be answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    deadline: Option<u64>,
    /// The answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    answer: Option<Answered>,
}

/// What a person said.
#[derive(Serialize, ToSchema)]
struct Answered {
    /// Yes or no.
    approved: bool,
    /// Who.
    by: String,
    /// Why; may be empty.
    reason: String,
    /// When, in milliseconds since 1970.
    at: u64,
    /// The digest of the question as it was read; none for an answer that was given on the server's machine to whatever was asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    digest: Option<String>,
}

impl From<ApprovalAnswer> for Answered {
    fn from(ApprovalAnswer { approved, by, reason, at, to }: ApprovalAnswer) -> Self {
        Self { approved, by, reason, at, digest: to.map(|digest| digest.to_string()) }
    }
}

/// What a yes lets the stage do, beyond what changes nothing: no other effect is performed.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
struct Signs {
    /// In the order in which the stage would have them.
    effects: Vec<Effect>,
    /// sha256 of the canonical JSON of interface, function and request of each effect.
    digests: Vec<String>,
    /// From the last effect on the stage's grants alone decide, because the plan could not look further.
    open_end: bool,
}

/// One effect, foreseen.
#[derive(Serialize, ToSchema)]
struct Effect {
    /// Such as `images.tag`.
    function: String,
    /// As JSON; of a very long one the beginning.
    request: String,
    /// What it would be answered, as far as that is known.
    #[schema(value_type = Object)]
    answer: Value,
}

/// The set of effects in the options of a question; none where a person is asked something else.
fn signs(options: &Value) -> Option<Signs> {
    let digests =
        options["signed"].as_array()?.iter().filter_map(|digest| digest.as_str().map(str::to_owned));
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let effects = options["effects"].as_array().into_iter().flatten().map(|effect| Effect {
        function: text(&effect["function"]),
        request: text(&effect["request"]),
        answer: effect["answer"].clone(),
    });
    let open_end = options["open-end"].as_bool().unwrap_or(false);
    Some(Signs { effects: effects.collect(), digests: digests.collect(), open_end })
}

impl From<Approval> for Question {
    fn from(asked: Approval) -> Self {
        Self {
            signs: signs(&asked.options),
            digest: asked.digest().to_string(),
            stage: asked.stage.to_string(),
            attempt: asked.attempt,
            seq: asked.seq,
            question: asked.question,
            options: asked.options,
            asked_at: asked.asked_at,
            deadline: asked.deadline,
            answer: asked.answer.map(Answered::from),
        }
    }
}

/// An answer.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Verdict {
    /// Yes or no.
    approved: bool,
    /// The `digest` of the question that was read.
    #[schema(value_type = String, pattern = "^sha256:[0-9a-f]{64}$")]
    digest: Digest,
    /// Why; may be empty.
    #[serde(default)]
    #[schema(max_length = 1000)]
    reason: String,
}

/// The address of a stage.
#[derive(Deserialize)]
struct StageAt {
    run: RunName,
    stage: StageName,
}

pub(super) fn routes() -> Routes {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(answer))
}

/// Every question of a run, answered or not
#[utoipa::path(
    get, path = "/api/v1/tenants/{tenant}/runs/{run}/approvals", tag = "approvals", security(("token" = ["read"])),
    responses((status = 200, description = "In the order in which they were asked", body = Vec<Question>))
)]
async fn list(look: Look, State(app): State<Arc<App>>, At(at): At<RunAt>) -> Answer {
    let run = at.run.id(&app, look.tenant()).await?;
    let asked = app.store().approvals(look.tenant(), &run).await?;
    Ok(look.json(asked.into_iter().map(Question::from).collect::<Vec<_>>()))
}

/// Answers the newest question of a stage
///
/// It is refused when the stage asks something else by now than what was read, other effects among it.
/// Where the stage's `approval` or the policy's rule for its environment names approvers, the token's name or one of its groups is
/// among them.
#[utoipa::path(
    post, path = "/api/v1/tenants/{tenant}/runs/{run}/stages/{stage}/approval", tag = "approvals",
    security(("token" = ["approve"])), request_body = Verdict,
    responses((status = 200, description = "The answer as it stands", body = Answered))
)]
async fn answer(
    allow: Allow<Approve>,
    State(app): State<Arc<App>>,
    At(at): At<StageAt>,
    Said(said): Said<Verdict>,
) -> Answer {
    let tenant = allow.tenant();
    let (run, loaded) = at.run.load(&app, tenant).await?;
    let asked = app.store().approvals(tenant, &run).await?;
    let newest = asked.iter().rev().find(|asked| asked.stage == at.stage).ok_or_else(Problem::not_there)?;
    is_approver(&app, tenant, &loaded, newest, &allow.who)?;
    let Verdict { approved, digest, reason: why } = said;
    let (reason, now) = (reason(why)?, app.clock.now_ms());
    let answer = ApprovalAnswer { approved, by: allow.by(), reason, at: now, to: Some(digest) };
    newest.is_meant_by(&answer).map_err(|_| asked_otherwise(&at.stage))?;
    match app.store().answer(tenant, &run, &at.stage, answer.clone()).await {
        Ok(()) => Ok(Json(Answered::from(answer)).into_response()),
        // The question is there, so it is its time that is over.
        Err(StoreError::NotFound(why)) => Err(Problem::stands_otherwise(why)),
        Err(error) => Err(error.into()),
    }
}

fn asked_otherwise(stage: &StageName) -> Problem {
    let problem = Problem::new(StatusCode::CONFLICT, codes::ASKED_OTHERWISE);
    problem.because(format!("`{stage}` asks something else by now than what was read"))
}

/// Two keys: whom the pipeline asks, and whom the policy lets answer for the environment.
fn is_approver(
    app: &App,
    tenant: &TenantId,
    loaded: &Loaded,
    asked: &Approval,
    who: &Identity,
) -> Result<(), Problem> {
    let listed = asked.options["approvers"].as_array().into_iter().flatten();
    let of_stage: Vec<String> = listed.filter_map(|name| name.as_str().map(str::to_owned)).collect();
    let environment = loaded.plan.stages.get(&asked.stage).and_then(|stage| stage.environment.as_ref());
    let policy = app.site.tenants.get(tenant).map(|rules| &rules.policy);
    let rule = environment.and_then(|name| policy?.environments.get(name));
    let of_environment = rule.map(|rule| rule.approvers.clone()).unwrap_or_default();
    for names in [of_stage, of_environment] {
        if !names.is_empty() && !who.is_one_of(&names) {
            let detail = format!("`{}` is not among {}", who.name, names.join(", "));
            return Err(Problem::new(StatusCode::FORBIDDEN, codes::NOT_AN_APPROVER).because(detail));
        }
    }
    Ok(())
}
