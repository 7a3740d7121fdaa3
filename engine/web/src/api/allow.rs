//! Who may do what: a token, its tenant and its scopes.

use crate::app::App;
use crate::problem::Problem;
use crate::tokens::Identity;
use axum::extract::{ConnectInfo, FromRequestParts, RawPathParams};
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode, header};
use stageway_core::diagnostic::codes;
use stageway_core::name::TenantId;
use stageway_core::operator::Scope;
use std::marker::PhantomData;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

/// A scope as a type.
pub(super) trait Needs: Send + Sync {
    const SCOPE: Scope;
}

macro_rules! scopes {
    ($($name:ident)*) => {
        $(
            pub(super) struct $name;
            impl Needs for $name {
                const SCOPE: Scope = Scope::$name;
            }
        )*
    };
}

scopes! { Read Run Approve Admin }

/// A request to a tenant's address by a token of that tenant which has the scope.
pub(super) struct Allow<N> {
    pub(super) who: Arc<Identity>,
    scope: PhantomData<N>,
}

impl<N> Allow<N> {
    pub(super) fn tenant(&self) -> &TenantId {
        self.who.tenant()
    }

    /// Who did it, as it is written down.
    pub(super) fn by(&self) -> String {
        self.who.name.to_string()
    }
}

impl<N: Needs> FromRequestParts<Arc<App>> for Allow<N> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Problem> {
        let who = holder(parts, app)?;
        let names = RawPathParams::from_request_parts(parts, app).await.map_err(|_| Problem::not_there())?;
        let tenant = names.iter().find(|(name, _)| *name == "tenant").map(|(_, value)| value);
        if tenant != Some(who.tenant().as_str()) {
            return Err(Problem::not_there());
        }
        if !who.may(N::SCOPE) {
            let detail = format!("the token `{}` has not the scope `{}`", who.name, N::SCOPE);
            return Err(Problem::new(StatusCode::FORBIDDEN, codes::SCOPE_MISSING).because(detail));
        }
        Ok(Self { who, scope: PhantomData })
    }
}

/// Who asks, whatever for, unless they ask too often.
///
/// Failures are counted by the address that they come from. They do not lock out whoever has a good token: many people may come from
/// one address, and nobody guesses 256 bits; what is kept small is the work and the noise that failures make.
///
/// # Errors
/// The same for a token that is missing, unknown or over.
pub(super) fn holder(parts: &Parts, app: &App) -> Result<Arc<Identity>, Problem> {
    let now = app.clock.now_ms();
    let given = given(parts).and_then(|token| app.resources.tokens.holder(token, now));
    let Some(who) = given else {
        let most = app.limits.of_stranger;
        app.strangers.take(address(parts), most, now).map_err(|seconds| {
            Problem::new(StatusCode::TOO_MANY_REQUESTS, codes::TOO_MANY_REQUESTS)
                .because(format!("more than {most} requests without a good token came within a minute"))
                .after(seconds)
        })?;
        let challenge = HeaderValue::from_static("Bearer realm=\"stageway\"");
        let problem = Problem::new(StatusCode::UNAUTHORIZED, codes::TOKEN_REFUSED);
        return Err(problem.with(header::WWW_AUTHENTICATE, challenge));
    };
    let most = app.limits.of_token;
    app.rates.take(&format!("token {}", who.name), most, now).map_err(|seconds| {
        Problem::new(StatusCode::TOO_MANY_REQUESTS, codes::TOO_MANY_REQUESTS)
            .because(format!("the token `{}` has sent more than {most} requests within a minute", who.name))
            .after(seconds)
    })?;
    Ok(who)
}

/// Where the request comes from, as far as the connection tells.
fn address(parts: &Parts) -> IpAddr {
    let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>();
    peer.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |ConnectInfo(peer)| peer.ip())
}

/// The token of `Authorization: Bearer TOKEN`; none where the header is there twice.
fn given(parts: &Parts) -> Option<&str> {
    let mut values = parts.headers.get_all(header::AUTHORIZATION).iter();
    let (value, None) = (values.next()?, values.next()) else { return None };
    let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}
