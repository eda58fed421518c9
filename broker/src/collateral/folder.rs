//! The collateral folder of a broker: one file per item, written completely before it replaces its predecessor.
//!
//! Nothing in these files is trusted, with one exception: key sets are trusted as stored, so the broker signs
//! those that it stores with its identity, and reads no others.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fs::{self, DirBuilder};
use std::io::{self, Write as _};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use vouchsafe_attestation::collateral::{
    CheckInputs, Item, ItemError, ItemMetadata, KeySet, Loaded, StoredCollateral, TdxDescription,
};
use vouchsafe_attestation::tdx::Platform;
use vouchsafe_attestation::{TrustAnchors, VekStore};
use vouchsafe_protocol::bundle::{Bundle, BundleFormat, BundleItem, CollateralKind};
use vouchsafe_protocol::{BrokerIdentity, Digest32, Digest48, IdentityKey, UnixTime};

use super::addresses::is_crl_address;
use super::error::CollateralFileError;
use super::names::{self, EXTRA_KEYS, GOOGLE_KEYS, METADATA};
use super::restore::{DamagedFile, restore};
use super::status::{self, CollateralStatus, ItemStatus};
use super::tdx_file::TdxFile;

/// The collateral folder of a broker.
#[derive(Debug)]
pub struct CollateralFolder {
    path: PathBuf,
    identity: Arc<IdentityKey>,
    anchors: TrustAnchors,
    stored: StoredCollateral,
    damaged: Vec<DamagedFile>,
}

impl CollateralFolder {
    /// Reads the folder; an absent one is empty. Damaged files are set aside, unless the broker must not start without
    /// them (see `restore`). What the identities `before` have signed is accepted, and signed again. Later changes are checked
    /// against these anchors.
    ///
    /// # Errors
    /// [`CollateralFileError`] names the file.
    pub fn open(
        path: &Path,
        identity: Arc<IdentityKey>,
        before: &[BrokerIdentity],
        anchors: TrustAnchors,
    ) -> Result<Self, CollateralFileError> {
        let signers: Vec<_> = before.iter().copied().chain([identity.identity()]).collect();
        let (stored, damaged) = restore(path, &signers)?;
        let folder = Self { path: path.to_owned(), identity, anchors, stored, damaged };
        if !before.is_empty() {
            folder.sign_again()?;
        }
        Ok(folder)
    }

    /// Signs with this key from now on, and what is stored again.
    ///
    /// # Errors
    /// When a file cannot be written. It is signed when this is repeated, or when the folder is opened.
    pub(super) fn sign_as(&mut self, identity: Arc<IdentityKey>) -> Result<(), CollateralFileError> {
        self.identity = identity;
        self.sign_again()
    }

    /// Writes each file whose signature is that of another key, or that is gone.
    fn sign_again(&self) -> Result<(), CollateralFileError> {
        for (name, bytes) in self.signed_files(&self.stored) {
            let path = self.path.join(name);
            match fs::read(&path) {
                Ok(stored) if stored == bytes => {}
                Err(source) if source.kind() != io::ErrorKind::NotFound => {
                    return Err(CollateralFileError::io(&path, source));
                }
                _ => self.write(name, &bytes)?,
            }
        }
        Ok(())
    }

    /// The files that were damaged when the folder was opened.
    pub(super) fn damaged(&self) -> &[DamagedFile] {
        &self.damaged
    }

    /// All of it, parsed.
    ///
    /// # Errors
    /// The first item that cannot be used.
    pub fn parse(&self) -> Result<Loaded, CollateralFileError> {
        Ok(self.stored.load()?)
    }

    /// Stores the items of an operator's file, as [`StoredCollateral::import`].
    ///
    /// # Errors
    /// [`CollateralFileError`]; then nothing changes.
    pub fn import(
        &mut self,
        file: &[u8],
        measurement: Option<Digest48>,
        now: UnixTime,
    ) -> Result<(), CollateralFileError> {
        self.replace(self.stored.import(file, measurement, self.inputs(now))?)
    }

    /// Stores the items of a bundle that `signer` signed, as [`StoredCollateral::merge`].
    ///
    /// # Errors
    /// [`CollateralFileError`]; then nothing changes.
    pub fn import_bundle(
        &mut self,
        bundle: Bundle,
        signer: &BrokerIdentity,
        now: UnixTime,
    ) -> Result<(), CollateralFileError> {
        let items = bundle.verify(signer, BundleFormat::Exported).map_err(ItemError::from)?;
        let (changed, left_out) = self.stored.merge(items, self.inputs(now))?;
        for item in left_out {
            let (kind, digest, error) = (item.kind.name(), item.digest, item.error);
            tracing::warn!(event = "collateral.left_out", kind, %digest, %error);
        }
        self.replace(changed)
    }

    /// Removes the item with this digest.
    ///
    /// # Errors
    /// [`CollateralFileError`], [`ItemError::Unknown`] among them.
    pub fn remove(&mut self, digest: Digest32, now: UnixTime) -> Result<(), CollateralFileError> {
        self.replace(self.stored.remove(digest, self.inputs(now))?)
    }

    /// All items in a signed bundle.
    #[must_use]
    pub fn export(&self, now: UnixTime) -> Bundle {
        let items = self.stored.items().map(|(_, item)| item).collect();
        Bundle::sign(&self.identity, BundleFormat::Exported, now, items)
    }

    /// A summary of the stored items.
    ///
    /// # Errors
    /// The first item that cannot be used.
    pub fn status(&self) -> Result<CollateralStatus, CollateralFileError> {
        let (veks, issuers) = self.stored.split();
        let items = self.stored.items().map(|(valid_until, item)| ItemStatus {
            kind: item.kind,
            subject: if item.subject.is_empty() { item.digest.to_string() } else { item.subject },
            source: Some(item.source),
            fetched_at: Some(item.fetched_at).filter(|time| time.0 > 0),
            valid_until,
            digest: Some(item.digest),
            last_error: None,
        });
        Ok(CollateralStatus {
            crls: self.stored.crls().iter().map(status::crl).collect(),
            certificates: issuers.iter().map(|certificate| Digest32::of(certificate)).collect(),
            chips: VekStore::new(&veks).chips(),
            fetch: false,
            waiting: 0,
            items: items.collect(),
        })
    }

    /// Stores a fetched item. A CRL named by a certificate must be signed by `crl_issuer`.
    pub(crate) fn put(
        &mut self,
        item: Item,
        metadata: ItemMetadata,
        crl_issuer: Option<&[u8]>,
    ) -> Result<(), CollateralFileError> {
        let inputs = CheckInputs { crl_issuer, ..self.inputs(metadata.fetched_at) };
        self.replace(self.stored.put_fetched(item, metadata, inputs)?)
    }

    /// The last item that was fetched from an address.
    pub(crate) fn from(&self, source: &str) -> Option<(Digest32, ItemMetadata)> {
        let all = self.stored.metadata().iter().filter(|(_, metadata)| metadata.source == source);
        let found = all.max_by_key(|(_, metadata)| metadata.fetched_at);
        found.map(|(digest, metadata)| (*digest, metadata.clone()))
    }

    /// Addresses that CRLs were fetched from.
    pub(crate) fn crl_sources(&self) -> Vec<String> {
        let stored = &self.stored;
        let metadata = stored.crls().iter().filter_map(|crl| stored.metadata().get(&crl.digest()));
        metadata.map(|metadata| metadata.source.clone()).filter(|source| is_crl_address(source)).collect()
    }

    /// All certificates other than those of chips.
    pub(crate) fn issuers(&self) -> Vec<Vec<u8>> {
        self.stored.split().1
    }

    /// Platforms that have collateral, with the times when it was fetched and when it expires.
    pub(crate) fn platforms(&self) -> Vec<(Platform, UnixTime, UnixTime)> {
        let all = self.stored.tdx().iter().filter_map(|(platform, collateral)| {
            let until = TdxDescription::read(collateral).ok()?.until;
            let fetched = self.stored.metadata().get(&collateral.digest())?.fetched_at;
            Some((*platform, fetched, until))
        });
        all.collect()
    }

    const fn inputs(&self, now: UnixTime) -> CheckInputs<'_> {
        CheckInputs { anchors: &self.anchors, now, crl_issuer: None }
    }

    /// Writes the files of a changed value, then removes those that it has no more.
    fn replace(&mut self, changed: StoredCollateral) -> Result<(), CollateralFileError> {
        let (old, new) = (self.files(&self.stored), self.files(&changed));
        let made = DirBuilder::new().recursive(true).mode(0o700).create(&self.path);
        made.map_err(|source| CollateralFileError::io(&self.path, source))?;
        for (name, bytes) in &new {
            if old.get(name) != Some(bytes) {
                self.write(name, bytes)?;
            }
        }
        for name in old.keys().filter(|name| !new.contains_key(*name)) {
            let file = self.path.join(name);
            match fs::remove_file(&file) {
                // It was removed already.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                removed => removed.map_err(|source| CollateralFileError::io(&file, source))?,
            }
        }
        self.stored = changed;
        Ok(())
    }

    /// Every file by name.
    fn files<'c>(&self, stored: &'c StoredCollateral) -> BTreeMap<String, Cow<'c, [u8]>> {
        let crls = stored.crls().iter().map(|crl| (crl.digest(), crl.der()));
        let certificates = stored.certificates().iter().map(|der| (Digest32::of(der), der.as_slice()));
        let der = crls.chain(certificates);
        let mut files: BTreeMap<_, _> =
            der.map(|(digest, der)| (names::der(digest), Cow::Borrowed(der))).collect();
        for (platform, collateral) in stored.tdx() {
            files.insert(names::tdx(platform), TdxFile::new(collateral).to_json().into());
        }
        for (measurement, bytes) in stored.launch() {
            files.insert(names::launch(*measurement), bytes.into());
        }
        let signed = self.signed_files(stored).map(|(name, bytes)| (name.to_owned(), bytes.into()));
        files.extend(signed);
        if !stored.metadata().is_empty() {
            let metadata = serde_json::to_vec(stored.metadata()).expect("digests and texts are JSON");
            files.insert(METADATA.to_owned(), metadata.into());
        }
        files
    }

    fn signed_files(&self, stored: &StoredCollateral) -> impl Iterator<Item = (&'static str, Vec<u8>)> {
        let sets = [(GOOGLE_KEYS, stored.google_keys()), (EXTRA_KEYS, stored.extra_keys())];
        let signed = sets.map(|(name, set)| set.map(|set| (name, self.signed(name, set))));
        signed.into_iter().flatten()
    }

    fn signed(&self, name: &str, set: &KeySet) -> Vec<u8> {
        let (subject, source) = (name.to_owned(), String::new());
        let item =
            BundleItem::new(CollateralKind::TokenKeys, subject, source, set.fetched_at, set.jwks.clone());
        let bundle = Bundle::sign(&self.identity, BundleFormat::Kept, set.fetched_at, vec![item]);
        serde_json::to_vec(&bundle).expect("a bundle is JSON")
    }

    fn write(&self, name: &str, bytes: &[u8]) -> Result<(), CollateralFileError> {
        let path = self.path.join(name);
        let temporary = self.path.join(format!("{name}.new"));
        let written = fs::File::create(&temporary).and_then(|mut file| {
            file.write_all(bytes)?;
            file.sync_all()
        });
        written.map_err(|source| CollateralFileError::io(&temporary, source))?;
        fs::rename(&temporary, &path).map_err(|source| CollateralFileError::io(&path, source))
    }
}
