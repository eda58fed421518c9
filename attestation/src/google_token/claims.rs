//! What a token of Google Cloud Attestation says, once its signature has been verified.

use std::collections::BTreeMap;

use serde::Serialize;
use vouchsafe_protocol::Digest32;
use vouchsafe_protocol::UnixTime;

use crate::anchors::Root;
use crate::chain::MissingCrl;
use crate::chain::Revocation;
use crate::claims::Instance;
use crate::technology::Technology;

/// Claims of a verified token.
///
/// Google verified the VM's vTPM quote or TDX quote and says so. The token has no kernel, no command line, no PCR
/// and no boot phase, and for a plain VM nothing about its operating system but whether Secure Boot is on. Claims that are
/// not here are not read; of a workload's environment none is kept, since it may hold secrets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct GoogleTokenClaims {
    /// Who vouches for it: `google` for a key of the pinned Confidential Space root or one fetched from Google's own
    /// address, `extra` for keys from a file.
    pub root: Root,
    /// How it is signed.
    pub kind: TokenKind,
    /// PKI: how current the revocation data of the chain was. OIDC: `fresh` while the key set is.
    pub revocation: Revocation,
    /// The CRLs that it would take for `fresh`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub missing_crls: Vec<MissingCrl>,
    /// Who issues the CRLs that this rests on, encoded Names.
    #[serde(skip)]
    pub crl_issuers: Vec<Vec<u8>>,
    /// SHA-256 of the anchor's certificate; OIDC has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub anchor: Option<Digest32>,
    /// `kid`, where the token is of kind OIDC.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_id: Option<String>,
    /// `aud`.
    pub audience: String,
    /// `eat_nonce`: one of a token that a release rests on, otherwise as many as the token has.
    pub nonces: Vec<String>,
    /// `iat`.
    pub issued_at: UnixTime,
    /// `exp`.
    pub expires_at: UnixTime,
    /// `sub`: the URL of the instance, by its name.
    pub subject: String,
    /// `hwmodel` as a technology; `none` for a Shielded VM.
    pub technology: Technology,
    /// `eat_profile`: the address of Google's documentation of the claims.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,
    /// `swname`.
    pub software_name: SoftwareName,
    /// `swversion`, Confidential Space only.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub software_version: Vec<String>,
    /// `secboot`.
    pub secure_boot: bool,
    /// `dbgstat` is `disabled-since-boot`. Confidential Space only: of a plain VM it says nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub debug_disabled: Option<bool>,
    /// `attester_tcb`: who vouches for the hardware, `INTEL` on TDX.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub attester_tcb: Vec<String>,
    /// `tdx`: what Google says of the platform's TCB, not necessarily of now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tdx_tcb: Option<TokenTdxTcb>,
    /// `submods.gce`: whose VM this is.
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

/// What Google says the VM runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum SoftwareName {
    /// A plain VM: its operating system is not judged.
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
    /// By a certificate that travels with it.
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

/// What Google says of a TDX platform's TCB.
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
