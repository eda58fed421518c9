//! Access tokens: of the VM's service account, from the metadata server, or made with the key of a service account that the
//! configuration names. `GOOGLE_APPLICATION_CREDENTIALS` is not read: it may belong to another program.

use std::path::{Path, PathBuf};
use std::time::Duration;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::pki_types::pem::PemObject as _;
use serde::Deserialize;
use serde_json::json;
use ureq::Agent;
use ureq::http::HeaderValue;
use vouchsafe_protocol::UnixTime;
use vouchsafe_protocol::text::printable;
use vouchsafe_system::http;
use vouchsafe_system::trusted_file::{self, Others, TrustedFileError};
use zeroize::{Zeroize as _, Zeroizing};

use super::body;
use super::problem::Problem;
use crate::clock;
use crate::config::kms::KmsConfig;

/// Why the key of a service account cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CredentialsError {
    /// Other users may read the file, or it cannot be read.
    #[error("credentials for Cloud KMS: {0}")]
    File(#[from] TrustedFileError),
    /// It is not the key of a service account.
    #[error(
        "credentials for Cloud KMS: {}: {what}: expected the key of a service account, as `gcloud iam service-accounts keys create` writes it",
        path.display()
    )]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        what: &'static str,
    },
}

/// Where tokens come from.
#[derive(Debug)]
pub(super) enum Credentials {
    /// The metadata server at this URL.
    Metadata(String),
    /// The key of a service account.
    Key(ServiceAccountKey),
}

pub(super) struct ServiceAccountKey {
    email: String,
    key_id: String,
    key: RsaKeyPair,
}

impl Credentials {
    pub(super) fn load(config: &KmsConfig) -> Result<Self, CredentialsError> {
        match &config.credentials {
            Some(file) => ServiceAccountKey::load(file).map(Self::Key),
            None => Ok(Self::Metadata(config.metadata.clone())),
        }
    }

    /// The value of `Authorization`.
    pub(super) fn authorization(&self, timeout: Duration) -> Result<HeaderValue, Problem> {
        let token = match self {
            Self::Metadata(server) => from_metadata(server, timeout)?,
            Self::Key(key) => key.token(clock::now())?,
        };
        let value = Zeroizing::new(format!("Bearer {}", token.as_str()));
        let malformed = |_| no_token("a token that no header can have");
        let mut value = HeaderValue::from_str(&value).map_err(malformed)?;
        value.set_sensitive(true);
        Ok(value)
    }
}

#[derive(Deserialize)]
struct Token {
    access_token: String,
}

/// The token of the VM's service account. The server is on the host, so the request is not encrypted, and goes through no
/// proxy.
fn from_metadata(server: &str, timeout: Duration) -> Result<Zeroizing<String>, Problem> {
    let agent = Agent::new_with_config(http::direct().timeout_global(Some(timeout)).build());
    let url = format!("{server}/computeMetadata/v1/instance/service-accounts/default/token");
    let answer = agent.get(url).header(FLAVOR, "Google").call();
    // Away, perhaps because the network is not up yet.
    let away = |detail: &dyn std::fmt::Display| Problem::NoMetadata {
        detail: printable(&format!("{server}: {detail}")),
    };
    let mut response = answer.map_err(|error| away(&error))?;
    let body = body::read(response.body_mut())?;
    match response.status().as_u16() {
        200 => {}
        429 | 500..=599 => {
            return Err(away(&response.status()));
        }
        status => return Err(no_token(&format!("metadata server {server}: HTTP status {status}"))),
    }
    if response.headers().get(FLAVOR).is_none_or(|flavor| flavor.as_bytes() != b"Google") {
        return Err(no_token(&format!("{server} is not a metadata server (no Metadata-Flavor: Google)")));
    }
    let token: Token =
        serde_json::from_slice(&body).map_err(|_| no_token("the metadata server's answer has none"))?;
    Ok(Zeroizing::new(token.access_token))
}

/// A key file of a service account. Members that are not needed are ignored.
#[derive(Deserialize)]
struct KeyFile {
    r#type: String,
    client_email: String,
    private_key_id: String,
    private_key: PrivateKeyText,
}

struct PrivateKeyText(Zeroizing<String>);

impl<'de> Deserialize<'de> for PrivateKeyText {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self(Zeroizing::new(String::deserialize(deserializer)?)))
    }
}

impl ServiceAccountKey {
    fn load(path: &Path) -> Result<Self, CredentialsError> {
        let text = Zeroizing::new(trusted_file::read(path, Others::MayNothing)?);
        let malformed = |what| CredentialsError::Malformed { path: path.to_owned(), what };
        let file: KeyFile = serde_json::from_slice(&text).map_err(|_| malformed("it is malformed"))?;
        if file.r#type != "service_account" {
            return Err(malformed("it is of another type"));
        }
        let key = PrivatePkcs8KeyDer::from_pem_slice(file.private_key.0.as_bytes());
        let mut der = key.map_err(|_| malformed("its private key is malformed"))?;
        let key = RsaKeyPair::from_pkcs8(der.secret_pkcs8_der());
        der.zeroize();
        let key = key.map_err(|_| malformed("its private key is no RSA key"))?;
        Ok(Self { email: file.client_email, key_id: file.private_key_id, key })
    }

    /// A token that the account signs itself, for this service and an hour (AIP-4111; RFC 7515, RS256).
    fn token(&self, now: UnixTime) -> Result<Zeroizing<String>, Problem> {
        let part = |value: serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let header = part(json!({ "alg": "RS256", "typ": "JWT", "kid": self.key_id }));
        let claims = part(json!({
            "iss": self.email, "sub": self.email, "aud": AUDIENCE, "iat": now.0, "exp": now.0.saturating_add(LIFETIME),
        }));
        let signed = format!("{header}.{claims}");
        let mut signature = vec![0; self.key.public_modulus_len()];
        self.key
            .sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), signed.as_bytes(), &mut signature)
            .map_err(|_| no_token("the account's key does not sign"))?;
        Ok(Zeroizing::new(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))))
    }
}

impl std::fmt::Debug for ServiceAccountKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ServiceAccountKey([REDACTED] of {})", self.email)
    }
}

fn no_token(detail: &str) -> Problem {
    Problem::NoToken { detail: detail.to_owned() }
}

const FLAVOR: &str = "metadata-flavor";
const AUDIENCE: &str = "https://cloudkms.googleapis.com/";
/// Seconds; the longest that Google accepts.
const LIFETIME: u64 = 3600;
