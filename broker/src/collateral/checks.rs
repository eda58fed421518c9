//! What may take the place of what is there.
//!
//! A vendor's cache, or who is between it and the broker, can serve anything. So nothing that serves gives way to
//! what cannot be verified, is not current, was issued before it, or is vouched for by an extra anchor where the
//! vendor itself vouches for what is there: then the old one stays.

use std::collections::BTreeSet;

use vouchsafe_attestation::chain::{Collateral, CollateralError, CrlSummary, crl_is_signed_by_anchor};
use vouchsafe_attestation::launch::{
    EndorsementMemory, LaunchContext, LaunchError, LaunchMeasurement, verify as verify_endorsement,
};
use vouchsafe_attestation::tdx::{
    CollateralAnchor, MAX_TDX_COLLATERAL, Platform, TdxCollateral, TdxCollateralError, TdxError,
    verify_collateral,
};
use vouchsafe_attestation::{Root, TrustAnchors};
use vouchsafe_protocol::{Digest32, Digest48, UnixTime};

use super::contents::{Contents, Item, json};
use super::intel::Described;
use super::notes::IMPORTED;
use super::status::summary;
use super::{ContentError, TdxFlaw};

/// What items are judged by.
#[derive(Clone, Copy, Debug)]
pub(super) struct Judge<'a> {
    pub(super) anchors: &'a TrustAnchors,
    pub(super) now: UnixTime,
}

impl Contents {
    /// What an operator imports: he may go back to what was issued before, but not to what nobody signed.
    pub(super) fn check_import(&self, item: &Item, judge: Judge<'_>) -> Result<(), ContentError> {
        match item {
            Item::Tdx(platform, collateral) => self.check_tdx(platform, collateral, judge).map(|_| ()),
            Item::Launch(measurement, bytes) => self.check_launch(*measurement, bytes, judge),
            // These stand beside what is there.
            Item::Crl(_) | Item::Certificate(_) | Item::TokenKeys(..) => Ok(()),
        }
    }

    /// What another broker exported: what is there may be younger.
    pub(super) fn check_bundled(&self, item: &Item, judge: Judge<'_>) -> Result<(), ContentError> {
        match item {
            Item::Tdx(platform, collateral) => self.check_tdx_age(platform, collateral, judge),
            _ => self.check_import(item, judge),
        }
    }

    /// What was fetched from `source`.
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
            // A chip's certificate is verified by who fetched it; nothing signs a key set.
            Item::Certificate(_) | Item::TokenKeys(..) => Ok(()),
        }
    }

    /// The lists that one takes the place of: of the same issuer, from the same address.
    pub(super) fn predecessors(&self, crl: &[u8], source: &str) -> BTreeSet<Digest32> {
        let issuer = |crl: &[u8]| summary(crl).ok().map(|summary| summary.issuer);
        let own = issuer(crl);
        let is_one = |known: &&Vec<u8>| {
            let note = self.notes.get(&Digest32::of(known));
            source != IMPORTED && note.is_some_and(|note| note.source == source) && issuer(known) == own
        };
        self.crls.iter().filter(is_one).map(|known| Digest32::of(known)).collect()
    }

    fn check_crl(&self, crl: &[u8], source: &str, judge: Judge<'_>) -> Result<(), ContentError> {
        let found = summary(crl)?;
        if !crl_is_signed_by_anchor(crl, judge.anchors) {
            return Err(ContentError::CrlNotSigned);
        }
        if judge.now < found.this_update {
            return Err(ContentError::CrlNotYetValid { from: found.this_update });
        }
        let predecessors = self.predecessors(crl, source);
        for known in self.crls.iter().filter(|known| predecessors.contains(&Digest32::of(known))) {
            let known = summary(known)?;
            // What a younger list revokes stays revoked.
            if found.is_older_than(&known) {
                return Err(ContentError::CrlOlder { found: found.this_update, known: known.this_update });
            }
            if known.is_current(judge.now) && !found.is_current(judge.now) {
                return Err(ContentError::CrlExpired { until: found.next_update });
            }
        }
        Ok(())
    }

    /// Signed, current and of a size that is read again. Gives what serves now under the same anchor.
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
        // What does not serve any more, whatever it says of itself, gives way.
        let known = self.tdx.get(platform);
        let Some((known, anchor)) = known.and_then(|known| Some((known, verify(known).ok()?))) else {
            return Ok(None);
        };
        check_rank(root, anchor.root)?;
        // Times are compared where one authority gives them.
        Ok((anchor.certificate == certificate).then_some(known))
    }

    /// And no part of it issued before the one that is there.
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

    /// One that does not verify takes the place of no other.
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

    /// Drops lists that are overdue and have a newer one of the same issuer. Two lists of one name may belong to two
    /// keys, so that being the older one is not enough; and what no anchor signed displaces nothing that one signed.
    pub(super) fn drop_outdated(&mut self, judge: Judge<'_>) -> Result<(), CollateralError> {
        struct Known {
            summary: CrlSummary,
            signed: bool,
        }
        let read = |crl: &Vec<u8>| {
            let signed = crl_is_signed_by_anchor(crl, judge.anchors);
            summary(crl).map(|summary| Known { summary, signed })
        };
        let known = self.crls.iter().map(read).collect::<Result<Vec<_>, _>>()?;
        let displaces = |new: &Known, old: &Known| {
            new.summary.issuer == old.summary.issuer
                && old.summary.is_older_than(&new.summary)
                && (new.signed || !old.signed)
        };
        let overdue = |crl: &Known| crl.summary.next_update.is_some_and(|due| due < judge.now);
        let kept = known.iter().map(|old| !(overdue(old) && known.iter().any(|new| displaces(new, old))));
        let mut kept = kept.collect::<Vec<_>>().into_iter();
        self.crls.retain(|_| kept.next().unwrap_or(true));
        Ok(())
    }
}

/// What an extra anchor vouches for takes the place of nothing that the vendor does.
pub(super) fn check_rank(new: Root, known: Root) -> Result<(), ContentError> {
    if new == Root::Extra && known != Root::Extra { Err(ContentError::ExtraAnchor { known }) } else { Ok(()) }
}

/// Who endorses the measurement, of whichever technology it is.
fn endorses(measurement: Digest48, bytes: &[u8], judge: Judge<'_>) -> Result<Root, LaunchError> {
    let (collateral, memory) = (Collateral::empty(), EndorsementMemory::new(1));
    let context =
        LaunchContext { anchors: judge.anchors, collateral: &collateral, now: judge.now, memory: &memory };
    let of = |measurement| verify_endorsement(bytes, measurement, &context).map(|found| found.root);
    of(LaunchMeasurement::Snp(measurement)).or_else(|_| of(LaunchMeasurement::Tdx(measurement)))
}

/// Whether collateral is of no use to anybody any more.
pub(super) fn has_expired(error: &ContentError) -> bool {
    matches!(error, ContentError::TdxRefused(error) if matches!(**error, TdxError::CollateralExpired { .. }))
}
