//! Certificates and keys from files in PEM form.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use arc_swap::ArcSwap;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio_rustls::{TlsAcceptor, TlsConnector};

/// Why TLS cannot be used as it is configured.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// A file cannot be read, or is no PEM.
    #[error("{} cannot be read as PEM", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: rustls::pki_types::pem::Error,
    },
    /// A file has none of what it should hold.
    #[error("{} has no certificate", path.display())]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// Certificate and key do not fit, or one of them is of no use.
    #[error("{} and its key cannot be used", path.display())]
    Unusable {
        /// The certificate.
        path: PathBuf,
        /// Why.
        #[source]
        source: rustls::Error,
    },
    /// The authorities cannot be used.
    #[error("the authorities in {} cannot be used: {reason}", path.display())]
    Authorities {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
}

/// Where the certificates of one side lie.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct TlsFiles {
    /// Own certificate, followed by the ones between it and its authority.
    pub(crate) certificate: Option<PathBuf>,
    /// Its key.
    pub(crate) key: Option<PathBuf>,
    /// Authorities that the other side's certificate must come from.
    pub(crate) authorities: Option<PathBuf>,
}

impl TlsFiles {
    /// When each file was written last; what cannot be told is as if it had not changed.
    fn written(&self) -> Vec<Option<SystemTime>> {
        let files = [&self.certificate, &self.key, &self.authorities];
        let written = |path: &PathBuf| std::fs::metadata(path).and_then(|data| data.modified()).ok();
        files.into_iter().map(|path| path.as_ref().and_then(written)).collect()
    }

    fn identity(&self) -> Result<Option<Identity>, TlsError> {
        let (Some(certificate), Some(key)) = (&self.certificate, &self.key) else { return Ok(None) };
        let chain = certificates(certificate)?;
        let private = PrivateKeyDer::from_pem_file(key)
            .map_err(|source| TlsError::File { path: key.clone(), source })?;
        Ok(Some(Identity { path: certificate.clone(), chain, key: private }))
    }

    fn roots(&self) -> Result<Option<RootCertStore>, TlsError> {
        let Some(path) = &self.authorities else { return Ok(None) };
        let mut roots = RootCertStore::empty();
        for certificate in certificates(path)? {
            roots.add(certificate).map_err(|error| self.authorities_fault(&error.to_string()))?;
        }
        Ok(Some(roots))
    }

    fn authorities_fault(&self, reason: &str) -> TlsError {
        TlsError::Authorities {
            path: self.authorities.clone().unwrap_or_default(),
            reason: reason.to_owned(),
        }
    }
}

struct Identity {
    path: PathBuf,
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let failed = |source| TlsError::File { path: path.to_path_buf(), source };
    let found: Result<Vec<_>, _> = CertificateDer::pem_file_iter(path).map_err(failed)?.collect();
    let found = found.map_err(failed)?;
    if found.is_empty() { Err(TlsError::Empty { path: path.to_path_buf() }) } else { Ok(found) }
}

fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

/// What is made from files, and made again when they change.
#[derive(Debug)]
struct Reloaded<C> {
    files: TlsFiles,
    current: ArcSwap<C>,
    written: Mutex<Vec<Option<SystemTime>>>,
    make: fn(&TlsFiles) -> Result<C, TlsError>,
}

impl<C> Reloaded<C> {
    fn load(files: TlsFiles, make: fn(&TlsFiles) -> Result<C, TlsError>) -> Result<Self, TlsError> {
        // The times come first: a file that is written between the two is read once more.
        let written = Mutex::new(files.written());
        let current = ArcSwap::from_pointee(make(&files)?);
        Ok(Self { files, current, written, make })
    }

    fn reload_if_changed(&self) -> Result<bool, TlsError> {
        let now = self.files.written();
        let mut before = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        if *before == now {
            return Ok(false);
        }
        // What cannot be used is not tried again until it changes again.
        *before = now;
        self.current.store(Arc::new((self.make)(&self.files)?));
        Ok(true)
    }
}

/// The side that is connected to.
#[derive(Debug)]
pub(crate) struct ServerTls(Reloaded<ServerConfig>);

impl ServerTls {
    /// Reads the files; nothing when no certificate is configured.
    pub(crate) fn load(files: TlsFiles) -> Result<Option<Self>, TlsError> {
        if files.certificate.is_none() {
            return Ok(None);
        }
        Reloaded::load(files, server_config).map(|reloaded| Some(Self(reloaded)))
    }
    pub(crate) fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(self.0.current.load_full())
    }
    /// Reads the files again when one of them changed; true when they did.
    pub(crate) fn reload_if_changed(&self) -> Result<bool, TlsError> {
        self.0.reload_if_changed()
    }
}

fn server_config(files: &TlsFiles) -> Result<ServerConfig, TlsError> {
    let unusable = |path: &Path| {
        let path = path.to_path_buf();
        move |source| TlsError::Unusable { path, source }
    };
    let own = files.certificate.clone().unwrap_or_default();
    let identity = files.identity()?.ok_or(TlsError::Empty { path: own.clone() })?;
    let builder = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(rustls::DEFAULT_VERSIONS)
        .map_err(unusable(&own))?;
    let builder = match files.roots()? {
        None => builder.with_no_client_auth(),
        Some(roots) => builder.with_client_cert_verifier(
            WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider())
                .build()
                .map_err(|error| files.authorities_fault(&error.to_string()))?,
        ),
    };
    builder.with_single_cert(identity.chain, identity.key).map_err(unusable(&identity.path))
}

/// The side that connects.
#[derive(Debug)]
pub(crate) struct ClientTls(Reloaded<ClientConfig>);

impl ClientTls {
    /// Reads the files; nothing when no authority is configured, because then nobody can be believed.
    pub(crate) fn load(files: TlsFiles) -> Result<Option<Self>, TlsError> {
        if files.authorities.is_none() {
            return Ok(None);
        }
        Reloaded::load(files, client_config).map(|reloaded| Some(Self(reloaded)))
    }
    pub(crate) fn connector(&self) -> TlsConnector {
        TlsConnector::from(self.0.current.load_full())
    }
    /// As [`ServerTls::reload_if_changed`].
    pub(crate) fn reload_if_changed(&self) -> Result<bool, TlsError> {
        self.0.reload_if_changed()
    }
}

fn client_config(files: &TlsFiles) -> Result<ClientConfig, TlsError> {
    let path = files.certificate.clone().unwrap_or_default();
    let unusable = |source| TlsError::Unusable { path, source };
    let roots = files.roots()?.unwrap_or_else(RootCertStore::empty);
    let builder = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(rustls::DEFAULT_VERSIONS)
        .map_err(|error| files.authorities_fault(&error.to_string()))?
        .with_root_certificates(roots);
    match files.identity()? {
        None => Ok(builder.with_no_client_auth()),
        Some(own) => builder.with_client_auth_cert(own.chain, own.key).map_err(unusable),
    }
}
