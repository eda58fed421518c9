//! The broker's identities.

use std::sync::Arc;

use vouchsafe_protocol::{BrokerIdentity, IdentityKey};

use crate::db::StoreError;
use crate::keystore::Keystore;
use crate::registry::change::Actor;
use crate::registry::identities::types::{Identities, IdentityError};
use crate::registry::secrets::types::Erasure;

impl Keystore {
    /// The key of the identity that signs.
    ///
    /// # Errors
    /// When a row was changed or the database fails.
    pub async fn identity(&self) -> Result<Arc<IdentityKey>, StoreError> {
        Ok(Arc::clone(self.identities().await?.primary()))
    }

    /// All identities with their keys. Another broker of the same keystore may change them at any time.
    ///
    /// # Errors
    /// When a row was changed or the database fails.
    pub async fn identities(&self) -> Result<Identities, StoreError> {
        self.0.registry.identities().await
    }

    /// Makes the next identity, which signs nothing before [`Keystore::promote_identity`].
    ///
    /// # Errors
    /// [`IdentityError`].
    pub async fn add_identity(&self, actor: Actor<'_>) -> Result<BrokerIdentity, IdentityError> {
        self.0.registry.add_identity(actor).await
    }

    /// Makes the next identity, which is `identity`, the one that signs. For `overlap` seconds, a statement of the one before leads
    /// guests that pin only that one to it; with 0 there is no such statement. If all that is so already, nothing changes.
    ///
    /// # Errors
    /// [`IdentityError`].
    pub async fn promote_identity(
        &self,
        actor: Actor<'_>,
        identity: BrokerIdentity,
        overlap: u64,
    ) -> Result<(), IdentityError> {
        self.0.registry.promote_identity(actor, identity, overlap).await
    }

    /// Removes the next identity or the oldest previous one, erases its key, and says whether that is in no file of the database
    /// any more. `lifetime`: of challenges, in seconds.
    ///
    /// # Errors
    /// [`IdentityError`].
    pub async fn remove_identity(
        &self,
        actor: Actor<'_>,
        identity: &BrokerIdentity,
        lifetime: u64,
    ) -> Result<Erasure, IdentityError> {
        self.0.registry.remove_identity(actor, identity, lifetime).await
    }
}
