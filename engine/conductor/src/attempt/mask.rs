//! Values of secrets never reach a reader: they are replaced in everything that is written, also where they are spread over
//! two writes, and in their base64, hex and URL spellings.

use aho_corasick::{AhoCorasick, MatchKind};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use serde_json::Value as Json;
use stageway_core::call::Failure;
use std::sync::Arc;

const MASK: &str = "***";
/// Shorter values would mask half the output and hide nothing.
const SHORTEST: usize = 4;

/// Knows what must not be shown.
#[derive(Clone, Default)]
pub(crate) struct Mask {
    patterns: Vec<Vec<u8>>,
    automaton: Option<Arc<AhoCorasick>>,
    longest: usize,
}

impl Mask {
    /// Adds a value with all its spellings.
    pub(crate) fn add(&mut self, value: &[u8]) {
        for spelling in spellings(value) {
            if spelling.len() >= SHORTEST && !self.patterns.contains(&spelling) {
                self.longest = self.longest.max(spelling.len());
                self.patterns.push(spelling);
            }
        }
        if self.patterns.is_empty() {
            return;
        }
        let built = AhoCorasick::builder().match_kind(MatchKind::LeftmostLongest).build(&self.patterns);
        self.automaton = built.ok().map(Arc::new);
    }

    /// A whole text without the values.
    pub(crate) fn text(&self, text: &str) -> String {
        String::from_utf8_lossy(&self.bytes(text.as_bytes())).into_owned()
    }

    /// JSON whose texts and keys are without the values.
    pub(crate) fn json(&self, value: &Json) -> Json {
        match value {
            Json::String(text) => Json::String(self.text(text)),
            Json::Array(items) => items.iter().map(|item| self.json(item)).collect(),
            Json::Object(members) => {
                let shown = members.iter().map(|(name, value)| (self.text(name), self.json(value)));
                Json::Object(shown.collect())
            }
            other => other.clone(),
        }
    }

    /// A failure without the values.
    pub(crate) fn failure(&self, failure: &Failure) -> Failure {
        Failure {
            code: failure.code.clone(),
            message: self.text(&failure.message),
            details: failure.details.as_ref().map(|details| self.json(details)),
        }
    }

    /// Whole bytes without the values.
    pub(crate) fn bytes(&self, bytes: &[u8]) -> Vec<u8> {
        match &self.automaton {
            None => bytes.to_vec(),
            Some(automaton) => automaton.replace_all_bytes(bytes, &vec![MASK; self.patterns.len()]),
        }
    }
}

/// Masks a stream: what could be the beginning of a value is held back until it is known.
#[derive(Default)]
pub(crate) struct MaskedStream {
    mask: Mask,
    held: Vec<u8>,
}

impl MaskedStream {
    pub(crate) fn new(mask: Mask) -> Self {
        Self { mask, held: Vec::new() }
    }

    /// Takes a piece; answers what can be shown, with the count of input bytes it stands for.
    pub(crate) fn push(&mut self, piece: &[u8]) -> (Vec<u8>, usize) {
        self.held.extend_from_slice(piece);
        let Some(automaton) = self.mask.automaton.clone() else {
            let shown = std::mem::take(&mut self.held);
            let count = shown.len();
            return (shown, count);
        };
        // A match that begins before the cut is complete in what is held; one that begins after it may still grow.
        let cut = self.held.len().saturating_sub(self.mask.longest - 1);
        let mut shown = Vec::with_capacity(cut);
        let mut at = 0;
        for found in automaton.find_iter(&self.held) {
            if found.start() >= cut {
                break;
            }
            shown.extend_from_slice(&self.held[at..found.start()]);
            shown.extend_from_slice(MASK.as_bytes());
            at = found.end();
        }
        if at < cut {
            shown.extend_from_slice(&self.held[at..cut]);
            at = cut;
        }
        self.held.drain(..at);
        (shown, at)
    }

    /// The rest, when nothing more will come.
    pub(crate) fn finish(&mut self) -> (Vec<u8>, usize) {
        let rest = std::mem::take(&mut self.held);
        (self.mask.bytes(&rest), rest.len())
    }
}

fn spellings(value: &[u8]) -> Vec<Vec<u8>> {
    let mut all = vec![value.to_vec()];
    let trimmed = value.trim_ascii();
    all.push(trimmed.to_vec());
    all.extend(trimmed.split(|b| *b == b'\n').filter(|line| line.len() >= 8).map(<[u8]>::to_vec));
    for bytes in [value, trimmed] {
        all.push(hex::encode(bytes).into_bytes());
        all.push(hex::encode_upper(bytes).into_bytes());
        let url: String = url::form_urlencoded::byte_serialize(bytes).collect();
        all.push(url.replace('+', "%20").into_bytes());
        all.push(url.into_bytes());
        for engine in [&STANDARD, &STANDARD_NO_PAD, &URL_SAFE, &URL_SAFE_NO_PAD] {
            all.push(engine.encode(bytes).into_bytes());
        }
        all.extend(inner_base64(bytes));
    }
    all
}

/// The part of a value's base64 that does not depend on what stands around it, for each of the three alignments.
fn inner_base64(value: &[u8]) -> Vec<Vec<u8>> {
    let mut parts = Vec::new();
    for lead in 0..3_usize {
        let mut padded = vec![0_u8; lead];
        padded.extend_from_slice(value);
        let whole = padded.len() / 3 * 3;
        let skip = if lead == 0 { 0 } else { 4 };
        for engine in [&STANDARD, &URL_SAFE] {
            let text = engine.encode(&padded[..whole]);
            if text.len() >= skip + 8 {
                parts.push(text.as_bytes()[skip..].to_vec());
            }
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mask() -> Mask {
        let mut mask = Mask::default();
        mask.add(b"hunter2+/pass word\n");
        mask
    }

    #[test]
    fn every_spelling_is_hidden() {
        let secret: &[u8] = b"hunter2+/pass word";
        let in_json = STANDARD.encode([b"user:".as_slice(), secret, b":x"].concat());
        let shown = mask().text(&in_json);
        assert!(shown.contains(MASK), "{shown}");
        for text in [
            "hunter2+/pass word".to_owned(),
            hex::encode(secret),
            STANDARD.encode(secret),
            URL_SAFE_NO_PAD.encode(secret),
            "hunter2%2B%2Fpass+word".to_owned(),
            "hunter2%2B%2Fpass%20word".to_owned(),
        ] {
            assert_eq!(mask().text(&format!("a {text} b")), "a *** b", "{text}");
        }
    }

    #[test]
    fn a_value_spread_over_writes_is_hidden_at_every_cut() {
        let text = b"before hunter2+/pass word after, hunter2+/pass word";
        for size in 1..text.len() {
            let mut stream = MaskedStream::new(mask());
            let mut shown = Vec::new();
            let mut count = 0;
            for piece in text.chunks(size) {
                let (bytes, n) = stream.push(piece);
                shown.extend(bytes);
                count += n;
            }
            let (rest, n) = stream.finish();
            shown.extend(rest);
            assert_eq!(String::from_utf8_lossy(&shown), "before *** after, ***");
            assert_eq!(count + n, text.len());
        }
    }

    #[test]
    fn what_lies_in_json_is_hidden_at_every_depth() {
        let value = serde_json::json!({"a": ["x hunter2+/pass word"], "hunter2+/pass word": {"n": 1}});
        assert_eq!(mask().json(&value), serde_json::json!({"a": ["x ***"], "***": {"n": 1}}));
    }

    #[test]
    fn without_secrets_everything_passes_at_once() {
        let mut stream = MaskedStream::new(Mask::default());
        assert_eq!(stream.push(b"abc"), (b"abc".to_vec(), 3));
    }
}
