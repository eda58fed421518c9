//! The collateral folder of a broker: one file per item, written completely before it replaces its
//! predecessor.
//!
//! CRLs and certificates are named by digest, Intel's collateral by platform, endorsements by measurement.
//! Nothing in these files is trusted, with one exception: a key set has no signature of its own, so the
//! broker signs what it fetched with its own identity, and accepts no other.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use vouchsafe_attestation::chain::read_file;
use vouchsafe_attestation::{TrustAnchors, VekStore};
use vouchsafe_protocol::bundle::{Bundle, BundleFormat, BundleItem, CollateralKind};
use vouchsafe_protocol::{BrokerIdentity, Digest32, Digest48, IdentityKey, UnixTime};

use super::addresses::is_crl_address;
use super::checks::Judge;
use super::contents::{Contents, Item, KeySet, json, launch};
use super::intel::Described;
use super::lists::List;
use super::notes::{Note, Notes};
use super::{CollateralFileError, CollateralStatus, ContentError, ItemStatus, Loaded, TdxFlaw, status};

/// The collateral folder of a broker.
#[derive(Debug)]
pub struct CollateralFolder {
    path: PathBuf,
    identity: Arc<IdentityKey>,
    anchors: TrustAnchors,
    contents: Contents,
}

impl CollateralFolder {
    /// Reads the folder; a missing one is empty. Items that are added later are verified against these
    /// anchors.
    ///
    /// # Errors
    /// [`CollateralFileError`] names the file.
    pub fn open(
        path: &Path,
        identity: Arc<IdentityKey>,
        anchors: TrustAnchors,
    ) -> Result<Self, CollateralFileError> {
        let mut folder = Self { path: path.to_owned(), identity, anchors, contents: Contents::default() };
        let entries = match fs::read_dir(path) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(folder),
            Err(source) => return Err(io_error(path, source)),
        };
        for entry in entries {
            let file = entry.map_err(|source| io_error(path, source))?.path();
            let Some(name) = file.file_name().and_then(|name| name.to_str()) else { continue };
            if is_ours(name) {
                let bytes = fs::read(&file).map_err(|source| io_error(&file, source))?;
                folder
                    .take(name, &bytes)
                    .map_err(|source| CollateralFileError::Damaged { path: file.clone(), source })?;
            }
        }
        folder.contents.sort();
        folder.contents.forget_absent();
        Ok(folder)
    }

    /// All of it, parsed.
    ///
    /// # Errors
    /// The first item that cannot be used.
    pub fn parse(&self) -> Result<Loaded, CollateralFileError> {
        Ok(self.contents.parse()?)
    }

    /// Imports a file: CRLs and certificates, PEM or DER; Intel's collateral and key sets, JSON; a launch
    /// endorsement, if its measurement is given. All of its items are stored or none. A key set gives the
    /// root `extra`.
    ///
    /// # Errors
    /// [`CollateralFileError`]; what was there before stays in force.
    pub fn import(
        &mut self,
        file: &[u8],
        measurement: Option<Digest48>,
        now: UnixTime,
    ) -> Result<(), CollateralFileError> {
        self.change(now, |contents, judge| contents.import(file, measurement, judge))
    }

    /// Imports the items of a bundle signed by `signer`, except those of no use to this broker. One item that
    /// is malformed or has a wrong signature makes it reject all.
    ///
    /// # Errors
    /// [`CollateralFileError`]; what was there before stays in force.
    pub fn import_bundle(
        &mut self,
        bundle: Bundle,
        signer: &BrokerIdentity,
        now: UnixTime,
    ) -> Result<(), CollateralFileError> {
        let items = bundle.verify(signer, BundleFormat::Exported).map_err(ContentError::from)?;
        self.change(now, |contents, judge| contents.take(items, judge))
    }

    /// Removes the item with this digest.
    ///
    /// # Errors
    /// [`CollateralFileError`], [`ContentError::Unknown`] among them.
    pub fn remove(&mut self, digest: Digest32, now: UnixTime) -> Result<(), CollateralFileError> {
        self.change(now, |contents, _| contents.remove(digest))
    }

    /// Everything, signed.
    #[must_use]
    pub fn export(&self, now: UnixTime) -> Bundle {
        let items = self.contents.items().map(|(_, item)| item).collect();
        Bundle::sign(&self.identity, BundleFormat::Exported, now, items)
    }

    /// A summary of the stored items.
    ///
    /// # Errors
    /// The first item that cannot be used.
    pub fn status(&self) -> Result<CollateralStatus, CollateralFileError> {
        let contents = &self.contents;
        let (veks, issuers) = contents.split();
        let items = contents.items().map(|(valid_until, item)| ItemStatus {
            kind: item.kind,
            subject: if item.subject.is_empty() { item.digest.to_string() } else { item.subject },
            source: Some(item.source),
            fetched_at: Some(item.fetched_at).filter(|time| time.0 > 0),
            valid_until,
            digest: Some(item.digest),
            last_error: None,
        });
        Ok(CollateralStatus {
            crls: contents.crls.iter().map(status::crl).collect(),
            certificates: issuers.iter().map(|certificate| Digest32::of(certificate)).collect(),
            chips: VekStore::new(&veks).chips(),
            fetch: false,
            waiting: 0,
            items: items.collect(),
        })
    }

    /// Stores a fetched item. A CRL named by a certificate must be signed by `issuer`.
    pub(crate) fn put(
        &mut self,
        item: Item,
        note: Note,
        issuer: Option<&[u8]>,
    ) -> Result<(), CollateralFileError> {
        let now = note.fetched_at;
        self.change(now, |contents, judge| {
            let judge = Judge { issuer, ..judge };
            contents.check_fetched(&item, &note.source, judge)?;
            contents.put(item, note, judge);
            Ok(())
        })
    }

    /// The latest item from a URL, with its metadata.
    pub(crate) fn from(&self, source: &str) -> Option<(Digest32, Note)> {
        let all = self.contents.notes.iter().filter(|(_, note)| note.source == source);
        let found = all.max_by_key(|(_, note)| note.fetched_at);
        found.map(|(digest, note)| (*digest, note.clone()))
    }

    /// The URLs of stored CRLs.
    pub(crate) fn crl_sources(&self) -> Vec<String> {
        let notes = self.contents.crls.iter().filter_map(|list| self.contents.notes.get(&list.digest));
        notes.map(|note| note.source.clone()).filter(|source| is_crl_address(source)).collect()
    }

    /// All certificates other than those of chips.
    pub(crate) fn issuers(&self) -> Vec<Vec<u8>> {
        self.contents.split().1
    }

    /// Platforms with stored collateral: fetch time and end of validity.
    pub(crate) fn platforms(&self) -> Vec<(vouchsafe_attestation::tdx::Platform, UnixTime, UnixTime)> {
        let all = self.contents.tdx.iter().filter_map(|(platform, collateral)| {
            let until = Described::read(collateral).ok()?.until;
            let fetched = self.contents.notes.get(&collateral.digest())?.fetched_at;
            Some((*platform, fetched, until))
        });
        all.collect()
    }

    fn change(
        &mut self,
        now: UnixTime,
        change: impl FnOnce(&mut Contents, Judge<'_>) -> Result<(), ContentError>,
    ) -> Result<(), CollateralFileError> {
        let mut contents = self.contents.clone();
        let judge = Judge { anchors: &self.anchors, now, issuer: None };
        change(&mut contents, judge)?;
        contents.tidy(judge);
        contents.parse()?;
        let (old, new) = (self.files(&self.contents), self.files(&contents));
        fs::create_dir_all(&self.path).map_err(|source| io_error(&self.path, source))?;
        for (name, bytes) in &new {
            if old.get(name) != Some(bytes) {
                self.write(name, bytes)?;
            }
        }
        for name in old.keys().filter(|name| !new.contains_key(*name)) {
            let file = self.path.join(name);
            match fs::remove_file(&file) {
                // Somebody else was first.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                removed => removed.map_err(|source| io_error(&file, source))?,
            }
        }
        self.contents = contents;
        Ok(())
    }

    /// Every file by name.
    fn files<'c>(&self, contents: &'c Contents) -> BTreeMap<String, Cow<'c, [u8]>> {
        let crls = contents.crls.iter().map(|list| (list.digest, &*list.der));
        let certificates = contents.certificates.iter().map(|der| (Digest32::of(der), der.as_slice()));
        let der = crls.chain(certificates);
        let mut files: BTreeMap<_, _> =
            der.map(|(digest, der)| (format!("{digest}.{DER}"), Cow::Borrowed(der))).collect();
        for (platform, collateral) in &contents.tdx {
            let name = format!("{}-{}.{TDX}", hex::encode(platform.fmspc), platform.ca.name());
            files.insert(name, json(collateral).into());
        }
        for (measurement, bytes) in &contents.launch {
            files.insert(format!("{measurement}.{LAUNCH}"), bytes.into());
        }
        for (name, set) in [(GOOGLE_KEYS, &contents.google_keys), (EXTRA_KEYS, &contents.extra_keys)] {
            if let Some(set) = set {
                files.insert(name.to_owned(), self.signed(name, set).into());
            }
        }
        if !contents.notes.is_empty() {
            let notes = serde_json::to_vec(&contents.notes).expect("digests and texts are JSON");
            files.insert(NOTES.to_owned(), notes.into());
        }
        files
    }

    fn signed(&self, name: &str, set: &KeySet) -> Vec<u8> {
        let (subject, source) = (name.to_owned(), String::new());
        let item =
            BundleItem::new(CollateralKind::TokenKeys, subject, source, set.fetched_at, set.jwks.clone());
        let bundle = Bundle::sign(&self.identity, BundleFormat::Kept, set.fetched_at, vec![item]);
        serde_json::to_vec(&bundle).expect("a bundle is JSON")
    }

    fn take(&mut self, name: &str, bytes: &[u8]) -> Result<(), ContentError> {
        let contents = &mut self.contents;
        match name {
            NOTES => match serde_json::from_slice::<Notes>(bytes) {
                Ok(notes) => contents.notes = notes,
                // Without metadata items are only fetched again.
                Err(error) => tracing::warn!(event = "collateral.notes_lost", %error),
            },
            GOOGLE_KEYS | EXTRA_KEYS => {
                let set = kept(name, bytes, &self.identity.identity());
                if set.is_none() {
                    tracing::warn!(event = "collateral.token_keys_refused", file = name);
                }
                let place =
                    if name == GOOGLE_KEYS { &mut contents.google_keys } else { &mut contents.extra_keys };
                *place = set;
            }
            _ if name.ends_with(DER) => {
                let mut crls = Vec::new();
                read_file(bytes, &mut crls, &mut contents.certificates)?;
                for der in crls {
                    contents.crls.push(List::read(der)?);
                }
            }
            _ if name.ends_with(TDX) => {
                let collateral =
                    vouchsafe_attestation::tdx::TdxCollateral::parse(bytes).map_err(TdxFlaw::from)?;
                contents.tdx.insert(Described::read(&collateral)?.platform, collateral);
            }
            _ => {
                let measurement = name.strip_suffix(LAUNCH).and_then(|name| name.strip_suffix('.'));
                let measurement: Digest48 =
                    measurement.and_then(|text| text.parse().ok()).ok_or(ContentError::Measurement)?;
                launch(measurement, bytes)?;
                contents.launch.insert(measurement, bytes.to_vec());
            }
        }
        Ok(())
    }

    fn write(&self, name: &str, bytes: &[u8]) -> Result<(), CollateralFileError> {
        let path = self.path.join(name);
        let temporary = self.path.join(format!("{name}.new"));
        let written = fs::File::create(&temporary).and_then(|mut file| {
            file.write_all(bytes)?;
            file.sync_all()
        });
        written.map_err(|source| io_error(&temporary, source))?;
        fs::rename(&temporary, &path).map_err(|source| io_error(&path, source))
    }
}

/// A key set that this broker fetched and signed, if it belongs to the file that it is in.
fn kept(name: &str, bytes: &[u8], identity: &BrokerIdentity) -> Option<KeySet> {
    let items = Bundle::parse(bytes).ok()?.verify(identity, BundleFormat::Kept).ok()?;
    let [item] = items.try_into().ok()?;
    let BundleItem { kind, subject, fetched_at, content, .. } = item;
    (kind == CollateralKind::TokenKeys && subject == name).then_some(KeySet { jwks: content.0, fetched_at })
}

fn is_ours(name: &str) -> bool {
    [GOOGLE_KEYS, EXTRA_KEYS, NOTES].contains(&name)
        || [DER, TDX, LAUNCH].iter().any(|end| name.strip_suffix(end).is_some_and(|name| name.ends_with('.')))
}

fn io_error(path: &Path, source: io::Error) -> CollateralFileError {
    CollateralFileError::Io { path: path.to_owned(), source }
}

const DER: &str = "der";
const TDX: &str = "tdx.json";
const LAUNCH: &str = "binarypb";
const GOOGLE_KEYS: &str = "jwks.google.json";
const EXTRA_KEYS: &str = "jwks.extra.json";
const NOTES: &str = "notes.json";
