//! `evidence`: which kinds to show.

use std::fmt;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

/// Which evidence to show: `"auto"`, or a list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum EvidenceChoice {
    /// Whatever this VM has by itself; never a token, which Google has to be asked for.
    #[default]
    Auto,
    /// Exactly these; one that is not there is an error.
    Kinds(Vec<EvidenceKind>),
}

/// A kind of evidence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EvidenceKind {
    /// Quote and firmware log of the vTPM.
    Vtpm,
    /// Report of AMD's secure processor.
    SevSnp,
    /// Quote and event log of an Intel TDX trust domain.
    Tdx,
    /// Token of Google Cloud Attestation.
    GoogleToken,
}

impl EvidenceChoice {
    /// True when a list names `kind`.
    #[must_use]
    pub fn has(&self, kind: EvidenceKind) -> bool {
        matches!(self, Self::Kinds(kinds) if kinds.contains(&kind))
    }
}

impl<'de> Deserialize<'de> for EvidenceChoice {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> serde::de::Visitor<'de> for Visitor {
            type Value = EvidenceChoice;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("\"auto\" or a list of \"vtpm\", \"sev-snp\", \"tdx\" and \"google-token\"")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<EvidenceChoice, E> {
                match text {
                    "auto" => Ok(EvidenceChoice::Auto),
                    other => Err(E::invalid_value(serde::de::Unexpected::Str(other), &self)),
                }
            }

            fn visit_seq<A: serde::de::SeqAccess<'de>>(
                self,
                mut list: A,
            ) -> Result<EvidenceChoice, A::Error> {
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
                Ok(EvidenceChoice::Kinds(kinds))
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}
