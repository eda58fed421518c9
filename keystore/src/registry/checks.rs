//! Checks of policies together with the stored baselines. Nothing is written here.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use vouchsafe_policy::{Baseline, CheckError, CheckFailures, CompiledPolicy, KnownBaselines, Note};
use vouchsafe_protocol::{ObjectName, UnixTime};

use super::compiled::compile;
use super::documents::types::{Document, DocumentKind};
use super::error::{PolicyFindings, RegisterError};
use super::handle::Registry;
use super::purpose;
use crate::blocking::blocking;

impl Registry {
    /// Checks a policy as [`Self::put_policy`] does at `now`, and stores nothing.
    pub(crate) async fn check_policy(
        &self,
        name: &ObjectName,
        text: &str,
        now: UnixTime,
    ) -> Result<(Arc<CompiledPolicy>, Vec<Note>), RegisterError> {
        let policy = compile(name, text).await?;
        let notes = self.check_compiled(&policy, now).await?;
        let mut view = self.operator_view().await?;
        purpose::require_guarded::<RegisterError>(&mut view.tx, self.check(view.epoch), &policy).await?;
        Ok((policy, notes))
    }

    /// Checks a policy together with the stored baselines.
    pub(super) async fn check_compiled(
        &self,
        policy: &Arc<CompiledPolicy>,
        now: UnixTime,
    ) -> Result<Vec<Note>, RegisterError> {
        let known = known_baselines(&policy.usable_baselines(), &self.current_baselines().await?);
        let checked = Arc::clone(policy);
        Ok(blocking(move || checked.check(&known, now)).await?)
    }

    /// The policies that would be rejected at `now`, because since they were put baselines have been revoked or
    /// have expired, or because this version is stricter than the one that accepted them.
    pub(crate) async fn policy_findings(&self, now: UnixTime) -> Result<Vec<PolicyFindings>, RegisterError> {
        let mut all = Vec::new();
        let policies = self.current_documents(DocumentKind::Policy).await?;
        let baselines = self.current_baselines().await?;
        for document in policies {
            let found = match self.compiled.policy(&document).await {
                Ok(policy) => {
                    let known = known_baselines(policy.baselines(), &baselines);
                    blocking(move || policy.check(&known, now)).await.err()
                }
                Err(error) => Some(CheckFailures::of_uncompiled(error)),
            };
            all.extend(found.map(|findings| PolicyFindings { policy: document.name, findings }));
        }
        Ok(all)
    }

    /// The policies that name a baseline, by name: those that a change of it affects.
    pub(crate) async fn policies_naming(
        &self,
        baseline: &ObjectName,
    ) -> Result<Vec<ObjectName>, RegisterError> {
        let policies = self.compiled_policies().await?.into_iter();
        let naming = policies.filter(|policy| policy.baselines().contains(baseline));
        Ok(naming.map(|policy| policy.name().clone()).collect())
    }

    /// The policies that would have new findings with this version of a baseline.
    pub(super) async fn opened_by(
        &self,
        name: &ObjectName,
        baseline: &Baseline,
        now: UnixTime,
    ) -> Result<Vec<PolicyFindings>, RegisterError> {
        let mut opened = Vec::new();
        let (policies, baselines) = (self.compiled_policies().await?, self.current_baselines().await?);
        for policy in policies {
            if !policy.baselines().contains(name) {
                continue;
            }
            let before = known_baselines(policy.baselines(), &baselines);
            let mut after = before.clone();
            after.insert(name.clone(), baseline, false);
            let findings = blocking({
                let policy = Arc::clone(&policy);
                move || new_findings(&policy, &before, &after, now)
            });
            if let Some(findings) = findings.await {
                opened.push(PolicyFindings { policy: policy.name().clone(), findings });
            }
        }
        Ok(opened)
    }

    /// Every stored policy. One that this version cannot compile releases nothing, and is skipped.
    async fn compiled_policies(&self) -> Result<Vec<Arc<CompiledPolicy>>, RegisterError> {
        let mut all = Vec::new();
        for document in self.current_documents(DocumentKind::Policy).await? {
            all.extend(self.compiled.policy(&document).await.ok());
        }
        Ok(all)
    }

    /// Every stored baseline.
    async fn current_baselines(&self) -> Result<BTreeMap<ObjectName, Document>, RegisterError> {
        let all = self.current_documents(DocumentKind::Baseline).await?;
        Ok(all.into_iter().map(|document| (document.name.clone(), document)).collect())
    }
}

/// The facts about the stored baselines with these names that a policy's check uses.
fn known_baselines(
    names: &BTreeSet<ObjectName>,
    baselines: &BTreeMap<ObjectName, Document>,
) -> KnownBaselines {
    let mut known = KnownBaselines::default();
    for document in names.iter().filter_map(|name| baselines.get(name)) {
        match Baseline::parse(&document.text) {
            Ok(baseline) => known.insert(document.name.clone(), &baseline, document.revoked),
            Err(error) => known.insert_unreadable(document.name.clone(), error, document.revoked),
        }
    }
    known
}

fn new_findings(
    policy: &CompiledPolicy,
    before: &KnownBaselines,
    after: &KnownBaselines,
    now: UnixTime,
) -> Option<CheckFailures> {
    let known = policy.check(before, now).err();
    let known: &[CheckError] = known.as_ref().map_or(&[], CheckFailures::as_slice);
    policy.check(after, now).err()?.without(known)
}
