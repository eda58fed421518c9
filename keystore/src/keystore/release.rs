//! From paths to opened secrets.

use std::sync::Arc;

use vouchsafe_policy::{Guardrails, ReleaseGrant};
use vouchsafe_protocol::{PlaintextSecret, SecretPath};

use crate::db::StoreError;
use crate::keystore::Keystore;
use crate::release::input::{self, DecisionInput, GuardrailsError};
use crate::release::unseal::{self, UnsealError};

impl Keystore {
    /// Reads the input of a decision about these paths. Usually without a query.
    ///
    /// # Errors
    /// When the database fails or a row was tampered with.
    pub async fn decision_input(&self, paths: &[SecretPath]) -> Result<DecisionInput, StoreError> {
        input::decision_input(&self.0.registry, paths).await
    }

    /// Opens the secrets of a grant, in its order.
    ///
    /// # Errors
    /// When the grant was not made from `input`, or a value cannot be opened.
    pub fn unseal(
        &self,
        grant: &ReleaseGrant,
        input: &DecisionInput,
    ) -> Result<Vec<PlaintextSecret>, UnsealError> {
        unseal::unseal(grant, input)
    }

    /// The guardrails in force, compiled.
    ///
    /// # Errors
    /// When the database fails, a row was tampered with, or the stored text no longer compiles.
    pub async fn compiled_guardrails(&self) -> Result<Arc<Guardrails>, GuardrailsError> {
        input::guardrails_in_force(&self.0.registry).await
    }
}

#[cfg(test)]
impl Keystore {
    /// The material of a decision about these paths, before anything is compiled.
    pub(crate) async fn stored_input(
        &self,
        paths: &[SecretPath],
    ) -> Result<crate::registry::stored_input::StoredInput, StoreError> {
        self.0.registry.stored_input(paths).await
    }
}
