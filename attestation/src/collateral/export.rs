//! Stored items as items of a bundle.

use vouchsafe_protocol::Digest32;
use vouchsafe_protocol::UnixTime;
use vouchsafe_protocol::bundle::BundleItem;
use vouchsafe_protocol::bundle::CollateralKind;

use super::metadata::IMPORTED;
use super::stored::StoredCollateral;
use super::tdx::TdxDescription;

impl StoredCollateral {
    /// Every item, with the end of its validity, if the item or its metadata states one.
    pub fn items(&self) -> impl Iterator<Item = (Option<UnixTime>, BundleItem)> {
        let item = |kind, subject: String, content: Vec<u8>, until: Option<UnixTime>| {
            let digest = Digest32::of(&content);
            let metadata = self.metadata.get(&digest);
            let source = metadata.map_or_else(|| IMPORTED.to_owned(), |metadata| metadata.source.clone());
            let until = until.or(metadata.and_then(|metadata| metadata.valid_until));
            (until, BundleItem::new(kind, subject, source, self.fetched_at(&digest), content))
        };
        let crls = self.crls.iter().map(move |crl| {
            item(CollateralKind::Crl, String::new(), crl.der().to_vec(), crl.summary().next_update)
        });
        let certificates = self
            .certificates
            .iter()
            .map(move |der| item(CollateralKind::Certificate, String::new(), der.clone(), None));
        let tdx = self.tdx.iter().map(move |(platform, collateral)| {
            let until = TdxDescription::read(collateral).ok().map(|described| described.until);
            item(CollateralKind::Tdx, platform.to_string(), collateral.to_json(), until)
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
}
