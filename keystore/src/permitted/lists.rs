//! Lists of objects.

use vouchsafe_policy::operators::OperatorAction;
use vouchsafe_protocol::{ObjectName, UnixTime};

use super::PermittedLists;
use crate::db::StoreError;
use crate::registry::baselines::BaselineSummary;
use crate::registry::documents::types::{DocumentError, DocumentKind, DocumentSummary};
use crate::registry::error::{PolicyFindings, RegisterError};
use crate::registry::proposals::Proposed;
use crate::registry::secrets::types::SecretSummary;

impl PermittedLists<'_> {
    /// Secrets, by path.
    ///
    /// # Errors
    /// When the database fails or a row was tampered with.
    pub async fn secrets(self) -> Result<Vec<SecretSummary>, StoreError> {
        self.needs(OperatorAction::ReadObjects)?;
        let mut all = self.keystore.secrets(self.permits.namespaces().as_deref()).await?;
        all.retain(|secret| self.covers(secret.path.namespace()));
        Ok(all)
    }

    /// The current versions of documents, by name.
    ///
    /// # Errors
    /// When the database fails or a row was tampered with.
    pub async fn documents(self, kind: DocumentKind) -> Result<Vec<DocumentSummary>, StoreError> {
        self.needs(OperatorAction::ReadObjects)?;
        let mut all = self.keystore.documents(kind).await?;
        all.retain(|document| self.covers(document.name.namespace()));
        Ok(all)
    }

    /// Baselines by name, with their state at `now`.
    ///
    /// # Errors
    /// When the database fails or a row was tampered with.
    pub async fn baselines(self, now: UnixTime) -> Result<Vec<BaselineSummary>, StoreError> {
        self.needs(OperatorAction::ReadObjects)?;
        let mut all = self.keystore.baselines(now).await?;
        all.retain(|baseline| self.covers(baseline.name.namespace()));
        Ok(all)
    }

    /// Proposals by baseline and id: those that a VM has asked for recently, and all rejected ones.
    ///
    /// # Errors
    /// When the database fails or a record was changed.
    pub async fn proposals(self, now: UnixTime) -> Result<Vec<Proposed>, StoreError> {
        self.needs(OperatorAction::ReadObjects)?;
        let mut all = self.keystore.proposals(now).await?;
        all.retain(|found| self.covers(found.record.proposal.baseline.namespace()));
        Ok(all)
    }

    /// The policies that would be rejected at `now`, because since they were put baselines have been revoked or
    /// have expired, or because this version is stricter than the one that accepted them.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn policy_findings(self, now: UnixTime) -> Result<Vec<PolicyFindings>, RegisterError> {
        self.needs(OperatorAction::ReadObjects).map_err(DocumentError::from)?;
        let mut all = self.keystore.policy_findings(now).await?;
        all.retain(|found| self.covers(found.policy.namespace()));
        Ok(all)
    }

    /// The policies that name a baseline, by name: those that a change of it affects.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn policies_naming(self, baseline: &ObjectName) -> Result<Vec<ObjectName>, RegisterError> {
        self.needs(OperatorAction::ReadObjects).map_err(DocumentError::from)?;
        let mut all = self.keystore.policies_naming(baseline).await?;
        all.retain(|policy| self.covers(policy.namespace()));
        Ok(all)
    }

    pub(super) fn covers(self, namespace: &str) -> bool {
        self.permits.cover(OperatorAction::ReadObjects, namespace)
    }
}
