//! Decisions of the past, for another look: what they were made on, and policies to hold against it.
//!
//! Nothing here leads to a grant.

use std::sync::Arc;

use vouchsafe_protocol::{DecisionId, ObjectName};

use crate::RegisterError;
use crate::policy::{Baseline, CompiledPolicy, NamedBaseline};
use crate::record::{EvidenceRef, LogRecord};
use crate::store::{DocumentKind, Keystore, StoreError};

/// A piece of evidence, as the record names it, with its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptPiece {
    /// What it is, such as `event-log`.
    pub kind: String,
    /// The bytes, of the digest that the record has.
    pub bytes: Vec<u8>,
}

/// A policy that is held against the past, with the baselines of today.
#[derive(Clone, Debug)]
pub struct ReplayPolicy {
    /// The policy.
    pub policy: Arc<CompiledPolicy>,
    /// The baselines that it names, as far as they exist.
    pub baselines: Vec<NamedBaseline>,
}

impl Keystore {
    /// The evidence that a decision was made on, in the order of its record. `None` when there is no such decision, it has
    /// no evidence, or a piece is gone.
    ///
    /// # Errors
    /// When the database fails, or a row was changed.
    pub async fn evidence_of(&self, decision: DecisionId) -> Result<Option<Vec<KeptPiece>>, StoreError> {
        let named = match self.decision(decision).await?.map(|logged| logged.record) {
            Some(LogRecord::Grant(grant)) => grant.evidence,
            Some(LogRecord::Refusal(refusal)) => refusal.evidence,
            Some(LogRecord::Operator(_)) | None => Vec::new(),
        };
        let mut pieces = Vec::with_capacity(named.len());
        for EvidenceRef { digest, kind } in named {
            let Some(bytes) = self.evidence(digest).await? else { return Ok(None) };
            pieces.push(KeptPiece { kind, bytes });
        }
        Ok((!pieces.is_empty()).then_some(pieces))
    }

    /// Compiles a policy that need not be stored, and reads the baselines that it names.
    ///
    /// # Errors
    /// When it does not compile, or the database fails.
    pub async fn replay_policy(&self, name: &ObjectName, text: &str) -> Result<ReplayPolicy, RegisterError> {
        let policy = crate::release::compile(name, text).await?;
        let mut baselines = Vec::new();
        for name in policy.baselines() {
            let Some(document) = self.document(DocumentKind::Baseline, name, None).await? else { continue };
            let baseline = Arc::new(Baseline::parse(&document.text)?);
            baselines.push(NamedBaseline { name: name.clone(), revoked: document.revoked, baseline });
        }
        Ok(ReplayPolicy { policy, baselines })
    }
}
