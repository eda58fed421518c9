//! Changes of stored collateral: each returns a complete new value, or one exact error.

use vouchsafe_protocol::Digest32;
use vouchsafe_protocol::Digest48;
use vouchsafe_protocol::UnixTime;
use vouchsafe_protocol::bundle::BundleItem;
use vouchsafe_protocol::bundle::CollateralKind;

use super::check::CheckInputs;
use super::error::ItemError;
use super::item::Item;
use super::metadata::ItemMetadata;
use super::read::read;
use super::replacement::is_useless_here;
use super::stored::StoredCollateral;

/// An item of a bundle that is of no use to this broker.
#[derive(Clone, Debug)]
pub struct LeftOut {
    /// The kind of the item.
    pub kind: CollateralKind,
    /// SHA-256 of it.
    pub digest: Digest32,
    /// The reason.
    pub error: ItemError,
}

impl StoredCollateral {
    /// With the items of a file that an operator imports: CRLs and certificates, PEM or DER; Intel's collateral and key
    /// sets, JSON; a launch endorsement, if its measurement is given. All of them or none. A key set gives the root
    /// `extra`.
    ///
    /// # Errors
    /// The first item that is not accepted.
    pub fn import(
        &self,
        file: &[u8],
        measurement: Option<Digest48>,
        inputs: CheckInputs<'_>,
    ) -> Result<Self, ItemError> {
        let mut changed = self.clone();
        for item in read(file, measurement)? {
            changed.check_import(&item, inputs)?;
            changed.put(item, ItemMetadata::imported(inputs.now), inputs);
        }
        changed.checked(inputs)
    }

    /// With the items of a bundle whose signer is believed to have exported them, without those that are of no use here.
    /// An item that is malformed or badly signed refuses all of them.
    ///
    /// # Errors
    /// The first item that is not accepted.
    pub fn merge(
        &self,
        items: Vec<BundleItem>,
        inputs: CheckInputs<'_>,
    ) -> Result<(Self, Vec<LeftOut>), ItemError> {
        let (mut changed, mut left_out) = (self.clone(), Vec::new());
        for item in items {
            let measurement = match item.kind {
                CollateralKind::LaunchEndorsement => {
                    Some(item.subject.parse().map_err(|_| ItemError::Measurement)?)
                }
                _ => None,
            };
            // The other broker's clock may be ahead: nothing was fetched after now.
            let fetched_at = item.fetched_at.min(inputs.now);
            for item in read(&item.content, measurement)? {
                if changed.metadata.contains_key(&item.digest())
                    || changed.has_younger_keys(&item, fetched_at)
                {
                    continue;
                }
                match changed.check_bundled(&item, inputs) {
                    Ok(()) => changed.put(item, ItemMetadata::imported(fetched_at), inputs),
                    Err(error) if is_useless_here(&error) => {
                        left_out.push(LeftOut { kind: item.kind(), digest: item.digest(), error });
                    }
                    Err(error) => return Err(error),
                }
            }
        }
        Ok((changed.checked(inputs)?, left_out))
    }

    /// With an item that was fetched.
    ///
    /// # Errors
    /// When it is not accepted.
    pub fn put_fetched(
        &self,
        item: Item,
        metadata: ItemMetadata,
        inputs: CheckInputs<'_>,
    ) -> Result<Self, ItemError> {
        let mut changed = self.clone();
        changed.check_fetched(&item, &metadata.source, inputs)?;
        changed.put(item, metadata, inputs);
        changed.checked(inputs)
    }

    /// Without the item that has this digest.
    ///
    /// # Errors
    /// [`ItemError::Unknown`] when no item has it.
    pub fn remove(&self, digest: Digest32, inputs: CheckInputs<'_>) -> Result<Self, ItemError> {
        let mut changed = self.clone();
        let is_it = |bytes: &[u8]| Digest32::of(bytes) == digest;
        changed.crls.retain(|crl| crl.digest() != digest);
        changed.certificates.retain(|der| !is_it(der));
        changed.tdx.retain(|_, collateral| collateral.digest() != digest);
        changed.launch.retain(|_, bytes| !is_it(bytes));
        for set in [&mut changed.google_keys, &mut changed.extra_keys] {
            if set.as_ref().is_some_and(|set| is_it(&set.jwks)) {
                *set = None;
            }
        }
        if changed.count() == self.count() {
            return Err(ItemError::Unknown { digest });
        }
        changed.checked(inputs)
    }

    fn count(&self) -> usize {
        self.crls.len()
            + self.certificates.len()
            + self.tdx.len()
            + self.launch.len()
            + [&self.google_keys, &self.extra_keys].into_iter().flatten().count()
    }

    /// Tidied, if all of it can be loaded.
    fn checked(mut self, inputs: CheckInputs<'_>) -> Result<Self, ItemError> {
        self.tidy(inputs);
        self.load()?;
        Ok(self)
    }

    fn has_younger_keys(&self, item: &Item, fetched_at: UnixTime) -> bool {
        matches!(item, Item::TokenKeys(..))
            && self.extra_keys.as_ref().is_some_and(|known| known.fetched_at > fetched_at)
    }
}
