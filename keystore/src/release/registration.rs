//! What may be registered: policies are checked against the baselines that there are, and again when one of those changes.
//!
//! A check takes longer than a transaction may hold the writer. So it is made before, off the async workers and as of one
//! epoch; the change goes through only while nothing else has changed, and is checked anew otherwise.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use vouchsafe_protocol::{ObjectName, UnixTime};

use super::{RegisterError, blocking};
use crate::Keystore;
use crate::store::{By, Document, DocumentError, DocumentKind};
use vouchsafe_policy::{Baseline, CheckError, CheckFailures, CompiledPolicy, KnownBaselines, Note};

/// A policy, and what its check finds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyFindings {
    /// The policy.
    pub policy: ObjectName,
    /// What was found; never empty.
    pub findings: CheckFailures,
}

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
        let policy = compile(name, text).await?;
        let notes = self.check_compiled(&policy, now).await?;
        Ok((policy, notes))
    }

    /// Puts a new version of a policy, in force at once. Returns the version.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub async fn put_policy(&self, by: By<'_>, name: &ObjectName, text: &str) -> Result<u64, RegisterError> {
        let policy = compile(name, text).await?;
        for _ in 0..ATTEMPTS {
            let epoch = self.epoch().await?;
            self.check_compiled(&policy, by.at).await?;
            match self.put_policy_document(by, &policy, name, text, epoch).await {
                Err(DocumentError::Overtaken) => {}
                done => return Ok(done?),
            }
        }
        Err(DocumentError::Overtaken.into())
    }

    /// Puts a new version of a baseline, in force at once. Returns the version.
    ///
    /// # Errors
    /// What is wrong with the document; with the policies that it would open, if there are any: one that counts on the baseline
    /// to list firmware, and this version lists none.
    pub async fn put_baseline(
        &self,
        by: By<'_>,
        name: &ObjectName,
        json: &str,
    ) -> Result<u64, RegisterError> {
        let baseline = Baseline::parse(json)?;
        if baseline.ends_at <= by.at {
            return Err(RegisterError::EndedBaseline { name: name.clone(), ends_at: baseline.ends_at });
        }
        for _ in 0..ATTEMPTS {
            let epoch = self.epoch().await?;
            let opened = self.opened_by(name, &baseline, by.at).await?;
            if !opened.is_empty() {
                return Err(RegisterError::OpensPolicies { name: name.clone(), policies: opened });
            }
            match self.put_document_as_of(by, DocumentKind::Baseline, name, json, epoch).await {
                Err(DocumentError::Overtaken) => {}
                done => return Ok(done?),
            }
        }
        Err(DocumentError::Overtaken.into())
    }

    /// The policies that would not be taken at `now`: baselines were revoked or have ended since they were put.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn policy_findings(&self, now: UnixTime) -> Result<Vec<PolicyFindings>, RegisterError> {
        let mut all = Vec::new();
        let (policies, baselines) = (self.compiled_policies().await?, self.current_baselines().await?);
        for policy in policies {
            let known = known_baselines(policy.baselines(), &baselines)?;
            let name = policy.name().clone();
            if let Err(findings) = blocking(move || policy.check(&known, now)).await {
                all.push(PolicyFindings { policy: name, findings });
            }
        }
        Ok(all)
    }

    /// The policies that name a baseline, in the order of their names: what a change of it is felt by.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn policies_naming(&self, baseline: &ObjectName) -> Result<Vec<ObjectName>, RegisterError> {
        let policies = self.compiled_policies().await?.into_iter();
        let naming = policies.filter(|policy| policy.baselines().contains(baseline));
        Ok(naming.map(|policy| policy.name().clone()).collect())
    }

    /// The policies that have findings with this version of a baseline which they have not today.
    async fn opened_by(
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
            let before = known_baselines(policy.baselines(), &baselines)?;
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

    /// Every policy that is stored. One that this version does not compile releases nothing, and is left out.
    async fn compiled_policies(&self) -> Result<Vec<Arc<CompiledPolicy>>, RegisterError> {
        let mut all = Vec::new();
        for document in self.current_documents(DocumentKind::Policy).await? {
            all.extend(self.compiled(&document).await.ok());
        }
        Ok(all)
    }

    /// Every baseline that is stored.
    async fn current_baselines(&self) -> Result<BTreeMap<ObjectName, Document>, RegisterError> {
        let all = self.current_documents(DocumentKind::Baseline).await?;
        Ok(all.into_iter().map(|document| (document.name.clone(), document)).collect())
    }

    async fn check_compiled(
        &self,
        policy: &Arc<CompiledPolicy>,
        now: UnixTime,
    ) -> Result<Vec<Note>, RegisterError> {
        let known = known_baselines(&policy.usable_baselines(), &self.current_baselines().await?)?;
        let checked = Arc::clone(policy);
        let notes = blocking(move || checked.check(&known, now)).await?;
        for secret in self.secrets(None).await?.into_iter().filter(|secret| secret.policy == *policy.name()) {
            secret.purpose.check_policy(&secret.path, policy.name(), policy.purpose())?;
        }
        Ok(notes)
    }
}

/// What a policy's check looks at, of the baselines of these names that there are.
fn known_baselines(
    names: &BTreeSet<ObjectName>,
    baselines: &BTreeMap<ObjectName, Document>,
) -> Result<KnownBaselines, RegisterError> {
    let mut known = KnownBaselines::default();
    for document in names.iter().filter_map(|name| baselines.get(name)) {
        known.insert(document.name.clone(), &Baseline::parse(&document.text)?, document.revoked);
    }
    Ok(known)
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

pub(crate) async fn compile(name: &ObjectName, text: &str) -> Result<Arc<CompiledPolicy>, RegisterError> {
    let (name, text) = (name.clone(), text.to_owned());
    Ok(blocking(move || CompiledPolicy::compile(&name, &text)).await.map(Arc::new)?)
}

/// Changes that may come between a check and its transaction.
const ATTEMPTS: usize = 5;
