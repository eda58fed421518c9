//! Policies, baselines and guardrails: checked, put, revoked, listed.

use std::collections::BTreeSet;
use std::sync::Arc;

use vouchsafe_policy::{CompiledPolicy, Note};
use vouchsafe_protocol::{ObjectName, UnixTime};

use crate::db::StoreError;
use crate::keystore::Keystore;
use crate::registry::baselines::{BaselineSummary, BaselineValidity};
use crate::registry::change::Actor;
use crate::registry::documents::types::{Document, DocumentError, DocumentKind, DocumentSummary};
use crate::registry::error::{PolicyFindings, RegisterError};
use crate::replay::{ReplayPolicy, replay_policy};

impl Keystore {
    /// Checks a policy as [`Self::put_policy`] does at `now`, and stores nothing.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub(crate) async fn check_policy(
        &self,
        name: &ObjectName,
        text: &str,
        now: UnixTime,
    ) -> Result<(Arc<CompiledPolicy>, Vec<Note>), RegisterError> {
        self.0.registry.check_policy(name, text, now).await
    }

    /// Puts a new version of a policy, in force at once. Returns the version.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub async fn put_policy(
        &self,
        actor: Actor<'_>,
        name: &ObjectName,
        text: &str,
    ) -> Result<u64, RegisterError> {
        self.0.registry.put_policy(actor, name, text).await
    }

    /// Puts a new version of a baseline, in force at once. Returns the version.
    ///
    /// # Errors
    /// What is wrong with the document; or the policies that this version would leave open, such as one that
    /// relies on the baseline to list firmware when this version lists none.
    pub async fn put_baseline(
        &self,
        actor: Actor<'_>,
        name: &ObjectName,
        json: &str,
    ) -> Result<u64, RegisterError> {
        self.0.registry.put_baseline(actor, name, json).await
    }

    /// The policies that would be rejected at `now`, because since they were put baselines have been revoked or
    /// have expired, or because this version is stricter than the one that accepted them.
    ///
    /// # Errors
    /// When the database fails.
    pub(crate) async fn policy_findings(&self, now: UnixTime) -> Result<Vec<PolicyFindings>, RegisterError> {
        self.0.registry.policy_findings(now).await
    }

    /// The policies that name a baseline, by name: those that a change of it affects.
    ///
    /// # Errors
    /// When the database fails.
    pub(crate) async fn policies_naming(
        &self,
        baseline: &ObjectName,
    ) -> Result<Vec<ObjectName>, RegisterError> {
        self.0.registry.policies_naming(baseline).await
    }

    /// Revokes a baseline permanently: policies that rely on it alone deny from now on.
    ///
    /// # Errors
    /// When there is no such baseline.
    pub async fn revoke_baseline(&self, actor: Actor<'_>, name: &ObjectName) -> Result<(), DocumentError> {
        self.0.registry.revoke_baseline(actor, name).await
    }

    /// Replaces the broker's guardrails, effective at once. Returns the version.
    ///
    /// Shipped rules that the text omits or changes must all be named in `drop`, and no others.
    ///
    /// # Errors
    /// What is wrong with them.
    pub async fn put_guardrails(
        &self,
        actor: Actor<'_>,
        text: &str,
        drop: &BTreeSet<String>,
    ) -> Result<u64, RegisterError> {
        self.0.registry.put_guardrails(actor, text, drop).await
    }

    /// Restores the shipped guardrails, effective at once; later versions of the broker may change them.
    /// False if they are already in force.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn reset_guardrails(&self, actor: Actor<'_>) -> Result<bool, DocumentError> {
        self.0.registry.reset_guardrails(actor).await
    }

    /// The text of the guardrails in force, and whether they are the shipped ones.
    ///
    /// # Errors
    /// When the database fails.
    pub(crate) async fn guardrails(&self) -> Result<(String, bool), StoreError> {
        self.0.registry.guardrails().await
    }

    /// A document, in its current or the given version.
    ///
    /// # Errors
    /// When the database fails or a row was tampered with.
    pub(crate) async fn document(
        &self,
        kind: DocumentKind,
        name: &ObjectName,
        version: Option<u64>,
    ) -> Result<Option<Document>, StoreError> {
        self.0.registry.document(kind, name, version).await
    }

    /// All documents of a kind, by name.
    ///
    /// # Errors
    /// When the database fails or a row was tampered with.
    pub(crate) async fn documents(&self, kind: DocumentKind) -> Result<Vec<DocumentSummary>, StoreError> {
        self.0.registry.documents(kind).await
    }

    /// All baselines by name, with their state at `now`.
    ///
    /// # Errors
    /// When the database fails or a row was tampered with.
    pub(crate) async fn baselines(&self, now: UnixTime) -> Result<Vec<BaselineSummary>, StoreError> {
        self.0.registry.baselines(now).await
    }

    /// The states of all baselines at `now`, with their ends and without their names: for metrics and warnings.
    ///
    /// # Errors
    /// When the database fails or a row was tampered with.
    pub async fn baseline_states(&self, now: UnixTime) -> Result<Vec<BaselineValidity>, StoreError> {
        let all = self.baselines(now).await?.into_iter();
        Ok(all.map(|baseline| (baseline.state, baseline.ends_at)).collect())
    }

    /// Compiles a policy, which need not be stored, and reads the baselines that it names.
    ///
    /// # Errors
    /// When it does not compile, or names a baseline outside of its namespace and `shared`; when the database
    /// fails.
    pub(crate) async fn replay_policy(
        &self,
        name: &ObjectName,
        text: &str,
    ) -> Result<ReplayPolicy, RegisterError> {
        replay_policy(&self.0.registry, name, text).await
    }
}
