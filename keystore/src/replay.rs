//! Past decisions: their evidence, and policies to evaluate on it.
//!
//! Nothing here leads to a grant.

use std::sync::Arc;

use vouchsafe_policy::{Baseline, CompiledPolicy, NamedBaseline};
use vouchsafe_protocol::ObjectName;

use crate::db::StoreError;
use crate::log::Log;
use crate::log::record::{EvidenceRef, LogRecord};
use crate::registry::Registry;
use crate::registry::compiled::compile;
use crate::registry::documents::types::DocumentKind;
use crate::registry::error::RegisterError;

/// A stored piece of evidence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptPiece {
    /// Its kind, such as `event-log`.
    pub kind: String,
    /// The bytes, whose digest is in the record.
    pub bytes: Vec<u8>,
}

/// A policy to evaluate on past decisions, with the current baselines.
#[derive(Clone, Debug)]
pub struct ReplayPolicy {
    /// The policy.
    pub policy: Arc<CompiledPolicy>,
    /// The existing ones among the baselines that it names.
    pub baselines: Vec<NamedBaseline>,
}

/// The evidence of a decision, in the order of its record. `None` when it has no evidence, or a piece is
/// missing.
pub(crate) async fn evidence_of(log: &Log, record: &LogRecord) -> Result<Option<Vec<KeptPiece>>, StoreError> {
    let named = record.evidence();
    let mut pieces = Vec::with_capacity(named.len());
    for EvidenceRef { digest, kind } in named {
        let Some(bytes) = log.evidence(*digest).await? else { return Ok(None) };
        pieces.push(KeptPiece { kind: kind.clone(), bytes });
    }
    Ok((!pieces.is_empty()).then_some(pieces))
}

/// Compiles a policy, which need not be stored, and reads the baselines that it names.
pub(crate) async fn replay_policy(
    registry: &Registry,
    name: &ObjectName,
    text: &str,
) -> Result<ReplayPolicy, RegisterError> {
    let policy = compile(name, text).await?;
    policy.check_reach()?;
    let mut baselines = Vec::new();
    for name in policy.baselines() {
        let Some(document) = registry.document(DocumentKind::Baseline, name, None).await? else { continue };
        let baseline = Baseline::parse(&document.text).map(Arc::new);
        baselines.push(NamedBaseline { name: name.clone(), revoked: document.revoked, baseline });
    }
    Ok(ReplayPolicy { policy, baselines })
}
