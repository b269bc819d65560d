//! Encryption between hosts: TLS 1.3, in which both sides show a certificate of the run.
//!
//! The run's secret is all that has to be handed out. The key of the run's authority is derived from it, so whoever knows
//! the secret makes itself a certificate, with a key of its own that never leaves its process; a certificate by any other
//! authority is refused before a byte of the handshake above is read. Authentication as such stays there (`handshake`):
//! what TLS adds is that nobody on the way can read or change what passes, later on either, should the secret become known.

use crate::Token;
use crate::transport::Stream;
use hmac::{Hmac, KeyInit, Mac};
use rcgen::{CertificateParams, ExtendedKeyUsagePurpose, Issuer, KeyPair, PKCS_ED25519};
use sha2::Sha256;
use std::io;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio::io::{AsyncRead, AsyncWrite};
pub(crate) use tokio_rustls::TlsAcceptor as Acceptor;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::{CryptoProvider, ring};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{self, ClientConfig, RootCertStore, ServerConfig, version::TLS13};

/// The name in every certificate of a run: who is meant is decided by the secret, and not by a host's name.
const NAME: &str = "node.syncline.internal";

/// How long before now a certificate begins, for hosts whose clocks disagree, and how long after it ends. Only whoever
/// connects later than that is refused.
const EARLIER: Duration = Duration::from_secs(24 * 3600);
const LATER: Duration = Duration::from_secs(30 * 24 * 3600);

/// What precedes the 32 bytes of an Ed25519 key in PKCS #8 (RFC 8410, section 7).
const PKCS8: [u8; 16] = *b"\x30\x2e\x02\x01\x00\x30\x05\x06\x03\x2b\x65\x70\x04\x22\x04\x20";

/// Awaits the client's side of an accepted connection.
pub(crate) async fn accept(stream: impl Raw, acceptor: &Acceptor) -> io::Result<Stream> {
    Ok(halves(acceptor.accept(stream).await?))
}

/// Speaks first on a connection that was opened.
pub(crate) async fn connect(stream: impl Raw, token: &Token) -> io::Result<Stream> {
    let connector = connector(token).map_err(io::Error::other)?;
    let name = ServerName::try_from(NAME).map_err(io::Error::other)?;
    Ok(halves(connector.connect(name, stream).await?))
}

/// What TLS is spoken over.
pub(crate) trait Raw: AsyncRead + AsyncWrite + Send + Unpin + 'static {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin + 'static> Raw for T {}

fn halves(stream: impl Raw) -> Stream {
    let (read, write) = tokio::io::split(stream);
    Stream { read: Box::new(read), write: Box::new(write) }
}

/// The server's side for a run.
pub(crate) fn acceptor(token: &Token) -> io::Result<Acceptor> {
    let config = || {
        let Credentials { roots, chain, key } = Credentials::of(token)?;
        let provider = provider();
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider));
        let builder = ServerConfig::builder_with_provider(provider).with_protocol_versions(&[&TLS13])?;
        let mut config = builder.with_client_cert_verifier(verifier.build()?).with_single_cert(chain, key)?;
        // Whoever comes again proves again who it is.
        config.send_tls13_tickets = 0;
        Ok::<_, Failure>(config)
    };
    Ok(Acceptor::from(Arc::new(config().map_err(io::Error::other)?)))
}

fn connector(token: &Token) -> Result<TlsConnector, Failure> {
    let Credentials { roots, chain, key } = Credentials::of(token)?;
    let builder = ClientConfig::builder_with_provider(provider()).with_protocol_versions(&[&TLS13])?;
    let config = builder.with_root_certificates(roots).with_client_auth_cert(chain, key)?;
    Ok(TlsConnector::from(Arc::new(config)))
}

/// AES with 128 bits first: where the processor knows AES it is the fastest, and no weaker for a run's lifetime.
fn provider() -> Arc<CryptoProvider> {
    use ring::cipher_suite::{TLS13_AES_128_GCM_SHA256, TLS13_CHACHA20_POLY1305_SHA256};
    let cipher_suites = vec![TLS13_AES_128_GCM_SHA256, TLS13_CHACHA20_POLY1305_SHA256];
    Arc::new(CryptoProvider { cipher_suites, ..ring::default_provider() })
}

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// What a process shows, and by what it knows the others.
struct Credentials {
    roots: RootCertStore,
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
}

impl Credentials {
    fn of(token: &Token) -> Result<Credentials, Failure> {
        let mut params = CertificateParams::new(vec![NAME.to_owned()])?;
        #[expect(
            clippy::disallowed_methods,
            reason = "how long a certificate holds is told by the wall clock"
        )]
        let now = SystemTime::now();
        (params.not_before, params.not_after) = ((now - EARLIER).into(), (now + LATER).into());
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        let own = KeyPair::generate_for(&PKCS_ED25519)?;
        let authority = authority(token)?;
        let (anchor, issuer) = (anchor(&authority)?, issuer(authority)?);
        let mut roots = RootCertStore::empty();
        roots.add(anchor)?;
        let certificate = params.signed_by(&own, &issuer)?;
        let key = PrivatePkcs8KeyDer::from(own.serialize_der()).into();
        Ok(Credentials { roots, chain: vec![certificate.der().clone()], key })
    }
}

/// The key of the run's authority.
fn authority(token: &Token) -> Result<KeyPair, Failure> {
    let mut mac = Hmac::<Sha256>::new_from_slice(token.bytes())?;
    mac.update(b"the authority of a run of syncline");
    let pkcs8 = [&PKCS8[..], &mac.finalize().into_bytes()].concat();
    let pkcs8 = PrivatePkcs8KeyDer::from(pkcs8);
    Ok(KeyPair::from_pkcs8_der_and_sign_algo(&pkcs8, &PKCS_ED25519)?)
}

fn name_of_authority() -> Result<CertificateParams, Failure> {
    let mut params = CertificateParams::new(Vec::new())?;
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Constrained(0));
    Ok(params)
}

fn anchor(authority: &KeyPair) -> Result<CertificateDer<'static>, Failure> {
    Ok(name_of_authority()?.self_signed(authority)?.der().clone())
}

fn issuer(authority: KeyPair) -> Result<Issuer<'static, KeyPair>, Failure> {
    Ok(Issuer::new(name_of_authority()?, authority))
}

/// Whether an error of a connection is one of TLS: the other side shows no certificate of this run, or speaks no TLS.
pub(crate) fn is_refusal(error: &io::Error) -> bool {
    error.get_ref().is_some_and(|inner| inner.is::<rustls::Error>())
}
