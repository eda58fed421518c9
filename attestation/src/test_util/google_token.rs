//! A fake Google Cloud Attestation: tokens of both kinds, signed by throw-away keys.
//!
//! The formats are Google's, so that the verifier's own code path is tested. Its root and its key set must be
//! configured as extra ones, so what it signs only ever has the root `extra`.

use std::sync::OnceLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use serde_json::json;
use vouchsafe_protocol::UnixTime;
use vouchsafe_protocol::encoding::to_base64url;

use super::ca::AkCertificateSpec;
use super::ca::CertificateSpec;
use super::ca::CrlSpec;
use super::ca::FakeCa;
use super::ca::Scheme;
use super::ca::encode;
use crate::google_token::ISSUER;
use crate::google_token::TokenKind;
use crate::technology::Technology;

/// The hierarchy of PKI tokens, and the two keys of the set for OIDC tokens.
#[derive(Debug)]
pub struct FakeAttestationService {
    root: FakeCa,
    intermediate: FakeCa,
    leaf: FakeCa,
    root_der: Vec<u8>,
    intermediate_der: Vec<u8>,
    leaf_der: Vec<u8>,
    oidc: FakeCa,
}

impl FakeAttestationService {
    /// A service with new keys. This is slow: [`Self::shared`] makes one per process.
    #[must_use]
    pub fn new() -> Self {
        let [root, intermediate, leaf, oidc] = ["Root CA", "Intermediate CA", "Leaf Certificate", "OIDC"]
            .map(|name| {
                FakeCa::new(ca_name(&format!("Fake Confidential Space {name}")), Scheme::Pkcs1Sha256)
            });
        let mut service = Self {
            root_der: root.self_signed(1),
            intermediate_der: Vec::new(),
            leaf_der: Vec::new(),
            root,
            intermediate,
            leaf,
            oidc,
        };
        service.intermediate_der = service.root.issue(&service.intermediate_spec());
        service.leaf_der = service.intermediate.issue(&service.leaf_spec());
        service
    }

    /// The service that all tests of a process share.
    #[must_use]
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<FakeAttestationService> = OnceLock::new();
        SHARED.get_or_init(Self::new)
    }

    /// Root certificate, DER: the extra anchor of a test.
    #[must_use]
    pub fn root_der(&self) -> &[u8] {
        &self.root_der
    }

    /// Intermediate certificate, DER.
    #[must_use]
    pub fn intermediate_der(&self) -> &[u8] {
        &self.intermediate_der
    }

    /// Leaf certificate, DER.
    #[must_use]
    pub fn leaf_der(&self) -> &[u8] {
        &self.leaf_der
    }

    /// The root CA, to issue other certificates.
    #[must_use]
    pub const fn root(&self) -> &FakeCa {
        &self.root
    }

    /// The intermediate CA, to issue other certificates.
    #[must_use]
    pub const fn intermediate(&self) -> &FakeCa {
        &self.intermediate
    }

    /// The key that signs PKI tokens.
    #[must_use]
    pub const fn leaf(&self) -> &FakeCa {
        &self.leaf
    }

    /// The key that signs OIDC tokens.
    #[must_use]
    pub const fn oidc(&self) -> &FakeCa {
        &self.oidc
    }

    /// A CRL of the root.
    #[must_use]
    pub fn root_crl(&self, spec: &CrlSpec) -> Vec<u8> {
        self.root.crl(spec)
    }

    /// The intermediate, like Google's: a CA with an extended key usage and a CRL distribution point.
    #[must_use]
    pub fn intermediate_spec(&self) -> CertificateSpec {
        let mut spec = self.root.ca_spec(&self.intermediate, 2);
        let usage = encode::sequence(&[encode::oid("2.23.133.8.1")]);
        spec.extensions.push(encode::extension("2.5.29.37", false, &usage));
        spec.extensions.push(encode::distribution_point(ROOT_CRL_URI));
        spec
    }

    /// The leaf, like Google's: not a CA, no key usage. Valid from 2025-10-15 to 2031-10-15; Google's are
    /// valid for 60 days.
    #[must_use]
    pub fn leaf_spec(&self) -> CertificateSpec {
        let mut spec = self.intermediate.ca_spec(&self.leaf, 3);
        spec.extensions = vec![encode::basic_constraints(false, None)];
        (spec.not_before, spec.not_after) = (UnixTime(1_760_486_400), UnixTime(1_949_788_800));
        spec
    }

    /// The key set of OIDC tokens.
    #[must_use]
    pub fn jwks(&self) -> Vec<u8> {
        json!({ "keys": [jwk(&self.oidc, OIDC_KEY_ID)] }).to_string().into_bytes()
    }

    /// A valid token of this kind.
    #[must_use]
    pub fn token(&self, kind: TokenKind, audience: &str, nonce: &str, now: UnixTime) -> String {
        self.spec(kind, audience, nonce, now).sign(self)
    }

    /// The content of such a token, to be changed before it is signed.
    #[must_use]
    pub fn spec(&self, kind: TokenKind, audience: &str, nonce: &str, now: UnixTime) -> TokenSpec {
        let chain = [&self.leaf_der, &self.intermediate_der, &self.root_der].map(|der| STANDARD.encode(der));
        let header = match kind {
            TokenKind::Oidc => json!({ "alg": "RS256", "kid": OIDC_KEY_ID, "typ": "JWT" }),
            TokenKind::Pki => json!({ "alg": "RS256", "kid": "leaf", "typ": "JWT", "x5c": chain }),
        };
        TokenSpec { kind, header, claims: plain_vm_claims(audience, nonce, now) }
    }
}

impl Default for FakeAttestationService {
    fn default() -> Self {
        Self::new()
    }
}

/// The content of a token; every member can be set, also to nonsense.
#[derive(Clone, Debug)]
pub struct TokenSpec {
    /// Which key signs it.
    pub kind: TokenKind,
    /// Header.
    pub header: Value,
    /// Claims.
    pub claims: Value,
}

impl TokenSpec {
    /// Sets the claims for this instance.
    #[must_use]
    pub fn of_instance(mut self, instance: &AkCertificateSpec) -> Self {
        self.set("submods", submods(instance));
        let path = format!("projects/{}/zones/{}", instance.project_id, instance.zone);
        let name = &instance.instance_name;
        self.set("sub", json!(format!("https://www.googleapis.com/compute/v1/{path}/instances/{name}")));
        self
    }

    /// Sets `hwmodel` to a technology, with Google's statement about a TDX platform.
    #[must_use]
    pub fn of_technology(mut self, technology: Technology) -> Self {
        let model = match technology {
            Technology::None => "GCP_SHIELDED_VM",
            Technology::Sev => "GCP_AMD_SEV",
            Technology::SevEs => "GCP_AMD_SEV_ES",
            Technology::SevSnp => "GCP_AMD_SEV_SNP",
            Technology::Tdx => "GCP_INTEL_TDX",
        };
        self.set("hwmodel", json!(model));
        if technology == Technology::Tdx {
            self.set("attester_tcb", json!(["INTEL"]));
            let (status, date) = ("gcp_attester_tcb_status", "gcp_attester_tcb_date");
            self.set("tdx", json!({ status: "UpToDate", date: "2024-03-13T00:00:00Z" }));
        }
        self
    }

    /// Sets a claim, or removes it with `Value::Null`.
    pub fn set(&mut self, claim: &str, value: Value) {
        change(&mut self.claims, claim, value);
    }

    /// Sets a header parameter, or removes it with `Value::Null`.
    pub fn set_header(&mut self, name: &str, value: Value) {
        change(&mut self.header, name, value);
    }

    /// The token, signed by the service's key for its kind.
    #[must_use]
    pub fn sign(&self, service: &FakeAttestationService) -> String {
        let key = match self.kind {
            TokenKind::Oidc => &service.oidc,
            TokenKind::Pki => &service.leaf,
        };
        sign(&self.header.to_string(), &self.claims.to_string(), key)
    }
}

fn change(object: &mut Value, name: &str, value: Value) {
    let members = object.as_object_mut().expect("an object");
    if value.is_null() {
        members.remove(name);
    } else {
        members.insert(name.to_owned(), value);
    }
}

/// A JWS in compact form with any header and claims.
#[must_use]
pub fn sign(header: &str, claims: &str, key: &FakeCa) -> String {
    let signed = format!("{}.{}", to_base64url(header.as_bytes()), to_base64url(claims.as_bytes()));
    let signature = key.sign(signed.as_bytes(), Scheme::Pkcs1Sha256);
    format!("{signed}.{}", to_base64url(&signature))
}

/// A key in the form of a key set.
#[must_use]
pub fn jwk(key: &FakeCa, kid: &str) -> Value {
    let n = to_base64url(&key.modulus());
    json!({ "kty": "RSA", "use": "sig", "alg": "RS256", "kid": kid, "n": n, "e": "AQAB" })
}

/// The claims of a plain SEV VM, as Google documents them.
fn plain_vm_claims(audience: &str, nonce: &str, now: UnixTime) -> Value {
    json!({
        "aud": audience,
        "exp": now.0 + 3600,
        "iat": now.0,
        "iss": ISSUER,
        "nbf": now.0,
        "sub": "https://www.googleapis.com/compute/v1/projects/vouchsafe-test/zones/us-central1-a/instances/test-vm",
        "eat_nonce": nonce,
        "eat_profile": "https://cloud.google.com/confidential-computing/confidential-vm/docs/token-claims",
        "secboot": true,
        "oemid": 11129,
        "hwmodel": "GCP_AMD_SEV",
        "swname": "GCE",
        "dbgstat": "enabled",
        "submods": submods(&AkCertificateSpec::default()),
        "google_service_accounts": ["620438545889-compute@developer.gserviceaccount.com"],
    })
}

fn submods(instance: &AkCertificateSpec) -> Value {
    json!({ "gce": {
        "zone": instance.zone,
        "project_id": instance.project_id,
        "project_number": instance.project_number.to_string(),
        "instance_name": instance.instance_name,
        "instance_id": instance.instance_id.to_string(),
    } })
}

fn ca_name(common_name: &str) -> Vec<u8> {
    encode::name(&[("2.5.4.6", "US"), ("2.5.4.10", "Not Google LLC"), ("2.5.4.3", common_name)])
}

/// The id of the key that signs OIDC tokens.
pub const OIDC_KEY_ID: &str = "fake-oidc-key-1";
/// CRL distribution point of the fake intermediate's certificate.
pub const ROOT_CRL_URI: &str = "http://pki.invalid/fake-confidential-space-root.crl";
