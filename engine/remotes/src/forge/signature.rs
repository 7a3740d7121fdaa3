use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};
use stageway_core::delivery::{DeliveryId, Headers, RawDelivery};
use stageway_core::digest::Digest;
use stageway_ports::{SecretValue, Unauthentic};
use subtle::{Choice, ConstantTimeEq as _};

/// The one value of a header that proves where a delivery comes from.
pub(super) fn proof<'a>(headers: &'a Headers, name: &'static str) -> Result<&'a [u8], Unauthentic> {
    let mut values = headers.all(name);
    let first = values.next();
    if values.next().is_some() {
        return Err(Unauthentic::Doubled(name));
    }
    first.filter(|value| !value.is_empty()).ok_or(Unauthentic::Missing(name))
}

/// The secrets that prove anything: an empty one is none.
pub(super) fn usable(secrets: &[SecretValue]) -> Result<Vec<&[u8]>, Unauthentic> {
    let usable: Vec<_> =
        secrets.iter().map(SecretValue::expose).filter(|secret| !secret.is_empty()).collect();
    if usable.is_empty() { Err(Unauthentic::NoSecret) } else { Ok(usable) }
}

/// A header with a prefix and the HMAC-SHA256 of the body in 64 hex digits.
pub(super) fn check_hex(
    delivery: &RawDelivery,
    header: &'static str,
    prefix: &'static str,
    secrets: &[SecretValue],
) -> Result<(), Unauthentic> {
    const RULE: &str = "64 hex digits, with `sha256=` in front where the forge writes it";
    let secrets = usable(secrets)?;
    let value = proof(&delivery.headers, header)?;
    // A forge whose webhook has no secret still writes the prefix.
    if value == prefix.as_bytes() {
        return Err(Unauthentic::Missing(header));
    }
    let mut digest = [0; 32];
    let digits = value.strip_prefix(prefix.as_bytes());
    if digits.is_none_or(|digits| hex::decode_to_slice(digits, &mut digest).is_err()) {
        return Err(Unauthentic::Malformed { header, rule: RULE });
    }
    match is_signed(&secrets, &[&delivery.body], &digest) {
        true => Ok(()),
        false => Err(Unauthentic::Mismatch(header)),
    }
}

/// Whether the digest is the HMAC-SHA256 of the parts, one after the other, under one of the keys. Every key is tried.
pub(super) fn is_signed(keys: &[&[u8]], parts: &[&[u8]], digest: &[u8; 32]) -> bool {
    let fits = |key: &&[u8]| {
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else { return Choice::from(0) };
        parts.iter().for_each(|part| mac.update(part));
        let own: [u8; 32] = mac.finalize().into_bytes().into();
        own.ct_eq(digest)
    };
    keys.iter().map(fits).fold(Choice::from(0), |any, one| any | one).into()
}

/// Whether the value is one of the secrets. Their digests are compared, so that the time does not tell a length.
pub(super) fn is_secret(secrets: &[&[u8]], value: &[u8]) -> bool {
    let given: [u8; 32] = Sha256::digest(value).into();
    let fits = |secret: &&[u8]| <[u8; 32]>::from(Sha256::digest(secret)).ct_eq(&given);
    secrets.iter().map(fits).fold(Choice::from(0), |any, one| any | one).into()
}

/// The first of these headers that holds an id; else a digest of what was sent.
pub(super) fn delivery_id(delivery: &RawDelivery, headers: &[&str], event: &str) -> DeliveryId {
    let own = headers.iter().find_map(|name| DeliveryId::new(delivery.headers.text(name)?).ok());
    own.unwrap_or_else(|| {
        let event = delivery.headers.text(event).unwrap_or_default();
        let digest = Digest::of(&[event.as_bytes(), b"\n", &delivery.body].concat());
        DeliveryId::new(digest.to_string()).expect("a digest is printable and short")
    })
}
