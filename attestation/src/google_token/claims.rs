//! The claims of a Google Cloud Attestation token.

use std::collections::BTreeMap;

use serde::Serialize;
use vouchsafe_protocol::Digest32;
use vouchsafe_protocol::UnixTime;

use crate::anchors::Root;
use crate::instance::Instance;
use crate::technology::Technology;
use crate::x509::MissingCrl;
use crate::x509::Revocation;

/// Claims of a verified token.
///
/// Google has verified the VM's vTPM quote or TDX quote, and states these results. A token has no kernel,
/// command line, PCR or boot phase; for a plain VM it says nothing about the operating system except whether
/// Secure Boot is on. Unlisted claims are ignored; a workload's environment is not kept, since it may contain
/// secrets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct GoogleTokenClaims {
    /// The root of the signing key: `google` for the pinned Confidential Space root or a key set fetched from
    /// Google's own URL, `extra` for keys from a file.
    pub root: Root,
    /// How it is signed.
    pub kind: TokenKind,
    /// PKI: how current the revocation data of the chain was. OIDC: `fresh` while the key set is fresh.
    pub revocation: Revocation,
    /// The CRLs that are missing for `fresh`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub missing_crls: Vec<MissingCrl>,
    /// Issuers of the CRLs that this is based on, encoded Names.
    #[serde(skip)]
    pub crl_issuers: Vec<Vec<u8>>,
    /// SHA-256 of the anchor's certificate; absent for OIDC.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub anchor: Option<Digest32>,
    /// `kid`, if the token is of kind OIDC.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_id: Option<String>,
    /// `aud`.
    pub audience: String,
    /// `eat_nonce`: exactly one for a release; otherwise all that the token has.
    pub nonces: Vec<String>,
    /// `iat`.
    pub issued_at: UnixTime,
    /// `exp`.
    pub expires_at: UnixTime,
    /// `sub`: the URL of the instance, with its name.
    pub subject: String,
    /// `hwmodel` as a technology; `none` for a Shielded VM.
    pub technology: Technology,
    /// `eat_profile`: the URL of Google's documentation of the claims.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,
    /// `swname`.
    pub software_name: SoftwareName,
    /// `swversion`, Confidential Space only.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub software_version: Vec<String>,
    /// `secboot`.
    pub secure_boot: bool,
    /// `dbgstat` is `disabled-since-boot`. Confidential Space only: absent for a plain VM.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub debug_disabled: Option<bool>,
    /// `attester_tcb`: the source of the hardware TCB, `INTEL` on TDX.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub attester_tcb: Vec<String>,
    /// `tdx`: Google's statement about the platform's TCB, which may not be the current one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tdx_tcb: Option<TokenTdxTcb>,
    /// `submods.gce`: the instance.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instance: Option<Instance>,
    /// `google_service_accounts`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub service_accounts: Vec<String>,
    /// `submods.container`, Confidential Space only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub container: Option<Container>,
    /// `submods.confidential_space.support_attributes`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub support_attributes: Vec<String>,
    /// `submods.confidential_space.monitoring_enabled`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub monitoring_enabled: BTreeMap<String, bool>,
}

/// The software of the VM according to Google.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum SoftwareName {
    /// A plain VM: its operating system is not verified.
    Gce,
    /// Google's image that runs one container.
    ConfidentialSpace,
}

impl SoftwareName {
    /// Its name in tokens, claims and policies.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Gce => "GCE",
            Self::ConfidentialSpace => "CONFIDENTIAL_SPACE",
        }
    }
}

/// How a token is signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum TokenKind {
    /// By a key of the issuer's key set.
    Oidc,
    /// By a certificate in the token.
    Pki,
}

impl TokenKind {
    /// Its name in claims and policies.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Oidc => "oidc",
            Self::Pki => "pki",
        }
    }
}

/// Google's statement about a TDX platform's TCB.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TokenTdxTcb {
    /// `gcp_attester_tcb_status`, as Google spells it.
    pub status: String,
    /// `gcp_attester_tcb_date`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub date: Option<UnixTime>,
}

/// The workload of a Confidential Space VM.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Container {
    /// `image_reference`.
    pub image_reference: String,
    /// `image_digest`, `sha256:` and hex.
    pub image_digest: String,
    /// `image_id`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image_id: Option<String>,
    /// `restart_policy`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub restart_policy: Option<String>,
    /// `args`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub arguments: Vec<String>,
}
