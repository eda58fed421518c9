//! Replacement rules for stored collateral.
//!
//! A vendor's cache, or an attacker between it and the broker, can return anything. So an item in use is not
//! replaced by one that does not verify, is not current or was issued earlier. An item under an extra anchor
//! never replaces one under the vendor's own root (T17).

use std::collections::BTreeSet;

use vouchsafe_protocol::Digest32;
use vouchsafe_protocol::Digest48;

use super::check::CheckInputs;
use super::crl::StoredCrl;
use super::error::ItemError;
use super::item::Item;
use super::item::KeySet;
use super::metadata::IMPORTED;
use super::metadata::ItemMetadata;
use super::stored::StoredCollateral;
use super::tdx::TdxDescription;
use super::tdx::TdxItemError;
use crate::anchors::Root;
use crate::cache::VerifyCache;
use crate::inputs::VerifyInputs;
use crate::launch::LaunchError;
use crate::launch::LaunchMeasurement;
use crate::launch::verify as verify_endorsement;
use crate::tdx::CollateralAnchor;
use crate::tdx::MAX_TDX_COLLATERAL;
use crate::tdx::Platform;
use crate::tdx::TdxCollateral;
use crate::tdx::TdxCollateralError;
use crate::tdx::TdxError;
use crate::tdx::verify_collateral;
use crate::verify::Endorsements;
use crate::x509::ChainError;
use crate::x509::Collateral;
use crate::x509::CollateralError;
use crate::x509::MAX_CRLS;

/// What may be put.
impl StoredCollateral {
    /// An item that an operator imports: it may be older than the stored one, but must be signed.
    pub(super) fn check_import(&self, item: &Item, inputs: CheckInputs<'_>) -> Result<(), ItemError> {
        match item {
            Item::Tdx(platform, collateral) => self.check_tdx(platform, collateral, inputs).map(|_| ()),
            Item::Launch(measurement, bytes) => self.check_launch(*measurement, bytes, inputs),
            // During an import, new CRLs are kept in addition to the stored ones until all have been read, up
            // to twice the limit.
            Item::Crl(_) if self.crls.len() >= 2 * MAX_CRLS => Err(CollateralError::TooLarge.into()),
            Item::Crl(_) | Item::Certificate(_) | Item::TokenKeys(..) => Ok(()),
        }
    }

    /// An item that another broker exported: the stored one may be younger.
    pub(super) fn check_bundled(&self, item: &Item, inputs: CheckInputs<'_>) -> Result<(), ItemError> {
        match item {
            Item::Tdx(platform, collateral) => self.check_tdx_age(platform, collateral, inputs),
            _ => self.check_import(item, inputs),
        }
    }

    /// An item that was fetched from `source`.
    pub(super) fn check_fetched(
        &self,
        item: &Item,
        source: &str,
        inputs: CheckInputs<'_>,
    ) -> Result<(), ItemError> {
        match item {
            Item::Crl(crl) => self.check_crl(crl, source, inputs),
            Item::Tdx(platform, collateral) => self.check_tdx_age(platform, collateral, inputs),
            Item::Launch(measurement, bytes) => {
                endorses(*measurement, bytes, inputs)?;
                self.check_launch(*measurement, bytes, inputs)
            }
            // Certificates are verified when they are fetched, before they are an item; nothing signs a key set.
            Item::Certificate(_) | Item::TokenKeys(..) => Ok(()),
        }
    }

    fn check_crl(&self, crl: &StoredCrl, source: &str, inputs: CheckInputs<'_>) -> Result<(), ItemError> {
        let found = crl.summary();
        let is_signed = inputs
            .crl_issuer
            .map_or_else(|| crl.signer(inputs.anchors).is_some(), |issuer| crl.is_signed_by(issuer));
        if !is_signed {
            return Err(ItemError::CrlNotSigned);
        }
        if inputs.now < found.this_update {
            return Err(ItemError::CrlNotYetValid { from: found.this_update });
        }
        let predecessors = self.predecessors(crl, source, inputs);
        for known in predecessors.filter(|known| known.signer_or(inputs.anchors, inputs.crl_issuer).is_some())
        {
            let known = known.summary();
            // A certificate revoked by a newer CRL stays revoked.
            if found.is_older_than(known) {
                return Err(ItemError::CrlOlder { found: found.this_update, known: known.this_update });
            }
            if known.is_current(inputs.now) && !found.is_current(inputs.now) {
                return Err(ItemError::CrlExpired { until: found.next_update });
            }
        }
        Ok(())
    }

    /// Signed, current and of a size that can be read again. Gives the stored collateral in use under the same anchor.
    fn check_tdx(
        &self,
        platform: &Platform,
        new: &TdxCollateral,
        inputs: CheckInputs<'_>,
    ) -> Result<Option<&TdxCollateral>, ItemError> {
        let found = new.to_json().len();
        if found > MAX_TDX_COLLATERAL {
            return Err(TdxItemError::Form(TdxCollateralError::TooLarge { found }).into());
        }
        let verify = |it: &TdxCollateral| verify_collateral(it, platform, inputs.anchors, inputs.now);
        let CollateralAnchor { root, certificate } = verify(new)?;
        // Stored collateral that does not verify any more is replaced, whatever its dates are.
        let known = self.tdx.get(platform);
        let Some((known, anchor)) = known.and_then(|known| Some((known, verify(known).ok()?))) else {
            return Ok(None);
        };
        check_rank(root, anchor.root)?;
        // Dates are compared only where one authority sets them.
        Ok((anchor.certificate == certificate).then_some(known))
    }

    /// And no part of it issued before the stored one.
    fn check_tdx_age(
        &self,
        platform: &Platform,
        new: &TdxCollateral,
        inputs: CheckInputs<'_>,
    ) -> Result<(), ItemError> {
        if let Some(known) = self.check_tdx(platform, new, inputs)? {
            TdxDescription::read(new)?.is_not_older_than(&TdxDescription::read(known)?)?;
        }
        Ok(())
    }

    /// An endorsement that does not verify replaces none that does.
    fn check_launch(
        &self,
        measurement: Digest48,
        bytes: &[u8],
        inputs: CheckInputs<'_>,
    ) -> Result<(), ItemError> {
        let known = self.launch.get(&measurement);
        let Some(known) = known.and_then(|known| endorses(measurement, known, inputs).ok()) else {
            return Ok(());
        };
        check_rank(endorses(measurement, bytes, inputs)?, known)
    }
}

/// Replacement of stored items.
impl StoredCollateral {
    /// Adds a checked item, replacing its predecessors.
    pub(super) fn put(&mut self, item: Item, mut metadata: ItemMetadata, inputs: CheckInputs<'_>) {
        let digest = item.digest();
        metadata.kind = Some(item.kind());
        match item {
            Item::Crl(crl) => {
                let predecessors = self.predecessors(&crl, &metadata.source, inputs);
                let old: BTreeSet<Digest32> = predecessors.map(StoredCrl::digest).collect();
                self.crls.retain(|known| known.digest() != crl.digest() && !old.contains(&known.digest()));
                self.crls.push(crl);
            }
            Item::Certificate(der) => self.certificates.push(der),
            Item::Tdx(platform, collateral) => {
                self.tdx.insert(platform, *collateral);
            }
            Item::Launch(measurement, bytes) => {
                self.launch.insert(measurement, bytes);
            }
            Item::TokenKeys(root, jwks) => {
                *self.key_set_mut(root) = Some(KeySet { jwks, fetched_at: metadata.fetched_at });
            }
        }
        self.metadata.insert(digest, metadata);
    }

    /// The CRLs that a new one replaces: from the same URL, by the same issuer (name and key), or signed by a
    /// key that is no longer an anchor's.
    fn predecessors<'c>(
        &'c self,
        new: &'c StoredCrl,
        source: &'c str,
        inputs: CheckInputs<'c>,
    ) -> impl Iterator<Item = &'c StoredCrl> {
        self.crls.iter().filter(move |known| {
            let metadata = self.metadata.get(&known.digest());
            let is_of_source =
                source != IMPORTED && metadata.is_some_and(|metadata| metadata.source == source);
            is_of_source && known.summary().issuer == new.summary().issuer && {
                let signer = known.signer_or(inputs.anchors, inputs.crl_issuer);
                signer.is_none() || signer == new.signer_or(inputs.anchors, inputs.crl_issuer)
            }
        })
    }

    /// Sorts, drops duplicates and overdue CRLs that have a newer version, and drops the oldest items above
    /// the limits.
    pub(super) fn tidy(&mut self, inputs: CheckInputs<'_>) {
        self.sort();
        self.drop_outdated(inputs);
        let (mut veks, issuers) = self.split();
        veks.drain(..veks.len().saturating_sub(MAX_VEKS));
        self.certificates = veks.into_iter().chain(issuers).collect();
        self.certificates.sort();
        while self.launch.len() > MAX_LAUNCH {
            let oldest = self.launch.iter().min_by_key(|(_, bytes)| self.fetched_at(&Digest32::of(bytes)));
            let Some(oldest) = oldest.map(|(measurement, _)| *measurement) else { break };
            self.launch.remove(&oldest);
        }
        while self.tdx.len() > MAX_PLATFORMS {
            let oldest = self.tdx.iter().min_by_key(|(_, tdx)| self.fetched_at(&tdx.digest()));
            let Some(oldest) = oldest.map(|(platform, _)| *platform) else { break };
            self.tdx.remove(&oldest);
        }
        self.forget_absent();
    }

    /// Drops CRLs that are overdue and have a newer one of the same issuer. Two CRLs with the same issuer
    /// name may be signed by different keys, so a CRL signed by an anchor is only replaced by one signed with
    /// the same key.
    fn drop_outdated(&mut self, inputs: CheckInputs<'_>) {
        let displaces = |new: &StoredCrl, old: &StoredCrl| {
            old.is_older_than(new) && {
                let signer = old.signer(inputs.anchors);
                signer.is_none() || signer == new.signer(inputs.anchors)
            }
        };
        let is_over =
            |old: &&StoredCrl| old.is_overdue(inputs.now) && self.crls.iter().any(|new| displaces(new, old));
        let over: BTreeSet<_> = self.crls.iter().filter(is_over).map(StoredCrl::digest).collect();
        self.crls.retain(|known| !over.contains(&known.digest()));
    }
}

/// An item under an extra anchor replaces none under a vendor's root.
pub(super) fn check_rank(new: Root, known: Root) -> Result<(), ItemError> {
    if new == Root::Extra && known != Root::Extra { Err(ItemError::ExtraAnchor { known }) } else { Ok(()) }
}

/// The root of the endorsement of a measurement, of whichever technology it is.
fn endorses(measurement: Digest48, bytes: &[u8], inputs: CheckInputs<'_>) -> Result<Root, LaunchError> {
    let CheckInputs { anchors, now, .. } = inputs;
    let inputs = VerifyInputs {
        anchors,
        collateral: &Collateral::empty(),
        endorsements: &Endorsements::default(),
        audiences: &[],
        now,
        cache: &VerifyCache::new(1, 1024),
    };
    let of = |measurement| verify_endorsement(bytes, measurement, &inputs).map(|found| found.root);
    of(LaunchMeasurement::Snp(measurement)).or_else(|_| of(LaunchMeasurement::Tdx(measurement)))
}

/// Whether an item of a bundle is unusable for this broker, although another broker may use it: it has
/// expired or is not yet valid, is of a version that this verifier does not appraise, is under no anchor of
/// this broker, or is worse than the stored one.
pub(super) fn is_useless_here(error: &ItemError) -> bool {
    match error {
        ItemError::Tdx(TdxItemError::Older { .. }) | ItemError::ExtraAnchor { .. } => true,
        ItemError::TdxRefused(error) => matches!(
            **error,
            TdxError::CollateralExpired { .. }
                | TdxError::CollateralNotYetValid { .. }
                | TdxError::CollateralKind { .. }
                | TdxError::CollateralRoot { .. }
        ),
        ItemError::LaunchRefused(error) => matches!(
            **error,
            LaunchError::Chain(
                ChainError::UnknownIssuer | ChainError::NotValidYet { .. } | ChainError::Expired { .. }
            )
        ),
        _ => false,
    }
}

/// Certificates of chips.
const MAX_VEKS: usize = 8192;
const MAX_LAUNCH: usize = 4096;
const MAX_PLATFORMS: usize = 256;
