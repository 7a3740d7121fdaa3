use crate::guest::Broken;
use serde_json::Value as Json;
use stageway_core::call::Stop;
use stageway_ports::{GuestEnd, GuestError};
use wasmtime::{PoolConcurrencyLimitError, Trap, WasmBacktrace};

/// Bytes of one output.
const OUTPUT: usize = 64 << 10;
/// Bytes of the message about a trap.
const MESSAGE: usize = 8 << 10;
/// What wasmtime says when parameters or answers of a call are too large; its type is private.
const TOO_MUCH_DATA: &str = "fuel allocated for hostcalls has been exhausted";

/// Why an export did not answer.
#[derive(Debug)]
pub(crate) enum Broke {
    /// A call said so.
    Stopped(Stop),
    /// A limit, by its name.
    Limit(String),
    /// The guest itself broke off: the message with its frames.
    Trap(String),
}

/// Reads why wasmtime ended a call.
///
/// # Errors
/// [`GuestError::Host`] when there is no room for an instance.
pub(crate) fn broke(error: &wasmtime::Error) -> Result<Broke, GuestError> {
    match error.downcast_ref::<Broken>() {
        Some(Broken::Stop(stop)) => return Ok(Broke::Stopped(stop.clone())),
        Some(Broken::Limit(name)) => return Ok(Broke::Limit(name.clone())),
        None => {}
    }
    if error.is::<PoolConcurrencyLimitError>() {
        return Err(GuestError::Host(format!("no room for another instance: {}", error.root_cause())));
    }
    if matches!(error.downcast_ref::<Trap>(), Some(Trap::StackOverflow)) {
        return Ok(Broke::Limit("stack-bytes".to_owned()));
    }
    let cause = error.root_cause().to_string();
    if cause.contains(TOO_MUCH_DATA) {
        return Ok(Broke::Limit("argument-bytes".to_owned()));
    }
    Ok(Broke::Trap(message(error, &cause)))
}

/// The cause and the guest's own frames, innermost first.
fn message(error: &wasmtime::Error, cause: &str) -> String {
    let mut text = cause.to_owned();
    if let Some(trace) = error.downcast_ref::<WasmBacktrace>() {
        text.push('\n');
        text.push_str(&trace.to_string());
    }
    let clean = |c: char| if c.is_control() && c != '\n' { '\u{fffd}' } else { c };
    let mut text: String = text.trim_end().chars().map(clean).collect();
    text.truncate(text.floor_char_boundary(MESSAGE));
    text
}

/// Reads what `run` answered.
pub(super) fn outputs(text: &str, most: u32) -> GuestEnd {
    let outputs = match serde_json::from_str(text) {
        Ok(Json::Object(outputs)) => outputs,
        Ok(_) => return GuestEnd::Trap("`run` answered outputs that are no JSON object".to_owned()),
        Err(error) => return GuestEnd::Trap(format!("`run` answered outputs that are no JSON: {error}")),
    };
    // No value is spelled here in more than eight times the bytes that the guest took for it: `1e9` becomes `1000000000.0`.
    let is_large = |output: &Json| text.len() > OUTPUT / 8 && output.to_string().len() > OUTPUT;
    if outputs.len() > most as usize {
        return GuestEnd::Limit("outputs".to_owned());
    }
    if outputs.values().any(is_large) {
        return GuestEnd::Limit("output-bytes".to_owned());
    }
    GuestEnd::Succeeded(Json::Object(outputs))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn outputs_are_a_bounded_object() {
        assert_eq!(outputs(r#"{"a":1}"#, 1), GuestEnd::Succeeded(json!({"a": 1})));
        assert_eq!(outputs(r#"{"a":1,"b":2}"#, 1), GuestEnd::Limit("outputs".into()));
        let large = json!({"a": "x".repeat(OUTPUT)}).to_string();
        assert_eq!(outputs(&large, 1), GuestEnd::Limit("output-bytes".into()));
        for bad in ["", "[]", "{", "1"] {
            assert!(matches!(outputs(bad, 1), GuestEnd::Trap(_)), "{bad}");
        }
    }
}
