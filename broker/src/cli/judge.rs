//! What captured evidence is verified against offline: anchors, collateral and a time, from files.

use std::path::{Path, PathBuf};

use vouchsafe_attestation::collateral::{TdxDescription, is_bundle, is_key_set, split};
use vouchsafe_attestation::google_token::TokenKeys;
use vouchsafe_attestation::launch::{self, EndorsementStore};
use vouchsafe_attestation::tdx::{Platform, TdxCollateral, TdxCollateralStore};
use vouchsafe_attestation::x509::{MAX_CRL_LENGTH, read_file};
use vouchsafe_attestation::{Collateral, Endorsements, TrustAnchors, VekStore, VerifyCache, VerifyInputs};
use vouchsafe_protocol::bundle::{Bundle, BundleFormat, BundleItem, CollateralKind, MAX_BUNDLE};
use vouchsafe_protocol::limits::MAX_REQUEST;
use vouchsafe_protocol::{BrokerIdentity, Digest48, UnixTime};

use super::failure::Failure;
use super::output;

/// Anchors, collateral and time of an offline verification, read from files.
pub(super) struct Judge {
    pub(super) endorsements: Endorsements,
    pub(super) now: UnixTime,
    anchors: TrustAnchors,
    collateral: Collateral,
    audiences: Vec<String>,
    cache: VerifyCache,
}

/// The files to read.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Files<'a> {
    pub(super) anchors: &'a [PathBuf],
    pub(super) collateral: &'a [PathBuf],
    pub(super) endorsements: &'a [PathBuf],
    pub(super) audiences: &'a [String],
    /// The identities of the only broker whose bundles of exported collateral are accepted, including the key sets that it
    /// fetched from Google. If there are none, bundles of any broker are accepted: each item is verified where
    /// it is used, and key sets give the root `extra`.
    pub(super) bundles_of: &'a [BrokerIdentity],
}

impl Judge {
    /// Reads extra anchors, and collateral of every kind: CRLs and issuing CAs in PEM or DER; Intel's
    /// collateral and key sets in JSON. The fetch time of the key sets is `now`. Launch endorsements are used
    /// as in a broker's store: one that does not verify is ignored.
    pub(super) fn open(files: &Files<'_>, now: UnixTime) -> Result<Self, Failure> {
        let mut anchors = TrustAnchors::builtin();
        for path in files.anchors {
            let file = output::read_input(path, MAX_REQUEST)?;
            anchors = anchors.with_extra(&file).map_err(|error| Failure::file(path, error))?;
        }
        let mut given = Given::default();
        for path in files.collateral {
            given.take(path, files.bundles_of, now)?;
        }
        let (veks, issuers) = split(given.certificates);
        let collateral =
            Collateral::new(&given.crls, &issuers).map_err(|error| Failure::Usage(error.to_string()))?;
        given.launch.extend(launch_items(files.endorsements)?);
        Ok(Self {
            endorsements: Endorsements {
                veks: VekStore::new(&veks),
                tdx: TdxCollateralStore::new(given.platforms),
                token_keys: given.token_keys,
                launch: EndorsementStore::new(given.launch),
            },
            now,
            anchors,
            collateral,
            audiences: files.audiences.to_vec(),
            cache: VerifyCache::default(),
        })
    }

    pub(super) fn inputs(&self) -> VerifyInputs<'_> {
        let Self { anchors, collateral, endorsements, audiences, cache, now } = self;
        VerifyInputs { anchors, collateral, endorsements, audiences, now: *now, cache }
    }
}

/// Collateral of all files, by its kind.
#[derive(Default)]
struct Given {
    crls: Vec<Vec<u8>>,
    certificates: Vec<Vec<u8>>,
    platforms: Vec<(Platform, TdxCollateral)>,
    token_keys: Vec<TokenKeys>,
    launch: Vec<(Digest48, Vec<u8>)>,
}

impl Given {
    fn take(&mut self, path: &Path, bundles_of: &[BrokerIdentity], now: UnixTime) -> Result<(), Failure> {
        let file = output::read_input(path, MAX_BUNDLE.max(MAX_CRL_LENGTH))?;
        let failed = |error: &dyn std::fmt::Display| Failure::file(path, error);
        if is_bundle(&file) {
            let bundle = Bundle::parse(&file).and_then(|bundle| {
                let expected =
                    bundles_of.iter().find(|signer| **signer == bundle.signer()).or(bundles_of.first());
                let signer = expected.copied().unwrap_or(bundle.signer());
                bundle.verify(&signer, BundleFormat::Exported)
            });
            let mut items = bundle.map_err(|error| failed(&error))?;
            // For one chip the latest certificates are kept.
            items.sort_by_key(|item| (item.kind == CollateralKind::Certificate).then_some(item.fetched_at));
            return items.into_iter().try_for_each(|item| self.add(path, item, !bundles_of.is_empty()));
        }
        if file.trim_ascii_start().first() != Some(&b'{') {
            read_file(&file, &mut self.crls, &mut self.certificates).map_err(|error| failed(&error))
        } else if is_key_set(&file) {
            self.token_keys.push(TokenKeys::extra(&file, now).map_err(|error| failed(&error))?);
            Ok(())
        } else {
            self.platform(path, &file)
        }
    }

    /// Adds an item of a bundle. If the bundle's signer is trusted, a key set that it fetched from Google is
    /// treated as Google's.
    fn add(&mut self, path: &Path, item: BundleItem, believed: bool) -> Result<(), Failure> {
        let BundleItem { kind, subject, fetched_at, content, .. } = item;
        let failed = |error: &dyn std::fmt::Display| Failure::file(path, error);
        match kind {
            CollateralKind::Crl | CollateralKind::Certificate => {
                read_file(&content, &mut self.crls, &mut self.certificates).map_err(|error| failed(&error))
            }
            CollateralKind::Tdx => self.platform(path, &content),
            CollateralKind::TokenKeys => {
                let google = believed && subject == "google";
                let read = if google { TokenKeys::from_google } else { TokenKeys::extra };
                self.token_keys.push(read(&content, fetched_at).map_err(|error| failed(&error))?);
                Ok(())
            }
            CollateralKind::LaunchEndorsement => {
                let measurement =
                    subject.parse().map_err(|_| failed(&"an endorsement without its measurement"))?;
                self.launch.push((measurement, content.0));
                Ok(())
            }
        }
    }

    fn platform(&mut self, path: &Path, file: &[u8]) -> Result<(), Failure> {
        // Whether it is valid is for the verifier to check.
        let collateral = TdxCollateral::parse(file).map_err(|error| Failure::file(path, error))?;
        let described = TdxDescription::read(&collateral).map_err(|error| Failure::file(path, error))?;
        self.platforms.push((described.platform, collateral));
        Ok(())
    }
}

/// Each endorsement under every measurement that it names.
fn launch_items(files: &[PathBuf]) -> Result<Vec<(Digest48, Vec<u8>)>, Failure> {
    let mut items = Vec::new();
    for path in files {
        let file = output::read_input(path, MAX_REQUEST)?;
        let named = launch::measurements(&file).map_err(|error| Failure::file(path, error))?;
        items.extend(named.into_iter().map(|measurement| (measurement, file.clone())));
    }
    Ok(items)
}

#[cfg(test)]
mod tests {
    use vouchsafe_attestation::anchors::Product;
    use vouchsafe_attestation::snp::Tcb;
    use vouchsafe_attestation::test_util::snp::FakeAmd;
    use vouchsafe_attestation::verify::MAX_VEKS_OF_CHIP;
    use vouchsafe_attestation::x509::MAX_COLLATERAL_CERTIFICATES;
    use vouchsafe_protocol::IdentityKey;
    use zeroize::Zeroizing;

    use super::*;

    const NOW: UnixTime = UnixTime(1_800_000_000);

    fn tcb(boot_loader: u8) -> Tcb {
        Tcb { fmc: None, boot_loader, tee: 0, snp: 0, microcode: 0 }
    }

    /// The inputs from a bundle with these certificates, each with its fetch time.
    fn opened(certificates: Vec<(UnixTime, Vec<u8>)>) -> Result<Judge, Failure> {
        let item = |(at, der)| {
            BundleItem::new(CollateralKind::Certificate, String::new(), "import".to_owned(), at, der)
        };
        let key = IdentityKey::from_seed(&Zeroizing::new([3; 32])).expect("a key");
        let items = certificates.into_iter().map(item).collect();
        let bundle = Bundle::sign(&key, BundleFormat::Exported, NOW, items);
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), serde_json::to_vec(&bundle).expect("JSON")).expect("written");
        let (collateral, broker) = ([file.path().to_owned()], [key.identity()]);
        Judge::open(&Files { collateral: &collateral, bundles_of: &broker, ..Files::default() }, NOW)
    }

    #[test]
    fn a_bundle_may_hold_more_chip_certificates_than_issuers() {
        let amd = FakeAmd::shared(Product::Genoa);
        let chips = 1..=u8::try_from(MAX_COLLATERAL_CERTIFICATES + 1).expect("fewer than 256");
        let veks: Vec<_> = chips.map(|chip| (NOW, amd.vcek(tcb(1), &[chip; 64]))).collect();
        let count = veks.len();
        assert_eq!(opened(veks).expect("room for all").endorsements.veks.chips(), count);
        // The limit for issuers is unchanged.
        let issuers = (0..count).map(|_| (NOW, amd.ask_der().to_vec())).collect();
        let refused = opened(issuers).err().expect("too many issuers");
        assert!(matches!(&refused, Failure::Usage(_)), "{refused}");
    }

    #[test]
    fn the_latest_certificates_of_one_chip_are_kept() {
        let amd = FakeAmd::shared(Product::Genoa);
        let chip = [9; 64];
        let levels = 1..=u8::try_from(MAX_VEKS_OF_CHIP + 1).expect("few");
        // Latest first.
        let vek = |level: u8| (UnixTime(NOW.0 - u64::from(level)), amd.vcek(tcb(level), &chip));
        let judge = opened(levels.clone().map(vek).collect()).expect("a bundle");
        for level in levels.clone() {
            let kept = judge.endorsements.veks.has(&chip, &[level, 0, 0, 0, 0, 0, 0, 0]);
            assert_eq!(kept, level != *levels.end(), "{level}");
        }
    }
}
