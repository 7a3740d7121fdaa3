//! What crosses the socket between an engine and a worker: a length, JSON, and for machine code its bytes.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use stageway_core::call::{Call, Reply};
use stageway_core::digest::Digest;
use stageway_core::run::Usage;
use stageway_ports::{ConfigIssue, GuestEnd, GuestError, GuestRun};
use std::io;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

/// Bytes of the JSON of a message: a call or its reply has a few MiB at most, in base64.
const MOST_JSON: u32 = 64 << 20;
/// Bytes of machine code: that of the greatest component that is taken.
const MOST_CODE: u32 = 512 << 20;

/// What the engine sends. `line` names the call of a guest that it belongs to.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Order {
    /// Keeps a component ready, whose machine code follows.
    Load { line: u64, component: Digest, imports: Vec<String> },
    /// Runs an attempt.
    Run { line: u64, run: Box<GuestRun> },
    /// Runs `validate`.
    Validate { line: u64, component: Digest, configuration: Json },
    /// Answers a call.
    Reply { line: u64, reply: Box<Reply> },
    /// Drops the instance.
    Drop { line: u64 },
}

/// What a worker sends.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Report {
    pub(super) line: u64,
    pub(super) said: Said,
}

/// What a worker says of one line.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Said {
    /// The component is not here: it wants to be loaded first.
    Missing,
    /// It was loaded.
    Loaded(Result<(), GuestError>),
    /// A call of the guest, which waits for its reply.
    Call(Box<Call>),
    /// The attempt ended.
    Ended(Result<(GuestEnd, Usage), GuestError>),
    /// What `validate` found.
    Validated(Result<Vec<ConfigIssue>, GuestError>),
}

/// Writes one message.
pub(super) async fn write<T: Serialize>(
    to: &mut (impl AsyncWrite + Unpin),
    message: &T,
    code: &[u8],
) -> io::Result<()> {
    let json = serde_json::to_vec(message)?;
    let too_long = |_| io::Error::new(io::ErrorKind::InvalidInput, "a message is too long");
    let (length, more) = (u32::try_from(json.len()), u32::try_from(code.len()));
    let (length, more) = (length.map_err(too_long)?, more.map_err(too_long)?);
    let mut head = [0; 8];
    head[..4].copy_from_slice(&length.to_le_bytes());
    head[4..].copy_from_slice(&more.to_le_bytes());
    to.write_all(&[&head[..], &json].concat()).await?;
    to.write_all(code).await?;
    to.flush().await
}

/// Reads one message and the machine code behind it; nothing where the other side has closed.
pub(super) async fn read<T: DeserializeOwned>(
    from: &mut (impl AsyncRead + Unpin),
) -> io::Result<Option<(T, Vec<u8>)>> {
    let mut head = [0; 8];
    match from.read_exact(&mut head).await {
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        Err(error) => return Err(error),
    }
    let [a, b, c, d, e, f, g, h] = head;
    let (length, more) = (u32::from_le_bytes([a, b, c, d]), u32::from_le_bytes([e, f, g, h]));
    if length > MOST_JSON || more > MOST_CODE {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "a message is longer than any may be"));
    }
    let json = bytes(from, length).await?;
    let code = bytes(from, more).await?;
    Ok(Some((serde_json::from_slice(&json)?, code)))
}

/// Grows with what arrives, not with what is announced.
async fn bytes(from: &mut (impl AsyncRead + Unpin), count: u32) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    from.take(u64::from(count)).read_to_end(&mut bytes).await?;
    match bytes.len() == count as usize {
        true => Ok(bytes),
        false => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_message_comes_as_it_went() {
        let (mut one, mut other) = tokio::io::duplex(16);
        let order = Order::Load { line: 7, component: Digest::of(b"x"), imports: vec!["a".into()] };
        let written = async { write(&mut one, &order, b"machine code").await };
        let (written, read) = tokio::join!(written, read::<Order>(&mut other));
        written.unwrap();
        let (back, code) = read.unwrap().unwrap();
        assert!(matches!(back, Order::Load { line: 7, .. }), "{back:?}");
        assert_eq!(code, b"machine code");
        drop(one);
        assert!(super::read::<Order>(&mut other).await.unwrap().is_none());
    }

    #[tokio::test]
    async fn what_is_too_long_or_no_message_is_refused() {
        for bytes in [
            &[255, 255, 255, 255, 0, 0, 0, 0][..],
            &[2, 0, 0, 0, 0, 0, 0, 0, b'{', b'x'],
            &[9, 0, 0, 0, 0, 0, 0, 0, b'1'],
        ] {
            assert!(read::<Report>(&mut &*bytes).await.is_err(), "{bytes:?}");
        }
    }
}
