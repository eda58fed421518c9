//! What operators read of secrets, documents and accounts, each with the permission for it.

use std::sync::Arc;

use vouchsafe_policy::operators::{OperatorAction, Permit, WHOLE_BROKER};
use vouchsafe_policy::{CompiledPolicy, Note};
use vouchsafe_protocol::{ObjectName, SecretPath, UnixTime};

use crate::db::StoreError;
use crate::keystore::Keystore;
use crate::registry::accounts::Operator;
use crate::registry::baselines::BaselineSummary;
use crate::registry::documents::types::{Document, DocumentError, DocumentKind, DocumentSummary};
use crate::registry::error::RegisterError;
use crate::registry::secrets::types::SecretSummary;

/// The keystore, as far as one permission goes.
#[derive(Clone, Copy, Debug)]
pub struct Permitted<'k> {
    keystore: &'k Keystore,
    permit: &'k Permit,
}

impl Keystore {
    /// Reads by this permission. One that does not cover them is refused with [`StoreError::NotPermitted`].
    #[must_use]
    pub const fn permitted<'k>(&'k self, permit: &'k Permit) -> Permitted<'k> {
        Permitted { keystore: self, permit }
    }

    /// The secrets in namespaces for which `permit` gives a permission to read objects.
    ///
    /// # Errors
    /// When the database fails or a row was tampered with.
    pub async fn permitted_secrets(
        &self,
        permit: impl Fn(&str) -> Option<Permit> + Send + Sync,
    ) -> Result<Vec<SecretSummary>, StoreError> {
        let mut all = self.secrets(None).await?;
        all.retain(|secret| readable(&permit, secret.path.namespace()));
        Ok(all)
    }

    /// As [`Self::permitted_secrets`], for the current versions of documents.
    ///
    /// # Errors
    /// When the database fails or a row was tampered with.
    pub async fn permitted_documents(
        &self,
        kind: DocumentKind,
        permit: impl Fn(&str) -> Option<Permit> + Send + Sync,
    ) -> Result<Vec<DocumentSummary>, StoreError> {
        let mut all = self.documents(kind).await?;
        all.retain(|document| readable(&permit, document.name.namespace()));
        Ok(all)
    }

    /// As [`Self::permitted_secrets`], for baselines with their state at `now`.
    ///
    /// # Errors
    /// When the database fails or a row was tampered with.
    pub async fn permitted_baselines(
        &self,
        now: UnixTime,
        permit: impl Fn(&str) -> Option<Permit> + Send + Sync,
    ) -> Result<Vec<BaselineSummary>, StoreError> {
        let mut all = self.baselines(now).await?;
        all.retain(|baseline| readable(&permit, baseline.name.namespace()));
        Ok(all)
    }
}

impl Permitted<'_> {
    /// What is known of a secret. Never its value.
    ///
    /// # Errors
    /// When the database fails or a row was tampered with.
    pub async fn secret(self, path: &SecretPath) -> Result<Option<SecretSummary>, StoreError> {
        self.needs(OperatorAction::ReadObjects, path.namespace())?;
        self.keystore.secret(path).await
    }

    /// A version of a document; the current one unless given.
    ///
    /// # Errors
    /// When the database fails or a row was tampered with.
    pub async fn document(
        self,
        kind: DocumentKind,
        name: &ObjectName,
        version: Option<u64>,
    ) -> Result<Option<Document>, StoreError> {
        self.needs(OperatorAction::ReadObjects, name.namespace())?;
        self.keystore.document(kind, name, version).await
    }

    /// Checks a policy as [`Keystore::put_policy`] does at `now`, and stores nothing.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub async fn check_policy(
        self,
        name: &ObjectName,
        text: &str,
        now: UnixTime,
    ) -> Result<(Arc<CompiledPolicy>, Vec<Note>), RegisterError> {
        self.needs(OperatorAction::ManagePolicies, name.namespace()).map_err(DocumentError::from)?;
        self.keystore.check_policy(name, text, now).await
    }

    /// The guardrails in force, and whether they are the shipped ones.
    ///
    /// # Errors
    /// When the database fails or a row was tampered with.
    pub async fn guardrails(self) -> Result<(String, bool), StoreError> {
        self.needs(OperatorAction::ReadGuardrails, WHOLE_BROKER)?;
        self.keystore.guardrails().await
    }

    /// All operators, by name.
    ///
    /// # Errors
    /// When the database fails or a row was tampered with.
    pub async fn operators(self) -> Result<Vec<Operator>, StoreError> {
        self.needs(OperatorAction::ManageOperators, WHOLE_BROKER)?;
        self.keystore.operators().await
    }

    fn needs(self, action: OperatorAction, namespace: &str) -> Result<(), StoreError> {
        if self.permit.covers(action, namespace) {
            return Ok(());
        }
        Err(StoreError::NotPermitted { action: action.to_string(), target: namespace.to_owned() })
    }
}

fn readable(permit: &impl Fn(&str) -> Option<Permit>, namespace: &str) -> bool {
    permit(namespace).is_some_and(|permit| permit.covers(OperatorAction::ReadObjects, namespace))
}
