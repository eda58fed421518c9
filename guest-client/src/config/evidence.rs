//! `evidence`: which kinds to collect, and the settings of each.

use std::fmt;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

use super::error::ConfigError;
use super::google_token::GoogleTokenConfig;
use super::hardware::{SevSnpConfig, TdxConfig};
use super::vtpm::VtpmConfig;
use crate::hardware::HardwareKind;

/// Which evidence to collect, and from where.
#[derive(Clone, Debug, Default)]
pub struct CollectConfig {
    /// The kinds of evidence to send.
    pub evidence: EvidenceChoice,
    /// The vTPM.
    pub vtpm: VtpmConfig,
    /// The SNP device.
    pub sev_snp: SevSnpConfig,
    /// The trust domain.
    pub tdx: TdxConfig,
    /// Google Cloud Attestation.
    pub google_token: GoogleTokenConfig,
}

/// The kinds of evidence to send.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum EvidenceChoice {
    /// Everything that this VM has itself; never a token, which has to be requested from Google.
    #[default]
    Auto,
    /// Exactly these; a missing one is an error.
    Listed {
        /// Quote and firmware log of the vTPM.
        vtpm: bool,
        /// Report or quote of the processor.
        hardware: Option<HardwareKind>,
        /// Token of Google Cloud Attestation.
        google_token: bool,
    },
}

impl TryFrom<EvidenceKey> for EvidenceChoice {
    type Error = ConfigError;

    fn try_from(key: EvidenceKey) -> Result<Self, ConfigError> {
        let EvidenceKey::Kinds(kinds) = key else { return Ok(Self::Auto) };
        let has = |kind| kinds.contains(&kind);
        let hardware = match (has(EvidenceKind::SevSnp), has(EvidenceKind::Tdx)) {
            (true, true) => return Err(ConfigError::TwoProcessors),
            (true, false) => Some(HardwareKind::SevSnp),
            (false, true) => Some(HardwareKind::Tdx),
            (false, false) => None,
        };
        Ok(Self::Listed {
            vtpm: has(EvidenceKind::Vtpm),
            hardware,
            google_token: has(EvidenceKind::GoogleToken),
        })
    }
}

/// `evidence` as it is written: `"auto"`, or a list without repetition.
#[derive(Default)]
pub(super) enum EvidenceKey {
    #[default]
    Auto,
    Kinds(Vec<EvidenceKind>),
}

/// A name in the list.
#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum EvidenceKind {
    Vtpm,
    SevSnp,
    Tdx,
    GoogleToken,
}

impl<'de> Deserialize<'de> for EvidenceKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> serde::de::Visitor<'de> for Visitor {
            type Value = EvidenceKey;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("\"auto\" or a list of \"vtpm\", \"sev-snp\", \"tdx\" and \"google-token\"")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<EvidenceKey, E> {
                match text {
                    "auto" => Ok(EvidenceKey::Auto),
                    other => Err(E::invalid_value(serde::de::Unexpected::Str(other), &self)),
                }
            }

            fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut list: A) -> Result<EvidenceKey, A::Error> {
                let mut kinds = Vec::new();
                while let Some(kind) = list.next_element()? {
                    if kinds.contains(&kind) {
                        return Err(A::Error::custom("a kind of evidence is listed twice"));
                    }
                    kinds.push(kind);
                }
                if kinds.is_empty() {
                    return Err(A::Error::invalid_length(0, &self));
                }
                Ok(EvidenceKey::Kinds(kinds))
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}
