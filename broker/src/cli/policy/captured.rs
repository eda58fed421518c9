//! Captured evidence, verified as far as a file can be: whoever judges a policy by it trusts where it comes from.

use std::path::{Path, PathBuf};

use clap::Args;
use vouchsafe_attestation::InspectedClaims;
use vouchsafe_protocol::limits::MAX_REQUEST;
use vouchsafe_protocol::{Evidence, UnixTime};

use super::super::judge::{Files, Judge};
use super::super::{Failure, output};
use crate::clock;
use crate::inspection::inspect;

/// What captured evidence is judged by.
#[derive(Debug, Args)]
pub(super) struct Captured {
    /// Trust anchors for the evidence, beside the built-in ones.
    #[arg(long, value_name = "FILE", requires = "evidence")]
    anchor: Vec<PathBuf>,
    /// CRLs and issuing CAs, PEM or DER; Intel's collateral for a TDX platform and key sets of tokens, JSON.
    #[arg(long, value_name = "FILE", requires = "evidence")]
    collateral: Vec<PathBuf>,
    /// A launch endorsement of Google's, for an SEV-SNP measurement or an MRTD.
    #[arg(long, value_name = "FILE", requires = "evidence")]
    endorsement: Vec<PathBuf>,
    /// The URL of the broker that a token of Google Cloud Attestation was made for.
    #[arg(long, value_name = "URL", requires = "evidence")]
    audience: Vec<String>,
    /// The time to judge the evidence at, in seconds since 1970; now unless given.
    #[arg(long, value_name = "UNIX", requires = "evidence")]
    at: Option<u64>,
}

impl Captured {
    /// The time to judge at.
    pub(super) fn now(&self) -> UnixTime {
        self.at.map_or_else(clock::now, UnixTime)
    }

    /// The claims of a file's evidence; each piece by itself, since nobody knows what they were made for.
    pub(super) fn inspect(&self, file: &Path) -> Result<InspectedClaims, Failure> {
        let text = output::read_text(file, MAX_REQUEST)?;
        let evidence: Evidence = serde_json::from_str(&text)
            .map_err(|error| Failure::file(file, format!("no evidence: {error}")))?;
        let files = Files {
            anchors: &self.anchor,
            collateral: &self.collateral,
            endorsements: &self.endorsement,
            audiences: &self.audience,
            bundles_of: None,
        };
        let judge = Judge::open(&files, self.now())?;
        let claims = inspect(&evidence, &judge.context());
        claims.map_err(|error| Failure::file(file, format!("refused: {error}")))
    }
}
