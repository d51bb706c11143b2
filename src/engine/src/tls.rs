//! From PEM to a rustls server configuration. Every refusal says which file and why.

use std::sync::Arc;

use rustls::RootCertStore;
use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{NoServerSessionStorage, ServerConfig, WebPkiClientVerifier};

use crate::verify::AnyClient;

/// Build the configuration of new connections. `client_ca`: None accepts every client certificate, empty means
/// the system's roots.
pub fn server_config(
    chain: &[u8],
    key: &[u8],
    client_ca: Option<&[u8]>,
) -> Result<Arc<ServerConfig>, String> {
    let provider = Arc::new(default_provider());
    let verifier: Arc<dyn ClientCertVerifier> = match client_ca {
        None => Arc::new(AnyClient::new(provider.signature_verification_algorithms)),
        Some(pem) => WebPkiClientVerifier::builder_with_provider(Arc::new(roots(pem)?), provider.clone())
            .allow_unauthenticated()
            .build()
            .map_err(|error| format!("client CA: {error}"))?,
    };
    let chain = certificates(chain).map_err(|error| format!("certificate: {error}"))?;
    let key = PrivateKeyDer::from_pem_slice(key).map_err(|error| format!("private key: {error}"))?;
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_client_cert_verifier(verifier)
        .with_single_cert(chain, key)
        .map_err(|error| format!("certificate and private key: {error}"))?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    // No resumption: each connection proves its key anew, and a reload of the CA counts at once. MinIO keeps its
    // connections open, so the saved handshakes would be few.
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(Arc::new(config))
}

fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let found: Vec<_> =
        CertificateDer::pem_slice_iter(pem).collect::<Result<_, _>>().map_err(|error| error.to_string())?;
    if found.is_empty() { Err("no certificate in it".into()) } else { Ok(found) }
}

fn roots(pem: &[u8]) -> Result<RootCertStore, String> {
    let mut store = RootCertStore::empty();
    if pem.is_empty() {
        let (added, _) = store.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        if added == 0 {
            return Err("client CA: the system has no root certificates".into());
        }
        return Ok(store);
    }
    for certificate in certificates(pem).map_err(|error| format!("client CA: {error}"))? {
        store.add(certificate).map_err(|error| format!("client CA: {error}"))?;
    }
    Ok(store)
}
