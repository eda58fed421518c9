//! What operators read, each time with the permission for it: one object by a [`Permit`], lists by [`Permits`], since their
//! items are of many namespaces.
//!
//! A list contains what the permits cover, and nothing else. An object outside of the permit, or a list for
//! another action, is the caller's mistake: [`StoreError::NotPermitted`].

use std::sync::Arc;

use vouchsafe_policy::operators::{OperatorAction, Permit, Permits, WHOLE_BROKER};
use vouchsafe_policy::{CompiledPolicy, Note};
use vouchsafe_protocol::{ObjectName, SecretPath, UnixTime};

use crate::db::StoreError;
use crate::keystore::Keystore;
use crate::log::record::VolumeRecord;
use crate::registry::accounts::Operator;
use crate::registry::documents::types::{Document, DocumentError, DocumentKind};
use crate::registry::error::RegisterError;
use crate::registry::identities::types::Identities;
use crate::registry::secrets::types::SecretSummary;
use crate::replay::ReplayPolicy;
use crate::rotation::GenerationUse;
use crate::volumes::VolumeId;

mod lists;
mod records;

pub use records::{ChipPage, DecisionPage, VolumePage};

/// The keystore, limited to one permit.
#[derive(Clone, Copy, Debug)]
pub struct Permitted<'k> {
    keystore: &'k Keystore,
    permit: &'k Permit,
}

/// The keystore, limited to one operator's permits for one action.
#[derive(Clone, Copy, Debug)]
pub struct PermittedLists<'k> {
    keystore: &'k Keystore,
    permits: &'k Permits,
}

impl Keystore {
    /// Reads single objects by this permission.
    #[must_use]
    pub const fn permitted<'k>(&'k self, permit: &'k Permit) -> Permitted<'k> {
        Permitted { keystore: self, permit }
    }

    /// Reads lists and records by these permissions.
    #[must_use]
    pub const fn permitted_lists<'k>(&'k self, permits: &'k Permits) -> PermittedLists<'k> {
        PermittedLists { keystore: self, permits }
    }
}

impl PermittedLists<'_> {
    fn needs(self, action: OperatorAction) -> Result<(), StoreError> {
        if self.permits.action() == action {
            return Ok(());
        }
        Err(StoreError::NotPermitted { action: action.to_string(), target: WHOLE_BROKER.to_owned() })
    }
}

impl Permitted<'_> {
    /// Metadata of a secret, never its value.
    ///
    /// # Errors
    /// When the database fails or a row was tampered with.
    pub async fn secret(self, path: &SecretPath) -> Result<Option<SecretSummary>, StoreError> {
        self.needs(OperatorAction::ReadObjects, path.namespace())?;
        self.keystore.secret(path).await
    }

    /// The newest record of a volume, if it is registered.
    ///
    /// # Errors
    /// When the database fails or the record was changed.
    pub async fn volume(self, volume: &VolumeId) -> Result<Option<VolumeRecord>, StoreError> {
        self.needs(OperatorAction::ReadObjects, volume.path().namespace())?;
        self.keystore.volume(volume).await
    }

    /// A document, in its current or the given version.
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

    /// Compiles a policy that need not be stored, and reads the baselines that it names.
    ///
    /// # Errors
    /// When it does not compile, or names a baseline that is neither of its namespace nor of `shared`; when the database
    /// fails.
    pub async fn replay_policy(self, name: &ObjectName, text: &str) -> Result<ReplayPolicy, RegisterError> {
        self.needs(OperatorAction::ReadObjects, name.namespace()).map_err(DocumentError::from)?;
        self.keystore.replay_policy(name, text).await
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

    /// Every generation of the keyring, with the rows that need it.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn generations(self) -> Result<Vec<GenerationUse>, StoreError> {
        self.needs(OperatorAction::ManageKeyring, WHOLE_BROKER)?;
        self.keystore.generation_uses().await
    }

    /// Every identity that the broker has or had.
    ///
    /// # Errors
    /// When the database fails or a row was tampered with.
    pub async fn identities(self) -> Result<Identities, StoreError> {
        self.needs(OperatorAction::ManageKeyring, WHOLE_BROKER)?;
        self.keystore.identities().await
    }

    fn needs(self, action: OperatorAction, namespace: &str) -> Result<(), StoreError> {
        if self.permit.covers(action, namespace) {
            return Ok(());
        }
        Err(StoreError::NotPermitted { action: action.to_string(), target: namespace.to_owned() })
    }
}
