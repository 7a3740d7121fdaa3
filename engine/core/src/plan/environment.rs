//! Whether a run may enter an environment.

use crate::diagnostic::{Code, codes, nearest};
use crate::event::{Event, Trust};
use crate::name::EnvironmentName;
use crate::policy::Policy;
use crate::trigger;

/// Why not, if not: code, message, remedy.
pub(super) fn refusal(
    policy: &Policy,
    event: &Event,
    name: &EnvironmentName,
) -> Option<(Code, String, String)> {
    if policy.environments.is_empty() {
        return low_trust(event, name, Trust::Protected);
    }
    let Some(rule) = policy.environments.get(name) else {
        let remedy = match nearest(name.as_str(), policy.environments.keys().map(EnvironmentName::as_str)) {
            Some(near) => format!("did you mean `{near}`?"),
            None => "use a name that the policy has, or add it there".to_owned(),
        };
        return Some((
            codes::ENVIRONMENT_UNKNOWN,
            format!("the policy knows no environment `{name}`"),
            remedy,
        ));
    };
    if !trigger::names(&rule.refs, event.head()) {
        let message = format!(
            "the environment `{name}` does not take `{}`",
            crate::document::reader::cut(event.head())
        );
        let remedy = "guard the stage with `when`, or let the policy name the branch".to_owned();
        return Some((codes::ENVIRONMENT_REF, message, remedy));
    }
    low_trust(event, name, Trust::Member)
}

fn low_trust(event: &Event, name: &EnvironmentName, least: Trust) -> Option<(Code, String, String)> {
    if event.trust >= least {
        return None;
    }
    let message = format!("a run of {} trust does not enter the environment `{name}`", event.trust);
    Some((codes::ENVIRONMENT_REF, message, "guard the stage with `when`".to_owned()))
}
