//! Replacement rules for stored collateral.
//!
//! A vendor's cache, or a network attacker in front of it, can serve anything. So a stored item is kept
//! unless the new one verifies, is current, was not issued earlier, and does not chain to an extra anchor
//! while the stored one chains to the vendor's root.

use std::collections::BTreeSet;

use vouchsafe_attestation::chain::{ChainError, Collateral, CollateralError, MAX_CRLS};
use vouchsafe_attestation::launch::{LaunchError, LaunchMeasurement, verify as verify_endorsement};
use vouchsafe_attestation::tdx::{
    CollateralAnchor, MAX_TDX_COLLATERAL, Platform, TdxCollateral, TdxCollateralError, TdxError,
    verify_collateral,
};
use vouchsafe_attestation::{Endorsements, Root, TrustAnchors, VerifyCache, VerifyInputs};
use vouchsafe_protocol::{Digest48, UnixTime};

use super::contents::{Contents, Item, json};
use super::intel::Described;
use super::lists::List;
use super::notes::IMPORTED;
use super::{ContentError, TdxFlaw};

/// What items are verified against.
#[derive(Clone, Copy, Debug)]
pub(super) struct Judge<'a> {
    pub(super) anchors: &'a TrustAnchors,
    pub(super) now: UnixTime,
    /// The key that must have signed a CRL, if a verified certificate names the CRL.
    pub(super) issuer: Option<&'a [u8]>,
}

impl Contents {
    /// Checks an operator's import: it may be older than the stored item, but must be signed.
    pub(super) fn check_import(&self, item: &Item, judge: Judge<'_>) -> Result<(), ContentError> {
        match item {
            Item::Tdx(platform, collateral) => self.check_tdx(platform, collateral, judge).map(|_| ()),
            Item::Launch(measurement, bytes) => self.check_launch(*measurement, bytes, judge),
            // During an import, new CRLs are kept beside the stored ones until all have been read, up to
            // twice the limit.
            Item::Crl(_) if self.crls.len() >= 2 * MAX_CRLS => Err(CollateralError::TooLarge.into()),
            Item::Crl(_) | Item::Certificate(_) | Item::TokenKeys(..) => Ok(()),
        }
    }

    /// Checks an item exported by another broker: the stored one may be newer.
    pub(super) fn check_bundled(&self, item: &Item, judge: Judge<'_>) -> Result<(), ContentError> {
        match item {
            Item::Tdx(platform, collateral) => self.check_tdx_age(platform, collateral, judge),
            _ => self.check_import(item, judge),
        }
    }

    /// Checks an item fetched from `source`.
    pub(super) fn check_fetched(
        &self,
        item: &Item,
        source: &str,
        judge: Judge<'_>,
    ) -> Result<(), ContentError> {
        match item {
            Item::Crl(crl) => self.check_crl(crl, source, judge),
            Item::Tdx(platform, collateral) => self.check_tdx_age(platform, collateral, judge),
            Item::Launch(measurement, bytes) => {
                endorses(*measurement, bytes, judge)?;
                self.check_launch(*measurement, bytes, judge)
            }
            // A chip's certificate is verified by the fetching function; a key set has no signature.
            Item::Certificate(_) | Item::TokenKeys(..) => Ok(()),
        }
    }

    /// The stored CRLs that a new one replaces: from the same URL, by the same issuer (name and key), or
    /// signed by a key that is no longer an anchor's.
    pub(super) fn predecessors<'c>(
        &'c self,
        new: &'c List,
        source: &'c str,
        judge: Judge<'c>,
    ) -> impl Iterator<Item = &'c List> {
        self.crls.iter().filter(move |known| {
            let note = self.notes.get(&known.digest);
            let is_of_place = source != IMPORTED && note.is_some_and(|note| note.source == source);
            is_of_place && known.summary.issuer == new.summary.issuer && {
                let signer = known.signer_or(judge.anchors, judge.issuer);
                signer.is_none() || signer == new.signer_or(judge.anchors, judge.issuer)
            }
        })
    }

    fn check_crl(&self, list: &List, source: &str, judge: Judge<'_>) -> Result<(), ContentError> {
        let found = &list.summary;
        let is_signed = judge
            .issuer
            .map_or_else(|| list.signer(judge.anchors).is_some(), |issuer| list.is_signed_by(issuer));
        if !is_signed {
            return Err(ContentError::CrlNotSigned);
        }
        if judge.now < found.this_update {
            return Err(ContentError::CrlNotYetValid { from: found.this_update });
        }
        let predecessors = self.predecessors(list, source, judge);
        for known in predecessors.filter(|known| known.signer_or(judge.anchors, judge.issuer).is_some()) {
            let known = &known.summary;
            // A certificate revoked by a newer CRL stays revoked.
            if found.is_older_than(known) {
                return Err(ContentError::CrlOlder { found: found.this_update, known: known.this_update });
            }
            if known.is_current(judge.now) && !found.is_current(judge.now) {
                return Err(ContentError::CrlExpired { until: found.next_update });
            }
        }
        Ok(())
    }

    /// Checks signatures, validity and size. Returns the stored collateral if it has the same anchor.
    fn check_tdx(
        &self,
        platform: &Platform,
        new: &TdxCollateral,
        judge: Judge<'_>,
    ) -> Result<Option<&TdxCollateral>, ContentError> {
        let found = json(new).len();
        if found > MAX_TDX_COLLATERAL {
            return Err(TdxFlaw::Form(TdxCollateralError::TooLarge { found }).into());
        }
        let verify = |it: &TdxCollateral| verify_collateral(it, platform, judge.anchors, judge.now);
        let CollateralAnchor { root, certificate } = verify(new)?;
        // Stored collateral that is no longer valid is replaced, whatever its dates.
        let known = self.tdx.get(platform);
        let Some((known, anchor)) = known.and_then(|known| Some((known, verify(known).ok()?))) else {
            return Ok(None);
        };
        check_rank(root, anchor.root)?;
        // Issue times are compared only under the same anchor.
        Ok((anchor.certificate == certificate).then_some(known))
    }

    /// Checks that no part was issued before the stored one.
    fn check_tdx_age(
        &self,
        platform: &Platform,
        new: &TdxCollateral,
        judge: Judge<'_>,
    ) -> Result<(), ContentError> {
        if let Some(known) = self.check_tdx(platform, new, judge)? {
            Described::read(new)?.is_not_older_than(&Described::read(known)?)?;
        }
        Ok(())
    }

    /// An endorsement that does not verify replaces nothing.
    fn check_launch(
        &self,
        measurement: Digest48,
        bytes: &[u8],
        judge: Judge<'_>,
    ) -> Result<(), ContentError> {
        let known = self.launch.get(&measurement);
        let Some(known) = known.and_then(|known| endorses(measurement, known, judge).ok()) else {
            return Ok(());
        };
        check_rank(endorses(measurement, bytes, judge)?, known)
    }

    /// Drops overdue CRLs that have a newer one of the same issuer. Two CRLs with one issuer name may belong
    /// to two keys, so only one signed by the same key displaces a CRL that an anchor signed.
    pub(super) fn drop_outdated(&mut self, judge: Judge<'_>) {
        let displaces = |new: &List, old: &List| {
            old.is_older_than(new) && {
                let signer = old.signer(judge.anchors);
                signer.is_none() || signer == new.signer(judge.anchors)
            }
        };
        let is_over =
            |old: &&List| old.is_overdue(judge.now) && self.crls.iter().any(|new| displaces(new, old));
        let over: BTreeSet<_> = self.crls.iter().filter(is_over).map(|old| old.digest).collect();
        self.crls.retain(|known| !over.contains(&known.digest));
    }
}

/// An item under an extra anchor never replaces one under the vendor's root.
pub(super) fn check_rank(new: Root, known: Root) -> Result<(), ContentError> {
    if new == Root::Extra && known != Root::Extra { Err(ContentError::ExtraAnchor { known }) } else { Ok(()) }
}

/// The root of an endorsement for this measurement, whichever its technology.
fn endorses(measurement: Digest48, bytes: &[u8], judge: Judge<'_>) -> Result<Root, LaunchError> {
    let Judge { anchors, now, .. } = judge;
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

/// Whether this broker has no use for an item of a bundle, although others may: it has expired or is not
/// valid yet, has a format unknown to this version, is signed by nobody trusted here, or is older than the
/// stored one.
pub(super) fn is_useless_here(error: &ContentError) -> bool {
    match error {
        ContentError::Tdx(TdxFlaw::Older { .. }) | ContentError::ExtraAnchor { .. } => true,
        ContentError::TdxRefused(error) => matches!(
            **error,
            TdxError::CollateralExpired { .. }
                | TdxError::CollateralNotYetValid { .. }
                | TdxError::CollateralKind { .. }
                | TdxError::CollateralRoot { .. }
        ),
        ContentError::LaunchRefused(error) => matches!(
            **error,
            LaunchError::Chain(
                ChainError::UnknownIssuer | ChainError::NotValidYet { .. } | ChainError::Expired { .. }
            )
        ),
        _ => false,
    }
}
