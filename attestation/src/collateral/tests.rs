//! Which items are accepted, and which they replace.

mod bundles;
mod crls;
mod launch;
mod pcs;
mod tdx;

use std::collections::BTreeSet;

use vouchsafe_protocol::Digest32;
use vouchsafe_protocol::Digest48;
use vouchsafe_protocol::UnixTime;
use vouchsafe_protocol::bundle::BundleItem;

use super::*;
use crate::anchors::Root;
use crate::anchors::TrustAnchors;
use crate::tdx::PckCa;
use crate::tdx::Platform;
use crate::tdx::TdxCollateral;
use crate::test_util::ca::CrlSpec;
use crate::test_util::ca::FakeGoogle;
use crate::test_util::tdx::CollateralSpec;
use crate::test_util::tdx::FMSPC;
use crate::test_util::tdx::FakeIntel;
use crate::test_util::vm::shared_anchors;
use crate::test_util::vm::shared_google;
use crate::x509::CollateralError;

/// 2026-02-19: inside the validity of everything that the builders make.
const NOW: UnixTime = UnixTime(1_771_500_000);
const DAY: u64 = 86_400;
const PLATFORM: Platform = Platform { fmspc: FMSPC, ca: PckCa::Platform };

/// Stored collateral and its anchors; a refused change changes nothing.
struct Store {
    stored: StoredCollateral,
    anchors: TrustAnchors,
}

impl Store {
    fn new() -> Self {
        Self::under(shared_anchors())
    }

    fn under(anchors: TrustAnchors) -> Self {
        Self { stored: StoredCollateral::default(), anchors }
    }

    const fn inputs(&self, now: UnixTime) -> CheckInputs<'_> {
        CheckInputs { anchors: &self.anchors, now, crl_issuer: None }
    }

    fn import(&mut self, file: &[u8], now: UnixTime) -> Result<(), ItemError> {
        self.stored = self.stored.import(file, None, self.inputs(now))?;
        Ok(())
    }

    fn import_launch(&mut self, endorsement: &[u8], measurement: Digest48) -> Result<(), ItemError> {
        self.stored = self.stored.import(endorsement, Some(measurement), self.inputs(NOW))?;
        Ok(())
    }

    /// Gives how many items were left out.
    fn merge(&mut self, items: Vec<BundleItem>, now: UnixTime) -> Result<usize, ItemError> {
        let (stored, left_out) = self.stored.merge(items, self.inputs(now))?;
        self.stored = stored;
        Ok(left_out.len())
    }

    /// As if it had been fetched, always from the same address.
    fn put(&mut self, item: Item, now: UnixTime) -> Result<(), ItemError> {
        let source = "https://cache.example.com/item".to_owned();
        let metadata = ItemMetadata { source, fetched_at: now, valid_until: None, kind: None };
        self.stored = self.stored.put_fetched(item, metadata, self.inputs(now))?;
        Ok(())
    }

    fn export(&self) -> Vec<BundleItem> {
        self.stored.items().map(|(_, item)| item).collect()
    }

    fn loaded(&self) -> Loaded {
        self.stored.load().unwrap()
    }

    fn crls(&self) -> BTreeSet<Digest32> {
        self.stored.crls().iter().map(StoredCrl::digest).collect()
    }

    fn tdx(&self) -> Option<Digest32> {
        self.loaded().endorsements.tdx.get(&PLATFORM).map(|tdx| tdx.digest())
    }
}

/// The specification of collateral issued this many seconds ago.
fn spec(age: u64) -> CollateralSpec {
    CollateralSpec::current(UnixTime(NOW.0 - age), NOW.plus(DAY))
}

fn collateral(age: u64) -> TdxCollateral {
    FakeIntel::shared().collateral(&spec(age))
}

#[test]
fn garbage_is_refused_as_that() {
    let mut ours = Store::new();
    assert_eq!(ours.import(b"garbage", NOW), Err(ItemError::Der(CollateralError::Unrecognised)));
    assert!(matches!(ours.import(b"{}", NOW), Err(ItemError::Tdx(TdxItemError::Form(_)))));
    assert_eq!(ours.export(), []);
}

#[test]
fn an_item_is_removed_by_its_digest() {
    let mut ours = Store::new();
    ours.import(shared_google().intermediate_der(), NOW).unwrap();
    let tdx = collateral(60);
    ours.import(&tdx.to_json(), NOW).unwrap();
    let digest = tdx.digest();
    let left = ours.stored.remove(digest, ours.inputs(NOW)).unwrap();
    assert_eq!((left.tdx().len(), left.certificates().len(), left.metadata().len()), (0, 1, 1));
    let unknown = left.remove(digest, ours.inputs(NOW)).map(|_| ());
    assert_eq!(unknown, Err(ItemError::Unknown { digest }));
}
