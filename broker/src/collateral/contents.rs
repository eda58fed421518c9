//! All collateral of a broker as a value, with a metadata entry for each item.
//!
//! A change is made on a copy, which replaces the original once it is valid as a whole.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use vouchsafe_attestation::chain::{Collateral, CollateralError, MAX_CRLS, read_file};
use vouchsafe_attestation::google_token::{MAX_JWKS, TokenKeys};
use vouchsafe_attestation::launch::EndorsementStore;
use vouchsafe_attestation::tdx::{Platform, TdxCollateral, TdxCollateralStore};
use vouchsafe_attestation::{Endorsements, Root, VekStore};
use vouchsafe_protocol::bundle::{BundleItem, CollateralKind};
use vouchsafe_protocol::limits::MAX_ENDORSEMENT;
use vouchsafe_protocol::{Digest32, Digest48, UnixTime};

use super::checks::{Judge, is_useless_here};
use super::intel::Described;
use super::lists::List;
use super::notes::{IMPORTED, Note, Notes};
use super::{ContentError, Loaded};

#[derive(Clone, Debug, Default)]
pub(super) struct Contents {
    pub(super) crls: Vec<List>,
    pub(super) certificates: Vec<Vec<u8>>,
    pub(super) tdx: BTreeMap<Platform, TdxCollateral>,
    pub(super) launch: BTreeMap<Digest48, Vec<u8>>,
    pub(super) google_keys: Option<KeySet>,
    pub(super) extra_keys: Option<KeySet>,
    pub(super) notes: Notes,
}

/// A key set and its fetch time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct KeySet {
    pub(super) jwks: Vec<u8>,
    pub(super) fetched_at: UnixTime,
}

/// A received item, completely parsed.
#[derive(Clone, Debug)]
pub(crate) enum Item {
    Crl(List),
    Certificate(Vec<u8>),
    Tdx(Platform, Box<TdxCollateral>),
    Launch(Digest48, Vec<u8>),
    TokenKeys(Root, Vec<u8>),
}

impl Item {
    pub(crate) const fn kind(&self) -> CollateralKind {
        match self {
            Self::Crl(_) => CollateralKind::Crl,
            Self::Certificate(_) => CollateralKind::Certificate,
            Self::Tdx(..) => CollateralKind::Tdx,
            Self::Launch(..) => CollateralKind::LaunchEndorsement,
            Self::TokenKeys(..) => CollateralKind::TokenKeys,
        }
    }

    pub(crate) fn digest(&self) -> Digest32 {
        match self {
            Self::Crl(list) => list.digest,
            Self::Certificate(bytes) | Self::Launch(_, bytes) | Self::TokenKeys(_, bytes) => {
                Digest32::of(bytes)
            }
            Self::Tdx(_, collateral) => collateral.digest(),
        }
    }
}

impl Contents {
    /// All of it, parsed.
    pub(super) fn parse(&self) -> Result<Loaded, ContentError> {
        let (veks, issuers) = self.split();
        let crls: Vec<_> = self.crls.iter().map(|list| list.der.to_vec()).collect();
        let collateral = Collateral::new(&crls, &issuers)?;
        let google = self.google_keys.iter().map(|set| TokenKeys::from_google(&set.jwks, set.fetched_at));
        let extra = self.extra_keys.iter().map(|set| TokenKeys::extra(&set.jwks, set.fetched_at));
        let endorsements = Endorsements {
            veks: VekStore::new(&veks),
            tdx: TdxCollateralStore::new(self.tdx.clone()),
            launch: EndorsementStore::new(self.launch.clone()),
            token_keys: google.chain(extra).collect::<Result<_, _>>()?,
        };
        Ok(Loaded { collateral, endorsements })
    }

    /// Certificates of chips, the most recent last, and all other certificates.
    pub(super) fn split(&self) -> (Vec<Vec<u8>>, Vec<Vec<u8>>) {
        let (mut veks, issuers) = split(self.certificates.clone());
        veks.sort_by_cached_key(|der| self.fetched_at(&Digest32::of(der)));
        (veks, issuers)
    }

    /// Adds an item, or replaces its predecessor.
    pub(super) fn put(&mut self, item: Item, note: Note, judge: Judge<'_>) {
        let digest = item.digest();
        match item {
            Item::Crl(list) => {
                let old: BTreeSet<_> =
                    self.predecessors(&list, &note.source, judge).map(|old| old.digest).collect();
                self.crls.retain(|known| known.digest != list.digest && !old.contains(&known.digest));
                self.crls.push(list);
            }
            Item::Certificate(der) => self.certificates.push(der),
            Item::Tdx(platform, collateral) => {
                self.tdx.insert(platform, *collateral);
            }
            Item::Launch(measurement, bytes) => {
                self.launch.insert(measurement, bytes);
            }
            Item::TokenKeys(root, jwks) => {
                let set = Some(KeySet { jwks, fetched_at: note.fetched_at });
                // Only a key set fetched from Google's own URL has Google's root.
                match root {
                    Root::Google => self.google_keys = set,
                    _ => self.extra_keys = set,
                }
            }
        }
        self.notes.insert(digest, note);
    }

    /// Removes the item with this digest.
    pub(super) fn remove(&mut self, digest: Digest32) -> Result<(), ContentError> {
        let is_it = |bytes: &[u8]| Digest32::of(bytes) == digest;
        let count = |contents: &Self| {
            contents.crls.len()
                + contents.certificates.len()
                + contents.tdx.len()
                + contents.launch.len()
                + [&contents.google_keys, &contents.extra_keys].into_iter().flatten().count()
        };
        let before = count(self);
        self.crls.retain(|list| list.digest != digest);
        self.certificates.retain(|der| !is_it(der));
        self.tdx.retain(|_, collateral| collateral.digest() != digest);
        self.launch.retain(|_, bytes| !is_it(bytes));
        for set in [&mut self.google_keys, &mut self.extra_keys] {
            if set.as_ref().is_some_and(|set| is_it(&set.jwks)) {
                *set = None;
            }
        }
        if count(self) == before { Err(ContentError::Unknown { digest }) } else { Ok(()) }
    }

    /// Sorts; drops duplicates, overdue items that have a successor, and items beyond the limits.
    pub(super) fn tidy(&mut self, judge: Judge<'_>) {
        self.sort();
        self.drop_outdated(judge);
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

    /// Sorts CRLs and certificates, and removes duplicates.
    pub(super) fn sort(&mut self) {
        self.crls.sort_by_key(|list| list.digest);
        self.crls.dedup_by_key(|list| list.digest);
        self.certificates.sort();
        self.certificates.dedup();
    }

    /// Drops metadata of items that are no longer stored.
    pub(super) fn forget_absent(&mut self) {
        let bytes = self.certificates.iter().chain(self.launch.values());
        let keys = self.google_keys.iter().chain(&self.extra_keys).map(|set| &set.jwks);
        let mut kept: BTreeSet<_> = bytes.chain(keys).map(|bytes| Digest32::of(bytes)).collect();
        kept.extend(self.crls.iter().map(|list| list.digest));
        kept.extend(self.tdx.values().map(TdxCollateral::digest));
        self.notes.retain(|digest, _| kept.contains(digest));
    }

    /// Imports an operator's file.
    pub(super) fn import(
        &mut self,
        file: &[u8],
        measurement: Option<Digest48>,
        judge: Judge<'_>,
    ) -> Result<(), ContentError> {
        for item in read(file, measurement)? {
            self.check_import(&item, judge)?;
            self.put(item, imported(judge.now), judge);
        }
        Ok(())
    }

    /// Imports the items of a bundle, except those of no use here; items already fetched from a vendor keep
    /// their metadata.
    pub(super) fn take(&mut self, items: Vec<BundleItem>, judge: Judge<'_>) -> Result<(), ContentError> {
        for item in items {
            let measurement = match item.kind {
                CollateralKind::LaunchEndorsement => {
                    Some(item.subject.parse().map_err(|_| ContentError::Measurement)?)
                }
                _ => None,
            };
            // Another broker's clock may be ahead; a fetch time is never in the future.
            let fetched_at = item.fetched_at.min(judge.now);
            for read in read(&item.content, measurement)? {
                if self.notes.contains_key(&read.digest()) || self.has_younger_keys(&read, fetched_at) {
                    continue;
                }
                match self.check_bundled(&read, judge) {
                    Ok(()) => self.put(read, imported(fetched_at), judge),
                    Err(error) if is_useless_here(&error) => {
                        let kind = read.kind().name();
                        tracing::warn!(event = "collateral.left_out", kind, digest = %read.digest(), %error);
                    }
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(())
    }

    fn has_younger_keys(&self, item: &Item, fetched_at: UnixTime) -> bool {
        matches!(item, Item::TokenKeys(..))
            && self.extra_keys.as_ref().is_some_and(|known| known.fetched_at > fetched_at)
    }

    /// Every item for an export, with its validity.
    pub(super) fn items(&self) -> impl Iterator<Item = (Option<UnixTime>, BundleItem)> {
        let item = |kind, subject: String, content: Vec<u8>, until: Option<UnixTime>| {
            let digest = Digest32::of(&content);
            let note = self.notes.get(&digest);
            let source = note.map_or_else(|| IMPORTED.to_owned(), |note| note.source.clone());
            let until = until.or(note.and_then(|note| note.valid_until));
            (until, BundleItem::new(kind, subject, source, self.fetched_at(&digest), content))
        };
        let crls = self.crls.iter().map(move |list| {
            item(CollateralKind::Crl, String::new(), list.der.to_vec(), list.summary.next_update)
        });
        let certificates = self
            .certificates
            .iter()
            .map(move |der| item(CollateralKind::Certificate, String::new(), der.clone(), None));
        let tdx = self.tdx.iter().map(move |(platform, collateral)| {
            let until = Described::read(collateral).ok().map(|described| described.until);
            item(CollateralKind::Tdx, platform.to_string(), json(collateral), until)
        });
        let keys = [("google", &self.google_keys), ("extra", &self.extra_keys)];
        let keys = keys.into_iter().filter_map(move |(root, set)| {
            let set = set.as_ref()?;
            let (_, one) = item(CollateralKind::TokenKeys, root.to_owned(), set.jwks.clone(), None);
            Some((None, BundleItem { fetched_at: set.fetched_at, ..one }))
        });
        let launch = self.launch.iter().map(move |(measurement, bytes)| {
            item(CollateralKind::LaunchEndorsement, measurement.to_string(), bytes.clone(), None)
        });
        crls.chain(certificates).chain(tdx).chain(keys).chain(launch)
    }

    fn fetched_at(&self, digest: &Digest32) -> UnixTime {
        self.notes.get(digest).map_or(UnixTime(0), |note| note.fetched_at)
    }
}

/// Certificates of chips, and all others, each in their original order.
pub(crate) fn split(certificates: Vec<Vec<u8>>) -> (Vec<Vec<u8>>, Vec<Vec<u8>>) {
    let of_a_chip = |der: &Vec<u8>| VekStore::new(std::slice::from_ref(der)).chips() > 0;
    certificates.into_iter().partition(of_a_chip)
}

/// Items of a bundle count as imported, whoever fetched them.
fn imported(fetched_at: UnixTime) -> Note {
    Note { source: IMPORTED.to_owned(), fetched_at, valid_until: None }
}

/// Detects the kind of a file's content from its form.
fn read(file: &[u8], measurement: Option<Digest48>) -> Result<Vec<Item>, ContentError> {
    if let Some(measurement) = measurement {
        return Ok(vec![launch(measurement, file)?]);
    }
    if file.trim_ascii_start().first() == Some(&b'{') {
        return Ok(vec![read_json(file)?]);
    }
    let (mut crls, mut certificates) = (Vec::new(), Vec::new());
    read_file(file, &mut crls, &mut certificates)?;
    if crls.len() > MAX_CRLS {
        return Err(CollateralError::TooLarge.into());
    }
    let crls = crls.into_iter().map(|der| Ok(Item::Crl(List::read(der)?)));
    crls.chain(certificates.into_iter().map(|der| Ok(Item::Certificate(der)))).collect()
}

fn read_json(file: &[u8]) -> Result<Item, ContentError> {
    if file.len() <= MAX_JWKS && TokenKeys::extra(file, UnixTime(0)).is_ok() && is_key_set(file) {
        return Ok(Item::TokenKeys(Root::Extra, file.to_vec()));
    }
    tdx(file)
}

/// Whether the JSON looks like a key set.
pub(crate) fn is_key_set(json: &[u8]) -> bool {
    let value: Option<serde_json::Value> = serde_json::from_slice(json).ok();
    value.is_some_and(|value| value.get("keys").is_some_and(serde_json::Value::is_array))
}

/// Whether the file is a JSON object with a member `signer`, which no other collateral has.
pub(crate) fn is_bundle(file: &[u8]) -> bool {
    #[derive(Deserialize)]
    struct Signed {
        #[expect(dead_code, reason = "that it is there is what counts")]
        signer: serde::de::IgnoredAny,
    }
    serde_json::from_slice::<Signed>(file).is_ok()
}

/// Intel's collateral, with the platform that it is for.
fn tdx(json: &[u8]) -> Result<Item, ContentError> {
    let collateral = TdxCollateral::parse(json).map_err(super::TdxFlaw::from)?;
    let described = Described::read(&collateral)?;
    Ok(Item::Tdx(described.platform, Box::new(collateral)))
}

/// An endorsement lists its measurements in raw form.
pub(super) fn launch(measurement: Digest48, bytes: &[u8]) -> Result<Item, ContentError> {
    let has = bytes.windows(48).any(|window| window == measurement.as_bytes());
    if bytes.len() > MAX_ENDORSEMENT || !has {
        return Err(ContentError::Endorsement { measurement });
    }
    Ok(Item::Launch(measurement, bytes.to_vec()))
}

/// The stored form of a platform's collateral: its digest is that of [`TdxCollateral::digest`].
pub(super) fn json(collateral: &TdxCollateral) -> Vec<u8> {
    serde_json::to_vec(collateral).expect("strings are JSON")
}

/// Certificates of chips.
const MAX_VEKS: usize = 8192;
const MAX_LAUNCH: usize = 4096;
const MAX_PLATFORMS: usize = 256;
