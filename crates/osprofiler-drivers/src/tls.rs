//! TLS: whom a driver trusts, and as whom it is trusted.

use std::error::Error as StdError;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, Error as TlsError};
use rustls::{RootCertStore, SignatureScheme};

use crate::address::Address;
use crate::{Error, ErrorKind};

/// The options of TLS that every driver with it has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tls {
    /// `ca`: PEM file with the certificates to trust instead of the system's.
    pub(crate) ca: Option<PathBuf>,
    /// `cert`, `key`: PEM files with the certificate to show to the server, and its key.
    pub(crate) identity: Option<(PathBuf, PathBuf)>,
    /// `insecure`: any certificate of the server is fine.
    pub(crate) insecure: bool,
}

impl Tls {
    /// Takes the options out of a connection string.
    ///
    /// # Errors
    ///
    /// If they make no sense.
    pub(crate) fn of(address: &Address) -> Result<Self, Error> {
        let path = |name| address.option(name).map(PathBuf::from);
        let identity = match (path("cert"), path("key")) {
            (Some(cert), Some(key)) => Some((cert, key)),
            (None, None) => None,
            _ => return Err(address.wrong("`cert` and `key` go together")),
        };
        Ok(Self { ca: path("ca"), identity, insecure: address.flag("insecure")? })
    }

    /// The same where something else turns TLS on; `how` says what.
    ///
    /// # Errors
    ///
    /// Also if there are options but no TLS: what they are to protect would go in the clear.
    pub(crate) fn if_on(address: &Address, is_on: bool, how: &str) -> Result<Self, Error> {
        let tls = Self::of(address)?;
        if is_on || tls == Self::default() {
            return Ok(tls);
        }
        let message = format!(
            "`ca`, `cert`, `key` and `insecure` are for TLS, which is off; turn it on with {how}, or \
             leave them out"
        );
        Err(address.wrong(&message))
    }

    /// The configuration of a client.
    ///
    /// # Errors
    ///
    /// If a file cannot be read, or holds something else.
    pub(crate) fn client_config(&self) -> Result<ClientConfig, Error> {
        let provider = Arc::new(ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .map_err(|cause| Error::new(ErrorKind::Storage, "cannot use TLS").with_source(cause))?;
        let builder = if self.insecure {
            builder.dangerous().with_custom_certificate_verifier(Arc::new(AnyServer(provider)))
        } else {
            builder.with_root_certificates(self.roots()?)
        };
        let Some((cert, key)) = &self.identity else { return Ok(builder.with_no_client_auth()) };
        let private = PrivateKeyDer::from_pem_file(key).map_err(|cause| unusable(key, cause))?;
        builder
            .with_client_auth_cert(certificates(cert)?, private)
            .map_err(|cause| unusable(cert, cause))
    }

    fn roots(&self) -> Result<RootCertStore, Error> {
        let mut roots = RootCertStore::empty();
        match &self.ca {
            Some(path) => {
                for certificate in certificates(path)? {
                    roots.add(certificate).map_err(|cause| unusable(path, cause))?;
                }
            }
            // A certificate of the system that makes no sense is as good as none.
            None => {
                roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            }
        }
        Ok(roots)
    }
}

/// What is wrong between the server and us, and what to do about it, if TLS is what a failure comes from.
/// To try again does not help.
pub(crate) fn trouble(failure: &(dyn StdError + 'static)) -> Option<String> {
    let error = tls_error(failure)?;
    let hint = match error {
        TlsError::InvalidCertificate(CertificateError::UnknownIssuer) => {
            "name its authority with `ca=PATH`"
        }
        TlsError::InvalidCertificate(
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
        ) => "name the server as its certificate does",
        TlsError::InvalidCertificate(
            CertificateError::Expired | CertificateError::ExpiredContext { .. },
        ) => "its certificate has to be renewed",
        TlsError::InvalidCertificate(_) => "check its certificate, and `ca`",
        TlsError::AlertReceived(_) => "it refuses us: check `cert` and `key`",
        _ => "check scheme and port",
    };
    Some(format!("no TLS with it: {error}; {hint}"))
}

fn tls_error<'a>(failure: &'a (dyn StdError + 'static)) -> Option<&'a TlsError> {
    let mut cause = Some(failure);
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref() {
            return Some(error);
        }
        // What an I/O error was made of is not among its sources.
        let inner = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        cause = inner.map(|inner| inner as &(dyn StdError + 'static)).or_else(|| error.source());
    }
    None
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, Error> {
    let read = CertificateDer::pem_file_iter(path).and_then(Iterator::collect);
    let certificates: Vec<_> = read.map_err(|cause| unusable(path, cause))?;
    if certificates.is_empty() {
        return Err(unusable(path, "there is no certificate in it"));
    }
    Ok(certificates)
}

fn unusable(path: &Path, cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    let message = format!("cannot use `{}` for TLS; expected a PEM file", path.display());
    Error::new(ErrorKind::ConnectionString, message).with_source(cause)
}

/// Takes every server for the right one (`insecure=true`).
#[derive(Debug)]
struct AnyServer(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyServer {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, TlsError> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        verify_tls12_signature(message, cert, signature, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        verify_tls13_signature(message, cert, signature, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tls(text: &str) -> Result<Tls, Error> {
        Tls::of(&Address::of(&text.parse().unwrap()).unwrap())
    }

    #[test]
    fn a_certificate_without_its_key_is_refused() {
        let error = tls("rediss://h?cert=/c.pem").unwrap_err().to_string();
        assert!(error.contains("go together"), "{error}");
    }

    #[test]
    fn a_file_that_is_no_certificate_is_named() {
        let tls = tls("rediss://h?ca=Cargo.toml").unwrap();
        let error = tls.client_config().unwrap_err().to_string();
        assert!(error.contains("cannot use `Cargo.toml` for TLS"), "{error}");
    }

    #[test]
    fn options_without_tls_are_refused_rather_than_passed_over() {
        for option in ["ca=/c.pem", "cert=/c.pem&key=/k.pem", "insecure=true"] {
            let connection = format!("redis://u:hush@h?{option}").parse().unwrap();
            let address = Address::of(&connection).unwrap();
            assert!(Tls::if_on(&address, true, "`rediss://`").is_ok());
            let error = Tls::if_on(&address, false, "`rediss://`").unwrap_err().to_string();
            assert!(error.contains("turn it on with `rediss://`"), "{error}");
            assert!(!error.contains("hush"), "{error}");
        }
        let address = Address::of(&"redis://h?insecure=false".parse().unwrap()).unwrap();
        assert_eq!(Tls::if_on(&address, false, "").unwrap(), Tls::default());
    }

    #[test]
    fn the_servers_certificate_is_verified_unless_told_otherwise() {
        assert!(!tls("rediss://h").unwrap().insecure);
        assert!(tls("rediss://h?insecure=true").unwrap().client_config().is_ok());
    }
}
