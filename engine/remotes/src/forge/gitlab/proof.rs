use crate::forge::signature::{is_secret, is_signed, proof, usable};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use stageway_core::delivery::RawDelivery;
use stageway_ports::{SecretValue, Unauthentic};

const SIGNATURE: &str = "webhook-signature";
const TIMESTAMP: &str = "webhook-timestamp";
const ID: &str = "webhook-id";
const TOKEN: &str = "x-gitlab-token";
/// How a signing secret begins; the base64 of its key follows.
const SIGNING: &[u8] = b"whsec_";
/// A signature may be this old, or this far ahead.
const TOLERANCE_S: u64 = 300;
/// More signatures than this are not looked at; a sender that changes its key writes two.
const MAX_SIGNATURES: usize = 8;

/// Standard Webhooks where the webhook has a signing secret; else the token as it is.
pub(super) fn check(delivery: &RawDelivery, secrets: &[SecretValue], now_ms: u64) -> Result<(), Unauthentic> {
    let (signing, tokens): (Vec<_>, Vec<_>) =
        usable(secrets)?.into_iter().partition(|secret| secret.starts_with(SIGNING));
    let signed = delivery.headers.all(SIGNATURE).any(|value| !value.is_empty());
    match (signing.is_empty(), tokens.is_empty()) {
        (false, true) => check_signature(delivery, &signing, now_ms),
        (false, false) if signed => check_signature(delivery, &signing, now_ms),
        _ => {
            let token = proof(&delivery.headers, TOKEN)?;
            if is_secret(&tokens, token) { Ok(()) } else { Err(Unauthentic::Mismatch(TOKEN)) }
        }
    }
}

fn check_signature(delivery: &RawDelivery, secrets: &[&[u8]], now_ms: u64) -> Result<(), Unauthentic> {
    let decoded = secrets.iter().filter_map(|secret| STANDARD.decode(&secret[SIGNING.len()..]).ok());
    let keys: Vec<_> = decoded.filter(|key| !key.is_empty()).map(SecretValue::new).collect();
    let keys = usable(&keys)?;
    let value = proof(&delivery.headers, SIGNATURE)?;
    let (id, timestamp) = (proof(&delivery.headers, ID)?, proof(&delivery.headers, TIMESTAMP)?);
    let digests = digests(value)?;
    let signed_s = seconds(timestamp)?;
    let parts = [id, b".", timestamp, b".", &delivery.body];
    // Not `any`: every digest is tried.
    let fits = digests.iter().filter(|digest| is_signed(&keys, &parts, digest)).count();
    let seconds = (now_ms / 1000).abs_diff(signed_s);
    match fits {
        0 => Err(Unauthentic::Mismatch(SIGNATURE)),
        _ if seconds > TOLERANCE_S => Err(Unauthentic::Stale { seconds, tolerance: TOLERANCE_S }),
        _ => Ok(()),
    }
}

/// `v1,BASE64`, more of them after a space; other versions are skipped.
fn digests(value: &[u8]) -> Result<Vec<[u8; 32]>, Unauthentic> {
    let malformed = Unauthentic::Malformed { header: SIGNATURE, rule: "`v1,` and the base64 of 32 bytes" };
    let one = |entry: &[u8]| {
        let encoded = entry.strip_prefix(b"v1,")?;
        STANDARD.decode(encoded).ok()?.try_into().ok()
    };
    let entries: Vec<_> = value.split(|b| *b == b' ').take(MAX_SIGNATURES).collect();
    let digests: Vec<_> = entries.into_iter().filter_map(one).collect();
    if digests.is_empty() { Err(malformed) } else { Ok(digests) }
}

fn seconds(value: &[u8]) -> Result<u64, Unauthentic> {
    let digits = std::str::from_utf8(value).ok().filter(|text| text.bytes().all(|b| b.is_ascii_digit()));
    let malformed = Unauthentic::Malformed { header: TIMESTAMP, rule: "seconds since 1970" };
    digits.and_then(|text| text.parse().ok()).ok_or(malformed)
}
