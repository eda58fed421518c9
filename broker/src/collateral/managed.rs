//! What operators do with collateral. Each operation needs the permit for it, and is logged with the operator's name.

use std::time::Instant;

use vouchsafe_policy::operators::{OperatorAction, Permit, WHOLE_BROKER};
use vouchsafe_protocol::bundle::Bundle;
use vouchsafe_protocol::{BrokerIdentity, Digest32, Digest48, UnixTime};

use super::error::CollateralFileError;
use super::service::CollateralService;
use super::status::CollateralStatus;

/// Collateral of one broker, for an operator with the permit to manage it.
pub(crate) struct ManagedCollateral<'s> {
    service: &'s CollateralService,
    operator: &'s str,
}

impl CollateralService {
    /// Collateral, for the operator with this permit.
    ///
    /// # Errors
    /// [`CollateralFileError::NotPermitted`] if the permit is for another action, which is a bug in the caller.
    pub(crate) fn managed<'s>(
        &'s self,
        permit: &'s Permit,
    ) -> Result<ManagedCollateral<'s>, CollateralFileError> {
        if !permit.covers(OperatorAction::ManageCollateral, WHOLE_BROKER) {
            return Err(CollateralFileError::NotPermitted);
        }
        Ok(ManagedCollateral { service: self, operator: &permit.operator().name })
    }
}

impl ManagedCollateral<'_> {
    /// Imports one file; it is in use when this returns.
    pub(crate) fn import(
        &self,
        file: &[u8],
        measurement: Option<Digest48>,
        now: UnixTime,
    ) -> Result<CollateralStatus, CollateralFileError> {
        self.service.shared().folder().import(file, measurement, now)?;
        self.imported()
    }

    /// Imports a bundle; its items are in use when this returns.
    pub(crate) fn import_bundle(
        &self,
        bundle: Bundle,
        signer: &BrokerIdentity,
        now: UnixTime,
    ) -> Result<CollateralStatus, CollateralFileError> {
        self.service.shared().folder().import_bundle(bundle, signer, now)?;
        self.imported()
    }

    /// Removes an item; it is out of use when this returns.
    pub(crate) fn remove(
        &self,
        digest: Digest32,
        now: UnixTime,
    ) -> Result<CollateralStatus, CollateralFileError> {
        self.service.shared().folder().remove(digest, now)?;
        self.service.shared().reload()?;
        tracing::info!(event = "collateral.removed", operator = self.operator, %digest);
        self.status()
    }

    /// Exports everything, signed by the broker.
    pub(crate) fn export(&self, now: UnixTime) -> Bundle {
        let bundle = self.service.shared().folder().export(now);
        tracing::info!(event = "collateral.exported", operator = self.operator);
        bundle
    }

    /// Fetches everything that is kept current or queued, now.
    pub(crate) fn refresh(&self) {
        self.service.shared().jobs().refresh(Instant::now());
        self.service.shared().wake.notify_all();
        tracing::info!(event = "collateral.refresh", operator = self.operator);
    }

    /// The stored items, and those to be fetched.
    pub(crate) fn status(&self) -> Result<CollateralStatus, CollateralFileError> {
        self.service.status()
    }

    fn imported(&self) -> Result<CollateralStatus, CollateralFileError> {
        self.service.shared().reload()?;
        let status = self.status()?;
        tracing::info!(event = "collateral.imported", operator = self.operator, items = status.items.len());
        Ok(status)
    }
}

#[cfg(test)]
mod tests {
    use vouchsafe_policy::operators::authorize_operator;

    use super::*;
    use crate::testing::{Fixture, administrator};

    #[tokio::test(flavor = "multi_thread")]
    async fn t41_only_the_permit_for_collateral_manages_it() {
        let fixture = Fixture::without_crls().await;
        for action in OperatorAction::ALL {
            for namespace in ["prod", WHOLE_BROKER] {
                let permit = authorize_operator(&administrator(), action, namespace).unwrap();
                let managed = fixture.broker.collateral_service().managed(&permit).is_ok();
                let expected = (action, namespace) == (OperatorAction::ManageCollateral, WHOLE_BROKER);
                assert_eq!(managed, expected, "{action} in {namespace}");
            }
        }
    }
}
