//! TLS as every room here speaks it: rustls, the system's root certificates, versions 1.2 and 1.3.

use rustls::{ClientConfig, RootCertStore};
use std::sync::{Arc, OnceLock};

/// The configuration of clients that speak TLS. The roots are read at the first use, because most runs on one machine
/// need none.
///
/// # Errors
/// With the remedy, if the system has no root certificates.
pub(crate) fn client_config() -> Result<ClientConfig, String> {
    static CONFIG: OnceLock<Result<ClientConfig, String>> = OnceLock::new();
    CONFIG.get_or_init(load).clone()
}

/// The configuration of clients that never speak TLS: nobody is believed.
pub(crate) fn no_tls() -> ClientConfig {
    config(RootCertStore::empty())
}

fn load() -> Result<ClientConfig, String> {
    let mut roots = RootCertStore::empty();
    let found = rustls_native_certs::load_native_certs();
    roots.add_parsable_certificates(found.certs);
    if roots.is_empty() {
        return Err("the system has no root certificates; install `ca-certificates`".into());
    }
    Ok(config(roots))
}

fn config(roots: RootCertStore) -> ClientConfig {
    ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("ring has the cipher suites of TLS 1.2 and 1.3")
        .with_root_certificates(roots)
        .with_no_client_auth()
}
