//! All collateral of a broker as one value, with metadata of each item.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use vouchsafe_protocol::Digest32;
use vouchsafe_protocol::Digest48;
use vouchsafe_protocol::UnixTime;

use super::crl::StoredCrl;
use super::error::ItemError;
use super::item::KeySet;
use super::metadata::MetadataByDigest;
use super::read;
use super::tdx::TdxDescription;
use crate::anchors::Root;
use crate::google_token::TokenKeys;
use crate::launch::EndorsementStore;
use crate::snp::VekStore;
use crate::tdx::Platform;
use crate::tdx::TdxCollateral;
use crate::tdx::TdxCollateralStore;
use crate::verify::Endorsements;
use crate::x509::Collateral;
use crate::x509::read_file;

/// All collateral of a broker.
#[derive(Clone, Debug, Default)]
pub struct StoredCollateral {
    pub(super) crls: Vec<StoredCrl>,
    pub(super) certificates: Vec<Vec<u8>>,
    pub(super) tdx: BTreeMap<Platform, TdxCollateral>,
    pub(super) launch: BTreeMap<Digest48, Vec<u8>>,
    pub(super) google_keys: Option<KeySet>,
    pub(super) extra_keys: Option<KeySet>,
    pub(super) metadata: MetadataByDigest,
}

/// Stored collateral in the form that the verifier takes.
#[derive(Debug)]
pub struct Loaded {
    /// CRLs and issuing CAs.
    pub collateral: Collateral,
    /// What vendors publish about their platforms.
    pub endorsements: Endorsements,
}

/// The stored items.
impl StoredCollateral {
    /// CRLs, by digest.
    #[must_use]
    pub fn crls(&self) -> &[StoredCrl] {
        &self.crls
    }

    /// Certificates of chips and issuing CAs, DER.
    #[must_use]
    pub fn certificates(&self) -> &[Vec<u8>] {
        &self.certificates
    }

    /// Intel's collateral by platform.
    #[must_use]
    pub const fn tdx(&self) -> &BTreeMap<Platform, TdxCollateral> {
        &self.tdx
    }

    /// Launch endorsements by measurement.
    #[must_use]
    pub const fn launch(&self) -> &BTreeMap<Digest48, Vec<u8>> {
        &self.launch
    }

    /// The key set that the broker fetched from Google's own address.
    #[must_use]
    pub const fn google_keys(&self) -> Option<&KeySet> {
        self.google_keys.as_ref()
    }

    /// The key set of any other origin.
    #[must_use]
    pub const fn extra_keys(&self) -> Option<&KeySet> {
        self.extra_keys.as_ref()
    }

    /// Metadata by digest.
    #[must_use]
    pub const fn metadata(&self) -> &MetadataByDigest {
        &self.metadata
    }

    /// All of it, parsed.
    ///
    /// # Errors
    /// The first item that cannot be used.
    pub fn load(&self) -> Result<Loaded, ItemError> {
        let (veks, issuers) = self.split();
        let crls: Vec<_> = self.crls.iter().map(|crl| crl.der().to_vec()).collect();
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

    /// Certificates of chips, the last fetched at the end, and all others.
    #[must_use]
    pub fn split(&self) -> (Vec<Vec<u8>>, Vec<Vec<u8>>) {
        let (mut veks, issuers) = read::split(self.certificates.clone());
        veks.sort_by_cached_key(|der| self.fetched_at(&Digest32::of(der)));
        (veks, issuers)
    }

    pub(super) fn fetched_at(&self, digest: &Digest32) -> UnixTime {
        self.metadata.get(digest).map_or(UnixTime(0), |metadata| metadata.fetched_at)
    }

    /// Brings CRLs and certificates into one order, each of them once.
    pub(super) fn sort(&mut self) {
        self.crls.sort_by_key(StoredCrl::digest);
        self.crls.dedup_by_key(|crl| crl.digest());
        self.certificates.sort();
        self.certificates.dedup();
    }

    /// Drops metadata of items that are not stored.
    pub(super) fn forget_absent(&mut self) {
        let bytes = self.certificates.iter().chain(self.launch.values());
        let keys = self.google_keys.iter().chain(&self.extra_keys).map(|set| &set.jwks);
        let mut kept: BTreeSet<_> = bytes.chain(keys).map(|bytes| Digest32::of(bytes)).collect();
        kept.extend(self.crls.iter().map(StoredCrl::digest));
        kept.extend(self.tdx.values().map(TdxCollateral::digest));
        self.metadata.retain(|digest, _| kept.contains(digest));
    }
}

/// Restores stored items: they were checked when they were accepted, and are only parsed here.
impl StoredCollateral {
    /// Restores a CRL or a certificate, DER.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn restore_der(&mut self, der: &[u8]) -> Result<(), ItemError> {
        let mut crls = Vec::new();
        read_file(der, &mut crls, &mut self.certificates)?;
        for der in crls {
            self.crls.push(StoredCrl::parse(der)?);
        }
        Ok(())
    }

    /// Restores Intel's collateral, and returns the platform that it is for by its own account.
    ///
    /// # Errors
    /// When a part cannot be read.
    pub fn restore_tdx(&mut self, collateral: TdxCollateral) -> Result<Platform, ItemError> {
        let platform = TdxDescription::read(&collateral)?.platform;
        self.tdx.insert(platform, collateral);
        Ok(platform)
    }

    /// Restores the launch endorsement for a measurement.
    ///
    /// # Errors
    /// When it does not contain the measurement.
    pub fn restore_launch(&mut self, measurement: Digest48, bytes: &[u8]) -> Result<(), ItemError> {
        read::launch(measurement, bytes)?;
        self.launch.insert(measurement, bytes.to_vec());
        Ok(())
    }

    /// Restores a key set: Google's if `root` is Google, otherwise the one from another source.
    pub fn restore_token_keys(&mut self, root: Root, set: Option<KeySet>) {
        *self.key_set_mut(root) = set;
    }

    /// Restores metadata.
    pub fn restore_metadata(&mut self, metadata: MetadataByDigest) {
        self.metadata = metadata;
    }

    /// All has been restored, in whatever order.
    #[must_use]
    pub fn restored(mut self) -> Self {
        self.sort();
        self.forget_absent();
        self
    }

    /// Only a key set fetched from Google's own URL has Google's root.
    pub(super) const fn key_set_mut(&mut self, root: Root) -> &mut Option<KeySet> {
        match root {
            Root::Google => &mut self.google_keys,
            _ => &mut self.extra_keys,
        }
    }
}
