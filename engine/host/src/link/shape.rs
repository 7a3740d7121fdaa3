use stageway_core::call::{Content, Ending, Image, Outcome, Response, Value};
use stageway_core::journal::canonical;

/// What a function answers, taken out of a [`Value`]. None when the value has another shape.
pub(crate) trait Shape: Sized + Send {
    fn from_value(value: Value) -> Option<Self>;
}

/// JSON as a guest gets it: canonical text (RFC 8785), so that a replay shows the same bytes.
pub(crate) struct JsonText(pub(crate) String);

macro_rules! shapes {
    ($($type:ty: $pattern:pat => $value:expr),* $(,)?) => {
        $(impl Shape for $type {
            fn from_value(value: Value) -> Option<Self> {
                match value {
                    $pattern => Some($value),
                    _ => None,
                }
            }
        })*
    };
}

shapes! {
    (): Value::Done => (),
    bool: Value::Flag(flag) => flag,
    u32: Value::Count(count) => count,
    f64: Value::Number(number) => number,
    Option<f64>: Value::MaybeNumber(number) => number,
    String: Value::Text(text) => text,
    Option<String>: Value::MaybeText(text) => text,
    Vec<String>: Value::Texts(texts) => texts,
    JsonText: Value::Json(json) => JsonText(canonical(&json)),
    Option<JsonText>: Value::MaybeJson(json) => json.map(|json| JsonText(canonical(&json))),
    Vec<JsonText>: Value::Jsons(list) => list.iter().map(|json| JsonText(canonical(json))).collect(),
    Vec<u8>: Value::Bytes(bytes) => bytes.0,
    Content: Value::Content(content) => content,
    Response: Value::Response(response) => response,
    Ending: Value::Ending(ending) => ending,
    Option<Image>: Value::MaybeImage(image) => image,
    Outcome: Value::Outcome(outcome) => outcome,
}

impl JsonText {
    /// The texts of a list.
    pub(crate) fn texts(list: Vec<Self>) -> Vec<String> {
        list.into_iter().map(|json| json.0).collect()
    }
}
