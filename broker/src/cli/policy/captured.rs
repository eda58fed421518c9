//! Captured evidence, verified as far as a file can be: whoever judges a policy by it trusts where it comes from.

use std::path::{Path, PathBuf};

use clap::Args;
use vouchsafe_attestation::chain::read_file;
use vouchsafe_attestation::{Collateral, Context, Endorsements, InspectedClaims, TrustAnchors, VerifyMemory};
use vouchsafe_protocol::limits::MAX_REQUEST;
use vouchsafe_protocol::{Evidence, UnixTime};

use super::super::{Failure, output};
use crate::clock;
use crate::inspection::inspect;

/// What captured evidence is judged by.
#[derive(Debug, Args)]
pub(super) struct Captured {
    /// Trust anchors for the evidence, beside the built-in ones.
    #[arg(long, value_name = "FILE", requires = "evidence")]
    anchor: Vec<PathBuf>,
    /// CRLs and issuing CAs, PEM or DER.
    #[arg(long, value_name = "FILE", requires = "evidence")]
    collateral: Vec<PathBuf>,
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
        let mut anchors = TrustAnchors::builtin();
        for path in &self.anchor {
            let anchor = output::read_input(path, MAX_REQUEST)?;
            anchors = anchors.with_extra(&anchor).map_err(|error| Failure::file(path, error))?;
        }
        let (mut crls, mut certificates) = (Vec::new(), Vec::new());
        for path in &self.collateral {
            let file = output::read_input(path, MAX_REQUEST)?;
            read_file(&file, &mut crls, &mut certificates).map_err(|error| Failure::file(path, error))?;
        }
        let collateral =
            Collateral::new(&crls, &certificates).map_err(|error| Failure::Usage(error.to_string()))?;
        let (endorsements, memory) = (Endorsements::default(), VerifyMemory::default());
        let context = Context {
            anchors: &anchors,
            collateral: &collateral,
            endorsements: &endorsements,
            audiences: &[],
            now: self.now(),
            memory: &memory,
        };
        let claims = inspect(&evidence, &context);
        claims.map_err(|error| Failure::file(file, format!("refused: {error}")))
    }
}
