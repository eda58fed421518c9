//! The rule that a secret and its policy have the same purpose.
//!
//! Checked only here, in the transaction of every change that could violate it: a secret that is put,
//! generated or moved to another policy, and a policy that is put.

use vouchsafe_policy::{CompiledPolicy, Purpose, PurposeMismatch};
use vouchsafe_protocol::{ObjectName, SecretPath};

use super::change::Change;
use super::compiled::Compiled;
use super::documents::table::read_current;
use super::documents::types::DocumentKind;
use super::names::SHARED;
use super::rows::RowCheck;
use super::secrets::table::guarded_by;
use super::secrets::types::SecretError;
use crate::db::{Connection, StoreError};

/// Requires that this policy, as seen by this transaction, has the purpose of a secret.
pub(super) async fn require_policy(
    change: &mut Change<'_>,
    compiled: &Compiled,
    path: &SecretPath,
    purpose: Purpose,
    policy: &ObjectName,
) -> Result<(), SecretError> {
    if policy.namespace() != path.namespace() && policy.namespace() != SHARED {
        return Err(SecretError::ForeignPolicy { path: path.clone(), policy: policy.clone() });
    }
    let check = change.check();
    let document = read_current(change.connection(), check, DocumentKind::Policy, policy).await?;
    let document = document.ok_or_else(|| SecretError::NoSuchPolicy { policy: policy.clone() })?;
    let compiled = compiled
        .policy(&document)
        .await
        .map_err(|error| SecretError::Policy { policy: policy.clone(), error: Box::new(error) })?;
    Ok(purpose.check_policy(path, policy, compiled.purpose())?)
}

/// Requires that a policy has the purpose of every secret under it in this view.
pub(super) async fn require_guarded<E: From<StoreError> + From<PurposeMismatch>>(
    connection: &mut Connection,
    check: RowCheck<'_>,
    policy: &CompiledPolicy,
) -> Result<(), E> {
    for (path, purpose) in guarded_by(connection, check, policy.name()).await? {
        purpose.check_policy(&path, policy.name(), policy.purpose())?;
    }
    Ok(())
}
