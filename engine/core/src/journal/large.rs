//! Large values of a journal lie in the blobs.
//!
//! A text over [`INLINE_BYTES`] is stored as `{"$blob": digest, "$size": bytes}`. A guest may write such an object itself, so
//! every key of the form `$…blob` gets one more `$` on the way in and loses it on the way out: what a guest wrote can never
//! name a blob.

use crate::digest::Digest;
use serde_json::{Map, Value as Json};
use std::collections::BTreeMap;

/// Texts up to this many bytes stay inline.
pub const INLINE_BYTES: usize = 4096;

/// The entries of an attempt together with their large texts: 256 MiB. A journal is read as a whole, so what lies in the
/// blobs has a bound too.
pub const WHOLE_BYTES: u64 = 256 << 20;

/// Bytes by digest, as [`restore`] needs them.
pub type Restored = BTreeMap<Digest, Vec<u8>>;

/// Takes large texts out of a record; answers them as blobs to be stored before the record is.
pub fn externalize(value: Json) -> (Json, Vec<(Digest, Vec<u8>)>) {
    let mut blobs = Vec::new();
    let value = outwards(value, &mut blobs);
    (value, blobs)
}

fn outwards(value: Json, blobs: &mut Vec<(Digest, Vec<u8>)>) -> Json {
    match value {
        Json::String(text) if text.len() > INLINE_BYTES => {
            let digest = Digest::of(text.as_bytes());
            let reference = serde_json::json!({"$blob": digest, "$size": text.len()});
            blobs.push((digest, text.into_bytes()));
            reference
        }
        Json::Array(items) => items.into_iter().map(|item| outwards(item, blobs)).collect(),
        Json::Object(object) => {
            let escaped = |key: String| if is_reserved(&key) { format!("${key}") } else { key };
            Json::Object(
                object.into_iter().map(|(key, item)| (escaped(key), outwards(item, blobs))).collect(),
            )
        }
        other => other,
    }
}

fn is_reserved(key: &str) -> bool {
    key.strip_prefix('$').is_some_and(|rest| rest.trim_start_matches('$') == "blob")
}

/// The blobs that a stored record names.
pub fn blobs_of(value: &Json) -> Vec<Digest> {
    match value {
        Json::Array(items) => items.iter().flat_map(blobs_of).collect(),
        Json::Object(object) => match reference(object) {
            Some(digest) => vec![digest],
            None => object.values().flat_map(blobs_of).collect(),
        },
        _ => Vec::new(),
    }
}

fn reference(object: &Map<String, Json>) -> Option<Digest> {
    object.get("$blob")?.as_str()?.parse().ok()
}

/// Puts large texts back.
///
/// # Errors
/// The first digest that `blobs` does not hold as UTF-8.
pub fn restore(value: Json, blobs: &Restored) -> Result<Json, Digest> {
    match value {
        Json::Array(items) => items.into_iter().map(|item| restore(item, blobs)).collect(),
        Json::Object(object) => {
            if let Some(digest) = reference(&object) {
                let bytes = blobs.get(&digest).ok_or(digest)?;
                return String::from_utf8(bytes.clone()).map(Json::String).map_err(|_| digest);
            }
            let plain = |key: String| if is_reserved(&key) { key[1..].to_owned() } else { key };
            let items = object.into_iter().map(|(key, item)| Ok((plain(key), restore(item, blobs)?)));
            items.collect::<Result<Map<_, _>, _>>().map(Json::Object)
        }
        other => Ok(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_texts_go_and_come_back() {
        let large = "x".repeat(INLINE_BYTES + 1);
        let value = serde_json::json!({"a": [large, "small"], "$blob": "sha256:guest", "$$blob": 1});
        let (stored, blobs) = externalize(value.clone());
        assert_eq!(blobs.len(), 1);
        assert_eq!(blobs_of(&stored), [blobs[0].0]);
        let restored = restore(stored.clone(), &blobs.into_iter().collect()).unwrap();
        assert_eq!(restored, value);
        assert!(restore(stored, &Restored::new()).is_err());
    }

    #[test]
    fn a_guest_cannot_name_a_blob() {
        let forged = serde_json::json!({"$blob": Digest::of(b"other"), "$size": 5});
        let (stored, _) = externalize(forged.clone());
        assert!(blobs_of(&stored).is_empty());
        assert_eq!(restore(stored, &Restored::new()).unwrap(), forged);
    }
}
